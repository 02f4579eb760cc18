"""MP3 files that were joined: tags that lie between their frames, and which length their header can promise.

In: the bytes of a file. Out: what is made of it without such tags (`build/upload_check.py`), and what other headers
promise (`headers.py`).

Recordings, chapters and podcasts are joined byte by byte. The covers in the tags of the later parts are then in the
middle of the sound, where ffmpeg looks for frames in them and finds some; and the first part's header counts itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap

_TAG = re.compile(rb"ID3[\x02-\x04][\x00-\x0f][\x00\x10\x20\x40\x60\x80\xa0\xc0\xe0][\x00-\x7f]{4}", re.DOTALL)
"""The header of an ID3v2 tag: version, flags, and a size of four times seven bits."""
_TAG_HEADER_BYTES = 10
_FOOTER = 0x10
_OLD_TAG_BYTES = 128
_COUNTS = re.compile(rb"(?:Xing|Info)(.{4})(.{8})", re.DOTALL)
"""Where an encoder writes how many frames and bytes there are: which of both, and the numbers."""
_COUNTS_WITHIN_BYTES = 1024
_FRAMES, _BYTES = 1, 2
_NOT_COUNTED_SHARE = 1 / 16
"""Tags at the end are not counted; from here on ffmpeg does not believe the header either."""


def tags_within(data: bytes | mmap) -> list[tuple[int, int]]:
    """The first byte of each tag behind the beginning of an MP3 file, and the one behind it."""
    return list(_tags_within(data, beginning(data)))


def _tags_within(data: bytes | mmap, start: int) -> Iterator[tuple[int, int]]:
    while (match := _TAG.search(data, start)) is not None:
        end = _tag_end(match.start(), match.group())
        if end > len(data) or not _goes_on(data[end : end + 3]):
            start = match.start() + 1
            continue
        # A tag of the first kind ends the part before it.
        older = match.start() - _OLD_TAG_BYTES
        has_older = older >= start and data[older : older + 3] == b"TAG"
        yield older if has_older else match.start(), end
        start = end


def beginning(data: bytes | mmap) -> int:
    """Where the sound begins: behind the tags at the start of the file."""
    start = 0
    while (match := _TAG.match(data, start)) is not None:
        start = _tag_end(start, match.group())
    return start


def _tag_end(start: int, header: bytes) -> int:
    high, upper, lower, low = header[6:10]
    size = high << 21 | upper << 14 | lower << 7 | low
    return start + size + _TAG_HEADER_BYTES * (2 if header[5] & _FOOTER else 1)


def _goes_on(data: bytes) -> bool:
    """Whether a frame, another tag or nothing follows."""
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
    return not data or is_frame or data == b"ID3" or not data.strip(b"\0")


def is_longer_than_counted(data: bytes | mmap) -> bool:
    """Whether an MP3 holds clearly more bytes than its header counts: it was joined, and ffmpeg estimates its length.

    A header without a number of bytes counts all.
    """
    sizes = _counted(data)
    return sizes is not None and sizes[0] > sizes[1] * (1 + _NOT_COUNTED_SHARE)


def holds_what_is_counted(data: bytes | mmap) -> bool:
    """Whether an MP3 holds at least as many bytes as its header counts, or that counts none."""
    sizes = _counted(data)
    return sizes is None or sizes[0] >= sizes[1]


def _counted(data: bytes | mmap) -> tuple[int, int] | None:
    """Bytes of the sound, and as many as its header counts; None where it counts none."""
    start = min(beginning(data), len(data))
    match = _COUNTS.search(data, start, start + _COUNTS_WITHIN_BYTES)
    if match is None or not match[1][3] & _BYTES:
        return None
    at = 4 if match[1][3] & _FRAMES else 0
    return len(data) - start, int.from_bytes(match[2][at : at + 4], "big")
