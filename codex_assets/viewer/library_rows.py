"""A row for every media, as the library's page shows, filters and sorts them.

In: which facts a row has. Out: where they are read (`library/published_media.py`), and filtering and sorting, which the
page does by itself (`pages/library.js`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore
from codex_assets.library import published_media
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media import outputs as media_outputs
from codex_assets.storage.objects import Stores
from codex_assets.viewer.media_sheet import players
from codex_assets.viewer.states import state_of

Row = dict[str, Any]


def read(stores: Stores) -> list[Row]:
    """Every media, also those of which an upload was refused, in order of their ids. Raises `StorageError`."""
    records, now = RecordStore(stores.archive), datetime.now(UTC)
    return [_row(media, history.read(records, media.media.media_id), now) for media in published_media.read_all(stores)]


def _row(media: PublishedMedia, jobs: tuple[JobRecord, ...], now: datetime) -> Row:
    mezzanine = next((record for record in media.built if isinstance(record, MezzanineRecord)), None)
    builds = [record.build for record in media.built if record.build is not None]
    costs = [build.cost_usd for build in builds if build.cost_usd is not None]
    failed = jobs[-1] if jobs and jobs[-1].outcome == "failed" else None
    shown = players(media)
    return {
        "id": media.media.media_id,
        "type": media.media.media_type,
        "creator": media.media.creator_id,
        "state": state_of(media, jobs, now),
        "seconds": mezzanine.duration if mezzanine is not None else None,
        "bytes": sum(file.size for record in media.built for file in record.files),
        "cost": sum(costs) if costs else None,
        "built": max((build.built_at for build in builds), default=None),
        "encoder": next((build.encoder for build in builds if build.encoder), None),
        "stale": media.stale,
        "failing": sorted({finding.rule for each in media.verified for finding in each.failed if finding.is_failure}),
        "error": media.refusal.code if media.is_refused and media.refusal else failed and failed.error_code,
        "picture": shown.get(media_outputs.THUMBNAIL.name) or shown.get(media_outputs.WAVEFORM_PNG.name),
    }
