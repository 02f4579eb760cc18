"""What was seen of the closed captions inside a picture: which services there are, and where they are not the source's.

In: frozen fields for the observations. Out: reading captions (`observe/captions.py`), and judging them
(`rules/captions.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CaptionFault:
    """One place where captions are not those of the mezzanine. `moved`: they are the same, `seconds` later or, where
    that is negative, earlier."""

    kind: Literal["missing", "added", "changed", "moved"]
    segment: str
    at: float
    """Seconds from the start of the playlist."""
    seconds: float = 0.0


@dataclass(frozen=True)
class CaptionsSeen:
    """The services that say anything, as INSTREAM-ID names them (`CC1`, `SERVICE1`, ...), in order."""

    services: tuple[str, ...] = ()
    of_reference: tuple[str, ...] | None = None
    """Those of the mezzanine within the same time; None without one."""
    faults: tuple[CaptionFault, ...] = ()
    """The first of them."""
