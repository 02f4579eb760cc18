"""What an output is judged against, from records: the same for a build and for a check years later.

Joins what was asked for (`media/profile.py`, `media/target_format.py`) with what is known of the media (records). Out:
judging (`judge.py`), and looking at files (`observe/`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction

from codex_assets.archive.records import LoudnessRecord, MezzanineRecord, VariantRecord, WaveformRecord
from codex_assets.contract.names import MediaType
from codex_assets.media import outputs, profile, target_format
from codex_assets.media.facts import MediaInfo
from codex_assets.media.upload import refusals
from codex_assets.verification.captions_seen import CaptionsSeen
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AAC_FRAME,
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

STEADY_MODES = ("none", "gain", "linear")
"""Ways to normalise a sound that change all of it by one gain."""


def new_mezzanine(
    info: MediaInfo,
    *,
    with_picture: bool,
    is_complete: bool,
    captions: tuple[str, ...] | None = None,
    gain: float | None = None,
    sound_left_out: bool = False,
) -> MezzanineExpected:
    """What a mezzanine that was just made is judged against.

    `info`: the upload, with its packets counted. `with_picture`: False for an audio media, whose cover is left out.
    `is_complete`: False when a part of the upload could not be decoded, as the creator is told elsewhere: then nobody
    knows how long the mezzanine should be, and the duration is None. `captions`: services that were taken over.
    `gain`: decibels by which its sound was changed. `sound_left_out`: the creator is told so.
    """
    source = info if with_picture else replace(info, video=None)
    video = source.video
    return MezzanineExpected(
        duration=source.seconds if is_complete else None,
        size=target_format.size(video) if video is not None else None,
        frame_rate=target_format.frame_rate(video) if video is not None else None,
        has_video=with_picture,
        has_audio=info.audio is not None,
        captions=captions,
        gain=gain,
        sound_left_out=sound_left_out,
        channels=info.audio.channels if info.audio is not None else None,
    )


def mezzanine(record: MezzanineRecord) -> MezzanineExpected:
    """What a published mezzanine is judged against: that it is still what was recorded of it."""
    has_video = record.video_codec is not None
    return MezzanineExpected(
        duration=record.duration,
        size=(record.width, record.height) if record.width is not None and record.height is not None else None,
        frame_rate=record.rate,
        has_video=has_video,
        has_audio=record.has_audio,
        captions=record.captions,
        channels=record.source.audio_channels,
    )


def variant(
    media_type: MediaType,
    source: MezzanineRecord,
    output: str,
    rung: str,
    cuts: tuple[float, ...] | None,
    gain_mode: str | None = None,
    loudness_of_upload: LoudnessRecord | None = None,
) -> VariantExpected:
    """What a variant or the preview is judged against.

    `rung`: the one that it is, or that the preview is cut from. `cuts`: segment boundaries of another variant, in
    seconds from the start, None when there is none; not used for the preview. `gain_mode`: how the sound was
    normalised; `loudness_of_upload`: before it was. Raises `StopIteration` for a rung that a source of this size does
    not get.
    """
    steady = gain_mode in STEADY_MODES
    limited = gain_mode == "limited"
    gain = _gain(source, gain_mode, loudness_of_upload)
    if media_type == "audio":
        return VariantExpected(
            has_video=False,
            has_audio=True,
            duration=source.duration,
            cuts=cuts,
            steady_gain=steady,
            limited_peaks=limited,
            gain=gain,
        )
    assert source.width is not None
    assert source.height is not None
    fitted = next(fitted for fitted in target_format.rungs(source.width, source.height) if fitted.name == rung)
    return VariantExpected(
        size=(fitted.width, fitted.height),
        frame_rate=source.rate,
        has_video=True,
        has_audio=source.has_audio,
        h264_profile=fitted.variant.h264_profile,
        duration=source.duration,
        captions=source.captions,
        cuts=cuts if outputs.is_variant(output) else None,
        video_kbps=fitted.variant.video_kbps,
        steady_gain=steady,
        limited_peaks=limited,
        gain=gain,
    )


def _gain(source: MezzanineRecord, mode: str | None, loudness_of_upload: LoudnessRecord | None) -> float | None:
    """Decibels from the mezzanine to what is delivered, as the upload's loudness asks for; None where nobody knows."""
    if mode == "none":
        return 0.0
    if mode not in ("gain", "linear") or loudness_of_upload is None or loudness_of_upload.measurement is None:
        return None
    measured = loudness_of_upload.measurement
    aim = profile.LOUDNESS_TARGET
    if mode == "gain":
        aim = min(aim, profile.TRUE_PEAK_CEILING - measured.true_peak_dbtp + measured.integrated_lufs)
    return aim - (measured.integrated_lufs + source.sound_gain)


def recorded_variant(record: VariantRecord, start: float) -> VariantObservation:
    """A variant that stays published, as it was seen when it was built, for judging a master that names it.

    `start`: of the streams' common clock, in seconds. Not for judging the variant itself: nobody looked at it anew.
    """
    rate = Fraction(record.frame_rate).limit_denominator(1001) if record.frame_rate else None
    frame = float(1 / rate) if rate else AAC_FRAME
    segments, at = [], start
    for segment in record.segments:
        frames = max(1, round(segment.duration / frame))
        span = Span(at, at + segment.duration, frames, frame, frame, frame, segment.size)
        picture, sound = (span, None) if rate else (None, span)
        segments.append(SegmentSeen(segment.name, segment.duration, segment.size, video=picture, audio=sound))
        at += segment.duration
    codecs = (record.codecs or "").split(",")
    has_sound = any(codec.startswith("mp4a") for codec in codecs)
    return VariantObservation(
        record.output,
        ObservationKind.VARIANT,
        PlaylistSeen("playlist.m3u8", target_duration=_target_duration(record)),
        tuple(segments),
        video=_recorded_picture(record, codecs, rate),
        audio=AudioSeen("aac", "LC", profile.SAMPLE_RATE, profile.CHANNELS) if has_sound else None,
        captions=CaptionsSeen(record.captions) if record.captions is not None else None,
    )


def _target_duration(record: VariantRecord) -> int:
    """EXT-X-TARGETDURATION: the longest EXTINF, rounded to the nearest second (RFC 8216 4.3.3.1)."""
    return max(1, max(math.floor(segment.duration + 0.5) for segment in record.segments))


def _recorded_picture(record: VariantRecord, codecs: list[str], rate: Fraction | None) -> VideoSeen | None:
    """The picture of a recorded variant, with the profile and level that its `avc1.PPCCLL` names (RFC 6381)."""
    if record.width is None or record.height is None:
        return None
    parameters = [codec.partition(".")[2] for codec in codecs if codec.startswith("avc1.")]
    profile_idc, constraints, level = bytes.fromhex(parameters[0]) if parameters else (None, None, None)
    return VideoSeen(
        codec="h264",
        profile=None,
        profile_idc=profile_idc,
        constraints=constraints,
        level=level,
        pixel_format="yuv420p",
        width=record.width,
        height=record.height,
        coded_width=record.width,
        coded_height=record.height,
        sample_aspect=Fraction(1),
        rotation=0,
        frame_rate=rate,
        interlaced=False,
    )


def loudness(
    record: LoudnessRecord, warnings: Collection[str], source: MezzanineRecord, gain_mode: str | None
) -> LoudnessExpected:
    """What the delivered sound is judged against.

    `warnings`: what the creator was told of it. `gain_mode`: how it was normalised. Silence is passed through
    unchanged, so nothing is asked of its level.
    """
    if record.measurement is None or not record.applicable:
        return LoudnessExpected(target=None, silent=True)
    # Of a sound whose parts got gains of their own, nobody can tell how loud it was.
    known = record.measurement if gain_mode in (*STEADY_MODES, "limited") else None
    return LoudnessExpected(
        target=profile.LOUDNESS_TARGET,
        silent=False,
        declared=refusals.SOUND_OFF_TARGET in warnings,
        upload_lufs=known.integrated_lufs + source.sound_gain if known is not None else None,
        upload_dbtp=known.true_peak_dbtp + source.sound_gain if known is not None else None,
        is_steady=gain_mode in STEADY_MODES,
    )


def waveform(source: MezzanineRecord, record: WaveformRecord) -> WaveformExpected:
    """What the waveform's numbers and picture are judged against."""
    return WaveformExpected(duration=source.duration, silent=record.silent)


def thumbnail_moment(source: MezzanineRecord) -> float:
    """Seconds into the mezzanine of the frame that the thumbnail shows: a tenth of it."""
    return source.duration * profile.THUMBNAIL_AT
