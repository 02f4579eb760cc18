"""What a mezzanine's picture becomes: its size and its frame rate, from what the upload's are.

In: which frame rates are standard, and which one an upload's is meant to be. Out: the filters and arguments that make
it so (`encode/mezzanine.py`), and limits (`profile.py`).
"""

from __future__ import annotations

import math
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.media.facts import VideoStream

STANDARDS = tuple(sorted(Fraction(*pair) for pair in profile.STANDARD_RATES))
CLOCK_SLACK = 0.01
"""By how much of itself a rate may pass the highest one and still be meant as that one."""


def frame_rate(video: VideoStream) -> Fraction:
    """The constant rate of the mezzanine, frames a second, between `MIN_FRAME_RATE` and `MAX_FRAME_RATE`.

    Constant rates are kept and snap to the standard one beside them. A variable rate takes its nominal rate when the
    average is near enough to make it plausible, else the next standard rate. Too fast is divided, too slow repeated,
    by whole numbers, so that motion stays even.
    """
    average, nominal = video.average_rate, video.nominal_rate
    rate = average or nominal or Fraction(30)
    if average and nominal and _near(average, nominal):
        rate = nominal if nominal in STANDARDS else average
    elif average and nominal:
        plausible = nominal <= profile.MAX_FRAME_RATE and average <= nominal <= 2 * average
        rate = nominal if plausible else _next_standard(average)
    rate = _snapped(rate)
    if video.interlaced:
        rate = _snapped(rate * 2)
    if rate > profile.MAX_FRAME_RATE:
        # A clock that is a little off must not halve the motion.
        divisor = max(1, math.ceil(rate / profile.MAX_FRAME_RATE - Fraction(CLOCK_SLACK)))
        rate = min(_snapped(rate / divisor), Fraction(profile.MAX_FRAME_RATE))
    if rate < profile.MIN_FRAME_RATE:
        rate = rate * math.ceil(profile.MIN_FRAME_RATE / rate)
    return rate.limit_denominator(1001)


def size(video: VideoStream) -> tuple[int, int]:
    """Displayed size in even pixels: 4:2:0 cannot hold odd ones."""
    return max(2, video.width // 2 * 2), max(2, video.height // 2 * 2)


def _near(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= profile.RATE_SNAP * other


def _snapped(rate: Fraction) -> Fraction:
    nearest = min(STANDARDS, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= Fraction(profile.RATE_SNAP) / 4 * nearest else rate


def _next_standard(rate: Fraction) -> Fraction:
    snapped = _snapped(rate)
    return next((standard for standard in STANDARDS if standard >= snapped), STANDARDS[-1])
