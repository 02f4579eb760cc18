"""What becomes of a job's webhook after it was sent: kept in the archive when it did not arrive, else what is kept of
older ones of the media is dropped.

In: what of a job goes on record for that. Out: sending it (`job.py`), what is kept and for how long
(`archive/undelivered.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from codex_assets.archive import undelivered
from codex_assets.archive.store import RecordStore
from codex_assets.archive.undelivered import UndeliveredWebhook
from codex_assets.contract.payload import ReplyAddress
from codex_assets.errors import JobError, WebhookError, WebhookRefused

NOT_ARRIVED = (WebhookError.code, WebhookRefused.code)
"""Codes of RunPod's result of a job whose webhook was not delivered."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Announcement:
    """A webhook of a job: its body as sent, where it goes, and what the job was asked for."""

    job_id: str
    media_id: str | None
    body: bytes
    completed: bool
    address: ReplyAddress | None
    asked: Sequence[str] = ()
    begun_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    had_own_secret: bool = False


def settle(records: RecordStore, announcement: Announcement, result: Mapping[str, Any]) -> None:
    """See to what the archive keeps of a webhook, by RunPod's `result`. No job fails for it: raises nothing."""
    address, media_id = announcement.address, announcement.media_id
    if address is None or media_id is None:
        return
    parts = urlsplit(address.url)
    webhook = UndeliveredWebhook(
        job_id=announcement.job_id,
        body=announcement.body.decode(),
        url=urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        url_had_query=bool(parts.query),
        had_own_secret=announcement.had_own_secret,
        completed=announcement.completed,
        asked=tuple(announcement.asked),
        begun_at=announcement.begun_at,
        since=datetime.now(UTC).isoformat(timespec="milliseconds"),
        code=str(result.get("errorCode") or WebhookError.code),
        reason=str(result.get("error") or ""),
    )
    try:
        if result.get("errorCode") in NOT_ARRIVED:
            undelivered.keep(records, media_id, webhook)
            _log.warning(
                "the webhook of job %s is kept in the archive; `codex-assets redeliver` sends it", webhook.job_id
            )
        else:
            undelivered.forget(records, media_id, webhook)
    except JobError as error:
        _log.warning("what is kept of the webhook of job %s is not certain: %s", webhook.job_id, error.public)
