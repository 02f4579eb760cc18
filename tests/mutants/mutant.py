"""What a mutant is: a way in which an output of this product may be wrong, with what it would do to a viewer.

Every mutant is the only fault: `seam` says which output is changed, and everything that describes that output is
written anew to fit (`published.py`), so that only the contents tell. In: the registry. Out: the mutants themselves
(`*_mutants.py`), and how they are judged (`judgement.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from codex_assets.contract.names import MediaType
from codex_assets.media.target_format import Rung
from codex_assets.system.tools import Tools

Area = Literal[
    "playlists",
    "transport stream",
    "pictures",
    "sound",
    "mezzanine",
    "thumbnail",
    "preview",
    "waveform",
    "optional outputs",
    "records",
    "stored objects",
]
AREAS: tuple[Area, ...] = (
    *("playlists", "transport stream", "pictures", "sound", "mezzanine"),
    *("thumbnail", "preview", "waveform", "optional outputs", "records", "stored objects"),
)
Harm = Literal["grave", "medium", "light"]
HARMS: tuple[Harm, ...] = ("grave", "medium", "light")
Stage = Literal["afterwards", "at build"]
STAGES: tuple[Stage, ...] = ("afterwards", "at build")


class Seam(StrEnum):
    """Which output a mutant changes, and in which form it is handed over."""

    SEGMENTS = "segments"
    """A variant: its playlist, in the folder of its segments."""
    PREVIEW = "preview"
    """The same of the preview."""
    PLAYLIST = "playlist"
    """The text of a variant's playlist alone."""
    MASTER = "master"
    MEZZANINE = "mezzanine"
    THUMBNAIL = "thumbnail"
    WAVEFORM_JSON = "waveform_json"
    WAVEFORM_PNG = "waveform_png"
    STORYBOARD = "storyboard"
    """Its sheet; its text lies beside that."""
    THUMBNAILS = "thumbnails"
    """The smallest; the others lie beside it."""
    BLURHASH = "blurhash"
    STORE = "store"
    """Objects and records as they lie in the stores: nothing that a build could do."""
    TOOL = "tool"
    """A folder in front of all others with programs: whatever is built, or judged, is asked of these."""


@dataclass(frozen=True)
class Workpiece:
    """An output that is about to be changed, and what it was made from."""

    path: Path
    """The file; of segments, their playlist."""
    tools: Tools
    scratch: Path
    """An empty folder."""
    media_type: MediaType
    mezzanine: Path
    seconds: float
    rate: Fraction | None = None
    """Frames a second."""
    rung: Rung | None = None
    sound: Path | None = None
    """The delivered sound, as an AAC file."""
    kbps: int = 128
    """Of that sound."""

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("segment_*.ts"))

    def segment(self) -> Path:
        """The segment that is changed where it is a single one: the second, if there is a second."""
        return self.segments[:2][-1]


@dataclass(frozen=True)
class Mutant:
    """`description` completes "an output in which ...". `contents`: the media that it is done to, by name."""

    name: str
    area: Area
    harm: Harm
    seam: Seam
    description: str
    contents: tuple[str, ...]
    apply: Callable[[Any], None]

    @property
    def home(self) -> str:
        """The module that describes mutants of this kind."""
        return "tool_mutants" if self.seam is Seam.TOOL else HOMES[self.area]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """When this fault can be seen."""
        if self.seam is Seam.STORE:
            return ("afterwards",)
        return ("at build",) if self.seam is Seam.TOOL else STAGES


HOMES: dict[Area, str] = {
    "playlists": "playlist_mutants",
    "transport stream": "stream_mutants",
    "pictures": "picture_mutants",
    "sound": "sound_mutants",
    "mezzanine": "mezzanine_mutants",
    "thumbnail": "still_mutants",
    "preview": "still_mutants",
    "waveform": "still_mutants",
    "optional outputs": "optional_mutants",
    "records": "record_mutants",
    "stored objects": "place_mutants",
}
MUTANTS: dict[str, Mutant] = {}
VIDEO = ("film", "flat", "portrait")
"""Contents with both tracks."""
PICTURES = ("film", "flat", "portrait", "silent")
SOUNDS = ("film", "music", "portrait")


def register(mutant: Mutant) -> None:
    if mutant.name in MUTANTS:
        raise ValueError(f"two mutants are called {mutant.name}")
    MUTANTS[mutant.name] = mutant


def mutant(
    area: Area, harm: Harm, seam: Seam, contents: tuple[str, ...]
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function under its name; its docstring is the description."""

    def decorate(apply: Callable[[Any], None]) -> Callable[[Any], None]:
        description = (apply.__doc__ or "").strip()
        register(Mutant(apply.__name__, area, harm, seam, description, contents, apply))
        return apply

    return decorate
