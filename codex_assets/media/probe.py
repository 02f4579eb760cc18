"""ffprobe's JSON becomes frozen facts: what a file is, as a viewer would see and hear it.

Sizes are *displayed* sizes: after rotation, with square pixels. Covers and timed thumbnails are no video. What a file
lacks is `None`. Arguments for opening a file that nobody has vouched for are here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from codex_assets.media import profile

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
INTERLACED_ORDERS = ("tt", "bb", "tb", "bt")
LOSSLESS_AUDIO = (
    *("flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp", "tak", "shorten"),
    *("wmalossless", "als"),
)


@dataclass(frozen=True)
class VideoStream:
    """A picture track. `width`, `height`: displayed pixels. Rates are frames a second. Seconds for times."""

    index: int
    codec: str
    profile: str | None
    level: int | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    sample_aspect: Fraction
    rotation: int
    average_rate: Fraction | None
    nominal_rate: Fraction | None
    pixel_format: str | None
    interlaced: bool
    matrix: str | None
    transfer: str | None
    primaries: str | None
    color_range: str | None
    start: float | None
    duration: float | None
    frames: int | None

    @property
    def hdr(self) -> bool:
        return self.transfer in HDR_TRANSFERS

    @property
    def has_alpha(self) -> bool:
        name = self.pixel_format or ""
        return any(part in name for part in ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16"))


@dataclass(frozen=True)
class AudioStream:
    index: int
    codec: str
    profile: str | None
    sample_rate: int
    channels: int
    layout: str | None
    bits: int | None
    start: float | None
    duration: float | None

    @property
    def lossless(self) -> bool:
        return self.codec in LOSSLESS_AUDIO or self.codec.startswith("pcm_")


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds: the first real picture track and the first (default) sound track."""

    container: str
    duration: float | None
    video: VideoStream | None
    audio: AudioStream | None


def probe_arguments(path: str, *, trusted: bool = False) -> list[str]:
    """Arguments for ffprobe that yield what `parse` reads."""
    return ["-show_format", "-show_streams", *input_arguments(path, trusted=trusted, probing=True)]


def input_arguments(path: str, *, trusted: bool = False, probing: bool = False) -> list[str]:
    """`path` as an input. An upload may only be a plain media file, whatever its name says it is."""
    source = [path] if probing else ["-i", path]
    if trusted:
        return source
    fence = ["-protocol_whitelist", profile.UNTRUSTED_PROTOCOLS, "-format_whitelist", profile.UNTRUSTED_FORMATS]
    return [*fence, *([] if probing else ["-max_pixels", str(profile.MAX_PIXELS)]), *source]


def parse(probed: Mapping[str, Any]) -> MediaInfo:
    """`ffprobe -show_format -show_streams` as JSON -> `MediaInfo`. Unknown or absurd values become None."""
    streams = [stream for stream in probed.get("streams", []) if isinstance(stream, dict)]
    container = probed.get("format", {})
    video = _first([s for s in streams if s.get("codec_type") == "video" and not _is_picture(s)])
    audio = _first([s for s in streams if s.get("codec_type") == "audio" and s.get("codec_name")])
    return MediaInfo(
        container=str(container.get("format_name", "")),
        duration=_seconds(container.get("duration")),
        video=_video(video) if video is not None else None,
        audio=_audio(audio) if audio is not None else None,
    )


def _first(streams: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    default = [stream for stream in streams if stream.get("disposition", {}).get("default")]
    return next(iter([*default, *streams]), None)


def _is_picture(stream: Mapping[str, Any]) -> bool:
    disposition = stream.get("disposition", {})
    undecodable = not stream.get("codec_name") or not stream.get("width") or not stream.get("height")
    return bool(disposition.get("attached_pic") or disposition.get("timed_thumbnails")) or undecodable


def _video(stream: Mapping[str, Any]) -> VideoStream:
    coded_width, coded_height = int(stream["width"]), int(stream["height"])
    aspect = _ratio(stream.get("sample_aspect_ratio"), ":") or Fraction(1)
    if not Fraction(1, 16) <= aspect <= 16:
        aspect = Fraction(1)
    rotation = _rotation(stream)
    width, height = max(1, round(coded_width * aspect)), coded_height
    if rotation in (90, 270):
        width, height = height, width
    frames = stream.get("nb_read_frames") or stream.get("nb_frames")
    return VideoStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=_known(stream.get("profile")),
        level=int(stream["level"]) if int(stream.get("level", -1)) > 0 else None,
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        sample_aspect=aspect,
        rotation=rotation,
        average_rate=_ratio(stream.get("avg_frame_rate"), "/"),
        nominal_rate=_ratio(stream.get("r_frame_rate"), "/"),
        pixel_format=_known(stream.get("pix_fmt")),
        interlaced=stream.get("field_order") in INTERLACED_ORDERS,
        matrix=_known(stream.get("color_space")),
        transfer=_known(stream.get("color_transfer")),
        primaries=_known(stream.get("color_primaries")),
        color_range=_known(stream.get("color_range")),
        start=_seconds(stream.get("start_time"), signed=True),
        duration=_seconds(stream.get("duration")) or _tag_duration(stream),
        frames=int(str(frames)) if str(frames).isdigit() else None,
    )


def _audio(stream: Mapping[str, Any]) -> AudioStream:
    bits = int(stream.get("bits_per_raw_sample") or stream.get("bits_per_sample") or 0)
    return AudioStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=_known(stream.get("profile")),
        sample_rate=int(stream.get("sample_rate") or 0),
        channels=int(stream.get("channels") or 0),
        layout=_known(stream.get("channel_layout")),
        bits=bits or None,
        start=_seconds(stream.get("start_time"), signed=True),
        duration=_seconds(stream.get("duration")) or _tag_duration(stream),
    )


def _rotation(stream: Mapping[str, Any]) -> int:
    """Degrees clockwise that a player turns the coded picture: 0, 90, 180 or 270."""
    for side in stream.get("side_data_list", []):
        if "rotation" in side:
            return (-round(float(side["rotation"]) / 90) * 90) % 360
    return 0


def _tag_duration(stream: Mapping[str, Any]) -> float | None:
    """Matroska keeps a track's duration in a tag, as `HH:MM:SS.fraction`."""
    tags = {str(name).upper(): value for name, value in stream.get("tags", {}).items()}
    parts = str(tags.get("DURATION", "")).split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds or None


def _ratio(text: object, sign: str) -> Fraction | None:
    over, _, under = str(text or "").partition(sign)
    try:
        ratio = Fraction(int(over), int(under))
    except (ValueError, ZeroDivisionError):
        return None
    return ratio if ratio > 0 else None


def _seconds(text: object, *, signed: bool = False) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    if seconds != seconds or abs(seconds) == float("inf"):
        return None
    return seconds if signed or seconds > 0 else None


def _known(text: object) -> str | None:
    return None if text in (None, "", "unknown", "reserved") else str(text)
