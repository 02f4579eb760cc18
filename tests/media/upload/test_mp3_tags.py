"""Tags between the parts of an MP3 that was joined, and what its header promises."""

from __future__ import annotations

import pytest

from codex_assets.media.upload.mp3_tags import is_longer_than_counted, tags_within

FRAME = b"\xff\xfb\x90\x00" + bytes(413)
TAG = b"ID3\x04\x00\x00\x00\x00\x01\x10" + bytes(144)
OLD_TAG = b"TAG" + bytes(125)


def counted(frames: int, size: int, flags: int = 3) -> bytes:
    numbers = (flags, *([frames] if flags & 1 else []), *([size] if flags & 2 else []))
    body = b"Info" + b"".join(number.to_bytes(4, "big") for number in numbers)
    return FRAME[:36] + body + bytes(len(FRAME) - 36 - len(body))


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([FRAME, FRAME], None),
        ([TAG, FRAME], None),
        ([TAG, TAG, FRAME, FRAME], None),
        ([TAG, FRAME, TAG, FRAME], 2),
        ([FRAME, TAG, FRAME, TAG, FRAME], 3),
        ([FRAME, OLD_TAG, TAG, FRAME], 2),
        ([FRAME, TAG], 1),
        ([FRAME, b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", FRAME], None),
        ([FRAME, b"ID3 is a kind of tag", FRAME], None),
        ([b""], None),
    ],
)
def test_tags_between_frames_are_found(parts: list[bytes], kept: int | None) -> None:
    data = b"".join(parts)
    tags = tags_within(data)
    assert bool(tags) == (kept is not None)
    for first, behind in reversed(tags):
        data = data[:first] + data[behind:]
    if kept is not None:
        assert data.count(FRAME) == kept
        assert tags_within(data) == []


def test_what_was_joined_is_longer_than_its_header_counts() -> None:
    whole = [counted(3, 3 * len(FRAME)), FRAME, FRAME]
    assert not is_longer_than_counted(b"".join(whole))
    assert is_longer_than_counted(TAG + b"".join(whole) + b"".join(whole))
    assert not is_longer_than_counted(TAG + b"".join(whole[:2]))
    assert not is_longer_than_counted(counted(3, 0, flags=1) + FRAME)
    assert not is_longer_than_counted(FRAME)
