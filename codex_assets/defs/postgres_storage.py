"""Dagster's storage in Postgres, but for what its pages ask of checks (`check_states.py`).

`deploy/dagster.yaml` names it. In: which event log the storage has. Out: everything else, which is Dagster's.
"""

from typing import Any

from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

from codex_assets.defs.check_states import CheckStates


class _PostgresEventLog(CheckStates, PostgresEventLogStorage):
    """Dagster's, with that answer."""


class PostgresStorage(DagsterPostgresStorage):
    """As `storage: {custom: ...}` of a `dagster.yaml` names it, with the settings of `storage: {postgres: ...}`."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: Any = None,
        token_provider: Any = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        # Its tables are there by now.
        self._event_log_storage = _PostgresEventLog(postgres_url, False, token_provider=token_provider)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PostgresStorage":
        """The storage that these settings describe."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )
