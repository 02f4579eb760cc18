"""Where the limits of the rules for picture and sound are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from made_observations import VIDEO, finding_of, passed, variant

from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    Lag,
    VariantExpected,
)


def test_a_portrait_preview_may_be_720_wide() -> None:
    portrait = replace(VIDEO, coded_width=720, coded_height=1280)
    assert passed(replace(variant(6.0), kind=ObservationKind.PREVIEW, video=portrait), "preview_at_most_720p")


@pytest.mark.parametrize(("rate", "good"), [(30000 / 1001, True), (30.0, False), (29.95, False)])
def test_29_97_is_not_30(rate: float, good: bool) -> None:
    seen = replace(variant(6.0, 6.0, step=1 / rate), expected=VariantExpected(frame_rate=Fraction(30000, 1001)))
    assert passed(seen, "picture_rate") is good


@pytest.mark.parametrize(
    ("lag", "good"),
    [
        (Lag(0.0, 0.99, ((0.0, 0.99),)), True),
        (Lag(0.05, 0.99, ((0.0, 0.99),)), True),
        (Lag(0.5, 0.95, ((0.0, 0.3),)), False),
        (Lag(-0.5, 0.95, ((0.0, 0.3),)), False),
        # Periodic: the shift explains it no better than being in sync.
        (Lag(0.5, 0.95, ((0.0, 0.9),)), True),
    ],
)
def test_a_shift_has_to_be_proved(lag: Lag, good: bool) -> None:
    assert passed(replace(variant(6.0), lag_start=lag), "sound_in_sync_at_start") is good


def test_sounds_that_differ_too_much_prove_no_shift() -> None:
    seen = replace(variant(6.0), lag_end=Lag(0.5, 0.4, ((0.0, 0.1),)))
    assert finding_of(seen, "sound_in_sync_at_end") is None
    assert passed(seen, "same_sound")
    assert not passed(replace(seen, lag_end=Lag(0.5, 0.15, ((0.0, 0.1),))), "same_sound")


def test_one_odd_moment_is_no_other_picture() -> None:
    assert passed(replace(variant(6.0), picture_differences=(1.0, 90.0, 2.0)), "same_picture")
    assert not passed(replace(variant(6.0), picture_differences=(1.0, 90.0, 80.0)), "same_picture")
