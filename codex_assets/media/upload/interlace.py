"""Whether pictures hold two moments each, seen in a few columns of a few of them.

Flags lie both ways: editors flag progressive films as interlaced, capture cards and converters weave fields without a
word. What does not lie is the comb: where something moves, the lines of two moments alternate, and those of one field
do not. ffmpeg's own detector (idet) is fooled by patterns that scroll: a progressive testsrc2 is interlaced to it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from codex_assets.media import profile

Order = Literal["tff", "bff"]
MOVED = 14
"""Levels by which a sample differs from its neighbour, or from itself a picture earlier, for either to count."""
_TEETH = re.compile(r"(?:\+-){2,}\+?|(?:-\+){2,}-?")


@dataclass(frozen=True)
class Combs:
    """What the pixels of some pictures show."""

    moving: int = 0
    """How many of the pictures showed motion."""
    combed: int = 0
    """How many of those showed combs."""
    leaning: float = 0.0
    """How much nearer one field is to the next picture than the other, -1 to 1, over all that moves: 0 where both are
    of one moment, positive where the top field is the earlier one."""
    order: Order | None = None
    """Which field came first; None without combs."""

    @property
    def are_interlaced(self) -> bool:
        """Combs in enough of the motion, wherever nothing is flagged. A hard telecine combs two pictures of five."""
        enough = self.combed >= profile.COMBED_PICTURES
        return enough and self.combed >= profile.COMBED_FRACTION * self.moving

    @property
    def are_progressive(self) -> bool:
        """Much motion, not one comb, and no field before the other: then flags are wrong."""
        still = self.combed == 0 and abs(self.leaning) < profile.LEANING
        return still and self.moving >= profile.MOVING_PICTURES


def sampled_columns(width: int, height: int) -> int:
    """How many columns of a picture are looked at, given its coded size in pixels."""
    wanted = max(profile.INTERLACE_COLUMNS // 3, profile.INTERLACE_SAMPLES // max(1, height))
    return min(width, profile.INTERLACE_COLUMNS, wanted)


def sample_arguments(
    opened: Sequence[str], track: int, output: str, columns: int, height: int, count: int, *, before: Sequence[str] = ()
) -> list[str]:
    """Arguments for ffmpeg that write the luma of `count` pictures to `output`, as `find_combs` reads them.

    `opened`: the input with its options; `track`: the number of its picture track. `columns` of each picture are
    kept, as `sampled_columns` has it, in their whole height. `before`: filters that come first.
    """
    chain = ",".join([*before, f"scale={columns}:{height}:flags=neighbor,format=gray"])
    return [
        *(*opened, "-map", f"0:{track}", "-vf", chain, "-fps_mode", "passthrough"),
        *("-frames:v", str(count), "-f", "rawvideo", output),
    ]


def find_combs(samples: Iterable[bytes], columns: int, height: int) -> Combs:
    """Look for motion and combs in some pictures of a film.

    `samples`: of each moment its pictures one after the other, raw 8 bit luma, `columns` x `height`. A picture that
    is not whole is left out.
    """
    moving = combed = 0
    leanings, first = 0.0, 0.0
    for sample in samples:
        size = columns * height
        pictures = [_columns(sample[at : at + size], columns) for at in range(0, len(sample) - size + 1, size)]
        for before, here in itertools.pairwise(pictures):
            moved, woven, alone = _teeth(before, here)
            if moved < max(8, columns * height * profile.MOVING_FRACTION):
                continue
            moving += 1
            leaning = _leaning(before, here)
            leanings += leaning
            teeth = woven >= 8 and woven >= profile.TEETH_FRACTION * moved and woven > 3 * alone
            if teeth and abs(leaning) >= profile.LEANING / 2:
                combed += 1
                first += leaning
    order: Order | None = None if not combed else "tff" if first >= 0 else "bff"
    return Combs(moving, combed, leanings / moving if moving else 0.0, order)


def _columns(picture: bytes, columns: int) -> list[bytes]:
    return [picture[at::columns] for at in range(columns)]


def _teeth(before: Sequence[bytes], here: Sequence[bytes]) -> tuple[int, int, int]:
    """Samples that moved, and of those that alternate from line to line: in the picture, and in its two fields."""
    moved = woven = alone = 0
    for old, new in zip(before, here, strict=True):
        if old == new:
            continue
        moved += sum(abs(a - b) > MOVED for a, b in zip(old, new, strict=True))
        woven += _alternating(old, new)
        alone += _alternating(old[0::2], new[0::2]) + _alternating(old[1::2], new[1::2])
    return moved, woven, alone


def _alternating(old: bytes, new: bytes) -> int:
    shifts = [abs(a - b) > MOVED for a, b in zip(old, new, strict=True)]
    signs = "".join(
        ("+" if b - a > MOVED else "-" if a - b > MOVED else ".") if moved or next_moved else "."
        for a, b, moved, next_moved in zip(new, new[1:], shifts, shifts[1:], strict=False)
    )
    return sum(len(run) for run in _TEETH.findall(signs))


def _leaning(before: Sequence[bytes], here: Sequence[bytes]) -> float:
    """Positive when the top field comes first: the earlier picture's bottom field is then nearest to the next top."""

    def apart(lines: bytes, between: bytes) -> int:
        pairs = zip(lines, between, between[1:], strict=False)
        return sum(abs(2 * line - above - below) for line, above, below in pairs)

    top_to_bottom = bottom_to_top = 0
    for old, new in zip(before, here, strict=True):
        if old != new:
            top_to_bottom += apart(old[2::2], new[1::2])
            bottom_to_top += apart(old[1::2], new[0::2])
    return (top_to_bottom - bottom_to_top) / max(1, top_to_bottom + bottom_to_top)
