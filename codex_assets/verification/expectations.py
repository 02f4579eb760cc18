"""What a published output is judged against, told from records: the same for a build and for a check years later.

Joins what was asked for (`media.profile`, `media.encode.ladder`) with what is known of the media (records). The judging
is the judge's; looking at files is `verification.observe`'s.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from codex_assets.archive.records import LoudnessRecord, MediaType, MezzanineRecord, VariantRecord, WaveformRecord
from codex_assets.media import outputs, profile, target_format
from codex_assets.media.encode import hls, ladder
from codex_assets.media.facts import MediaInfo
from codex_assets.verification.kinds import Kind
from codex_assets.verification.observations import (
    AudioSeen,
    LoudnessExpected,
    MezzanineExpected,
    PlaylistSeen,
    SegmentSeen,
    Span,
    VariantExpected,
    VariantObservation,
    VideoSeen,
    WaveformExpected,
)


def mezzanine_of(info: MediaInfo, *, with_picture: bool, whole: bool) -> MezzanineExpected:
    """Of a mezzanine made from a source with these (scanned) facts. `whole` False: a part could not be decoded, which
    has been told, so how long it lasts is no longer known."""
    source = info if with_picture else replace(info, video=None)
    video = source.video
    return MezzanineExpected(
        duration=source.seconds if whole else None,
        size=target_format.size(video) if video is not None else None,
        frame_rate=target_format.frame_rate(video) if video is not None else None,
        has_video=with_picture,
        has_audio=info.audio is not None,
    )


def mezzanine(record: MezzanineRecord) -> MezzanineExpected:
    """Of a published mezzanine: that it is still what was recorded of it."""
    has_video = record.video_codec is not None
    return MezzanineExpected(
        duration=record.duration,
        size=(record.width, record.height) if record.width is not None and record.height is not None else None,
        frame_rate=record.rate,
        has_video=has_video,
        has_audio=record.has_audio,
    )


def variant(
    media_type: MediaType, source: MezzanineRecord, output: str, name: str, cuts: tuple[float, ...] | None
) -> VariantExpected:
    """Of a rung or the preview. `name` is the variant that it is, or that the preview is cut from."""
    if media_type == "audio":
        return VariantExpected(has_video=False, has_audio=True, duration=source.duration, cuts=cuts)
    assert source.width is not None
    assert source.height is not None
    rung = next(one for one in ladder.rungs(source.width, source.height) if one.name == name)
    return VariantExpected(
        size=(rung.width, rung.height),
        frame_rate=source.rate,
        has_video=True,
        has_audio=source.has_audio,
        h264_profile=rung.variant.h264_profile,
        duration=source.duration,
        cuts=cuts if outputs.is_variant(output) else None,
    )


def remembered(record: VariantRecord, start: float) -> VariantObservation:
    """What a variant that stays published was seen to be when it was built, for judging a master that names it.

    `start`: of the streams' common clock, in seconds. Not for judging the variant itself: nobody looked at it anew.
    """
    rate = Fraction(record.frame_rate).limit_denominator(1001) if record.frame_rate else None
    frame = float(1 / rate) if rate else profile.AAC_FRAME_SAMPLES / profile.SAMPLE_RATE
    segments, at = [], start
    for fact in record.segments:
        frames = max(1, round(fact.duration / frame))
        span = Span(at, at + fact.duration, frames, frame, frame, frame, fact.size)
        picture, sound = (span, None) if rate else (None, span)
        segments.append(SegmentSeen(fact.name, fact.duration, fact.size, video=picture, audio=sound))
        at += fact.duration
    told = [part.partition(".")[2] for part in (record.codecs or "").split(",") if part.startswith("avc1.")]
    idc, constraints, level = bytes.fromhex(told[0]) if told else (None, None, None)
    video = None
    if record.width is not None and record.height is not None:
        size = (record.width, record.height)
        square = Fraction(1)
        video = VideoSeen("h264", None, idc, constraints, level, "yuv420p", *size, *size, square, 0, rate, False)
    heard = "mp4a" in (record.codecs or "")
    return VariantObservation(
        record.output,
        Kind.VARIANT,
        PlaylistSeen("playlist.m3u8", target_duration=hls.target_duration(_timed(record))),
        tuple(segments),
        video=video,
        audio=AudioSeen("aac", "LC", profile.SAMPLE_RATE, profile.CHANNELS) if heard else None,
    )


def _timed(record: VariantRecord) -> list[hls.Segment]:
    return [hls.Segment(fact.name, fact.duration, fact.size) for fact in record.segments]


def sound_rate(media_type: MediaType, name: str) -> int:
    """kbit/s of the sound of a variant."""
    if media_type == "audio":
        return next(one.audio_kbps for one in profile.AUDIO_LADDER if one.name == name)
    return next(one.audio_kbps for one in profile.LADDER if one.name == name)


def loudness(record: LoudnessRecord, gain_mode: str | None) -> LoudnessExpected:
    """Of the delivered sound. Silence is passed through unchanged, so nothing is asked of its level."""
    measured = record.measurement
    if measured is None:
        return LoudnessExpected(target=None, silent=True)
    reached = profile.TRUE_PEAK_CEILING - measured.true_peak + measured.integrated
    limit = min(profile.LOUDNESS_TARGET, reached) if gain_mode == "gain" else None
    return LoudnessExpected(target=profile.LOUDNESS_TARGET, silent=False, limit=limit)


def waveform(source: MezzanineRecord, record: WaveformRecord) -> WaveformExpected:
    return WaveformExpected(duration=source.duration, silent=record.silent)
