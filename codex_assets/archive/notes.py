"""What a viewer would complain of in a programme that is as it was uploaded: the only shape that a note has.

In: `Note` and its kinds. Out: what is worth a note (`verification/programme_notes.py`), and the records that keep notes
(`records.py`, `check_results.py`). A note is no finding: nothing fails by it, and no webhook carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field


class NoteKind(StrEnum):
    """What is the matter with a programme."""

    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"
    CHANNEL_SILENT = "channel_silent"
    CHANNEL_INVERTED = "channel_inverted"
    LETTERBOX = "letterbox"
    PILLARBOX = "pillarbox"
    CLIPPED = "clipped"
    FLASHES = "flashes"
    RED_FLASHES = "red_flashes"


@dataclass(frozen=True)
class Note:
    """One thing that a viewer would complain of, and where it is, in seconds of the programme.

    In records the two times are called `from` and `to`.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="ignore", serialize_by_alias=True)

    kind: str
    """One of `NoteKind`, maybe of a newer release."""
    start: Annotated[float, Field(alias="from")]
    end: Annotated[float, Field(alias="to")]
    sentence: str
    """One public sentence."""


def without_repeats(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Each note once, in the order of the programme: variants that were compared together have the same ones."""
    return tuple(sorted(dict.fromkeys(notes), key=lambda note: (note.start, note.kind)))
