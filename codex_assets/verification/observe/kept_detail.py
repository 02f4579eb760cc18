"""Encodes the middle of an upload's doubtful seconds as an honest encoder would, to know what it could keep of them.

Faint noise is what an encoder leaves out first: of grain of two levels a mezzanine keeps a third, and is as true as it
can be. In: which seconds are worth it, and the encode. Out: measuring the mezzanine itself (`upload_pictures.py`), and
how much less it may keep (`rules/upload.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import PictureSecond
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.picture_meter import AREA, Areas, detail_of, measure_plane

Luma = NDArray[np.uint8]
"""Of several pictures: (pictures, rows, columns)."""

SOFT = 0.9
"""Sharpness, ..."""
UNLIKE = 0.985
"""...and likeness in the worst plane, under which a second is doubtful."""
MOST_SECONDS = 4
"""That are encoded, of all that are doubtful: the softest."""
NEUTRAL = 128
ENCODER = ("-c:v", "libx264", "-preset", "faster", "-crf", "18", "-threads", "1")
"""As good as nobody sees the difference, which a mezzanine is meant to be."""


@dataclass
class _Doubtful:
    second: PictureSecond
    middles: Luma


class KeptDetail:
    """Remembers the doubtful seconds of a comparison as it goes, and encodes them at its end. `reduction`: how many
    pixels of the upload are a pixel of what is compared, a side."""

    def __init__(self, rate: Fraction, reduction: float) -> None:
        self._rate, self._reduction = rate, max(1, round(reduction))
        self._open: list[Luma] = []
        self._doubtful: list[_Doubtful] = []

    def add(self, middles: Luma) -> None:
        """The middle of the upload's next pictures, as they are held against the mezzanine's."""
        # A copy, for they are a part of all that was decoded at once.
        self._open.extend(middles.copy())

    def close(self, second: PictureSecond) -> None:
        """A second has ended, which began with the first picture that is not in one yet. One of which no middle was
        added is none of these."""
        if not self._open:
            return
        middles = np.array(self._open[: second.pictures])
        del self._open[: second.pictures]
        if _softness(second) >= SOFT and min(second.likeness) >= UNLIKE:
            return
        self._doubtful.append(_Doubtful(second, middles))
        self._doubtful.sort(key=lambda each: (_softness(each.second), min(each.second.likeness)))
        del self._doubtful[MOST_SECONDS:]

    def honest(self, decoder: Decoder) -> tuple[PictureSecond, ...]:
        """The doubtful seconds as an honest encode leaves them: their sharpness, and their likeness in the luma, which
        stands for all planes. Raises `ToolError`."""
        if not self._doubtful:
            return ()
        doubtful = sorted(self._doubtful, key=lambda each: each.second.at)
        given = np.concatenate([each.middles for each in doubtful])
        encoded = _encoded(decoder, given, self._rate)
        ends = np.cumsum([len(each.middles) for each in doubtful])
        pieces = zip(doubtful, np.split(given, ends[:-1]), np.split(encoded, ends[:-1]), strict=True)
        return tuple(self._measured(each.second, before, after) for each, before, after in pieces)

    def _measured(self, second: PictureSecond, before: Luma, after: Luma) -> PictureSecond:
        likeness = measure_plane(Areas.of(self._reduced(before)), self._reduced(after)).likeness
        mean, detail = float(likeness.mean()), float(detail_of(before).sum())
        sharpness = (float(detail_of(after).sum()) / detail) ** 0.5 if detail > 0 else None
        return replace(second, likeness=(mean, mean, mean), least_likeness=float(likeness.min()), sharpness=sharpness)

    def _reduced(self, luma: Luma) -> NDArray[np.float32]:
        """As small as what is compared, in whole areas."""
        by = min(self._reduction, min(luma.shape[1:]) // AREA)
        rows, columns = (side // by // AREA * AREA for side in luma.shape[1:])
        whole = luma[:, : rows * by, : columns * by].astype(np.float32)
        small: NDArray[np.float32] = whole.reshape(len(luma), rows, by, columns, by).mean(axis=(2, 4))
        return small


def _softness(second: PictureSecond) -> float:
    return 1.0 if second.sharpness is None else second.sharpness


def _encoded(decoder: Decoder, luma: Luma, rate: Fraction) -> Luma:
    """What is left of pictures after an encode."""
    count, rows, columns = luma.shape
    form = ("-f", "rawvideo", "-pix_fmt", "yuv420p")
    colours = np.full((count, rows * columns // 2), NEUTRAL, np.uint8)
    size = rows * columns * 3 // 2
    pictures: list[Luma] = []

    def read(take: Callable[[int], bytes]) -> None:
        while len(data := take(size)) == size:
            pictures.append(np.frombuffer(data, np.uint8)[: rows * columns].reshape(rows, columns))

    with decoder.scratch_folder() as folder:
        given, coded = folder / "given.yuv", folder / "coded.mkv"
        given.write_bytes(np.concatenate([luma.reshape(count, -1), colours], axis=1).tobytes())
        opened = [*form, "-video_size", f"{columns}x{rows}", "-framerate", str(rate), "-i", str(given)]
        seconds = float(count / rate)
        decoder.run(
            [*opened, *ENCODER, "-f", "matroska", str(coded)], label="encoding for comparison", duration=seconds
        )
        decoder.run_into(
            ["-i", str(coded), "-fps_mode", "passthrough", *form, "-"],
            read,
            label="decoding for comparison",
            duration=seconds,
        )
    return np.array(pictures[:count])
