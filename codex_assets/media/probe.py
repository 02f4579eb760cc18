"""ffprobe's JSON becomes frozen facts: what a file is, as a viewer would see and hear it.

Sizes are *displayed* sizes: after rotation, with square pixels. Covers and timed thumbnails are no video. What a file
lacks is `None`. Arguments for opening a file that nobody has vouched for are here too.

A header may promise anything, and a browser's recording promises nothing: `scanned` replaces what a header says of time
by what the packets say, read without decoding.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from codex_assets.media import profile

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
INTERLACED_ORDERS = ("tt", "bb", "tb", "bt")
LOSSLESS_AUDIO = (
    *("flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp", "tak", "shorten"),
    *("wmalossless", "als"),
)
INDEXED_CONTAINERS = ("mov", "matroska", "avi", "asf", "flac")
"""Containers whose durations come from an index, so that they tell a cut-off upload from a whole one."""
RESTARTING_CLOCKS = ("mpegts", "mpeg")
"""Containers whose clock may jump (broadcasts wrap around, edits restart it): the first and the last time then say
nothing of what lies between, and ffmpeg joins the parts by itself."""
FAR_OFF = 0.1
"""Relative distance from the counted rate at which a header's average rate is not believed."""
LONGEST_STEP_SECONDS = 10.0
"""A longer step, or one back by more than a second, is such a jump."""


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

    @property
    def tracks(self) -> tuple[VideoStream | AudioStream, ...]:
        return tuple(track for track in (self.video, self.audio) if track is not None)

    @property
    def seconds(self) -> float | None:
        """From the first moment of the earlier track to the last one of the later; None where a track does not say."""
        ends = [(track.start or 0.0) + track.duration for track in self.tracks if track.duration is not None]
        if not ends or len(ends) < len(self.tracks):
            return None
        return max(ends) - min(track.start or 0.0 for track in self.tracks)


def probe_arguments(path: str, *, trusted: bool = False) -> list[str]:
    """Arguments for ffprobe that yield what `parse` reads."""
    return ["-show_format", "-show_streams", *input_arguments(path, trusted=trusted, probing=True)]


def input_arguments(path: str, *, trusted: bool = False, probing: bool = False) -> list[str]:
    """`path` as an input. An upload may only be a plain media file, whatever its name says it is."""
    source = [path] if probing else ["-i", path]
    if trusted:
        return source
    fence = ["-protocol_whitelist", profile.UNTRUSTED_PROTOCOLS, "-format_whitelist", profile.UNTRUSTED_FORMATS]
    # A cover may be larger than any film; it is looked at and left out.
    pixels = profile.MAX_PIXELS * (4 if probing else 1)
    return [*fence, "-max_pixels", str(pixels), *source]


def scan_arguments(path: str) -> list[str]:
    """Arguments for ffprobe that list every packet of an upload; `scanned` reads the lines."""
    fields = "packet=stream_index,pts_time,dts_time,duration_time,size,flags"
    return ["-of", "csv=p=0", "-show_entries", fields, *input_arguments(path, probing=True)]


def scanned(info: MediaInfo, packets: Iterable[str]) -> MediaInfo:
    """`info` with the start, the duration and, where the header is far off, the average rate that `packets` show.

    A track without packets is no track. Where the clock jumps, what the header says stays.
    """
    extents: dict[int, _Extent] = defaultdict(_Extent)
    for line in packets:
        index, *fields = line.split(",")
        if index.isdigit() and len(fields) >= 5:
            pts, dts, duration, _, flags = fields[:5]
            extents[int(index)].add(pts, dts, duration, flags)
    jumps = any(name in info.container.split(",") for name in RESTARTING_CLOCKS)

    def known(index: int) -> _Extent | None:
        extent = extents.get(index)
        return None if extent is None or extent.seconds <= 0 or (jumps and extent.jumped) else extent

    video, audio = info.video, info.audio
    if video is not None:
        extent = known(video.index)
        if extent is not None:
            rate = extent.rate(video)
            video = replace(video, start=extent.start, duration=extent.seconds, average_rate=rate)
        elif video.index not in extents:
            video = None
    if audio is not None:
        extent = known(audio.index)
        if extent is not None:
            audio = replace(audio, start=extent.start, duration=extent.seconds)
        elif audio.index not in extents:
            audio = None
    return replace(info, video=video, audio=audio)


class _Extent:
    """First and last moment of one track, as its packets tell them one after the other."""

    def __init__(self) -> None:
        self.start = self.end = self._last_start = 0.0
        self.packets = 0
        self.jumped = False
        self._clock: float | None = None
        self._step = 0.0

    def add(self, pts: str, dts: str, duration: str, flags: str) -> None:
        stored = _seconds(dts, signed=True)
        shown = _seconds(pts, signed=True)
        shown = stored if shown is None else shown
        if shown is None or "D" in flags:
            # Without a time it cannot be placed; discarded by an edit list it is never shown.
            return
        clock = shown if stored is None else stored
        if self._clock is not None:
            step = clock - self._clock
            self.jumped = self.jumped or not -1.0 <= step <= LONGEST_STEP_SECONDS
            self._step = step if step > 0 else self._step
        self._clock = clock
        lasts = _seconds(duration) or self._step
        self.start = shown if not self.packets else min(self.start, shown)
        self.end = shown + lasts if not self.packets else max(self.end, shown + lasts)
        self._last_start = max(self._last_start, shown) if self.packets else shown
        self.packets += 1

    @property
    def seconds(self) -> float:
        return round(self.end - self.start, 6)

    def rate(self, video: VideoStream) -> Fraction | None:
        """The header's average, unless the packets tell quite another one: two packets may make an interlaced frame."""
        told, apart = video.average_rate, self._last_start - self.start
        if self.packets < 3 or apart <= 0 or video.interlaced:
            return told
        counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        if told is not None and abs(told - counted) <= FAR_OFF * counted:
            return told
        return counted


def damaged(log: Iterable[str], track: VideoStream | AudioStream | None) -> bool:
    """Whether the log of a decode complains about this track of its first input.

    A picture's decoder also complains about what it repairs (a broadcast that begins in mid-picture); only what it gave
    up counts. Of a sound every complaint does: a copy of it would carry the fault along.
    """
    if track is None:
        return False
    given_up = f"Error while decoding stream #0:{track.index}:"
    complaint = re.compile(rf"\[{re.escape(track.codec)}\w* @ \w+\] \[(error|fatal|panic)\]")
    heard = isinstance(track, AudioStream)
    return any(given_up in line or (heard and complaint.search(line)) for line in log)


def promises_duration(info: MediaInfo) -> bool:
    """Whether the header's durations come from an index: then a much shorter file is a cut-off one, and the durations
    are no estimate from the size. An mp3 starts late only when its encoder left a header of its own."""
    if info.container == "mp3":
        return info.audio is not None and (info.audio.start or 0.0) > 0
    return bool(set(info.container.split(",")) & set(INDEXED_CONTAINERS))


def promised_bytes(head: bytes) -> int | None:
    """Size of the file that a RIFF or AIFF header (its first 12 bytes) promises; None where nothing is promised.

    A recorder that could not go back leaves zero, or the largest number.
    """
    kind, size = head[:4], int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
    if len(head) < 12 or kind not in (b"RIFF", b"FORM") or size == 0 or size >= 0x7FFFF000:
        return None
    return size + 8


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
        duration=_duration(stream),
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
        duration=_duration(stream),
    )


def _rotation(stream: Mapping[str, Any]) -> int:
    """Degrees clockwise that a player turns the coded picture: 0, 90, 180 or 270."""
    for side in stream.get("side_data_list", []):
        if "rotation" in side:
            return (-round(float(side["rotation"]) / 90) * 90) % 360
    return 0


def _duration(stream: Mapping[str, Any]) -> float | None:
    """Matroska keeps a track's end in a tag, as `HH:MM:SS.fraction`, whatever the tag is called."""
    told = _seconds(stream.get("duration"))
    ends = _tag_duration(stream) if told is None else None
    if ends is None:
        return told
    return max(0.0, ends - max(0.0, _seconds(stream.get("start_time"), signed=True) or 0.0)) or None


def _tag_duration(stream: Mapping[str, Any]) -> float | None:
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
