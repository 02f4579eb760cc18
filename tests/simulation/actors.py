"""Who works on a media: jobs, rebuilds and sweepers, as the worker, the builder and `reconcile` do it.

What is simulated is the encoding alone: it takes a while, and its files are there already. Publication, lease, switch,
redelivery, registration and reconciling are the product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from films import MEDIA_ID, OUTPUTS, Films, media
from simulated_stores import Network
from world import Actor, SimulatedThreading, World, moment

from codex_assets.archive import history, refused
from codex_assets.archive.history import JobRecord
from codex_assets.archive.leases import Lease, Leases, LeaseTimes
from codex_assets.archive.records import MediaRecord, MezzanineRecord, VariantRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.publication import Advance, Publication
from codex_assets.build.receipts import Receipts, Work
from codex_assets.errors import JobCancelled, JobError, MissingInput
from codex_assets.library.reconcile import Reconciliation
from codex_assets.media.outputs import MEZZANINE, variants
from codex_assets.storage.objects import Stores
from codex_assets.worker import redelivery, registration

TIMES = LeaseTimes(looked_at_every=4.0)
WAITS = timedelta(minutes=20)


@dataclass(frozen=True)
class Attempt:
    """One delivery of a job: what became of it, and which upload it was for (None before it was known)."""

    actor: Actor
    job_id: str
    uploaded_at: Any = None
    error: str | None = None
    retryable: bool = False

    @property
    def completed(self) -> bool:
        """Whether it is announced as completed."""
        return self.error is None


@dataclass
class Studio:
    """What all who work in one story share."""

    world: World
    network: Network
    films: Films
    receipts: Receipts
    grace: timedelta
    claims: dict[Actor, Any] = field(default_factory=dict)
    """When its store took the upload that a job builds from, by the job's process."""

    @property
    def stores(self) -> Stores:
        """The stores, as every process has them."""
        return self.network.stores()

    def publication(self, of: MediaRecord, lease: Lease) -> Publication:
        """What one run publishes."""
        return Publication(of, self.stores, self.receipts, lease, grace=self.grace)


def job(studio: Studio, actor: Actor, job_id: str, input_key: str, encode: int, seconds: float) -> Attempt:
    """A job of an upload that builds everything, as `worker/job.py` does it; encoding takes `seconds`."""
    cancelled = cast(Any, SimulatedThreading.Event())
    this, claimed = media(input_key), None
    try:
        stores = studio.stores
        records = RecordStore(stores.archive)
        earlier = redelivery.earlier(job_id, this, OUTPUTS, records, stores)
        if earlier is not None:
            return Attempt(actor, job_id)
        leases = Leases(stores, job_id, waits=WAITS, cancelled=cancelled, on_lost=cancelled.set, times=TIMES)
        claim = leases.claim(this, from_original=True)
        claimed = studio.claims[actor] = claim.uploaded_at
        with leases.of(MEDIA_ID, claim) as lease:
            earlier = redelivery.earlier(job_id, this, OUTPUTS, records, stores)
            if earlier is not None and not earlier.is_of(claim.uploaded_at):
                earlier = None
            registration.require_same(this, records)
            refused.accept(this, records, lease)
            history.keep(records, _begun(studio, job_id, this))
            if earlier is None:
                _build(studio, this, lease, job_id, encode, lambda: _encode(cancelled, lease, seconds))
    except JobError as error:
        return Attempt(actor, job_id, claimed, error.code, error.retryable)
    return Attempt(actor, job_id, claimed)


def _begun(studio: Studio, job_id: str, this: MediaRecord) -> JobRecord:
    return JobRecord(
        id=job_id,
        media_id=this.media_id,
        creator_id=this.creator_id,
        media_type=this.media_type,
        asked=OUTPUTS,
        started_at=moment(studio.world.now).isoformat(timespec="milliseconds"),
        payload=redelivery.fingerprint(this, OUTPUTS),
    )


def _encode(cancelled: Any, lease: Lease, seconds: float) -> None:
    """As `LocalBuilder.build`: what runs is ended when the media was lost."""
    lease.require()
    if cancelled.wait(seconds):
        lease.require()
        raise JobCancelled


def _build(studio: Studio, this: MediaRecord, lease: Lease, job_id: str, encode: int, work: Callable[[], None]) -> None:
    stores, films = studio.stores, studio.films
    original = stores.archive.head(this.input_key)
    if original is None or original.modified is None:
        raise MissingInput("The original is not there.")
    film = f"{original.content_type} {encode}"
    work()
    publication, begun = studio.publication(this, lease), Work(0.0, {})
    mezzanine = films.mezzanine(job_id, film, original.modified.isoformat())
    version = mezzanine.record.data_version
    publication.add([mezzanine], begun)
    publication.records.forget(MEDIA_ID, "original")
    built = [films.variant(job_id, rung, version, encode) for rung in ("720p", "360p")]
    master = films.master(job_id, {each.record.output: each.record.data_version for each in built})
    publication.add([*built, master], begun)
    publication.add([films.thumbnail(job_id, version, encode)], begun)
    publication.add([films.marker()], begun)
    list(publication.switch(_phase))


def rebuild(
    studio: Studio, actor: Actor, run_id: str, outputs: tuple[str, ...], encode: int, seconds: float
) -> Attempt:
    """A run that builds some outputs from the mezzanine that is there, as `LocalBuilder` does it."""
    cancelled = cast(Any, SimulatedThreading.Event())
    try:
        stores = studio.stores
        this = RecordStore(stores.archive).media(MEDIA_ID)
        if this is None:
            raise MissingInput("The media was never registered.")
        leases = Leases(stores, run_id, waits=WAITS, cancelled=cancelled, on_lost=cancelled.set, times=TIMES)
        with leases.of(MEDIA_ID, leases.claim(this, from_original=False)) as lease:
            _build_again(studio, this, lease, run_id, outputs, encode, lambda: _encode(cancelled, lease, seconds))
    except JobError as error:
        return Attempt(actor, run_id, None, error.code, error.retryable)
    return Attempt(actor, run_id)


def _build_again(
    studio: Studio,
    this: MediaRecord,
    lease: Lease,
    run_id: str,
    outputs: tuple[str, ...],
    encode: int,
    work: Callable[[], None],
) -> None:
    stores, films = studio.stores, studio.films
    publication, begun = studio.publication(this, lease), Work(0.0, {})
    source = publication.records.get(MEDIA_ID, MEZZANINE.name, MezzanineRecord)
    if source is None:
        raise MissingInput("There is no mezzanine.")
    (file,) = source.files
    if stores.archive.head(file.key, version=file.version) is None:
        raise MissingInput("The mezzanine that was recorded is not there.")
    work()
    rungs = [rung for rung in ("720p", "360p") if f"hls_{rung}" in outputs]
    built = [films.variant(run_id, rung, source.data_version, encode) for rung in rungs]
    if built:
        versions = {each.record.output: each.record.data_version for each in built}
        listed = {}
        for variant in variants("video"):
            known = publication.records.get(MEDIA_ID, variant.name, VariantRecord)
            if variant.name in versions:
                listed[variant.name] = versions[variant.name]
            elif known is not None and known.applicable:
                listed[variant.name] = known.data_version
        publication.add([*built, films.master(run_id, listed)], begun)
    if "thumbnail" in outputs:
        publication.add([films.thumbnail(run_id, source.data_version, encode)], begun)
    list(publication.switch(_phase))


def sweep(studio: Studio) -> list[str]:
    """`reconcile --fix` of the media; what it says."""
    reconciliation = Reconciliation(
        studio.stores,
        cast(Any, SimulatedThreading.Event()),
        fix=True,
        grace=studio.grace,
        workers=2,
        now=lambda: moment(studio.world.now),
    )
    return [f"{each.matter}: {each.message}" for each in reconciliation.run([MEDIA_ID])]


@contextmanager
def _phase() -> Iterator[Advance]:
    yield lambda fraction, speed: None
