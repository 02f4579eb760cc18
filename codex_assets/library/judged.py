"""By which rules an output, and a media, was judged: today's, others, or none.

In: the three answers, and which of them holds for a media. Out: which rules there are (`verification/judge.py`), and
what was recorded of them (`media_facts.py`). No I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum


class Judged(StrEnum):
    """Which rules judged an output last, before it was published or since; or all outputs of a media."""

    TODAY = "today"
    OLD = "old"
    """Another set of rules, such as that of an earlier release."""
    NEVER = "never"


def judged_by(rule_sets: Collection[str], today: str, *, was_judged: bool) -> Judged:
    """What `rule_sets`, the recorded ones of an output, come to. `was_judged`: rules were asked at all, whether or not
    it was recorded which."""
    if today in rule_sets:
        return Judged.TODAY
    return Judged.OLD if was_judged else Judged.NEVER


def judged_least(outputs: Iterable[Judged | None]) -> Judged | None:
    """Of a media, what is true of its least judged output; None where nothing is to be judged."""
    known = set(outputs)
    return next((judged for judged in (Judged.NEVER, Judged.OLD, Judged.TODAY) if judged in known), None)
