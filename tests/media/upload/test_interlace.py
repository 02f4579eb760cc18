"""Combs are told from texture, noise and motion; whole pictures, drawn here line by line."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from codex_assets.media.upload import interlace

COLUMNS, LINES, PICTURES = 64, 96, 14
Moment = Callable[[float, int, int], int]
"""Luma at a moment (in frames), a column and a line."""


def bar(moment: float, x: int, y: int) -> int:
    return 230 if 0 <= (x - 6 * moment) % COLUMNS < 9 and 20 < y < 80 else 20


def stripes(moment: float, x: int, y: int) -> int:
    """Every other line is bright and changes with every picture: combs that no motion explains."""
    return 255 * ((y + int(moment)) % 2)


def noise(moment: float, x: int, y: int) -> int:
    return random.Random(f"{moment} {x} {y}").randrange(256)


def still(moment: float, x: int, y: int) -> int:
    return 255 * (y % 2)


def shot(moment: Moment, later_field: int | None = None) -> bytes:
    """Pictures in a row; in interlaced ones the lines of `later_field` (0: top) are half a frame later."""
    return bytes(
        moment(number + (0.5 if later_field is not None and y % 2 == later_field else 0.0), x, y)
        for number in range(PICTURES)
        for y in range(LINES)
        for x in range(COLUMNS)
    )


@pytest.mark.parametrize(("later", "order"), [(1, "tff"), (0, "bff")])
def test_fields_of_two_moments_show_combs_and_their_order(later: int, order: str) -> None:
    combs = interlace.find_combs([shot(bar, later)], COLUMNS, LINES)
    assert combs.are_interlaced
    assert not combs.are_progressive
    assert combs.order == order


@pytest.mark.parametrize(("film", "progressive"), [(bar, True), (stripes, True), (noise, True), (still, False)])
def test_other_pictures_are_not_taken_for_interlaced(film: Moment, progressive: bool) -> None:
    combs = interlace.find_combs([shot(film)], COLUMNS, LINES)
    assert not combs.are_interlaced
    assert combs.are_progressive is progressive


def test_a_comb_anywhere_keeps_a_flag_believed() -> None:
    combs = interlace.find_combs([shot(bar), shot(bar, 1)[: 4 * COLUMNS * LINES]], COLUMNS, LINES)
    assert not combs.are_interlaced
    assert not combs.are_progressive


def test_nothing_to_look_at_tells_nothing() -> None:
    combs = interlace.find_combs([b"", b"too short"], COLUMNS, LINES)
    assert (combs.moving, combs.are_interlaced, combs.are_progressive) == (0, False, False)
