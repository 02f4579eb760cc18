"""Sends webhooks again that did not reach their receiver: those that the archive keeps.

They are signed anew, with the endpoint's own secret (a payload's is not kept), and posted as a job posts them, by the
same policy and past the same guard. The body is the same bytes, so a receiver knows a repeat by its delivery id. What
was delivered is dropped. In: which are sent, in which order, and what became of each. Out: what is kept
(`archive/undelivered.py`), and how it is shown (`cli/`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from codex_assets.archive import undelivered
from codex_assets.archive.store import RecordStore
from codex_assets.archive.undelivered import UndeliveredWebhook
from codex_assets.errors import JobCancelled, StorageError, WebhookError
from codex_assets.net import webhook
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.storage.objects import ObjectStore

_log = logging.getLogger(__name__)


class RedeliveryVerdict(StrEnum):
    """What became of a webhook."""

    DELIVERED = "delivered"
    WOULD_SEND = "would send"
    """It was a dry run."""
    NOT_DELIVERED = "not delivered"
    """It stays, and is sent again at the next run."""
    UNCHECKED = "unchecked"
    """The archive could not be asked."""


@dataclass(frozen=True)
class RedeliveryResult:
    """What became of one webhook of a media; `message`: why it was not delivered, or what is to be known of it."""

    media_id: str
    verdict: RedeliveryVerdict
    job_id: str = ""
    since: str = ""
    message: str = ""


@dataclass(frozen=True)
class Redelivery:
    """One run. `secret`: None for a dry run, which sends nothing; `url`: where all of them go, in the place of where
    they were to go."""

    archive: ObjectStore
    secret: SecretStr | None
    policy: DeliveryPolicy
    cancelled: threading.Event
    url: str | None = None

    def run(self, media_ids: Sequence[str] = ()) -> Iterator[RedeliveryResult]:
        """One result per webhook that waits, of these media or of all. Raises `StorageError` when the archive cannot
        be listed, and `JobCancelled`."""
        for media_id in media_ids or list(undelivered.media_ids(self.archive)):
            try:
                waiting = undelivered.read(self._records, media_id)
            except StorageError as error:
                yield RedeliveryResult(media_id, RedeliveryVerdict.UNCHECKED, message=error.public)
                continue
            for kept in waiting:
                yield self._send(media_id, kept)

    @property
    def _records(self) -> RecordStore:
        return RecordStore(self.archive)

    def _send(self, media_id: str, kept: UndeliveredWebhook) -> RedeliveryResult:
        if self.cancelled.is_set():
            raise JobCancelled
        about = (kept.job_id, kept.since)
        if self.secret is None:
            return RedeliveryResult(media_id, RedeliveryVerdict.WOULD_SEND, *about, _remark(kept))
        if kept.url_had_query and self.url is None:
            message = (
                "The webhook's URL had a query, which may hold a secret and is not kept: give the whole URL with --url."
            )
            return RedeliveryResult(media_id, RedeliveryVerdict.NOT_DELIVERED, *about, message)
        try:
            webhook.deliver(
                self.url or kept.url, self.secret, kept.body.encode(), policy=self.policy, sleep=self._pause
            )
        except WebhookError as error:
            return RedeliveryResult(media_id, RedeliveryVerdict.NOT_DELIVERED, *about, error.public)
        try:
            undelivered.forget(self._records, media_id, kept)
        except StorageError as error:
            message = f"It was delivered, and will be sent once more: {error.public}"
            return RedeliveryResult(media_id, RedeliveryVerdict.UNCHECKED, *about, message)
        _log.info("the webhook of job %s was delivered", kept.job_id)
        return RedeliveryResult(media_id, RedeliveryVerdict.DELIVERED, *about, _remark(kept))

    def _pause(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise JobCancelled


def _remark(kept: UndeliveredWebhook) -> str:
    if kept.had_own_secret:
        return "Its payload had a secret of its own, which is not kept: it is signed with WEBHOOK_SECRET."
    return ""
