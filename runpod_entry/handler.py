"""RunPod's dict in, RunPod's dict out: supervises the process that does the job, and sees that it is answered once.

In: one warm spare process, progress that is reported in order and not too often, cancelling, and what is left to say
when a process dies. Out: the job itself (`child.py`, `codex_assets.worker.job`) and the SDK (`__main__.py`): nothing
here imports it, how progress is reported is given to the worker.

The job's process sends the webhook, and says so just before. When it dies earlier (out of memory, most likely), the
worker sends a `failed` one in its place; when it dies later, nobody sends a second one.
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
from typing import Any

from pydantic import SecretStr

from codex_assets import log_lines
from codex_assets.build import encoders
from codex_assets.config import settings
from codex_assets.errors import ConfigurationError, InternalError, JobError, PayloadError
from codex_assets.system import scratch
from codex_assets.system.tools import Trial, tool_environment
from runpod_entry import child, logs
from runpod_entry.process import JobProcess

CANCEL_GRACE_SECONDS = 2.5
"""From SIGTERM to SIGKILL. A cancelled job ends its tools and removes its files well within it."""
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
            async with self._turn:
                result = await self._do(job, job_id, raw)
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

    async def _do(self, job: Mapping[str, Any], job_id: str, raw: object) -> dict[str, Any]:
        for _ in range(STARTS):
            course = await self._attempt(job, {"id": job_id, "input": raw})
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
        return await asyncio.to_thread(_answer, job_id, raw, error)

    async def _attempt(self, job: Mapping[str, Any], request: Mapping[str, Any]) -> _Course:
        """The job in one process, until it has ended and nothing of it is left."""
        process, self._spare = self._spare or _start(), None
        course = _Course()
        if process is None:
            return course
        progress = _Progress(job, self._report)
        try:
            known = encoders.remembered()
            async for message in process.work({**request, "trial": asdict(known) if known is not None else None}):
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
                    course.result = dict(message["result"])
                    break
            await progress.finish()
        except BaseException:
            # Cancelled, most likely. A second cancel would not stop the thread that sees to the end.
            progress.abandon()
            await asyncio.shield(asyncio.to_thread(process.end, ask=True, grace_seconds=CANCEL_GRACE_SECONDS))
            await asyncio.to_thread(_wipe)
            raise
        course.end = _cause(await asyncio.to_thread(process.end, ask=False, grace_seconds=EXIT_GRACE_SECONDS))
        return course


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
                    put(json.loads(self._pipe.recv_bytes()))
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
    """Answer in place of the process that should have. Takes as long as a webhook may take."""
    # Here, not above: it imports the whole graph, and workers start sooner without.
    from codex_assets.worker import job

    policy, delivery = settings.reply_policies()
    answer = job.refusal(job_id, raw, policy, error)
    result = job.send(answer, delivery)
    # A worker that is not configured knows no archive.
    with suppress(ConfigurationError):
        job.keep_undelivered(answer, result, settings.load())
    return result


def _wipe() -> None:
    # A worker that is not configured says so when it is given a job.
    with suppress(ConfigurationError):
        scratch.wipe_scratch(settings.load().scratch)


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
