"""How far two sounds are apart, found by comparing their envelopes.

In: the lag and how sure it is. Out: which lag is too much (`rules/tracks.py`), and decoding the sound (`sound.py`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

from codex_assets.verification.observations import Lag

ENVELOPE_RATE = 100
"""Points a second of a sound's coarse envelope: 10 ms is finer than anyone hears a shift."""
ENVELOPE_SAMPLES = 8000
WINDOW_SECONDS = 8.0
"""Length of sound that is compared at the start and at the end."""
LONGEST_LAG_SECONDS = 1.0
SHORTEST_OVERLAP_SECONDS = 2.0
"""Less sound proves nothing: a second of noise can look like any other."""
FAINTEST_LEVEL = 10 ** (-70 / 20)
"""RMS of a sound's loudest moment, of full scale, under which encoders only code their own noise."""
LIVELY_ENVELOPE = 0.17
"""Standard deviation over mean, under which an envelope is too steady to be aligned (white noise has about 0.08)."""


@dataclass(frozen=True)
class Envelope:
    """Amplitude (RMS) of a sound, `ENVELOPE_RATE` times a second; the first point is number `start` of its timeline."""

    start: int
    levels: tuple[float, ...]


def find_lag(own: Envelope, theirs: Envelope) -> Lag | None:
    """By how much `own` lags behind `theirs`; None where either is too steady or too short to tell."""
    longest = int(LONGEST_LAG_SECONDS * ENVELOPE_RATE)
    shortest = max(int(SHORTEST_OVERLAP_SECONDS * ENVELOPE_RATE), len(own.levels) // 2)
    # Every shift is tried on enough sound, or none is: else the shortest shifts would not take part.
    if min(len(own.levels), len(theirs.levels)) < (SHORTEST_OVERLAP_SECONDS + LONGEST_LAG_SECONDS) * ENVELOPE_RATE:
        return None
    if not _is_lively(own) or not _is_lively(theirs):
        return None
    correlations: dict[int, float] = {}
    own_sums, their_sums = _Sums(own.levels), _Sums(theirs.levels)
    for lag in range(-longest, longest + 1):
        # own[i] sounds like theirs[i - lag], both counted on the common timeline.
        first = max(own.start, theirs.start + lag)
        last = min(own.start + len(own.levels), theirs.start + len(theirs.levels) + lag)
        if last - first >= shortest:
            correlations[lag] = _correlation(
                own_sums, first - own.start, their_sums, first - lag - theirs.start, last - first
            )
    if 0 not in correlations:
        return None
    best = max(correlations, key=lambda lag: (round(correlations[lag], 6), -abs(lag)))
    by_seconds = tuple((lag / ENVELOPE_RATE, correlation) for lag, correlation in correlations.items())
    return Lag(best / ENVELOPE_RATE, correlations[best], by_seconds)


class _Sums:
    """Numbers with their running sums and sums of squares: a window's mean and spread without adding it up again."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values
        self.sums = [0.0, *accumulate(values)]
        self.squares = [0.0, *accumulate(map(mul, values, values))]

    def window(self, at: int, count: int) -> tuple[float, float]:
        """Mean and variance."""
        mean = (self.sums[at + count] - self.sums[at]) / count
        return mean, (self.squares[at + count] - self.squares[at]) / count - mean * mean


def _correlation(own: _Sums, own_at: int, theirs: _Sums, their_at: int, count: int) -> float:
    """Pearson's correlation of `count` values of each, from `own_at` and `their_at` on; 0 where either is constant."""
    own_mean, own_variance = own.window(own_at, count)
    their_mean, their_variance = theirs.window(their_at, count)
    if own_variance * their_variance < 1e-18:
        return 0.0
    products = map(mul, own.values[own_at : own_at + count], theirs.values[their_at : their_at + count])
    return (math.fsum(products) / count - own_mean * their_mean) / math.sqrt(own_variance * their_variance)


def _is_lively(envelope: Envelope) -> bool:
    # A damaged float sound may hold anything; full scale is 1.
    if not all(abs(level) < 1e6 for level in envelope.levels):
        return False
    mean = statistics.fmean(envelope.levels)
    return max(envelope.levels) > FAINTEST_LEVEL and statistics.pstdev(envelope.levels) > LIVELY_ENVELOPE * mean
