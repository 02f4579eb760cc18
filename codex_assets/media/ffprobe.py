"""ffprobe's JSON becomes a frozen `MediaInfo`, in display orientation.

In: which streams count as the picture and the sound, and which of a header's statements can be believed. Out: single
values of that JSON (`fields.py`), and what the packets and frames of an upload show (`upload/`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from codex_assets.media import profile
from codex_assets.media.channel_tracks import channel_tracks, left_alone
from codex_assets.media.facts import AudioStream, MediaInfo, UndecodedTrack, VideoStream
from codex_assets.media.fields import (
    display_rotation,
    known_text,
    parse_ratio,
    parse_seconds,
    parse_tag_seconds,
    parse_whole,
)
from codex_assets.media.input_flags import input_arguments

INTERLACED_ORDERS: Mapping[str, Literal["tff", "bff"]] = {"tt": "tff", "bb": "bff", "tb": "bff", "bt": "tff"}
"""ffprobe's field orders: which field is coded first, and which is shown first."""
DOLBY_VISION_BASES = {1: "smpte2084", 2: "bt709", 4: "arib-std-b67", 6: "smpte2084"}
"""What a base layer is coded in, by its signal compatibility (Dolby Vision streams, 2.2); 0: Dolby's own."""
SHARED_DURATIONS = ("matroska", "asf")
"""Containers that know only how long the whole lasts."""
SECOND_CHOICE = ("comment", "visual_impaired", "hearing_impaired", "descriptions", "karaoke", "clean_effects")
"""Dispositions of a track that is chosen only where there is no other."""
MOST_REORDERED = 16
"""ITU-T H.264 A.3.1."""


def probe_arguments(
    path: str, *, trusted: bool = False, container: str | None = None, look: int | None = None
) -> list[str]:
    """Arguments for ffprobe that yield what `parse` reads. `container`, `look`: as `input_arguments` takes them."""
    opened = input_arguments(path, trusted=trusted, probing=True, container=container, look=look)
    return ["-show_format", "-show_streams", "-show_programs", *opened]


def parse(probed: Mapping[str, Any]) -> MediaInfo:
    """The tracks and durations of a file, from ffprobe's answer to `probe_arguments`, as JSON.

    Values that are unknown or absurd become None, and streams without a shape are left out.
    """
    streams = [_shaped(stream) for stream in _dicts(probed.get("streams"))]
    streams = [stream for stream in streams if "index" in stream]
    header = probed.get("format")
    container = header if isinstance(header, dict) else {}
    pictures = [_video(stream) for stream in _in_order(streams, "video") if not _is_not_film(stream)]
    decodable = [stream for stream in _in_order(streams, "audio") if stream.get("codec_name")]
    programme = _programme(probed, pictures[0].index) if pictures else frozenset()
    # Another programme's sound is never that of the picture.
    beside = [stream for stream in decodable if stream["index"] in programme]
    sounds = _sounds(probed, beside or decodable)
    chosen = {picture.index for picture in pictures[:1]} | {sound.index for sound in sounds[:1]}
    chosen |= {index for sound in sounds[:1] for index, _ in sound.channel_tracks}
    return MediaInfo(
        container=str(container.get("format_name", "")),
        duration=_whole_duration(probed, container),
        video=pictures[0] if pictures else None,
        audio=sounds[0] if sounds else None,
        start=parse_seconds(container.get("start_time"), signed=True),
        others=(*pictures[1:], *sounds[1:]),
        promised=_promised(str(container.get("format_name", "")), streams),
        left_out=Counter(_kind(stream) for stream in streams if stream["index"] not in chosen),
        streams=len(streams),
        indexed=_indexed(str(container.get("format_name", "")), streams),
        formless=frozenset(int(stream["index"]) for stream in streams if _is_formless(stream)),
        undecoded=tuple(_undecoded(stream) for stream in streams if _is_undecoded(stream)),
        codecs=frozenset(str(stream["codec_name"]) for stream in streams if stream.get("codec_name")),
    )


UNKNOWN_DURATIONS = (2**31 - 1, 2**32 - 1)
"""How writers of mp4 say that they do not know a duration yet (ISO/IEC 14496-12, 8.4.2): all bits, or all but one."""

_WHOLE_NUMBERS = (
    *("index", "width", "height", "level", "nb_frames", "nb_read_frames", "has_b_frames"),
    *("sample_rate", "channels", "bits_per_sample", "bits_per_raw_sample"),
)


def _dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list in JSON; none of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _shaped(stream: Mapping[str, Any]) -> dict[str, Any]:
    """A stream without the fields that do not have their shape: a number that is none, a list in a map's place."""
    kept = dict(stream)
    for name in _WHOLE_NUMBERS:
        value = parse_whole(kept.pop(name, None))
        if value is not None:
            kept[name] = value
    if parse_whole(kept.get("duration_ts")) in UNKNOWN_DURATIONS:
        kept.pop("duration", None)
    for name in ("disposition", "tags"):
        if not isinstance(kept.get(name), dict):
            kept.pop(name, None)
    sides = [dict(side) for side in _dicts(kept.pop("side_data_list", None))]
    for side in sides:
        if "rotation" in side and parse_seconds(side["rotation"], signed=True) is None:
            del side["rotation"]
    return {**kept, "side_data_list": sides} if sides else kept


def _in_order(streams: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The tracks of one kind, the one that a player would choose first."""

    def rank(stream: dict[str, Any]) -> tuple[bool, bool, bool]:
        disposition = stream.get("disposition", {})
        empty = kind == "audio" and not (int(stream.get("sample_rate") or 0) and int(stream.get("channels") or 0))
        second = any(disposition.get(name) for name in SECOND_CHOICE)
        return (empty, second, not disposition.get("default"))

    return sorted((stream for stream in streams if stream.get("codec_type") == kind), key=rank)


def _sounds(probed: Mapping[str, Any], streams: Sequence[dict[str, Any]]) -> list[AudioStream]:
    """The sounds in order; the first may be in several mono tracks, of which the others are then none by themselves."""
    sounds = [_audio(stream) for stream in streams]
    # Which of them is used is not known before the packets are.
    sounds = [replace(sound, left_alone=left_alone(streams, {sound.index})) for sound in sounds]
    joined = channel_tracks(probed, streams) if streams else None
    if joined is None:
        return sounds
    layout, channels = joined
    first = replace(
        next(sound for sound in sounds if sound.index in channels),
        channels=len(channels),
        layout=layout,
        channel_tracks=tuple(channels.items()),
        left_alone=left_alone(streams, channels),
    )
    return [first, *(sound for sound in sounds if sound.index not in channels)]


def _programme(probed: Mapping[str, Any], index: int) -> frozenset[int]:
    """The tracks of the first programme that a track is part of. Only broadcasts have any, and may have several."""
    for programme in _dicts(probed.get("programs")):
        numbers = [parse_whole(stream.get("index")) for stream in _dicts(programme.get("streams"))]
        indexes = frozenset(number for number in numbers if number is not None)
        if index in indexes:
            return indexes
    return frozenset()


def _kind(stream: Mapping[str, Any]) -> str:
    kind = str(stream.get("codec_type") or "unknown")
    return "picture" if kind == "video" and _is_not_film(stream) else kind


def _is_formless(stream: Mapping[str, Any]) -> bool:
    """Whether a stream is a picture without a size, or a sound without a rate or channels."""
    needed = {"video": ("width", "height"), "audio": ("sample_rate", "channels")}
    return any(not int(stream.get(name) or 0) for name in needed.get(str(stream.get("codec_type")), ()))


def _is_undecoded(stream: Mapping[str, Any]) -> bool:
    """Whether a stream is a picture or sound whose codec ffmpeg does not know."""
    is_cover = any(stream.get("disposition", {}).get(name) for name in ("attached_pic", "timed_thumbnails"))
    return stream.get("codec_type") in ("video", "audio") and not stream.get("codec_name") and not is_cover


def _undecoded(stream: Mapping[str, Any]) -> UndecodedTrack:
    return UndecodedTrack(str(stream["codec_type"]), str(stream.get("codec_tag_string", "")), int(stream["index"]))


def _indexed(container: str, streams: Sequence[dict[str, Any]]) -> dict[int, int]:
    """How many samples the index of an mp4 lists, by track."""
    if "mp4" not in container.split(","):
        return {}
    return {int(stream["index"]): int(stream["nb_frames"]) for stream in streams if stream.get("nb_frames")}


def _whole_duration(probed: Mapping[str, Any], container: Mapping[str, Any]) -> float | None:
    """Seconds of the file; None where that is the duration of a track that says it does not know its own."""
    duration = parse_seconds(container.get("duration"))
    unknown = [
        parse_seconds(stream.get("duration"))
        for stream in _dicts(probed.get("streams"))
        if parse_whole(stream.get("duration_ts")) in UNKNOWN_DURATIONS
    ]
    longest = max((seconds for seconds in unknown if seconds is not None), default=None)
    return None if duration is not None and longest is not None and duration >= longest - 1.0 else duration


def _promised(container: str, streams: Sequence[dict[str, Any]]) -> dict[int, float]:
    """End of each track by an index of its own. Matroska's is a tag; where it lacks one, ffprobe states the file's."""
    ends = {}
    for stream in streams:
        end = parse_tag_seconds(stream.get("tags", {}))
        if end is None and not set(container.split(",")) & set(SHARED_DURATIONS):
            duration = parse_seconds(stream.get("duration"))
            # An mp3's start is its encoder's delay, which its packets' times do not count.
            late = 0.0 if container == "mp3" else parse_seconds(stream.get("start_time"), signed=True) or 0.0
            end = None if duration is None else duration + late
        if end is not None:
            ends[int(stream["index"])] = end
    return ends


def _is_not_film(stream: Mapping[str, Any]) -> bool:
    """Whether a picture track is a cover, or nothing that could be decoded."""
    disposition = stream.get("disposition", {})
    undecodable = not stream.get("codec_name") or not stream.get("width") or not stream.get("height")
    return bool(disposition.get("attached_pic") or disposition.get("timed_thumbnails")) or undecodable


def _video(stream: Mapping[str, Any]) -> VideoStream:
    coded_width, coded_height = int(stream["width"]), int(stream["height"])
    aspect = _sample_aspect(stream, coded_width, coded_height)
    rotation, mirrored = _orientation(stream)
    dolby = _dolby_vision(stream)
    base = dolby.get("dv_bl_signal_compatibility_id") if dolby else None
    order = INTERLACED_ORDERS.get(str(stream.get("field_order")))
    width, height = max(1, round(coded_width * aspect)), coded_height
    if rotation in (90, 270):
        width, height = height, width
    frames = stream.get("nb_read_frames") or stream.get("nb_frames")
    return VideoStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=known_text(stream.get("profile")),
        level=int(stream["level"]) if int(stream.get("level", -1)) > 0 else None,
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        sample_aspect=aspect,
        rotation=rotation,
        average_rate=parse_ratio(stream.get("avg_frame_rate"), "/"),
        nominal_rate=parse_ratio(stream.get("r_frame_rate"), "/"),
        pixel_format=known_text(stream.get("pix_fmt")),
        interlaced=order is not None,
        matrix=known_text(stream.get("color_space")),
        transfer=known_text(stream.get("color_transfer")) or DOLBY_VISION_BASES.get(base or 0),
        primaries=known_text(stream.get("color_primaries")),
        color_range=known_text(stream.get("color_range")),
        start=parse_seconds(stream.get("start_time"), signed=True),
        duration=_duration(stream),
        frames=int(str(frames)) if str(frames).isdigit() else None,
        mirrored=mirrored,
        deinterlaced=order or "flagged",
        alpha_track=stream["codec_name"] in ("vp8", "vp9") and _tag(stream, "alpha_mode") == "1",
        container_cropped=any("crop_top" in side for side in stream.get("side_data_list", [])),
        dolby_vision=dolby.get("dv_profile") if dolby else None,
        dolby_vision_base=base,
        reordered=min(int(stream.get("has_b_frames") or 0), MOST_REORDERED),
    )


def _sample_aspect(stream: Mapping[str, Any], width: int, height: int) -> Fraction:
    """Width over height of a sample: 1 where the header says nothing, or makes an impossible picture of its pixels."""
    aspect = parse_ratio(stream.get("sample_aspect_ratio"), ":") or Fraction(1)
    is_sane = Fraction(1, 16) <= aspect <= 16
    is_small = width * aspect * height <= max(profile.MAX_PIXELS, width * height)
    return aspect if is_sane and is_small else Fraction(1)


def _audio(stream: Mapping[str, Any]) -> AudioStream:
    bits = int(stream.get("bits_per_raw_sample") or stream.get("bits_per_sample") or 0)
    return AudioStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=known_text(stream.get("profile")),
        sample_rate=int(stream.get("sample_rate") or 0),
        channels=int(stream.get("channels") or 0),
        layout=known_text(stream.get("channel_layout")),
        bits=bits or None,
        start=parse_seconds(stream.get("start_time"), signed=True),
        duration=_duration(stream),
    )


def _orientation(stream: Mapping[str, Any]) -> tuple[int, bool]:
    """Degrees clockwise that a player turns the coded picture (0, 90, 180 or 270), and whether it mirrors it before.

    The display matrix counts; a `rotate` tag, as old muxers left it, only without one.
    """
    orientation = display_rotation(stream)
    if orientation is not None:
        return orientation
    try:
        return round(float(_tag(stream, "rotate") or 0) / 90) * 90 % 360, False
    except (ValueError, OverflowError):
        return 0, False


def _dolby_vision(stream: Mapping[str, Any]) -> dict[str, int] | None:
    for side in stream.get("side_data_list", []):
        if "dv_profile" in side:
            return {name: int(value) for name, value in side.items() if str(value).isdigit()}
    return None


def _tag(stream: Mapping[str, Any], name: str) -> str | None:
    tags = {str(key).lower(): str(value) for key, value in stream.get("tags", {}).items()}
    return tags.get(name)


def _duration(stream: Mapping[str, Any]) -> float | None:
    """Matroska keeps a track's end in a tag, as `HH:MM:SS.fraction`, whatever the tag is called."""
    ends = parse_tag_seconds(stream.get("tags", {}))
    if ends is None:
        return parse_seconds(stream.get("duration"))
    return max(0.0, ends - max(0.0, parse_seconds(stream.get("start_time"), signed=True) or 0.0)) or None
