"""What one look at a machine came to: the shape that every check of readiness has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """`NOTE`: not as good as it could be, and nothing is wrong."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `result` says what was seen, `advice` how to get it right; empty when it is."""

    group: str
    name: str
    status: Health
    result: str
    advice: str = ""


def problems(checks: Iterable[Check]) -> list[Check]:
    """What has to be put right before this machine can work."""
    return [check for check in checks if check.status is Health.PROBLEM]
