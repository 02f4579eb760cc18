"""What the header of an upload promises, and which of that is believed.

In: which containers state their duration or their size, and what a wrong decoder looks like. Out: what is refused or
called damaged because of it (`intake.py`, `damage.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codex_assets.media.channel_tracks import ALTERNATE_GROUP
from codex_assets.media.facts import AudioStream, MediaInfo

INDEXED_CONTAINERS = ("mov", "matroska", "avi", "asf", "flac", "wv", "tta", "caf", "dv")
"""Containers whose durations come from an index (of DV: from its frames, which have one size). They show whether an
upload was cut off, or whether the demuxer gave up the rest of it."""
COUNTED_TIME = ("avi", "dv")
"""Containers without times: pictures follow one another in the order in which they are stored."""
MOST_BOXES = 200_000
"""Boxes of an MP4 file that are looked at side by side: a film in fragments has two for each."""
TRACK_HEADER_BYTES = 48
"""Of a `tkhd`, up to its group, in its longer version."""


def promises_duration(info: MediaInfo) -> bool:
    """Whether the header's durations come from an index, and are no estimate from the size.

    Then a file that is shorter was cut off. An mp3 starts late only when its encoder left a header of its own.
    """
    if info.container == "mp3":
        return info.audio is not None and (info.audio.start or 0.0) > 0
    return bool(set(info.container.split(",")) & set(INDEXED_CONTAINERS))


TURNED_IN_RIFX = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le")


def replacement_decoder(head: bytes, audio: AudioStream) -> str | None:
    """The decoder to use instead of the one that ffmpeg would choose; None where its choice is right.

    It is for whole numbers of 24 bits in 32, as Windows records them: ffmpeg takes them for the floats of an old
    editor, which wrote no extensible header (WAVEFORMATEXTENSIBLE, sub-format 1). And for the samples of a RIFX, a WAV
    whose numbers all have their highest byte first: ffmpeg turns those of the header alone. `head`: the file's first
    bytes.
    """
    if head[:4] == b"RIFX":
        return audio.codec[:-2] + "be" if audio.codec in TURNED_IN_RIFX else None
    whole = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    return "pcm_s32le" if audio.codec == "pcm_f24le" and whole in head[:4096] else None


def is_misread(head: bytes, audio: AudioStream) -> bool:
    """Whether ffmpeg 5 takes a sound for another, and no decoder helps.

    It reads all whole numbers in an mp4 (`ipcm`, ISO/IEC 23003-5) as 16 bits, and leaves out the bytes that are more.
    """
    entry = re.search(rb"ipcm.{32,256}?pcmC.{5}(.)", head, re.DOTALL)
    return entry is not None and entry[1] != b"\x10" and audio.codec in ("pcm_s16le", "pcm_s16be")


def promised_bytes(head: bytes) -> int | None:
    """Size of the file that a RIFF or AIFF header (its first 12 bytes) promises; None where nothing is promised.

    A recorder that could not go back leaves zero, or the largest number.
    """
    kind, size = head[:4], int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
    if len(head) < 12 or kind not in (b"RIFF", b"FORM") or size == 0 or size >= 0x7FFFF000:
        return None
    return size + 8


def is_index_cut_off(read_at: Callable[[int, int], bytes], size: int) -> bool:
    """Whether an MP4 or QuickTime file ends inside a track's part of its index (ISO/IEC 14496-12, 4.2 and 8.3).

    `read_at`: offset and length -> bytes of the file, fewer at its end. `size`: bytes of the file. Some releases of
    ffmpeg read such a file as if it had only the tracks that are left, and say nothing. A file that ends in what
    follows the tracks (`udta`) has lost none, unless its samples are behind its index; one without an index is not
    judged here.
    """
    parts = list(boxes(read_at, 0, size))
    index = next((box for box in parts if box.kind == b"moov"), None)
    if index is None:
        return False
    inner = list(boxes(read_at, index.content, min(index.end, size)))
    tracks = [box for box in inner if box.kind == b"trak"]
    if any(box.end > size for box in tracks):
        return True
    if index.end <= size:
        return False
    if not tracks or not any(box.kind == b"mdat" for box in parts):
        return True
    # All that is left is whole: whether there were more tracks, their numbers tell.
    return inner[-1].end <= size and len(tracks) < _next_track(read_at, inner) - 1


def _next_track(read_at: Callable[[int, int], bytes], index: Sequence[Box]) -> int:
    """The number that the next track of a film would have (`mvhd`, ISO/IEC 14496-12, 8.2.2)."""
    header = next((box for box in index if box.kind == b"mvhd"), None)
    return 0 if header is None else int.from_bytes(read_at(header.end - 4, 4), "big")


def sample_entries(read_at: Callable[[int, int], bytes], size: int) -> frozenset[str]:
    """How the tracks of an MP4 or QuickTime file are coded, by the types of their sample entries (ISO/IEC 14496-12,
    8.5.2). `read_at`, `size`: as of `is_index_cut_off`."""
    parts = [box for box in boxes(read_at, 0, size) if box.kind == b"moov"]
    for kind in (b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        inner = [inner for box in parts for inner in boxes(read_at, box.content, min(box.end, size))]
        parts = [box for box in inner if box.kind == kind]
    entries = (boxes(read_at, box.content + 8, min(box.end, size)) for box in parts)
    return frozenset(entry.kind.decode("latin-1") for described in entries for entry in described)


def alternate_groups(read_at: Callable[[int, int], bytes], size: int) -> dict[int, int]:
    """The groups of an MP4's tracks of which one is played instead of another, by the number of the track; 0 is none
    (`tkhd`, ISO/IEC 14496-12, 8.3.2). `read_at`, `size`: as of `is_index_cut_off`."""
    parts = [box for box in boxes(read_at, 0, size) if box.kind == b"moov"]
    for kind in (b"trak", b"tkhd"):
        inner = [inner for box in parts for inner in boxes(read_at, box.content, min(box.end, size))]
        parts = [box for box in inner if box.kind == kind]
    groups = {}
    for box in parts:
        header = read_at(box.content, TRACK_HEADER_BYTES)
        number, group = (20, 46) if header[:1] == b"\x01" else (12, 34)
        if len(header) >= group + 2:
            groups[int.from_bytes(header[number : number + 4], "big")] = int.from_bytes(
                header[group : group + 2], "big"
            )
    return groups


def with_alternate_groups(probed: Mapping[str, Any], groups: Mapping[int, int]) -> dict[str, Any]:
    """ffprobe's JSON of an MP4, with the group of each track (`alternate_groups`)."""

    def grouped(stream: Mapping[str, Any]) -> dict[str, Any]:
        try:
            number = int(str(stream.get("id")), 0)
        except ValueError:
            return dict(stream)
        return {**stream, ALTERNATE_GROUP: groups[number]} if number in groups else dict(stream)

    streams = [grouped(stream) if isinstance(stream, dict) else stream for stream in probed.get("streams", [])]
    return {**probed, "streams": streams}


def has_all_boxes(read_at: Callable[[int, int], bytes], size: int) -> bool:
    """Whether an MP4 or QuickTime file holds an index, and no part of it ends behind the file's own end.

    `read_at`, `size`: as of `is_index_cut_off`.
    """
    parts = list(boxes(read_at, 0, size))
    return any(box.kind == b"moov" for box in parts) and all(box.end <= size for box in parts)


@dataclass(frozen=True)
class Box:
    """A box of an MP4 file: its type, where it and its content begin, and where it says that it ends (bytes)."""

    kind: bytes
    start: int
    content: int
    end: int


def boxes(read_at: Callable[[int, int], bytes], start: int, end: int) -> Iterator[Box]:
    """The boxes that lie between two offsets, until one says that it is smaller than its own header."""
    for _ in range(MOST_BOXES):
        header = read_at(start, 16) if start < end else b""
        if len(header) < 8:
            return
        length, content = int.from_bytes(header[:4], "big"), start + 8
        if length == 1 and len(header) == 16:
            length, content = int.from_bytes(header[8:], "big"), start + 16
        box = Box(header[4:8], start, content, start + length if length else end)
        if box.end < box.content:
            return
        yield box
        start = box.end
