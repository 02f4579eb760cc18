"""How a Dagster instance takes over what the archive's records say: partitions, materializations, checks, staleness.

In: which media changed since an instance last looked, and their events, stored many in one transaction
(`event_log.py`). Not here: when that is done (`sensors.py`, `codex-assets import`).

An instance keeps, per media, the signatures of the record files that it has read. What has the same signature
is not read again; what an instance built itself is recognised by its materialization and not reported twice.

Staleness of a partition Dagster reads from storage ids: each event points at those events of its inputs that it was
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
from dagster._core.events import DagsterEventType

from codex_assets.archive import check_results, history
from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.records import (
    ORIGINAL,
    MediaRecord,
    MezzanineRecord,
    OriginalRecord,
    OutputRecord,
    record_type,
)
from codex_assets.archive.store import AnyRecord, RecordStore, UnreadableRecord
from codex_assets.defs import asset_checks, assets, partitions
from codex_assets.defs.event_log import News, Target, latest_events, store_news
from codex_assets.library import staleness
from codex_assets.media.outputs import OUTPUTS, parents
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore
from codex_assets.verification.judge import RULES

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 50
"""Media in one transaction: what is lost, at most, when an import is stopped."""
KNOWN = "codex_assets/learnt/"
EVENTS = "@events"
"""Beside the names of record files, in what an instance keeps of a media: the events that were the latest."""

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
    found = {name: read(name, record_type(name)) for name in OUTPUTS[media.media_type]}
    outputs = {name: one for name, one in found.items() if one is not None}
    verification = read(check_results.VERIFICATION, VerificationRecord)
    return _Lesson(change, media, outputs, verification, read(ORIGINAL, OriginalRecord))


def _report(
    instance: dg.DagsterInstance, lessons: Sequence[_Lesson], picture: Picture | None
) -> tuple[list[Learnt], dict[str, dict[str, int]]]:
    """What was reported, and which event of each output is the latest then, per media as in `_Known`."""
    known = {name: set(instance.get_dynamic_partitions(str(one.name))) for name, one in partitions.PARTITIONS.items()}
    told: list[Learnt] = []
    news: list[News] = []
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
    for media_id, stored in store_news(instance, news).items():
        latest[media_id] |= stored
    # Last: a media that is registered is known whole.
    for media_type, media_ids in register.items():
        instance.add_dynamic_partitions(str(partitions.PARTITIONS[media_type].name), media_ids)
    return told, latest


def _of_media(
    instance: dg.DagsterInstance, lesson: _Lesson, held: Mapping[str, Target], picture: Picture | None
) -> list[News]:
    """What is to be stored of one media, inputs before what is made from them. `held`: what the instance has."""
    assert lesson.media is not None
    versions = {name: record.data_version for name, record in lesson.outputs.items()}
    changed = staleness.changed_inputs(lesson.media.media_type, lesson.outputs)
    known = {one: found.data.storage_id for one, found in held.items() if one != ORIGINAL}
    upload = _upload(lesson, held.get(ORIGINAL))
    news = [News(lesson.media.media_id, ORIGINAL, upload, None, {}, (), ())] if upload is not None else []
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
        news.append(News(record.media_id, name, event, target, known, changed[name], evaluations))
    return news


def _upload(lesson: _Lesson, known: Target | None) -> dg.AssetMaterialization | None:
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
    target: Target,
    changed: Collection[str],
    held: Mapping[str, Target],
    reported: Collection[str],
) -> bool:
    """Whether Dagster would take an input of what it has for changed that is not, or for unchanged that is.

    `changed` are those inputs that have changed, `reported` those of which a later event is about to be stored. So it
    would, for one, of what was built here from an input that was built elsewhere and is only learnt now.
    """
    for parent in parents(target.media_type, target.output):
        now = held.get(parent)
        if parent not in lesson.outputs or (now is None and parent not in reported):
            continue
        pointer = assets.pointer(target.tags, target.media_type, parent)
        if pointer is None:
            return True
        seen = False
        if parent in reported or (now is not None and now.data.storage_id > pointer):
            before = latest_events(instance, target.media_id, target.media_type, parent, pointer + 1)
            seen = before is None or before.data_version != lesson.outputs[parent].data_version
        if seen != (parent in changed):
            return True
    return False


def _written(change: Change, name: str) -> tuple[bool, bool]:
    """Whether the output's record, and whether the verification's, is another than before."""
    before = change.before or {}
    return change.files.get(name) != before.get(name), change.files.get(check_results.VERIFICATION) != before.get(
        check_results.VERIFICATION
    )


def _facts(record: OutputRecord, verification: VerificationRecord | None) -> tuple[Finding, ...]:
    """What was last found of an output: after publishing, if it still has the contents that were seen, else before."""
    built = record.build.built_at if record.build is not None else ""
    for one in verification.outputs if verification is not None else ():
        if one.output == record.output and one.data_version == record.data_version and one.checked_at >= built:
            passed = (
                Finding(
                    passed=True,
                    message=f"Passed when it was verified at {one.checked_at}.",
                    output=record.output,
                    rule=rule,
                    severity=RULES[rule].severity,
                )
                for rule in one.passed
                if rule in RULES
            )
            return (*passed, *one.failed)
    return record.checks


def _held(instance: dg.DagsterInstance, lesson: _Lesson) -> dict[str, Target]:
    assert lesson.media is not None
    found = {
        name: latest_events(instance, lesson.media.media_id, lesson.media.media_type, name)
        for name in (ORIGINAL, *OUTPUTS[lesson.media.media_type])
    }
    return {name: one for name, one in found.items() if one is not None}


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
            for output in (ORIGINAL, *OUTPUTS[media_type]):
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
