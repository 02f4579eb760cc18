"""What a few decoded frames of an upload show: its rotation, its fields, a late start of a track.

In: which frames are asked for, as arguments of ffprobe and ffmpeg, and what the answers mean. Out: running them
(`build/upload_check.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from codex_assets.media import profile
from codex_assets.media.facts import AudioStream, Counted, Deinterlaced, MediaInfo, VideoStream
from codex_assets.media.fields import display_rotation, parse_seconds
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.upload.interlace import Combs
from codex_assets.media.upload.turns import turned

MOST_KEPT_BACK = 4
"""Pictures that Xvid stores later than others do, with its most frames in between."""
LISTENED_SECONDS = 3
"""More than the 65,535 samples that an Opus header can have skipped."""


def sampled_moments(video: VideoStream) -> tuple[tuple[float, int], ...]:
    """Where pictures of a film are looked at: pairs of a moment and a number of pictures.

    Moments are seconds on the file's clock: three of them, or the start alone of a film that is short or does not say
    how long it lasts.
    """
    start, count = video.start or 0.0, profile.INTERLACE_PICTURES
    if video.duration is None or video.duration < profile.INTERLACE_LONG_SECONDS:
        return ((start, count * len(profile.INTERLACE_PLACES)),)
    return tuple((start + part * video.duration, count) for part in profile.INTERLACE_PLACES)


def frame_arguments(
    path: str,
    video: VideoStream,
    codecs: Collection[str] | None = None,
    look: int | None = None,
    container: str | None = None,
) -> list[str]:
    """Arguments for ffprobe that decode a few frames of a picture track, as `read_frames` reads them.

    `codecs`, `look`, `container`: as `input_arguments` takes them.
    """
    start, is_never_interlaced = video.start or 0.0, video.coded_height > profile.INTERLACE_LINES
    intervals = ",".join(
        f"{f'{at:.3f}' if at > start else ''}%+#{1 if is_never_interlaced else count}"
        for at, count in sampled_moments(video)
    )
    fields = "frame=best_effort_timestamp_time,interlaced_frame,top_field_first:frame_side_data"
    return [
        *("-select_streams", str(video.index), "-read_intervals", intervals),
        *("-show_frames", "-show_entries", fields),
        *input_arguments(path, probing=True, container=container, codecs=codecs, look=look),
    ]


def read_frames(video: VideoStream, frames: Sequence[Mapping[str, Any]], combs: Combs) -> VideoStream:
    """`video` with what some of its decoded frames show: how they are turned, and whether each holds two moments.

    `frames`: ffprobe's answer to `frame_arguments`. `combs`: what `interlace.find_combs` saw in their pixels.
    """
    return _deinterlaced(_turned(video, frames), frames, combs)


def _turned(video: VideoStream, frames: Sequence[Mapping[str, Any]]) -> VideoStream:
    """Turned as its frames say, where its header says nothing of it."""
    orientation = next((turn for frame in frames if (turn := display_rotation(frame)) is not None), None)
    if orientation is None or video.rotation or video.mirrored:
        return video
    return turned(video, orientation)


def _deinterlaced(video: VideoStream, frames: Sequence[Mapping[str, Any]], combs: Combs) -> VideoStream:
    """With the fields that its frames have. Flags and headers are believed unless the pictures speak clearly against
    them: fields in the wrong order shake."""
    flagged = [frame for frame in frames if int(frame.get("interlaced_frame") or 0)]
    if combs.are_progressive:
        return replace(video, interlaced=False, deinterlaced="never" if flagged or video.interlaced else "flagged")
    first = sum(int(frame.get("top_field_first") or 0) for frame in flagged)
    order: Deinterlaced = video.deinterlaced
    if flagged:
        order = "tff" if 2 * first >= len(flagged) else "bff"
    claimed = bool(flagged) or video.interlaced
    # A telecined film shows the order in some pictures only; where flags are wrong, they are so in all.
    clear = combs.combed > profile.CLEARLY_COMBED * combs.moving or not claimed
    if combs.are_interlaced and combs.order is not None and combs.order != order and clear:
        return replace(video, interlaced=True, deinterlaced=combs.order)
    if flagged:
        return replace(video, interlaced=True, deinterlaced="flagged")
    return video


def sound_arguments(
    path: str,
    audio: AudioStream,
    codecs: Collection[str] | None = None,
    look: int | None = None,
    container: str | None = None,
) -> list[str]:
    """Arguments for ffprobe that decode the first moments of a sound, as `read_sound_start` reads them.

    `codecs`, `look`, `container`: as `input_arguments` takes them.
    """
    return [
        *("-select_streams", str(audio.index), "-read_intervals", f"%+{LISTENED_SECONDS}"),
        *("-show_frames", "-show_entries", "frame=pts_time"),
        *input_arguments(path, probing=True, container=container, codecs=codecs, look=look),
    ]


def read_sound_start(info: MediaInfo, frames: Sequence[Mapping[str, Any]]) -> MediaInfo:
    """`info` with a sound that starts where its first decoded frame does.

    `frames`: ffprobe's answer to `sound_arguments`. What a codec's own header has skipped before that (RFC 7845 4.2)
    lasts in the packets all the same; it is counted as hidden.
    """
    audio = info.audio
    first = next(
        (at for frame in frames if (at := parse_seconds(frame.get("pts_time"), signed=True)) is not None), None
    )
    if audio is None or audio.start is None or first is None or first <= audio.start:
        return info
    skipped = first - audio.start
    left = None if audio.duration is None else max(0.0, round(audio.duration - skipped, 6))
    counted = info.counted.get(audio.index, Counted())
    return replace(
        info,
        audio=replace(audio, start=first, duration=left),
        counted={**info.counted, audio.index: replace(counted, hidden=counted.hidden + skipped)},
    )


def seconds_dated_late(video: VideoStream, frames: Sequence[Mapping[str, Any]]) -> float:
    """`VideoStream.dated_late` of a track in a container without times; 0 elsewhere.

    `frames`: ffprobe's answer to `frame_arguments`. The first picture is shown at the time of the first packet. Some
    encoders keep back more than the decoder knows of; a first picture that comes much later is one before which others
    are damaged.
    """
    rate = video.average_rate or video.nominal_rate
    if not video.reordered or rate is None:
        return 0.0
    known = float(video.reordered / rate)
    # One that is looked at alone leaves the decoder at once.
    first = parse_seconds(frames[0].get("best_effort_timestamp_time"), signed=True) if len(frames) > 1 else None
    if first is None:
        return known
    late = first - (video.start or 0.0)
    return late if 0 <= late <= known + float(MOST_KEPT_BACK / rate) else known
