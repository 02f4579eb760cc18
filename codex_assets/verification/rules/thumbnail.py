"""Rules for the thumbnail, with their limits: a JPEG of the right size that shows its moment and is not blank."""

from __future__ import annotations

from codex_assets.archive.findings import Finding, Severity
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import ThumbnailObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import expect_equal, expect_size
from codex_assets.verification.rules.shared_limits import CONTRACT, PLAN, SAME_PICTURE_DIFFERENCE

BLANK_SPREAD = 3.0
"""Standard deviation of the grey values under which a picture shows nothing."""
LIVELY_SPREAD = 8.0
"""...and above which the source's own frame shows something."""


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


@rule(ObservationKind.THUMBNAIL, source="contract: variants (thumbnail)", severity=Severity.WARN)
def thumbnail_shows_its_moment(seen: ThumbnailObservation) -> Finding | None:
    """The thumbnail is the mezzanine's frame at 10 % of the duration."""
    observed = seen.expected.difference
    blank = seen.picture is None or seen.picture.spread < BLANK_SPREAD
    if observed is None or blank:
        return None
    passed = observed <= SAME_PICTURE_DIFFERENCE
    message = f"The thumbnail is {'' if passed else 'not '}the frame at 10 %."
    return Finding(
        passed, message, f"difference at most {SAME_PICTURE_DIFFERENCE:.0f} of 255", f"{observed:.1f} of 255"
    )
