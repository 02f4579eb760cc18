"""How the rules for transport streams choose segments, and put faults of headers into words, with place and time.

In: sentences. Out: which rule speaks of which fault (`transport_stream.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codex_assets.verification.observations import SegmentSeen, VariantObservation
from codex_assets.verification.rules.comparisons import Problem
from codex_assets.verification.stream_observations import FaultSeen, SegmentStream, StreamFault

DAMAGE = (StreamFault.DAMAGED, StreamFault.SCRAMBLED, StreamFault.ADAPTATION)
LOSS = (StreamFault.LOST, StreamFault.REPEATED, StreamFault.DISORDERED, StreamFault.UNCOUNTED)
PES = (StreamFault.PES_HEADER, StreamFault.PES_SHORT, StreamFault.PES_LONG, StreamFault.STARTS_INSIDE)

WORDS = {
    StreamFault.DAMAGED: ("a packet of {} that is marked as damaged", "{n} packets of {} that are marked as damaged"),
    StreamFault.SCRAMBLED: ("an encrypted packet of {}", "{n} encrypted packets of {}"),
    StreamFault.ADAPTATION: (
        "a packet of {} whose adaptation field does not fit it",
        "{n} packets of {} whose adaptation fields do not fit them",
    ),
    StreamFault.LOST: ("lost a packet of {}", "lost {n} packets of {}"),
    StreamFault.REPEATED: ("a packet of {} twice", "{n} packets of {} twice"),
    StreamFault.DISORDERED: ("a packet of {} in another's place", "{n} packets of {} in another's place"),
    StreamFault.UNCOUNTED: ("a packet of {} with a wrong counter", "{n} packets of {} with wrong counters"),
    StreamFault.MARKED: (
        "a packet of {} that is marked as urgent or protected",
        "{n} packets of {} that are marked as urgent or protected",
    ),
    StreamFault.DISCONTINUITY: ("a packet of {} that announces a break", "{n} packets of {} that announce a break"),
    StreamFault.PES_HEADER: ("a PES packet of {} with a wrong header", "{n} PES packets of {} with wrong headers"),
    StreamFault.PES_SHORT: ("a PES packet of {} that is cut short", "{n} PES packets of {} that are cut short"),
    StreamFault.PES_LONG: (
        "a PES packet of {} with more bytes than it announces",
        "{n} PES packets of {} with more bytes than they announce",
    ),
    StreamFault.STARTS_INSIDE: ("the end of a PES packet of {} without its beginning",) * 2,
    StreamFault.PES_WITHOUT_TIME: ("no time stamp at the beginning of {}",) * 2,
    StreamFault.PES_UNTIMED: ("a PES packet of {} without a time", "{n} PES packets of {} without a time"),
    StreamFault.UNMARKED: (
        "a frame of {} whose mark of a place to start is wrong",
        "{n} frames of {} whose marks of a place to start are wrong",
    ),
    StreamFault.PES_BACKWARDS: (
        "a decoding time of {} that is not after the one before",
        "{n} decoding times of {} that are not after the ones before",
    ),
    StreamFault.PRESENTED_EARLY: (
        "a frame of {} that is to be presented before it is decoded",
        "{n} frames of {} that are to be presented before they are decoded",
    ),
    StreamFault.CHECKSUM: ("a wrong checksum in {}", "{n} wrong checksums in {}"),
    StreamFault.SECTION: ("a malformed section of {}, or one not in force", "{n} malformed sections of {}"),
    StreamFault.TABLE_CHANGES: ("a section of {} that differs from its first", "{n} changes of {}"),
    StreamFault.PARAMETERS_ABSENT: (
        "an IDR frame without SPS and PPS before it",
        "{n} IDR frames without SPS and PPS before them",
    ),
    StreamFault.UNITS: (
        "a frame of {} that lacks its beginning or holds what is none of a frame",
        "{n} frames of {} that lack their beginning or hold what is none of a frame",
    ),
    StreamFault.SOUND_FRAME: ("a damaged frame of {}", "{n} damaged frames of {}"),
    StreamFault.SOUND_CHANGES: ("a frame of {} in another format", "{n} frames of {} in another format"),
    StreamFault.SOUND_MARKED: (
        "a frame of {} with marks that no player reads",
        "{n} frames of {} with marks that no player reads",
    ),
    StreamFault.RECOVERY_UNTRUE: (
        "a frame of {} that says that decoding can start there, and cannot",
        "{n} frames of {} that say that decoding can start there, and cannot",
    ),
    StreamFault.KIND_UNTRUE: (
        "a frame of {} whose delimiter says another kind",
        "{n} frames of {} whose delimiters say another kind",
    ),
    StreamFault.PRIVATE: ("data in {} that are none of it", "data in {} that are none of it, {n} times"),
}
"""What a segment has, of one fault and of many; `{}` is where."""


def streams(seen: VariantObservation, *without: StreamFault) -> Iterator[tuple[SegmentSeen, SegmentStream]]:
    """Segments of whole packets, with what was seen of them; none that has a fault of the kinds `without`."""
    for segment in seen.segments:
        stream = segment.stream
        if stream is not None and stream.is_synchronised and not stream.faults_of(*without):
            yield segment, stream


def is_broken(segment: SegmentSeen) -> bool:
    """Whether packets or frames of it are cut, lost, damaged or in disorder: then what is timed by them is, too."""
    stream = segment.stream
    kinds = (*DAMAGE, *LOSS, *PES, StreamFault.SOUND_FRAME)
    return stream is not None and (not stream.is_synchronised or bool(stream.faults_of(*kinds)))


def is_looked_at(seen: VariantObservation) -> bool:
    """Whether any segment is a transport stream that somebody looked at."""
    return any(segment.stream is not None for segment in seen.segments)


def at(seen: VariantObservation, seconds: float | None) -> str:
    """When something of a stream comes, counted from the playlist's start: `" at 19.2 s"`; empty for None."""
    since_start = from_start(seen, seconds)
    return f" at {since_start:.1f} s" if since_start is not None else ""


def from_start(seen: VariantObservation, seconds: float | None) -> float | None:
    """A time on the stream's own clock, counted from the playlist's start; None where either is not known."""
    span = seen.video_span or seen.audio_span
    return max(0.0, seconds - span.start) if seconds is not None and span is not None else None


def subject(name: str) -> str:
    """What a sentence calls a track, a table or a PID."""
    return name if name.startswith("PID") else f"the {name}"


def words(fault: FaultSeen) -> str:
    """A fault as what a segment has."""
    single, many = WORDS[fault.kind]
    return (single if fault.count == 1 else many).format(subject(fault.subject), n=fault.count)


def fault_problems(
    seen: VariantObservation, chosen: Iterable[tuple[SegmentSeen, SegmentStream]], *kinds: StreamFault
) -> list[Problem]:
    """A problem for each fault of these kinds in the `chosen` segments."""
    return [
        Problem(
            segment.name,
            f"{fault.count} {fault.kind}",
            f"{segment.name} has {words(fault)}{at(seen, fault.seconds)}",
            from_start(seen, fault.seconds),
        )
        for segment, stream in chosen
        for fault in stream.faults_of(*kinds)
    ]
