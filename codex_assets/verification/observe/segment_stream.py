"""Reads one segment's headers in one pass: packets, tables, PES packets, H.264 units, AAC frames.

Cheap enough for every segment: a percent of what encoding it takes. In: putting together what the parts say, in time.
Out: reading the parts (`packet_headers.py`, `program_tables.py`, `pes_packets.py`, `h264_stream.py`, `adts_frames.py`).
"""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from codex_assets.verification.observe import adts_frames, h264_stream
from codex_assets.verification.observe.packet_headers import (
    CLOCK_HZ,
    NULL_PID,
    SYNC,
    TS_PACKET,
    Packets,
    clock_step,
    counter_breaks,
    read_packets,
)
from codex_assets.verification.observe.pes_packets import PesRead, read_pes, times_of
from codex_assets.verification.observe.program_tables import PAT_PID, SDT_PID, read_tables
from codex_assets.verification.stream_observations import (
    PICTURE,
    SOUND,
    ClockSeen,
    FaultSeen,
    PidSeen,
    SegmentStream,
    StreamFault,
    TablesSeen,
)

LARGEST_BYTES = 128 << 20
"""Of a segment, read at most. Ours have some 4 MB."""
H264_TYPE, ADTS_TYPE = 0x1B, 0x0F
PICTURE_TYPES = (0x01, 0x02, 0x10, 0x1B, 0x24)
SOUND_TYPES = (0x03, 0x04, 0x0F, 0x11, 0x81, 0x87)


def read_segment(path: Path) -> SegmentStream | None:
    """The headers of a segment; None of one that is no transport stream."""
    with path.open("rb") as file:
        stream = read_stream(file.read(LARGEST_BYTES))
    if stream is None or path.stat().st_size <= LARGEST_BYTES:
        return stream
    # Of a part, the end is no fault.
    return replace(stream, rest=0, faults=())


def read_stream(data: bytes) -> SegmentStream | None:
    """The headers of a segment's bytes; see `read_segment`."""
    if data[:1] != bytes([SYNC]) and data[TS_PACKET : TS_PACKET + 1] != bytes([SYNC]):
        return None
    packets = read_packets(data)
    tables = read_tables(packets)
    reading = _Reading(packets, tables.seen)
    for kind, subject, row in tables.faults:
        reading.add(kind, subject, row)
    reading.add_packet_faults()
    reading.read_tracks()
    times = {name: times_of(pes.packets) for name, pes in reading.tracks.items()}
    unsynchronised = packets.total - len(packets.rows)
    return SegmentStream(
        packets=packets.total,
        rest=packets.rest,
        unsynchronised=unsynchronised,
        unsynchronised_at=reading.seconds_at_number(packets.first_unsynchronised),
        tables_first=_tables_first(packets, tables.seen),
        tables=tables.seen,
        pids=reading.pids(),
        faults=reading.faults(),
        clock=reading.clock(),
        picture_times=times.get(PICTURE),
        sound_times=times.get(SOUND),
        picture=reading.picture.seen if reading.picture is not None else None,
        sound=reading.sound.seen if reading.sound is not None else None,
    )


def _tables_first(packets: Packets, tables: TablesSeen | None) -> bool:
    """Whether PAT and PMT come before anything else that is played."""
    if tables is None or tables.pmt_pid is None:
        return False
    others = ~np.isin(packets.pids, [PAT_PID, SDT_PID, NULL_PID, tables.pmt_pid])
    first = np.flatnonzero(others)
    until = int(first[0]) if len(first) else len(packets.pids)
    before = packets.pids[:until][packets.begins[:until]].tolist()
    return PAT_PID in before and tables.pmt_pid in before[before.index(PAT_PID) :]


@dataclass
class _Reading:
    """One segment while it is read: what was found so far, and when packets come."""

    packets: Packets
    tables: TablesSeen | None
    tracks: dict[str, PesRead] = field(default_factory=dict)
    """PES packets of the first picture and the first sound."""
    picture: h264_stream.UnitsRead | None = None
    sound: adts_frames.FramesRead | None = None
    _faults: dict[tuple[StreamFault, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    """Rows of each kind and subject; several faults in one row count each."""
    _names: dict[int, str] = field(default_factory=dict)
    _times: list[tuple[int, float]] = field(default_factory=list)
    """(row, seconds) of every PES packet that has a time, by row."""

    @property
    def _named(self) -> set[int]:
        return {entry.pid for entry in self.tables.streams} if self.tables is not None else set()

    def __post_init__(self) -> None:
        self._names = {PAT_PID: "PAT", SDT_PID: "service description"}
        for entry in self.tables.streams if self.tables is not None else ():
            kind = PICTURE if entry.stream_type in PICTURE_TYPES else SOUND if entry.stream_type in SOUND_TYPES else ""
            if kind and kind not in self._names.values():
                self._names[entry.pid] = kind
        if self.tables is not None and self.tables.pmt_pid is not None:
            self._names[self.tables.pmt_pid] = "PMT"

    def name(self, pid: int) -> str:
        """How a message calls what this PID carries."""
        return self._names.get(pid, f"PID 0x{pid:x}")

    def add(self, kind: StreamFault, subject: str, row: int, count: int = 1) -> None:
        """One more fault, seen at this row."""
        self._faults[kind, subject] += [row] * count

    def add_packet_faults(self) -> None:
        """Faults of single packets, and counters that do not run on, where the tables name what is counted."""
        for kind, has_fault in self.packets.faults:
            for row in np.flatnonzero(has_fault).tolist():
                self.add(kind, self.name(int(self.packets.pids[row])), row)
        for pid in np.unique(self.packets.pids).tolist():
            if pid in self._names or pid in self._named:
                for jump in counter_breaks(self.packets, self.packets.of(pid)):
                    self.add(jump.kind, self.name(pid), jump.row, jump.count)

    def read_tracks(self) -> None:
        """PES packets of every stream that the PMT names, and H.264 and AAC in them."""
        for entry in self.tables.streams if self.tables is not None else ():
            subject = self.name(entry.pid)
            pes = read_pes(self.packets, entry.pid, entry.stream_type)
            for kind, row in pes.faults:
                self.add(kind, subject, row)
            self._times += [(p.row, p.dts / CLOCK_HZ) for p in pes.packets if p.dts is not None]
            if subject not in (PICTURE, SOUND):
                continue
            self.tracks[subject] = pes
            if entry.stream_type == H264_TYPE:
                self.picture = h264_stream.read_units(pes.stream)
                self._add_stream_faults(subject, pes, self.picture.faults)
                self._add_units_apart(pes, self.picture.starts)
                self._add_unmarked(pes, self.picture.key_starts)
            elif entry.stream_type == ADTS_TYPE:
                self.sound = adts_frames.read_frames(pes.stream)
                self._add_stream_faults(subject, pes, self.sound.faults)
        self._times.sort()

    def _add_stream_faults(self, subject: str, pes: PesRead, faults: list[tuple[StreamFault, int]]) -> None:
        for kind, offset in faults:
            packet = pes.packet_at(offset)
            self.add(kind, subject, packet.row if packet is not None else 0)

    def _add_units_apart(self, pes: PesRead, starts: list[int]) -> None:
        """A PES packet with a time begins with an access unit, before which only zeros may stand."""
        begun = {packet.row for start in starts if (packet := pes.packet_at(start)) is not None}
        for packet in pes.packets:
            if packet.pts is not None and packet.row not in begun:
                self.add(StreamFault.UNITS, PICTURE, packet.row)

    def _add_unmarked(self, pes: PesRead, key_starts: list[int]) -> None:
        """PES packets with an IDR picture are marked as those where a decoder can start (2.4.3.5), and no others."""
        keys = {packet.row for start in key_starts if (packet := pes.packet_at(start)) is not None}
        for packet in pes.packets:
            if bool(self.packets.is_random_access[packet.row]) is not (packet.row in keys):
                self.add(StreamFault.UNMARKED, PICTURE, packet.row)

    def seconds_at(self, row: int, subject: str = "") -> float | None:
        """The decoding time of what is sent at this row: of the track if it is one, else of any."""
        pes = self.tracks.get(subject)
        times = [(p.row, p.dts / CLOCK_HZ) for p in pes.packets if p.dts is not None] if pes else self._times
        index = bisect_right(times, (row, float("inf"))) - 1
        return times[max(0, index)][1] if times else None

    def seconds_at_number(self, number: int | None) -> float | None:
        """The same of a packet by its place in the file, which may have lost its sync byte; None of None."""
        if number is None:
            return None
        return self.seconds_at(int(np.searchsorted(self.packets.numbers, number)) - 1)

    def faults(self) -> tuple[FaultSeen, ...]:
        """All faults, each kind of a subject as one."""
        return tuple(
            FaultSeen(kind, subject, len(rows), self.seconds_at(min(rows), subject))
            for (kind, subject), rows in self._faults.items()
        )

    def pids(self) -> tuple[PidSeen, ...]:
        """Every PID there is."""
        seen = []
        for pid in np.unique(self.packets.pids).tolist():
            rows = self.packets.of(pid)
            first, last = int(rows[0]), int(rows[-1])
            counters = self.packets.counters
            seen.append(
                PidSeen(
                    pid,
                    len(rows),
                    # A packet without payload repeats the counter (2.4.3.3).
                    int(counters[first]) - int(self.packets.has_payload[first]) & 0x0F,
                    int(counters[last]),
                    self.seconds_at(first),
                )
            )
        return tuple(seen)

    def clock(self) -> ClockSeen | None:
        """The PCRs of the programme; None without any."""
        if self.tables is None or self.tables.pcr_pid is None:
            return None
        rows = self.packets.of(self.tables.pcr_pid)
        rows = rows[self.packets.clocks[rows] >= 0]
        return None if not len(rows) else self._clock_of(rows.tolist())

    def _clock_of(self, rows: list[int]) -> ClockSeen:
        clocks = [int(self.packets.clocks[row]) for row in rows]
        steps = [clock_step(a, b) for a, b in pairwise(clocks)]
        longest = max(range(len(steps)), key=steps.__getitem__) if steps else 0
        leads = []
        for row, seconds in self._times:
            # What comes before the first of them waits for it.
            index = max(0, bisect_right(rows, row) - 1)
            leads.append(clock_step(clocks[index], seconds * CLOCK_HZ))
        own = [seconds for row, seconds in self._times if self.packets.pids[row] == self.packets.pids[rows[0]]]
        between = [abs(b - a) for a, b in pairwise(own)]
        clock_at = dict(zip(rows, clocks, strict=True))
        with_clock = sorted(clock_step(clock_at[row], s * CLOCK_HZ) for row, s in self._times if row in clock_at)
        # A single decoding time that is wrong is no fault of the clock.
        usual = with_clock[len(with_clock) // 20 : len(with_clock) - len(with_clock) // 20]
        return ClockSeen(
            count=len(clocks),
            longest_step=steps[longest] if steps else 0.0,
            shortest_step=min(steps, default=0.0),
            seconds=self.seconds_at(rows[longest]),
            least_lead=min(leads, default=None),
            most_lead=max(leads, default=None),
            units_between=statistics.median(between) if between else 0.0,
            lead_spread=usual[-1] - usual[0] if usual else 0.0,
        )
