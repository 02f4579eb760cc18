"""Observations made by hand, and what one rule finds on them."""

from __future__ import annotations

from fractions import Fraction

from codex_assets.archive.findings import Finding
from codex_assets.verification.judge import judge
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AnyObservation,
    AudioSeen,
    PlaylistSeen,
    SegmentSeen,
    Span,
    VariantExpected,
    VariantObservation,
    VideoSeen,
)

VIDEO = VideoSeen(
    codec="h264",
    profile="High",
    profile_idc=100,
    constraints=0,
    level=31,
    pixel_format="yuv420p",
    width=1280,
    height=720,
    coded_width=1280,
    coded_height=720,
    sample_aspect=Fraction(1),
    rotation=0,
    frame_rate=Fraction(30000, 1001),
    interlaced=False,
)
AUDIO = AudioSeen("aac", "LC", 48000, 2)


def span(start: float, seconds: float, step: float, size: int = 0) -> Span:
    return Span(start, start + seconds, round(seconds / step), step, step, step, size, key_times=(start,))


def variant(*durations: float, sizes: tuple[int, ...] = (), target: int = 6, step: float = 0.04) -> VariantObservation:
    """A playlist with a picture whose segments last `durations`."""
    segments, at = [], 0.0
    for index, duration in enumerate(durations):
        size = sizes[index] if sizes else 1000
        name = f"segment_{index:05d}.ts"
        segments.append(SegmentSeen(name, duration, size, True, True, b"\x67", span(at, duration, step, size)))
        at += duration
    playlist = PlaylistSeen("playlist.m3u8", target_duration=target, type="VOD", ended=True)
    expected = VariantExpected(is_of_contract=True)
    return VariantObservation(
        "hls_720p", ObservationKind.VARIANT, playlist, tuple(segments), video=VIDEO, expected=expected
    )


def finding_of(observation: AnyObservation, name: str) -> Finding | None:
    """The finding of rule `name`, or None where it does not apply."""
    return next(iter(judge(observation, only=[name])), None)


def passed(observation: AnyObservation, name: str) -> bool:
    finding = finding_of(observation, name)
    assert finding is not None, f"{name} does not apply"
    return finding.passed
