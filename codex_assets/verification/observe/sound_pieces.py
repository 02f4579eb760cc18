"""The samples of two sounds beside each other, as they are handed on, piece by piece.

In: their form. Out: decoding them, and what is measured of each piece (`sound_lag.py`, `sound_fidelity.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
CHANNELS = 4
"""Own left and right, the reference's left and right."""


def within(samples: Samples, most: float) -> Samples:
    """The samples, those beyond `most` cut off there; without a copy where there are none, as nearly always."""
    # What is no number is in no range.
    if samples.size and -most <= samples.min() and samples.max() <= most:
        return samples
    return np.clip(np.nan_to_num(samples), -most, most)


class Pieces:
    """Samples, handed on in pieces of one size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._samples: list[Samples] = []
        self._count = 0
        self._dropped = 0

    def drop(self, count: int) -> None:
        """Leave out the next so many samples."""
        self._dropped += count

    def add(self, samples: Samples) -> list[Samples]:
        """The pieces that are whole now."""
        left_out = min(self._dropped, len(samples))
        self._dropped -= left_out
        self._samples.append(samples[left_out:])
        self._count += len(samples) - left_out
        if self._count < self._size:
            return []
        joined = np.concatenate(self._samples)
        end = len(joined) // self._size * self._size
        self._samples, self._count = [joined[end:]], len(joined) - end
        return [joined[at : at + self._size] for at in range(0, end, self._size)]

    def put_back(self, pieces: Sequence[Samples]) -> None:
        """Pieces that are to be handed on later."""
        self._samples = [*pieces, *self._samples]
        self._count += sum(len(piece) for piece in pieces)

    def rest(self) -> Samples:
        """What is no whole piece."""
        return np.concatenate(self._samples) if self._samples else np.zeros((0, CHANNELS), np.float32)
