"""Writes materializations and check results into Dagster's event log, many in one transaction, and deletes them.

Dagster's own interface stores one event at a time, which takes hours for thousands of media. So this module knows
Dagster's tables and private classes, and it alone imports them: what others need of them they take from here
(`instance_storage.py` to open an instance, `check_states.py` and `sqlite_storage.py` to answer for all media at once).
What breaks when Dagster changes one is listed in `tests/defs/test_dagster_internals.py`. Which events are written is
decided in `records_import.py`.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import StepMaterializationData
from dagster._core.instance.ref import InstanceRef
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import KeyValueStoreTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._record import copy
from sqlalchemy import bindparam, select

from codex_assets.archive.records import ORIGINAL, OutputRecord
from codex_assets.defs import materializations

__all__ = (
    # Dagster's own, for the modules that are named above.
    "FINISHED_STATUSES",
    "AssetCheckExecutionRecordStatus",
    "AssetCheckExecutionResolvedStatus",
    "AssetCheckExecutionsTable",
    "AssetCheckPartitionInfo",
    "AssetCheckState",
    "ConsolidatedSqliteEventLogStorage",
    "DagsterSqliteStorage",
    "InstanceRef",
    "SerializableEntitySubset",
    "SqlEventLogStorage",
    "SqliteEventLogStorage",
    "get_alembic_config",
    "sqlite_run_storage",
)

CHECK_IDENTITY = ("asset_key", "check_name", "run_id", "partition")
"""The columns of which Dagster's table of check results holds each combination once."""


@dataclass(frozen=True)
class LatestEvent:
    """The latest materialization of an output of a media, as an instance has it."""

    media_id: str
    media_type: str
    output: str
    data: AssetCheckEvaluationTargetMaterializationData
    """What a check result names of the materialization that it is about."""
    tags: Mapping[str, str]
    built_at: Any

    @property
    def storage_id(self) -> int:
        """The event's number in Dagster's log: later events have higher ones."""
        return self.data.storage_id

    @property
    def data_version(self) -> str | None:
        """The version of the contents; None for an event without one."""
        return self.tags.get("dagster/data_version")

    def is_of(self, record: OutputRecord) -> bool:
        """Whether this is the event of the build that the record is of."""
        built_at = record.build.built_at if record.build is not None else None
        own = (self.data_version, self.tags.get("dagster/code_version"), self.built_at)
        return own == (record.data_version, record.code_version, built_at)


@dataclass(frozen=True)
class OutputEvents:
    """What is to be stored of an output: its materialization, and the results of its checks.

    `event` is None where only check results are stored, which then are about `latest`. `pointers`: input -> storage id
    of the event of it that the instance has. `changed`: the inputs that have other contents now than this output was
    made from.
    """

    media_id: str
    output: str
    event: dg.AssetMaterialization | None
    latest: LatestEvent | None
    pointers: Mapping[str, int]
    changed: Collection[str]
    evaluations: Sequence[dg.AssetCheckEvaluation]


def latest_event(
    instance: dg.DagsterInstance, media_id: str, media_type: str, output: str, before: int | None = None
) -> LatestEvent | None:
    """The latest materialization of an output of a media; with `before`, of those with a lower storage id than that."""
    query = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey([media_type, output]), asset_partitions=[media_id], before_storage_id=before
    )
    records = instance.fetch_materializations(query, limit=1).records
    if not records or records[0].asset_materialization is None:
        return None
    event = records[0].asset_materialization
    built_at = event.metadata.get("built_at")
    return LatestEvent(
        media_id,
        media_type,
        output,
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=records[0].storage_id, run_id=records[0].run_id, timestamp=records[0].timestamp
        ),
        event.tags or {},
        built_at.value if built_at is not None else None,
    )


def latest_storage_ids(instance: dg.DagsterInstance, media_type: str, output: str) -> Mapping[str, int]:
    """Media id -> storage id of the latest materialization of this output."""
    return instance.event_log_storage.get_latest_storage_id_by_partition(
        dg.AssetKey([media_type, output]), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def store_events(instance: dg.DagsterInstance, outputs: Sequence[OutputEvents]) -> dict[str, dict[str, int]]:
    """Store all events in one transaction: what Dagster's `report_runless_asset_event` does for each of them, with a
    connection and a commit for each. Inputs have to come before what is made from them.

    The answer: media id -> `type/output` -> storage id of the materialization that was stored.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_transaction() as connection:
        return _Transaction(storage, connection, time.time()).store(outputs)


def forget_media(instance: dg.DagsterInstance, media_id: str, cursor: str) -> None:
    """Delete every event and check result of a media's outputs, and the `cursor` that was kept of it.

    Dagster can wipe an asset, and no single partition of one. What runs left besides goes with the runs.
    """
    storage, runs = instance.event_log_storage, instance.run_storage
    assert isinstance(storage, SqlEventLogStorage)
    assert isinstance(runs, SqlRunStorage)
    events, checks, tags = SqlEventLogStorageTable, AssetCheckExecutionsTable, AssetEventTagsTable
    with storage.index_transaction() as connection:
        own = select(events.c.id).where(events.c.partition == media_id)
        touched = set(
            connection.execute(select(events.c.asset_key).where(events.c.partition == media_id).distinct()).scalars()
        )
        connection.execute(tags.delete().where(tags.c.event_id.in_(own)))
        connection.execute(events.delete().where(events.c.partition == media_id))
        connection.execute(checks.delete().where(checks.c.partition == media_id))
        for key in filter(None, touched):
            _put_latest(connection, key)
    with runs.connect() as connection:
        connection.execute(KeyValueStoreTable.delete().where(KeyValueStoreTable.c.key == cursor))


def _put_latest(connection: Any, asset_key: str) -> None:
    """An asset's row has its latest materialization, and which partitions have one: make both true again."""
    events, assets = SqlEventLogStorageTable, AssetKeyTable
    latest = connection.execute(
        select(events.c.event)
        .where(
            events.c.asset_key == asset_key,
            events.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        )
        .order_by(events.c.id.desc())
        .limit(1)
    ).scalar()
    connection.execute(
        assets.update()
        .values(last_materialization=latest, cached_status_data=None)
        .where(assets.c.asset_key == asset_key)
    )


@dataclass(frozen=True)
class _Transaction:
    """Events that are stored at once. `now`: seconds since 1970, the time of each of them."""

    storage: SqlEventLogStorage
    connection: Any
    now: float

    def store(self, outputs: Sequence[OutputEvents]) -> dict[str, dict[str, int]]:
        """As `store_events`."""
        storage_ids: dict[str, dict[str, int]] = {}
        stored: list[tuple[dg.EventLogEntry, int]] = []
        results: list[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]] = []
        for each in outputs:
            if each.event is not None:
                own = storage_ids.setdefault(each.media_id, {})
                entry, number = self._materialization(each, each.event, own)
                own["/".join(each.event.asset_key.path)] = number
                stored.append((entry, number))
                target = AssetCheckEvaluationTargetMaterializationData(
                    storage_id=number, run_id=RUNLESS_RUN_ID, timestamp=self.now
                )
            else:
                assert each.latest is not None
                target = each.latest.data
            results += [(evaluation, target) for evaluation in each.evaluations]
        self._index(stored)
        if results:
            self._check_results(results)
        return storage_ids

    def _materialization(
        self, output: OutputEvents, event: dg.AssetMaterialization, stored: Mapping[str, int]
    ) -> tuple[dg.EventLogEntry, int]:
        """Store one event; the entry, and its storage id. `stored`: `type/output` -> storage id, of this media."""
        if output.output != ORIGINAL:
            now = {name.partition("/")[2]: number for name, number in stored.items()}
            now.pop(ORIGINAL, None)
            changed = dict.fromkeys(output.changed, materializations.BEFORE_ANY)
            event = materializations.pointing(event, {**output.pointers, **now, **changed})
        entry = _entry(dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event), self.now)
        inserted = self.connection.execute(SqlEventLogStorageTable.insert(), self.storage._event_to_row(entry))
        assert inserted.inserted_primary_key is not None
        return entry, int(inserted.inserted_primary_key[0])

    def _index(self, stored: Sequence[tuple[dg.EventLogEntry, int]]) -> None:
        """Fill in Dagster's tables of tags and of assets, by which it finds the events."""
        if not stored:
            return
        self.storage._store_asset_event_tags(
            self.connection, [entry for entry, _ in stored], [number for _, number in stored]
        )
        # One row per asset: the latest.
        latest = {str(entry.get_dagster_event().asset_key): (entry, number) for entry, number in stored}
        for entry, number in latest.values():
            asset_key = entry.get_dagster_event().asset_key
            assert asset_key is not None
            key, values = asset_key.to_string(), self.storage._get_asset_entry_values(entry, number, True)
            updated = self.connection.execute(
                AssetKeyTable.update().values(**values).where(AssetKeyTable.c.asset_key == key)
            )
            if updated.rowcount == 0:
                self.connection.execute(AssetKeyTable.insert().values(asset_key=key, **values))

    def _check_results(
        self, results: Sequence[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]]
    ) -> None:
        """Store check results, each about one materialization."""
        event_rows = [self._check_event(evaluation, target) for evaluation, target in results]
        number = SqlEventLogStorageTable.c.id
        numbers = self.connection.execute(
            SqlEventLogStorageTable.insert().returning(number, sort_by_parameter_order=True), event_rows
        ).scalars()
        rows = [
            _check_row(evaluation, target, int(number), event_row)
            for (evaluation, target), number, event_row in zip(results, numbers, event_rows, strict=True)
        ]
        # One row per check and media of the results that no run left: a later result takes the place of the earlier.
        table = AssetCheckExecutionsTable
        same = [table.c[column] == bindparam(f"old_{column}") for column in CHECK_IDENTITY]
        self.connection.execute(
            table.delete().where(*same), [{f"old_{column}": row[column] for column in CHECK_IDENTITY} for row in rows]
        )
        self.connection.execute(table.insert(), rows)

    def _check_event(
        self, evaluation: dg.AssetCheckEvaluation, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dict[str, Any]:
        """A row of Dagster's event log."""
        about = copy(evaluation, target_materialization_data=target)
        entry = _entry(dg.DagsterEventType.ASSET_CHECK_EVALUATION, about, self.now)
        return dict(self.storage._event_to_row(entry))


def _entry(event_type: dg.DagsterEventType, data: Any, now: float) -> dg.EventLogEntry:
    event = dg.DagsterEvent(event_type_value=event_type.value, event_specific_data=data, job_name=RUNLESS_JOB_NAME)
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        user_message="",
        level=20,
        job_name=RUNLESS_JOB_NAME,
        run_id=RUNLESS_RUN_ID,
        error_info=None,
        timestamp=now,
        step_key=None,
        dagster_event=event,
    )


def _check_row(
    evaluation: dg.AssetCheckEvaluation,
    target: AssetCheckEvaluationTargetMaterializationData,
    number: int,
    event_row: Mapping[str, Any],
) -> dict[str, Any]:
    """A row of Dagster's table of check results. `number`: the storage id of the result's event."""
    status = AssetCheckExecutionRecordStatus
    return {
        "asset_key": evaluation.asset_key.to_string(),
        "check_name": evaluation.check_name,
        "run_id": event_row["run_id"],
        "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
        "evaluation_event": event_row["event"],
        "evaluation_event_timestamp": event_row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id,
        "partition": evaluation.partition,
    }
