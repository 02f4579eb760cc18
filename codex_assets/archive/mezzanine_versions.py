"""Versions of a mezzanine that no record names: a job put them up, and was killed before it published.

The recorded version lies under such a one, and the bucket's lifecycle rule removes, a week later, what lies under
another version. In: which version of a media's mezzanine is too many, and removing it. Out: when that is looked for
(`library/reconcile.py`, `readiness/`), and what a job takes back itself (`build/publication.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from codex_assets.archive.history import LONGEST_JOB
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.switches import Fence
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, StoredObject

AGE: timedelta = LONGEST_JOB
"""How old a version is that no job puts on record any more."""


@dataclass(frozen=True)
class UnrecordedVersion:
    """That the archive's current version of a mezzanine is named by no record. `is_safe`: the recorded one is still
    there, or there is none, so that this one can be removed."""

    key: str
    recorded: frozenset[str]
    is_safe: bool


def unrecorded(
    archive: ObjectStore, media: MediaRecord, record: OutputRecord | None, now: datetime
) -> UnrecordedVersion | None:
    """The version that is too many; None where the recorded one is current, and while a job may still be about to put
    it on record (it may take a day). `record`: the mezzanine's. Raises `StorageError`.
    """
    key = keys.mezzanine(media.creator_id, media.media_id)
    recorded = {file.version for file in record.files} if record is not None else set()
    current = archive.head(key)
    if not _is_too_many(current, recorded, now):
        return None
    versions = frozenset(version for version in recorded if version is not None)
    is_safe = not versions or any(archive.head(key, version=version) is not None for version in versions)
    return UnrecordedVersion(key, versions, is_safe)


def remove(archive: ObjectStore, version: UnrecordedVersion, fence: Fence, clock: Callable[[], datetime]) -> None:
    """Delete it, and all like it that lie under it. Raises `Superseded` and `StorageError`."""
    while (current := archive.head(version.key)) is not None and _is_too_many(current, version.recorded, clock()):
        assert current.version is not None
        fence.require_fresh()
        archive.delete_version(version.key, current.version)


def _is_too_many(current: StoredObject | None, recorded: Set[str | None], now: datetime) -> bool:
    if current is None or current.version is None or current.modified is None:
        return False
    # A record of a release that knew of no versions names whichever is current.
    return current.version not in recorded and None not in recorded and now - current.modified >= AGE
