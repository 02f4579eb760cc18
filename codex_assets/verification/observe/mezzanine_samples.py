"""Reads the pictures of a mezzanine as they lie in its MP4: which of them are IDR, and what is sent beside them.

In: units by their headers, as the index places them. Out: what they should be (`rules/mezzanine.py`), the units' own
form (`h264_stream.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codex_assets.verification.observe.h264_stream import FILLER, IDR, KNOWN_TYPES, PPS, SEI, SLICES, SPS, messages_of
from codex_assets.verification.observe.mp4_index import IndexedTrack
from codex_assets.verification.observe.transport_stream import Packet

READ = (SEI, SPS, PPS, FILLER)
LENGTH = 4
"""Bytes in front of each unit that say how long it is."""
USUAL_MESSAGES = frozenset((4, 5, 6))
"""User data (looked into), recovery point (H.264 annex D)."""
PARAMETERS = "other parameters among its pictures"
TEXT = "data in messages beside its pictures"
BROKEN = "pictures that are none"


@dataclass(frozen=True)
class PicturesStored:
    """`unmarked`: when IDR pictures are shown that the index does not name as key frames, in seconds; `mismarked`: when
    others are that it names so. `parts`: what lies beside the pictures, in words."""

    unmarked: tuple[float, ...] = ()
    mismarked: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()


def read_pictures(path: Path, packets: Sequence[Packet], track: IndexedTrack) -> PicturesStored:
    """The pictures in the `packets`, all of them, of an MP4's H.264 track."""
    unmarked, mismarked = [], []
    parts: dict[str, None] = {}
    with path.open("rb") as file:
        for number, packet in enumerate(packets, start=1):
            if packet.position is None:
                continue
            units = list(_units(file.fileno(), packet))
            kinds = [kind for kind, _ in units]
            if not any(kind in SLICES for kind in kinds) or not KNOWN_TYPES.issuperset(kinds):
                parts[BROKEN] = None
                continue
            is_key, is_marked = IDR in kinds, track.keys is None or number in track.keys
            if is_key and not is_marked:
                unmarked.append(packet.pts)
            elif is_marked and not is_key:
                mismarked.append(packet.pts)
            for kind, body in units:
                if kind == SEI:
                    parts |= dict.fromkeys(_beside(body))
                elif kind in (SPS, PPS) and body.rstrip(b"\0") not in track.parameters:
                    parts[PARAMETERS] = None
                elif kind == FILLER and body.rstrip(b"\0").rstrip(b"\x80").strip(b"\xff"):
                    parts[TEXT] = None
    return PicturesStored(tuple(unmarked), tuple(mismarked), tuple(parts))


def _units(file: int, packet: Packet) -> Iterator[tuple[int, bytes]]:
    """Type of each unit of a picture, and the contents of all but slices. Only these bytes of a `file` are read."""
    assert packet.position is not None
    at, end = packet.position, packet.position + packet.size
    while at + LENGTH < end:
        head = os.pread(file, LENGTH + 1, at)
        if len(head) <= LENGTH:
            return
        length, kind = int.from_bytes(head[:LENGTH], "big"), head[LENGTH] & 0x1F
        start = at + LENGTH
        is_read = kind in READ and length > 0
        yield kind, os.pread(file, min(length, end - start) - 1, start + 1) if is_read else b""
        at = start + max(length, 1)


def _beside(messages: bytes) -> Iterator[str]:
    for kind, is_private in messages_of(messages):
        if is_private:
            yield TEXT
        elif kind not in USUAL_MESSAGES:
            yield f"a message of type {kind} beside its pictures"
