"""Which buckets have passed the trial of conditional writes, so that no other process of a worker tries them again.

Without the SDK, which a worker's own process does not load. The trial is in `s3_conditions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from codex_assets.storage.locations import S3Location

_trusted: set[str] = set()


def place(location: S3Location) -> str:
    """A bucket, among all that there are."""
    return f"{location.endpoint} {location.bucket}"


def is_trusted(location: S3Location) -> bool:
    """Whether a bucket has passed."""
    return place(location) in _trusted


def trusted() -> list[str]:
    """What has passed, for another process of this worker."""
    return sorted(_trusted)


def trust(places: Iterable[str]) -> None:
    """Take these for tried."""
    _trusted.update(places)
