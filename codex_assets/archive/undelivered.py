"""Webhooks that did not reach their receiver, or were not accepted, one record per media, until they are delivered.

RunPod forgets a result after half an hour, and with it the body. Never a secret: neither the one that signed, nor the
query of the URL, which may hold one. In: what is kept, when a newer webhook makes an older one pointless, and which
media wait. Out: sending (`net/webhook.py`), and when it is sent again (`library/undelivered_webhooks.py`).

Two jobs of one media that end at once may lose an entry of each other's, as in `history.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from codex_assets.archive.records import Record
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore

UNDELIVERED = "undelivered"
"""Name of the record; there is none where nothing waits."""
KEPT = 20
"""Webhooks of one media that are kept, the newest."""


class UndeliveredWebhook(Record):
    """What one job would have said."""

    job_id: str
    body: str
    """Exactly the text that is signed and sent, in UTF-8."""
    url: str
    """Where it was to go, without the query."""
    url_had_query: bool = False
    """Then the receiver may not take it at `url`."""
    had_own_secret: bool = False
    """The payload brought the secret that signed it, which is not kept."""
    completed: bool = False
    """Whether it says that the job completed; else that it failed."""
    asked: tuple[str, ...] = ()
    """The outputs that the job was to build; none of a payload that was refused."""
    begun_at: str
    """When the job began: UTC, ISO 8601."""
    since: str
    """When it was given up: UTC, ISO 8601."""
    code: str
    """`webhook_undelivered` or `webhook_refused`."""
    reason: str
    """The public sentence of why."""

    def outdates(self, other: UndeliveredWebhook) -> bool:
        """Whether the receiver, once it has this one, must not be sent the `other`: that would put older facts in the
        place of newer ones. A later job says all that an earlier one does if it was asked for the same outputs or
        more; and that it failed takes nothing back of what an earlier one had published."""
        if self.job_id == other.job_id:
            return True
        is_later = datetime.fromisoformat(self.begun_at) > datetime.fromisoformat(other.begun_at)
        return is_later and set(other.asked) <= set(self.asked) and (self.completed or not other.completed)


class UndeliveredRecord(Record):
    """All of these of one media, the job that began last at the end."""

    media_id: str
    webhooks: tuple[UndeliveredWebhook, ...] = ()


def read(records: RecordStore, media_id: str) -> tuple[UndeliveredWebhook, ...]:
    """What waits of a media, in the order in which it is to be sent. Raises `StorageError`."""
    record = records.get(media_id, UNDELIVERED, UndeliveredRecord)
    return record.webhooks if record is not None else ()


def keep(records: RecordStore, media_id: str, webhook: UndeliveredWebhook) -> None:
    """Keep a webhook, in the place of those that it outdates. Raises `StorageError`."""
    try:
        before = read(records, media_id)
    except UnreadableRecord:
        # It stays so, until it is written anew.
        before = ()
    if any(other.job_id != webhook.job_id and other.outdates(webhook) for other in before):
        return
    _write(records, media_id, before, (*_without(before, webhook), webhook))


def forget(records: RecordStore, media_id: str, delivered: UndeliveredWebhook) -> None:
    """Drop a webhook that was delivered, and those that it outdates. Raises `StorageError`."""
    before = read(records, media_id)
    _write(records, media_id, before, _without(before, delivered))


def media_ids(archive: ObjectStore) -> Iterator[str]:
    """The media of which a webhook waits, from one listing of the archive. Raises `StorageError`."""
    for stored in archive.list(keys.RECORDS_ROOT):
        named = keys.parse_record(stored.key)
        if named is not None and named[1] == UNDELIVERED:
            yield named[0]


def _without(webhooks: Iterable[UndeliveredWebhook], newer: UndeliveredWebhook) -> tuple[UndeliveredWebhook, ...]:
    return tuple(webhook for webhook in webhooks if not newer.outdates(webhook))


def _write(
    records: RecordStore,
    media_id: str,
    before: tuple[UndeliveredWebhook, ...],
    after: tuple[UndeliveredWebhook, ...],
) -> None:
    if after == before:
        return
    if after:
        newest = sorted(after, key=lambda webhook: datetime.fromisoformat(webhook.begun_at))[-KEPT:]
        records.put(media_id, UNDELIVERED, UndeliveredRecord(media_id=media_id, webhooks=tuple(newest)))
    else:
        records.forget(media_id, UNDELIVERED)
