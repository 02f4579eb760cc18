"""Whatever made the picture: turned, stretched, coloured, timed and deinterlaced right, by the truth it was made from."""

from __future__ import annotations

import colorsys
from fractions import Fraction
from pathlib import Path

import measure_picture as measure
import picture_inputs
import pytest
from measure_picture import Box, Colour
from picture_inputs import BAR_BOX, CASES, CELLS, GREY_NAMES, QUARTERS, TRUTH, Case, inner
from PIL import Image
from whole_job import deliver

pytestmark = pytest.mark.ffmpeg

TAGS = ("tv", "bt709", "bt709", "bt709")
COMBED = 12.0
"""Levels: a field of its own moment beside the other's comes to 40 and more, a deinterlaced edge to under 6."""
HUE = 9 / 360
"""By how much the tone curve may turn a hue."""
WHITE_OF_HDR = (170.0, 235.0)
"""Where reference white (203 cd/m2) may land, of 255: below SDR's white, so that highlights have room."""


def expected(case: Case) -> dict[str, Colour]:
    cells = {name: TRUTH[name] for name in (QUARTERS if case.tiny else CELLS) if name not in case.exclude}
    return {name: case.truth(colour) if case.truth is not None else colour for name, colour in cells.items()}


def colour_problems(case: Case, found: dict[str, Colour], tolerance: float) -> list[str]:
    if case.hdr:
        return hdr_problems(found)
    told = []
    for name, truth in expected(case).items():
        off = measure.distance(found[name], truth)
        if off > tolerance:
            shown = tuple(round(channel) for channel in found[name])
            told.append(f"{name} is {shown}, not {tuple(round(channel) for channel in truth)}")
    return told


def hdr_problems(found: dict[str, Colour]) -> list[str]:
    told = []
    greys = [found[name] for name in GREY_NAMES]
    for name, grey in zip(GREY_NAMES, greys, strict=True):
        if max(grey) - min(grey) > 5:
            told.append(f"{name} is not neutral: {grey}")
    levels = [sum(grey) / 3 for grey in greys]
    if any(b - a < 4 for a, b in zip(levels, levels[1:], strict=False)) or levels[0] > 6:
        told.append(f"the greys are {[round(level) for level in levels]}")
    if not WHITE_OF_HDR[0] <= levels[-1] <= WHITE_OF_HDR[1]:
        told.append(f"reference white is {levels[-1]:.0f}")
    for name, truth in TRUTH.items():
        if name in GREY_NAMES or max(truth) - min(truth) < 40:
            continue
        hues = [colorsys.rgb_to_hsv(*colour)[0] for colour in (found[name], truth)]
        if min(abs(hues[0] - hues[1]), 1 - abs(hues[0] - hues[1])) > HUE:
            told.append(f"the hue of {name} is turned: {tuple(round(c) for c in found[name])}, not {truth}")
        if colorsys.rgb_to_hsv(*found[name])[1] < 0.6 * colorsys.rgb_to_hsv(*truth)[1]:
            told.append(f"{name} is pale: {tuple(round(c) for c in found[name])}, not {truth}")
    return told


def places(case: Case) -> dict[str, Box]:
    return {name: inner(box) for name, box in (QUARTERS if case.tiny else CELLS).items()}


def picture_problems(case: Case, path: Path, size: tuple[int, int]) -> list[str]:
    """What is wrong with a delivered file or playlist. `size`: what it has to be."""
    facts = measure.seen(path)
    told = []
    rate = Fraction(case.delivered_rate or case.rate)
    for name, got, wanted in (
        ("codec", facts.codec, "h264"),
        ("format", facts.pixel_format, "yuv420p"),
        ("size", (facts.width, facts.height), size),
        ("pixel shape", facts.sample_aspect in ("1:1", "0:1"), True),
        ("turned", facts.turned, False),
        ("tags", facts.tags, TAGS),
        ("rate", facts.rate, rate),
        ("field order", facts.field_order, "progressive"),
    ):
        if got != wanted:
            told.append(f"{name} is {got}, not {wanted}")
    film = measure.decoded(path)
    if case.delivered_frames is not None and len(film.planes) != case.delivered_frames:
        told.append(f"{len(film.planes)} pictures, not {case.delivered_frames}")
    middle = len(film.planes) // 2
    found = {name: film.colour(middle, box) for name, box in places(case).items()}
    told += colour_problems(case, found, case.tolerance)
    return told + motion_problems(case, film, rate)


def motion_problems(case: Case, film: measure.Film, rate: Fraction) -> list[str]:
    if not case.moving or case.tiny:
        return []
    told = []
    combs = max(measure.combing(film, number, BAR_BOX) for number in range(1, max(2, len(film.planes) - 1)))
    if combs > COMBED:
        told.append(f"combed: {combs:.0f}")
    if case.even and len(film.planes) >= 4:
        positions = [measure.bar(film, number, BAR_BOX) for number in range(len(film.planes))]
        steps = measure.steps(positions)[1:-1]
        moments = Fraction(case.rate) * (2 if case.fields else 1)
        wanted = case.step * float(moments / rate) / ((BAR_BOX[2] - BAR_BOX[0]) * card_width(case))
        if not steps or max(abs(step - wanted) for step in steps) > 0.6 * wanted:
            told.append(f"the bar goes {[round(step, 3) for step in steps[:12]]}, not {wanted:.3f} each time")
    return told


def card_width(case: Case) -> int:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE)
    return case.coded[1] if any(turn in turns for turn in case.turned) else case.coded[0]
