"""Reads an H.264 byte stream: its access units, and what its parameter sets and messages say (ITU-T H.264 7.3, E.1).

In: units by their headers; slices are not decoded. Out: PES packets around them (`pes_packets.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from codex_assets.verification.stream_observations import PictureParameters, PictureUnits, StreamFault

SLICES, IDR = (1, 5), 5
SEI, SPS, PPS, DELIMITER = 6, 7, 8, 9
FILLER = 12
HEAD = 12
"""Bytes that hold a slice's place and kind."""
ENDS = (10, 11)
"""Of a sequence and of the stream: only an IDR picture may follow (7.4.1.2.1)."""
KNOWN_TYPES = frozenset((1, 5, 6, 7, 8, 9, 10, 11, 12))
"""Slices, IDR slices, SEI, SPS, PPS, delimiter, ends, filler: all that a stream of one layer has."""
HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128)
EXTENDED_SAR = 255
SAMPLE_ASPECTS = (
    *((0, 0), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
"""Table E-1."""
RAW_MACROBLOCK_BITS = 3072
"""Of 8 bits and 4:2:0 (7.4.2.1.1)."""
REGISTERED, UNREGISTERED = 4, 5
CABAC, B_SLICES, TRANSFORMS = "CABAC", "B slices", "8x8 transforms"
DELIMITED = ({2}, {0, 2}, {0, 1, 2}, {4}, {3, 4}, {2, 4}, {0, 2, 3, 4}, {0, 1, 2, 3, 4})
"""Kinds of slices, by primary_pic_type (table 7-5)."""
CAPTIONS = bytes.fromhex("b50031") + b"GA94\x03"
"""What closed captions begin with in user data of ATSC (A/53), which `captions.py` reads. What else there is of these
has televisions zoom, or draw bars."""
X264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
X264_TEXT = re.compile(
    rb"x264 - core \d+[\w .]{0,40} - H\.264/MPEG-4 AVC codec - Copy[a-z]+ 20\d\d-20\d\d - "
    rb"http://www\.videolan\.org/x264\.html - options:"
    rb"(?: [\w-]{1,24}=(?:0x[\da-f]+|[-+\d.,:x]|crf|abr|cbr|cqp|vbr|[12]pass|none|dia|hex|umh|t?esa|tff|bff|fake"
    rb"|infinite)*)* ?\0?"
)
"""Its own version and settings, numbers and words of its own, which name nobody."""
RECOVERY = 6


@dataclass
class UnitsRead:
    """What an H.264 stream is made of, and faults with the offset in the stream where each was seen."""

    seen: PictureUnits | None = None
    starts: list[int] = field(default_factory=list)
    """Offsets of access units."""
    key_starts: list[int] = field(default_factory=list)
    """Of those that are IDR pictures."""
    faults: list[tuple[StreamFault, int]] = field(default_factory=list)


@dataclass
class _Unit:
    """An access unit while it is read: types of its NAL units in order."""

    at: int
    types: list[int] = field(default_factory=list)
    starts_whole: bool = True
    delimiter: int | None = None
    """primary_pic_type."""
    kinds: set[int] = field(default_factory=set)
    """Of its slices: 0 for P, 1 for B, 2 for I."""

    @property
    def has_slice(self) -> bool:
        return any(kind in SLICES for kind in self.types)

    promises_start: bool = False
    """Says that decoding can start there, and is exact from there on."""

    def add(self, kind: int, head: bytes, *, is_first_slice: bool) -> None:
        """One more NAL unit, with the bytes behind its header."""
        if kind in SLICES:
            if not self.has_slice:
                self.starts_whole = is_first_slice
            self.kinds.add(_kind_of_slice(head))
        elif kind == DELIMITER and head:
            self.delimiter = head[0] >> 5
        self.types.append(kind)


def read_units(stream: bytes) -> UnitsRead:
    """Everything but the slices' contents of an H.264 byte stream."""
    read = UnitsRead()
    sps: dict[bytes, None] = {}
    pps: dict[bytes, None] = {}
    messages: dict[int, None] = {}
    units: list[_Unit] = []
    has_delimiters = re.search(rb"\x00\x00\x01[\x09\x29\x49\x69]", stream[:4096]) is not None
    for at, end in _nal_units(stream):
        header = stream[at]
        kind = header & 0x1F
        # first_mb_in_slice is zero: its code is a single bit.
        is_first_slice = kind in SLICES and at + 1 < end and stream[at + 1] & 0x80 > 0
        if not units or _begins(units[-1], kind, is_first_slice, has_delimiters):
            units.append(_Unit(at))
        unit = units[-1]
        unit.add(kind, stream[at + 1 : min(end, at + HEAD)], is_first_slice=is_first_slice)
        if kind == FILLER and stream[at + 1 : end].rstrip(b"\0").rstrip(b"\x80").strip(b"\xff"):
            read.faults.append((StreamFault.PRIVATE, at))
        if header & 0x80 or kind not in KNOWN_TYPES:
            read.faults.append((StreamFault.UNITS, at))
        elif kind == SPS:
            sps[stream[at:end].rstrip(b"\x00")] = None
        elif kind == PPS:
            pps[stream[at:end].rstrip(b"\x00")] = None
        elif kind == SEI:
            for message, is_private, payload in messages_of(stream[at + 1 : end]):
                messages[message] = None
                # A count of no frames is a single bit.
                unit.promises_start |= message == RECOVERY and payload[:1] >= b"\x80"
                if is_private:
                    read.faults.append((StreamFault.PRIVATE, at))
    read.starts = [unit.at for unit in units]
    read.key_starts = [unit.at for unit in units if IDR in unit.types]
    for unit in units:
        read.faults += _unit_faults(unit, has_delimiters)
    for unit, following in pairwise(units):
        if IDR not in following.types and any(kind in ENDS for kind in unit.types):
            read.faults.append((StreamFault.UNITS, unit.at))
    with_slices = next((unit for unit in units if unit.has_slice), None)
    first = next(iter(sps), None)
    read.seen = PictureUnits(
        units=len(units),
        sps=tuple(sps),
        pps=tuple(pps),
        parameters=parameters_of(first) if first is not None else None,
        starts_with_idr=None if with_slices is None else next(k for k in with_slices.types if k in SLICES) == IDR,
        message_types=tuple(messages),
        largest_unit=max((b - a for a, b in pairwise([*read.starts, len(stream)])), default=0),
        tools=_tools(pps, units),
    )
    return read


def _kind_of_slice(header: bytes) -> int:
    bits = UnitBits(header)
    bits.unsigned()
    return bits.unsigned() % 5


def _tools(sets: Iterable[bytes], units: Iterable[_Unit]) -> frozenset[str]:
    """What is used that not every profile has (A.2)."""
    used = {B_SLICES} if any(1 in unit.kinds for unit in units) else set()
    for pps in sets:
        bits = UnitBits(pps[1:])
        bits.unsigned()
        bits.unsigned()
        if bits.flag():
            used.add(CABAC)
        bits.take(1)
        if bits.unsigned():
            # Groups of slices, which no profile of ours has.
            continue
        bits.unsigned()
        bits.unsigned()
        bits.take(3)
        for _ in range(3):
            bits.signed()
        bits.take(3)
        if bits.at < _length(pps[1:]) and bits.flag():
            used.add(TRANSFORMS)
    return frozenset(used)


def _length(unit: bytes) -> int:
    """Bits of a unit in front of its stop bit."""
    bare = unit.replace(b"\x00\x00\x03", b"\x00\x00").rstrip(b"\0")
    number = int.from_bytes(bare, "big")
    return 8 * len(bare) - (number & -number).bit_length()


def _nal_units(stream: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each unit, behind its start code and before the next one."""
    at = stream.find(b"\x00\x00\x01")
    while 0 <= at < len(stream) - 3:
        following = stream.find(b"\x00\x00\x01", at + 3)
        yield at + 3, following if following >= 0 else len(stream)
        at = following


def _begins(unit: _Unit, kind: int, is_first_slice: bool, has_delimiters: bool) -> bool:
    """Whether a NAL unit of this kind begins the access unit after `unit` (7.4.1.2.3)."""
    if kind == DELIMITER:
        return True
    if has_delimiters:
        return False
    return unit.has_slice and (kind in (SEI, SPS, PPS) or is_first_slice)


def _unit_faults(unit: _Unit, has_delimiters: bool) -> Iterator[tuple[StreamFault, int]]:
    slices = [kind for kind in unit.types if kind in SLICES]
    if not slices or not unit.starts_whole or (has_delimiters and unit.types[0] != DELIMITER):
        yield StreamFault.UNITS, unit.at
    elif unit.delimiter is not None and not unit.kinds <= DELIMITED[unit.delimiter]:
        yield StreamFault.KIND_UNTRUE, unit.at
    if unit.promises_start and not unit.kinds <= {2}:
        yield StreamFault.RECOVERY_UNTRUE, unit.at
    if IDR in slices:
        before = unit.types[: unit.types.index(IDR)]
        if SPS not in before or PPS not in before:
            yield StreamFault.PARAMETERS_ABSENT, unit.at


def messages_of(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """Types of the messages of an SEI unit, whether each is user data that nobody needs to play the stream, and what it
    says."""
    data = data.replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 <= len(data) and data[at:].rstrip(b"\x00") != b"\x80":
        kind, at = _sum_of_bytes(data, at)
        length, at = _sum_of_bytes(data, at)
        payload = data[at : at + length]
        at += length
        is_known = (
            kind not in (REGISTERED, UNREGISTERED)
            or (kind == REGISTERED and payload.startswith(CAPTIONS))
            or (kind == UNREGISTERED and payload.startswith(X264) and X264_TEXT.fullmatch(payload[16:]) is not None)
        )
        yield kind, not is_known, payload


def _sum_of_bytes(data: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(data) and data[at] == 0xFF:
        total, at = total + 255, at + 1
    return total + (data[at] if at < len(data) else 0), at + 1


class UnitBits:
    """Bits of a unit, from the first; zero past its end."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b"\x00\x00\x03", b"\x00\x00") + bytes(64)
        self._value, self._length, self._at = int.from_bytes(data, "big"), 8 * len(data), 0

    @property
    def at(self) -> int:
        """How many were taken."""
        return self._at

    def take(self, bits: int) -> int:
        self._at += bits
        return self._value >> max(0, self._length - self._at) & ((1 << bits) - 1)

    def flag(self) -> bool:
        return self.take(1) == 1

    def unsigned(self) -> int:
        """ue(v); at most 32 bits."""
        zeros = 0
        while zeros < 32 and not self.flag():
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def parameters_of(sps: bytes) -> PictureParameters | None:
    """What an SPS, with the header of its NAL unit, says; None of one that is cut."""
    if len(sps) < 5:
        return None
    profile, constraints, level = sps[1:4]
    bits = UnitBits(sps[4:])
    bits.unsigned()
    chroma = skip_high_profile(bits) if profile in HIGH_PROFILES else 1
    bits.unsigned()
    _skip_picture_order(bits)
    references, has_gaps = bits.unsigned(), bits.flag()
    columns, rows = bits.unsigned() + 1, bits.unsigned() + 1
    is_frames = bits.flag()
    if not is_frames:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.flag():
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
    across, down = 2 if chroma in (1, 2) else 1, (2 if chroma == 1 else 1) * (1 if is_frames else 2)
    usability = _usability(bits, columns * rows * (1 if is_frames else 2)) if bits.flag() else {}
    return PictureParameters(
        gaps_allowed=has_gaps,
        profile=profile,
        constraints=constraints,
        level=level,
        width=16 * columns - across * (left + right),
        height=16 * rows * (1 if is_frames else 2) - down * (top + bottom),
        is_progressive=is_frames,
        references=references,
        **usability,
    )


def skip_high_profile(bits: UnitBits) -> int:
    """Go past what only high profiles have; returns chroma_format_idc."""
    chroma = bits.unsigned()
    if chroma == 3:
        bits.take(1)
    bits.unsigned()
    bits.unsigned()
    bits.take(1)
    if bits.flag():
        for index in range(8 if chroma != 3 else 12):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: UnitBits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: UnitBits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(255, bits.unsigned())):
            bits.signed()


def _usability(bits: UnitBits, macroblocks: int) -> dict[str, Any]:
    """The VUI (E.1.1) of a frame of so many macroblocks, as fields of `PictureParameters`."""
    seen: dict[str, Any] = {}
    if bits.flag():
        code = bits.take(8)
        if code == EXTENDED_SAR:
            seen["sample_aspect"] = (bits.take(16), bits.take(16))
        elif code < len(SAMPLE_ASPECTS):
            seen["sample_aspect"] = SAMPLE_ASPECTS[code]
    if bits.flag():
        seen["overscan"] = bits.flag()
    if bits.flag():
        bits.take(3)
        seen["full_range"] = bits.flag()
        if bits.flag():
            seen |= {"primaries": bits.take(8), "transfer": bits.take(8), "matrix": bits.take(8)}
    if bits.flag():
        bits.unsigned()
        bits.unsigned()
    if bits.flag():
        ticks, scale = bits.take(32), bits.take(32)
        seen["rate"] = scale / (2 * ticks) if ticks else None
        seen["is_fixed_rate"] = bits.flag()
    return seen | _limits(bits, macroblocks)


def _limits(bits: UnitBits, macroblocks: int) -> dict[str, Any]:
    """The rest of the VUI, behind its clock: how a buffer is filled, which pictures are kept, how large they are."""
    seen: dict[str, Any] = {}
    for _ in range(2):
        if bits.flag():
            seen["buffer_rate"], seen["buffer_bits"] = _buffer(bits)
    if seen:
        bits.take(1)
    bits.take(1)
    if not bits.flag():
        return seen
    bits.take(1)
    denominator = bits.unsigned()
    bits.unsigned()
    if denominator:
        seen["most_unit_bytes"] = macroblocks * RAW_MACROBLOCK_BITS / (8 * denominator)
    seen["motion_bits"] = min(bits.unsigned(), bits.unsigned())
    return seen | {"reordered": bits.unsigned(), "buffered": bits.unsigned()}


def _buffer(bits: UnitBits) -> tuple[int, int]:
    """Bits a second and bits of a hypothetical decoder (E.1.2), in the largest of its schedules."""
    schedules = bits.unsigned() + 1
    rate_scale, size_scale = bits.take(4), bits.take(4)
    rate = size = 0
    for _ in range(min(32, schedules)):
        rate = max(rate, bits.unsigned() + 1 << 6 + rate_scale)
        size = max(size, bits.unsigned() + 1 << 4 + size_scale)
        bits.take(1)
    bits.take(20)
    return rate, size
