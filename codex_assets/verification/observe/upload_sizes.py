"""The sizes of an upload's pictures, where they change midway: seen in the judge's own decode of the upload.

In: reading them. Out: which of them a mezzanine should have (`rules/upload.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from codex_assets.media.facts import VideoStream
from codex_assets.verification.fidelity import UploadSize
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_pictures import UploadedMedia

CHANGED = re.compile(r"filter context - w: (\d+) h: (\d+) .*incoming frame - w: (\d+) h: (\d+) ")
CODED_SHAPES, SHAPELESS = ("h264", "hevc", "mpeg1video", "mpeg2video"), ("mpegts", "mpeg", "mpegvideo", "h264", "hevc")
"""Codecs that say before each group of pictures which shape the pixels have, and containers that do not say it."""
GROUP_SECONDS, SEEN_SHARE, SEEN_SECONDS, SAME_ASPECT = 10.0, 0.1, 5.0, 1.01
"""For how long the first picture of a group counts at most; the part of all, or the seconds, from which on a shape is
one that is seen; and by which factor it is another one."""
STANDS_SECONDS = 1.0
"""A picture that stands counts for no more."""


def changes_size(log: Sequence[str]) -> bool:
    """Whether ffmpeg says of a decode that pictures have different sizes."""
    return any(match.group(1, 2) != match.group(3, 4) for line in log if (match := CHANGED.search(line)))


def changes_shape(decoder: Decoder, upload: UploadedMedia) -> bool:
    """Whether pictures of one size have pixels of different shapes, which ffmpeg does not say of a decode. Raises
    `ToolError`."""
    video = upload.video
    if video is None or video.codec not in CODED_SHAPES or upload.info.container not in SHAPELESS:
        return False
    seconds = _seconds(decoder, upload, video, ["-skip_frame", "nokey"], GROUP_SECONDS)
    least = min(SEEN_SHARE * sum(seconds.values()), SEEN_SECONDS)
    aspects = [width / height for (width, height), shown in seconds.items() if shown >= least]
    return bool(aspects) and max(aspects) > SAME_ASPECT * min(aspects)


def upload_sizes(decoder: Decoder, upload: UploadedMedia) -> tuple[UploadSize, ...]:
    """Every size as it is displayed, but for rounding, and for how long. Raises `ToolError`."""
    video = upload.video
    if video is None:
        return ()
    seconds = _seconds(decoder, upload, video, [], STANDS_SECONDS)
    return tuple(UploadSize(width, height, shown) for (width, height), shown in seconds.items())


def _seconds(
    decoder: Decoder, upload: UploadedMedia, video: VideoStream, options: Sequence[str], longest: float
) -> dict[tuple[int, int], float]:
    """Displayed pixels, and for how long they are shown. `options`: of the decoder; `longest`: seconds for which one
    picture counts at most."""
    fields = "frame=best_effort_timestamp_time,width,height,sample_aspect_ratio"
    chosen = ["-select_streams", str(video.index), *options]
    listed = [*chosen, "-show_entries", fields, "-of", "csv=p=0", *upload.probed()]
    seconds: dict[tuple[int, int], float] = {}
    size, moment = (0, 0), 0.0
    for line in decoder.lines(listed, label="reading the sizes of the upload's pictures"):
        parts = line.split(",")
        if len(parts) < 4 or not parts[0][-1:].isdigit() or not (parts[1].isdigit() and parts[2].isdigit()):
            continue
        now = float(parts[0])
        if size != (0, 0):
            seconds[size] = seconds.get(size, 0.0) + min(max(0.0, now - moment), longest)
        size, moment = _displayed(int(parts[1]), int(parts[2]), parts[3], turned=video.rotation in (90, 270)), now
    if size != (0, 0):
        ends = moment if video.start is None or video.duration is None else video.start + video.duration
        # Of all pictures the last is short; of the first ones of groups, it stands for a group.
        seconds[size] = seconds.get(size, 0.0) + (min(max(0.0, ends - moment), longest) if options else 0.0)
    return seconds


def _displayed(width: int, height: int, aspect: str, *, turned: bool) -> tuple[int, int]:
    above, _, below = aspect.partition(":")
    if above.isdigit() and below.isdigit() and int(above) and int(below):
        width = max(1, round(width * int(above) / int(below)))
    return (height, width) if turned else (width, height)
