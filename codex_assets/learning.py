"""How a Dagster instance learns what the archive's records say: partitions, materializations, checks, staleness.

In: which media changed since an instance last looked, and their events, stored many in one transaction. Not here: when
that happens (`operations`' sensor, the `import` command).

An instance keeps, per media, the signatures of the record files that it has learnt from, and which event of each output
was the latest then. What has the same signature is not read again; what an instance built itself is recognised by its
materialization and not reported twice. What somebody removed from the instance comes back: a media whose partition was
deleted, and outputs whose latest event is gone, because the asset was wiped or the run deleted.

Staleness of a partition Dagster tells from storage ids: each event points at those events of its inputs that it was
made from (`assets.pointing`). So inputs are stored before what is made from them, and what an instance would judge
otherwise than its record says is reported again, with the pointers that make it judge right.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._record import copy
from sqlalchemy import bindparam

from codex_assets import asset_checks, assets, audit, history, partitions, staleness
from codex_assets.audit import VerificationRecord
from codex_assets.delivery import keys
from codex_assets.delivery.storage import ObjectStore
from codex_assets.media import recipe
from codex_assets.media.verify import RULES, Severity
from codex_assets.records import (
    ORIGINAL,
    AnyRecord,
    CheckFact,
    MediaRecord,
    MezzanineRecord,
    OriginalRecord,
    OutputRecord,
    RecordStore,
    UnreadableRecord,
    record_type,
)

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 50
"""Media in one transaction: what is lost, at most, when an import is stopped."""
KNOWN = "codex_assets/learnt/"
EVENTS = "@events"
"""Beside the names of record files, in what an instance keeps of a media: the events that were the latest."""
CHECK_IDENTITY = ("asset_key", "check_name", "run_id", "partition")
"""What Dagster's table holds once."""

_log = logging.getLogger(__name__)

Picture = Callable[[OutputRecord], dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """A media whose records are not those that the instance learnt from, or of which something was removed from it.

    `files`: record name -> signature. `before`: those learnt from, without the outputs that were removed; None for a
    media that the instance never learnt.
    """

    media_id: str
    modified: datetime | None
    files: Mapping[str, str]
    before: Mapping[str, str] | None


@dataclass(frozen=True)
class Learnt:
    """What was reported of one media."""

    media_id: str
    modified: datetime | None
    outputs: int
    checks: int


@dataclass(frozen=True)
class _Known:
    """What an instance keeps of a media. `events`: `type/output` -> storage id of its latest event."""

    files: Mapping[str, str]
    events: Mapping[str, int]


@dataclass(frozen=True)
class _Lesson:
    change: Change
    media: MediaRecord | None
    outputs: Mapping[str, OutputRecord]
    verification: VerificationRecord | None
    gone: OriginalRecord | None
    """What became of the original, unless it is kept."""


@dataclass(frozen=True)
class _Target:
    """The latest materialization of an output of a media."""

    media_id: str
    media_type: str
    output: str
    data: AssetCheckEvaluationTargetMaterializationData
    tags: Mapping[str, str]
    built_at: Any

    @property
    def data_version(self) -> str | None:
        return self.tags.get("dagster/data_version")

    def same(self, record: OutputRecord) -> bool:
        built_at = record.build.built_at if record.build is not None else None
        told = (self.data_version, self.tags.get("dagster/code_version"), self.built_at)
        return told == (record.data_version, record.code_version, built_at)


@dataclass(frozen=True)
class _News:
    """What is stored of an output: its materialization, and what checks found. Without an event, they aim at `target`.

    `known`: the latest events of the media's outputs that the instance has, by storage id. `changed`: the inputs that
    have other contents now than this was made from.
    """

    media_id: str
    output: str
    event: dg.AssetMaterialization | None
    target: _Target | None
    known: Mapping[str, int]
    changed: Collection[str]
    evaluations: Sequence[dg.AssetCheckEvaluation]


def changes(instance: dg.DagsterInstance, archive: ObjectStore, since: datetime | None = None) -> list[Change]:
    """The media to learn, oldest change first, from one listing of the archive: no record is read.

    `since` leaves out what was last written before.
    """
    files: dict[str, dict[str, str]] = {}
    modified: dict[str, datetime] = {}
    for stored in archive.list(keys.RECORDS_ROOT):
        named = keys.parse_record(stored.key)
        if named is None or named[1] == history.JOBS:
            # What jobs took changes with every job, and is no event of an asset.
            continue
        media_id, name = named
        written = stored.modified.isoformat() if stored.modified is not None else ""
        files.setdefault(media_id, {})[name] = f"{stored.size}/{stored.etag or written}"
        if stored.modified is not None:
            modified[media_id] = max(stored.modified, modified.get(media_id, stored.modified))
    known = _known(instance, [one for one, names in files.items() if "media" in names])
    there = _Contents.of(instance)
    found = []
    for media_id, names in files.items():
        before = known.get(media_id)
        recent = since is None or media_id not in modified or modified[media_id] >= since
        gone = there.gone(before, media_id) if before is not None else set()
        removed = before is not None and (gone or media_id not in there.media_ids)
        changed = recent and "media" in names and (before is None or before.files != names)
        if changed or removed:
            left = {name: one for name, one in before.files.items() if name not in gone} if before is not None else None
            found.append(Change(media_id, modified.get(media_id), names, left))
    return sorted(found, key=lambda one: (one.modified.timestamp() if one.modified else 0.0, one.media_id))


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """The media that a run of this instance is working on: their records are ahead of the events that it will leave."""
    working = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    return {run.tags["dagster/partition"] for run in instance.get_runs(working) if "dagster/partition" in run.tags}


def learn(
    instance: dg.DagsterInstance,
    archive: ObjectStore,
    wanted: Sequence[Change],
    *,
    accept: Callable[[MediaRecord], bool] = lambda _: True,
    picture: Picture | None = None,
    until: float | None = None,
) -> Iterator[Learnt]:
    """Report what changed, in the order given. `until`: the monotonic second after which no batch is begun.

    Each batch is whole when its media are yielded: whoever stops in between goes on from there.
    """
    records = RecordStore(archive)
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        left = iter(wanted)
        while batch := list(islice(left, BATCH)):
            if until is not None and time.monotonic() > until:
                return
            read = list(pool.map(lambda change: _read(records, change), batch))
            lessons = [one for one in read if one.media is not None and accept(one.media)]
            told, latest = _report(instance, lessons, picture)
            _remember(instance, [one.change for one in lessons], latest)
            yield from told


def _read(records: RecordStore, change: Change) -> _Lesson:
    """A record that cannot be read says nothing, and keeps nobody from learning the others."""

    def read(name: str, model: type[AnyRecord]) -> AnyRecord | None:
        try:
            return records.get(change.media_id, name, model) if name in change.files else None
        except UnreadableRecord as error:
            _log.warning("%s", error.public)
            return None

    media = read("media", MediaRecord)
    if media is None:
        return _Lesson(change, None, {}, None, None)
    found = {name: read(name, record_type(name)) for name in recipe.OUTPUTS[media.media_type]}
    outputs = {name: one for name, one in found.items() if one is not None}
    verification = read(audit.VERIFICATION, VerificationRecord)
    return _Lesson(change, media, outputs, verification, read(ORIGINAL, OriginalRecord))


def _report(
    instance: dg.DagsterInstance, lessons: Sequence[_Lesson], picture: Picture | None
) -> tuple[list[Learnt], dict[str, dict[str, int]]]:
    """What was reported, and which event of each output is the latest then, per media as in `_Known`."""
    known = {name: set(instance.get_dynamic_partitions(str(one.name))) for name, one in partitions.PARTITIONS.items()}
    told: list[Learnt] = []
    news: list[_News] = []
    register: dict[str, list[str]] = {}
    latest: dict[str, dict[str, int]] = {}
    for lesson in lessons:
        assert lesson.media is not None
        fresh = lesson.media.media_id not in known[lesson.media.media_type]
        # Without its partition a media may have events: it was deleted.
        held = {} if fresh and lesson.change.before is None else _held(instance, lesson)
        latest[lesson.media.media_id] = {f"{one.media_type}/{one.output}": one.data.storage_id for one in held.values()}
        some = _of_media(instance, lesson, held, picture)
        news += some
        if fresh:
            register.setdefault(lesson.media.media_type, []).append(lesson.media.media_id)
        outputs = sum(one.event is not None and one.output != ORIGINAL for one in some)
        checks = sum(len(one.evaluations) for one in some)
        told.append(Learnt(lesson.media.media_id, lesson.change.modified, outputs, checks))
    for media_id, stored in _store(instance, news).items():
        latest[media_id] |= stored
    # Last: a media that is registered is known whole.
    for media_type, media_ids in register.items():
        instance.add_dynamic_partitions(str(partitions.PARTITIONS[media_type].name), media_ids)
    return told, latest


def _of_media(
    instance: dg.DagsterInstance, lesson: _Lesson, held: Mapping[str, _Target], picture: Picture | None
) -> list[_News]:
    """What is to be stored of one media, inputs before what is made from them. `held`: what the instance has."""
    assert lesson.media is not None
    versions = {name: record.data_version for name, record in lesson.outputs.items()}
    changed = staleness.changed_inputs(lesson.media.media_type, lesson.outputs)
    known = {one: found.data.storage_id for one, found in held.items() if one != ORIGINAL}
    upload = _upload(lesson, held.get(ORIGINAL))
    news = [_News(lesson.media.media_id, ORIGINAL, upload, None, {}, (), ())] if upload is not None else []
    reported: set[str] = set()
    for name, record in lesson.outputs.items():
        new, verified = _written(lesson.change, name)
        target = held.get(name)
        same = target is not None and (not new or target.same(record))
        if target is not None and same and not _misjudged(instance, lesson, target, changed[name], held, reported):
            if not verified:
                continue
            event = None
        else:
            target = None
            event = assets.materialization(record, versions, picture(record) if picture is not None else {})
            reported.add(name)
        facts = _facts(record, lesson.verification)
        evaluations = list(asset_checks.evaluations(record, facts)) if facts else []
        news.append(_News(record.media_id, name, event, target, known, changed[name], evaluations))
    return news


def _upload(lesson: _Lesson, known: _Target | None) -> dg.AssetMaterialization | None:
    """The event of the original, if the instance knows none of that upload or of what became of it."""
    made = lesson.outputs.get("mezzanine")
    assert lesson.media is not None
    if not isinstance(made, MezzanineRecord):
        return None
    event = assets.upload(lesson.media, made, lesson.gone)
    before = lesson.change.before or {}
    fate = before.get(ORIGINAL) != lesson.change.files.get(ORIGINAL)
    same = known is not None and known.tags == event.tags and not fate
    return None if same else event


def _misjudged(
    instance: dg.DagsterInstance,
    lesson: _Lesson,
    target: _Target,
    changed: Collection[str],
    held: Mapping[str, _Target],
    reported: Collection[str],
) -> bool:
    """Whether Dagster would take an input of what it has for changed that is not, or for unchanged that is.

    `changed` are those inputs that have changed, `reported` those of which a later event is about to be stored. So it
    would, for one, of what was built here from an input that was built elsewhere and is only learnt now.
    """
    for parent in recipe.parents(target.media_type, target.output):
        now = held.get(parent)
        if parent not in lesson.outputs or (now is None and parent not in reported):
            continue
        pointer = assets.pointer(target.tags, target.media_type, parent)
        if pointer is None:
            return True
        seen = False
        if parent in reported or (now is not None and now.data.storage_id > pointer):
            before = _latest(instance, target.media_id, target.media_type, parent, pointer + 1)
            seen = before is None or before.data_version != lesson.outputs[parent].data_version
        if seen != (parent in changed):
            return True
    return False


def _written(change: Change, name: str) -> tuple[bool, bool]:
    """Whether the output's record, and whether the verification's, is another than before."""
    before = change.before or {}
    return change.files.get(name) != before.get(name), change.files.get(audit.VERIFICATION) != before.get(
        audit.VERIFICATION
    )


def _facts(record: OutputRecord, verification: VerificationRecord | None) -> tuple[CheckFact, ...]:
    """What was last found of an output: after publishing, if it still has the contents that were seen, else before."""
    built = record.build.built_at if record.build is not None else ""
    for one in verification.outputs if verification is not None else ():
        if one.output == record.output and one.data_version == record.data_version and one.checked_at >= built:
            passed = (
                CheckFact(
                    rule=rule,
                    severity="ERROR" if RULES[rule].severity is Severity.ERROR else "WARN",
                    passed=True,
                    message=f"Passed when it was verified at {one.checked_at}.",
                )
                for rule in one.passed
                if rule in RULES
            )
            return (*passed, *one.failed)
    return record.checks


# --- What an instance holds -------------------------------------------------------------------------------------------


def _held(instance: dg.DagsterInstance, lesson: _Lesson) -> dict[str, _Target]:
    assert lesson.media is not None
    found = {
        name: _latest(instance, lesson.media.media_id, lesson.media.media_type, name)
        for name in (ORIGINAL, *recipe.OUTPUTS[lesson.media.media_type])
    }
    return {name: one for name, one in found.items() if one is not None}


def _latest(
    instance: dg.DagsterInstance, media_id: str, media_type: str, output: str, before: int | None = None
) -> _Target | None:
    """`before`: a storage id; among the events that are older."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey([media_type, output]), asset_partitions=[media_id], before_storage_id=before
    )
    found = instance.fetch_materializations(wanted, limit=1).records
    if not found or found[0].asset_materialization is None:
        return None
    event = found[0].asset_materialization
    built_at = event.metadata.get("built_at")
    return _Target(
        media_id,
        media_type,
        output,
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=found[0].storage_id, run_id=found[0].run_id, timestamp=found[0].timestamp
        ),
        event.tags or {},
        built_at.value if built_at is not None else None,
    )


@dataclass(frozen=True)
class _Contents:
    """What an instance has: its media, and per `type/output` the latest event of each of them."""

    media_ids: Collection[str]
    latest: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> "_Contents":
        media_ids: set[str] = set()
        latest = {}
        for media_type, definition in partitions.PARTITIONS.items():
            media_ids |= set(instance.get_dynamic_partitions(str(definition.name)))
            for output in (ORIGINAL, *recipe.OUTPUTS[media_type]):
                latest[f"{media_type}/{output}"] = instance.event_log_storage.get_latest_storage_id_by_partition(
                    dg.AssetKey([media_type, output]), DagsterEventType.ASSET_MATERIALIZATION
                )
        return cls(media_ids, latest)

    def gone(self, known: _Known, media_id: str) -> set[str]:
        """The outputs of a media whose latest event of then is gone."""
        return {
            name.partition("/")[2]
            for name, number in known.events.items()
            if self.latest.get(name, {}).get(media_id, -1) < number
        }


def _known(instance: dg.DagsterInstance, media_ids: Sequence[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for start in range(0, len(media_ids), 1000):
        names = {KNOWN + one for one in media_ids[start : start + 1000]}
        for name, value in instance.run_storage.get_cursor_values(names).items():
            files = json.loads(value)
            # Instances of before kept none.
            events = files.pop(EVENTS, {})
            found[name.removeprefix(KNOWN)] = _Known(files, events)
    return found


def _remember(instance: dg.DagsterInstance, learnt: Iterable[Change], latest: Mapping[str, Mapping[str, int]]) -> None:
    every = list(learnt)
    # Apart: the storage inserts all of them or updates all of them.
    for some in ([one for one in every if one.before is None], [one for one in every if one.before is not None]):
        if some:
            kept = {one.media_id: {**one.files, EVENTS: dict(latest.get(one.media_id, {}))} for one in some}
            pairs = {KNOWN + media_id: json.dumps(told, sort_keys=True) for media_id, told in kept.items()}
            instance.run_storage.set_cursor_values(pairs)


# --- Storing ----------------------------------------------------------------------------------------------------------


def _store(instance: dg.DagsterInstance, news: Sequence[_News]) -> dict[str, dict[str, int]]:
    """All events in one transaction: what Dagster does for each of them, with a connection and a commit for each.

    The storage ids of those of outputs, as in `_Known`.

    This is what `report_runless_asset_event` writes, through the storage's own statements; the release is pinned.
    """
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    now = time.time()
    numbers: dict[str, dict[str, int]] = {}
    stored: list[tuple[EventLogEntry, int]] = []
    aimed: list[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]] = []
    with storage.index_transaction() as connection:
        made: dict[str, dict[str, int]] = {}
        for one in news:
            if one.event is not None:
                just = made.setdefault(one.media_id, {})
                pointers = {**one.known, **just, **dict.fromkeys(one.changed, assets.BEFORE_ANY)}
                upload = one.output == ORIGINAL
                event = one.event if upload else assets.pointing(one.event, pointers)
                entry = _entry(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event), now)
                inserted = connection.execute(SqlEventLogStorageTable.insert(), storage._event_to_row(entry))
                assert inserted.inserted_primary_key is not None
                number = int(inserted.inserted_primary_key[0])
                just |= {} if upload else {one.output: number}
                numbers.setdefault(one.media_id, {})["/".join(one.event.asset_key.path)] = number
                stored.append((entry, number))
                data = AssetCheckEvaluationTargetMaterializationData(
                    storage_id=number, run_id=RUNLESS_RUN_ID, timestamp=now
                )
            else:
                assert one.target is not None
                data = one.target.data
            aimed += [(evaluation, data) for evaluation in one.evaluations]
        if stored:
            storage._store_asset_event_tags(connection, [one for one, _ in stored], [number for _, number in stored])
        # One row per asset: the latest.
        latest = {str(entry.get_dagster_event().asset_key): (entry, number) for entry, number in stored}
        for entry, number in latest.values():
            values = storage._get_asset_entry_values(entry, number, True)
            key = entry.get_dagster_event().asset_key
            assert key is not None
            _upsert(connection, key.to_string(), values)
        if aimed:
            _store_checks(storage, connection, aimed, now)
    return numbers


def _store_checks(
    storage: SqlEventLogStorage,
    connection: Any,
    aimed: Sequence[tuple[dg.AssetCheckEvaluation, AssetCheckEvaluationTargetMaterializationData]],
    now: float,
) -> None:
    """What checks found, each of one materialization: nearly all that there is to store, so many in one statement."""
    events = _Events(storage, now)
    told = [events.row(evaluation, target) for evaluation, target in aimed]
    number = SqlEventLogStorageTable.c.id
    inserted = connection.execute(
        SqlEventLogStorageTable.insert().returning(number, sort_by_parameter_order=True), told
    ).scalars()
    rows = [
        _check_row(evaluation, target, int(made), event)
        for (evaluation, target), made, event in zip(aimed, inserted, told, strict=True)
    ]
    # One row per check and media of what no run found: what is told again takes the place of the earlier one.
    table = AssetCheckExecutionsTable
    same = [table.c[name] == bindparam(f"old_{name}") for name in CHECK_IDENTITY]
    connection.execute(
        table.delete().where(*same), [{f"old_{one}": row[one] for one in CHECK_IDENTITY} for row in rows]
    )
    connection.execute(table.insert(), rows)


class _Events:
    """The events of checks as Dagster stores them.

    One of each severity Dagster writes itself; in the others only what differs is filled in, which takes a fifth of the
    time. A test compares what is read back with what was to be told.
    """

    def __init__(self, storage: SqlEventLogStorage, now: float) -> None:
        self._storage = storage
        self._now = now
        self._samples: dict[dg.AssetCheckSeverity, tuple[dict[str, Any], dict[str, Any]]] = {}

    def row(
        self, evaluation: dg.AssetCheckEvaluation, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dict[str, Any]:
        if evaluation.severity not in self._samples:
            sample = copy(evaluation, metadata={"text": dg.TextMetadataValue(""), "bool": dg.BoolMetadataValue(False)})
            row = self._written(sample, target)
            self._samples[evaluation.severity] = (row, json.loads(row["event"]))
        row, entry = self._samples[evaluation.severity]
        event = entry["dagster_event"]
        held = event["event_specific_data"]
        found = {
            **held,
            "asset_key": {**held["asset_key"], "path": list(evaluation.asset_key.path)},
            "check_name": evaluation.check_name,
            "description": evaluation.description,
            "metadata": {
                name: {**held["metadata"]["bool"], "value": value.value}
                if isinstance(value, dg.BoolMetadataValue)
                else {**held["metadata"]["text"], "text": value.value}
                for name, value in evaluation.metadata.items()
            },
            "partition": evaluation.partition,
            "success": evaluation.passed,
            "target_materialization_data": {
                **held["target_materialization_data"],
                "run_id": target.run_id,
                "storage_id": target.storage_id,
                "timestamp": target.timestamp,
            },
        }
        return {
            **row,
            "event": json.dumps({**entry, "dagster_event": {**event, "event_specific_data": found}}),
            "asset_key": evaluation.asset_key.to_string(),
            "partition": evaluation.partition,
        }

    def _written(
        self, evaluation: dg.AssetCheckEvaluation, target: AssetCheckEvaluationTargetMaterializationData
    ) -> dict[str, Any]:
        aimed = copy(evaluation, target_materialization_data=target)
        entry = _entry(DagsterEventType.ASSET_CHECK_EVALUATION, aimed, self._now)
        return dict(self._storage._event_to_row(entry))


def _upsert(connection: Any, key: str, values: dict[str, Any]) -> None:
    changed = connection.execute(AssetKeyTable.update().values(**values).where(AssetKeyTable.c.asset_key == key))
    if changed.rowcount == 0:
        connection.execute(AssetKeyTable.insert().values(asset_key=key, **values))


def _entry(kind: DagsterEventType, data: Any, now: float) -> EventLogEntry:
    event = DagsterEvent(event_type_value=kind.value, event_specific_data=data, job_name=RUNLESS_JOB_NAME)
    return EventLogEntry(  # type: ignore[no-untyped-call]
        user_message="",
        level=20,
        job_name=RUNLESS_JOB_NAME,
        run_id=RUNLESS_RUN_ID,
        error_info=None,
        timestamp=now,
        step_key=None,
        dagster_event=event,
    )


def _check_row(
    evaluation: dg.AssetCheckEvaluation,
    target: AssetCheckEvaluationTargetMaterializationData,
    number: int,
    event: Mapping[str, Any],
) -> dict[str, Any]:
    status = AssetCheckExecutionRecordStatus
    return {
        "asset_key": evaluation.asset_key.to_string(),
        "check_name": evaluation.check_name,
        "run_id": event["run_id"],
        "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
        "evaluation_event": event["event"],
        "evaluation_event_timestamp": event["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id,
        "partition": evaluation.partition,
    }
