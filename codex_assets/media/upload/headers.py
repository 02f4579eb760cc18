"""What the header of an upload promises, and which promises can be held against the file.

In: which containers state their duration or their size, and what a wrong decoder looks like. Out: what is refused or
called damaged because of it (`intake.py`, `damage.py`).
"""

from __future__ import annotations

import re

from codex_assets.media.facts import AudioStream, MediaInfo

INDEXED_CONTAINERS = ("mov", "matroska", "avi", "asf", "flac")
"""Containers whose durations come from an index, so that they tell a cut-off upload from a whole one."""
COUNTED_TIME = ("avi",)
"""Containers without times: pictures follow one another in the order in which they are stored."""


def promises_duration(info: MediaInfo) -> bool:
    """Whether the header's durations come from an index: then a shorter file is a cut-off one, and the durations
    are no estimate from the size. An mp3 starts late only when its encoder left a header of its own."""
    if info.container == "mp3":
        return info.audio is not None and (info.audio.start or 0.0) > 0
    return bool(set(info.container.split(",")) & set(INDEXED_CONTAINERS))


def wrong_decoder(head: bytes, audio: AudioStream) -> str | None:
    """The decoder for whole numbers of 24 bits in 32, as Windows records them: ffmpeg 5 takes them for the floats of an
    old editor, which wrote no extensible header (WAVEFORMATEXTENSIBLE, sub-format 1)."""
    whole = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    return "pcm_s32le" if audio.codec == "pcm_f24le" and whole in head[:4096] else None


def misread(head: bytes, audio: AudioStream) -> bool:
    """Whether ffmpeg 5 takes a sound for another: it reads all whole numbers in an mp4 (`ipcm`, ISO/IEC 23003-5) as 16
    bits, and leaves out the bytes that are more."""
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
