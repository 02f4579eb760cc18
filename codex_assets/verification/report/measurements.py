"""What was measured of playlists and sounds, from what was observed of them.

In: choosing and summing up what observations hold. Out: looking (`observe/`), what follows from it for rules
(`measures.py`), and what is said of rules (`judged.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from codex_assets.verification import measures
from codex_assets.verification.judge import Observation
from codex_assets.verification.observations import (
    LoudnessObservation,
    MasterObservation,
    MezzanineObservation,
    SegmentSeen,
    StreamInf,
    VariantObservation,
)
from codex_assets.verification.report.media_report import (
    LengthSpread,
    LikenessCurve,
    LoudnessReport,
    PlaylistReport,
    Rate,
    SegmentReport,
)

# --- Playlists --------------------------------------------------------------------------------------------------------


def playlists(observations: Sequence[Observation]) -> tuple[PlaylistReport, ...]:
    """Every playlist that was observed, with what the master declares of it, in the order of the observations."""
    declared: dict[str, StreamInf] = {}
    for master in observations:
        if isinstance(master, MasterObservation):
            # Of several about one playlist the first.
            of_uri = {stream.uri: stream for stream in reversed(master.streams)}
            declared |= {seen.output: of_uri[uri] for uri, seen in master.measured if uri in of_uri}
    return tuple(
        _playlist(seen, declared.get(seen.output)) for seen in observations if isinstance(seen, VariantObservation)
    )


def _playlist(seen: VariantObservation, declared: StreamInf | None) -> PlaylistReport:
    stated = declared or StreamInf("")
    video, audio = seen.video, seen.audio
    is_measured = any(segment.size for segment in seen.segments)
    video_span = seen.video_span
    rate = video.frame_rate if video is not None else None
    return PlaylistReport(
        seen.output,
        seen.playlist.problem,
        seen.duration,
        peak=Rate(stated.bandwidth, measures.peak_rate(seen) if is_measured else None),
        average=Rate(stated.average_bandwidth, measures.average_rate(seen) if is_measured else None),
        segments=tuple(_segments(seen)),
        lengths=_spread(segment.extinf for segment in seen.segments),
        key_frames=_spread(_key_frame_steps(seen)),
        size=(video.coded_width, video.coded_height) if video is not None else stated.resolution,
        frame_rate=float(rate) if rate is not None and video_span is not None and video_span.frames > 1 else None,
        codecs=measures.codecs(seen),
        declared_codecs=stated.codecs,
        profile=video.profile if video is not None else None,
        level=video.level if video is not None else None,
        needed_level=measures.needed_level(seen) if video is not None else None,
        sample_rate=audio.sample_rate if audio is not None else None,
        channels=audio.channels if audio is not None else None,
        likeness=_likeness(seen),
    )


def _segments(seen: VariantObservation) -> Iterator[SegmentReport]:
    start = 0.0
    for segment in seen.segments:
        span = segment.video or segment.audio
        steps = _steps_of(segment)
        yield SegmentReport(
            segment.name,
            start,
            segment.extinf,
            measured=span.end - span.start if span is not None else None,
            size=segment.size,
            rate=8 * segment.size / segment.extinf if segment.size is not None and segment.extinf > 0 else None,
            key_frames=len(segment.video.key_times) if segment.video is not None else None,
            longest_step=max(steps, default=None),
        )
        start += segment.extinf


def _steps_of(segment: SegmentSeen) -> list[float]:
    """Times from each key frame of a segment to the next, or to its end."""
    span = segment.video
    return [after - before for before, after in pairwise([*span.key_times, span.end])] if span is not None else []


def _key_frame_steps(seen: VariantObservation) -> list[float]:
    """Times between key frames over all segments, the end of the last one included."""
    span = seen.video_span
    return [after - before for before, after in pairwise([*span.key_times, span.end])] if span is not None else []


def _spread(lengths: Iterable[float]) -> LengthSpread | None:
    each = list(lengths)
    return LengthSpread(len(each), min(each), statistics.median(each), max(each)) if each else None


def _likeness(seen: VariantObservation) -> LikenessCurve | None:
    if seen.pictures is None or not seen.pictures.seconds:
        return None
    values = tuple(min(second.likeness) for second in seen.pictures.seconds)
    return LikenessCurve(tuple(second.at for second in seen.pictures.seconds), values, values.index(min(values)))


ALIKE_LU = 1.0
GATE_LUFS = -50.0
"""Quieter seconds differ by what coders add."""


# --- Sound ------------------------------------------------------------------------------------------------------------


def loudness(observations: Iterable[Observation]) -> tuple[LoudnessReport, ...]:
    """Every sound that was measured: outputs that are equally loud second by second share an entry."""
    groups: list[list[LoudnessObservation]] = []
    for seen in observations:
        if isinstance(seen, LoudnessObservation) and seen.readable:
            group = next((group for group in groups if _are_alike(group[0], seen)), None)
            if group is None:
                groups.append([seen])
            else:
                group.append(seen)
    return tuple(
        LoudnessReport(
            tuple(seen.output for seen in group),
            integrated=None if group[0].silent else group[0].integrated_lufs,
            true_peak=None if group[0].silent else group[0].true_peak_dbtp,
            range_lu=group[0].range_lu,
            target=group[0].expected.target,
            momentary=tuple(second.momentary for second in group[0].seconds),
            short_term=tuple(second.short_term for second in group[0].seconds),
        )
        for group in groups
    )


def _are_alike(sound: LoudnessObservation, other: LoudnessObservation) -> bool:
    """Whether two sounds are equally loud, second by second, as far as their coders leave them so."""
    pairs = list(zip(sound.seconds, other.seconds, strict=False))
    return (
        sound.silent == other.silent
        and (sound.silent or abs(sound.integrated_lufs - other.integrated_lufs) < ALIKE_LU)
        and abs(len(sound.seconds) - len(other.seconds)) <= 1
        and all(_are_near(first.momentary, second.momentary) for first, second in pairs)
    )


def _are_near(level: float | None, other: float | None) -> bool:
    # Under the gate of every meter both are as good as silent.
    loud = level if level is not None else GATE_LUFS
    return abs(max(loud, GATE_LUFS) - max(other if other is not None else GATE_LUFS, GATE_LUFS)) < ALIKE_LU


# --- Mezzanine --------------------------------------------------------------------------------------------------------


def source(observations: Iterable[Observation]) -> tuple[str, ...]:
    """What is known of the mezzanine, in words; empty without one."""
    seen = next((each for each in observations if isinstance(each, MezzanineObservation) and each.readable), None)
    if seen is None:
        return ()
    facts = []
    if seen.video is not None:
        facts.append(f"{seen.video.width}×{seen.video.height}")
        if seen.video.frame_rate is not None:
            facts.append(f"{float(seen.video.frame_rate):.3f}".rstrip("0").rstrip(".") + " frames/s")
    if seen.audio is not None:
        facts.append(f"{seen.audio.codec.upper()} at {seen.audio.sample_rate / 1000:g} kHz")
    return tuple(facts)
