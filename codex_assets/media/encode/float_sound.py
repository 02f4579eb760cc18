"""Samples in floats: those that are no numbers become silence, and few that are far over full scale are cut off there.

In: the filters, and what ffmpeg's counts say. Out: when they are asked for (`build/mezzanine_encode.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SILENCED = "aeval=exprs='if(isnan(val(ch))+isinf(val(ch))\\,0\\,val(ch))':c=same"
"""NaN and infinity become 0: an integer has neither, and what a conversion makes of them is a pop at full scale."""
CLIPPED = "aformat=sample_fmts=s32p"
"""Integers end at full scale."""
COUNTED = "astats=measure_perchannel=none:measure_overall=Number_of_NaNs+Number_of_Infs"
"""Counts what `undefined_samples` reads."""
FAR_OVER = 12.0
"""dB over full scale, up to which a sound is turned down as a whole without asking how many samples are."""


def undefined_samples(log: Iterable[str]) -> bool:
    """Whether `COUNTED` found samples that are no numbers."""
    return any(_numbers(log, "Number of NaNs")) or any(_numbers(log, "Number of Infs"))


def cut_off_at(level: float) -> str:
    """The filter that cuts off what is over a level (1.0: full scale)."""
    return f"aeval=exprs='clip(val(ch)\\,{-level:.6f}\\,{level:.6f})':c=same"


def _numbers(log: Iterable[str], name: str) -> list[float]:
    lines = (re.search(rf"\b{name}: +([\d.]+)", line) for line in log)
    return [float(line[1]) for line in lines if line is not None]
