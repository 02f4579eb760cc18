"""What was seen of a still picture beside its frame, and of the file that it lies in: fields of the observations.

In: frozen fields, with None for what could not be seen. Out: how they come about (`observe/`), and what they should be
(`rules/`).
"""

from __future__ import annotations

from dataclasses import dataclass

STRETCHED = "is stretched to the whole width and height"


@dataclass(frozen=True)
class Explanation:
    """A mistake, as the rest of a sentence ("is upside down"), and the distance to a frame to which it happened."""

    mistake: str
    distance: float


@dataclass(frozen=True)
class StillDifference:
    """How a still differs from the frame that it should be.

    `distance`: root of the mean square, of 255, between cells of 4x4 pixels; `worst`: the same in the worst block of
    32x32, `share` the part of such blocks that are far from the frame's; `likeness`: structural similarity of the luma,
    pixel by pixel, and `sharpness`: fine detail, None where there is none, both beside what the still's own
    quantisation leaves of the frame's; `level`: mean difference, negative where the still is darker.
    """

    distance: float
    worst: float
    likeness: float
    sharpness: float | None
    level: float
    share: float = 0.0
    explanation: Explanation | None = None
    """The mistake that explains the difference best."""
    smallest_side: int = 720
    """Pixels of the shorter side of what is compared, in the still or in the frame."""


@dataclass(frozen=True)
class Moment:
    """Seconds into the mezzanine: `wanted`, and, where the picture is not its frame, `shown` if it was found."""

    wanted: float
    shown: float | None = None
    is_past_end: bool = False
    """The mezzanine's picture ends before."""


@dataclass(frozen=True)
class ImageFile:
    """A JPEG, PNG or WebP as its bytes say it.

    `parts`: names of its segments or chunks in order; `foreign`: what of them is no part of a plain picture, in words
    for the public; `form`: how the picture is coded ("baseline, 4:2:0").
    """

    parts: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    form: str | None = None
    ended: bool = True
    """It has its own end."""
    behind: int = 0
    """Bytes after that end."""
    coarseness: float | None = None
    """Mean step of the luma's quantisation in a JPEG, mean quantiser index (0 to 127) in a WebP; None for what is not
    quantised."""
    steps: tuple[int, ...] = ()
    """Those steps themselves, in a JPEG's order."""
    size: int = 0
    """Bytes of the file."""
    pixels: int | None = None
    """How many it says that it has; None where it does not."""
