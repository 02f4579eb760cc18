"""Reads how coarsely a lossy WebP is coded: the quantiser index in the header of its VP8 frame (RFC 6386, 9.6)."""

from __future__ import annotations

SIZED = 10
"""Bytes in front of what is coded: the frame's tag, its start code, its size."""
START = b"\x9d\x01\x2a"
SEGMENTS = 4
LARGEST_INDEX = 127


class _BoolDecoder:
    """The decoder of single bits (RFC 6386, 7.3), with even odds: a header has no others."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 2
        self._value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        self._range, self._shifted = 255, 0

    def _flag(self) -> int:
        split = 1 + (self._range - 1 >> 1)
        bit = int(self._value >= split << 8)
        if bit:
            self._range -= split
            self._value -= split << 8
        else:
            self._range = split
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shifted += 1
            if self._shifted == 8:
                self._shifted = 0
                self._value |= self._data[self._at] if self._at < len(self._data) else 0
                self._at += 1
        return bit

    def take(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self._flag()
        return value

    def signed(self, bits: int) -> int:
        """A number with its sign behind it, if its flag says that there is one; else zero."""
        if not self.take(1):
            return 0
        number = self.take(bits)
        return -number if self.take(1) else number


def quantiser_index(frame: bytes) -> float | None:
    """The mean quantiser index of a VP8 key frame's segments, 0 (finest) to 127; None of another frame."""
    if len(frame) < SIZED or frame[0] & 1 or frame[3:6] != START:
        return None
    bits = _BoolDecoder(frame[SIZED:])
    bits.take(2)
    is_absolute, changes = False, [0]
    if bits.take(1):
        has_map, has_features = bits.take(1), bits.take(1)
        if has_features:
            is_absolute = bits.take(1) == 1
            changes = [bits.signed(7) for _ in range(SEGMENTS)]
            for _ in range(SEGMENTS):
                bits.signed(6)
        if has_map:
            for _ in range(SEGMENTS - 1):
                if bits.take(1):
                    bits.take(8)
    bits.take(10)
    if bits.take(1) and bits.take(1):
        for _ in range(8):
            bits.signed(6)
    bits.take(2)
    base = bits.take(7)
    indices = [change if is_absolute else base + change for change in changes]
    return sum(min(LARGEST_INDEX, max(0, index)) for index in indices) / len(indices)


def frame_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height of a VP8 key frame; None of another frame."""
    if len(frame) < SIZED or frame[0] & 1 or frame[3:6] != START:
        return None
    return int.from_bytes(frame[6:8], "little") & 0x3FFF, int.from_bytes(frame[8:10], "little") & 0x3FFF
