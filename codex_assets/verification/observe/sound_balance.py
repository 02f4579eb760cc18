"""Compares the balance of a sound's bands with its original's: which are weaker or stronger than the whole, throughout.

In: what is measured of all tenths together. Out: what is measured of each (`sound_fidelity.py`), and what is too much
(`rules/sound.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import SoundBand

LEAST_PART = 1e-3
"""Of a tenth's energy in the original, from which on a band counts: coders of low rates leave fainter ones out."""
LEAST_TENTHS = 10
"""In fewer a band says nothing."""
LEAST_SHARE = 0.5
"""Of all tenths, where the gain is not steady: what lies in peaks alone is lowered with them."""
OWN_PART = 5e-4
"""Of a tenth's own energy, from which on a band may be too strong..."""
FAINTEST_PART = 5e-5
"""...where the original has so much of its own there: what it has none of, coders of low rates fill with noise (a
square wave's by 30 dB)."""
SPREAD = ((1, 0.02), (2, 0.005))
"""What coders leave in the bands beside a loud one and next to these, as a part of it."""


def spread_beside(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """What coders may leave in each band of what lies in the bands around it; energies of (tenths, bands, ...)."""
    bands = energies.shape[1]
    near = np.pad(energies, [(2, 2) if axis == 1 else (0, 0) for axis in range(energies.ndim)])
    spread = np.zeros_like(energies)
    for by, part in SPREAD:
        spread += part * (near[:, 2 - by : 2 - by + bands] + near[:, 2 + by : 2 + by + bands])
    return spread


def sound_balance(
    own: NDArray[np.float64], original: NDArray[np.float64], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """By how much each band is stronger than the original's, in the middle of all tenths in which it counts.

    `own`, `original`: energies of the tenths that are heard, by band, at one gain; `edges`: of the bands, in Hz;
    `steady`: see `SoundFidelity`: without it each tenth has a gain of its own.
    """
    whole = original.sum(axis=1, keepdims=True)
    counts = original > LEAST_PART * whole
    least = LEAST_TENTHS if steady else max(LEAST_TENTHS, LEAST_SHARE * len(own))
    return _in_the_middle(own, _at_one_gain(own, original, steady=steady), counts, least, edges)


def sound_surplus(
    own: NDArray[np.float64], original: NDArray[np.float64], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """As `sound_balance`, of the bands that are plainly there in most tenths of `own`, whether or not they are in the
    original: one that was filtered out of this is too faint there to count for `sound_balance`."""
    known = _at_one_gain(own, original, steady=steady)
    is_there = (own > OWN_PART * own.sum(axis=1, keepdims=True)) & (own > spread_beside(known))
    counts = is_there & (original > FAINTEST_PART * original.sum(axis=1, keepdims=True))
    return _in_the_middle(own, known, counts, max(LEAST_TENTHS, LEAST_SHARE * len(own)), edges)


def _at_one_gain(own: NDArray[np.float64], original: NDArray[np.float64], *, steady: bool) -> NDArray[np.float64]:
    """The original, as loud as `own` in each tenth where the gain is not steady."""
    if steady:
        return original
    whole = np.maximum(original.sum(axis=1, keepdims=True), 1e-12)
    scaled: NDArray[np.float64] = original * (own.sum(axis=1, keepdims=True) / whole)
    return scaled


def _in_the_middle(
    own: NDArray[np.float64],
    original: NDArray[np.float64],
    counts: NDArray[np.bool_],
    least: float,
    edges: Sequence[float],
) -> tuple[SoundBand, ...]:
    """By how much each band is stronger in the middle of the tenths in which it counts, where these are enough."""
    louder = 10 * np.log10(np.maximum(own, 1e-12) / np.maximum(original, 1e-12))
    return tuple(
        SoundBand(edges[band], edges[band + 1], float(np.median(louder[counts[:, band], band])))
        for band in range(own.shape[1])
        if counts[:, band].sum() >= least
    )
