"""Why an instance of Dagster, or its database, cannot be used: one sentence for each kind of failure.

In: exceptions of Dagster, its YAML parser, SQLAlchemy and the databases' drivers. Out: `ConfigurationError` and
`StorageError`, whose sentences never repeat what an exception says: configurations and connection strings hold
passwords. Not here: opening an instance (`instance.py`).
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import alembic.util.exc
import dagster as dg
import sqlalchemy.exc

from codex_assets.defs import instance_storage
from codex_assets.errors import ConfigurationError, JobError, StorageError

SQLITE_FAILURES: Mapping[str, tuple[str, bool]] = {
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
"""SQLite's kind of failure -> the rest of the sentence about the database, and whether a retry may help."""
POSTGRES_FAILURES: tuple[tuple[str, str, bool], ...] = (
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
"""A part of libpq's or the server's message, in lower case -> the same."""
SCHEMA_CODES = ("42P01", "42703")
"""Postgres: no such table, no such column."""


@contextmanager
def database_failures() -> Iterator[None]:
    """Raise what goes wrong in the block with an instance's database as `StorageError`, and anything else as it is."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        failure = _database_failure(error)
        if failure is None:
            raise
        raise failure from None


def opening_failure(error: Exception, home: Path) -> JobError:
    """Why the instance of the folder `home` could not be opened: `StorageError` where its database is the reason, else
    `ConfigurationError`."""
    failure = _database_failure(error)
    if failure is not None:
        return failure
    file = f"{home}/dagster.yaml"
    for cause in _chain(error):
        if isinstance(cause, UnicodeDecodeError) or type(cause).__module__.startswith("yaml."):
            mark = getattr(cause, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark is not None else ""
            return ConfigurationError(f"{file} is no valid YAML{where}.")
        if isinstance(cause, dg.DagsterInvalidConfigError):
            unset = instance_storage.unset_variables(cause)
            if unset:
                return ConfigurationError(f"{file} refers to variables that are not set: {', '.join(unset)}.")
            places = ", ".join(instance_storage.invalid_places(cause)) or "its top level"
            return ConfigurationError(f"{file} is not as Dagster wants it; look at: {places}.")
        text = str(cause)
        if isinstance(cause, sqlalchemy.exc.NoSuchModuleError):
            return ConfigurationError(f"{file} holds a database URL of a kind for which no driver is installed.")
        if isinstance(cause, sqlalchemy.exc.ArgumentError) or "invalid literal for int" in text:
            return ConfigurationError(f"{file} holds a database URL that is none.")
        if "to parse to dictionary" in text:
            return ConfigurationError(f"{file} has to hold names with values.")
        if "Couldn't import module" in text or "Couldn't find class" in text or isinstance(cause, ImportError):
            return ConfigurationError(
                f"{file} names a class that is not installed here; the packages of a deployment are the extra `deploy`."
            )
        if isinstance(cause, OSError):
            where = str(cause.filename) if isinstance(cause.filename, str) else str(home)
            return ConfigurationError(f"{where} cannot be used{because(cause)}.")
    return ConfigurationError(
        f"The Dagster instance of {home} could not be opened ({type(error).__name__}); is its dagster.yaml right?",
        detail=type(error).__name__,
    )


def _database_failure(error: BaseException) -> StorageError | None:
    for cause in _chain(error):
        if isinstance(cause, alembic.util.exc.CommandError) or instance_storage.wants_migration(cause):
            return _outdated()
        if isinstance(cause, sqlalchemy.exc.DBAPIError):
            return _driver_failure(cause.orig)
        if isinstance(cause, sqlite3.Error):
            return _driver_failure(cause)
    if any(type(cause).__name__ == "DagsterPostgresException" for cause in _chain(error)):
        return StorageError("Dagster's database could not be used.")
    return None


def _outdated() -> StorageError:
    return StorageError(
        "Dagster's database has the schema of another release of Dagster; `dagster instance migrate` brings an older "
        "one up to date.",
        retryable=False,
    )


def _driver_failure(error: BaseException | None) -> StorageError:
    """What a driver's exception says about the database. Its own words hold hosts, users and statements."""
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        for kind, (words, again) in SQLITE_FAILURES.items():
            if name == kind or name.startswith(f"{kind}_"):
                return StorageError(f"Dagster's database {words}.", detail=name, retryable=again)
        if "no such table" in str(error) or "no such column" in str(error) or "has no column" in str(error):
            return _outdated()
        return StorageError(f"Dagster's database could not be used ({name or type(error).__name__}).", detail=name)
    code = getattr(error, "pgcode", None)
    if code in SCHEMA_CODES:
        return _outdated()
    text = str(error).lower()
    for needle, words, again in POSTGRES_FAILURES:
        if needle in text:
            return StorageError(f"Dagster's database {words}.", detail=code, retryable=again)
    return StorageError(f"Dagster's database could not be used ({type(error).__name__}).", detail=code)


def because(error: BaseException) -> str:
    """`: Permission denied` of an error of the operating system; empty for other errors."""
    reason = getattr(error, "strerror", None)
    return f": {reason}" if reason else ""


def is_half_made(error: BaseException) -> bool:
    """Whether a database was being created when it was opened, or was left with two schema versions by that."""
    for cause in _chain(error):
        if isinstance(cause, alembic.util.exc.CommandError) and "more than one head" in str(cause):
            return True
        if isinstance(cause, sqlalchemy.exc.OperationalError) and "already exists" in str(cause.orig):
            return True
        if isinstance(cause, sqlalchemy.exc.IntegrityError) and "alembic_version" in str(cause.orig):
            return True
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what caused it, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
