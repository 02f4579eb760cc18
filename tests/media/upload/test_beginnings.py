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
