"""What many jobs and media add up to: success, time, cost, encoders, failures by code, storage by kind.

All from the catalogue, which has the histories of media (`archive/history.py`) and what their records name: nothing is
read for it. Where it is asked for, storage is what the stores list: that is what is billed, except for former versions,
which a listing does not show. Not here: how it is shown (`cli/views/stats.py`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import get_args

from codex_assets.archive import refused
from codex_assets.archive.history import JOBS, JobRecord
from codex_assets.archive.undelivered import UNDELIVERED
from codex_assets.errors import JobError, SourceCode, SourceError
from codex_assets.library import object_kinds
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.judged import Judged, judged_least
from codex_assets.library.selection import Where
from codex_assets.media.outputs import OUTPUTS, wanted
from codex_assets.storage.objects import ObjectStore, Role, Stores

LOST = "worker_lost"
"""The code of a job that began and of which nothing more was ever heard."""


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
    catalogue: Catalogue,
    *,
    now: datetime,
    since: datetime | None = None,
    where: Where | None = None,
    storage: bool = True,
    listed: Stores | None = None,
) -> Statistics:
    """Add up what the catalogue has of jobs and of stored objects, of all media or of those for which `where` holds.

    `since`: only jobs that were started then or later. Storage is what there is now, and is left out without `storage`:
    what the records name or, where `listed` are given, what these stores list. Raises `StorageError`.
    """
    named = dict(catalogue.names((refused.MEDIA, refused.REFUSED, JOBS, UNDELIVERED), where))
    least: Counter[Judged | None] = Counter()
    chosen = set()
    for media_id, _, verdicts in catalogue.verdicts(where):
        chosen.add(media_id)
        least[judged_least(verdict.judged for verdict in verdicts.values())] += 1
    chosen.update(refusal.media.media_id for refusal in catalogue.refused(where))
    jobs: list[JobRecord] = []
    for media_id, of_media in catalogue.jobs(where):
        # Of media that were never registered, too: the jobs of an upload that could not be fetched, say.
        chosen.add(media_id)
        jobs += [_settled(job, now) for job in of_media if _counts(job, since)]
    if where is None:
        # Records that cannot be read do not hide that a media was registered.
        chosen = {media_id for media_id, names in named.items() if names & {refused.MEDIA, refused.REFUSED, JOBS}}
    of_chosen = {media_id: named[media_id] for media_id in chosen}
    # Of media that were never registered, too: their jobs were refused.
    waiting = named if where is None else of_chosen
    kinds: tuple[StoredKind, ...] = ()
    if storage:
        only = None if where is None else chosen
        kinds = tuple(_recorded(catalogue, only) if listed is None else _listed(listed, only))
    buildable = [names for names in of_chosen.values() if refused.is_buildable(names)]
    return replace(
        _added_up(jobs, since),
        media={
            "registered": len(buildable),
            "withoutJobs": sum(JOBS not in names for names in buildable),
            "refused": sum(map(refused.is_refused, of_chosen.values())),
        },
        storage=kinds,
        judged={judged.value: least[judged] for judged in Judged if least},
        undelivered=sum(UNDELIVERED in names for names in waiting.values()),
    )


def faults() -> dict[str, str]:
    """Error code -> who has to act on it, of every code of this version."""

    def below(kind: type[JobError]) -> Iterator[type[JobError]]:
        yield kind
        for subclass in kind.__subclasses__():
            yield from below(subclass)

    codes = {kind.code: kind.fault.value for kind in below(JobError) if "code" in vars(kind)}
    return {**codes, **dict.fromkeys(SourceCode, SourceError.fault.value), LOST: "worker"}


def _counts(job: JobRecord, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(job.started_at) >= since


def _settled(job: JobRecord, now: datetime) -> JobRecord:
    """A job that cannot be running any more has failed, whatever its record says."""
    if job.outcome != "running" or job.is_under_way(now):
        return job
    return job.model_copy(update={"outcome": "failed", "error_code": LOST})


def _recorded(catalogue: Catalogue, only: Collection[str] | None) -> list[StoredKind]:
    """What the records name, of all media or of some."""
    order: dict[str, int] = {role: number for number, role in enumerate(get_args(Role))}
    kinds = [StoredKind(*row) for row in catalogue.stored(only)]
    return sorted(kinds, key=lambda stored: (order[stored.role], object_kinds.kind_order(stored.kind)))


def _listed(stores: Stores, only: Collection[str] | None) -> Iterator[StoredKind]:
    """What the stores list, of all media or of some."""
    roles = (stores.archive, stores.media, stores.assets)
    with ThreadPoolExecutor(len(roles), thread_name_prefix="list") as pool:
        for kinds in pool.map(lambda store: _kinds_of(store, only), roles):
            yield from kinds


def _kinds_of(store: ObjectStore, only: Collection[str] | None) -> list[StoredKind]:
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for stored in store.list(""):
        if only is not None and object_kinds.media_of(store.name, stored.key) not in only:
            continue
        name = object_kinds.kind(store.name, stored.key)
        objects[name] += 1
        sizes[name] += stored.size
    ordered = sorted(objects, key=object_kinds.kind_order)
    return [StoredKind(store.name, name, objects[name], sizes[name]) for name in ordered]


def _added_up(jobs: Sequence[JobRecord], since: datetime | None) -> Statistics:
    done = [job for job in jobs if job.outcome == "completed"]
    whole = [job for job in done if _is_whole(job) and job.media_seconds]
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
        whole = [job for job in encoded if _is_whole(job)]
        yield EncoderShare(
            encoder,
            gpu,
            len(encoded),
            math.fsum(job.media_seconds or 0.0 for job in encoded),
            Spread.of(_per_minute(job) for job in whole),
        )


def _is_whole(job: JobRecord) -> bool:
    """Whether a job was to build all that a media has; some have optional outputs besides."""
    return set(job.asked) >= set(wanted(job.media_type))


def _per_minute(job: JobRecord) -> float | None:
    """Seconds of a job per minute of its media."""
    return 60 * job.seconds / job.media_seconds if job.seconds is not None and job.media_seconds else None


def _rank(ordered: Sequence[float], part: float) -> float:
    """The value below or at which this part of the values lies (nearest rank)."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
