"""What the jobs of a media came to: the last of them, in one record beside the media's others (`jobs.json`).

Failures too, for they can be looked up nowhere else: RunPod forgets results after half an hour. Never a
secret or an address: codes, numbers, and the public sentence of a final failure. Not here: what is measured
(`worker/metrics.py`), what many records add up to (`library/stats.py`), and what a second delivery of a job comes to
(`worker/redelivery.py`).

Written when a job begins and when it ends. Two jobs of one media at once may lose an entry of each other's: B2 has no
conditional write. Statistics miss that job then, and a second delivery of it is done as if it were the first.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from codex_assets.archive.records import Record
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.contract.names import MediaType

JOBS = "jobs"
"""Name of the record."""
KEPT = 20
"""Jobs of one media that are remembered, the newest."""
LONGEST_JOB = timedelta(hours=24)
"""RunPod keeps no job for longer. One that was begun earlier and has not ended was killed."""
_RECORDED_TO = timedelta(milliseconds=1)
"""How exact the start of a job is on record."""

Outcome = Literal["running", "completed", "failed", "cancelled"]


class OutputMade(Record):
    """One output that a job built: wall seconds, published bytes, what its share of the worker's time cost."""

    output: str
    seconds: float | None = None
    size: int = 0
    encoder: str | None = None
    cost_usd: float | None = None


class FinalFailure(Record):
    """Why an upload cannot be used, whatever the attempt, and which upload that was."""

    code: str
    sentence: str
    upload_size: int
    uploaded_at: str
    """When the store took it: UTC, ISO 8601."""
    upload_etag: str | None = None
    """Local stores have none."""


class JobRecord(Record):
    """One job. Times are UTC, ISO 8601; durations seconds; sizes bytes."""

    id: str
    media_id: str
    creator_id: str
    media_type: MediaType
    asked: tuple[str, ...]
    """The outputs that were to be built, in order."""
    started_at: str
    finished_at: str | None = None
    outcome: Outcome = "running"
    error_code: str | None = None
    retryable: bool | None = None
    queue_seconds: float | None = None
    """From `submittedAt` of the payload to the start; None without it: a worker learns no such time from RunPod."""
    seconds: float | None = None
    phases: dict[str, float] = Field(default_factory=dict)
    download_seconds: float | None = None
    encode_seconds: float | None = None
    verify_seconds: float | None = None
    upload_seconds: float | None = None
    media_seconds: float | None = None
    speed: float | None = None
    """Seconds of media per second of the whole job."""
    bytes_in: int | None = None
    bytes_out: int | None = None
    encoder: str | None = None
    gpu: str | None = None
    cost_usd: float | None = None
    outputs: tuple[OutputMade, ...] = ()
    payload: str | None = None
    """`redelivery.fingerprint` of what was asked for; None in records of the first releases."""
    failure: FinalFailure | None = None
    """Of a job that failed for good by what its upload is like."""
    failed_as: str | None = None
    """Of another job that failed: the same for every job in which the same tools and recipes came to the same failure
    over the same upload (`repeated_failures.py`)."""

    def may_have_read(self, upload_at: datetime) -> bool:
        """Whether what a store took at `upload_at` (with a time zone) was there when it began: in the millisecond of
        its start counts as before, for a start is recorded to the millisecond alone."""
        return upload_at < datetime.fromisoformat(self.started_at) + _RECORDED_TO

    def is_under_way(self, now: datetime) -> bool:
        """Whether it began and has not ended, as far as is known at `now` (with a time zone)."""
        return self.outcome == "running" and now - datetime.fromisoformat(self.started_at) < LONGEST_JOB


class JobHistory(Record):
    """The newest job is the last."""

    media_id: str
    jobs: tuple[JobRecord, ...] = ()


def read(records: RecordStore, media_id: str) -> tuple[JobRecord, ...]:
    """The last jobs of a media, the newest last; none for a media that has none. Raises `StorageError`."""
    history = records.get(media_id, JOBS, JobHistory)
    return history.jobs if history is not None else ()


def keep(records: RecordStore, job: JobRecord) -> None:
    """Add a job to its media's, or replace what was recorded of it, and drop the oldest over `KEPT`.

    A job is known by id and start: one that is delivered twice is two jobs. Raises `StorageError`.
    """
    try:
        known = read(records, job.media_id)
    except UnreadableRecord:
        # It stays so, until it is written anew.
        known = ()
    others = [other for other in known if (other.id, other.started_at) != (job.id, job.started_at)]
    records.put(job.media_id, JOBS, JobHistory(media_id=job.media_id, jobs=(*others, job)[-KEPT:]))
