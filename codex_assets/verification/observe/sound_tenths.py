"""What is measured of each tenth of a second of two sounds beside each other, and where it is kept until all is heard.

Nearly everything that is said of a tenth depends on one gain, which is known when the last one was heard. In a file the
memory of a long sound is that of a short one. In: the measured numbers, and that file. Out: what they mean
(`sound_fidelity.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.verification.observe.sound_clicks import edges_of
from codex_assets.verification.observe.sound_gaps import BLOCKS, block_levels
from codex_assets.verification.observe.sound_pieces import CHANNELS, Samples

Numbers: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.void]
"""What was measured of some tenths that follow each other, of the type `ROW`."""

TENTH = profile.SAMPLE_RATE // 10
"""Samples of what is measured as one."""
LOW_HZ = (100.0, 3500.0)
"""Where the waveforms are compared: encoders keep them there."""
BRIGHT_HZ = 5000.0
KEPT_HZ = 10_000.0
"""Under it every encode keeps what there is."""
BAND_EDGES_HZ = (20, 70, 120, 200, 320, 500, 800, 1250, 2000, 3150, 5000, 7500, KEPT_HZ, 12_500, 16_000, 20_000)
"""Of the bands in which it is looked for what was added: two or three to an octave, ..."""
KEPT_BANDS = BAND_EDGES_HZ.index(KEPT_HZ)
"""...and how many of them every encode keeps."""
ROWS_AT_ONCE = 600
"""That are read from the file: a minute."""

ROW = np.dtype(
    [
        ("levels", np.float32, CHANNELS),
        ("low", np.float32, CHANNELS),
        ("bright", np.float32, CHANNELS),
        ("whole", np.float32, CHANNELS),
        ("straight", np.float32, 2),
        ("crossed", np.float32, 2),
        ("width", np.float32, 2),
        ("bands", np.float32, (len(BAND_EDGES_HZ) - 1, CHANNELS)),
        ("highest", np.float32),
        ("blocks", np.float32, (BLOCKS, CHANNELS)),
        ("edges", np.float32, (BLOCKS, CHANNELS)),
    ]
)
"""The fields of `Tenths`, of one tenth."""


@dataclass(frozen=True)
class Tenths:
    """What was measured of each tenth of a second, as arrays of (tenths, ...).

    `levels`: RMS of the four channels under `KEPT_HZ`. `low`, `bright`, `whole`: their energies in the low band, from
    `BRIGHT_HZ` to `KEPT_HZ`, and in all.
    `straight`, `crossed`: products of the waveforms in the low band with the same and with the other channel's
    reference, left and right. `width`: products of left and right, own and the reference's, and their energies.
    `bands`: energies by band and channel. `highest`: the reference's highest sample. `blocks`: RMS of each hundredth.
    `edges`: the same of what changes from sample to sample.
    """

    levels: Numbers
    low: Numbers
    bright: Numbers
    whole: Numbers
    straight: Numbers
    crossed: Numbers
    width: Numbers
    bands: Numbers
    highest: Numbers
    blocks: Numbers
    edges: Numbers

    def part(self, tenths: slice) -> Tenths:
        """The same of some of them."""
        return Tenths(*(getattr(self, name)[tenths] for name in ROW.names or ()))


class KeptTenths:
    """The tenths of two sounds, in an open `file` that is nobody else's."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows) -> None:
        """The next tenths. Raises `OSError` where the disk is full."""
        self._file.seek(0, 2)
        self._file.write(rows.tobytes())
        self._count += len(rows)

    def part(self, start: int, end: int) -> Tenths:
        """The tenths from `start` to before `end`."""
        rows = self._read(start, end)
        return Tenths(*(rows[name].astype(np.float64) for name in ROW.names or ()))

    def field(self, name: str) -> NDArray[np.float32]:
        """One field of all tenths."""
        return np.concatenate([rows[name] for rows in self._parts()])

    def kept_bands(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Energies of all tenths by band, (tenths, `KEPT_BANDS`), of both channels: own, and the reference's."""
        own, original = np.empty((2, len(self), KEPT_BANDS), np.float32)
        at = 0
        for rows in self._parts():
            bands = rows["bands"][:, :KEPT_BANDS]
            own[at : at + len(rows)] = bands[..., :2].sum(axis=2)
            original[at : at + len(rows)] = bands[..., 2:].sum(axis=2)
            at += len(rows)
        return own, original

    def _parts(self) -> Iterator[Rows]:
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield self._read(start, min(len(self), start + ROWS_AT_ONCE))

    def _read(self, start: int, end: int) -> Rows:
        self._file.seek(start * ROW.itemsize)
        return np.frombuffer(self._file.read((end - start) * ROW.itemsize), ROW)


# --- Measuring --------------------------------------------------------------------------------------------------------

_FREQUENCIES = np.fft.rfftfreq(TENTH, 1 / profile.SAMPLE_RATE)
_BANDS = np.searchsorted(_FREQUENCIES, BAND_EDGES_HZ)


def _between(low_hz: float, high_hz: float) -> slice:
    """The frequencies over the one and under the other."""
    return slice(int(np.searchsorted(_FREQUENCIES, low_hz, side="right")), int(np.searchsorted(_FREQUENCIES, high_hz)))


_LOW, _BRIGHT = _between(*LOW_HZ), _between(BRIGHT_HZ, KEPT_HZ)
_KEPT = slice(0, _BRIGHT.stop)


def measured(tenths: Samples, spectra: NDArray[np.complexfloating]) -> Rows:
    """What there is to say of (tenths, 4, samples), of which `spectra`, (tenths, 4, frequencies), are known."""
    power = np.square(spectra.real)
    power += np.square(spectra.imag)
    low = spectra[..., _LOW]
    real, imaginary = np.ascontiguousarray(low.real), np.ascontiguousarray(low.imag)

    def products(own: Sequence[int], others: Sequence[int]) -> Numbers:
        of_real, of_imaginary = (
            np.einsum("tcf,tcf->tc", part[:, own], part[:, others], dtype=np.float64) for part in (real, imaginary)
        )
        summed: Numbers = of_real + of_imaginary
        return summed

    rows = np.empty(len(tenths), ROW)
    # Parseval: of a real signal, half of its spectrum holds half of its energy.
    rows["levels"] = np.sqrt(2 * power[..., _KEPT].sum(-1)) / TENTH
    rows["low"] = power[..., _LOW].sum(-1)
    rows["bright"] = power[..., _BRIGHT].sum(-1)
    rows["whole"] = power.sum(-1)
    rows["straight"] = products((0, 1), (2, 3))
    rows["crossed"] = products((0, 1), (3, 2))
    rows["width"] = products((0, 2), (1, 3))
    rows["bands"] = np.add.reduceat(power[..., : _BANDS[-1]], _BANDS[:-1], axis=-1).swapaxes(1, 2)
    rows["highest"] = np.abs(tenths[:, 2:]).max((1, 2))
    rows["blocks"] = block_levels(tenths)
    rows["edges"] = block_levels(edges_of(tenths))
    return rows
