"""How long a run of Dagster may last: above what its builder lets it wait and work, for Dagster's own monitor."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import jobs
import pytest
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._serdes import serialize_value
from dagster_shared.yaml_utils import load_yaml_from_path
from test_records_import import MEDIA, Room, built, key  # noqa: F401 - a fixture among them

from codex_assets.build.on_runpod import Pace
from codex_assets.definitions import defs
from codex_assets.defs import assets
from codex_assets.defs.jobs import jobs as every_job
from codex_assets.defs.max_runtime import MAX_RUNTIME

ROOT = jobs.ROOT
TAG = "dagster/max_runtime"
OLD = "run_monitoring: {enabled: true, max_runtime_seconds: 14400}\ntelemetry: {enabled: false}\n"
"""A `dagster.yaml` that counts what a run waits for."""


@pytest.fixture
def room(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:  # noqa: F811 - the imported fixture
    shutil.copytree(built, tmp_path / "stores")
    made = Room(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(OLD, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as opened:
        yield opened


def started(instance: dg.DagsterInstance, run_id: str, seconds_ago: float) -> None:
    """As if this run had begun then, and went on."""
    run = instance.get_run_by_id(run_id)
    storage = instance.run_storage
    assert run is not None
    assert isinstance(storage, SqlRunStorage)
    at_work = run.with_status(dg.DagsterRunStatus.STARTED)
    with storage.connect() as connection:
        connection.execute(
            RunsTable.update()
            .where(RunsTable.c.run_id == run_id)
            .values(
                status="STARTED",
                start_time=time.time() - seconds_ago,
                end_time=None,
                run_body=serialize_value(at_work),
            )
        )


def monitored(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    """The state in which Dagster's monitor leaves a run."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        assert not any(execute_run_monitoring_iteration(context, logging.getLogger(__name__)))
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    "from_job", [pytest.param(True, marks=pytest.mark.slow), False], ids=["of a job", "of Materialize"]
)
def test_a_run_is_ended_by_its_own_limit_and_not_by_the_instances(
    room: Room, instance: dg.DagsterInstance, from_job: bool
) -> None:
    room.learn(instance)
    tags = {"dagster/partition": MEDIA}
    if from_job:
        job = defs.resolve_job_def("verify_audio")
    else:
        # What the UI launches for chosen assets, and a backfill for each of its media.
        job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={key("hls_master")})
        assert TAG not in job.tags
    result = job.execute_in_process(instance=instance, tags=tags)
    assert result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    limit = float(run.tags[TAG])
    pace = Pace()
    attempts = assets.RETRIES.max_retries + 1
    assert limit > attempts * (pace.queue_seconds + pace.submissions * pace.execution_seconds)
    # Waiting for its turn, and longer than the instance would let it.
    started(instance, result.run_id, pace.queue_seconds + pace.execution_seconds)
    assert monitored(instance, result.run_id) is dg.DagsterRunStatus.STARTED
    started(instance, result.run_id, limit + 60)
    assert monitored(instance, result.run_id) is dg.DagsterRunStatus.FAILURE


@pytest.mark.ffmpeg
def test_an_engineers_own_limit_stays(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={key("hls_master")})
    result = job.execute_in_process(instance=instance, tags={"dagster/partition": MEDIA, TAG: "77"})
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[TAG] == "77"


def test_every_job_brings_it_and_no_deployment_counts_otherwise() -> None:
    for job in every_job(()):
        assert job.tags is not None
        assert job.tags[TAG] == MAX_RUNTIME[TAG]
    settings = load_yaml_from_path(str(ROOT / "deploy" / "dagster.yaml"))
    assert isinstance(settings, dict)
    assert settings["run_monitoring"]["enabled"]
    assert settings["run_monitoring"].get("max_runtime_seconds", 1e9) >= float(MAX_RUNTIME[TAG])
