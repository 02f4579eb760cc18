"""Writes materializations and check results into Dagster's event log, many in one transaction.

Dagster's own interface stores one event at a time, which takes hours for thousands of media. So this module knows
Dagster's tables and private classes; nothing else of an import does. Which events are written is decided in
`records_import.py`.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._record import copy
from sqlalchemy import bindparam

from codex_assets.archive.records import ORIGINAL, OutputRecord
from codex_assets.defs import assets

CHECK_IDENTITY = ("asset_key", "check_name", "run_id", "partition")
"""What Dagster's table holds once."""


@dataclass(frozen=True)
class Target:
    """The latest materialization of an output of a media."""

    media_id: str
    media_type: str
    output: str
    data: AssetCheckEvaluationTargetMaterializationData
    tags: Mapping[str, str]
    built_at: Any

    @property
    def data_version(self) -> str | None:
        return self.tags.get("dagster/data_version")

    def same(self, record: OutputRecord) -> bool:
        built_at = record.build.built_at if record.build is not None else None
        told = (self.data_version, self.tags.get("dagster/code_version"), self.built_at)
        return told == (record.data_version, record.code_version, built_at)


@dataclass(frozen=True)
class News:
    """What is stored of an output: its materialization, and what checks found. Without an event, they aim at `target`.

    `known`: the latest events of the media's outputs that the instance has, by storage id. `changed`: the inputs that
    have other contents now than this was made from.
    """

    media_id: str
    output: str
    event: dg.AssetMaterialization | None
    target: Target | None
    known: Mapping[str, int]
    changed: Collection[str]
    evaluations: Sequence[dg.AssetCheckEvaluation]


def latest_events(
    instance: dg.DagsterInstance, media_id: str, media_type: str, output: str, before: int | None = None
) -> Target | None:
    """`before`: a storage id; among the events that are older."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey([media_type, output]), asset_partitions=[media_id], before_storage_id=before
    )
    found = instance.fetch_materializations(wanted, limit=1).records
    if not found or found[0].asset_materialization is None:
        return None
    event = found[0].asset_materialization
    built_at = event.metadata.get("built_at")
    return Target(
        media_id,
        media_type,
        output,
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=found[0].storage_id, run_id=found[0].run_id, timestamp=found[0].timestamp
        ),
        event.tags or {},
        built_at.value if built_at is not None else None,
    )


def store_news(instance: dg.DagsterInstance, news: Sequence[News]) -> dict[str, dict[str, int]]:
    """All events in one transaction: what Dagster does for each of them, with a connection and a commit for each.

    The storage ids of those of outputs, as in `_Known`.

    This is what `report_runless_asset_event` writes, through the storage's own statements; the release is pinned.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    now = time.time()
    numbers: dict[str, dict[str, int]] = {}
    stored: list[tuple[EventLogEntry, int]] = []
    aimed: list[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]] = []
    with storage.index_transaction() as connection:
        made: dict[str, dict[str, int]] = {}
        for one in news:
            if one.event is not None:
                just = made.setdefault(one.media_id, {})
                pointers = {**one.known, **just, **dict.fromkeys(one.changed, assets.BEFORE_ANY)}
                upload = one.output == ORIGINAL
                event = one.event if upload else assets.pointing(one.event, pointers)
                entry = _entry(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event), now)
                inserted = connection.execute(SqlEventLogStorageTable.insert(), storage._event_to_row(entry))
                assert inserted.inserted_primary_key is not None
                number = int(inserted.inserted_primary_key[0])
                just |= {} if upload else {one.output: number}
                numbers.setdefault(one.media_id, {})["/".join(one.event.asset_key.path)] = number
                stored.append((entry, number))
                data = AssetCheckEvaluationTargetMaterializationData(
                    storage_id=number, run_id=RUNLESS_RUN_ID, timestamp=now
                )
            else:
                assert one.target is not None
                data = one.target.data
            aimed += [(evaluation, data) for evaluation in one.evaluations]
        if stored:
            storage._store_asset_event_tags(connection, [one for one, _ in stored], [number for _, number in stored])
        # One row per asset: the latest.
        latest = {str(entry.get_dagster_event().asset_key): (entry, number) for entry, number in stored}
        for entry, number in latest.values():
            values = storage._get_asset_entry_values(entry, number, True)
            key = entry.get_dagster_event().asset_key
            assert key is not None
            _upsert(connection, key.to_string(), values)
        if aimed:
            _store_checks(storage, connection, aimed, now)
    return numbers


def _store_checks(
    storage: SqlEventLogStorage,
    connection: Any,
    aimed: Sequence[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]],
    now: float,
) -> None:
    """What checks found, each of one materialization: nearly all that there is to store, so many in one statement."""
    events = _Events(storage, now)
    told = [events.row(evaluation, target) for evaluation, target in aimed]
    number = SqlEventLogStorageTable.c.id
    inserted = connection.execute(
        SqlEventLogStorageTable.insert().returning(number, sort_by_parameter_order=True), told
    ).scalars()
    rows = [
        _check_row(evaluation, target, int(made), event)
        for (evaluation, target), made, event in zip(aimed, inserted, told, strict=True)
    ]
    # One row per check and media of what no run found: what is told again takes the place of the earlier one.
    table = AssetCheckExecutionsTable
    same = [table.c[name] == bindparam(f"old_{name}") for name in CHECK_IDENTITY]
    connection.execute(
        table.delete().where(*same), [{f"old_{one}": row[one] for one in CHECK_IDENTITY} for row in rows]
    )
    connection.execute(table.insert(), rows)


class _Events:
    """The events of checks as Dagster stores them.

    One of each severity Dagster writes itself; in the others only what differs is filled in, which takes a fifth of the
    time. A test compares what is read back with what was to be told.
    """

    def __init__(self, storage: SqlEventLogStorage, now: float) -> None:
        self._storage = storage
        self._now = now
        self._samples: dict[dg.AssetCheckSeverity, tuple[dict[str, Any], dict[str, Any]]] = {}

    def row(
        self, evaluation: dg.AssetCheckEvaluation, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dict[str, Any]:
        if evaluation.severity not in self._samples:
            sample = copy(evaluation, metadata={"text": dg.TextMetadataValue(""), "bool": dg.BoolMetadataValue(False)})
            row = self._written(sample, target)
            self._samples[evaluation.severity] = (row, json.loads(row["event"]))
        row, entry = self._samples[evaluation.severity]
        event = entry["dagster_event"]
        held = event["event_specific_data"]
        found = {
            **held,
            "asset_key": {**held["asset_key"], "path": list(evaluation.asset_key.path)},
            "check_name": evaluation.check_name,
            "description": evaluation.description,
            "metadata": {
                name: {**held["metadata"]["bool"], "value": value.value}
                if isinstance(value, dg.BoolMetadataValue)
                else {**held["metadata"]["text"], "text": value.value}
                for name, value in evaluation.metadata.items()
            },
            "partition": evaluation.partition,
            "success": evaluation.passed,
            "target_materialization_data": {
                **held["target_materialization_data"],
                "run_id": target.run_id,
                "storage_id": target.storage_id,
                "timestamp": target.timestamp,
            },
        }
        return {
            **row,
            "event": json.dumps({**entry, "dagster_event": {**event, "event_specific_data": found}}),
            "asset_key": evaluation.asset_key.to_string(),
            "partition": evaluation.partition,
        }

    def _written(
        self, evaluation: dg.AssetCheckEvaluation, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dict[str, Any]:
        aimed = copy(evaluation, target_materialization_data=target)
        entry = _entry(DagsterEventType.ASSET_CHECK_EVALUATION, aimed, self._now)
        return dict(self._storage._event_to_row(entry))


def _upsert(connection: Any, key: str, values: dict[str, Any]) -> None:
    changed = connection.execute(AssetKeyTable.update().values(**values).where(AssetKeyTable.c.asset_key == key))
    if changed.rowcount == 0:
        connection.execute(AssetKeyTable.insert().values(asset_key=key, **values))


def _entry(kind: DagsterEventType, data: Any, now: float) -> EventLogEntry:
    event = DagsterEvent(event_type_value=kind.value, event_specific_data=data, job_name=RUNLESS_JOB_NAME)
    return EventLogEntry(  # type: ignore[no-untyped-call]
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
    event: Mapping[str, Any],
) -> dict[str, Any]:
    status = AssetCheckExecutionRecordStatus
    return {
        "asset_key": evaluation.asset_key.to_string(),
        "check_name": evaluation.check_name,
        "run_id": event["run_id"],
        "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
        "evaluation_event": event["event"],
        "evaluation_event_timestamp": event["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id,
        "partition": evaluation.partition,
    }
