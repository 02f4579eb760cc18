"""What is observed of single pictures, the thumbnail and the drawn waveform, and how grey pictures are compared.

In: sizes at which pictures are compared, and arithmetic on their grey values. Out: how alike they have to be
(`rules/`).
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.verification.observations import (
    PictureSeen,
    ThumbnailExpected,
    ThumbnailObservation,
    WaveformExpected,
    WaveformImageObservation,
)
from codex_assets.verification.observe.decoder import Decoder, public_reason

STILL = (64, 36)
"""Pixels at which a thumbnail is compared with its moment."""
SMALLEST_COMPARED = 32
"""Pixels a side under which two ways of enlarging give different pictures."""


def observe_thumbnail(
    decoder: Decoder, path: Path, *, reference: Path | None, at: float | None, output: str
) -> ThumbnailObservation:
    """The thumbnail at `path`; see `Observer.thumbnail`."""
    base = ThumbnailObservation(output)
    if not path.is_file():
        return replace(base, problem="it does not exist")
    try:
        info = decoder.probe(path)
        filters = "scale={}:{}:flags=area,format=rgb24".format(*STILL)
        grey = decoder.grey_picture(["-i", str(path)], filters, strict=True)
    except ToolError as error:
        return replace(base, problem=public_reason(error, path.parent))
    if info.video is None or len(grey) != STILL[0] * STILL[1]:
        return replace(base, problem="it holds no picture")
    picture = PictureSeen(info.video.codec, info.video.coded_width, info.video.coded_height, spread_of(grey))
    expected = ThumbnailExpected()
    if reference is not None and at is not None:
        moment = decoder.still(reference, at, STILL, padded=True)
        if moment is not None and _is_large_enough(decoder, reference):
            expected = ThumbnailExpected(spread_of(moment), difference_of(grey, moment))
    return replace(base, picture=picture, expected=expected)


def _is_large_enough(decoder: Decoder, reference: Path) -> bool:
    """Whether a frame has enough pixels to be compared with a picture that it was enlarged to."""
    video = decoder.probe(reference).video
    return video is not None and min(video.width, video.height) >= SMALLEST_COMPARED


def observe_waveform_picture(
    decoder: Decoder, path: Path, expected: WaveformExpected, *, output: str
) -> WaveformImageObservation:
    """The waveform's picture at `path`; see `Observer.waveform_png`."""
    base = WaveformImageObservation(output, expected=expected)
    if not path.is_file():
        return replace(base, problem="it does not exist")
    try:
        info = decoder.probe(path)
        grey = decoder.grey_picture(["-i", str(path)], "null", strict=True)
    except ToolError as error:
        return replace(base, problem=public_reason(error, path.parent))
    if info.video is None or len(grey) != info.video.coded_width * info.video.coded_height:
        return replace(base, problem="it holds no picture")
    width, height = info.video.coded_width, info.video.coded_height
    ink = _grey_of(profile.WAVEFORM_COLOUR)

    def is_drawn(column: int) -> bool:
        values = set(grey[column::width])
        # A column of one colour is bare, unless the sound is so loud there that the wave fills it.
        return len(values) > 1 or abs(values.pop() - ink) < 8

    drawn_to = next((column + 1 for column in range(width - 1, -1, -1) if is_drawn(column)), 0)
    return replace(base, codec=info.video.codec, width=width, height=height, drawn_to=drawn_to)


def difference_of(own: bytes, other: bytes) -> float:
    """Mean difference of the grey values of two pictures of one size, of 255."""
    return sum(abs(a - b) for a, b in zip(own, other, strict=True)) / len(own)


def spread_of(grey: bytes) -> float:
    """Standard deviation of a picture's grey values: 0 for one grey, to about 128."""
    return statistics.pstdev(grey)


def _grey_of(colour: str) -> float:
    """Grey value of `rrggbb...` (ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    return 0.299 * red + 0.587 * green + 0.114 * blue
