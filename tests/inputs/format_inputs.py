"""Uploads with a track that not every ffmpeg decodes, in formats that few use, encrypted, or cut off within their index.

Made by plain ffmpeg, and changed byte by byte where it has no encoder: nothing here knows the code under test. Sounds
are tones, pictures are greys, so that what is delivered shows which track it is. `CASES` holds them by name.
"""

# A case is a line of a table, and reads as one.
# ruff: noqa: E501

from __future__ import annotations

import math
import random
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
DARK, LIGHT = 71, 181
"""Luma of the pictures."""
LOW, HIGH = 440, 880
"""Hertz of the sounds."""
SECONDS = 2


@dataclass(frozen=True)
class Refused:
    """The code, and what the sentence names."""

    code: str
    names: str = ""


@dataclass(frozen=True)
class Delivered:
    """The track that is delivered of each kind (None: no such track), and what the only warning names, if there is
    one."""

    luma: int | None = None
    hertz: int | None = LOW
    warns: str | None = None


@dataclass(frozen=True)
class Case:
    """`if_decoded`: what becomes of it where this ffmpeg decodes its first track of that kind."""

    name: str
    media_type: Literal["audio", "video"]
    make: Callable[[Path], bytes]
    expected: Refused | Delivered
    if_decoded: Delivered | None = None


CASES: dict[str, Case] = {}


def case(
    name: str,
    media_type: Literal["audio", "video"],
    expected: Refused | Delivered,
    make: Callable[[Path], bytes],
    *,
    if_decoded: Delivered | None = None,
) -> None:
    assert name not in CASES, name
    CASES[name] = Case(name, media_type, make, expected, if_decoded)


# --- Made by ffmpeg ---------------------------------------------------------------------------------------------------


def picture(grey: int = 0x40, size: str = "96x54") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"color=0x{grey:02x}{grey:02x}{grey:02x}:s={size}:r=25:d={SECONDS}")


def sound(hertz: int = LOW, rate: int = 48000) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine={hertz}:r={rate}:d={SECONDS}")


CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2")
THREE = ("-map", "0", "-map", "1", "-map", "2")
FILM = (*picture(), *sound(), *CODED)
TWO_SOUNDS = (*picture(), *sound(), *sound(HIGH), *THREE, *CODED)
TWO_PICTURES = (*picture(), *picture(0xC0), *sound(), *THREE, *CODED)
SOUND = (*sound(), *CODED[6:])
TWO_SOUNDS_ALONE = (*sound(), *sound(HIGH), "-map", "0", "-map", "1", *CODED[6:])
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")


def made(folder: Path, suffix: str, *arguments: str) -> bytes:
    path = folder / f"made.{suffix}"
    subprocess.run([*FFMPEG, *arguments, "-fflags", "+bitexact", str(path)], check=True)
    return path.read_bytes()


# --- MP4 and QuickTime ------------------------------------------------------------------------------------------------

HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, first and last byte of each."""
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], start, start + size
        start += max(8, size)


def entries(data: bytes, start: int, end: int, around: tuple[int, ...] = ()) -> Iterator[tuple[int, int, list[int]]]:
    """First and last byte of each track's sample entry, and where the boxes around it begin."""
    for kind, first, last in boxes(data, start, end):
        if kind == b"stsd":
            for _, entry, entry_end in boxes(data, first + 16, last):
                yield entry, entry_end, [*around, first]
        elif kind in HOLDERS:
            yield from entries(data, first + 8, last, (*around, first))


def recoded(data: bytes, number: int, kind: bytes, described: bytes | None = None, added: bytes = b"") -> bytes:
    """A file whose track with this number (its index at the end) is coded in `kind`. `described`: the box that says
    more of it, in the place of the one that is there; `added`: another one."""
    first, last, around = list(entries(data, 0, len(data)))[number]
    head = 36 if data[first + 4 : first + 8] == b"mp4a" else 86
    inner = (data[first + head : last] if described is None else described) + added
    entry = box(kind, data[first + 8 : first + head], inner)
    changed = bytearray(data[:first] + entry + data[last:])
    for at in around:
        size = int.from_bytes(data[at : at + 4], "big") + len(entry) - (last - first)
        changed[at : at + 4] = struct.pack(">I", size)
    return bytes(changed)


AC4 = (b"ac-4", box(b"dac4", bytes.fromhex("20a4018000000fffffffe0010ff8800000420000025080100300")))
MHM1 = (b"mhm1", box(b"mhaC", bytes.fromhex("010b060000")))
MHA1 = (b"mha1", MHM1[1])
VVC = (b"vvc1", box(b"vvcC", bytes(4) + bytes.fromhex("ff00655f020200") + bytes(20)))
USAC = bytes.fromhex("f946444000")
"""Object type 42, in which no decoder finds a whole configuration."""
LC = bytes.fromhex("119056e500")
"""What ffmpeg's own encoder says of its AAC."""


def as_usac(data: bytes, *tracks: int) -> bytes:
    """A file whose sounds with these numbers say that they are xHE-AAC."""
    parts = data.split(LC)
    joints = [USAC if number in tracks else LC for number in range(len(parts) - 1)]
    return b"".join(part + joint for part, joint in zip(parts, [*joints, b""], strict=True))


def protected(kind: bytes, scheme: bytes) -> bytes:
    """How a sample entry says that it is encrypted, and what it was (ISO/IEC 14496-12, 8.12)."""
    keys = box(b"schi", box(b"tenc", bytes(6) + b"\x01\x08" + bytes(range(16))))
    return box(b"sinf", box(b"frma", kind), box(b"schm", bytes(4), scheme, b"\0\1\0\0"), keys)


# --- Transport streams ------------------------------------------------------------------------------------------------

AC4_STREAM = (0x06, b"\x7f\x02\x15\x00", b"\xac\x40\xff\xff\x00\x01\x00")
AC4_REGISTERED = (0x06, b"\x05\x04AC-4", b"\xac\x40\xff\xff\x00\x01\x00")
MPEGH_STREAM = (0x2D, b"\x3f\x03\x08\x0b\xc6", b"\xc0\x01\xa5")
VVC_STREAM = (0x33, b"", b"\x00\x00\x01\x00\x79")
TABLE = 0x1000
Streams = Mapping[int, tuple[int, bytes, bytes]]


def checksum(data: bytes) -> bytes:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 1 << 31 else value << 1) & 0xFFFFFFFF
    return struct.pack(">I", value)


def recoded_stream(data: bytes, changes: Streams) -> bytes:
    """A transport stream of ffmpeg's whose streams on these PIDs have another type, descriptors, and noise inside."""
    stream, noise = bytearray(data), random.Random(4)
    for at in range(0, len(stream), 188):
        number = (stream[at + 1] & 0x1F) << 8 | stream[at + 2]
        if number == TABLE:
            stream[at + 5 : at + 188] = _table(bytes(stream[at + 5 : at + 188]), changes).ljust(183, b"\xff")
        if number in changes:
            start, sync = at + (5 + stream[at + 4] if stream[at + 3] & 0x20 else 4), b""
            if stream[at + 1] & 0x40:
                sync = changes[number][2]
                start += 9 + stream[start + 8]
            size = at + 188 - start
            stream[start : at + 188] = (sync + noise.randbytes(size))[:size]
    return bytes(stream)


def _table(section: bytes, changes: Streams) -> bytes:
    end, at = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF) - 4, 12
    listed = b""
    while at < end:
        number = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        length = int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF
        kind, descriptors, _ = changes.get(number, (section[at], section[at + 5 : at + 5 + length], b""))
        listed += bytes([kind]) + struct.pack(">HH", 0xE000 | number, 0xF000 | len(descriptors)) + descriptors
        at += 5 + length
    body = section[:1] + struct.pack(">H", 0xB000 | 9 + len(listed) + 4) + section[3:12] + listed
    return body + checksum(body)


# --- FLV --------------------------------------------------------------------------------------------------------------


def hevc_in_flv(folder: Path, *, fourcc: bool) -> bytes:
    """By its FourCC, as the specification has it since 2023, or by the number 12, as others wrote it before."""
    coded = (*CODED[4:], "-c:v", "libx265", "-x265-params", "bframes=0:log-level=none", "-tag:v", "hvc1")
    film = made(folder, "mp4", *picture(), *sound(), *coded)
    at = film.index(b"hvcC")
    setup = film[at + 4 : at - 4 + int.from_bytes(film[at - 4 : at], "big")]
    fields = ("-show_entries", "packet=stream_index,dts_time,size,pos,flags", "-of", "csv=p=0")
    listed = subprocess.run(
        ["ffprobe", "-v", "error", *fields, str(folder / "made.mp4")], capture_output=True, text=True, check=True
    )

    def shown(kind: int, data: bytes, *, key: bool = True) -> bytes:
        frame = 0x10 if key else 0x20
        if fourcc:
            return bytes([0x80 | frame | kind]) + b"hvc1" + (b"\0\0\0" if kind else b"") + data
        return bytes([frame | 12, kind]) + b"\0\0\0" + data

    tags = [(0, 9, shown(0, setup)), (0, 8, b"\xaf\x00" + LC[:2])]
    for row in listed.stdout.split():
        number, moment, size, place, flags = row.split(",")[:5]
        data = film[int(place) : int(place) + int(size)]
        body = shown(1, data, key="K" in flags) if number == "0" else b"\xaf\x01" + data
        tags.append((max(0, round(1000 * float(moment))), 9 if number == "0" else 8, body))
    written = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
    for at, kind, body in sorted(tags, key=lambda tag: tag[0]):
        written += bytes([kind]) + len(body).to_bytes(3, "big") + at.to_bytes(3, "big") + bytes(4) + body
        written += (len(body) + 11).to_bytes(4, "big")
    return written


# --- NIST SPHERE ------------------------------------------------------------------------------------------------------


def sphere(coding: str, data: bytes, *, sample_bytes: int = 2, order: str = "01") -> bytes:
    """A recording of 16 kHz (NIST, `sphere` 2.6)."""
    fields = (
        f"sample_count -i {16000 * SECONDS}",
        "sample_rate -i 16000",
        "channel_count -i 1",
        f"sample_n_bytes -i {sample_bytes}",
        f"sample_byte_format -s{len(order)} {order}",
        f"sample_coding -s{len(coding)} {coding}",
        "end_head",
    )
    return "\n".join(("NIST_1A", "   1024", *fields, "")).encode().ljust(1024) + data


def wave() -> list[int]:
    return [round(8000 * math.sin(2 * math.pi * LOW * number / 16000)) for number in range(16000 * SECONDS)]


def samples(order: str = "<") -> bytes:
    return struct.pack(f"{order}{16000 * SECONDS}h", *wave())


def shortened() -> bytes:
    """The same in Shorten (version 2): second differences in Rice codes."""
    bits: list[str] = []

    def put(value: int, least: int) -> None:
        bits.append("0" * (value >> least) + "1" + (f"{value & (1 << least) - 1:0{least}b}" if least else ""))

    def number(value: int) -> None:
        put(value.bit_length(), 2)
        put(value, value.bit_length())

    for value in (5, 1, 256, 0, 0, 0):
        number(value)
    before, last, tone = 0, 0, wave()
    for start in range(0, len(tone), 256):
        block = tone[start : start + 256]
        put(2, 2)
        put(8, 3)
        for sample in block:
            rest = sample - 2 * last + before
            put(2 * rest if rest >= 0 else -2 * rest - 1, 9)
            before, last = last, sample
    put(4, 2)
    text = "".join(bits)
    text += "0" * (-len(text) % 8 + 64)
    return b"ajkg\x02" + int(text, 2).to_bytes(len(text) // 8, "big")


# --- A track that nothing decodes, beside others ----------------------------------------------------------------------


def _usac(*tracks: int, suffix: str = "mp4", film: Sequence[str] = TWO_SOUNDS) -> Callable[[Path], bytes]:
    return lambda folder: as_usac(made(folder, suffix, *film), *tracks)


def _coded(track: int, entry: tuple[bytes, bytes | None], film: Sequence[str]) -> Callable[[Path], bytes]:
    return lambda folder: recoded(made(folder, "mp4", *film), track, *entry)


def _renamed(old: bytes, new: bytes, film: Sequence[str], *, last: bool = False) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        data = made(folder, "mkv", *film)
        return new.join(data.rsplit(old, 1)) if last else data.replace(old, new, 1)

    return make


def _stream(changes: Streams, film: Sequence[str]) -> Callable[[Path], bytes]:
    return lambda folder: recoded_stream(made(folder, "ts", *film), changes)


USAC_OUT, AC4_OUT, MPEGH_OUT = ("A sound track .*xHE-AAC", "A sound track .*AC-4", "A sound track .*MPEG-H")
SILENT = "The sound could not be decoded"
H264_NAME, VVC_NAME, RARE_NAME = b"V_MPEG4/ISO/AVC", b"V_MPEGI/ISO/VVC", b"V_MPEGX/ISO/XXX"

case("xHE-AAC before AAC in mp4", "video", Delivered(DARK, HIGH, USAC_OUT), _usac(0))
case("xHE-AAC after AAC in mp4", "video", Delivered(DARK, LOW, USAC_OUT), _usac(1))
case("xHE-AAC before AAC in mov", "video", Delivered(DARK, HIGH, USAC_OUT), _usac(0, suffix="mov"))
case("xHE-AAC before AAC in mkv", "video", Delivered(DARK, HIGH, USAC_OUT), _usac(0, suffix="mkv"))
case(
    "xHE-AAC before AAC in fragments",
    "video",
    Delivered(DARK, HIGH, USAC_OUT),
    _usac(0, film=(*TWO_SOUNDS, *FRAGMENTS)),
)
case("xHE-AAC alone beside a film", "video", Delivered(DARK, None, SILENT), _usac(0, film=FILM))
case("two xHE-AAC in mkv", "video", Delivered(DARK, None, SILENT), _usac(0, 1, suffix="mkv"))
case("xHE-AAC in flv", "video", Delivered(DARK, None, SILENT), _usac(0, suffix="flv", film=FILM))
case(
    "xHE-AAC before AAC, an audio",
    "audio",
    Delivered(None, HIGH, USAC_OUT),
    _usac(0, suffix="m4a", film=TWO_SOUNDS_ALONE),
)
case("AC-4 before AAC in mp4", "video", Delivered(DARK, HIGH, AC4_OUT), _coded(1, AC4, TWO_SOUNDS))
case("AC-4 after AAC in mp4", "video", Delivered(DARK, LOW, AC4_OUT), _coded(2, AC4, TWO_SOUNDS))
case("AC-4 before AAC, an audio", "audio", Delivered(None, HIGH, AC4_OUT), _coded(0, AC4, TWO_SOUNDS_ALONE))
case("MPEG-H before AAC in mp4", "video", Delivered(DARK, HIGH, MPEGH_OUT), _coded(1, MHM1, TWO_SOUNDS))
case("MPEG-H after AAC in mp4", "video", Delivered(DARK, LOW, MPEGH_OUT), _coded(2, MHA1, TWO_SOUNDS))
case("MPEG-H alone beside a film", "video", Delivered(DARK, None, SILENT), _coded(1, MHM1, FILM))
case("AC-4 before AAC in mkv", "video", Delivered(DARK, HIGH, AC4_OUT), _renamed(b"A_AAC", b"A_AC4", TWO_SOUNDS))
case(
    "another sound after AAC in mkv", "video", Delivered(DARK, LOW, "A sound track .*A_XYZ"),
    _renamed(b"A_AAC", b"A_XYZ", TWO_SOUNDS, last=True),
)  # fmt: skip
case(
    "AC-4 before AAC in ts",
    "video",
    Delivered(DARK, HIGH, AC4_OUT),
    _stream({0x101: AC4_STREAM}, TWO_SOUNDS),
)
case("AC-4 after AAC in ts", "video", Delivered(DARK, LOW, AC4_OUT), _stream({0x102: AC4_REGISTERED}, TWO_SOUNDS))
case("MPEG-H before AAC in ts", "video", Delivered(DARK, HIGH, MPEGH_OUT), _stream({0x101: MPEGH_STREAM}, TWO_SOUNDS))
case(
    "AC-4 and MPEG-H in ts", "video", Delivered(DARK, None, SILENT),
    _stream({0x101: AC4_STREAM, 0x102: MPEGH_STREAM}, TWO_SOUNDS),
)  # fmt: skip
case(
    "an unknown picture before H.264 in mp4", "video", Delivered(LIGHT, LOW, "A picture track .*zzzz"),
    _coded(0, (b"zzzz", None), TWO_PICTURES),
)  # fmt: skip
case(
    "an unknown picture after H.264 in mp4", "video", Delivered(DARK, LOW, "A picture track .*aprn|A picture track .*RAW"),
    _coded(1, (b"aprn", None), TWO_PICTURES),
)  # fmt: skip
case(
    "an unknown picture before H.264 in mkv", "video", Delivered(LIGHT, LOW, "A picture track .*V_MPEGX"),
    _renamed(H264_NAME, RARE_NAME, TWO_PICTURES),
)  # fmt: skip
case("a film of another codec, its sound", "audio", Delivered(None, LOW), _coded(0, (b"zzzz", None), FILM))

# --- Nothing else in it -----------------------------------------------------------------------------------------------

UNSUPPORTED = "source_unsupported"
case("xHE-AAC alone", "audio", Refused(UNSUPPORTED, "xHE-AAC"), _usac(0, suffix="m4a", film=SOUND))
case("xHE-AAC alone in mka", "audio", Refused(UNSUPPORTED, "xHE-AAC"), _usac(0, suffix="mka", film=SOUND))
case("the sound of a film with xHE-AAC", "audio", Refused(UNSUPPORTED, "xHE-AAC"), _usac(0, suffix="flv", film=FILM))
case("AC-4 alone", "audio", Refused(UNSUPPORTED, "AC-4"), _coded(0, AC4, SOUND))
case("AC-4 alone in mka", "audio", Refused(UNSUPPORTED, "AC-4"), _renamed(b"A_AAC", b"A_AC4", SOUND))
case("AC-4 alone in ts", "audio", Refused(UNSUPPORTED, "AC-4"), _stream({0x100: AC4_STREAM}, SOUND))
case("MPEG-H alone", "audio", Refused(UNSUPPORTED, "MPEG-H"), _coded(0, MHM1, SOUND))
case("MPEG-H alone in ts", "audio", Refused(UNSUPPORTED, "MPEG-H"), _stream({0x100: MPEGH_STREAM}, SOUND))
case("an unknown picture", "video", Refused(UNSUPPORTED, "zzzz"), _coded(0, (b"zzzz", None), FILM))
case("an unknown picture in mkv", "video", Refused(UNSUPPORTED, "V_MPEGX"), _renamed(H264_NAME, RARE_NAME, FILM))
case("ProRes RAW", "video", Refused(UNSUPPORTED, "ProRes RAW"), _coded(0, (b"aprn", None), FILM))
case("AVS3 in ts", "video", Refused(UNSUPPORTED, "AVS3"), _stream({0x100: (0xD4, b"", b"\0\0\1\xb0")}, FILM))
case(
    "HEVC in FLV by its FourCC", "video", Refused(UNSUPPORTED, "HEVC in FLV"),
    lambda folder: hevc_in_flv(folder, fourcc=True), if_decoded=Delivered(DARK, LOW),
)  # fmt: skip
case(
    "HEVC in FLV by its number", "video", Refused(UNSUPPORTED, "HEVC in FLV"),
    lambda folder: hevc_in_flv(folder, fourcc=False), if_decoded=Delivered(DARK, LOW),
)  # fmt: skip
case("the sound beside HEVC in FLV", "audio", Delivered(None, LOW), lambda folder: hevc_in_flv(folder, fourcc=False))

# --- Formats that few use ---------------------------------------------------------------------------------------------

RM = ("-f", "rm")
case(
    "RealVideo 1 with AC-3", "video", Delivered(DARK, LOW),
    lambda folder: made(folder, "rm", *picture(size="176x144"), *sound(), "-c:v", "rv10", "-c:a", "ac3", *RM),
)  # fmt: skip
case(
    "RealVideo 2 with RealAudio", "video", Delivered(DARK, LOW),
    lambda folder: made(
        folder, "rm", *picture(size="176x144"), *sound(rate=8000), "-c:v", "rv20", "-c:a", "real_144", "-ac", "1", *RM
    ),
)  # fmt: skip
case(
    "RealAudio", "audio", Delivered(None, LOW),
    lambda folder: made(folder, "ra", *sound(rate=8000), "-c:a", "real_144", "-ac", "1", *RM),
)  # fmt: skip
case("SPHERE", "audio", Delivered(None, LOW), lambda _: sphere("pcm", samples()))
case("SPHERE, big end first", "audio", Delivered(None, LOW), lambda _: sphere("pcm", samples(">"), order="10"))
case(
    "SPHERE in mu-law", "audio", Delivered(None, LOW),
    lambda folder: sphere(
        "ulaw", made(folder, "ul", *sound(rate=16000), "-f", "mulaw"), sample_bytes=1, order="1"
    ),
)  # fmt: skip
case("SPHERE in Shorten", "audio", Delivered(None, LOW), lambda _: sphere("pcm,embedded-shorten-v2.00", shortened()))
case(
    "NUT", "video", Delivered(DARK, LOW),
    lambda folder: made(folder, "nut", *FILM, "-f", "nut"),
)  # fmt: skip
case(
    "WTV", "video", Delivered(DARK, LOW), lambda folder: made(folder, "wtv", *FILM, "-c:v", "mpeg2video", "-c:a", "mp2")
)
case("YUV4MPEG2", "video", Delivered(DARK, None), lambda folder: made(folder, "y4m", *picture(), "-pix_fmt", "yuv420p"))
case("MIDI", "audio", Refused(UNSUPPORTED, "MIDI"), lambda _: b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0")
case(
    "a Flash animation", "video", Refused(UNSUPPORTED, "Flash"), lambda _: b"CWS\x06" + random.Random(1).randbytes(900)
)
case("a tracker module", "audio", Refused(UNSUPPORTED, "tracker"), lambda _: bytes(1080) + b"M.K." + bytes(2048))

# --- Encrypted --------------------------------------------------------------------------------------------------------

ENCRYPTED = Refused("source_encrypted", "encrypted")
KEYS = (
    *("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
    *("-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
)


def _locked(film: Sequence[str], scheme: bytes = b"cenc", suffix: str = "mp4") -> Callable[[Path], bytes]:
    return lambda folder: made(folder, suffix, *film, *KEYS).replace(b"schm\0\0\0\0cenc", b"schm\0\0\0\0" + scheme)


def _partly(track: int, kind: bytes, old: bytes, scheme: bytes, film: Sequence[str]) -> Callable[[Path], bytes]:
    return lambda folder: recoded(made(folder, "mp4", *film), track, kind, added=protected(old, scheme))


case("cenc in fragments", "video", ENCRYPTED, _locked((*FILM, *FRAGMENTS)))
case("cbcs in fragments", "video", ENCRYPTED, _locked((*FILM, *FRAGMENTS), b"cbcs"))
case("cenc sound in fragments", "audio", ENCRYPTED, _locked((*SOUND, *FRAGMENTS), suffix="m4a"))
case("sound encrypted, picture clear", "video", ENCRYPTED, _partly(1, b"enca", b"mp4a", b"cenc", FILM))
case("picture encrypted, sound clear", "video", ENCRYPTED, _partly(0, b"encv", b"avc1", b"cbcs", FILM))
case(
    "picture encrypted in fragments, sound clear", "video", ENCRYPTED,
    _partly(0, b"encv", b"avc1", b"cbcs", (*FILM, *FRAGMENTS)),
)  # fmt: skip

# --- Cut off within the index -----------------------------------------------------------------------------------------

TRUNCATED = Refused("source_truncated", "cut off")


def _cut(share: float, film: Sequence[str], suffix: str = "mp4") -> Callable[[Path], bytes]:
    """So much of the index is left."""

    def make(folder: Path) -> bytes:
        data = made(folder, suffix, *film)
        first, last = next((first, last) for kind, first, last in boxes(data, 0, len(data)) if kind == b"moov")
        return data[: first + round(share * (last - first))]

    return make


FIRST = ("-movflags", "+faststart")
for share, part in ((0.01, "at its start"), (0.06, "in its header"), (0.5, "in the middle"), (0.99, "near its end")):
    case(f"index first, cut {part}", "video", TRUNCATED, _cut(share, (*FILM, *FIRST)))
    case(f"index of fragments, cut {part}", "video", TRUNCATED, _cut(share, (*FILM, *FRAGMENTS)))
for share, part in ((0.01, "at its start"), (0.06, "in its header"), (0.5, "in the middle")):
    case(f"index last, cut {part}", "video", TRUNCATED, _cut(share, FILM))
    case(f"index of m4a, cut {part}", "audio", TRUNCATED, _cut(share, SOUND, "m4a"))
    case(f"index of mov, cut {part}", "video", TRUNCATED, _cut(share, FILM, "mov"))
