"""Rules for the headers of MPEG-TS segments, with their limits: packets, tables, clocks, PES packets, units, frames.

A segment that is found cut or damaged is left alone by the rules further down: what follows from one fault is no other.
What the tracks are is judged in `tracks.py`, and how segments follow each other in `playlist.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.observations import SegmentSeen, VariantObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules import playlist, tracks
from codex_assets.verification.rules.comparisons import Problem, any_failed, expect_no_problem
from codex_assets.verification.rules.shared_limits import APPLE, CONTRACT, PLAYLISTS, RFC, VARIANTS
from codex_assets.verification.rules.stream_faults import (
    DAMAGE,
    LOSS,
    PES,
    at,
    fault_problems,
    from_start,
    is_broken,
    is_looked_at,
    streams,
    subject,
)
from codex_assets.verification.stream_observations import (
    PICTURE,
    SOUND,
    PictureParameters,
    PictureUnits,
    SegmentStream,
    StreamFault,
    TablesSeen,
)

SYSTEMS = "ISO/IEC 13818-1"
H264 = "ITU-T H.264"
ADTS = "ISO/IEC 13818-7"

OWN_PIDS = (0x00, 0x11, 0x1FFF)
"""PAT, service description, null packets."""
RESERVED_PIDS = 0x20
"""Under it are tables of the standards (ISO/IEC 13818-1 table 2-3, EN 300 468 table 1)."""
NULL_PID = 0x1FFF
MOST_NULL_PACKETS = 12
"""Of ours: a segment of a few packets is padded, so that programs that guess recognise it."""
H264_TYPE, ADTS_TYPE = 0x1B, 0x0F
SERVICE_NAMES = ("FFmpeg", "Service01")
"""Names of nobody: the muxer's own."""
LANGUAGE = b"\x0a\x04und\0"
"""ISO_639_language_descriptor, the one that a track of ours may have: nobody knows which language it is."""
USUAL_MESSAGES = (4, 5, 6)
"""SEI: user data (looked into elsewhere), recovery point (H.264 annex D). Ours have no timing of their own, by which
players may show a picture twice as long."""
TIMING = 1
LACKED_BY = {
    66: ("CABAC", "B slices", "8x8 transforms"),
    77: ("8x8 transforms",),
    88: ("CABAC", "8x8 transforms"),
}
"""What a profile (Baseline, Main, Extended) does not have (H.264 A.2.1 to A.2.3)."""
OBEYED = {0x80: 66, 0x40: 77, 0x20: 88}
"""Constraint flags, by which a stream says that decoders of another profile can show it, too."""
RESERVED_BITS = 0x03
"""Of the constraint flags (7.4.2.1.1)."""
LEVEL_1B, LEVEL_OF_1B = 0x10, 11
"""constraint_set3_flag has a meaning at level 1.1 alone, in the profiles that ours are of."""
BT709 = 1
"""Of primaries, transfer and matrix alike (H.264 tables E-3 to E-5)."""

CLOCK_STEP_SECONDS = 0.1
"""ISO/IEC 13818-1 2.7.2."""
SOUND_CLOCK_STEP_SECONDS = 0.5
"""Without a picture: frames of silence are so small that muxers put this much of them into one PES packet."""
CLOCK_STEP_UNITS = 1.6
"""A muxer of varying rate sends a PCR with each PES packet alone, which may come more rarely."""
CLOCK_LATE_SECONDS = 0.05
"""By how much what is decoded may come before its clock: muxers that are told to delay nothing are a frame of sound
late, which every player's buffer outlasts."""
CLOCK_LEAD_SECONDS = 1.5
"""Ours: 0.7 s of the muxer's, and a picture's reordering."""
LONGEST_LEAD_SECONDS = 10.0
"""What a decoder has to hold of H.264 (ISO/IEC 13818-1 2.14.3)."""
CLOCK_UNEVEN_SECONDS = 0.002
"""Ours: the muxer's clock is a constant time before what comes with it, to a tick."""
BUFFER_RATE_SLACK = 1.1
LEAST_MOTION_BITS = 7
"""Of quarter samples: encoders search 16 pixels at least, and say 32 and more."""
SOUND_APART_SECONDS = 0.25
"""Between the first picture and the first sound of a segment. Ours: a frame of sound, 0.02 s."""
STEP_SLACK = 0.6
"""Of a frame, by which a decoding time may be early or late: clocks are rounded."""
REORDERED_FRAMES = 17
"""The largest decoded picture buffer, and one (H.264 A.3.1)."""


# --- Packets ----------------------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.2")
def segments_are_packets(seen: VariantObservation) -> Finding | None:
    """Segments are whole packets of 188 bytes with a sync byte, from the first byte to the last."""
    problems = []
    for segment in seen.segments:
        stream = segment.stream
        # Another rule finds one that holds nothing at all.
        if stream is None and seen.is_ours and (segment.video is not None or segment.audio is not None):
            message = f"{segment.name} is no MPEG transport stream, or does not begin as one"
            problems.append(Problem(segment.name, "no transport stream", message))
        if stream is None or stream.is_synchronised:
            continue
        if stream.unsynchronised:
            message = (
                f"{segment.name} has {stream.unsynchronised} packets without a sync byte"
                f"{at(seen, stream.unsynchronised_at)}"
            )
            problems.append(Problem(segment.name, f"{stream.unsynchronised} without sync byte", message))
        else:
            message = f"{segment.name} is cut or has something behind its end: its last packet has {stream.rest} bytes"
            problems.append(Problem(segment.name, f"{stream.rest} bytes", message))
    if not problems and not is_looked_at(seen):
        return None
    return expect_no_problem(problems, expected="packets of 188 bytes", message="All segments are whole packets.")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.3, 2.4.3.5")
def packets_sound(seen: VariantObservation) -> Finding | None:
    """No packet is marked as damaged or encrypted, and adaptation fields fit their packets."""
    if not is_looked_at(seen):
        return None
    problems = fault_problems(seen, streams(seen), *DAMAGE)
    return expect_no_problem(problems, expected="none", message="No packet is damaged or encrypted.", observed="none")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.3; {APPLE} 7.2")
def packets_complete(seen: VariantObservation) -> Finding | None:
    """No packet of a segment is lost, repeated, or in another's place: continuity counters run on."""
    if not is_looked_at(seen):
        return None
    # Others may send a packet twice, and may announce a break.
    kinds = (
        (*LOSS, StreamFault.DISCONTINUITY)
        if seen.is_ours
        else (StreamFault.LOST, StreamFault.DISORDERED, StreamFault.UNCOUNTED)
    )
    problems = fault_problems(seen, streams(seen, *DAMAGE), *kinds)
    return expect_no_problem(problems, expected="none lost", message="All packets are there, in order.")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.3; {APPLE} 7.2", elsewhere=Severity.WARN)
def packets_run_on(seen: VariantObservation) -> Finding | None:
    """Continuity counters run on from one segment to the next: between two segments, no packet is missing."""
    if not is_looked_at(seen) or (not seen.is_ours and "EXT-X-DISCONTINUITY" in seen.playlist.tags):
        return None
    # A segment of another stream has other counters, too.
    by_others = (playlist.picture_continuous, playlist.sound_continuous, tracks.one_picture_format)
    if any(finding is not None and not finding.passed for finding in (judged(seen) for judged in by_others)):
        return None
    if not playlist.has_right_names(seen):
        return None
    whole = {segment.name for segment, _ in streams(seen, *DAMAGE, *LOSS)}
    problems = []
    for before, after in pairwise(seen.segments):
        if not {before.name, after.name} <= whole or before.stream is None or after.stream is None:
            continue
        counters = {pid.pid: pid.last_counter for pid in before.stream.pids}
        names = _names(after.stream.tables)
        for pid in after.stream.pids:
            lost = (pid.counter_before - counters.get(pid.pid, pid.counter_before)) & 0x0F
            if lost and pid.pid != NULL_PID:
                lacking = subject(names.get(pid.pid, f"PID 0x{pid.pid:x}"))
                message = f"Between {before.name} and {after.name} packets of {lacking} are missing"
                message += at(seen, pid.seconds)
                problems.append(Problem(after.name, f"{lost} missing", message, from_start(seen, pid.seconds)))
    return expect_no_problem(problems[:1], expected="none missing", message="Counters run on through all segments.")


def _names(tables: TablesSeen | None) -> dict[int, str]:
    if tables is None:
        return {}
    names = {0x00: "PAT", 0x11: "service description"}
    if tables.pmt_pid is not None:
        names[tables.pmt_pid] = "PMT"
    return names | {
        entry.pid: {H264_TYPE: PICTURE, ADTS_TYPE: SOUND}.get(entry.stream_type, f"PID 0x{entry.pid:x}")
        for entry in tables.streams
    }


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.4.3; {CONTRACT}", elsewhere=Severity.WARN)
def no_stray_packets(seen: VariantObservation) -> Finding | None:
    """Every packet is of a stream that the tables name: nothing else is sent along."""
    if not is_looked_at(seen):
        return None
    by_tables = streams_as_tables_say(seen)
    if by_tables is not None and not by_tables.passed:
        return None
    problems = []
    for segment, stream in streams(seen):
        tables = stream.tables
        if tables is None or tables.pcr_pid is None:
            continue
        named = {*OWN_PIDS, tables.pmt_pid, tables.pcr_pid, *(entry.pid for entry in tables.streams)}
        for pid in stream.pids:
            if pid.pid not in named and (seen.is_ours or pid.pid >= RESERVED_PIDS):
                many = "a packet" if pid.packets == 1 else f"{pid.packets} packets"
                message = f"{segment.name} has {many} of PID 0x{pid.pid:x}{at(seen, pid.seconds)}, which no table names"
                since_start = from_start(seen, pid.seconds)
                problems.append(Problem(segment.name, f"PID 0x{pid.pid:x}", message, since_start))
            elif pid.pid == NULL_PID and seen.is_ours and pid.packets > MOST_NULL_PACKETS:
                message = f"{segment.name} has {pid.packets} null packets, which hold nothing"
                problems.append(Problem(segment.name, f"{pid.packets} null packets", message))
    return expect_no_problem(problems, expected="none", message="The tables name all that is sent.", observed="none")


# --- Tables -----------------------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.4; {RFC} s3.1.1")
def tables_valid(seen: VariantObservation) -> Finding | None:
    """Tables are whole, in force, have the right checksum and name one programme."""
    if not is_looked_at(seen):
        return None
    kinds = (StreamFault.CHECKSUM, StreamFault.SECTION, StreamFault.TABLE_CHANGES)
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS), *kinds)
    for segment, stream in streams(seen):
        count = stream.tables.programmes if stream.tables is not None else 1
        if count != 1:
            problems.append(Problem(segment.name, f"{count} programmes", f"{segment.name} holds {count} programmes"))
    if not problems and seen.is_ours:
        problems = _other_tables(seen)
    return expect_no_problem(problems, expected="valid tables of one programme", message="All tables are valid.")


def _other_tables(seen: VariantObservation) -> list[Problem]:
    """Segments whose tables differ from the first one's, though they name the same streams."""
    known = [(segment, stream.tables) for segment, stream in streams(seen, *DAMAGE, *LOSS) if stream.tables is not None]
    problems = []
    for segment, tables in known:
        first = known[0][1]
        if tables is None or first is None or tables.streams != first.streams:
            continue
        for name, own, other in (("PAT", tables.pat, first.pat), ("PMT", tables.pmt, first.pmt)):
            if own != other:
                message = f"{segment.name} has another {name} than {known[0][0].name}"
                problems.append(Problem(segment.name, f"another {name}", message))
    return problems


@rule(*PLAYLISTS, source=f"{VARIANTS}; {RFC} s3.1.1", elsewhere=Severity.WARN)
def streams_as_tables_say(seen: VariantObservation) -> Finding | None:
    """All segments name the same streams: of ours at most one picture and one sound, and nothing else."""
    known = [(segment, stream.tables) for segment, stream in streams(seen) if stream.tables is not None]
    known = [(segment, tables) for segment, tables in known if tables is not None and tables.pcr_pid is not None]
    if not known:
        return None
    problems = []
    first = known[0][1]
    for segment, tables in known:
        if tables is None or first is None:
            continue
        if seen.is_ours and (extra := _extra(tables)):
            problems.append(Problem(segment.name, extra, f"{segment.name} names {extra} besides picture and sound"))
        elif tables.streams != first.streams:
            message = f"{segment.name} names other streams than {known[0][0].name}"
            problems.append(Problem(segment.name, "other streams", message))
    return expect_no_problem(problems, expected="the same in all", message="All segments name the same streams.")


def _extra(tables: TablesSeen) -> str:
    """What a programme holds besides one picture and one sound; empty for nothing."""
    kinds = [entry.stream_type for entry in tables.streams]
    for name, kind in (("pictures", H264_TYPE), ("sounds", ADTS_TYPE)):
        if kinds.count(kind) > 1:
            return f"{kinds.count(kind)} {name}"
    # A picture or a sound of another kind is for the rules of tracks.
    pictures_and_sounds = (H264_TYPE, ADTS_TYPE, 0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x24, 0x81, 0x87)
    other = next((kind for kind in kinds if kind not in pictures_and_sounds and len(kinds) > 1), None)
    return f"a stream of type 0x{other:x}" if other is not None else ""


# --- Clocks and PES packets -------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.2.2, 2.7.2", elsewhere=Severity.WARN)
def clock_runs(seen: VariantObservation) -> Finding | None:
    """Every segment has its clock (PCR): it runs forwards, comes every 0.1 s or with each frame, and is never late."""
    problems = []
    known = [(segment, stream) for segment, stream in streams(seen, *DAMAGE, *LOSS) if stream.tables is not None]
    for segment, stream in known:
        if stream.tables is None or stream.tables.pcr_pid is None:
            continue
        problem = _clock_problem(seen, stream)
        if problem:
            problems.append(Problem(segment.name, "no sound clock", f"{segment.name} {problem}"))
    by_tables = streams_as_tables_say(seen)
    if not known or (problems and (not _is_continuous(seen) or (by_tables is not None and not by_tables.passed))):
        return None
    return expect_no_problem(problems, expected="a clock that runs", message="The clock runs through all segments.")


def _clock_problem(seen: VariantObservation, stream: SegmentStream) -> str:
    """What is wrong with a segment's clock; empty for nothing."""
    clock, tables = stream.clock, stream.tables
    if clock is None:
        return "has no clock (PCR)"
    lead = next((entry.pid for entry in tables.streams if entry.stream_type == H264_TYPE), None) if tables else None
    if seen.is_ours and tables is not None and lead not in (None, tables.pcr_pid):
        return "has its clock (PCR) in another stream than the picture"
    if clock.count > 1 and clock.shortest_step <= 0:
        return f"has a clock (PCR) that runs backwards{at(seen, clock.seconds)}"
    allowed = SOUND_CLOCK_STEP_SECONDS if lead is None else CLOCK_STEP_SECONDS
    if clock.longest_step > max(allowed, CLOCK_STEP_UNITS * clock.units_between) + 0.002:
        return f"goes {clock.longest_step:.2f} s without a clock (PCR){at(seen, clock.seconds)}"
    if seen.is_ours and clock.lead_spread > CLOCK_UNEVEN_SECONDS:
        return f"has a clock (PCR) that runs unevenly, by up to {clock.lead_spread:.3f} s"
    if clock.least_lead is not None and clock.least_lead < -CLOCK_LATE_SECONDS:
        return f"has a clock (PCR) that is {-clock.least_lead:.2f} s later than what is to be decoded"
    most = CLOCK_LEAD_SECONDS if seen.is_ours else LONGEST_LEAD_SECONDS
    if clock.most_lead is not None and clock.most_lead > most:
        return f"has a clock (PCR) that is {clock.most_lead:.2f} s before what is to be decoded"
    return ""


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.6, 2.4.3.7", elsewhere=Severity.WARN)
def pes_packets_whole(seen: VariantObservation) -> Finding | None:
    """PES packets have a valid header, are as long as they say, and do not reach into the next segment."""
    if not is_looked_at(seen):
        return None
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS), *PES)
    return expect_no_problem(problems, expected="whole PES packets", message="All PES packets are whole.")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.7, 2.7.4, 2.7.5; {APPLE} 7.2", elsewhere=Severity.WARN)
def decoding_times_rise(seen: VariantObservation) -> Finding | None:
    """Decoding times are there, rise inside segments and across them, and nothing is shown before it is decoded."""
    if not is_looked_at(seen):
        return None
    kinds = [StreamFault.PES_WITHOUT_TIME, StreamFault.PES_BACKWARDS, StreamFault.PRESENTED_EARLY]
    if seen.is_ours:
        kinds.append(StreamFault.PES_UNTIMED)
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS, *PES), *kinds)
    if not _is_continuous(seen):
        return None
    if not problems and seen.is_ours:
        problems = list(_uneven_times(seen))
    return expect_no_problem(problems, expected="rising times", message="Decoding times rise through all segments.")


def _is_continuous(seen: VariantObservation) -> bool:
    """Whether no other rule finds a hole in the time of picture or sound: clocks have it, too."""
    by_others = (playlist.picture_continuous(seen), playlist.sound_continuous(seen))
    return all(finding is None or finding.passed for finding in by_others) and playlist.has_right_names(seen)


def _uneven_times(seen: VariantObservation) -> Iterator[Problem]:
    """Where the picture's decoding times are not a frame apart, or far from when it is shown."""
    frame = seen.frame_seconds
    before: float | None = None
    whole = {segment.name: stream.picture_times for segment, stream in streams(seen, *DAMAGE, *LOSS, *PES)}
    for segment in seen.segments:
        times = whole.get(segment.name)
        if times is None or segment.video is None or segment.video.frames < 3:
            before = None
            continue
        steps: list[tuple[float, float | None]] = [(times.largest_step, times.largest_at)]
        if times.units > 1:
            steps.append((times.smallest_step, times.first))
        if before is not None:
            steps.append((times.first - before, before))
        before = times.last
        for step, seconds in steps:
            if abs(step - frame) > STEP_SLACK * frame and times.units > 1:
                message = f"{segment.name} has decoding times {step:.3f} s apart{at(seen, seconds)}"
                yield Problem(segment.name, f"{step:.3f} s", message, from_start(seen, seconds))
                break
        if times.most_reordered > REORDERED_FRAMES * frame + 0.002:
            message = f"{segment.name} shows a frame {times.most_reordered:.2f} s after it is decoded"
            yield Problem(segment.name, f"{times.most_reordered:.2f} s", message)


@rule(*PLAYLISTS, source=CONTRACT, is_of_contract=True)
def segments_hold_their_sound(seen: VariantObservation) -> Finding | None:
    """Every segment holds the sound of its own time: a player that starts there plays both from the start."""
    together = tracks.tracks_start_together(seen)
    if together is None or not together.passed or not _is_continuous(seen):
        return None
    problems = []
    # How early the first picture is decoded, and its sound is not, depends on the order of its pictures.
    for segment, stream in streams(seen, *DAMAGE, *LOSS, *PES):
        picture, sound = stream.picture_times, stream.sound_times
        if picture is None or sound is None or segment is seen.segments[0]:
            continue
        apart = sound.first - picture.first
        if abs(apart) > SOUND_APART_SECONDS:
            place = "in the segment before" if apart > 0 else "of the segment before"
            message = f"{abs(apart):.2f} s of the sound {'of' if apart > 0 else 'in'} {segment.name} is {place}"
            problems.append(Problem(segment.name, f"{apart:+.2f} s", message))
    return expect_no_problem(
        problems, expected="its own sound in each", message="Every segment holds the sound of its own time."
    )


# --- H.264 ------------------------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{H264} 7.4.1.2.1; {APPLE} 7.4; {RFC} s4.4.2.1", elsewhere=Severity.WARN)
def parameters_before_idr(seen: VariantObservation) -> Finding | None:
    """SPS and PPS stand before every IDR frame, so that a player can start there."""
    if not any(stream.picture is not None for _, stream in streams(seen)):
        return None
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS, *PES), StreamFault.PARAMETERS_ABSENT)
    return expect_no_problem(problems, expected="SPS and PPS", message="SPS and PPS stand before every IDR frame.")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.4.3.5", severity=Severity.WARN, is_of_contract=True)
def key_frames_marked(seen: VariantObservation) -> Finding | None:
    """The packets of IDR frames are marked as places to start at, and no others: some players look for that mark."""
    # Muxers mark other pictures that decoding can start at as well: where segments begin with these, that is the fault.
    if any_failed(playlist.segments_start_with_idr(seen)):
        return None
    if not any(stream.picture is not None for _, stream in streams(seen)):
        return None
    skipped = (*DAMAGE, *LOSS, *PES, StreamFault.UNITS, StreamFault.PARAMETERS_ABSENT)
    problems = fault_problems(seen, streams(seen, *skipped), StreamFault.UNMARKED, StreamFault.RECOVERY_UNTRUE)
    return expect_no_problem(problems, expected="marks", message="IDR frames are marked as places to start at.")


@rule(*PLAYLISTS, source=f"{SYSTEMS} 2.14.1; {H264} 7.4.1.2", elsewhere=Severity.WARN)
def frames_whole(seen: VariantObservation) -> Finding | None:
    """Every frame of the picture begins with its delimiter, has its first slice, and no unit of an unknown kind."""
    if not any(stream.picture is not None for _, stream in streams(seen)):
        return None
    kinds = [StreamFault.UNITS, *((StreamFault.KIND_UNTRUE,) if seen.is_ours else ())]
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS, *PES), *kinds)
    return expect_no_problem(problems, expected="whole frames", message="All frames of the picture are whole.")


@rule(*PLAYLISTS, source=f"{VARIANTS}; {H264} E.2.1; {APPLE} 1.24", is_of_contract=True)
def picture_colours(seen: VariantObservation) -> Finding | None:
    """Every segment says that its colours are BT.709 with limited range, as the mezzanine's are."""
    known = [(segment, segment.stream.picture) for segment in seen.segments if segment.stream is not None]
    problems = []
    for segment, picture in known:
        said = picture.parameters if picture is not None else None
        if said is None:
            continue
        codes = (said.primaries, said.transfer, said.matrix)
        names = [name for name, code in zip(("primaries", "transfer", "matrix"), codes, strict=True) if code != BT709]
        if said.full_range is not False:
            names.append("range")
        if names:
            what = ", ".join(names)
            message = f"{segment.name} does not say BT.709 with limited range of its colours ({what})"
            problems.append(Problem(segment.name, f"{codes}, full range: {said.full_range}", message))
    if not any(picture is not None and picture.parameters is not None for _, picture in known):
        return None
    return expect_no_problem(problems, expected="BT.709, limited range", message="Colours are called BT.709's.")


def _with_parameters(
    chosen: Iterable[tuple[SegmentSeen, SegmentStream]],
) -> list[tuple[SegmentSeen, PictureUnits, PictureParameters]]:
    """Of the `chosen` segments, those whose picture says what it is, with that."""
    return [
        (segment, stream.picture, stream.picture.parameters)
        for segment, stream in chosen
        if stream.picture is not None and stream.picture.parameters is not None
    ]


@rule(*PLAYLISTS, source=f"{H264} A.2", elsewhere=Severity.WARN)
def picture_tools_of_profile(seen: VariantObservation) -> Finding | None:
    """The picture uses nothing that its profile does not have: a decoder that goes by the profile cannot show it."""
    problems = []
    known = _with_parameters(streams(seen, *DAMAGE, *LOSS, *PES))
    for segment, picture, said in known:
        claimed = {said.profile, *(profile for flag, profile in OBEYED.items() if said.constraints & flag)}
        lacking = sorted(picture.tools.intersection(tool for name in claimed for tool in LACKED_BY.get(name, ())))
        if lacking:
            message = f"{segment.name} uses {' and '.join(lacking)}, and says a profile without them"
            problems.append(Problem(segment.name, ", ".join(lacking), message))
        elif said.constraints & RESERVED_BITS or (said.constraints & LEVEL_1B and said.level != LEVEL_OF_1B):
            problems.append(Problem(segment.name, "reserved bits", f"{segment.name} sets reserved bits of its profile"))
    if not known:
        return None
    return expect_no_problem(problems, expected="its profile's", message="The picture is of its profile.")


@rule(*PLAYLISTS, source=f"{H264} E.2.1", is_of_contract=True)
def picture_shown_as_coded(seen: VariantObservation) -> Finding | None:
    """No segment lets players cut off its edges."""
    known = _with_parameters(streams(seen))
    if not known:
        return None
    problems = []
    for segment, _, said in known:
        if said.overscan:
            problems.append(Problem(segment.name, "overscan", f"{segment.name} lets players cut off its edges"))
    return expect_no_problem(problems, expected="as coded", message="The picture is shown as it is coded.")


@rule(*PLAYLISTS, source=f"{H264} 7.4.2.1.1, E.2.1, E.2.2", elsewhere=Severity.WARN)
def picture_limits_kept(seen: VariantObservation) -> Finding | None:
    """Frames keep the limits that the picture's parameters name: their size, their rate, how far they move."""
    problems = []
    known = _with_parameters(streams(seen, *DAMAGE, *LOSS, *PES))
    for segment, picture, said in known:
        rate = 8 * segment.video.size / segment.extinf if segment.video is not None and segment.extinf >= 1 else 0.0
        if said.most_unit_bytes is not None and picture.largest_unit > said.most_unit_bytes:
            problem = f"a frame of {picture.largest_unit} bytes, and says {said.most_unit_bytes:.0f} at most"
        elif said.buffer_bits is not None and 8 * picture.largest_unit > said.buffer_bits:
            problem = (
                f"a frame of {8 * picture.largest_unit} bits, and says that a buffer of {said.buffer_bits} will do"
            )
        elif said.buffer_rate is not None and rate > BUFFER_RATE_SLACK * said.buffer_rate:
            problem = f"{rate:.0f} bit/s, and says {said.buffer_rate} at most"
        elif said.motion_bits is not None and said.motion_bits < LEAST_MOTION_BITS:
            problem = f"parameters by which nothing moves farther than {2**said.motion_bits / 4:g} pixels"
        elif said.gaps_allowed and seen.is_ours:
            problem = "parameters by which lost frames are no loss"
        else:
            continue
        problems.append(Problem(segment.name, problem, f"{segment.name} has {problem}"))
    if not known:
        return None
    return expect_no_problem(problems, expected="kept", message="Frames keep the limits that they name.")


@rule(*PLAYLISTS, source=f"{H264} A.3.1, E.2.1", elsewhere=Severity.WARN)
def picture_buffer_sufficient(seen: VariantObservation) -> Finding | None:
    """The picture's parameters have players keep as many pictures as it takes to decode it, and to show it in order."""
    problems = []
    known = _with_parameters(streams(seen, *DAMAGE, *LOSS, *PES))
    for segment, _, said in known:
        times = segment.stream.picture_times if segment.stream is not None else None
        if said.buffered is None or said.reordered is None:
            continue
        shown_late = times.reordered if times is not None else 0
        needed = max(said.references, said.reordered, shown_late)
        if said.buffered < needed:
            message = f"{segment.name} needs {needed} pictures kept, and has {said.buffered} kept"
            problems.append(Problem(segment.name, f"{said.buffered} of {needed}", message))
        elif said.reordered < shown_late:
            message = f"{segment.name} decodes {shown_late} pictures before earlier ones, and says {said.reordered}"
            problems.append(Problem(segment.name, f"{said.reordered} of {shown_late}", message))
    if not known or not _is_continuous(seen):
        return None
    return expect_no_problem(problems, expected="enough", message="Players keep as many pictures as they need.")


@rule(*PLAYLISTS, source=f"{H264} E.2.1", elsewhere=Severity.WARN)
def picture_clock_true(seen: VariantObservation) -> Finding | None:
    """The frame rate that the picture's parameters name is the one that its frames have."""
    span = seen.video_span
    if span is None or span.frames < 2 or not _is_continuous(seen) or any(is_broken(s) for s in seen.segments):
        return None
    tolerance = span.rate * (0.001 + 0.0001 / (span.frames * span.frame_seconds))
    problems = []
    for segment, stream in streams(seen):
        said = stream.picture.parameters if stream.picture is not None else None
        if said is None or said.rate is None or not (seen.is_ours or said.is_fixed_rate):
            continue
        if abs(said.rate - span.rate) > tolerance:
            message = f"{segment.name} names {said.rate:.3f} frames a second and has {span.rate:.3f}"
            problems.append(Problem(segment.name, f"{said.rate:.3f} fps", message))
    return expect_no_problem(
        problems, expected=f"{span.rate:.3f} fps", message="The picture's parameters name its frame rate."
    )


# --- AAC --------------------------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{ADTS} 6.2", elsewhere=Severity.WARN)
def sound_frames_whole(seen: VariantObservation) -> Finding | None:
    """Frames of the sound follow each other without a gap, and the last of a segment is whole."""
    if not any(stream.sound is not None for _, stream in streams(seen)):
        return None
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS, *PES), StreamFault.SOUND_FRAME)
    return expect_no_problem(problems, expected="whole frames", message="All frames of the sound are whole.")


@rule(*PLAYLISTS, source=f"{VARIANTS}; {ADTS} 6.2", elsewhere=Severity.WARN)
def one_sound_format(seen: VariantObservation) -> Finding | None:
    """All frames of the sound have the same profile, sample rate and channels: players do not expect a change."""
    known = [(segment, stream.sound) for segment, stream in streams(seen, *DAMAGE, *LOSS) if stream.sound is not None]
    if not known:
        return None
    problems = fault_problems(seen, streams(seen, *DAMAGE, *LOSS, StreamFault.SOUND_FRAME), StreamFault.SOUND_CHANGES)
    for segment, sound in known:
        form = (sound.object_type, sound.sample_rate, sound.channels) if sound is not None else None
        first = known[0][1]
        if first is not None and form != (first.object_type, first.sample_rate, first.channels):
            message = f"The sound of {segment.name} has another profile, sample rate or number of channels"
            problems.append(Problem(segment.name, "another format", f"{message} than that of {known[0][0].name}"))
    return expect_no_problem(problems, expected="the same in all", message="The sound has one format throughout.")


# --- What nobody needs ------------------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"{VARIANTS} (nothing of the uploader's)", is_of_contract=True)
def nothing_beside_the_media(seen: VariantObservation) -> Finding | None:
    """Segments hold no text or data beside picture, sound and captions: no name, no address, nothing else."""
    if not is_looked_at(seen):
        return None
    # What was made filler of is missing elsewhere.
    whole = list(streams(seen, *DAMAGE, *LOSS, *PES, StreamFault.UNITS, StreamFault.PARAMETERS_ABSENT))
    marks = (StreamFault.PRIVATE, StreamFault.MARKED, StreamFault.SOUND_MARKED)
    problems = fault_problems(seen, whole, *marks)
    # Fields come with messages about their times.
    usual = (*USUAL_MESSAGES, *((TIMING,) if any_failed(tracks.picture_progressive(seen)) else ()))
    for segment, stream in whole:
        problems += [Problem(segment.name, what, f"{segment.name} has {what}") for what in _additions(stream, usual)]
    return expect_no_problem(problems, expected="none", message="Nothing is sent beside the media.", observed="none")


def _additions(stream: SegmentStream, usual: Sequence[int]) -> Sequence[str]:
    tables, picture = stream.tables, stream.picture
    additions = []
    if tables is not None:
        if tables.has_network:
            additions.append("a table of a network in its PAT")
        additions += tables.service_faults
        if any(name not in SERVICE_NAMES for name in tables.names):
            additions.append("a service description with a text of its own")
        if any(text.replace(LANGUAGE, b"") for text in (tables.descriptors, *(e.descriptors for e in tables.streams))):
            additions.append("descriptors in its PMT")
    odd = [kind for kind in picture.message_types if kind not in usual] if picture is not None else []
    if odd:
        additions.append(f"SEI messages of type {odd[0]}, which say something of its source")
    return additions
