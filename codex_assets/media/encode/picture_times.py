"""Where an upload's picture is on the mezzanine's clock: its start, its one rate, and how long its last picture stands.

In: the filters that give each moment its picture. Out: what the picture looks like (`mezzanine.py`), and which rate it
gets (`media/target_format.py`).
"""

from __future__ import annotations

import math

from codex_assets.media import profile
from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.media.target_format import frame_rate

LONG_PAUSE_FRAMES = 1.5
"""A last picture that comes later than this many of the mezzanine's frames may be shown too long."""
BRIEF = 0.5
"""Part of a picture of the mezzanine, and of the one before it, that a last picture is said to last, and is too short
then to be shown for sure."""
LAST_PICTURES = 250
"""How often a last picture is repeated that is too short: a clock may count pictures of a millisecond."""


def clock_shift(info: MediaInfo, *, with_picture: bool) -> float:
    """Seconds by which the file's clock is moved so that the earlier of the tracks in use starts at 0.

    ffmpeg takes what any track starts with for 0, also one that is left out. What starts a little before 0 is an
    encoder's delay, which is not heard.
    """
    used = info.tracks if with_picture else tuple(track for track in (info.audio,) if track is not None)
    starts = [track.start for track in used if track.start is not None]
    if not starts:
        return 0.0
    # Where no header says when the file starts, ffmpeg takes its times as they are.
    shift = (info.start or 0.0) - min(starts)
    return shift if abs(shift) > profile.CLOCK_SHIFT_SECONDS else 0.0


def _clock_start(info: MediaInfo) -> float:
    """What the mezzanine's clock takes for 0, in seconds of the file's."""
    return (info.start or 0.0) - clock_shift(info, with_picture=True)


def picture_end(info: MediaInfo) -> float | None:
    """Seconds on the mezzanine's clock at which the last picture ends, by the packets; None where they do not say."""
    if info.video is None or info.video.start is None or info.video.duration is None:
        return None
    return info.video.start + info.video.duration - _clock_start(info)


def standing_seconds(info: MediaInfo) -> float:
    """For how long the last picture stands because the sound goes on; 0 when the tracks end together."""
    if info.video is None or info.audio is None or info.video.duration is None or info.audio.duration is None:
        return 0.0
    gap = (info.audio.start or 0.0) + info.audio.duration - (info.video.start or 0.0) - info.video.duration
    return gap if gap > profile.TRACKS_APART_SECONDS else 0.0


def at_constant_rate(info: MediaInfo, *, missing: float = 0.0) -> list[str]:
    """The filters that give the picture its constant rate and its end. `missing`: seconds at the end that could not be
    decoded, for which the last picture stands too."""
    video = info.video
    assert video is not None
    rate = frame_rate(video)
    chain: list[str] = []
    end, last_place = picture_end(info), _place_of_last_picture(info)
    pauses = end is not None and video.after_a_pause > LONG_PAUSE_FRAMES / float(rate)
    is_brief = last_place is not None and _is_brief(info, video)
    if pauses or is_brief:
        # It may be said to last for nothing, and then not be shown at all.
        chain.append(f"tpad=stop_mode=clone:stop={LAST_PICTURES}")
    chain.append(f"fps=fps={rate.numerator}/{rate.denominator}:start_time=0")
    if end is not None and pauses:
        # From 7 on ffmpeg shows the last picture of an ogg or avi as long as the one before it; of Flash, too shortly.
        # Browsers state an end at which the last picture has only begun.
        chain.append(f"tpad=stop_mode=clone:stop_duration={video.after_a_pause:.6f}")
        chain.append(f"trim=end_frame={max(1, round(end * rate), (last_place or 0) + 1)}")
    elif last_place is not None and is_brief:
        chain.append(f"trim=end_frame={last_place + 1}")
    standing = standing_seconds(info) + missing
    if standing:
        chain.append(f"tpad=stop_mode=clone:stop_duration={standing:.6f}")
    return chain


def _place_of_last_picture(info: MediaInfo) -> int | None:
    """How many pictures of the mezzanine come before the one with which the upload's last one begins; None where its
    packets do not say."""
    video = info.video
    if video is None or video.last_begins is None:
        return None
    at = video.last_begins - _clock_start(info)
    return max(0, math.floor(at * float(frame_rate(video)) + 0.51))


def _is_brief(info: MediaInfo, video: VideoStream) -> bool:
    """Whether the last picture is said to last for hardly anything, as browsers write it, or not said to last at all:
    ffmpeg then leaves it out."""
    if video.last_lasts is None:
        # Where some pictures have no time, the last one that has one need not be the last.
        is_known = info.timed and info.orderly and info.joined_seconds is None
        return is_known and not video.interlaced
    return video.last_lasts <= BRIEF * min(1 / float(frame_rate(video)), video.after_a_pause)
