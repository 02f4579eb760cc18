"""Numbers that follow from observations: bit rates, codecs, levels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from made_observations import AUDIO, VIDEO, variant

from codex_assets.verification import measures


def test_a_short_last_segment_is_no_peak_by_itself() -> None:
    seen = variant(6.0, 6.0, 0.5, sizes=(6_000, 6_000, 8_000))
    # Alone, the last one would be 128,000 bit/s; with the one before it (6.5 s, allowed up to 9) it is 17,231.
    assert measures.peak_rate(seen) == pytest.approx(8 * 14_000 / 6.5)
    assert measures.average_rate(seen) == pytest.approx(8 * 20_000 / 12.5)
    assert measures.peak_rate(variant(6.0, 6.0, 2.0, sizes=(6_000, 6_000, 8_000))) == pytest.approx(8 * 8_000 / 2.0)


def test_a_run_may_last_one_and_a_half_targets() -> None:
    seen = variant(3.0, 3.0, 3.0, sizes=(1_000, 9_000, 9_000))
    assert measures.peak_rate(seen) == pytest.approx(8 * 9_000 / 3.0)
    assert measures.peak_rate(variant(1.0, sizes=(500,))) == pytest.approx(4_000)


def test_codecs_say_profile_constraints_and_level() -> None:
    assert measures.codecs(replace(variant(6.0), audio=AUDIO)) == "avc1.64001f,mp4a.40.2"
    base = replace(VIDEO, profile="Constrained Baseline", profile_idc=66, constraints=0xC0, level=30)
    assert measures.codecs(replace(variant(6.0), video=base)) == "avc1.42c01e"
    assert measures.codecs(replace(variant(6.0), video=None, audio=AUDIO)) == "mp4a.40.2"
    assert measures.codecs(replace(variant(6.0), video=replace(VIDEO, codec="hevc"))) is None


@pytest.mark.parametrize(
    ("size", "rate", "level"),
    [
        ((1920, 1080), Fraction(30), 40),
        ((1920, 1080), Fraction(60), 42),
        ((1280, 720), Fraction(30), 31),
        ((1280, 720), Fraction(60), 32),
        ((854, 480), Fraction(30), 31),
        ((640, 360), Fraction(30), 30),
        ((320, 180), Fraction(25), 12),
    ],
)
def test_needed_level(size: tuple[int, int], rate: Fraction, level: int) -> None:
    video = replace(VIDEO, coded_width=size[0], coded_height=size[1], frame_rate=rate)
    assert measures.needed_level(replace(variant(6.0), video=video)) == level


def test_bit_rate_raises_the_needed_level() -> None:
    video = replace(VIDEO, coded_width=320, coded_height=180, profile="Main", frame_rate=Fraction(25))
    assert measures.needed_level(replace(variant(6.0, sizes=(6 * 100_000,)), video=video)) == 20
