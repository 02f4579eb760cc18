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
from codex_assets.verification.observe.picture_order import SLICE_HEAD, count_of, order_parameters, out_of_order
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
    others are that it names so; `unordered`: when pictures are that come later by their own count. `parts`: what lies
    beside the pictures, in words."""

    unmarked: tuple[float, ...] = ()
    mismarked: tuple[float, ...] = ()
    unordered: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()


def read_pictures(path: Path, packets: Sequence[Packet], track: IndexedTrack) -> PicturesStored:
    """The pictures in the `packets`, all of them, of an MP4's H.264 track."""
    unmarked, mismarked = [], []
    parts: dict[str, None] = {}
    order = order_parameters(track.sequences[0]) if len(track.sequences) == 1 else None
    counts: list[tuple[float, int, bool]] = []
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
            if order is not None:
                head = next(body for kind, body in units if kind in SLICES)
                counts.append((packet.pts, count_of(head, order, is_idr=is_key), is_key))
            for kind, body in units:
                if kind == SEI:
                    parts |= dict.fromkeys(_beside(body))
                elif kind in (SPS, PPS) and body.rstrip(b"\0") not in track.parameters:
                    parts[PARAMETERS] = None
                elif kind == FILLER and body.rstrip(b"\0").rstrip(b"\x80").strip(b"\xff"):
                    parts[TEXT] = None
    unordered = tuple(out_of_order(counts, order)) if order is not None else ()
    return PicturesStored(tuple(unmarked), tuple(mismarked), unordered, tuple(parts))


def _units(file: int, packet: Packet) -> Iterator[tuple[int, bytes]]:
    """Type of each unit of a picture, and its contents, of slices only their beginning. No more of a `file` is read."""
    assert packet.position is not None
    at, end = packet.position, packet.position + packet.size
    while at + LENGTH < end:
        head = os.pread(file, LENGTH + 1, at)
        if len(head) <= LENGTH:
            return
        length, kind = int.from_bytes(head[:LENGTH], "big"), head[LENGTH] & 0x1F
        start = at + LENGTH
        most = length - 1 if kind in READ else SLICE_HEAD if kind in SLICES else 0
        yield kind, os.pread(file, min(most, end - start - 1), start + 1) if most > 0 else b""
        at = start + max(length, 1)


def _beside(messages: bytes) -> Iterator[str]:
    for kind, is_private, _ in messages_of(messages):
        if is_private:
            yield TEXT
        elif kind not in USUAL_MESSAGES:
            yield f"a message of type {kind} beside its pictures"
