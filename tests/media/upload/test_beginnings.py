"""What a file is, by how it begins."""

from __future__ import annotations

import pytest

from codex_assets.errors import SourceCode
from codex_assets.media.upload import intake

NUT = b"nut/multimedia container\0NM\x7a\x56\x1f\x5f\x04\xad"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        # Length, version, tracks; 130 in two groups of seven bits.
        (b"\x91\x13\x03\x81\x02", SourceCode.TOO_COMPLEX),
        # A longer one has a checksum, a later one a minor version.
        (b"\xa1\x00\x01\x02\x03\x04\x04\x01\x81\x02", SourceCode.TOO_COMPLEX),
        (b"\x91\x13\x03\x02", SourceCode.DAMAGED),
        (b"\x91\x13\x03\x81\x00", SourceCode.DAMAGED),
        (b"", SourceCode.DAMAGED),
        (b"\xff" * 40, SourceCode.DAMAGED),
    ],
)
def test_a_nut_file_that_cannot_be_read_may_name_too_many_tracks(header: bytes, code: SourceCode) -> None:
    assert intake.unreadable(NUT + header).code is code


def packets(*numbers: int) -> bytes:
    """Packets of a transport stream, of tracks with these numbers."""
    return b"".join(bytes((0x47, 0x40 | number >> 8, number & 0xFF, 0x10)) + bytes(184) for number in numbers)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (packets(17, 0, 4096, 256), True),
        (packets(0, 4096, 256) + b"\x47\x40", True),
        (packets(0, 4096, 256) + bytes(188), False),
        (packets(17, 4096, 256), False),
        (packets(0, 256), False),
        (b"G" * 1000, False),
        (b"", False),
    ],
)
def test_a_short_transport_stream_is_known_by_its_packets(head: bytes, expected: bool) -> None:
    assert intake.is_transport_stream(head) is expected


@pytest.mark.parametrize(
    "head",
    [
        b"TTA1\1\0\1\0\x10\0\x80\xbb\0\0",
        bytes.fromhex("726966662e91cf11a5d628db04c10000"),
        b"wvpk\x20\0\0\0\x10\4",
        b".snd\0\0\0\x1c\xff\xff\xff\xff\0\0\0\3",
        b"Creative Voice File\x1a\x1a\0\x0a\1\x29\x11",
        b"caff\0\1\0\0desc",
        b"MAC \x96\x0f\0\0",
        b"#!AMR\n\xff\xff",
        b"DKIF\0\0\x20\0VP80\x60\0",
        b"YUV4MPEG2 W96 H54 F25:1\n\xff",
        b"\0\0\1\xba\x44\0\4",
    ],
)
def test_what_begins_like_media_is_damaged(head: bytes) -> None:
    """And not something else: whoever sent it has the whole of it."""
    refusal = intake.unreadable(head + bytes(range(128, 256)) * 8)
    assert refusal.code is SourceCode.DAMAGED
    assert "begins like a" in refusal.sentence
