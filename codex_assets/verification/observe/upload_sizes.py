"""The sizes of an upload's pictures, where they change midway: seen in the judge's own decode of the upload.

In: reading them. Out: which of them a mezzanine should have (`rules/upload.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from codex_assets.verification.fidelity import UploadSize
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_pictures import UploadedMedia

CHANGED = re.compile(r"filter context - w: (\d+) h: (\d+) .*incoming frame - w: (\d+) h: (\d+) ")
STANDS_SECONDS = 1.0
"""A picture that stands counts for no more."""


def changes_size(log: Sequence[str]) -> bool:
    """Whether ffmpeg says of a decode that pictures have different sizes."""
    return any(match.group(1, 2) != match.group(3, 4) for line in log if (match := CHANGED.search(line)))


def upload_sizes(decoder: Decoder, upload: UploadedMedia) -> tuple[UploadSize, ...]:
    """Every size as it is displayed, but for rounding, and for how long. Raises `ToolError`."""
    video = upload.video
    if video is None:
        return ()
    fields = "frame=best_effort_timestamp_time,width,height,sample_aspect_ratio"
    listed = ["-select_streams", str(video.index), "-show_entries", fields, "-of", "csv=p=0", *upload.probed()]
    seconds: dict[tuple[int, int], float] = {}
    size, moment = (0, 0), 0.0
    for line in decoder.lines(listed, label="reading the sizes of the upload's pictures"):
        parts = line.split(",")
        if len(parts) < 4 or not parts[0][-1:].isdigit() or not (parts[1].isdigit() and parts[2].isdigit()):
            continue
        now = float(parts[0])
        if size != (0, 0):
            seconds[size] = seconds.get(size, 0.0) + min(max(0.0, now - moment), STANDS_SECONDS)
        size, moment = _displayed(int(parts[1]), int(parts[2]), parts[3], turned=video.rotation in (90, 270)), now
    if size != (0, 0):
        seconds.setdefault(size, 0.0)
    return tuple(UploadSize(width, height, shown) for (width, height), shown in seconds.items())


def _displayed(width: int, height: int, aspect: str, *, turned: bool) -> tuple[int, int]:
    above, _, below = aspect.partition(":")
    if above.isdigit() and below.isdigit() and int(above) and int(below):
        width = max(1, round(width * int(above) / int(below)))
    return (height, width) if turned else (width, height)
