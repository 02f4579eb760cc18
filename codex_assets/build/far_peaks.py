"""Reads how high the samples of a sound are, tenth by tenth, where a few may be far over full scale.

In: whether these are to be cut off, and at which level. Out: when that is asked, and what becomes of it
(`mezzanine_encode.py`).
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Sequence
from operator import mul
from statistics import fmean

from codex_assets.media.facts import AudioStream
from codex_assets.system.tools import Tools

MOST_CREST = 35.0
"""dB between the highest peak and the level of the rest: no instrument has more, and turned down by it as a whole the
rest is under the noise of a player."""
FEW, FEW_SECONDS = 0.01, 0.1
"""What may be cut off at most, the larger of both: a part of all samples, or so many seconds of each channel. A lossy
coder makes up to 17 ms of a click that is one sample."""
GATE = 0.1
"""Of the mean power, as a meter's: what is softer counts as a pause."""
SILENT = 1e-7
"""Power."""
LOOKED_AT = 7
"""One of so many samples: enough for its power."""


def level_of_the_rest(
    tools: Tools, arguments: Sequence[str], audio: AudioStream, peak: float, duration: float | None
) -> float | None:
    """The highest sample (1.0: full scale) beside those few that are far over full scale; None where they are not few,
    or not far over all others. `arguments` decode the sound to floats; `peak`: of all of it, dBTP."""
    tenths = _LoudTenths(audio)
    tools.ffmpeg_into(arguments, tenths.read, label="looking for what is too loud", duration=duration)
    return tenths.level_of_the_rest(peak)


class _LoudTenths:
    """Highest sample, power and samples over full scale of each tenth of a second."""

    def __init__(self, audio: AudioStream) -> None:
        self._channels = max(1, audio.channels)
        self._samples = max(1, audio.sample_rate // 10) * self._channels
        self._peaks: list[float] = []
        self._power: list[float] = []
        self._over: list[int] = []

    def read(self, take: Callable[[int], bytes]) -> None:
        while data := take(4 * self._samples):
            samples = array("f", data[: len(data) // 4 * 4])
            if sys.byteorder == "big":
                samples.byteswap()
            if not samples:
                continue
            peak = max(max(samples), -min(samples))
            some = samples[::LOOKED_AT]
            self._peaks.append(peak)
            # As a meter counts: the channels together.
            self._power.append(self._channels * sum(map(mul, some, some)) / len(some))
            self._over.append(sum(abs(sample) > 1.0 for sample in samples) if peak > 1.0 else 0)

    def level_of_the_rest(self, peak: float) -> float | None:
        """See `level_of_the_rest`."""
        count = len(self._over)
        few = max(FEW * count, 10 * FEW_SECONDS) * self._samples
        if sum(self._over) > few:
            return None
        for beside in (1, 0):
            # What a lossy coder makes of a click is smeared into what is beside it.
            apart = [any(self._over[max(0, at - beside) : at + beside + 1]) for at in range(count)]
            rest = [at for at in range(count) if not apart[at] and self._power[at] > SILENT]
            if rest:
                is_far = peak - _decibels([self._power[at] for at in rest]) > MOST_CREST
                return min(1.0, max(self._peaks[at] for at in rest)) if is_far else None
        return None


def _decibels(power: Sequence[float]) -> float:
    gate = GATE * fmean(power)
    loudest = [each for each in power if each > gate]
    return 10 * math.log10(fmean(loudest))
