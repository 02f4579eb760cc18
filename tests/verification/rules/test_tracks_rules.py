"""Where the limits of the rules for picture and sound are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from made_observations import VIDEO, passed, variant

from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import VariantExpected


def test_a_portrait_preview_may_be_720_wide() -> None:
    portrait = replace(VIDEO, coded_width=720, coded_height=1280)
    assert passed(replace(variant(6.0), kind=ObservationKind.PREVIEW, video=portrait), "preview_at_most_720p")


@pytest.mark.parametrize(("rate", "good"), [(30000 / 1001, True), (30.0, False), (29.95, False)])
def test_29_97_is_not_30(rate: float, good: bool) -> None:
    seen = replace(variant(6.0, 6.0, step=1 / rate), expected=VariantExpected(frame_rate=Fraction(30000, 1001)))
    assert passed(seen, "picture_rate") is good
