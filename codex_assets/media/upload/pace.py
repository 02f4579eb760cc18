"""The rate at which the pictures of a track follow one another where something moves, from their times.

An average says nothing of it: a screen that stands still for minutes, dropped pictures, a last one without a length all
lower or raise it. What counts is how fast pictures come where they come one after the other, seen over
several of them, so that neither a clock that rounds or wobbles nor a pattern (soft telecine: 2 fields, 3 fields) shows.
In: times. Out: what becomes of the rate (`media/target_format.py`).
"""

from __future__ import annotations

import cmath
import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.media.fields import parse_seconds
from codex_assets.media.upload.gaps import LONGEST_STEP_SECONDS

STILL_SECONDS = 0.25
"""A picture that stands for longer is no motion."""
REORDERED = 20
"""Pictures within which those that are stored early find their place in time: more than any codec keeps back."""
SPANS = (2, 4, 5, 10)
"""Pictures over which a pace is looked at, and seen again over twice as many. Patterns repeat after 2, 4 or 5."""
FEW_STEPS = 12
"""With fewer steps than this in all, single steps are looked at too."""
FASTEST = 250.0
"""Pictures a second; what comes faster was written down late, in a bundle."""
BIN = math.log(1.005)
"""Paces are counted in classes of half a percent, ..."""
NEAR_BINS, AROUND_BINS = 6, 24
"""...and called the same within 3 %; within 12 % only the most frequent counts."""
SHARE, SHARE_AGAIN = 0.05, 0.025
"""The part of all pictures that come at a pace for it to count, and of those that go on with it."""
FEWEST, FEWEST_AGAIN = 6, 4
CLEARLY_FASTER, MANY = 1.5, 0.25
"""A factor, and a part of all pictures."""
REGULAR = 0.6
"""The part of all pictures that keep a rate from which on they are not said to come as they like."""
BEATS = tuple(sorted({*(float(Fraction(*pair)) for pair in profile.STANDARD_RATES), 10.0, 12.0, 12.5, 15.0, 20.0}))
"""Rates of clocks on whose beats pictures may come: those of cameras and screens."""
ON_BEAT, SAME_BEAT, NEAR_BEAT = 0.97, 0.005, 0.02
"""How alike the moments of all pictures are within a beat: 1 is exactly, 0 is at random. And relative distances."""
SHARP = 0.6
"""What is within 3 % of a pace, of all within 12 %: a clock that wobbles has no such peaks over few pictures."""


class PicturePace:
    """The pictures of one track: they are added one after the other, in the order of the file."""

    def __init__(self, *, stored_only: bool = False) -> None:
        """`stored_only`: go by the times at which pictures are stored, for not all say when they are shown."""
        self._stored_only = stored_only
        self._kinds: set[bool] = set()
        self._waiting: list[float] = []
        self._shown: deque[float] = deque(maxlen=2 * max(SPANS) + 1)
        self._paces: dict[int, Counter[int]] = defaultdict(Counter)
        """By the number of pictures and the class of the pace: how often there is such a one..."""
        self._seconds: dict[int, Counter[int]] = defaultdict(Counter)
        """...and the sum of those paces, in nanoseconds."""
        self._lengths = sorted({1, *SPANS, *(2 * span for span in SPANS)})
        self._steps, self._moved = 0, 0.0
        self._pictures, self._turns = 0, [0j] * len(BEATS)
        """Where within a beat of each rate the pictures come: the sum of them all as points of a circle."""
        self._clock: float | None = None
        self._untimed = False

    def add(self, pts: str, dts: str, flags: str) -> None:
        """Take a picture into account. The arguments are ffprobe's fields of its packet, as text; `N/A` for no time."""
        stored = parse_seconds(dts, signed=True)
        shown = None if self._stored_only else parse_seconds(pts, signed=True)
        self._kinds.add(shown is None)
        shown = stored if shown is None else shown
        if shown is None:
            self._untimed = True
        elif "D" not in flags:
            clock = shown if stored is None else stored
            if self._clock is not None and not -1.0 <= clock - self._clock <= LONGEST_STEP_SECONDS:
                self._begin()
            self._clock = clock
            heapq.heappush(self._waiting, shown)
            if len(self._waiting) > REORDERED:
                self._show(heapq.heappop(self._waiting))

    def _begin(self) -> None:
        """The clock starts anew."""
        while self._waiting:
            self._show(heapq.heappop(self._waiting))
        self._shown.clear()

    def _show(self, time: float) -> None:
        step = time - self._shown[-1] if self._shown else 0.0
        if self._shown and step * FASTEST < 1:
            # Two of one moment: a picture that is not shown, or a bundle.
            return
        if step > STILL_SECONDS:
            self._shown.clear()
        elif step:
            self._steps += 1
            self._moved += step
        self._shown.append(time)
        self._pictures += 1
        for number, beat in enumerate(BEATS):
            self._turns[number] += cmath.rect(1.0, math.tau * (time * beat % 1.0))
        for length in self._lengths:
            if length >= len(self._shown):
                return
            pace = (time - self._shown[-1 - length]) / length
            number = round(math.log(pace) / BIN)
            self._paces[length][number] += 1
            self._seconds[length][number] += round(1e9 * pace)

    def rate(self) -> Fraction | None:
        """Pictures a second where something moves: the fastest rate that a part of them keep up; None where there are
        no such pictures. No more of them are dropped than of any slower one."""
        self._begin()
        if not self._steps or self._untimed or len(self._kinds) > 1:
            return None
        few = self._steps < FEW_STEPS
        steady = [each for span in (*((1,) if few else ()), *SPANS) for each in self._steady_rates(span, few=few)]
        # Without any, the pictures come as they like.
        rate = _fastest_of_note(steady) if steady else self._steps / self._moved
        if max((share for _, share in steady), default=0.0) < REGULAR:
            beat = self._beat()
            rate = beat if beat is not None and beat > rate * (1 - NEAR_BEAT) else rate
        return Fraction(rate).limit_denominator(1001)

    def _beat(self) -> float | None:
        """The rate of the clock on whose beats all pictures come; None without one. At any lower rate some of them are
        dropped, or not shown at their time."""
        if self._pictures < FEWEST_AGAIN:
            return None
        likeness = {beat: abs(turn) / self._pictures for beat, turn in zip(BEATS, self._turns, strict=True)}
        first = next((beat for beat in BEATS if likeness[beat] >= ON_BEAT), None)
        if first is None:
            return None
        # Of 29.97 and 30 a short film is on the beats of both.
        return max((near for near in BEATS if abs(near - first) <= SAME_BEAT * first), key=lambda near: likeness[near])

    def _steady_rates(self, span: int, *, few: bool) -> list[tuple[float, float]]:
        """Rates at which so many pictures follow one another, and twice as many too; and the part of all that do."""
        paces, again = self._paces[span], self._paces[2 * span]
        least, least_again = max(SHARE * paces.total(), FEWEST), max(SHARE_AGAIN * paces.total(), FEWEST_AGAIN)
        if few:
            least, least_again = max(1.0, paces.total() / 2), 1.0
        steady = []
        for number in _peaks(paces):
            count = _count(paces, number, NEAR_BINS)
            others = [other for other in _peaks(again) if abs(other - number) <= NEAR_BINS]
            lasting = max((_count(again, other, NEAR_BINS) for other in others), default=0)
            if count >= least and lasting >= least_again:
                steady.append((self._exact(number), count / paces.total()))
        return steady

    def _exact(self, number: int) -> float:
        """The rate of a class of paces, by the most pictures at once that keep it: roundings weigh least then."""
        for length in reversed(self._lengths):
            near = range(number - NEAR_BINS, number + NEAR_BINS + 1)
            count = sum(self._paces[length][each] for each in near)
            if count >= SHARE_AGAIN * self._paces[length].total() and count:
                return 1e9 * count / sum(self._seconds[length][each] for each in near)
        return 1 / math.exp(number * BIN)


def _fastest_of_note(steady: Sequence[tuple[float, float]]) -> float:
    """Of rates, each with the part of all pictures that keep it, the most frequent, or one that is faster: clearly, or
    of many pictures. What is repeated costs little, and what is dropped is lost; but for a few pictures nobody makes a
    film of 24 a second one of 30."""
    chosen, _ = max(steady, key=lambda each: each[1])
    for rate, share in sorted(steady):
        if rate > chosen and (rate >= CLEARLY_FASTER * chosen or share >= MANY):
            chosen = rate
    return chosen


def _peaks(paces: Mapping[int, int]) -> list[int]:
    """The classes around which most of all that is near them lies, sharply."""
    counts = {number: _count(paces, number, NEAR_BINS) for number in paces}
    peaks = []
    for number, count in counts.items():
        rivals = [counts.get(number + away, 0) for away in range(-AROUND_BINS, AROUND_BINS + 1)]
        is_first = number == min(
            (other for other in counts if abs(other - number) <= NEAR_BINS and counts[other] == count), default=number
        )
        if count == max(rivals) and is_first and count >= SHARP * _count(paces, number, AROUND_BINS):
            peaks.append(number)
    return peaks


def _count(paces: Mapping[int, int], number: int, reach: int) -> int:
    """How many paces are within so many classes of one."""
    return sum(paces.get(number + away, 0) for away in range(-reach, reach + 1))
