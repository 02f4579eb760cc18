"""Building through an endpoint: how a job ends, what is known of it, and who goes first."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jobs
import pytest
import runpod_api
from pydantic import SecretStr
from runpod_api import Api, Job

from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.on_runpod import Buckets, Pace, RunPodBuilder
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.errors import ConfigurationError, EndpointError, JobCancelled, JobError
from codex_assets.media import outputs, recipe
from codex_assets.net.runpod_api import IN_FLIGHT, Endpoint
from codex_assets.system.workspace import Status
from codex_assets.worker import job

pytestmark = pytest.mark.ffmpeg

PACE = Pace(
    first_poll_seconds=0.05, longest_poll_seconds=0.1, hold_seconds=0.05, request_seconds=5.0, patience_seconds=3.0
)
MEDIA = MediaRecord(
    media_id="clip",
    creator_id=jobs.CREATOR,
    media_type="video",
    input_role="archive",
    input_key=jobs.input_key("video", "clip"),
)


@pytest.fixture
def api() -> Iterator[Api]:
    with runpod_api.serving() as served:
        yield served


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A store with one small video, built."""
    settings = configuration.load(jobs.local_environment(tmp_path_factory.mktemp("store")))
    stores = settings.stores()
    jobs.put_original(stores, "video", "clip")
    RecordStore(stores.archive).put("clip", "media", MEDIA)
    with open_workshop(settings) as workshop:
        for _ in workshop.builder.build(MEDIA, outputs.wanted("video")):
            pass
    return settings


def builder(api: Api, settings: Settings, pace: Pace = PACE, *, in_flight: int = 4, **more: Any) -> RunPodBuilder:
    endpoint = Endpoint(runpod_api.ENDPOINT, runpod_api_key(), api.base, in_flight)
    buckets = Buckets(settings.archive_bucket, settings.media_bucket, settings.assets_bucket)
    return RunPodBuilder(endpoint, RecordStore(settings.stores().archive), buckets, pace=pace, **more)


def runpod_api_key() -> SecretStr:
    return SecretStr(runpod_api.KEY)


def work(api: Api, settings: Settings, taken: Job) -> None:
    """What a worker does with a job, and how the SDK posts what comes of it."""
    body = job.work(taken.job_id, taken.input, settings).body.wire()
    error = body.pop("error", None)
    api.finish(taken, {"output": body} if error is None else {"error": error, "output": body})


@contextmanager
def by_hand(api: Api, do: Callable[[Job], None]) -> Iterator[None]:
    """A worker in this process, which does `do` with every job."""
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            taken = api.take("hand", 0.05)
            if taken is not None:
                do(taken)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def receipt(record: OutputRecord) -> str | None:
    return record.build.run_id if record.build is not None else None


def test_outputs_are_built_by_the_endpoint(api: Api, settings: Settings) -> None:
    statuses: list[Status] = []

    def do(taken: Job) -> None:
        progress = {"phase": "thumbnail", "percent": 40.0, "speed": 2.0, "secondsLeft": 3}
        api.finish(taken, {"status": "IN_PROGRESS", "output": progress})
        asked = len(api.requests)
        api.wait_for(lambda: len(api.requests) > asked + 2)
        work(api, settings, taken)

    with by_hand(api, do):
        built = list(builder(api, settings, listener=statuses.append).build(MEDIA, ["thumbnail"]))
    (done,) = api.jobs.values()
    assert [record.output for record in built] == ["thumbnail"]
    assert receipt(built[0]) == done.job_id
    assert done.input["assets"] == ["thumbnail"]
    assert "webhookUrl" not in done.input
    assert done.policy == {"executionTimeout": 4 * 3600 * 1000, "ttl": 10 * 3600 * 1000}
    assert ("thumbnail", 0.4, 2.0, 3.0) in [(s.phase, s.overall, s.speed, s.seconds_left) for s in statuses]
    assert statuses[0].phase == "queued at RunPod"


def test_a_variant_brings_its_master_and_markers_count(api: Api, settings: Settings) -> None:
    with by_hand(api, lambda taken: work(api, settings, taken)):
        built = list(builder(api, settings).build(MEDIA, ["hls_360p", "hls_1080p"]))
    assert [record.output for record in built] == ["hls_1080p", "hls_360p"]
    assert not built[0].applicable
    with pytest.raises(ValueError, match="have no waveform_json"):
        next(builder(api, settings).build(MEDIA, ["waveform_json"]))


@pytest.mark.slow
def test_a_job_that_runpod_has_forgotten_is_known_by_its_records(api: Api, settings: Settings) -> None:
    def do(taken: Job) -> None:
        api.forget(taken.job_id)
        work(api, settings, taken)

    with by_hand(api, do):
        built = list(builder(api, settings, replace(PACE, forgotten=4000)).build(MEDIA, ["thumbnail"]))
    assert len(api.jobs) == 1
    assert receipt(built[0]) in api.jobs


def test_a_lost_job_is_submitted_again_for_what_is_missing(api: Api, settings: Settings) -> None:
    def do(taken: Job) -> None:
        if len(api.jobs) > 1:
            work(api, settings, taken)
            return
        # It comes as far as the thumbnail, and then its worker is gone.
        job.work(taken.job_id, {**taken.input, "assets": ["thumbnail"]}, settings)
        api.end(taken, "FAILED", "job timed out after 1 retries")

    with by_hand(api, do):
        built = list(builder(api, settings).build(MEDIA, ["hls_360p", "thumbnail"]))
    first, second = api.jobs.values()
    assert second.input["assets"] == ["hls_360p"]
    assert {record.output: receipt(record) for record in built} == {
        "thumbnail": first.job_id,
        "hls_360p": second.job_id,
    }


def test_submissions_are_bounded(api: Api, settings: Settings) -> None:
    with by_hand(api, lambda taken: api.end(taken, "FAILED", "worker exited")), pytest.raises(EndpointError) as lost:
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    assert len(api.jobs) == PACE.submissions
    assert lost.value.retryable
    assert "worker exited" not in lost.value.public


def test_a_failure_is_told_as_the_worker_told_it(api: Api, settings: Settings) -> None:
    gone = MEDIA.model_copy(update={"input_key": f"originals/{jobs.CREATOR}/clip/other.mp4"})
    with by_hand(api, lambda taken: work(api, settings, taken)), pytest.raises(JobError) as failed:
        list(builder(api, settings).build(gone, ["mezzanine"]))
    assert failed.value.code == "input_not_found"
    assert "upload it again" in failed.value.public
    assert not failed.value.retryable
    assert len(api.jobs) == 1
    RecordStore(settings.stores().archive).put("clip", "media", MEDIA)


@pytest.mark.parametrize(("state", "code"), [("TIMED_OUT", "timed_out"), ("CANCELLED", "job_cancelled")])
def test_an_end_that_runpod_made(api: Api, settings: Settings, state: str, code: str) -> None:
    with by_hand(api, lambda taken: api.end(taken, state)), pytest.raises(JobError) as failed:
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    assert failed.value.code == code
    assert len(api.jobs) == 1


def test_an_api_that_stumbles_is_asked_again(api: Api, settings: Settings) -> None:
    api.faults.extend([429, 500, 0, 503])
    with by_hand(api, lambda taken: work(api, settings, taken)):
        assert list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    assert len(api.jobs) == 1


def test_an_api_that_is_gone_is_given_up(api: Api, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.faults.extend([502] * 1000)
    with pytest.raises(EndpointError, match="answered 502 Bad Gateway") as failed:
        list(builder(api, settings, replace(PACE, patience_seconds=0.3)).build(MEDIA, ["thumbnail"]))
    assert failed.value.retryable
    assert runpod_api.KEY not in caplog.text + str(failed.value)


def test_a_key_or_an_endpoint_that_is_none(api: Api, settings: Settings) -> None:
    api.faults.append(401)
    with pytest.raises(ConfigurationError, match="RUNPOD_API_KEY"):
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    api.faults.append(404)
    with pytest.raises(ConfigurationError, match="no endpoint ep1"):
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    api.faults.append(400)
    with pytest.raises(EndpointError, match="400 Bad Request"):
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))
    assert len(api.requests) == 3
    assert api.jobs == {}


def test_cancelling_cancels_the_job(api: Api, settings: Settings) -> None:
    cancelled = threading.Event()

    def cancel() -> None:
        api.wait_for(lambda: api.jobs)
        cancelled.set()

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(JobCancelled):
        list(builder(api, settings, cancelled=cancelled).build(MEDIA, ["thumbnail"]))
    assert [submitted.status for submitted in api.jobs.values()] == ["CANCELLED"]


def test_time_limits_end_the_job(api: Api, settings: Settings) -> None:
    with pytest.raises(JobError) as failed:
        list(builder(api, settings, replace(PACE, queue_seconds=0.2)).build(MEDIA, ["thumbnail"]))
    assert (failed.value.code, failed.value.retryable) == ("queue_timeout", True)
    with by_hand(api, lambda taken: None), pytest.raises(JobError) as failed:
        list(builder(api, settings, replace(PACE, execution_seconds=0.2)).build(MEDIA, ["thumbnail"]))
    assert (failed.value.code, failed.value.retryable) == ("timed_out", False)
    assert [submitted.status for submitted in api.jobs.values()] == ["CANCELLED", "CANCELLED"]


def test_waiting_is_limited_all_of_it_together(api: Api, settings: Settings) -> None:
    """Behind others' jobs, and in the queue: what a submission has waited, the next has not."""
    upload = api.submit({"an": "upload"})
    with pytest.raises(JobError, match="nothing was submitted") as failed:
        list(builder(api, settings, replace(PACE, queue_seconds=0.3)).build(MEDIA, ["thumbnail"]))
    assert (failed.value.code, failed.value.retryable) == ("queue_timeout", True)
    assert list(api.jobs) == [upload]
    assert api.take("upload-worker") is not None

    waits = iter([0.6, 0.6, 0.6])

    def lose(taken: Job) -> None:
        api.end(taken, "FAILED", "the worker is gone")

    over = threading.Event()

    def late() -> None:
        for seconds in waits:
            api.wait_for(lambda: api.count("IN_QUEUE") or over.is_set())
            if over.wait(seconds):
                return
            taken = api.take("late", 0.05)
            if taken is not None:
                lose(taken)

    thread = threading.Thread(target=late)
    thread.start()
    try:
        with pytest.raises(JobError) as failed:
            list(builder(api, settings, replace(PACE, queue_seconds=1.0)).build(MEDIA, ["thumbnail"]))
    finally:
        over.set()
        thread.join()
    assert failed.value.code == "queue_timeout"


def test_workers_of_another_version_are_noticed(api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def do(taken: Job) -> None:
        work(api, settings, taken)
        monkeypatch.setitem(recipe.RULES, "thumbnail", 99)

    built: list[OutputRecord] = []
    with by_hand(api, do), pytest.raises(JobError) as failed:
        built.extend(builder(api, settings).build(MEDIA, ["thumbnail"]))
    assert failed.value.code == "worker_outdated"
    assert not failed.value.retryable


@pytest.mark.slow
def test_other_buckets_are_noticed(api: Api, settings: Settings, tmp_path: Path) -> None:
    """A worker that answers well and wrote its records somewhere else."""
    elsewhere = configuration.load(jobs.local_environment(tmp_path))

    def do(taken: Job) -> None:
        jobs.put_original(elsewhere.stores(), "video", "clip")
        job.work(taken.job_id, {**taken.input, "assets": ["mezzanine", "loudness"]}, elsewhere)
        work(api, elsewhere, taken)

    with by_hand(api, do), pytest.raises(EndpointError, match="same buckets"):
        list(builder(api, settings).build(MEDIA, ["thumbnail"]))


# --- Who goes first ---------------------------------------------------------------------------------------------------


def test_others_that_wait_go_first(api: Api, settings: Settings) -> None:
    upload = api.submit({"an": "upload"})
    phases: list[str] = []
    done: list[OutputRecord] = []
    own = builder(api, settings, listener=lambda status: phases.append(status.phase))
    thread = threading.Thread(target=lambda: done.extend(own.build(MEDIA, ["thumbnail"])))
    thread.start()
    api.wait_for(lambda: api.requests.count(f"GET /v2/{runpod_api.ENDPOINT}/health") > 5)
    assert list(api.jobs) == [upload]
    assert phases == ["waiting for other jobs"]
    taken = api.take("upload-worker")
    assert taken is not None
    assert taken.job_id == upload
    with by_hand(api, lambda taken: work(api, settings, taken)):
        thread.join(200.0)
    assert [record.output for record in done] == ["thumbnail"]
    assert len(api.jobs) == 2


@pytest.mark.slow
def test_only_so_many_are_in_flight(api: Api, settings: Settings) -> None:
    most = 0

    def build() -> None:
        list(builder(api, settings, in_flight=2).build(MEDIA, ["thumbnail"]))

    threads = [threading.Thread(target=build) for _ in range(5)]
    for thread in threads:
        thread.start()
    api.wait_for(lambda: len(api.jobs) == 2)
    time.sleep(0.5)
    assert len(api.jobs) == 2, "its own jobs that wait do not keep it from its second"

    def do(taken: Job) -> None:
        nonlocal most
        most = max(most, api.count("IN_QUEUE", "IN_PROGRESS"))
        work(api, settings, taken)

    with by_hand(api, do):
        for thread in threads:
            thread.join(200.0)
    assert (len(api.jobs), most) == (5, 2)


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_the_environment_says_where(tmp_path: Path, api: Api) -> None:
    local = jobs.local_environment(tmp_path)
    # As RunPod starts its workers: an id alone does not send work there.
    assert configuration.load({**local, "RUNPOD_ENDPOINT_ID": "ep1", "RUNPOD_API_KEY": "x"}).runpod is None
    settings = configuration.load({**local, **api.client_environment(RUNPOD_BACKFILL_ENDPOINT_ID="ep2")})
    assert settings.runpod is not None
    assert settings.runpod_backfills is not None
    assert settings.runpod_backfills.endpoint_id == "ep2"
    assert settings.workers() == IN_FLIGHT
    assert runpod_api.KEY not in repr(settings)
    assert runpod_api.KEY in {secret.get_secret_value() for secret in settings.secrets()}
    with open_workshop(settings) as workshop:
        assert isinstance(workshop.builder, RunPodBuilder)
    with open_workshop(settings, here=True) as workshop:
        assert isinstance(workshop.builder, LocalBuilder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"BUILD_ON": "moon"}, "BUILD_ON has to be"),
        ({"RUNPOD_API_KEY": ""}, "BUILD_ON=runpod needs RUNPOD_API_KEY"),
        ({"RUNPOD_ENDPOINT_ID": "", "RUNPOD_API_KEY": " "}, "RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY"),
        ({"RUNPOD_API_KEY": "{{ RUNPOD_SECRET_x }}"}, "unresolved"),
        ({"RUNPOD_ENDPOINT_ID": "https://a/b"}, "ids, not URLs"),
        ({"RUNPOD_API_BASE": "http://api.runpod.ai"}, "https URL"),
        ({"RUNPOD_API_BASE": "http://127.0.0.1.example.com"}, "https URL"),
        ({"RUNPOD_API_BASE": "https://"}, "https URL"),
        ({"RUNPOD_API_BASE": "https://me:word@api.runpod.ai"}, "https URL"),
        ({"RUNPOD_IN_FLIGHT": "0"}, "RUNPOD_IN_FLIGHT"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, api: Api, changed: dict[str, str], message: str) -> None:
    environment = {**jobs.local_environment(tmp_path), **api.client_environment(), **changed}
    with pytest.raises(ConfigurationError, match=message) as failed:
        configuration.load(environment)
    assert runpod_api.KEY not in str(failed.value)


def test_a_worker_builds_here_whatever_is_configured(settings: Settings, api: Api) -> None:
    remote = replace(settings, runpod=Endpoint("ep1", runpod_api_key(), api.base))
    body = job.work("job-1", {**_payload(), "assets": ["thumbnail"]}, remote).body.wire()
    assert body["status"] == "completed"
    assert api.requests == []


RUN = """
import dagster as dg
from codex_assets.defs import partitions
from codex_assets.definitions import defs

with dg.DagsterInstance.get() as instance:
    partitions.register(instance, "video", ["clip"])
    keys = [dg.AssetKey(["video", "thumbnail"])]
    job = defs.get_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, partition_key="clip", asset_selection=keys)
"""


@pytest.mark.slow
def test_a_dagster_run_builds_there_and_is_cancelled_there(settings: Settings, api: Api, tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    environment = {
        **os.environ,
        **jobs.local_environment(tmp_path),
        **api.client_environment(),
        "STORAGE_DIR": str(settings.storage_dir),
        "DAGSTER_HOME": str(home),
    }

    log = tmp_path / "run.log"

    def started() -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=file, stderr=file)

    run = started()
    with by_hand(api, lambda taken: work(api, settings, taken)):
        run.wait(200)
    output = log.read_bytes()
    assert run.returncode == 0, output
    (done,) = api.jobs.values()
    assert done.status == "COMPLETED"
    assert b"queued at RunPod" in output
    assert runpod_api.KEY.encode() not in output
    record = RecordStore(settings.stores().archive).output("clip", "thumbnail")
    assert record is not None
    assert receipt(record) == done.job_id

    run = started()
    api.wait_for(lambda: len(api.jobs) == 2, 120.0)
    run.send_signal(signal.SIGINT)
    run.wait(120)
    output = log.read_bytes()
    assert run.returncode != 0
    assert [submitted.status for submitted in api.jobs.values()] == ["COMPLETED", "CANCELLED"], output
    leaking = [path for path in home.rglob("*") if path.is_file() and runpod_api.KEY.encode() in path.read_bytes()]
    assert leaking == []


def test_backfills_go_to_their_own_endpoint(settings: Settings, api: Api) -> None:
    endpoint = Endpoint("ep1", runpod_api_key(), api.base)
    remote = replace(settings, runpod=endpoint, runpod_backfills=replace(endpoint, endpoint_id="ep2"))
    for backfill, path in ((False, "/v2/ep1/health"), (True, "/v2/ep2/health")):
        api.faults.append(401)
        with open_workshop(remote, backfill=backfill) as workshop, pytest.raises(ConfigurationError):
            list(workshop.builder.build(MEDIA, ["thumbnail"]))
        assert api.requests[-1] == f"GET {path}"


def test_a_job_that_is_delivered_again_goes_on(settings: Settings) -> None:
    """As RunPod does when the worker that had it was lost."""
    records = RecordStore(settings.stores().archive)
    job.work("job-2", {**_payload(), "assets": ["thumbnail"]}, settings)
    first = records.output("clip", "thumbnail")
    body = job.work("job-2", {**_payload(), "assets": ["thumbnail", "preview"]}, settings).body.wire()
    assert {"thumbnailKey", "hlsPreviewKey"} <= set(body["output"])
    assert records.output("clip", "thumbnail") == first
    assert receipt(records.output("clip", "preview") or first) == "job-2"  # type: ignore[arg-type]
    # Another job builds it again.
    job.work("job-3", {**_payload(), "assets": ["thumbnail"]}, settings)
    assert records.output("clip", "thumbnail") != first


def _payload() -> dict[str, Any]:
    given = jobs.payload("video", "clip", "")
    return {name: value for name, value in given.items() if not name.startswith("webhook")}
