"""Judging many published media at once: which ones, how many at a time, and what it came to.

In: whether a condition holds for a media (`conditions` says which there are), one workspace per media, results as they
come, the findings kept as records, and reading those records again. Not here: what is true of one media (`audit`,
`staleness`), and how it is shown (`terminal`).

Threads, because nearly all of the time is spent in the tools' own processes (measured: 95 %).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from codex_assets import audit, staleness
from codex_assets.audit import Audit, Auditor, VerificationRecord
from codex_assets.conditions import Where
from codex_assets.delivery import keys
from codex_assets.delivery.storage import Stores
from codex_assets.errors import InternalError, JobCancelled, JobError
from codex_assets.media import recipe
from codex_assets.records import CheckFact, MediaRecord, OutputRecord, RecordStore
from codex_assets.staleness import Verdict
from codex_assets.tools import Tools
from codex_assets.workspace import Workspace

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""

Outcome = Literal["passed", "failed", "unchecked"]


@dataclass(frozen=True)
class Result:
    """What one media came to. `failed` and `warned` are (output, finding)."""

    media_id: str
    media: MediaRecord | None = None
    outcome: Outcome = "passed"
    problem: str | None = None
    """Why it could not be checked."""
    checks: int = 0
    failed: tuple[tuple[str, CheckFact], ...] = ()
    warned: tuple[tuple[str, CheckFact], ...] = ()
    unbuilt: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Media:
    """One media as its records tell it: an output is None when it was never built."""

    media: MediaRecord
    outputs: dict[str, OutputRecord | None] = field(default_factory=dict)
    verification: VerificationRecord | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def built(self) -> list[OutputRecord]:
        return [record for record in self.outputs.values() if record is not None and record.applicable]

    def meets(self, where: Where) -> bool:
        return where.holds(self.media, lambda: self.outputs, lambda: self.stale)

    @cached_property
    def stale(self) -> list[str]:
        """The outputs that are to be rebuilt."""
        return staleness.stale(self.verdicts)


def outputs_of(media: MediaRecord, records: RecordStore) -> dict[str, OutputRecord | None]:
    return {output: records.output(media.media_id, output) for output in recipe.OUTPUTS[media.media_type]}


def judged(
    media: MediaRecord,
    outputs: Mapping[str, OutputRecord | None],
    verification: VerificationRecord | None,
    records: RecordStore,
) -> dict[str, Verdict]:
    """What is stale of a media, and why: as the catalogue would say, without it."""
    there = {
        key
        for key in (keys.mezzanine(media.creator_id, media.media_id), media.input_key)
        if (media.input_role == "archive" or key != media.input_key) and records.holds(key)
    }
    return staleness.judged(
        media.media_type,
        outputs,
        verification,
        mezzanine_file=keys.mezzanine(media.creator_id, media.media_id) in there,
        original=staleness.original_there(media, there),
    )


def holds(where: Where, media: MediaRecord, records: RecordStore) -> bool:
    """Whether a condition holds for a media. Reads of its records no more than that takes."""
    held: dict[str, OutputRecord | None] = {}

    def outputs() -> dict[str, OutputRecord | None]:
        if not held:
            held.update(outputs_of(media, records))
        return held

    def stale() -> list[str]:
        verification = records.get(media.media_id, audit.VERIFICATION, VerificationRecord)
        return staleness.stale(judged(media, outputs(), verification, records))

    return where.holds(media, outputs, stale)


def read(media_id: str, records: RecordStore) -> Media | None:
    """Everything that is known of a media; None when it was never registered."""
    media = records.media(media_id)
    if media is None:
        return None
    verification = records.get(media_id, audit.VERIFICATION, VerificationRecord)
    outputs = outputs_of(media, records)
    return Media(media, outputs, verification, judged(media, outputs, verification, records))


def read_all(stores: Stores) -> Iterator[Media]:
    """Every registered media, in order of their ids."""
    records = RecordStore(stores.archive)
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for one in pool.map(lambda media_id: read(media_id, records), records.media_ids()):
            if one is not None:
                yield one


def kept(stores: Stores) -> Iterator[VerificationRecord]:
    """What was last found of every media that was ever verified, in order of their ids."""
    records = RecordStore(stores.archive)
    named = (keys.parse_record(stored.key) for stored in stores.archive.list(keys.RECORDS_ROOT))
    verified = [key[0] for key in named if key is not None and key[1] == audit.VERIFICATION]
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for record in pool.map(lambda one: records.get(one, audit.VERIFICATION, VerificationRecord), verified):
            if record is not None:
                yield record


@dataclass(frozen=True)
class Sweep:
    """How media are judged: by one rule or by all, with the mezzanine (`deep`) or without it."""

    stores: Stores
    tools: Tools
    scratch: Path
    cancelled: threading.Event
    """The event of `tools`."""
    where: Where = field(default_factory=Where)
    rule: str | None = None
    deep: bool = True
    workers: int = 2

    def run(self, media_ids: Collection[str]) -> Iterator[Result | None]:
        """One result per media, as they come; None for one that `where` leaves out.

        Raises `JobCancelled` alone: whatever else happens to one media is its result.
        """
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="verify")
        try:
            waiting: set[Future[Result | None]] = {pool.submit(self._one, media_id) for media_id in media_ids}
            for done in as_completed(waiting):
                yield done.result()
        finally:
            # Also when nobody wants the rest any more: what is running ends by `cancelled`, or by itself.
            pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, media_id: str) -> Result | None:
        if self.cancelled.is_set():
            raise JobCancelled
        started = time.monotonic()
        try:
            return self._judged(media_id, started)
        except JobCancelled:
            raise
        except JobError as error:
            problem = error.public
        except ValueError:
            problem = "It is no media id, or its records cannot be read."
        except Exception as error:  # noqa: BLE001 - one media must not end the check of thousands
            problem = InternalError.of(error).public
        return Result(media_id, outcome="unchecked", problem=problem, seconds=time.monotonic() - started)

    def _judged(self, media_id: str, started: float) -> Result | None:
        records = RecordStore(self.stores.archive)
        media = records.media(media_id)
        if media is None:
            return Result(media_id, outcome="unchecked", problem="No media of this id is registered.")
        if not holds(self.where, media, records):
            return None
        if records.output(media_id, "mezzanine") is None:
            problem = "Its mezzanine was never built, and without it nothing can be judged."
            return Result(media_id, media, "unchecked", problem)
        # The mezzanine's rules are about the file that a shallow check does not fetch.
        outputs = [one for one in recipe.OUTPUTS[media.media_type] if self.deep or one != "mezzanine"]
        workspace = Workspace(self.scratch / f"verify-{uuid.uuid4().hex[:12]}")
        try:
            auditor = Auditor(self.stores, self.tools, workspace, deep=self.deep)
            audits = list(auditor.audit(media, outputs, only=None if self.rule is None else (self.rule,)))
        finally:
            workspace.close()
        audit.keep(records, media, audits, whole=self.rule is None and self.deep)
        return _result(media, audits, time.monotonic() - started)


def _result(media: MediaRecord, audits: Iterable[Audit], seconds: float) -> Result:
    found = list(audits)
    failed = tuple((one.output, check) for one in found for check in one.failed)
    unbuilt = tuple(one.output for one in found if one.record is None)
    return Result(
        media.media_id,
        media,
        "failed" if failed else "passed",
        checks=sum(len(one.checks) for one in found),
        failed=failed,
        warned=tuple((one.output, check) for one in found for check in one.warned),
        unbuilt=unbuilt,
        seconds=seconds,
    )
