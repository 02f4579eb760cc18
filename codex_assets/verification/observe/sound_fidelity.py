"""Compares all of an output's sound with what it was made of, in one decode of both.

In: how sounds are decoded, brought to the same time and measured, tenth by tenth. Out: what is too much of a difference
(`rules/sound.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.verification.fidelity import SoundBand, SoundFidelity, SoundRange, SoundSecond
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.programme_sound import ProgrammeSoundMeter
from codex_assets.verification.observe.sound_balance import sound_balance, sound_surplus, spread_beside
from codex_assets.verification.observe.sound_coherence import BandCoherence, CoherenceMeter
from codex_assets.verification.observe.sound_gaps import Levels, block_levels, deepest_holes
from codex_assets.verification.observe.sound_lag import SILENT, LagMeter
from codex_assets.verification.observe.sound_pieces import CHANNELS, Pieces, Samples, within
from codex_assets.verification.observe.sound_range import sound_range

Numbers: TypeAlias = NDArray[np.float64]
_Measured: TypeAlias = tuple[NDArray[np.floating], ...]
"""What is measured of some tenths that follow each other: the fields of `_Tenths`."""

TENTH = profile.SAMPLE_RATE // 10
"""Samples of what is measured as one."""
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
LOW_HZ = (100.0, 3500.0)
"""Where the waveforms are compared: encoders keep them there."""
BRIGHT_HZ = 5000.0
KEPT_HZ = 10_000.0
"""Under it every encode keeps what there is."""
KEPT_SHARE = 0.05
"""Of a tenth's energy: with less of it under `KEPT_HZ`, nothing is said."""
ALIGNED_WITHIN_SECONDS = 32
"""Sound that is listened to until a lag is sure."""
AUDIBLE = 10 ** (-50 / 20)
"""RMS of full scale, as delivered, from which on a sound has to be there."""
FAR_OVER = 4.0
"""Times full scale, from which on a few samples are not meant to be heard as loud as they are: clicks of a fault."""
FEW_OVER, FEW_TENTHS = 0.2, 3
"""Of all tenths, and of those of a short sound."""
TAPPED_TENTHS = 2
"""Of a second, which a tap and its echo may fill."""
TURNED = -0.5
"""Correlation of the difference between the channels, under which it is the other way round..."""
TURNED_PART = 0.02
"""...where it is this part of both: of less, encoders of low rates keep what they like."""
WIDE_SHARE = 0.2
"""Of a tenth's energy in the low band: with less in either channel, nothing is said of their distance."""
EDGE = 0.1
"""Of the level of the tenths beside it: a fainter tenth is what encoders smear a louder one into."""
BRIEF = 0.5
"""Of the level of a tenth beside it: a fainter one with silence on its other side holds the first or last moments of a
sound, of which encoders of a low rate keep as much as they like."""
TENTHS_AT_ONCE = 10
"""That are measured in one step."""
BAND_EDGES_HZ = (20, 70, 120, 200, 320, 500, 800, 1250, 2000, 3150, 5000, 7500, KEPT_HZ, 12_500, 16_000, 20_000)
"""Of the bands in which it is looked for what was added: two or three to an octave, ..."""
KEPT_BANDS = BAND_EDGES_HZ.index(KEPT_HZ)
"""...and how many of them every encode keeps."""
CLEARLY_MORE = 2.5
"""Times the original's energy in a band, beyond what is spread from the bands beside it."""
LEAST_ADDED = 1e-9
"""Part of all energy."""
UNSTEADY_TENTHS = 15
"""Before and after: a dynamic normalisation moves the level no faster."""


@dataclass(frozen=True)
class _Tenths:
    """What was measured of each tenth of a second, as arrays of (tenths, ...).

    `levels`: RMS of the four channels under `KEPT_HZ`. `low`, `bright`, `whole`: their energies in the low band, from
    `BRIGHT_HZ` to `KEPT_HZ`, and in all.
    `straight`, `crossed`: products of the waveforms in the low band with the same and with the other channel's
    reference, left and right. `width`: products of left and right, own and the reference's, and their energies.
    `bands`: energies by band and channel. `highest`: the reference's highest sample. `blocks`: RMS of each hundredth.
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
    blocks: Levels

    @cached_property
    def cut_off(self) -> NDArray[np.bool_]:
        """Of each tenth: whether the reference, of few samples far over full scale, is so high there, or beside it,
        that nobody can say what is left of it."""
        over: NDArray[np.bool_] = self.highest > 1.0
        padded = np.pad(over, 1)
        beside: NDArray[np.bool_] = padded[:-2] | over | padded[2:]
        is_far = self.highest.max() > FAR_OVER and over.sum() <= max(FEW_OVER * len(over), FEW_TENTHS)
        return beside if is_far else np.zeros(len(over), np.bool_)


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
    meter = SoundMeter(delay)

    def read(take: Callable[[int], bytes]) -> None:
        for samples in samples_of(take):
            meter.add(samples)
            if programme is not None:
                programme.add(samples[:, 2:])

    inputs = ["-copyts", *own, *reference, "-filter_complex", graph]
    output = ["-map", "[all]", "-f", "f32le", "-"]
    run = decoder.run_into([*inputs, *output], read, label="comparing the sound", duration=seconds)
    return meter.result(steady), run.log


def samples_of(take: Callable[[int], bytes], pairs: int = 1) -> Iterator[Samples]:
    """Both sounds as ffmpeg puts them out side by side, about a second at a time; `pairs` of them beside each other."""
    frame = pairs * FRAME_BYTES
    while data := take(frame * profile.SAMPLE_RATE):
        whole = len(data) // frame * frame
        yield np.frombuffer(data[:whole], np.float32).reshape(-1, pairs * CHANNELS)


class SoundMeter:
    """Takes both sounds as they are heard, aligns them, and measures them. `delay`: see `compare_sounds`."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._lags = LagMeter(delay)
        self._waiting: list[Samples] = []
        self._lag: int | None = None
        self._own, self._reference = Pieces(TENTH), Pieces(TENTH)
        self._parts: list[_Measured] = []
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
            self._parts.append(_measured(tenths, spectra))

    def result(self, steady: bool) -> SoundFidelity | None:
        """After the last sample."""
        lag = self._lags.end()
        if self._lag is None:
            self._align(lag)
        if not self._parts:
            return None
        tenths = _Tenths(*(np.concatenate(measured) for measured in zip(*self._parts, strict=True)))
        gain = _gain(tenths)
        assert self._lag is not None
        seconds = _seconds(tenths, self._coherence.seconds(), gain if gain is not None else 0.0, steady)
        spread = _range(tenths, gain) if steady and gain is not None else None
        balance, surplus = _balance(tenths, gain, steady=steady) if gain is not None else ((), ())
        return SoundFidelity(
            *(self._lag / profile.SAMPLE_RATE, gain, seconds, self._lags.lags, steady),
            range=spread,
            balance=balance,
            surplus=surplus,
        )


# --- Measuring --------------------------------------------------------------------------------------------------------

_FREQUENCIES = np.fft.rfftfreq(TENTH, 1 / profile.SAMPLE_RATE)
_BANDS = np.searchsorted(_FREQUENCIES, BAND_EDGES_HZ)


def _between(low_hz: float, high_hz: float) -> slice:
    """The frequencies over the one and under the other."""
    return slice(int(np.searchsorted(_FREQUENCIES, low_hz, side="right")), int(np.searchsorted(_FREQUENCIES, high_hz)))


_LOW, _BRIGHT = _between(*LOW_HZ), _between(BRIGHT_HZ, KEPT_HZ)
_KEPT = slice(0, _BRIGHT.stop)


def _measured(tenths: Samples, spectra: NDArray[np.complexfloating]) -> _Measured:
    """The fields of `_Tenths` for (tenths, 4, samples), of which `spectra`, (tenths, 4, frequencies), are known."""
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

    def energies(part: slice) -> Numbers:
        summed: Numbers = power[..., part].sum(-1).astype(np.float64)
        return summed

    return (
        # Parseval: of a real signal, half of its spectrum holds half of its energy.
        np.sqrt(2 * energies(_KEPT)) / TENTH,
        energies(_LOW),
        energies(_BRIGHT),
        energies(slice(None)),
        products((0, 1), (2, 3)),
        products((0, 1), (3, 2)),
        products((0, 2), (1, 3)),
        np.add.reduceat(power[..., : _BANDS[-1]], _BANDS[:-1], axis=-1).swapaxes(1, 2).astype(np.float64),
        np.abs(tenths[:, 2:]).max((1, 2)).astype(np.float64),
        block_levels(tenths),
    )


def _audible(tenths: _Tenths, gain: float) -> NDArray[np.bool_]:
    """Of each tenth and channel of the reference: whether it has to be heard, and is not only smeared from beside."""
    levels = tenths.levels[:, 2:]
    padded = np.pad(levels, ((1, 1), (0, 0)), mode="edge")
    beside = np.maximum(padded[:-2], padded[2:])
    is_end = (levels < BRIEF * beside) & (np.minimum(padded[:-2], padded[2:]) < EDGE * levels)
    kept = (levels * TENTH) ** 2 / 2 > KEPT_SHARE * tenths.whole[:, 2:]
    audible: NDArray[np.bool_] = (levels * 10 ** (gain / 20) > AUDIBLE) & (levels > EDGE * beside) & ~is_end & kept
    audible &= ~tenths.cut_off[:, None]
    return audible


def _gain(tenths: _Tenths) -> float | None:
    own, reference = tenths.levels[:, :2], tenths.levels[:, 2:]
    heard = (own > AUDIBLE) & (reference > 1e-5)
    away = _decibels(own) - _decibels(reference)
    # Of the louder channel: the other one may have been lost.
    gains = [float(np.median(away[heard[:, side], side])) for side in (0, 1) if heard[:, side].any()]
    return max(gains, default=None)


def _decibels(levels: Numbers) -> Numbers:
    decibels: Numbers = 20 * np.log10(np.maximum(levels, 1e-6))
    return decibels


def _seconds(
    tenths: _Tenths, coherence: Sequence[Sequence[BandCoherence]], gain: float, steady: bool
) -> tuple[SoundSecond, ...]:
    audible = _audible(tenths, gain)
    away = _decibels(tenths.levels[:, :2]) - _decibels(tenths.levels[:, 2:]) - gain
    if not steady:
        away = away - _wandering(away, audible)[:, None]
    silent = _silent(tenths, gain)
    holes = deepest_holes(tenths.blocks, np.where(audible, AUDIBLE / 10 ** (gain / 20), np.inf))
    turned = _turned(tenths) & audible.any(axis=1)
    parts = [slice(at, at + 10) for at in range(0, len(away), 10)]
    return tuple(
        replace(
            _second(tenths, part, away[part], audible[part], silent[part], steady),
            added=_added(tenths.bands[part], audible[part], gain) if steady else None,
            hole=float(holes[part].min()),
            turned=int(turned[part].sum()),
            coherence=_coherence(bands, gain) if not tenths.cut_off[part].any() else None,
        )
        for part, bands in zip(parts, coherence, strict=True)
    )


def _coherence(bands: Sequence[BandCoherence], gain: float) -> float | None:
    """Of the band that is least like the original's; None where none can be heard."""
    heard = [band.likeness for band in bands if band.says(AUDIBLE / 10 ** (gain / 20))]
    return min(heard, default=None)


def _turned(tenths: _Tenths) -> NDArray[np.bool_]:
    """Of each tenth: whether the difference between the channels is the original's the other way round."""
    products = tenths.straight.sum(1) - tenths.crossed.sum(1)
    whole, together = tenths.low.reshape(-1, 2, 2).sum(2), 2 * tenths.width
    own, reference = np.maximum(whole - together, 0.0).T
    counts = reference > TURNED_PART * whole[:, 1]
    turned: NDArray[np.bool_] = counts & (products < TURNED * np.sqrt(own * reference))
    return turned


def _added(bands: Numbers, audible: NDArray[np.bool_], gain: float) -> float | None:
    """Energy of a second that is clearly more than the original's, in dB of all; None where nothing is heard."""
    heard = audible.all(axis=1)
    original = bands[heard, :, 2:] * 10 ** (gain / 10)
    more = np.maximum(0.0, bands[heard, :, :2] - CLEARLY_MORE * original - spread_beside(original)).sum()
    return 10 * math.log10(max(more / original.sum(), LEAST_ADDED)) if original.sum() > 0 else None


def _range(tenths: _Tenths, gain: float) -> SoundRange | None:
    heard = _audible(tenths, gain).all(axis=1)
    levels = _decibels(tenths.levels[heard])
    away = (levels[:, :2] - levels[:, 2:] - gain).mean(axis=1)
    own, original = _kept_bands(tenths.bands, gain)
    return sound_range(away, levels[:, 2:].max(axis=1), own, original)


def _balance(tenths: _Tenths, gain: float, *, steady: bool) -> tuple[tuple[SoundBand, ...], tuple[SoundBand, ...]]:
    own, original = _kept_bands(tenths.bands[_audible(tenths, gain).all(axis=1)], gain)
    return (
        sound_balance(own, original, BAND_EDGES_HZ, steady=steady),
        sound_surplus(own, original, BAND_EDGES_HZ, steady=steady),
    )


def _kept_bands(bands: Numbers, gain: float) -> tuple[Numbers, Numbers]:
    """Energies of tenths by band, of both channels: own, without the gain, and the original's."""
    kept = bands[:, :KEPT_BANDS]
    return kept[:, :, :2].sum(axis=2) / 10 ** (gain / 10), kept[:, :, 2:].sum(axis=2)


def _silent(tenths: _Tenths, gain: float) -> NDArray[np.bool_]:
    """Of each tenth: whether the reference is silent there, and in the tenths beside it, into which encoders smear."""
    quiet: NDArray[np.bool_] = np.all(tenths.levels[:, 2:] * 10 ** (gain / 20) <= SILENT, axis=1)
    padded = np.pad(quiet, 1, constant_values=True)
    alone: NDArray[np.bool_] = padded[:-2] & quiet & padded[2:]
    return alone


def _wandering(away: Numbers, audible: NDArray[np.bool_]) -> Numbers:
    """The gain that changes slowly, at each tenth: the median around it, of both channels."""
    known = np.where(audible, away, np.nan)
    gains = np.zeros(len(away))
    for at in range(len(away)):
        around = known[max(0, at - UNSTEADY_TENTHS) : at + UNSTEADY_TENTHS + 1]
        gains[at] = float(np.nanmedian(around)) if not np.isnan(around).all() else 0.0
    return gains


def _second(
    tenths: _Tenths, part: slice, away: Numbers, audible: NDArray[np.bool_], silent: NDArray[np.bool_], steady: bool
) -> SoundSecond:
    levels, whole = tenths.levels[part], tenths.whole[part]
    is_known = ~tenths.cut_off[part][:, None]
    beyond = _beyond(levels[:, 2:], whole[:, 2:]) | ~is_known
    rms = np.sqrt((np.where(np.tile(beyond, 2), 0.0, levels) ** 2).mean(0))
    low, straight, crossed, width = (
        each[part] * is_known for each in (tenths.low, tenths.straight, tenths.crossed, tenths.width)
    )
    energies = np.sqrt(low[:, :2] * low[:, 2:])
    # A tenth with little in the low band says nothing of its waveform.
    telling = audible & (low[:, 2:] > 0.1 * low[:, 2:].mean()) & (low[:, 2:] > 0.01 * whole[:, 2:])
    both = np.all(telling & (low[:, 2:] > WIDE_SHARE * whole[:, 2:]), axis=1)
    each = (straight / np.maximum(energies, 1e-12))[telling]
    telling_bright = np.arange(len(levels)) if steady else _without_taps(tenths.bright[part])
    telling_bright = telling_bright[~beyond[telling_bright].any(axis=1)]
    bright, kept = tenths.bright[part][telling_bright].sum(0), (levels[telling_bright] * TENTH) ** 2 / 2
    # Where next to nothing of a second lies under what low rates keep, the rest is the edges of what does not.
    says_bright = audible.any() and kept[:, 2:].sum() > KEPT_SHARE * whole[:, 2:].sum()
    return SoundSecond(
        at=part.start / 10,
        levels=(float(rms[0]), float(rms[1])),
        reference_levels=(float(rms[2]), float(rms[3])),
        least=float(away[audible].min()) if audible.any() else None,
        most=float(away[audible].max()) if audible.any() else None,
        extra=float(levels[silent, :2].max()) if silent.any() else 0.0,
        likeness=_each(straight, energies, telling),
        least_likeness=float(each.min()) if telling.any() else None,
        crossed=_each(crossed, np.sqrt(low[:, :2] * low[:, [3, 2]]), telling),
        bright=_ratio(bright[:2].sum(), kept[:, :2].sum()) if says_bright else None,
        reference_bright=_ratio(bright[2:].sum(), kept[:, 2:].sum()) if says_bright else None,
        width=_width(width[both, 0], low[both, :2]),
        reference_width=_width(width[both, 1], low[both, 2:]),
    )


def _beyond(levels: Numbers, whole: Numbers) -> NDArray[np.bool_]:
    """Of each tenth and channel of the reference: whether nearly all of it lies where low rates keep nothing."""
    beyond: NDArray[np.bool_] = ((levels * TENTH) ** 2 / 2 <= KEPT_SHARE * whole) & (whole > (SILENT * TENTH) ** 2 / 2)
    return beyond


def _without_taps(bright: Numbers) -> NDArray[np.intp]:
    """The tenths of a second but those with most that is bright: a normalisation that changes the level as it goes
    lowers a tap, or a click, beside the rest."""
    order: NDArray[np.intp] = np.argsort(bright[:, 2:].sum(1))
    return order[: max(1, len(order) - TAPPED_TENTHS)]


def _each(products: Numbers, energies: Numbers, telling: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Correlation of each channel over a second; None for one of which no tenth says anything."""
    left, right = (
        _ratio(float(products[:, side].sum()), float(energies[:, side].sum())) if telling[:, side].any() else None
        for side in (0, 1)
    )
    return left, right


def _width(products: Numbers, low: Numbers) -> float | None:
    """Correlation of two channels; None where either is silent."""
    return _ratio(float(products.sum()), float(np.sqrt(low[:, 0].sum() * low[:, 1].sum())))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
