"""The sizes of a picture that changes its size midway, and the one that it is delivered in.

In: which pictures are listed, and for how long each size lasts. Out: when this is asked (`build/mezzanine_encode.py`:
only once a decode says that the size changes), and how pictures of other shapes are fitted in (`media/encode/`).
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
"""A picture that stands counts for no more."""


def size_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str]:
    """Arguments for ffprobe that decode all pictures of a track, as `read_sizes` reads them."""
    fields = "frame=best_effort_timestamp_time,width,height"
    listed = ("-select_streams", str(video.index), "-show_entries", fields, "-of", "csv=p=0")
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    return [*listed, *opened]


def read_sizes(lines: Iterable[str]) -> dict[Size, float]:
    """Seconds for which each size is shown, in the order in which they begin. `lines`: the answer to
    `size_arguments`."""
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
            seconds[before] += min(max(0.0, now - last), LONGEST_SECONDS)
        before, last = (sides[0], sides[1]), last if now is None else now
        # One that is shown at the end only lasts for a picture.
        seconds[before] += 0.0
    return dict(seconds)


def lasting_size(seconds: Mapping[Size, float]) -> Size:
    """The largest size that lasts; of two as large, the one that lasts longer. `seconds`: as `read_sizes`."""
    whole = sum(seconds.values())
    lasting = [size for size, shown in seconds.items() if shown >= min(LASTS_SHARE * whole, LASTS_SECONDS)]
    return max(lasting, key=lambda size: (size[0] * size[1], seconds[size]))


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
