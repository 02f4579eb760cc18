"""Brings the catalogue's index up to date: lists the archive, and reads the records that changed, no others.

These are two steps, for some want to know which records have changed and not what they say.

In: which records have changed, and what follows for the rows of their media. Out: the file and its tables
(`catalogue_index.py`), the listing (`catalogue_listing.py`), how records become rows (`catalogue_rows.py`), and what
the index is asked (`catalogue.py`).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from codex_assets.errors import MissingInput
from codex_assets.library import catalogue_listing, catalogue_rows
from codex_assets.library.catalogue_index import writing
from codex_assets.library.catalogue_listing import ListedFile, ListedRecord
from codex_assets.library.catalogue_rows import COLUMNS, Row
from codex_assets.library.media_facts import recipe_key
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 2000
"""Records that are read between two writes."""
MEDIA_AT_ONCE = 500
"""Media whose rows are put together by one question to the database."""
LISTED_AT_ONCE = 10_000

OnRead = Callable[[int, int], None]
"""Called with how many records were read, of how many."""

_NOW_LISTED = """
CREATE TEMP TABLE IF NOT EXISTS now_listed (
    media_id TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, modified REAL, PRIMARY KEY (media_id, name)
) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS now_listed_files (
    media_id TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (media_id, key)
) WITHOUT ROWID;
DELETE FROM now_listed;
DELETE FROM now_listed_files;
"""

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Differences:
    """What the archive has otherwise than the index. `changed`: listed records; `gone`: media id and name of records;
    `touched`: the media that any of it, or another original or mezzanine, belongs to."""

    changed: Sequence[ListedRecord]
    gone: Sequence[tuple[str, str]]
    touched: Sequence[str]


def take_listing(database: sqlite3.Connection, archive: ObjectStore, only: Collection[str] | None) -> int:
    """List the archive, or what it has of the media in `only`, and keep the listing; how many objects it names.

    No record is read: what the index answers of them stays what it was. Raises `StorageError` when the archive cannot
    be listed; the listing then stays as it was.
    """
    began, clock = time.monotonic(), time.time()
    if only is None:
        starts = _starts(database) if archive.is_paged else {}
        listed = _listed_now(database, catalogue_listing.list_archive(archive, starts))
    else:
        listed = _listed_now(database, catalogue_listing.list_media(archive, only))
    took = time.monotonic() - began
    scope, given = _scope(only)
    with writing(database):
        for table, key in (("listed", "name"), ("listed_files", "key")):
            database.execute(
                f"DELETE FROM {table} WHERE {scope} AND NOT EXISTS (SELECT 1 FROM now_{table} AS now"
                f" WHERE now.media_id = {table}.media_id AND now.{key} = {table}.{key})",
                given,
            )
            database.execute(
                f"INSERT OR REPLACE INTO {table} SELECT * FROM now_{table} EXCEPT SELECT * FROM {table} WHERE {scope}",
                given,
            )
        if only is None:
            keep_state(database, listed_at=clock, took=took)
    return listed


def read_changes(
    database: sqlite3.Connection,
    archive: ObjectStore,
    only: Collection[str] | None,
    on_read: OnRead | None,
    *,
    anew: bool = False,
) -> tuple[int, int]:
    """Read the records that are listed otherwise than when they were read last, of all media or of those in `only`; how
    many were read, and how many are gone. `anew` forgets everything that was read first.

    Raises `StorageError` when the archive cannot be read; what the index answers then stays as it was.
    """
    # In one transaction, so that nobody sees half of it.
    with writing(database), ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        if anew:
            for table in ("records", "media", "findings", "refusals", "stored", "facts", "recipes", "held"):
                database.execute(f"DELETE FROM {table}")
        differences = _differences(database, only)
        gone = list(differences.gone)
        read = 0
        for page in _batches(differences.changed, BATCH):
            rows = list(pool.map(lambda listed: _read_row(archive, listed), page))
            _put_records(database, [row for row in rows if row is not None])
            gone += [(listed.media_id, listed.name) for listed, row in zip(page, rows, strict=True) if row is None]
            read += len(page)
            if on_read is not None:
                on_read(read, len(differences.changed))
        database.executemany("DELETE FROM records WHERE media_id = ? AND name = ?", gone)
        _put_held(database, differences.touched)
        for media_ids in _batches(differences.touched, MEDIA_AT_ONCE):
            _put_media(database, media_ids)
        if only is None:
            database.execute(
                "INSERT OR REPLACE INTO state SELECT 'refreshed_at', value FROM state WHERE name = 'listed_at'"
            )
    return read, len(gone)


def keep_state(database: sqlite3.Connection, **values: float) -> None:
    """Keep these values in the table `state`."""
    database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(values.items()))


# --- What has changed -------------------------------------------------------------------------------------------------


def _starts(database: sqlite3.Connection) -> dict[str, list[str]]:
    """Where the parts of the next listing are to begin, by what the last one found."""
    (records,) = database.execute("SELECT count(*) FROM listed").fetchone()
    starts = {
        keys.RECORDS_ROOT: [
            keys.records_prefix(media_id)
            for (media_id,) in database.execute(
                "SELECT DISTINCT media_id FROM (SELECT media_id, row_number() OVER (ORDER BY media_id) AS number"
                " FROM listed) WHERE number % ? = 0",
                (catalogue_listing.part_length(records),),
            )
        ]
    }
    for root in catalogue_listing.FOLDERS:
        (files,) = database.execute("SELECT count(*) FROM listed_files WHERE key GLOB ?", (f"{root}*",)).fetchone()
        numbered = "SELECT key, row_number() OVER (ORDER BY key) AS number FROM listed_files WHERE key GLOB ?"
        rows = database.execute(
            f"SELECT key FROM ({numbered}) WHERE number % ? = 0", (f"{root}*", catalogue_listing.part_length(files))
        )
        starts[root] = [key for (key,) in rows]
    return starts


def _listed_now(database: sqlite3.Connection, listed: Iterable[ListedRecord | ListedFile]) -> int:
    """Put a listing into tables of this connection alone; how many objects it names."""
    for statement in filter(str.strip, _NOW_LISTED.split(";")):
        database.execute(statement)
    count = 0
    for page in _pages(listed, LISTED_AT_ONCE):
        # Nothing of the file is read or written here: nobody waits for this transaction.
        database.execute("BEGIN")
        records = [each for each in page if isinstance(each, ListedRecord)]
        database.executemany("INSERT OR REPLACE INTO now_listed VALUES (?, ?, ?, ?)", records)
        files = [each for each in page if isinstance(each, ListedFile)]
        database.executemany("INSERT OR REPLACE INTO now_listed_files VALUES (?, ?, ?)", files)
        database.execute("COMMIT")
        count += len(page)
    return count


def _differences(database: sqlite3.Connection, only: Collection[str] | None) -> _Differences:
    scope, given = _scope(only)
    changed = [
        ListedRecord(*row)
        for row in database.execute(
            "SELECT listed.* FROM listed LEFT JOIN records USING (media_id, name)"
            f" WHERE {scope} AND records.stamp IS NOT listed.stamp ORDER BY media_id, name",
            given,
        )
    ]
    gone = database.execute(
        f"SELECT media_id, name FROM records WHERE {scope} AND NOT EXISTS (SELECT 1 FROM listed"
        " WHERE listed.media_id = records.media_id AND listed.name = records.name)",
        given,
    ).fetchall()
    # Both sides in scope: otherwise a look at one media goes through the files of all.
    before, now = (f"SELECT * FROM {table} WHERE {scope}" for table in ("held", "listed_files"))
    files = database.execute(
        f"SELECT media_id FROM ({before} EXCEPT {now}) UNION SELECT media_id FROM ({now} EXCEPT {before})",
        given * 4,
    ).fetchall()
    touched = {record.media_id for record in changed} | {media_id for media_id, *_ in (*gone, *files)}
    return _Differences(changed, gone, sorted(touched))


def _read_row(archive: ObjectStore, listed: ListedRecord) -> Row | None:
    """Read a record, and make the row of it; None when it is gone by now."""
    row = Row(listed.media_id, listed.name, listed.stamp)
    try:
        data = archive.read(keys.record(listed.media_id, listed.name))
    except MissingInput:
        return None
    try:
        return catalogue_rows.record_row(row, data)
    except ValueError as error:
        return row._replace(problem=f"the record cannot be read ({type(error).__name__})")


# --- Rows -------------------------------------------------------------------------------------------------------------


def _put_records(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    recipes = {recipe_key(row.recipe): catalogue_rows.as_text(row.recipe) for row in rows if row.recipe}
    database.executemany("INSERT OR IGNORE INTO recipes VALUES (?, ?)", list(recipes.items()))
    # All but the recipe, which is kept once.
    names, values = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
    database.executemany(f"INSERT OR REPLACE INTO records ({names}) VALUES ({values})", [row[:-1] for row in rows])


def _put_held(database: sqlite3.Connection, media_ids: Sequence[str]) -> None:
    """What is listed of the originals and mezzanines of these media."""
    for some in _batches(media_ids, MEDIA_AT_ONCE):
        given = [_list(some)]
        database.execute("DELETE FROM held WHERE media_id IN (SELECT value FROM json_each(?))", given)
        database.execute(
            "INSERT INTO held SELECT * FROM listed_files WHERE media_id IN (SELECT value FROM json_each(?))", given
        )


def _put_media(database: sqlite3.Connection, media_ids: Sequence[str]) -> None:
    """Put the rows of these media together again, from the rows of their records."""
    given = [_list(media_ids)]
    scope = "media_id IN (SELECT value FROM json_each(?))"
    files: dict[str, dict[str, int]] = {}
    for media_id, key, size in database.execute(f"SELECT media_id, key, size FROM held WHERE {scope}", given):
        files.setdefault(media_id, {})[key] = size
    former = {number for (number,) in database.execute(f"SELECT facts FROM media WHERE {scope}", given)}
    rows = [
        catalogue_rows.media_rows(media_id, records, files.get(media_id, {}))
        for media_id, records in _records_of(database, media_ids)
    ]
    for table in ("media", "findings", "refusals", "stored"):
        database.execute(f"DELETE FROM {table} WHERE {scope}", given)
    media = [row.media for row in rows if row.media is not None]
    database.executemany("INSERT OR IGNORE INTO facts (text) VALUES (?)", {(row[5],) for row in media})
    database.executemany(
        "INSERT INTO media VALUES (?, ?, ?, ?, ?, (SELECT id FROM facts WHERE text = ?),"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        media,
    )
    database.executemany(
        "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)", [each for row in rows for each in row.findings]
    )
    database.executemany("INSERT INTO refusals VALUES (?, ?, ?)", [row.refusal for row in rows if row.refusal])
    database.executemany("INSERT INTO stored VALUES (?, ?, ?, ?, ?)", [each for row in rows for each in row.stored])
    database.execute(
        "DELETE FROM facts WHERE id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM media WHERE media.facts = facts.id)",
        [_list(former)],
    )


def _records_of(
    database: sqlite3.Connection, media_ids: Sequence[str]
) -> Iterator[tuple[str, dict[str, Mapping[str, Any]]]]:
    """Media id, and name -> column -> value of its rows in `records`."""
    columns = ("media_id", "name", "stamp", "known", "bytes", "seconds", "built_at", "encoder", "cost", "objects")
    rows = database.execute(
        f"SELECT {', '.join(columns)} FROM records WHERE media_id IN (SELECT value FROM json_each(?))"
        " ORDER BY media_id, name",
        [_list(media_ids)],
    )
    for media_id, of_media in groupby(rows, key=itemgetter(0)):
        yield media_id, {row[1]: dict(zip(columns, row, strict=True)) for row in of_media}


def _scope(only: Collection[str] | None) -> tuple[str, list[Any]]:
    """The media in `only`, or all, as a condition in SQL; and the values of its parameters."""
    return ("TRUE", []) if only is None else ("media_id IN (SELECT value FROM json_each(?))", [_list(only)])


def _list(items: Iterable[Any]) -> str:
    """A list as SQL's `json_each` takes it."""
    return json.dumps(list(items))


def _batches(items: Sequence[Item], count: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), count):
        yield items[start : start + count]


def _pages(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    page: list[Item] = []
    for item in items:
        page.append(item)
        if len(page) == count:
            yield page
            page = []
    if page:
        yield page
