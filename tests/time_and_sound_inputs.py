"""Uploads whose time, sound, tracks or bytes are odd, each with what has to be delivered of it. Made by plain ffmpeg.

Most are flash-and-beep clips: from 0.5 s on, once a second, a white picture and a tone begin together. Nothing here knows
the code under test. `CASES` holds them by name.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
MediaType = Literal["video", "audio"]
Change = Callable[[bytes], bytes]
Make = Callable[[Path], Path]


@dataclass(frozen=True)
class Case:
    """`make` writes the upload into a folder. Times are seconds from the start of what is delivered."""

    name: str
    media_type: MediaType
    make: Make
    seconds: float | None
    within: float = 0.12
    flashes: tuple[float, ...] | None = None
    beeps: tuple[float, ...] | None = None
    """Where they have to be, where that is asked; of a clip with both, each beep has to be with its flash."""
    loud: bool | None = True
    """False: silent, so that no loudness may be told. None: no sound at all."""
    warns: tuple[str, ...] = ()
    """Patterns, one per warning, in order; every warning has to be expected."""
    fails: str | None = None
    """A pattern of the sentence with which it is refused."""
    tones: Mapping[int, str] = field(default_factory=dict)
    """Frequency -> where it is to be heard: `both`, `left`, `right`, `none`."""
    variants: tuple[str, ...] = ("360p", "preview")
    upload: str = "original.bin"
    quick: bool = False
    slack: float = 0.04
    """Seconds between a flash and its beep."""


CASES: dict[str, Case] = {}


def options(text: str) -> tuple[str, ...]:
    return tuple(text.split())


H264 = options("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -threads 1")
H264_B = options("-c:v libx264 -preset veryfast -bf 3 -pix_fmt yuv420p -threads 1")
AAC = options("-c:a aac -b:a 96k")
MPEG4 = options("-c:v mpeg4 -q:v 5")


def flash(rate: str = "30", seconds: float = 6, size: str = "160x90", filters: str = "", pull: float = 1.0) -> list[str]:
    """`pull`: 1.001 for the rates over 1001, so that a flash begins with a frame; `beep` takes the same."""
    white = f"drawbox=color=white:t=fill:enable='lt(mod(t/{pull}+0.501,1),0.1)'"
    return ["-f", "lavfi", "-i", f"color=black:s={size}:r={rate}:d={seconds},{white}" + f",{filters}" * bool(filters)]


def beep(
    seconds: float = 6, rate: int = 48000, layout: str = "mono", filters: str = "", pull: float = 1.0, level: float = 0.4
) -> list[str]:
    tone = f"{level}*sin(2*PI*1000*t)*lt(mod(t/{pull}+0.5,1),0.1)"
    each = "|".join([tone] * {"mono": 1, "stereo": 2}[layout])
    source = f"aevalsrc=exprs='{each}':s={rate}:c={layout}:d={seconds}"
    return ["-f", "lavfi", "-i", source + f",{filters}" * bool(filters)]


def tones(frequencies: Sequence[int], layout: str, rate: int = 48000, seconds: float = 3, level: float = 0.2) -> list[str]:
    """One frequency per channel."""
    each = "|".join(f"{level}*sin(2*PI*{frequency}*t)" for frequency in frequencies)
    return ["-f", "lavfi", "-i", f"aevalsrc=exprs='{each}':c={layout}:s={rate}:d={seconds}"]


SPEECH = (
    "0.3*(0.6+0.4*sin(2*PI*4.3*t))*gt(sin(2*PI*0.83*t)+0.3*sin(2*PI*2.1*t),-0.4)"
    "*(sin(2*PI*140*t)+0.5*sin(2*PI*280*t)+0.4*sin(2*PI*1130*t)*sin(2*PI*7*t))+0.01*(random(0)-0.5)"
)


def speech(seconds: float = 6, rate: int = 48000, channels: int = 1, level: float = 1.0) -> list[str]:
    each = "|".join([f"{level}*({SPEECH})"] * channels)
    return ["-f", "lavfi", "-i", f"aevalsrc=exprs='{each}':s={rate}:d={seconds}"]


def moving(seconds: float = 6, rate: str = "30", size: str = "160x90") -> list[str]:
    """A picture in which everything moves, so that every packet matters."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def steps(suffix: str, *lists: Sequence[str], change: Change | None = None) -> Make:
    """Argument lists, each reading `{before}` and writing its output; `>mp4` as the last one names its suffix."""

    def make(folder: Path) -> Path:
        made = folder / "nothing"
        for number, given in enumerate(lists):
            arguments = list(given)
            kind = suffix if number == len(lists) - 1 else "mkv"
            if arguments[-1].startswith(">"):
                kind = arguments.pop()[1:]
            before, made = made, folder / f"{number}.{kind}"
            told = [part.replace("{before}", str(before)).replace("{folder}", str(folder)) for part in arguments]
            subprocess.run([*FFMPEG, *told, str(made)], check=True)
        if change is not None:
            made.write_bytes(change(made.read_bytes()))
        return made

    return make


def every(seconds: float, first: float = 0.5, until: float | None = None) -> tuple[float, ...]:
    last = seconds if until is None else until
    return tuple(first + number for number in range(int(seconds) + 1) if first + number < last - 0.05)


def video(name: str, make: Make, seconds: float | None = 6, **expected: object) -> None:
    _add(Case(name, "video", make, seconds, **expected))  # type: ignore[arg-type]


def synced(name: str, make: Make, seconds: float = 6, **expected: object) -> None:
    """A flash-and-beep clip that is delivered with all of its flashes and beeps."""
    both = every(seconds)
    _add(Case(name, "video", make, seconds, **{"flashes": both, "beeps": both, **expected}))  # type: ignore[arg-type]


def audio(name: str, make: Make, seconds: float | None = 6, **expected: object) -> None:
    _add(Case(name, "audio", make, seconds, **{"variants": ("128k", "64k"), **expected}))  # type: ignore[arg-type]


def _add(case: Case) -> None:
    assert case.name not in CASES, case.name
    CASES[case.name] = case


# --- Bytes ------------------------------------------------------------------------------------------------------------


def cut(part: float) -> Change:
    return lambda data: data[: int(len(data) * part)]


def headless(part: float) -> Change:
    return lambda data: data[int(len(data) * part) :]


def zeroed(start: float, end: float) -> Change:
    """A part of the media data is lost: what a disk or a transfer leaves of a hole."""

    def change(data: bytes) -> bytes:
        low, high = _body(data)
        first, last = low + int(start * (high - low)), low + int(end * (high - low))
        return data[:first] + bytes(last - first) + data[last:]

    return change


def removed(start: float, end: float) -> Change:
    return lambda data: data[: int(start * len(data))] + data[int(end * len(data)) :]


def flipped(count: int, start: float = 0.0, end: float = 1.0) -> Change:
    """`count` bytes of the media data, spread over a part of it, turned around."""

    def change(data: bytes) -> bytes:
        made = bytearray(data)
        low, high = _body(data)
        spread = random.Random(count)
        for _ in range(count):
            made[low + int((start + spread.random() * (end - start)) * (high - low))] ^= 0xFF
        return bytes(made)

    return change


def without_ts_packets(part: float) -> Change:
    """Some of a transport stream's packets never arrived; the first ones did."""

    def change(data: bytes) -> bytes:
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        spread = random.Random(7)
        return b"".join(p for number, p in enumerate(packets) if number < 20 or spread.random() >= part)

    return change


def _body(data: bytes) -> tuple[int, int]:
    """Where the media data lies: an mp4's `mdat`, else everything after the first 4 kB."""
    for kind, at, end in _boxes(data, 0, len(data)):
        if kind == b"mdat":
            return at + 8, end
    return min(4096, len(data) // 20), len(data)


def _boxes(data: bytes, at: int, end: int) -> list[tuple[bytes, int, int]]:
    """(type, start, end) of the boxes between two offsets (ISO/IEC 14496-12 4.2)."""
    found = []
    while at + 8 <= end:
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if size < 8 or not kind.isalnum() or at + size > end:
            break
        found.append((kind, at, at + size))
        at += size
    return found


def edited(*edits: tuple[int, int], handler: bytes | None = None) -> Change:
    """An mp4 whose index comes last, with other edit lists: (milliseconds, media time in ms; -1 is an empty edit).

    `handler`: of tracks of this kind only (`vide`, `soun`).
    """

    def change(data: bytes) -> bytes:
        (moov,) = [box for box in _boxes(data, 0, len(data)) if box[0] == b"moov"]
        assert moov[2] == len(data), "the index has to be last"
        made = b""
        for kind, at, end in _boxes(data, moov[1] + 8, moov[2]):
            held = data[at:end]
            made += _edited_track(held, edits, handler) if kind == b"trak" else held
        # The movie's time scale is 1000 in what ffmpeg writes.
        return data[: moov[1]] + _box(b"moov", made)

    return change


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _edited_track(track: bytes, edits: Sequence[tuple[int, int]], handler: bytes | None) -> bytes:
    inside = _boxes(track, 8, len(track))
    (mdia,) = [track[at:end] for kind, at, end in inside if kind == b"mdia"]
    if handler is not None and b"hdlr" + bytes(8) + handler not in mdia:
        return track
    scale = struct.unpack(">I", mdia[mdia.index(b"mdhd") + 16 :][:4])[0]
    entries = b"".join(
        struct.pack(">Iihh", length, -1 if start < 0 else start * scale // 1000, 1, 0) for length, start in edits
    )
    edts = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
    kept = [(kind, track[at:end]) for kind, at, end in inside if kind != b"edts"]
    return _box(b"trak", b"".join(held + (edts if kind == b"tkhd" else b"") for kind, held in kept))
