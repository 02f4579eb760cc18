"""The frames of an AAC stream in ADTS, and where a frame of another encode of the same sound may take over. Pure.

Half of what a frame says is heard together with half of the next one, each through a window; both halves have to be of
windows that fit (ISO/IEC 14496-3, 4.6.11). So an encode takes over between two frames that both encodes gave the same
windows.
"""

from __future__ import annotations

from collections.abc import Sequence

HEADER_BYTES = 7
"""Of ADTS without a checksum, as ffmpeg writes it."""
_CHANNEL_PAIR = 1


def frames(stream: bytes) -> list[bytes]:
    """The frames of an ADTS stream, each with its header. Raises `ValueError` where there is none."""
    packed, at = [], 0
    while at < len(stream):
        header = stream[at : at + HEADER_BYTES]
        is_header = len(header) == HEADER_BYTES and header[0] == 0xFF and header[1] & 0xF0 == 0xF0
        size = ((header[3] & 3) << 11) | (header[4] << 3) | (header[5] >> 5) if is_header else 0
        if not HEADER_BYTES < size <= len(stream) - at:
            raise ValueError("not a stream of ADTS frames")
        packed.append(stream[at : at + size])
        at += size
    return packed


def window(frame: bytes) -> int | None:
    """The windows of a stereo frame, as a number: sequence and shape. None where its channels differ in them, or where
    it begins with anything but a pair of channels."""
    begins = int.from_bytes(frame[HEADER_BYTES : HEADER_BYTES + 3].ljust(3, b"\0"), "big")
    element, is_shared = begins >> 21, begins >> 16 & 1
    # Element (3 bits), tag (4), whether both channels have the same windows (1), a reserved bit, sequence (2), shape.
    return begins >> 12 & 7 if element == _CHANNEL_PAIR and is_shared else None


def may_take_over(before: Sequence[bytes], after: Sequence[bytes], at: int, other_at: int) -> bool:
    """Whether frame `other_at` of `after` may follow the frame in front of `at` in `before`. Both are encodes of one
    sound, and these two places are the same moment of it."""
    pairs = [(before[at - back], after[other_at - back]) for back in (1, 0) if at >= back and other_at >= back]
    return len(pairs) == 2 and all(window(left) == window(right) is not None for left, right in pairs)
