"""What each check says of each media, as Dagster's pages ask it again and again: with one query for each check.

Dagster's own event log asks its database of each media whether it is a partition, and copies what it has collected so
far for each of them, so the lineage of 10,000 media took most of a minute. And it calls a check failed whose run ended
without a word about it, though what is published stays as it was judged: the run has failed, and is shown as failed.
In: that answer, of any SQL database. Out: the storages that give it (`sqlite_storage.py`, `postgres_storage.py`), which
checks there are (`asset_checks.py`), and how their results are stored (`event_log.py`).
"""

from collections.abc import Mapping, Sequence

import dagster as dg
import sqlalchemy

from codex_assets.defs.event_log import (
    FINISHED_STATUSES,
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckExecutionsTable,
    AssetCheckPartitionInfo,
    AssetCheckState,
    SerializableEntitySubset,
    SqlEventLogStorage,
)

Keys = Sequence[tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]]
States = Mapping[dg.AssetCheckKey, AssetCheckState]
_SETTLED = {
    AssetCheckExecutionRecordStatus.SUCCEEDED: AssetCheckExecutionResolvedStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED: AssetCheckExecutionResolvedStatus.FAILED,
}
AT_ONCE = 500
"""Media in one query: databases take only so many values."""


class CheckStates(SqlEventLogStorage):
    """An event log that answers for all media of a check at once."""

    def get_asset_check_state(self, keys: Keys) -> States:
        """What each check says of each media: Dagster's own answer, but of media whose last run ended without judging
        them. Of these it says what it said before, if that is still what is published, and else nothing."""
        ours = [(key, definition) for key, definition in keys if isinstance(definition, dg.DynamicPartitionsDefinition)]
        others = [each for each in keys if not isinstance(each[1], dg.DynamicPartitionsDefinition)]
        states = dict(super().get_asset_check_state(others)) if others else {}
        registered = {
            name: set(self.get_dynamic_partitions(name)) for name in {str(definition.name) for _, definition in ours}
        }
        for key, definition in ours:
            infos = self.get_asset_check_partition_info([key])
            known = [info for info in infos if info.partition_key in registered[str(definition.name)]]
            states[key] = self._state(key, definition, known, max(map(_latest, infos), default=0))
        return states

    def _state(
        self,
        key: dg.AssetCheckKey,
        definition: dg.PartitionsDefinition,
        known: Sequence[AssetCheckPartitionInfo],
        latest: int,
    ) -> AssetCheckState:
        media: dict[AssetCheckExecutionResolvedStatus, list[str]] = {
            status: [] for status in AssetCheckExecutionResolvedStatus
        }
        running: dict[str, list[str]] = {}
        planned = {str(info.partition_key): info for info in known if _is_planned(info)}
        ended = self._ended({info.latest_planned_run_id for info in planned.values()})
        before = self._before(key, [info for info in planned.values() if info.latest_planned_run_id in ended])
        for info in known:
            media_id, run_id = str(info.partition_key), info.latest_planned_run_id
            if not _is_planned(info):
                # Of what was materialized again since, a check says nothing.
                if info.is_current:
                    media[_SETTLED[info.latest_execution_status]].append(media_id)
            elif run_id not in ended:
                media[AssetCheckExecutionResolvedStatus.IN_PROGRESS].append(media_id)
                running.setdefault(run_id, []).append(media_id)
            elif media_id in before:
                media[before[media_id]].append(media_id)

        def subset(media_ids: Sequence[str]) -> SerializableEntitySubset[dg.AssetCheckKey]:
            return SerializableEntitySubset.from_coercible_value(key, list(media_ids), definition)

        return AssetCheckState(
            latest_storage_id=latest,
            subsets={status: subset(media_ids) for status, media_ids in media.items()},
            in_progress_runs={run_id: subset(media_ids) for run_id, media_ids in running.items()},
        )

    def _ended(self, run_ids: set[str]) -> set[str]:
        """Those of these runs that have ended."""
        if not run_ids:
            return set()
        wanted = dg.RunsFilter(run_ids=sorted(run_ids), statuses=FINISHED_STATUSES)
        return {run.run_id for run in self._instance.get_runs(filters=wanted)}

    def _before(
        self, key: dg.AssetCheckKey, unjudged: Sequence[AssetCheckPartitionInfo]
    ) -> dict[str, AssetCheckExecutionResolvedStatus]:
        """Media -> what the check said last of it, where that is of what is materialized now."""
        now = {str(info.partition_key): info.latest_materialization_storage_id for info in unjudged}
        table, names = AssetCheckExecutionsTable.c, list(now)
        before = {}
        for at in range(0, len(names), AT_ONCE):
            last = (
                sqlalchemy.select(sqlalchemy.func.max(table.id))
                .where(table.asset_key == key.asset_key.to_string(), table.check_name == key.name)
                .where(table.execution_status.in_([status.value for status in _SETTLED]))
                .where(table.partition.in_(names[at : at + AT_ONCE]))
                .group_by(table.partition)
            )
            query = sqlalchemy.select(
                table.partition, table.execution_status, table.materialization_event_storage_id
            ).where(table.id.in_(last))
            with self.index_connection() as connection:
                for media_id, status, target in connection.execute(query):
                    if now[media_id] in (None, target):
                        before[media_id] = _SETTLED[AssetCheckExecutionRecordStatus(status)]
        return before


def _is_planned(info: AssetCheckPartitionInfo) -> bool:
    return info.latest_execution_status is AssetCheckExecutionRecordStatus.PLANNED


def _latest(info: AssetCheckPartitionInfo) -> int:
    return max(info.latest_check_event_storage_id, info.latest_materialization_storage_id or 0)
