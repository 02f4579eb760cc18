"""Sorts what ffprobe lists of transport streams: the packets of each segment, and the spans of its tracks.

In: packet listings, as they are. Out: running ffprobe (`decoder.py`), reading headers (`segment_stream.py`), and what
must be true (`rules/`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

from codex_assets.verification.observations import Span


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a track: seconds, bytes, where it starts in the file, ffprobe's flags."""

    pts: float
    duration: float
    size: int
    position: int | None
    flags: str


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
