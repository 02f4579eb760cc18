"""Which pictures are encoded together: chunks of whole segments, each by itself, so that any number of them can be at
work at once.

A chunk begins with an IDR frame and a fresh rate control, and its pictures have the numbers and times that they have in
the film. So its bytes depend neither on how many are encoded beside it nor on what else of the film is. In: where
chunks and key frames are. Out: the arguments of an encode (`ladder.py`), and how many are encoded at once
(`build/chunked_encode`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

from codex_assets.media import profile


@dataclass(frozen=True)
class FilmChunk:
    """Pictures `first` to `end` (without it) of a film, which begin with its segment number `segment`."""

    number: int
    segment: int
    first: int
    end: int

    @property
    def pictures(self) -> int:
        """How many there are."""
        return self.end - self.first

    def key_frames(self, rate: Fraction) -> str:
        """ffmpeg's expression for the frames that are to be key frames: the first one at or after each multiple of
        `KEYFRAME_SECONDS` of the film. In whole numbers, for no rounding moves a cut then."""
        step = rate.numerator * profile.KEYFRAME_SECONDS
        earlier = self.segment * (profile.SEGMENT_SECONDS // profile.KEYFRAME_SECONDS)
        return f"expr:gte((n+{self.first})*{rate.denominator},(n_forced+{earlier})*{step})"


def chunks(pictures: int, rate: Fraction, *, segments: int | None, limit: int | None = None) -> list[FilmChunk]:
    """The chunks of a film of so many pictures, `segments` each (None: all in one).

    `limit`: segments from the start that are wanted; None: all. Of what comes then, as much is encoded as the last of
    them needs to have the bytes that it has in the whole film: where rate control sees it, a segment; else one picture,
    before which that segment is cut.
    """
    starts = _starts(pictures, rate)
    if limit is None or limit >= len(starts):
        bounds = starts[:: segments or len(starts)]
        last = pictures
    elif segments is None:
        bounds, last = [0], starts[limit + 1] if limit + 1 < len(starts) else pictures
    else:
        bounds = [*starts[:limit:segments], starts[limit]]
        last = starts[limit] + 1
    each = [*bounds, last]
    return [
        FilmChunk(number, starts.index(first), first, end)
        for number, (first, end) in enumerate(itertools.pairwise(each))
    ]


def _starts(pictures: int, rate: Fraction) -> list[int]:
    """The first picture of each segment."""
    count = max(1, math.ceil(pictures / (rate * profile.SEGMENT_SECONDS)))
    starts = [math.ceil(number * rate * profile.SEGMENT_SECONDS) for number in range(count)]
    return [start for start in starts if start < max(1, pictures)]
