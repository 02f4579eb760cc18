"""The peaks of a sound as a waveform shows them, from a decode of it in a stream, and how a waveform differs from them.

Independent of audiowaveform: channels are merged, cut and measured by arithmetic of the judge's own. In: lowest and
highest sample of every 256 and of every 4,800. Out: reading the waveform's files (`waveform_data.py`, `pictures.py`),
and which difference is too much (`rules/waveform.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound import input_of
from codex_assets.verification.sound_observations import PeakDifference

Pairs = NDArray[numpy.int16]
"""Rows of lowest and highest value, -128 to 127."""

POINT = profile.SAMPLE_RATE // profile.WAVEFORM_POINTS_PER_SECOND
FINE = 256
"""Samples that a drawing is made of at the finest, but of short sounds."""
SHORT_SAMPLES = 2 * FINE * profile.PICTURE_WIDTH
"""Of so few samples all are kept."""
ENCODER_DELAY = profile.AAC_FRAME_SAMPLES
"""Samples in front of what is heard in segments, which have no edit list."""
SAMPLE_BYTES = 2 * profile.CHANNELS
READ_SAMPLES = 1 << 18
APART = 3
"""Steps of 256 by which a point is beside the sound."""
MOST_SHIFT = 300
"""Points by which a waveform is looked for earlier and later."""


@dataclass(frozen=True)
class SoundPeaks:
    """`points` of 4,800 samples, `fine` ones of 256, and all `samples` of a short sound, each merged to one channel."""

    count: int
    points: Pairs
    fine: Pairs
    samples: NDArray[numpy.int16] | None

    def columns(self, width: int) -> Pairs:
        """Lowest and highest value of each column of a drawing of the whole sound that is `width` wide.

        A drawing is made of fine points, and a column of those that begin in it.
        """
        step = max(2, math.ceil(self.count / width))
        fine = max(2, min(FINE, self.count // width))
        pairs = self.fine if fine == FINE or self.samples is None else _pairs(self.samples, fine)
        rows = []
        for column in range(width):
            part = pairs[column * step // fine : (column + 1) * step // fine]
            if len(part):
                rows.append((part[:, 0].min(), part[:, 1].max()))
        return numpy.array(rows, numpy.int16).reshape(-1, 2)


class _Collector:
    """Lowest and highest of every so many samples, of a stream."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._left = numpy.zeros(0, numpy.int16)
        self._done: list[Pairs] = []

    def add(self, samples: NDArray[numpy.int16]) -> None:
        samples = numpy.concatenate([self._left, samples])
        whole = len(samples) // self._step * self._step
        if whole:
            self._done.append(_pairs(samples[:whole], self._step).astype(numpy.int8))
        self._left = samples[whole:]

    def result(self) -> Pairs:
        parts = [part.astype(numpy.int16) for part in self._done]
        if len(self._left):
            parts.append(_pairs(self._left, self._step))
        return numpy.concatenate(parts) if parts else numpy.zeros((0, 2), numpy.int16)


def _pairs(samples: NDArray[numpy.int16], step: int) -> Pairs:
    """Lowest and highest of every `step` samples, in steps of 256 towards zero."""
    starts = numpy.arange(0, len(samples), step)
    low, high = numpy.minimum.reduceat(samples, starts), numpy.maximum.reduceat(samples, starts)
    return numpy.fix(numpy.stack([low, high], axis=1) / 256).astype(numpy.int16)


def peaks_of(decoder: Decoder, sound: Path) -> SoundPeaks | None:
    """The peaks of a sound file, or of a playlist's sound; None where it cannot be decoded. Remembered."""

    def measure() -> SoundPeaks | None:
        try:
            return _measured(decoder, sound)
        except ToolError:
            return None

    return decoder.remembered(sound, ("peaks",), measure) if sound.is_file() else None


def _measured(decoder: Decoder, sound: Path) -> SoundPeaks | None:
    points, fine = _Collector(POINT), _Collector(FINE)
    kept: list[NDArray[numpy.int16]] = []
    count = 0
    skipped = ENCODER_DELAY if sound.suffix == ".m3u8" else 0

    def add(data: bytes) -> None:
        nonlocal count, skipped
        channels = numpy.frombuffer(data, "<i2").reshape(-1, profile.CHANNELS).astype(numpy.int32)
        merged = numpy.fix(channels.sum(axis=1) / profile.CHANNELS).astype(numpy.int16)
        merged, skipped = merged[skipped:], max(0, skipped - len(merged))
        if not len(merged):
            return
        count += len(merged)
        points.add(merged)
        fine.add(merged)
        if count <= SHORT_SAMPLES:
            kept.append(merged)

    def read(take: Callable[[int], bytes]) -> None:
        while data := take(READ_SAMPLES * SAMPLE_BYTES):
            add(data[: len(data) // SAMPLE_BYTES * SAMPLE_BYTES])

    with decoder.scratch_folder() as folder:
        source = input_of(sound, folder)
        if source is None:
            return None
        arguments = [*source, "-map", "0:a:0", "-c:a", "pcm_s16le", "-ar", str(profile.SAMPLE_RATE)]
        arguments += ["-ac", str(profile.CHANNELS), "-f", "s16le", "-"]
        decoder.run_into(arguments, read, label="decoding the delivered sound")
    if not count:
        return None
    samples = numpy.concatenate(kept) if count <= SHORT_SAMPLES else None
    return SoundPeaks(count, points.result(), fine.result(), samples)


# --- Differences ------------------------------------------------------------------------------------------------------


def peak_difference(own: Pairs, wanted: Pairs, seconds: float, *, slack: int = 0) -> PeakDifference:
    """How a waveform's pairs differ from those of the sound. `seconds`: of a pair; `slack`: steps that a drawing may be
    off besides."""
    length = min(len(own), len(wanted))
    apart = abs(own[:length].astype(int) - wanted[:length]).max(axis=1) if length else numpy.zeros(0, int)
    places = numpy.flatnonzero(apart > APART + slack)
    return PeakDifference(
        points=len(own),
        wanted_points=len(wanted),
        worst=int(apart.max()) if length else 0,
        share=len(places) / max(1, length),
        begins=float(places[0] * seconds) if len(places) else None,
        ends=float((places[-1] + 1) * seconds) if len(places) else None,
        mistake=_mistake(own[:length].astype(float), wanted[:length].astype(float), seconds) if len(places) else None,
    )


def _mistake(own: NDArray[numpy.float64], wanted: NDArray[numpy.float64], seconds: float) -> str | None:
    """What explains the difference, as the rest of a sentence about the waveform."""
    distance = _far(own, wanted)
    energy = float((wanted**2).sum())
    if not own.any():
        return "shows no sound at all"
    tries: list[tuple[float, str]] = [
        (_far(own, wanted[::-1]), "runs backwards"),
        (_far(own, -wanted[:, ::-1]), "is upside down"),
    ]
    if energy:
        gain = float((own * wanted).sum()) / energy
        if gain > 0.1:
            tries.append((_far(own, gain * wanted), f"is {gain:.2f} times as high as the sound"))
    for shift in range(1, min(MOST_SHIFT, len(own) // 2)):
        tries.append((_far(own[shift:], wanted[:-shift]), f"is {shift * seconds:.1f} s late"))
        tries.append((_far(own[:-shift], wanted[shift:]), f"is {shift * seconds:.1f} s early"))
    nearest, name = min(tries)
    return name if nearest <= 0.4 * distance else None


def _far(own: NDArray[numpy.float64], wanted: NDArray[numpy.float64]) -> float:
    return float(numpy.sqrt(((own - wanted) ** 2).mean())) if own.size else math.inf
