"""What was seen of the outputs that a media need not have: its storyboard, its small thumbnails, its BlurHash.

In: frozen fields, with None for what could not be seen. Out: how they come about (`observe/`), and what they should be
(`rules/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.still_observations import ImageFile, Moment, StillDifference


@dataclass(frozen=True)
class SmallPicture:
    """One file of the small thumbnails. `problem`: why it could not be read."""

    name: str
    problem: str | None = None
    codec: str | None = None
    size: tuple[int, int] | None = None
    """Pixels."""
    file: ImageFile | None = None
    difference: StillDifference | None = None
    """To what the thumbnail shows, in this size; None without a mezzanine."""


@dataclass(frozen=True)
class SmallThumbnailsObservation:
    """The thumbnail in its other sizes, from the smallest on."""

    output: str
    pictures: tuple[SmallPicture, ...] = ()
    moment: Moment | None = None
    kind: ObservationKind = ObservationKind.THUMBNAILS

    @property
    def problem(self) -> str | None:
        """Why one of them could not be read."""
        return next((f"{each.name}: {each.problem}" for each in self.pictures if each.problem is not None), None)

    @property
    def readable(self) -> bool:
        """Whether all could be read."""
        return self.problem is None


@dataclass(frozen=True)
class BlurHashObservation:
    """A BlurHash. `components`: across and down."""

    output: str
    problem: str | None = None
    text: str = ""
    components: tuple[int, int] | None = None
    distance: float | None = None
    """Root of the mean square, of 255, between what it shows and the thumbnail, of which only as much is left as a
    BlurHash can show; None without a mezzanine."""
    nothing: float | None = None
    """The same distance of the thumbnail's mean colour alone."""
    kind: ObservationKind = ObservationKind.BLURHASH

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
        return self.problem is None


@dataclass(frozen=True)
class Region:
    """A place on a sheet, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Cue:
    """What a storyboard's text says of one picture: from when to when (seconds), in which file, and where on it."""

    start: float
    end: float
    file: str
    region: Region


@dataclass(frozen=True)
class TileDifference:
    """How a picture on the sheet differs from the mezzanine's in the middle of its cue.

    `at`: that moment, in seconds; `distance`: root of the mean square, of 255, between cells of 4x4 pixels; `likeness`:
    structural similarity; `elsewhere`: its distance to the frame that it is most like of those of all other cues, and
    `elsewhere_at` the middle of that cue; `mistake`: what explains the difference best, as the rest of a sentence, and
    `explained` the distance to a frame to which that happened.
    """

    at: float
    distance: float
    likeness: float
    elsewhere: float | None = None
    elsewhere_at: float | None = None
    mistake: str | None = None
    explained: float | None = None
    smallest_side: int = 720
    """Pixels of its shorter side."""


@dataclass(frozen=True)
class StoryboardObservation:
    """A storyboard's text and its sheet. `duration`: seconds of the film that it is of."""

    output: str
    problem: str | None = None
    cues: tuple[Cue, ...] = ()
    sheet_name: str = ""
    codec: str | None = None
    size: tuple[int, int] | None = None
    """Of the sheet, in pixels."""
    file: ImageFile | None = None
    shape: float | None = None
    """Width over height of the film's pictures; None without a mezzanine."""
    tiles: tuple[TileDifference, ...] = ()
    """Of each cue whose place lies on the sheet, in their order; empty without a mezzanine."""
    duration: float | None = None
    kind: ObservationKind = ObservationKind.STORYBOARD

    @property
    def readable(self) -> bool:
        """Whether both could be read; else `problem` says why not."""
        return self.problem is None
