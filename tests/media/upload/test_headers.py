"""What a header promises, in bytes and in seconds."""

from __future__ import annotations

import pytest
from probed import parsed, sound

from codex_assets.media.upload import headers


@pytest.mark.parametrize(
    ("head", "promised"),
    [
        (b"RIFF\x24\x00\x01\x00WAVE", 65_580),
        (b"FORM\x00\x01\x00\x24AIFF", 65_580),
        (b"RIFF\xff\xff\xff\xffWAVE", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"\x00\x00\x00\x20ftypisom", None),
        (b"RIFF", None),
        (b"", None),
    ],
)
def test_what_a_header_promises_in_bytes(head: bytes, promised: int | None) -> None:
    assert headers.promised_bytes(head) == promised


@pytest.mark.parametrize(
    ("container", "start", "promises"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", 0.0, True),
        ("matroska,webm", 0.0, True),
        ("flac", 0.0, True),
        # Without an encoder's own header an mp3 lasts as long as its size suggests.
        ("mp3", 0.0, False),
        ("mp3", 0.025, True),
        ("mpegts", 1.4, False),
        ("aac", 0.0, False),
    ],
)
def test_only_an_index_promises_a_duration(container: str, start: float, promises: bool) -> None:
    info = parsed(sound(start_time=str(start)), container=container)
    assert headers.promises_duration(info) is promises


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


FILM = box(b"ftyp", b"isom") + box(b"moov", bytes(40)) + box(b"mdat", bytes(400))


@pytest.mark.parametrize(
    ("data", "whole", "films"),
    [
        (FILM, True, 1),
        (FILM[:-1], False, 1),
        (FILM + FILM, True, 2),
        (FILM + FILM[:100], False, 2),
        (FILM + b"\0" * 5, True, 1),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(400)), False, 0),
        (b"", False, 0),
    ],
)
def test_the_boxes_of_an_mp4(data: bytes, whole: bool, films: int) -> None:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    assert headers.has_all_boxes(read_at, len(data)) is whole
    assert headers.films(read_at, len(data)) == films


@pytest.mark.parametrize("unknown", [2**31 - 1, 2**32 - 1])
def test_a_length_of_all_bits_is_unknown(unknown: int) -> None:
    stream = sound(duration="97391.548639", duration_ts=unknown, start_time="0.0")
    info = parsed(stream, duration="97391.60")
    assert (info.duration, info.promised) == (None, {})
    assert info.audio is not None
    assert info.audio.duration is None
