"""The index of every media and output: what is stale among thousands, answered from one file on this machine.

An SQLite database that can be lost at any time: everything in it is read from the archive, whose records are the truth.
`refresh` lists the archive and reads the records that changed since the last time, no others; `reindex` forgets
everything first. Any number of processes may use one file: readers see whole refreshes, and one process refreshes at a
time. In: the questions, and when the index is fresh enough. Out: tables, rows and reading the archive
(`catalogue_index.py`), and what makes an output stale (`staleness.py`). Why so: docs/decisions/catalogue.md.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from codex_assets.contract.names import MediaType
from codex_assets.errors import MissingInput, StorageError
from codex_assets.library.catalogue_index import (
    BATCH,
    BUSY_SECONDS,
    READERS,
    SCHEMA,
    TABLES,
    Counted,
    Row,
    batches,
    judgeable,
    listed,
    put,
    record_row,
    writing,
)
from codex_assets.library.selection import Where
from codex_assets.library.staleness import Cause, Facts, Judge, Verdict
from codex_assets.media.outputs import OUTPUTS, parents
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore

FREE_SECONDS = 0.5
"""A refresh that takes less is done before every question."""
SHARE = 20
"""A longer one is done again when the answer is older than this many times what it takes: about 5 % of the time."""


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
        stamps, held = listed(self._archive, only)
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
        with writing(database), ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
            if anew:
                for table in ("records", "media", "facts", "recipes", "held", "state"):
                    database.execute(f"DELETE FROM {table}")
            for page in batches(changed, BATCH):
                made = list(pool.map(lambda key: self._row(key, stamps[key]), page))
                put(database, [row for row in made if row is not None])
                gone += [key for key, row in zip(page, made, strict=True) if row is None]
                read += len(page)
                if on_read is not None:
                    on_read(read, len(changed))
            database.executemany("DELETE FROM records WHERE media_id = ? AND name = ?", gone)
            database.executemany("DELETE FROM held WHERE media_id = ? AND key = ?", list(held_before - held))
            database.executemany("INSERT INTO held VALUES (?, ?)", list(held - held_before))
            judgeable(database, touched if len(touched) < len({one for one, _ in stamps}) else None)
            if only is None:
                state = {"refreshed_at": clock, "took": took}
                database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(state.items()))
        return Refreshed(len(stamps) + len(held), read, len(gone), time.monotonic() - began)

    def _row(self, key: tuple[str, str], stamp: str) -> Row | None:
        """A record as the index keeps it; None when it is gone by now."""
        media_id, name = key
        try:
            data = self._archive.read(keys.record(media_id, name))
        except MissingInput:
            return None
        try:
            return record_row(media_id, name, stamp, data)
        except ValueError as error:
            return Row(media_id, name, stamp, problem=f"the record cannot be read ({type(error).__name__})")

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
                with writing(database):
                    # Again, now that nobody else can be making the tables.
                    if database.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                        for (name,) in tables:
                            database.execute(f'DROP TABLE "{name}"')
                        for statement in filter(str.strip, TABLES.split(";")):
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


def _recipes(database: sqlite3.Connection) -> Callable[[str], Mapping[str, Any]]:
    held: dict[str, Mapping[str, Any]] = {}

    def recorded(key: str) -> Mapping[str, Any]:
        if key not in held:
            row = database.execute("SELECT text FROM recipes WHERE key = ?", (key,)).fetchone()
            held[key] = json.loads(row[0]) if row is not None else {}
        return held[key]

    return recorded


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
        names = sorted({name for outputs in OUTPUTS.values() for name in outputs})
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
    for output in OUTPUTS[media_type]:
        if moved.intersection(parents(media_type, output)):
            moved.add(output)
    return moved - set(outputs)
