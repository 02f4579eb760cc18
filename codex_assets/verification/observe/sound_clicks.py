"""Finds clicks and bursts of noise that a sound has, and what it was made of has not: a bad joint, a stray sample.

In: how the edges of short blocks are compared. Out: levels of blocks (`sound_gaps.py`), and what is too much
(`rules/sound.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.observe.sound_gaps import BLOCKS, FAINTEST

AROUND = 3
"""Blocks before and after, over which encoders smear an attack: a frame of AAC has two."""
HEARD_AROUND = 10
"""...and over which a loud sound hides one."""
CLEARLY_MORE = 3.0
"""Times the original's edges."""
QUIET = 10 ** (-50 / 20)
"""RMS of full scale: beside a softer sound all is measured as beside this one."""


def edges_of(tenths: NDArray[np.float32]) -> NDArray[np.float32]:
    """What changes from one sample to the next, twice: little of what is deep is left, and all of a click."""
    edges = np.zeros_like(tenths)
    edges[..., 1:-1] = tenths[..., 2:] - 2 * tenths[..., 1:-1] + tenths[..., :-2]
    return edges


def loudest_clicks(
    edges: NDArray[np.float64], levels: NDArray[np.float64], gain: float, unknown: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Of each tenth, the edges of the own sound that are clearly more than any near them in the original: dB beside the
    level of what is heard around.

    `edges`, `levels`: (tenths, blocks, 4), own left and right, the original's left and right. `gain`: dB by which the
    own sound is louder. `unknown`: tenths of which nobody can say what is left of them.
    """
    scale = 10 ** (gain / 20)
    own, original = (edges[:, :, side : side + 2].reshape(-1, 2) for side in (0, 2))
    heard = _most(levels[:, :, 2:].reshape(-1, 2) * scale, HEARD_AROUND)
    more = np.maximum(own - CLEARLY_MORE * scale * _most(original, AROUND), 0.0).max(1)
    more[np.repeat(unknown, BLOCKS)] = 0.0
    beside = 20 * np.log10(np.maximum(more, FAINTEST) / np.maximum(heard.max(1), QUIET))
    loudest: NDArray[np.float64] = beside.reshape(-1, BLOCKS).max(1)
    return loudest


def _most(levels: NDArray[np.float64], around: int) -> NDArray[np.float64]:
    """The highest of each block and so many before and after it."""
    padded = np.pad(levels, ((around, around), (0, 0)))
    most: NDArray[np.float64] = np.max([padded[at : at + len(levels)] for at in range(2 * around + 1)], axis=0)
    return most
