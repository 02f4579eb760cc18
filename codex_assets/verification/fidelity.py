"""How true an output is to what it was made of: what was measured when every picture and every sample were compared.

In: the numbers, with nothing that says which are good. Out: measuring (`observe/picture_fidelity.py`,
`observe/sound_fidelity.py`), and the limits (`rules/pictures.py`, `rules/sound.py`).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

# --- Pictures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScalingLoss:
    """What a good scaler alone loses of a second's pictures, as far as these are compared: an edge that comes to lie
    within a pixel. Fields as those of `PictureSecond`."""

    likeness: tuple[float, float, float]
    least_likeness: float
    difference: float
    lasting_difference: float


@dataclass(frozen=True)
class SoftQuarter:
    """The quarter of a picture that lost most of its detail. `sharpness`: how much it keeps of it, over what the middle
    one of all keeps (one may have got more: a logo)."""

    where: str
    sharpness: float


@dataclass(frozen=True)
class PictureSecond:
    """The pictures of about a second beside those that they were made of, all of them, scaled to the same small size.

    `likeness`: mean structural similarity (SSIM, 1 for the same) of the luma and of the two chroma planes;
    `least_likeness`: that of the worst picture and plane. `difference`: mean difference of small areas in the worst
    picture and plane, of 255; `lasting_difference`: the largest that one small area has on average over the second.
    `detail`: variance inside of small areas over that of the original's, None where the original has none.
    """

    at: float
    """Seconds from the start."""
    pictures: int
    likeness: tuple[float, float, float]
    least_likeness: float
    difference: float
    lasting_difference: float
    sharpness: float | None = None
    usual_difference: float = 0.0
    """As `difference`, of the picture in the middle when they are ordered by it."""
    tint: float = 0.0
    """Mean difference of small areas over the second, in the worst plane, without what is the same for all of them."""
    late: int | None = None
    """Pictures by which motion comes too late (negative: early); None where too little moves."""
    stopped: float | None = None
    """The part of all pictures that stand still where the original moves; None where too little does."""
    agreement: float | None = None
    """Likeness, in the worst plane, to another output that was made of the same pictures: the one that is most alike.
    Of those pictures only that are far from the original's; None where there are none, or no other output."""
    soft_quarter: SoftQuarter | None = None
    """None where fewer than two quarters show any detail, or nobody asked."""
    scaling: ScalingLoss | None = None
    """Of an encode of the judge's own, held against what it was given: what was lost before. None where it was held
    against the original."""


class ChangeKind(StrEnum):
    """What was done to a picture, as far as one change explains how it differs."""

    NONE = "none"
    BLACK = "black"
    FLAT = "flat"
    FROZEN = "frozen"
    REPEATED = "repeated"
    SHIFTED_IN_TIME = "shifted in time"
    UPSIDE_DOWN = "upside down"
    MIRRORED = "mirrored"
    TURNED = "turned"
    CHROMA_EXCHANGED = "chroma exchanged"
    GREY = "grey"
    BRIGHTNESS = "brightness"
    CONTRAST = "contrast"
    SATURATION = "saturation"
    COLOURS = "colours"
    OTHER_COLOURS = "other colours"
    TONES = "tones"
    NEGATIVE = "negative"
    FADED = "faded"
    SHADED = "shaded"
    COLOURS_LATE = "colours late"
    COLOURS_MOVED = "colours moved"
    MIXED = "mixed"
    MOVED = "moved"
    TILTED = "tilted"
    SCALED = "scaled"
    BLURRED = "blurred"
    ROUGH = "rough"
    PART = "part"
    PART_BLURRED = "part blurred"
    ANOTHER = "another"


@dataclass(frozen=True)
class PictureChange:
    """The change that explains a difference best.

    `amount`: of a shift in time, of the colours too, the pictures by which it is late (negative: early); of brightness,
    and of tones in the middle, the levels of 255 by which it is brighter; of contrast, saturation and sharpness a
    factor; of repeated pictures their part of all; None where there is no number. `where`: which part of the picture.
    `start`, `end`: seconds of the first picture that shows it, of those that were looked at, and of the end of the
    last.
    """

    change: ChangeKind
    amount: float | None = None
    where: str = ""
    start: float = 0.0
    end: float = 0.0


class Exactness(StrEnum):
    """How nearly it is known what a picture should have become."""

    SAME = "same"
    """It was to stay as it was coded."""
    CONVERTED = "converted"
    """Its samples were to be converted or scaled: arithmetic says to what, but for roundings and edges."""
    APPROXIMATE = "approximate"
    """Its light was to be converted, before it was made small."""
    FIELDS = "fields"
    """A picture was to be made of each field: it is held against that field alone."""


@dataclass(frozen=True)
class PictureFidelity:
    """Every picture of an output beside the one that it was made of, by their times."""

    seconds: tuple[PictureSecond, ...]
    compared: int
    """Pictures."""
    honest: tuple[PictureSecond, ...] = ()
    """How true an encode of the judge's own is, at a lower rate than the output had, in the seconds that are least
    alike: what can be asked of the output there."""
    change: PictureChange | None = None
    """What explains the worst second; None where nothing differs much."""
    change_of_original: PictureChange | None = None
    """What explains it if it is the original that was changed."""
    exactness: Exactness = Exactness.SAME


@dataclass(frozen=True)
class UploadSize:
    """One of the sizes of an upload whose picture changes it midway: displayed pixels, and seconds that it is shown."""

    width: int
    height: int
    seconds: float


@dataclass(frozen=True)
class RateFit:
    """How evenly an upload's pictures come at the rate of an output, where something moves.

    `uneven`: the part of the places looked at in which pictures are dropped or repeated unevenly; `best`: the rate at
    which the fewest are, of those that drop no more pictures, and `best_uneven` that part. `places`: how many.
    """

    rate: float
    uneven: float
    best: float
    best_uneven: float
    places: int


@dataclass(frozen=True)
class LastPicture:
    """The last picture that an upload shows, by its own packets. `at`: seconds from the start of what is delivered;
    `needed`: how many pictures an output has at least that shows it."""

    at: float
    needed: int


# --- Sound ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SoundSecond:
    """A second of sound beside what it was made of, after both were brought to the same time and the same loudness.

    Levels are RMS of full scale, left and right. `least`, `most`: how far the level of a tenth of it is from the
    original's, in dB, in the tenth and channel where it is lowest and highest, of those that can be heard in the
    original; None in silence. `extra`: the loudest level in a tenth in which the original is silent. `likeness`:
    correlation of the waveforms under 3.5 kHz, -1 to 1, left and right; `least_likeness`: that of the worst tenth and
    channel; `crossed`: that of each channel with the other's original. `bright`: energy from 5 to 10 kHz as a part of
    all under 10; `width`: correlation of the two channels, 1 for mono; both beside the original's. `added`: energy in
    bands and tenths in which there is clearly more of it than in the original, in dB of all energy, of what has one
    gain. `hole`: by how many dB the lowest hundredth of a second is under the tenth it is in, where the original goes
    on. `click`: by how many dB edges that the original does not have are louder than what is heard around, of what has
    one gain. `turned`: tenths in which the difference between left and right is the other way round. `coherence`:
    likeness at the best shift of the band, of those from 500 to 3500 Hz, that is least like the original's. None where
    there is nothing to compare.
    """

    at: float
    levels: tuple[float, float]
    reference_levels: tuple[float, float]
    least: float | None = None
    most: float | None = None
    extra: float = 0.0
    likeness: tuple[float | None, float | None] = (None, None)
    least_likeness: float | None = None
    crossed: tuple[float | None, float | None] = (None, None)
    bright: float | None = None
    reference_bright: float | None = None
    width: float | None = None
    reference_width: float | None = None
    added: float | None = None
    hole: float = 0.0
    click: float | None = None
    turned: int = 0
    coherence: float | None = None


@dataclass(frozen=True)
class SoundLag:
    """By how much several seconds of sound are late, found by shifting them.

    `seconds` is None where nothing says. `likeness`: correlation of the waveforms with that shift, `unshifted` without;
    a negative `seconds` is early.
    """

    at: float
    seconds: float | None
    likeness: float
    unshifted: float


@dataclass(frozen=True)
class SoundRange:
    """How far a sound's loud parts are from its soft ones, and the noise under both, beside the original's.

    `louder`: dB by which loud parts are louder beside soft ones. `noise`: what is under it throughout and not under the
    original, in dB of all; `lost_noise`: the other way round.
    """

    louder: float
    noise: float
    lost_noise: float


@dataclass(frozen=True)
class SoundBand:
    """Frequencies from `low` to `high` (Hz), and by how many dB they are `louder` than the original's, beside the whole
    of the sound."""

    low: float
    high: float
    louder: float


@dataclass(frozen=True)
class SoundFidelity:
    """All of an output's sound beside what it was made of.

    `lag`: seconds by which the whole is late; the seconds are compared without it. `gain`: dB by which the whole is
    louder; None in silence. `steady`: one gain was meant for all of it; False where a dynamic normalisation changes the
    level as it goes, which is then taken off as well. `range`: None then, and where there is too little sound.
    `balance`: of each band that matters; `surplus`: of each that is plainly there. `limited_peaks`: what is short and
    loud was meant to be lowered. `sides`: what its two channels are called. `pairs`: of a sound of more channels, each
    two of them, beside the whole as it is mixed to two.
    """

    lag: float
    gain: float | None
    seconds: tuple[SoundSecond, ...]
    lags: tuple[SoundLag, ...]
    steady: bool = True
    range: SoundRange | None = None
    balance: tuple[SoundBand, ...] = ()
    surplus: tuple[SoundBand, ...] = ()
    limited_peaks: bool = False
    sides: tuple[str, str] = ("left", "right")
    pairs: tuple[SoundFidelity, ...] = ()

    @cached_property
    def usually_added(self) -> tuple[float, int]:
        """What is added in the middle of all seconds of which that is known, in dB, and how many these are."""
        added = [second.added for second in self.seconds if second.added is not None]
        return (statistics.median(added) if added else -math.inf), len(added)
