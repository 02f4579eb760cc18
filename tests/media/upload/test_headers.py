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
