"""Builds outputs on a RunPod endpoint: one job per request, its progress, its end, and what it left in the archive.

The job is the one that media-api sends, with `assets` and without a webhook. What it built is read from the records,
which name the job that wrote them: so it makes no difference whether RunPod still knows the job. Uploads come first:
jobs are only submitted while nobody else's wait in the endpoint's queue, and never more than a limit at once
(docs/decisions/backfills-and-live-jobs.md). Out: RunPod's API (`net/runpod_api.py`), and how a worker does a job
(`worker/job.py`).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Any

from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.builder import chosen_outputs
from codex_assets.build.phases import Phase
from codex_assets.errors import (
    EndpointError,
    ExecutionTimeout,
    JobCancelled,
    JobError,
    OutdatedWorker,
    QueueTimeout,
    RelayedError,
)
from codex_assets.media import recipe
from codex_assets.media.outputs import MASTER, is_variant
from codex_assets.net.runpod_api import Endpoint, JobsApi, Retries
from codex_assets.system.workspace import Listener, Status

STEP_SECONDS = 0.5
"""Between two looks of whoever waits for a turn at whether the run was cancelled."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Buckets:
    """The names of the buckets, which a job's payload has to give."""

    archive: str
    media: str
    assets: str

    def of(self, role: str) -> str:
        """The bucket of a role: `archive`, `media` or `assets`."""
        return {"archive": self.archive, "media": self.media, "assets": self.assets}[role]


@dataclass(frozen=True)
class Pace:
    """Seconds and counts of everything that is waited for or tried again."""

    first_poll_seconds: float = 1.0
    longest_poll_seconds: float = 10.0
    """Between two questions after a job; the pauses grow from the first to the longest."""
    hold_seconds: float = 5.0
    """Between two looks at the queue while others wait in it."""
    request_seconds: float = 30.0
    """Time limit of one request to RunPod's API."""
    patience_seconds: float = 600.0
    """How long RunPod may be out of reach before a job that it has is given up."""
    queue_seconds: float = 6 * 3600.0
    """How long one piece of work may wait: behind others' jobs, and in RunPod's queue, all its submissions together."""
    execution_seconds: float = 4 * 3600.0
    """How long a job may take once a worker has it."""
    submissions: int = 3
    """How often the same work is submitted, when workers that do it are lost."""
    forgotten: int = 3
    """How many answers in a row say that there is no such job before that is believed."""

    @property
    def retries(self) -> Retries:
        """How RunPod's API is asked again while it is out of reach."""
        return Retries(
            first_pause_s=self.first_poll_seconds,
            longest_pause_s=self.longest_poll_seconds,
            request_s=self.request_seconds,
            longest_retry_after_s=self.patience_seconds,
            patience_s=self.patience_seconds,
        )

    @property
    def longest_seconds(self) -> float:
        """The longest that `RunPodBuilder.build` lasts. While the API is out of reach no limit is looked at: before a
        job is submitted, when it is, and while it runs."""
        return self.queue_seconds + self.submissions * (self.execution_seconds + 3 * self.patience_seconds)


class EndKind(Enum):
    """How a job of RunPod's ended."""

    DONE = auto()
    FAILED = auto()
    LOST = auto()
    """The worker is gone, or nobody knows the job any more: it may be submitted again."""


@dataclass(frozen=True)
class JobEnd:
    """The end of one job; `error` is what the build raises because of it, None when it is done."""

    kind: EndKind
    error: JobError | None = None


class SubmissionGate:
    """Lets the threads of one process submit to an endpoint: one after the other, with so many jobs in flight, and not
    before others' jobs. Knows which of its jobs wait in the queue."""

    def __init__(self, limit: int) -> None:
        """`limit`: jobs in flight at once."""
        self._slots = threading.BoundedSemaphore(limit)
        self._turn = threading.Lock()
        self._queued: set[str] = set()

    @contextmanager
    def slot(self, cancelled: threading.Event) -> Iterator[None]:
        """Run the block as one of the jobs in flight, as soon as there is room. Raises `JobCancelled`."""
        _acquire(self._slots, cancelled)
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def turn(self, cancelled: threading.Event) -> Iterator[None]:
        """Run the block while no other one of this process submits a job. Raises `JobCancelled`."""
        _acquire(self._turn, cancelled)
        try:
            yield
        finally:
            self._turn.release()

    def remember(self, job_id: str, *, is_queued: bool) -> None:
        """Count a job of this process among those that wait in RunPod's queue, or no longer; see `queued_jobs`."""
        if is_queued:
            self._queued.add(job_id)
        else:
            self._queued.discard(job_id)

    @property
    def queued_jobs(self) -> int:
        """How many jobs of this process wait in the queue, as far as it knows."""
        return len(self._queued)


def _acquire(lock: threading.Lock | threading.Semaphore, cancelled: threading.Event) -> None:
    while not lock.acquire(timeout=STEP_SECONDS):
        if cancelled.is_set():
            raise JobCancelled


@cache
def gate_of(endpoint_id: str, base: str, limit: int) -> SubmissionGate:
    """The gate of an endpoint at the API's address `base`: the same for all threads of this process."""
    return SubmissionGate(limit)


def _pause(cancelled: threading.Event, seconds: float) -> None:
    """Wait so long, up to a fifth more or less, so that nobody asks in step with others. Raises `JobCancelled`."""
    if cancelled.wait(seconds * random.uniform(0.8, 1.2)):
        raise JobCancelled


# --- The builder ------------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    job_id: str
    waited_seconds: float = 0.0
    """How long the same work had waited before this job was submitted."""
    since: float = field(default_factory=time.monotonic)
    """When it came into the state that it is in."""
    is_running: bool = False

    @property
    def in_state_seconds(self) -> float:
        """For how long it has waited, or run, by now."""
        return time.monotonic() - self.since


class RunPodBuilder:
    """A `Builder` whose work is done by an endpoint's workers."""

    def __init__(
        self,
        endpoint: Endpoint,
        records: RecordStore,
        buckets: Buckets,
        *,
        listener: Listener | None = None,
        cancelled: threading.Event | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._endpoint, self._records, self._buckets = endpoint, records, buckets
        self._listener = listener or (lambda status: None)
        self._cancelled = cancelled or threading.Event()
        self._pace = pace or Pace()
        self._api = JobsApi(endpoint, self._pace.retries, self._cancelled)
        self._gate = gate_of(endpoint.endpoint_id, endpoint.base, endpoint.in_flight)

    def plan(self, media: MediaRecord, outputs: Collection[str]) -> None:
        """Does nothing: the worker plans, and reports its progress."""

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        """As `Builder.build`; a failed job's outputs that were published before it failed are yielded as well."""
        left = chosen_outputs(media, outputs)
        # The worker writes the master too, where new variants make the published one wrong.
        may_change_master = MASTER.name not in left and any(map(is_variant, left))
        master = self._records.output(media.media_id, MASTER.name) if may_change_master else None
        outdated: list[str] = []
        job_ids: set[str] = set()
        waited_seconds = 0.0
        for attempt in range(1, self._pace.submissions + 1):
            with self._gate.slot(self._cancelled):
                end, waited_seconds = self._do_job(media, left, job_ids, waited_seconds)
            for record in self._built(media, left, job_ids, with_markers=end.kind is EndKind.DONE):
                left.remove(record.output)
                if record.code_version != recipe.code_version(media.media_type, record.output):
                    outdated.append(record.output)
                yield record
            if may_change_master:
                after = self._records.output(media.media_id, MASTER.name)
                if after is not None and after != master:
                    master = after
                    yield after
            if outdated:
                raise OutdatedWorker(
                    f"The endpoint's workers build {', '.join(outdated)} by other recipes than these; let them run the "
                    "same version."
                )
            if not left:
                return
            if end.kind is EndKind.FAILED or attempt == self._pace.submissions:
                raise end.error or EndpointError(
                    f"The job ended well, and the archive has no record of its {', '.join(left)}; do the endpoint and "
                    "this machine use the same buckets?",
                    retryable=False,
                )
            _log.warning("%s: the worker was lost; submitting %s again", media.media_id, ", ".join(left))

    def _built(
        self, media: MediaRecord, outputs: Collection[str], job_ids: Collection[str], *, with_markers: bool
    ) -> list[OutputRecord]:
        """The records of these outputs that these jobs wrote. The marker of a variant that does not apply names no job:
        `with_markers` also returns those."""
        records = [self._records.output(media.media_id, output) for output in outputs]
        return [
            record
            for record in records
            if record is not None and (record.build.run_id in job_ids if record.build is not None else with_markers)
        ]

    def _do_job(
        self, media: MediaRecord, outputs: Collection[str], job_ids: set[str], waited_seconds: float
    ) -> tuple[JobEnd, float]:
        """Submit a job and wait for its end. Returns that, and the seconds that the work has waited by then, with the
        `waited_seconds` of its earlier jobs; adds to `job_ids`. Whatever ends this early ends the job too."""
        with self._gate.turn(self._cancelled):
            waited_seconds += self._give_way(self._pace.queue_seconds - waited_seconds)
            job = _Job(self._submit(self._payload(media, outputs)), waited_seconds)
            self._gate.remember(job.job_id, is_queued=True)
        job_ids.add(job.job_id)
        _log.info("%s: RunPod's job %s builds %s", media.media_id, job.job_id, ", ".join(outputs))
        try:
            end = self._watch(job)
        except BaseException:
            self._api.cancel(job.job_id)
            raise
        finally:
            self._gate.remember(job.job_id, is_queued=False)
        if not job.is_running:
            job.waited_seconds += job.in_state_seconds
        if end.kind is EndKind.LOST and len(self._built(media, outputs, job_ids, with_markers=False)) == len(outputs):
            end = JobEnd(EndKind.DONE)
        return end, job.waited_seconds

    def _submit(self, payload: Mapping[str, Any]) -> str:
        """Submit a job and return its id. In a thread: Dagster ends a run by an exception from anywhere, and the job
        that was being submitted then would be nobody's."""
        with ThreadPoolExecutor(1, thread_name_prefix="submit") as pool:
            pace = self._pace
            answer = pool.submit(
                self._api.run,
                payload,
                execution_s=pace.execution_seconds,
                lifetime_s=pace.queue_seconds + pace.execution_seconds,
            )
            try:
                return answer.result()
            except BaseException:
                with suppress(Exception):
                    self._api.cancel(answer.result(self._pace.request_seconds))
                raise

    def _give_way(self, longest_seconds: float) -> float:
        """Wait until nobody else's jobs are queued, which are most likely uploads; returns the seconds that it took.

        Raises `QueueTimeout` when that is more than `longest_seconds`.
        """
        was_reported = False
        began = time.monotonic()
        while (others := self._api.waiting() - self._gate.queued_jobs) > 0:
            if not was_reported:
                _log.info("%d other jobs wait at the endpoint: they go first", others)
                self._report(Phase.WAITING_FOR_OTHER_JOBS.value, 0.0)
                was_reported = True
            if time.monotonic() - began > longest_seconds:
                raise QueueTimeout("Other jobs were waiting at the endpoint all the time; nothing was submitted.")
            _pause(self._cancelled, self._pace.hold_seconds)
        return time.monotonic() - began

    def _payload(self, media: MediaRecord, outputs: Collection[str]) -> dict[str, Any]:
        return {
            "mediaId": media.media_id,
            "creatorId": media.creator_id,
            "mediaType": media.media_type,
            "inputBucket": self._buckets.of(media.input_role),
            "inputKey": media.input_key,
            "outputBucket": self._buckets.media,
            "outputPrefix": f"{media.creator_id}/",
            "assetsBucket": self._buckets.assets,
            "assets": list(outputs),
        }

    def _watch(self, job: _Job) -> JobEnd:
        pause, missing = self._pace.first_poll_seconds, 0
        self._report(Phase.QUEUED_AT_RUNPOD.value, 0.0)
        while True:
            _pause(self._cancelled, pause)
            pause = min(1.5 * pause, self._pace.longest_poll_seconds)
            status = self._api.status(job.job_id)
            if status is None:
                missing += 1
                if missing >= self._pace.forgotten:
                    return JobEnd(EndKind.LOST, EndpointError("RunPod does not know the job any more."))
                continue
            missing = 0
            end = self._end_of(job, status)
            if end is not None:
                return end

    def _end_of(self, job: _Job, status: Mapping[str, Any]) -> JobEnd | None:
        """The end of a job by RunPod's answer about it; None while it is under way, which is then reported.

        Raises `ExecutionTimeout` or `QueueTimeout` when it takes or waits too long.
        """
        state = status.get("status")
        output: Mapping[str, Any] = status["output"] if isinstance(status.get("output"), dict) else {}
        if state == "COMPLETED" and output.get("status") != "failed":
            return JobEnd(EndKind.DONE)
        if state in ("FAILED", "COMPLETED"):
            return _failure(status, output)
        if state == "CANCELLED":
            return JobEnd(
                EndKind.FAILED, RelayedError(JobCancelled.code, "The job was cancelled at RunPod.", retryable=False)
            )
        if state == "TIMED_OUT":
            return JobEnd(EndKind.FAILED, _timed_out())
        is_running = state != "IN_QUEUE"
        if is_running != job.is_running:
            if is_running:
                job.waited_seconds += job.in_state_seconds
            job.is_running, job.since = is_running, time.monotonic()
            self._gate.remember(job.job_id, is_queued=not is_running)
        if is_running and job.in_state_seconds > self._pace.execution_seconds:
            raise _timed_out()
        if not is_running and job.waited_seconds + job.in_state_seconds > self._pace.queue_seconds:
            raise QueueTimeout("No worker took the job in time; does the endpoint have any?")
        if is_running and isinstance(output.get("phase"), str):
            overall = (_number(output.get("percent")) or 0.0) / 100
            self._report(output["phase"], overall, _number(output.get("speed")), _number(output.get("secondsLeft")))
        return None

    def _report(
        self, phase: str, overall: float, speed: float | None = None, seconds_left: float | None = None
    ) -> None:
        self._listener(Status(phase, None, min(1.0, overall), speed, seconds_left))


def _failure(status: Mapping[str, Any], output: Mapping[str, Any]) -> JobEnd:
    """The end of a job that failed: its worker's answer is its `output`, when it gave one."""
    code, sentence = output.get("errorCode"), output.get("error") or status.get("error")
    if isinstance(code, str) and isinstance(sentence, str):
        return JobEnd(EndKind.FAILED, RelayedError(code, sentence, retryable=output.get("retryable") is True))
    # Not an answer of our worker: RunPod speaks for one that cannot any more. Its text may be a traceback.
    _log.warning("RunPod gave a job up: %s", str(status.get("error"))[:2000])
    return JobEnd(EndKind.LOST, EndpointError("The worker was lost while it did the job."))


def _timed_out() -> JobError:
    return ExecutionTimeout("The job took longer than it may.")


def _number(value: object) -> float | None:
    """None for what is no number."""
    return float(value) if isinstance(value, int | float) else None
