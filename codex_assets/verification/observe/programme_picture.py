"""Measures a programme's picture by itself: where it is black, where it stands still, its bars and its flashes.

In: the arithmetic of the first two, on the small pictures that are decoded for a comparison anyway. Out: that decode
(`picture_stack.py`), bars (`picture_bars.py`), flashes (`flashes.py`), and what of it all is worth a note
(`verification/programme_notes.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.observe.flashes import FlashMeter
from codex_assets.verification.observe.picture_bars import BarsMeter
from codex_assets.verification.observe.picture_meter import Areas
from codex_assets.verification.programme_notes import ProgrammePicture, StandingStretch, Stretch

Plane: TypeAlias = NDArray[np.float32]

BLACK_AREA = 22.0
"""Luma that no small area of a black picture passes: 16 is black, and from 24 on something can be made out."""
BLACK_PIXEL = 40.0
"""The same of a pixel."""
STANDING_CHANGE = 0.03
"""Mean difference of pixels to the picture before, of 255, up to which a picture is the same."""
REFRESHED_CHANGE = 1.0
"""The same, where an encoder starts anew with a key frame."""
REFRESHED_PICTURES = 2
"""How many of those may follow each other."""
DRIFT = 2.0
"""By how much a small area may differ from the first picture of a stretch."""
STANDING_SECONDS = 0.5
"""What is shorter is the rhythm of the pictures, not a stretch; also what is looked at before and after one."""
MOVING_CHANGE = 0.04
"""Median difference from picture to picture, from which on a picture moves."""
CUT_CHANGE = 8.0
CUT_FACTOR = 3.0
"""A difference of that size, and so much larger than those beside it, is a cut."""
FADED_CONTRAST = 0.8
FADED_LIKENESS = 0.9
"""A picture with less of the contrast, and as much alike, fades into the other."""
ONE_CHANGE = 0.988
"""Correlation of what has changed after a quarter of a second with what has after half of one, from which on it is one
change that grows, as in a dissolve: movement changes other places each time."""
MOVED = 2.0
"""By how much a small area changes from picture to picture where something moves."""
EVERY = 2
"""Rows and columns: of each so many, one is looked at for movement."""

BARS_EVERY = 4
"""Pictures: bars stand still, and of each so many one is looked at for them."""


@dataclass
class _Surroundings:
    """What there is at one end of a stretch, seen from it outward: the step that leads across, the steps behind it, and
    the areas of the pictures there, up to half a second away."""

    across: float
    steps: list[float] = field(default_factory=list)
    areas: list[Plane] = field(default_factory=list)

    def runs_on(self, standing: Plane) -> bool:
        """Whether the picture moves there, with neither a cut nor a fade between. `standing`: areas of the picture that
        stands."""
        if not self.steps or not self.areas:
            return False
        usual = float(np.median(self.steps))
        is_cut = self.across >= CUT_CHANGE and self.across > CUT_FACTOR * usual
        is_faded = _fades(self.areas[-1], standing) or _dissolves(self.areas, standing)
        return usual >= MOVING_CHANGE and not is_cut and not is_faded


def _dissolves(areas: Sequence[Plane], standing: Plane) -> bool:
    """Whether pictures become another one by one change that grows."""
    half, whole = (each - standing for each in (areas[len(areas) // 2], areas[-1]))
    energy = float(np.sqrt(np.vdot(half, half) * np.vdot(whole, whole)))
    return energy > 0 and float(np.vdot(half, whole)) > ONE_CHANGE * energy


def _fades(areas: Plane, standing: Plane) -> bool:
    """Whether a picture is another one in the middle of a fade."""
    contrasts = float(areas.std()), float(standing.std())
    if contrasts[0] >= FADED_CONTRAST * contrasts[1]:
        return False
    if contrasts[0] < 1:
        return True
    return float(np.corrcoef(areas.ravel(), standing.ravel())[0, 1]) > FADED_LIKENESS


@dataclass
class _Standing:
    """A stretch that stands, as far as it was seen: the number of its first picture and of the one after its last."""

    first: int
    areas: Plane
    before: _Surroundings
    last: int
    after: _Surroundings | None = None
    refreshed: int = 0

    def takes(self, change: float, areas: Plane) -> bool:
        """Whether the next picture is the same; it belongs to the stretch then."""
        self.refreshed = self.refreshed + 1 if change > STANDING_CHANGE else 0
        if change > REFRESHED_CHANGE or self.refreshed > REFRESHED_PICTURES:
            return False
        if float(np.abs(areas - self.areas).max()) > DRIFT:
            return False
        self.last += 1
        return True


class ProgrammePictureMeter:
    """Takes a programme's pictures as they are shown. `rate`: pictures a second; `size`: their pixels as they are."""

    def __init__(self, rate: float, size: tuple[int, int]) -> None:
        self._rate, self._size = rate, size
        self._bars, self._flashes = BarsMeter(), FlashMeter(rate)
        self._around = max(2, round(STANDING_SECONDS * rate))
        self._count = 0
        self._previous: Plane | None = None
        self._last_areas: Plane | None = None
        self._moved: NDArray[np.bool_] = np.zeros((), bool)
        """Of each area, whether anything ever moved there."""
        self._black: list[tuple[int, int]] = []
        self._recent: deque[tuple[float, Plane]] = deque(maxlen=self._around + 1)
        """Steps and areas of the last pictures."""
        self._standing: _Standing | None = None
        self._ended: _Standing | None = None
        """A stretch of which the surroundings are still to come."""
        self._stretches: list[StandingStretch] = []

    def add(self, planes: Sequence[Areas]) -> None:
        """The next pictures: luma, blue, red."""
        luma, blue, red = planes
        self._bars.add(luma.pixels[::BARS_EVERY])
        self._flashes.add(luma.means, blue.means, red.means)
        pixels = luma.pixels[:, ::EVERY, ::EVERY]
        before = pixels[:1] if self._previous is None else self._previous
        steps = np.abs(np.diff(pixels, axis=0, prepend=before)).mean((1, 2))
        self._previous = pixels[-1:].copy()
        last = luma.means[:1] if self._last_areas is None else self._last_areas
        self._moved = self._moved | (np.abs(np.diff(luma.means, axis=0, prepend=last)).max(0) > MOVED)
        self._last_areas = luma.means[-1:]
        dark = (luma.means.max((1, 2)) <= BLACK_AREA) & (luma.pixels.max((1, 2)) <= BLACK_PIXEL)
        for step, areas, is_black in zip(steps, luma.means, dark, strict=True):
            self._add(float(step), areas, bool(is_black))
            self._count += 1

    def _add(self, step: float, areas: Plane, is_black: bool) -> None:
        self._look_after(step, areas)
        if is_black:
            self._end(step)
            if self._black and self._black[-1][1] == self._count:
                self._black[-1] = self._black[-1][0], self._count + 1
            else:
                self._black.append((self._count, self._count + 1))
        elif self._standing is None or not self._standing.takes(step, areas):
            self._end(step)
            self._standing = _Standing(self._count, areas, self._before(step), self._count + 1)
        self._recent.append((step, areas))

    def _before(self, step: float) -> _Surroundings:
        """What there is before a stretch that begins with this picture."""
        recent = list(self._recent)
        return _Surroundings(step, [each for each, _ in recent[1:]], [areas for _, areas in reversed(recent)])

    def _end(self, step: float) -> None:
        """The stretch, if there is one, has ended before this picture."""
        standing, self._standing = self._standing, None
        if standing is None or standing.last - standing.first < self._around:
            return
        self._finish()
        standing.after = _Surroundings(step)
        self._ended = standing

    def _look_after(self, step: float, areas: Plane) -> None:
        """See what comes after the last stretch."""
        if self._ended is None or self._ended.after is None:
            return
        self._ended.after.steps.append(step)
        self._ended.after.areas.append(areas)
        if len(self._ended.after.steps) >= self._around:
            self._finish()

    def _finish(self) -> None:
        """What was seen of the last stretch is all."""
        ended, self._ended = self._ended, None
        if ended is None:
            return
        around = (ended.before, ended.after) if ended.after is not None else (ended.before,)
        runs_on = any(each.runs_on(ended.areas) for each in around)
        self._stretches.append(StandingStretch(ended.first / self._rate, ended.last / self._rate, runs_on))

    def result(self) -> ProgrammePicture:
        """After the last picture."""
        self._end(0.0)
        self._finish()
        return ProgrammePicture(
            seconds=self._count / self._rate,
            size=self._size,
            black=tuple(Stretch(first / self._rate, last / self._rate) for first, last in self._black),
            standing=tuple(self._stretches),
            moved=float(self._moved.mean()),
            bars=self._bars.result(),
            flashes=self._flashes.luminance,
            red_flashes=self._flashes.red,
        )
