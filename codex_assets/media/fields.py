"""Single values as ffprobe prints them, read with care: numbers, ratios, seconds, names, rotations.

A value that is missing, unknown or impossible becomes None. What a value means for a file is decided by its readers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any


def parse_whole(value: object) -> int | None:
    """A whole number; None for anything else. ffprobe counts in 64 bits, and nothing that it counts is negative."""
    text = str(value)
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def display_rotation(stream: Mapping[str, Any]) -> tuple[int, bool] | None:
    """How the display matrix of a stream or frame turns its coded picture; None without a matrix.

    Degrees clockwise (0, 90, 180 or 270; other angles become the nearest of these), and whether the picture is mirrored
    left to right before. `stream`: ffprobe's JSON of it.
    """
    for side in stream.get("side_data_list", []):
        if "displaymatrix" in side:
            return _turned(str(side["displaymatrix"]))
        if "rotation" in side:
            return (-round(float(side["rotation"]) / 90) * 90) % 360, False
    return None


def _turned(matrix: str) -> tuple[int, bool]:
    """Three lines of an offset and three numbers: (x, y) is shown at (ax + cy, bx + dy) (ISO/IEC 14496-12, 6.2.2)."""
    rows = [line.split(":", 1)[1].split() for line in matrix.splitlines() if ":" in line]
    try:
        a, b, c, d = (int(rows[row][column]) for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)))
    except (IndexError, ValueError):
        return 0, False
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.degrees(math.atan2(b - c, a + d)) / 90) * 90 % 360, mirrored


def parse_ratio(text: object, sign: str) -> Fraction | None:
    """A positive ratio of two whole numbers with `sign` in between (`30000/1001`, `4:3`); None for anything else."""
    over, _, under = str(text or "").partition(sign)
    try:
        ratio = Fraction(int(over), int(under))
    except (ValueError, ZeroDivisionError):
        return None
    # ffprobe's terms have 32 bits.
    return ratio if Fraction(1, 1 << 32) <= ratio <= 1 << 32 else None


def parse_seconds(text: object, *, signed: bool = False) -> float | None:
    """Seconds; None for what is no number or no possible time. Only with `signed` may they be 0 or negative."""
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    # Over what 64 bits of microseconds hold; not a number compares as false.
    if not abs(seconds) < 1e13:
        return None
    return seconds if signed or seconds > 0 else None


def parse_tag_seconds(tags: Mapping[str, Any]) -> float | None:
    """Seconds of Matroska's tag DURATION (`HH:MM:SS.fraction`), whatever its case; None without one."""
    parts = str({str(name).upper(): value for name, value in tags.items()}.get("DURATION", "")).split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return parse_seconds(hours * 3600 + minutes * 60 + seconds)


def known_text(text: object) -> str | None:
    """A name as text; None for ffprobe's words for one that it does not know."""
    return None if text in (None, "", "unknown", "reserved") else str(text)
