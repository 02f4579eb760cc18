"""What a job of a sound costs beside bare ffmpeg, and how that grows with its length: wall and CPU seconds, memory.

Two sounds, a voice with strokes that keep it from its target (a limiter is needed, and some moments are encoded twice)
and chords that need a gain alone. Beside each job, in the same minute, the floor: one ffmpeg from the upload to both
rates, with neither loudness, waveform nor verification. Run it with

    .venv/bin/python bench/sound.py [--lengths 60,300,1200,3600] [--sound FILE]

The page that states the results: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import job

from codex_assets.media import profile

RESULTS = Path(__file__).parent / "results" / "sound.json"
SOUNDS = {
    "voice": "0.25*(0.6*sin(2*PI*180*t)+0.3*sin(2*PI*540*t)+0.1*sin(2*PI*2700*t))*(0.55+0.45*sin(2*PI*4*t))"
    "*gt(sin(2*PI*0.4*t)\\,-0.6)+0.9*exp(-60*mod(t\\,1.7))*sin(2*PI*700*t)",
    "music": "0.12*(sin(2*PI*220*t)+sin(2*PI*277*t)*gt(sin(2*PI*0.19*t)\\,0)+sin(2*PI*1330*t)*exp(-4*mod(t\\,0.5)))"
    "+0.15*exp(-40*mod(t+0.25\\,0.5))*(random(0)-0.5)",
}


@dataclass(frozen=True)
class Upload:
    """A sound, as it is uploaded. `seconds`: None where it was not made here."""

    path: Path
    seconds: float | None


def make(folder: Path, name: str, seconds: float) -> Upload:
    """One of the sounds, as an MP3 of stereo; a minute of it again and again, which is generated once."""
    minute, path = folder / f"{name}.mp3", folder / f"{name}-{seconds:g}.mp3"
    coding = ("-c:a", "libmp3lame", "-b:a", "192k")
    if not minute.exists():
        source = f"aevalsrc=exprs={SOUNDS[name]}|0.8*({SOUNDS[name]}):s=48000:d=60"
        subprocess.run([*job.QUIET, "-f", "lavfi", "-i", source, *coding, str(minute)], check=True)
    again = ["-stream_loop", str(int(seconds // 60)), "-i", str(minute), "-t", str(seconds)]
    subprocess.run([*job.QUIET, *again, "-c", "copy", str(path)], check=True)
    return Upload(path, seconds)


def whole_job(upload: Upload, folder: Path) -> list[list[str]]:
    """Our job."""
    return job.whole_job(upload.path, "audio", folder)


def floor(upload: Upload, folder: Path) -> list[list[str]]:
    """One ffmpeg to both rates."""
    command = [*job.QUIET, "-i", str(upload.path)]
    for rung in profile.AUDIO_LADDER:
        coding = ("-map", "0:a", "-c:a", "aac", "-b:a", f"{rung.audio_kbps}k", "-ar", "48000", "-ac", "2")
        command += [*coding, str(folder / f"{rung.name}.m4a")]
    return [command]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lengths", default="60,300,1200,3600", help="Seconds, with commas between them.")
    parser.add_argument("--sound", type=Path, help="An upload that is measured instead, as it is.")
    parser.add_argument("--json", type=Path, default=RESULTS, help="Where the numbers are written.")
    options = parser.parse_args()
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uploads = (
            [("upload", Upload(options.sound, None))]
            if options.sound
            else [
                (kind, make(folder, kind, float(seconds))) for seconds in options.lengths.split(",") for kind in SOUNDS
            ]
        )
        for kind, upload in uploads:
            row: dict[str, object] = {"sound": kind, "seconds": upload.seconds}
            for way, commands in (("job", whole_job), ("floor", floor)):
                cost = job.measured(upload, commands, folder / way)
                shutil.rmtree(folder / way)
                row[way] = {
                    "wall": round(cost.wall, 1),
                    "cpu": round(cost.cpu, 1),
                    "memory_megabytes": round(cost.memory / 1e6),
                }
            results.append(row)
            print(json.dumps(row), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"cores": os.cpu_count(), "sounds": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
