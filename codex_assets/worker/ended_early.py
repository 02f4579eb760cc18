"""The answer of a job that was ended before it was done: by a signal, by RunPod, or by its time limit.

Given by another process than the job's, which was told to end and then killed, whatever it waited for. In order: the
webhook, RunPod's result, and then what is kept in the archive, which may be what did not answer. Whoever calls this
gives it a few seconds in all, and ends the process then. Out: ending the job (`runpod_entry/handler.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config.settings import Settings
from codex_assets.contract.payload import JobPayload, PayloadProblems, parse_payload, salvage
from codex_assets.contract.webhook import parse_webhook_body
from codex_assets.errors import JobCancelled, JobError, RelayedError, WebhookError
from codex_assets.media.outputs import wanted
from codex_assets.net import webhook
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.worker import delivery, job
from codex_assets.worker.delivery import Announcement
from codex_assets.worker.job import Answer

ATTEMPTS, BACKOFF_SECONDS = 3, 0.5
CUT_SHORT = "The worker had to stop while it sent the webhook, which may have arrived."

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndedJob:
    """A job that was ended. `webhook`: the body that it was sending, if it had come so far; then nothing else is sent.

    `error`: what it failed by, if it had not. `begun_at`: UTC, ISO 8601.
    """

    job_id: str
    raw: object
    begun_at: str
    error: RelayedError
    webhook: Mapping[str, Any] | None = None


def answer(
    ended: EndedJob, settings: Settings, seconds: float | None, tell_result: Callable[[dict[str, Any]], None]
) -> None:
    """Send the webhook within so many seconds (None: as long as it takes), hand over RunPod's result, and put both on
    record. Raises nothing that is foreseen."""
    policy, payload = settings.payload_policy(), _payload(ended, settings)
    given = job.refusal(ended.job_id, ended.raw, policy, ended.error)
    if ended.webhook is not None:
        given = Answer(parse_webhook_body(dict(ended.webhook)), salvage(ended.raw, policy))
        result: dict[str, Any] = {
            "error": CUT_SHORT,
            "errorCode": WebhookError.code,
            "retryable": True,
            "webhook": dict(ended.webhook),
        }
    else:
        result = job.send(given, hurried(settings.delivery_policy(), seconds))
    tell_result(result)
    records = RecordStore(settings.stores().archive)
    address = given.address
    asked = _asked(payload, settings)
    announcement = Announcement(
        job_id=ended.job_id,
        media_id=given.body.output.media_id,
        body=webhook.to_bytes(given.body),
        completed=given.body.status == "completed",
        address=address,
        asked=asked,
        begun_at=ended.begun_at,
        had_own_secret=address is not None and address.secret != settings.webhook_secret,
    )
    delivery.settle(records, announcement, result)
    if payload is not None:
        _put_on_record(ended, payload, asked, result, records)


def hurried(policy: DeliveryPolicy, seconds: float | None) -> DeliveryPolicy:
    """The policy of somebody who has only so many seconds for everything; None: as long as it takes."""
    if seconds is None:
        return policy
    return replace(policy, attempts=ATTEMPTS, backoff_s=BACKOFF_SECONDS, total_s=seconds)


def _payload(ended: EndedJob, settings: Settings) -> JobPayload | None:
    with suppress(PayloadProblems):
        return parse_payload(ended.raw, settings.payload_policy())
    return None


def _put_on_record(
    ended: EndedJob, payload: JobPayload, asked: tuple[str, ...], result: Mapping[str, Any], records: RecordStore
) -> None:
    """End the job's entry in its media's history, which its own process may not have come to, nor to its beginning."""
    error: JobError = ended.error
    if result.get("errorCode") in delivery.NOT_ARRIVED and ended.webhook is not None:
        error = WebhookError(CUT_SHORT)
    try:
        entries = [entry for entry in history.read(records, payload.media_id) if entry.id == ended.job_id]
        entry = next((entry for entry in entries if entry.outcome in ("running", "cancelled")), None)
        if entry is None:
            entry = JobRecord(
                id=ended.job_id,
                media_id=payload.media_id,
                creator_id=payload.creator_id,
                media_type=payload.media_type,
                asked=asked,
                started_at=ended.begun_at,
            )
        now = datetime.now(UTC)
        update = {
            "outcome": "cancelled" if error.code == JobCancelled.code else "failed",
            "error_code": error.code,
            "retryable": error.retryable,
            "finished_at": now.isoformat(timespec="milliseconds"),
            "seconds": round((now - datetime.fromisoformat(entry.started_at)).total_seconds(), 3),
        }
        history.keep(records, entry.model_copy(update=update))
    except JobError as failure:
        _log.warning("the end of job %s could not be put on record: %s", ended.job_id, type(failure).__name__)


def _asked(payload: JobPayload | None, settings: Settings) -> tuple[str, ...]:
    if payload is None:
        return ()
    return tuple(payload.assets or wanted(payload.media_type, settings.extra_outputs))
