"""Finds holes of a few hundredths of a second in a sound that goes on in what it was made of.

In: how the levels of short blocks are compared. Out: longer silences, which the levels of tenths tell
(`sound_fidelity.py`), and what is too much (`rules/sound.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCKS = 10
"""Of a tenth of a second: a block is a hundredth."""
AROUND = 3
"""Blocks before and after, in which the original has to go on: where it begins or ends, a hundredth of a second is no
hole."""
GOES_ON = 0.25
"""Of a block's level: what the original has at least around it."""
FAINTEST = 1e-6

Levels: TypeAlias = NDArray[np.float32]


def block_levels(tenths: NDArray[np.float32]) -> Levels:
    """RMS of each block of each tenth: (tenths, channels, samples) to (tenths, blocks, channels)."""
    blocks = tenths.reshape(*tenths.shape[:2], BLOCKS, -1)
    levels: Levels = np.sqrt(np.einsum("tcbs,tcbs->tbc", blocks, blocks) / blocks.shape[-1])
    return levels


def deepest_holes(levels: NDArray[np.floating], audible: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how many dB the lowest block of each tenth and channel is under the rest of that tenth, beside the original's.

    `levels`: (tenths, blocks, 4), own left and right, the original's left and right. `audible`: RMS of the original
    from which on a block counts, for each tenth and channel, infinite where none does. 0 where none counts.
    """
    tenths = len(levels)
    own, original = (levels[:, :, side : side + 2].reshape(-1, 2).astype(np.float64) for side in (0, 2))
    padded = np.pad(original, ((AROUND, AROUND), (0, 0)))
    lowest = np.min([padded[at : at + len(original)] for at in range(2 * AROUND + 1)], axis=0)
    counts = (original > np.repeat(audible, BLOCKS, axis=0)) & (lowest >= GOES_ON * original)
    away = 20 * np.log10(np.maximum(own, FAINTEST) / np.maximum(original, FAINTEST))
    energies = np.square(levels.astype(np.float64)).sum(1)
    whole = 10 * np.log10(np.maximum(energies[:, :2], FAINTEST**2) / np.maximum(energies[:, 2:], FAINTEST**2))
    holes = np.where(counts, away - np.repeat(whole, BLOCKS, axis=0), 0.0)
    deepest: NDArray[np.float64] = np.minimum(0.0, holes.reshape(tenths, BLOCKS, 2).min(1))
    return deepest
