"""Films whose pictures carry closed captions, and what ffmpeg's own reader finds of them in any file.

Pictures come from lavfi; captions are written into their H.264 here. Nothing here knows the code under test.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from published_files import segments

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
NTSC = "30000/1001"
NULL_PAIRS = b"\xfc\x80\x80\xfd\x80\x80"
"""A pause in both fields of CEA-608."""
RESUME_LOADING = b"\xfc\x94\x20\xfd\x80\x80"


def text_608(frame: int) -> bytes:
    """Two letters for channel CC1 that no other frame nearby has, and a pause in the other field."""
    if frame == 0:
        return RESUME_LOADING
    return b"\xfc" + _odd(0x41 + frame % 26) + _odd(0x61 + frame // 26 % 26) + b"\xfd\x80\x80"


def text_708(frame: int) -> bytes:
    """A packet of CEA-708 with two letters for service 1, and padding as broadcasts have it."""
    sequence = frame % 4 << 6 | 3
    letters = bytes([0x41 + frame % 26, 0x61 + frame // 26 % 26])
    packet = b"\xff" + bytes([sequence, 0x22]) + b"\xfe" + letters + b"\xfe\x00\x00"
    return text_608(frame) + packet + b"\xfa\x00\x00" * 10


def _odd(value: int) -> bytes:
    return bytes([value if value.bit_count() % 2 else value | 0x80])


def film(
    path: Path,
    captions: Mapping[int, bytes],
    *,
    frames: int = 90,
    rate: str = NTSC,
    picture: str = "testsrc2=s=320x180",
    encoding: tuple[str, ...] = (),
    muxing: tuple[str, ...] = (),
    sound: bool = True,
) -> Path:
    """A film of so many frames, of which some have captions (triplets by frame), in the container of `path`'s name."""
    plain = path.with_suffix(".plain")
    run(
        *("-f", "lavfi", "-i", f"{picture}:r={rate}", "-frames:v", str(frames), "-c:v", "libx264", "-bf", "0"),
        *("-preset", "ultrafast", "-g", "30", *encoding, "-f", "h264", str(plain)),
    )
    captioned = path.with_suffix(".h264")
    captioned.write_bytes(with_captions(plain.read_bytes(), captions))
    numerator, _, denominator = rate.partition("/")
    seconds = frames * int(denominator or 1) / int(numerator)
    heard = ("-f", "lavfi", "-i", f"sine=f=440:r=48000:d={seconds}", "-c:a", "aac") if sound else ()
    run("-r", rate, "-i", str(captioned), *heard, "-c:v", "copy", *muxing, str(path))
    return path


def with_captions(stream: bytes, captions: Mapping[int, bytes]) -> bytes:
    """A bare H.264 stream without reordering, with captions in front of the first slice of some pictures."""
    written, done, frame = bytearray(), 0, 0
    for unit in re.finditer(rb"\x00?\x00\x00\x01(.)(.)", stream, re.DOTALL):
        begins_picture = unit[1][0] & 0x1F in (1, 5) and unit[2][0] & 0x80
        if not begins_picture:
            continue
        if frame in captions:
            written += stream[done : unit.start()] + b"\x00\x00\x00\x01" + _message(captions[frame])
            done = unit.start()
        frame += 1
    return bytes(written) + stream[done:]


def _message(triplets: bytes) -> bytes:
    data = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | len(triplets) // 3, 0xFF]) + triplets + b"\xff"
    assert len(data) < 255
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", b"\x06\x04" + bytes([len(data)]) + data + b"\x80")


def run(*arguments: str) -> None:
    subprocess.run([*FFMPEG, *arguments], check=True, stdin=subprocess.DEVNULL)


def captions_in(path: Path) -> bytes:
    """The triplets of all pictures of a file, in the order in which they are shown; empty without any."""
    source = f"movie={path}[out0+subcc]"
    copied = ("-map", "0:1", "-c", "copy", "-f", "data", "-")
    decoded = subprocess.run(
        [*FFMPEG, "-f", "lavfi", "-i", source, *copied], check=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    return decoded.stdout


def captions_of_segments(playlist: Path, scratch: Path) -> bytes:
    """As `captions_in`, of all segments of a playlist."""
    whole = scratch / f"{playlist.parent.name}.ts"
    whole.write_bytes(b"".join(path.read_bytes() for path in segments(playlist)))
    return captions_in(whole)
