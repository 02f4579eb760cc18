"""One line about a media, of thousands: who it is, in which state, and what its records add up to.

In: the line, and which state a media is in. Out: where it comes from (`catalogue.py`), and all that is known of one
media (`published_media.py`). No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from codex_assets.archive.history import LONGEST_JOB
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.library.judged import Judged, judged_least
from codex_assets.library.staleness import Verdict, stale_outputs


class MediaState(StrEnum):
    """What is to be said first of a media, from what matters most to what matters least."""

    BUILDING = "building"
    """A job of it has begun and not ended."""
    REFUSED = "refused"
    """There is nothing of it but an upload that was refused."""
    FAILED = "failed"
    """Its last job failed, and not by its upload, or something that is published breaks a rule for which it would not
    be published."""
    STALE = "stale"
    """An output is to be rebuilt."""
    CURRENT = "current"


def word(*, is_building: bool, is_refused: bool, has_failed: bool, breaks_rules: bool, is_stale: bool) -> MediaState:
    """The word for what is true of a media."""
    if is_building:
        return MediaState.BUILDING
    if is_refused:
        return MediaState.REFUSED
    if has_failed or breaks_rules:
        return MediaState.FAILED
    return MediaState.STALE if is_stale else MediaState.CURRENT


@dataclass(frozen=True)
class LastJob:
    """What the last job of a media came to. Times: UTC, ISO 8601; `seconds`: wall seconds."""

    outcome: str
    started_at: str
    finished_at: str | None = None
    error_code: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class MediaOverview:
    """One media. Nothing but `media` and `refusal` is said of one of which there is nothing but a refused upload."""

    media: MediaRecord
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Output -> whether it is stale and why, of every output of its type."""
    built: int = 0
    """Outputs that have a record, markers too."""
    bytes: int = 0
    """Of all published files."""
    seconds: float | None = None
    """How long it plays."""
    built_at: float | None = None
    """When the newest of its outputs was built: seconds of the epoch."""
    encoder: str | None = None
    """That of its picture, or of its sound."""
    cost_usd: float | None = None
    """What its outputs cost; None where no price was known."""
    verified_at: str | None = None
    """When what is published was last verified: UTC, ISO 8601; None where it was not."""
    failed: int = 0
    """Findings of severity ERROR of that verification."""
    warned: int = 0
    failing: tuple[str, ...] = ()
    """The rules that failed, each once."""
    job: LastJob | None = None
    refusal: RefusedRecord | None = None
    """Its last upload was refused; an earlier one may be published."""

    @property
    def is_refused(self) -> bool:
        """Whether a refused upload is all that there is of it."""
        return self.refusal is not None and not self.verdicts

    @cached_property
    def stale(self) -> list[str]:
        """The outputs that are to be rebuilt."""
        return stale_outputs(self.verdicts)

    @cached_property
    def judged(self) -> Judged | None:
        """By which rules its least judged output was judged; None where nothing is to be judged."""
        return judged_least(verdict.judged for verdict in self.verdicts.values())

    @property
    def error_code(self) -> str | None:
        """Why its upload was refused, or else why its last job failed; None where neither happened."""
        if self.refusal is not None:
            return self.refusal.code
        return self.job.error_code if self.job is not None and self.job.outcome == "failed" else None

    def is_building(self, now: datetime) -> bool:
        """Whether a job of it is under way, as far as is known at `now` (with a time zone)."""
        if self.job is None or self.job.outcome != "running":
            return False
        return now - datetime.fromisoformat(self.job.started_at) < LONGEST_JOB

    def state(self, now: datetime) -> MediaState:
        """What is to be said first of it at `now` (with a time zone)."""
        return word(
            is_building=self.is_building(now),
            is_refused=self.is_refused,
            has_failed=self.job is not None and self.job.outcome in ("failed", "running") and self.refusal is None,
            breaks_rules=self.failed > 0,
            is_stale=bool(self.stale),
        )
