"""Reads MPEG transport streams for the judge: tables, the first pictures, and the packets of each segment.

In: bytes and packet listings, as they are. Out: running ffprobe (`decoder.py`), and what must be true (`rules/`).
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

from codex_assets.verification.observations import Span

HEAD_BYTES = 1 << 19
"""Of a segment, read to find its tables and its first access unit."""
TS_PACKET = 188


@dataclass(frozen=True)
class Head:
    """The beginning of a segment: see `SegmentSeen`."""

    tables_first: bool
    starts_with_idr: bool | None
    sps: bytes | None


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a track: seconds, bytes, where it starts in the file, ffprobe's flags."""

    pts: float
    duration: float
    size: int
    position: int | None
    flags: str


def read_start(path: Path) -> bytes:
    """The first `HEAD_BYTES` of a file, or all of it."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def read_head(data: bytes) -> Head:
    """Tables, first NAL unit of a picture, and SPS of an MPEG transport stream (ISO/IEC 13818-1) that carries H.264.

    By hand, because ffprobe marks recovery points as key frames too and does not show an SPS's constraint bits.
    """
    programme, video, first_picture = None, None, bytearray()
    order: list[str] = []
    for pid, begins, body in _payloads(data):
        if pid == 0 and begins:
            order.append("PAT")
            programme = programme if programme is not None else _programme(body)
        elif pid == programme and begins:
            order.append("PMT")
            video = video if video is not None else _h264_pid(body)
        elif pid not in (0x11, 0x1FFF, programme):
            order.append("media")
            if pid == video:
                if begins and first_picture:
                    break
                if begins or first_picture:
                    first_picture += body
    tables_first = order[:2] == ["PAT", "PMT"]
    if video is None or not first_picture:
        return Head(tables_first, None, None)
    starts_with_idr, sps = _first_units(bytes(first_picture))
    return Head(tables_first, starts_with_idr, sps)


def _payloads(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """PID, whether a unit of payload begins, and the payload, of each packet that has one; until the first that is no
    packet."""
    for at in range(0, len(data) - TS_PACKET + 1, TS_PACKET):
        packet = data[at : at + TS_PACKET]
        if packet[0] != 0x47:
            return
        has_payload, has_adaptation_field = packet[3] & 0x10, packet[3] & 0x20
        body = packet[5 + packet[4] :] if has_adaptation_field else packet[4:]
        if has_payload and body:
            yield (packet[1] & 0x1F) << 8 | packet[2], bool(packet[1] & 0x40), body


def _first_units(picture: bytes) -> tuple[bool, bytes | None]:
    """Whether the first slice of an access unit is an IDR's, and its SPS, if it has one."""
    units = re.split(rb"\x00\x00\x01", picture)[1:]
    # The first unit after a split may still be the PES header; its stream id is over 0x80, which no NAL header is.
    units = [unit for unit in units if unit and unit[0] < 0x80]
    slices = [unit[0] & 0x1F for unit in units if unit[0] & 0x1F in (1, 2, 3, 4, 5)]
    sps = next((unit.rstrip(b"\x00") for unit in units if unit[0] & 0x1F == 7), None)
    return bool(slices) and slices[0] == 5, sps


def _programme(body: bytes) -> int | None:
    """PID of the first programme's PMT, from a PAT."""
    section = body[1 + body[0] :]
    if len(section) < 12:
        return None
    for at in range(8, min(len(section), 3 + ((section[1] & 0x0F) << 8 | section[2])) - 4, 4):
        if section[at] or section[at + 1]:
            return (section[at + 2] & 0x1F) << 8 | section[at + 3]
    return None


def _h264_pid(body: bytes) -> int | None:
    """PID of the first H.264 stream of a PMT."""
    section = body[1 + body[0] :]
    if len(section) < 12:
        return None
    end = min(len(section), 3 + ((section[1] & 0x0F) << 8 | section[2]) - 4)
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at + 5 <= end:
        if section[at] == 0x1B:
            return (section[at + 1] & 0x1F) << 8 | section[at + 2]
        at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
    return None


def input_format(path: Path) -> list[str]:
    """Arguments that name the format of a transport stream: one of a few packets is too short to be recognised."""
    with path.open("rb") as file:
        return ["-f", "mpegts"] if file.read(1) == b"\x47" else []


def by_segment(packets: Mapping[str, Sequence[Packet]], sizes: Sequence[int]) -> dict[str, list[list[Packet]]]:
    """For each track, the packets that lie in each segment. `sizes`: bytes of the segments, which follow each other.

    A packet without a position lies where the one before it does: several sound frames share one position.
    """
    ends = list(accumulate(sizes))
    by_track: dict[str, list[list[Packet]]] = {}
    for track, track_packets in packets.items():
        lists: list[list[Packet]] = [[] for _ in sizes]
        index = 0
        for packet in track_packets:
            if packet.position is not None:
                while index < len(ends) - 1 and packet.position >= ends[index]:
                    index += 1
            if lists:
                lists[index].append(packet)
        by_track[track] = lists
    return by_track


def span_of(packets: Sequence[Packet], *, video: bool = True) -> Span | None:
    """The span of a track's packets, given in stored order; None of no packet. `video`: of a picture or of sound."""
    if not packets:
        return None
    order = sorted(packets, key=lambda packet: packet.pts)
    steps = [after.pts - before.pts for before, after in pairwise(order)]
    typical = statistics.median(steps) if len(steps) > 1 else order[0].duration or (steps[0] if steps else 0.0)
    # Times are rounded to a clock: the mean of all ordinary steps is finer than any one of them.
    ordinary = [step for step in steps if 0.5 * typical < step < 1.5 * typical]
    nominal = math.fsum(ordinary) / len(ordinary) if ordinary else typical
    last = order[-1]
    return Span(
        start=order[0].pts,
        end=last.pts + (nominal if video else last.duration or nominal),
        frames=len(order),
        frame_seconds=nominal,
        largest_step=max(steps, default=nominal),
        smallest_step=min(steps, default=nominal),
        size=sum(packet.size for packet in order),
        before_first=max(0.0, packets[0].pts - order[0].pts),
        key_times=tuple(packet.pts for packet in packets if "K" in packet.flags) if video else (),
    )


def trimmed(span: Span | None, start: float | None, duration: float | None) -> Span | None:
    """`span` as it is presented, from `start` on and for `duration` seconds; None where that is not known.

    An edit list hides the encoder's delay at the start and its padding at the end.
    """
    if span is None:
        return None
    begin = max(span.start, start) if start is not None else span.start
    end = min(span.end, begin + duration) if duration is not None else span.end
    return replace(span, start=begin, end=end)
