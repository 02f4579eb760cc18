"""Whether a job that RunPod delivers has been done before: it delivers some again after their end, with the same id.

What a job built is announced again and not built, as long as it still is what is published; a final verdict on an
upload is announced again, as long as the upload is the one that was judged. Everything else is done as if it were new:
what failed in a way that may pass, what a newer job has replaced, and what the records cannot prove. Not here: what is
announced (`job`), and what the jobs of a media came to (`history`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from codex_assets.archive import history
from codex_assets.archive.history import FinalFailure, JobRecord
from codex_assets.archive.records import MediaRecord, MezzanineRecord, OutputRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.archive.stored_files import is_denied
from codex_assets.errors import JobError, RelayedError, SourceCode
from codex_assets.storage.objects import ObjectStore, StoredObject, Stores

_VERDICTS = frozenset(SourceCode)
"""Failures that say what an upload is like, and not how a worker, a store or a receiver did."""
_FEW = 4
"""Objects that are asked for one by one."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier delivery of a job came to: the outputs that it built, or why it failed for good.

    `counted`: its end is on record, with its time and its cost.
    """

    built: tuple[OutputRecord, ...] = ()
    failure: JobError | None = None
    counted: bool = False

    def is_of(self, uploaded_at: datetime | None) -> bool:
        """Whether nothing that was built is of another upload than that of this time; None: any will do."""
        built = [record.source.uploaded_at for record in self.built if isinstance(record, MezzanineRecord)]
        return uploaded_at is None or all(at is None or datetime.fromisoformat(at) == uploaded_at for at in built)


def fingerprint(media: MediaRecord, outputs: Sequence[str]) -> str:
    """What a payload asks for: the same media, the same original, the same outputs. Not whom it tells."""
    asked = [media.model_dump(mode="json"), sorted(outputs)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def earlier(
    job_id: str, media: MediaRecord, outputs: Sequence[str], records: RecordStore, stores: Stores
) -> Earlier | None:
    """What an earlier delivery of this very job came to that still holds; None when it is to be done.

    To be asked before the job puts anything on record. `outputs` are all that are asked for. Costs one read for a job
    that was never seen. Raises `StorageError` when a store cannot be asked.
    """
    try:
        known = [job for job in history.read(records, media.media_id) if job.id == job_id]
        if not known or known[-1].payload not in (None, fingerprint(media, outputs)):
            return None
        if known[-1].failure is not None and _is_the_same_upload(known[-1].failure, media, stores):
            return Earlier(failure=_relayed(known[-1].failure), counted=True)
        if known[-1].outcome == "cancelled" or records.media(media.media_id) != media:
            return None
        built = _built(job_id, media, outputs, records)
    except UnreadableRecord:
        # The job itself says what is wrong with its media's records, or mends it.
        return None
    if built is None or not is_published(built, stores):
        return None
    return Earlier(built=built, counted=any(job.finished_at is not None and job.outputs for job in known))


def final_failure(error: JobError, begun: JobRecord, media: MediaRecord, stores: Stores) -> FinalFailure | None:
    """What to keep of a failure so that it can be announced again; None for one that another attempt might not meet."""
    if error.retryable or error.code not in _VERDICTS:
        return None
    try:
        upload = stores.by_role(media.input_role).head(media.input_key)
    except JobError:
        return None
    if upload is None or upload.modified is None:
        return None
    if not begun.may_have_read(upload.modified):
        # Another one has taken its place since.
        return None
    return FinalFailure(
        code=error.code,
        sentence=error.public,
        upload_size=upload.size,
        uploaded_at=upload.modified.isoformat(),
        upload_etag=upload.etag,
    )


def _is_the_same_upload(failure: FinalFailure, media: MediaRecord, stores: Stores) -> bool:
    upload = stores.by_role(media.input_role).head(media.input_key)
    # One that was deleted since cannot be judged again; what was said of it stays true.
    if upload is None:
        return True
    at = upload.modified.isoformat() if upload.modified is not None else None
    judged = (failure.upload_size, failure.uploaded_at, failure.upload_etag)
    return (upload.size, at, upload.etag) == judged


def _relayed(failure: FinalFailure) -> JobError:
    return RelayedError(failure.code, failure.sentence, retryable=False)


def _built(
    job_id: str, media: MediaRecord, outputs: Sequence[str], records: RecordStore
) -> tuple[OutputRecord, ...] | None:
    """The records of all `outputs`, or None when one of them is not this job's.

    A marker names no job: it follows from what was built beside it, and is written after that.
    """
    asked = [records.output(media.media_id, output) for output in outputs]
    known = tuple(record for record in asked if record is not None)
    built = [record for record in known if record.applicable]
    if len(known) < len(asked) or not built:
        return None
    if any(record.build is None or record.build.run_id != job_id for record in built):
        return None
    return known


def is_published(built: Sequence[OutputRecord], stores: Stores) -> bool:
    """Whether every file of these records lies where it was published, and no store denies that it is what it was."""
    files = [file for record in built for file in record.files]
    for store in (stores.archive, stores.media, stores.assets):
        wanted = {file.key: file for file in files if file.role == store.name}
        there = _looked_up(store, list(wanted))
        if any((stored := there.get(key)) is None or is_denied(file, stored) for key, file in wanted.items()):
            return False
    return True


def _looked_up(store: ObjectStore, keys: Sequence[str]) -> dict[str, StoredObject]:
    """A few objects one by one, with their hashes; the segments of a media in one listing, which has none."""
    if len(keys) <= _FEW:
        return {key: stored for key in keys if (stored := store.head(key)) is not None}
    folder = os.path.commonpath(keys) + "/"
    return {stored.key: stored for stored in store.list(folder)}
