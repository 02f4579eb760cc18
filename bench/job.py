"""What a whole job costs beside bare ffmpeg: wall and CPU seconds, memory, bytes, and what its pictures keep.

Three ways to make the outputs of one upload, one after another, and again, so that a slow minute of the machine falls
on all of them: (a) our job, with everything that it verifies, into folders; (b) the floor, nothing verified: one ffmpeg
from the upload to the mezzanine, with all cores, and one from the mezzanine to all variants; (c) in sequence: one
ffmpeg for each output, from the upload. Ratios compare what ran in the same round. A store on the network would add its
transfers to (a) alone, and one on this machine its own CPU, so there is none. Run it with

    .venv/bin/python bench/job.py [--seconds 60] [--height 1080] [--rounds 3] [--film FILE]

The page that states the results: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import verification

from codex_assets.media import ffprobe, profile, target_format
from codex_assets.media.target_format import Rung

RESULTS = Path(__file__).parent / "results" / "job.json"
WAYS = ("job", "floor", "sequence")
QUIET = ("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y")


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time and of CPU, bytes of memory at most, bytes written."""

    wall: float
    cpu: float
    memory: int
    size: int


@dataclass(frozen=True)
class Film:
    """An upload, and the variants that it gets."""

    path: Path
    seconds: float
    rate: Fraction
    rungs: tuple[Rung, ...]

    @classmethod
    def of(cls, path: Path) -> Film:
        command = ["ffprobe", "-v", "error", "-of", "json", *ffprobe.probe_arguments(str(path), trusted=True)]
        info = ffprobe.parse(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
        assert info.video is not None
        assert info.duration is not None
        assert info.video.average_rate is not None
        rungs = target_format.rungs(info.video.width, info.video.height)
        return cls(path, info.duration, info.video.average_rate, tuple(rungs))


# --- Three ways to make the outputs -----------------------------------------------------------------------------------


def job(film: Film, folder: Path) -> list[list[str]]:
    """Our job."""
    return whole_job(film.path, "video", folder)


def whole_job(upload: Path, media_type: str, folder: Path) -> list[list[str]]:
    """Our job of any upload."""
    ids = ["--media-id", verification.MEDIA_ID, "--store", str(folder)]
    return [[str(Path(sys.executable).with_name("codex-assets")), "run", str(upload), "--type", media_type, *ids]]


def floor(film: Film, folder: Path) -> list[list[str]]:
    """One ffmpeg to the mezzanine, one to the variants."""
    mezzanine = str(folder / "mezzanine.mp4")
    scaled = [f"[v{at}]scale={rung.width}:{rung.height}[o{at}]" for at, rung in enumerate(film.rungs)]
    split = f"[0:v]split={len(film.rungs)}" + "".join(f"[v{at}]" for at in range(len(film.rungs)))
    variants = [*QUIET, "-i", mezzanine, "-filter_complex", ";".join([split, *scaled])]
    for at, rung in enumerate(film.rungs):
        variants += ["-map", f"[o{at}]", "-map", "0:a", *_variant(film, rung), *_hls(folder, rung)]
    return [_mezzanine(film, mezzanine), variants]


def sequence(film: Film, folder: Path) -> list[list[str]]:
    """One ffmpeg for each output, from the upload."""
    made = [_mezzanine(film, str(folder / "mezzanine.mp4"))]
    for rung in film.rungs:
        scaled = ["-vf", f"scale={rung.width}:{rung.height}", "-map", "0:v", "-map", "0:a"]
        made.append([*QUIET, "-i", str(film.path), *scaled, *_variant(film, rung), *_hls(folder, rung)])
    rung = target_format.preview_rung(list(film.rungs))
    scaled = ["-t", str(profile.PREVIEW_SECONDS), "-vf", f"scale={rung.width}:{rung.height}"]
    preview = replace(rung, variant=replace(rung.variant, name="preview"))
    made.append([*QUIET, "-i", str(film.path), *scaled, *_variant(film, rung), *_hls(folder, preview)])
    still = ["-frames:v", "1", "-vf", f"scale={profile.PICTURE_WIDTH}:{profile.PICTURE_HEIGHT}"]
    made.append([*QUIET, "-ss", str(film.seconds / 10), "-i", str(film.path), *still, str(folder / "thumbnail.jpg")])
    return made


def _mezzanine(film: Film, path: str) -> list[str]:
    options = list(profile.X264.mezzanine)
    threads = options.index("-threads")
    coding = [*options[:threads], *options[threads + 2 :]]
    return [*QUIET, "-i", str(film.path), "-c:v", "libx264", *coding, "-c:a", "copy", "-movflags", "+faststart", path]


def _variant(film: Film, rung: Rung) -> list[str]:
    variant = rung.variant
    rates = ("-b:v", f"{variant.video_kbps}k", "-maxrate", f"{round(variant.video_kbps * profile.RATE_HEADROOM)}k")
    buffer = ("-bufsize", f"{round(variant.video_kbps * profile.BUFFER_RATIO)}k")
    keys = ("-g", str(round(film.rate * profile.KEYFRAME_SECONDS)), "-sc_threshold", "0")
    coding = ("-c:v", "libx264", *profile.X264.variant, "-profile:v", variant.h264_profile, "-pix_fmt", "yuv420p")
    return [*coding, *rates, *buffer, *keys, "-c:a", "aac", "-b:a", f"{variant.audio_kbps}k", "-ac", "2"]


def _hls(folder: Path, rung: Rung) -> list[str]:
    name = folder / rung.variant.name
    name.mkdir(exist_ok=True)
    segments = ["-hls_time", str(profile.SEGMENT_SECONDS), "-hls_list_size", "0", "-hls_playlist_type", "vod"]
    return ["-f", "hls", *segments, str(name / "playlist.m3u8")]


# --- Measuring --------------------------------------------------------------------------------------------------------


Upload = TypeVar("Upload")


def measured(upload: Upload, way: Callable[[Upload, Path], list[list[str]]], folder: Path) -> Cost:
    """Run the commands of one way, and add up what they take."""
    folder.mkdir()
    before, began = os.times(), time.monotonic()
    memory = 0
    for command in way(upload, folder):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        watch = _Watch(process.pid)
        _, errors = process.communicate()
        memory = max(memory, watch.stop())
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{errors.decode(errors='replace')[-2000:]}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Cost(time.monotonic() - began, cpu, memory, size)


class _Watch:
    """Looks at the memory of a process and what it started, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(verification.SAMPLED_SECONDS):
            self._most = max(self._most, verification.memory_of_tree(self._pid))

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._most


def likeness(film: Film, folder: Path) -> dict[str, float]:
    """SSIM of each variant's pictures beside the upload's, scaled to its size: the mean of all pictures."""
    means = {}
    for playlist in sorted(folder.rglob("*/playlist.m3u8")):
        rung = next((each for each in film.rungs if each.variant.name == playlist.parent.name), None)
        if rung is None:
            continue
        graph = f"[1:v]scale={rung.width}:{rung.height}:flags=lanczos,settb=AVTB,setpts=PTS-STARTPTS[r]"
        graph += ";[0:v]settb=AVTB,setpts=PTS-STARTPTS[d];[d][r]ssim"
        command = ["ffmpeg", "-hide_banner", "-nostdin", "-i", str(playlist), "-i", str(film.path)]
        done = subprocess.run(
            [*command, "-filter_complex", graph, "-f", "null", "-"], capture_output=True, text=True, check=True
        )
        means[rung.variant.name] = float(re.findall(r"All:([\d.]+)", done.stderr)[-1])
    return means


def compare(film: Film, folder: Path, rounds: int) -> dict[str, object]:
    """All ways, `rounds` times; each round begins with another one."""
    ways = {"job": job, "floor": floor, "sequence": sequence}
    costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    quality: dict[str, dict[str, float]] = {}
    for number in range(rounds):
        for name in (*WAYS[number % 3 :], *WAYS[: number % 3]):
            made = folder / f"{name}-{number}"
            costs[name].append(measured(film, ways[name], made))
            print(f"round {number + 1}, {name}: {costs[name][-1]}", flush=True)
            if name not in quality and name != "sequence":
                quality[name] = likeness(film, made)
            shutil.rmtree(made)
    return {
        "seconds": round(film.seconds, 2),
        "height": max(rung.height for rung in film.rungs),
        "kilobits": round(film.path.stat().st_size * 8 / 1000 / film.seconds),
        "cores": os.cpu_count(),
        "ways": {name: _numbers(each) for name, each in costs.items()},
        "ratios": {
            f"job/{other}": {
                what: round(statistics.median(_ratios(costs["job"], costs[other], what)), 3) for what in ("wall", "cpu")
            }
            for other in ("floor", "sequence")
        },
        "ssim": quality,
    }


def _ratios(ours: Sequence[Cost], theirs: Sequence[Cost], what: str) -> list[float]:
    return [getattr(own, what) / getattr(other, what) for own, other in zip(ours, theirs, strict=True)]


def _numbers(costs: Sequence[Cost]) -> dict[str, float]:
    median = {name: statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu")}
    numbers = {name: round(value, 1) for name, value in median.items()}
    return numbers | {
        "memory_megabytes": round(max(cost.memory for cost in costs) / 1e6),
        "megabytes": round(costs[0].size / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--height", type=int, default=1080, help="Rows of the film.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--film", type=Path, help="An upload with sound that is measured instead of one that is made.")
    parser.add_argument("--json", type=Path, default=RESULTS, help="Where the numbers are written.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = options.film or Path(name, "film.mp4")
        if options.film is None:
            verification.make_film(path, options.seconds, options.height)
        results = compare(Film.of(path), Path(name), options.rounds)
    print(json.dumps(results, indent=2))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
