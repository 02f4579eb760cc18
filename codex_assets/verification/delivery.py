"""What a server said of the files of HLS when they were fetched: the input of the rules about delivery.

In: frozen fields, with None for a header that was not there. Out: the requests (`net/hls_fetch.py`), and what should be
said (`rules/delivery.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_assets.verification.kinds import ObservationKind


@dataclass(frozen=True)
class PartSeen:
    """The answer to a request for the first `wanted` bytes of a file."""

    wanted: int
    status: int
    size: int
    content_range: str | None


@dataclass(frozen=True)
class DeliveredFile:
    """One file as it was delivered. `is_first`: the playlist that was asked for. `size`: bytes, unpacked."""

    name: str
    is_playlist: bool
    is_first: bool
    is_tls: bool
    redirects: int
    size: int
    content_type: str | None
    content_length: str | None
    content_encoding: str | None
    cache_control: str | None
    allow_origin: str | None
    part: PartSeen | None = None


@dataclass(frozen=True)
class DeliveryObservation:
    """All files of HLS as one or several servers delivered them. `origin`: the site whose page was said to ask."""

    files: tuple[DeliveredFile, ...]
    origin: str
    is_ours: bool = False
    """Whether it is laid out as ours is, so that the contract's caching is asked of it."""
    output: str = "delivery"
    kind: ObservationKind = ObservationKind.DELIVERY

    @property
    def readable(self) -> bool:
        """Always: what did not come is no part of it."""
        return True

    @property
    def playlists(self) -> tuple[DeliveredFile, ...]:
        """The master, if there is one, and the media playlists."""
        return tuple(file for file in self.files if file.is_playlist)

    @property
    def segments(self) -> tuple[DeliveredFile, ...]:
        """Everything that is no playlist."""
        return tuple(file for file in self.files if not file.is_playlist)
