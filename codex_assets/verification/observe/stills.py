"""How a still picture differs from the frame that it should show: how far, where, and which mistake explains it.

Both are RGB that the judge computed itself. In: the measures, and the mistakes that are tried. Out: decoding
(`pictures.py`), and which distance is too far (`rules/thumbnail.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy
from numpy.typing import NDArray

from codex_assets.verification.observe.raw_pictures import (
    JPEG_COLOURS,
    MEZZANINE_COLOURS,
    Matrix,
    Picture,
    Plane,
    averaged,
    resampled,
)
from codex_assets.verification.still_observations import Explanation, StillDifference

STEP = 4
"""Pixels a side of what is compared as one colour: coding noise is gone then, colours and edges are not."""
BLOCK = 8
"""Of these a side are looked at together, for what is wrong in one place: 32 pixels."""
FAR_BLOCK = 8.0
"""Distance of a block that another picture stands in."""
LUMA = numpy.array([0.2126, 0.7152, 0.0722], numpy.float32)


def difference(own: Picture, frame: Picture, *, kept: Plane | None = None) -> StillDifference:
    """How `own` differs from `frame`; both have one size.

    `kept`: the luma that coding leaves of the frame, beside which likeness and fine detail are measured; None: all.
    """
    apart = cells(own) - cells(frame)
    square = (apart**2).mean(axis=2)
    blocks = _blocks(square)
    luma = own @ LUMA
    coded = frame @ LUMA if kept is None else kept
    mistakes = sorted(_explanations(own, frame), key=lambda explanation: explanation.distance)
    return StillDifference(
        distance=float(numpy.sqrt(square.mean())),
        worst=float(numpy.sqrt(blocks.max())),
        share=float((blocks > FAR_BLOCK**2).mean()),
        likeness=_similarity(luma, coded),
        sharpness=_sharpness(luma, coded),
        level=float(apart.mean()),
        explanation=mistakes[0],
        smallest_side=min(own.shape[:2]),
    )


def distance(own: Picture, frame: Picture) -> float:
    """The root of the mean square between cells, of 255, of two pictures of one size."""
    return _distance(cells(own), cells(frame))


def cells(picture: Picture) -> Picture:
    """A picture in cells of `STEP` pixels a side, each the mean of what it covers."""
    return averaged(picture, STEP, STEP)


def _blocks(square: Plane) -> Plane:
    blocks: Plane = averaged(square[:, :, None], BLOCK, BLOCK)[:, :, 0]
    return blocks


def _similarity(own: Plane, wanted: Plane) -> float:
    """Structural similarity (Wang 2004) over windows of 8x8 pixels."""
    height, width = (size // BLOCK * BLOCK for size in own.shape)
    if not height or not width:
        return 1.0

    def windows(plane: Plane) -> Plane:
        cut = plane[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        flat: Plane = cut.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
        return flat

    still, film = windows(own), windows(wanted)
    mean, other_mean = still.mean(axis=1), film.mean(axis=1)
    spread, other_spread = still.var(axis=1), film.var(axis=1)
    common = (still * film).mean(axis=1) - mean * other_mean
    # A few steps of noise in a flat window say nothing, nor does a level or two in the dark, where a full range is
    # rounded: both constants are wider than usual.
    first, second = 100.0, 100.0
    similar = (2 * mean * other_mean + first) * (2 * common + second)
    return float((similar / ((mean**2 + other_mean**2 + first) * (spread + other_spread + second))).mean())


def _sharpness(own: Plane, wanted: Plane) -> float | None:
    there = _detail(wanted)
    return _detail(own) / there if there >= 2.0 else None


def _detail(plane: Plane) -> float:
    """How much a pixel differs from those around it."""
    if min(plane.shape) < 3:
        return 0.0
    around = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]
    return float(numpy.sqrt(((4 * plane[1:-1, 1:-1] - around) ** 2).mean()))


def _smooth(picture: Picture) -> Picture:
    """A picture of which each pixel is the mean of those 9x9 about it."""
    for axis in (0, 1):
        padded = numpy.concatenate(
            [picture.take([0] * 5, axis), picture, picture.take([picture.shape[axis] - 1] * 4, axis)], axis
        ).cumsum(axis)
        count = picture.shape[axis]
        picture = (padded.take(range(9, 9 + count), axis) - padded.take(range(count), axis)) / 9
    return picture


# --- Mistakes ---------------------------------------------------------------------------------------------------------

_YCC = {
    matrix: numpy.array(
        [
            [matrix.red, 1 - matrix.red - matrix.blue, matrix.blue],
            [
                -matrix.red / (2 * (1 - matrix.blue)),
                -(1 - matrix.red - matrix.blue) / (2 * (1 - matrix.blue)),
                0.5,
            ],
            [
                0.5,
                -(1 - matrix.red - matrix.blue) / (2 * (1 - matrix.red)),
                -matrix.blue / (2 * (1 - matrix.red)),
            ],
        ]
    )
    for matrix in (MEZZANINE_COLOURS, JPEG_COLOURS)
}


def _recoloured(matrix: NDArray[numpy.float64]) -> Callable[[Picture], Picture]:
    return lambda picture: numpy.clip(picture @ matrix.T.astype(numpy.float32), 0, 255)


def _misread(coded: Matrix, read: Matrix) -> Callable[[Picture], Picture]:
    return _recoloured(numpy.linalg.inv(_YCC[read]) @ _YCC[coded])


def _chroma(rows: list[list[float]]) -> Callable[[Picture], Picture]:
    """Luma stays, the two chroma channels are mixed so."""
    change = numpy.eye(3)
    change[1:, 1:] = rows
    ycc = _YCC[JPEG_COLOURS]
    return _recoloured(numpy.linalg.inv(ycc) @ change @ ycc)


MISTAKES: dict[str, Callable[[Picture], Picture]] = {
    "is upside down": lambda picture: picture[::-1],
    "is mirrored": lambda picture: picture[:, ::-1],
    "is turned by half": lambda picture: picture[::-1, ::-1],
    "has its red and blue exchanged": lambda picture: picture[:, :, ::-1],
    "has its red and green exchanged": lambda picture: picture[:, :, [1, 0, 2]],
    "has its green and blue exchanged": lambda picture: picture[:, :, [0, 2, 1]],
    "has its two colour planes exchanged": _chroma([[0, 1], [1, 0]]),
    "has no colours": _chroma([[0, 0], [0, 0]]),
    "is a negative": lambda picture: 255 - picture,
    "has the colours of another matrix": _misread(MEZZANINE_COLOURS, JPEG_COLOURS),
    "has the colours of another matrix ": _misread(JPEG_COLOURS, MEZZANINE_COLOURS),
    "is flat: black is grey, and white is not white": lambda picture: picture * (219 / 255) + 16,
    "is too hard: dark and light parts are cut off": lambda picture: numpy.clip((picture - 16) * (255 / 219), 0, 255),
}
"""What happens to pictures, as a sentence about them, and how it is done to a frame."""


def _explanations(own: Picture, frame: Picture) -> Iterator[Explanation]:
    """Each mistake with the distance to `own` of a frame to which it happened."""
    small, wanted = cells(own), cells(frame)
    for name, mistake in MISTAKES.items():
        yield Explanation(name.strip(), _distance(small, mistake(wanted)))
    yield from _levels(small, wanted)
    if _detail(small @ LUMA) < 0.75 * _detail(wanted @ LUMA):
        yield Explanation("is blurred", _distance(_smooth(small), _smooth(wanted)))
    moved = _shift(own @ LUMA, frame @ LUMA)
    if moved != (0, 0):
        right, down = moved
        still, film = _inside(own, right, down), _inside(frame, -right, -down)
        yield Explanation(_moved_by(right, down), distance(still, film))


def _levels(own: Picture, frame: Picture) -> Iterator[Explanation]:
    """Brightness and colourfulness, as the straight lines that explain them best."""
    light, wanted = own @ LUMA, frame @ LUMA
    variance = float(wanted.var())
    if variance > 1.0:
        gain = float(((light - light.mean()) * (wanted - wanted.mean())).mean()) / variance
        level = float(light.mean() - gain * wanted.mean())
        name = f"is {'darker' if light.mean() < wanted.mean() else 'brighter'} than the film"
        if gain > 0.3:
            yield Explanation(name, _distance(own, numpy.clip(gain * frame + level, 0, 255)))
    else:
        level = float(light.mean() - wanted.mean())
        name = f"is {'darker' if level < 0 else 'brighter'} than the film"
        yield Explanation(name, _distance(own, frame + level))
    colour, wanted_colour = own - light[:, :, None], frame - wanted[:, :, None]
    energy = float((wanted_colour**2).mean())
    if energy > 1.0:
        gain = float((colour * wanted_colour).mean()) / energy
        name = f"has {'paler' if gain < 1 else 'stronger'} colours than the film"
        if gain > 0.05:
            yield Explanation(name, _distance(own, numpy.clip(wanted[:, :, None] + gain * wanted_colour, 0, 255)))


def _shift(own: Plane, frame: Plane) -> tuple[int, int]:
    """By how many pixels to the right and down `own` is moved against `frame` (phase correlation)."""
    still, film = numpy.fft.rfft2(own - own.mean()), numpy.fft.rfft2(frame - frame.mean())
    product = still * numpy.conj(film)
    peaks = numpy.fft.irfft2(product / numpy.maximum(abs(product), 1e-3), s=own.shape)
    down, right = numpy.unravel_index(int(peaks.argmax()), peaks.shape)
    height, width = own.shape
    return int(right - width if right > width // 2 else right), int(down - height if down > height // 2 else down)


def _inside(picture: Picture, right: int, down: int) -> Picture:
    """What remains of a picture that was moved, as far as the other one has it too."""
    height, width = picture.shape[:2]
    return picture[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]


def _moved_by(right: int, down: int) -> str:
    parts = []
    if right:
        parts.append(f"{abs(right)} pixels to the {'right' if right > 0 else 'left'}")
    if down:
        parts.append(f"{abs(down)} pixels {'down' if down > 0 else 'up'}")
    return f"is moved by {' and '.join(parts)}"


def _distance(still: Picture, film: Picture) -> float:
    return float(numpy.sqrt(((still - film) ** 2).mean())) if still.size else float("inf")


def shaped(frame: Picture, width: int, height: int) -> Picture:
    """A frame at another size, whatever its shape."""
    return numpy.stack([resampled(frame[:, :, channel], width, height) for channel in range(3)], axis=2)
