"""What lies in a file behind the one that it begins with: files that were joined byte by byte.

In: where the first one ends, and whether what follows is media, in containers that are not made to be joined so. Out:
those that are (MP3, AAC, Ogg, transport and programme streams: ffmpeg plays all of them), and what becomes of an upload
that holds several (`build/upload_check.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import TypeAlias

from codex_assets.media.upload.headers import Box, boxes

Data: TypeAlias = bytes | mmap.mmap
QUICKTIME_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"moof")
CHUNKED_STARTS = (b"RIFF", b"FORM")
EBML = b"\x1a\x45\xdf\xa3"
MATROSKA_TYPES = (b"matroska", b"webm")
BEGINNINGS = (
    b"fLaC\x00\x00\x00\x22",
    *(b"FLV\x01" + flags + b"\x00\x00\x00\x09\x00\x00\x00\x00" for flags in (b"\x01", b"\x04", b"\x05")),
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    bytes.fromhex("060e2b34020501010d0102010102"),
    b"caff\x00\x01\x00\x00desc",
)
"""How a file of FLAC, Flash, Windows Media, MXF and CAF begins, in so many bytes that nothing else does."""
OTHER_BEGINNINGS = (b"OggS", b"ID3", b"\x00\x00\x01\xba", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9")
"""Of Ogg, MP3, programme streams and AAC."""
RIFF_KINDS = (b"WAVE", b"AVI ", b"AIFF", b"AIFC")
TS_PACKET = 188
SMALLEST_FILE = 256
"""Bytes; less is a tag, or padding."""
UNKNOWN_CHUNK = 0x7FFFF000
"""Bytes; a recorder that was switched off leaves such a length."""


def first_end(data: Data) -> int | None:
    """Where the first of several files ends (bytes); None where nothing that is media lies behind it."""
    if data[4:8] in QUICKTIME_STARTS:
        return _end_of_film(data)
    if data[:4] in CHUNKED_STARTS:
        return _end_of_chunks(data)
    if data[:4] == EBML:
        return _next_matroska(data)
    beginning = next((start for start in BEGINNINGS if data[: len(start)] == start), None)
    at = data.find(beginning, 1) if beginning is not None else -1
    return at if at >= 0 else None


def begins_media(data: Data, start: int) -> bool:
    """Whether what lies at `start` begins as a media file does."""
    head = data[start : start + 2 * TS_PACKET + 1]
    if len(data) - start < SMALLEST_FILE:
        return False
    if head[:4] in CHUNKED_STARTS:
        return head[8:12] in RIFF_KINDS
    is_transport_stream = head[::TS_PACKET] == b"\x47" * 3
    return is_transport_stream or head[4:8] == b"ftyp" or head.startswith((EBML, *BEGINNINGS, *OTHER_BEGINNINGS))


def _next_matroska(data: Data) -> int | None:
    """Of a Matroska or WebM file, whose length need not be stated (RFC 9559)."""
    at = data.find(EBML, 4)
    while at >= 0:
        if any(kind in data[at : at + 64] for kind in MATROSKA_TYPES):
            return at
        at = data.find(EBML, at + 1)
    return None


def _end_of_film(data: Data) -> int | None:
    """Of an MP4 or QuickTime file (ISO/IEC 14496-12)."""
    index: Box | None = None
    fragment: Box | None = None
    data_first, end = False, 0
    for box in boxes(_reader(data), 0, len(data)):
        if not (box.kind.isalnum() and box.kind.isascii()) or box.end > len(data):
            break
        if index is not None and box.kind in (b"ftyp", b"moov") and not _goes_on(data, fragment, box):
            # Old ones begin without a mark: data that lies behind an index belongs to it only where none lies before.
            return index.end if box.kind == b"moov" and data_first else box.start
        if box.kind == b"moov" and index is None:
            index = box
        data_first = data_first or (box.kind == b"mdat" and index is None)
        fragment = box if box.kind == b"moof" else fragment
        end = box.end
    return end if index is not None and begins_media(data, end) else None


def _goes_on(data: Data, last: Box | None, start: Box) -> bool:
    """Whether the fragments behind another beginning go on in time behind the `last` one before it: a stream whose
    header is repeated, and no other film."""
    following = next((box for box in boxes(_reader(data), start.end, len(data)) if box.kind == b"moof"), None)
    if last is None or following is None:
        return False
    before, after = _decode_times(data, last), _decode_times(data, following)
    shared = before.keys() & after.keys()
    return bool(shared) and all(after[track] > before[track] for track in shared)


def _decode_times(data: Data, fragment: Box) -> dict[int, int]:
    """When the samples of a fragment begin, by the number of the track."""
    times = {}
    for part in boxes(_reader(data), fragment.content, fragment.end):
        inner = {box.kind: box for box in boxes(_reader(data), part.content, part.end)} if part.kind == b"traf" else {}
        if b"tfhd" in inner and b"tfdt" in inner:
            track = _number(data, inner[b"tfhd"].content + 4, 4)
            wide = _number(data, inner[b"tfdt"].content, 1) == 1
            times[track] = _number(data, inner[b"tfdt"].content + 4, 8 if wide else 4)
    return times


def _end_of_chunks(data: Data) -> int | None:
    """Of a RIFF or AIFF file. An AVI over 1 GB goes on in further chunks, which are its own."""
    end = 0
    while True:
        head = data[end : end + 12]
        length = int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
        if len(head) < 12 or (end and (head[:4], head[8:12]) != (b"RIFF", b"AVIX")):
            break
        if not 0 < length < UNKNOWN_CHUNK:
            return None
        end += 8 + length + length % 2
    return end if begins_media(data, end) else None


def _reader(data: Data) -> Callable[[int, int], bytes]:
    return lambda start, length: data[start : start + length]


def _number(data: Data, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")
