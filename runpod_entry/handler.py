"""RunPod's dict in, RunPod's dict out: supervises the process that does the job, and sees that it is answered once.

In: one warm spare process, progress that is reported in order and not too often, cancelling, and what is left to say
when a process dies. Out: the job itself (`child.py`, `codex_assets.worker.job`) and the SDK (`__main__.py`): nothing
here imports it, how progress is reported is given to the worker.

The job's process sends the webhook, and says so just before. When it dies earlier (out of memory, most likely), the
worker sends a `failed` one in its place; when it dies later, nobody sends a second one.

A job is ended early by a signal to the worker, by RunPod, and by its time limit: its process is told to end, killed if
it does not, and then answered by the spare process, all within `ENDED_WITHIN_SECONDS`, whatever it waited for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from codex_assets import log_lines
from codex_assets.build import encoders
from codex_assets.config import settings
from codex_assets.errors import (
    ConfigurationError,
    InternalError,
    JobCancelled,
    JobError,
    PayloadError,
    TimeLimit,
)
from codex_assets.storage import trusted
from codex_assets.system import scratch
from codex_assets.system.tools import Trial, tool_environment
from runpod_entry import child, logs
from runpod_entry.endings import Ending, Endings
from runpod_entry.process import JobProcess

ENDED_WITHIN_SECONDS = 9.0
"""In which a job that is told to end has ended and is answered."""
CANCEL_GRACE_SECONDS = 2.5
"""From SIGTERM to SIGKILL. A cancelled job ends its tools and removes its files well within it."""
ANSWER_SECONDS, RECORD_SECONDS = 4.0, 1.5
"""Of these: at most for its webhook, and at least for what is put on record."""
LONGEST_ANSWER_SECONDS = 300.0
"""The answer of a job whose process died: a webhook is tried for three minutes."""
EXIT_GRACE_SECONDS = 2.0
PROGRESS_SECONDS = 3.0
PHASE_SECONDS = 1.0
"""A new phase is reported sooner."""
REPORT_LIMIT_SECONDS = 5.0
STARTS = 2
"""Processes that are tried before a job is given up that none of them has begun."""

Report = Callable[[Mapping[str, Any], dict[str, Any]], Awaitable[None]]
"""Reports progress to RunPod: (RunPod's job, the progress). Done when it returns."""

_SIGNALS = {number.value: number.name for number in signal.Signals}
_log = logging.getLogger(__name__)


class Worker:
    """Does RunPod's jobs, one at a time, each in a process of its own."""

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._spare: _Child | None = None
        self._turn = asyncio.Lock()
        self._lost_nvenc = False
        self._endings = Endings()

    def start(self) -> None:
        """Start the spare process, and remove what killed jobs left in the scratch directory."""
        self._spare = _start()
        _wipe()

    def close(self) -> None:
        """End the spare process."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end(ask=True, grace_seconds=EXIT_GRACE_SECONDS)

    async def handle(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The result of RunPod's `job`; with an `error` key it has failed. Raises `CancelledError` alone."""
        job_id = job.get("id") if isinstance(job, Mapping) else None
        if not isinstance(job_id, str) or not job_id.strip():
            _log.error("a job without an id was refused")
            return _failure(PayloadError(["RunPod's job has no id, so nobody can be told of its end"]))
        raw = job.get("input")
        if isinstance(raw, Mapping) and isinstance(raw.get("webhookSecret"), str):
            logs.conceal([SecretStr(raw["webhookSecret"])])
        with log_lines.about(job=job_id):
            return await self._answered(job, job_id, raw)

    async def _answered(self, job: Mapping[str, Any], job_id: str, raw: object) -> dict[str, Any]:
        started = time.monotonic()
        outcome = "was cancelled"
        try:
            with self._endings.of_a_job() as ending:
                ending.task = asyncio.create_task(self._in_turn(job, job_id, raw, ending))
                result = await ending.task
            if ending.by_runpod:
                # The SDK asked for it, and publishes no result of such a job.
                raise asyncio.CancelledError
            if self._lost_nvenc and _requires_nvenc():
                # A container can lose its GPU while it runs. The SDK ends the worker, and another one is started.
                _log.error("NVENC does not encode here, and REQUIRE_NVENC is `1`: this worker takes no more jobs")
                result["refresh_worker"] = True
            outcome = f"failed: {result.get('errorCode')}" if "error" in result else "completed"
        except Exception as error:  # noqa: BLE001 - what reaches the SDK is published with its traceback
            _log.exception("job %s: the worker met something unforeseen", job_id)
            result = _failure(InternalError.of(error), job_id)
            outcome = "failed: internal_error"
        finally:
            _log.info("job %s %s after %.1f s", job_id, outcome, time.monotonic() - started)
        return result

    async def _in_turn(self, job: Mapping[str, Any], job_id: str, raw: object, ending: Ending) -> dict[str, Any]:
        try:
            async with self._turn:
                timer = None
                if (limit := _time_limit()) is not None:
                    timer = asyncio.get_running_loop().call_later(limit, ending.ask, TimeLimit(limit))
                try:
                    return await self._do(job, job_id, raw, ending)
                finally:
                    if timer is not None:
                        timer.cancel()
        except asyncio.CancelledError:
            if ending.error is None:
                raise
            # It had no process.
            return _failure(ending.error, job_id)

    async def _do(self, job: Mapping[str, Any], job_id: str, raw: object, ending: Ending) -> dict[str, Any]:
        request = {"id": job_id, "input": raw, "begunAt": datetime.now(UTC).isoformat(timespec="milliseconds")}
        for _ in range(STARTS):
            course = await self._attempt(job, request, ending)
            if course.result is not None:
                return course.result
            _log.error("job %s: its process ended unexpectedly (%s)", job_id, course.end)
            await asyncio.to_thread(_wipe)
            if course.webhook is not None:
                error = InternalError(
                    f"The worker process ended unexpectedly ({course.end}) while it announced the result; "
                    "the webhook may have been sent."
                )
                return {**_failure(error, job_id), "webhook": course.webhook}
            if course.begun:
                break
        hint = "; it may have run out of memory" if course.end == "SIGKILL" else ""
        error = InternalError(f"The worker process ended unexpectedly ({course.end}){hint}.")
        return await self._answer_in_place(request, error)

    async def _answer_in_place(self, request: Mapping[str, Any], error: JobError) -> dict[str, Any]:
        """Answer a job whose process died; its result. The spare process does: no store can hold up this one."""
        spare, self._spare = self._spare, None
        limit = time.monotonic() + LONGEST_ANSWER_SECONDS
        result = await asyncio.to_thread(_answered, spare, request, error, None, limit)
        self._spare = _start()
        return result

    async def _attempt(self, job: Mapping[str, Any], request: Mapping[str, Any], ending: Ending) -> _Course:
        """The job in one process, until it has ended and nothing of it is left."""
        process, self._spare = self._spare or _start(), None
        course = _Course()
        if process is None:
            return course
        progress = _Progress(job, self._report)
        try:
            known = encoders.remembered()
            learnt = {"trial": asdict(known) if known is not None else None, "trusted": trusted.trusted()}
            async for message in process.work({**request, **learnt}):
                if message["say"] == "started":
                    course.begun = True
                    # Its imports are paid for while this job fetches its input.
                    self._spare = _start()
                elif message["say"] == "progress":
                    progress.offer(message["progress"])
                elif message["say"] == "tried":
                    # A trial that hung has cost its time: no other job of this worker pays it again.
                    trial = Trial(**message["trial"]) if message["trial"] is not None else None
                    encoders.remember(trial)
                    self._lost_nvenc = trial is None or not trial.works
                elif message["say"] == "answering":
                    course.webhook = message["webhook"]
                elif message["say"] == "finished":
                    trusted.trust(message.get("trusted", ()))
                    course.result = dict(message["result"])
                    break
                elif message["say"] == "cancelled":
                    # Somebody told that process alone.
                    raise asyncio.CancelledError
            await progress.finish()
        except asyncio.CancelledError:
            progress.abandon()
            course.result = await self._end_early(process, request, ending)
            return course
        except BaseException:
            progress.abandon()
            await asyncio.shield(asyncio.to_thread(process.end, ask=True, grace_seconds=CANCEL_GRACE_SECONDS))
            await asyncio.to_thread(_wipe)
            raise
        course.end = _cause(await asyncio.to_thread(process.end, ask=False, grace_seconds=EXIT_GRACE_SECONDS))
        return course

    async def _end_early(self, process: _Child, request: Mapping[str, Any], ending: Ending) -> dict[str, Any]:
        """End a job, and answer it; its result."""
        current = asyncio.current_task()
        if ending.error is None:
            ending.error = JobCancelled()
            ending.by_runpod = current is not None and current.cancelling() > 0
        spare, self._spare = self._spare, None
        work = asyncio.create_task(asyncio.to_thread(_ended_early, process, spare, request, ending.error))
        while not work.done():
            # Whoever asks again does not hasten it.
            with suppress(asyncio.CancelledError):
                await asyncio.shield(work)
        result, self._spare = work.result()
        await asyncio.to_thread(_wipe)
        if self._spare is None:
            self._spare = _start()
        return result


def _ended_early(
    process: _Child, spare: _Child | None, request: Mapping[str, Any], error: JobError
) -> tuple[dict[str, Any], _Child | None]:
    """End a job's process, and let the spare one answer it; the result, and the spare one if it was not needed."""
    deadline = time.monotonic() + ENDED_WITHIN_SECONDS
    process.end(ask=True, grace_seconds=CANCEL_GRACE_SECONDS)
    if (result := process.last("finished", "result")) is not None:
        return result, spare
    body = process.last("answering", "webhook")
    return _answered(spare, request, error, body, deadline), None


def _answered(
    spare: _Child | None, request: Mapping[str, Any], error: JobError, body: Mapping[str, Any] | None, deadline: float
) -> dict[str, Any]:
    """The result of a job that another process answers in the place of its own, by the `deadline`. `body`: the webhook
    that its own was sending, after which no other is sent."""
    answering = spare or _start()
    if answering is not None:
        left = deadline - time.monotonic() - RECORD_SECONDS
        # Nobody waits for an answer that may take as long as any other.
        seconds = max(1.0, min(ANSWER_SECONDS, left)) if left < ENDED_WITHIN_SECONDS else None
        failed_by = {"code": error.code, "public": error.public, "retryable": error.retryable}
        ended = {"error": failed_by, "webhook": body, "seconds": seconds}
        result = answering.ask({**request, "ended": ended}, deadline)
        answering.end(ask=False, grace_seconds=0.0)
        if result is not None:
            return result
    if body is None and (answering is None or not answering.has_said("started")):
        return _answer(request["id"], request["input"], error)
    return {**_failure(error, request["id"]), **({"webhook": body} if body is not None else {})}


@dataclass
class _Course:
    """How far a job came in one process: whether it was begun, the webhook that was to be sent, the result, the end."""

    begun: bool = False
    webhook: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    end: str = "it could not be started"


class _Child:
    """The process of one job, from this side of the pipe."""

    def __init__(self) -> None:
        environment = settings.environment()
        self._process = JobProcess(_visible(environment))
        self._pipe = self._process.pipe
        # Of one that has died already, the job will hear.
        with suppress(OSError):
            self._pipe.send_bytes(json.dumps(environment).encode())
        self._reader: threading.Thread | None = None
        self._said: list[child.Message] = []

    def last(self, say: str, name: str) -> dict[str, Any] | None:
        """What it said last under `name` of such a message; None when it never did. To be asked after its end."""
        return next((message[name] for message in reversed(self._said) if message["say"] == say), None)

    def has_said(self, say: str) -> bool:
        return any(message["say"] == say for message in self._said)

    def ask(self, request: Mapping[str, Any], deadline: float) -> dict[str, Any] | None:
        """Give the process a request; the result, None if none comes. Returns at its end, or at the `deadline`, or when
        it has had the time to put the result on record."""
        with suppress(EOFError, OSError):
            self._pipe.send_bytes(json.dumps(request).encode())
            while self._pipe.poll(max(0.0, deadline - time.monotonic())):
                self._said.append(json.loads(self._pipe.recv_bytes()))
                if self._said[-1]["say"] == "finished":
                    deadline = min(deadline, time.monotonic() + ENDED_WITHIN_SECONDS)
        return self.last("finished", "result")

    async def work(self, request: Mapping[str, Any]) -> AsyncIterator[child.Message]:
        """Give the process its job; what it says until its end."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[child.Message | None] = asyncio.Queue()
        given = json.dumps(request).encode()

        def put(message: child.Message | None) -> None:
            # The loop may be gone when the worker is shut down.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(heard.put_nowait, message)

        def converse() -> None:
            try:
                self._pipe.send_bytes(given)
                while True:
                    self._said.append(json.loads(self._pipe.recv_bytes()))
                    put(self._said[-1])
            except (EOFError, OSError):
                put(None)

        self._reader = threading.Thread(target=converse, name="job pipe", daemon=True)
        self._reader.start()
        while (message := await heard.get()) is not None:
            yield message

    def end(self, *, ask: bool, grace_seconds: float) -> int | None:
        """See the process out, and everything that it started: asked to end or not, it is killed after the grace.

        Its exit code; negative is the signal that killed it.
        """
        if ask:
            self._process.signal(signal.SIGTERM)
        # Not `reap`, which would free the session's number before the sweep.
        if not self._process.ended(grace_seconds):
            self._process.signal(signal.SIGKILL)
            self._process.ended(child.SWEEP_SECONDS)
        child.sweep(self._process.pid)
        exit_code = self._process.reap(child.SWEEP_SECONDS)
        if self._reader is not None:
            self._reader.join(child.SWEEP_SECONDS)
        self._process.close()
        return exit_code


def _visible(environment: Mapping[str, str]) -> dict[str, str]:
    """What of it a process needs to start, and others may see."""
    python = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    return {**tool_environment(environment), **python}


class _Progress:
    """Tells the newest progress, one message at a time, not too often, and none after `finish`."""

    def __init__(self, job: Mapping[str, Any], report: Report | None) -> None:
        self._job, self._report = job, report
        self._latest: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._finishing = False
        self._reported_at, self._reported_phase = float("-inf"), None
        self._task = asyncio.create_task(self._run()) if report is not None else None

    def offer(self, progress: dict[str, Any]) -> None:
        self._latest = progress
        self._news.set()

    async def finish(self) -> None:
        """Returns when nothing is under way any more."""
        self._finishing = True
        self._news.set()
        if self._task is not None:
            await self._task

    def abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        assert self._report is not None
        while True:
            await self._news.wait()
            self._news.clear()
            if self._finishing:
                return
            pause = PROGRESS_SECONDS if self._latest["phase"] == self._reported_phase else PHASE_SECONDS
            left = self._reported_at + pause - time.monotonic()
            if left > 0:
                # What comes meanwhile may be due sooner, or be the end.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left)
                self._news.set()
                continue
            self._reported_at, self._reported_phase = time.monotonic(), self._latest["phase"]
            try:
                await asyncio.wait_for(self._report(self._job, self._latest), REPORT_LIMIT_SECONDS)
            except Exception as error:  # noqa: BLE001 - progress is a courtesy: no job fails for it
                _log.warning("progress was not reported: %s", type(error).__name__)


def _start() -> _Child | None:
    try:
        return _Child()
    except OSError as error:
        # No memory or no process to be had; the next job tries again.
        _log.error("no process could be started: %s", error.strerror)
        return None


def _answer(job_id: str, raw: object, error: JobError) -> dict[str, Any]:
    """Answer where no process can. Takes as long as a webhook may take; nothing is kept."""
    # Here, not above: it imports the whole graph, and workers start sooner without.
    from codex_assets.worker import job

    policy, delivery = settings.reply_policies()
    return job.send(job.refusal(job_id, raw, policy, error), delivery)


def _wipe() -> None:
    # A worker that is not configured says so when it is given a job.
    with suppress(ConfigurationError):
        scratch.wipe_scratch(settings.load().scratch)


def _time_limit() -> float | None:
    with suppress(ConfigurationError):
        return settings.load().job_time_limit
    return None


def _requires_nvenc() -> bool:
    with suppress(ConfigurationError):
        return settings.load().require_nvenc
    return False


def _failure(error: JobError, job_id: str | None = None) -> dict[str, Any]:
    about = {} if job_id is None else {"id": job_id}
    return {**about, "status": "failed", "error": error.public, "errorCode": error.code, "retryable": error.retryable}


def _cause(exit_code: int | None) -> str:
    if exit_code is None:
        return "it did not even end when killed"
    return _SIGNALS.get(-exit_code, f"exit code {exit_code}")
