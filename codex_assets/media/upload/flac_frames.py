"""Whether a FLAC file ends with a whole frame, so that nothing of it was cut off.

In: the last bytes of a file. Out: what its header promises beside that (`headers.py`).

A FLAC says in its header how many samples it holds. Who cuts a part out of one without encoding it again (ffmpeg, and
the many apps made of it) leaves that number as it was. A transfer that breaks off ends within a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_FRAME_BYTES = 1 << 18
"""Bytes from the end in which the last frame is looked for: 65,535 samples of two channels, hardly smaller for it."""
MOST_HEADERS = 4
"""What may look like the header of the last frame, of so many: one in 256 of what begins like one is none."""
OLD_TAG_BYTES = 128
_SYNC = (b"\xff\xf8", b"\xff\xf9")
"""How a frame begins (RFC 9639, 9.1): of fixed and of variable size."""
_MOST_NUMBER_BYTES = 7


def ends_whole(tail: bytes) -> bool:
    """Whether the last frame of a FLAC file is complete, by its checksums. `tail`: the last bytes of the file."""
    data = tail[-LONGEST_FRAME_BYTES:]
    if data[-OLD_TAG_BYTES:].startswith(b"TAG"):
        data = data[:-OLD_TAG_BYTES]
    if not any(data[-2:]):
        # Zeros leave a checksum as it is: what never arrived would be part of the frame.
        return False
    at, headers = len(data), 0
    while headers < MOST_HEADERS and (at := max(data.rfind(sync, 0, at) for sync in _SYNC)) >= 0:
        if _is_header(data[at : at + 16]):
            headers += 1
            if not _checksum(_CRC_16, 16, data[at:]):
                return True
    return False


def _is_header(head: bytes) -> bool:
    """Whether a frame's header begins there (RFC 9639, 9.1.8: its last byte is a checksum over the others)."""
    if len(head) < 6 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return False
    # The number of the frame or sample, as UTF-8 codes a letter.
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if ones == 1 or ones > _MOST_NUMBER_BYTES:
        return False
    extra = {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    length = 4 + max(ones, 1) + extra + 1
    return len(head) >= length and not _checksum(_CRC_8, 8, head[:length])


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    """What each byte makes of a checksum of so many bits."""
    rests = []
    for byte in range(256):
        rest = byte << bits - 8
        for _ in range(8):
            rest = rest << 1 ^ (polynomial if rest >> bits - 1 else 0)
            rest &= (1 << bits) - 1
        rests.append(rest)
    return tuple(rests)


_CRC_8, _CRC_16 = _table(0x07, 8), _table(0x8005, 16)


def _checksum(table: Sequence[int], bits: int, data: bytes) -> int:
    """0 where the checksum at the end of `data` is right."""
    rest, most = 0, (1 << bits) - 1
    for byte in data:
        rest = rest << 8 & most ^ table[rest >> bits - 8 ^ byte]
    return rest
