"""What an upload's packets show: when its tracks begin and end, how long they last, and at which rate.

In: the arguments that list all packets, and a `MediaInfo` corrected by them. Out: the packets of one track
(`extents.py`), a header's own statements (`media/ffprobe.py`), and what is refused because of jumps (`intake.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from codex_assets.media.facts import AudioStream, Counted, MediaInfo, VideoStream
from codex_assets.media.fields import parse_seconds
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.upload.extents import TrackExtent
from codex_assets.media.upload.gaps import LONGEST_STEP_SECONDS, Clocks, longest_step
from codex_assets.media.upload.headers import promises_duration
from codex_assets.media.upload.pace import PicturePace

STILL_CODECS = ("mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000")
GAPLESS = ("dv", "flac", "mxf", "mxf_opatom")
"""Containers in which every frame follows the one before it: a step in their clock is what a demuxer stepped over."""
UNCLOCKED = ("h264", "hevc", "m4v", "mpegvideo", "obu")
"""Raw streams: no times at all, but each packet says how long its picture is shown."""
PAUSING_AUDIO = ("amr_nb", "amr_wb")
"""Codecs that code pauses by themselves."""
LONGEST_PACKET_SECONDS = 300.0
"""No packet of sound lasts longer: where one says so, a counter went below 0."""
AAC_FRAME_BYTES = 768
"""The most that a channel of an AAC frame takes (ISO/IEC 14496-3, 4.5.3.1: 6144 bits)."""


def scan_arguments(
    path: str, container: str | None = None, codecs: Collection[str] | None = None, look: int | None = None
) -> list[str]:
    """Arguments for ffprobe that list every packet of an upload, as `read_packets` reads the lines.

    `container`, `codecs`, `look`: as `input_arguments` takes them.
    """
    fields = "packet=stream_index,pts_time,dts_time,duration_time,size,flags:format=nb_streams"
    opened = input_arguments(path, probing=True, container=container, codecs=codecs, look=look)
    return ["-of", "csv=p=0", "-show_entries", fields, *opened]


def alpha_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str]:
    """Arguments for ffprobe that list what lies beside each picture of a track, as `has_alpha_throughout` reads it."""
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    fields = "packet=flags:packet_side_data=side_data_type"
    return ["-select_streams", str(video.index), "-of", "csv=p=0", "-show_entries", fields, *opened]


def has_alpha_throughout(lines: Iterable[str]) -> bool:
    """Whether transparency is coded beside every picture (WebM's BlockAdditions). Where it comes and goes, as browsers
    record a canvas, the decoder that reads it leaves out the pictures without it."""
    return all("BlockAdditional" in line for line in lines if line.strip())


def place_arguments(path: str, track: VideoStream | AudioStream, info: MediaInfo) -> list[str]:
    """Arguments for ffprobe that say where in the file (bytes) the first packet of a track lies."""
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    first = ["-select_streams", str(track.index), "-read_intervals", "%+#1", "-show_entries", "packet=pos"]
    return [*first, *opened]


def read_packets(info: MediaInfo, lines: Iterable[str]) -> MediaInfo:
    """`info` with what the packets of its file show: when its tracks start, how long they last, and at which rate.

    `info`: as the header has it. `lines`: ffprobe's answer to `scan_arguments`. A track without packets is dropped, and
    the next one of its kind that has some takes its place. A track whose clock jumps gets no duration: its first and
    last times say nothing of what lies between.
    """
    both = (*info.tracks, *info.others)
    # A programme stream says only of some pictures when they are shown.
    in_order = info.container == "mpeg"
    paces = {track.index: PicturePace(stored_only=in_order) for track in both if isinstance(track, VideoStream)}
    extents, clocks = _extents(lines, paces, {track.index for track in _sounds(both)})
    tracks = [track for track in (*info.tracks, *info.others) if track.index in extents]
    video = _film(tracks, extents)
    info = _with_gaps(info, clocks, extents, [track for track in tracks if track is video or track in _sounds(tracks)])
    if video is not None:
        video = _corrected_picture(video, info, extents[video.index])
        video = replace(video, moving_rate=paces[video.index].rate())
    audio = next(iter(_sounds(tracks)), None)
    if audio is not None:
        audio = _corrected_sound(audio, info, extents[audio.index])
    pausing = {track.index for track in tracks if track.codec in PAUSING_AUDIO}
    ends = [extent.end for extent in extents.values() if _is_measured(extent, info)]
    return replace(
        info,
        video=video,
        audio=audio,
        end=max(ends) if ends and len(ends) == len(extents) else None,
        others=(),
        counted={
            index: extent.counted(
                pausing=index in pausing,
                gapless=info.container in GAPLESS,
                constant=info.container == "dv" and video is not None and index == video.index,
            )
            for index, extent in extents.items()
        },
        orderly=not any(extent.disordered for extent in extents.values()),
        timed=not any(extent.untimed for extent in extents.values()),
    )


def _sounds(tracks: Sequence[VideoStream | AudioStream]) -> list[AudioStream]:
    return [track for track in tracks if isinstance(track, AudioStream)]


def _extents(
    lines: Iterable[str], paces: Mapping[int, PicturePace], sounds: Collection[int]
) -> tuple[dict[int, TrackExtent], Clocks]:
    """By the number of the track, and the clocks of all of them; of `sounds` no packet that lasts for ever. Adds the
    pictures of tracks to `paces`. Lines that are no packet's are left out."""
    extents: dict[int, TrackExtent] = defaultdict(TrackExtent)
    clocks = Clocks()
    for line in lines:
        index, *fields = line.split(",")
        if index.isdecimal() and len(index) < 10 and len(fields) >= 5:
            pts, dts, duration, size, flags = fields[:5]
            number = int(index)
            if number in sounds and (parse_seconds(duration) or 0.0) > LONGEST_PACKET_SECONDS:
                duration = "N/A"
            extents[number].add(pts, dts, duration, size, flags)
            if number in paces:
                paces[number].add(pts, dts, flags)
            moment = parse_seconds(dts if dts != "N/A" else pts, signed=True)
            if moment is not None:
                clocks.add(number, moment)
    return dict(extents), clocks


def _with_gaps(
    info: MediaInfo,
    clocks: Clocks,
    extents: Mapping[int, TrackExtent],
    tracks: Sequence[VideoStream | AudioStream],
) -> MediaInfo:
    """`info` with the longest gap of one of `tracks` that is no jump of the clock. Their extents learn of it."""
    if not info.clock_restarts:
        return info
    indexes = [track.index for track in tracks]
    longest = longest_step(clocks.longest_gap(indexes))
    for index in indexes:
        extents[index].longest_step = longest
    joined = [clocks.joined_seconds(index, longest) for index in indexes if extents[index].jumped]
    return replace(
        info,
        longest_step=longest if longest > LONGEST_STEP_SECONDS else None,
        joined_seconds=max(joined, default=None),
    )


def _is_measured(extent: TrackExtent, info: MediaInfo) -> bool:
    """Whether a track's packets say when it starts and ends."""
    return extent.seconds > 0 and not _is_joined(extent, info)


def _is_joined(extent: TrackExtent, info: MediaInfo) -> bool:
    """Whether a track's clock jumps in a container where ffmpeg joins the parts by itself."""
    return info.clock_restarts and extent.jumped


def _film(tracks: Sequence[VideoStream | AudioStream], extents: Mapping[int, TrackExtent]) -> VideoStream | None:
    """The first picture track, unless it is a cover that nothing marks as one and another track is a film."""
    videos = [track for track in tracks if isinstance(track, VideoStream)]
    first = next(iter(videos), None)
    if first is None or first.codec not in STILL_CODECS or extents[first.index].packets > 1:
        return first
    return next((other for other in videos if extents[other.index].packets > 1), first)


def _corrected_picture(video: VideoStream, info: MediaInfo, extent: TrackExtent) -> VideoStream:
    if info.container in UNCLOCKED:
        video = extent.with_rates_of_packets(video)
    if _is_measured(extent, info):
        if info.duration is not None:
            extent.end_by((info.start or 0.0) + info.duration)
        average = extent.average_rate(video, info.container)
        nominal = extent.nominal_rate(video.nominal_rate, average)
        if info.container == "dv":
            average = nominal = extent.dv_rate(video) or average
        return replace(
            video,
            start=extent.start,
            duration=extent.seconds,
            average_rate=average,
            nominal_rate=nominal,
            after_a_pause=extent.after_a_pause,
            last_begins=extent.last_begins,
            last_lasts=extent.last_lasts,
        )
    if _is_joined(extent, info):
        return replace(video, duration=None, nominal_rate=extent.nominal_rate(video.nominal_rate, None))
    return video


def _corrected_sound(audio: AudioStream, info: MediaInfo, extent: TrackExtent) -> AudioStream:
    if extent.untimed_seconds is not None:
        return replace(audio, start=extent.start, duration=extent.untimed_seconds, is_untimed=True)
    if _is_measured(extent, info):
        if promises_duration(info) and info.duration is not None:
            extent.end_by((info.start or 0.0) + info.duration)
        # An mp3's start is its encoder's delay, which is left out, and which its packets' times do not count.
        start = max(extent.start, audio.start or 0.0) if info.container == "mp3" else extent.start
        return replace(audio, start=start, duration=round(max(0.0, extent.end - start), 6))
    return replace(audio, duration=None) if _is_joined(extent, info) else audio


def is_unframed(info: MediaInfo, size: int) -> bool:
    """Whether the sound's frames cannot be told apart: bare AAC in a WAV file. What is decoded of it depends on where
    the demuxer happens to cut. `info`: as `read_packets` corrects it; `size`: bytes of the file."""
    audio = info.audio
    if audio is None or audio.codec != "aac" or not {"wav", "w64"} & set(info.container.split(",")):
        return False
    packets = info.counted.get(audio.index, Counted()).packets
    return size > (packets + 1) * AAC_FRAME_BYTES * max(1, audio.channels)
