"""How evenly an upload's pictures come at the rate that was decided for them, and when the last one does, by the times
of its own packets.

In: reading those packets, and the arithmetic of what is repeated and dropped at a rate. Out: whether that is too much
(`rules/upload.py`), and how a rate is decided (`media/upload/pace.py`): nothing of that is used here.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.verification.fidelity import LastPicture, RateFit
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_packets import JOINED_SECONDS
from codex_assets.verification.observe.upload_pictures import UploadedMedia

STANDS_SECONDS = 0.25
"""A picture that is shown for longer stands still."""
SAME_MOMENT_SECONDS = 0.003
"""Packets that are nearer to each other are of one picture, or of one that is not shown."""
CLOCK_JUMPS_SECONDS = 10.0
OWN_PLACE, NEAREST_PLACE, SHARED_PLACES = 0.95, 0.5, 1.5
"""Of an output's picture: what is so far from the one before it has a place of its own, the nearest; else the last may
be that of the one before."""
CLOCK_SECONDS = 0.002
"""Containers round to a millisecond, at the start and at the end."""
EMPTY_BYTES = {"": 1, "mpeg4": 8}
"""A packet of so many bytes at most holds no picture: it fills the place of one that was stored earlier."""
LONG, SHORT = 10, 4
"""Steps over which a rate is looked at; fewer where motion never lasts so long."""
FEWEST = 12
"""Places in which motion is looked at, at least."""
UNEVEN = 0.02
"""A picture in fifty is dropped or repeated: seen as a jerk."""
EVEN = 0.1
"""Part of all motion: with no more of it uneven, a rate suits a film."""
DROPPED_MORE = 0.01
"""Part of all pictures: a rate that drops so many more is no better one."""


@dataclass(frozen=True)
class PicturePackets:
    """The packets of an upload's picture, in stored order: when each is shown and stored (seconds, NaN where it does
    not say), and beside how many of them transparency is coded. What an edit list hides is left out."""

    times: NDArray[np.float64]
    stored: NDArray[np.float64]
    with_alpha: int
    last: float = math.nan
    """When the last one is shown that holds a picture (seconds)."""

    @property
    def are_timed(self) -> bool:
        """Whether each says when it is shown."""
        return not bool(np.isnan(self.times).any())


def picture_packets(decoder: Decoder, upload: UploadedMedia) -> PicturePackets | None:
    """All packets of the picture in use; None without one. Raises `ToolError`."""
    if upload.video is None:
        return None
    fields = "packet=pts_time,dts_time,size,flags:packet_side_data=side_data_type"
    arguments = [
        "-select_streams",
        str(upload.video.index),
        "-show_entries",
        fields,
        "-of",
        "csv=p=0",
        *upload.probed(),
    ]
    times, stored, sizes, with_alpha = array("d"), array("d"), array("d"), 0
    for line in decoder.lines(arguments, label="reading the upload's packets"):
        parts = line.split(",")
        with_alpha += "BlockAdditional" in line
        if len(parts) >= 4 and "D" not in parts[3]:
            shown, dated = (float(part) if part[-1:].isdigit() else math.nan for part in parts[:2])
            times.append(shown)
            stored.append(dated)
            sizes.append(float(parts[2]) if parts[2].isdigit() else math.inf)
    shown_at, stored_at = np.array(times), np.array(stored)
    if np.isnan(shown_at).any():
        # Some say only when they are stored: those times are as far apart.
        shown_at = stored_at
    empty = EMPTY_BYTES.get(upload.video.codec, EMPTY_BYTES[""])
    pictures = shown_at[np.array(sizes) > empty]
    return PicturePackets(shown_at, stored_at, with_alpha, float(pictures.max()) if len(pictures) else math.nan)


def last_picture(
    decoder: Decoder, upload: UploadedMedia, packets: PicturePackets, rate: Fraction, count: int
) -> LastPicture | None:
    """The upload's last picture, beside `count` pictures at `rate`; None where its clock does not say. One that is
    missing is looked for in a decode, for no output shows what no decoder gives. Raises `ToolError`."""
    if not packets.are_timed or len(packets.times) == 0 or math.isnan(packets.last):
        return None
    times = np.unique(packets.times[packets.times <= packets.last])
    if _leaps(upload, times):
        return None
    # Pictures that come faster than the output's may share a place with others.
    shared = len(times) > 1 and (times[-1] - times[-2]) * rate < OWN_PLACE
    last = _last(upload, float(times[-1] - times[0]), rate, shared=shared)
    if last.needed <= count:
        return last
    decoded = _decoded_seconds(decoder, upload)
    return _last(upload, min(float(times[-1] - times[0]), decoded), rate, shared=shared)


def _leaps(upload: UploadedMedia, times: NDArray[np.float64]) -> bool:
    """Whether the clock leaps ahead, of all tracks alike: then what comes after it is shown at once."""
    one_clock = upload.packets is not None and upload.packets.is_one_clock
    longest = float(np.diff(times).max(initial=0.0))
    return upload.info.clock_restarts and not one_clock and longest > JOINED_SECONDS


def _last(upload: UploadedMedia, after: float, rate: Fraction, *, shared: bool) -> LastPicture:
    """`after`: seconds from the first picture to the last; `shared`: the last place may be another picture's."""
    starts = [track.start for track in (upload.video, upload.info.audio) if track is not None]
    first = [start for start in starts if start is not None]
    late = max(0.0, first[0] - min(first)) if len(first) == len(starts) else 0.0
    if late * rate < 1:
        # A picture that begins within the first place is shown in it.
        late = 0.0
    at = late + max(0.0, after - _kept_back(upload))
    # Which of two places is the nearer one, a clock of milliseconds does not say to the last digit.
    place = at * float(rate) - (SHARED_PLACES if shared else NEAREST_PLACE) - CLOCK_SECONDS * float(rate)
    return LastPicture(at, max(1, math.ceil(place) + 1))


def _kept_back(upload: UploadedMedia) -> float:
    """Seconds by which packets that say only when they are stored are dated later than the first of them, beside what
    their decoder holds back: an encoder's empty packets at the start."""
    video = upload.video
    rate = video.average_rate or video.nominal_rate if video is not None else None
    if video is None or not rate or not video.dated_late:
        return 0.0
    return max(0.0, video.dated_late - float(video.reordered / rate))


def _decoded_seconds(decoder: Decoder, upload: UploadedMedia) -> float:
    """Seconds from the first picture to the last that the decoder gives; infinite where one of them has no time."""
    assert upload.video is not None
    fields = ("-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0")
    arguments = ["-select_streams", str(upload.video.index), *fields, *upload.probed()]
    first, last = math.inf, -math.inf
    for line in decoder.lines(arguments, label="looking for the upload's last picture"):
        moment = line.split(",")[0]
        if moment[-1:].isdigit():
            first, last = min(first, float(moment)), max(last, float(moment))
        elif moment:
            last = math.inf
    return max(0.0, last - first)


def rate_fit(packets: PicturePackets, rate: Fraction) -> RateFit | None:
    """How evenly pictures with these packets come at `rate`; None where too little moves, or some have no time."""
    paces = _paces(packets) if packets.are_timed else np.zeros(0)
    if len(paces) < FEWEST:
        return None
    lost, uneven = _dropped(paces, float(rate)), _uneven(paces, float(rate))
    usual = [1 / float(np.quantile(paces, part)) for part in (0.1, 0.5, 0.9)]
    candidates = [*usual, *(2 * each for each in usual), *(number / below for number, below in profile.STANDARD_RATES)]
    in_range = [each for each in candidates if profile.MIN_FRAME_RATE <= each <= profile.MAX_FRAME_RATE]
    fitting = [each for each in in_range if _dropped(paces, each) <= lost + DROPPED_MORE]
    best = min(fitting, key=lambda each: _uneven(paces, each), default=float(rate))
    has_slower = best < rate and _uneven(paces, best) <= EVEN
    if not has_slower and _come_on_beats(packets, float(rate)):
        # As unevenly as they come, each is shown at its own time: a screen that changes now and then.
        return RateFit(float(rate), 0.0, float(rate), 0.0, len(paces))
    return RateFit(float(rate), uneven, best, min(uneven, _uneven(paces, best)), len(paces))


def _come_on_beats(packets: PicturePackets, rate: float) -> bool:
    """Whether at `rate` every picture has a place of its own, at its own time, but for one in fifty."""
    shares = []
    for times in _parts(packets):
        places = (times - times[0]) * rate
        nearest = np.round(places)
        is_own = np.concatenate([[True], np.diff(nearest) >= 1])
        shares.append((np.abs(places - nearest) <= CLOCK_SECONDS * rate) & is_own)
    return bool(shares) and float(np.concatenate(shares).mean()) >= 1 - UNEVEN


def _paces(packets: PicturePackets) -> NDArray[np.float64]:
    """Seconds from picture to picture, on average over several that move, in each place where so many do."""
    long, short = [np.zeros(0)], [np.zeros(0)]
    for times in _parts(packets):
        steps = np.diff(times)
        long.append(_means(times, steps, LONG))
        short.append(_means(times, steps, SHORT))
    paces, shorter = np.concatenate(long), np.concatenate(short)
    return paces if 4 * len(paces) >= len(shorter) else shorter


def _parts(packets: PicturePackets) -> list[NDArray[np.float64]]:
    """The times of what is shown, in order, apart wherever the clock jumps."""
    clock = np.where(np.isnan(packets.stored), packets.times, packets.stored)
    jumps = np.flatnonzero((np.diff(clock) < -1.0) | (np.diff(clock) > CLOCK_JUMPS_SECONDS)) + 1
    ordered = [np.sort(part) for part in np.split(packets.times, jumps) if len(part)]
    return [times[np.concatenate([[True], np.diff(times) > SAME_MOMENT_SECONDS])] for times in ordered]


def _means(times: NDArray[np.float64], steps: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    if len(steps) < count:
        return np.zeros(0)
    standing = np.concatenate([[0], np.cumsum(steps > STANDS_SECONDS)])
    moving = standing[count:] == standing[:-count]
    means: NDArray[np.float64] = ((times[count:] - times[:-count]) / count)[moving]
    return means


def _dropped(paces: NDArray[np.float64], rate: float) -> float:
    """The part of all pictures that have no place of their own at `rate`, though it is not above what is delivered."""
    needed = np.minimum(1 / paces, profile.MAX_FRAME_RATE)
    return float(np.maximum(0, 1 - rate / needed).mean())


def _uneven(paces: NDArray[np.float64], rate: float) -> float:
    """The part of all places at which pictures are not all shown for the same number of the mezzanine's, or from a rate
    above the highest not each second, third, ... of them is shown."""
    shown = paces * rate
    whole = np.maximum(1, np.round(shown))
    thinned = np.maximum(1, np.ceil(1 / (paces * profile.MAX_FRAME_RATE) - UNEVEN))
    off = np.where(thinned > 1, np.abs(shown * thinned - 1), np.abs(shown - whole) / whole)
    return float((off > UNEVEN).mean())
