"""What the pictures of a ladder lose by being encoded in chunks: VMAF and SSIM beside the same encoder in one go.

Each rung of each clip is encoded twice from the clip as it is, with the pipeline's own arguments: in chunks of a
segment, and as one chunk. VMAF is measured at the clip's size, picture by picture, against the clip; the worst second
is that with the lowest mean. It takes an ffmpeg with libvmaf (the extra `vmaf`: `uv pip install imageio-ffmpeg`);
without it there is SSIM alone. Run it with

    .venv/bin/python bench/chunks.py [--seconds 30] [--height 1080] [--clip FILE]...

The decision it supports: docs/decisions/chunks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import verification
from job import Film

from codex_assets.build import chunked_encode
from codex_assets.build.chunked_encode import WantedRung
from codex_assets.media import profile, vmaf
from codex_assets.readiness.picture_likeness import measure_likeness
from codex_assets.system import machine, vmaf_ffmpeg
from codex_assets.system.tools import Tools, tool_environment

RESULTS = Path(__file__).parent / "results" / "chunks.json"
ONE_CHUNK = replace(profile.X264, chunk_segments=100_000)
WAYS = {"chunks": profile.X264, "one": ONE_CHUNK}


def measure(tools: Tools, clip: Path, folder: Path) -> dict[str, object]:
    """Of each rung: VMAF, that of its worst second, SSIM, and kbit/s, both ways."""
    film = Film.of(clip)
    pictures = int(film.seconds * film.rate)
    measuring = vmaf_ffmpeg.measuring_tools(tools)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for way, encoder in WAYS.items():
        wanted = [WantedRung(rung, folder / way / rung.name, None) for rung in film.rungs]
        for rung in wanted:
            rung.folder.mkdir(parents=True)
        chunked_encode.encode(tools, clip, pictures, film.rate, wanted, encoder)
        for rung in wanted:
            playlist = rung.folder / "playlist.m3u8"
            alike = measure_likeness(tools, rung.rung.name, playlist, clip, with_vmaf=False)
            assert alike is not None
            size = sum(path.stat().st_size for path in rung.folder.glob("*.ts"))
            row = {"ssim": alike.ssim, "kbps": round(size * 8 / 1000 * float(film.rate) / pictures)}
            if measuring is not None:
                row |= _vmaf(measuring, playlist, clip, film, folder)
            rows.setdefault(rung.rung.name, {})[way] = row
    return {"clip": clip.name, "pictures": pictures, "rungs": rows}


def _vmaf(tools: Tools, playlist: Path, clip: Path, film: Film, folder: Path) -> dict[str, float]:
    answer: list[bytes] = []
    size = film.rungs[0].width, film.rungs[0].height
    arguments = vmaf.arguments(
        *(["-i", str(playlist)], ["-i", str(clip)], size, film.rate), threads=machine.processors()
    )

    def read(take: object) -> None:
        assert callable(take)
        while data := take(1 << 16):
            answer.append(data)

    tools.ffmpeg_into(arguments, read, label="measuring VMAF", duration=film.seconds)
    curve = vmaf.parse(b"".join(answer), film.rate)
    # A last second of a picture or two says little.
    whole = curve.values[:-1] or curve.values
    return {"vmaf": round(sum(curve.values) / len(curve.values), 2), "worst_second": round(min(whole), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--height", type=int, default=1080, help="Rows of the film that is made.")
    parser.add_argument("--clip", type=Path, action="append", default=[], help="A clip that is measured as well.")
    parser.add_argument("--json", type=Path, default=RESULTS, help="Where the numbers are written.")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        made = Path(name, "made.mp4")
        verification.make_film(made, options.seconds, options.height)
        for number, clip in enumerate([made, *options.clip]):
            tools = Tools(tool_environment(os.environ))
            results.append(measure(tools, clip, Path(name, str(number))))
            print(json.dumps(results[-1], indent=1), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
