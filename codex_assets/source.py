"""Judges an upload: what it holds, whether all of it arrived, and whose fault it is when it cannot be decoded.

Headers are not believed where packets can be counted. Every refusal is one sentence that a creator can act on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from codex_assets.errors import JobError, SourceError, ToolError
from codex_assets.media import interlace, probe, profile
from codex_assets.media.interlace import Combs
from codex_assets.media.probe import MediaInfo, VideoStream
from codex_assets.records import MediaType, SourceFacts
from codex_assets.tools import Tools


def examined(tools: Tools, media_type: MediaType, source: Path) -> MediaInfo:
    """What the upload holds, as its packets show it. Raises `SourceError` for what cannot be built from."""
    try:
        told = probe.parse(tools.ffprobe(probe.probe_arguments(str(source)), label="probing the original"))
        packets = tools.ffprobe_lines(probe.scan_arguments(str(source)), label="scanning the original")
    except ToolError as error:
        raise SourceError("The upload is not a video or audio file that can be read.", detail=error.detail) from None
    info = probe.scanned(told, packets)
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
    if probe.promises_duration(told):
        _require_arrived(told, info)
    _require_all_bytes(source)
    if media_type == "video" and info.video is not None:
        if info.video.has_own_colours:
            raise SourceError(
                f"The upload is Dolby Vision, profile {info.video.dolby_vision}, whose colours only Dolby's own "
                "decoders can show. Export it as HDR10, HLG or SDR, or as Dolby Vision profile 8, and upload that."
            )
        info = replace(info, video=_looked_at(tools, source, info.video))
    return info


def _looked_at(tools: Tools, source: Path, video: VideoStream) -> VideoStream:
    """`video` with what some of its decoded pictures show. A look that fails tells nothing: the encode will say why."""
    try:
        frames = tools.ffprobe(probe.frame_arguments(str(source), video), label="looking at some frames")
    except ToolError:
        return video
    return probe.looked_at(video, frames.get("frames", []), _combs(tools, source, video))


def _combs(tools: Tools, source: Path, video: VideoStream) -> Combs:
    height = video.coded_height
    columns = interlace.columns_of(video.coded_width, height)
    if height > profile.INTERLACE_LINES or min(columns, height) < 16:
        return Combs()
    shot = source.with_name(f"{source.name}.look")
    shots = []
    try:
        # One after the other: one run with several inputs decodes on in those that are done.
        for at, count in probe.places(video):
            opened = ["-noautorotate", *_sought(at, video), *probe.input_arguments(str(source))]
            arguments = interlace.sample_arguments(opened, video.index, str(shot), columns, height, count)
            tools.ffmpeg(arguments, label="looking at some pictures")
            shots.append(shot.read_bytes())
        return interlace.combs(shots, columns, height)
    except (ToolError, OSError):
        return Combs()
    finally:
        shot.unlink(missing_ok=True)


def _sought(at: float, video: VideoStream) -> list[str]:
    # To the key frame before: pictures in between would be decoded for nothing.
    seconds = at - (video.start or 0.0)
    return [] if seconds <= 0 else ["-noaccurate_seek", "-ss", f"{seconds:.3f}"]


def facts(info: MediaInfo, source: Path) -> SourceFacts:
    """The upload as it is recorded."""
    video, audio = info.video, info.audio
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
        **(_picture_facts(video) if video else {}),
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        audio_channels=audio.channels if audio else None,
        audio_sample_rate=audio.sample_rate if audio else None,
    )


def require_decoded(made: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when nothing of what the upload is about came out of its decode."""
    name = "picture" if media_type == "video" else "sound"
    if made.tracks and (made.video if media_type == "video" else made.audio) is None:
        raise SourceError(f"The upload's {name} could not be decoded; it is damaged or not supported.")


def _picture_facts(video: VideoStream) -> dict[str, Any]:
    return {
        "coded_width": video.coded_width,
        "coded_height": video.coded_height,
        "sample_aspect": str(video.sample_aspect),
        "mirrored": video.mirrored,
        "nominal_frame_rate": str(video.nominal_rate) if video.nominal_rate else None,
        "deinterlaced": video.deinterlaced,
        "pixel_format": video.pixel_format,
        "color_range": video.color_range,
        "color_matrix": video.matrix,
        "color_transfer": video.transfer,
        "color_primaries": video.primaries,
        "alpha": video.has_alpha,
        "hdr_kind": {"smpte2084": "PQ", "arib-std-b67": "HLG"}.get(video.transfer or ""),
        "dolby_vision": video.dolby_vision,
    }


def longest(info: MediaInfo) -> float:
    """Seconds of the longest track of a mezzanine. Raises `SourceError` when nothing came out of the source."""
    tracks = [track for track in (info.video, info.audio) if track is not None]
    seconds = max((track.duration or 0.0 for track in tracks), default=0.0)
    if seconds <= 0:
        raise SourceError("The upload holds no picture or sound that can be decoded.")
    return round(seconds, 6)


def _require_arrived(told: MediaInfo, found: MediaInfo) -> None:
    """Raises `SourceError` when a track is much shorter than the container's index promises: a cut-off upload."""
    for promised, arrived in ((told.video, found.video), (told.audio, found.audio)):
        if promised is not None and promised.duration is not None:
            there = arrived.duration or 0.0 if arrived is not None else 0.0
            if _much_less(promised.duration, there):
                raise SourceError(
                    f"The upload seems to be cut off: {there:.1f} of {promised.duration:.1f} seconds arrived. "
                    "Upload it again."
                )


def _require_all_bytes(source: Path) -> None:
    """Raises `SourceError` when the file is much smaller than its own header says."""
    with source.open("rb") as file:
        promised = probe.promised_bytes(file.read(12))
    size = source.stat().st_size
    if promised is not None and size < (1 - profile.TRUNCATED_FRACTION) * promised:
        raise SourceError(
            f"The upload seems to be cut off: {100 * size / promised:.0f} % of it arrived. Upload it again."
        )


def require_whole(promised: float | None, decoded: float) -> None:
    """Raises `SourceError` when much less came out than the packets promise: a damaged upload."""
    if promised is not None and _much_less(promised, decoded):
        raise SourceError(
            f"The upload seems to be damaged: only {decoded:.1f} of {promised:.1f} seconds could be decoded. "
            "Upload it again."
        )


def _much_less(promised: float, found: float) -> bool:
    lost = promised - found
    return lost > profile.TRUNCATED_SECONDS and lost > profile.TRUNCATED_FRACTION * promised


def fault(error: ToolError) -> JobError:
    """A decode that fails on the CPU is the source's fault, unless the worker itself was in trouble."""
    ours = ("No space left", "Cannot allocate memory", "passed its limit", "made no progress")
    killed = error.exit_code is not None and error.exit_code < 0
    if killed or any(sign in f"{error.reason} {error.detail}" for sign in ours):
        return error
    return SourceError("The upload could not be decoded; it is damaged or not supported.", detail=error.detail)
