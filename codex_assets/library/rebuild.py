"""A rebuild of many outputs of many media: what first, how many at once, when to stop, and how to go on.

A few media go first (the canary), and what is published of them is judged as a viewer would get it; then the rest. When
too many fail, nothing more is begun. What is done is written to a journal (`rebuild_journal.py`), so that a rebuild
that was paused, stopped or killed goes on where it was.

Not here: what is asked for (`rebuild_order.py`), limits (`rebuild_limits.py`), what is stale (`staleness.py`), where
and how an output is built (`config/workshop.py`), and how things look (`cli/`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

from codex_assets.archive import refused
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.errors import (
    JobCancelled,
    JobError,
    MissingInput,
    RelayedError,
    StorageError,
    VerificationError,
    unforeseen,
)
from codex_assets.library.catalogue import Catalogue, RebuildTarget
from codex_assets.library.rebuild_journal import Journal
from codex_assets.library.rebuild_limits import LEAST_MEDIA, RebuildLimits
from codex_assets.library.rebuild_summary import RebuildOutcome, RebuildSummary
from codex_assets.system.workspace import Listener
from codex_assets.verification import audit

ROUNDS = 5
"""Builds of one media, one after the other: each may make outputs further down stale."""
TRIES = 2
"""Of one media, for failures that may go better next time."""
RETRY_SECONDS = 5.0
OF_THIS_MEDIA = frozenset({MissingInput.code, *refused.CODES})
"""The codes of what cannot be built because what it is made from is gone, or is an upload that was refused: they say
nothing about the other media."""

_log = logging.getLogger(__name__)


class Rebuild:
    """Builds the targets of a journal."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        journal: Journal,
        limits: RebuildLimits,
        *,
        cancelled: threading.Event | None = None,
        listener: Callable[[str], Listener | None] = lambda media_id: None,
        on_outcome: Callable[[RebuildOutcome, RebuildSummary], None] = lambda outcome, summary: None,
    ) -> None:
        """`cancelled` stops the rebuild. `listener` gives, by media id, what is called with the progress of its build;
        `on_outcome` is called when a media is done."""
        self._settings, self._catalogue, self._journal, self._limits = settings, catalogue, journal, limits
        self._cancelled = cancelled or threading.Event()
        self._listener, self._on_outcome = listener, on_outcome

    def run(self) -> RebuildSummary:
        """Build until all is done, too many failed, or it was cancelled. Failures of media are in the summary."""
        began = time.monotonic()
        journal = self._journal
        todo = [target for target in journal.targets if target.media_id not in journal.finished]
        summary = RebuildSummary(journal.rebuild_id, len(journal.targets), len(journal.targets) - len(todo))
        summary.canary = min(len(todo), self._limits.canary(len(todo)))
        canary = _spread(todo, summary.canary)
        chosen = {target.media_id for target in canary}
        self._batch(canary, summary, is_canary=True)
        if not self._is_stopped(summary):
            self._batch([target for target in todo if target.media_id not in chosen], summary, is_canary=False)
        summary.cancelled = self._cancelled.is_set() and summary.left > 0
        summary.seconds = time.monotonic() - began
        return summary

    def _is_stopped(self, summary: RebuildSummary) -> bool:
        return summary.paused is not None or self._cancelled.is_set()

    def _batch(self, targets: Sequence[RebuildTarget], summary: RebuildSummary, *, is_canary: bool) -> None:
        waiting, under_way = deque(targets), set[Future[RebuildOutcome]]()
        with ThreadPoolExecutor(max(1, self._limits.workers), thread_name_prefix="rebuild") as pool:
            while under_way or (waiting and not self._is_stopped(summary)):
                while waiting and len(under_way) < self._limits.workers and not self._is_stopped(summary):
                    under_way.add(pool.submit(self._outcome, waiting.popleft(), is_canary))
                ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in ended:
                    try:
                        outcome = future.result()
                    except JobCancelled:
                        self._cancelled.set()
                        continue
                    summary.outcomes.append(outcome)
                    self._journal.add_outcome(outcome)
                    self._on_outcome(outcome, summary)
                failed, finished = len(summary.failed), summary.done + len(summary.failed)
                least = 1 if is_canary else LEAST_MEDIA
                if summary.paused is None and failed > self._limits.max_failures * max(finished, least):
                    what = "of the canary failed" if is_canary else "failed"
                    summary.paused = f"{failed} of {finished} media {what}"

    def _outcome(self, target: RebuildTarget, is_canary: bool) -> RebuildOutcome:
        """Build one media, again where that may help. Raises `JobCancelled` alone."""
        built: dict[str, float] = {}
        failure: JobError | None = None

        def attempt() -> JobError | None:
            nonlocal failure
            # Cancelled in the pause before it: the failure that it was to make good stands.
            if failure is None or not self._cancelled.is_set():
                failure = self._attempt(target, is_canary, built)
            return failure

        def pause(seconds: float) -> None:
            self._cancelled.wait(seconds)

        again = Retrying(
            retry=retry_if_result(lambda failure: failure is not None and failure.retryable),
            stop=stop_after_attempt(TRIES),
            wait=wait_fixed(RETRY_SECONDS),
            sleep=pause,
            # What the last attempt came to, whether it was worth another.
            retry_error_callback=lambda _: failure,
        )
        again(attempt)
        outcome = RebuildOutcome(target.media_id, tuple(built), sum(built.values()))
        if failure is None:
            return outcome if built else replace(outcome, skipped="it was as it should be by then")
        if failure.code in OF_THIS_MEDIA and not built:
            # It may be stale no longer: what was refused is on record now.
            with suppress(StorageError):
                self._catalogue.refresh([target.media_id])
            return replace(outcome, skipped=failure.public)
        return replace(outcome, code=failure.code, message=failure.public)

    def _attempt(self, target: RebuildTarget, is_canary: bool, built: dict[str, float]) -> JobError | None:
        """Build one media; the failure, or None."""
        try:
            self._build_all(target, is_canary, built)
        except JobCancelled:
            raise
        except JobError as error:
            if self._cancelled.is_set():
                raise JobCancelled from None
            _log.error("%s: %s: %s", target.media_id, error.code, error.detail or error.public)
            return error
        except Exception as error:  # noqa: BLE001 - whatever happens to one media is its outcome
            _log.exception("%s met something unforeseen", target.media_id)
            failure = unforeseen(error)
            # Not again: nobody knows what it was.
            failure.retryable = False
            return failure
        return None

    def _build_all(self, target: RebuildTarget, is_canary: bool, built: dict[str, float]) -> None:
        """Build round by round, until nothing of the media is left to build.

        Each output that is built is added to `built`, with what it cost in USD.
        """
        if not self._journal.order.also_fresh:
            # Somebody else may have built it since the index was read.
            self._catalogue.refresh([target.media_id])
        for number in range(ROUNDS):
            if self._cancelled.is_set():
                raise JobCancelled
            wanted = self._wanted(target, number)
            again = [output for output in wanted if output in built]
            if again:
                raise RelayedError(
                    "still_stale", f"{', '.join(again)} is stale again right after it was built.", retryable=False
                )
            if not wanted:
                if number > 0 or not self._journal.order.also_fresh:
                    return
                continue
            self._build(target.media_id, wanted, is_canary, built)
            self._catalogue.refresh([target.media_id])
        raise RelayedError("still_stale", f"Outputs were still stale after {ROUNDS} rounds.", retryable=False)

    def _wanted(self, target: RebuildTarget, number: int) -> tuple[str, ...]:
        """The outputs to build in a round: at first those of the order, then what has become stale by that."""
        order = self._journal.order
        if order.also_fresh and number == 0:
            done = self._journal.built.get(target.media_id, set())
            return tuple(output for output in target.outputs if output not in done)
        return order.stale_outputs(self._catalogue, target.media_id)

    def _build(self, media_id: str, outputs: Collection[str], is_canary: bool, built: dict[str, float]) -> None:
        with open_workshop(
            self._settings,
            listener=self._listener(media_id),
            cancelled=self._cancelled,
            run_id=self._journal.rebuild_id,
            backfill=True,
        ) as workshop:
            media = workshop.records.media(media_id)
            if media is None:
                raise MissingInput(f"Media {media_id} is not registered: the archive holds no record of it.")
            records: list[OutputRecord] = []
            try:
                for record in workshop.builder.build(media, outputs):
                    records.append(record)
                    built[record.output] = record.build.cost_usd or 0.0 if record.build is not None else 0.0
            finally:
                if records:
                    self._journal.add_built(media_id, [record.output for record in records])
            if is_canary:
                self._judge(workshop, media, [record.output for record in records])

    def _judge(self, workshop: Workshop, media: MediaRecord, outputs: Sequence[str]) -> None:
        """Judge what was just published of a media as a viewer would get it. Raises `RelayedError` for a failure."""
        audits = list(workshop.auditor.audit(media, outputs))
        audit.keep_results(workshop.records, media, audits, all_rules=True)
        failures = [finding for each in audits for finding in each.failed]
        if failures:
            self._journal.add_bad(media.media_id, [finding.output for finding in failures])
            # Not again: the results are kept, and make these outputs stale.
            raise RelayedError(VerificationError.code, VerificationError(failures).public, retryable=False)


def _spread(targets: Sequence[RebuildTarget], count: int) -> list[RebuildTarget]:
    """`count` of them, from all over the list: neighbours often are alike."""
    return [targets[number * len(targets) // count] for number in range(count)]
