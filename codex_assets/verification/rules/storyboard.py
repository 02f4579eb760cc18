"""Rules for the storyboard, with their limits: a text whose times cover the film, places that lie on the sheet beside
it, and pictures there that are the film's at those times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.optional_observations import Cue, StoryboardObservation, TileDifference
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_equal, expect_no_problem
from codex_assets.verification.rules.plain_pictures import beside_the_picture
from codex_assets.verification.rules.thumbnail import COARSEST, JPEG_FORM

STORYBOARD = "profile: storyboard"
WEBVTT = "W3C WebVTT; W3C Media Fragments 4.2.2"

EDGE_SECONDS = 0.0015
"""Times are written in thousandths."""
END_SECONDS = 0.1
"""By as much the film's end may be missed: nobody points there."""
FARTHEST = 9.0
"""Distance (root mean square of 255, cells of 4x4 pixels) to the frame. Honest ones, of noise, test cards, fades,
pictures of 64 to 1920 pixels: 1.9 to 6.3; one matrix for another: 14; other pictures: 40 and up..."""
SMALLEST_SIDE, FARTHEST_NARROW = 32, 22.0
"""...and the same of a narrower picture, in which hardly a cell is free of its edge: 11."""
LEAST_ALIKE = 0.80
"""Structural similarity. Honest ones: 0.95 and up."""
EXPLAINED_DISTANCE = 3.0
"""From this distance on, a mistake that explains it counts, or another moment whose frame it is..."""
EXPLAINED = 0.5
"""...if that is so much nearer."""


@rule(ObservationKind.STORYBOARD, source=STORYBOARD, gate=True)
def storyboard_readable(seen: StoryboardObservation) -> Finding:
    """The storyboard's text and its sheet exist, and can be read."""
    expected = "a text and a sheet"
    if seen.problem is not None:
        return Finding(False, f"The storyboard cannot be read: {seen.problem}.", expected, seen.problem)
    return Finding(True, f"The storyboard has {len(seen.cues)} pictures.", expected, expected)


@rule(ObservationKind.STORYBOARD, source=WEBVTT)
def storyboard_times(seen: StoryboardObservation) -> Finding:
    """The times follow each other without a gap, from the film's start to its end, in equal steps."""
    problems = list(_wrong_times(seen))
    return expect_no_problem(
        problems,
        expected="from the start to the end, in equal steps",
        message="The times cover the film.",
        observed=f"{len(seen.cues)} equal steps",
    )


def _wrong_times(seen: StoryboardObservation) -> Iterator[Problem]:
    first, last = seen.cues[0], seen.cues[-1]
    if first.start > EDGE_SECONDS:
        yield Problem("start", f"{first.start:.3f} s", f"The first time is {first.start:.3f} s, not the film's start")
    length = (last.end - first.start) / len(seen.cues)
    for cue in seen.cues:
        if abs(cue.end - cue.start - length) > 2 * EDGE_SECONDS:
            taken = cue.end - cue.start
            message = f"A picture stands for {taken:.3f} s, and not for {length:.3f} s like the others"
            yield Problem("step", f"{taken:.3f} s", message, cue.start)
    for before, after in pairwise(seen.cues):
        if abs(after.start - before.end) > EDGE_SECONDS:
            message = f"A time begins at {after.start:.3f} s, though the one before ends at {before.end:.3f} s"
            yield Problem("gap", f"{after.start:.3f} s", message, before.end)
    if seen.duration is not None and abs(last.end - seen.duration) > END_SECONDS:
        message = f"The times end at {last.end:.3f} s, and the film at {seen.duration:.3f} s"
        yield Problem("end", f"{last.end:.3f} s", message)


@rule(ObservationKind.STORYBOARD, source=STORYBOARD)
def storyboard_step(seen: StoryboardObservation) -> Finding | None:
    """There are as many pictures as the film has seconds, and no more than a sheet has."""
    if seen.duration is None:
        return None
    wanted = max(1, min(profile.STORYBOARD_TILES, int(seen.duration / profile.STORYBOARD_TILE_SECONDS)))
    return expect_equal("The number of pictures", wanted, len(seen.cues))


@rule(ObservationKind.STORYBOARD, source=WEBVTT)
def storyboard_places(seen: StoryboardObservation) -> Finding:
    """Every time names a place of its own on the sheet that lies beside the text: all of one size, row by row."""
    return expect_no_problem(
        list(_wrong_places(seen)),
        expected="places on the sheet, of one size",
        message="Every time names a place on the sheet.",
        observed=f"{len(seen.cues)} places",
    )


def _wrong_places(seen: StoryboardObservation) -> Iterator[Problem]:
    width, height = seen.size or (0, 0)
    size = (seen.cues[0].region.width, seen.cues[0].region.height)
    columns = max(1, min(profile.STORYBOARD_COLUMNS, len(seen.cues)))
    for number, cue in enumerate(seen.cues):
        region = cue.region
        wanted = (number % columns * size[0], number // columns * size[1])
        if cue.file != seen.sheet_name:
            yield _at(cue, cue.file, f"A time names {cue.file}, not {seen.sheet_name}")
        elif not region.width or not region.height or (region.width, region.height) != size:
            observed = f"{region.width}x{region.height}"
            yield _at(cue, observed, f"A place is {observed}, and not {size[0]}x{size[1]} like the first")
        elif region.left + region.width > width or region.top + region.height > height:
            observed = f"{region.left},{region.top}"
            yield _at(cue, observed, f"The place at {observed} lies beyond the sheet of {width}x{height}")
        elif (region.left, region.top) != wanted:
            observed = f"{region.left},{region.top}"
            yield _at(cue, observed, f"A place begins at {observed}, and not at {wanted[0]},{wanted[1]}")


def _at(cue: Cue, observed: str, message: str) -> Problem:
    return Problem("place", observed, message, cue.start)


@rule(ObservationKind.STORYBOARD, source=STORYBOARD)
def storyboard_size(seen: StoryboardObservation) -> Finding | None:
    """The places have the film's shape, and the sheet is as large as they need."""
    if seen.size is None or seen.shape is None:
        return None
    region = seen.cues[0].region
    columns = max(1, min(profile.STORYBOARD_COLUMNS, len(seen.cues)))
    rows = -(-len(seen.cues) // columns)
    side = profile.STORYBOARD_TILE_SIDE
    exact = (side * min(1.0, seen.shape), side * min(1.0, 1 / seen.shape))
    problems = []
    if any(abs(is_ - should) > 2 for is_, should in zip((region.width, region.height), exact, strict=True)):
        observed = f"{region.width}x{region.height}"
        message = f"A place is {observed}, and the film's shape in it {exact[0]:.0f}x{exact[1]:.0f}"
        problems.append(Problem("place", observed, message))
    needed = (columns * region.width, rows * region.height)
    if seen.size != needed:
        observed = "{}x{}".format(*seen.size)
        problems.append(Problem("sheet", observed, f"The sheet is {observed}, not {needed[0]}x{needed[1]}"))
    expected = f"{needed[0]}x{needed[1]}"
    return expect_no_problem(problems, expected=expected, message="The sheet has its size.", observed=expected)


@rule(ObservationKind.STORYBOARD, source="plan: phase 3 (safety); ISO/IEC 10918-1")
def storyboard_sheet_is_plain(seen: StoryboardObservation) -> Finding:
    """The sheet is a baseline JPEG with 4:2:0, holds its picture and nothing else, and is coded finely enough."""
    file, problems = seen.file, []
    if file is None:
        problems.append(Problem("sheet", str(seen.codec), f"The sheet is {seen.codec}, not a JPEG"))
    else:
        problems += beside_the_picture(file, "The sheet", JPEG_FORM)
        if file.coarseness is not None and file.coarseness > COARSEST:
            message = "The sheet is coded too coarsely: its blocks can be seen"
            problems.append(Problem("sheet", f"a mean step of {file.coarseness:.1f}", message))
    return expect_no_problem(
        problems, expected=JPEG_FORM, message="The sheet holds its pictures alone.", observed=JPEG_FORM
    )


@rule(ObservationKind.STORYBOARD, source=STORYBOARD)
def storyboard_shows_its_moments(seen: StoryboardObservation) -> Finding | None:
    """Every picture is the mezzanine's in the middle of its time: whole, the right way round, in its colours."""
    if not seen.tiles:
        return None
    problems = [
        Problem(f"{tile.at:.1f} s", f"{tile.distance:.1f} of 255", f"The picture for {tile.at:.1f} s {wrong}", tile.at)
        for tile in seen.tiles
        if (wrong := _wrong_picture(tile)) is not None
    ]
    farthest = max(tile.distance for tile in seen.tiles)
    return expect_no_problem(
        problems,
        expected=f"a distance of at most {FARTHEST:.0f} of 255",
        message="Every picture is the film's at its time.",
        observed=f"{farthest:.1f} of 255",
    )


def _wrong_picture(tile: TileDifference) -> str | None:
    """What is wrong with a picture, as the rest of a sentence; None for nothing."""
    farthest = FARTHEST if tile.smallest_side >= SMALLEST_SIDE else FARTHEST_NARROW
    is_far = tile.distance > farthest or tile.likeness < LEAST_ALIKE
    if not is_far and tile.distance < EXPLAINED_DISTANCE:
        return None
    near = EXPLAINED * tile.distance
    if tile.elsewhere is not None and tile.elsewhere_at is not None and tile.elsewhere < near:
        return f"is the film's at {tile.elsewhere_at:.1f} s"
    if tile.mistake is not None and tile.explained is not None and tile.explained < near:
        return tile.mistake
    return "shows another picture than the film there" if is_far else None
