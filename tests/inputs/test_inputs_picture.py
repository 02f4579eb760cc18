"""Whatever made the picture: turned, stretched, coloured, timed and deinterlaced right, by the truth behind it."""

from __future__ import annotations

import colorsys
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import measure_picture as measure
import picture_inputs
import pytest
from measure_picture import Box, Colour
from picture_inputs import BAR_BOX, CASES, CELLS, GREY_NAMES, QUARTERS, TRUTH, Case, inner
from PIL import Image
from whole_job import MEDIA, Delivered, deliver

from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore

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


def colour_problems(case: Case, colours: dict[str, Colour], tolerance: float) -> list[str]:
    if case.hdr:
        return hdr_problems(colours, tolerance - case.tolerance)
    problems = []
    for name, truth in expected(case).items():
        off = measure.distance(colours[name], truth)
        if off > tolerance:
            shown = tuple(round(channel) for channel in colours[name])
            problems.append(f"{name} is {shown}, not {tuple(round(channel) for channel in truth)}")
    return problems


def hdr_problems(colours: dict[str, Colour], more: float) -> list[str]:
    problems = []
    greys = [colours[name] for name in GREY_NAMES]
    for name, grey in zip(GREY_NAMES, greys, strict=True):
        if max(grey) - min(grey) > 5:
            problems.append(f"{name} is not neutral: {grey}")
    levels = [sum(grey) / 3 for grey in greys]
    if any(b - a < 4 for a, b in pairwise(levels)) or levels[0] > 6:
        problems.append(f"the greys are {[round(level) for level in levels]}")
    if not WHITE_OF_HDR[0] <= levels[-1] <= WHITE_OF_HDR[1]:
        problems.append(f"reference white is {levels[-1]:.0f}")
    for name, truth in TRUTH.items():
        # The curve bends near white alone.
        within = 6.0 if max(truth) <= 160 else 28.0 if name not in ("grey 255", "bottom right") else 45.0
        if measure.distance(colours[name], truth) > within + more:
            problems.append(f"{name} is {tuple(round(channel) for channel in colours[name])}, not near {truth}")
        if name in GREY_NAMES or max(truth) - min(truth) < 40:
            continue
        hues = [colorsys.rgb_to_hsv(*colour)[0] for colour in (colours[name], truth)]
        if min(abs(hues[0] - hues[1]), 1 - abs(hues[0] - hues[1])) > HUE:
            problems.append(f"the hue of {name} is turned: {tuple(round(c) for c in colours[name])}, not {truth}")
        if colorsys.rgb_to_hsv(*colours[name])[1] < 0.6 * colorsys.rgb_to_hsv(*truth)[1]:
            problems.append(f"{name} is pale: {tuple(round(c) for c in colours[name])}, not {truth}")
    return problems


def places(case: Case) -> dict[str, Box]:
    return {name: inner(box) for name, box in (QUARTERS if case.tiny else CELLS).items()}


def picture_problems(case: Case, path: Path, size: tuple[int, int]) -> list[str]:
    """What is wrong with a delivered file or playlist. `size`: what it has to be."""
    facts = measure.seen(path)
    problems = []
    rate = Fraction(case.delivered_rate or case.rate)
    for name, got, wanted in (
        ("codec", facts.codec, "h264"),
        ("format", facts.pixel_format, "yuv420p"),
        ("size", (facts.width, facts.height), size),
        ("pixel shape", facts.sample_aspect in ("1:1", "0:1"), True),
        ("turned", facts.turned, False),
        ("what is told beside it", facts.side_data_beside, ()),
        ("tags", facts.tags, TAGS),
        ("rate", facts.rate, rate),
        # A playlist's head does not always say it.
        ("field order", facts.field_order in ("progressive", "unknown"), True),
    ):
        if got != wanted:
            problems.append(f"{name} is {got}, not {wanted}")
    film = measure.decoded(path)
    if case.delivered_frames is not None and len(film.planes) != case.delivered_frames:
        problems.append(f"{len(film.planes)} pictures, not {case.delivered_frames}")
    middle = len(film.planes) // 2
    colours = {name: film.colour(middle, box) for name, box in places(case).items()}
    problems += colour_problems(case, colours, case.tolerance)
    return problems + motion_problems(case, film, rate)


def motion_problems(case: Case, film: measure.Film, rate: Fraction) -> list[str]:
    if not case.moving or case.tiny:
        return []
    problems = []
    combs = max(measure.combing(film, number, BAR_BOX) for number in range(1, max(2, len(film.planes) - 1)))
    if combs > COMBED:
        problems.append(f"combed: {combs:.0f}")
    if case.even and len(film.planes) >= 4:
        positions = [measure.bar(film, number, BAR_BOX) for number in range(len(film.planes))]
        steps = measure.steps(positions)[1:-1]
        moments = Fraction(case.rate) * (2 if case.fields else 1)
        wanted = case.step * float(moments / rate) / ((BAR_BOX[2] - BAR_BOX[0]) * card_width(case))
        if not steps or max(abs(step - wanted) for step in steps) > 0.6 * wanted:
            problems.append(f"the bar goes {[round(step, 3) for step in steps[:12]]}, not {wanted:.3f} each time")
    return problems


def card_width(case: Case) -> int:
    turns = (
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    )
    return case.coded[1] if any(turn in turns for turn in case.turned) else case.coded[0]


def check(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    upload = picture_inputs.make(case, folder)
    delivered = deliver(upload, "video", tmp_path / "job")
    if case.refused is not None:
        assert delivered.body["status"] == "failed"
        assert case.refused in delivered.body["error"]
        assert delivered.published() == set()
        return
    output = delivered.output
    given = delivered.warnings
    as_expected = len(given) == len(case.warns) and all(map(re.search, case.warns, given))
    problems = [] if as_expected else [f"warned: {given}, not {case.warns}"]
    if (output["width"], output["height"]) != case.displayed:
        problems.append(f"the webhook says {output['width']}x{output['height']}, not {case.displayed}")
    if tuple(output["readyVariants"]) != case.variants:
        problems.append(f"ready are {output['readyVariants']}, not {case.variants}")
    problems += [f"mezzanine: {problem}" for problem in picture_problems(case, delivered.mezzanine, case.mezzanine)]
    for variant in case.variants:
        size = fitted_size(case, preview_of(case.variants) if variant == "preview" else variant)
        problems += [f"{variant}: {problem}" for problem in picture_problems(case, delivered.playlist(variant), size)]
    problems += [f"thumbnail: {problem}" for problem in thumbnail_problems(case, delivered.path("thumbnailKey"))]
    problems += [f"metadata: {problem}" for problem in metadata_problems(case, delivered)]
    problems += [f"noted: {kind}" for kind in delivered.notes if kind not in case.notes]
    assert problems == []
    assert list(delivered.left_behind()) == []


def preview_of(variants: tuple[str, ...]) -> str:
    """The variant that the preview is the beginning of: 720p, or the best below it."""
    return next(variant for variant in variants if variant != "1080p")


def fitted_size(case: Case, variant: str) -> tuple[int, int]:
    """By the contract: into the variant's box, even, never larger than it came."""
    width, height = case.mezzanine
    short, long = {"1080p": (1080, 1920), "720p": (720, 1280), "480p": (480, 854), "360p": (360, 640)}[variant]
    box = (short, long) if height > width else (long, short)
    factor = min(1.0, box[0] / width, box[1] / height)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def thumbnail_problems(case: Case, path: Path) -> list[str]:
    with Image.open(path) as picture:
        size = picture.size
    if size != (1280, 720):
        return [f"it is {size[0]}x{size[1]}"]
    boxes = {name: measure.fitted(*case.mezzanine, size, box) for name, box in places(case).items()}
    colours = {name: measure.jpeg_colour(path, box) for name, box in boxes.items()}
    # Scaled up and coded once more.
    return colour_problems(case, colours, case.tolerance + 5)


def metadata_problems(case: Case, delivered: Delivered) -> list[str]:
    record = RecordStore(delivered.stores.archive).get(MEDIA, "mezzanine", MezzanineRecord)
    assert record is not None
    facts = record.source.model_dump()
    return [f"{name} is {facts[name]}, not {value}" for name, value in case.source.items() if facts[name] != value]


QUICK = sorted(name for name, case in CASES.items() if case.quick)
REST = sorted(name for name in CASES if name not in QUICK)


@pytest.mark.parametrize("name", QUICK)
def test_a_picture_is_delivered_right(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_any_picture_is_delivered_right(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)
