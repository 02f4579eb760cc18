"""What many jobs and media add up to: success, time, cost, encoders, failures by code, storage by kind.

Jobs are read from the histories of media (`archive/history.py`), storage from the stores' own listings: what is counted
is what is billed, except for former versions, which a listing does not show. No record of an output is read: a thousand
media are a thousand small reads. By which rules media were judged the catalogue knows. Not here: how it is shown
(`cli/views/stats.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from codex_assets.archive import history, refused
from codex_assets.archive.history import JOBS, JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.archive.undelivered import UNDELIVERED
from codex_assets.errors import JobError, SourceCode, SourceError
from codex_assets.library.judged import Judged, judged_least
from codex_assets.library.staleness import Verdict
from codex_assets.media.outputs import DEFINITIONS, OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Stores

READERS = 32
"""Histories are small and far away: nearly all of the time of reading one is waiting. As many as a store's pool has."""
LOST = "worker_lost"
"""The code of a job that began and of which nothing more was ever heard."""

_SEGMENT = re.compile(r"[^/]+/hls(?:-audio)?/[^/]+/([^/]+)/(?:[0-9a-f]{12}/)?segment_\d+\.ts")


@dataclass(frozen=True)
class Spread:
    """How values are spread: how many there are, their sum, and their 50th and 95th percentile (nearest rank)."""

    count: int = 0
    total: float = 0.0
    p50: float | None = None
    p95: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Of the values that are not None."""
        known = sorted(value for value in values if value is not None)
        if not known:
            return cls()
        return cls(len(known), math.fsum(known), _rank(known, 0.50), _rank(known, 0.95))

    @property
    def mean(self) -> float | None:
        """None without values."""
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class Failures:
    """Failed jobs of one code. `fault` says who has to act; None for a code that this version does not know."""

    code: str
    fault: str | None
    jobs: int
    latest: str
    """Media id of the latest of them."""


@dataclass(frozen=True)
class OutputCost:
    """What one output took, over all jobs that built it.

    `seconds`: wall seconds of the work that made it, and maybe other outputs with it; `size` in bytes.
    """

    output: str
    seconds: Spread
    cost_usd: Spread
    size: Spread


@dataclass(frozen=True)
class EncoderShare:
    """How much was encoded by one encoder: `jobs` that used it for a picture, and how much media that was."""

    encoder: str
    gpu: str | None
    jobs: int
    media_seconds: float
    seconds_per_minute: Spread


@dataclass(frozen=True)
class StoredKind:
    """Current objects of one kind in one store. `size`: their bytes."""

    role: str
    kind: str
    objects: int
    size: int


@dataclass(frozen=True)
class Statistics:
    """What there is, and what jobs since a time came to. `since` is None for all jobs."""

    since: datetime | None
    media: dict[str, int] = field(default_factory=dict)
    """Media that can be built: in all, and those without any job on record; and those of which there is nothing but a
    refused upload."""
    outcomes: dict[str, int] = field(default_factory=dict)
    failures: tuple[Failures, ...] = ()
    seconds_per_minute: dict[str, Spread] = field(default_factory=dict)
    """Media type -> wall seconds of a job per minute of its media, of the jobs that built every output."""
    queue_seconds: Spread = Spread()
    cost_per_job_usd: dict[str, Spread] = field(default_factory=dict)
    outputs: tuple[OutputCost, ...] = ()
    encoders: tuple[EncoderShare, ...] = ()
    storage: tuple[StoredKind, ...] = ()
    judged: dict[str, int] = field(default_factory=dict)
    """Media by the rules that judged their least judged output (`judged.py`)."""
    undelivered: int = 0
    """Media of which a webhook waits to be sent again."""

    @property
    def success_rate(self) -> float | None:
        """The share of completed jobs among those that completed or failed; None without any."""
        return self._rate(self.outcomes.get("failed", 0))

    @property
    def success_rate_of_good_uploads(self) -> float | None:
        """The same without the jobs that failed by what their upload is like, which nobody but its creator can mend;
        None without any other."""
        by_upload = sum(each.jobs for each in self.failures if each.fault == SourceError.fault.value)
        return self._rate(self.outcomes.get("failed", 0) - by_upload)

    def _rate(self, failed: int) -> float | None:
        completed = self.outcomes.get("completed", 0)
        return completed / (completed + failed) if completed + failed else None


def gather(
    stores: Stores,
    *,
    now: datetime,
    since: datetime | None = None,
    wanted: Callable[[MediaRecord], bool] | None = None,
    storage: bool = True,
    verdicts: Iterable[Mapping[str, Verdict]] = (),
) -> Statistics:
    """Read the histories of jobs and the stores' listings, and add them up.

    `since`: only jobs that were started then or later; storage is what there is now, and is left out without `storage`.
    `wanted` chooses media by their records, which have to be read for that; None takes all. `verdicts`: those on the
    outputs of each of these media, as the catalogue has them. Raises `StorageError`.
    """
    records = RecordStore(stores.archive)
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        named: dict[str, set[str]] = defaultdict(set)
        for stored in stores.archive.list(keys.RECORDS_ROOT):
            record = keys.parse_record(stored.key)
            if record is not None:
                named[record[0]].add(record[1])
        # Of media that were never registered, too: the jobs of an upload that was refused, or could not be fetched.
        chosen = {media_id for media_id, names in named.items() if names & {refused.MEDIA, refused.REFUSED, JOBS}}
        if wanted is not None:
            read = pool.map(lambda media_id: _media(media_id, named[media_id], records), sorted(chosen))
            chosen = {media.media_id for media in read if media is not None and wanted(media)}
        counted = []
        if storage:
            only = chosen if wanted is not None else None
            roles = (stores.archive, stores.media, stores.assets)
            counted = [pool.submit(_stored, store, only) for store in roles]
        with_jobs = sorted(media_id for media_id in chosen if JOBS in named[media_id])
        histories = pool.map(lambda media_id: _history(records, media_id), with_jobs)
        jobs = [job for history_of_one in histories for job in history_of_one if _counts(job, since)]
        kinds = tuple(kind for future in counted for kind in future.result())
    statistics = _added_up([_settled(job, now) for job in jobs], since)
    buildable = {media_id for media_id in chosen if refused.is_buildable(named[media_id])}
    media = {
        "registered": len(buildable),
        "withoutJobs": len(buildable.difference(with_jobs)),
        "refused": sum(refused.is_refused(named[media_id]) for media_id in chosen),
    }
    least = Counter(judged_least(verdict.judged for verdict in of_media.values()) for of_media in verdicts)
    judged = {judged.value: least[judged] for judged in Judged if least}
    # Of media that were never registered, too: their jobs were refused.
    waiting = [media_id for media_id, names in named.items() if UNDELIVERED in names]
    undelivered = len(waiting) if wanted is None else len(chosen.intersection(waiting))
    return replace(statistics, media=media, storage=kinds, judged=judged, undelivered=undelivered)


def faults() -> dict[str, str]:
    """Error code -> who has to act on it, of every code of this version."""

    def below(kind: type[JobError]) -> Iterator[type[JobError]]:
        yield kind
        for subclass in kind.__subclasses__():
            yield from below(subclass)

    codes = {kind.code: kind.fault.value for kind in below(JobError) if "code" in vars(kind)}
    return {**codes, **dict.fromkeys(SourceCode, SourceError.fault.value), LOST: "worker"}


def kind(role: str, key: str) -> str:
    """What an object is, by the role of its store and its key: `originals`, `segments 720p`, `other`, ..."""
    if role == "archive":
        roots = {keys.ORIGINALS_ROOT: "originals", "mezzanine/": "mezzanines", keys.RECORDS_ROOT: "records"}
        return next((name for root, name in roots.items() if key.startswith(root)), "other")
    if role == "media":
        segment = _SEGMENT.fullmatch(key)
        if segment is not None:
            return f"segments {segment[1]}"
        return "playlists" if key.endswith(".m3u8") else "other"
    if key.endswith("/waveform.json"):
        return "waveform data"
    if key.endswith("/waveform.png"):
        return "waveform pictures"
    return "thumbnails" if key.endswith("/auto-generated.jpg") else "other"


def media_of(role: str, key: str) -> str | None:
    """The media that an object belongs to, by its key; None when its key does not say."""
    parts = key.split("/")
    at = {"archive": 1 if key.startswith(keys.RECORDS_ROOT) else 2, "media": 2}.get(role)
    if at is None:
        at = 3 if "thumbnails" in parts[1:2] else 2
    return parts[at] if len(parts) > at + 1 else None


def _media(media_id: str, names: Collection[str], records: RecordStore) -> MediaRecord | None:
    """Who a media is, by its record, by that of its refused upload, or by its last job; None where none says."""
    with suppress(UnreadableRecord):
        if refused.MEDIA in names:
            return records.media(media_id)
        refusal = refused.read(media_id, records) if refused.REFUSED in names else None
        if refusal is not None:
            return refusal.media
        for job in reversed(history.read(records, media_id)):
            return MediaRecord(
                media_id=media_id,
                creator_id=job.creator_id,
                media_type=job.media_type,
                input_role="archive",
                input_key="",
            )
    return None


def _history(records: RecordStore, media_id: str) -> Sequence[JobRecord]:
    try:
        return history.read(records, media_id)
    except UnreadableRecord:
        # One history that cannot be read must not hide all others.
        return ()


def _counts(job: JobRecord, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(job.started_at) >= since


def _settled(job: JobRecord, now: datetime) -> JobRecord:
    """A job that cannot be running any more has failed, whatever its record says."""
    if job.outcome != "running" or job.is_under_way(now):
        return job
    return job.model_copy(update={"outcome": "failed", "error_code": LOST})


def _stored(store: ObjectStore, only: set[str] | None) -> list[StoredKind]:
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for stored in store.list(""):
        if only is not None and media_of(store.name, stored.key) not in only:
            continue
        name = kind(store.name, stored.key)
        objects[name] += 1
        sizes[name] += stored.size
    return [StoredKind(store.name, name, objects[name], sizes[name]) for name in sorted(objects, key=_kind_order)]


def _kind_order(name: str) -> tuple[int, str]:
    playlists = [output for outputs in DEFINITIONS.values() for output in outputs if output.has_segments]
    rungs = [f"segments {output.playlist_name}" for output in playlists]
    first = ("originals", "mezzanines", "records", *rungs)
    return (first.index(name) if name in first else len(first), name)


def _added_up(jobs: Sequence[JobRecord], since: datetime | None) -> Statistics:
    done = [job for job in jobs if job.outcome == "completed"]
    whole = [job for job in done if set(job.asked) == set(OUTPUTS[job.media_type]) and job.media_seconds]
    types = [media_type for media_type in OUTPUTS if any(job.media_type == media_type for job in whole)]
    return Statistics(
        since=since,
        outcomes=dict(Counter(job.outcome for job in jobs)),
        failures=tuple(_failures(jobs)),
        seconds_per_minute={
            media_type: Spread.of(_per_minute(job) for job in whole if job.media_type == media_type)
            for media_type in types
        },
        queue_seconds=Spread.of(job.queue_seconds for job in jobs),
        cost_per_job_usd={
            media_type: Spread.of(job.cost_usd for job in whole if job.media_type == media_type) for media_type in types
        },
        outputs=tuple(_outputs(done)),
        encoders=tuple(_encoders(done)),
    )


def _failures(jobs: Sequence[JobRecord]) -> Iterator[Failures]:
    blame = faults()
    by_code: dict[str, list[JobRecord]] = defaultdict(list)
    for job in jobs:
        if job.outcome == "failed":
            by_code[job.error_code or "unknown"].append(job)
    for code, failed in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        latest = max(failed, key=lambda job: job.started_at)
        yield Failures(code, blame.get(code), len(failed), latest.media_id)


def _outputs(jobs: Sequence[JobRecord]) -> Iterator[OutputCost]:
    builds = defaultdict(list)
    for job in jobs:
        for build in job.outputs:
            builds[build.output].append(build)
    order = list(dict.fromkeys(output for outputs in OUTPUTS.values() for output in outputs))
    for output in sorted(builds, key=lambda name: order.index(name) if name in order else len(order)):
        yield OutputCost(
            output,
            seconds=Spread.of(build.seconds for build in builds[output]),
            cost_usd=Spread.of(build.cost_usd for build in builds[output]),
            size=Spread.of(float(build.size) for build in builds[output]),
        )


def _encoders(jobs: Sequence[JobRecord]) -> Iterator[EncoderShare]:
    by_encoder: dict[tuple[str, str | None], list[JobRecord]] = defaultdict(list)
    for job in jobs:
        if job.encoder is not None:
            by_encoder[(job.encoder, job.gpu)].append(job)
    for (encoder, gpu), encoded in sorted(by_encoder.items(), key=lambda item: -len(item[1])):
        whole = [job for job in encoded if set(job.asked) == set(OUTPUTS[job.media_type])]
        yield EncoderShare(
            encoder,
            gpu,
            len(encoded),
            math.fsum(job.media_seconds or 0.0 for job in encoded),
            Spread.of(_per_minute(job) for job in whole),
        )


def _per_minute(job: JobRecord) -> float | None:
    """Seconds of a job per minute of its media."""
    return 60 * job.seconds / job.media_seconds if job.seconds is not None and job.media_seconds else None


def _rank(ordered: Sequence[float], part: float) -> float:
    """The value below or at which this part of the values lies (nearest rank)."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
