"""What is said of each second of a sound beside what it was made of, once all of both was heard.

In: which tenths have to be heard, and how a second's are put together. Out: measuring them (`sound_tenths.py`), what is
said of the whole (`sound_fidelity.py`), and what is too much of a difference (`rules/sound.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.fidelity import SoundSecond
from codex_assets.verification.observe.sound_balance import spread_beside
from codex_assets.verification.observe.sound_clicks import loudest_clicks
from codex_assets.verification.observe.sound_coherence import BandCoherence
from codex_assets.verification.observe.sound_gaps import deepest_holes
from codex_assets.verification.observe.sound_lag import SILENT
from codex_assets.verification.observe.sound_tenths import ROWS_AT_ONCE, TENTH, KeptTenths, Numbers, Tenths

Flags: TypeAlias = NDArray[np.bool_]

SECOND = 10
"""Tenths."""
KEPT_SHARE = 0.05
"""Of a tenth's energy: with less of it under `KEPT_HZ`, nothing is said."""
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
QUIET_BESIDE = 2
"""Tenths, of what is quiet, before and after: encoders smear into one."""
MORE_IN_PAUSES = 3.0
"""Times the level of what is hardly heard."""
CLEARLY_MORE = 2.5
"""Times the original's energy in a band, beyond what is spread from the bands beside it."""
LEAST_ADDED = 1e-9
"""Part of all energy."""
UNSTEADY_TENTHS = 15
"""Before and after: a dynamic normalisation moves the level no faster."""


@dataclass(frozen=True)
class Audibility:
    """What is known of all tenths of both sounds when the last was heard, as arrays of (tenths, ...).

    `gain`: dB by which the whole is louder. `audible`: of each channel of the reference, whether it has to be
    heard, and is not only smeared from beside. `silent`: whether the reference is silent there and in the tenths beside
    it, into which encoders smear. `quiet`: whether it is hardly heard there, and for a while around. `cut_off`: whether
    nobody can say what is left of it (`_cut_off`). `away`: dB by which each channel is louder, beyond the gain.
    """

    gain: float | None
    audible: Flags
    silent: Flags
    quiet: Flags
    cut_off: Flags
    away: Numbers

    def part(self, tenths: slice) -> Audibility:
        """The same of some tenths."""
        return Audibility(
            self.gain,
            self.audible[tenths],
            self.silent[tenths],
            self.quiet[tenths],
            self.cut_off[tenths],
            away=self.away[tenths],
        )


def heard_of(tenths: KeptTenths, *, steady: bool) -> Audibility:
    """What there is to know of all tenths before one of them is judged."""
    levels, whole = tenths.field("levels").astype(np.float64), tenths.field("whole").astype(np.float64)
    cut_off = _cut_off(tenths.field("highest"))
    gain = _gain(levels)
    delivered = gain if gain is not None else 0.0
    audible = _audible(levels, whole, delivered) & ~cut_off[:, None]
    away = decibels(levels[:, :2]) - decibels(levels[:, 2:]) - delivered
    if not steady:
        away = away - _wandering(away, audible)[:, None]
    silent = _under(levels, delivered, SILENT, beside=1)
    # Where the gain changes as it goes, it is highest in a pause.
    quiet = _under(levels, delivered, AUDIBLE, beside=QUIET_BESIDE) if steady else silent
    return Audibility(gain, audible, silent, quiet, cut_off, away)


def _cut_off(highest: NDArray[np.float32]) -> Flags:
    """Of each tenth: whether the reference, of few samples far over full scale, is so high there, or beside it, that
    nobody can say what is left of it. `highest`: its highest sample."""
    over: Flags = highest > 1.0
    padded = np.pad(over, 1)
    beside: Flags = padded[:-2] | over | padded[2:]
    is_far = highest.max() > FAR_OVER and over.sum() <= max(FEW_OVER * len(over), FEW_TENTHS)
    return beside if is_far else np.zeros(len(over), np.bool_)


def _audible(levels: Numbers, whole: Numbers, gain: float) -> Flags:
    levels, whole = levels[:, 2:], whole[:, 2:]
    padded = np.pad(levels, ((1, 1), (0, 0)), mode="edge")
    beside = np.maximum(padded[:-2], padded[2:])
    is_end = (levels < BRIEF * beside) & (np.minimum(padded[:-2], padded[2:]) < EDGE * levels)
    kept = (levels * TENTH) ** 2 / 2 > KEPT_SHARE * whole
    audible: Flags = (levels * 10 ** (gain / 20) > AUDIBLE) & (levels > EDGE * beside) & ~is_end & kept
    return audible


def _gain(levels: Numbers) -> float | None:
    own, reference = levels[:, :2], levels[:, 2:]
    heard = (own > AUDIBLE) & (reference > 1e-5)
    away = decibels(own) - decibels(reference)
    # Of the louder channel: the other one may have been lost.
    gains = [float(np.median(away[heard[:, side], side])) for side in (0, 1) if heard[:, side].any()]
    return max(gains, default=None)


def decibels(levels: Numbers) -> Numbers:
    decibels: Numbers = 20 * np.log10(np.maximum(levels, 1e-6))
    return decibels


def _under(levels: Numbers, gain: float, level: float, *, beside: int) -> Flags:
    """Whether the reference is under this level, in a tenth and in so many on both sides."""
    faint: Flags = np.all(levels[:, 2:] * 10 ** (gain / 20) <= level, axis=1)
    padded = np.pad(faint, beside, constant_values=True)
    alone: Flags = np.all([padded[at : at + len(faint)] for at in range(2 * beside + 1)], axis=0)
    return alone


def _wandering(away: Numbers, audible: Flags) -> Numbers:
    """The gain that changes slowly, at each tenth: the median around it, of both channels."""
    known = np.where(audible, away, np.nan)
    gains = np.zeros(len(away))
    for at in range(len(away)):
        around = known[max(0, at - UNSTEADY_TENTHS) : at + UNSTEADY_TENTHS + 1]
        gains[at] = float(np.nanmedian(around)) if not np.isnan(around).all() else 0.0
    return gains


def seconds_of(
    tenths: KeptTenths, coherence: Iterator[Sequence[BandCoherence]], heard: Audibility, *, steady: bool
) -> Iterator[SoundSecond]:
    """What is said of each second. `coherence`: of the bands of each."""
    gain = heard.gain if heard.gain is not None else 0.0
    least = AUDIBLE / 10 ** (gain / 20)
    for start in range(0, len(tenths), ROWS_AT_ONCE):
        end = min(len(tenths), start + ROWS_AT_ONCE)
        # Whether a sound goes on is asked of what is around it, too.
        first, last = max(0, start - 1), min(len(tenths), end + 1)
        around = tenths.part(first, last)
        holes = deepest_holes(around.blocks, np.where(heard.audible[first:last], least, np.inf))
        # What is cut off at full scale has edges.
        clicks = loudest_clicks(around.edges, around.blocks, gain, around.highest > 1.0)
        turned = _turned(around) & heard.audible[first:last].any(axis=1)
        for at in range(start, end, SECOND):
            part = slice(at, min(end, at + SECOND))
            second = slice(part.start - first, part.stop - first)
            bands, audible = next(coherence), heard.audible[part]
            yield replace(
                _second(around.part(second), heard.part(part), steady=steady),
                at=at / SECOND,
                added=_added(around.bands[second], audible, gain) if steady else None,
                hole=float(holes[second].min()),
                click=float(clicks[second].max()) if steady else None,
                turned=int(turned[second].sum()),
                coherence=_coherence(bands, gain) if not heard.cut_off[part].any() else None,
            )


def _coherence(bands: Sequence[BandCoherence], gain: float) -> float | None:
    """Of the band that is least like the original's; None where none can be heard."""
    heard = [band.likeness for band in bands if band.says(AUDIBLE / 10 ** (gain / 20))]
    return min(heard, default=None)


def _turned(tenths: Tenths) -> Flags:
    """Of each tenth: whether the difference between the channels is the original's the other way round."""
    products = tenths.straight.sum(1) - tenths.crossed.sum(1)
    whole, together = tenths.low.reshape(-1, 2, 2).sum(2), 2 * tenths.width
    own, reference = np.maximum(whole - together, 0.0).T
    counts = reference > TURNED_PART * whole[:, 1]
    turned: Flags = counts & (products < TURNED * np.sqrt(own * reference))
    return turned


def _added(bands: Numbers, audible: Flags, gain: float) -> float | None:
    """Energy of a second that is clearly more than the original's, in dB of all; None where nothing is heard."""
    heard = audible.all(axis=1)
    original = bands[heard, :, 2:] * 10 ** (gain / 10)
    more = np.maximum(0.0, bands[heard, :, :2] - CLEARLY_MORE * original - spread_beside(original)).sum()
    return 10 * math.log10(max(more / original.sum(), LEAST_ADDED)) if original.sum() > 0 else None


def _second(tenths: Tenths, heard: Audibility, *, steady: bool) -> SoundSecond:
    levels, whole = tenths.levels, tenths.whole
    is_known = ~heard.cut_off[:, None]
    beyond = _beyond(levels[:, 2:], whole[:, 2:]) | ~is_known
    rms = np.sqrt((np.where(np.tile(beyond, 2), 0.0, levels) ** 2).mean(0))
    low, straight, crossed, width = (
        each * is_known for each in (tenths.low, tenths.straight, tenths.crossed, tenths.width)
    )
    energies = np.sqrt(low[:, :2] * low[:, 2:])
    audible, away = heard.audible, heard.away
    # A tenth with little in the low band says nothing of its waveform.
    telling = audible & (low[:, 2:] > 0.1 * low[:, 2:].mean()) & (low[:, 2:] > 0.01 * whole[:, 2:])
    both = np.all(telling & (low[:, 2:] > WIDE_SHARE * whole[:, 2:]), axis=1)
    each = (straight / np.maximum(energies, 1e-12))[telling]
    telling_bright = np.arange(len(levels)) if steady else _without_taps(tenths.bright)
    telling_bright = telling_bright[~beyond[telling_bright].any(axis=1)]
    bright, kept = tenths.bright[telling_bright].sum(0), (levels[telling_bright] * TENTH) ** 2 / 2
    # Where next to nothing of a second lies under what low rates keep, the rest is the edges of what does not.
    says_bright = audible.any() and kept[:, 2:].sum() > KEPT_SHARE * whole[:, 2:].sum()
    return SoundSecond(
        at=0.0,
        levels=(float(rms[0]), float(rms[1])),
        reference_levels=(float(rms[2]), float(rms[3])),
        least=float(away[audible].min()) if audible.any() else None,
        most=float(away[audible].max()) if audible.any() else None,
        extra=_extra(levels, heard),
        likeness=_each(straight, energies, telling),
        least_likeness=float(each.min()) if telling.any() else None,
        crossed=_each(crossed, np.sqrt(low[:, :2] * low[:, [3, 2]]), telling),
        bright=_ratio(bright[:2].sum(), kept[:, :2].sum()) if says_bright else None,
        reference_bright=_ratio(bright[2:].sum(), kept[:, 2:].sum()) if says_bright else None,
        width=_width(width[both, 0], low[both, :2]),
        reference_width=_width(width[both, 1], low[both, 2:]),
    )


def _extra(levels: Numbers, heard: Audibility) -> float:
    """The level of what sounds where the reference is silent, or of what is clearly more than it where it is quiet."""
    reference = MORE_IN_PAUSES * levels[:, 2:] * 10 ** ((heard.gain or 0.0) / 20)
    where_silent = levels[heard.silent, :2].max(initial=0.0)
    return float((levels[:, :2] - reference)[heard.quiet].max(initial=where_silent))


def _beyond(levels: Numbers, whole: Numbers) -> Flags:
    """Of each tenth and channel of the reference: whether nearly all of it lies where low rates keep nothing."""
    beyond: Flags = ((levels * TENTH) ** 2 / 2 <= KEPT_SHARE * whole) & (whole > (SILENT * TENTH) ** 2 / 2)
    return beyond


def _without_taps(bright: Numbers) -> NDArray[np.intp]:
    """The tenths of a second but those with most that is bright: a normalisation that changes the level as it goes
    lowers a tap, or a click, beside the rest."""
    order: NDArray[np.intp] = np.argsort(bright[:, 2:].sum(1))
    return order[: max(1, len(order) - TAPPED_TENTHS)]


def _each(products: Numbers, energies: Numbers, telling: Flags) -> tuple[float | None, float | None]:
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
