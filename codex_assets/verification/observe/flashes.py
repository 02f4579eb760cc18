"""Finds flashes: areas of the picture that become brighter and darker again, or red and not red, many times a second.

In: the arithmetic of ITU-R BT.1702 and of WCAG 2.3.1, on areas of 16x16 pixels of small pictures. Out: what of it is
worth a note (`verification/programme_notes.py`).
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.programme_notes import Stretch

Plane: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]

GAMMA = 2.4
"""Of BT.1886: how a display makes light of a signal."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of red, green and blue (BT.709)."""
LUMINANCE_STEP = 0.1
"""Of the brightest white: the least change of a flash, 20 of 200 cd/m2."""
DARK = 0.8
"""Of the brightest white: the darker of two pictures of a flash has less, 160 of 200 cd/m2."""
RED_SHARE = 0.8
"""Of an area's light that is red: saturated."""
RED_STEP = 20 / 320
"""Change of R - G - B, linear, of a red flash."""
AREA_SHARE = 0.25
"""Of the screen: flashes on more than that are told."""
CHANGES = 7
"""Changes to and fro within a second, that are more than three flashes."""
TOGETHER_SECONDS = 0.05
"""Areas that change within that time change together."""
ONE_WAY = 3.0
"""How many times more areas change one way than the other, where the picture flashes and does not only move."""
ALL_SHARE = 0.8
"""Of the screen: where so much changes at the same moment it flashes too, a checkerboard for example."""


class FlashMeter:
    """Takes the areas of pictures as they are shown. `rate`: pictures a second."""

    def __init__(self, rate: float) -> None:
        self._light = _Changes(rate, LUMINANCE_STEP, DARK)
        self._red = _Changes(rate, RED_STEP, 2.0)

    def add(self, luma: Plane, blue: Plane, red: Plane) -> None:
        """Means of the areas of some pictures, 0 to 255, in each plane; chroma has a quarter as many of them."""
        linear = _linear(luma, blue, red)
        for light in np.tensordot(LUMINANCE, linear, 1):
            self._light.add(light)
        for saturation in _saturated_red(linear):
            self._red.add(saturation)

    @property
    def luminance(self) -> tuple[Stretch, ...]:
        """The stretches in which the picture flashes."""
        return self._light.stretches()

    @property
    def red(self) -> tuple[Stretch, ...]:
        """The stretches in which it flashes in saturated red."""
        return self._red.stretches()


def _linear(luma: Plane, blue: Plane, red: Plane) -> Plane:
    """The light of each area of the chroma planes: red, green and blue, 0 to 1."""
    count, rows, columns = blue.shape
    light = luma[:, : 2 * rows, : 2 * columns].reshape(count, rows, 2, columns, 2).mean((2, 4))
    y, cb, cr = (light - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    # BT.709.
    signals = np.stack([y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb])
    linear: Plane = (signals.clip(0, 1) ** GAMMA).astype(np.float32)
    return linear


def _saturated_red(linear: Plane) -> Plane:
    """R - G - B of each area where it is saturated red; else 0."""
    excess = (linear[0] - linear[1] - linear[2]).clip(0, None)
    saturated: Plane = np.where(linear[0] >= RED_SHARE * linear.sum(0), excess, 0)
    return saturated


class _Changes:
    """Follows a value of each area, and counts how often it goes up or down by `step`, where many areas do it together.

    Of two values that a change leads from and to, the lower is under `below`.
    """

    def __init__(self, rate: float, step: float, below: float) -> None:
        self._rate, self._step, self._below = rate, step, below
        self._together = max(1, round(TOGETHER_SECONDS * rate))
        self._low: Plane | None = None
        self._high: Plane | None = None
        self._rises: Flags | None = None
        """Areas of which the last change was upward."""
        self._falls: Flags | None = None
        self._fresh = {True: np.zeros(0, np.int32), False: np.zeros(0, np.int32)}
        """For each area and direction: the picture of a change that was not counted yet."""
        self._second: deque[Flags | None] = deque(maxlen=max(2, int(rate)))
        """The changes that were counted, of each picture of the last second."""
        self._count = 0
        self._last_turn = -(10**6)
        """The picture of the last change."""
        self._flashing: list[tuple[int, int]] = []

    def add(self, values: Plane) -> None:
        if self._low is None or self._high is None or self._rises is None or self._falls is None:
            self._low, self._high = values.copy(), values.copy()
            self._rises, self._falls = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
            self._fresh = {up: np.full(values.shape, -(10**6), np.int32) for up in (True, False)}
        np.minimum(self._low, values, out=self._low)
        np.maximum(self._high, values, out=self._high)
        up = (values - self._low >= self._step) & (self._low < self._below) & ~self._rises
        down = (self._high - values >= self._step) & (values < self._below) & ~self._falls & ~up
        if up.any() or down.any():
            self._turn(values, up, down)
        self._second.append(self._counted())
        self._look()
        self._count += 1

    def _turn(self, values: Plane, up: Flags, down: Flags) -> None:
        assert self._low is not None
        assert self._high is not None
        assert self._rises is not None
        assert self._falls is not None
        self._rises, self._falls = (self._rises & ~down) | up, (self._falls & ~up) | down
        turned = up | down
        self._low[turned] = self._high[turned] = values[turned]
        self._last_turn = self._count
        self._fresh[True][up] = self._fresh[False][down] = self._count

    def _counted(self) -> Flags | None:
        """The areas whose change is one of many at this moment."""
        if self._last_turn <= self._count - self._together:
            return None
        up, down = (self._fresh[way] > self._count - self._together for way in (True, False))
        shares = float(up.mean()), float(down.mean())
        counted: Flags | None = None
        for areas, own, other, way in ((up, shares[0], shares[1], True), (down, shares[1], shares[0], False)):
            if own > AREA_SHARE and (own >= ONE_WAY * other or own + other >= ALL_SHARE):
                self._fresh[way][areas] = -(10**6)
                counted = areas if counted is None else counted | areas
        return counted

    def _look(self) -> None:
        """Whether the last second flashes."""
        if self._second[-1] is None:
            return
        counted = [(number, areas) for number, areas in enumerate(self._second) if areas is not None]
        if len(counted) < CHANGES:
            return
        changes = np.sum([areas for _, areas in counted], axis=0)
        if float((changes >= CHANGES).mean()) <= AREA_SHARE:
            return
        first = self._count - (len(self._second) - 1) + counted[0][0]
        if self._flashing and first <= self._flashing[-1][1] + int(self._rate):
            self._flashing[-1] = self._flashing[-1][0], self._count + 1
        else:
            self._flashing.append((first, self._count + 1))

    def stretches(self) -> tuple[Stretch, ...]:
        return tuple(Stretch(first / self._rate, last / self._rate) for first, last in self._flashing)
