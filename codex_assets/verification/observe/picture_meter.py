"""Measures pictures beside those that they were made of: how alike they are, second by second, and the worst second.

In: the arithmetic. Out: decoding (`picture_stack.py`), and which change explains the worst (`picture_changes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import ChangeKind, PictureFidelity, PictureSecond, SoftQuarter
from codex_assets.verification.observe.picture_changes import Pictures, WorstSecond, explain
from codex_assets.verification.observe.picture_motion import FARTHEST, Steps, late_pictures, stopped_share

Plane: TypeAlias = NDArray[np.float32]
Values: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
"""Pixels as they were decoded, or worked out."""

AREA = 8
"""Pixels a side of a small area."""
LUMA_NOISE = (0.01 * 255) ** 2
CONTRAST_NOISE = (0.03 * 255) ** 2
"""The two constants of SSIM (Wang, Bovik, Sheikh, Simoncelli 2004)."""
FAINTEST_DETAIL = 0.5
"""Mean squared difference of neighbouring pixels under which a picture shows no detail."""
QUARTER_DETAIL = 10.0
"""The same of a quarter of a small picture, of which more than noise is left that an encoder leaves out."""
QUARTERS = ("top left", "top right", "bottom left", "bottom right")
AROUND_SECONDS = 3.5
"""Before and after the worst second: what is kept to explain it."""

FAR = 0.9
"""Likeness, in the worst plane, under which a picture is far from the original's."""

SECOND_LOOK = 0.995
"""Likeness, ..."""
SECOND_LOOK_DIFFERENCE = 1.5
"""...difference, ..."""
SECOND_LOOK_SHARPNESS = 0.15
"""...and distance of the sharpness from 1, from which on a second is worth a second look."""


@dataclass(frozen=True)
class Areas:
    """One plane of several pictures: its pixels, and mean and variance of each small area."""

    pixels: Plane
    means: Plane
    variances: Plane

    @classmethod
    def of(cls, plane: Values) -> Areas:
        pixels = plane.astype(np.float32)
        means = area_means(pixels)
        return cls(pixels, means, area_means(pixels * pixels) - means * means)


def area_means(pixels: Plane) -> Plane:
    """The mean of each area of `AREA` pixels a side, of pictures whose sides are multiples of that."""
    count, height, width = pixels.shape
    # Not as a product with a matrix: for so small ones numpy's library keeps every core busy with waiting. Rows first,
    # for whole rows are added at once.
    sums: Plane = pixels.reshape(count, height // AREA, AREA, width).sum(axis=2)
    for _ in range(AREA.bit_length() - 1):
        sums = sums[..., 0::2] + sums[..., 1::2]
    return sums / np.float32(AREA**2)


def detail_of(luma: Values) -> NDArray[np.float32]:
    """Of each picture the mean squared difference of neighbouring pixels."""
    pixels = luma.astype(np.float32, copy=False)
    detail: NDArray[np.float32] = _mean_square(np.diff(pixels, axis=2)) + _mean_square(np.diff(pixels, axis=1))
    return detail


def detail_of_quarters(luma: Plane) -> NDArray[np.float32]:
    """Of each picture's quarters, in the order of `QUARTERS`, the same: (pictures, 4)."""
    rows, columns = luma.shape[1] // 2, luma.shape[2] // 2
    halves = luma[:, :rows], luma[:, -rows:]
    quarters = [side for half in halves for side in (half[:, :, :columns], half[:, :, -columns:])]
    return np.stack([detail_of(quarter) for quarter in quarters], axis=1)


def _mean_square(pictures: Plane) -> NDArray[np.float32]:
    """Of each picture."""
    sums: NDArray[np.float32] = np.einsum("ijk,ijk->i", pictures, pictures)
    return sums / np.float32(pictures[0].size)


@dataclass(frozen=True)
class Measured:
    """A plane of several pictures beside that of the originals: likeness of each, its areas' differences and means, and
    its own pixels."""

    likeness: Plane
    differences: Plane
    means: Plane
    pixels: Plane


def measure_plane(reference: Areas, plane: Values) -> Measured:
    """How alike pictures are to the originals, in one plane."""
    own = Areas.of(plane)
    shared = area_means(own.pixels * reference.pixels) - own.means * reference.means
    light = (2 * own.means * reference.means + LUMA_NOISE) / (own.means**2 + reference.means**2 + LUMA_NOISE)
    form = (2 * shared + CONTRAST_NOISE) / (own.variances + reference.variances + CONTRAST_NOISE)
    return Measured((light * form).mean((1, 2)), own.means - reference.means, own.means, own.pixels)


def measure(references: Sequence[Areas], planes: Sequence[Values]) -> list[Measured]:
    """`measure_plane` of all three planes of several pictures."""
    return [measure_plane(reference, plane) for reference, plane in zip(references, planes, strict=True)]


def agreements(outputs: Sequence[Sequence[Values]], measured: Sequence[Sequence[Measured]]) -> list[Plane | None]:
    """Of each of several outputs, how alike each picture is to that of another one: likeness in the worst plane, of the
    other that is most alike. NaN for a picture that is not far from the original's; None where none is.

    `measured`: each output's planes beside the original's.
    """
    apart = [_least(planes) for planes in measured]
    far = [number for number, likeness in enumerate(apart) if likeness.min() < FAR]
    alike: list[Plane | None] = [None] * len(outputs)
    if len(far) < 2:
        return alike
    areas = {number: [Areas.of(plane) for plane in outputs[number]] for number in far}
    for number in far:
        others = [_least(measure(areas[other], outputs[number])) for other in far if other != number]
        alike[number] = np.where(apart[number] < FAR, np.max(others, axis=0), np.float32(np.nan))
    return alike


def _least(planes: Sequence[Measured]) -> Plane:
    least: Plane = np.min([plane.likeness for plane in planes], axis=0)
    return least


@dataclass
class _Second:
    """What is added up of a second."""

    first: int
    lasting: list[Plane]
    likeness: list[NDArray[np.float32]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    detail: float = 0.0
    reference_detail: float = 0.0
    agreement: list[float] = field(default_factory=list)
    quarters: list[NDArray[np.float32]] = field(default_factory=list)
    """Detail of both sides' quarters."""

    @property
    def pictures(self) -> int:
        return len(self.differences)


class Meter:
    """Measures one output's pictures as they come. `rate`: pictures a second; `first`: the number of the first;
    `faintest`: mean squared difference of neighbouring pixels under which a picture shows no detail; `quarters`:
    whether each quarter is looked at by itself; `closed`: is told of each second when it has ended."""

    def __init__(
        self,
        rate: float,
        *,
        first: int = 0,
        faintest: float = FAINTEST_DETAIL,
        quarters: bool = False,
        closed: Callable[[PictureSecond], None] = lambda second: None,
    ) -> None:
        self._faintest, self._quarters, self._closed = faintest, quarters, closed
        self._per_second = max(1, round(rate))
        self._rate = rate
        self._first = self._count = first
        self._open: _Second | None = None
        self._seconds: list[PictureSecond] = []
        self._memory = _Memory(self._per_second, rate)

    def add(
        self,
        references: Sequence[Areas],
        measured: Sequence[Measured],
        detail: NDArray[np.float32],
        reference_detail: NDArray[np.float32],
        agreement: Plane | None = None,
    ) -> None:
        """A batch of pictures: three planes of the originals, how alike theirs are, the detail of both in their middle,
        and how alike they are to another output's."""
        sides = (measured[0].pixels, references[0].pixels) if self._quarters else ()
        quarters = [detail_of_quarters(pixels) for pixels in sides]
        for number in range(len(detail)):
            if self._open is None or self._open.pictures == self._per_second:
                self._close()
                self._open = _Second(self._count, [0 * plane.differences[0] for plane in measured])
            second = self._open
            second.likeness.append(np.array([plane.likeness[number] for plane in measured]))
            second.differences.append(max(float(np.abs(plane.differences[number]).mean()) for plane in measured))
            second.lasting = [
                sums + plane.differences[number] for sums, plane in zip(second.lasting, measured, strict=True)
            ]
            second.detail += float(detail[number])
            second.reference_detail += float(reference_detail[number])
            if agreement is not None and not np.isnan(agreement[number]):
                second.agreement.append(float(agreement[number]))
            if quarters:
                second.quarters.append(np.array([each[number] for each in quarters]))
            self._memory.add(
                [plane.means[number] for plane in measured], [reference.means[number] for reference in references]
            )
            self._count += 1

    def _close(self) -> None:
        if self._open is None:
            return
        second, self._open = self._open, None
        likeness = np.array(second.likeness)
        mean = likeness.mean(0)
        own, reference, first = self._memory.steps(second.pictures)
        shows = second.reference_detail > self._faintest * second.pictures
        closed = PictureSecond(
            at=second.first / self._rate,
            pictures=second.pictures,
            likeness=(float(mean[0]), float(mean[1]), float(mean[2])),
            least_likeness=float(likeness.min()),
            difference=max(second.differences),
            lasting_difference=max(float(np.abs(sums).max()) for sums in second.lasting) / second.pictures,
            usual_difference=float(np.median(second.differences)),
            sharpness=(second.detail / second.reference_detail) ** 0.5 if shows else None,
            tint=max(_unevenness(sums / second.pictures) for sums in second.lasting),
            late=late_pictures(own, reference, first),
            stopped=stopped_share(own[first:], reference[first:]),
            agreement=float(np.mean(second.agreement)) if second.agreement else None,
            soft_quarter=_soft_quarter(second.quarters),
        )
        self._seconds.append(closed)
        self._memory.close(closed)
        self._closed(closed)

    def result(self) -> PictureFidelity:
        """After the last picture."""
        self._close()
        worst = self._memory.worst()
        seconds, compared = tuple(self._seconds), self._count - self._first
        if worst is None:
            return PictureFidelity(seconds, compared)
        change = explain(worst)
        turned = explain(worst.turned()) if change.change is not ChangeKind.NONE else None
        return PictureFidelity(seconds, compared, change=change, change_of_original=turned)


class _Memory:
    """Small pictures of the last seconds, and those around the worst second so far."""

    def __init__(self, per_second: int, rate: float) -> None:
        self._around = round(AROUND_SECONDS * rate)
        self._kept = per_second + 2 * self._around
        self._rate = rate
        self._recent: list[tuple[Sequence[Plane], Sequence[Plane]]] = []
        self._waiting: PictureSecond | None = None
        self._left = 0
        self._score = 1.0
        self._worst: WorstSecond | None = None

    def add(self, own: Sequence[Plane], reference: Sequence[Plane]) -> None:
        self._recent.append((own, reference))
        if len(self._recent) > self._kept:
            del self._recent[0]
        if self._waiting is not None:
            self._left -= 1
            if self._left <= 0:
                self._keep()

    def close(self, second: PictureSecond) -> None:
        """A second has ended; the pictures after it are still to come."""
        score = badness(second)
        if score > self._score:
            self._score, self._waiting, self._left = score, second, self._around

    def steps(self, count: int) -> tuple[Steps, Steps, int]:
        """By how much the luma of small areas changes from picture to picture, own and the reference's, in the last
        `count` pictures and some before them, and which of these steps is the first of those."""
        recent = self._recent[-count - 1 - FARTHEST :]
        own, reference = (
            np.array([picture[side][0].ravel() for picture in recent], np.float32).reshape(len(recent), -1)
            for side in (0, 1)
        )
        return np.diff(own, axis=0), np.diff(reference, axis=0), max(0, len(recent) - 1 - count)

    def _keep(self) -> None:
        assert self._waiting is not None
        second, self._waiting = self._waiting, None
        last = len(self._recent) - (self._around - self._left)
        own, reference = zip(*self._recent, strict=True)
        self._worst = WorstSecond(
            own=_stacked(own),
            reference=_stacked(reference),
            first=max(0, last - second.pictures),
            last=last,
            second=second,
            rate=self._rate,
        )

    def worst(self) -> WorstSecond | None:
        """The pictures around the worst second; None where no second is worth a second look."""
        if self._waiting is not None:
            self._keep()
        return self._worst


def _soft_quarter(details: Sequence[NDArray[np.float32]]) -> SoftQuarter | None:
    """`details`: of each picture, own and the reference's."""
    if not details:
        return None
    own, reference = np.mean(details, axis=0)
    shown = reference > QUARTER_DETAIL
    if shown.sum() < 2:
        return None
    kept = np.where(shown, np.sqrt(own / np.maximum(reference, QUARTER_DETAIL)), np.nan)
    softest = int(np.nanargmin(kept))
    return SoftQuarter(QUARTERS[softest], float(kept[softest] / max(np.nanmedian(kept), 1e-6)))


def _stacked(pictures: Sequence[Sequence[Plane]]) -> Pictures:
    luma, blue, red = (np.array([picture[plane] for picture in pictures]) for plane in range(3))
    return luma, blue, red


def _unevenness(differences: NDArray[np.floating]) -> float:
    """Mean difference of areas, without what is the same for all of them."""
    return float(np.abs(differences - differences.mean()).mean())


def badness(second: PictureSecond) -> float:
    """A number by which seconds are ordered: over 1, one is worth a second look."""
    return max(
        (1 - min(second.likeness)) / (1 - SECOND_LOOK),
        second.difference / SECOND_LOOK_DIFFERENCE,
        second.lasting_difference / (2 * SECOND_LOOK_DIFFERENCE),
        (1 - second.least_likeness) / (4 * (1 - SECOND_LOOK)),
        abs(1 - second.sharpness) / SECOND_LOOK_SHARPNESS if second.sharpness is not None else 0.0,
    )
