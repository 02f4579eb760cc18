"""Reads a BlurHash: what it shows, and how much of a picture one could show. By its published algorithm alone, and
independent of what wrote it."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from codex_assets.verification.observe.raw_pictures import Picture

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
"""Of base 83."""
Waves = NDArray[numpy.float64]
"""Red, green and blue of each component, linear, 0 to 1: down x across x 3."""


def components_of(text: str) -> tuple[int, int]:
    """Components across and down that a BlurHash says it has. Raises `ValueError` for a text that is none."""
    if len(text) < 6 or any(digit not in DIGITS for digit in text):
        raise ValueError("it is no BlurHash")
    down, across = divmod(_number(text[0]), 9)
    if down > 8 or len(text) != 4 + 2 * (across + 1) * (down + 1):
        raise ValueError("its length is not that of its components")
    return across + 1, down + 1


def waves_of(text: str) -> Waves:
    """The components of a BlurHash. Raises `ValueError` for a text that is none."""
    across, down = components_of(text)
    largest = (_number(text[1]) + 1) / 166
    mean = _number(text[2:6])
    waves = numpy.zeros((down * across, 3))
    waves[0] = _linear(numpy.array([mean >> 16, mean >> 8 & 255, mean & 255], numpy.float64))
    for number in range(1, down * across):
        value = _number(text[4 + 2 * number : 6 + 2 * number])
        steps = numpy.array([value // 361, value // 19 % 19, value % 19]) - 9
        waves[number] = numpy.sign(steps) * (steps / 9) ** 2 * largest
    return waves.reshape(down, across, 3)


def waves_in(picture: Picture, across: int, down: int) -> Waves:
    """The components of a picture, exactly."""
    height, width = picture.shape[:2]
    rows, columns = _basis(down, height), _basis(across, width)
    waves: Waves = numpy.einsum("jy,ix,yxc->jic", rows, columns, _linear(picture.astype(numpy.float64)))
    waves *= 2 / (width * height)
    waves[0, 0] /= 2
    return waves


def rounded(waves: Waves) -> Waves:
    """Components as a text has them: in its steps, of which the first are finer than the others."""
    others = waves.reshape(-1, 3)[1:]
    most = float(abs(others).max()) if len(others) else 0.0
    largest = (min(82, max(0, int(most * 166 - 0.5))) + 1) / 166
    steps = numpy.clip(numpy.floor(numpy.sign(waves) * (abs(waves) / largest) ** 0.5 * 9 + 9.5), 0, 18) - 9
    near: Waves = numpy.sign(steps) * (steps / 9) ** 2 * largest
    near[0, 0] = _linear(numpy.floor(_encoded(waves[0, 0]) + 0.5))
    return near


def shown(waves: Waves, width: int, height: int) -> Picture:
    """The picture of these components, in a size."""
    rows, columns = _basis(waves.shape[0], height), _basis(waves.shape[1], width)
    picture: Picture = _encoded(numpy.einsum("jy,ix,jic->yxc", rows, columns, waves)).astype(numpy.float32)
    return picture


def _basis(count: int, size: int) -> NDArray[numpy.float64]:
    return numpy.cos(numpy.pi * numpy.outer(numpy.arange(count), numpy.arange(size)) / size)


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 83 + DIGITS.index(digit)
    return value


def _linear(values: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """sRGB (IEC 61966-2-1), 0 to 255, as light, 0 to 1."""
    level = values / 255
    return numpy.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def _encoded(light: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """The way back."""
    level = numpy.clip(light, 0, 1)
    return 255 * numpy.where(level <= 0.0031308, level * 12.92, 1.055 * level ** (1 / 2.4) - 0.055)
