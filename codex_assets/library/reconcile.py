"""Compares what the stores hold with what the records say, media by media, and repairs what jobs left behind.

What was replaced long ago is deleted; what nobody noted as replaced is noted, and deleted a while later; a mezzanine
that no record names makes room for the recorded one; parts of uploads that nobody goes on with are removed, and what a
trial of a store left there. What only a build can repair is reported: objects that are missing, outputs without a
record, media that were never built, jobs that never ended.

In: what is compared, and what is repaired. Out: what a switch replaces (`archive/replaced.py`), when this runs
(`defs/schedules.py`), and how it is shown (`cli/`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from codex_assets.archive import history, mezzanine_versions, refused, replaced
from codex_assets.archive.history import LONGEST_JOB, JobRecord
from codex_assets.archive.leases import Lease, Leases
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.archive.replaced import GRACE, REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobCancelled, MediaBusy, Superseded
from codex_assets.library.published_media import outputs_of, why_not
from codex_assets.media.outputs import DEFINITIONS, MEZZANINE, PREVIEW
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, StoredObject, Stores

_log = logging.getLogger(__name__)


RECONCILING = "reconcile"
"""As whom it takes leases."""


class Matter(StrEnum):
    """What is not as the records say."""

    REPLACED = "replaced"
    """It was replaced, and its time is up."""
    UNNAMED = "unnamed"
    """No playlist names it, and nobody noted that it was replaced."""
    MEZZANINE = "mezzanine_not_recorded"
    """A newer version of the mezzanine is in the archive than its record names."""
    SWITCH = "switch_unfinished"
    """What is published was to be replaced, and only a part of it was."""
    UPLOAD = "unfinished_upload"
    TRIAL = "trial_left"
    """A store was tried, and did not delete the object of it."""
    MISSING = "object_missing"
    NO_RECORD = "record_missing"
    NEVER_BUILT = "never_built"
    REFUSED = "refusal_not_recorded"
    """Its upload was refused before refusals were put on record, so it looks as if it could be built."""
    NEVER_ENDED = "job_never_ended"
    UNCHECKED = "unchecked"
    """Something did not answer, or could not be read."""


REPAIRABLE = frozenset(
    {Matter.REPLACED, Matter.UNNAMED, Matter.MEZZANINE, Matter.SWITCH, Matter.UPLOAD, Matter.TRIAL, Matter.REFUSED}
)


@dataclass(frozen=True)
class Discrepancy:
    """One thing that is not as the records say. `message`: a sentence; `repaired`: it is mended now, or will be as soon
    as its time is up. `media_id` is empty for what belongs to no media."""

    media_id: str
    matter: Matter
    message: str
    repaired: bool = False


@dataclass(frozen=True)
class Reconciliation:
    """One run over many media; `fix`: what can be is repaired. `now` is the clock."""

    stores: Stores
    cancelled: threading.Event
    fix: bool = False
    grace: timedelta = GRACE
    workers: int = 8
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), compare=False)

    def run(self, media_ids: Collection[str] = ()) -> Iterator[Discrepancy]:
        """What is found of these media, or of all and of the stores as a whole, in order of media ids.

        Raises `StorageError` when the archive cannot be listed, and `JobCancelled`.
        """
        records = RecordStore(self.stores.archive)
        chosen = list(media_ids) or [
            media_id for media_id, names in records.listed() if names & {refused.MEDIA, history.JOBS}
        ]
        with ThreadPoolExecutor(self.workers, thread_name_prefix="reconcile") as pool:
            for discrepancies in pool.map(self._of_media, chosen):
                yield from discrepancies
        if not media_ids:
            for store in (self.stores.archive, self.stores.media, self.stores.assets):
                yield from self._of_store(store)

    def _of_media(self, media_id: str) -> list[Discrepancy]:
        if self.cancelled.is_set():
            raise JobCancelled
        try:
            return list(self._compared(media_id))
        except JobCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - one media must not end the work on thousands
            return [Discrepancy(media_id, Matter.UNCHECKED, why_not(error))]

    def _compared(self, media_id: str) -> Iterator[Discrepancy]:
        records = RecordStore(self.stores.archive)
        media = records.media(media_id)
        if media is None:
            yield from self._of_unregistered(media_id, records)
            return
        leases = Leases(self.stores, RECONCILING, waits=timedelta(0), cancelled=self.cancelled)
        holder, switch = leases.look(media_id)
        if holder is not None:
            # What it has put up is not named yet.
            return
        if switch is not None:
            yield Discrepancy(
                media_id, Matter.SWITCH, "A job began to replace what is published, and never ended.", self.fix
            )
        if not self.fix:
            yield from self._of_free_media(media, records)
            return
        try:
            with leases.of(media_id, leases.claim(media, from_original=False)) as lease:
                yield from self._of_free_media(media, records, lease)
        except (MediaBusy, Superseded):
            # A job has begun meanwhile.
            return

    def _of_unregistered(self, media_id: str, records: RecordStore) -> Iterator[Discrepancy]:
        """No upload of it was ever accepted: there is nothing but what its jobs came to."""
        jobs = history.read(records, media_id)
        if not jobs and refused.read(media_id, records) is None:
            yield Discrepancy(media_id, Matter.UNCHECKED, "No media of this id is registered.")
        elif jobs and jobs[-1].outcome == "running":
            holder, _ = Leases(self.stores, RECONCILING, cancelled=self.cancelled).look(media_id)
            is_at_work = jobs[-1].is_under_way(self.now()) and not self._had_lease(media_id)
            if holder is None and not is_at_work:
                yield Discrepancy(media_id, Matter.NEVER_ENDED, f"Job {jobs[-1].id} began and never ended.")

    def _of_free_media(
        self, media: MediaRecord, records: RecordStore, lease: Lease | None = None
    ) -> Iterator[Discrepancy]:
        """What is found of a media that nobody builds. A worker of an earlier release takes no lease. Nothing is mended
        without one."""
        media_id = media.media_id
        jobs = history.read(records, media_id)
        if any(job.is_under_way(self.now()) for job in jobs) and not self._had_lease(media_id):
            return
        if jobs and jobs[-1].outcome == "running":
            yield Discrepancy(media_id, Matter.NEVER_ENDED, f"Job {jobs[-1].id} began and never ended.")
        outputs = outputs_of(media, records)
        if not any(outputs.values()):
            yield from self._never_built(media, jobs, records, lease)
        yield from self._mezzanine(media, outputs.get(MEZZANINE.name), lease)
        yield from self._playlists(media, outputs, records, lease)
        yield from self._missing(media, [record for record in outputs.values() if record is not None])

    def _never_built(
        self, media: MediaRecord, jobs: Sequence[JobRecord], records: RecordStore, lease: Lease | None
    ) -> Iterator[Discrepancy]:
        """Its upload was refused, maybe by a release that kept that in the history of jobs alone."""
        if refused.read(media.media_id, records) is not None:
            return
        original = self.stores.by_role(media.input_role).head(media.input_key)
        refusal = earlier_refusal(media, jobs, original)
        if refusal is None:
            message = "It is registered, and nothing of it was ever built."
            yield Discrepancy(media.media_id, Matter.NEVER_BUILT, message)
            return
        if lease is not None:
            lease.require_fresh()
            records.put(media.media_id, refused.REFUSED, refusal)
        message = f"Its upload was refused, which is not on record yet: {refusal.sentence}"
        yield Discrepancy(media.media_id, Matter.REFUSED, message, lease is not None)

    # --- The archive --------------------------------------------------------------------------------------------------

    def _mezzanine(self, media: MediaRecord, record: OutputRecord | None, lease: Lease | None) -> Iterator[Discrepancy]:
        """A version that no record names, of a job that was killed before its switch."""
        archive = self.stores.archive
        version = mezzanine_versions.unrecorded(archive, media, record, self.now())
        if version is None:
            return
        if lease is not None and version.is_safe:
            with lease.deleting():
                mezzanine_versions.remove(archive, version, lease, self.now)
        message = "A newer mezzanine is in the archive than its record names."
        if not version.is_safe:
            message += " The recorded one is gone: build it again from the original."
        yield Discrepancy(media.media_id, Matter.MEZZANINE, message, lease is not None and version.is_safe)

    def _had_lease(self, media_id: str) -> bool:
        """Whether the last run that wrote this media took its lease, and so has ended if nobody has it."""
        return self.stores.media.head(keys.lease(media_id)) is not None

    # --- The delivery store -------------------------------------------------------------------------------------------

    def _playlists(
        self,
        media: MediaRecord,
        outputs: dict[str, OutputRecord | None],
        records: RecordStore,
        lease: Lease | None,
    ) -> Iterator[Discrepancy]:
        known = records.get(media.media_id, REPLACED, ReplacedRecord)
        noted = known.objects if known is not None else ()
        due = [each for each in noted if each.is_due(self.grace, self.now())]
        if due:
            if lease is not None:
                replaced.prune(self.stores, records, media, self.grace, self.now(), lease)
            what = _listed([each.prefix for each in due])
            yield Discrepancy(
                media.media_id, Matter.REPLACED, f"{what} was replaced, and its time is up.", lease is not None
            )
        current = replaced.named_keys(records, media)
        unnamed: set[str] = set()
        for output in DEFINITIONS[media.media_type]:
            if not output.has_segments:
                continue
            record = outputs.get(output.name)
            home = keys.hls_prefix(media.creator_id, media.media_id, media.media_type)
            folder = f"{home}{output.playlist_name}/"
            lying = replaced.unnamed(self.stores.media, folder, current)
            if output.kind is PREVIEW:
                # There may be a public copy of it, under the same keys.
                lying |= replaced.unnamed(self.stores.assets, folder, current)
            lying -= {each.prefix for each in noted}
            if lying and record is None:
                yield Discrepancy(
                    media.media_id,
                    Matter.NO_RECORD,
                    f"{output.name} is in the store, and has no record: build it again.",
                )
                continue
            unnamed |= {prefix for prefix in lying if not any(prefix.startswith(each.prefix) for each in noted)}
        if unnamed:
            if lease is not None:
                replaced.note(records, media.media_id, unnamed, current, self.now())
            yield Discrepancy(
                media.media_id, Matter.UNNAMED, f"No playlist names {_listed(unnamed)}.", lease is not None
            )

    def _missing(self, media: MediaRecord, outputs: list[OutputRecord]) -> Iterator[Discrepancy]:
        for record in outputs:
            files = {file.key: file for file in record.files}
            for role in {file.role for file in record.files}:
                store = self.stores.by_role(role)
                wanted = {key for key, file in files.items() if file.role == role}
                if len(wanted) > 1:
                    folder = keys.folder(record.files[-1].key)
                    there = {listed.key for listed in store.list(folder)}
                else:
                    there = {key for key in wanted if store.head(key) is not None}
                if gone := sorted(wanted - there):
                    message = f"{record.output} lacks {_listed(gone)}: build it again."
                    yield Discrepancy(media.media_id, Matter.MISSING, message)

    # --- Stores as a whole --------------------------------------------------------------------------------------------

    def _of_store(self, store: ObjectStore) -> Iterator[Discrepancy]:
        try:
            yield from self._unfinished_uploads(store)
            yield from self._trials(store)
        except Exception as error:  # noqa: BLE001 - the other stores are looked at all the same
            yield Discrepancy("", Matter.UNCHECKED, why_not(error))

    def _unfinished_uploads(self, store: ObjectStore) -> Iterator[Discrepancy]:
        """Parts that arrived of an upload a day ago and more: they are billed, and no listing shows them."""
        old = [each for each in store.unfinished_uploads() if self.now() - each.started >= LONGEST_JOB]
        for upload in old:
            if self.fix:
                store.abort_upload(upload)
            what = f"'{upload.key}'" if upload.key is not None else "something"
            message = f"An upload of {what} to the {store.name} store was begun and never ended."
            yield Discrepancy("", Matter.UPLOAD, message, self.fix)

    def _trials(self, store: ObjectStore) -> Iterator[Discrepancy]:
        """Objects by which a worker or `doctor` tried a store a day ago and more, and that were not deleted then."""
        for prefix in keys.TRIAL_PREFIXES:
            left = [each for each in store.list(prefix) if self._is_old(each)]
            for trial in left:
                if self.fix:
                    store.delete(trial.key)
                message = f"'{trial.key}' was left in the {store.name} store when that was tried."
                yield Discrepancy("", Matter.TRIAL, message, self.fix)

    def _is_old(self, stored: StoredObject) -> bool:
        return stored.modified is not None and self.now() - stored.modified >= LONGEST_JOB


def earlier_refusal(
    media: MediaRecord, jobs: Sequence[JobRecord], original: StoredObject | None
) -> RefusedRecord | None:
    """The refusal that the last job of a media came to, by its history; None where it came to something else, or where
    the `original` that is there now is a later upload."""
    ended = [job for job in jobs if job.outcome in ("completed", "failed")]
    if not ended or ended[-1].outcome != "failed" or ended[-1].error_code not in refused.CODES:
        return None
    job = ended[-1]
    code, refused_at = str(job.error_code), job.finished_at or job.started_at
    # The first releases kept the code alone.
    sentence = job.failure.sentence if job.failure is not None else f"The upload cannot be used ({code})."
    uploaded_at = job.failure.uploaded_at if job.failure is not None else None
    if original is not None and original.modified is not None and _is_later(original.modified, job, uploaded_at):
        return None
    return RefusedRecord(
        media=media,
        code=code,
        sentence=sentence,
        refused_at=refused_at,
        uploaded_at=uploaded_at,
        upload_etag=job.failure.upload_etag if job.failure is not None else None,
    )


def _is_later(upload_at: datetime, job: JobRecord, judged: str | None) -> bool:
    """Whether an upload came after the one that a job refused. `judged`: when that came, None where it is not known."""
    return upload_at > datetime.fromisoformat(judged) if judged is not None else not job.may_have_read(upload_at)


def _listed(names: Collection[str]) -> str:
    """The first of these keys or their beginnings, and how many more."""
    ordered = sorted(names)
    return f"'{ordered[0]}'" + (f" and {len(ordered) - 1} more" if len(ordered) > 1 else "")
