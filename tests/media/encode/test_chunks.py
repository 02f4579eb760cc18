"""Where chunks and key frames are: whole segments, by the film's own clock, whatever the rate."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest

from codex_assets.media.encode.chunks import FilmChunk, chunks

RATES = ("24000/1001", "24", "25", "30000/1001", "30", "60000/1001", "2983/100", "5", "73/10")


def forced(chunk: FilmChunk, rate: Fraction) -> list[int]:
    """The film's numbers of the pictures that ffmpeg makes key frames of, by its own reading of the expression."""
    expression = re.fullmatch(r"expr:gte\(\(n\+(\d+)\)\*(\d+),\(n_forced\+(\d+)\)\*(\d+)\)", chunk.key_frames(rate))
    assert expression is not None
    first, by, earlier, step = map(int, expression.groups())
    keys: list[int] = []
    for n in range(chunk.pictures):
        if float((n + first) * by) >= float((len(keys) + earlier) * step):
            keys.append(n + first)
    return keys


@pytest.mark.parametrize("rate", [Fraction(rate) for rate in RATES], ids=RATES)
@pytest.mark.parametrize("segments", [1, 2, None])
def test_every_picture_is_in_one_chunk_and_key_frames_are_the_films(rate: Fraction, segments: int | None) -> None:
    for pictures in (1, 2, math.ceil(6 * rate), math.ceil(6 * rate) + 1, 1000, math.ceil(3600 * rate) - 1):
        plan = chunks(pictures, rate, segments=segments)
        assert [plan[0].first, *(chunk.end for chunk in plan)] == [*(chunk.first for chunk in plan), pictures]
        assert [chunk.number for chunk in plan] == list(range(len(plan)))
        assert all(chunk.pictures > 0 for chunk in plan)
        keys = [picture for chunk in plan for picture in forced(chunk, rate)]
        wanted = [math.ceil(2 * number * rate) for number in range(math.ceil(pictures / (2 * rate)) + 1)]
        assert keys == [picture for picture in wanted if picture < pictures]


def test_of_a_beginning_only_that_is_encoded_and_the_picture_behind_it() -> None:
    plan = chunks(30 * 60, Fraction(30), segments=1, limit=5)
    assert [(chunk.first, chunk.end) for chunk in plan] == [
        *((number * 180, number * 180 + 180) for number in range(5)),
        (900, 901),
    ]
    # Rate control of a whole film looks ahead.
    assert [(chunk.first, chunk.end) for chunk in chunks(1800, Fraction(30), segments=None, limit=5)] == [(0, 1080)]
    for segments in (1, None):
        assert chunks(900, Fraction(30), segments=segments, limit=5) == chunks(900, Fraction(30), segments=segments)
