"""How this package opens a Dagster instance: alone, without telemetry, and with a sentence for what stands in its way.

In: the folder that DAGSTER_HOME names, the lock around its first opening, and the lock around an import of records. Not
here: what of Dagster's own storage that takes (`instance_storage`), the sentences (`instance_failures`), what is stored
in an instance (`records_import`), and Dagster's own processes (`ui`, `deploy/dagster.yaml`).

Dagster creates a SQLite database in several steps. Two processes that do so at once leave it with two schema versions,
which Dagster refuses for good: so it is opened behind a lock, and such a database is mended. An import of records holds
another lock, of the database and not of the folder: several folders, and several machines, may share one database.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any

import dagster as dg
import sqlalchemy.exc
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_incrementing

from codex_assets.defs import instance_storage
from codex_assets.defs.instance_failures import because, database_failures, is_half_made, opening_failure
from codex_assets.errors import ConfigurationError, JobCancelled, JobError, MissingInput

OPENING_LOCK = ".codex-assets-opening.lock"
IMPORT_LOCK = ".codex-assets-learning.lock"
ADVISORY_LOCK = 0x636F6465785F6C72
"""The number of Postgres' advisory lock around an import: 64 bits that nobody else uses in that database."""
POLL_SECONDS = 0.2
"""Between two looks whether a lock is free."""
OPENING_ATTEMPTS = 4
"""Of an instance whose database another process creates at the same time."""

Waiting = Callable[[], None]
"""Called every `POLL_SECONDS` while a lock is waited for. What it raises ends the waiting."""


@contextmanager
def opened_instance(environ: Mapping[str, str], waiting: Waiting) -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, for as long as the block lasts.

    Raises `MissingInput` where DAGSTER_HOME is not set, `ConfigurationError` for a folder or a `dagster.yaml` that
    cannot be used, and `StorageError` for a database that cannot be, now or later in the block.
    """
    with open_instance(environ, waiting) as instance, database_failures():
        yield instance


def open_instance(environ: Mapping[str, str], waiting: Waiting) -> dg.DagsterInstance:
    """The same for whoever closes it. What goes wrong after the opening is not translated."""
    home = _home(environ)
    with _without_retry_logs(), _file_lock(home / OPENING_LOCK, waiting, required=False):
        return _open(home)


@contextmanager
def import_lock(instance: dg.DagsterInstance, waiting: Waiting | None = None) -> Iterator[bool]:
    """Keep other imports out of this instance's database, for as long as the block lasts; the block gets whether this
    process holds the lock.

    Without `waiting` that is False where another process holds it; with `waiting` the lock is waited for.
    """
    folder = instance_storage.sqlite_folder(instance)
    postgres = instance_storage.postgres_connection(instance) if folder is None else None
    if postgres is not None:
        with _advisory_lock(postgres, waiting) as is_held:
            yield is_held
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(_file_lock((folder or Path(instance.root_directory)) / IMPORT_LOCK, waiting))
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
        exists, is_folder = home.exists(), home.is_dir()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"DAGSTER_HOME ({named}) cannot be looked at{because(error)}.") from None
    if not exists:
        raise ConfigurationError(f"DAGSTER_HOME names a folder that does not exist: create {home}.")
    if not is_folder:
        raise ConfigurationError(f"DAGSTER_HOME has to be a folder, and {home} is none.")
    return home


def _open(home: Path) -> dg.DagsterInstance:
    """The instance of a folder. A database that another process creates at the same time is waited for, and mended: a
    daemon or a webserver holds no lock of ours. Raises `ConfigurationError` and `StorageError`."""
    opening = Retrying(
        retry=retry_if_exception(is_half_made),
        stop=stop_after_attempt(OPENING_ATTEMPTS),
        wait=wait_incrementing(POLL_SECONDS, POLL_SECONDS),
        reraise=True,
    )
    try:
        for attempt in opening:
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    instance_storage.mend_schema_versions(home)
                return instance_storage.open_folder(home)
    except JobError:
        raise
    except Exception as error:  # noqa: BLE001 - Dagster, a YAML parser and any database's driver speak here
        raise opening_failure(error, home) from None
    raise AssertionError


@contextmanager
def _without_retry_logs() -> Iterator[None]:
    """Run the block without what Dagster logs of each try to reach a database: the driver's words, host and user."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Retrying failed database")

    root = logging.getLogger()
    root.addFilter(is_wanted)
    try:
        yield
    finally:
        root.removeFilter(is_wanted)


# --- Locks ------------------------------------------------------------------------------------------------------------


@contextmanager
def _file_lock(file: Path, waiting: Waiting | None, *, required: bool = True) -> Iterator[None]:
    """Hold the lock of a file, which the system releases when the process ends, however it ends.

    Raises `BlockingIOError` where another process holds it and `waiting` is None. Unless `required`, the block runs
    without the lock in a folder that cannot be written to: with its database elsewhere, Dagster does not write there.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if not required:
            yield
            return
        raise ConfigurationError(f"{file.parent} cannot be written to{because(error)}.") from None
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting is None:
                    raise
            except OSError as error:
                if not required:
                    break
                raise ConfigurationError(f"{file.parent} is on a disk without locks{because(error)}.") from None
            waiting()
            sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _advisory_lock(connecting: AbstractContextManager[Any], waiting: Waiting | None) -> Iterator[bool]:
    """Hold the lock of a Postgres database, which the server releases when the connection ends."""
    take = sqlalchemy.text("SELECT pg_try_advisory_lock(:number)").bindparams(number=ADVISORY_LOCK)
    with connecting as connection:
        while not connection.execute(take).scalar():
            if waiting is None:
                yield False
                return
            waiting()
            sleep(POLL_SECONDS)
        try:
            yield True
        finally:
            release = sqlalchemy.text("SELECT pg_advisory_unlock(:number)").bindparams(number=ADVISORY_LOCK)
            with suppress(sqlalchemy.exc.SQLAlchemyError):
                connection.execute(release)


def wait_unless(is_cancelled: Callable[[], bool], note: Callable[[], None]) -> Waiting:
    """A `Waiting` that calls `note` the first time, and raises `JobCancelled` once `is_cancelled` says so."""
    noted = False

    def wait() -> None:
        nonlocal noted
        if is_cancelled():
            raise JobCancelled
        if not noted:
            noted = True
            note()

    return wait
