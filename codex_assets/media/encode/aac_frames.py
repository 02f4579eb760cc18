"""The frames of an AAC stream in ADTS, and where a frame of another encode of the same sound may take over. Pure.

Half of what a frame says is heard together with half of the next one, each through a window; both halves have to be of
windows that fit (ISO/IEC 14496-3, 4.6.11). So an encode takes over between two frames that both encodes gave the same
windows.
"""

from __future__ import annotations

from array import array
from mmap import mmap

HEADER_BYTES = 7
"""Of ADTS without a checksum, as ffmpeg writes it."""
_CHANNEL_PAIR = 1


class Frames:
    """The frames of an ADTS stream, each with its header. `stream` may be a file that is mapped: what is kept is where
    each frame begins. Raises `ValueError` where there is none."""

    def __init__(self, stream: bytes | mmap) -> None:
        self._stream = memoryview(stream)
        self._begins = array("Q")
        at, size = 0, len(self._stream)
        while at < size:
            self._begins.append(at)
            at += _frame_bytes(self._stream[at : at + HEADER_BYTES], size - at)
        self._begins.append(at)

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __getitem__(self, number: int) -> bytes:
        return bytes(self.part(number, number + 1))

    def part(self, begin: int, end: int) -> memoryview:
        """The frames from `begin` up to `end`, as they lie in the stream."""
        return self._stream[self._begins[begin] : self._begins[end]]


def _frame_bytes(header: memoryview, left: int) -> int:
    is_header = len(header) == HEADER_BYTES and header[0] == 0xFF and header[1] & 0xF0 == 0xF0
    size = ((header[3] & 3) << 11) | (header[4] << 3) | (header[5] >> 5) if is_header else 0
    if not HEADER_BYTES < size <= left:
        raise ValueError("not a stream of ADTS frames")
    return size


def window(frame: bytes) -> int | None:
    """The windows of a stereo frame, as a number: sequence and shape. None where its channels differ in them, or where
    it begins with anything but a pair of channels."""
    begins = int.from_bytes(frame[HEADER_BYTES : HEADER_BYTES + 3].ljust(3, b"\0"), "big")
    element, is_shared = begins >> 21, begins >> 16 & 1
    # Element (3 bits), tag (4), whether both channels have the same windows (1), a reserved bit, sequence (2), shape.
    return begins >> 12 & 7 if element == _CHANNEL_PAIR and is_shared else None


def may_take_over(before: Frames, after: Frames, at: int, other_at: int) -> bool:
    """Whether frame `other_at` of `after` may follow the frame in front of `at` in `before`. Both are encodes of one
    sound, and these two places are the same moment of it."""
    pairs = [(before[at - back], after[other_at - back]) for back in (1, 0) if at >= back and other_at >= back]
    return len(pairs) == 2 and all(window(left) == window(right) is not None for left, right in pairs)
