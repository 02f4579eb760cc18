"""How this package opens a Dagster instance: alone, without telemetry, and with a sentence for what stands in its way.

In: the folder that DAGSTER_HOME names, the lock around its first opening, the lock around learning, and what of an
instance that cannot be opened or used is said. Not here: what is stored in an instance (`records_import`), and
Dagster's own processes (`ui`, `deploy/dagster.yaml`).

Dagster creates a SQLite database in several steps. Two processes that do so at once leave it with two schema versions,
which Dagster refuses for good: so it is opened behind a lock, and such a database is mended, since its tables are those
of the newest version. Who learns from the archive holds another lock, of the database and not of the folder: several
folders, and several machines, may share one.

Sentences never repeat what an exception says: configurations and connection strings hold passwords.
"""

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any

import alembic.util.exc
import dagster as dg
import sqlalchemy.exc
from alembic.script import ScriptDirectory
from dagster._config.errors import EvaluationError
from dagster._core.errors import DagsterInvalidConfigError, DagsterInvalidInvocationError
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import get_alembic_config
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_incrementing

from codex_assets.errors import ConfigurationError, JobCancelled, JobError, MissingInput, StorageError

OPENING = ".codex-assets-opening.lock"
LEARNING = ".codex-assets-learning.lock"
ADVISORY = 0x636F6465785F6C72
"""Which of Postgres' advisory locks is the one of learning: 64 bits that nobody else uses in that database."""
POLL_SECONDS = 0.2
"""Between two looks whether a lock is free."""
OPENINGS = 4
"""Of an instance whose database another process creates at the same time."""
UNSET = re.compile(r"environment variable \"?(\w+)\"? which is not set")
"""How Dagster says that a configuration refers to a variable without a value."""
TO_NOBODY: Mapping[str, Any] = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
"""Whatever `dagster.yaml` says: no reports to Dagster's makers, and no page of theirs in the UI."""

Waiting = Callable[[], None]
"""Called while a lock is waited for, often. What it raises ends the waiting."""


@contextmanager
def opened(environ: Mapping[str, str], waiting: Waiting) -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, for as long as the block lasts.

    Raises `MissingInput` where DAGSTER_HOME is not set, `ConfigurationError` for a folder or a `dagster.yaml` that
    cannot be used, and `StorageError` for a database that cannot be, now or later in the block.
    """
    with open_home(environ, waiting) as found, database_failures():
        yield found


def open_home(environ: Mapping[str, str], waiting: Waiting) -> dg.DagsterInstance:
    """As `opened`, for whoever closes it. What is met later is not translated."""
    home = _home(environ)
    with _quiet(), _locked(home / OPENING, waiting, needed=False):
        return _opened(home)


@contextmanager
def learning_lock(instance: dg.DagsterInstance, waiting: Waiting | None = None) -> Iterator[bool]:
    """Whether this process alone learns from the archive into this instance's database, for as long as the block lasts.

    Without `waiting` the answer is False where another process does; with it the lock is waited for.
    """
    storage = instance.event_log_storage
    with ExitStack() as stack:
        if isinstance(storage, SqliteEventLogStorage | ConsolidatedSqliteEventLogStorage):
            file = Path(storage._base_dir) / LEARNING
        elif isinstance(storage, SqlEventLogStorage) and _is_postgres(storage):
            yield stack.enter_context(_advisory(storage, waiting))
            return
        else:
            file = Path(instance.root_directory) / LEARNING
        try:
            stack.enter_context(_locked(file, waiting))
        except BlockingIOError:
            yield False
            return
        yield True


# --- Opening ----------------------------------------------------------------------------------------------------------


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("DAGSTER_HOME", "")
    if not named.strip():
        raise MissingInput("DAGSTER_HOME is not set: there is no Dagster instance to import into.")
    home = Path(os.path.expanduser(named))
    if not home.is_absolute():
        raise ConfigurationError(f"DAGSTER_HOME has to be an absolute path, and is {named!r}.")
    try:
        there, folder = home.exists(), home.is_dir()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"DAGSTER_HOME ({named}) cannot be looked at{_because(error)}.") from None
    if not there:
        raise ConfigurationError(f"DAGSTER_HOME names a folder that does not exist: create {home}.")
    if not folder:
        raise ConfigurationError(f"DAGSTER_HOME has to be a folder, and {home} is none.")
    return home


def _opened(home: Path) -> dg.DagsterInstance:
    """The instance of a folder.

    A database that is being created at the same time is waited for, and mended: by a daemon or a webserver, processes
    that hold no lock of ours. Raises `ConfigurationError`.
    """
    opening = Retrying(
        retry=retry_if_exception(_is_half_made),
        stop=stop_after_attempt(OPENINGS),
        wait=wait_incrementing(POLL_SECONDS, POLL_SECONDS),
        reraise=True,
    )
    try:
        for attempt in opening:
            with attempt:
                reference = InstanceRef.from_dir(str(home), overrides=TO_NOBODY)
                if attempt.retry_state.attempt_number > 1:
                    _mend(reference, home)
                return dg.DagsterInstance.from_ref(reference)
    except JobError:
        raise
    except Exception as error:  # noqa: BLE001 - Dagster, a YAML parser and any database's driver speak here
        raise _failure(error, home) from None
    raise AssertionError


def _is_half_made(error: BaseException) -> bool:
    """Whether a database was being created when it was opened, or was left with two schema versions by that."""
    for one in _chain(error):
        if isinstance(one, alembic.util.exc.CommandError) and "more than one head" in str(one):
            return True
        if isinstance(one, sqlalchemy.exc.OperationalError) and "already exists" in str(one.orig):
            return True
        if isinstance(one, sqlalchemy.exc.IntegrityError) and "alembic_version" in str(one.orig):
            return True
    return False


def _mend(reference: InstanceRef, home: Path) -> None:
    """Leave the newest schema version alone in each SQLite database that has several."""
    config = reference.storage_data.config_dict if reference.storage_data is not None else {}
    base = Path(config["base_dir"]) if isinstance(config.get("base_dir"), str) else home
    newest = ScriptDirectory.from_config(get_alembic_config(sqlite_run_storage.__file__)).get_current_head()
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        if newest is None or not (base / name).is_file():
            continue
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(base / name, timeout=30)
            try:
                versions = {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}
                if newest in versions and len(versions) > 1:
                    connection.execute("DELETE FROM alembic_version WHERE version_num != ?", (newest,))
                    connection.commit()
            finally:
                connection.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Dagster logs of each try to reach a database: five times the driver's words, host and user."""

    def kept(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Retrying failed database")

    root = logging.getLogger()
    root.addFilter(kept)
    try:
        yield
    finally:
        root.removeFilter(kept)


# --- Locks ------------------------------------------------------------------------------------------------------------


@contextmanager
def _locked(file: Path, waiting: Waiting | None, *, needed: bool = True) -> Iterator[None]:
    """The lock of a file, which the system gives back when its process ends, however it ends.

    Raises `BlockingIOError` where it is taken and nobody waits. Unless `needed`, a folder that cannot be written to is
    no reason to stop: with its database elsewhere, Dagster does not write there.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if not needed:
            yield
            return
        raise ConfigurationError(f"{file.parent} cannot be written to{_because(error)}.") from None
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting is None:
                    raise
            except OSError as error:
                if not needed:
                    break
                raise ConfigurationError(f"{file.parent} is on a disk without locks{_because(error)}.") from None
            waiting()
            sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _is_postgres(storage: SqlEventLogStorage) -> bool:
    with storage.index_connection() as connection:
        return bool(connection.dialect.name == "postgresql")


@contextmanager
def _advisory(storage: SqlEventLogStorage, waiting: Waiting | None) -> Iterator[bool]:
    """The lock of a Postgres database, which the server gives back when the connection ends."""
    take = sqlalchemy.text("SELECT pg_try_advisory_lock(:number)").bindparams(number=ADVISORY)
    with storage.index_connection() as connection:
        while not connection.execute(take).scalar():
            if waiting is None:
                yield False
                return
            waiting()
            sleep(POLL_SECONDS)
        try:
            yield True
        finally:
            give_back = sqlalchemy.text("SELECT pg_advisory_unlock(:number)").bindparams(number=ADVISORY)
            with suppress(sqlalchemy.exc.SQLAlchemyError):
                connection.execute(give_back)


# --- What is said -----------------------------------------------------------------------------------------------------


@contextmanager
def database_failures() -> Iterator[None]:
    """What a block meets when it uses an instance's database, as `StorageError`."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        told = _of_database(error)
        if told is None:
            raise
        raise told from None


def _failure(error: Exception, home: Path) -> JobError:
    """Why an instance could not be opened."""
    told = _of_database(error)
    if told is not None:
        return told
    file = f"{home}/dagster.yaml"
    for one in _chain(error):
        if isinstance(one, UnicodeDecodeError) or type(one).__module__.startswith("yaml."):
            mark = getattr(one, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark is not None else ""
            return ConfigurationError(f"{file} is no valid YAML{where}.")
        if isinstance(one, DagsterInvalidConfigError):
            unset = [name for each in one.errors for name in UNSET.findall(each.message)]
            if unset:
                return ConfigurationError(f"{file} refers to variables that are not set: {', '.join(unset)}.")
            places = ", ".join(dict.fromkeys(_place(each) for each in one.errors)) or "its top level"
            return ConfigurationError(f"{file} is not as Dagster wants it; look at: {places}.")
        text = str(one)
        if isinstance(one, sqlalchemy.exc.NoSuchModuleError):
            return ConfigurationError(f"{file} holds a database URL of a kind for which no driver is installed.")
        if isinstance(one, sqlalchemy.exc.ArgumentError) or "invalid literal for int" in text:
            return ConfigurationError(f"{file} holds a database URL that is none.")
        if "to parse to dictionary" in text:
            return ConfigurationError(f"{file} has to hold names with values.")
        if "Couldn't import module" in text or "Couldn't find class" in text or isinstance(one, ImportError):
            return ConfigurationError(
                f"{file} names a class that is not installed here; the packages of a deployment are the extra `deploy`."
            )
        if isinstance(one, OSError):
            where = str(one.filename) if isinstance(one.filename, str) else str(home)
            return ConfigurationError(f"{where} cannot be used{_because(one)}.")
    return ConfigurationError(
        f"The Dagster instance of {home} could not be opened ({type(error).__name__}); is its dagster.yaml right?",
        detail=type(error).__name__,
    )


def _place(error: EvaluationError) -> str:
    """Where in a configuration something is wrong: names alone, no values."""
    names = [str(getattr(entry, "field_name", "")) for entry in error.stack.entries]
    extra = getattr(error.error_data, "field_name", None) or getattr(error.error_data, "field_names", None)
    more = [extra] if isinstance(extra, str) else list(extra or ())
    return ".".join([*(name for name in names if name), ", ".join(map(str, more))]).strip(".") or "its top level"


def _of_database(error: BaseException) -> StorageError | None:
    for one in _chain(error):
        wants_migration = isinstance(one, DagsterInvalidInvocationError) and "instance migrate" in str(one)
        if wants_migration or isinstance(one, alembic.util.exc.CommandError):
            return _outdated()
        if isinstance(one, sqlalchemy.exc.DBAPIError):
            return _of_driver(one.orig)
        if isinstance(one, sqlite3.Error):
            return _of_driver(one)
    if any(type(one).__name__ == "DagsterPostgresException" for one in _chain(error)):
        return StorageError("Dagster's database could not be used.")
    return None


def _outdated() -> StorageError:
    return StorageError(
        "Dagster's database has the schema of another release of Dagster; `dagster instance migrate` brings an older "
        "one up to date.",
        retryable=False,
    )


SQLITE: Mapping[str, tuple[str, bool]] = {
    "SQLITE_BUSY": ("is locked by another process", True),
    "SQLITE_LOCKED": ("is locked by another process", True),
    "SQLITE_CORRUPT": ("is damaged; move it away and import again: only the history of runs is lost", False),
    "SQLITE_NOTADB": ("is damaged; move it away and import again: only the history of runs is lost", False),
    "SQLITE_READONLY": ("cannot be written to by this user", False),
    "SQLITE_CANTOPEN": ("cannot be opened by this user", False),
    "SQLITE_PERM": ("cannot be opened by this user", False),
    "SQLITE_AUTH": ("cannot be opened by this user", False),
    "SQLITE_FULL": ("has no room left on its disk", True),
    "SQLITE_IOERR": ("could not be read or written: its disk failed", True),
    "SQLITE_PROTOCOL": ("is on a disk without the locks that it needs", False),
    "SQLITE_NOLFS": ("is too large for its disk", False),
}
"""SQLite's kind of failure -> what is said of the database, and whether it may go better later."""
POSTGRES: tuple[tuple[str, str, bool], ...] = (
    ("password authentication failed", "refused the user or the password", False),
    ("no password supplied", "wants a password, and none is configured", False),
    ("pg_hba.conf", "does not let this user in from this machine", False),
    ('role "', "knows no such user", False),
    ("could not translate host name", "was not found: its host name does not resolve", True),
    ("name or service not known", "was not found: its host name does not resolve", True),
    ("connection refused", "is away: nothing listens at its host and port", True),
    ("no route to host", "is out of reach from this machine", True),
    ("network is unreachable", "is out of reach from this machine", True),
    ("no such file or directory", "is away: nothing listens there", True),
    ("does not exist", "has no database of that name", False),
    ("timeout expired", "did not answer in time", True),
    ("timed out", "did not answer in time", True),
    ("certificate", "has a TLS certificate that is not accepted", False),
    ("ssl", "does not agree about TLS", False),
    ("too many", "has no connection to spare", True),
    ("connection slots", "has no connection to spare", True),
    ("starting up", "is just starting", True),
    ("shutting down", "is just stopping", True),
    ("recovery", "is recovering", True),
    ("terminating connection", "ended the connection", True),
    ("server closed the connection", "ended the connection", True),
    ("connection already closed", "ended the connection", True),
    ("permission denied", "does not let this user do what Dagster needs", False),
    ("read-only", "can only be read", False),
    ("no space left", "has no room left on its disk", True),
    ("statement timeout", "did not answer in time", True),
)
"""What libpq and the server say, in lower case -> what is said of the database, and whether it may go better later."""
SCHEMA_CODES = ("42P01", "42703")
"""Postgres: no such table, no such column."""


def _of_driver(error: BaseException | None) -> StorageError:
    """What a driver's exception says about the database. Its own words hold hosts, users and statements."""
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        for kind, (words, again) in SQLITE.items():
            if name == kind or name.startswith(f"{kind}_"):
                return StorageError(f"Dagster's database {words}.", detail=name, retryable=again)
        if "no such table" in str(error) or "no such column" in str(error) or "has no column" in str(error):
            return _outdated()
        return StorageError(f"Dagster's database could not be used ({name or type(error).__name__}).", detail=name)
    code = getattr(error, "pgcode", None)
    if code in SCHEMA_CODES:
        return _outdated()
    text = str(error).lower()
    for needle, words, again in POSTGRES:
        if needle in text:
            return StorageError(f"Dagster's database {words}.", detail=code, retryable=again)
    return StorageError(f"Dagster's database could not be used ({type(error).__name__}).", detail=code)


def _because(error: BaseException) -> str:
    why = getattr(error, "strerror", None)
    return f": {why}" if why else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what caused it, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def stopping(is_set: Callable[[], bool], note: Callable[[], None]) -> Waiting:
    """A `Waiting` that calls `note` once, and ends when somebody asked to stop."""
    noted: list[bool] = []

    def wait() -> None:
        if is_set():
            raise JobCancelled
        if not noted:
            noted.append(True)
            note()

    return wait
