"""Compares all of an output's sound with what it was made of, in one decode of both.

In: how sounds are decoded and brought to the same time, and what is said of the whole. Out: what is measured of a tenth
(`sound_tenths.py`), what is said of a second (`sound_seconds.py`), and what is too much of a difference
(`rules/sound.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO, TypeAlias

import numpy as np

from codex_assets.media import profile
from codex_assets.verification.fidelity import SoundBand, SoundFidelity, SoundRange
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.programme_sound import ProgrammeSoundMeter
from codex_assets.verification.observe.sound_balance import sound_balance, sound_surplus
from codex_assets.verification.observe.sound_coherence import CoherenceMeter
from codex_assets.verification.observe.sound_lag import LagMeter
from codex_assets.verification.observe.sound_pieces import CHANNELS, Pieces, Samples, within
from codex_assets.verification.observe.sound_range import sound_range
from codex_assets.verification.observe.sound_seconds import Audibility, decibels, heard_of, seconds_of
from codex_assets.verification.observe.sound_tenths import BAND_EDGES_HZ, TENTH, KeptTenths, measured

FRAME_BYTES = 4 * CHANNELS
TIMED = (
    f"aresample={profile.SAMPLE_RATE}:async=1:min_hard_comp={profile.SOUND_GAP_SECONDS}:first_pts=0,"
    "aformat=sample_fmts=flt"
)
FORM = f"{TIMED}:channel_layouts=stereo"
"""The filters that bring a sound to one form, at its times. A hole in it is silence; by itself ffmpeg would stretch the
sound over those of up to a tenth of a second."""
LOUDEST = 8.0
"""Of full scale: more is cut off."""
ALIGNED_WITHIN_SECONDS = 32
"""Sound that is listened to until a lag is sure."""
TENTHS_AT_ONCE = 10
"""That are measured in one step."""


def compare_sounds(
    decoder: Decoder,
    own: Sequence[str],
    reference: Sequence[str],
    *,
    start: float,
    seconds: float,
    steady: bool,
    delay: int = 0,
    programme: ProgrammeSoundMeter | None = None,
) -> tuple[SoundFidelity | None, tuple[str, ...]]:
    """Compare the sound of `own` with that of `reference`, both input arguments; the decoders' log comes with it.

    `start`: where the timeline of `own` begins on its own clock, in seconds (the reference's begins at 0); `seconds`:
    how long they last; `steady`: see `SoundFidelity`; `delay`: samples by which a coder is known to be late;
    `programme` measures the reference by itself. None where there is not a tenth of a second of both. Raises
    `ToolError` when one cannot be decoded.
    """
    chains = [f"[0:a:0]asetpts=PTS-{start:.6f}/TB,{FORM}[own]", f"[1:a:0]{FORM}[reference]"]
    graph = ";".join([*chains, "[own][reference]amerge=inputs=2[all]"])

    def read(take: Callable[[int], bytes]) -> None:
        for samples in samples_of(take):
            meter.add(samples)
            if programme is not None:
                programme.add(samples[:, 2:])

    inputs = ["-copyts", *own, *reference, "-filter_complex", graph]
    output = ["-map", "[all]", "-f", "f32le", "-"]
    with decoder.unnamed_file() as file:
        meter = SoundMeter(delay, file)
        run = decoder.run_into([*inputs, *output], read, label="comparing the sound", duration=seconds)
        return meter.result(steady), run.log


def samples_of(take: Callable[[int], bytes], pairs: int = 1) -> Iterator[Samples]:
    """Both sounds as ffmpeg puts them out side by side, about a second at a time; `pairs` of them beside each other."""
    frame = pairs * FRAME_BYTES
    while data := take(frame * profile.SAMPLE_RATE):
        whole = len(data) // frame * frame
        yield np.frombuffer(data[:whole], np.float32).reshape(-1, pairs * CHANNELS)


class SoundMeter:
    """Takes both sounds as they are heard, aligns them, and measures them.

    `delay`: see `compare_sounds`; `file`: an open one that is nobody else's, see `KeptTenths`.
    """

    def __init__(self, delay: int, file: IO[bytes]) -> None:
        self._delay = delay
        self._lags = LagMeter(delay)
        self._waiting: list[Samples] = []
        self._lag: int | None = None
        self._own, self._reference = Pieces(TENTH), Pieces(TENTH)
        self._tenths = KeptTenths(file)
        self._coherence = CoherenceMeter(TENTH, profile.SAMPLE_RATE)

    def add(self, samples: Samples) -> None:
        """The next samples, (samples, 4): own left and right, the reference's left and right."""
        # A damaged float sound may hold anything; full scale is 1.
        samples = within(samples, LOUDEST)
        self._lags.add(samples)
        if self._lag is None and self._lags.first is not None:
            self._align(self._lags.first)
        if self._lag is not None:
            self._measure(samples)
            return
        self._waiting.append(samples)
        if sum(len(part) for part in self._waiting) >= ALIGNED_WITHIN_SECONDS * profile.SAMPLE_RATE:
            self._align(self._delay)

    def _align(self, lag: int) -> None:
        self._lag = lag
        waiting, self._waiting = self._waiting, []
        if lag > 0:
            self._own.drop(lag)
        else:
            self._reference.drop(-lag)
        for samples in waiting:
            self._measure(samples)

    def _measure(self, samples: Samples) -> None:
        own, reference = self._own.add(samples[:, :2]), self._reference.add(samples[:, 2:])
        self._own.put_back(own[len(reference) :])
        self._reference.put_back(reference[len(own) :])
        count = min(len(own), len(reference))
        # A few at a time: what belongs together is in one piece, and the pieces stay small.
        for at in range(0, count, TENTHS_AT_ONCE):
            numbers = range(at, min(count, at + TENTHS_AT_ONCE))
            tenths = np.empty((len(numbers), CHANNELS, TENTH), np.float32)
            for tenth, number in zip(tenths, numbers, strict=True):
                tenth[:2], tenth[2:] = own[number].T, reference[number].T
            spectra = np.fft.rfft(tenths)
            self._coherence.add(spectra)
            self._tenths.add(measured(tenths, spectra))

    def result(self, steady: bool) -> SoundFidelity | None:
        """After the last sample."""
        lag = self._lags.end()
        if self._lag is None:
            self._align(lag)
        if not len(self._tenths):
            return None
        heard = heard_of(self._tenths, steady=steady)
        assert self._lag is not None
        seconds = tuple(seconds_of(self._tenths, self._coherence.seconds(), heard, steady=steady))
        spread, balance, surplus = _throughout(self._tenths, heard, steady=steady)
        return SoundFidelity(
            *(self._lag / profile.SAMPLE_RATE, heard.gain, seconds, self._lags.lags, steady),
            range=spread,
            balance=balance,
            surplus=surplus,
        )


_Bands: TypeAlias = tuple[SoundBand, ...]


def _throughout(tenths: KeptTenths, heard: Audibility, *, steady: bool) -> tuple[SoundRange | None, _Bands, _Bands]:
    """What is said of all tenths together: their range, their balance and their surplus."""
    if heard.gain is None:
        return None, (), ()
    own, original = tenths.kept_bands()
    own /= 10 ** (heard.gain / 10)
    both = heard.audible.all(axis=1)
    spread = None
    if steady:
        levels = decibels(tenths.field("levels")[both, 2:].astype(np.float64)).max(axis=1)
        spread = sound_range(heard.away[both].mean(axis=1), levels, own, original)
    own, original = own[both], original[both]
    balance = sound_balance(own, original, BAND_EDGES_HZ, steady=steady)
    return spread, balance, sound_surplus(own, original, BAND_EDGES_HZ, steady=steady)
