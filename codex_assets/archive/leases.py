"""One writer per media: a lease in the delivery store, `leases/{mediaId}.json`: taken, renewed and given back.

The store takes a write of it only over what the writer has seen there, so of several runs one gets it. It is renewed
while the run works; one that was not renewed for a while, or whose process has ended, is nobody's. A run that finds it
has lost its media before it wrote anything that viewers see. A switch is noted in it before it begins, and whoever
takes the lease next finishes that first.

In: who waits for whom, who takes over, and when a run has lost. Out: what a switch writes (`switches.py`), what is
built meanwhile (`build/`), and conditional writes (`storage/`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from codex_assets.archive import switches
from codex_assets.archive.records import MediaRecord, MezzanineRecord, Record
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.archive.switches import SwitchNote
from codex_assets.errors import JobCancelled, JobError, LeaseLost, MediaBusy, MissingInput, StorageError, Superseded
from codex_assets.media.outputs import MEZZANINE
from codex_assets.storage import keys
from codex_assets.storage.objects import OtherContents, Overtaken, StoredObject, Stores
from codex_assets.system import process_identity

_log = logging.getLogger(__name__)

FINISH_ATTEMPTS = 3
"""Tries of a switch, beside those of each request: after it has begun, going on is better than leaving it."""
ENDED_KEPT = 8
"""Switches that are remembered, for runs that hung while they ended."""
WRITE_ATTEMPTS = 4
"""Tries of renewing a lease that is refused although it is as it was."""
UNCERTAIN = "The media store did not answer when everything was ready to be published; send the job again."
LONGEST_WAIT = timedelta(hours=24)
"""How long a run waits for a lease when nobody says otherwise."""


class NotCertain(StorageError):
    """A switch may be noted or not: it will be finished, or it will not. Nothing that it needs may be deleted."""


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds. R2 takes one write a second of a key, so a lease is not renewed more often than that."""

    renewed_every: float = 10.0
    ends_after: float = 30.0
    """Without being renewed."""
    ends_after_deleting: float = 600.0
    """The same, of a run that was deleting: a delete has no condition, so that one which was on its way when its
    process stood still, or its network, would take what the next run has put there. No request lasts as long."""
    looked_at_every: float = 1.0
    """By a run that waits for it."""
    goes_on_after: float = 2.0
    """With a switch that a store broke off."""


class Holder(Record):
    """Whose lease it is. `token` is of this one taking; `process` tells whoever is on the same machine whether it has
    ended (`process_identity`)."""

    run_id: str
    token: str
    process: str
    taken_at: str
    """UTC, ISO 8601, by the holder's clock; for readers only."""
    uploaded_at: str | None = None
    """When its store took the original that the holder builds from: UTC, ISO 8601. None for a run that builds from the
    mezzanine that is there."""


class EndedSwitch(Record):
    """A switch that was done, and whose lease it was then (`token`)."""

    switch_id: str
    token: str


class LeaseRecord(Record):
    """What lies under a media's key: a lease, or what is left of the last one (`holder` is None)."""

    media_id: str
    written: str
    """Another one with every write, so that no two have the same contents."""
    holder: Holder | None = None
    switch: SwitchNote | None = None
    """A switch that has begun, and has not ended as far as is known."""
    ended: tuple[EndedSwitch, ...] = ()
    """The switches that ended last, the newest last."""
    deletes: bool | None = None
    """Whether the holder deletes what nothing names: others might come to name it meanwhile, and so they wait."""


@dataclass(frozen=True)
class Claim:
    """Why a run wants a media. `uploaded_at`: when its store took the original that the run builds from; None where it
    builds from the mezzanine that is there, or there is no original."""

    run_id: str
    uploaded_at: datetime | None = None
    waits: timedelta = LONGEST_WAIT
    """At most, for another run."""


Verdict = Literal["take", "wait", "yield"]


def verdict(claim: Claim, holder: Holder | None, *, is_live: bool, is_switching: bool) -> Verdict:
    """What a run does about the lease of another: it takes it over, waits for it, or is superseded by it.

    Between two uploads the newer one wins, and of the same upload the run that came later. Whoever builds from the
    mezzanine waits, and so does the same job, delivered twice. A switch that has begun is let end (`is_switching`), and
    so is a run that deletes what nothing names.
    """
    if holder is None or not is_live:
        return "take"
    if is_switching or claim.uploaded_at is None or holder.run_id == claim.run_id:
        return "wait"
    if holder.uploaded_at is None:
        return "take"
    return "take" if claim.uploaded_at >= datetime.fromisoformat(holder.uploaded_at) else "yield"


def uploaded_at(media: MediaRecord, stores: Stores) -> datetime | None:
    """When its store took a media's original; None when it is not there. Raises `StorageError`."""
    original = stores.by_role(media.input_role).head(media.input_key)
    return original.modified if original is not None else None


@dataclass(frozen=True)
class _Seen:
    """What lay under the key: the object, and what it says; None and None when there was none."""

    stored: StoredObject | None = None
    record: LeaseRecord | None = None

    @property
    def holder(self) -> Holder | None:
        return self.record.holder if self.record is not None else None

    @property
    def switch(self) -> SwitchNote | None:
        return self.record.switch if self.record is not None else None

    @property
    def ended(self) -> tuple[EndedSwitch, ...]:
        return self.record.ended if self.record is not None else ()

    def is_published(self, switch_id: str) -> bool:
        """Whether a switch is the last one. Others finish what they find noted before they do anything else."""
        if self.switch is not None:
            return self.switch.switch_id == switch_id
        return bool(self.ended) and self.ended[-1].switch_id == switch_id

    def knows(self, switch_id: str) -> bool:
        """Whether a switch is noted, or has ended."""
        noted = self.switch is not None and self.switch.switch_id == switch_id
        return noted or any(each.switch_id == switch_id for each in self.ended)

    @property
    def is_switching(self) -> bool:
        """Whether the holder is let end what it has begun."""
        return self.record is not None and (self.record.switch is not None or self.is_deleting)

    @property
    def is_deleting(self) -> bool:
        """Whether the holder deletes what nothing names."""
        return self.record is not None and bool(self.record.deletes)


class Leases:
    """The leases of one run. Safe to use from one thread at a time."""

    def __init__(
        self,
        stores: Stores,
        run_id: str | None = None,
        *,
        waits: timedelta = LONGEST_WAIT,
        cancelled: threading.Event | None = None,
        on_lost: Callable[[], None] = lambda: None,
        times: LeaseTimes | None = None,
    ) -> None:
        """`run_id`: the job's, or the run's; `on_lost` is called, from another thread, when a lease was lost."""
        self.stores, self.times = stores, times or LeaseTimes()
        self.on_lost = on_lost
        self.run_id = run_id or f"run-{uuid.uuid4().hex[:12]}"
        self._waits, self._cancelled = waits, cancelled or threading.Event()
        self._leases: dict[str, Lease] = {}

    def claim(self, media: MediaRecord, *, from_original: bool) -> Claim:
        """What this run asks for. Raises `StorageError`."""
        return Claim(self.run_id, uploaded_at(media, self.stores) if from_original else None, self._waits)

    @contextmanager
    def of(self, media_id: str, claim: Claim) -> Iterator[Lease]:
        """The lease of a media, for the block; within it, the same one again.

        A switch that somebody began is finished before the block. Raises `Superseded` when a newer upload has the
        media, or was published; `MediaBusy` when another run kept it for too long; `JobCancelled`, `StorageError`.
        """
        known = self._leases.get(media_id)
        if known is not None:
            yield known
            return
        lease = self._taken(media_id, claim)
        self._leases[media_id] = lease
        try:
            with lease.renewed():
                lease.finish()
                self._require_newest(media_id, claim)
                yield lease
        finally:
            del self._leases[media_id]
            lease.give_back()

    def look(self, media_id: str) -> tuple[Holder | None, SwitchNote | None]:
        """Who has a media now, and which switch was begun and not ended. Raises `StorageError`."""
        seen = _look(self.stores, media_id)
        live = seen.holder is not None and _Patience(self.times).is_live(seen)
        return (seen.holder if live else None), seen.switch

    def end_left_switch(self, media: MediaRecord) -> bool:
        """End a switch that nobody is at work on any more; an earlier delivery of the same job is waited for. Whether
        there was one. That of another run which is at work is its own. Raises `StorageError` and `JobCancelled`.
        """
        holder, switch = self.look(media.media_id)
        if switch is None or (holder is not None and holder.run_id != self.run_id):
            return False
        try:
            # Whoever takes it ends the switch first.
            with self.of(media.media_id, self.claim(media, from_original=False)):
                pass
        except (MediaBusy, Superseded) as error:
            _log.info("media %s was taken by a run that ends its switch: %s", media.media_id, type(error).__name__)
        return True

    def _taken(self, media_id: str, claim: Claim) -> Lease:
        for store in (self.stores.media, self.stores.assets):
            store.require_conditions()
        until = time.monotonic() + claim.waits.total_seconds()
        patience, is_logged = _Patience(self.times), False
        while True:
            seen = _look(self.stores, media_id)
            does = verdict(claim, seen.holder, is_live=patience.is_live(seen), is_switching=seen.is_switching)
            if does == "yield":
                raise Superseded(media_id)
            if does == "take":
                lease = _take(self, media_id, claim, seen)
                if lease is not None:
                    return lease
                continue
            if not is_logged:
                _log.info("media %s is being built by another run: waiting for it", media_id)
                is_logged = True
            if time.monotonic() >= until:
                raise MediaBusy(media_id)
            if self._cancelled.wait(self.times.looked_at_every):
                raise JobCancelled

    def _require_newest(self, media_id: str, claim: Claim) -> None:
        """Raises `Superseded` when what is published was made from a newer upload than the claim's."""
        if claim.uploaded_at is None:
            return
        try:
            record = RecordStore(self.stores.archive).get(media_id, MEZZANINE.name, MezzanineRecord)
        except UnreadableRecord:
            return
        published = record.source.uploaded_at if record is not None else None
        if published is not None and datetime.fromisoformat(published) > claim.uploaded_at:
            raise Superseded(media_id)


class Lease:
    """A media that is this run's, until it is lost or given back. Safe to use from several threads."""

    def __init__(self, leases: Leases, record: LeaseRecord, stored: StoredObject) -> None:
        self._leases, self._record = leases, record
        self._stored: StoredObject | None = stored
        self._lock = threading.RLock()
        self._renewed_at = time.monotonic()
        self._lost: type[Superseded] | None = None
        self._is_removed = False

    @property
    def media_id(self) -> str:
        """The media's."""
        return self._record.media_id

    @property
    def is_lost(self) -> bool:
        """Whether it is known to be somebody else's."""
        return self._lost is not None

    def require(self) -> None:
        """Raises `Superseded` when the lease is known to be lost. Asks nobody."""
        if self._lost is not None:
            raise self._lost(self.media_id)

    def confirm(self) -> None:
        """Renew it. Raises `Superseded` when somebody else has it, and `StorageError` when nobody can tell."""
        self._write()

    def require_fresh(self) -> None:
        """`confirm`, unless nobody else can have taken it over since it was renewed."""
        self.require()
        if time.monotonic() - self._renewed_at > self._leases.times.ends_after / 2:
            self.confirm()

    def note(self, switch: SwitchNote) -> None:
        """Note a switch, which will be finished then, by whoever takes the lease next if not here.

        Raises `Superseded` and `StorageError`, and `NotCertain` when nobody can tell whether it is noted.
        """
        try:
            self._write(switch=switch)
        except Superseded:
            if self._look().knows(switch.switch_id):
                raise NotCertain(UNCERTAIN, retryable=True) from None
            raise
        except StorageError as error:
            try:
                # A request that is still on its way is refused after this.
                self._write()
            except Superseded:
                if not self._look().knows(switch.switch_id):
                    raise
                raise NotCertain(UNCERTAIN, detail=error.detail, retryable=True) from error
            except JobError:
                raise NotCertain(UNCERTAIN, detail=error.detail, retryable=True) from error
            raise

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """Others wait while the block deletes what nothing names, unless this process hangs.

        Raises `Superseded` and `StorageError` before the block begins.
        """
        if self._record.deletes:
            self.require_fresh()
        else:
            self._write(deletes=True)
        try:
            yield
        finally:
            with self._lock:
                # Nobody is in a hurry to hear it: it is written when the lease is renewed or given back.
                self._record = self._record.model_copy(update={"deletes": None})

    def finish(self, *, then_deletes: bool = False) -> None:
        """Do the switch that is noted, if there is one; `then_deletes`: a block of `deleting` follows.

        Raises `Superseded` when a newer switch has replaced it, and `StorageError`.
        """
        note = self._record.switch
        if note is None:
            return
        written: dict[str, StoredObject] = {}
        tries = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, StorageError) and error.retryable),
            stop=stop_after_attempt(FINISH_ATTEMPTS),
            wait=wait_fixed(self._leases.times.goes_on_after),
            reraise=True,
        )
        for attempt in tries:
            with attempt:
                is_again = attempt.retry_state.attempt_number > 1
                self._execute(note, written, then_deletes=then_deletes, is_again=is_again)

    def _execute(
        self, note: SwitchNote, written: dict[str, StoredObject], *, then_deletes: bool, is_again: bool
    ) -> None:
        """`written`: what was written of the records, of this attempt and those before."""
        ended = EndedSwitch(switch_id=note.switch_id, token=self._token)
        try:
            if is_again:
                # It may have ended without an answer, and then others wait no longer.
                self.confirm()
            switches.execute(note, self._leases.stores, self, written)
            before = tuple(each for each in self._record.ended if each != ended)
            self._write(switch=None, ended=(*before, ended)[-ENDED_KEPT:], deletes=then_deletes or None)
        except Superseded:
            seen = self._look()
            if seen.is_published(note.switch_id):
                return
            # Where it had ended without an answer, nothing was written too late.
            if ended not in seen.ended:
                switches.withdraw(written, self._leases.stores.archive)
            raise

    @property
    def _token(self) -> str:
        assert self._record.holder is not None
        return self._record.holder.token

    def _look(self) -> _Seen:
        return _look(self._leases.stores, self.media_id)

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew it again and again while the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(ended,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(self._leases.times.renewed_every) and not self._is_removed:
            try:
                self.confirm()
            except Superseded:
                _log.warning("media %s was taken over by another run", self.media_id)
                self._leases.on_lost()
                return
            except JobError as error:
                # Nobody may want it, and then it is still this run's when the store answers again.
                _log.warning("the lease of media %s could not be renewed: %s", self.media_id, error.detail or error)

    def remove(self) -> None:
        """Give it back without a trace, for a media of which nothing is left. A delete has no condition, so others wait
        until then (`deleting`): within `ends_after` of being renewed it is nobody else's.

        Raises `Superseded` and `StorageError`.
        """
        with self._lock:
            if self._is_removed:
                return
            self._write(deletes=True)
            self._leases.stores.media.delete(keys.lease(self.media_id))
            self._is_removed = True

    def give_back(self) -> None:
        """Let others have it at once. A lease that cannot be given back ends by itself."""
        if self.is_lost or self._is_removed:
            return
        try:
            self._write(holder=None)
        except JobError as error:
            _log.warning("the lease of media %s was not given back: %s", self.media_id, type(error).__name__)

    def _write(self, **changes: Any) -> None:
        """Write it anew, with these fields changed."""
        with self._lock:
            if self._is_removed:
                return
            self.require()
            began = time.monotonic()
            # Read with the lock: whoever had it may have noted a switch.
            written = _stamped(self._record.model_copy(update=changes))
            for _ in range(WRITE_ATTEMPTS):
                try:
                    self._stored = _put(self._leases.stores, written, self._stored)
                except Overtaken:
                    self._stored = self._still_mine()
                else:
                    self._record, self._renewed_at = written, began
                    return
            raise StorageError(
                "The media store refuses to renew a lease although nobody else has it; check what stands between it "
                "and the worker.",
                retryable=True,
            )

    def _still_mine(self) -> StoredObject | None:
        """What is under the key now, if that is still this lease. Raises `Superseded` when it is not."""
        seen, mine = self._look(), self._record.holder
        assert mine is not None
        # One that nobody else has taken, and that is gone or cannot be read, was lost or damaged by the store.
        if seen.record is not None and (seen.holder is None or seen.holder.token != mine.token):
            is_newer = _is_for_newer(seen.holder, mine) or _is_newer_published(self._leases.stores, self.media_id, mine)
            self._lost = Superseded if is_newer else LeaseLost
            self.require()
        return seen.stored


def _is_for_newer(holder: Holder | None, than: Holder) -> bool:
    """Whether the holder of a lease is at work on an upload that takes the place of another run's."""
    if holder is None or holder.uploaded_at is None or holder.run_id == than.run_id:
        return False
    return than.uploaded_at is None or holder.uploaded_at >= than.uploaded_at


def _is_newer_published(stores: Stores, media_id: str, than: Holder) -> bool:
    """Whether a run that has ended published an upload in the place of another run's, as far as can be told."""
    try:
        record = RecordStore(stores.archive).get(media_id, MEZZANINE.name, MezzanineRecord)
    except JobError:
        return False
    if record is None or record.build is None or record.build.run_id == than.run_id:
        return False
    if than.uploaded_at is None:
        return record.build.built_at > than.taken_at
    return record.source.uploaded_at is not None and record.source.uploaded_at >= than.uploaded_at


@dataclass
class _Patience:
    """Tells, from one look to the next, whether a lease is still renewed."""

    times: LeaseTimes
    _etag: object = None
    _since: float = field(default_factory=time.monotonic)

    def is_live(self, seen: _Seen) -> bool:
        """Whether its holder is at work, as far as can be told."""
        if seen.holder is None or seen.stored is None or process_identity.has_ended(seen.holder.process):
            return False
        ends_after = self.times.ends_after_deleting if seen.is_deleting else self.times.ends_after
        modified, asked_at = seen.stored.modified, seen.stored.asked_at
        if modified is not None and asked_at is not None:
            # Both by the store's clock, so that it does not matter what time it is here.
            return (asked_at - modified).total_seconds() <= ends_after
        etag = seen.stored.etag or seen.stored.sha256
        if etag != self._etag:
            self._etag, self._since = etag, time.monotonic()
        return time.monotonic() - self._since <= ends_after


def _take(leases: Leases, media_id: str, claim: Claim, seen: _Seen) -> Lease | None:
    """The lease, in place of what was seen; None when somebody else was quicker."""
    holder = Holder(
        run_id=claim.run_id,
        token=uuid.uuid4().hex,
        process=process_identity.this_process(),
        taken_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        uploaded_at=claim.uploaded_at.isoformat() if claim.uploaded_at is not None else None,
    )
    record = _stamped(LeaseRecord(media_id=media_id, written="", holder=holder, switch=seen.switch, ended=seen.ended))
    try:
        stored = _put(leases.stores, record, seen.stored)
    except Overtaken:
        return None
    return Lease(leases, record, stored)


def _look(stores: Stores, media_id: str) -> _Seen:
    """What lies under a media's key, both of it of one moment. Raises `StorageError`."""
    key = keys.lease(media_id)
    for _ in range(WRITE_ATTEMPTS):
        stored = stores.media.head(key)
        if stored is None:
            return _Seen()
        try:
            data = stores.media.read(key)
        except MissingInput:
            continue
        except OtherContents as error:
            # Only part of it, or something else, arrived when it was written: nobody will ever read it.
            _log.warning("the lease of media %s is damaged, and is taken for nobody's: %s", media_id, error.detail)
            return _Seen(stored, None)
        if stored.sha256 in (None, hashlib.sha256(data).hexdigest()):
            return _Seen(stored, _parsed(media_id, data))
    raise StorageError("The media store gives another lease whenever it is asked.", retryable=True)


def _parsed(media_id: str, data: bytes) -> LeaseRecord | None:
    try:
        return LeaseRecord.model_validate_json(data)
    except (ValidationError, ValueError):
        _log.warning("the lease of media %s cannot be read, and is taken for nobody's", media_id)
        return None


def _put(stores: Stores, record: LeaseRecord, current: StoredObject | None) -> StoredObject:
    data = json.dumps(record.model_dump(mode="json", exclude_none=True), ensure_ascii=False, indent=1).encode() + b"\n"
    return stores.media.write_if(
        keys.lease(record.media_id), data, current, content_type="application/json", cache_control="no-store"
    )


def _stamped(record: LeaseRecord) -> LeaseRecord:
    return record.model_copy(update={"written": uuid.uuid4().hex})
