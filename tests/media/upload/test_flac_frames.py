"""Whether a FLAC ends with a whole frame."""

from __future__ import annotations

import pytest

from codex_assets.media.upload.flac_frames import ends_whole

FRAME = bytes.fromhex("fff8640c00efcb00000000c44a")
"""240 samples of silence, as ffmpeg writes them behind the header of a file."""


@pytest.mark.parametrize(
    ("tail", "is_whole"),
    [
        (FRAME, True),
        (FRAME + FRAME, True),
        (b"fLaC" + bytes(8192) + FRAME, True),
        (FRAME + b"TAG" + bytes(125), True),
        (FRAME[:-1], False),
        (FRAME + FRAME[:-1], False),
        (FRAME + FRAME[:4], False),
        (FRAME.replace(b"\xcb", b"\xca"), False),
        # Room that was made for what never arrived.
        (FRAME + bytes(2), False),
        (FRAME + bytes(5000), False),
        (bytes(5000), False),
        (b"", False),
    ],
)
def test_a_flac_that_was_not_cut_off_ends_with_a_whole_frame(tail: bytes, is_whole: bool) -> None:
    assert ends_whole(tail) is is_whole
