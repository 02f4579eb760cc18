"""Reads the PES packets of one stream (ISO/IEC 13818-1 2.4.3.6): their headers, their time stamps, what they carry.

In: headers, and the bytes behind them put together again. Out: packets of 188 bytes (`packet_headers.py`), and the
streams inside (`h264_stream.py`, `adts_frames.py`).
"""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from codex_assets.verification.observe.packet_headers import CLOCK_HZ, Packets, clock_step
from codex_assets.verification.stream_observations import StreamFault, TrackTimes

VIDEO_IDS, AUDIO_IDS = range(0xE0, 0xF0), range(0xC0, 0xE0)
PRIVATE_STREAM_1 = 0xBD
STREAM_IDS: dict[int, Container[int]] = {
    **dict.fromkeys((0x01, 0x02, 0x10, 0x1B, 0x24), VIDEO_IDS),
    **dict.fromkeys((0x03, 0x04, 0x0F, 0x11), AUDIO_IDS),
}
"""By stream type (table 2-22); what is not here may have any."""
MARKED_CLOCK = 0x80
"""PTS_DTS_flags: a PTS."""
BOTH = 0x40
"""PTS_DTS_flags: a DTS behind it."""
LONGEST_UNTIMED_SECONDS = 0.7
"""Between two PTS of a stream (2.7.4)."""


@dataclass(frozen=True, slots=True)
class PesPacket:
    """One PES packet: the row of its first packet, where its data start in the stream, its times in 90 kHz."""

    row: int
    at: int
    size: int
    pts: int | None
    dts: int | None


@dataclass
class PesRead:
    """The PES packets of one PID and the elementary stream in them; faults with the row where each was seen."""

    packets: list[PesPacket] = field(default_factory=list)
    stream: bytes = b""
    faults: list[tuple[StreamFault, int]] = field(default_factory=list)

    def packet_at(self, offset: int) -> PesPacket | None:
        """The PES packet that holds this byte of the stream."""
        index = bisect_right(self.packets, offset, key=lambda packet: packet.at) - 1
        return self.packets[index] if index >= 0 else None


def read_pes(packets: Packets, pid: int, stream_type: int) -> PesRead:
    """The PES packets of `pid`, which carry a stream of this type."""
    chosen = packets.of(pid)
    chosen = chosen[packets.payload_at[chosen] < packets.rows.shape[1]]
    read = PesRead()
    if not len(chosen):
        return read
    payload, offsets = packets.payload(chosen)
    begins = packets.begins[chosen]
    rows, starts = chosen[begins].tolist(), offsets[begins].tolist()
    if not begins[0]:
        read.faults.append((StreamFault.STARTS_INSIDE, int(chosen[0])))
    pieces, at = [], 0
    for row, start, end in zip(rows, starts, [*starts[1:], len(payload)], strict=True):
        header = payload[start : start + 9]
        if len(header) < 9 or header[:3] != b"\x00\x00\x01" or header[6] & 0xC0 != 0x80:
            read.faults.append((StreamFault.PES_HEADER, row))
            continue
        data_at = start + 9 + header[8]
        data = payload[data_at:end]
        read.faults += [(fault, row) for fault in _header_faults(payload[start:data_at], end - start, stream_type)]
        pts, dts = _times(payload[start + 9 : data_at], header[7])
        read.packets.append(PesPacket(row, at, len(data), pts, dts))
        pieces.append(data)
        at += len(data)
    read.stream = b"".join(pieces)
    read.faults += _time_faults(read.packets)
    return read


def _header_faults(header: bytes, size: int, stream_type: int) -> list[StreamFault]:
    """Faults of one PES header, of a packet of `size` bytes."""
    faults = []
    stream_id, length, flags = header[3], header[4] << 8 | header[5], header[7]
    if header[6] & 0x30:
        faults.append(StreamFault.SCRAMBLED)
    if header[6] & 0x0B:
        faults.append(StreamFault.MARKED)
    # Only a picture may leave its length out.
    is_known = stream_id in (*VIDEO_IDS, *AUDIO_IDS, PRIVATE_STREAM_1)
    if stream_id not in STREAM_IDS.get(stream_type, (stream_id,)) or (
        is_known and not length and stream_id not in VIDEO_IDS
    ):
        faults.append(StreamFault.PES_HEADER)
    if length and size < 6 + length:
        faults.append(StreamFault.PES_SHORT)
    elif length and size > 6 + length:
        faults.append(StreamFault.PES_LONG)
    clocks = {0x80: 5, 0xC0: 10}.get(flags & 0xC0, 0)
    if len(header) < 9 + clocks or flags & 0xC0 == BOTH:
        faults.append(StreamFault.PES_HEADER)
    elif flags & 0x3F or header[9 + clocks :].strip(b"\xff"):
        faults.append(StreamFault.PRIVATE)
    if clocks and len(header) >= 9 + clocks and not _has_markers(header[9 : 9 + clocks]):
        faults.append(StreamFault.PES_HEADER)
    return faults


def _has_markers(clocks: bytes) -> bool:
    """Whether the bits that are always one are: time stamps that were written by chance lack them."""
    return all(clocks[at] & 1 and clocks[at + 2] & 1 and clocks[at + 4] & 1 for at in range(0, len(clocks), 5))


def _times(fields: bytes, flags: int) -> tuple[int | None, int | None]:
    """PTS and DTS; the DTS is the PTS where it is left out."""
    if not flags & MARKED_CLOCK or len(fields) < 5:
        return None, None
    pts = _clock(fields)
    return pts, _clock(fields[5:]) if flags & BOTH and len(fields) >= 10 else pts


def _clock(field_: bytes) -> int:
    high, middle, low = field_[0] >> 1 & 7, (field_[1] << 8 | field_[2]) >> 1, (field_[3] << 8 | field_[4]) >> 1
    return high << 30 | middle << 15 | low


def _time_faults(packets: Sequence[PesPacket]) -> list[tuple[StreamFault, int]]:
    faults = []
    before: int | None = None
    is_untimed = False
    for index, packet in enumerate(packets):
        if packet.pts is None or packet.dts is None:
            faults.append((StreamFault.PES_UNTIMED if index else StreamFault.PES_WITHOUT_TIME, packet.row))
            is_untimed = True
            continue
        if is_untimed and before is not None and clock_step(before, packet.dts) > LONGEST_UNTIMED_SECONDS:
            faults.append((StreamFault.PES_WITHOUT_TIME, packet.row))
        is_untimed = False
        if clock_step(packet.dts, packet.pts) < 0:
            faults.append((StreamFault.PRESENTED_EARLY, packet.row))
        if before is not None and clock_step(before, packet.dts) <= 0:
            faults.append((StreamFault.PES_BACKWARDS, packet.row))
        before = packet.dts
    return faults


def times_of(packets: Sequence[PesPacket]) -> TrackTimes | None:
    """Decoding times of a track; None where no packet has one."""
    timed = [packet for packet in packets if packet.dts is not None and packet.pts is not None]
    if not timed:
        return None
    clocks = [packet.dts or 0 for packet in timed]
    steps = [clock_step(a, b) for a, b in pairwise(clocks)]
    largest = max(range(len(steps)), key=steps.__getitem__) if steps else None
    return TrackTimes(
        units=len(packets),
        first=clocks[0] / CLOCK_HZ,
        last=clocks[-1] / CLOCK_HZ,
        typical_step=statistics.median(steps) if steps else 0.0,
        largest_step=steps[largest] if largest is not None else 0.0,
        smallest_step=min(steps, default=0.0),
        largest_at=clocks[largest] / CLOCK_HZ if largest is not None else None,
        most_reordered=max(clock_step(packet.dts or 0, packet.pts or 0) for packet in timed),
        reordered=_reordered([clock_step(clocks[0], packet.pts or 0) for packet in timed]),
    )


def _reordered(presented: Sequence[float]) -> int:
    """For the one that most precede: how many units are decoded before it and presented after it."""
    earlier: list[float] = []
    most = 0
    for seconds in presented:
        index = bisect_right(earlier, seconds)
        most = max(most, len(earlier) - index)
        earlier.insert(index, seconds)
    return most
