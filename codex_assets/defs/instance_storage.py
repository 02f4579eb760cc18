"""What opening an instance has to know of Dagster's own storage: settings over `dagster.yaml`, databases, versions.

Dagster's public interface cannot open an instance with settings that outrank its `dagster.yaml`, and does not say which
database an instance has. So this module uses private classes of Dagster, which it takes from `event_log.py`: that one
writes events, this one is asked before there is anything to write to. When it is opened, and what is said when it
cannot be, is in `instance.py` and `instance_failures.py`.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from alembic.script import ScriptDirectory

from codex_assets.defs.event_log import (
    ConsolidatedSqliteEventLogStorage,
    InstanceRef,
    SqlEventLogStorage,
    SqliteEventLogStorage,
    get_alembic_config,
    sqlite_run_storage,
)

SILENT: Mapping[str, Any] = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
"""Whatever `dagster.yaml` says: no reports to Dagster's makers, and no page of theirs in the UI."""
SQLITE_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""The databases of an instance without a server, below its base folder."""
UNSET_VARIABLE = re.compile(r"environment variable \"?(\w+)\"? which is not set")
"""How Dagster says that a configuration refers to a variable without a value."""


def open_folder(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, as its `dagster.yaml` has it, but for `SILENT`. Raises whatever Dagster raises."""
    return dg.DagsterInstance.from_ref(_reference(home))


def mend_schema_versions(home: Path) -> None:
    """Leave the newest schema version alone in each SQLite database of a folder that has several.

    Two processes that create one database at once leave it so, and Dagster refuses it from then on. Its tables are
    those of the newest version. A database that is locked or damaged stays as it is.
    """
    storage = _reference(home).storage_data
    config = storage.config_dict if storage is not None else {}
    base = Path(config["base_dir"]) if isinstance(config.get("base_dir"), str) else home
    newest = ScriptDirectory.from_config(get_alembic_config(sqlite_run_storage.__file__)).get_current_head()
    if newest is None:
        return
    for path in (base / name for name in SQLITE_FILES):
        if path.is_file():
            with suppress(sqlite3.Error):
                _keep_version(path, newest)


def _keep_version(path: Path, newest: str) -> None:
    connection = sqlite3.connect(path, timeout=30)
    try:
        versions = {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}
        if newest in versions and len(versions) > 1:
            connection.execute("DELETE FROM alembic_version WHERE version_num != ?", (newest,))
            connection.commit()
    finally:
        connection.close()


def sqlite_folder(instance: dg.DagsterInstance) -> Path | None:
    """The folder of an instance's SQLite event log; None when its event log is in another kind of database."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage | ConsolidatedSqliteEventLogStorage):
        return Path(storage._base_dir)
    return None


def postgres_connection(instance: dg.DagsterInstance) -> AbstractContextManager[Any] | None:
    """A connection (SQLAlchemy's) to an instance's Postgres database; None when its event log is in another kind."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return None
    with storage.index_connection() as connection:
        is_postgres = connection.dialect.name == "postgresql"
    return storage.index_connection() if is_postgres else None


def wants_migration(error: BaseException) -> bool:
    """Whether Dagster says that a database has the schema of an earlier release."""
    return isinstance(error, dg.DagsterInvalidInvocationError) and "instance migrate" in str(error)


def unset_variables(error: dg.DagsterInvalidConfigError) -> list[str]:
    """The environment variables that a `dagster.yaml` refers to and that have no value."""
    return [name for each in error.errors for name in UNSET_VARIABLE.findall(each.message)]


def invalid_places(error: dg.DagsterInvalidConfigError) -> Sequence[str]:
    """Where in a `dagster.yaml` something is wrong, such as `run_coordinator.class`: names alone, no values."""
    return tuple(dict.fromkeys(_place(each) for each in error.errors))


def _place(error: Any) -> str:
    names = [str(getattr(entry, "field_name", "")) for entry in error.stack.entries]
    extra = getattr(error.error_data, "field_name", None) or getattr(error.error_data, "field_names", None)
    more = [extra] if isinstance(extra, str) else list(extra or ())
    return ".".join([*(name for name in names if name), ", ".join(map(str, more))]).strip(".") or "its top level"


def _reference(home: Path) -> InstanceRef:
    return InstanceRef.from_dir(str(home), overrides=SILENT)
