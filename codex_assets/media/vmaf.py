"""VMAF, which estimates from 0 to 100 how good pictures look beside others: what ffmpeg is asked, and what it answers.

In: the arguments, and the seconds that are made of an answer. Out: which ffmpeg can be asked (`system/vmaf_ffmpeg.py`).
The model is libvmaf's own default, for a television at three times its height. Smaller pictures are brought to the size
of those that they are compared with, as on a screen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class VmafCurve:
    """VMAF as a mean over each second; `at` is where the second begins."""

    at: tuple[float, ...]
    values: tuple[float, ...]


def arguments(
    shown: Sequence[str], reference: Sequence[str], size: tuple[int, int], rate: Fraction, *, threads: int
) -> list[str]:
    """Compare the pictures of `shown` with those of `reference` (input arguments), one by one. The answer is JSON, on
    standard output. `size`: of the reference; `rate`: pictures a second of both."""
    width, height = size
    clock = f"setpts=N/({rate.numerator}/{rate.denominator})/TB"
    measured = f"libvmaf=log_fmt=json:log_path=/dev/stdout:n_threads={threads}:shortest=1"
    graph = f"[0:v:0]scale={width}:{height}:flags=bicubic,{clock}[shown];[1:v:0]{clock}[made];[shown][made]{measured}"
    return [*shown, *reference, "-filter_complex", graph, "-f", "null", "-"]


def parse(answer: bytes, rate: Fraction) -> VmafCurve:
    """Raises `ValueError` where nothing was measured."""
    try:
        scores = [float(frame["metrics"]["vmaf"]) for frame in json.loads(answer)["frames"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no VMAF: {error!r}") from None
    if not scores:
        raise ValueError("no VMAF: no picture was compared")
    each = max(1, round(rate))
    seconds = [scores[first : first + each] for first in range(0, len(scores), each)]
    at = tuple(round(number * each / float(rate), 3) for number in range(len(seconds)))
    return VmafCurve(at, tuple(sum(second) / len(second) for second in seconds))
