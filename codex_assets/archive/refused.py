"""Which media can be built: those whose upload was accepted, and not those whose upload was refused.

An upload of which nothing can be made is no media: `refused.json` says so, with the code and the sentence that its
creator got, and which upload that was. It is a record of its own, so that a refused upload of a media that is published
changes nothing of what is published.

In: what such a record says, when it is written and taken away, and what the names of a media's records say of it. Out:
what is refused (`media/upload/`), and who a media is when it is published (`worker/registration.py`,
`build/publication.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from codex_assets.archive.records import MediaRecord, Record
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.archive.switches import Fence
from codex_assets.errors import JobError, SourceCode
from codex_assets.media.outputs import OUTPUTS

MEDIA = "media"
"""Name of the record of who a media is."""
REFUSED = "refused"
"""Name of the record of a refused upload; there is none where the last upload that was looked at is a good one."""

CODES = frozenset(SourceCode)
"""Failures that say what an upload is like: no other attempt ends otherwise."""
_OUTPUTS = frozenset(output for outputs in OUTPUTS.values() for output in outputs)


class RefusedRecord(Record):
    """An upload of which nothing can be made. `media`: as the job named it; nothing of it need be registered."""

    media: MediaRecord
    code: str
    """One of `SourceCode`, maybe of a newer release."""
    sentence: str
    """What its creator was told: public."""
    refused_at: str
    """UTC, ISO 8601."""
    uploaded_at: str | None = None
    """When its store took the upload: UTC, ISO 8601."""
    upload_etag: str | None = None
    """Local stores have none."""

    def wire(self, *, is_all: bool) -> dict[str, Any]:
        """As JSON shows it. `is_all`: nothing else is known of the media, so that no earlier upload is published."""
        return {
            "code": self.code,
            "sentence": self.sentence,
            "at": self.refused_at,
            "published": not is_all,
        }


# --- By the names of a media's records --------------------------------------------------------------------------------


def is_built(names: Collection[str]) -> bool:
    """Whether anything of a media with these records was ever built."""
    return not _OUTPUTS.isdisjoint(names)


def is_buildable(names: Collection[str]) -> bool:
    """Whether a media with these records is registered, and there is something to build it from."""
    return MEDIA in names and (REFUSED not in names or is_built(names))


def is_refused(names: Collection[str]) -> bool:
    """Whether all that there is of a media with these records is an upload that was refused."""
    return REFUSED in names and not is_built(names)


# --- On record --------------------------------------------------------------------------------------------------------


def accept(media: MediaRecord, records: RecordStore, fence: Fence) -> None:
    """Register a media of which nothing is published, whose upload passed every look at it, and forget that one was
    refused. Who a published media is changes with what is published (`build/publication.py`).

    Raises `Superseded` when the media is somebody else's, and `StorageError`.
    """
    names = records.names(media.media_id)
    try:
        known = records.media(media.media_id) if MEDIA in names else None
    except UnreadableRecord:
        known = None
    if known is None or (known != media and not is_built(names)):
        fence.require_fresh()
        records.put(media.media_id, MEDIA, media)
    if REFUSED in names:
        fence.require_fresh()
        records.forget(media.media_id, REFUSED)


def refuse(
    media: MediaRecord,
    error: JobError,
    records: RecordStore,
    fence: Fence,
    *,
    uploaded_at: str | None,
    etag: str | None,
) -> None:
    """Put on record that an upload was refused. Raises `Superseded` when the media is somebody else's, and
    `StorageError`."""
    fence.require_fresh()
    records.put(
        media.media_id,
        REFUSED,
        RefusedRecord(
            media=media,
            code=error.code,
            sentence=error.public,
            refused_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            uploaded_at=uploaded_at,
            upload_etag=etag,
        ),
    )


def read(media_id: str, records: RecordStore) -> RefusedRecord | None:
    """The refusal of a media's last upload, whether or not an earlier one is published. Raises `StorageError`."""
    return records.get(media_id, REFUSED, RefusedRecord)


def unbuilt_refusal(media_id: str, records: RecordStore) -> RefusedRecord | None:
    """The refusal of a media of which nothing was ever built; None for any other media. Raises `StorageError`."""
    refusal = read(media_id, records)
    return refusal if refusal is not None and is_refused(records.names(media_id)) else None
