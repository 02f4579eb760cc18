"""Samples in floats: those that are no numbers become silence, and few that are far over full scale are cut off there.

In: the filters, and what ffmpeg's counts say. Out: when they are asked for (`build/mezzanine_encode.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from codex_assets.media.encode import loudness
from codex_assets.media.encode.loudness import Measurement

SILENCED = "aeval=exprs='if(isnan(val(ch))+isinf(val(ch))\\,0\\,val(ch))':c=same"
"""NaN and infinity become 0: an integer has neither, and what a conversion makes of them is a pop at full scale."""
CLIPPED = "aformat=sample_fmts=s32p"
"""Integers end at full scale."""
COUNTED = "astats=measure_perchannel=none:measure_overall=Number_of_NaNs+Number_of_Infs"
"""Counts what `undefined_samples` reads."""
FAR_OVER = 12.0
"""dB over full scale, up to which a sound is turned down as a whole without asking how many samples are."""
MOST_CREST = 35.0
"""dB between the highest sample and the loudness of the rest: no instrument has more, and turned down by it as a whole
the rest is under the noise of a player."""
FEW = 0.01
"""Of all samples."""


def undefined_samples(log: Iterable[str]) -> bool:
    """Whether `COUNTED` found samples that are no numbers."""
    return any(_numbers(log, "Number of NaNs")) or any(_numbers(log, "Number of Infs"))


def counting_arguments(opened: list[str], index: int, filters: list[str]) -> list[str]:
    """Count the samples that full scale cuts off, and measure the rest. `filters` come before that."""
    counted = "astats=measure_perchannel=none:measure_overall=Peak_count+Number_of_samples"
    chain = ",".join([*filters, CLIPPED, counted, loudness.delivered_form(), loudness.meter()])
    return [*opened, "-vn", "-map", f"0:{index}", "-af", chain, "-f", "null", "-"]


def few_are_over(measured: Measurement, log: list[str]) -> bool:
    """Whether the rest is to be kept as loud as it is, and the few samples over full scale cut off. `measured`: of all;
    `log`: of a run with `counting_arguments`."""
    rest = loudness.parse_summary(log)
    cut_off, samples = _numbers(log, "Peak count"), _numbers(log, "Number of samples")
    if rest is None or not cut_off or not samples or not samples[-1]:
        return False
    crest = measured.true_peak_dbtp - rest.integrated_lufs
    return crest > MOST_CREST and cut_off[-1] <= FEW * samples[-1]


def _numbers(log: Iterable[str], name: str) -> list[float]:
    lines = (re.search(rf"\b{name}: +([\d.]+)", line) for line in log)
    return [float(line[1]) for line in lines if line is not None]
