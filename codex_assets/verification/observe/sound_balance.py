"""Compares the balance of a sound's bands with its original's: which are weaker than the whole, throughout.

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
