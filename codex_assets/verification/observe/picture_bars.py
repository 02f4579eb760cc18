"""Finds black bars that are a part of the picture: rows or columns at its edges that stay black while the rest is seen.

In: the arithmetic, on small pictures. Out: what of it is worth a note (`verification/programme_notes.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.programme_notes import BlackBars

Plane: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.float64]

BAR_MEAN = 19.0
"""Luma that the mean of a black row or column never passes: 16 is black."""
BAR_PIXEL = 40.0
"""Luma that hardly a pixel of it ever passes."""
HARDLY = 0.02
EDGE_MEAN = 32.0
"""Luma that the mean of the row beside a bar reaches at some time."""
EDGE_SHARE = 0.75
"""Of the pixels of that row that are seen at some time: text and figures on black have no such edge."""

MOST_AROUND = 0.5
"""Of the height or of the width: where bars are on all four sides and have more, it is something small on black."""


class BarsMeter:
    """Takes the luma of pictures as they are shown."""

    def __init__(self) -> None:
        self._brightest: Plane | None = None
        self._highest: dict[int, Plane] = {}
        self._sums: dict[int, Numbers] = {}

    def add(self, luma: Plane) -> None:
        """Some pictures, (pictures, rows, columns)."""
        brightest = luma.max(0)
        self._brightest = brightest if self._brightest is None else np.maximum(self._brightest, brightest)
        for axis in (0, 1):
            means = luma.mean(2 - axis)
            highest, sums = means.max(0), means.sum(0, dtype=np.float64)
            self._highest[axis] = np.maximum(self._highest.get(axis, highest), highest)
            self._sums[axis] = self._sums.get(axis, 0.0) + sums

    def result(self) -> BlackBars | None:
        """After the last picture: how much of the picture is bars at each edge; None without any."""
        if self._brightest is None:
            return None
        top, bottom = self._at(0)
        left, right = self._at(1)
        if (top + bottom) * (left + right) and max(top + bottom, left + right) > MOST_AROUND:
            return None
        return BlackBars(top, bottom, left, right) if any((top, bottom, left, right)) else None

    def _at(self, axis: int) -> tuple[float, float]:
        """The share of all rows (`axis` 0) or columns that is bar at the beginning, and at the end."""
        assert self._brightest is not None
        pixels = self._brightest if axis == 0 else self._brightest.T
        black = (self._highest[axis] <= BAR_MEAN) & (np.quantile(pixels, 1 - HARDLY, axis=1) <= BAR_PIXEL)
        if black.all():
            return 0.0, 0.0
        forward = self._depth(axis, black, pixels)
        backward = self._depth(axis, black[::-1], pixels[::-1], reverse=True)
        return forward, backward

    def _depth(self, axis: int, black: NDArray[np.bool_], pixels: Plane, *, reverse: bool = False) -> float:
        first = int(np.argmin(black))
        if not first or first + 1 >= len(black):
            return 0.0
        highest, sums = self._highest[axis], self._sums[axis]
        if reverse:
            highest, sums = highest[::-1], sums[::-1]
        # The first row that is seen may be half of a bar.
        inside = pixels[first + 1]
        across = self._seen_across(axis)
        if highest[first + 1] < EDGE_MEAN or float((inside[across] > BAR_PIXEL).mean()) < EDGE_SHARE:
            return 0.0
        share = (sums[first] - sums[0]) / max(1e-9, sums[first + 1] - sums[0])
        return float(first + 1 - min(1.0, max(0.0, share))) / len(black)

    def _seen_across(self, axis: int) -> NDArray[np.bool_]:
        """Which pixels of a row (`axis` 0) or column are seen at all: bars of the other kind are left out."""
        seen: NDArray[np.bool_] = self._highest[1 - axis] > BAR_MEAN
        return seen
