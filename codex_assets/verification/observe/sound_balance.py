"""Compares the balance of a sound's bands with its original's: which are weaker or stronger than the whole, throughout.

In: what is measured of all tenths together. Out: what is measured of each (`sound_fidelity.py`), and what is too much
(`rules/sound.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
AT_ONCE = 600
"""Tenths that are compared in one step."""


def spread_beside(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """What coders may leave in each band of what lies in the bands around it; energies of (tenths, bands, ...)."""
    bands = energies.shape[1]
    near = np.pad(energies, [(2, 2) if axis == 1 else (0, 0) for axis in range(energies.ndim)])
    spread = np.zeros_like(energies)
    for by, part in SPREAD:
        spread += part * (near[:, 2 - by : 2 - by + bands] + near[:, 2 + by : 2 + by + bands])
    return spread


def sound_balance(
    own: NDArray[np.floating], original: NDArray[np.floating], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """By how much each band is stronger than the original's, in the middle of all tenths in which it counts.

    `own`, `original`: energies of the tenths that are heard, by band, at one gain; `edges`: of the bands, in Hz;
    `steady`: see `SoundFidelity`: without it each tenth has a gain of its own.
    """
    middles = _Middles(own.shape[1])
    for mine, known in _parts(own, original):
        counts = known > LEAST_PART * known.sum(axis=1, keepdims=True)
        middles.add(mine, _at_one_gain(mine, known, steady=steady), counts)
    return middles.bands(LEAST_TENTHS if steady else max(LEAST_TENTHS, LEAST_SHARE * len(own)), edges)


def sound_surplus(
    own: NDArray[np.floating], original: NDArray[np.floating], edges: Sequence[float], *, steady: bool
) -> tuple[SoundBand, ...]:
    """As `sound_balance`, of the bands that are plainly there in most tenths of `own`, whether or not they are in the
    original: one that was filtered out of this is too faint there to count for `sound_balance`."""
    middles = _Middles(own.shape[1])
    for mine, theirs in _parts(own, original):
        known = _at_one_gain(mine, theirs, steady=steady)
        is_there = (mine > OWN_PART * mine.sum(axis=1, keepdims=True)) & (mine > spread_beside(known))
        middles.add(mine, known, is_there & (theirs > FAINTEST_PART * theirs.sum(axis=1, keepdims=True)))
    return middles.bands(max(LEAST_TENTHS, LEAST_SHARE * len(own)), edges)


def _parts(
    own: NDArray[np.floating], original: NDArray[np.floating]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Both, some tenths at a time: of hours, what is in between would take far more memory than they do."""
    for at in range(0, len(own), AT_ONCE):
        yield own[at : at + AT_ONCE].astype(np.float64), original[at : at + AT_ONCE].astype(np.float64)


def _at_one_gain(own: NDArray[np.float64], original: NDArray[np.float64], *, steady: bool) -> NDArray[np.float64]:
    """The original, as loud as `own` in each tenth where the gain is not steady."""
    if steady:
        return original
    whole = np.maximum(original.sum(axis=1, keepdims=True), 1e-12)
    scaled: NDArray[np.float64] = original * (own.sum(axis=1, keepdims=True) / whole)
    return scaled


class _Middles:
    """By how much each band is stronger in the middle of the tenths in which it counts."""

    def __init__(self, bands: int) -> None:
        self._louder: list[list[NDArray[np.float32]]] = [[] for _ in range(bands)]

    def add(self, own: NDArray[np.float64], original: NDArray[np.float64], counts: NDArray[np.bool_]) -> None:
        """The next tenths, (tenths, bands)."""
        louder = (10 * np.log10(np.maximum(own, 1e-12) / np.maximum(original, 1e-12))).astype(np.float32)
        for band, kept in enumerate(self._louder):
            kept.append(louder[counts[:, band], band])

    def bands(self, least: float, edges: Sequence[float]) -> tuple[SoundBand, ...]:
        """Those that count in `least` tenths."""
        return tuple(
            SoundBand(edges[band], edges[band + 1], float(np.median(np.concatenate(kept))))
            for band, kept in enumerate(self._louder)
            if sum(map(len, kept)) >= least
        )
