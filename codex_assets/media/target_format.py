"""What pictures become: the size and frame rate of the mezzanine, from the upload's, and the rungs that are made of it.

In: which frame rates are standard, which one an upload's is meant to be, which variants a source gets, and at which
size. Out: the filters and arguments that make it so (`encode/`), and the numbers of each variant (`profile.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.media.facts import VideoStream

STANDARDS = tuple(sorted(Fraction(*pair) for pair in profile.STANDARD_RATES))
CLOCK_SLACK = 0.01
"""By how much of itself a rate may pass the highest one and still be meant as that one, or differ from a stated one."""
FASTEST_NOMINAL = 250
"""Frames a second; a higher nominal rate is that of a clock."""
FIELDS_SLACK = 0.05
VARIABLE_SNAP = 0.02
"""Relative distance within which a variable rate is the standard or the nominal one: of a clock that wobbles, no more
is known."""


def frame_rate(video: VideoStream) -> Fraction:
    """The constant rate of the mezzanine, frames a second, between `MIN_FRAME_RATE` and `MAX_FRAME_RATE`.

    Constant rates are kept and snap to the standard one beside them. A variable rate becomes that of what moves in it.
    Too fast is divided, too slow repeated, by whole numbers, so that motion stays even.
    """
    rate = _snapped(_meant_rate(video))
    if video.interlaced:
        rate = _snapped(rate * 2)
    if rate > profile.MAX_FRAME_RATE:
        # A clock that is a little off must not halve the motion.
        divisor = max(1, math.ceil(rate / profile.MAX_FRAME_RATE - Fraction(CLOCK_SLACK)))
        rate = min(_snapped(rate / divisor), Fraction(profile.MAX_FRAME_RATE))
    if rate < profile.MIN_FRAME_RATE:
        rate = rate * math.ceil(profile.MIN_FRAME_RATE / rate)
    return rate.limit_denominator(1001)


def _meant_rate(video: VideoStream) -> Fraction:
    """Frames a second as the upload's maker meant them: as its header states them, unless its packets show others."""
    average, nominal, moving = video.average_rate, video.nominal_rate, video.moving_rate
    stated = _stated_rate(average, nominal)
    usual = stated or (_beside(average, None) if average is not None else Fraction(30))
    if moving is None:
        return usual
    if video.interlaced and abs(moving - 2 * usual) <= Fraction(FIELDS_SLACK) * 2 * usual:
        # Each packet holds a field.
        moving /= 2
    if stated is not None and abs(moving - stated) <= Fraction(CLOCK_SLACK) * stated:
        return stated
    return _beside(moving, nominal)


def _stated_rate(average: Fraction | None, nominal: Fraction | None) -> Fraction | None:
    """The average where the nominal rate agrees, else the nominal one where that can be; None where neither is true."""
    if average is None or nominal is None:
        return average or nominal
    if _near(average, nominal):
        return nominal if nominal in STANDARDS else average
    if average <= nominal <= max(Fraction(profile.MAX_FRAME_RATE), min(2 * average, Fraction(FASTEST_NOMINAL))):
        return nominal
    # Faster than the clock allows, of which a last picture without a length is the reason; or no rate but a clock's.
    return None if average < nominal else _beside(nominal, None)


def _beside(rate: Fraction, nominal: Fraction | None) -> Fraction:
    """The nominal rate where it is the same but for a clock's rounding, else the nearest standard rate where that is
    near, else the rate itself."""
    if nominal is not None and _near(rate, nominal):
        return nominal
    nearest = min(STANDARDS, key=lambda standard: abs(standard - rate))
    candidates = [nearest, *([nominal] if nominal is not None else [])]
    return next((each for each in candidates if abs(each - rate) <= Fraction(VARIABLE_SNAP) * each), rate)


def size(video: VideoStream) -> tuple[int, int]:
    """Displayed size in even pixels: 4:2:0 cannot hold odd ones."""
    return max(2, video.width // 2 * 2), max(2, video.height // 2 * 2)


@dataclass(frozen=True)
class Rung:
    """A video variant of the profile, and its size for one source: even pixels, as displayed."""

    variant: profile.VideoVariant
    width: int
    height: int

    @property
    def name(self) -> str:
        return self.variant.name


def rungs(width: int, height: int) -> tuple[Rung, ...]:
    """The rungs that a source of displayed `width` x `height` gets, best first.

    None is larger than the source in both directions. A source that is smaller than the last rung gets that rung, at
    its own size.
    """
    fitting = [rung for variant in profile.LADDER if (rung := _fitted(variant, width, height)) is not None]
    if fitting:
        return tuple(fitting)
    return (Rung(profile.LADDER[-1], max(2, width // 2 * 2), max(2, height // 2 * 2)),)


def preview_rung(available: Sequence[Rung]) -> Rung:
    """The rung of `available`, which are best first, that the preview is cut from: 720p, or the best below it."""
    names = [variant.name for variant in profile.LADDER]
    allowed = names[names.index(profile.PREVIEW_BEST) :]
    return next(rung for rung in available if rung.name in allowed)


def why_not(variant: profile.VideoVariant, width: int, height: int) -> str:
    """Why a source of this size has no such variant; for people."""
    return f"the source is {width}x{height}, smaller than {variant.name} in both directions; it is never upscaled"


def sound_kbps(media_type: str, rung: str) -> int:
    """The rate of the sound of a rung, by its name, in kbit/s."""
    ladder = profile.AUDIO_LADDER if media_type == "audio" else profile.LADDER
    return next(variant.audio_kbps for variant in ladder if variant.name == rung)


def _near(rate: Fraction, other: Fraction) -> bool:
    return abs(rate - other) <= profile.RATE_SNAP * other


def _snapped(rate: Fraction) -> Fraction:
    nearest = min(STANDARDS, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= Fraction(profile.RATE_SNAP) / 4 * nearest else rate


def _fitted(variant: profile.VideoVariant, width: int, height: int) -> Rung | None:
    portrait = height > width
    box_width, box_height = (variant.short, variant.long) if portrait else (variant.long, variant.short)
    if width < box_width and height < box_height:
        return None
    factor = min(Fraction(box_width, width), Fraction(box_height, height))
    return Rung(variant, _even(width * factor), _even(height * factor))


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)
