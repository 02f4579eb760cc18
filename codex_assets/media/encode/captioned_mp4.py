"""Puts captions into the pictures of a finished mp4: all samples keep their bytes and times, some get a NAL unit more.

In: the index of an mp4 as ffmpeg writes it, `moov` before `mdat`, with H.264 in units after four bytes of length. Out:
what a unit of captions is (`media/captions.py`), and the file itself (`build/caption_transfer.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_LENGTH = 4
_LARGEST_OFFSET = (1 << 32) - 1


@dataclass(frozen=True)
class Chunk:
    """A run of samples of one track, one after the other in the file from `offset` on."""

    track: int
    offset: int
    sizes: tuple[int, ...]
    first: int
    """The number of its first sample in its track."""


@dataclass(frozen=True)
class Index:
    """What the `moov` of a file says of where its samples lie."""

    chunks: tuple[Chunk, ...]
    """Of all tracks, in the order of the file."""
    picture: int
    """Which track is the picture."""
    frames: tuple[int, ...]
    """Of each sample of the picture, in stored order: which one it is in the order in which they are shown."""


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the payload and end of each box. Raises `ValueError` where they do not fit."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            raise ValueError("the mp4's index is not as ffmpeg writes it")
        yield kind, at + 8, at + size
        at += size


def read_index(moov: bytes) -> Index:
    """`moov`: its payload. Raises `ValueError` for a file that is not as ours are."""
    chunks: list[Chunk] = []
    picture: int | None = None
    frames: tuple[int, ...] = ()
    for number, (start, end) in enumerate(_all(moov, b"trak")):
        track = moov[start:end]
        sizes = _sizes(_only(track, b"mdia", b"minf", b"stbl", b"stsz"))
        chunks += _chunks(number, track, sizes)
        if _only(track, b"mdia", b"hdlr")[8:12] == b"vide" and picture is None:
            picture, frames = number, _shown_order(track, len(sizes))
    if picture is None:
        raise ValueError("the mp4 has no picture")
    return Index(tuple(sorted(chunks, key=lambda chunk: chunk.offset)), picture, frames)


def _all(data: bytes, name: bytes) -> list[tuple[int, int]]:
    return [(start, end) for kind, start, end in boxes(data) if kind == name]


def _only(data: bytes, *path: bytes) -> bytes:
    """The payload of the box at a path."""
    for name in path:
        places = _all(data, name)
        if len(places) != 1:
            raise ValueError(f"the mp4 has {len(places)} boxes {name.decode('latin-1')}")
        data = data[places[0][0] : places[0][1]]
    return data


def _sizes(stsz: bytes) -> tuple[int, ...]:
    each, count = struct.unpack_from(">II", stsz, 4)
    return (each,) * count if each else struct.unpack_from(f">{count}I", stsz, 12)


def _chunks(number: int, track: bytes, sizes: Sequence[int]) -> Iterator[Chunk]:
    table = _only(track, b"mdia", b"minf", b"stbl")
    offsets = _offsets(table)
    runs = _only(table, b"stsc")
    (count,) = struct.unpack_from(">I", runs, 4)
    entries = [struct.unpack_from(">III", runs, 8 + 12 * entry)[:2] for entry in range(count)]
    at, entry = 0, 0
    for chunk, offset in enumerate(offsets, start=1):
        while entry + 1 < len(entries) and entries[entry + 1][0] <= chunk:
            entry += 1
        samples = entries[entry][1]
        yield Chunk(number, offset, tuple(sizes[at : at + samples]), at)
        at += samples
    if at != len(sizes):
        raise ValueError("the mp4's chunks do not hold its samples")


def _offsets(table: bytes) -> tuple[int, ...]:
    for name, form in ((b"stco", "I"), (b"co64", "Q")):
        if _all(table, name):
            payload = _only(table, name)
            (count,) = struct.unpack_from(">I", payload, 4)
            return struct.unpack_from(f">{count}{form}", payload, 8)
    raise ValueError("the mp4 does not say where its chunks are")


def _shown_order(track: bytes, count: int) -> tuple[int, ...]:
    table = _only(track, b"mdia", b"minf", b"stbl")
    times, at = [], 0
    for samples, step in _runs(_only(table, b"stts"), ">II"):
        for _ in range(samples):
            times.append(at)
            at += step
    if _all(table, b"ctts"):
        shifts = [shift for samples, shift in _runs(_only(table, b"ctts"), ">Ii") for _ in range(samples)]
        times = [time + shift for time, shift in zip(times, shifts, strict=True)]
    if len(times) != count:
        raise ValueError("the mp4 does not say when each picture is shown")
    frames = [0] * count
    for frame, sample in enumerate(sorted(range(count), key=times.__getitem__)):
        frames[sample] = frame
    return tuple(frames)


def _runs(payload: bytes, form: str) -> list[tuple[int, int]]:
    (count,) = struct.unpack_from(">I", payload, 4)
    return [struct.unpack_from(form, payload, 8 + 8 * entry) for entry in range(count)]


def units(sample: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each NAL unit of a sample starts, with its length, and the unit without it."""
    at = 0
    while at + _LENGTH < len(sample):
        size = int.from_bytes(sample[at : at + _LENGTH], "big")
        yield at, sample[at + _LENGTH : at + _LENGTH + size]
        at += _LENGTH + size


def with_unit(sample: bytes, unit: bytes) -> bytes:
    """A picture's sample with one more NAL unit in front of its first slice."""
    for at, present in units(sample):
        if present and present[0] & 0x1F in range(1, 6):
            return sample[:at] + len(unit).to_bytes(_LENGTH, "big") + unit + sample[at:]
    raise ValueError("a picture of the mp4 has no slice")


def unit_length(unit: bytes) -> int:
    """By how many bytes a sample grows."""
    return _LENGTH + len(unit)


def grown(index: Index, growth: Mapping[int, int]) -> tuple[Chunk, ...]:
    """The chunks as they will be, at their old offsets. `growth`: bytes more of a frame, by its number."""
    chunks = []
    for chunk in index.chunks:
        sizes = chunk.sizes
        if chunk.track == index.picture:
            sizes = tuple(
                size + growth.get(index.frames[sample], 0) for sample, size in enumerate(sizes, start=chunk.first)
            )
        chunks.append(Chunk(chunk.track, chunk.offset, sizes, chunk.first))
    return tuple(chunks)


def rewritten_moov(moov: bytes, index: Index, chunks: Sequence[Chunk], before: int) -> bytes:
    """The box `moov` for these chunks, which follow each other behind it in the order given.

    `before`: bytes of the file that come before `moov`, plus those between it and the first chunk.
    """
    total = before + len(moov) + 8 + sum(sum(chunk.sizes) + 8 for chunk in chunks)
    form, name = ("Q", b"co64") if total > _LARGEST_OFFSET else ("I", b"stco")
    tracks = [start for start, _ in _all(moov, b"trak")]

    def written(first: int) -> bytes:
        offsets: dict[int, list[int]] = {number: [] for number in range(len(tracks))}
        at = first
        for chunk in chunks:
            offsets[chunk.track].append(at)
            at += sum(chunk.sizes)
        return _edited(b"moov", moov, _edits(index, chunks, offsets, form, name), [-1])

    # Its size does not depend on what the offsets are.
    return written(before + len(written(0)))


_Edit = Callable[[int, bytes], bytes]


def _edits(
    index: Index, chunks: Sequence[Chunk], offsets: Mapping[int, Sequence[int]], form: str, name: bytes
) -> dict[bytes, _Edit]:
    """What becomes of the boxes that change: a whole box out of the track's number and the old payload."""

    def sizes(track: int, payload: bytes) -> bytes:
        if track != index.picture:
            return _box(b"stsz", payload)
        mine = sorted((chunk for chunk in chunks if chunk.track == track), key=lambda chunk: chunk.first)
        values = [size for chunk in mine for size in chunk.sizes]
        return _box(b"stsz", payload[:4] + struct.pack(f">II{len(values)}I", 0, len(values), *values))

    def places(track: int, payload: bytes) -> bytes:
        values = offsets[track]
        return _box(name, payload[:4] + struct.pack(f">I{len(values)}{form}", len(values), *values))

    return {b"stsz": sizes, b"stco": places, b"co64": places}


def _edited(kind: bytes, payload: bytes, edits: Mapping[bytes, _Edit], track: list[int]) -> bytes:
    """A box with the edits made in it; `track` holds the number of the track that is being written."""
    parts = []
    for inner, start, end in boxes(payload):
        if inner == b"trak":
            track[0] += 1
        if inner in edits:
            parts.append(edits[inner](track[0], payload[start:end]))
        elif inner in CONTAINERS:
            parts.append(_edited(inner, payload[start:end], edits, track))
        else:
            parts.append(_box(inner, payload[start:end]))
    return _box(kind, b"".join(parts))


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload
