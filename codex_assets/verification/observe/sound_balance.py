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
square wave's by 30 dB)..."""
BESIDE = ((1, 0.02), (2, 0.005))
"""...and beyond what they leave beside louder bands, as a part of these: one beside it, one next to that."""


def sound_balance(
    own: NDArray[np.float64], original: NDArray[np.float64], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """By how much each band is stronger than the original's, in the middle of all tenths in which it counts.

    `own`, `original`: energies of the tenths that are heard, by band, at one gain; `edges`: of the bands, in Hz;
    `steady`: see `SoundFidelity`: without it each tenth has a gain of its own.
    """
    whole = original.sum(axis=1, keepdims=True)
    gain = 1.0 if steady else own.sum(axis=1, keepdims=True) / np.maximum(whole, 1e-12)
    louder = 10 * np.log10(np.maximum(own, 1e-12) / np.maximum(original * gain, 1e-12))
    counts = original > LEAST_PART * whole
    least = LEAST_TENTHS if steady else max(LEAST_TENTHS, LEAST_SHARE * len(own))
    return tuple(
        SoundBand(edges[band], edges[band + 1], float(np.median(louder[counts[:, band], band])))
        for band in range(own.shape[1])
        if counts[:, band].sum() >= least
    )


def sound_surplus(
    own: NDArray[np.float64], original: NDArray[np.float64], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """As `sound_balance`, of the bands that are plainly there in most tenths of `own`, whether or not they are in the
    original: one that was filtered out of this is too faint there to count for `sound_balance`."""
    whole, own_whole = original.sum(axis=1, keepdims=True), own.sum(axis=1, keepdims=True)
    gain = 1.0 if steady else own_whole / np.maximum(whole, 1e-12)
    scaled = original * gain
    near = np.pad(scaled, ((0, 0), (2, 2)))
    bands = own.shape[1]
    beside = np.sum(
        [part * (near[:, 2 - by :][:, :bands] + near[:, 2 + by :][:, :bands]) for by, part in BESIDE], axis=0
    )
    louder = 10 * np.log10(np.maximum(own, 1e-12) / np.maximum(scaled, 1e-12))
    counts = (own > OWN_PART * own_whole) & (original > FAINTEST_PART * whole) & (own > beside)
    least = max(LEAST_TENTHS, LEAST_SHARE * len(own))
    return tuple(
        SoundBand(edges[band], edges[band + 1], float(np.median(louder[counts[:, band], band])))
        for band in range(bands)
        if counts[:, band].sum() >= least
    )
