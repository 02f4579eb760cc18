"""Measures a programme's sound by itself: where it is silent or clipped, and its channels.

In: the arithmetic, on samples that are decoded for a comparison anyway. Out: that decode (`sound_fidelity.py`),
what a clipped peak is (`clipping.py`), and what of it all is worth a note (`verification/programme_notes.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.verification.observe.clipping import flat_tops
from codex_assets.verification.programme_notes import ProgrammeSound, Stretch

Samples: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

TENTH = profile.SAMPLE_RATE // 10
"""Samples of what is measured as one."""
LOUDEST = 8.0
"""Of full scale: more is cut off."""
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
        self._unheard: list[Samples] = []
        """Less than a second, in which flat tops are not counted yet."""
        self._flat_tops: list[int] = []

    def add(self, samples: Samples) -> None:
        """The next samples, (samples, 2): left and right."""
        # A damaged float sound may hold anything.
        if not np.isfinite(np.vdot(samples, samples)):
            samples = np.clip(np.nan_to_num(samples), -LOUDEST, LOUDEST)
        joined = np.concatenate([self._rest, samples])
        end = len(joined) // TENTH * TENTH
        self._rest = joined[end:]
        if not end:
            return
        self._count_flat_tops(joined[:end])
        # Each channel in one piece: sums are taken several times as fast.
        moved = np.ascontiguousarray(joined[:end].reshape(-1, TENTH, 2).swapaxes(1, 2))
        # What only stands still beside the zero line is not heard.
        moved -= moved.mean(2, keepdims=True)
        self._squares.append(np.einsum("tcs,tcs->tc", moved, moved).astype(np.float64) / TENTH)
        self._products.append(np.einsum("ts,ts->t", moved[:, 0], moved[:, 1]).astype(np.float64) / TENTH)

    def _count_flat_tops(self, samples: Samples) -> None:
        self._unheard.append(samples)
        if sum(map(len, self._unheard)) < profile.SAMPLE_RATE:
            return
        heard = np.concatenate(self._unheard)
        whole = len(heard) // profile.SAMPLE_RATE
        self._flat_tops += [flat_tops(second) for second in heard[: whole * profile.SAMPLE_RATE].reshape(whole, -1, 2)]
        self._unheard = [heard[whole * profile.SAMPLE_RATE :]]

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
            flat_tops=tuple(self._flat_tops),
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
