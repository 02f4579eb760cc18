"""`jobs` and `watch`: what is on record, and what RunPod says of it, asked over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import runpod_api
from commands import call

from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings
from codex_assets.storage.objects import Stores


def stores_of(root: Path) -> Stores:
    return settings.load(settings.local_environment(root)).stores()


OUTPUT = {"mediaId": "m1", "mediaType": "video"}


@pytest.fixture
def api() -> Iterator[runpod_api.Api]:
    with runpod_api.serving() as served:
        yield served


def keep(store: Path, job_id: str, media_id: str, hours_ago: float, **fields: Any) -> None:
    began = datetime.now(UTC) - timedelta(hours=hours_ago)
    record = JobRecord(
        id=job_id,
        media_id=media_id,
        creator_id="ann",
        media_type="video",
        asked=("thumbnail",),
        started_at=began.isoformat(timespec="milliseconds"),
        **fields,
    )
    history.keep(RecordStore(stores_of(store).archive), record)


def test_jobs_lists_what_runs_and_asks_runpod_how_far_it_is(tmp_path: Path, api: runpod_api.Api) -> None:
    store = tmp_path / "stores"
    running = api.submit(OUTPUT)
    job = api.take("pod-1")
    assert job is not None
    api.finish(job, {"status": "IN_PROGRESS", "output": {"phase": "variants", "percent": 40.0, "speed": 2.5}})
    api.submit({"mediaId": "waits"})
    keep(store, running, "m1", 0.1)
    keep(store, "gone-job", "m2", 30)
    keep(store, "done-job", "m3", 2, outcome="failed", error_code="tool_failed", seconds=61.0)
    environment = {**api.client_environment(BUILD_ON="here"), "STORAGE_DIR": str(store)}

    answer = call("jobs", "--json", store=None, **environment)
    assert answer.code == 0, answer.err
    assert answer.json["endpoints"] == [{"waiting": 1, "running": 1}]
    (listed,) = answer.json["jobs"]
    assert (listed["id"], listed["mediaId"], listed["outcome"]) == (running, "m1", "running")
    assert listed["runpod"] == {"state": "running", "phase": "variants", "percent": 40.0, "speed": 2.5}
    assert 300 < listed["seconds"] < 500

    table = call("jobs", "--all", store=None, **environment)
    assert "1 job waiting, 1 running" in table.out
    assert "40 %  variants  2.5x" in table.out
    listed = call("jobs", "--all", "--json", store=None, **environment).json["jobs"]
    ended = {each["id"]: each["outcome"] for each in listed}
    assert ended == {running: "running", "done-job": "failed", "gone-job": "lost"}
    limited = call("jobs", "--all", "--limit", "1", store=None, **environment)
    assert running in limited.out
    assert "2 more" in limited.err
    of_one = call("jobs", "--all", "--where", "id=m3", "--json", store=store).json
    assert (of_one["endpoints"], [each["id"] for each in of_one["jobs"]]) == ([], ["done-job"])


def test_watch_follows_a_job_to_its_end(api: runpod_api.Api) -> None:
    job_id = api.submit(OUTPUT)

    def work() -> None:
        job = api.take("pod-1", 10)
        assert job is not None
        api.finish(job, {"status": "IN_PROGRESS", "output": {"phase": "variants", "percent": 40.0}})
        api.wait_for(lambda: sum(job_id in request for request in api.requests) >= 3)
        api.finish(job, {"status": "completed", "output": OUTPUT})

    worker = threading.Thread(target=work)
    worker.start()
    answer = call("watch", job_id, store=None, **api.client_environment())
    worker.join()
    assert answer.code == 0, answer.err
    assert answer.out.strip() == f"{job_id}: completed"
    assert "variants" in answer.err


def test_watch_says_why_a_job_failed(api: runpod_api.Api) -> None:
    failed, lost = api.submit(OUTPUT), api.submit(OUTPUT)
    for number, end in enumerate(({"error": "The upload is a text file.", "output": OUTPUT}, None)):
        job = api.take(f"pod-{number}")
        assert job is not None
        if end is not None:
            api.finish(job, end)
        else:
            api.end(job, "FAILED", "Traceback (most recent call last):\n  File x\njob timed out after 1 retries")
    answer = call("watch", failed, "--json", store=None, **api.client_environment())
    assert answer.code == 1
    assert answer.json == {
        "id": failed,
        "state": "failed",
        "error": "The upload is a text file.",
        "answer": OUTPUT,
    }
    answer = call("watch", lost, store=None, **api.client_environment())
    assert (answer.code, answer.out.strip()) == (1, f"{lost}: failed: job timed out after 1 retries")


def test_what_cannot_be_watched(api: runpod_api.Api) -> None:
    unknown = call("watch", "no-such-job", store=None, **api.client_environment())
    assert (unknown.code, "does not know a job no-such-job" in unknown.err) == (2, True)
    assert call("watch", "x").code == 2
    refused = call("watch", "x", store=None, **api.client_environment(RUNPOD_API_KEY="another"))
    assert (refused.code, "RUNPOD_API_KEY" in refused.err) == (2, True)
