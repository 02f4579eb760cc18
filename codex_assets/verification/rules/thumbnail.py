"""Rules for the thumbnail, with their limits: a JPEG of the right size that shows its moment and is not blank."""

from __future__ import annotations

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import ThumbnailObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import expect_equal, expect_no_problem, expect_size
from codex_assets.verification.rules.plain_pictures import beside_the_picture
from codex_assets.verification.rules.shared_limits import CONTRACT, PLAN
from codex_assets.verification.still_observations import STRETCHED, StillDifference

BLANK_SPREAD = 3.0
"""Standard deviation of the grey values under which a picture shows nothing."""
LIVELY_SPREAD = 8.0
"""...and above which the source's own frame shows something."""
FARTHEST = 5.0
"""Distance (root mean square of 255, cells of 4x4 pixels) to the frame. Honest ones, of confetti, noise, test cards,
fades, pictures of 2 to 3840 pixels: 0 to 3.7. One matrix for another is 5 to 11 where there are colours, a shift by 8
pixels 9 to 80, other pictures 25 to 250."""
FARTHEST_BLOCK = 20.0
"""The same in the worst block of 32x32 pixels. Honest ones: 0.1 to 8; a patch of 100 pixels: 120 to 200."""
EXPLAINED_DISTANCE = 3.4
"""From this distance on a mistake that explains it counts: a white frame is 2.5 away, for converters round down, and
noise of any strength 2.9."""
EXPLAINED = 0.65
"""...if the frame to which it happened is so much nearer. Honest ones: 0.7 and up; a mistake: 0.05 to 0.45."""
LEAST_ALIKE = 0.92
"""Structural similarity to what the file's own quantisation leaves of the frame. Noise on a chart of pure colours has
0.941, others 0.97 and up; another picture under 0.9."""
BLURRED = 0.75
"""Fine detail against what the quantisation leaves of the frame's. Honest ones: 0.83 to 1.25; made of a third of the
pixels: 0.1 to 0.6."""
SMALLEST_SIDE = 32
"""Pixels. Of a narrower picture in the thumbnail hardly a cell is free of its edge: 24 pixels measured 14."""
FARTHEST_NARROW = 22.0
FARTHEST_NARROW_BLOCK = 45.0
"""Of 8 rows, whose chroma has 4, ffmpeg's scaler places it half a pixel too low: 36."""
BRIGHTEST_PADDING = 6.0
"""Of 255, in blocks that no edge reaches into. Black is 0 to 1."""
PART = 0.6
"""Share of the blocks that differ under which it is a part of the picture."""
IN_PART = "differs from the film in a part of the picture"
ANOTHER = "shows another picture than the film there"
JPEG_FORM = "baseline, 4:2:0"
COARSEST = 22.0
"""Mean quantisation step of the luma. Ours is 12.1; from twice as much on, blocks can be seen."""


@rule(ObservationKind.THUMBNAIL, source=PLAN, gate=True)
def thumbnail_decodes(seen: ThumbnailObservation) -> Finding:
    """The thumbnail exists and decodes without an error."""
    if seen.problem is not None:
        return Finding(False, f"The thumbnail does not decode: {seen.problem}.", "a picture", seen.problem)
    return Finding(True, "The thumbnail decodes.", "a picture", "a picture")


@rule(ObservationKind.THUMBNAIL, source=CONTRACT)
def thumbnail_is_jpeg(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail is a JPEG, as its name says."""
    return None if seen.picture is None else expect_equal("The thumbnail's format", "mjpeg", seen.picture.codec)


@rule(ObservationKind.THUMBNAIL, source=PLAN)
def thumbnail_size(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail is 1280x720."""
    if seen.picture is None:
        return None
    wanted = (profile.PICTURE_WIDTH, profile.PICTURE_HEIGHT)
    return expect_size(wanted, (seen.picture.width, seen.picture.height))


@rule(ObservationKind.THUMBNAIL, source="contract: variants (thumbnail)")
def thumbnail_not_blank(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail shows something, unless the source's frame at that time shows nothing either."""
    if seen.picture is None or seen.expected.spread is None:
        return None
    spread, source = seen.picture.spread, seen.expected.spread
    passed = spread >= BLANK_SPREAD or source < LIVELY_SPREAD
    message = "The thumbnail shows something." if spread >= BLANK_SPREAD else "The thumbnail is blank"
    if spread < BLANK_SPREAD:
        message += ", and so is the source there." if passed else ", though the source is not."
    return Finding(passed, message, f"a spread of {BLANK_SPREAD} or more (source {source:.1f})", f"{spread:.1f}")


@rule(ObservationKind.THUMBNAIL, source="contract: variants (thumbnail)")
def thumbnail_shows_its_moment(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail is the mezzanine's frame at 10 % of the duration: whole, the right way round, in its colours."""
    difference = seen.difference
    if difference is None or _is_blank(seen):
        return None
    farthest = FARTHEST if difference.smallest_side >= SMALLEST_SIDE else FARTHEST_NARROW
    expected = f"a distance of at most {farthest:.1f} of 255"
    observed = f"{difference.distance:.1f} of 255"
    wrong = _wrong(seen, difference, farthest)
    if wrong is None:
        return Finding(True, "The thumbnail is the frame at 10 %.", expected, observed)
    return Finding(False, f"The thumbnail {wrong}.", expected, observed)


def _is_blank(seen: ThumbnailObservation) -> bool:
    """It shows nothing, though its frame does: another rule's finding."""
    source = seen.expected.spread
    return (
        seen.picture is not None
        and seen.picture.spread < BLANK_SPREAD
        and source is not None
        and source >= LIVELY_SPREAD
    )


def _wrong(seen: ThumbnailObservation, difference: StillDifference, farthest: float) -> str | None:
    """What is wrong with the picture, as the rest of a sentence; None for nothing."""
    explanation = difference.explanation
    is_wide = difference.smallest_side >= SMALLEST_SIDE
    is_explained = (
        explanation is not None
        and difference.distance >= (EXPLAINED_DISTANCE if is_wide else farthest)
        and explanation.distance <= EXPLAINED * difference.distance
    )
    if is_explained and explanation is not None and explanation.distance <= 2 * farthest:
        return explanation.mistake
    moment = seen.moment
    if difference.distance > farthest or difference.likeness < LEAST_ALIKE:
        if moment is not None and moment.shown is not None and abs(moment.shown - moment.wanted) > 0.5:
            return f"shows another moment: {moment.shown:.1f} s instead of {moment.wanted:.1f} s"
        if difference.share < PART and difference.distance > farthest:
            return IN_PART
        return explanation.mistake if is_explained and explanation is not None else ANOTHER
    if difference.worst > (FARTHEST_BLOCK if is_wide else FARTHEST_NARROW_BLOCK):
        return IN_PART
    if difference.sharpness is not None and difference.sharpness < BLURRED:
        return "is blurred"
    return None


@rule(ObservationKind.THUMBNAIL, source="contract: variants (thumbnail)")
def thumbnail_padding_black(seen: ThumbnailObservation) -> Finding | None:
    """What lies beside a frame of another shape than 16:9 is black."""
    if seen.padding is None:
        return None
    explanation = seen.difference.explanation if seen.difference is not None else None
    if explanation is not None and explanation.mistake == STRETCHED:
        return None
    passed = seen.padding <= BRIGHTEST_PADDING
    message = f"What lies beside the frame is {'' if passed else 'not '}black."
    return Finding(passed, message, f"at most {BRIGHTEST_PADDING:.0f} of 255", f"{seen.padding:.0f} of 255")


@rule(ObservationKind.THUMBNAIL, source="contract: variants (thumbnail)")
def thumbnail_quality(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail is not coded so coarsely that its blocks can be seen."""
    if seen.file is None or seen.file.coarseness is None:
        return None
    passed = seen.file.coarseness <= COARSEST
    message = f"The thumbnail is coded {'finely enough' if passed else 'too coarsely: its blocks can be seen'}."
    return Finding(passed, message, f"a mean step of at most {COARSEST:.0f}", f"{seen.file.coarseness:.1f}")


@rule(ObservationKind.THUMBNAIL, source="plan: phase 3 (safety); ISO/IEC 10918-1")
def thumbnail_is_plain(seen: ThumbnailObservation) -> Finding | None:
    """The JPEG is baseline with 4:2:0, and holds its picture and nothing else: no Exif, no comment, nothing behind."""
    if seen.file is None or (seen.picture is not None and seen.picture.codec != "mjpeg"):
        return None
    return expect_no_problem(
        list(beside_the_picture(seen.file, "The thumbnail", JPEG_FORM)),
        expected=JPEG_FORM,
        message="The JPEG holds its picture alone.",
        observed=JPEG_FORM,
    )
