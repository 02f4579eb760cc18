"""`codex-assets jobs` and `watch`: which jobs run, which ran, and one of them until it ends.

In: the options, which jobs are meant, and the exit code. Out: what RunPod says of a job (`library/runpod_jobs.py`), the
jobs on record (`library/catalogue.py`), and the tables (`cli/views/jobs.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Conditions, Store
from codex_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from codex_assets.archive.history import JobRecord
    from codex_assets.config.settings import Settings
    from codex_assets.library.selection import Where
    from codex_assets.net.runpod_api import JobsApi

SHOWN = 20
"""Jobs that are listed unless `--limit` says otherwise."""

JobLimit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="List at most so many, the newest.")]


def jobs(
    where: Conditions = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    limit: JobLimit = SHOWN,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that run, and with `--all` those that ran.

    Jobs are on record from when a worker begins them: the last twenty of every media. Where `RUNPOD_ENDPOINT_ID` and
    `RUNPOD_API_KEY` are set, RunPod is asked how far they are, and how many more wait in its queue.

    Exit codes: `0`; `2` the archive or RunPod could not be asked.

    ```
    codex-assets jobs
    codex-assets jobs --all --where creator=ann --limit 100
    codex-assets jobs --json
    ```
    """
    condition = command_frame.parse_where(where)
    from codex_assets.cli.views.jobs import ListedJob, jobs_json, jobs_table, load_line
    from codex_assets.library import runpod_jobs

    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        settings = command_frame.load_settings(store)
        now = datetime.now(UTC)
        recorded = _recorded(settings, condition)
        chosen = [job for job in recorded if everything or job.is_under_way(now)]
        apis = _apis(cancelled) if store is None else []
        loads = [api.load() for api in apis]
        listed = [
            ListedJob(job, runpod_jobs.look(apis, job.id) if apis and job.is_under_way(now) else None)
            for job in chosen[:limit]
        ]
    if as_json:
        console.say_json(jobs_json(listed, loads, now))
        return
    for load in loads:
        console.say(load_line(load))
    if listed:
        console.say(jobs_table(listed, now))
        command_frame.note_rest(len(chosen) - len(listed))
    else:
        console.say("No job is on record." if everything else "No job is under way, as far as is on record.")


def watch(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="RunPod's id of a job.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show how far a job at RunPod is, until it ends.

    Needs `RUNPOD_ENDPOINT_ID` and `RUNPOD_API_KEY`. Ctrl-C ends the watching, and not the job.

    Exit codes: `0` the job completed; `1` it failed, was cancelled or took too long; `2` RunPod could not be asked, or
    does not know the job; `130` you stopped watching.

    ```
    codex-assets watch 2f9c1b7e-6c1d-4d6f-9a53-0a4f6f1f8a2c-e1
    codex-assets watch 2f9c1b7e-6c1d-4d6f-9a53-0a4f6f1f8a2c-e1 --json
    ```
    """
    from codex_assets.cli.views.jobs import end_json, end_line
    from codex_assets.library import runpod_jobs

    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        apis = _apis(cancelled)
        if not apis:
            raise ConfigurationError("Set RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY: there is no endpoint to ask.")
        with progress.run_progress(job_id) as listener:
            end = command_frame.run_in_thread(
                lambda: runpod_jobs.watch(lambda: runpod_jobs.look(apis, job_id), listener, cancelled)
            )
    if as_json:
        console.say_json(end_json(end))
    else:
        console.say(end_line(end))
    if end.state is not runpod_jobs.JobState.COMPLETED:
        raise typer.Exit(FAILED)


def _apis(cancelled: threading.Event) -> list[JobsApi]:
    """The endpoints that the environment names. Raises `ConfigurationError`."""
    from codex_assets.config.settings import endpoints
    from codex_assets.net.runpod_api import JobsApi, Retries

    return [JobsApi(endpoint, Retries(), cancelled) for endpoint in endpoints()]


def _recorded(settings: Settings, where: Where) -> Sequence[JobRecord]:
    """The jobs on record of all media that are meant, the newest first."""
    recorded = [job for _, of_media in command_frame.open_catalogue(settings, where).jobs(where) for job in of_media]
    return sorted(recorded, key=lambda job: job.started_at, reverse=True)
