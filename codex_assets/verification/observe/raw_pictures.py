"""Raw pictures as numbers: their planes out of a decoder's bytes, resampled, and turned into RGB by arithmetic.

Independent of ffmpeg's scaler: neither the sizes nor the colours of what is compared are its work. In: planes, Lanczos
resampling, the matrices of ITU-R BT.601 and BT.709. Out: what is compared (`stills.py`), and how alike it has to be
(`rules/`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Plane = NDArray[numpy.float32]
Picture = NDArray[numpy.float32]
"""Red, green and blue, 0 to 255: height x width x 3."""

SUBSAMPLED = {
    "yuv420p": (2, 2),
    "yuvj420p": (2, 2),
    "yuvj422p": (2, 1),
    "yuvj444p": (1, 1),
}
"""Formats that are read: by how much chroma is smaller, across and down. `gray` has no chroma."""
KERNEL_LOBES = 3
SPARED = 2
"""Samples of a side that a kernel which is cut to it leaves free: of two or three it sees one, and the picture becomes
blocks."""


@dataclass(frozen=True)
class Matrix:
    """How luma and chroma are made of red and blue (Kr, Kb), and in which range: `limited` is 16 to 235."""

    red: float
    blue: float
    limited: bool


MEZZANINE_COLOURS = Matrix(0.2126, 0.0722, limited=True)
"""ITU-R BT.709."""
JPEG_COLOURS = Matrix(0.299, 0.114, limited=False)
"""JFIF: ITU-R BT.601 in full range."""
WEBP_COLOURS = Matrix(0.299, 0.114, limited=True)
"""Lossy WebP (RFC 9649 2.5): ITU-R BT.601."""


@dataclass(frozen=True)
class RawPicture:
    """A decoded picture as it is coded: 8 bits a sample."""

    luma: Plane
    blue: Plane
    red: Plane

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.luma.shape[1], self.luma.shape[0]

    def fitted(self, width: int, height: int, matrix: Matrix) -> list[Picture]:
        """The picture in RGB, resampled to this size. A picture that is enlarged may be so in several ways: no standard
        settles where its chroma is placed, nor what a kernel does that is longer than the picture is wide."""
        columns, rows = self.size
        if columns * rows > width * height:
            return [numpy.clip(to_rgb(*self._planes(width, height), matrix), 0, 255)]
        # Enlarged as what is seen: a kernel's overshoot is cut off in RGB, not in luma and chroma.
        pictures = []
        for is_cut in (False, True) if min(self.blue.shape) < 2 * KERNEL_LOBES + SPARED else (False,):
            luma, blue, red = self._planes(columns, rows, is_cut=is_cut)
            ways = [(blue, red)]
            if self.blue.shape[1] < columns:
                ways.append((_doubled(self.blue, columns, rows), _doubled(self.red, columns, rows)))
            for chroma in ways:
                own = numpy.clip(to_rgb(luma, *chroma, matrix), 0, 255)
                channels = [resampled(own[:, :, channel], width, height, is_cut=is_cut) for channel in range(3)]
                pictures.append(numpy.clip(numpy.stack(channels, axis=2), 0, 255))
        return pictures

    def _planes(self, width: int, height: int, *, is_cut: bool = False) -> tuple[Plane, Plane, Plane]:
        luma, blue, red = (resampled(plane, width, height, is_cut=is_cut) for plane in (self.luma, self.blue, self.red))
        return luma, blue, red


def _doubled(chroma: Plane, width: int, height: int) -> Plane:
    """Chroma whose sample stands for two pixels beside each other."""
    return numpy.repeat(resampled(chroma, chroma.shape[1], height), 2, axis=1)[:, :width]


def frame_bytes(pixel_format: str, width: int, height: int) -> int | None:
    """The length of one raw picture; None for a format that is not read."""
    if pixel_format == "gray":
        return width * height
    if pixel_format not in SUBSAMPLED:
        return None
    across, down = SUBSAMPLED[pixel_format]
    return width * height + 2 * math.ceil(width / across) * math.ceil(height / down)


def picture_of(data: bytes, pixel_format: str, width: int, height: int) -> RawPicture:
    """The first picture in `data`, which holds at least `frame_bytes`."""
    values = numpy.frombuffer(data, numpy.uint8)
    luma = values[: width * height].reshape(height, width).astype(numpy.float32)
    if pixel_format == "gray":
        neutral = numpy.full((1, 1), 128, numpy.float32)
        return RawPicture(luma, neutral, neutral)
    across, down = SUBSAMPLED[pixel_format]
    columns, rows = math.ceil(width / across), math.ceil(height / down)
    chroma = values[width * height : width * height + 2 * rows * columns].reshape(2, rows, columns)
    return RawPicture(luma, chroma[0].astype(numpy.float32), chroma[1].astype(numpy.float32))


def resampled(plane: Plane, width: int, height: int, *, is_cut: bool = False) -> Plane:
    """A plane at another size, by a Lanczos kernel that is as wide as the steps. `is_cut`: it has no more taps than a
    side has samples, but for `SPARED`."""
    return _rows_resampled(_rows_resampled(plane, height, is_cut).T, width, is_cut).T


def _rows_resampled(plane: Plane, count: int, is_cut: bool) -> Plane:
    before = plane.shape[0]
    if before == count:
        return plane
    plane = numpy.ascontiguousarray(plane)
    step = before / count
    scale = max(1.0, step)
    reach = math.ceil(KERNEL_LOBES * scale)
    centres = (numpy.arange(count) + 0.5) * step - 0.5
    taps = numpy.floor(centres).astype(int)[:, None] + numpy.arange(1 - reach, reach + 1)[None, :]
    at = (taps - centres[:, None]) / scale
    weights = numpy.where(abs(at) < KERNEL_LOBES, numpy.sinc(at) * numpy.sinc(at / KERNEL_LOBES), 0.0)
    if is_cut:
        farthest = numpy.sort(abs(at), axis=1)[:, min(2 * reach, max(1, before - SPARED)) - 1, None]
        weights = numpy.where(abs(at) <= farthest, weights, 0.0)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(numpy.float32)
    # What a kernel has beyond an edge falls on the edge's own sample.
    taps = numpy.clip(taps, 0, before - 1)
    result = numpy.zeros((count, plane.shape[1]), numpy.float32)
    for tap in range(taps.shape[1]):
        result += plane[taps[:, tap]] * weights[:, tap, None]
    return result


def averaged(picture: Picture, across: int, down: int) -> Picture:
    """A picture in blocks of so many pixels, each the mean of what it covers; what fills no block is left out."""
    columns, rows = max(1, picture.shape[1] // across), max(1, picture.shape[0] // down)
    whole = picture[: rows * down, : columns * across]
    across, down = whole.shape[1] // columns, whole.shape[0] // rows
    blocks: Picture = whole.reshape(rows, down, columns, across, -1).mean(axis=(1, 3))
    return blocks


def to_rgb(luma: Plane, blue: Plane, red: Plane, matrix: Matrix) -> Picture:
    """Red, green and blue of samples of 8 bits; some are beyond 0 to 255."""
    level = (luma - 16) * (255 / 219) if matrix.limited else luma
    scale = 255 / 224 if matrix.limited else 1.0
    over_red = level + (red - 128) * scale * 2 * (1 - matrix.red)
    over_blue = level + (blue - 128) * scale * 2 * (1 - matrix.blue)
    green = (level - matrix.red * over_red - matrix.blue * over_blue) / (1 - matrix.red - matrix.blue)
    picture: Picture = numpy.stack(numpy.broadcast_arrays(over_red, green, over_blue), axis=2)
    return picture
