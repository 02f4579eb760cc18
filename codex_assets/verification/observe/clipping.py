"""Finds sound that was cut off at the top: peaks that are flat, though the waveform rose steeply to them.

In: the arithmetic, on samples of one rate. A flat top need not be at full scale, nor its samples equal: what was
clipped may have been turned down, resampled or coded since. Out: what of it is worth a note
(`verification/programme_notes.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]

LEAST_PEAK = 0.03
"""Of full scale: of fainter sound nothing is said."""
BLOCKS = 100
"""Parts of what is looked at. The highest sample of the tenth highest of them is the level that peaks reach: what codes
flat tops makes some of them higher."""
TOP = 0.85
"""Of that level: a peak is what lies above."""
SHORTEST = 6
"""Samples of a peak."""
RISEN = 2.5
"""How many times higher a peak would be, had it gone on as steeply as it came: a round one is as high as it is."""
FLATNESS = 0.03
"""Standard deviation of a flat top, of that level."""
MOST = 100
"""Flat tops that are counted of each channel: more say nothing new."""
EDGE = 3
"""Samples before a peak. What came from the opposite side within them is the edge of a square wave."""


def flat_tops(samples: Samples) -> int:
    """How many flat tops there are in about a second of sound, (samples, channels), in either direction."""
    return sum(_flat_tops(samples[:, channel]) for channel in range(samples.shape[1]))


def _flat_tops(samples: Samples) -> int:
    levels = np.abs(samples)
    if len(levels) < BLOCKS:
        return 0
    blocks = levels[: len(levels) // BLOCKS * BLOCKS].reshape(BLOCKS, -1).max(1)
    highest = float(np.sort(blocks)[-BLOCKS // 10])
    if highest < LEAST_PEAK:
        return 0
    above = np.flatnonzero(levels >= TOP * highest)
    breaks = np.flatnonzero(np.diff(above) > 1)
    starts, ends = above[np.concatenate([[0], breaks + 1])], above[np.concatenate([breaks, [-1]])] + 1
    lengths = ends - starts
    whole = (lengths >= SHORTEST) & (starts >= EDGE) & (ends <= len(levels) - EDGE)
    starts, ends, lengths = starts[whole], ends[whole], lengths[whole]
    if not len(starts):
        return 0
    up = np.sign(samples[starts])
    height = np.maximum.reduceat(levels, np.ravel(np.column_stack([starts, ends])))[::2] - TOP * highest
    comes = (levels[starts] - up * samples[starts - 2]) / 2
    goes = (levels[ends - 1] - up * samples[ends + 1]) / 2
    # A parabola over a base of `lengths` has at its foot a slope of four times its height over that.
    would_rise = lengths * np.minimum(comes, goes) / 4
    is_square = up * samples[starts - EDGE] < -TOP * highest
    steep = (would_rise >= RISEN * np.maximum(height, 1e-9)) & ~is_square
    counted = list(zip(starts[steep], ends[steep], strict=True))[:MOST]
    inside = [levels[start + 1 : end - 1] for start, end in counted]
    return sum(float(part.std()) <= FLATNESS * highest for part in inside)
