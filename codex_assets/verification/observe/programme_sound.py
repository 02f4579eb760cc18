"""Measures a programme's sound by itself: where it is silent, and what is the matter with its channels.

In: the arithmetic, on samples that are decoded for a comparison anyway. Out: that decode (`sound_fidelity.py`), and
what of it is worth a note (`verification/programme_notes.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.verification.programme_notes import ProgrammeSound, Stretch

Samples: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

TENTH = profile.SAMPLE_RATE // 10
"""Samples of what is measured as one."""
SILENT_DBFS = -60.0
"""RMS of a tenth, as loud as it is delivered, up to which nobody hears anything beside a programme of -16 LUFS."""
CHANNEL_SILENT_DBFS = -65.0
"""The same of one channel while the other can be heard."""
CHANNEL_HEARD_DBFS = -45.0
MONO_LOSS_DB = -15.0
"""Level of the sum of both channels over what the same sounds have side by side: a tenth with less is inverted."""
ALIKE_DB = 6.0
"""Between the levels of channels of which one is the other turned over."""
LEAST_TENTHS = 10
"""Of sound, in a stretch of one channel."""


class ProgrammeSoundMeter:
    """Takes a programme's samples as they are heard."""

    def __init__(self) -> None:
        self._rest = np.zeros((0, 2), np.float32)
        self._squares: list[Numbers] = []
        self._products: list[Numbers] = []

    def add(self, samples: Samples) -> None:
        """The next samples, (samples, 2): left and right."""
        # A damaged float sound may hold anything.
        joined = np.concatenate([self._rest, np.clip(np.nan_to_num(samples), -8, 8)])
        end = len(joined) // TENTH * TENTH
        self._rest = joined[end:]
        if not end:
            return
        tenths = joined[:end].reshape(-1, TENTH, 2)
        means = tenths.mean(1, dtype=np.float64)
        # What only stands still beside the zero line is not heard.
        self._squares.append(np.square(tenths).mean(1, dtype=np.float64) - means**2)
        products = (tenths[..., 0] * tenths[..., 1]).mean(1, dtype=np.float64)
        self._products.append(products - means[:, 0] * means[:, 1])

    def result(self, gain: float | None) -> ProgrammeSound | None:
        """After the last sample. `gain`: decibels by which it is delivered louder; None for silence."""
        if not self._squares:
            return None
        squares = np.maximum(np.concatenate(self._squares), 0.0)
        products = np.concatenate(self._products)
        levels = 10 * np.log10(np.maximum(squares, 1e-20)) + (gain or 0.0)
        silent: Flags = np.all(levels <= SILENT_DBFS, axis=1)
        dead = levels <= CHANNEL_SILENT_DBFS
        heard = levels > CHANNEL_HEARD_DBFS
        pause: Flags = ~np.any(heard, axis=1)
        both = np.all(heard, axis=1) & (np.abs(levels[:, 0] - levels[:, 1]) <= ALIKE_DB)
        energies = np.maximum(squares.sum(1), 1e-20)
        inverted: Flags = both & (1 + 2 * products / energies <= 10 ** (MONO_LOSS_DB / 10))
        return ProgrammeSound(
            seconds=len(levels) / 10,
            silent=stretches_of(silent),
            left_silent=_across_pauses(dead[:, 0] & heard[:, 1], pause & dead[:, 0]),
            right_silent=_across_pauses(dead[:, 1] & heard[:, 0], pause & dead[:, 1]),
            inverted=_across_pauses(inverted, pause),
        )


def stretches_of(flags: Flags) -> tuple[Stretch, ...]:
    """The stretches of tenths that are marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return tuple(Stretch(int(start) / 10, int(end) / 10) for start, end in edges.reshape(-1, 2))


def _across_pauses(flags: Flags, pauses: Flags) -> tuple[Stretch, ...]:
    """The stretches of tenths that are marked, with the pauses between, before and after them; of those alone that have
    a second of sound."""
    return tuple(
        stretch
        for stretch in stretches_of(flags | pauses)
        if flags[round(stretch.start * 10) : round(stretch.end * 10)].sum() >= LEAST_TENTHS
    )
