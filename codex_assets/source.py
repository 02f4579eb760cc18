"""Judges an upload: what it holds, whether all of it arrived, and whose fault it is when it cannot be decoded.

Headers are not believed where packets can be counted. Every refusal is one sentence that a creator can act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.errors import JobError, SourceError, ToolError
from codex_assets.media import damage, probe, profile
from codex_assets.media.damage import Loss
from codex_assets.media.probe import MediaInfo, VideoStream
from codex_assets.records import MediaType, SourceFacts
from codex_assets.tools import Tools


@dataclass(frozen=True)
class Examined:
    """`told` by the header, `info` as the packets show it, `arrived`: the part of the promised bytes that is there."""

    told: MediaInfo
    info: MediaInfo
    arrived: float = 1.0


def examined(tools: Tools, media_type: MediaType, source: Path) -> Examined:
    """What the upload holds, as its packets show it. Raises `SourceError` for what cannot be built from."""
    scan = probe.PacketScan()
    try:
        told = probe.parse(tools.ffprobe(probe.probe_arguments(str(source)), label="probing the original"))
        tools.ffprobe_each(probe.scan_arguments(str(source), told.container), scan.add, label="scanning the original")
    except ToolError as error:
        if "moov atom not found" in f"{error.reason} {error.detail}":
            raise SourceError(
                "The upload is cut off: its index, which comes last in such a file, is missing. Upload it again.",
                detail=error.detail,
            ) from None
        raise SourceError("The upload is not a video or audio file that can be read.", detail=error.detail) from None
    info = scan.applied(told)
    if media_type == "video" and info.video is None:
        raise SourceError("The upload holds no picture track that can be decoded, but was uploaded as video.")
    if media_type == "audio" and info.audio is None:
        raise SourceError("The upload holds no sound track that can be decoded, but was uploaded as audio.")
    if info.video is not None and info.video.coded_width * info.video.coded_height > profile.MAX_PIXELS:
        raise SourceError(
            f"The upload's picture is {info.video.width}x{info.video.height}, more than 8K; that is not supported."
        )
    if info.audio is not None and (info.audio.sample_rate <= 0 or info.audio.channels <= 0):
        info = replace(info, audio=None)
        if media_type == "audio":
            raise SourceError("The upload's sound track is damaged: it has no sample rate or no channels.")
    found = Examined(told, info, _arrived(source))
    require_enough(damage.losses(told, info, damage.DecodeLog(), arrived=found.arrived), info, media_type)
    return found


def facts(info: MediaInfo, source: Path, loss: Mapping[int, Loss] | None = None) -> SourceFacts:
    """The upload as it is recorded; `loss` by track."""
    video, audio = info.video, info.audio
    seen = (loss or {}).get(video.index) if video else None
    heard = (loss or {}).get(audio.index) if audio else None
    together = video is not None and audio is not None and video.start is not None and audio.start is not None
    rate = video.average_rate if video else None
    return SourceFacts(
        container=info.container,
        size=source.stat().st_size,
        duration=info.seconds if info.seconds is not None else info.duration,
        width=video.width if video else None,
        height=video.height if video else None,
        frame_rate=str(rate) if rate else None,
        rotation=video.rotation if video else 0,
        interlaced=video.interlaced if video else False,
        hdr=video.hdr if video else False,
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        audio_channels=audio.channels if audio else None,
        audio_sample_rate=audio.sample_rate if audio else None,
        audio_layout=audio.layout if audio else None,
        audio_bits=audio.bits if audio else None,
        audio_after_video=round((audio.start or 0.0) - (video.start or 0.0), 6)
        if together and audio is not None and video is not None
        else None,
        tracks_left_out=dict(info.left_out) or None,
        video_packets=info.counted[video.index].packets if video and video.index in info.counted else None,
        video_seconds_declared=round(seen.declared, 3) if seen else None,
        video_share_lost=round(seen.share, 4) if seen else None,
        audio_seconds_declared=round(heard.declared, 3) if heard else None,
        audio_share_lost=round(heard.share, 4) if heard else None,
    )


def longest(info: MediaInfo) -> float:
    """Seconds of the longest track of a mezzanine. Raises `SourceError` when nothing came out of the source."""
    tracks = [track for track in (info.video, info.audio) if track is not None]
    seconds = max((track.duration or 0.0 for track in tracks), default=0.0)
    if seconds <= 0:
        raise SourceError("The upload holds no picture or sound that can be decoded.")
    return round(seconds, 6)


def require_enough(loss: Mapping[int, Loss], info: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when more than `profile.LOSS_LIMIT` is lost of what the upload is about."""
    track = info.video if media_type == "video" else info.audio
    one = loss.get(track.index) if track is not None else None
    if one is None or one.share <= profile.LOSS_LIMIT:
        return
    name = "picture" if isinstance(track, VideoStream) else "sound"
    left = max(0.0, one.declared - one.lost)
    if one.tail >= 0.9 * one.lost:
        raise SourceError(
            f"The upload seems to be cut off: {left:.1f} of {one.declared:.1f} seconds of the {name} arrived. "
            "Upload it again."
        )
    raise SourceError(
        f"The upload is too damaged: only {left:.1f} of {one.declared:.1f} seconds of the {name} could be decoded. "
        "Upload it again."
    )


def _arrived(source: Path) -> float:
    """The part of the bytes that the file's own header promises."""
    with source.open("rb") as file:
        promised = probe.promised_bytes(file.read(12))
    size = source.stat().st_size
    if promised is None or size >= (1 - profile.TOLD_LOSS_SHARE) * promised:
        return 1.0
    return max(size, 1) / promised


def fault(error: ToolError) -> JobError:
    """A decode that fails on the CPU is the source's fault, unless the worker itself was in trouble."""
    ours = ("No space left", "Cannot allocate memory", "passed its limit", "made no progress")
    killed = error.exit_code is not None and error.exit_code < 0
    if killed or any(sign in f"{error.reason} {error.detail}" for sign in ours):
        return error
    return SourceError("The upload could not be decoded; it is damaged or not supported.", detail=error.detail)
