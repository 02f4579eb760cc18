"""Brings the catalogue's index up to date: lists the archive, and reads the records that changed, no others.

In: what an index remembers of each record, how records become rows, and rows the facts of a media. Out: the file and
its tables (`catalogue_index.py`), and what the index is asked (`catalogue.py`).
"""

from __future__ import annotations

import json
import sqlite3
import string
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from codex_assets.archive import check_results, refused
from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.records import MediaRecord, record_type
from codex_assets.archive.refused import RefusedRecord
from codex_assets.errors import MissingInput
from codex_assets.library.catalogue_index import writing
from codex_assets.library.media_facts import (
    CheckSummary,
    RecordFacts,
    check_summaries,
    is_original_listed,
    media_facts,
    recipe_key,
    record_facts,
)
from codex_assets.library.selection import moment
from codex_assets.media.outputs import MEZZANINE, OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, StoredObject

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 2000
"""Records that are read between two writes."""
MEDIA_AT_ONCE = 500
"""Media whose facts are worked out by one question to the database."""
PAGE = 1000
"""Keys of one listing request. What fits in one page is not listed in parallel."""
FOLDERS = ("originals/", "mezzanine/")
"""Listed as well: whether a mezzanine is there, and what it could be made from."""

OnRead = Callable[[int, int], None]
"""Called with how many records were read, of how many."""
RecordName = tuple[str, str]
"""Media id and name of a record."""
File = tuple[str, str]
"""Media id and key of an original or a mezzanine."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did. `listed`: objects; `read` and `gone`: records; `seconds` in all."""

    listed: int = 0
    read: int = 0
    gone: int = 0
    seconds: float = 0.0


class Row(NamedTuple):
    """A record as a row of the table `records`, and last the recipe that it was built by."""

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


@dataclass(frozen=True)
class _Listing:
    """What the archive has. `stamps`: of each record, a text that is another one when the record changed."""

    stamps: dict[RecordName, str] = field(default_factory=dict)
    files: set[File] = field(default_factory=set)


def refresh(
    database: sqlite3.Connection,
    archive: ObjectStore,
    only: Collection[str] | None,
    on_read: OnRead | None,
    *,
    anew: bool = False,
) -> Refreshed:
    """Bring an index up to date: all of it, or the media in `only` alone. `anew` forgets everything first.

    Raises `StorageError` when the archive cannot be read; the index then stays as it was.
    """
    began, clock = time.monotonic(), time.time()
    listing = _list_archive(archive) if only is None else _list_media(archive, only)
    took = time.monotonic() - began
    before = _Listing() if anew else _indexed(database, only)
    changed = sorted(name for name, stamp in listing.stamps.items() if before.stamps.get(name) != stamp)
    gone = [name for name in before.stamps if name not in listing.stamps]
    touched = {media_id for media_id, _ in (*changed, *gone, *(listing.files ^ before.files))}
    read = 0
    # In one transaction, so that nobody sees half of a refresh.
    with writing(database), ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        if anew:
            for table in ("records", "media", "facts", "recipes", "held", "state"):
                database.execute(f"DELETE FROM {table}")
        for page in _batches(changed, BATCH):
            rows = list(pool.map(lambda name: _read_row(archive, name, listing.stamps[name]), page))
            _put(database, [row for row in rows if row is not None])
            gone += [name for name, row in zip(page, rows, strict=True) if row is None]
            read += len(page)
            if on_read is not None:
                on_read(read, len(changed))
        database.executemany("DELETE FROM records WHERE media_id = ? AND name = ?", gone)
        database.executemany("DELETE FROM held WHERE media_id = ? AND key = ?", list(before.files - listing.files))
        database.executemany("INSERT INTO held VALUES (?, ?)", list(listing.files - before.files))
        are_all = len(touched) >= len({media_id for media_id, _ in listing.stamps})
        _put_facts(database, None if are_all else touched)
        if only is None:
            state = {"refreshed_at": clock, "took": took}
            database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(state.items()))
    return Refreshed(len(listing.stamps) + len(listing.files), read, len(gone), time.monotonic() - began)


# --- What there is ----------------------------------------------------------------------------------------------------


def _indexed(database: sqlite3.Connection, only: Collection[str] | None) -> _Listing:
    """The listing that the index was made from, of all media or of some."""
    listing = _Listing()
    for media_id in (None,) if only is None else only:
        condition = "" if media_id is None else " WHERE media_id = ?"
        given = () if media_id is None else (media_id,)
        rows = database.execute(f"SELECT media_id, name, stamp FROM records{condition}", given)
        listing.stamps.update(((media, name), stamp) for media, name, stamp in rows)
        listing.files.update(database.execute(f"SELECT media_id, key FROM held{condition}", given))
    return listing


def _list_archive(archive: ObjectStore) -> _Listing:
    listed = {root: _under(archive, root) for root in (*FOLDERS, keys.RECORDS_ROOT)}
    files = {
        (parts[2], stored.key)
        for root in FOLDERS
        for stored in listed[root]
        if len(parts := stored.key.split("/")) == 4
    }
    return _Listing(_stamps(listed[keys.RECORDS_ROOT]), files)


def _list_media(archive: ObjectStore, only: Collection[str]) -> _Listing:
    listing = _Listing()

    def list_one(media_id: str) -> tuple[list[StoredObject], list[str]]:
        records = list(archive.list(keys.records_prefix(media_id)))
        media = None
        with suppress(MissingInput, ValidationError):
            media = MediaRecord.model_validate_json(archive.read(keys.record(media_id, "media")))
        if media is None:
            return records, []
        prefixes = (
            keys.original_prefix(media.creator_id, media.media_id),
            keys.mezzanine(media.creator_id, media_id).rpartition("/")[0] + "/",
        )
        return records, [stored.key for prefix in prefixes for stored in archive.list(prefix)]

    with ThreadPoolExecutor(READERS, thread_name_prefix="list") as pool:
        for media_id, (records, files) in zip(only, pool.map(list_one, only), strict=True):
            listing.stamps.update(_stamps(records))
            listing.files.update((media_id, key) for key in files)
    return listing


def _under(archive: ObjectStore, root: str) -> list[StoredObject]:
    """Everything below a folder.

    What does not fit in a page is listed in parallel, by the first characters of the names below the folder: pages of
    one listing can only be requested one after the other.
    """
    first = list(islice(archive.list(root), PAGE))
    if len(first) < PAGE:
        return first
    characters = string.digits + string.ascii_uppercase + string.ascii_lowercase
    with ThreadPoolExecutor(READERS, thread_name_prefix="list") as pool:
        pages = pool.map(lambda character: list(archive.list(root + character)), characters)
        return [stored for page in pages for stored in page]


def _stamps(records: Iterable[StoredObject]) -> dict[tuple[str, str], str]:
    stamps = {}
    for stored in records:
        key = keys.parse_record(stored.key)
        if key is not None:
            modified = stored.modified.timestamp() if stored.modified is not None else 0
            stamps[key] = f"{stored.size} {stored.etag or ''} {modified:.6f}"
    return stamps


# --- Rows -------------------------------------------------------------------------------------------------------------


def _read_row(archive: ObjectStore, name: RecordName, stamp: str) -> Row | None:
    """Read a record, and make the row of it; None when it is gone by now."""
    media_id, record = name
    try:
        data = archive.read(keys.record(media_id, record))
    except MissingInput:
        return None
    try:
        return _record_row(media_id, record, stamp, data)
    except ValueError as error:
        return Row(media_id, record, stamp, problem=f"the record cannot be read ({type(error).__name__})")


def _record_row(media_id: str, name: str, stamp: str, data: bytes) -> Row:
    """A record's row. Raises `ValidationError` where the record store would."""
    if name == "media":
        return Row(media_id, name, stamp, MediaRecord.model_validate_json(data).model_dump_json())
    if name == check_results.VERIFICATION:
        return Row(media_id, name, stamp, _checks_text(data))
    if name == refused.REFUSED:
        return Row(media_id, name, stamp, RefusedRecord.model_validate_json(data).model_dump_json())
    if not any(name in outputs for outputs in OUTPUTS.values()):
        return Row(media_id, name, stamp)
    record = record_type(name).model_validate_json(data)
    build = record.build
    row = Row(
        *(media_id, name, stamp),
        known=_json({key: value for key, value in vars(record_facts(record)).items() if value or value is False}),
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


def _checks_text(data: bytes) -> str:
    checks = check_summaries(VerificationRecord.model_validate_json(data))
    return _json(
        {
            output: (check.data_version, check.checked_at, check.failed, check.rule_set)
            for output, check in checks.items()
        }
    )


def _checks(text: str | None) -> dict[str, CheckSummary]:
    """What `_checks_text` wrote; nothing for a media that was never verified."""
    rows = json.loads(text) if text else {}
    return {output: CheckSummary(row[0], row[1], tuple(row[2]), row[3]) for output, row in rows.items()}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _put(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    recipes = {recipe_key(row.recipe): _json(row.recipe) for row in rows if row.recipe}
    database.executemany("INSERT OR IGNORE INTO recipes VALUES (?, ?)", list(recipes.items()))
    # All but the recipe, which is kept once.
    database.executemany(
        f"INSERT OR REPLACE INTO records VALUES ({', '.join('?' * len(_COLUMNS))})", [row[:-1] for row in rows]
    )


# --- Facts ------------------------------------------------------------------------------------------------------------


def _put_facts(database: sqlite3.Connection, touched: Collection[str] | None) -> None:
    """Work out the facts of these media, or of all, from their rows."""
    numbers = {text: number for number, text in database.execute("SELECT id, text FROM facts")}
    if touched is None:
        database.execute("DELETE FROM media")
    for media_ids in [None] if touched is None else _batches(sorted(touched), MEDIA_AT_ONCE):
        rows = _media_rows(database, media_ids)
        if media_ids is not None:
            database.executemany("DELETE FROM media WHERE media_id = ?", [(media_id,) for media_id in media_ids])
        for text in sorted({row[5] for row in rows} - numbers.keys()):
            numbers[text] = int(database.execute("INSERT INTO facts (text) VALUES (?)", (text,)).lastrowid or 0)
        database.executemany(
            "INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?)", [(*row[:5], numbers[row[5]], row[6]) for row in rows]
        )
    database.execute("DELETE FROM facts WHERE id NOT IN (SELECT facts FROM media)")


def _media_rows(database: sqlite3.Connection, media_ids: Sequence[str] | None) -> list[tuple[Any, ...]]:
    """The rows of these media, or of all, with the facts as text instead of their number."""
    condition = "" if media_ids is None else f" WHERE media_id IN ({', '.join('?' * len(media_ids))})"
    given = () if media_ids is None else tuple(media_ids)
    files: dict[str, set[str]] = {}
    for media_id, key in database.execute(f"SELECT media_id, key FROM held{condition}", given):
        files.setdefault(media_id, set()).add(key)
    records: dict[str, dict[str, tuple[Any, ...]]] = {}
    for media_id, name, *columns in database.execute(
        f"SELECT media_id, name, known, seconds FROM records{condition} ORDER BY media_id", given
    ):
        records.setdefault(media_id, {})[name] = tuple(columns)
    rows = (_media_row(media_id, named, files.get(media_id, set())) for media_id, named in records.items())
    return [row for row in rows if row is not None]


def _media_row(media_id: str, records: Mapping[str, tuple[Any, ...]], files: Collection[str]) -> tuple[Any, ...] | None:
    """A row of `media`, its facts as text; None when its own record is missing or cannot be read, and for a media of
    which there is nothing but a refused upload.

    `records`: name -> the columns `known` and `seconds` of the table `records`.
    """
    text, _ = records.get("media", (None, None))
    if text is None or not refused.is_buildable(records.keys()):
        return None
    media = MediaRecord.model_validate_json(text)
    outputs: dict[str, RecordFacts] = {}
    for name in OUTPUTS[media.media_type]:
        if name in records:
            known, _ = records[name]
            outputs[name] = RecordFacts(unreadable=True) if known is None else _record_facts(json.loads(known))
    checks, _ = records.get(check_results.VERIFICATION, (None, None))
    _, seconds = records.get(MEZZANINE.name, (None, None))
    facts = media_facts(
        media.media_type,
        outputs,
        _checks(checks),
        has_mezzanine_file=keys.mezzanine(media.creator_id, media_id) in files,
        has_original=is_original_listed(media, files),
    )
    return (media_id, media.media_type, media.creator_id, media.input_role, media.input_key, facts.text(), seconds)


def _record_facts(fields: dict[str, Any]) -> RecordFacts:
    """The facts that a row keeps, as `_record_row` wrote them."""
    size = fields.pop("size", None)
    return RecordFacts(**fields | {"variants": tuple(fields.get("variants", ()))}, size=tuple(size) if size else None)


def _batches(items: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), count):
        yield items[start : start + count]
