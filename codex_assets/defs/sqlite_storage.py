"""Dagster's storage in SQLite files, but for what its pages ask of checks (`check_states.py`).

`deploy/dagster-local.yaml` names it. In: which event log the storage has. Out: everything else, which is Dagster's.
"""

from typing import Any

from codex_assets.defs.check_states import CheckStates
from codex_assets.defs.event_log import DagsterSqliteStorage, SqliteEventLogStorage


class _SqliteEventLog(CheckStates, SqliteEventLogStorage):
    """Dagster's, with that answer."""


class SqliteStorage(DagsterSqliteStorage):
    """As `storage: {custom: ...}` of a `dagster.yaml` names it; `base_dir` is the folder of its files."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = _SqliteEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "SqliteStorage":
        """The storage that these settings describe."""
        return cls.from_local(inst_data=inst_data, **config_value)
