"""What is recorded of an upload, in the record of the mezzanine that was made from it.

In: which facts are kept, and how each is rounded. Out: how they are found (`upload_check.py`), and the fields
themselves (`archive/records.SourceFacts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codex_assets.archive.records import SourceFacts
from codex_assets.media.facts import AudioStream, MediaInfo, VideoStream
from codex_assets.media.upload.damage import Loss


def source_facts(info: MediaInfo, source: Path, loss: Mapping[int, Loss]) -> SourceFacts:
    """The facts of the upload at `source`. `info`: as its packets show it; `loss`: by the track's index."""
    return SourceFacts(
        container=info.container,
        size=source.stat().st_size,
        duration=info.seconds if info.seconds is not None else info.duration,
        tracks_left_out=dict(info.left_out) or None,
        audio_after_video=_audio_after_video(info),
        **(_picture_facts(info, info.video, loss) if info.video is not None else {}),
        **(_sound_facts(info.audio, loss) if info.audio is not None else {}),
    )


def _audio_after_video(info: MediaInfo) -> float | None:
    """Seconds by which the sound starts later than the picture; None where one of the two starts is not known."""
    if info.video is None or info.audio is None or info.video.start is None or info.audio.start is None:
        return None
    return round(info.audio.start - info.video.start, 6)


def _picture_facts(info: MediaInfo, video: VideoStream, loss: Mapping[int, Loss]) -> dict[str, Any]:
    lost = loss.get(video.index)
    return {
        "width": video.width,
        "height": video.height,
        "frame_rate": str(video.average_rate) if video.average_rate else None,
        "rotation": video.rotation,
        "interlaced": video.interlaced,
        "hdr": video.hdr,
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
        "video_codec": video.codec,
        "video_packets": info.counted[video.index].packets if video.index in info.counted else None,
        "video_seconds_declared": round(lost.declared, 3) if lost is not None else None,
        "video_share_lost": round(lost.share, 4) if lost is not None else None,
    }


def _sound_facts(audio: AudioStream, loss: Mapping[int, Loss]) -> dict[str, Any]:
    lost = loss.get(audio.index)
    return {
        "audio_codec": audio.codec,
        "audio_channels": audio.channels,
        "audio_sample_rate": audio.sample_rate,
        "audio_layout": audio.layout,
        "audio_bits": audio.bits,
        "audio_seconds_declared": round(lost.declared, 3) if lost is not None else None,
        "audio_share_lost": round(lost.share, 4) if lost is not None else None,
    }
