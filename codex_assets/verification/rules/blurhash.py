"""Rules for the BlurHash, with their limits: a text that can be read, and that shows the thumbnail's colours."""

from __future__ import annotations

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.optional_observations import BlurHashObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import expect_size

BLURHASH = "BlurHash"

FARTHEST = 12.0
"""Distance (root mean square of 255) between what it shows and as much of the thumbnail as one can show. Honest ones:
0 to 6; grey or mirrored: 85 and up."""


@rule(ObservationKind.BLURHASH, source=BLURHASH, gate=True)
def blurhash_readable(seen: BlurHashObservation) -> Finding:
    """The BlurHash exists, has the digits of base 83 alone, and as many as its components need."""
    if seen.problem is not None:
        return Finding(False, f"The BlurHash cannot be read: {seen.problem}.", "a BlurHash", seen.problem)
    return Finding(True, "The BlurHash can be read.", "a BlurHash", seen.text)


@rule(ObservationKind.BLURHASH, source="profile: BlurHash")
def blurhash_components(seen: BlurHashObservation) -> Finding | None:
    """The BlurHash has four components across and three down."""
    return None if seen.components is None else expect_size(profile.BLURHASH_COMPONENTS, seen.components)


@rule(ObservationKind.BLURHASH, source=BLURHASH)
def blurhash_shows_the_thumbnail(seen: BlurHashObservation) -> Finding | None:
    """What the BlurHash shows are the thumbnail's colours, in their places."""
    if seen.distance is None:
        return None
    passed = seen.distance <= FARTHEST
    message = "The BlurHash shows the thumbnail's colours." if passed else "The BlurHash shows other colours."
    expected = f"a distance of at most {FARTHEST:.0f} of 255"
    return Finding(passed, message, expected, f"{seen.distance:.1f} of 255")
