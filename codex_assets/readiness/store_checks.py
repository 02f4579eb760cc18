"""Whether each store answers, and lets an object be written, read and deleted.

In: how long and how often a store is asked, and the trial object. Out: the stores (`storage/`), which checks a worker
has to pass (`fitness.py`).
"""

from __future__ import annotations

import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from codex_assets.archive import mezzanine_versions, refused, undelivered
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.config.settings import Settings
from codex_assets.errors import JobError, StorageError
from codex_assets.media.outputs import MEZZANINE
from codex_assets.readiness.checks import Check, Health
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore


@dataclass(frozen=True)
class Patience:
    """How often a store is asked that does not answer, and how long. A refusal is final at once."""

    tries: int = 1
    pause_s: float = 5.0
    """Before the second try; then twice as long each time."""
    limit_s: float = 60.0
    """One try. The store's client has its own, longer patience with each request."""


def check_stores(
    settings: Settings,
    patience: Patience | None = None,
    *,
    write: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Check]:
    """Each store answers a listing: its bucket is there, its key accepted. All are asked at once.

    `write`: each takes a small object too, gives it back as it was written, and deletes it. That a listing is answered
    says nothing of a key's rights, nor of what stands before the store.
    """
    patience = patience or Patience()
    three = settings.stores()
    asked = [
        (store, _aside(lambda store=store: _reached(store, patience, sleep, write)))  # type: ignore[misc]
        for store in (three.archive, three.media, three.assets)
    ]
    for _, answer in asked:
        yield answer.get()


def _reached(store: ObjectStore, patience: Patience, sleep: Callable[[float], None], write: bool) -> Check:
    """The check of one store, which is asked again while its answer may become another."""
    retrying = Retrying(
        stop=stop_after_attempt(patience.tries),
        wait=wait_exponential(patience.pause_s),
        retry=retry_if_result(lambda attempt: attempt.may_pass),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else None,
        sleep=sleep,
    )
    attempt: _Attempt = retrying(_ask, store, patience.limit_s, write)
    return attempt.check


@dataclass(frozen=True)
class _Attempt:
    """What asking a store once came to; `may_pass`: asking again may be answered otherwise."""

    check: Check
    may_pass: bool = False


def _ask(store: ObjectStore, limit_s: float, write: bool) -> _Attempt:
    subject = ("stores", store.name)
    try:
        outcome = _aside(lambda: _outcome(store, write)).get(timeout=limit_s)
    except queue.Empty:
        result = f"{store.bucket} did not answer within {limit_s:g} seconds"
        advice = "Check its endpoint, and the network from here to it"
        return _Attempt(Check(*subject, Health.PROBLEM, result, advice), may_pass=True)
    if outcome is None:
        usable = f"{store.bucket} is reachable" + ("; an object was written, read and deleted" if write else "")
        return _Attempt(Check(*subject, Health.OK, usable))
    if not isinstance(outcome, JobError):
        result = f"{store.bucket}: unexpected {type(outcome).__name__}"
        return _Attempt(Check(*subject, Health.PROBLEM, result, "Check its endpoint and credentials"))
    # The sentence says what to do.
    return _Attempt(Check(*subject, Health.PROBLEM, outcome.public), may_pass=outcome.retryable)


def _outcome(store: ObjectStore, write: bool) -> Exception | None:
    try:
        store.check()
        if write:
            _try_object(store)
    except Exception as error:  # noqa: BLE001 - a diagnosis must come to its end
        return error
    return None


Outcome = TypeVar("Outcome")


def _aside(work: Callable[[], Outcome]) -> queue.Queue[Outcome]:
    """Where the outcome of `work` will be. A thread that is waited for no more must not hold the process up."""
    answer: queue.Queue[Outcome] = queue.Queue(1)
    threading.Thread(target=lambda: answer.put(work()), name="asking a store", daemon=True).start()
    return answer


def check_conditions(settings: Settings) -> Iterator[Check]:
    """The stores that viewers are served from keep two runs from writing one media at once."""
    three = settings.stores()
    for store in (three.media, three.assets):
        subject = ("one writer", store.name)
        try:
            store.require_conditions()
        except JobError as error:
            yield Check(*subject, Health.PROBLEM, error.public)
        else:
            yield Check(*subject, Health.OK, f"{store.bucket}: of two writes at once, one is refused")


def check_rights(settings: Settings) -> Iterator[Check]:
    """Each store takes an object, gives it back and lets it be deleted again, as jobs need it."""
    three = settings.stores()
    for store in (three.archive, three.media, three.assets):
        subject = ("rights", store.name)
        try:
            _try_object(store)
        except JobError as error:
            yield Check(*subject, Health.PROBLEM, error.public)
        else:
            yield Check(*subject, Health.OK, f"{store.bucket}: an object was written, read and deleted")


def check_undelivered(settings: Settings) -> Check:
    """How many media have a webhook that waits in the archive, and whether it can be sent again."""
    subject = ("archive", "webhooks")
    try:
        count = sum(1 for _ in undelivered.media_ids(settings.stores().archive))
    except JobError:
        return Check(*subject, Health.NOTE, "it is not known whether webhooks wait: the archive cannot be listed")
    if count == 0:
        return Check(*subject, Health.OK, "none waits to be sent again")
    advice = "Run `codex-assets redeliver`"
    if settings.webhook_secret is None:
        advice = "Set WEBHOOK_SECRET, which signs them, and run `codex-assets redeliver`"
    return Check(*subject, Health.NOTE, f"webhooks of {count:,} media wait to be sent again", advice)


LOOKED_SECONDS = 20.0
"""How long mezzanines are looked at: three requests a media, and there may be thousands."""
LOOKING_THREADS = 16


def check_mezzanines(settings: Settings, now: datetime | None = None) -> Check:
    """Whether the archive's current version of each mezzanine is the recorded one: of all media, or of as many as there
    is time for, chosen at random."""
    subject = ("archive", "mezzanines")
    archive = settings.stores().archive
    records, now = RecordStore(archive), now or datetime.now(UTC)
    until = time.monotonic() + LOOKED_SECONDS

    def look(media_id: str) -> bool | None:
        if time.monotonic() > until:
            return None
        try:
            media = records.media(media_id)
            if media is None:
                return False
            record = records.output(media_id, MEZZANINE.name)
            return mezzanine_versions.unrecorded(archive, media, record, now) is not None
        except UnreadableRecord:
            # `reconcile` names it.
            return False

    try:
        media_ids = [media_id for media_id, names in records.listed() if refused.MEDIA in names]
        random.shuffle(media_ids)
        with ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="mezzanines") as pool:
            looked = [answer for answer in pool.map(look, media_ids) if answer is not None]
    except JobError:
        return Check(*subject, Health.NOTE, "it is not known whether any is unrecorded: the archive does not answer")
    count, many = sum(looked), f"{len(looked):,} of {len(media_ids):,} media"
    if count == 0:
        return Check(*subject, Health.OK, f"every current one is on record ({many} looked at)")
    are = "1 current one is" if count == 1 else f"{count:,} current ones are"
    result = f"{are} on no record ({many} looked at): a job was killed before it published"
    return Check(*subject, Health.NOTE, result, "Run `codex-assets reconcile --fix`, at least once a week")


TRIAL = b"Written by codex-assets to try this bucket; may be deleted.\n"
DELETES = 3
"""Tries of deleting the trial: a listing of versions may not show at once what was written a moment ago."""


def _try_object(store: ObjectStore) -> None:
    """Write, read and delete an object of a name that nothing else has. Raises what the store raised.

    It is deleted whatever fails: what a store took and then denied is there all the same, and in a versioned bucket
    every trial is a version that is billed. One that could not be deleted is named.
    """
    key = keys.rights_trial(uuid.uuid4().hex)
    failed: Exception | None = None
    try:
        store.write(key, TRIAL, content_type="text/plain")
        if store.read(key) != TRIAL:
            raise StorageError(
                f"The {store.name} store gave other contents for '{key}' in bucket '{store.bucket}' than were written."
            )
    except Exception as error:  # noqa: BLE001 - whatever it was, the object may be there
        failed = error
    left = _removed(store, key)
    if left is None:
        if failed is not None:
            raise failed
        return
    first = failed if isinstance(failed, JobError) else left
    raise StorageError(
        f"{first.public} '{key}' may have been left in bucket '{store.bucket}'; delete it by hand.",
        detail=first.detail,
        retryable=first.retryable,
    )


def _removed(store: ObjectStore, key: str) -> JobError | None:
    """Delete the trial; why it may still be there, or None when it is gone."""
    retrying = Retrying(
        stop=stop_after_attempt(DELETES), retry=retry_if_result(lambda gone: not gone), retry_error_callback=_not_gone
    )
    problem: JobError = StorageError(f"The {store.name} store still holds '{key}' after it was deleted.")
    try:
        if retrying(_delete, store, key):
            return None
    except JobError as error:
        problem = error
    with suppress(JobError):
        if store.head(key) is None:
            return None
    return problem


def _delete(store: ObjectStore, key: str) -> bool:
    """Whether an object is gone after it was deleted. Raises what the store raises."""
    store.delete(key)
    return store.head(key) is None


def _not_gone(_: RetryCallState) -> bool:
    return False
