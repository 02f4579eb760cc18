"""Builds outputs on a RunPod endpoint: one job per request, its progress, its end, and what it left in the archive.

The job is the one that media-api sends, with `assets` and without a webhook. What it built is read from the records,
which name the job that wrote them: so it makes no difference whether RunPod still knows the job. Uploads come first:
jobs are only submitted while nobody else's wait in the endpoint's queue, and never more than a limit at once
(docs/decisions/backfills-and-live-jobs.md). Not here: RunPod's API
(`net/runpod_api.py`), and how a worker does a job.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
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

STEP_S = 0.5
"""How often whoever waits for a turn looks whether it is still wanted."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Buckets:
    """The buckets by role, which a job has to name."""

    archive: str
    media: str
    assets: str

    def of(self, role: str) -> str:
        return {"archive": self.archive, "media": self.media, "assets": self.assets}[role]


@dataclass(frozen=True)
class Pace:
    """Seconds and counts of everything that is waited for or tried again."""

    first_poll_s: float = 1.0
    longest_poll_s: float = 10.0
    hold_s: float = 5.0
    """Between two looks at the queue while others wait in it."""
    request_s: float = 30.0
    patience_s: float = 600.0
    """How long RunPod may be out of reach before a job that it has is given up."""
    queue_s: float = 6 * 3600.0
    """How long one piece of work may wait: behind others' jobs, and in RunPod's queue, all its submissions together."""
    execution_s: float = 4 * 3600.0
    """How long a job may take once a worker has it."""
    submissions: int = 3
    """Of the same work, when workers that do it are lost."""
    forgotten: int = 3
    """Answers in a row that there is no such job, before that is believed."""

    @property
    def retries(self) -> Retries:
        """How RunPod's API is asked again while it is out of reach."""
        return Retries(
            first_pause_s=self.first_poll_s,
            longest_pause_s=self.longest_poll_s,
            request_s=self.request_s,
            longest_retry_after_s=self.patience_s,
            patience_s=self.patience_s,
        )

    @property
    def longest_s(self) -> float:
        """The longest that `RunPodBuilder.build` lasts. While the API is out of reach no limit is looked at: before a
        job is submitted, when it is, and while it runs."""
        return self.queue_s + self.submissions * (self.execution_s + 3 * self.patience_s)


class Ended(Enum):
    DONE = auto()
    FAILED = auto()
    LOST = auto()
    """The worker is gone, or nobody knows the job any more: it may be submitted again."""


@dataclass(frozen=True)
class End:
    how: Ended
    error: JobError | None = None


class Gate:
    """Who may submit, of one process: so many at once, one after the other, and not before others' jobs."""

    def __init__(self, limit: int) -> None:
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
        """Count a job of this process among those that wait in RunPod's queue, or no longer; see `queued`."""
        if is_queued:
            self._queued.add(job_id)
        else:
            self._queued.discard(job_id)

    @property
    def queued(self) -> int:
        """Jobs of this process that wait in the queue, as far as it knows."""
        return len(self._queued)


def _acquire(lock: Any, cancelled: threading.Event) -> None:
    while not lock.acquire(timeout=STEP_S):
        if cancelled.is_set():
            raise JobCancelled


@cache
def gate(endpoint_id: str, base: str, limit: int) -> Gate:
    """The one of this process for an endpoint."""
    return Gate(limit)


def _rest(cancelled: threading.Event, seconds: float) -> None:
    """Wait, up to a fifth more or less, so that nobody asks in step with others. Raises `JobCancelled`."""
    if cancelled.wait(seconds * random.uniform(0.8, 1.2)):
        raise JobCancelled


# --- The builder ------------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    job_id: str
    waited_s: float = 0.0
    """How long the same work had waited before this job was submitted."""
    since: float = field(default_factory=time.monotonic)
    """When it came into the state that it is in."""
    running: bool = False

    @property
    def in_state_s(self) -> float:
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
        self._gate = gate(endpoint.endpoint_id, endpoint.base, endpoint.in_flight)

    def plan(self, media: MediaRecord, outputs: Collection[str]) -> None:
        """Nothing: the worker plans, and tells its progress."""

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        """As `Builder.build`; a failed job's outputs that were published before it failed are yielded as well."""
        left = chosen_outputs(media, outputs)
        follows = MASTER.name not in left and any(map(is_variant, left))
        master = self._records.output(media.media_id, MASTER.name) if follows else None
        outdated: list[str] = []
        jobs: set[str] = set()
        waited_s = 0.0
        for attempt in range(1, self._pace.submissions + 1):
            with self._gate.slot(self._cancelled):
                end, waited_s = self._work(media, left, jobs, waited_s)
            for record in self._built(media, left, jobs, end.how is Ended.DONE):
                left.remove(record.output)
                if record.code_version != recipe.code_version(media.media_type, record.output):
                    outdated.append(record.output)
                yield record
            if follows:
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
            if end.how is Ended.FAILED or attempt == self._pace.submissions:
                raise end.error or EndpointError(
                    f"The job ended well, and the archive has no record of its {', '.join(left)}; do the endpoint and "
                    "this machine use the same buckets?",
                    retryable=False,
                )
            _log.warning("%s: the worker was lost; submitting %s again", media.media_id, ", ".join(left))

    def _built(self, media: MediaRecord, left: Collection[str], jobs: set[str], done: bool) -> list[OutputRecord]:
        """Records that these jobs wrote. Markers name no job: they are believed of one that ended well."""
        records = [self._records.output(media.media_id, output) for output in left]
        return [
            record
            for record in records
            if record is not None and (record.build.run_id in jobs if record.build is not None else done)
        ]

    def _work(self, media: MediaRecord, outputs: Collection[str], jobs: set[str], waited_s: float) -> tuple[End, float]:
        """Submit it and see it through; how it ended, and how long it has waited by then, with the `waited_s` of its
        earlier submissions. Whatever ends this early ends the job too."""
        with self._gate.turn(self._cancelled):
            waited_s += self._give_way(self._pace.queue_s - waited_s)
            job = _Job(self._submitted(self._payload(media, outputs)), waited_s)
            self._gate.remember(job.job_id, is_queued=True)
        jobs.add(job.job_id)
        _log.info("%s: RunPod's job %s builds %s", media.media_id, job.job_id, ", ".join(outputs))
        try:
            end = self._watch(job)
        except BaseException:
            self._api.cancel(job.job_id)
            raise
        finally:
            self._gate.remember(job.job_id, is_queued=False)
        if not job.running:
            job.waited_s += job.in_state_s
        if end.how is Ended.LOST and len(self._built(media, outputs, jobs, done=False)) == len(outputs):
            end = End(Ended.DONE)
        return end, job.waited_s

    def _submitted(self, given: Mapping[str, Any]) -> str:
        """The id of a new job. In a thread: Dagster ends a run by an exception from anywhere, and the job that was
        being submitted then would be nobody's."""
        with ThreadPoolExecutor(1, thread_name_prefix="submit") as pool:
            pace = self._pace
            answer = pool.submit(
                self._api.run, given, execution_s=pace.execution_s, lifetime_s=pace.queue_s + pace.execution_s
            )
            try:
                return answer.result()
            except BaseException:
                with suppress(Exception):
                    self._api.cancel(answer.result(self._pace.request_s))
                raise

    def _give_way(self, longest_s: float) -> float:
        """Until nobody else's jobs wait: what waits is an upload, most likely. How long that was.

        Raises `QueueTimeout` when it is more than `longest_s`.
        """
        told = False
        began = time.monotonic()
        while (others := self._api.waiting() - self._gate.queued) > 0:
            if not told:
                _log.info("%d other jobs wait at the endpoint: they go first", others)
                self._tell(Phase.WAITING_FOR_OTHER_JOBS.value, 0.0)
                told = True
            if time.monotonic() - began > longest_s:
                raise QueueTimeout("Other jobs were waiting at the endpoint all the time; nothing was submitted.")
            _rest(self._cancelled, self._pace.hold_s)
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

    def _watch(self, job: _Job) -> End:
        pause, missing = self._pace.first_poll_s, 0
        self._tell(Phase.QUEUED_AT_RUNPOD.value, 0.0)
        while True:
            _rest(self._cancelled, pause)
            pause = min(1.5 * pause, self._pace.longest_poll_s)
            said = self._api.status(job.job_id)
            if said is None:
                missing += 1
                if missing >= self._pace.forgotten:
                    return End(Ended.LOST, EndpointError("RunPod does not know the job any more."))
                continue
            missing = 0
            end = self._judge(job, said)
            if end is not None:
                return end

    def _judge(self, job: _Job, said: Mapping[str, Any]) -> End | None:
        """The end that a status tells; None while the job is under way. Raises what a passed time limit comes to."""
        state, output = said.get("status"), said.get("output")
        told: Mapping[str, Any] = output if isinstance(output, dict) else {}
        if state == "COMPLETED" and told.get("status") != "failed":
            return End(Ended.DONE)
        if state in ("FAILED", "COMPLETED"):
            return self._failure(said, told)
        if state == "CANCELLED":
            return End(Ended.FAILED, RelayedError("cancelled", "The job was cancelled at RunPod.", retryable=False))
        if state == "TIMED_OUT":
            return End(Ended.FAILED, _timed_out())
        running = state != "IN_QUEUE"
        if running != job.running:
            job.waited_s += job.in_state_s if running else 0.0
            job.running, job.since = running, time.monotonic()
            self._gate.remember(job.job_id, is_queued=not running)
        if running and job.in_state_s > self._pace.execution_s:
            raise _timed_out()
        if not running and job.waited_s + job.in_state_s > self._pace.queue_s:
            raise QueueTimeout("No worker took the job in time; does the endpoint have any?")
        if running and isinstance(told.get("phase"), str):
            self._tell(
                told["phase"], _number(told.get("percent"), 0.0) / 100, told.get("speed"), told.get("secondsLeft")
            )
        return None

    def _failure(self, said: Mapping[str, Any], told: Mapping[str, Any]) -> End:
        code, sentence = told.get("errorCode"), told.get("error") or said.get("error")
        if isinstance(code, str) and isinstance(sentence, str):
            return End(Ended.FAILED, RelayedError(code, sentence, retryable=told.get("retryable") is True))
        # Not an answer of our worker: RunPod speaks for one that cannot any more. Its text may be a traceback.
        _log.warning("RunPod gave a job up: %s", str(said.get("error"))[:2000])
        return End(Ended.LOST, EndpointError("The worker was lost while it did the job."))

    def _tell(self, phase: str, overall: float, speed: object = None, left: object = None) -> None:
        self._listener(Status(phase, None, min(1.0, overall), _number(speed), _number(left)))


def _timed_out() -> JobError:
    return ExecutionTimeout("The job took longer than it may.")


def _number(value: object, other: Any = None) -> Any:
    return float(value) if isinstance(value, int | float) else other


Tell = Callable[[str], None]


def lines(tell: Tell, *, every_s: float = 30.0) -> Listener:
    """A listener that tells a line when a phase begins, and now and then while one lasts."""
    last: tuple[str, float] = ("", 0.0)

    def listen(status: Status) -> None:
        nonlocal last
        now = time.monotonic()
        if status.phase != last[0] or now - last[1] >= every_s:
            last = (status.phase, now)
            speed = f", {status.speed:.1f}x" if status.speed else ""
            tell(f"{100 * status.overall:.0f} %: {status.phase}{speed}")

    return listen
