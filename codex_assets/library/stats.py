"""What many jobs and media add up to: success, time, cost, encoders, failures by code, storage by kind.

Jobs are read from the histories of media (`history`), storage from the stores' own listings, so that what is billed is
what is counted, but for former versions, which a listing does not show. No record of an output is read: a thousand
media are a thousand small reads. Not here: how it is shown (`commands`).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from codex_assets.archive import history
from codex_assets.archive.history import JOBS, JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.errors import JobError, SourceCode, SourceError
from codex_assets.media.outputs import DEFINITIONS, OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Stores

READERS = 32
"""Histories are small and far away: nearly all of the time of reading one is waiting. As many as a store's pool has."""
LOST = "worker_lost"
"""The code of a job that began and of which nothing more was ever heard."""

_SEGMENT = re.compile(r"[^/]+/hls(?:-audio)?/[^/]+/([^/]+)/segment_\d+\.ts")


@dataclass(frozen=True)
class Spread:
    """Of some values: how many, their sum, middle and nearly highest (nearest rank). None without values."""

    count: int = 0
    total: float = 0.0
    p50: float | None = None
    p95: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        known = sorted(value for value in values if value is not None)
        if not known:
            return cls()
        return cls(len(known), math.fsum(known), _rank(known, 0.50), _rank(known, 0.95))

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class Failures:
    """Failed jobs of one code. `fault` says who has to act; None for a code that this version does not know."""

    code: str
    fault: str | None
    jobs: int
    latest: str
    """Media of the latest of them, to be looked at."""


@dataclass(frozen=True)
class OutputCost:
    """Of one output, over all jobs that built it. `seconds`: wall seconds, of all that were built at once with it."""

    output: str
    seconds: Spread
    cost_usd: Spread
    size: Spread


@dataclass(frozen=True)
class EncoderShare:
    """`jobs` that encoded a picture with it, and how much of media that was."""

    encoder: str
    gpu: str | None
    jobs: int
    media_seconds: float
    seconds_per_minute: Spread


@dataclass(frozen=True)
class Stored:
    """Current objects of one kind in one store."""

    role: str
    kind: str
    objects: int
    size: int


@dataclass(frozen=True)
class Statistics:
    since: datetime | None
    media: dict[str, int] = field(default_factory=dict)
    """Registered media: in all, and those without any job on record."""
    outcomes: dict[str, int] = field(default_factory=dict)
    failures: tuple[Failures, ...] = ()
    seconds_per_minute: dict[str, Spread] = field(default_factory=dict)
    """Of a whole job, per minute of media, by media type: jobs that built every output."""
    queue_seconds: Spread = Spread()
    cost_per_job_usd: dict[str, Spread] = field(default_factory=dict)
    outputs: tuple[OutputCost, ...] = ()
    encoders: tuple[EncoderShare, ...] = ()
    storage: tuple[Stored, ...] = ()

    @property
    def success_rate(self) -> float | None:
        """Of the jobs that came to an end by themselves."""
        ended = self.outcomes.get("completed", 0) + self.outcomes.get("failed", 0)
        return self.outcomes.get("completed", 0) / ended if ended else None


def gather(
    stores: Stores,
    *,
    now: datetime,
    since: datetime | None = None,
    wanted: Callable[[MediaRecord], bool] | None = None,
    storage: bool = True,
) -> Statistics:
    """Read and add up. `since` counts jobs by their start; storage is what there is now.

    `wanted` chooses media, by their records, which have to be read for that. Raises `StorageError`.
    """
    records = RecordStore(stores.archive)
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        named: dict[str, set[str]] = defaultdict(set)
        for stored in stores.archive.list(keys.RECORDS_ROOT):
            one = keys.parse_record(stored.key)
            if one is not None:
                named[one[0]].add(one[1])
        chosen = {media_id for media_id, names in named.items() if "media" in names}
        if wanted is not None:
            read = pool.map(records.media, sorted(chosen))
            chosen = {media.media_id for media in read if media is not None and wanted(media)}
        counted = []
        if storage:
            only = chosen if wanted is not None else None
            roles = (stores.archive, stores.media, stores.assets)
            counted = [pool.submit(_stored, store, only) for store in roles]
        with_jobs = sorted(media_id for media_id in chosen if JOBS in named[media_id])
        histories = pool.map(lambda media_id: _history(records, media_id), with_jobs)
        jobs = [job for some in histories for job in some if _counts(job, since)]
        kinds = tuple(one for done in counted for one in done.result())
    found = _added_up([_settled(job, now) for job in jobs], since)
    media = {"registered": len(chosen), "withoutJobs": len(chosen) - len(with_jobs)}
    return Statistics(**{**vars(found), "media": media, "storage": kinds})


def faults() -> dict[str, str]:
    """Whose fault each code of ours is."""

    def below(kind: type[JobError]) -> Iterator[type[JobError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    found = {kind.code: kind.fault.value for kind in below(JobError) if "code" in vars(kind)}
    return {**found, **dict.fromkeys(SourceCode, SourceError.fault.value), LOST: "worker"}


def kind(role: str, key: str) -> str:
    """What an object is, by its key."""
    if role == "archive":
        roots = {keys.ORIGINALS_ROOT: "originals", "mezzanine/": "mezzanines", keys.RECORDS_ROOT: "records"}
        return next((told for root, told in roots.items() if key.startswith(root)), "other")
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


def _stored(store: ObjectStore, only: set[str] | None) -> list[Stored]:
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for held in store.list(""):
        if only is not None and media_of(store.name, held.key) not in only:
            continue
        told = kind(store.name, held.key)
        objects[told] += 1
        sizes[told] += held.size
    return [Stored(store.name, told, objects[told], sizes[told]) for told in sorted(objects, key=_kind_order)]


def _kind_order(told: str) -> tuple[int, str]:
    playlists = [output for some in DEFINITIONS.values() for output in some if output.has_segments]
    rungs = [f"segments {output.playlist_name}" for output in playlists]
    first = ("originals", "mezzanines", "records", *rungs)
    return (first.index(told) if told in first else len(first), told)


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
    for code, some in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        latest = max(some, key=lambda job: job.started_at)
        yield Failures(code, blame.get(code), len(some), latest.media_id)


def _outputs(jobs: Sequence[JobRecord]) -> Iterator[OutputCost]:
    made = defaultdict(list)
    for job in jobs:
        for one in job.outputs:
            made[one.output].append(one)
    order = list(dict.fromkeys(output for some in OUTPUTS.values() for output in some))
    for output in sorted(made, key=lambda one: order.index(one) if one in order else len(order)):
        some = made[output]
        yield OutputCost(
            output,
            seconds=Spread.of(one.seconds for one in some),
            cost_usd=Spread.of(one.cost_usd for one in some),
            size=Spread.of(float(one.size) for one in some),
        )


def _encoders(jobs: Sequence[JobRecord]) -> Iterator[EncoderShare]:
    by_encoder: dict[tuple[str, str | None], list[JobRecord]] = defaultdict(list)
    for job in jobs:
        if job.encoder is not None:
            by_encoder[(job.encoder, job.gpu)].append(job)
    for (encoder, gpu), some in sorted(by_encoder.items(), key=lambda item: -len(item[1])):
        whole = [job for job in some if set(job.asked) == set(OUTPUTS[job.media_type])]
        yield EncoderShare(
            encoder,
            gpu,
            len(some),
            math.fsum(job.media_seconds or 0.0 for job in some),
            Spread.of(_per_minute(job) for job in whole),
        )


def _per_minute(job: JobRecord) -> float | None:
    """Seconds of a job per minute of its media."""
    return 60 * job.seconds / job.media_seconds if job.seconds is not None and job.media_seconds else None


def _rank(ordered: Sequence[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
