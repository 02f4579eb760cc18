"""Reads the 4-byte headers and the adaptation fields of all packets of a transport stream (ISO/IEC 13818-1 2.4.3).

In: arithmetic over all packets at once; nothing here goes packet by packet. Out: what packets carry
(`program_tables.py`, `pes_packets.py`), and what it adds up to (`segment_stream.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codex_assets.verification.stream_observations import StreamFault

TS_PACKET = 188
SYNC = 0x47
NULL_PID = 0x1FFF
CLOCK_HZ = 90_000
CLOCK_WRAPS = 1 << 33
CLOCK_EXTENSION = 300

Array = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Packets:
    """The whole packets of a segment that have a sync byte, as columns: one row of each array is one packet.

    `numbers` are their places in the file; `payload_at` where their payload starts, 188 without any. `clocks` holds a
    PCR in 90 kHz, -1 where there is none.
    """

    rows: npt.NDArray[np.uint8]
    numbers: Array
    pids: Array
    counters: Array
    begins: Flags
    has_payload: Flags
    payload_at: Array
    is_discontinuous: Flags
    clocks: Array
    is_random_access: Flags
    """random_access_indicator: a decoder can start here."""
    faults: tuple[tuple[StreamFault, Flags], ...]
    """Kinds of faults that a header shows by itself, and which packets have them."""
    total: int
    """Packets of the file, with and without a sync byte."""
    rest: int
    first_unsynchronised: int | None

    def of(self, pid: int) -> npt.NDArray[np.intp]:
        """Rows of the packets of `pid`."""
        return np.flatnonzero(self.pids == pid)

    def payload(self, chosen: npt.NDArray[np.intp]) -> tuple[bytes, Array]:
        """The payloads of the `chosen` rows, one after the other, and where in these bytes each of them starts."""
        starts = self.payload_at[chosen]
        is_payload = np.arange(TS_PACKET)[np.newaxis, :] >= starts[:, np.newaxis]
        lengths = TS_PACKET - starts
        return self.rows[chosen][is_payload].tobytes(), np.cumsum(lengths) - lengths


def read_packets(data: bytes) -> Packets:
    """The packets of a segment."""
    total, rest = divmod(len(data), TS_PACKET)
    every = np.frombuffer(data, np.uint8, total * TS_PACKET).reshape(-1, TS_PACKET)
    is_packet = every[:, 0] == SYNC
    lost = np.flatnonzero(~is_packet)
    rows = every if not len(lost) else every[is_packet]
    head = rows[:, :6].astype(np.int64)
    control = head[:, 3] >> 4 & 3
    has_field, has_payload = (control & 2) > 0, (control & 1) > 0
    field_length = np.where(has_field, head[:, 4], -1)
    flags = np.where(field_length > 0, head[:, 5], 0)
    payload_at = np.minimum(np.where(has_payload, 5 + field_length, TS_PACKET), TS_PACKET)
    payload_at = np.where(has_payload & ~has_field, 4, payload_at)
    return Packets(
        rows=rows,
        numbers=np.flatnonzero(is_packet),
        pids=(head[:, 1] & 0x1F) << 8 | head[:, 2],
        counters=head[:, 3] & 0x0F,
        begins=(head[:, 1] & 0x40) > 0,
        has_payload=has_payload,
        payload_at=payload_at,
        is_discontinuous=(flags & 0x80) > 0,
        clocks=_clocks(rows, (flags & 0x10 > 0) & (field_length >= 7)),
        is_random_access=(flags & 0x40) > 0,
        faults=_faults(rows, head, field_length, flags),
        total=total,
        rest=rest,
        first_unsynchronised=int(lost[0]) if len(lost) else None,
    )


def _clocks(rows: npt.NDArray[np.uint8], has_clock: Flags) -> Array:
    clocks = np.full(len(rows), -1, np.int64)
    at = np.flatnonzero(has_clock)
    field = rows[at, 6:11].astype(np.int64)
    clocks[at] = field[:, 0] << 25 | field[:, 1] << 17 | field[:, 2] << 9 | field[:, 3] << 1 | field[:, 4] >> 7
    return clocks


def _faults(
    rows: npt.NDArray[np.uint8], head: Array, field_length: Array, flags: Array
) -> tuple[tuple[StreamFault, Flags], ...]:
    control = head[:, 3] >> 4 & 3
    is_null = ((head[:, 1] & 0x1F) << 8 | head[:, 2]) == NULL_PID
    has_payload = (control & 1) > 0
    # With a payload at least a byte is left for it; without, the field fills the packet (2.4.3.5).
    odd_length = np.where(has_payload, field_length > 182, field_length != 183) | (control == 0)
    # The last 9 bits of a PCR count to 300 (2.4.2.1).
    has_clock = (flags & 0x10 > 0) & (field_length >= 7)
    odd_length |= has_clock & (((rows[:, 10].astype(np.int64) & 1) << 8 | rows[:, 11]) >= CLOCK_EXTENSION)
    # A field holds its flags, and 6 bytes for a PCR, 6 for an OPCR, 1 for a countdown, 1 and more for private data.
    needed = 1 + 6 * (flags >> 4 & 1) + 6 * (flags >> 3 & 1) + (flags >> 2 & 1) + (flags >> 1 & 1) + (flags & 1)
    odd_length |= (flags > 0) & (field_length < needed)
    stuffed_from = np.where(field_length > 0, 5 + needed, TS_PACKET)
    at = np.flatnonzero((field_length > 0) & (flags & 3 == 0) & ~odd_length)
    columns = np.arange(TS_PACKET)[np.newaxis, :]
    is_stuffing = (columns >= stuffed_from[at, np.newaxis]) & (columns < 5 + field_length[at, np.newaxis])
    is_private = flags & 0x0F > 0
    is_private[at] |= ((rows[at] != 0xFF) & is_stuffing).any(axis=1)
    is_private |= is_null & ~((rows[:, 4:] == 0xFF) | (rows[:, 4:] == 0)).all(axis=1)
    return (
        (StreamFault.DAMAGED, (head[:, 1] & 0x80) > 0),
        (StreamFault.MARKED, ((head[:, 1] | flags) & 0x20) > 0),
        (StreamFault.SCRAMBLED, ((head[:, 3] & 0xC0) > 0) & ~is_null),
        (StreamFault.ADAPTATION, odd_length & ~is_null),
        (StreamFault.PRIVATE, is_private),
        (StreamFault.DISCONTINUITY, flags & 0x80 > 0),
    )


@dataclass(frozen=True)
class CounterBreak:
    """A packet whose counter does not follow that of the one before of its PID: `row`, and which fault that is."""

    kind: StreamFault
    row: int
    count: int


def counter_breaks(packets: Packets, chosen: npt.NDArray[np.intp]) -> Iterator[CounterBreak]:
    """Where the continuity counters of one PID, whose rows are `chosen`, do not run on (2.4.3.3).

    Packets that only changed places are one break: their counters come out even.
    """
    counters, has_payload = packets.counters[chosen], packets.has_payload[chosen]
    steps = (counters[1:] - counters[:-1] - has_payload[1:]) & 0x0F
    breaks = np.flatnonzero((steps != 0) & ~packets.is_discontinuous[chosen][1:])
    index = 0
    if len(breaks) > max(8, len(chosen) // 4):
        yield CounterBreak(StreamFault.UNCOUNTED, int(chosen[breaks[0] + 1]), len(breaks))
        return
    while index < len(breaks):
        # A packet in another's place breaks the order before it, after it, and where it is missing.
        near = [at for at in breaks[index : index + 4] if at - breaks[index] <= 4]
        size = next((n for n in (2, 3, 4) if n <= len(near) and int(steps[near[:n]].sum()) % 16 == 0), 0)
        at = int(breaks[index])
        row = int(chosen[at + 1])
        if steps[at] == 15 and _is_repeated(packets, int(chosen[at]), row):
            yield CounterBreak(StreamFault.REPEATED, row, 1)
            index += 1
        elif size:
            yield CounterBreak(StreamFault.DISORDERED, row, 1)
            index += size
        else:
            yield CounterBreak(StreamFault.LOST, row, int(steps[at]))
            index += 1


def _is_repeated(packets: Packets, first: int, second: int) -> bool:
    """Whether a packet is the one before again: only its PCR may be another (2.4.3.3)."""
    start = int(packets.payload_at[first])
    same_start = start == packets.payload_at[second]
    return bool(same_start and (packets.rows[first, start:] == packets.rows[second, start:]).all())


def clock_step(earlier: float, later: float) -> float:
    """Seconds from one time stamp of 33 bits to another, either way."""
    ticks = (later - earlier + CLOCK_WRAPS / 2) % CLOCK_WRAPS - CLOCK_WRAPS / 2
    return ticks / CLOCK_HZ
