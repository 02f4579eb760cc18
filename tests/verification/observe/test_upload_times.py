"""Which rates suit an upload, by the times of its packets: those that were decided before are found out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest

from codex_assets.archive.findings import Finding
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.observe.upload_times import PicturePackets, rate_fit
from codex_assets.verification.rules.upload import mezzanine_rate_suits


def frames(rate: float, count: int, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(count)]


def steps(*seconds: float) -> list[float]:
    return [0.0, *accumulate(seconds)]


IDLE_30 = sorted({round(at, 3) for second in range(0, 20, 2) for at in (*frames(30, 15, second), second + 1.0)})
IDLE_60 = sorted({at for second in range(20) for at in frames(60, 20, second)})
TELECINED = steps(*[1001 / 30000, 1001 / 20000] * 60)


def finding(times: Sequence[float], rate: str) -> Finding | None:
    seen = PicturePackets(np.array(times), np.array(times), 0)
    return mezzanine_rate_suits(MezzanineObservation("mezzanine", rate_fit=rate_fit(seen, Fraction(rate))))


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (frames(30, 90), "48"),
        (frames(25, 90), "30000/1001"),
        (frames(24 / 1.001, 90), "25"),
        (frames(60, 90), "30"),
        (frames(21 / 2, 60), "24000/1001"),
        (TELECINED, "25"),
        (TELECINED, "30000/1001"),
        (IDLE_30, "24000/1001"),
        (IDLE_60, "24000/1001"),
        (frames(120, 240), "50"),
    ],
)
def test_a_rate_that_drops_or_repeats_some_pictures_is_found(times: Sequence[float], rate: str) -> None:
    judged = finding(times, rate)
    assert judged is not None
    assert not judged.passed


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (frames(30, 90), "30"),
        (frames(30, 90), "60"),
        (frames(30 / 1.001, 90), "30"),
        (frames(29.83, 90), "2983/100"),
        (frames(21 / 2, 60), "21/2"),
        (frames(25, 60), "50"),
        (TELECINED, "24000/1001"),
        (IDLE_30, "30"),
        (IDLE_60, "60"),
        (frames(120, 240), "60"),
        (frames(144, 240), "48"),
        # Where rates change, none suits all.
        ([*frames(60, 120), *frames(15, 60, 2.0)], "60"),
        (steps(*[1001 / 30000, 1001 / 20000] * 60, *[1001 / 30000] * 20), "24000/1001"),
        (steps(*[1001 / 30000, 1001 / 20000] * 30, *[1001 / 30000] * 60), "30000/1001"),
    ],
)
def test_a_rate_that_suits_passes(times: Sequence[float], rate: str) -> None:
    judged = finding(times, rate)
    assert judged is not None
    assert judged.passed


def test_of_a_clock_without_times_nothing_is_said() -> None:
    assert finding([0.0, float("nan"), *frames(30, 90)], "48") is None
    assert finding(frames(30, 5), "48") is None
    assert finding(frames(1, 50), "7") is None
