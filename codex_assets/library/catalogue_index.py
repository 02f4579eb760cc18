"""The catalogue's file: its SQLite tables, who may write to it, and what happens to a file that cannot be used.

Of each media the index keeps the facts that its staleness depends on (`media_facts.py`), not the verdicts: those also
depend on the code's recipes, which change with no record changing. Media with the same facts share one row of them.
What else is asked of a media stands in its row, so that no question about thousands reads their records. In: tables,
connections, locks. Out: how records become rows (`catalogue_rows.py`), and the questions (`catalogue.py`).
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codex_assets.errors import StorageError

Database = sqlite3.Connection
SCHEMA = 5
"""Raise it when the tables, or what is kept in them, change: the index is then made anew."""
BUSY_SECONDS = 60.0
"""How long a connection waits for another process that writes."""

TABLES = """
CREATE TABLE listed (
    media_id TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, modified REAL, PRIMARY KEY (media_id, name)
) WITHOUT ROWID;
CREATE INDEX listed_by_time ON listed (modified);
CREATE TABLE listed_files (
    media_id TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (media_id, key)
) WITHOUT ROWID;
CREATE TABLE records (
    media_id TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, known TEXT, problem TEXT,
    applicable INTEGER, code_version TEXT, built_at REAL, bytes INTEGER, seconds REAL, wall REAL, encoder TEXT,
    gpu TEXT, cost REAL, objects TEXT,
    PRIMARY KEY (media_id, name)
) WITHOUT ROWID;
CREATE INDEX records_by_name ON records (name);
CREATE INDEX records_with_problems ON records (media_id) WHERE problem NOTNULL;
CREATE TABLE media (
    media_id TEXT PRIMARY KEY, media_type TEXT NOT NULL, creator_id TEXT NOT NULL, input_role TEXT NOT NULL,
    input_key TEXT NOT NULL, facts INTEGER NOT NULL, seconds REAL, built INTEGER NOT NULL, bytes INTEGER NOT NULL,
    built_at REAL, encoder TEXT, cost REAL, verified_at TEXT, failed INTEGER NOT NULL, warned INTEGER NOT NULL,
    failing TEXT NOT NULL, job TEXT
) WITHOUT ROWID;
CREATE INDEX media_by_facts ON media (facts);
CREATE TABLE facts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE findings (
    media_id TEXT NOT NULL, number INTEGER NOT NULL, rule TEXT NOT NULL, is_failure INTEGER NOT NULL,
    checked_at TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (media_id, number)
) WITHOUT ROWID;
CREATE TABLE refusals (
    media_id TEXT PRIMARY KEY, is_built INTEGER NOT NULL, text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE stored (
    media_id TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL, objects INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (media_id, role, kind)
) WITHOUT ROWID;
CREATE TABLE recipes (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE held (
    media_id TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (media_id, key)
) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class IndexFile:
    """An index in a file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from refreshing the index during the block: one that listed the archive earlier must not
        write over what a later one read."""
        with self._failures():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}.lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for the block. A file of another schema, or that is no database, is made anew.

        Raises `StorageError` for a file that cannot be used.
        """
        with self._failures():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                database = self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._remove()
                database = self._connect()
            try:
                yield database
            finally:
                database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            # What a power cut loses is read from the archive again.
            database.execute("PRAGMA synchronous = OFF")
            if _schema(database) != SCHEMA:
                with writing(database):
                    # Again, now that nobody else can be making the tables.
                    if _schema(database) != SCHEMA:
                        _make_tables(database)
        except BaseException:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                "The index of the archive cannot be used; set CATALOGUE_PATH to a file that can be written.",
                detail=f"{self._path}: {error}",
                retryable=False,
            ) from error


def _schema(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(database: sqlite3.Connection) -> None:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        database.execute(f'DROP TABLE "{name}"')
    for statement in filter(str.strip, TABLES.split(";")):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA}")


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """Make one transaction of the block: it is undone whole when the block raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def recorded_recipes(database: sqlite3.Connection) -> Callable[[str], Mapping[str, Any]]:
    """A function from a recipe's key to its numbers, empty for an unknown key; each recipe is read once."""
    recipes: dict[str, Mapping[str, Any]] = {}

    def recorded(key: str) -> Mapping[str, Any]:
        if key not in recipes:
            row = database.execute("SELECT text FROM recipes WHERE key = ?", (key,)).fetchone()
            recipes[key] = json.loads(row[0]) if row is not None else {}
        return recipes[key]

    return recorded
