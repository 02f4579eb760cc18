"""Programs in a tool's place: an ffmpeg that misbehaves for NVENC alone, or encodes in other bytes, an nvidia-smi that
prints as real ones do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

# As an encode begins, before the encoder has said anything.
_COURSE = "[info] Stream mapping:\n[info]   Stream #0:0 (rawvideo) -> h264_nvenc\n"
ENDS = {
    "crash": (_COURSE, "kill -SEGV $$"),
    "abort": (_COURSE, "kill -ABRT $$"),
    "hang": (_COURSE, "exec sleep 600"),
    "silence": (_COURSE, "exit 1"),
    "refusal": (f"{_COURSE}[h264_nvenc @ 0x55d0] [error] No capable devices found\n", "exit 1"),
    "out of sessions": (
        f"{_COURSE}[h264_nvenc @ 0x55d0] [error] OpenEncodeSessionEx failed: out of memory (10): (no details)\n",
        "exit 1",
    ),
}
"""What it says, and how it ends."""


def ffmpeg(folder: Path, end: str, *, numbered: bool = False) -> Path:
    """A folder for the front of PATH, whose ffmpeg ends as `ENDS` says when it is to use NVENC, and is real else.

    `numbered`: each try says a number of its own with every reason. It could not write down that it was used: a tool
    writes nowhere but in its run.
    """
    real = shutil.which("ffmpeg")
    assert real is not None
    folder.mkdir(parents=True, exist_ok=True)
    said, ending = ENDS[end]
    if numbered and "[error]" not in said:
        said += "[h264_nvenc @ 0x55d0] [error] Nothing yet\n"
    (folder / "said").write_text(said, encoding="utf-8")
    _program(
        folder / "ffmpeg",
        'if [[ " $* " == *" h264_nvenc "* ]]; then',
        f'    sed "s/\\$/ (try $$)/" {folder}/said >&2' if numbered else f"    cat {folder}/said >&2",
        f"    {ending}",
        "fi",
        f'exec {real} "$@"',
    )
    return folder


def ffmpeg_with(folder: Path, given: str, instead: str) -> Path:
    """A folder for the front of PATH, whose ffmpeg takes one argument for another: as another release, it gives other
    bytes."""
    real = shutil.which("ffmpeg")
    assert real is not None
    folder.mkdir(parents=True, exist_ok=True)
    _program(folder / "ffmpeg", f'exec {real} "${{@/#{given}/{instead}}}"')
    return folder


def tries(reasons: Iterable[str]) -> int:
    """How often that ffmpeg was to use NVENC, going by the reasons that were given."""
    return len({number for reason in reasons for number in re.findall(r"\(try (\d+)\)", reason)})


def nvidia_smi(folder: Path, *drivers: str) -> Path:
    """A folder for the front of PATH, whose nvidia-smi knows one GPU for each of the versions of the driver."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "name": ["NVIDIA RTX A4000"] * len(drivers),
        "driver_version": list(drivers),
        "memory.total": ["16376 MiB"] * len(drivers),
    }
    cases = []
    for query in (("name",), ("driver_version",), ("name", "driver_version", "memory.total")):
        lines = "\\n".join(", ".join(row) for row in zip(*(rows[name] for name in query), strict=True))
        cases.append(f"    *--query-gpu={','.join(query)}\\ *) printf '{lines}\\n' ;;")
    _program(folder / "nvidia-smi", 'case "$* " in', *cases, "    *) exit 2 ;;", "esac")
    return folder


def _program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/bash", *lines, "")), encoding="utf-8")
    path.chmod(0o755)
