"""Uploads that are almost media: tiny seeds of every container, and seeded, reproducible damage to their bytes.

A mutated file is never kept: its recipe (a seed, and a number or a list of steps) makes it again. Places are parts of
a file, not offsets, so that a recipe still means something when an encoder writes a few bytes more. Nothing here knows
the code under test.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

MediaType = Literal["video", "audio"]

_FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
_BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1")
_H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5 -c:a aac"


@dataclass(frozen=True)
class Seed:
    """`options`: ffmpeg's output options; the source is half a second, 64x48 (where `size` says nothing else)."""

    media_type: MediaType
    suffix: str
    options: str
    size: str = "64x48"
    rate: str = "10"


SEEDS: dict[str, Seed] = {
    "mp4": Seed("video", "mp4", _H264),
    "mp4_fragmented": Seed("video", "mp4", f"{_H264} -movflags +frag_keyframe+empty_moov+default_base_moof"),
    "mp4_hevc": Seed("video", "mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=0:pools=1 -c:a aac"),
    "mov": Seed("video", "mov", "-c:v prores_ks -profile:v 0 -c:a pcm_s16le"),
    "mkv": Seed("video", "mkv", f"{_H264} -c:a flac"),
    "webm": Seed("video", "webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -ar 48000"),
    "webm_vp8": Seed("video", "webm", "-c:v libvpx -deadline realtime -c:a libvorbis"),
    "avi": Seed("video", "avi", "-c:v mpeg4 -q:v 5 -c:a libmp3lame"),
    "avi_mjpeg": Seed("video", "avi", "-c:v mjpeg -pix_fmt yuvj420p -q:v 5 -c:a pcm_s16le"),
    "ts": Seed("video", "ts", _H264),
    "mpg": Seed("video", "mpg", "-c:v mpeg2video -q:v 5 -c:a mp2", rate="25"),
    "flv": Seed("video", "flv", "-c:v flv -q:v 5 -c:a libmp3lame -ar 44100"),
    "ogv": Seed("video", "ogv", "-c:v libtheora -q:v 3 -c:a libvorbis"),
    "mxf": Seed("video", "mxf", "-c:v mpeg2video -q:v 5 -c:a pcm_s16le -ar 48000", rate="25"),
    "3gp": Seed("video", "3gp", "-c:v h263 -q:v 5 -c:a aac", size="128x96"),
    "wmv": Seed("video", "wmv", "-c:v wmv2 -q:v 5 -c:a wmav2"),
    "mp3": Seed("audio", "mp3", "-c:a libmp3lame"),
    "wav": Seed("audio", "wav", "-c:a pcm_s16le"),
    "w64": Seed("audio", "w64", "-c:a pcm_s24le"),
    "flac": Seed("audio", "flac", "-c:a flac"),
    "m4a": Seed("audio", "m4a", "-c:a aac"),
    "m4a_alac": Seed("audio", "m4a", "-c:a alac"),
    "aac": Seed("audio", "aac", "-c:a aac"),
    "ogg": Seed("audio", "ogg", "-c:a libvorbis"),
    "opus": Seed("audio", "opus", "-c:a libopus -ar 48000"),
    "aiff": Seed("audio", "aiff", "-c:a pcm_s16be"),
    "caf": Seed("audio", "caf", "-c:a pcm_s16le"),
    "ac3": Seed("audio", "ac3", "-c:a ac3"),
    "wma": Seed("audio", "wma", "-c:a wmav2"),
}


@cache
def seed_bytes(name: str) -> bytes:
    """The undamaged upload."""
    seed = SEEDS[name]
    inputs = ["-f", "lavfi", "-i", "sine=frequency=330:duration=0.5:sample_rate=44100"]
    if seed.media_type == "video":
        picture = f"testsrc2=size={seed.size}:rate={seed.rate}:duration=0.5"
        inputs = ["-f", "lavfi", "-i", picture, *inputs, "-map", "0", "-map", "1"]
    path = Path(tempfile.gettempdir()) / f"seed-{name}-{os.getpid()}.{seed.suffix}"
    try:
        subprocess.run([*_FFMPEG, *inputs, *seed.options.split(), *_BITEXACT, str(path)], check=True)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


# --- Damage -----------------------------------------------------------------------------------------------------------

Step = tuple[object, ...]
"""(name of a way below, its arguments): places and lengths are parts of the file, 0 to 1."""

INTERESTING = (
    *(b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\x00\x00", b"\xff\xff", b"\x7f\xff", b"\x80\x00"),
    *(b"\x00\x00\x00\x00", b"\x00\x00\x00\x01", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00"),
    *(b"\x00\x00\x01\x00", b"\xff\xff\xff\xfe", b"\x00" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + b"\x00" * 7),
)
_BOXES = re.compile(
    rb"ftyp|moov|mvhd|trak|tkhd|edts|elst|mdia|mdhd|hdlr|minf|stbl|stsd|stts|ctts|stsc|stsz|stco|mdat|moof|mfhd|traf"
    rb"|tfhd|tfdt|trun|mvex|trex|sidx|avc1|avcC|hvcC|mp4a|esds|alac|udta|free"
    rb"|RIFF|LIST|avih|strh|strf|idx1|movi|fmt |data|fact|FORM|COMM|SSND|desc|pakt|fLaC|OggS|Xing|Info|ID3"
)
"""Names of boxes and chunks: a size is before or after them, and fields follow."""
_ELEMENTS = re.compile(
    rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x15\x49\xa9\x66|\x16\x54\xae\x6b|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b"
    rb"|\x2a\xd7\xb1|\x44\x89|\x23\xe3\x83|\xb0[\x81\x82]|\xba[\x81\x82]|\xb5[\x84\x88]|\xe7[\x81\x82]|\xa3[\x80-\xff]"
)
"""EBML: header, segment, info, tracks, cluster, cues, time scale, duration, default duration, sizes, rates, blocks."""


def _at(data: bytearray, place: float, length: int = 1) -> int:
    return min(int(place * len(data)), max(0, len(data) - length))


def flip(data: bytearray, place: float, bit: int) -> bytearray:
    """One bit."""
    data[_at(data, place)] ^= 1 << bit
    return data


def put(data: bytearray, place: float, value: bytes) -> bytearray:
    """Other bytes in their place."""
    at = _at(data, place, len(value))
    data[at : at + len(value)] = value
    return data


def blank(data: bytearray, place: float, share: float) -> bytearray:
    """Zeros instead of a block."""
    at, size = _at(data, place), max(1, int(share * len(data)))
    size = min(size, len(data) - at)
    data[at : at + size] = bytes(size)
    return data


def noise(data: bytearray, place: float, share: float, number: int) -> bytearray:
    """Random bytes instead of a block."""
    at, size = _at(data, place), max(1, int(share * len(data)))
    size = min(size, len(data) - at)
    data[at : at + size] = random.Random(number).randbytes(size)
    return data


def lose(data: bytearray, place: float, share: float) -> bytearray:
    """A block is gone."""
    at = _at(data, place)
    del data[at : at + max(1, int(share * len(data)))]
    return data


def repeat(data: bytearray, place: float, share: float) -> bytearray:
    """A block comes twice."""
    at, size = _at(data, place), max(1, int(share * len(data)))
    return data[: at + size] + data[at:]


def swap(data: bytearray, place: float, other: float, share: float) -> bytearray:
    """Two blocks change places."""
    first, second = sorted((_at(data, place), _at(data, other)))
    size = min(max(1, int(share * len(data))), max(1, second - first))
    first_block, second_block = data[first : first + size], data[second : second + size]
    return data[:first] + second_block + data[first + size : second] + first_block + data[second + size :]


def cut(data: bytearray, place: float) -> bytearray:
    """Only the beginning arrived."""
    return data[: max(1, _at(data, place))]


def field(data: bytearray, which: float, offset: int, value: bytes) -> bytearray:
    """Another value `offset` bytes from the name of a box, chunk or element: its size, or a field of it."""
    names = [match.start() for match in (*_BOXES.finditer(data), *_ELEMENTS.finditer(data))]
    if not names:
        return put(data, which, value)
    at = max(0, names[min(int(which * len(names)), len(names) - 1)] + offset)
    data[at : at + len(value)] = value
    return data


def box(data: bytearray, name: bytes, offset: int, value: bytes) -> bytearray:
    """As `field`, at every box of this name."""
    for match in list(re.finditer(re.escape(name), bytes(data))):
        at = match.start() + offset
        data[at : at + len(value)] = value
    return data


def splice(data: bytearray, place: float, other: str, other_place: float) -> bytearray:
    """The beginning of this file and the end of another seed's."""
    tail = seed_bytes(other)
    return data[: _at(data, place)] + tail[int(other_place * len(tail)) :]


def insert(data: bytearray, place: float, other: str, start: float, share: float) -> bytearray:
    """A block of another seed in the middle of this file."""
    there = seed_bytes(other)
    at, begin = _at(data, place), int(start * len(there))
    return data[:at] + there[begin : begin + max(1, int(share * len(there)))] + data[at:]


WAYS: dict[str, Callable[..., bytearray]] = {
    way.__name__: way for way in (flip, put, blank, noise, lose, repeat, swap, cut, field, box, splice, insert)
}


@dataclass(frozen=True)
class Mutation:
    """A seed and the steps that damage it."""

    seed: str
    steps: tuple[Step, ...]

    @property
    def media_type(self) -> MediaType:
        return SEEDS[self.seed].media_type

    @property
    def name(self) -> str:
        return f"original.{SEEDS[self.seed].suffix}"

    def made(self) -> bytes:
        data = bytearray(seed_bytes(self.seed))
        for name, *arguments in self.steps:
            data = WAYS[str(name)](data, *arguments)
            if not data:
                return b"\x00"
        return bytes(data)


def mutation(seed: str, number: int) -> Mutation:
    """The `number`-th damage of a seed: one to three steps, or many flipped bits. The same on every machine."""
    chance = random.Random(f"{seed} {number}")

    # Headers decide most of what happens, and are a small part of a file.
    def place() -> float:
        return round(chance.random() ** chance.choice((1, 1, 4)), 5)

    def share() -> float:
        return round(0.5 * chance.random() ** 3, 5)

    def other() -> str:
        return chance.choice(list(SEEDS))

    ways: tuple[Callable[[], list[Step]], ...] = (
        lambda: [("flip", place(), chance.randrange(8)) for _ in range(chance.choice((1, 4, 16, 64, 256)))],
        lambda: [("put", place(), chance.choice(INTERESTING)) for _ in range(chance.choice((1, 2, 8, 32)))],
        lambda: [("field", place(), chance.randrange(-4, 40), chance.choice(INTERESTING)) for _ in range(2)],
        lambda: [("field", place(), -4, chance.choice(INTERESTING))],
        lambda: [("field", place(), 4, chance.choice(INTERESTING))],
        lambda: [("blank", place(), share())],
        lambda: [("noise", place(), share(), chance.randrange(1 << 30))],
        lambda: [("lose", place(), share())],
        lambda: [("repeat", place(), share())],
        lambda: [("swap", place(), place(), share())],
        lambda: [("cut", round(chance.random(), 5))],
        lambda: [("splice", place(), other(), round(chance.random(), 5))],
        lambda: [("insert", place(), other(), round(chance.random(), 5), share())],
    )
    steps = [step for _ in range(chance.choice((1, 1, 2, 3))) for step in chance.choice(ways)()]
    return Mutation(seed, tuple(steps))
