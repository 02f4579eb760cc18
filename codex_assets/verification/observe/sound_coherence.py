"""Compares the waveforms of two sounds second by second and band by band, at whatever small shift they are most alike.

A pitch that wavers leaves levels, spectra and deep tones nearly as they are; higher up the waveforms no longer match at
any shift. In: how that is measured. Out: the time at which all of a sound is heard (`sound_fidelity.py`), and what is
too much (`rules/sound.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS_HZ = ((500.0, 1250.0), (1250.0, 3500.0))
"""Under them a waver turns too little over, and above them encoders of low rates keep no waveform."""
LONGEST_SHIFT_SECONDS = 0.02
"""What a gap, of which each container rounds the end, may move."""
TENTHS = 10
"""Of a second."""
LEAST_TENTHS = 5
"""With fewer a second says nothing."""
LEAST_PART = 0.003
"""Of the energy that is compared, with less of which a band says nothing."""


@dataclass(frozen=True)
class BandCoherence:
    """One second of a band in one channel.

    `likeness`: of the waveforms at their best shift, -1 to 1; `level`: RMS of the original's, of full scale; `part`:
    what it is of the energy of all that is compared.
    """

    likeness: float
    level: float
    part: float

    def says(self, least_level: float) -> bool:
        """Whether enough of the original lies here for the likeness to mean something."""
        return self.level > least_level and self.part > LEAST_PART


class CoherenceMeter:
    """Takes the spectra of tenth after tenth, at one time, and compares each second's. `samples`: of a tenth."""

    def __init__(self, samples: int, rate: int) -> None:
        frequencies = np.fft.rfftfreq(samples, 1 / rate)
        edges = [np.searchsorted(frequencies, band) for band in BANDS_HZ]
        self._bands = [slice(int(low), int(high)) for low, high in edges]
        self._samples, self._longest = samples, round(LONGEST_SHIFT_SECONDS * rate)
        self._whole = slice(self._bands[0].start, self._bands[-1].stop)
        self._seconds: list[NDArray[np.float32]] = []
        """The numbers of `BandCoherence`, by band and channel: of hours, objects would take many times as much."""
        self._begin()

    def _begin(self) -> None:
        self._count = 0
        width = self._whole.stop - self._whole.start
        self._cross = np.zeros((2, width), np.complex128)
        self._energies = np.zeros((4, width))

    def add(self, spectra: NDArray[np.complexfloating]) -> None:
        """The next tenths' spectra, (tenths, 4, frequencies): own left and right, the original's left and right."""
        while len(spectra):
            part = spectra[: TENTHS - self._count, :, self._whole]
            self._cross += (part[:, :2] * part[:, 2:].conj()).sum(0, dtype=np.complex128)
            self._energies += (np.square(part.real) + np.square(part.imag)).sum(0, dtype=np.float64)
            self._count += len(part)
            spectra = spectra[len(part) :]
            if self._count == TENTHS:
                self._end()

    def seconds(self) -> Iterator[tuple[BandCoherence, ...]]:
        """After the last tenth: the bands of each second, of both channels; of none where too little is left of it."""
        if self._count:
            self._end()
        for second in self._seconds:
            yield tuple(BandCoherence(*map(float, numbers)) for numbers in second)

    def _end(self) -> None:
        whole = self._energies[2:].sum(1)
        measured = [self._band(band, channel, float(whole[channel])) for band in self._bands for channel in (0, 1)]
        self._seconds.append(np.array(measured if self._count >= LEAST_TENTHS else [], np.float32))
        self._begin()

    def _band(self, band: slice, channel: int, whole: float) -> tuple[float, float, float]:
        start = self._whole.start
        part = slice(band.start - start, band.stop - start)
        own, original = self._energies[channel, part].sum(), self._energies[2 + channel, part].sum()
        spectrum = np.zeros(self._samples // 2 + 1, np.complex128)
        spectrum[band] = self._cross[channel, part]
        products = np.fft.irfft(spectrum, self._samples) * self._samples / 2
        near = np.concatenate([products[: self._longest + 1], products[-self._longest :]])
        norm = float(np.sqrt(own * original))
        # Parseval: of a real signal, half of its spectrum holds half of its energy.
        level = float(np.sqrt(2 * original / self._count)) / self._samples
        return float(near.max()) / norm if norm > 0 else 0.0, level, float(original) / whole if whole > 0 else 0.0
