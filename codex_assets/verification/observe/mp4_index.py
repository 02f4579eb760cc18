"""Reads the index of an MP4 (ISO/IEC 14496-12): how long and how large its tracks are called, and how much they hold.

What one part says of a track, another says as well; readers believe either. In: contradictions between them. Out: which
parts there may be, and what each asks of a player (`mp4_boxes.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

DURATION_SECONDS = 0.1
"""By which two may differ: clocks are rounded, and the last frame may be cut."""
PADDED_SECONDS = 0.5
"""By which a sound may be shorter as it is played: what its coder needs to begin, and to fill its last frame."""
EMPTY_SECONDS = 0.02
"""Less than a picture of any usual rate."""
HEADER, TALL = 8, 12
MOST_BYTES = 256 * 1024 * 1024
SIZE_AT = 32
"""Of a picture's sample entry: where its width and height stand."""
OTHER_DURATION = "a mark of another duration"
OTHER_SIZE = "a mark of another size"
UNUSED = "bytes that belong to no track"


@dataclass(frozen=True)
class IndexedTrack:
    """What an index says of a track. Seconds; None where it says nothing.

    `header`: of its header, `edited`: of its edit list, `played`: the same without what is empty, `media`: of its
    media's header, `frames`: of its frames' own times. `shown`, `coded`: its size in pixels, as it is to be shown, and
    as its pictures are called. `count`, `size`: how many frames, and bytes of all of them. `keys`: which of them are
    key frames, from 1 on; None: all. `sequences`, `parameters`: SPS, and SPS and PPS, in its `description`,
    without the headers of their units.
    `number`: its own; `group`: of tracks of which a player chooses one, 0 for none. `is_whole`: each frame is
    described once, and lies where a reference of this file says.
    """

    header: float | None
    edited: float | None
    played: float | None
    media: float | None
    frames: float | None
    shown: tuple[float, float] | None
    coded: tuple[int, int] | None
    count: int
    size: int
    keys: frozenset[int] | None
    description: bytes = b""
    sequences: tuple[bytes, ...] = ()
    parameters: frozenset[bytes] = frozenset()
    number: int | None = None
    group: int = 0
    is_whole: bool = True


@dataclass(frozen=True)
class Mp4Index:
    """All tracks, and how long the whole is called."""

    seconds: float | None
    tracks: tuple[IndexedTrack, ...]
    following: int | None = None
    """The number of a track that would be added."""

    @property
    def size(self) -> int:
        """Bytes of all frames of all tracks."""
        return sum(track.size for track in self.tracks)


def index_of(path: Path) -> Mp4Index | None:
    """The index of an MP4; None of another file, or of one whose index is cut or larger than any of ours."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(HEADER)[4:] != b"ftyp":
            return None
        at = 0
        while at + HEADER <= size:
            name, header, length = box_at(file, at, size)
            if length < header or at + length > size:
                return None
            if name == b"moov":
                file.seek(at + header)
                return _index(file.read(length - header)) if length <= MOST_BYTES else None
            at += length
    return None


def box_at(file: BinaryIO, at: int, end: int) -> tuple[bytes, int, int]:
    """Name of the box at an offset, length of its header, and its whole length."""
    file.seek(at)
    start = file.read(16)
    length, name = int.from_bytes(start[:4], "big"), start[4:8]
    if length == 1:
        return name, 16, int.from_bytes(start[8:16], "big")
    return name, 8, length or end - at


def _index(body: bytes) -> Mp4Index:
    """The index in the body of a `moov` box."""
    header = _first(body, b"mvhd")
    scale, seconds = _times(header, 0)
    tracks = tuple(_track(inside, scale) for name, inside in boxes(body) if name == b"trak")
    return Mp4Index(seconds, tracks, _number(header, len(header) - 4))


def contradictions(index: Mp4Index, pictures: tuple[int, int] | None) -> Iterator[str]:
    """What parts of an index say otherwise than its frames do. `pictures`: width and height that were decoded."""
    for track in index.tracks:
        stored = track.frames if track.frames is not None else track.media
        played = track.header if track.played is None else track.played
        cut = stored - played if stored is not None and played is not None else 0.0
        most_cut = DURATION_SECONDS if track.coded is not None else PADDED_SECONDS
        if (
            _differ(track.header, track.edited)
            or _differ(track.media, track.frames)
            or not -DURATION_SECONDS <= cut <= most_cut
        ):
            yield OTHER_DURATION
        if track.coded is not None and pictures is not None:
            width, height = pictures
            if track.coded != pictures or track.shown != (float(width), float(height)):
                yield OTHER_SIZE
        empty = track.edited - track.played if track.edited is not None and track.played is not None else 0.0
        if track.coded is not None and empty > EMPTY_SECONDS:
            yield "a picture that begins with nothing"
    numbers = [track.number for track in index.tracks]
    if index.following is not None and index.following <= max((each or 0 for each in numbers), default=0):
        yield "tracks of the same number"
    groups = [track.group for track in index.tracks if track.group]
    if len(set(numbers)) < len(numbers) or 0 in numbers:
        yield "tracks of the same number"
    if len(set(groups)) < len(groups):
        yield "tracks of which a player chooses one"
    if not all(track.is_whole for track in index.tracks):
        yield "a track whose frames are not described once"
    longest = max((track.header for track in index.tracks if track.header is not None), default=None)
    if _differ(index.seconds, longest):
        yield OTHER_DURATION


def boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and contents of each box, up to the first that is cut."""
    at = 0
    while at + HEADER <= len(body):
        length, name = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + HEADER]
        if length < HEADER or at + length > len(body):
            return
        yield name, body[at + HEADER : at + length]
        at += length


def _differ(one_says: float | None, other: float | None) -> bool:
    return one_says is not None and other is not None and abs(one_says - other) > DURATION_SECONDS


def _first(body: bytes, *path: bytes) -> bytes:
    """The contents of the first box at this path; nothing where there is none."""
    for wanted in path:
        body = next((inside for name, inside in boxes(body) if name == wanted), b"")
    return body


def _number(body: bytes, at: int, size: int = 4) -> int | None:
    return int.from_bytes(body[at : at + size], "big") if at + size <= len(body) else None


def _times(header: bytes, skipped: int) -> tuple[int | None, float | None]:
    """The clock of a header, ticks a second, and the seconds that it says. `skipped`: bytes between the two."""
    wide = header[:1] == b"\1"
    at = 20 if wide else 12
    scale = _number(header, at)
    ticks = _number(header, at + 4 + skipped, 8 if wide else 4)
    return scale, ticks / scale if scale and ticks is not None else None


def _track(body: bytes, scale: int | None) -> IndexedTrack:
    """`scale`: ticks a second of the whole, in which the track's header counts."""
    header, media = _first(body, b"tkhd"), _first(body, b"mdia")
    table = _first(media, b"minf", b"stbl")
    wide = header[:1] == b"\1"
    ticks = _number(header, 28 if wide else 20, 8 if wide else 4)
    own_scale, seconds = _times(_first(media, b"mdhd"), 0)
    placed = header[-8:]
    is_picture = _first(media, b"hdlr")[8:12] == b"vide"
    described = _first(table, b"stsd")
    coded = (_number(described, 8 + SIZE_AT, 2), _number(described, 10 + SIZE_AT, 2)) if is_picture else None
    sequences, others = _parameters(described)
    sizes = _first(table, b"stsz")
    edited, played = _edited(_first(body, b"edts", b"elst"), scale)
    return IndexedTrack(
        header=ticks / scale if scale and ticks is not None else None,
        edited=edited,
        played=played,
        media=seconds,
        frames=_frame_seconds(_first(table, b"stts"), own_scale),
        shown=(_pixels(placed[:4]), _pixels(placed[4:])) if is_picture and len(placed) == 8 else None,
        coded=(coded[0] or 0, coded[1] or 0) if coded is not None else None,
        count=_number(sizes, 8) or 0,
        size=_bytes(sizes),
        description=described[8:],
        sequences=sequences,
        parameters=frozenset((*sequences, *others)),
        number=_number(header, 20 if wide else 12),
        group=_number(header, (36 if wide else 24) + 10, 2) or 0,
        is_whole=_number(described, 4) == 1 and _number(described, 22, 2) == 1,
        keys=_numbers(_first(table, b"stss")) if any(name == b"stss" for name, _ in boxes(table)) else None,
    )


def _pixels(field: bytes) -> float:
    return int.from_bytes(field, "big") / (1 << 16)


def _edited(edits: bytes, scale: int | None) -> tuple[float | None, float | None]:
    """How long an edit list has a track last, and how much of that it is played; None without one."""
    if not scale or len(edits) < HEADER:
        return None, None
    wide = edits[:1] == b"\1"
    size, width = (20, 8) if wide else (12, 4)
    total = empty = 0
    for at in range(HEADER, len(edits) - size + 1, size):
        length = int.from_bytes(edits[at : at + width], "big")
        total += length
        if int.from_bytes(edits[at + width : at + 2 * width], "big", signed=True) < 0:
            empty += length
    return total / scale, (total - empty) / scale


def _frame_seconds(times: bytes, scale: int | None) -> float | None:
    if not scale or len(times) < HEADER:
        return None
    pairs = (times[at : at + 8] for at in range(HEADER, len(times) - 7, 8))
    return sum(int.from_bytes(pair[:4], "big") * int.from_bytes(pair[4:], "big") for pair in pairs) / scale


def _numbers(table: bytes) -> frozenset[int]:
    end = HEADER + 4 * (_number(table, 4) or 0)
    return frozenset(int.from_bytes(table[at : at + 4], "big") for at in range(HEADER, min(end, len(table)), 4))


def _parameters(description: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The SPS and the PPS of an `avcC` box (ISO/IEC 14496-15, 5.3.3)."""
    at = description.find(b"avcC") + 9
    sets: tuple[list[bytes], list[bytes]] = [], []
    if at >= 9:
        for kind, mask in zip(sets, (0x1F, 0xFF), strict=True):
            count = (_number(description, at, 1) or 0) & mask
            at += 1
            for _ in range(count):
                length = _number(description, at, 2) or 0
                kind.append(description[at + 3 : at + 2 + length].rstrip(b"\0"))
                at += 2 + length
    return tuple(sets[0]), tuple(sets[1])


def _bytes(sizes: bytes) -> int:
    """Bytes of all frames: as many of one size, or as a table says."""
    each, count = _number(sizes, 4) or 0, _number(sizes, 8) or 0
    if each:
        return each * count
    table = sizes[TALL : TALL + 4 * count]
    return sum(int.from_bytes(table[at : at + 4], "big") for at in range(0, len(table), 4))
