"""The catalogue's SQLite tables, and how the archive's records become their rows.

Kept of a media are the facts that its verdicts depend on (`staleness.py`), not the verdicts: those also depend on the
code's recipes, which change with no record changing. Media of the same facts share them, so a question judges each set
of facts once. Out: the questions (`catalogue.py`).
"""

from __future__ import annotations

import json
import sqlite3
import string
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from codex_assets.archive import check_results
from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.records import (
    MediaRecord,
    record_type,
)
from codex_assets.errors import MissingInput
from codex_assets.library import staleness
from codex_assets.library.selection import moment
from codex_assets.library.staleness import Known
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, StoredObject

SCHEMA = 1
"""Raise it when the tables, or what is kept in them, change: the index is then made anew."""
READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 2000
"""Records that are read between two writes."""
PAGE = 1000
"""Keys of one listing request. What fits in one page is not listed in parallel."""
BUSY_SECONDS = 60.0
FOLDERS = ("originals/", "mezzanine/")
"""Listed as well: whether a mezzanine is there, and what it could be made from."""

Counted = Callable[[int, int], None]
"""Called with how many records were read, of how many."""

TABLES = """
CREATE TABLE records (
    media_id TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, known TEXT, problem TEXT,
    applicable INTEGER, code_version TEXT, built_at REAL, bytes INTEGER, seconds REAL, wall REAL, encoder TEXT,
    gpu TEXT, cost REAL,
    PRIMARY KEY (media_id, name)
) WITHOUT ROWID;
CREATE TABLE media (
    media_id TEXT PRIMARY KEY, media_type TEXT NOT NULL, creator_id TEXT NOT NULL, input_role TEXT NOT NULL,
    input_key TEXT NOT NULL, facts INTEGER NOT NULL, seconds REAL
) WITHOUT ROWID;
CREATE INDEX media_by_facts ON media (facts);
CREATE TABLE facts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE recipes (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE held (media_id TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (media_id, key)) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Row(NamedTuple):
    """A record, as its table has it, and last the recipe that it was built by."""

    media_id: str
    name: str
    stamp: str
    known: str | None = None
    problem: str | None = None
    applicable: bool | None = None
    code_version: str | None = None
    built_at: float | None = None
    bytes: int | None = None
    seconds: float | None = None
    wall: float | None = None
    encoder: str | None = None
    gpu: str | None = None
    cost: float | None = None
    recipe: Mapping[str, Any] = MappingProxyType({})


_COLUMNS = Row._fields[:-1]


def listed(
    archive: ObjectStore, only: Collection[str] | None
) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
    """Records by (media id, name) with what changes when they do, and (media id, key) of originals and mezzanines."""
    if only is not None:
        return _listed_of(archive, only)
    found = {root: _under(archive, root) for root in (*FOLDERS, keys.RECORDS_ROOT)}
    held = {
        (parts[2], stored.key) for root in FOLDERS for stored in found[root] if len(parts := stored.key.split("/")) == 4
    }
    return _stamps(found[keys.RECORDS_ROOT]), held


def _listed_of(archive: ObjectStore, only: Collection[str]) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
    stamps: dict[tuple[str, str], str] = {}
    held: set[tuple[str, str]] = set()

    def look(media_id: str) -> tuple[list[StoredObject], list[str]]:
        records = list(archive.list(keys.records_prefix(media_id)))
        media = None
        with suppress(MissingInput, ValidationError):
            media = MediaRecord.model_validate_json(archive.read(keys.record(media_id, "media")))
        if media is None:
            return records, []
        prefixes = (
            keys.original_prefix(media.creator_id, media_id),
            keys.mezzanine(media.creator_id, media_id).rpartition("/")[0] + "/",
        )
        return records, [stored.key for prefix in prefixes for stored in archive.list(prefix)]

    with ThreadPoolExecutor(READERS, thread_name_prefix="list") as pool:
        for media_id, (records, there) in zip(only, pool.map(look, only), strict=True):
            stamps |= _stamps(records)
            held |= {(media_id, key) for key in there}
    return stamps, held


def _under(archive: ObjectStore, root: str) -> list[StoredObject]:
    """Everything below a folder. What does not fit in a page is listed by the first characters of the names below it,
    at once: pages of one listing can only be asked for one after the other."""
    first = list(islice(archive.list(root), PAGE))
    if len(first) < PAGE:
        return first
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    with ThreadPoolExecutor(READERS, thread_name_prefix="list") as pool:
        pages = pool.map(lambda character: list(archive.list(root + character)), alphabet)
        return [stored for page in pages for stored in page]


def _stamps(records: Iterable[StoredObject]) -> dict[tuple[str, str], str]:
    found = {}
    for stored in records:
        key = keys.parse_record(stored.key)
        if key is not None:
            modified = stored.modified.timestamp() if stored.modified is not None else 0
            found[key] = f"{stored.size} {stored.etag or ''} {modified:.6f}"
    return found


def record_row(media_id: str, name: str, stamp: str, data: bytes) -> Row:
    """A record's row. Raises `ValidationError` where the record store would."""
    if name == "media":
        return Row(media_id, name, stamp, MediaRecord.model_validate_json(data).model_dump_json())
    if name == check_results.VERIFICATION:
        return Row(media_id, name, stamp, _json(staleness.checked(VerificationRecord.model_validate_json(data))))
    if not any(name in outputs for outputs in OUTPUTS.values()):
        return Row(media_id, name, stamp)
    record = record_type(name).model_validate_json(data)
    build = record.build
    row = Row(
        *(media_id, name, stamp),
        known=_json({key: value for key, value in vars(staleness.known(record)).items() if value or value is False}),
        applicable=record.applicable,
        code_version=record.code_version,
        bytes=sum(file.size for file in record.files),
        seconds=record.media_seconds,
    )
    if build is None:
        return row
    return row._replace(
        built_at=moment(build.built_at).timestamp(),
        wall=build.wall_seconds,
        encoder=build.encoder,
        gpu=build.gpu,
        cost=build.cost_usd,
        recipe=build.recipe,
    )


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def put(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    recipes = {staleness.recipe_key(row.recipe): _json(row.recipe) for row in rows if row.recipe}
    database.executemany("INSERT OR IGNORE INTO recipes VALUES (?, ?)", list(recipes.items()))
    # All but the recipe, which is kept once.
    database.executemany(
        f"INSERT OR REPLACE INTO records VALUES ({', '.join('?' * len(_COLUMNS))})", [row[:-1] for row in rows]
    )


def judgeable(database: sqlite3.Connection, touched: Collection[str] | None) -> None:
    """Work out the facts of these media, or of all, from their rows."""
    numbers = {text: number for number, text in database.execute("SELECT id, text FROM facts")}
    if touched is None:
        database.execute("DELETE FROM media")
    for some in [None] if touched is None else batches(sorted(touched), 500):
        marks = "" if some is None else f" WHERE media_id IN ({', '.join('?' * len(some))})"
        given = () if some is None else tuple(some)
        there: dict[str, set[str]] = {}
        for media_id, key in database.execute(f"SELECT media_id, key FROM held{marks}", given):
            there.setdefault(media_id, set()).add(key)
        rows = database.execute(
            f"SELECT media_id, name, known, seconds FROM records{marks} ORDER BY media_id",
            given,
        ).fetchall()
        media: dict[str, dict[str, tuple[Any, ...]]] = {}
        for media_id, name, *rest in rows:
            media.setdefault(media_id, {})[name] = tuple(rest)
        if some is not None:
            database.executemany("DELETE FROM media WHERE media_id = ?", [(one,) for one in some])
        made = [
            row for media_id, named in media.items() if (row := _media(media_id, named, there.get(media_id, set())))
        ]
        new = {row[5] for row in made} - numbers.keys()
        for text in sorted(new):
            numbers[text] = int(database.execute("INSERT INTO facts (text) VALUES (?)", (text,)).lastrowid or 0)
        database.executemany(
            "INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?)", [(*row[:5], numbers[row[5]], row[6]) for row in made]
        )
    database.execute("DELETE FROM facts WHERE id NOT IN (SELECT facts FROM media)")


def _media(media_id: str, named: Mapping[str, tuple[Any, ...]], there: Collection[str]) -> tuple[Any, ...] | None:
    """A row of `media`, its facts as text; None when nothing says who the media is."""
    who = named.get("media")
    if who is None or who[0] is None:
        return None
    media = MediaRecord.model_validate_json(who[0])
    outputs: dict[str, Known] = {}
    for name in OUTPUTS[media.media_type]:
        if name in named:
            text = named[name][0]
            outputs[name] = Known(unreadable=True) if text is None else _known(json.loads(text))
    verified = named.get(check_results.VERIFICATION)
    checked = {
        output: (one[0], one[1], tuple(one[2]))
        for output, one in (json.loads(verified[0]) if verified is not None and verified[0] else {}).items()
    }
    seconds = named["mezzanine"][1] if "mezzanine" in named else None
    found = staleness.facts(
        media.media_type,
        outputs,
        checked,
        mezzanine_file=keys.mezzanine(media.creator_id, media_id) in there,
        original=staleness.original_there(media, there),
    )
    return (media_id, media.media_type, media.creator_id, media.input_role, media.input_key, found.text(), seconds)


def _known(told: dict[str, Any]) -> Known:
    size = told.pop("size", None)
    return Known(**told | {"variants": tuple(told.get("variants", ()))}, size=tuple(size) if size else None)


def batches(some: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(some), count):
        yield some[start : start + count]


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
