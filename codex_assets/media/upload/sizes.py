"""The sizes of a picture that changes its size or its shape midway, and the one that it is delivered in.

In: which pictures are listed, and for how long each size lasts. Out: when this is asked (`build/mezzanine_encode.py`),
and how pictures of other shapes are fitted in (`media/encode/`).

A decode says that the number of pixels changes. That their shape alone does (a broadcast that goes from 4:3 to 16:9),
it does not say: then the first pictures of groups are looked at, in containers that do not state a shape themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.media.fields import parse_seconds, parse_whole
from codex_assets.media.input_flags import input_arguments

Size = tuple[int, int]
LASTS_SHARE, LASTS_SECONDS = 0.1, 5.0
"""Of all pictures together: a size lasts if it is shown for this part of them, or for so long."""
LONGEST_SECONDS = 1.0
"""A picture that stands counts for no more, ..."""
LONGEST_GROUP_SECONDS = 10.0
"""...nor one with the group that follows it."""
SHAPELESS, SHAPED_CODECS = (
    ("mpegts", "mpeg", "mpegvideo", "h264", "hevc"),
    ("h264", "hevc", "mpeg1video", "mpeg2video"),
)
"""Containers that do not say of which shape the pixels are, and codecs that say it before each group of pictures."""
OTHER_SHAPE = 0.01
"""Relative distance of the aspects from which on a shape is another one."""
ODDEST_ASPECT = 16
"""Of pixels; beyond it nothing is meant."""


def size_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str]:
    """Arguments for ffprobe that decode all pictures of a track, as `read_sizes` reads them."""
    fields = "frame=best_effort_timestamp_time,width,height"
    listed = ("-select_streams", str(video.index), "-show_entries", fields, "-of", "csv=p=0")
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    return [*listed, *opened]


def shape_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str] | None:
    """Arguments for ffprobe that decode the first picture of each group of a track, as `read_shapes` reads them; None
    where no shape changes unless the size does."""
    if info.container not in SHAPELESS or video.codec not in SHAPED_CODECS:
        return None
    fields = "frame=best_effort_timestamp_time,width,height,sample_aspect_ratio"
    listed = ("-select_streams", str(video.index), "-skip_frame", "nokey", "-show_entries", fields, "-of", "csv=p=0")
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    return [*listed, *opened]


def read_shapes(lines: Iterable[str], video: VideoStream) -> dict[Size, float]:
    """Seconds for which each size is shown, in square pixels, if pictures of another shape last; else nothing. `lines`:
    the answer to `shape_arguments`."""
    listed = [_in_square_pixels(line) for line in lines if line.strip()]
    if listed and video.start is not None and video.duration is not None:
        # Up to the end of the last group.
        listed.append(f"{video.start + video.duration},{listed[-1].partition(',')[2]}")
    seconds = read_sizes(listed, LONGEST_GROUP_SECONDS)
    lasting = [size for size in seconds if _lasts(size, seconds)]
    aspects = [width / height for width, height in lasting]
    return seconds if aspects and max(aspects) > (1 + OTHER_SHAPE) * min(aspects) else {}


def _in_square_pixels(line: str) -> str:
    """A line of `shape_arguments` as one of `size_arguments`."""
    moment, *rest = line.split(",")
    wide, _, high = (rest[2] if len(rest) > 2 else "").partition(":")
    width, above, below = (parse_whole(text) for text in (rest[0] if rest else "", wide, high))
    if width and above and below and 1 / ODDEST_ASPECT <= above / below <= ODDEST_ASPECT:
        rest[0] = str(max(1, round(width * above / below)))
    return ",".join((moment, *rest))


def read_sizes(lines: Iterable[str], longest: float = LONGEST_SECONDS) -> dict[Size, float]:
    """Seconds for which each size is shown, in the order in which they begin. `lines`: the answer to
    `size_arguments`. `longest`: seconds for which one picture counts at most."""
    seconds: dict[Size, float] = defaultdict(float)
    before: Size | None = None
    last = 0.0
    for line in lines:
        moment, *rest = line.split(",")
        sides = [parse_whole(side) for side in rest[:2]]
        if len(sides) < 2 or not sides[0] or not sides[1]:
            continue
        now = parse_seconds(moment, signed=True)
        if before is not None and now is not None:
            seconds[before] += min(max(0.0, now - last), longest)
        before, last = (sides[0], sides[1]), last if now is None else now
        # One that is shown at the end only lasts for a picture.
        seconds[before] += 0.0
    return dict(seconds)


def lasting_size(seconds: Mapping[Size, float]) -> Size:
    """The largest size that lasts; of two as large, the one that lasts longer. `seconds`: as `read_sizes`."""
    lasting = [size for size in seconds if _lasts(size, seconds)]
    return max(lasting, key=lambda size: (size[0] * size[1], seconds[size]))


def _lasts(size: Size, seconds: Mapping[Size, float]) -> bool:
    return seconds[size] >= min(LASTS_SHARE * sum(seconds.values()), LASTS_SECONDS)


def in_one_size(video: VideoStream, seconds: Mapping[Size, float]) -> VideoStream:
    """`video` in the size that lasts, of square pixels, with all its sizes. `seconds`: as `read_sizes`."""
    coded_width, coded_height = lasting_size(seconds)
    width, height = max(1, round(coded_width * video.sample_aspect)), coded_height
    shown = (height, width) if video.rotation in (90, 270) else (width, height)
    return replace(
        video,
        width=shown[0],
        height=shown[1],
        coded_width=max(2, width // 2 * 2),
        coded_height=max(2, height // 2 * 2),
        sample_aspect=Fraction(1),
        sizes=tuple(seconds),
    )
