"""What one word says of a media on its page: the same word that it has among many (`library/overview.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from codex_assets.archive.history import JobRecord
from codex_assets.library.overview import MediaState, word
from codex_assets.library.published_media import PublishedMedia


def state_of(media: PublishedMedia, jobs: Sequence[JobRecord], now: datetime) -> MediaState:
    """The word for a media with these jobs, the newest last."""
    is_building = bool(jobs) and jobs[-1].is_under_way(now)
    return word(
        is_building=is_building,
        is_refused=media.is_refused,
        has_failed=bool(jobs) and jobs[-1].outcome in ("failed", "running") and media.refusal is None,
        breaks_rules=any(finding.is_failure for checked in media.verified for finding in checked.failed),
        is_stale=bool(media.stale),
    )
