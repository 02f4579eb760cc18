"""Rules for the pictures of a playlist beside the mezzanine's, with their limits: every one of them is compared.

Measured on honest encodes of film, grain, water, flashes, fades, confetti and darkness, a second that is easy to encode
keeps a likeness of 0.995 and a difference of 0.5; every fault that was tried is beyond the limits by twice as much.
What is hard to encode is held against an encode of the judge's own, at 0.7 of the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codex_assets.archive.findings import Finding
from codex_assets.verification.fidelity import ChangeKind, PictureChange, PictureFidelity, PictureSecond, ScalingLoss
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import VariantObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import any_failed, expect_decodes
from codex_assets.verification.rules.playlist import picture_continuous, segments_present, sound_continuous
from codex_assets.verification.rules.shared_limits import PLAN, PLAYLISTS, VARIANTS
from codex_assets.verification.rules.tracks import (
    one_picture_format,
    picture_is_h264,
    picture_rate,
    picture_size,
    preview_at_most_720p,
    tracks_as_source,
)

LIKENESS = 0.995
"""Structural similarity of a second, in each plane."""
LEAST_LIKENESS = 0.98
"""...and of a single picture."""
DIFFERENCE = 1.5
"""Mean difference of small areas in one picture, of 255."""
LASTING_DIFFERENCE = 3.0
"""Difference of one small area over a second."""
LASTING_AT_FIRST = 4.0
"""...of a film's first second. One of a fifth of a second is nothing else: 3.2 at 60 pictures a second."""
SHARPNESS = (0.85, 1.15)

UNLIKER = 1.4
"""Distance from being the same, over that of an honest encode..."""
UNLIKER_PICTURE = 2.5
"""...of a single picture..."""
MORE_DIFFERENT = 1.5
"""...of the difference..."""
MORE_LASTING = 2.0
"""...of the one that lasts..."""
SOFTER = 0.45
"""...and of the sharpness. An honest encode of film grain keeps more or less of it from one second to the next."""
ROUGHER = 1.3
"""An honest encode shows no more detail than there was: grain and moving dots stay under 1."""
AT_FIRST = 2.5
"""In a film's first second its encoder has to guess the rate: the likeness may be so much farther away, and the
difference that lasts so much larger."""
FEW, AMONG_FEW = 12, 4.0
"""...and of a film that has fewer pictures than this in it, the likeness so much: there is no time to mend the guess.
Six pictures of a tenth of a second lose 0.014 in their colours."""
ROOM = 0.006
"""Likeness that is allowed besides: an honest encode of the next second is as far away."""
ROOM_PICTURE = 0.015
ROOM_DIFFERENCE = 0.6

SCALED_UNLIKE = 0.04
"""Likeness, ..."""
SCALED_DIFFERENCE = 0.5
"""...difference, ..."""
SCALED_LASTING = 2.5
"""...and difference that lasts: the most that is believed to be lost by scaling alone. A chart of sharp edges in pure
colours, from 1280 to 854 pixels, loses 0.03, 0.2 and 2.1 by lanczos as by bicubic, and 0.04, 0.5 and 5 without any
filter."""

AGREED = 0.97
"""Likeness of two variants' pictures from which on they show one thing, which an encoder..."""
APART = 0.85
"""...that kept so little of the original's did not leave: then the original shows another. What is hard to encode
leaves variants that are as far from each other as from it."""

_NOTHING_LOST = ScalingLoss((1.0, 1.0, 1.0), 1.0, 0.0, 0.0)

DOUBT = 4.0
"""Within so many times of the limits, a second that nobody encoded for comparison is believed to be hard to encode."""
THROUGHOUT = 0.8
"""A fault of at least this part of all seconds is one of the whole."""


@rule(*PLAYLISTS, source=PLAN)
def pictures_decode(seen: VariantObservation) -> Finding | None:
    """Every picture and all sound decode without a complaint."""
    # What is put together of other streams, or has holes, makes decoders complain as well.
    if seen.decode_errors is None or any_failed(
        one_picture_format(seen), picture_continuous(seen), sound_continuous(seen)
    ):
        return None
    return expect_decodes(seen.decode_errors, "Everything decodes.", "Something does not decode")


@rule(*PLAYLISTS, source=VARIANTS)
def pictures_true(seen: VariantObservation) -> Finding | None:
    """Every picture is the mezzanine's, as true as an honest encode leaves it."""
    formats = tracks_as_source(seen), picture_is_h264(seen), one_picture_format(seen), picture_rate(seen)
    sizes = picture_size(seen), preview_at_most_720p(seen) if seen.kind is ObservationKind.PREVIEW else None
    if any_failed(*formats, *sizes, segments_present(seen), picture_continuous(seen), pictures_decode(seen)):
        return None
    return expect_true(seen.pictures, "mezzanine")


def expect_true(fidelity: PictureFidelity | None, whose: str) -> Finding | None:
    """Every picture is that of `whose`; None when nothing was compared."""
    if fidelity is None or not fidelity.seconds:
        return None
    bad = [second for second in fidelity.seconds if not _is_true(second, fidelity.honest)]
    expected = f"like the {whose}'s, or an honest encode of it"
    return verdict(fidelity, bad, fidelity.change, whose, expected)


def verdict(
    fidelity: PictureFidelity, bad: Sequence[PictureSecond], change: PictureChange | None, whose: str, expected: str
) -> Finding:
    """What is said of pictures of which the seconds `bad` are not those of `whose`. `change`: what explains it."""
    if not bad:
        least = min(min(second.likeness) for second in fidelity.seconds)
        message = f"All {fidelity.compared} pictures are the {whose}'s."
        return Finding(True, message, expected, f"likeness of at least {least:.3f}")
    worst = least_alike(bad)
    where = _when(fidelity, bad)
    observed = f"likeness {min(worst.likeness):.3f}, difference {worst.difference:.1f} of 255"
    return Finding(False, _explained(change, whose, where), expected, observed, where, bad[0].at if where else None)


def least_alike(seconds: Sequence[PictureSecond]) -> PictureSecond:
    """The one whose worst plane is least like the original's."""
    return min(seconds, key=lambda second: min(second.likeness))


def _is_true(second: PictureSecond, honest: Sequence[PictureSecond]) -> bool:
    """Whether a second is as true as it can be asked to be."""
    if _is_plainly_true(second):
        return True
    if second.agreement is not None and second.agreement >= AGREED and min(second.likeness) < APART:
        return False
    own = [each for each in honest if each.at == second.at]
    if own:
        return _is_as_true(second, own[0])
    # Those that are worst in some respect were encoded for comparison; of the others nobody knows how hard they are.
    return _is_plainly_true(second, factor=DOUBT) or any(_is_as_true(second, each) for each in honest)


def _is_plainly_true(second: PictureSecond, *, factor: float = 1.0) -> bool:
    """Within the limits of what is easy to encode, or within `factor` of them."""
    least, most = SHARPNESS
    likeness = factor if second.at > 0 else max(factor, AMONG_FEW if second.pictures < FEW else AT_FIRST)
    return (
        1 - min(second.likeness) <= likeness * (1 - LIKENESS)
        and 1 - second.least_likeness <= likeness * (1 - LEAST_LIKENESS)
        and second.difference <= factor * DIFFERENCE
        and second.lasting_difference <= factor * _least_lasting(second)
        and (second.sharpness is None or 1 - factor * (1 - least) <= second.sharpness <= 1 + factor * (most - 1))
    )


def _least_lasting(second: PictureSecond) -> float:
    """The difference that may last in any case."""
    return LASTING_DIFFERENCE if second.at > 0 else LASTING_AT_FIRST


def _is_as_true(second: PictureSecond, honest: PictureSecond) -> bool:
    planes = zip(second.likeness, honest.likeness, (0, 1, 2), strict=True)
    least_sharp, most_sharp = SHARPNESS
    lasting = MORE_LASTING if second.at > 0 else AT_FIRST
    if honest.sharpness is None:
        # What there is of detail is too faint for a careful encode to be asked for it; more than there was is too much.
        least_sharp = 0.0
    else:
        least_sharp, most_sharp = (
            min(least_sharp, SOFTER * honest.sharpness),
            max(most_sharp, ROUGHER * honest.sharpness),
        )
    lost = honest.scaling or _NOTHING_LOST
    unlike = [min(1 - likeness, SCALED_UNLIKE) for likeness in (*lost.likeness, lost.least_likeness)]
    room = ROOM_DIFFERENCE + min(lost.difference, SCALED_DIFFERENCE)
    room_lasting = ROOM_DIFFERENCE + min(lost.lasting_difference, SCALED_LASTING)
    return (
        all(1 - own <= UNLIKER * (1 - possible) + ROOM + unlike[plane] for own, possible, plane in planes)
        and 1 - second.least_likeness <= UNLIKER_PICTURE * (1 - honest.least_likeness) + ROOM_PICTURE + unlike[3]
        and second.difference <= max(DIFFERENCE, MORE_DIFFERENT * honest.difference + room)
        and second.lasting_difference <= max(_least_lasting(second), lasting * honest.lasting_difference + room_lasting)
        and (second.sharpness is None or least_sharp <= second.sharpness <= most_sharp)
    )


def _when(fidelity: PictureFidelity, bad: Sequence[PictureSecond]) -> str:
    """When the fault is seen; empty for one of the whole."""
    if len(bad) >= THROUGHOUT * len(fidelity.seconds):
        return ""
    rate = fidelity.seconds[0].pictures
    first, last = bad[0], bad[-1]
    start, end = first.at, last.at + max(1 / max(rate, 1), last.pictures / max(rate, 1))
    if len(bad) == 1 and fidelity.change is not None and first.at <= fidelity.change.start < end:
        start, end = fidelity.change.start, min(end, fidelity.change.end)
    if len(bad) < (last.at - first.at) / 2:
        return f"at {start:.1f} s and in other places"
    first_said, last_said = f"{start:.1f}", f"{end:.1f}"
    return f"at {first_said} s" if first_said == last_said else f"from {first_said} to {last_said} s"


_SENTENCES: dict[ChangeKind, Callable[[PictureChange], str]] = {
    ChangeKind.BLACK: lambda change: "The picture is black",
    ChangeKind.FLAT: lambda change: "The picture is of one colour",
    ChangeKind.FROZEN: lambda change: "The picture stands still",
    ChangeKind.REPEATED: lambda change: "Pictures are repeated, so that motion is not even",
    ChangeKind.SHIFTED_IN_TIME: lambda change: (
        f"The picture is {'late' if (change.amount or 0) > 0 else 'early'} by {_pictures(change.amount)}"
    ),
    ChangeKind.UPSIDE_DOWN: lambda change: "The picture is upside down",
    ChangeKind.MIRRORED: lambda change: "The picture is mirrored",
    ChangeKind.TURNED: lambda change: "The picture is turned by half a turn",
    ChangeKind.CHROMA_EXCHANGED: lambda change: "The picture's two colour planes are exchanged",
    ChangeKind.GREY: lambda change: "The picture has lost its colours",
    ChangeKind.BRIGHTNESS: lambda change: f"The picture is {'brighter' if (change.amount or 0) > 0 else 'darker'}",
    ChangeKind.CONTRAST: lambda change: f"The picture has {'more' if (change.amount or 0) > 1 else 'less'} contrast",
    ChangeKind.SATURATION: lambda change: (
        f"The picture's colours are {'stronger' if (change.amount or 0) > 1 else 'paler'}"
    ),
    ChangeKind.COLOURS: lambda change: "The picture's colours are converted wrongly",
    ChangeKind.OTHER_COLOURS: lambda change: "The picture's colours are others",
    ChangeKind.TONES: lambda change: (
        f"The picture's middle tones are {'brighter' if (change.amount or 0) > 0 else 'darker'} beside the others"
    ),
    ChangeKind.NEGATIVE: lambda change: "Bright and dark are exchanged",
    ChangeKind.FADED: lambda change: "The picture fades",
    ChangeKind.SHADED: lambda change: (
        f"The picture is {'brighter' if (change.amount or 0) > 0 else 'darker'} towards its edges"
    ),
    ChangeKind.COLOURS_LATE: lambda change: (
        f"The picture's colours are {'late' if (change.amount or 0) > 0 else 'early'} by {_pictures(change.amount)}"
    ),
    ChangeKind.COLOURS_MOVED: lambda change: "The picture's colours are moved aside",
    ChangeKind.MIXED: lambda change: "Each picture is mixed with others near it",
    ChangeKind.MOVED: lambda change: "The picture is moved aside",
    ChangeKind.TILTED: lambda change: "The picture is tilted",
    ChangeKind.SCALED: lambda change: "The picture is scaled or cut to another shape",
    ChangeKind.BLURRED: lambda change: "The picture is less sharp than its size allows",
    ChangeKind.ROUGH: lambda change: "The picture is rougher, with noise or edges",
    ChangeKind.PART: lambda change: f"A part of the picture, at the {change.where}, is another",
    ChangeKind.PART_BLURRED: lambda change: (
        f"A part of the picture, at the {change.where}, is less sharp than the rest"
    ),
    ChangeKind.ANOTHER: lambda change: "The picture is another",
}


def _pictures(amount: float | None) -> str:
    count = abs(round(amount or 0))
    return "a picture" if count == 1 else f"{count} pictures"


def words_of(change: PictureChange | None) -> str | None:
    """What a change did to the picture, in words; None where nothing explains it."""
    words = _SENTENCES.get(change.change) if change is not None else None
    return words(change) if words is not None and change is not None else None


def _explained(change: PictureChange | None, whose: str, where: str) -> str:
    """A sentence that says what was done to the picture, and `where`."""
    said = words_of(change) or "The picture is coded worse"
    return f"{said}{f' {where}' if where else ''}, beside the {whose}'s."
