"""How jobs look: those on record with what RunPod says of them, and the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from codex_assets.archive.history import JobRecord
from codex_assets.cli.console import plural
from codex_assets.library.runpod_jobs import JobState, RunPodJob
from codex_assets.net.runpod_api import EndpointLoad
from codex_assets.quantities import duration, time_left

_COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}
LOST = "lost"
"""Of a job that began and of which nothing more was ever heard."""


@dataclass(frozen=True)
class ListedJob:
    """A job on record. `at_runpod`: what RunPod says of it; None where it was not asked."""

    record: JobRecord
    at_runpod: RunPodJob | None = None

    def outcome(self, now: datetime) -> str:
        """What came of it, or that it runs."""
        if self.record.outcome == "running" and not self.record.is_under_way(now):
            return LOST
        return self.record.outcome

    def seconds(self, now: datetime) -> float | None:
        """How long it took, or has been running by now."""
        if self.record.is_under_way(now):
            return (now - datetime.fromisoformat(self.record.started_at)).total_seconds()
        return self.record.seconds


def load_line(load: EndpointLoad) -> str:
    """What waits and runs at an endpoint."""
    workers = f"; {plural(load.workers, 'worker')} ready" if load.workers is not None else ""
    return f"RunPod: {plural(load.waiting, 'job')} waiting, {load.running:,} running{workers}"


def jobs_table(listed: Sequence[ListedJob], now: datetime) -> Table:
    """One line per job."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", style="bold", overflow="fold")
    table.add_column("media", overflow="fold")
    table.add_column("began (UTC)", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("what", overflow="fold")
    for job in listed:
        outcome, seconds = job.outcome(now), job.seconds(now)
        table.add_row(
            job.record.id,
            job.record.media_id,
            job.record.started_at.replace("T", " ")[:19],
            duration(seconds) if seconds is not None else "",
            Text(outcome, style=_COLOURS.get(outcome, "yellow")),
            _what(job),
        )
    return table


def _what(job: ListedJob) -> str:
    if job.at_runpod is not None and job.at_runpod.state is not JobState.UNKNOWN:
        return _progress(job.at_runpod)
    if job.record.error_code is not None:
        return job.record.error_code
    return plural(len(job.record.outputs or job.record.asked), "output")


def _progress(job: RunPodJob) -> str:
    if job.state is not JobState.RUNNING:
        return job.error or job.state.value
    parts = [f"{job.percent:.0f} %" if job.percent is not None else "", job.phase or ""]
    parts.append(f"{job.speed:.1f}x" if job.speed else "")
    parts.append(f"{time_left(job.seconds_left)} left" if job.seconds_left is not None else "")
    return "  ".join(filter(None, parts))


def jobs_json(listed: Sequence[ListedJob], loads: Sequence[EndpointLoad], now: datetime) -> dict[str, Any]:
    """Every job that is listed, and what waits and runs at each endpoint."""
    return {
        "endpoints": [
            {"waiting": load.waiting, "running": load.running}
            | ({"workers": load.workers} if load.workers is not None else {})
            for load in loads
        ],
        "jobs": [_job_json(job, now) for job in listed],
    }


def _job_json(job: ListedJob, now: datetime) -> dict[str, Any]:
    record, seconds = job.record, job.seconds(now)
    values = {
        "id": record.id,
        "mediaId": record.media_id,
        "creatorId": record.creator_id,
        "mediaType": record.media_type,
        "asked": list(record.asked),
        "outcome": job.outcome(now),
        "errorCode": record.error_code,
        "startedAt": record.started_at,
        "finishedAt": record.finished_at,
        "seconds": round(seconds, 3) if seconds is not None else None,
        "encoder": record.encoder,
        "costUsd": record.cost_usd,
        "runpod": _at_runpod(job.at_runpod) if job.at_runpod is not None else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _at_runpod(job: RunPodJob) -> dict[str, Any]:
    values = {
        "state": job.state.value,
        "phase": job.phase,
        "percent": job.percent,
        "speed": job.speed,
        "secondsLeft": job.seconds_left,
        "error": job.error,
        "errorCode": job.error_code,
    }
    return {name: value for name, value in values.items() if value is not None}


def end_line(job: RunPodJob) -> Text:
    """What came of a job."""
    line = Text.assemble((job.job_id, "bold"), ": ", (job.state.value, _COLOURS.get(job.state.value, "yellow")))
    if job.error:
        line.append(f": {job.error}")
    if job.error_code:
        line.append(f" ({job.error_code})", style="dim")
    return line


def end_json(job: RunPodJob) -> dict[str, Any]:
    """The same, with the worker's answer."""
    return {"id": job.job_id, **_at_runpod(job)} | ({"answer": dict(job.answer)} if job.answer else {})
