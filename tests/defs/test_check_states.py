"""What each check says of each media: the storages of `dagster.yaml` answer as Dagster's own, with few queries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
import test_deployment as deployment
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.asset_check_state import AssetCheckState, bulk_update_asset_check_state
from dagster._core.test_utils import create_run_for_test

from codex_assets.defs.check_states import CheckStates

ASSET = dg.AssetKey(["video", "hls_720p"])
CHECK, OTHER = dg.AssetCheckKey(ASSET, "must"), dg.AssetCheckKey(ASSET, "whole")
MEDIA = dg.DynamicPartitionsDefinition(name="video_media")
STATUS = AssetCheckExecutionResolvedStatus


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgres",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not deployment.POSTGRES, reason="postgres is not installed"),
            ],
        ),
    ]
)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance of the storage that `make ui` uses, and of the one of deployments."""
    with ExitStack() as stack:
        named, setting = "sqlite_storage, class: SqliteStorage", f"base_dir: {tmp_path}"
        if request.param == "postgres":
            database = stack.enter_context(deployment.postgres(Path(f"/tmp/postgres-checks-{os.getpid()}")))
            named, setting = "postgres_storage, class: PostgresStorage", f"postgres_url: '{database}'"
        storage = f"module: codex_assets.defs.{named}, config: {{{setting}}}"
        (tmp_path / "dagster.yaml").write_text(
            f"telemetry: {{enabled: false}}\nstorage: {{custom: {{{storage}}}}}\n", encoding="utf-8"
        )
        opened = stack.enter_context(dg.DagsterInstance.from_config(str(tmp_path)))
        assert isinstance(opened.event_log_storage, CheckStates)
        yield opened


def build(instance: dg.DagsterInstance, media_id: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition=media_id))


def judge(instance: dg.DagsterInstance, media_id: str | None, *, passed: bool, check: dg.AssetCheckKey = CHECK) -> None:
    """Of what is materialized now."""
    about = None
    if media_id is not None:
        query = dg.AssetRecordsFilter(asset_key=ASSET, asset_partitions=[media_id])
        (record,) = instance.fetch_materializations(query, limit=1).records
        about = AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    evaluation = dg.AssetCheckEvaluation(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=passed,
        metadata={},
        partition=media_id,
        target_materialization_data=about,
    )
    instance.report_runless_asset_event(evaluation)


def plan(instance: dg.DagsterInstance, media_id: str, status: dg.DagsterRunStatus) -> None:
    """A run that was to judge a media and came to this, without a word about the check."""
    run = create_run_for_test(instance, status=status)
    subset = MEDIA.empty_subset().with_partition_keys([media_id])
    planned = AssetCheckEvaluationPlanned(asset_key=ASSET, check_name=CHECK.name, partitions_subset=subset)
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        job_name=run.job_name,
        event_specific_data=planned,
    )
    instance.report_dagster_event(event, run.run_id)


def furnish(instance: dg.DagsterInstance) -> None:
    """A media of every kind that a check can say something of, but those whose run ended without a word."""
    instance.add_dynamic_partitions("video_media", ["good", "bad", "again", "never", "runs"])
    for media_id in ("good", "bad", "again", "runs", "unknown"):
        build(instance, media_id)
        judge(instance, media_id, passed=media_id != "bad")
    build(instance, "again")
    plan(instance, "runs", dg.DagsterRunStatus.STARTED)
    judge(instance, None, passed=False, check=OTHER)


def media_of(state: AssetCheckState, status: STATUS) -> set[str]:
    return set(state.subsets[status].subset_value.get_partition_keys())


def test_every_media_is_in_the_state_that_dagster_would_say(instance: dg.DagsterInstance) -> None:
    furnish(instance)
    keys = [(CHECK, MEDIA), (OTHER, None)]
    answer = instance.event_log_storage.get_asset_check_state(keys)
    assert {status.name: media_of(answer[CHECK], status) for status in STATUS} == {
        "SUCCEEDED": {"good"},
        "FAILED": {"bad"},
        "IN_PROGRESS": {"runs"},
        "EXECUTION_FAILED": set(),
        "SKIPPED": set(),
    }
    with partition_loading_context(dynamic_partitions_store=instance):
        expected = bulk_update_asset_check_state(instance, keys, {key: AssetCheckState.empty() for key, _ in keys})
    assert answer[OTHER] == expected[OTHER]
    assert answer[CHECK].in_progress_runs == expected[CHECK].in_progress_runs
    for status in STATUS:
        assert media_of(answer[CHECK], status) == media_of(expected[CHECK], status)
    assert answer[CHECK].latest_storage_id == max(expected[CHECK].latest_storage_id, 1)


def test_a_run_that_ended_without_a_word_leaves_what_was_said_of_what_is_published(
    instance: dg.DagsterInstance,
) -> None:
    instance.add_dynamic_partitions("video_media", ["fine", "worse", "twice", "changed", "first", "stopped"])
    for media_id in ("fine", "worse", "twice", "changed", "stopped"):
        build(instance, media_id)
        judge(instance, media_id, passed=media_id != "worse")
    build(instance, "changed")
    for media_id in ("fine", "worse", "twice", "changed", "first"):
        plan(instance, media_id, dg.DagsterRunStatus.FAILURE)
    plan(instance, "twice", dg.DagsterRunStatus.FAILURE)
    plan(instance, "stopped", dg.DagsterRunStatus.CANCELED)
    (state,) = instance.event_log_storage.get_asset_check_state([(CHECK, MEDIA)]).values()
    assert {status.name: media_of(state, status) for status in STATUS if media_of(state, status)} == {
        "SUCCEEDED": {"fine", "twice", "stopped"},
        "FAILED": {"worse"},
    }


def test_of_a_check_without_results_nothing_is_said(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("video_media", ["never"])
    (state,) = instance.event_log_storage.get_asset_check_state([(CHECK, MEDIA)]).values()
    assert all(subset.is_empty for subset in state.subsets.values())
    assert state.latest_storage_id == 0


@contextmanager
def queries() -> Iterator[list[str]]:
    """The queries of the block, to any database."""
    asked: list[str] = []

    def note(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", note)


def test_it_takes_as_many_queries_for_many_media_as_for_one(instance: dg.DagsterInstance) -> None:
    taken = []
    for media_ids in (["m0"], [f"m{number}" for number in range(1, 40)]):
        instance.add_dynamic_partitions("video_media", media_ids)
        for media_id in media_ids:
            build(instance, media_id)
            judge(instance, media_id, passed=True)
        with queries() as asked:
            (state,) = instance.event_log_storage.get_asset_check_state([(CHECK, MEDIA)]).values()
        taken.append(len(asked))
    assert len(media_of(state, STATUS.SUCCEEDED)) == 40
    assert taken[0] == taken[1] < 20
