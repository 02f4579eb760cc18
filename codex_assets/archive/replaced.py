"""What a switch replaced: kept for as long as players may still ask for it, then deleted.

Segments lie under names of their own, so those of a former version stay beside the new ones, and whoever began to watch
before the switch plays on to the end. In: what is noted of them, what is due, and deleting it. Out: the switch itself
(`build/`), and which media are swept (`library/reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from codex_assets.archive.records import MediaRecord, Record, VariantRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Stores

REPLACED = "replaced"
"""Name of the record of what was replaced and is not deleted yet; there is none where that is nothing."""
DELETE_THREADS = 12
"""Segments are deleted one by one, and the round trips cost the time."""
GRACE = timedelta(hours=24)
"""How long what was replaced can still be played, when nobody says otherwise."""


class ReplacedObjects(Record):
    """Objects of the delivery store that no playlist names any more: all whose key begins with `prefix`."""

    prefix: str
    since: str
    """When they were replaced: UTC, ISO 8601."""
    rung: VariantRecord | None = None
    """Whose segments they are, as it was recorded, but for its files and checks; None where that is not known."""

    def is_due(self, grace: timedelta, now: datetime) -> bool:
        """Whether they have been replaced for so long."""
        return datetime.fromisoformat(self.since) + grace <= now


class ReplacedRecord(Record):
    """All of these of one media."""

    media_id: str
    objects: tuple[ReplacedObjects, ...] = ()


def prefix_of(key: str, folder: str) -> str:
    """What tells objects that are replaced together, by one of their keys below the `folder` of their playlist: the
    folder of their version, the segments beside the playlist that the first releases put there, or the key alone."""
    name = key.removeprefix(folder)
    first, slash, _ = name.partition("/")
    if slash:
        return f"{folder}{first}/"
    return f"{folder}segment_" if name.startswith("segment_") else key


def unnamed(store: ObjectStore, folder: str, named: Collection[str]) -> set[str]:
    """The prefixes of what lies below a playlist's folder and is not among the keys that are `named`."""
    prefixes = {prefix_of(listed.key, folder) for listed in store.list(folder) if listed.key not in named}
    # A key that is named is never deleted for what lies beside it.
    return {prefix for prefix in prefixes if not any(key.startswith(prefix) for key in named)}


def prefix_of_rung(record: VariantRecord) -> str | None:
    """The prefix of a rung's segments; None for one that has none."""
    if record.playlist_key is None or not record.segments:
        return None
    folder = keys.folder(record.playlist_key)
    return prefix_of(keys.segment(record.playlist_key, 0, record.version), folder)


def note(
    records: RecordStore,
    media_id: str,
    prefixes: Iterable[str],
    current: Collection[str],
    now: datetime,
    rungs: Mapping[str, VariantRecord] | None = None,
) -> None:
    """Put on record that these were replaced now, unless it is on record. What is `current` (keys) is not replaced.

    `rungs`: by prefix, whose segments they were.
    """
    try:
        known = records.get(media_id, REPLACED, ReplacedRecord)
    except UnreadableRecord:
        # What it said is found again, by what nothing names.
        known = None
    before = known.objects if known is not None else ()
    kept = [each for each in before if not any(key.startswith(each.prefix) for key in current)]
    since = now.astimezone(UTC).isoformat(timespec="milliseconds")
    new = set(prefixes) - {each.prefix for each in kept}
    whose = {prefix: _brief(rung) for prefix, rung in (rungs or {}).items()}
    noted = (ReplacedObjects(prefix=prefix, since=since, rung=whose.get(prefix)) for prefix in sorted(new))
    after = (*kept, *noted)
    _write(records, media_id, before, after)


def _brief(rung: VariantRecord) -> VariantRecord:
    """A rung's record without what a comparison does not need, for it may name thousands of files."""
    left_out: dict[str, object] = {"files": (), "checks": (), "warnings": (), "notes": None, "rule_set": None}
    return rung.model_copy(update=left_out)


class Alone(Protocol):
    """What keeps others from naming what is deleted meanwhile."""

    def deleting(self) -> AbstractContextManager[None]:
        """A block in which others wait. Raises `Superseded` when the media is somebody else's."""

    def require_fresh(self) -> None:
        """Raises `Superseded` unless others still wait."""


def prune(
    stores: Stores, records: RecordStore, media: MediaRecord, grace: timedelta, now: datetime, alone: Alone
) -> tuple[str, ...]:
    """Delete what was replaced so long ago, and return the keys. Nothing that a record of the media names is deleted,
    and nothing outside the folder of what its players load.

    `alone`: the media's lease, which whoever read the records had already. Raises `Superseded` when it is lost, and
    `StorageError`, also for a record that cannot be read: then nothing is deleted.
    """
    known = records.get(media.media_id, REPLACED, ReplacedRecord)
    due = [each for each in known.objects if each.is_due(grace, now)] if known is not None else []
    if known is None or not due:
        return ()
    home = keys.hls_prefix(media.creator_id, media.media_id, media.media_type)
    preview = keys.folder(keys.preview_playlist(media.creator_id, media.media_id))
    gone: list[str] = []
    with alone.deleting():
        current = named_keys(records, media)
        for each in due:
            if each.prefix.startswith(home):
                gone += _delete(stores.media, each.prefix, current, alone)
                if each.prefix.startswith(preview):
                    # Its public copy, if there is one, has the same keys.
                    _delete(stores.assets, each.prefix, current, alone)
    _write(records, media.media_id, known.objects, tuple(each for each in known.objects if each not in due))
    return tuple(gone)


def named_keys(records: RecordStore, media: MediaRecord) -> frozenset[str]:
    """Every key that a record of the media names. Raises `StorageError` where one cannot be read."""
    known = [records.output(media.media_id, output) for output in OUTPUTS[media.media_type]]
    return frozenset(file.key for record in known if record is not None for file in record.files)


def _delete(store: ObjectStore, prefix: str, current: Collection[str], alone: Alone) -> list[str]:
    def delete(key: str) -> None:
        alone.require_fresh()
        store.delete(key)

    doomed = [listed.key for listed in store.list(prefix) if listed.key not in current]
    with ThreadPoolExecutor(DELETE_THREADS, thread_name_prefix="prune") as pool:
        # Playlists first, so that none is ever there without what it names.
        for are_playlists in (True, False):
            for _ in pool.map(delete, [key for key in doomed if key.endswith(".m3u8") is are_playlists]):
                pass
    return doomed


def _write(
    records: RecordStore, media_id: str, before: Sequence[ReplacedObjects], after: Sequence[ReplacedObjects]
) -> None:
    if after == before:
        return
    if after:
        records.put(media_id, REPLACED, ReplacedRecord(media_id=media_id, objects=tuple(after)))
    else:
        records.forget(media_id, REPLACED)
