"""Whether a long step of a track's clock is a gap of that track alone, or a jump of the clock of the whole file.

In: the moments of every track's packets, in the order of the file. Out: what else one track's packets show
(`extents.py`), and what becomes of a `MediaInfo` by the answer (`packets.py`).

In some containers (`facts.RESTARTING_CLOCKS`) the clock itself may jump: a broadcast is joined to another one, and all
tracks go on at another time. ffmpeg takes every long step for such a jump, also that of one track in which nothing is
heard or seen for a while. The other tracks tell: they jump together, or one of them runs on.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from codex_assets.media import profile

LONGEST_STEP_SECONDS = 10.0
"""A clock that steps further has jumped, unless another track runs on; so has one that steps back by more than..."""
STEP_BACK_SECONDS = 1.0
SKEW_SECONDS = 3.0
"""By which tracks that jump together may be apart: a multiplexer sends pictures some seconds before their sound."""
MOST_STEPS = 1000
"""Of one track. More is no recording with gaps."""


@dataclass(frozen=True)
class Step:
    """From one moment of a clock to a much later one, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass
class _ClockPart:
    """What a track shows between two steps back of its clock: first and last moment, and the long steps between."""

    first: float
    last: float
    steps: list[Step] = field(default_factory=list)

    def runs_on(self, step: Step) -> bool:
        """Whether there are packets between both ends of another track's step, and not only near to them.

        Of a step into which they hardly reach, no recorder would have known how long it is: its clock is broken.
        """
        start, end = max(self.first, step.start), min(self.last, step.end)
        if any(abs(own.start - step.start) + abs(own.end - step.end) <= 2 * SKEW_SECONDS for own in self.steps):
            return False
        paused = sum(max(0.0, min(own.end, end) - max(own.start, start)) for own in self.steps)
        covered = end - start - paused
        return covered > SKEW_SECONDS and step.seconds - covered <= profile.IDLE_STEP_SECONDS


class Clocks:
    """The clocks of all tracks of a file."""

    def __init__(self) -> None:
        self._parts: dict[int, list[_ClockPart]] = {}
        self._late: dict[int, Step] = {}
        self._latest: float | None = None

    def add(self, index: int, moment: float) -> None:
        """The next packet of the file: its track, and its time (seconds)."""
        parts = self._parts.setdefault(index, [])
        if not parts:
            parts.append(_ClockPart(moment, moment))
            if self._latest is not None and abs(moment - self._latest) > LONGEST_STEP_SECONDS:
                # Of a first packet, ffmpeg asks how far it is from the one before it, of whatever track.
                self._late[index] = Step(min(moment, self._latest), max(moment, self._latest))
        part, self._latest = parts[-1], moment
        step = moment - part.last
        if step < -STEP_BACK_SECONDS:
            parts.append(_ClockPart(moment, moment))
            return
        if step > LONGEST_STEP_SECONDS and len(part.steps) < MOST_STEPS:
            part.steps.append(Step(part.last, moment))
        part.last = max(part.last, moment)

    def longest_gap(self, indexes: Collection[int]) -> float:
        """Seconds of the longest step of any of these tracks in which another of them runs on; 0 without one.

        Parts of two tracks belong together by their number: a step back that not all tracks make is one that nobody
        understands.
        """
        clocks = {index: self._parts[index] for index in indexes if index in self._parts}
        if len({len(parts) for parts in clocks.values()}) != 1:
            return 0.0
        gaps = [0.0]
        for index, parts in clocks.items():
            for number, part in enumerate(parts):
                late = [self._late[index]] if number == 0 and index in self._late else []
                others = [other[number] for track, other in clocks.items() if track != index]
                gaps += [step.seconds for step in (*late, *part.steps) if any(other.runs_on(step) for other in others)]
        return max(gaps)

    def joined_seconds(self, index: int, longest: float) -> float:
        """How long a track lasts when each step back, and each one ahead by more than `longest` seconds, is joined."""
        parts = self._parts.get(index, [])
        jumps = (step.seconds for part in parts for step in part.steps if step.seconds > longest)
        return sum(part.last - part.first for part in parts) - sum(jumps)


def longest_step(gap: float) -> float:
    """Seconds of the longest step that is no jump of the clock, in a file whose longest gap of one track is `gap`.

    A jump that is no longer than such a gap cannot be told from it by whoever joins the parts: it stays a pause.
    """
    return float(math.ceil(gap) + 1) if gap > LONGEST_STEP_SECONDS else LONGEST_STEP_SECONDS
