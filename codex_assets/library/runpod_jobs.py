"""A job at RunPod as it looks from outside: which state it is in, how far it is, and what came of it.

In: what RunPod's answer about a job means, and waiting for a job's end. Out: the request (`net/runpod_api.py`), jobs
that this machine submits itself and what it does when they are lost (`build/on_runpod.py`), and jobs that are on record
(`archive/history.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from codex_assets.errors import JobCancelled, MissingInput
from codex_assets.system.workspace import Listener, Status

POLL_SECONDS = 2.0
"""Between two questions after a job that is watched."""


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    UNKNOWN = "unknown"
    """RunPod does not know it (any more): it forgets jobs half an hour after their end."""


_STATES = {
    "IN_QUEUE": JobState.QUEUED,
    "IN_PROGRESS": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "TIMED_OUT": JobState.TIMED_OUT,
}
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT})


@dataclass(frozen=True)
class RunPodJob:
    """One job. `phase`, `percent`, `speed` and `seconds_left` while it runs, as far as its worker reports them; `error`
    and `error_code` of one that failed; `answer`: the webhook's body, of one that has ended."""

    job_id: str
    state: JobState
    phase: str | None = None
    percent: float | None = None
    speed: float | None = None
    seconds_left: float | None = None
    error: str | None = None
    error_code: str | None = None
    answer: Mapping[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDED


class JobsAnswer(Protocol):
    """Whoever can be asked for a job: an endpoint."""

    def status(self, job_id: str) -> dict[str, Any] | None:
        """What RunPod says of a job; None when it does not know the job."""


def look(endpoints: Sequence[JobsAnswer], job_id: str) -> RunPodJob:
    """What the first of these endpoints that knows a job says of it. Raises what the request raises."""
    for endpoint in endpoints:
        status = endpoint.status(job_id)
        if status is not None:
            return _job(job_id, status)
    return RunPodJob(job_id, JobState.UNKNOWN)


def watch(
    look_at: Callable[[], RunPodJob],
    listener: Listener,
    cancelled: threading.Event,
    pause_seconds: float = POLL_SECONDS,
) -> RunPodJob:
    """The end of a job. `look_at` asks for it, again and again; `listener` is told how far it is.

    Raises `MissingInput` for a job that RunPod does not know, and `JobCancelled` when `cancelled` is set: the job
    itself goes on.
    """
    while True:
        job = look_at()
        if job.state is JobState.UNKNOWN:
            raise MissingInput(
                f"RunPod does not know a job {job.job_id}; it forgets jobs half an hour after their end. "
                "`codex-assets jobs --all` lists those that are on record."
            )
        if job.is_over:
            return job
        phase = job.phase or ("waiting for a worker" if job.state is JobState.QUEUED else "running")
        listener(Status(phase, None, min(1.0, (job.percent or 0.0) / 100), job.speed, job.seconds_left))
        if cancelled.wait(pause_seconds):
            raise JobCancelled


def _job(job_id: str, status: Mapping[str, Any]) -> RunPodJob:
    state = _STATES.get(str(status.get("status")), JobState.RUNNING)
    output: Mapping[str, Any] = status["output"] if isinstance(status.get("output"), dict) else {}
    if state is JobState.COMPLETED and output.get("status") == "failed":
        state = JobState.FAILED
    if state in ENDED:
        error = output.get("error") or status.get("error")
        code = output.get("errorCode")
        # What is not our worker's answer may be a traceback: its last line says what happened.
        sentence = str(error).strip().splitlines()[-1][:500] if error and state is not JobState.COMPLETED else None
        return RunPodJob(job_id, state, error=sentence, error_code=code, answer=output or None)
    if state is JobState.QUEUED:
        return RunPodJob(job_id, state)
    phase = output.get("phase")
    return RunPodJob(
        job_id,
        state,
        phase=phase if isinstance(phase, str) else None,
        percent=_number(output.get("percent")),
        speed=_number(output.get("speed")),
        seconds_left=_number(output.get("secondsLeft")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
