"""At what time a sound is heard beside another: by how much each window of it is late, found by shifting it.

In: how a lag is looked for, and which is believed. Out: how like the two are with it (`sound_fidelity.py`), and what is
too late (`rules/sound.py`).
"""

from __future__ import annotations

import numpy as np

from codex_assets.media import profile
from codex_assets.verification.fidelity import SoundLag
from codex_assets.verification.observe.sound_pieces import CHANNELS, Pieces, Samples, within

SILENT = 10 ** (-70 / 20)
"""RMS of full scale under which encoders only code their own noise."""
LAG_STEP = 6
"""Samples that are one where a lag is looked for: an eighth of a millisecond."""
LAG_SECONDS = 8
LONGEST_LAG_SECONDS = 4
SHORTEST_LAG_SECONDS = 0.5
"""Less sound says nothing of a lag."""
LEAST_SECONDS = 0.1
"""...and under this not even of one that is short."""
SHORT_LAG_SECONDS = 0.04
"""By which less sound may be off all the same: ..."""
SAME_SHORT, UNLIKE_SHORT = 0.9, 0.5
"""...where it is so like the reference with that lag, and less without."""
SURE_LAG = 0.4
"""Correlation from which on a shift says something..."""
SURE_FAR_LAG = 0.88
"""...and from which on one of more than `NEAR_SECONDS` does: music that is something else is like itself at some shift,
0.85 where its halves are exchanged. What is late alone: 0.95."""
NEAR_SECONDS = 0.03
AS_GOOD = 0.98
"""Of the best correlation: of shifts that are as good, of a beep for example, the least is meant."""
UPRIGHT = 0.7
"""Of the correlation with either sign: from it on, that of sounds the right way up counts..."""
IN_PLACE = 0.97
"""...and from this on where the other is without a lag."""


class LagMeter:
    """Takes both sounds and finds the lag of each window of them. `delay`: samples by which a coder is known to be
    late."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._window = Pieces(LAG_SECONDS * profile.SAMPLE_RATE)
        self._lags: list[SoundLag] = []
        self._at = 0.0
        self.first: int | None = None
        """The first lag that is sure, in samples; None before there is one."""

    @property
    def lags(self) -> tuple[SoundLag, ...]:
        """Of each window until now."""
        return tuple(self._lags)

    def add(self, samples: Samples) -> None:
        """The next samples, (samples, 4): own left and right, the reference's left and right."""
        # A click far over full scale would decide alone when the rest is heard.
        for window in self._window.add(within(samples, 1.0)):
            self._look(window)

    def end(self) -> int:
        """After the last sample: the lag of the whole, in samples."""
        rest = self._window.rest()
        if len(rest) >= SHORTEST_LAG_SECONDS * profile.SAMPLE_RATE:
            self._look(rest)
        return self.first if self.first is not None else self._of_short(rest)

    def _of_short(self, samples: Samples) -> int:
        """The lag of a sound that is too short for one to be stated: a few milliseconds, as a packet's rounded time
        makes them, would turn a tone over. Only one with which it is plainly the same, and without which it is not."""
        if len(samples) < LEAST_SECONDS * profile.SAMPLE_RATE:
            return self._delay
        seen, lag = _lag_of(samples, 0.0, self._delay)
        if lag is None or abs(lag - self._delay) > SHORT_LAG_SECONDS * profile.SAMPLE_RATE:
            return self._delay
        return lag if seen.likeness >= SAME_SHORT and seen.unshifted < UNLIKE_SHORT else self._delay

    def _look(self, window: Samples) -> None:
        lag, samples = _lag_of(window, self._at, self._delay)
        self._lags.append(lag)
        self._at += len(window) / profile.SAMPLE_RATE
        if self.first is None:
            self.first = samples


def _lag_of(window: Samples, at: float, delay: int) -> tuple[SoundLag, int | None]:
    """The lag of several seconds that begin at `at`, and the same in samples; None where nothing says."""
    coarse = _coarse(window)
    count = coarse.shape[1]
    energies = (coarse.astype(np.float64) ** 2).sum(1)
    norm = float(np.sqrt(energies[:2].sum() * energies[2:].sum()))
    if norm < count * SILENT**2:
        return SoundLag(at, None, 0.0, 0.0), None
    size = 1 << (2 * count - 1).bit_length()
    spectra = np.fft.rfft(coarse, size)
    products = spectra[:2] * spectra[2:].conj()
    channels = np.fft.irfft(products, size) / norm
    longest = min(LONGEST_LAG_SECONDS * profile.SAMPLE_RATE // LAG_STEP, count // 2)
    shifts = np.arange(-longest, longest + 1)
    # Each channel by itself, for one may have been turned over; but what is the right way up is believed first.
    upright, either = channels.sum(0), np.abs(channels).sum(0)
    most = shifts[either[shifts].argmax()]
    # Turned over where it should be is likelier than the right way up elsewhere.
    is_in_place = abs(int(most) * LAG_STEP - delay) <= LAG_STEP
    least = IN_PLACE if is_in_place else UPRIGHT
    correlation = upright if upright[shifts].max() >= least * either[shifts].max() else either
    if correlation[shifts].max() < SURE_FAR_LAG:
        shifts = shifts[np.abs(shifts * LAG_STEP - delay) <= NEAR_SECONDS * profile.SAMPLE_RATE]
    likeness = correlation[shifts]
    good = np.nonzero(likeness >= AS_GOOD * likeness.max())[0]
    best = good[np.abs(shifts[good] * LAG_STEP - delay).argmin()]
    best_likeness, unshifted = float(likeness[best]), float(correlation[round(delay / LAG_STEP)])
    if best_likeness < SURE_LAG:
        return SoundLag(at, None, best_likeness, unshifted), None
    near = abs(int(shifts[best]) * LAG_STEP - delay) <= LAG_STEP
    lag = _refined(window, delay if near else int(shifts[best]) * LAG_STEP)
    return SoundLag(at, lag / profile.SAMPLE_RATE, best_likeness, unshifted), lag


def _coarse(window: Samples) -> Samples:
    """The means of each `LAG_STEP` samples, without what only stands beside the zero line: (4, steps)."""
    steps = window[: len(window) // LAG_STEP * LAG_STEP].reshape(-1, LAG_STEP, CHANNELS)
    # By hand: numpy takes several times as long for a mean of a few numbers, as often as there are steps.
    coarse = steps[:, 0] / LAG_STEP
    for number in range(1, LAG_STEP):
        coarse += steps[:, number] / LAG_STEP
    by_channel: Samples = np.ascontiguousarray(coarse.T)
    by_channel -= by_channel.mean(1, keepdims=True)
    return by_channel


def _refined(window: Samples, lag: int) -> int:
    """The lag in samples, near the one that was found in steps."""

    # Both channels of a sample side by side: a shift moves them together, and what is in one piece is read at once.
    own, reference = (np.ascontiguousarray(window[:, side : side + 2]).ravel() for side in (0, 2))
    count = len(own)

    def product(shift: int) -> float:
        moved = 2 * shift
        mine = own[max(0, moved) : count + min(0, moved)]
        return abs(float(np.vdot(mine, reference[max(0, -moved) : count + min(0, -moved)])))

    around = sorted(range(lag - LAG_STEP, lag + LAG_STEP + 1), key=lambda shift: abs(shift - lag))
    products = {shift: product(shift) for shift in around}
    most = max(products.values())
    return next(shift for shift in around if products[shift] >= 0.9999 * most)
