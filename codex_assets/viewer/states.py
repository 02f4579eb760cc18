"""What one word says of a media, on its page and in the library: the same word in both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from codex_assets.archive.history import JobRecord
from codex_assets.library.published_media import PublishedMedia


class MediaState(StrEnum):
    """From the one that matters most to the one that matters least."""

    BUILDING = "building"
    REFUSED = "refused"
    FAILED = "failed"
    """Its last job failed, or something that is published breaks a rule for which it would not be published."""
    STALE = "stale"
    CURRENT = "current"


def state_of(media: PublishedMedia, jobs: Sequence[JobRecord], now: datetime) -> MediaState:
    """The word for a media with these jobs, the newest last."""
    return word(
        is_building=bool(jobs) and jobs[-1].is_under_way(now),
        is_refused=media.is_refused,
        has_failed=bool(jobs) and jobs[-1].outcome == "failed",
        breaks_rules=any(finding.is_failure for checked in media.verified for finding in checked.failed),
        is_stale=bool(media.stale),
    )


def word(*, is_building: bool, is_refused: bool, has_failed: bool, breaks_rules: bool, is_stale: bool) -> MediaState:
    """The word for what is true."""
    if is_building:
        return MediaState.BUILDING
    if is_refused:
        return MediaState.REFUSED
    if has_failed or breaks_rules:
        return MediaState.FAILED
    return MediaState.STALE if is_stale else MediaState.CURRENT
