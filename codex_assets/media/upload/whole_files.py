"""Whether an upload is complete by the lengths of its own parts, whatever its header says of how long it lasts.

In: the bytes of containers whose parts say how long they are. Out: what a header promises (`headers.py`), and what is
missing because of it (`damage.py`).

Whoever cuts, joins or converts a file without encoding it again may leave a duration as it was: a tag of Matroska, the
properties of Windows Media, the counts of AVI and MP3, the samples of FLAC and WavPack. A transfer that breaks off ends
within a part. Room that was made for what never arrived is zeros, and no part.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from codex_assets.media.upload import flac_frames, mp3_frames
from codex_assets.media.upload.ebml import CLUSTER, IN_CLUSTER, IN_SEGMENT, SEGMENT, Data, element_at
from codex_assets.media.upload.joined_files import ASF, EBML, FLAC, PART_HEAD, WAVPACK, asf_object

ASF_DATA, ASF_PROPERTIES = (
    bytes.fromhex(number) for number in ("3626b2758e66cf11a6d900aa0062ce6c", "a1dcab8c47a9cf118ee400c00c205365")
)
ASF_PACKET_AT, ASF_HEADER_BYTES, ASF_DATA_HEADER_BYTES = 92, 1 << 16, 50
"""Where the properties say how long a packet is, within how many first bytes they lie, and how long the header of the
data is (Advanced Systems Format, 3.2 and 5.1)."""
AVI_CHUNK = re.compile(rb"[0-9]{2}[A-Za-z]{2}|ix[0-9]{2}")
"""Of a track: its number and what it holds; or a part of its index."""
TAGS = (b"APETAGEX", b"TAG")
"""What may follow the last block of a WavPack file."""


def ends_whole(data: Data) -> bool:
    """Whether nothing is cut off at the end of a file; False where that cannot be told."""
    if data[:4] == FLAC[:4]:
        return flac_frames.ends_whole(data[-flac_frames.LONGEST_FRAME_BYTES :])
    if data[:4] == EBML:
        return _is_whole_matroska(data)
    if data[: len(ASF)] == ASF:
        return _is_whole_asf(data)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _is_whole_avi(data)
    if data[:4] == WAVPACK:
        return _is_whole_wavpack(data)
    return mp3_frames.are_whole(data)


def _is_whole_matroska(data: Data) -> bool:
    at: int | None = 0
    while at is not None and (element := element_at(data, at)) is not None:
        at = element.end
        if element.kind == SEGMENT:
            return at is not None and at <= len(data) and _is_filled(data, element.content, at, IN_SEGMENT)
    return False


def _is_filled(data: Data, at: int, end: int, kinds: Collection[int]) -> bool:
    """Whether elements of these kinds, each as long as it says, fill the bytes from `at` to `end`."""
    while at < end:
        element = element_at(data, at)
        if element is None or element.end is None or element.kind not in kinds:
            return False
        if element.kind == CLUSTER and not _is_filled(data, element.content, element.end, IN_CLUSTER):
            return False
        at = element.end
    return at == end


def _is_whole_asf(data: Data) -> bool:
    at = 0
    while (size := asf_object(data[at : at + PART_HEAD])) and at + size <= len(data):
        if data[at : at + 16] == ASF_DATA:
            return _ends_in_a_packet(data, at + ASF_DATA_HEADER_BYTES, at + size)
        at += size
    return False


def _ends_in_a_packet(data: Data, start: int, end: int) -> bool:
    """Whether packets of the length that the properties name fill the data, and the last one is there."""
    properties = data.find(ASF_PROPERTIES, 0, ASF_HEADER_BYTES)
    size = int.from_bytes(data[properties + ASF_PACKET_AT : properties + ASF_PACKET_AT + 4], "little")
    return properties >= 0 and 0 < size <= end - start and (end - start) % size == 0 and any(data[end - size : end])


def _is_whole_avi(data: Data) -> bool:
    """An AVI of one part: it has no times, so a hole in it would make it shorter without a word."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) or data[end + end % 2 :][:4] == b"RIFF":
        return False
    parts = list(_chunks(data, 12, end))
    movie = next(
        (start for start, _ in parts if data[start : start + 4] == b"LIST" and data[start + 8 :][:4] == b"movi"), None
    )
    return movie is not None and parts[-1][1] >= end and _is_whole_list(data, movie)


def _is_whole_list(data: Data, start: int, *, inner: bool = False) -> bool:
    """Whether a list holds chunks of tracks, each as long as it says, up to its end, or `inner` lists of such."""
    end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
    at = start + 12
    for chunk, after in _chunks(data, at, end):
        kind = data[chunk : chunk + 4]
        if kind == b"LIST" and (inner or not _is_whole_list(data, chunk, inner=True)):
            return False
        if kind not in (b"LIST", b"JUNK") and not AVI_CHUNK.fullmatch(kind):
            return False
        at = after
    return at >= end


def _chunks(data: Data, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each chunk begins that lies between two places, and where the next one does."""
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + size + size % 2
        yield at, after
        at = after


def _is_whole_wavpack(data: Data) -> bool:
    at = 0
    while data[at : at + 4] == WAVPACK:
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return at == len(data) or (at < len(data) and data[at : at + 8].startswith(TAGS))
