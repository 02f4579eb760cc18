"""Compares the range of a sound with its original's: how far loud parts are from soft ones, and the noise under both.

In: what is measured of all tenths together. Out: what is measured of each (`sound_fidelity.py`), and what is too much
(`rules/sound.py`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import SoundRange

LEAST_TENTHS = 20
"""Fewer of them have no loud and soft parts."""
SOFT, LOUD = 40, 80
"""Percentiles of the levels under and over which a tenth is soft or loud."""
LEAST_RANGE_DB = 0.2
"""Where loud and soft are nearer to each other, all is equally loud: it may be one channel that is soft, by a
hundredth, and the other one that is loud."""
QUIETEST = 10
"""Percentile of a band's energies that is its noise: what is there in the pauses of everything else."""
CLEARLY_MORE = 4.0
"""Times the energy: encoders leave some noise beside what is soft."""
LEAST_NOISE = 1e-12
"""Part of all energy."""


def sound_range(
    away: NDArray[np.float64], levels: NDArray[np.float64], own: NDArray[np.floating], original: NDArray[np.floating]
) -> SoundRange | None:
    """The range beside the original's; None where there is too little sound.

    `away`: dB by which each audible tenth is louder than its original, after one gain was taken off; `levels`: dB of
    those of the original. `own`, `original`: energies of all tenths, by band, at one gain.
    """
    if len(levels) < LEAST_TENTHS:
        return None
    soft, loud = np.percentile(levels, [SOFT, LOUD])
    louder = 0.0
    if loud - soft >= LEAST_RANGE_DB:
        louder = float(np.median(away[levels >= loud]) - np.median(away[levels <= soft]))
    quietest, was_quietest = (np.percentile(energies, QUIETEST, axis=0) for energies in (own, original))
    everything = float(original.sum(axis=1).mean(dtype=np.float64))
    return SoundRange(
        louder=louder,
        noise=_part(quietest, was_quietest, everything),
        lost_noise=_part(was_quietest, quietest, everything),
    )


def _part(noise: NDArray[np.float64], other: NDArray[np.float64], everything: float) -> float:
    """Noise that is clearly more than the other, in dB of everything."""
    more = float(np.maximum(0.0, noise - CLEARLY_MORE * other).sum())
    return 10 * math.log10(max(more / everything, LEAST_NOISE))
