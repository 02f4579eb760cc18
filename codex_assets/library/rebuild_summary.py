"""What a rebuild has done: the outcome of each media, and what they add up to.

Not here: how they look (`cli/views/rebuild.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 3
"""Media that are named per code of a failure."""


@dataclass(frozen=True)
class RebuildOutcome:
    """What became of one media. `code` and `message` are those of a failure; `skipped`: why nothing was done."""

    media_id: str
    built: tuple[str, ...] = ()
    usd: float = 0.0
    code: str | None = None
    message: str | None = None
    skipped: str | None = None


@dataclass
class RebuildSummary:
    """What a rebuild has done since it was begun or resumed. `earlier`: media that were done before it was resumed."""

    rebuild_id: str
    media: int
    earlier: int = 0
    canary: int = 0
    outcomes: list[RebuildOutcome] = field(default_factory=list)
    seconds: float = 0.0
    paused: str | None = None
    """Why nothing more was begun."""
    cancelled: bool = False

    @property
    def done(self) -> int:
        """Media that were built without a failure."""
        return len([outcome for outcome in self.outcomes if outcome.code is None and outcome.skipped is None])

    @property
    def failed(self) -> list[RebuildOutcome]:
        """Of media that could not be built, or not wholly."""
        return [outcome for outcome in self.outcomes if outcome.code is not None]

    @property
    def skipped(self) -> list[RebuildOutcome]:
        """Of media of which nothing had to be built, or could be."""
        return [outcome for outcome in self.outcomes if outcome.skipped is not None]

    @property
    def outputs(self) -> int:
        """Outputs that were built."""
        return sum(len(outcome.built) for outcome in self.outcomes)

    @property
    def usd(self) -> float:
        """What the builds cost, where that is recorded."""
        return sum(outcome.usd for outcome in self.outcomes)

    @property
    def left(self) -> int:
        """Media that are not done."""
        return self.media - self.earlier - self.done - len(self.skipped)

    def codes(self) -> list[tuple[str, list[RebuildOutcome]]]:
        """Failures by code, the most frequent first."""
        counts = Counter(outcome.code for outcome in self.failed)
        return [
            (str(code), [outcome for outcome in self.failed if outcome.code == code])
            for code, _ in counts.most_common()
        ]

    def wire(self) -> dict[str, Any]:
        """As JSON has it."""
        fields: dict[str, Any] = {
            "rebuild": self.rebuild_id,
            "media": self.media,
            "doneEarlier": self.earlier,
            "done": self.done,
            "outputs": self.outputs,
            "canary": self.canary,
            "failed": {
                code: {
                    "media": len(outcomes),
                    "examples": [
                        {"mediaId": outcome.media_id, "error": outcome.message} for outcome in outcomes[:EXAMPLES]
                    ],
                }
                for code, outcomes in self.codes()
            },
            "skipped": [{"mediaId": outcome.media_id, "reason": outcome.skipped} for outcome in self.skipped],
            "left": self.left,
            "seconds": round(self.seconds, 3),
            "usd": round(self.usd, 6),
            "cancelled": self.cancelled,
        }
        return fields | ({"paused": self.paused} if self.paused else {})
