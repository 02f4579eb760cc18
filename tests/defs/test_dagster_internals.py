"""What we use of Dagster's private parts: each by name, and what breaks when Dagster changes it.

Dagster is pinned, so nothing changes by itself. When its release is raised, a failure here names the place to look at,
before an import stores events that the UI cannot read.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import StepMaterializationData
from dagster._core.instance.ref import InstanceRef
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import get_alembic_config
from dagster._record import copy

from codex_assets.defs import event_log

DEFS = Path(event_log.__file__).parent
PRIVATE = {
    "AssetCheckEvaluationTargetMaterializationData": "check results name no materialization, and the UI shows none",
    "StepMaterializationData": "materializations cannot be written",
    "RUNLESS_JOB_NAME": "events of no run are not recognised as such",
    "RUNLESS_RUN_ID": "events of no run are not recognised as such",
    "AssetCheckExecutionsTable": "check results are not found by the UI, and a run that failed makes checks of what is"
    " published fail",
    "AssetKeyTable": "assets look as if they had never been materialized",
    "AssetEventTagsTable": "tags of a media that was deleted stay",
    "KeyValueStoreTable": "the signatures of a media that was deleted stay",
    "SqlRunStorage": "the signatures of a media that was deleted stay",
    "SqlEventLogStorageTable": "nothing is stored",
    "SqlEventLogStorage": "nothing is stored, and imports into one Postgres database do not exclude each other",
    "copy": "check results cannot be aimed at a materialization",
    "InstanceRef": "telemetry cannot be turned off over a `dagster.yaml`",
    "ConsolidatedSqliteEventLogStorage": "imports into one database do not exclude each other",
    "SqliteEventLogStorage": "imports into one database do not exclude each other, and `make ui` does not start",
    "sqlite_run_storage": "a database with two schema versions is not mended",
    "get_alembic_config": "a database with two schema versions is not mended",
    "SerializableEntitySubset": "Dagster's pages do not show what checks say",
    "AssetCheckExecutionRecordStatus": "check results have no status, and Dagster's pages do not show what they say",
    "AssetCheckExecutionResolvedStatus": "Dagster's pages do not show what checks say",
    "AssetCheckPartitionInfo": "Dagster's pages do not show what checks say",
    "AssetCheckState": "Dagster's pages do not show what checks say",
    "FINISHED_STATUSES": "a check whose run ended without it seems to be under way",
    "DagsterSqliteStorage": "`make ui` does not start",
}
"""Each private name -> what breaks without it."""


def private_imports(path: Path) -> set[str]:
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._")
        for alias in node.names
    }


def test_every_private_name_is_listed() -> None:
    assert private_imports(DEFS / "event_log.py") == set(PRIVATE)


def test_no_other_file_has_any() -> None:
    assert [path.name for path in DEFS.glob("*.py") if private_imports(path)] == ["event_log.py"]


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # A row of the log, as Dagster fills it in.
        (SqlEventLogStorage._event_to_row, ["self", "event"]),
        # The tags of an event, by which the UI finds versions and partitions.
        (SqlEventLogStorage._store_asset_event_tags, ["self", "conn", "events", "event_ids"]),
        # The row of an asset: its latest event.
        (SqlEventLogStorage._get_asset_entry_values, ["self", "event", "event_id", "has_asset_key_index_cols"]),
        # One transaction for all.
        (SqlEventLogStorage.index_transaction, ["self"]),
        (SqlEventLogStorage.index_connection, ["self"]),
        # Whether an event that was imported is still there.
        (
            EventLogStorage.get_latest_storage_id_by_partition,
            ["self", "asset_key", "event_type", "partitions", "after_cursor"],
        ),
        # What each check says of each media.
        (EventLogStorage.get_asset_check_state, ["self", "keys"]),
        (
            SqlEventLogStorage.get_asset_check_partition_info,
            ["self", "keys", "after_storage_id", "partition_keys"],
        ),
        # What was imported of each media.
        (RunStorage.get_cursor_values, ["self", "keys"]),
        (RunStorage.set_cursor_values, ["self", "pairs"]),
        # Opening with settings that outrank `dagster.yaml`.
        (InstanceRef.from_dir, ["base_dir", "config_dir", "config_filename", "overrides"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_function_takes_what_it_is_given(function: Callable[..., Any], expected: list[str]) -> None:
    assert parameters(function) == expected


def test_tables_have_the_columns_that_are_written() -> None:
    """A new column that Dagster fills in itself would be empty in what an import stores."""
    assert set(SqlEventLogStorageTable.c.keys()) == {
        *("id", "run_id", "event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition"),
    }
    assert set(AssetCheckExecutionsTable.c.keys()) == {
        *("id", "asset_key", "check_name", "partition", "run_id", "execution_status", "evaluation_event"),
        *("evaluation_event_timestamp", "evaluation_event_storage_id", "materialization_event_storage_id"),
        "create_timestamp",
    }
    assert set(event_log.CHECK_IDENTITY) <= set(AssetCheckExecutionsTable.c.keys())
    assert "asset_key" in AssetKeyTable.c


def test_an_event_has_the_fields_that_are_filled_in() -> None:
    target = AssetCheckEvaluationTargetMaterializationData(storage_id=1, run_id="run", timestamp=2.0)
    assert (target.storage_id, target.run_id, target.timestamp) == (1, "run", 2.0)
    event = dg.AssetMaterialization("asset")
    assert StepMaterializationData(event).materialization == event
    assert (RUNLESS_JOB_NAME, RUNLESS_RUN_ID) == ("", "")
    assert {status.name for status in AssetCheckExecutionRecordStatus} >= {"SUCCEEDED", "FAILED"}
    assert parameters(dg.EventLogEntry.__new__)[1:] == [
        *("error_info", "level", "user_message", "run_id", "timestamp", "step_key", "job_name", "dagster_event"),
    ]
    evaluation = dg.AssetCheckEvaluation(asset_key=dg.AssetKey("asset"), check_name="check", passed=True, metadata={})
    assert copy(evaluation, target_materialization_data=target).target_materialization_data == target


def test_an_instance_says_where_its_databases_are(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: {tmp_path}/databases}}}}\n")
    reference = InstanceRef.from_dir(str(tmp_path), overrides={"telemetry": {"enabled": False}})
    assert reference.storage_data is not None
    assert reference.storage_data.config_dict["base_dir"] == f"{tmp_path}/databases"
    with dg.DagsterInstance.from_ref(reference) as instance:
        assert not instance.telemetry_enabled
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        assert not issubclass(SqliteEventLogStorage, ConsolidatedSqliteEventLogStorage)
        assert Path(storage._base_dir).is_relative_to(tmp_path / "databases")
        with storage.index_connection() as connection:
            assert connection.dialect.name == "sqlite"
    # The schema version that a database with several is mended to.
    assert ScriptDirectory.from_config(get_alembic_config(sqlite_run_storage.__file__)).get_current_head()


def test_a_configuration_that_is_wrong_says_where(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("retention: {schedule: {purge_after_weeks: 3}}\n")
    with pytest.raises(dg.DagsterInvalidConfigError) as raised:
        InstanceRef.from_dir(str(tmp_path), overrides={})
    (error, *_) = raised.value.errors
    assert error.message
    assert getattr(error.stack.entries[0], "field_name") == "retention"  # noqa: B009 - Dagster types it wider
    assert getattr(error.error_data, "field_name") == "purge_after_weeks"  # noqa: B009
