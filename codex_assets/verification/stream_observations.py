"""What was seen of one MPEG-TS segment's headers: packets, tables, PES packets, H.264 units, AAC frames.

In: frozen fields that `observe/packet_headers.py` fills in one pass over a segment's bytes. Out: what they should be
(`rules/transport_stream.py`), and what else is observed of a segment (`observations.py`).

Times are seconds on the stream's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PICTURE, SOUND = "picture", "sound"


class StreamFault(StrEnum):
    """What contradicts the form that ISO/IEC 13818-1, ITU-T H.264 or ISO/IEC 13818-7 gives to a stream."""

    DAMAGED = "damaged"
    """transport_error_indicator."""
    SCRAMBLED = "scrambled"
    ADAPTATION = "adaptation"
    """An adaptation field that does not fit its packet, or a packet with neither field nor payload."""
    LOST = "lost"
    REPEATED = "repeated"
    DISORDERED = "disordered"
    UNCOUNTED = "uncounted"
    """Packets whose counters say nothing: so many break that no loss explains it."""
    DISCONTINUITY = "discontinuity"
    """discontinuity_indicator: what comes before and after does not belong together."""
    PRIVATE = "private"
    """Bytes that no receiver needs: private data, stuffing that is none, text, user data of an unknown kind."""
    MARKED = "marked"
    """Packets that go before others, or say that they are copyrighted."""
    CHECKSUM = "checksum"
    SECTION = "section"
    """A table that is cut, not current, numbered wrongly, or that contradicts itself."""
    TABLE_CHANGES = "table changes"
    PES_HEADER = "PES header"
    PES_SHORT = "PES short"
    PES_LONG = "PES long"
    PES_WITHOUT_TIME = "PES without time"
    PES_UNTIMED = "PES untimed"
    """Another PES packet than the first without a time: allowed for up to 0.7 s (2.7.4), and not what ours are like."""
    UNMARKED = "unmarked"
    """An IDR picture whose packet is not marked as one where a player can start, or another that is."""
    PES_BACKWARDS = "PES backwards"
    """Decoding times that do not rise."""
    PRESENTED_EARLY = "presented early"
    """PTS before DTS."""
    STARTS_INSIDE = "starts inside"
    """The segment begins with the rest of a PES packet."""
    PARAMETERS_ABSENT = "parameters absent"
    """An IDR picture without SPS and PPS before it."""
    UNITS = "units"
    """Access units without delimiter, without slice or first slice, or with what cannot be in one."""
    SOUND_FRAME = "sound frame"
    """An ADTS header that is none, or a frame that is cut."""
    SOUND_CHANGES = "sound changes"
    SOUND_MARKED = "sound marked"
    """An ADTS header with bits that no player reads: private, copied, copyrighted."""
    RECOVERY_UNTRUE = "recovery untrue"
    """A picture that says that decoding can start at it, exactly, and is made of others."""
    KIND_UNTRUE = "kind untrue"
    """An access unit delimiter that names kinds of slices, and another follows."""


@dataclass(frozen=True, slots=True)
class FaultSeen:
    """`count` faults of one kind in one track (`subject`: "picture", "sound", "tables", a PID), the first of them at
    `seconds`; None where no time is known."""

    kind: StreamFault
    subject: str
    count: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One stream that a PMT names."""

    pid: int
    stream_type: int
    descriptors: bytes = b""


@dataclass(frozen=True)
class TablesSeen:
    """`programmes`: how many a PAT names. `pcr_pid`, `streams`: those of the first programme's PMT."""

    programmes: int
    pmt_pid: int | None
    pcr_pid: int | None
    streams: tuple[StreamEntry, ...] = ()
    descriptors: bytes = b""
    """Those of the programme."""
    names: tuple[str, ...] = ()
    """Provider and service, as an SDT has them."""
    pat: bytes = b""
    pmt: bytes = b""
    """Their sections."""
    has_network: bool = False
    """The PAT names a network's table, too."""
    service_faults: tuple[str, ...] = ()
    """What an SDT says of its service that is not so, in words."""


@dataclass(frozen=True, slots=True)
class PidSeen:
    """The packets of one PID: how many, the counter that the packet before the first has to have and that of the last,
    when the first comes."""

    pid: int
    packets: int
    counter_before: int
    last_counter: int
    seconds: float | None = None


@dataclass(frozen=True)
class ClockSeen:
    """The PCRs of a segment: how many, the longest and the shortest time between two of them, and by how much decoding
    times are later, at least and at most."""

    count: int
    longest_step: float
    shortest_step: float
    seconds: float | None
    """When the longest step begins."""
    least_lead: float | None
    most_lead: float | None
    units_between: float
    """Seconds between two PES packets of its PID, typically: it can come no more often than these."""
    lead_spread: float = 0.0
    """Seconds by which the lead of nine of ten decoding times that come with a PCR differs within the segment."""


@dataclass(frozen=True)
class TrackTimes:
    """Decoding times of one track in one segment."""

    units: int
    first: float
    last: float
    typical_step: float
    largest_step: float
    smallest_step: float
    largest_at: float | None
    most_reordered: float
    """The longest time between decoding and presenting."""
    reordered: int = 0
    """The most units that are decoded before one that is presented before them."""


@dataclass(frozen=True)
class PictureParameters:
    """What an SPS says. None for what it leaves out: `full_range` and what follows it are in its VUI."""

    profile: int
    constraints: int
    level: int
    width: int
    height: int
    is_progressive: bool
    sample_aspect: tuple[int, int] | None = None
    full_range: bool | None = None
    primaries: int | None = None
    transfer: int | None = None
    matrix: int | None = None
    rate: float | None = None
    """Pictures a second, of which the VUI's clock speaks."""
    is_fixed_rate: bool | None = None
    references: int = 0
    """Pictures that others may be made of at a time, at most."""
    reordered: int | None = None
    """Pictures that may be decoded before one that is shown before them, at most."""
    buffered: int | None = None
    """Pictures that a decoder has to keep at a time, at most."""
    overscan: bool | None = None
    """Whether the edges of the picture may be cut off."""
    gaps_allowed: bool = False
    """Whether numbers of frames may be missing (7.4.2.1.1)."""
    motion_bits: int | None = None
    """log2 of the quarter samples that motion vectors are shorter than, in the direction of less."""
    most_unit_bytes: float | None = None
    """Bytes that a frame may have at most; None for no limit of its own."""
    buffer_rate: int | None = None
    """Bits a second that a decoder's buffer is filled with (E.2.2)."""
    buffer_bits: int | None = None


@dataclass(frozen=True)
class PictureUnits:
    """H.264 in one segment: access units, distinct SPS and PPS, kinds of SEI messages that are no user data."""

    units: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    parameters: PictureParameters | None
    """Those of the first SPS."""
    starts_with_idr: bool | None
    message_types: tuple[int, ...] = ()
    largest_unit: int = 0
    """Bytes of the largest access unit."""
    tools: frozenset[str] = frozenset()
    """What only some profiles have, and its PPS and slices use: "CABAC", "B slices", "8x8 transforms"."""


@dataclass(frozen=True)
class SoundFrames:
    """AAC in one segment: its ADTS frames, and what the first of them says."""

    frames: int
    object_type: int
    sample_rate: int | None
    channels: int


@dataclass(frozen=True)
class SegmentStream:
    """One segment's headers. `rest`: bytes after the last whole packet; `unsynchronised`: packets without a sync
    byte, the first of them at `unsynchronised_at` seconds."""

    packets: int
    rest: int
    unsynchronised: int
    unsynchronised_at: float | None
    tables_first: bool
    tables: TablesSeen | None
    pids: tuple[PidSeen, ...] = ()
    faults: tuple[FaultSeen, ...] = ()
    clock: ClockSeen | None = None
    picture_times: TrackTimes | None = None
    sound_times: TrackTimes | None = None
    picture: PictureUnits | None = None
    sound: SoundFrames | None = None

    @property
    def is_synchronised(self) -> bool:
        """Whether it is whole packets from its first byte to its last."""
        return not self.rest and not self.unsynchronised

    def faults_of(self, *kinds: StreamFault) -> list[FaultSeen]:
        """Its faults of these kinds."""
        return [fault for fault in self.faults if fault.kind in kinds]
