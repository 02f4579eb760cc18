"""The index of every media and output: what is stale among thousands, answered from one file on this machine.

An SQLite database that can be lost at any time: everything in it is read from the archive, whose records are the truth.
`refresh` lists the archive and reads the records that changed since the last time, no others; `reindex` forgets
everything first. Any number of processes may use one file: readers see whole refreshes, and one process refreshes at a
time. In: the questions, and when the index is fresh enough. Out: the file (`catalogue_index.py`), reading the archive
(`catalogue_refresh.py`), conditions as SQL (`catalogue_conditions.py`), and what makes an output stale
(`staleness.py`). Why so: docs/decisions/catalogue.md.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from codex_assets.archive.findings import Finding
from codex_assets.archive.history import JOBS, JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import MEDIA, REFUSED, RefusedRecord
from codex_assets.contract.names import ID, MediaType
from codex_assets.library import catalogue_conditions, catalogue_refresh, catalogue_rows
from codex_assets.library.catalogue_index import Database, IndexFile, recorded_recipes
from codex_assets.library.catalogue_refresh import OnRead
from codex_assets.library.media_facts import MediaFacts
from codex_assets.library.overview import LastJob, MediaOverview
from codex_assets.library.selection import Where
from codex_assets.library.staleness import Cause, StalenessJudge, Verdict
from codex_assets.media.outputs import MEZZANINE, OUTPUTS, parents
from codex_assets.storage.objects import ObjectStore

FREE_SECONDS = 0.5
"""A refresh that takes less is done before every question."""
SHARE = 20
"""A longer one is done again when the answer is older than this many times what it takes: about 5 % of the time."""
FEW = 100
"""So many media that a question is about are looked at by themselves, and no others."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did. `listed`: objects; `read` and `gone`: records; `seconds` in all."""

    listed: int = 0
    read: int = 0
    gone: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class RebuildTarget:
    """What of one media is to be rebuilt.

    `outputs` are to be built in one job. `follows` may become stale by that: ask again when they are built. `reasons`
    has the causes of every output that is named.
    """

    media_id: str
    media_type: MediaType
    outputs: tuple[str, ...]
    follows: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BuiltOutput:
    """One output of one media as the index knows it. `bytes` of all its files; `wall`: seconds that its build took."""

    output: str
    applicable: bool
    bytes: int
    wall: float | None
    encoder: str | None
    recipe: Mapping[str, Any]
    variant: str | None


@dataclass(frozen=True)
class KeptFinding:
    """What a rule found when what is published of a media was last verified, at `checked_at` (ISO 8601)."""

    media_id: str
    checked_at: str
    finding: Finding


@dataclass(frozen=True)
class RecordFiles:
    """The records of one media as they were last listed. `signatures`: name -> a text that is another one when the
    record has changed; `modified`: when each was written, None where the store did not say."""

    media_id: str
    signatures: Mapping[str, str]
    modified: Mapping[str, datetime | None]


def is_due(age: float, took: float) -> bool:
    """Whether something that took so many seconds, and was done so many seconds ago, may be done again."""
    return took < FREE_SECONDS or age >= took * SHARE


class Catalogue:
    """The index of one archive, in one file. Safe to use from several threads and processes.

    Every method raises `StorageError` when the file cannot be used.
    """

    def __init__(self, path: Path, archive: ObjectStore, extras: Collection[str] = ()) -> None:
        """`extras`: optional outputs that every media is to have."""
        self._file, self._archive, self._extras = IndexFile(path), archive, extras

    # --- Keeping it up to date ----------------------------------------------------------------------------------------

    def refresh(self, media_ids: Collection[str] | None = None, *, on_read: OnRead | None = None) -> Refreshed:
        """Bring the index up to date with the archive: all of it, or these media alone (a request or two for each).

        Raises `StorageError` when the archive cannot be read; the index then stays as it was.
        """
        return self._bring_up_to_date(media_ids, on_read)

    def reindex(self, *, on_read: OnRead | None = None) -> Refreshed:
        """Forget everything, and read all of the archive's records again."""
        return self._bring_up_to_date(None, on_read, anew=True)

    def refresh_if_old(self, *, on_read: OnRead | None = None) -> Refreshed | None:
        """`refresh` if the index is old for what that takes; None when it was not needed. A listing that somebody else
        has taken, and that is not old, is not taken again."""
        if not self._is_old("refreshed_at"):
            return None
        return self._bring_up_to_date(None, on_read, lists=self._is_old("listed_at"))

    def list_if_old(self) -> None:
        """List the archive if the listing is old for what that takes, and read no record: what `record_files` says is
        new then."""
        if self._is_old("listed_at"):
            self.list_now()

    def list_now(self) -> None:
        """List the archive, and read no record. Raises `StorageError` when it cannot be listed."""
        with self._file.exclusive(), self._file.connection() as database:
            catalogue_refresh.take_listing(database, self._archive, None)

    def _bring_up_to_date(
        self, only: Collection[str] | None, on_read: OnRead | None, *, lists: bool = True, anew: bool = False
    ) -> Refreshed:
        began = time.monotonic()
        with self._file.exclusive(), self._file.connection() as database:
            listed = catalogue_refresh.take_listing(database, self._archive, only) if lists else 0
            read, gone = catalogue_refresh.read_changes(database, self._archive, only, on_read, anew=anew)
        return Refreshed(listed, read, gone, time.monotonic() - began)

    def _is_old(self, when: str) -> bool:
        state = self._state()
        return when not in state or is_due(time.time() - state[when], state.get("took", 0.0))

    def _state(self) -> dict[str, float]:
        with self._file.connection() as database:
            return {name: float(value) for name, value in database.execute("SELECT name, value FROM state")}

    def refresh_for(self, where: Where, *, on_read: OnRead | None = None) -> Refreshed | None:
        """What a question about some media needs to be true: a look at each of the few that `where` names, whatever the
        index has of others; else `refresh_if_old`."""
        if where.media_ids is not None and len(where.media_ids) <= FEW:
            return self.refresh(sorted(filter(ID.fullmatch, set(where.media_ids))), on_read=on_read)
        return self.refresh_if_old(on_read=on_read)

    def note_changed(self, media_ids: Collection[str]) -> None:
        """Look again at media whose records this process has changed: now, if they are few; else have the archive
        listed before the next question."""
        if len(media_ids) <= FEW:
            self.refresh(sorted(filter(ID.fullmatch, media_ids)))
            return
        with self._file.connection() as database:
            database.execute("DELETE FROM state")

    def age(self) -> tuple[float | None, float]:
        """Seconds since the listing that answers rest on was taken (None: never), and the seconds that this took."""
        state = self._state()
        if "refreshed_at" not in state:
            return None, 0.0
        return max(0.0, time.time() - state["refreshed_at"]), state["took"]

    # --- Asking -------------------------------------------------------------------------------------------------------

    def verdicts(
        self, where: Where | None = None, *, tools: Mapping[str, str] | None = None, asked: Collection[str] = ()
    ) -> Iterator[tuple[str, MediaType, dict[str, Verdict]]]:
        """(media id, type, verdicts) of every media for which `where` holds, in order of their ids.

        `tools`: versions by tool; what others built is then stale. `asked`: outputs that somebody names; the optional
        ones among them count as well.
        """
        condition = where or Where()
        with self._file.connection() as database:
            for row, verdicts in _judged(database, condition, tools, {*self._extras, *asked}, ""):
                yield row[0], row[1], verdicts

    def overview(self, where: Where | None = None) -> Iterator[MediaOverview]:
        """A line about every media for which `where` holds, and about those that are but a refused upload, in order of
        their ids."""
        condition = where or Where()
        with self._file.connection() as database:
            named, given = catalogue_conditions.of_ids(where, "refusals")
            refusals = {
                media_id: (bool(is_built), RefusedRecord.model_validate_json(text))
                for media_id, is_built, text in database.execute(
                    f"SELECT media_id, is_built, text FROM refusals WHERE {named} ORDER BY media_id", given
                )
            }
            unbuilt = (
                MediaOverview(refusal.media, refusal=refusal)
                for is_built, refusal in refusals.values()
                if not is_built and condition.holds_unbuilt(refusal.media)
            )
            columns = (
                ", creator_id, input_role, input_key, built, bytes, seconds, built_at, encoder, cost, verified_at,"
                " failed, warned, failing, job"
            )
            built = (
                _overview(row, verdicts, refusals.get(row[0], (False, None))[1])
                for row, verdicts in _judged(database, condition, None, self._extras, columns)
            )
            yield from merge(built, unbuilt, key=attrgetter("media.media_id"))

    def findings(
        self, where: Where | None = None, rule: str | None = None, *, warnings: bool = True
    ) -> Iterator[KeptFinding]:
        """What rules found, or one of them, of what is published now, in order of media. `warnings`: those that only
        warn as well."""
        chosen, given = self._chosen(where)
        with self._file.connection() as database:
            rows = database.execute(
                f"SELECT media_id, checked_at, text FROM findings WHERE {chosen} AND (? IS NULL OR rule = ?)"
                " AND (? OR is_failure) ORDER BY media_id, number",
                [*given, rule, rule, warnings],
            )
            for media_id, checked_at, text in rows:
                output, fields = json.loads(text)
                (finding,) = catalogue_rows.FINDINGS.validate_python([{**fields, "output": output}])
                yield KeptFinding(media_id, checked_at, finding)

    def verified(self, where: Where | None = None) -> tuple[int, int]:
        """Media for which `where` holds, and how many of them were not verified since they were published."""
        chosen, given = self._chosen(where)
        with self._file.connection() as database:
            media, verified = database.execute(
                f"SELECT count(*), count(verified_at) FROM media WHERE {chosen}", given
            ).fetchone()
        return int(media), int(media) - int(verified)

    def _chosen(self, where: Where | None) -> tuple[str, list[Any]]:
        """The media for which a condition holds, in SQL over any table that has their ids."""
        if where is None or where == Where():
            return "TRUE", []
        return "media_id IN (SELECT value FROM json_each(?))", [json.dumps([row[0] for row in self.verdicts(where)])]

    def targets(
        self,
        where: Where | None = None,
        assets: Sequence[str] | None = None,
        *,
        stale_only: bool = True,
        tools: Mapping[str, str] | None = None,
    ) -> list[RebuildTarget]:
        """What is to be rebuilt, media by media: of all outputs, or of `assets`; with `stale_only` what is stale, else
        whatever applies and can be built. Media with nothing to do are left out. `tools`: as in `verdicts`."""
        targets = []
        for media_id, media_type, verdicts in self.verdicts(where, tools=tools, asked=assets or ()):
            outputs = tuple(
                verdict.output
                for verdict in verdicts.values()
                if (assets is None or verdict.output in assets)
                and (assets is None or MEZZANINE.name in assets or not verdict.needs_mezzanine)
                and (verdict.is_stale if stale_only else verdict.applicable and verdict.blocked is None)
            )
            if not outputs:
                continue
            below = _downstream(media_type, outputs)
            follows = tuple(
                verdict.output for verdict in verdicts.values() if verdict.output in below and verdict.may_follow
            )
            reasons = {name: verdicts[name].causes for name in (*outputs, *follows)}
            targets.append(RebuildTarget(media_id, media_type, outputs, follows, reasons))
        return targets

    def built_outputs(self, media_ids: Collection[str]) -> dict[str, tuple[float | None, dict[str, BuiltOutput]]]:
        """Media id -> seconds of the media (None: not recorded), and output -> what was built of it."""
        built: dict[str, tuple[float | None, dict[str, BuiltOutput]]] = {}
        wanted, given = "media_id IN (SELECT value FROM json_each(?))", [json.dumps(list(media_ids))]
        with self._file.connection() as database:
            recorded = recorded_recipes(database)
            for media_id, seconds in database.execute(f"SELECT media_id, seconds FROM media WHERE {wanted}", given):
                built[media_id] = (seconds, {})
            for media_id, name, applicable, size, wall, encoder, text in database.execute(
                "SELECT media_id, name, applicable, bytes, wall, encoder, known FROM records"
                f" WHERE code_version NOTNULL AND {wanted}",
                given,
            ):
                if media_id in built:
                    facts = json.loads(text)
                    key = facts.get("recipe", "")
                    numbers = recorded(key) if key else {}
                    built[media_id][1][name] = BuiltOutput(
                        *(name, bool(applicable), size or 0, wall, encoder, numbers, facts.get("variant"))
                    )
        return built

    def speeds(self) -> dict[tuple[str, str, str], tuple[float, int]]:
        """(media type, output, encoder) -> the median of media seconds that one wall second built, and of how many
        builds. The encoder is empty where none was chosen."""
        speeds: dict[tuple[str, str, str], list[float]] = {}
        with self._file.connection() as database:
            for media_type, name, encoder, speed in database.execute(
                "SELECT media_type, name, ifnull(records.encoder, ''), media.seconds / wall AS speed FROM records"
                " JOIN media USING (media_id) WHERE applicable AND wall > 0 AND media.seconds > 0 ORDER BY speed"
            ):
                speeds.setdefault((media_type, name, encoder), []).append(speed)
        return {key: (ordered[len(ordered) // 2], len(ordered)) for key, ordered in speeds.items()}

    def sizes(self) -> dict[tuple[str, str], tuple[float, float]]:
        """(media type, output) -> the medians of its bytes, and of its bytes per second of media."""
        sizes: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        with self._file.connection() as database:
            for media_type, name, size, seconds in database.execute(
                "SELECT media_type, name, records.bytes, media.seconds FROM records JOIN media USING (media_id)"
                " WHERE applicable AND records.bytes > 0 AND media.seconds > 0"
            ):
                totals, rates = sizes.setdefault((media_type, name), ([], []))
                totals.append(size)
                rates.append(size / seconds)
        return {key: (median(totals), median(rates)) for key, (totals, rates) in sizes.items()}

    def gpus(self) -> Counter[str]:
        """Model of a GPU -> how many recorded outputs it encoded."""
        with self._file.connection() as database:
            rows = database.execute("SELECT gpu, count(*) FROM records WHERE gpu NOTNULL GROUP BY gpu")
            return Counter(dict(rows.fetchall()))

    def problems(self, where: Where | None = None) -> list[tuple[str, str, str]]:
        """(media id, record, problem) of every record that cannot be read: of all media, or of those that `where`
        names."""
        named, given = catalogue_conditions.of_ids(where, "records")
        with self._file.connection() as database:
            return database.execute(
                f"SELECT media_id, name, problem FROM records WHERE problem NOTNULL AND {named}", given
            ).fetchall()

    def refused(self, where: Where | None = None) -> list[RefusedRecord]:
        """The refusals of media of which nothing was ever built, in order of their ids: of all, or of those for whose
        own record `where` holds. They are no media otherwise: no other answer but `overview` has them."""
        named, given = catalogue_conditions.of_ids(where, "refusals")
        with self._file.connection() as database:
            rows = database.execute(
                f"SELECT text FROM refusals WHERE NOT is_built AND {named} ORDER BY media_id", given
            ).fetchall()
        refusals = [RefusedRecord.model_validate_json(text) for (text,) in rows]
        return [refusal for refusal in refusals if where is None or where.holds_unbuilt(refusal.media)]

    def record_files(self, since: datetime | None = None) -> Iterator[RecordFiles]:
        """The records of every media, as they were last listed, in order of their ids; `since`: of the media alone of
        which one was written then or later."""
        recent = (
            ""
            if since is None
            else (
                " WHERE media_id IN (SELECT media_id FROM listed WHERE modified >= ? UNION"
                " SELECT media_id FROM listed WHERE modified ISNULL)"
            )
        )
        given = () if since is None else (since.timestamp(),)
        with self._file.connection() as database:
            rows = database.execute(
                f"SELECT media_id, name, stamp, modified FROM listed{recent} ORDER BY media_id, name", given
            )
            for media_id, of_media in groupby(rows, key=itemgetter(0)):
                signatures: dict[str, str] = {}
                modified: dict[str, datetime | None] = {}
                for _, name, stamp, seconds in of_media:
                    modified[name] = written = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
                    size, etag, _ = stamp.split(" ")
                    signatures[name] = f"{size}/{etag or (written.isoformat() if written is not None else '')}"
                yield RecordFiles(media_id, signatures, modified)

    # --- Jobs and storage: see `stats.py` -----------------------------------------------------------------------------

    def jobs(self, where: Where | None = None) -> Iterator[tuple[str, tuple[JobRecord, ...]]]:
        """Media id and last jobs of every media that had one and for which `where` holds, also of those that were never
        registered; without what `catalogue_rows` leaves out of them."""
        meant = None
        if where is not None and where != Where():
            meant = {media.media.media_id for media in self.overview(where)}
        named, given = catalogue_conditions.of_ids(where, "records")
        with self._file.connection() as database:
            rows = database.execute(
                "SELECT media_id, known, EXISTS (SELECT 1 FROM records AS other WHERE other.media_id = records.media_id"
                f" AND other.name IN (?, ?)) FROM records WHERE name = ? AND known NOTNULL AND {named}",
                [MEDIA, REFUSED, JOBS, *given],
            )
            for media_id, known, is_registered in rows:
                if meant is not None and is_registered and media_id not in meant:
                    continue
                jobs = catalogue_rows.JOBS.validate_json(known)
                if is_registered or where is None or (jobs and where.holds_unbuilt(_media_of(jobs[-1]))):
                    yield media_id, jobs

    def names(self, wanted: Collection[str], where: Where | None = None) -> Iterator[tuple[str, frozenset[str]]]:
        """Every media, or those that `where` names, that has one of the records that are `wanted`, with those of them
        that it has; of one whose upload was refused, with all. In order of their ids."""
        named, given = catalogue_conditions.of_ids(where, "records")
        with self._file.connection() as database:
            rows = database.execute(
                f"SELECT media_id, name FROM records WHERE name IN (SELECT value FROM json_each(?)) AND {named}"
                " UNION SELECT media_id, name FROM records WHERE media_id IN (SELECT media_id FROM refusals)"
                f" AND {named} ORDER BY media_id",
                [json.dumps(list(wanted)), *given, *given],
            )
            for media_id, of_media in groupby(rows, key=itemgetter(0)):
                yield media_id, frozenset(name for _, name in of_media)

    def stored(self, media_ids: Collection[str] | None = None) -> list[tuple[str, str, int, int]]:
        """Role of a store, kind of object, how many and their bytes: what the records of all media name, or of
        these."""
        chosen = "TRUE" if media_ids is None else "media_id IN (SELECT value FROM json_each(?))"
        given = [] if media_ids is None else [json.dumps(list(media_ids))]
        with self._file.connection() as database:
            return database.execute(
                f"SELECT role, kind, sum(objects), sum(size) FROM stored WHERE {chosen} GROUP BY role, kind", given
            ).fetchall()

    def knows(self, media_id: str) -> bool:
        """Whether the index has anything of a media."""
        with self._file.connection() as database:
            return database.execute("SELECT 1 FROM records WHERE media_id = ?", (media_id,)).fetchone() is not None

    def others_of(self, media: MediaRecord) -> list[str]:
        """The ids of other media that were uploaded to the same key of the same store."""
        with self._file.connection() as database:
            rows = database.execute(
                "SELECT media_id FROM media WHERE input_role = ? AND input_key = ? AND media_id <> ?",
                (media.input_role, media.input_key, media.media_id),
            )
            return [media_id for (media_id,) in rows]

    def size(self) -> int:
        """Media in the index."""
        with self._file.connection() as database:
            return int(database.execute("SELECT count(*) FROM media").fetchone()[0])


def _judged(
    database: Database, where: Where, tools: Mapping[str, str] | None, extras: Collection[str], columns: str
) -> Iterator[tuple[tuple[Any, ...], dict[str, Verdict]]]:
    """(media id, type, the facts' number and text, `columns`) and the verdicts of every media for which `where` holds,
    in order of their ids. Facts are judged once, however many media have them."""
    judge = StalenessJudge(recorded_recipes(database), tools, extras)
    judged: dict[int, dict[str, Verdict]] = {}
    clause, given = catalogue_conditions.clause(where)
    rows = database.execute(
        f"SELECT media_id, media_type, media.facts, text{columns} FROM media JOIN facts ON facts.id = media.facts"
        f" WHERE {clause} ORDER BY media_id",
        given,
    )
    for row in rows:
        number, text = row[2:4]
        if number not in judged:
            judged[number] = judge.verdicts(MediaFacts.parse(text))
        if where.accepts(judged[number]):
            yield row, judged[number]


def _overview(row: tuple[Any, ...], verdicts: Mapping[str, Verdict], refusal: RefusedRecord | None) -> MediaOverview:
    media_id, media_type, _, _, creator_id, input_role, input_key, *numbers = row
    built, size, seconds, built_at, encoder, cost, verified_at, failed, warned, failing, job = numbers
    return MediaOverview(
        # Its fields were checked when the row was written.
        MediaRecord.model_construct(
            media_id=media_id, creator_id=creator_id, media_type=media_type, input_role=input_role, input_key=input_key
        ),
        verdicts,
        built=built,
        bytes=size,
        seconds=seconds,
        built_at=built_at,
        encoder=encoder,
        cost_usd=cost,
        verified_at=verified_at,
        failed=failed,
        warned=warned,
        failing=tuple(failing.split()),
        job=LastJob(**json.loads(job)) if job is not None else None,
        refusal=refusal,
    )


def _media_of(job: JobRecord) -> MediaRecord:
    """A media of which nothing is known but a job."""
    return MediaRecord(
        media_id=job.media_id,
        creator_id=job.creator_id,
        media_type=job.media_type,
        input_role="archive",
        input_key="",
    )


def _downstream(media_type: str, outputs: Collection[str]) -> set[str]:
    """Everything that is made from these outputs, directly or not."""
    affected = set(outputs)
    for output in OUTPUTS[media_type]:
        if affected.intersection(parents(media_type, output)):
            affected.add(output)
    return affected - set(outputs)
