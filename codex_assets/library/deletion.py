"""Deletes all that there is of a media: a takedown, an erasure, or junk.

In every store each object that its creator's and its own id name, with every version of it; uploads of these that were
begun; its original, wherever it lies; its records; its rows of the index; its partition in Dagster; and at last its
lease, which keeps every other run out until then. What viewers follow goes first, and the records that say where to
look go last: whatever breaks a deletion off, running it again finishes it.

In: what belongs to a media, in which order it goes, and what became of it. Out: the lease (`archive/leases.py`), the
index (`catalogue.py`), Dagster (`defs/removal.py`), and how it is shown (`cli/`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from codex_assets.archive import history, refused
from codex_assets.archive.leases import Claim, Lease, Leases
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.errors import JobCancelled, JobError, MediaBusy, Superseded
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.published_media import why_not
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Role, StoredObject, Stores, UnfinishedUpload

THREADS = 12
"""Objects are deleted one by one, and the round trips cost the time."""
DELETING = "delete"
"""As whom it takes leases."""
_LAST = (history.JOBS, refused.REFUSED, refused.MEDIA)
"""Records that name the creator, and with that where the objects lie: in the order in which they go, after all
others."""

_log = logging.getLogger(__name__)


class DeletionVerdict(StrEnum):
    """What became of a media."""

    DELETED = "deleted"
    WOULD_DELETE = "would delete"
    """It was a dry run."""
    INCOMPLETE = "incomplete"
    """Something is left, or came meanwhile: run it again."""
    BUSY = "busy"
    """A job is at work on it."""
    UNKNOWN = "unknown"
    """Nothing in the archive or the delivery store names it."""
    UNCHECKED = "unchecked"
    """A store did not answer."""


@dataclass(frozen=True)
class DeletedObject:
    """One version of an object. `size`: bytes; `version`: None in a store that keeps one."""

    role: Role
    bucket: str
    key: str
    version: str | None
    size: int


@dataclass(frozen=True)
class MediaDeletion:
    """What went of a media, or would go. `kept`: sentences on what stays, and why; `forgotten`: what beside the stores
    knew it, and does not any more."""

    media_id: str
    verdict: DeletionVerdict
    message: str = ""
    objects: tuple[DeletedObject, ...] = ()
    kept: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def size(self) -> int:
        """Bytes of all versions."""
        return sum(each.size for each in self.objects)


@dataclass(frozen=True)
class _Belongings:
    """Where to look for what belongs to a media. `creators`: whose it is or was; `prefixes`: by role; `originals`: keys
    outside of these."""

    creators: frozenset[str]
    prefixes: dict[Role, tuple[str, ...]]
    originals: tuple[tuple[Role, str], ...] = ()
    kept: tuple[str, ...] = ()

    def own(self, role: Role, key: str) -> bool:
        return key.startswith(self.prefixes[role]) or (role, key) in self.originals


@dataclass(frozen=True)
class Deletion:
    """One run over some media; without `really` nothing is deleted. `forget`: removes a media from Dagster, and returns
    whether it was there; None where there is no instance at hand. `creators`: whose media these are, if nothing else
    says so."""

    stores: Stores
    catalogue: Catalogue
    cancelled: threading.Event
    really: bool = False
    creators: tuple[str, ...] = ()
    forget: Callable[[str], bool] | None = None

    def run(self, media_ids: Collection[str]) -> Iterator[MediaDeletion]:
        """One result per media, in the order given. Raises `JobCancelled` alone."""
        for media_id in media_ids:
            if self.cancelled.is_set():
                raise JobCancelled
            try:
                yield self._of_media(media_id)
            except (MediaBusy, Superseded):
                message = "A job is at work on it: wait until it has ended, or cancel it, and run this again."
                yield MediaDeletion(media_id, DeletionVerdict.BUSY, message)
            except JobCancelled:
                raise
            except Exception as error:  # noqa: BLE001 - the others are deleted all the same
                yield MediaDeletion(media_id, DeletionVerdict.UNCHECKED, why_not(error))

    def _of_media(self, media_id: str) -> MediaDeletion:
        names = self._records.names(media_id)
        if not names and not self.creators and self.stores.media.head(keys.lease(media_id)) is None:
            return self._of_unstored(media_id)
        belongings = self._belongings(media_id, names)
        if names and not belongings.creators:
            message = "Its records cannot be read, and so do not say whose it is: `--creator` does."
            return MediaDeletion(media_id, DeletionVerdict.UNKNOWN, message)
        if not self.really:
            objects = (*self._objects(belongings), *self._lease_object(media_id))
            return MediaDeletion(media_id, DeletionVerdict.WOULD_DELETE, objects=objects, kept=belongings.kept)
        self._require_idle(media_id)
        leases = Leases(self.stores, DELETING, waits=timedelta(0), cancelled=self.cancelled)
        with leases.of(media_id, Claim(leases.run_id, waits=timedelta(0))) as lease, lease.deleting():
            # A switch that was broken off has been finished, and may have written records.
            return self._deleted(media_id, self._belongings(media_id, self._records.names(media_id)), lease)

    def _of_unstored(self, media_id: str) -> MediaDeletion:
        """No store has anything of it. Whoever keeps a view of the archive may have it still: of another machine."""
        forgotten = self._forget(media_id) if self.really else ()
        if forgotten:
            return MediaDeletion(media_id, DeletionVerdict.DELETED, "No store had it.", forgotten=forgotten)
        message = "Nothing names it. If objects of it are left, `--creator` says whose they are."
        return MediaDeletion(media_id, DeletionVerdict.UNKNOWN, message)

    def _forget(self, media_id: str) -> tuple[str, ...]:
        """Remove it from the index and from Dagster; which of them knew it."""
        forgotten = ["index"] if self.catalogue.knows(media_id) else []
        self.catalogue.refresh([media_id])
        if self.forget is not None and self.forget(media_id):
            forgotten.append("dagster")
        return tuple(forgotten)

    @property
    def _records(self) -> RecordStore:
        return RecordStore(self.stores.archive)

    @property
    def _all_stores(self) -> tuple[ObjectStore, ...]:
        return (self.stores.media, self.stores.assets, self.stores.archive)

    def _require_idle(self, media_id: str) -> None:
        """A worker of an earlier release takes no lease. Raises `MediaBusy`."""
        if self.stores.media.head(keys.lease(media_id)) is not None:
            return
        with suppress(UnreadableRecord):
            if any(job.is_under_way(datetime.now(UTC)) for job in history.read(self._records, media_id)):
                raise MediaBusy(media_id)

    # --- What belongs to it -------------------------------------------------------------------------------------------

    def _belongings(self, media_id: str, names: Collection[str]) -> _Belongings:
        uploads = list(self._uploads(media_id, names))
        creators = {*self.creators, *(media.creator_id for media in uploads), *self._creators(media_id, names)}
        prefixes: dict[Role, tuple[str, ...]] = {"archive": (keys.records_prefix(media_id),), "media": (), "assets": ()}
        for creator in sorted(creators):
            for role, folders in keys.media_prefixes(creator, media_id).items():
                prefixes[role] += folders
        elsewhere = [media for media in uploads if not media.input_key.startswith(prefixes[media.input_role])]
        shared = {media.input_key: others for media in elsewhere if (others := self.catalogue.others_of(media))}
        kept = [f"'{key}' stays: media {', '.join(others[:3])} was made from it, too" for key, others in shared.items()]
        originals = {(media.input_role, media.input_key) for media in elsewhere if media.input_key not in shared}
        return _Belongings(frozenset(creators), prefixes, tuple(sorted(originals)), tuple(kept))

    def _uploads(self, media_id: str, names: Collection[str]) -> Iterator[MediaRecord]:
        """Who it is and what was uploaded, by the records that say so and can be read."""
        with suppress(UnreadableRecord):
            if refused.MEDIA in names and (media := self._records.media(media_id)) is not None:
                yield media
        with suppress(UnreadableRecord):
            if refused.REFUSED in names and (refusal := refused.read(media_id, self._records)) is not None:
                yield refusal.media

    def _creators(self, media_id: str, names: Collection[str]) -> Iterator[str]:
        """Whose it was, by its jobs and by the objects of its outputs."""
        with suppress(UnreadableRecord):
            if history.JOBS in names:
                yield from (job.creator_id for job in history.read(self._records, media_id))
        for output in sorted({output for outputs in OUTPUTS.values() for output in outputs}.intersection(names)):
            with suppress(UnreadableRecord):
                record = self._records.output(media_id, output)
                for file in record.files[-1:] if record is not None else ():
                    parts = file.key.split("/")
                    yield parts[1] if file.role == "archive" else parts[0]

    def _objects(self, belongings: _Belongings) -> list[DeletedObject]:
        """Every version of all that belongs to it, but for its lease. Raises `StorageError`."""
        objects = []
        for store in self._all_stores:
            role = store.name
            exact = [key for original_role, key in belongings.originals if original_role == role]
            for prefix in (*belongings.prefixes[role], *exact):
                objects += [
                    _deleted_object(store, stored)
                    for stored in store.versions(prefix)
                    if belongings.own(role, stored.key)
                ]
        return list(dict.fromkeys(objects))

    def _lease_object(self, media_id: str) -> list[DeletedObject]:
        store, key = self.stores.media, keys.lease(media_id)
        return [_deleted_object(store, stored) for stored in store.versions(key) if stored.key == key]

    def _unfinished(self, belongings: _Belongings) -> Iterator[tuple[ObjectStore, UnfinishedUpload]]:
        for store in self._all_stores:
            for upload in store.unfinished_uploads():
                if upload.key is not None and belongings.own(store.name, upload.key):
                    yield store, upload

    # --- Deleting it --------------------------------------------------------------------------------------------------

    def _deleted(self, media_id: str, belongings: _Belongings, lease: Lease) -> MediaDeletion:
        objects = self._objects(belongings)
        records = [each for each in objects if each.key.startswith(keys.records_prefix(media_id))]
        content = [each for each in objects if each not in records]
        playlists = [each for each in content if each.key.endswith(".m3u8")]
        self._delete([each for each in playlists if each.key.endswith(keys.MASTER_NAME)], lease)
        self._delete(playlists, lease)
        self._delete([each for each in content if each not in playlists], lease)
        for store, upload in self._unfinished(belongings):
            lease.require_fresh()
            store.abort_upload(upload)
        last = [keys.record(media_id, name) for name in _LAST]
        self._delete([each for each in records if each.key not in last], lease)
        left = [each for each in self._objects(belongings) if each.key not in last]
        if left:
            message = f"{len(left)} objects are left, or came meanwhile: run this again."
            return MediaDeletion(media_id, DeletionVerdict.INCOMPLETE, message, tuple(objects), belongings.kept)
        for key in last:
            self._delete([each for each in records if each.key == key], lease)
        forgotten = self._forget(media_id)
        lease.require_fresh()
        lease_object = self._lease_object(media_id)
        lease.remove()
        _log.info("media %s was deleted: %d objects", media_id, len(objects) + len(lease_object))
        return MediaDeletion(
            media_id,
            DeletionVerdict.DELETED,
            objects=(*objects, *lease_object),
            kept=belongings.kept,
            forgotten=forgotten,
        )

    def _delete(self, objects: Iterable[DeletedObject], lease: Lease) -> None:
        """Delete these keys, each with all its versions. Raises `StorageError`, and `Superseded` when the media was
        lost."""

        def delete(place: tuple[Role, str]) -> None:
            if self.cancelled.is_set():
                raise JobCancelled
            lease.require_fresh()
            self.stores.by_role(place[0]).delete(place[1])

        places: Sequence[tuple[Role, str]] = list(dict.fromkeys((each.role, each.key) for each in objects))
        with ThreadPoolExecutor(THREADS, thread_name_prefix="delete") as pool:
            try:
                for _ in pool.map(delete, places):
                    pass
            except JobError:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _deleted_object(store: ObjectStore, stored: StoredObject) -> DeletedObject:
    return DeletedObject(store.name, store.bucket, stored.key, stored.version, stored.size)
