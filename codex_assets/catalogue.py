"""The index of every media and output: what is stale among thousands, answered from one file on this machine.

An SQLite database that can be lost at any time: everything in it is read from the archive, whose records are the truth.
`refresh` lists the archive and reads the records that changed since the last time, no others; `reindex` forgets
everything first. Any number of processes may use one file: readers see whole refreshes, and one process refreshes at a
time. Kept of a media are the facts that its verdicts depend on (`staleness`), not the verdicts: those also depend on
the code's recipes, which change with no record changing. Media of the same facts share them, so a question judges each
set of facts once. Why so: docs/decisions/catalogue.md.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import string
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from codex_assets import audit, staleness
from codex_assets.audit import VerificationRecord
from codex_assets.conditions import Where, moment
from codex_assets.delivery import keys
from codex_assets.delivery.storage import ObjectStore, StoredObject
from codex_assets.errors import MissingInput, StorageError
from codex_assets.media import recipe
from codex_assets.records import (
    MediaRecord,
    MediaType,
    MezzanineRecord,
    OutputRecord,
    VariantRecord,
    WaveformRecord,
    record_type,
)
from codex_assets.staleness import Cause, Facts, Judge, Known, Verdict

SCHEMA = 1
"""Raise it when the tables, or what is kept in them, change: the index is then made anew."""
READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 2000
"""Records that are read between two writes."""
PAGE = 1000
"""Keys of one listing request. What fits in one page is not listed in parallel."""
FREE_SECONDS = 0.5
"""A refresh that takes less is done before every question."""
SHARE = 20
"""A longer one is done again when the answer is older than this many times what it takes: about 5 % of the time."""
BUSY_SECONDS = 60.0
FOLDERS = ("originals/", "mezzanine/")
"""Listed as well: whether a mezzanine is there, and what it could be made from."""

Counted = Callable[[int, int], None]
"""Called with how many records were read, of how many."""

_TABLES = """
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


class _Row(NamedTuple):
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


_COLUMNS = _Row._fields[:-1]


@dataclass(frozen=True)
class Refreshed:
    """What a refresh came to. `listed` objects, `read` records, `gone` records; `seconds` in all."""

    listed: int = 0
    read: int = 0
    gone: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Target:
    """What of one media is to be rebuilt. `outputs` are to be built in one job; `follows` may change with them: ask
    again when they are built. `reasons` has the causes of every output that is named."""

    media_id: str
    media_type: MediaType
    outputs: tuple[str, ...]
    follows: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """One output of one media, as the index knows it: bytes in all, media seconds, wall seconds of its build."""

    output: str
    applicable: bool
    bytes: int
    wall: float | None
    encoder: str | None
    recipe: Mapping[str, Any]
    variant: str | None


class Catalogue:
    """The index of one archive, in one file. Safe to use from several threads and processes."""

    def __init__(self, path: Path, archive: ObjectStore) -> None:
        self._path, self._archive = path, archive

    # --- Keeping it up to date ----------------------------------------------------------------------------------------

    def refresh(self, media_ids: Collection[str] | None = None, *, on_read: Counted | None = None) -> Refreshed:
        """Bring the index up to date with the archive: all of it, or these media alone (a request or two for each).

        Raises `StorageError` when the archive cannot be read; the index then stays as it was.
        """
        with self._exclusive(), self._database() as database:
            return self._refresh(database, media_ids, on_read)

    def reindex(self, *, on_read: Counted | None = None) -> Refreshed:
        """Forget everything, and read all of the archive's records again."""
        with self._exclusive(), self._database() as database:
            return self._refresh(database, None, on_read, anew=True)

    def fresh(self, *, on_read: Counted | None = None) -> Refreshed | None:
        """`refresh` if the index is old for what that takes; None when it was not needed."""
        age, took = self.age()
        if age is not None and took >= FREE_SECONDS and age < took * SHARE:
            return None
        return self.refresh(on_read=on_read)

    def age(self) -> tuple[float | None, float]:
        """Seconds since the whole archive was last listed (None: never), and what that took."""
        with self._database() as database:
            state = dict(database.execute("SELECT name, value FROM state").fetchall())
        if "refreshed_at" not in state:
            return None, 0.0
        return max(0.0, time.time() - float(state["refreshed_at"])), float(state["took"])

    def _refresh(
        self,
        database: sqlite3.Connection,
        only: Collection[str] | None,
        on_read: Counted | None,
        *,
        anew: bool = False,
    ) -> Refreshed:
        began, clock = time.monotonic(), time.time()
        stamps, held = _listed(self._archive, only)
        took = time.monotonic() - began
        before: dict[tuple[str, str], str] = {}
        held_before: set[tuple[str, str]] = set()
        for media_id in () if anew else (None,) if only is None else only:
            some = "" if media_id is None else " WHERE media_id = ?"
            given = () if media_id is None else (media_id,)
            rows = database.execute(f"SELECT media_id, name, stamp FROM records{some}", given)
            before.update(((media, name), stamp) for media, name, stamp in rows)
            held_before |= set(database.execute(f"SELECT media_id, key FROM held{some}", given))
        changed = sorted(key for key, stamp in stamps.items() if before.get(key) != stamp)
        gone = [key for key in before if key not in stamps]
        touched = {media_id for media_id, _ in (*changed, *gone, *(held ^ held_before))}
        read = 0
        # In one transaction, so that nobody sees half of a refresh.
        with _writing(database), ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
            if anew:
                for table in ("records", "media", "facts", "recipes", "held", "state"):
                    database.execute(f"DELETE FROM {table}")
            for page in _batches(changed, BATCH):
                made = list(pool.map(lambda key: self._row(key, stamps[key]), page))
                _put(database, [row for row in made if row is not None])
                gone += [key for key, row in zip(page, made, strict=True) if row is None]
                read += len(page)
                if on_read is not None:
                    on_read(read, len(changed))
            database.executemany("DELETE FROM records WHERE media_id = ? AND name = ?", gone)
            database.executemany("DELETE FROM held WHERE media_id = ? AND key = ?", list(held_before - held))
            database.executemany("INSERT INTO held VALUES (?, ?)", list(held - held_before))
            _judgeable(database, touched if len(touched) < len({one for one, _ in stamps}) else None)
            if only is None:
                state = {"refreshed_at": clock, "took": took}
                database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(state.items()))
        return Refreshed(len(stamps) + len(held), read, len(gone), time.monotonic() - began)

    def _row(self, key: tuple[str, str], stamp: str) -> _Row | None:
        """A record as the index keeps it; None when it is gone by now."""
        media_id, name = key
        try:
            data = self._archive.read(keys.record(media_id, name))
        except MissingInput:
            return None
        try:
            return _row(media_id, name, stamp, data)
        except ValueError as error:
            return _Row(media_id, name, stamp, problem=f"the record cannot be read ({type(error).__name__})")

    # --- Asking -------------------------------------------------------------------------------------------------------

    def verdicts(self, where: Where | None = None) -> Iterator[tuple[str, MediaType, dict[str, Verdict]]]:
        """(media id, type, verdicts) of every media for which `where` holds, in order of their ids."""
        condition = where or Where()
        with self._database() as database:
            judge = Judge(_recipes(database))
            judged: dict[int, dict[str, Verdict]] = {}
            clause, given = _clause(condition)
            rows = database.execute(
                f"SELECT media_id, media_type, media.facts, text FROM media JOIN facts ON facts.id = media.facts"
                f" WHERE {clause} ORDER BY media_id",
                given,
            )
            for media_id, media_type, number, text in rows:
                if number not in judged:
                    judged[number] = judge.verdicts(Facts.parse(text))
                found = judged[number]
                if condition.stale and not _stale(found, condition.output):
                    continue
                yield media_id, media_type, found

    def targets(
        self, where: Where | None = None, assets: Sequence[str] | None = None, *, stale_only: bool = True
    ) -> list[Target]:
        """What is to be rebuilt, media by media: of all outputs, or of `assets`; with `stale_only` what is stale, else
        whatever applies and can be built. Media with nothing to do are left out."""
        found = []
        for media_id, media_type, verdicts in self.verdicts(where):
            named = [one for one in verdicts.values() if assets is None or one.output in assets]
            chosen = [one for one in named if (one.stale if stale_only else one.applicable and one.blocked is None)]
            if not chosen:
                continue
            outputs = tuple(one.output for one in chosen)
            moved = _downstream(media_type, outputs)
            follows = tuple(one.output for one in verdicts.values() if one.output in moved and one.follows)
            reasons = {name: verdicts[name].causes for name in (*outputs, *follows)}
            found.append(Target(media_id, media_type, outputs, follows, reasons))
        return found

    def held(self, media_ids: Collection[str]) -> dict[str, tuple[float | None, dict[str, Held]]]:
        """Of these media: seconds of the media, and every output that was built."""
        wanted = set(media_ids)
        found: dict[str, tuple[float | None, dict[str, Held]]] = {}
        with self._database() as database:
            recorded = _recipes(database)
            for media_id, seconds in database.execute("SELECT media_id, seconds FROM media"):
                if media_id in wanted:
                    found[media_id] = (seconds, {})
            for media_id, name, applicable, size, wall, encoder, text in database.execute(
                "SELECT media_id, name, applicable, bytes, wall, encoder, known FROM records WHERE code_version NOTNULL"
            ):
                if media_id in found:
                    one = json.loads(text)
                    key = one.get("recipe", "")
                    numbers = recorded(key) if key else {}
                    told = Held(name, bool(applicable), size or 0, wall, encoder, numbers, one.get("variant"))
                    found[media_id][1][name] = told
        return found

    def speeds(self) -> dict[tuple[str, str, str], tuple[float, int]]:
        """By media type, output and encoder ("" where none was chosen): the median of media seconds that one wall
        second built, and of how many builds."""
        found: dict[tuple[str, str, str], list[float]] = {}
        with self._database() as database:
            for media_type, name, encoder, speed in database.execute(
                "SELECT media_type, name, ifnull(encoder, ''), media.seconds / wall AS speed FROM records"
                " JOIN media USING (media_id) WHERE applicable AND wall > 0 AND media.seconds > 0 ORDER BY speed"
            ):
                found.setdefault((media_type, name, encoder), []).append(speed)
        return {key: (some[len(some) // 2], len(some)) for key, some in found.items()}

    def sizes(self) -> dict[tuple[str, str], tuple[float, float]]:
        """By media type and output: the medians of its bytes, and of its bytes per second of media."""
        found: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        with self._database() as database:
            for media_type, name, size, seconds in database.execute(
                "SELECT media_type, name, bytes, media.seconds FROM records JOIN media USING (media_id)"
                " WHERE applicable AND bytes > 0 AND media.seconds > 0"
            ):
                each, rates = found.setdefault((media_type, name), ([], []))
                each.append(size)
                rates.append(size / seconds)
        return {key: (median(each), median(rates)) for key, (each, rates) in found.items()}

    def gpus(self) -> Counter[str]:
        """How many recorded outputs each model of a GPU encoded."""
        with self._database() as database:
            rows = database.execute("SELECT gpu, count(*) FROM records WHERE gpu NOTNULL GROUP BY gpu")
            return Counter(dict(rows.fetchall()))

    def problems(self) -> list[tuple[str, str, str]]:
        """(media id, record, problem) of every record that cannot be read."""
        with self._database() as database:
            return database.execute("SELECT media_id, name, problem FROM records WHERE problem NOTNULL").fetchall()

    def size(self) -> int:
        """Media in the index."""
        with self._database() as database:
            return int(database.execute("SELECT count(*) FROM media").fetchone()[0])

    def dump(self) -> list[tuple[Any, ...]]:
        """Everything that answers depend on, in order: two indexes of the same archive say the same."""
        with self._database() as database:
            found: list[tuple[Any, ...]] = database.execute(
                "SELECT media_id, media_type, creator_id, input_role, input_key, seconds, text FROM media"
                " JOIN facts ON facts.id = media.facts ORDER BY media_id"
            ).fetchall()
            found += database.execute("SELECT * FROM records ORDER BY media_id, name").fetchall()
            found += database.execute("SELECT * FROM held ORDER BY media_id, key").fetchall()
        return found

    # --- The file -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One refresh at a time: one that listed earlier must not write over what a later one read."""
        with self._faults():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}.lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A connection of the caller's own. A file of another schema, or that is no database, is made anew."""
        with self._faults():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                database = self._connected()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._remove()
                database = self._connected()
            try:
                yield database
            finally:
                database.close()

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            # What a power cut loses is read from the archive again.
            database.execute("PRAGMA synchronous = OFF")
            if database.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                with _writing(database):
                    # Again, now that nobody else can be making the tables.
                    if database.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                        for (name,) in tables:
                            database.execute(f'DROP TABLE "{name}"')
                        for statement in filter(str.strip, _TABLES.split(";")):
                            database.execute(statement)
                        database.execute(f"PRAGMA user_version = {SCHEMA}")
        except BaseException:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                "The index of the archive cannot be used; set CATALOGUE_PATH to a file that can be written.",
                detail=f"{self._path}: {error}",
                retryable=False,
            ) from error


# --- The archive ------------------------------------------------------------------------------------------------------


def _listed(
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


# --- Rows -------------------------------------------------------------------------------------------------------------


def _row(media_id: str, name: str, stamp: str, data: bytes) -> _Row:
    """A record's row. Raises `ValidationError` where the record store would."""
    if name == "media":
        return _Row(media_id, name, stamp, MediaRecord.model_validate_json(data).model_dump_json())
    if name == audit.VERIFICATION:
        return _Row(media_id, name, stamp, _json(staleness.checked(VerificationRecord.model_validate_json(data))))
    if not any(name in outputs for outputs in recipe.OUTPUTS.values()):
        return _Row(media_id, name, stamp)
    record = record_type(name).model_validate_json(data)
    build = record.build
    row = _Row(
        *(media_id, name, stamp),
        known=_json({key: value for key, value in vars(staleness.known(record)).items() if value or value is False}),
        applicable=record.applicable,
        code_version=record.code_version,
        bytes=sum(file.size for file in record.files),
        seconds=_seconds(record),
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


def _seconds(record: OutputRecord) -> float | None:
    return record.duration if isinstance(record, MezzanineRecord | VariantRecord | WaveformRecord) else None


def _put(database: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    recipes = {staleness.recipe_key(row.recipe): _json(row.recipe) for row in rows if row.recipe}
    database.executemany("INSERT OR IGNORE INTO recipes VALUES (?, ?)", list(recipes.items()))
    # All but the recipe, which is kept once.
    database.executemany(
        f"INSERT OR REPLACE INTO records VALUES ({', '.join('?' * len(_COLUMNS))})", [row[:-1] for row in rows]
    )


def _judgeable(database: sqlite3.Connection, touched: Collection[str] | None) -> None:
    """Work out the facts of these media, or of all, from their rows."""
    numbers = {text: number for number, text in database.execute("SELECT id, text FROM facts")}
    if touched is None:
        database.execute("DELETE FROM media")
    for some in [None] if touched is None else _batches(sorted(touched), 500):
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
    for name in recipe.OUTPUTS[media.media_type]:
        if name in named:
            text = named[name][0]
            outputs[name] = Known(unreadable=True) if text is None else _known(json.loads(text))
    verified = named.get(audit.VERIFICATION)
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


def _recipes(database: sqlite3.Connection) -> Callable[[str], Mapping[str, Any]]:
    held: dict[str, Mapping[str, Any]] = {}

    def recorded(key: str) -> Mapping[str, Any]:
        if key not in held:
            row = database.execute("SELECT text FROM recipes WHERE key = ?", (key,)).fetchone()
            held[key] = json.loads(row[0]) if row is not None else {}
        return held[key]

    return recorded


# --- Questions --------------------------------------------------------------------------------------------------------


def _clause(where: Where) -> tuple[str, list[Any]]:
    """`where` in SQL, but for `stale`, which depends on the code's recipes."""
    parts: list[str] = ["TRUE"]
    given: list[Any] = []
    if where.media_type is not None:
        parts, given = [*parts, "media_type = ?"], [*given, where.media_type]
    if where.creator_id is not None:
        parts, given = [*parts, "creator_id = ?"], [*given, where.creator_id]
    if where.media_ids is not None:
        parts.append("media_id IN (SELECT value FROM json_each(?))")
        given.append(json.dumps(where.media_ids))
    if where.output is not None or where.recipe is not None or where.built_before is not None:
        names = sorted({name for outputs in recipe.OUTPUTS.values() for name in outputs})
        inner = ["applicable", "name IN (SELECT value FROM json_each(?))"]
        given.append(json.dumps(names if where.output is None else [where.output]))
        if where.recipe is not None:
            inner, given = [*inner, "code_version = ?"], [*given, where.recipe]
        if where.built_before is not None:
            inner, given = [*inner, "built_at < ?"], [*given, where.built_before.timestamp()]
        parts.append(
            "EXISTS (SELECT 1 FROM records WHERE records.media_id = media.media_id AND " + " AND ".join(inner) + ")"
        )
    return " AND ".join(parts), given


def _stale(verdicts: Mapping[str, Verdict], output: str | None) -> bool:
    return any(one.stale for one in verdicts.values() if output in (None, one.output))


def _downstream(media_type: str, outputs: Collection[str]) -> set[str]:
    moved = set(outputs)
    for output in recipe.OUTPUTS[media_type]:
        if moved.intersection(recipe.parents(media_type, output)):
            moved.add(output)
    return moved - set(outputs)


def _batches(some: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(some), count):
        yield some[start : start + count]


@contextmanager
def _writing(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
