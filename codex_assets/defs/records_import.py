"""How a Dagster instance takes over what the archive's records say: partitions, materializations, checks, staleness.

In: which media changed or went since an instance last looked, and their events, stored many in one transaction
(`event_log.py`). Not here: when that is done (`sensors.py`, `codex-assets import`), and how an instance forgets a media
(`removal.py`).

An instance keeps, per media, the signatures of the record files that it has read. A file with the same signature is
not read again; what an instance built itself is recognised by its materialization and not reported twice.

Dagster decides by storage ids whether a partition is stale: each event points at those events of its inputs that it was
made from (`materializations.py`). So inputs are stored before what is made from them, and an output that an instance
would judge otherwise than its record says is reported again, with the pointers that make it judge right.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

import dagster as dg

from codex_assets.archive import check_results, history, refused, replaced, undelivered
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
from codex_assets.config.links import Links
from codex_assets.defs import asset_checks, materializations, partitions
from codex_assets.defs.event_log import LatestEvent, OutputEvents, latest_event, latest_storage_ids, store_events
from codex_assets.library.catalogue import Catalogue, RecordFiles
from codex_assets.library.media_facts import changed_inputs
from codex_assets.media.outputs import OUTPUTS, parents
from codex_assets.storage.objects import ObjectStore
from codex_assets.verification.judge import RULES

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""
BATCH = 50
"""Media in one transaction: what is lost, at most, when an import is stopped."""
CURSOR = "codex_assets/learnt/"
"""What an instance keeps of a media is stored under this and the media's id."""
EVENTS, JUDGED = "@events", "@judged"
"""Beside the names of record files, in what an instance keeps of a media: the events that were the latest."""
CURSORS_AT_ONCE = 1000

NO_EVENTS = frozenset({history.JOBS, undelivered.UNDELIVERED, replaced.REPLACED, refused.REFUSED})
"""Records that say nothing of an output. The history of jobs changes with every job, and is no event of an asset; nor
is a webhook, what was replaced, or an upload that was refused."""

_log = logging.getLogger(__name__)

Picture = Callable[[OutputRecord], dict[str, Any]]
"""Metadata with a small picture of an output; empty for one that is no picture."""


@dataclass(frozen=True)
class ChangedMedia:
    """A media whose records differ from those that the instance imported, or of which the instance lost something.

    `files`: record name -> signature, as the archive lists them. `imported`: the same of the last import, without the
    outputs whose events are gone from the instance; None for a media that was never imported. `modified`: when its
    newest record was written.
    """

    media_id: str
    modified: datetime | None
    files: Mapping[str, str]
    imported: Mapping[str, str] | None
    judged: Mapping[str, str] | None = field(default_factory=dict)
    """Output -> what its checks said at the last import, as `_digest` has it; None where that was of an earlier
    release, whose checks were others."""

    def is_judged_otherwise(self, output: str, said: str) -> bool:
        """Whether the checks of an output whose event is known say something that was not imported."""
        if self.judged is None:
            return True
        return self.is_new(check_results.VERIFICATION) and self.judged.get(output) != said

    def is_new(self, name: str) -> bool:
        """Whether a record is another one than that of the last import, or has come or gone since."""
        return self.files.get(name) != (self.imported or {}).get(name)


@dataclass(frozen=True)
class Differences:
    """What the archive has otherwise than an instance: `changed`, oldest change first, is to be imported; media that
    the instance knows and the archive does not have any more are `gone`; of those that are `unbuildable` it has records
    and nothing to build, such as a refused upload."""

    changed: Sequence[ChangedMedia]
    gone: Sequence[str] = ()
    unbuildable: Sequence[str] = ()


@dataclass(frozen=True)
class ImportedMedia:
    """How much was stored of one media: materializations of outputs, and check results."""

    media_id: str
    modified: datetime | None
    outputs: int
    checks: int


@dataclass(frozen=True)
class _Cursor:
    """What an instance keeps of a media. `events`: `type/output` -> storage id of its latest event."""

    files: Mapping[str, str]
    events: Mapping[str, int]
    judged: Mapping[str, str] | None = None
    """Output -> what its checks said, as `_digest` has it; None for an import of an earlier release, whose checks were
    others."""


@dataclass(frozen=True)
class _ReadMedia:
    """The records of a changed media. `media` is None where its own record is gone or cannot be read."""

    change: ChangedMedia
    media: MediaRecord | None
    outputs: Mapping[str, OutputRecord]
    verification: VerificationRecord | None
    removal: OriginalRecord | None
    """Since when the original has been deleted or missing; None while it is there."""

    @cached_property
    def judged(self) -> dict[str, str]:
        """Output -> what its checks say, as `_digest` has it."""
        return {name: _digest(*_findings(record, self.verification)) for name, record in self.outputs.items()}


def changes(instance: dg.DagsterInstance, catalogue: Catalogue) -> list[ChangedMedia]:
    """The media to import, as `differences` has them."""
    return list(differences(instance, catalogue).changed)


def recent_changes(instance: dg.DagsterInstance, catalogue: Catalogue, since: datetime) -> list[ChangedMedia]:
    """The media to import of which a record was written at `since` or later, by the catalogue's listing. Of no others
    anything is asked, whatever there is in the archive and in the instance."""
    changed = []
    recent = [files for files in catalogue.record_files(since) if refused.is_buildable(files.signatures)]
    cursors = _cursors(instance, [files.media_id for files in recent])
    for files in recent:
        cursor, names, modified = cursors.get(files.media_id), *_of_events(files)
        if cursor is None or cursor.files != names or cursor.judged is None:
            imported, judged = (cursor.files, cursor.judged) if cursor is not None else (None, {})
            changed.append(ChangedMedia(files.media_id, modified, names, imported, judged))
    return _oldest_first(changed)


def differences(instance: dg.DagsterInstance, catalogue: Catalogue, since: datetime | None = None) -> Differences:
    """What is to be imported and forgotten, by the catalogue's listing of the archive: no record is read.

    `since`: only media with a record that was written then or later, and those of which the instance lost something.
    """
    files: dict[str, dict[str, str]] = {}
    modified: dict[str, datetime] = {}
    buildable: set[str] = set()
    known: set[str] = set()
    for of_media in catalogue.record_files():
        media_id = of_media.media_id
        known.add(media_id)
        if refused.is_buildable(of_media.signatures):
            buildable.add(media_id)
        files[media_id], written = _of_events(of_media)
        if written is not None:
            modified[media_id] = written
    cursors = _cursors(instance, sorted(buildable))
    contents = _Contents.of(instance)
    changed: list[ChangedMedia] = []
    for media_id, names in files.items():
        if media_id not in buildable:
            continue
        cursor = cursors.get(media_id)
        recent = since is None or media_id not in modified or modified[media_id] >= since
        lost = contents.lost(cursor, media_id) if cursor is not None else set()
        removed = cursor is not None and (lost or media_id not in contents.media_ids)
        rewritten = recent and (cursor is None or cursor.files != names or cursor.judged is None)
        if rewritten or removed:
            imported = None
            if cursor is not None:
                imported = {name: signature for name, signature in cursor.files.items() if name not in lost}
            judged = cursor.judged if cursor is not None else {}
            changed.append(ChangedMedia(media_id, modified.get(media_id), names, imported, judged))
    unknown = sorted(set(contents.media_ids) - buildable)
    return Differences(
        _oldest_first(changed),
        gone=[media_id for media_id in unknown if media_id not in known],
        unbuildable=[media_id for media_id in unknown if media_id in known],
    )


def _of_events(files: RecordFiles) -> tuple[dict[str, str], datetime | None]:
    """The signatures of the records that say something of an output, and when the newest of them was written."""
    names = {name: signature for name, signature in files.signatures.items() if name not in NO_EVENTS}
    return names, max(filter(None, (files.modified[name] for name in names)), default=None)


def _oldest_first(changed: Sequence[ChangedMedia]) -> list[ChangedMedia]:
    return sorted(
        changed, key=lambda change: (change.modified.timestamp() if change.modified else 0.0, change.media_id)
    )


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """The media that a run of this instance is working on: their records are ahead of the events that it will leave."""
    working = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    return {run.tags["dagster/partition"] for run in instance.get_runs(working) if "dagster/partition" in run.tags}


def import_media(
    instance: dg.DagsterInstance,
    archive: ObjectStore,
    changed: Sequence[ChangedMedia],
    *,
    accept: Callable[[MediaRecord], bool] = lambda _: True,
    picture: Picture | None = None,
    links: Links | None = None,
    until: float | None = None,
) -> Iterator[ImportedMedia]:
    """Store what changed, in the order given; of media that `accept` refuses nothing is stored.

    `until`: the monotonic second after which no batch is begun. Each batch is stored whole before its media are
    yielded: whoever stops in between goes on from there.
    """
    records = RecordStore(archive)
    registered = {
        media_type: set(instance.get_dynamic_partitions(str(definition.name)))
        for media_type, definition in partitions.PARTITIONS.items()
    }
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        left = iter(changed)
        while batch := list(islice(left, BATCH)):
            if until is not None and time.monotonic() > until:
                return
            read = pool.map(lambda change: _read(records, change), batch)
            accepted = [media for media in read if media.media is not None and accept(media.media)]
            imported, latest = _store(instance, accepted, picture, links, registered)
            _remember(instance, accepted, latest)
            yield from imported


def _read(records: RecordStore, change: ChangedMedia) -> _ReadMedia:
    """A record that cannot be read is left out, and does not keep the others from being imported."""

    def read(name: str, model: type[AnyRecord]) -> AnyRecord | None:
        try:
            return records.get(change.media_id, name, model) if name in change.files else None
        except UnreadableRecord as error:
            _log.warning("%s", error.public)
            return None

    media = read("media", MediaRecord)
    if media is None:
        return _ReadMedia(change, None, {}, None, None)
    named = {name: read(name, record_type(name)) for name in OUTPUTS[media.media_type]}
    outputs = {name: record for name, record in named.items() if record is not None}
    verification = read(check_results.VERIFICATION, VerificationRecord)
    return _ReadMedia(change, media, outputs, verification, read(ORIGINAL, OriginalRecord))


def _store(
    instance: dg.DagsterInstance,
    batch: Sequence[_ReadMedia],
    picture: Picture | None,
    links: Links | None,
    registered: Mapping[str, set[str]],
) -> tuple[list[ImportedMedia], dict[str, dict[str, int]]]:
    """Store the events of a batch. The answer: how much of each media; and media id -> `type/output` -> storage id of
    the event that is the latest now. `registered`: media type -> media that have a partition; new ones are added."""
    imported: list[ImportedMedia] = []
    events: list[OutputEvents] = []
    new_media: dict[str, list[str]] = {}
    latest: dict[str, dict[str, int]] = {}
    for read in batch:
        assert read.media is not None
        media_id, media_type = read.media.media_id, read.media.media_type
        is_new = media_id not in registered[media_type]
        # A media without its partition may have events all the same: the partition was deleted.
        known = {} if is_new and read.change.imported is None else _latest_events(instance, read.media)
        latest[media_id] = {f"{media_type}/{event.output}": event.storage_id for event in known.values()}
        own = _events_of(instance, read, known, picture, links)
        events += own
        if is_new:
            new_media.setdefault(media_type, []).append(media_id)
        outputs = len([each for each in own if each.event is not None and each.output != ORIGINAL])
        checks = sum(len(each.evaluations) for each in own)
        imported.append(ImportedMedia(media_id, read.change.modified, outputs, checks))
    for media_id, storage_ids in store_events(instance, events).items():
        latest[media_id] |= storage_ids
    # Last: of a media that is registered, everything is stored.
    for partitioned, media_ids in new_media.items():
        instance.add_dynamic_partitions(str(partitions.PARTITIONS[partitioned].name), media_ids)
        registered[partitioned].update(media_ids)
    return imported, latest


def _events_of(
    instance: dg.DagsterInstance,
    read: _ReadMedia,
    known: Mapping[str, LatestEvent],
    picture: Picture | None,
    links: Links | None,
) -> list[OutputEvents]:
    """What is to be stored of one media, inputs before what is made from them. `known`: output -> its latest event."""
    assert read.media is not None
    media_id = read.media.media_id
    versions = {name: record.data_version for name, record in read.outputs.items()}
    changed = changed_inputs(read.media.media_type, read.outputs)
    pointers = {name: event.storage_id for name, event in known.items() if name != ORIGINAL}
    upload = _upload(read, known.get(ORIGINAL), links)
    events = [OutputEvents(media_id, ORIGINAL, upload, None, {}, (), ())] if upload is not None else []
    reported: set[str] = set()
    for name, record in read.outputs.items():
        latest = known.get(name)
        is_known = latest is not None and (not read.change.is_new(name) or latest.is_of(record))
        if latest is None or not is_known or _is_misjudged(instance, read, latest, changed[name], known, reported):
            latest = None
            shown = picture(record) if picture is not None else {}
            event = materializations.materialization(record, versions, shown, links)
            reported.add(name)
        elif read.change.is_judged_otherwise(name, read.judged[name]):
            # Somebody has verified it, and that came to something else.
            event = None
        else:
            continue
        findings, rule_set = _findings(record, read.verification)
        evaluations = list(asset_checks.evaluations(record, findings, rule_set)) if findings else []
        events.append(OutputEvents(media_id, name, event, latest, pointers, changed[name], evaluations))
    return events


def _upload(read: _ReadMedia, known: LatestEvent | None, links: Links | None) -> dg.AssetMaterialization | None:
    """The event of the original; None where the instance has that of the same upload, and it was not removed since."""
    mezzanine = read.outputs.get("mezzanine")
    assert read.media is not None
    if not isinstance(mezzanine, MezzanineRecord):
        return None
    event = materializations.upload(read.media, mezzanine, read.removal, links)
    is_known = known is not None and known.tags == event.tags and not read.change.is_new(ORIGINAL)
    return None if is_known else event


def _is_misjudged(
    instance: dg.DagsterInstance,
    read: _ReadMedia,
    latest: LatestEvent,
    changed: Collection[str],
    known: Mapping[str, LatestEvent],
    reported: Collection[str],
) -> bool:
    """Whether Dagster would misjudge an output's latest event: take an input for changed that is not, or the reverse.

    `changed` are those inputs that have changed, `reported` those of which a later event is about to be stored. Dagster
    misjudges, for one, what was built here from an input that was built elsewhere and is only imported now.
    """
    for parent in parents(latest.media_type, latest.output):
        parent_event = known.get(parent)
        if parent not in read.outputs or (parent_event is None and parent not in reported):
            continue
        pointer = materializations.pointer(latest.tags, latest.media_type, parent)
        if pointer is None:
            return True
        seems_changed = False
        if parent in reported or (parent_event is not None and parent_event.storage_id > pointer):
            used = latest_event(instance, latest.media_id, latest.media_type, parent, pointer + 1)
            seems_changed = used is None or used.data_version != read.outputs[parent].data_version
        if seems_changed != (parent in changed):
            return True
    return False


def _findings(record: OutputRecord, verification: VerificationRecord | None) -> tuple[tuple[Finding, ...], str | None]:
    """The latest findings on an output, and the rules that were asked: those of a verification since it was published,
    if it has the same contents now, else those of its build."""
    for verified in verification.outputs if verification is not None else ():
        if verified.output == record.output and verified.is_of(record):
            passed = (
                Finding(
                    passed=True,
                    message=f"Passed when it was verified at {verified.checked_at}.",
                    output=record.output,
                    rule=rule,
                    severity=RULES[rule].severity,
                )
                for rule in verified.passed
                if rule in RULES
            )
            return (*passed, *verified.failed), verified.rule_set
    return record.checks, record.rule_set


def _digest(findings: Sequence[Finding], rule_set: str | None) -> str:
    """What the checks of an output say, in a few characters: the same for findings that a second look confirmed."""
    said = sorted(
        [each.rule, each.passed, "" if each.passed else each.message, "" if each.passed else each.observed]
        for each in findings
    )
    return hashlib.sha256(json.dumps([said, rule_set]).encode()).hexdigest()[:12]


# --- What an instance has ---------------------------------------------------------------------------------------------


def _latest_events(instance: dg.DagsterInstance, media: MediaRecord) -> dict[str, LatestEvent]:
    """Output, or `original` -> its latest event."""
    events = {
        name: latest_event(instance, media.media_id, media.media_type, name)
        for name in (ORIGINAL, *OUTPUTS[media.media_type])
    }
    return {name: event for name, event in events.items() if event is not None}


@dataclass(frozen=True)
class _Contents:
    """What an instance has. `latest`: `type/output` -> media id -> storage id of its latest event."""

    media_ids: Collection[str]
    latest: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> "_Contents":
        """Read what an instance has: a question for each output, whatever the number of media."""
        media_ids: set[str] = set()
        latest = {}
        for media_type, definition in partitions.PARTITIONS.items():
            media_ids |= set(instance.get_dynamic_partitions(str(definition.name)))
            for output in (ORIGINAL, *OUTPUTS[media_type]):
                latest[f"{media_type}/{output}"] = latest_storage_ids(instance, media_type, output)
        return cls(media_ids, latest)

    def lost(self, cursor: _Cursor, media_id: str) -> set[str]:
        """The outputs of a media whose event that was the latest at the last import is gone."""
        return {
            name.partition("/")[2]
            for name, number in cursor.events.items()
            if self.latest.get(name, {}).get(media_id, -1) < number
        }


def _cursors(instance: dg.DagsterInstance, media_ids: Sequence[str]) -> dict[str, _Cursor]:
    """Media id -> what the instance keeps of it, of those that were ever imported."""
    cursors: dict[str, _Cursor] = {}
    for start in range(0, len(media_ids), CURSORS_AT_ONCE):
        names = {CURSOR + media_id for media_id in media_ids[start : start + CURSORS_AT_ONCE]}
        for name, value in instance.run_storage.get_cursor_values(names).items():
            files = json.loads(value)
            # Earlier releases kept no events.
            events, judged = files.pop(EVENTS, {}), files.pop(JUDGED, None)
            cursors[name.removeprefix(CURSOR)] = _Cursor(files, events, judged)
    return cursors


def _remember(
    instance: dg.DagsterInstance, imported: Sequence[_ReadMedia], latest: Mapping[str, Mapping[str, int]]
) -> None:
    """Keep what was imported, as `_cursors` reads it. `latest`: as `_store` answers."""
    new = [read for read in imported if read.change.imported is None]
    changed = [read for read in imported if read.change.imported is not None]
    # Apart: the storage inserts all of them or updates all of them.
    for some in filter(None, (new, changed)):
        values = {
            CURSOR + read.change.media_id: json.dumps(
                {**read.change.files, EVENTS: dict(latest.get(read.change.media_id, {})), JUDGED: read.judged},
                sort_keys=True,
            )
            for read in some
        }
        instance.run_storage.set_cursor_values(values)
