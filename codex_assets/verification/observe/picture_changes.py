"""Finds which one change explains how pictures differ from those that they were made of.

Small pictures of a few seconds are compared: each change is tried on the originals, and the one that leaves the least
difference is the explanation, if it leaves much less than was there. In: the changes that are tried. Out: how much of a
difference is too much (`rules/pictures.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import ChangeKind, PictureChange, PictureSecond

Indices: TypeAlias = NDArray[np.intp]
Pictures: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Luma and two chroma planes, each of (pictures, rows, columns)."""

MIDDLE = 126.0
"""Luma between black and white."""
DARKEST = 20.0
"""Luma under which a picture is black (16 is)."""
STILL = 0.02
"""Mean change of small areas from one picture to the next, of 255, under which nothing moves."""
MORE_STILL = 0.3
"""Part of all steps: so many more are still than in the original when pictures are repeated."""
FLAT_SPREAD = 1.0
"""Standard deviation of an area's mean over a picture, under which it shows nothing."""
EXPLAINS = 0.5
"""A change explains a difference when at most this part of it is left."""
EXPLAINS_BY_TIME = 0.25
"""...and one of another time at most this: there are many times to try."""
NEARLY = 1.25
"""Of two explanations the simpler one is taken when it leaves at most this much more."""
MOVE_EXPLAINS, COLOUR_MOVE_EXPLAINS = 0.75, 0.85
"""...and one of place at most this, of the colours alone this, beside what coding leaves: slopes are those of areas."""
CODED = 0.25
"""Mean difference of an honest encode of a film."""
NEAREST = 0.35
"""Mean difference under which pictures are as alike as an encode leaves them."""
SMALL_PART, LARGE_PART = 0.25, 0.4
"""Of a picture's areas: a change of fewer is one of a part."""
PART_DIFFERENCE = 4.0
MOST_OF_IT = 0.6
"""Of all difference, that a part has to hold."""
NEARLY_ALL = 0.9
ZOOMS = (0.5, 0.75, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.25, 1.33, 1.78)
NEAR_PICTURES = 6
"""What is late by more may only be alike, where things come again."""
NEGATIVE_SLOPE = -0.3
FADED_BY = 0.15
"""From the first to the last picture, of its contrast."""
SHADED_BY = 0.05
"""Of the light at the edges."""
SOFT = 0.8
ROUGH = 1.25

Plane: TypeAlias = NDArray[np.float32]
Flow: TypeAlias = Callable[[Plane, Plane, Plane, Plane], Sequence[Plane]]
"""From slopes, down and across, and places from the centre: what an area changes by, for each way to move."""


def _moved(down: Plane, across: Plane, rows: Plane, columns: Plane) -> Sequence[Plane]:
    return down, across


def _tilted(down: Plane, across: Plane, rows: Plane, columns: Plane) -> Sequence[Plane]:
    return (down * columns - across * rows,)


def _zoomed(down: Plane, across: Plane, rows: Plane, columns: Plane) -> Sequence[Plane]:
    return down * rows, across * columns


@dataclass(frozen=True)
class WorstSecond:
    """Small pictures around a second, own ones and those that they were made of; the second itself is from `first` up
    to `last`. `rate`: pictures a second."""

    own: Pictures
    reference: Pictures
    first: int
    last: int
    second: PictureSecond
    rate: float

    def turned(self) -> WorstSecond:
        """The same the other way round: what would have to be done to these pictures to make the originals."""
        sharpness = self.second.sharpness
        second = replace(self.second, sharpness=1 / sharpness if sharpness else None)
        return replace(self, own=self.reference, reference=self.own, second=second)


def explain(moment: WorstSecond) -> PictureChange:
    """The change that explains the pictures that differ most in the second; `ChangeKind.ANOTHER` when none does."""
    each = _differences(moment.own, moment.reference)[moment.first : moment.last]
    if not each.size:
        return PictureChange(ChangeKind.NONE)
    chosen = moment.first + np.nonzero(each >= 0.5 * each.max())[0]
    own, reference = _chosen(moment.own, chosen), _chosen(moment.reference, chosen)
    start = moment.second.at + float(chosen[0] - moment.first) / moment.rate
    end = moment.second.at + float(chosen[-1] + 1 - moment.first) / moment.rate
    return replace(_explained(moment, chosen, own, reference), start=start, end=end)


def _explained(moment: WorstSecond, chosen: Indices, own: Pictures, reference: Pictures) -> PictureChange:
    left = float(_differences(own, reference).mean())
    plain = _plain_change(own, reference) or _standing(moment)
    if plain is not None:
        return plain
    shifted = [each for each in _shifted(moment, chosen, own) if each[1] < EXPLAINS_BY_TIME * left]
    mixed = [each for each in _mixed_in_time(moment, chosen, own) if each[1] < EXPLAINS_BY_TIME * left]
    near = [each for each in shifted if abs(each[0].amount or 0.0) <= NEAR_PICTURES]
    far = [each for each in shifted if each not in near]
    candidates = [*near, *mixed, *far, *_coloured(own, reference), *_geometric(own, reference)]
    least = min((difference for _, difference in candidates), default=left)
    if left > NEAREST and least < EXPLAINS * left:
        return next(change for change, difference in candidates if difference <= NEARLY * least + 0.1)
    if _is_of_colours(own, reference):
        moved = min(difference for change, difference in candidates if change.change is ChangeKind.COLOURS_MOVED)
        is_moved = moved - CODED < COLOUR_MOVE_EXPLAINS * (left - CODED)
        return PictureChange(ChangeKind.COLOURS_MOVED if is_moved else ChangeKind.OTHER_COLOURS)
    move, least = min(_moved_slightly(own, reference), key=lambda each: each[1])
    best = min((each[1] for each in candidates if each not in far), default=left)
    if left > NEAREST and least - CODED < MOVE_EXPLAINS * (left - CODED) and least <= best:
        return move
    part = _part(own, reference)
    if part is not None:
        return part
    sharpness = moment.second.sharpness
    if left < PART_DIFFERENCE and sharpness is not None and sharpness < SOFT:
        return PictureChange(ChangeKind.BLURRED, sharpness)
    if left < PART_DIFFERENCE and sharpness is not None and sharpness > ROUGH:
        return PictureChange(ChangeKind.ROUGH, sharpness)
    return PictureChange(ChangeKind.NONE if left < 2 * NEAREST else ChangeKind.ANOTHER)


def _is_of_colours(own: Pictures, reference: Pictures) -> bool:
    """Whether the colours alone are others."""
    luma, *chroma = (float(np.abs(mine - theirs).mean()) for mine, theirs in zip(own, reference, strict=True))
    return luma < NEAREST and max(chroma) > 2 * NEAREST


def _chosen(pictures: Pictures, indices: Indices) -> Pictures:
    luma, blue, red = (plane[indices] for plane in pictures)
    return luma, blue, red


def _differences(own: Pictures, other: Pictures) -> NDArray[np.float32]:
    """Of each picture the mean difference of small areas, of 255: the mean of the three planes."""
    planes = [np.abs(a - b).mean((1, 2)) for a, b in zip(own, other, strict=True)]
    mean: NDArray[np.float32] = np.mean(planes, axis=0)
    return mean


def _difference(own: Pictures, other: Pictures) -> float:
    return float(_differences(own, other).mean())


def _plain_change(own: Pictures, reference: Pictures) -> PictureChange | None:
    """What needs no comparison with the originals but that they are otherwise."""
    luma, original = own[0], reference[0]
    spread, spread_before = float(luma.std((1, 2)).mean()), float(original.std((1, 2)).mean())
    if luma.mean() < DARKEST <= original.mean() and spread < FLAT_SPREAD:
        return PictureChange(ChangeKind.BLACK)
    if spread < FLAT_SPREAD < spread_before / 4:
        return PictureChange(ChangeKind.FLAT)
    return None


def _standing(moment: WorstSecond) -> PictureChange | None:
    """Pictures that stand still, or are repeated, where the originals move."""
    own, reference = (
        _motion(plane[0][max(0, moment.first - 1) : moment.last]) for plane in (moment.own, moment.reference)
    )
    if own.size < 4:
        return None
    still, still_before = float((own < STILL).mean()), float((reference < STILL).mean())
    if still > 0.9 and still_before < 0.5:
        return PictureChange(ChangeKind.FROZEN)
    if still - still_before > MORE_STILL and still_before < 0.2:
        return PictureChange(ChangeKind.REPEATED, still)
    return None


def _motion(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean change of small areas from each picture to the next."""
    motion: NDArray[np.float32] = np.abs(np.diff(luma, axis=0)).mean((1, 2))
    return motion


def _shifted(moment: WorstSecond, chosen: Indices, own: Pictures) -> Iterator[tuple[PictureChange, float]]:
    """Pictures of another time; the nearest times first."""
    count = moment.reference[0].shape[0]
    for late in sorted(range(-(count - 1 - int(chosen[-1])), int(chosen[0]) + 1), key=abs):
        if late:
            other = _chosen(moment.reference, chosen - late)
            yield PictureChange(ChangeKind.SHIFTED_IN_TIME, float(late)), _difference(own, other)


def _mixed_in_time(moment: WorstSecond, chosen: Indices, own: Pictures) -> Iterator[tuple[PictureChange, float]]:
    """Pictures of more than one time: mixtures of neighbours, and colours of another picture than the luma."""
    count = moment.reference[0].shape[0]

    def at(late: int) -> Pictures:
        return _chosen(moment.reference, np.clip(chosen - late, 0, count - 1))

    here = at(0)
    for times in ((0, 1), (0, -1), (-1, 0, 1), (0, 1, 2), (0, -1, -2), (0, 1, 2, 3)):
        each = [at(late) for late in times]
        luma, blue, red = (np.mean([pictures[plane] for pictures in each], axis=0) for plane in range(3))
        yield PictureChange(ChangeKind.MIXED), _difference(own, (luma, blue, red))
    for late in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6):
        _, blue, red = at(late)
        yield PictureChange(ChangeKind.COLOURS_LATE, float(late)), _difference(own, (here[0], blue, red))


def _geometric(own: Pictures, reference: Pictures) -> Iterator[tuple[PictureChange, float]]:
    luma, blue, red = reference
    for change, axes in ((ChangeKind.UPSIDE_DOWN, (1,)), (ChangeKind.MIRRORED, (2,)), (ChangeKind.TURNED, (1, 2))):
        flipped = (np.flip(luma, axes), np.flip(blue, axes), np.flip(red, axes))
        yield PictureChange(change), _difference(own, flipped)
    for wide in (1.0, *ZOOMS):
        for high in (1.0, *ZOOMS):
            if wide != 1.0 or high != 1.0:
                yield PictureChange(ChangeKind.SCALED, wide), _inner_difference(own, reference, wide, high)
    yield from _moved_slightly(own, reference)
    still = float(np.abs(own[0] - luma).mean())
    for down in (-2, -1, 0, 1, 2):
        for right in (-2, -1, 0, 1, 2):
            if down or right:
                chroma = [
                    _half_moved(mine, theirs, down, right) for mine, theirs in zip(own[1:], reference[1:], strict=True)
                ]
                everything = [_moved_difference(own[0], luma, down, right), *chroma]
                yield PictureChange(ChangeKind.COLOURS_MOVED), float(np.mean([still, *chroma]))
                yield PictureChange(ChangeKind.MOVED), float(np.mean(everything))


def _inner_difference(own: Pictures, reference: Pictures, wide: float, high: float) -> float:
    """The difference when the original is scaled by these factors around its centre, where both have a picture."""
    differences = []
    for mine, theirs in zip(own, reference, strict=True):
        rows, inside_rows = _places(mine.shape[1], high)
        columns, inside_columns = _places(mine.shape[2], wide)
        if inside_rows.sum() < 2 or inside_columns.sum() < 2:
            return 255.0
        scaled = theirs[:, rows][:, :, columns]
        differences.append(np.abs(mine - scaled)[:, inside_rows][:, :, inside_columns].mean())
    return float(np.mean(differences))


def _places(count: int, factor: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of each row (or column) the one of the original that it shows, and whether it shows any."""
    centre = (count - 1) / 2
    exact = np.round((np.arange(count) - centre) / factor + centre).astype(np.intp)
    return np.clip(exact, 0, count - 1), (exact >= 0) & (exact < count)


def _moved_difference(own: NDArray[np.float32], luma: NDArray[np.float32], down: int, right: int) -> float:
    height, width = luma.shape[1:]
    if height <= 4 or width <= 4:
        return 255.0
    mine = own[:, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    theirs = luma[:, max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
    return float(np.abs(mine - theirs).mean())


def _moved_slightly(own: Pictures, reference: Pictures) -> Iterator[tuple[PictureChange, float]]:
    """Moves by less than an area: then each area changes by its slope, as far as the picture moves in its place."""
    there = [float(np.abs(mine - theirs).mean()) for mine, theirs in zip(own, reference, strict=True)]
    fitted = [_flow_left(mine, theirs, _moved) for mine, theirs in zip(own, reference, strict=True)]
    yield PictureChange(ChangeKind.COLOURS_MOVED), float(np.mean([there[0], *fitted[1:]]))
    yield PictureChange(ChangeKind.MOVED), float(np.mean(fitted))
    for change, flow in ((ChangeKind.TILTED, _tilted), (ChangeKind.SCALED, _zoomed)):
        planes = [_flow_left(mine, theirs, flow) for mine, theirs in zip(own, reference, strict=True)]
        yield PictureChange(change), float(np.mean(planes))


def _flow_left(own: NDArray[np.float32], other: NDArray[np.float32], flow: Flow) -> float:
    """The mean difference that is left when a plane moves as `flow` says, as far as fits best."""
    height, width = own.shape[1:]
    if height < 4 or width < 4:
        return float(np.abs(own - other).mean())
    down: Plane = np.gradient(other, axis=1)
    across: Plane = np.gradient(other, axis=2)
    rows = np.broadcast_to((np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, np.newaxis], other.shape)
    columns = np.broadcast_to(np.arange(width, dtype=np.float32) - (width - 1) / 2, other.shape)
    changes = np.stack(list(flow(down, across, rows, columns)), axis=-1)
    return float(np.abs(changes @ _fitted(changes, own - other) - (own - other)).mean())


def _half_moved(own: NDArray[np.float32], chroma: NDArray[np.float32], down: int, right: int) -> float:
    """The same of a plane of half the size: moved by half as much, which may lie between two areas."""
    near, far = (down // 2, right // 2), (-(-down // 2), -(-right // 2))
    between = (np.roll(chroma, near, (1, 2)) + np.roll(chroma, far, (1, 2))) / 2
    height, width = own.shape[1:]
    if height <= 2 or width <= 2:
        return 255.0
    return float(np.abs(own - between)[:, 1 : height - 1, 1 : width - 1].mean())


def _coloured(own: Pictures, reference: Pictures) -> Iterator[tuple[PictureChange, float]]:
    luma, blue, red = reference
    yield PictureChange(ChangeKind.CHROMA_EXCHANGED), _difference(own, (luma, red, blue))
    grey = np.full_like(blue, 128)
    if np.abs(own[1] - 128).mean() + np.abs(own[2] - 128).mean() < 1:
        yield PictureChange(ChangeKind.GREY), _difference(own, (luma, grey, grey))
    offset = float((own[0] - luma).mean())
    yield PictureChange(ChangeKind.BRIGHTNESS, offset), _difference(own, (luma + offset, blue, red))
    slope, base = _line(luma, own[0])
    yield PictureChange(ChangeKind.CONTRAST, slope), _difference(own, (slope * luma + base, blue, red))
    yield from _toned(own, reference, slope)
    factor = float(((own[1] - 128) * (blue - 128) + (own[2] - 128) * (red - 128)).sum())
    factor /= float(((blue - 128) ** 2 + (red - 128) ** 2).sum()) or 1.0
    faded = (luma, 128 + factor * (blue - 128), 128 + factor * (red - 128))
    yield PictureChange(ChangeKind.SATURATION, factor), _difference(own, faded)
    # Any linear mixture of the three: a wrong matrix, a wrong range, a turned hue.
    yield PictureChange(ChangeKind.COLOURS), _mixture_left(own, reference) * _difference(own, reference)


def _toned(own: Pictures, reference: Pictures, slope: float) -> Iterator[tuple[PictureChange, float]]:
    """Brightness that follows another curve, backward, through time, or from the centre to the edges."""
    luma, blue, red = reference
    if slope < NEGATIVE_SLOPE:
        turned = float(np.abs(own[1] - 255 + blue).mean()), float(np.abs(own[2] - 255 + red).mean())
        kept = float(np.abs(own[1] - blue).mean()), float(np.abs(own[2] - red).mean())
        base = float((own[0] - slope * luma).mean())
        still = float(np.abs(own[0] - slope * luma - base).mean())
        yield PictureChange(ChangeKind.NEGATIVE), float(np.mean([still, *min(turned, kept)]))
    # Between about -1 and 1, where powers can be told apart.
    tones = luma / MIDDLE - 1
    powers = np.stack([np.ones_like(tones), tones, tones**2, tones**3], axis=-1)
    curve, line = (_fitted(powers[..., :count], own[0]) for count in (4, 2))
    yield PictureChange(ChangeKind.TONES, float(curve[0] - line[0])), _difference(own, (powers @ curve, blue, red))
    lines = [_line(before, after) for before, after in zip(luma, own[0], strict=True)]
    if max(lines)[0] - min(lines)[0] > FADED_BY:
        slopes, bases = (np.array(each, np.float32)[:, np.newaxis, np.newaxis] for each in zip(*lines, strict=True))
        faded = slopes * luma + bases, 128 + slopes * (blue - 128), 128 + slopes * (red - 128)
        yield PictureChange(ChangeKind.FADED), _difference(own, faded)
    light = _light(own[0], luma)
    if abs(light[1]) > SHADED_BY:
        gains = [light[0] + light[1] * _distances(plane) for plane in (luma, blue)]
        shaded = 16 + gains[0] * (luma - 16), 128 + gains[1] * (blue - 128), 128 + gains[1] * (red - 128)
        yield PictureChange(ChangeKind.SHADED, light[1]), _difference(own, shaded)


def _fitted(columns: Plane, wanted: Plane) -> Plane:
    """The factors with which columns, along the last axis, add up to a plane, by least squares."""
    factors: Plane = np.linalg.lstsq(columns.reshape(-1, columns.shape[-1]), wanted.ravel(), rcond=None)[0]
    return factors


def _distances(plane: Plane) -> Plane:
    """The square of each area's distance from the centre, 1 in the corners."""
    height, width = plane.shape[1:]
    rows, columns = (((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1) ** 2 / 2 for side in (height, width))
    distances: Plane = rows[:, np.newaxis] + columns[np.newaxis, :]
    return distances


def _light(own: Plane, luma: Plane) -> tuple[float, float]:
    """By which factor a picture is lighter in its centre, and how much of that is added up to the corners."""
    lit = luma - 16
    centre, more = _fitted(np.stack([lit, lit * _distances(luma)], axis=-1), own - 16)
    return float(centre), float(more)


def _line(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and base of the line that leads from one to the other, by least squares."""
    variance = float(before.var())
    if variance < 1e-6:
        return 1.0, float((after - before).mean())
    slope = float(((before - before.mean()) * (after - after.mean())).mean()) / variance
    return slope, float(after.mean()) - slope * float(before.mean())


def _mixture_left(own: Pictures, reference: Pictures) -> float:
    """The part of the difference that is left when own planes are any linear mixture of the original's, at the size of
    the chroma."""
    rows, columns = reference[1].shape[1:]
    luma, own_luma = (plane[:, : 2 * rows, : 2 * columns] for plane in (reference[0], own[0]))
    shape = (luma.shape[0], rows, 2, columns, 2)
    small, own_small = (plane.reshape(shape).mean((2, 4)) for plane in (luma, own_luma))
    inputs = np.stack([small.ravel(), reference[1].ravel(), reference[2].ravel(), np.ones(small.size)], axis=1)
    outputs = np.stack([own_small.ravel(), own[1].ravel(), own[2].ravel()], axis=1)
    solution = np.linalg.lstsq(inputs, outputs, rcond=None)[0]
    there = float(np.abs(inputs[:, :3] - outputs).mean())
    return float(np.abs(inputs @ solution - outputs).mean()) / there if there else 1.0


def _part(own: Pictures, reference: Pictures) -> PictureChange | None:
    """A change of a part of the picture only, and which; None when it is everywhere or nowhere."""
    difference = np.abs((own[0] - reference[0]).mean(0))
    changed = difference > PART_DIFFERENCE
    share, in_it = float(changed.mean()), float(difference[changed].sum() / (difference.sum() or 1.0))
    # What is large has to be alone.
    if (0 < share < SMALL_PART and in_it >= MOST_OF_IT) or (share < LARGE_PART and in_it >= NEARLY_ALL):
        return PictureChange(ChangeKind.PART, share, _place(changed))
    return None


def _place(changed: NDArray[np.bool_]) -> str:
    """Which ninth of a picture is in the middle of what is changed, in words."""
    down, across = (
        float(places.mean()) / side for places, side in zip(np.nonzero(changed), changed.shape, strict=True)
    )
    vertical = "top" if down < 1 / 3 else "bottom" if down > 2 / 3 else "middle"
    horizontal = "left" if across < 1 / 3 else "right" if across > 2 / 3 else "centre"
    return f"{vertical} {horizontal}"
