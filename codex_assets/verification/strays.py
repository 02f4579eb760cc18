"""What lies in the folders of a media in the delivery store, and nothing names it.

In: which objects are listed, and which of them are kept on purpose. Out: how bad that is (`rules/playlist.py`,
`rules/master.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from codex_assets.archive.records import MasterRecord, MediaRecord, VariantRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.media import outputs as media_outputs
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore
from codex_assets.verification.observations import VariantObservation


class Strays:
    """Looks for stray objects. `grace`: how long what was replaced is kept for those who still play it."""

    def __init__(self, store: ObjectStore, records: RecordStore, grace: timedelta) -> None:
        self._store, self._records, self._grace = store, records, grace

    def beside_playlist(self, record: VariantRecord, seen: VariantObservation) -> tuple[str, ...]:
        """What lies in the playlist's folder, and neither the playlist nor its record names, with what was seen so
        before. A folder of another version ends with `/`. Raises `StorageError`."""
        assert record.playlist_key is not None
        folder = keys.folder(record.playlist_key)
        named = {*(file.key for file in record.files), *(folder + segment.uri for segment in seen.segments)}
        versions = {name.partition("/")[0] for name in (key.removeprefix(folder) for key in named) if "/" in name}
        in_grace = self._in_grace(record.media_id)
        beside = set()
        for listed in self._store.list(folder):
            if listed.key not in named and not listed.key.startswith(in_grace):
                name = listed.key.removeprefix(folder)
                first, slash, _ = name.partition("/")
                beside.add(name if first in versions else first + slash)
        return tuple(sorted({*seen.stray, *beside}))

    def beside_master(self, media: MediaRecord, record: MasterRecord, existing: Sequence[str]) -> tuple[str, ...]:
        """What lies in the master's folder and in none of an `existing` variant or the preview; those have their own
        rule. Raises `StorageError`."""
        assert record.master_key is not None
        folder = keys.folder(record.master_key)
        preview = self._records.get(media.media_id, media_outputs.PREVIEW.name, VariantRecord)
        used = {
            record.master_key.removeprefix(folder),
            *(f"{each}/" for each in existing),
            *(["preview/"] if preview is not None else []),
        }
        in_grace = self._in_grace(media.media_id)
        names = (
            listed.key.removeprefix(folder)
            for listed in self._store.list(folder)
            if not listed.key.startswith(in_grace)
        )
        beside = {first + slash for first, slash, _ in (name.partition("/") for name in names)}
        return tuple(sorted(beside - used))

    def _in_grace(self, media_id: str) -> tuple[str, ...]:
        """How the keys begin of what was replaced lately, and is kept."""
        known = self._records.get(media_id, REPLACED, ReplacedRecord)
        objects, now = (known.objects if known is not None else ()), datetime.now(UTC)
        return tuple(each.prefix for each in objects if not each.is_due(self._grace, now))
