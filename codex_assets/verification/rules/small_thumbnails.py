"""Rules for the small thumbnails, with their limits: plain WebP of the right sizes, which shows what the thumbnail
shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.optional_observations import SmallPicture, SmallThumbnailsObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_no_problem
from codex_assets.verification.rules.plain_pictures import beside_the_picture

THUMBNAILS = "profile: small thumbnails"

FARTHEST = 8.0
"""Distance (root mean square of 255, cells of 4x4 pixels) to the thumbnail. Honest ones: 1.5 to 3.5; other pictures: 60
and up."""
LEAST_ALIKE = 0.80
"""Structural similarity. Honest ones: 0.98 and up."""
COARSEST_INDEX = 55.0
"""Mean quantiser index, of 127. Ours is 20 to 25; of libwebp's quality 30 it is 53 to 62, of the lowest 127."""
EXPLAINED_DISTANCE = 3.0
"""From this distance on a mistake that explains it counts..."""
EXPLAINED = 0.5
"""...if the frame to which it happened is so much nearer."""


@rule(ObservationKind.THUMBNAILS, source=THUMBNAILS, gate=True)
def thumbnails_decode(seen: SmallThumbnailsObservation) -> Finding:
    """The small thumbnails exist, and decode without an error."""
    problems = [
        Problem(each.name, each.problem, f"{each.name} does not decode: {each.problem}")
        for each in seen.pictures
        if each.problem is not None
    ]
    return expect_no_problem(problems, expected="pictures", message="All sizes decode.", observed="pictures")


@rule(ObservationKind.THUMBNAILS, source=THUMBNAILS)
def thumbnails_sizes(seen: SmallThumbnailsObservation) -> Finding:
    """Each has the size that its name says, and none is missing."""
    wanted = {f"{width}.webp": (width, height) for width, height in profile.THUMBNAIL_SIZES}
    observed = {each.name: each.size for each in seen.pictures}
    problems = [
        Problem(name, "missing" if size is None else "{}x{}".format(*size), _wrong_size(name, right, size))
        for name, right in wanted.items()
        if (size := observed.get(name)) != right
    ]
    expected = ", ".join("{}x{}".format(*size) for size in wanted.values())
    return expect_no_problem(problems, expected=expected, message="The sizes are those of the profile.")


def _wrong_size(name: str, right: tuple[int, int], size: tuple[int, int] | None) -> str:
    if size is None:
        return f"{name} is missing"
    return f"{name} is {size[0]}x{size[1]}, not {right[0]}x{right[1]}"


@rule(ObservationKind.THUMBNAILS, source="plan: phase 3 (safety); RFC 9649")
def thumbnails_are_plain(seen: SmallThumbnailsObservation) -> Finding:
    """Each is a WebP with lossy coding, holds its picture and nothing else, and is whole."""
    problems = [problem for each in seen.pictures for problem in _beside(each)]
    return expect_no_problem(
        problems, expected="lossy WebP", message="The WebPs hold their pictures alone.", observed="lossy WebP"
    )


def _beside(picture: SmallPicture) -> Iterator[Problem]:
    file = picture.file
    if file is None:
        yield Problem(picture.name, str(picture.codec), f"{picture.name} is {picture.codec}, not WebP")
        return
    yield from (replace(problem, where=picture.name) for problem in beside_the_picture(file, picture.name, "lossy"))


@rule(ObservationKind.THUMBNAILS, source=THUMBNAILS)
def thumbnails_quality(seen: SmallThumbnailsObservation) -> Finding | None:
    """None is coded so coarsely that its blocks can be seen."""
    coded = [(each.name, each.file.coarseness) for each in seen.pictures if each.file is not None]
    known = [(name, index) for name, index in coded if index is not None]
    if not known:
        return None
    problems = [
        Problem(name, f"{index:.0f}", f"{name} is coded too coarsely: its blocks can be seen")
        for name, index in known
        if index > COARSEST_INDEX
    ]
    return expect_no_problem(
        problems,
        expected=f"a mean quantiser index of at most {COARSEST_INDEX:.0f}",
        message="The small thumbnails are coded finely enough.",
        observed=f"{max(index for _, index in known):.0f}",
    )


@rule(ObservationKind.THUMBNAILS, source=THUMBNAILS)
def thumbnails_show_the_thumbnail(seen: SmallThumbnailsObservation) -> Finding | None:
    """Each shows the mezzanine's frame at 10 % of the duration as the thumbnail does: whole, and in its colours."""
    compared = [(each.name, each.difference) for each in seen.pictures if each.difference is not None]
    if not compared:
        return None
    problems = [
        Problem(each.name, f"{each.difference.distance:.1f} of 255", f"{each.name} {wrong}")
        for each in seen.pictures
        if each.difference is not None and (wrong := _wrong_picture(each)) is not None
    ]
    farthest = max(difference.distance for _, difference in compared)
    return expect_no_problem(
        problems,
        expected=f"a distance of at most {FARTHEST:.0f} of 255",
        message="Every size shows the frame at 10 %.",
        observed=f"{farthest:.1f} of 255",
    )


def _wrong_picture(picture: SmallPicture) -> str | None:
    """What is wrong with a picture, as the rest of a sentence; None for nothing."""
    difference = picture.difference
    assert difference is not None
    is_far = difference.distance > FARTHEST or difference.likeness < LEAST_ALIKE
    explanation = difference.explanation
    is_explained = (
        explanation is not None
        and difference.distance >= EXPLAINED_DISTANCE
        and explanation.distance <= EXPLAINED * difference.distance
    )
    if is_explained and explanation is not None:
        return explanation.mistake
    return "shows another picture than the thumbnail" if is_far else None
