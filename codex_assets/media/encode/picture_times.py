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
    if not starts or info.start is None:
        return 0.0
    shift = info.start - min(starts)
    return shift if abs(shift) > profile.CLOCK_SHIFT_SECONDS else 0.0


def picture_end(info: MediaInfo) -> float | None:
    """Seconds on the mezzanine's clock at which the last picture ends, by the packets; None where they do not say."""
    if info.video is None or info.video.start is None or info.video.duration is None or info.start is None:
        return None
    return info.video.start + info.video.duration - info.start + clock_shift(info, with_picture=True)


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
    end = picture_end(info)
    pauses = end is not None and video.after_a_pause > LONG_PAUSE_FRAMES / float(rate)
    # The last picture may be said to last for nothing, and then not be shown at all.
    shown = ":eof_action=pass" if pauses else ""
    last_seen = None if pauses else _end_of_brief_last_picture(video, end)
    if last_seen is not None:
        chain.append(f"tpad=stop_mode=clone:stop={LAST_PICTURES}")
    chain.append(f"fps=fps={rate.numerator}/{rate.denominator}:start_time=0{shown}")
    if end is not None and pauses:
        # From 7 on ffmpeg shows the last picture of an ogg or avi as long as the one before it; of Flash, too shortly.
        chain.append(f"tpad=stop_mode=clone:stop_duration={video.after_a_pause:.6f}")
        chain.append(f"trim=end={(max(1, round(end * rate)) - 0.5) / float(rate):.6f}")
    if last_seen is not None:
        chain.append(f"trim=end={last_seen:.6f}")
    standing = standing_seconds(info) + missing
    if standing:
        chain.append(f"tpad=stop_mode=clone:stop_duration={standing:.6f}")
    return chain


def _end_of_brief_last_picture(video: VideoStream, end: float | None) -> float | None:
    """Seconds on the mezzanine's clock, in the midst of the last picture, of one that is said to last for hardly
    anything, as browsers write it; None of any other."""
    rate = float(frame_rate(video))
    if end is None or video.last_lasts is None:
        return None
    if video.last_lasts > BRIEF * min(1 / rate, video.after_a_pause):
        return None
    return (math.floor((end - video.last_lasts) * rate + 0.51) + 0.5) / rate
