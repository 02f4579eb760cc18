"""Sizes and lengths that a header leaves open, and what they are: a recorder was switched off, or wrote to a pipe.

In: AIFF, Wave64 and RF64, of which ffmpeg reads nothing while a size is zero or the largest number, and the edits of an
MP4 that are to last for ever. Out: WAV, AU and CAF, which ffmpeg reads to their end by itself, and what a header
promises that has its sizes (`headers.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from codex_assets.media.upload.ebml import Data
from codex_assets.media.upload.headers import Box, boxes
from codex_assets.media.upload.joined_files import LONG_WAVES, W64

FILM_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
TRACK_PARTS = ((b"mdia", b"mdhd"), (b"edts", b"elst"))
W64_SOUND = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
"""Name of the chunk of a Wave64 file that holds the samples (Sony, 2003)."""
W64_HEADER = 24
"""Bytes of the name and the size of its chunks, which their sizes count in."""
MOST_CHUNKS = 1000
"""In front of the samples."""
FEWEST_BYTES = 16
"""Of samples behind a size that is not set. Less is nothing that was recorded."""
SSND_HEADER = 8
"""Bytes in front of the samples of an AIFF that belong to their chunk."""
UNSET, UNSET_LONG = 0x7FFFF000, 1 << 62
"""Bytes. Nobody means a size from this on, in 32 and in 64 bits."""
PLAIN_AIFC = (b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")
"""Kinds of AIFF-C whose frames are samples."""
DS64_BYTES = 28


@dataclass(frozen=True)
class _Chunk:
    """Its name, and where its content begins (bytes); `size` of the content, as it says."""

    name: bytes
    content: int
    size: int


def settled_sizes(data: Data) -> Mapping[int, bytes]:
    """What has to be written at which places of a file (bytes) so that it can be read to its end; nothing where its
    sizes are set, or in another container."""
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return _of_aiff(data)
    if data[:4] in LONG_WAVES and data[8:12] == b"WAVE":
        return _of_rf64(data)
    if data[4:8] in FILM_STARTS:
        return _of_film(data)
    return _of_w64(data) if data[:16] == W64 else {}


def _of_film(data: Data) -> Mapping[int, bytes]:
    """Of an MP4 or QuickTime file: how long an edit lasts that says 0, which means up to the end (ISO/IEC 14496-12,
    8.6.6). ffmpeg follows that in fragments alone, and shows nothing of other files."""
    index = next((box for box in _boxes(data, 0, len(data)) if box.kind == b"moov"), None)
    inner = [] if index is None else list(_boxes(data, index.content, min(index.end, len(data))))
    header = next((box for box in inner if box.kind == b"mvhd"), None)
    if header is None or any(box.kind == b"mvex" for box in inner):
        return {}
    scale, _ = _clock(data, header)
    settled: dict[int, bytes] = {}
    for track in (box for box in inner if box.kind == b"trak"):
        settled |= _of_track(data, track, scale)
    return settled


def _of_track(data: Data, track: Box, scale: int) -> Mapping[int, bytes]:
    """`scale`: units a second in which edits are counted."""
    outer = {box.kind: box for box in _boxes(data, track.content, track.end)}
    parts = {
        kind: next((box for box in _boxes(data, outer[part].content, outer[part].end) if box.kind == kind), None)
        for part, kind in TRACK_PARTS
        if part in outer
    }
    described, edits = parts.get(b"mdhd"), parts.get(b"elst")
    if described is None or edits is None:
        return {}
    media_scale, lasts = _clock(data, described)
    width = 8 if data[edits.content : edits.content + 1] == b"\1" else 4
    # The last one alone can reach up to the end.
    at = edits.content + 8 + (_number(data, edits.content + 4, 4) - 1) * (2 * width + 4)
    start = int.from_bytes(data[at + width : at + 2 * width], "big", signed=True)
    is_open = edits.content + 8 <= at <= edits.end - 2 * width - 4 and start >= 0 and not any(data[at : at + width])
    length = (lasts + _first_shown(data, outer[b"mdia"]) - start) * scale // max(1, media_scale)
    return {at: length.to_bytes(width, "big")} if is_open and 0 < length < 1 << (8 * width - 1) else {}


def _first_shown(data: Data, media: Box) -> int:
    """How much later the first sample is shown than it is stored (`ctts`, 8.6.1.3): so is the last one."""
    box: Box | None = media
    for kind in (b"minf", b"stbl", b"ctts"):
        inner = _boxes(data, box.content, box.end) if box is not None else iter(())
        box = next((part for part in inner if part.kind == kind), None)
    return 0 if box is None else int.from_bytes(data[box.content + 12 : box.content + 16], "big", signed=True)


def _clock(data: Data, header: Box) -> tuple[int, int]:
    """Units a second, and how many of them something lasts, by an `mvhd` or `mdhd` (ISO/IEC 14496-12, 8.2.2, 8.4.2)."""
    width = 8 if data[header.content : header.content + 1] == b"\1" else 4
    at = header.content + 4 + 2 * width
    return _number(data, at, 4), _number(data, at + 4, width)


def _boxes(data: Data, start: int, end: int) -> Iterator[Box]:
    return boxes(lambda at, length: data[at : at + length], start, end)


def _number(data: Data, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _of_aiff(data: Data) -> Mapping[int, bytes]:
    """Audio Interchange File Format 1.3, and AIFF-C."""
    chunks = list(_chunks(data, b"SSND", "big"))
    form = next((chunk for chunk in chunks if chunk.name == b"COMM"), None)
    if form is None or chunks[-1].name != b"SSND":
        return {}
    sound, whole = chunks[-1], _number(data, 4, 4)
    rest = len(data) - sound.content
    is_open = sound.size <= SSND_HEADER or sound.size >= UNSET
    is_whole_open = whole + 8 <= sound.content + SSND_HEADER or whole >= UNSET
    if not (is_open or is_whole_open) or rest < SSND_HEADER + FEWEST_BYTES:
        return {}
    size = min(rest, UNSET - 1) if is_open else sound.size
    channels, bits = (_number(data, form.content + at, 2) for at in (0, 6))
    is_plain = data[8:12] == b"AIFF" or data[form.content + 18 : form.content + 22] in PLAIN_AIFC
    frames = (size - SSND_HEADER) // max(1, channels * -(-bits // 8)) if is_plain else 0
    settled = {4: min(len(data) - 8, UNSET - 1), sound.content - 4: size}
    settled |= {form.content + 2: frames} if frames and is_open else {}
    return {at: number.to_bytes(4, "big") for at, number in settled.items()}


def _of_rf64(data: Data) -> Mapping[int, bytes]:
    """EBU Tech 3306: the sizes are in a chunk of their own, and those of 32 bits say so by the largest number."""
    chunks = list(_chunks(data, b"data", "little"))
    sizes = next((chunk for chunk in chunks if chunk.name == b"ds64" and chunk.size >= DS64_BYTES), None)
    if sizes is None or chunks[-1].name != b"data":
        return {}
    sound = chunks[-1]
    size = int.from_bytes(data[sizes.content + 8 : sizes.content + 16], "little")
    rest = len(data) - sound.content
    is_open = size == 0 or size >= UNSET_LONG or size == 0xFFFFFFFF > rest
    if not is_open or (0 < sound.size < UNSET) or rest < FEWEST_BYTES:
        return {}
    return {
        sizes.content: b"".join(number.to_bytes(8, "little") for number in (len(data) - 8, rest, 0)),
        sound.content - 4: b"\xff" * 4,
    }


def _of_w64(data: Data) -> Mapping[int, bytes]:
    at = 40
    for _ in range(MOST_CHUNKS):
        size = int.from_bytes(data[at + 16 : at + W64_HEADER], "little")
        if data[at : at + 16] == W64_SOUND:
            return _of_w64_sound(data, at, size)
        if not W64_HEADER <= size < UNSET_LONG or at + size >= len(data):
            break
        at += size + -size % 8
    return {}


def _of_w64_sound(data: Data, at: int, size: int) -> Mapping[int, bytes]:
    whole, rest = int.from_bytes(data[16:24], "little"), len(data) - at
    is_open = size <= W64_HEADER or size >= UNSET_LONG
    is_whole_open = whole <= at + W64_HEADER or whole >= UNSET_LONG
    if not (is_open or is_whole_open) or rest < W64_HEADER + FEWEST_BYTES:
        return {}
    settled = {16: len(data), at + 16: rest if is_open else size}
    return {place: number.to_bytes(8, "little") for place, number in settled.items()}


def _chunks(data: Data, last: bytes, order: Literal["big", "little"]) -> Iterator[_Chunk]:
    """The chunks of a RIFF or AIFF file, up to the first of the name `last`. `order`: of the bytes of their sizes."""
    at = 12
    for _ in range(MOST_CHUNKS):
        head = data[at : at + 8]
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], order)
        yield _Chunk(head[:4], at + 8, size)
        if head[:4] == last:
            return
        at += 8 + size + size % 2
