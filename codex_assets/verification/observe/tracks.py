"""A picture track and a sound track as they were observed, from what ffprobe and the packets say.

In: which of several statements about a track is believed. Out: reading them (`decoder.py`, `transport_stream.py`).
"""

from __future__ import annotations

from fractions import Fraction

from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.media.target_format import STANDARDS
from codex_assets.verification.observations import AudioSeen, Span, VideoSeen

ROUNDED_RATE = 0.0005
"""Frames a second: what a playlist rounds a rate to."""


def picture_of(info: MediaInfo, span: Span | None, sps: bytes | None) -> VideoSeen | None:
    """The picture track, or None. `span`: its frames; `sps`: its H.264 parameters, as the stream has them."""
    video = info.video
    if video is None:
        return None
    return VideoSeen(
        codec=video.codec,
        profile=video.profile,
        profile_idc=sps[1] if sps and len(sps) > 3 else None,
        constraints=sps[2] if sps and len(sps) > 3 else None,
        level=sps[3] if sps and len(sps) > 3 else video.level,
        pixel_format=video.pixel_format,
        width=video.width,
        height=video.height,
        coded_width=video.coded_width,
        coded_height=video.coded_height,
        sample_aspect=video.sample_aspect,
        rotation=video.rotation,
        frame_rate=_true_rate(video, span),
        interlaced=video.interlaced,
        transfer=video.transfer,
        matrix=video.matrix,
        primaries=video.primaries,
        color_range=video.color_range,
    )


def _true_rate(video: VideoStream, span: Span | None) -> Fraction | None:
    """The rate that the stream names, where its frames bear it out; else what its frames say."""
    if span is None or span.frame_seconds <= 0:
        return video.nominal_rate or video.average_rate
    # Of one or two frames ffprobe 7 names twice the rate; how long they last it says rightly. Of transport streams
    # both names are rounded, to a twelfth of a frame.
    for rate in (video.nominal_rate, video.average_rate):
        slack = 0.0004 * span.rate + 0.001 if rate in STANDARDS else ROUNDED_RATE
        if rate is not None and abs(float(rate) - span.rate) <= slack:
            return rate
    return Fraction(span.rate).limit_denominator(1001)


def sound_of(info: MediaInfo) -> AudioSeen | None:
    """The sound track, or None."""
    audio = info.audio
    return AudioSeen(audio.codec, audio.profile, audio.sample_rate, audio.channels) if audio is not None else None
