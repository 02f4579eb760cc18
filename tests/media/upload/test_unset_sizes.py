"""Sizes that a recorder left open: which they are, what is written in their place, and which files are left alone."""

from __future__ import annotations

import pytest

from codex_assets.media.upload.joined_files import W64 as W64_FILE
from codex_assets.media.upload.unset_sizes import W64_SOUND, settled_sizes

SAMPLES = bytes(range(1, 201)) * 2
"""100 frames of two channels of 16 bits."""
ZERO, LARGEST = b"\0", b"\xff"


def aiff(*, kind: bytes = b"AIFF", frames: int = 100, samples: bytes = SAMPLES) -> bytes:
    form = (2).to_bytes(2, "big") + frames.to_bytes(4, "big") + (16).to_bytes(2, "big") + bytes(10)
    form += b"NONE\0\0" if kind == b"AIFC" else b""
    described = b"COMM" + len(form).to_bytes(4, "big") + form
    sound = b"SSND" + (len(samples) + 8).to_bytes(4, "big") + bytes(8) + samples
    return b"FORM" + (4 + len(described) + len(sound)).to_bytes(4, "big") + kind + described + sound


def w64(samples: bytes = SAMPLES) -> bytes:
    described = b"fmt " + bytes(12) + (24 + 17).to_bytes(8, "little") + bytes(17 + 7)
    sound = W64_SOUND + (24 + len(samples)).to_bytes(8, "little") + samples
    return W64_FILE + (40 + len(described) + len(sound)).to_bytes(8, "little") + b"wave" + bytes(12) + described + sound


def rf64(kind: bytes = b"RF64", samples: bytes = SAMPLES) -> bytes:
    described = b"fmt " + (16).to_bytes(4, "little") + bytes(16)
    whole = 4 + 36 + len(described) + 8 + len(samples)
    sizes = whole.to_bytes(8, "little") + len(samples).to_bytes(8, "little") + bytes(12)
    sized = b"ds64" + (28).to_bytes(4, "little") + sizes
    return kind + LARGEST * 4 + b"WAVE" + sized + described + b"data" + LARGEST * 4 + samples


def written(data: bytes, settled: dict[int, bytes]) -> bytes:
    made = bytearray(data)
    for at, number in settled.items():
        made[at : at + len(number)] = number
    return bytes(made)


def opened(data: bytes, byte: bytes, *places: tuple[int, int]) -> bytes:
    """With that byte all over each place, a start and a length."""
    return written(data, {at: byte * length for at, length in places})


AIFF, AIFC, W64, RF64, BW64 = aiff(), aiff(kind=b"AIFC"), w64(), rf64(), rf64(b"BW64")
SSND, W64_AT = AIFF.index(b"SSND") + 4, W64.index(W64_SOUND) + 16


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def film(*edits: tuple[int, int], version: int = 0, more: bytes = b"", shown: int = 0) -> bytes:
    """A film clock of 1000, and a track of ten seconds at 90 kHz with these edits: how long they last and where they
    start. `shown`: how much later a sample is shown than it is stored."""
    width = 8 if version else 4

    def header(kind: bytes, scale: int, lasts: int) -> bytes:
        return box(
            kind, bytes((version, 0, 0, 0)), bytes(2 * width), scale.to_bytes(4, "big"), lasts.to_bytes(width, "big")
        )

    listed = b"".join(
        length.to_bytes(width, "big") + start.to_bytes(width, "big", signed=True) + b"\0\1\0\0"
        for length, start in edits
    )
    edited = box(b"edts", box(b"elst", bytes((version, 0, 0, 0)), len(edits).to_bytes(4, "big"), listed))
    late = box(b"minf", box(b"stbl", box(b"ctts", b"\0\0\0\0\0\0\0\1\0\0\0\1", shown.to_bytes(4, "big"))))
    track = box(b"trak", edited, box(b"mdia", header(b"mdhd", 90_000, 900_000), late))
    return box(b"ftyp", b"isom") + box(b"mdat", bytes(50)) + box(b"moov", header(b"mvhd", 1000, 10_000), track, more)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (film((0, 0)), film((10_000, 0))),
        (film((0, 180_000)), film((8000, 180_000))),
        (film((0, 9000), shown=9000), film((10_000, 9000), shown=9000)),
        (film((0, 180_000), version=1), film((8000, 180_000), version=1)),
        (film((500, -1), (0, 90_000)), film((500, -1), (9000, 90_000))),
        (opened(AIFF, ZERO, (4, 4), (SSND, 4)), AIFF),
        (opened(AIFF, LARGEST, (4, 4), (SSND, 4)), AIFF),
        (opened(AIFF, ZERO, (4, 4), (SSND, 4), (22, 4)), AIFF),
        (opened(AIFF, ZERO, (4, 4)), AIFF),
        (opened(AIFC, ZERO, (4, 4), (SSND + 6, 4), (22, 4)), AIFC),
        (written(AIFF, {SSND: b"\0\0\0\x08"}), AIFF),
        (opened(W64, ZERO, (16, 8), (W64_AT, 8)), W64),
        (opened(W64, LARGEST, (16, 8), (W64_AT, 8)), W64),
        (written(W64, {W64_AT: (24).to_bytes(8, "little")}), W64),
        (opened(RF64, ZERO, (20, 24)), RF64),
        (opened(RF64, LARGEST, (20, 16)), RF64),
        (written(BW64, {28: (0xFFFFFFFF).to_bytes(8, "little")}), BW64),
    ],
)
def test_sizes_that_are_open_are_settled_up_to_the_end(data: bytes, whole: bytes) -> None:
    assert data != whole
    assert written(data, dict(settled_sizes(data))) == whole


@pytest.mark.parametrize(
    "data",
    [
        *(AIFF, AIFC, W64, RF64, BW64, film((10_000, 0)), film(), film((0, -1)), film((0, 0), (500, 0))),
        # Of fragments: up to their end, whatever their header says. And an edit from behind the end on.
        *(film((0, 0), more=box(b"mvex")), film((0, 900_000)), film((0, 0))[:120]),
        # More was recorded than arrived: what is missing is told from these sizes.
        *(made[:-200] for made in (AIFF, W64, RF64)),
        # Nothing was recorded.
        opened(aiff(samples=b""), ZERO, (4, 4)),
        opened(w64(b""), ZERO, (W64_AT, 8)),
        opened(rf64(samples=b""), ZERO, (20, 24)),
        # Chunks that cannot be followed.
        *(made[:30] for made in (AIFF, W64, RF64)),
        opened(AIFF, LARGEST, (16, 4)),
        opened(W64, ZERO, (40 + 16, 8)),
        b"RIFF" + bytes(4) + b"WAVEdata" + bytes(400),
        b"",
    ],
)
def test_other_files_are_left_alone(data: bytes) -> None:
    assert settled_sizes(data) == {}


@pytest.mark.parametrize("data", [film((0, 9000), shown=9000), film((0, 0), version=1), AIFF, W64, RF64])
def test_a_file_may_end_anywhere(data: bytes) -> None:
    for end in range(len(data)):
        settled_sizes(data[:end])
