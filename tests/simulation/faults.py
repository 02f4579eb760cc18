"""What may happen to a request, drawn from the seed: it takes long, it fails, its process stands still or ends.

In: kinds of events and how often they come. Out: carrying a request out (`simulated_stores.py`).
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    """What happens to one request, beside that it is answered soon."""

    SLOW_THERE = "slow on its way there"
    SLOW_BACK = "answered late"
    FROZEN_BEFORE = "process stood still before it"
    FROZEN_AFTER = "process stood still before its answer"
    FAILED_BEFORE = "failed, not done"
    FAILED_AFTER = "failed, done"
    DONE_LATE = "failed, done later"
    REPEATED = "answer lost, asked again by the SDK"
    KILLED_BEFORE = "process ended before it"
    KILLED_MIDWAY = "process ended while it was on its way"
    KILLED_AFTER = "process ended after it"


_SLOW = (Event.SLOW_THERE, Event.SLOW_BACK)
_FROZEN = (Event.FROZEN_BEFORE, Event.FROZEN_AFTER)
_FAILED = (Event.FAILED_BEFORE, Event.FAILED_AFTER, Event.DONE_LATE, Event.REPEATED)
_KILLED = (Event.KILLED_BEFORE, Event.KILLED_MIDWAY, Event.KILLED_AFTER)


@dataclass(frozen=True)
class Weather:
    """Which events a story has, and what share of requests each of them meets. `pace`: seconds that an undisturbed
    request takes in the mean."""

    events: tuple[Event, ...]
    share: float
    pace: float


WEATHERS = (
    Weather((), 0.0, 0.05),
    Weather((), 0.0, 2.0),
    Weather(_FROZEN, 0.025, 0.1),
    Weather(_FAILED, 0.04, 0.1),
    Weather(_KILLED, 0.025, 0.1),
    Weather(_SLOW, 0.04, 0.3),
    Weather((*_FROZEN, *_KILLED), 0.03, 0.3),
    Weather((*_FAILED, *_FROZEN, *_KILLED, *_SLOW), 0.04, 0.1),
    Weather((*_FAILED, *_KILLED), 0.04, 1.0),
    Weather((*_FAILED, *_FROZEN, *_KILLED, *_SLOW), 0.012, 0.5),
)
HOT_SPOTS = (None, "records/", "playlist.m3u8", "leases/", "segment_", "mezzanine.mp4", None, "records/", "replaced")
"""Parts of keys to whose writes most of it happens, in turn."""
READS = (Event.SLOW_BACK, Event.FROZEN_BEFORE, Event.FROZEN_AFTER, Event.FAILED_BEFORE, Event.KILLED_BEFORE)
"""Of what only reads; the others would be the same."""


class Faults:
    """What happens in one story. `happened` counts it."""

    def __init__(self, rng: random.Random, weather: Weather, hot: str | None = None) -> None:
        """`hot`: part of the keys to whose writes most of it happens; None: to all alike."""
        self._random, self._weather, self._hot = rng, weather, hot
        self.happened: Counter[Event] = Counter()

    def latency(self) -> float:
        """Seconds of one way of an undisturbed request."""
        return self._random.expovariate(2.0 / self._weather.pace)

    def draw(self, key: str, *, writes: bool) -> Event | None:
        """What happens to the next request, of this key."""
        share = self._weather.share if writes else self._weather.share / 3
        if self._hot is not None:
            share = min(0.25, share * 8) if writes and self._hot in key else share / 3
        if self._random.random() >= share:
            return None
        event = self._random.choice(self._weather.events)
        if not writes and event not in READS:
            return None
        self.happened[event] += 1
        return event

    def freeze(self) -> float:
        """Seconds that a process stands still: mostly longer than a lease lasts."""
        return self._random.uniform(10.0, 120.0)

    def slowness(self) -> float:
        """Seconds of one way of a slow request."""
        return self._random.uniform(2.0, 60.0)

    def lateness(self) -> float:
        """Seconds after which a request is carried out whose process has given it up."""
        return self._random.uniform(0.1, 10.0)

    def chance(self, share: float) -> bool:
        """Whether something happens that happens so often."""
        return self._random.random() < share
