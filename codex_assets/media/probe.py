"""ffprobe's JSON becomes frozen facts: what a file is, as a viewer would see and hear it.

Sizes are *displayed* sizes: after rotation, with square pixels. Covers and timed thumbnails are no video. What a file
lacks is `None`. Arguments for opening a file that nobody has vouched for are here too.

A header may promise anything, and a browser's recording promises nothing: `scanned` replaces what a header says of time
by what the packets say, read without decoding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
SHARED_DURATIONS = ("matroska", "asf")
"""Containers that know only how long the whole lasts."""
RESTARTING_CLOCKS = ("mpegts", "mpeg", "ogg")
"""Containers whose clock may jump (broadcasts wrap around, edits restart it, ogg files are chained): the first and the
last time then say nothing of what lies between, and ffmpeg joins the parts by itself."""
FAR_OFF = 0.1
"""Relative distance from the counted rate at which a header's average rate is not believed."""
LONGEST_STEP_SECONDS = 10.0
"""A longer step, or one back by more than a second, is such a jump."""
SECOND_CHOICE = ("comment", "visual_impaired", "hearing_impaired", "descriptions", "karaoke", "clean_effects")
"""Dispositions of a track that is chosen only where there is no other."""
NOTED_STEP_SECONDS = 0.05
"""Shorter steps between packets are nobody's gap."""


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
class Counted:
    """What the packets of one track show: how many there are, how many come before the first key frame (and can hardly
    be decoded), seconds that an edit list hides, and steps (seconds) that are much longer than usual."""

    packets: int = 0
    leading: int = 0
    hidden: float = 0.0
    steps: tuple[float, ...] = ()


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds: the first real picture track and the first (default) sound track.

    `start`: where the file's clock starts, which any of its tracks may decide. `end`: the last moment of any of them,
    once scanned. `others`: the tracks of both kinds that would be the next choice, in order. `promised`: end of a track
    by its index, where the container has an index of its own for each. `left_out`: number of tracks by kind.
    """

    container: str
    duration: float | None
    video: VideoStream | None
    audio: AudioStream | None
    start: float | None = None
    end: float | None = None
    others: tuple[VideoStream | AudioStream, ...] = ()
    promised: Mapping[int, float] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[int, Counted] = field(default_factory=dict)

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


def input_arguments(
    path: str, *, trusted: bool = False, probing: bool = False, container: str | None = None
) -> list[str]:
    """`path` as an input. An upload may only be a plain media file, whatever its name says it is. `container`: what it
    was found to be."""
    source = [path] if probing else ["-i", path]
    if trusted:
        return source
    fence = ["-protocol_whitelist", profile.UNTRUSTED_PROTOCOLS, "-format_whitelist", profile.UNTRUSTED_FORMATS]
    over_holes = ["-resync_size", str(profile.RESYNC_BYTES)] if container == "mpegts" else []
    return [*fence, *([] if probing else ["-max_pixels", str(profile.MAX_PIXELS)]), *over_holes, *source]


def scan_arguments(path: str, container: str | None = None) -> list[str]:
    """Arguments for ffprobe that list every packet of an upload; a `PacketScan` reads the lines."""
    fields = "packet=stream_index,pts_time,dts_time,duration_time,flags"
    return ["-of", "csv=p=0", "-show_entries", fields, *input_arguments(path, probing=True, container=container)]


def scanned(info: MediaInfo, packets: Iterable[str]) -> MediaInfo:
    """`info` with the start, the duration and, where the header is far off, the average rate that `packets` show.

    A track without packets is no track: the next one of its kind that has some takes its place. Where the clock jumps,
    nobody knows how long it lasts: the header's first and last times say nothing of what lies between.
    """
    scan = PacketScan()
    for line in packets:
        scan.add(line)
    return scan.applied(info)


class PacketScan:
    """Reads the lines that `scan_arguments` ask for, one after the other, and keeps what they say of each track."""

    def __init__(self) -> None:
        self._extents: dict[int, _Extent] = defaultdict(_Extent)

    def add(self, line: str) -> None:
        index, *fields = line.split(",")
        if index.isdigit() and len(fields) >= 4:
            self._extents[int(index)].add(*fields[:4])

    def applied(self, info: MediaInfo) -> MediaInfo:
        """`info` as `scanned` describes it."""
        jumps = any(name in info.container.split(",") for name in RESTARTING_CLOCKS)
        extents = self._extents
        tracks: list[VideoStream | AudioStream] = [track for track in (info.video, info.audio, *info.others) if track is not None]
        chosen = [track for track in tracks if track.index in extents]

        def known(index: int) -> _Extent | None:
            extent = extents[index]
            return None if extent.seconds <= 0 or (jumps and extent.jumped) else extent

        def joined(index: int) -> bool:
            return jumps and extents[index].jumped

        video = next((track for track in chosen if isinstance(track, VideoStream)), None)
        audio = next((track for track in chosen if isinstance(track, AudioStream)), None)
        if video is not None and (extent := known(video.index)) is not None:
            rate = extent.rate(video)
            video = replace(video, start=extent.start, duration=extent.seconds, average_rate=rate)
        elif video is not None and joined(video.index):
            video = replace(video, duration=None)
        if audio is not None and (extent := known(audio.index)) is not None:
            audio = replace(audio, start=extent.start, duration=extent.seconds)
        elif audio is not None and joined(audio.index):
            audio = replace(audio, duration=None)
        ends = [extent.end for index in extents if (extent := known(index)) is not None]
        return replace(
            info,
            video=video,
            audio=audio,
            end=max(ends) if ends and len(ends) == len(extents) else None,
            counted={index: extent.counted() for index, extent in extents.items()},
        )


class _Extent:
    """First and last moment of one track, as its packets tell them one after the other."""

    def __init__(self) -> None:
        self.start = self.end = self._last_start = 0.0
        self.packets = 0
        self.jumped = False
        self._clock: float | None = None
        self._step = 0.0
        self._seen = self._leading = 0
        self._keyed = False
        self._hidden = 0.0
        self._steps: list[float] = []

    def add(self, pts: str, dts: str, duration: str, flags: str) -> None:
        stored = _seconds(dts, signed=True)
        shown = _seconds(pts, signed=True)
        shown = stored if shown is None else shown
        self._seen += 1
        self._keyed = self._keyed or "K" in flags
        self._leading += not self._keyed
        if shown is None or "D" in flags:
            # Without a time it cannot be placed; discarded by an edit list it is never shown.
            self._hidden += _seconds(duration) or 0.0
            return
        clock = shown if stored is None else stored
        if self._clock is not None:
            step = clock - self._clock
            self.jumped = self.jumped or not -1.0 <= step <= LONGEST_STEP_SECONDS
            self._step = step if step > 0 else self._step
            if step > NOTED_STEP_SECONDS and len(self._steps) < 10_000:
                self._steps.append(step)
        self._clock = clock
        lasts = _seconds(duration) or self._step
        self.start = shown if not self.packets else min(self.start, shown)
        self.end = shown + lasts if not self.packets else max(self.end, shown + lasts)
        self._last_start = max(self._last_start, shown) if self.packets else shown
        self.packets += 1

    @property
    def seconds(self) -> float:
        return round(self.end - self.start, 6)

    def counted(self) -> Counted:
        usual = self.seconds / self.packets if self.packets else 0.0
        long = tuple(step for step in self._steps if step > 2 * usual)
        return Counted(self._seen, self._leading if self._keyed else 0, self._hidden, long)

    def rate(self, video: VideoStream) -> Fraction | None:
        """The header's average, unless the packets tell quite another one: two packets may make an interlaced frame."""
        told, apart = video.average_rate, self._last_start - self.start
        if self.packets < 3 or apart <= 0 or video.interlaced:
            return told
        counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        if told is not None and abs(told - counted) <= FAR_OFF * counted:
            return told
        return counted


def promises_duration(info: MediaInfo) -> bool:
    """Whether the header's durations come from an index: then a shorter file is a cut-off one, and the durations
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
    pictures = [_video(s) for s in _in_order(streams, "video") if not _is_picture(s)]
    sounds = [_audio(s) for s in _in_order(streams, "audio") if s.get("codec_name")]
    chosen = [track.index for track in (*pictures[:1], *sounds[:1])]
    return MediaInfo(
        container=str(container.get("format_name", "")),
        duration=_seconds(container.get("duration")),
        video=pictures[0] if pictures else None,
        audio=sounds[0] if sounds else None,
        start=_seconds(container.get("start_time"), signed=True),
        others=(*pictures[1:], *sounds[1:]),
        promised=_promised(str(container.get("format_name", "")), streams),
        left_out=Counter(_kind(s) for s in streams if s.get("index") not in chosen),
    )


def _in_order(streams: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The tracks of one kind, the one that a player would choose first."""

    def rank(stream: dict[str, Any]) -> tuple[bool, bool, bool]:
        disposition = stream.get("disposition", {})
        empty = kind == "audio" and not (int(stream.get("sample_rate") or 0) and int(stream.get("channels") or 0))
        second = any(disposition.get(name) for name in SECOND_CHOICE)
        return (empty, second, not disposition.get("default"))

    return sorted((stream for stream in streams if stream.get("codec_type") == kind), key=rank)


def _kind(stream: Mapping[str, Any]) -> str:
    kind = str(stream.get("codec_type") or "unknown")
    return "picture" if kind == "video" and _is_picture(stream) else kind


def _promised(container: str, streams: Sequence[dict[str, Any]]) -> dict[int, float]:
    """End of each track by an index of its own. Matroska's is a tag; where it lacks one, ffprobe tells the file's."""
    ends = {}
    for stream in streams:
        end = _tag_duration(stream)
        if end is None and not set(container.split(",")) & set(SHARED_DURATIONS):
            told = _seconds(stream.get("duration"))
            end = None if told is None else told + (_seconds(stream.get("start_time"), signed=True) or 0.0)
        if end is not None:
            ends[int(stream["index"])] = end
    return ends


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
    ends = _tag_duration(stream)
    if ends is None:
        return _seconds(stream.get("duration"))
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
