"""Every picture of an upload is delivered, at its time, at the rate of what moves and in the size that lasts."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import measure_picture as measure
import pytest
from rate_and_shape_inputs import CASES, Case, grey
from slow_cases import some_slow
from whole_job import Delivered, deliver

pytestmark = pytest.mark.ffmpeg

NEAR = 4.0
"""Levels: greys are ten apart."""
BLACK = 16
ROUNDED = 0.001
"""Seconds by which a container's clock rounds."""


def check(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    delivered = deliver(case.make(folder), "video", tmp_path / "job")
    output = delivered.output
    problems = [*warning_problems(case, delivered), *mezzanine_problems(case, delivered)]
    if (output["width"], output["height"]) != case.size:
        problems.append(f"the webhook says {output['width']}x{output['height']}, not {case.size}")
    assert problems == []
    assert list(delivered.left_behind()) == []


def warning_problems(case: Case, delivered: Delivered) -> list[str]:
    given = delivered.warnings
    as_expected = len(given) == len(case.warns) and all(map(re.search, case.warns, given))
    return [] if as_expected else [f"warned: {given}, not {case.warns}"]


def mezzanine_problems(case: Case, delivered: Delivered) -> list[str]:
    facts = measure.seen(delivered.mezzanine)
    wanted = Fraction(case.rate)
    problems = [] if abs(facts.rate / wanted - 1) < Fraction(1, 4000) else [f"rate {facts.rate}, not {wanted}"]
    if (facts.width, facts.height) != case.size:
        problems.append(f"{facts.width}x{facts.height}, not {case.size}")
    film = measure.decoded(delivered.mezzanine, limit=1000)
    missing = [number for number, at in enumerate(case.times) if not is_shown(film, number, at, wanted)]
    problems += shape_problems(case, film)
    return problems + ([f"pictures {missing[:20]} of {len(case.times)} are not at their times"] if missing else [])


def shape_problems(case: Case, film: measure.Film) -> list[str]:
    """Where the picture does not fill its place, and where it passes it."""
    problems = []
    for at, (left, top, right, bottom) in case.places:
        number = round(at * Fraction(case.rate))
        inside = {
            "left": (left + 0.02, 0.45, left + 0.06, 0.55),
            "right": (right - 0.06, 0.45, right - 0.02, 0.55),
            "top": (0.45, top + 0.02, 0.55, top + 0.06),
            "bottom": (0.45, bottom - 0.06, 0.55, bottom - 0.02),
        }
        outside = {"left": (0, 0, left - 0.02, 1), "top": (0, 0, 1, top - 0.02)}
        shown = grey(number)
        problems += [
            f"at {at} s the picture does not reach its {side}"
            for side, box in inside.items()
            if abs(film.level(number, box) - shown) > NEAR
        ]
        problems += [
            f"at {at} s it is not black on the {side}"
            for side, box in outside.items()
            if box[2] > 0 and box[3] > 0 and abs(film.level(number, box) - BLACK) > NEAR
        ]
    return problems


def is_shown(film: measure.Film, number: int, at: float, rate: Fraction) -> bool:
    """Whether the picture with this number is shown at this time, or a frame's part from it."""
    first = round((at - ROUNDED) * rate)
    last = round((at + ROUNDED) * rate)
    levels = [film.level(tick) for tick in range(max(0, first), min(last, len(film.planes) - 1) + 1)]
    return any(abs(level - grey(number)) < NEAR for level in levels)


def is_quick(number: int, case: Case) -> bool:
    return case.quick


@pytest.mark.parametrize("case", some_slow(CASES.values(), is_quick), ids=list(CASES))
def test_every_picture_is_delivered_at_its_time(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)
