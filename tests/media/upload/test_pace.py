"""The rate of what moves, from the times of pictures."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import accumulate

import pytest
from probed import frames, packets

from codex_assets.media.upload.pace import PicturePace


def rate(times: Iterable[float]) -> float | None:
    pace = PicturePace()
    for line in packets(0, list(times), None):
        _, pts, dts, _, _, flags = line.split(",")
        pace.add(pts, dts, flags)
    counted = pace.rate()
    return None if counted is None else float(counted)


def steps(*seconds: float) -> list[float]:
    return [0.0, *accumulate(seconds)]


def shaken(times: Iterable[float], by: float) -> list[float]:
    dice = random.Random(1)
    return [time + dice.uniform(-by, by) for time in times]


def thinned(times: Iterable[float], part: float) -> list[float]:
    dice = random.Random(1)
    return [time for time in times if dice.random() > part]


def parts(*each: list[float]) -> list[float]:
    return sorted({time for part in each for time in part})


FIELD = 1001 / 60000


@pytest.mark.parametrize("count", [4, 10, 200])
@pytest.mark.parametrize("true_rate", [5, 7.3, 12, 14.587, 24000 / 1001, 25, 29.83, 30, 50, 60, 120, 240])
def test_a_constant_rate_is_that_rate(true_rate: float, count: int) -> None:
    assert rate(frames(true_rate, count)) == pytest.approx(true_rate, rel=1e-4)


@pytest.mark.parametrize("true_rate", [24, 30000 / 1001, 30, 59.94])
def test_a_clock_of_milliseconds_rounds(true_rate: float) -> None:
    assert rate(round(time, 3) for time in frames(true_rate, 200)) == pytest.approx(true_rate, rel=5e-4)


@pytest.mark.parametrize(
    ("times", "moving"),
    [
        pytest.param(steps(*[2 * FIELD, 3 * FIELD] * 60), 24 / 1.001, id="soft telecine"),
        pytest.param(
            steps(*[FIELD * 2] * 3, FIELD * 4, *([FIELD * 2] * 3 + [FIELD * 4]) * 9), 24 / 1.001, id="dropped"
        ),
        pytest.param(steps(*[2 / 60, 2 / 60, 3 / 60, 2 / 60, 3 / 60] * 20), 25, id="25 on a display of 60"),
        pytest.param([*frames(60, 240), *frames(15, 60, 4.0)], 60, id="slower in the dark"),
        pytest.param([*frames(60, 60), *frames(15, 135, 1.0)], 60, id="mostly slower"),
        pytest.param(parts(*(frames(60, 15, second) for second in range(20))), 60, id="bursts"),
        pytest.param(parts(*(frames(30, 8, second) for second in range(9))), 30, id="short bursts"),
        pytest.param(parts(frames(10, 200), *(frames(60, 15, second) for second in range(20))), 60, id="never idle"),
        pytest.param(parts(frames(1, 600), frames(30, 60, 300)), 30, id="two seconds of ten minutes"),
        pytest.param(steps(*[2 * FIELD, 3 * FIELD] * 60, *[2 * FIELD] * 20), 24 / 1.001, id="mostly film"),
        pytest.param(thinned(frames(30, 300), 0.2), 30, id="some are missing"),
        pytest.param(thinned(frames(60, 300), 0.4), 60, id="many are missing"),
    ],
)
def test_what_moves_decides(times: list[float], moving: float) -> None:
    assert rate(times) == pytest.approx(moving, rel=2e-3)


def now_and_then(true_rate: float, count: int) -> list[float]:
    """Two pictures in a row here and there, and others at any distance, all on the beats of a clock."""
    return [n / true_rate for n in range(count) if n == 0 or (7 * n * n + 3 * n) % 11 > 7 or n % 23 in (5, 6)]


@pytest.mark.parametrize("count", [150, 3000])
@pytest.mark.parametrize("true_rate", [15, 24 / 1.001, 25, 30 / 1.001, 30, 50, 60])
def test_a_screen_that_changes_now_and_then_has_the_rate_of_its_clock(true_rate: float, count: int) -> None:
    """At any lower one, those that follow each other at once would be dropped."""
    times = now_and_then(true_rate, count)
    assert rate(times) == pytest.approx(true_rate, rel=2e-3)
    assert rate(round(time, 3) for time in times) == pytest.approx(true_rate, rel=2e-3)


@pytest.mark.parametrize("true_rate", [25, 50])
def test_flashes_of_three_pictures_come_at_the_rate_of_their_clock(true_rate: float) -> None:
    """At the rate of 8 or 17 that they seem to have, they would come up to 60 ms early or late."""
    times = [(round((second + 0.5) * true_rate) + shown) / true_rate for second in range(8) for shown in (0, 3)]
    assert rate(times) == pytest.approx(true_rate, rel=2e-3)


def test_what_comes_as_it_likes_has_no_clock() -> None:
    dice = random.Random(1)
    assert rate(steps(*[dice.uniform(0.03, 0.2) for _ in range(300)])) == pytest.approx(8.7, rel=0.05)


@pytest.mark.parametrize("by", [0.002, 0.006, 0.015])
def test_a_clock_may_wobble(by: float) -> None:
    assert rate(shaken(frames(30, 240), by)) == pytest.approx(30, rel=0.01)


def test_pictures_need_not_be_stored_in_order() -> None:
    times = frames(25, 99)
    stored = [times[first + place] for first in range(0, 99, 3) for place in (2, 0, 1)]
    assert rate(stored) == pytest.approx(25)


def test_a_clock_that_starts_anew_is_two_clocks() -> None:
    assert rate([*frames(25, 50, 95_440.0), *frames(25, 50)]) == pytest.approx(25)


def test_nothing_moves() -> None:
    assert rate(frames(2, 20)) is None
    assert rate([0.0]) is None
    assert rate([]) is None


def test_a_picture_without_a_time_says_nothing() -> None:
    pace = PicturePace()
    for number in range(20):
        pace.add(f"{number / 25:.6f}" if number % 2 else "N/A", "N/A", "K__")
    assert pace.rate() is None
