"""What judging costs grows with the length of a film: counted in lines of code that run, which no busy machine changes.

A film of twelve hours has 7,200 segments a variant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from types import FrameType
from typing import Any

import pytest
from made_observations import AUDIO, variant

from codex_assets.verification import measures
from codex_assets.verification.fidelity import PictureFidelity, PictureSecond, SoundFidelity, SoundSecond
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import VariantExpected, VariantObservation
from codex_assets.verification.playlist_text import read_text

SEGMENTS = 40
TIMES = 4


def compared(segments: int, **spoiled: float) -> tuple[PictureFidelity, SoundFidelity]:
    """Six seconds a segment, of the picture and of the sound."""
    pictures = [
        PictureSecond(float(at), 25, (0.99, 0.99, 0.99), 0.98, 1.0, 1.0, 1.0, usual_difference=1.0)
        for at in range(6 * segments)
    ]
    second = SoundSecond(
        0.0, (0.2, 0.2), (0.2, 0.2), least=0.0, most=0.0, likeness=(1.0, 1.0), bright=spoiled.get("bright", 0.1)
    )
    second = replace(second, reference_bright=0.1, added=-60.0, coherence=spoiled.get("coherence", 1.0))
    sounds = [replace(second, at=float(at)) for at in range(6 * segments)]
    return PictureFidelity(tuple(pictures), 25 * len(pictures)), SoundFidelity(0.0, 0.0, tuple(sounds), ())


def film(segments: int) -> VariantObservation:
    expected = VariantExpected(
        duration=6.0 * segments,
        cuts=measures.cuts([6.0] * segments),
        video_kbps=1000,
        is_of_contract=True,
        frame_rate=Fraction(25),
    )
    pictures, sound = compared(segments)
    seen = replace(variant(*[6.0] * segments), audio=AUDIO, expected=expected, pictures=pictures, sound=sound)
    names = "".join(f"#EXTINF:6.000000,\n{segment.name}\n" for segment in seen.segments)
    text = f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n{names}#EXT-X-ENDLIST\n"
    return replace(seen, playlist=replace(seen.playlist, text=read_text(text)))


def wrong(segments: int) -> VariantObservation:
    """Every EXTINF is wrong, and every segment too short."""
    seen = film(segments)
    return replace(seen, segments=tuple(replace(each, extinf=5.7, name=f"x{each.name}") for each in seen.segments))


def lines_of(work: Callable[[], object]) -> int:
    """How many lines of code run, each turn of a loop counted."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def harsh(segments: int) -> VariantObservation:
    return replace(film(segments), sound=compared(segments, bright=0.4)[1])


def wavering(segments: int) -> VariantObservation:
    return replace(film(segments), sound=compared(segments, coherence=0.1)[1])


@pytest.mark.parametrize("made", [film, wrong, harsh, wavering])
@pytest.mark.parametrize("work", [judge, measures.peak_rate, measures.needed_level])
def test_a_film_of_four_times_the_length_takes_four_times_the_work(
    work: Callable[[Any], object], made: Callable[[int], VariantObservation]
) -> None:
    short, long = made(SEGMENTS), made(TIMES * SEGMENTS)
    # Once before it is counted: what is worked out once is no part of either.
    work(short)
    assert lines_of(lambda: work(long)) <= 1.1 * TIMES * lines_of(lambda: work(short))
