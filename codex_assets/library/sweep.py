"""Judges the published outputs of many media, a few at once.

In: the order, how many at once, and what becomes of a media that could not be judged. Out: judging one media
(`verification/audit.py`), and which media there are (`published_media.py`).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from codex_assets.archive import refused
from codex_assets.archive.findings import Finding
from codex_assets.archive.notes import Note, without_repeats
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.replaced import GRACE
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobCancelled
from codex_assets.library.published_media import condition_holds, why_not
from codex_assets.library.selection import Where
from codex_assets.media.outputs import MEZZANINE, wanted
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification import audit
from codex_assets.verification.audit import Audit, Auditor
from codex_assets.verification.report.judged import report_of
from codex_assets.verification.report.media_report import MediaReport

SweepOutcome = Literal["passed", "failed", "unchecked"]


@dataclass(frozen=True)
class SweepResult:
    """What the check of one media came to. `checks`: rules that were applied; `unbuilt`: outputs without a record."""

    media_id: str
    media: MediaRecord | None = None
    outcome: SweepOutcome = "passed"
    problem: str | None = None
    """Why it could not be checked."""
    checks: int = 0
    failed: tuple[Finding, ...] = ()
    warned: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    """What a viewer would complain of; the outcome does not depend on it."""
    unbuilt: tuple[str, ...] = ()
    seconds: float = 0.0
    report: MediaReport | None = None
    """None unless the sweep was asked for reports."""


@dataclass(frozen=True)
class Sweep:
    """How media are judged: by one rule or by all, with the mezzanine (`deep`) or without it; `with_reports`: each
    result comes with a report."""

    stores: Stores
    tools: Tools
    scratch: Path
    cancelled: threading.Event
    """The event of `tools`."""
    where: Where = field(default_factory=Where)
    rule: str | None = None
    deep: bool = True
    workers: int = 2
    with_reports: bool = False
    grace: timedelta = GRACE
    extras: tuple[str, ...] = ()
    """Optional outputs that every media is to have."""
    """How long what was replaced is kept."""

    def run(self, media_ids: Collection[str]) -> Iterator[SweepResult | None]:
        """One result per media, as they come; None for one that `where` leaves out.

        Raises `JobCancelled` alone: whatever else happens to one media is its result.
        """
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="verify")
        try:
            waiting: set[Future[SweepResult | None]] = {pool.submit(self._judge, media_id) for media_id in media_ids}
            for future in as_completed(waiting):
                yield future.result()
        finally:
            # Also when nobody wants the rest any more: what is running ends by `cancelled`, or by itself.
            pool.shutdown(wait=True, cancel_futures=True)

    def _judge(self, media_id: str) -> SweepResult | None:
        if self.cancelled.is_set():
            raise JobCancelled
        started = time.monotonic()
        try:
            return self._judged(media_id, started)
        except JobCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - one media must not end the check of thousands
            problem = why_not(error)
        return SweepResult(media_id, outcome="unchecked", problem=problem, seconds=time.monotonic() - started)

    def _judged(self, media_id: str, started: float) -> SweepResult | None:
        records = RecordStore(self.stores.archive)
        media = records.media(media_id)
        refusal = None
        if media is None or records.output(media_id, MEZZANINE.name) is None:
            refusal = refused.unbuilt_refusal(media_id, records)
        if refusal is not None:
            problem = f"There is nothing to check, for its upload was refused: {refusal.sentence}"
            return SweepResult(media_id, media, "unchecked", problem)
        if media is None:
            return SweepResult(media_id, outcome="unchecked", problem="No media of this id is registered.")
        if not condition_holds(self.where, media, records, self.extras):
            return None
        if records.output(media_id, MEZZANINE.name) is None:
            problem = "Its mezzanine was never built, and without it nothing can be judged."
            return SweepResult(media_id, media, "unchecked", problem)
        # The mezzanine's rules are about the file that a shallow check does not fetch.
        names = records.names(media_id)
        outputs = [output for output in wanted(media.media_type, names) if self.deep or output != MEZZANINE.name]
        workspace = Workspace(self.scratch / f"verify-{uuid.uuid4().hex[:12]}")
        try:
            auditor = Auditor(self.stores, self.tools, workspace, deep=self.deep, grace=self.grace)
            audits = list(auditor.audit(media, outputs, only=None if self.rule is None else (self.rule,)))
        finally:
            workspace.close()
        audit.keep_results(records, media, audits, all_rules=self.rule is None and self.deep)
        result = _result(media, audits, time.monotonic() - started, whole=self.rule is None)
        return replace(result, report=self._report(media, audits, result)) if self.with_reports else result

    def _report(self, media: MediaRecord, audits: Sequence[Audit], result: SweepResult) -> MediaReport:
        return report_of(
            media.media_id,
            media.media_type,
            [observation for audit in audits for observation in audit.observations],
            [finding for audit in audits for finding in audit.checks],
            only=None if self.rule is None else (self.rule,),
            notes=result.notes,
            problem=result.problem,
        )


def _result(media: MediaRecord, audits: Sequence[Audit], seconds: float, *, whole: bool) -> SweepResult:
    """`whole`: every rule was asked, so that a media with outputs that were never built has not passed."""
    failed = tuple(finding for audit in audits for finding in audit.failed)
    unbuilt = tuple(audit.output for audit in audits if audit.record is None)
    outcome: SweepOutcome = "failed" if failed else "unchecked" if unbuilt and whole else "passed"
    return SweepResult(
        media.media_id,
        media,
        outcome,
        f"It is not published whole: {', '.join(unbuilt)} were never built." if outcome == "unchecked" else None,
        checks=sum(len(audit.checks) for audit in audits),
        failed=failed,
        warned=tuple(finding for audit in audits for finding in audit.warned),
        notes=without_repeats(note for audit in audits for note in audit.notes or ()),
        unbuilt=unbuilt,
        seconds=seconds,
    )
