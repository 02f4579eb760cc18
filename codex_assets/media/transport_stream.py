"""The packets of an MPEG transport stream that carry its picture (ISO/IEC 13818-1), taken apart and put together anew.

In: what ffmpeg writes, which is one programme with one H.264 stream on a fixed PID. Out: what is inside a picture's
bytes (`captions.py`), and reading streams for the judge, who has a parser of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PACKET = 188
CLOCK = 90_000
PICTURE_PID = 0x100
"""What ffmpeg gives its first stream, which is the picture where there is one."""
_WRAP = 1 << 33
_LEAST_FLAGS = 1
_PCR_BYTES = 6
_START_CODE = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)


@dataclass(frozen=True)
class StoredPicture:
    """One picture: the offsets of its packets in the stream, its bytes with the PES header, and when it is shown."""

    packets: tuple[int, ...]
    payload: bytes
    pts: int
    """Ticks of `CLOCK`; negative before 0."""

    @property
    def data(self) -> bytes:
        """The picture's NAL units, each behind a start code."""
        return self.payload[9 + self.payload[8] :]


def pictures(stream: bytes) -> Iterator[StoredPicture]:
    """The pictures of a stream as they are stored. Raises `ValueError` for what is no transport stream."""
    if len(stream) % PACKET:
        raise ValueError("the transport stream has half a packet")
    offsets: list[int] = []
    payload = bytearray()
    for at in range(0, len(stream), PACKET):
        if stream[at] != 0x47:
            raise ValueError("the transport stream has something else than packets")
        if (stream[at + 1] & 0x1F) << 8 | stream[at + 2] != PICTURE_PID or not stream[at + 3] & 0x10:
            continue
        if stream[at + 1] & 0x40:
            if offsets:
                yield _picture(offsets, payload)
            offsets, payload = [], bytearray()
        offsets.append(at)
        payload += stream[at + _payload_start(stream, at) : at + PACKET]
    if offsets:
        yield _picture(offsets, payload)


def _payload_start(stream: bytes, at: int) -> int:
    return 5 + stream[at + 4] if stream[at + 3] & 0x20 else 4


def _picture(offsets: list[int], payload: bytearray) -> StoredPicture:
    if payload[:3] != b"\x00\x00\x01" or not payload[7] & 0x80:
        raise ValueError("a picture of the transport stream has no time")
    stamp = payload[9:14]
    pts = (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | stamp[2] >> 1 << 15 | stamp[3] << 7 | stamp[4] >> 1
    return StoredPicture(tuple(offsets), bytes(payload), pts - _WRAP if pts > _WRAP // 2 else pts)


def whole_pictures(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A long stream in pieces that each hold whole pictures. `parts`: the same bytes, cut anywhere."""
    kept = b""
    for part in parts:
        kept += part
        last = next((at for at in range(len(kept) // PACKET * PACKET - PACKET, 0, -PACKET) if _begins(kept, at)), 0)
        if last:
            yield kept[:last]
            kept = kept[last:]
    if kept:
        yield kept


def _begins(stream: bytes, at: int) -> bool:
    """Whether the packet at `at` is a picture's first."""
    return stream[at + 1] & 0x5F == 0x40 | PICTURE_PID >> 8 and stream[at + 2] == PICTURE_PID & 0xFF


def units(data: bytes) -> Iterator[bytes]:
    """The NAL units of a picture."""
    starts = list(_START_CODE.finditer(data))
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(data)
        yield data[match.end() - 1 : end].rstrip(b"\x00")


def before_slices(data: bytes) -> int:
    """Where the first slice of a picture starts, with all zeros of its start code; raises `ValueError` without one."""
    for match in _START_CODE.finditer(data):
        if match.group(1)[0] & 0x1F in range(1, 6):
            at = match.start()
            return at - 1 if at and data[at - 1] == 0 else at
    raise ValueError("a picture of the transport stream has no slice")


class Rewriter:
    """Writes streams again with other bytes in some of their pictures; the counter of packets runs on between streams,
    as it does in the segments of a playlist."""

    def __init__(self) -> None:
        self._counter: int | None = None

    def rewritten(self, stream: bytes, payloads: dict[int, bytes]) -> bytes:
        """`stream` with these payloads in the place of some pictures', by the offset of a picture's first packet."""
        replaced: dict[int, bytes] = {}
        for picture in pictures(stream):
            replaced |= self._packets(stream, picture, payloads.get(picture.packets[0], picture.payload))
        written = bytearray()
        for at in range(0, len(stream), PACKET):
            written += replaced.get(at) or stream[at : at + PACKET]
        return bytes(written)

    def _packets(self, stream: bytes, picture: StoredPicture, payload: bytes) -> dict[int, bytes]:
        """The packets of one picture by the offset of the one that they replace: what is more follows the last."""
        packets: dict[int, bytes] = {}
        payload = _with_length(payload)
        done = 0
        for at in picture.packets[:-1]:
            start = _payload_start(stream, at)
            size = PACKET - start
            packets[at] = self._numbered(stream[at : at + start] + payload[done : done + size])
            done += size
        last = picture.packets[-1]
        packets[last] = b"".join(self._rest(stream[last : last + PACKET], payload[done:]))
        return packets

    def _rest(self, packet: bytes, rest: bytes) -> Iterator[bytes]:
        """The last packet of a picture, and as many more as `rest` needs; the adaptation field of the last one says
        what it said, and stuffs the final packet."""
        field = _unstuffed_field(packet)
        head = packet[:3] + bytes([packet[3] & 0xDF | (0x20 if field else 0)]) + field
        while True:
            room = PACKET - len(head)
            if len(rest) < room:
                yield self._numbered(_stuffed(head, rest))
                return
            yield self._numbered(head + rest[:room])
            rest = rest[room:]
            if not rest:
                return
            head = bytes([0x47, packet[1] & 0x1F, packet[2], 0x10])

    def _numbered(self, packet: bytes) -> bytes:
        if self._counter is None:
            self._counter = packet[3] & 0x0F
        else:
            self._counter = (self._counter + 1) & 0x0F
        return packet[:3] + bytes([packet[3] & 0xF0 | self._counter]) + packet[4:]


def _unstuffed_field(packet: bytes) -> bytes:
    """The adaptation field of a packet without its stuffing; empty without one that says anything."""
    if not packet[3] & 0x20 or not packet[4]:
        return b""
    flags = packet[5]
    size = _LEAST_FLAGS + _PCR_BYTES * bool(flags & 0x10) + _PCR_BYTES * bool(flags & 0x08)
    if not flags:
        return b""
    if flags & 0x07:
        raise ValueError("an adaptation field of the transport stream has fields that are not ffmpeg's")
    return bytes([size]) + packet[5 : 5 + size]


def _stuffed(head: bytes, rest: bytes) -> bytes:
    """A whole packet of `head` and `rest`, which is shorter than the room that there is."""
    missing = PACKET - len(head) - len(rest)
    if head[3] & 0x20:
        field = head[4:]
        field = bytes([field[0] + missing]) + field[1:] + b"\xff" * missing
    elif missing == 1:
        field = b"\x00"
    else:
        field = bytes([missing - 1, 0]) + b"\xff" * (missing - 2)
    return head[:3] + bytes([head[3] | 0x20]) + field + rest


def _with_length(payload: bytes) -> bytes:
    """A PES packet whose length is true again, where it states one (0: it does not)."""
    if payload[4:6] == b"\x00\x00":
        return payload
    size = len(payload) - 6
    return payload[:4] + (size.to_bytes(2, "big") if size <= 0xFFFF else b"\x00\x00") + payload[6:]
