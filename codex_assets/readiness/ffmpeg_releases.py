"""Which releases of ffmpeg have a known fault that an upload can make use of.

In: the oldest safe release of each line, and what is said of one that is older, or not known. Out: whether ffmpeg is
there and good enough for the work (`tool_checks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codex_assets.errors import JobError
from codex_assets.readiness.checks import Check, Health
from codex_assets.system.tools import Tools


@dataclass(frozen=True)
class SafeRelease:
    """The oldest release of one line of ffmpeg without a known fault that a file can make use of.

    `since`: when it came out. `mends`: what the one before still had.
    """

    line: tuple[int, int]
    oldest: tuple[int, int, int]
    since: str
    mends: str


SAFE_RELEASES = (
    # The last of Debian 12. Whether it has CVE-2026-8461 is not known; no upload meets that decoder.
    SafeRelease((5, 1), (5, 1, 9), "2026-05", "the decoder faults of spring 2026"),
    SafeRelease((7, 1), (7, 1, 5), "2026-06", "CVE-2026-8461"),
    SafeRelease((8, 0), (8, 0, 3), "2026-06", "CVE-2026-8461"),
    SafeRelease((8, 1), (8, 1, 2), "2026-06", "CVE-2026-8461"),
)
"""By line, oldest first. CVE-2026-8461: code is run while a thumbnail is made of a MagicYUV film. A row is raised when
the next such fault is mended (docs/operations.md)."""
NEWER_FFMPEG = "Update it from the distribution's security archive, and build the image anew: docs/operations.md"


def check_ffmpeg(tools: Tools) -> Iterator[Check]:
    """Whether ffmpeg has the fixes of the faults that `SAFE_RELEASES` names. Nothing without ffmpeg."""
    try:
        version = tools.version("ffmpeg") if tools.path("ffmpeg") is not None else None
    except (JobError, OSError):
        return
    if version is not None:
        yield judge_ffmpeg(version)


def judge_ffmpeg(version: str) -> Check:
    """`version` as ffmpeg tells it, with whatever its builders added. Builds without a release's number and lines that
    nobody mends any more, but for distributions, are said to be unknown. Never a problem: an engineer's machine may
    decode what it likes."""
    numbers = re.match(r"(?:\d+:)?[vn]?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])(.*)", version)
    newest = SAFE_RELEASES[-1]
    listed = ", ".join(_dotted(release.oldest) for release in SAFE_RELEASES)
    if numbers is None or numbers[4].startswith(("-dev", "-rc")):
        name = version.removeprefix("ffmpeg version ").split(" ")[0]
        result = f"{name} is no release: whether it has the fixes of {newest.since} ({newest.mends}) is not known"
        return Check("security", "ffmpeg", Health.NOTE, result, f"Releases that have them: {listed}, or newer")
    line, patch = (int(numbers[1]), int(numbers[2])), int(numbers[3] or 0)
    release = next((safe for safe in SAFE_RELEASES if safe.line == line), None)
    if release is None and line > newest.line:
        return Check("security", "ffmpeg", Health.OK, f"{version} is newer than all that is known of")
    if release is None:
        result = f"{version} is of a line without releases: whether its builders mended {newest.mends} is not known"
        return Check("security", "ffmpeg", Health.NOTE, result, f"Releases that have it: {listed}, or newer")
    if (*line, patch) < release.oldest:
        result = f"{version} is older than {_dotted(release.oldest)} ({release.since}), which mends {release.mends}"
        return Check("security", "ffmpeg", Health.NOTE, result, NEWER_FFMPEG)
    return Check("security", "ffmpeg", Health.OK, f"{version}, {_dotted(release.oldest)} ({release.since}) or newer")


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
