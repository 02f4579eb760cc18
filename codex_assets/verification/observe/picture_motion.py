"""Measures whether pictures move when those that they were made of move: late ones, and repeated ones.

In: the arithmetic, on how small areas change from each picture to the next. A tint or a rounding of colours, which is
the same in all pictures, changes nothing here. Out: how alike the pictures are (`picture_meter.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Steps: TypeAlias = NDArray[np.float32]
"""By how much each small area changes from one picture to the next, of (steps, areas)."""

FARTHEST = 3
"""Pictures by which motion is looked for earlier and later."""
MOVES = 4.0
"""Root of the summed squares of a step, in levels of 255, from which on a picture moves."""
FEWEST = 4
"""Steps that move, of a second, under which it says nothing."""
STANDS = 0.3
"""Part of the original's step under which a picture stands still."""
MORE_LIKELY = 1.6
"""By how much more steps are like those of another time than like those of their own."""
LIKE = 0.7
"""Part of the original's motion that has to be seen at another time."""


def late_pictures(own: Steps, reference: Steps, first: int) -> int | None:
    """By how many pictures the steps from `first` on are late (negative: early); None where too little moves.

    Those before `first` are only looked at as what may have come late.
    """
    if int((_size(reference[first:]) > MOVES).sum()) < FEWEST:
        return None
    alike: dict[int, float] = {}
    for late in range(-FARTHEST, FARTHEST + 1):
        start, end = max(first, late), len(reference) + min(0, late)
        mine, theirs = own[start:end], reference[start - late : end - late]
        if int((_size(theirs) > MOVES).sum()) >= FEWEST:
            alike[late] = _seen_in(mine, theirs)
    here = max(alike.get(0, 0.0), 0.0)
    best = max(alike, key=lambda late: (alike[late], -abs(late)), default=0)
    return best if best and alike[best] > max(LIKE, MORE_LIKELY * here) else 0


def _seen_in(mine: Steps, theirs: Steps) -> float:
    """The part of `theirs` that is seen in `mine`, 1 at most: a cut in `mine` alone is larger than all that moves in
    `theirs`, and may happen to go the same way."""
    product, energy, own_energy = (float((a * b).sum()) for a, b in ((mine, theirs), (theirs, theirs), (mine, mine)))
    return product / float(np.sqrt(energy * max(energy, own_energy)))


def stopped_share(own: Steps, reference: Steps) -> float | None:
    """The part of all steps that move, in which a picture stands still; None where too little moves."""
    before, after = _size(reference), _size(own)
    moves = before > MOVES
    if int(moves.sum()) < FEWEST:
        return None
    return float((after[moves] < STANDS * before[moves]).mean())


def _size(steps: Steps) -> NDArray[np.float32]:
    size: NDArray[np.float32] = np.sqrt((steps * steps).sum(axis=1))
    return size
