"""A row for every media, as the library's page shows, filters and sorts them.

In: which facts a row has. Out: where they come from (`library/catalogue.py`), and filtering and sorting, which the page
does by itself (`pages/library.js`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from codex_assets.library.catalogue import Catalogue
from codex_assets.library.overview import MediaOverview
from codex_assets.library.staleness import StaleReason
from codex_assets.media.outputs import THUMBNAIL, WAVEFORM_PNG
from codex_assets.storage import keys
from codex_assets.viewer.media_sheet import object_path

Row = dict[str, Any]


def read(catalogue: Catalogue) -> list[Row]:
    """Every media, also those of which an upload was refused, in order of their ids. Raises `StorageError`."""
    catalogue.refresh_if_old()
    now = datetime.now(UTC)
    return [_row(media, now) for media in catalogue.overview()]


def _row(media: MediaOverview, now: datetime) -> Row:
    return {
        "id": media.media.media_id,
        "type": media.media.media_type,
        "creator": media.media.creator_id,
        "state": media.state(now),
        "seconds": media.seconds,
        "bytes": media.bytes,
        "cost": media.cost_usd,
        "built": datetime.fromtimestamp(media.built_at, UTC).isoformat() if media.built_at is not None else None,
        "encoder": media.encoder,
        "stale": media.stale,
        "failing": sorted(media.failing),
        "error": media.error_code if media.is_refused or media.refusal is None else None,
        "picture": _picture(media),
    }


def _picture(media: MediaOverview) -> str | None:
    """Where its thumbnail, or the picture of its waveform, can be had; None where there is none."""
    who = media.media
    pictures = {
        THUMBNAIL.name: keys.thumbnail(who.creator_id, who.media_id),
        WAVEFORM_PNG.name: keys.waveform_png(who.creator_id, who.media_id),
    }
    for output, key in pictures.items():
        verdict = media.verdicts.get(output) if media.built else None
        if verdict is None or not verdict.applicable:
            continue
        if all(cause.reason is not StaleReason.NEVER_BUILT for cause in verdict.causes):
            return object_path(who, "assets", key)
    return None
