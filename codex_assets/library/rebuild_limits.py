"""How a rebuild proceeds unless somebody says otherwise: media at once, media that go first, failures that pause it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_FAILURES = 0.05
"""The share of failed media above which a rebuild pauses."""
LEAST_MEDIA = 20
"""Failures are a share of this many media, however few are done: one bad upload among the first three is no trend."""


@dataclass(frozen=True)
class RebuildLimits:
    """How a rebuild proceeds.

    `workers`: media at once. `canary`: how many media go first, given the number of media. `max_failures`: the share of
    failed media above which it pauses.
    """

    workers: int = 1
    canary: Callable[[int], int] = lambda media: 0
    max_failures: float = MAX_FAILURES
