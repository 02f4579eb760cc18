"""What lies in the folders of a media in the delivery store, and nothing names it.

In: which objects are listed, and which of them are kept on purpose. Out: how bad that is (`rules/playlist.py`,
`rules/master.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from codex_assets.archive.records import MasterRecord, MediaRecord, OutputRecord, VariantRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import MissingInput
from codex_assets.media import outputs as media_outputs
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Stores
from codex_assets.verification.observations import VariantObservation
from codex_assets.verification.record_observations import PublicCopy

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".svg")
"""How the keys of pictures end: a platform may put some of its own beside ours."""


class Strays:
    """Looks for stray objects. `grace`: how long what was replaced is kept for those who still play it."""

    def __init__(self, stores: Stores, records: RecordStore, grace: timedelta) -> None:
        self._stores, self._store, self._records, self._grace = stores, stores.media, records, grace

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

    def beside_outputs(self, media: MediaRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What lies in the folders of a media, and no record names: where everybody may read it, and elsewhere.

        The folder of what its players load has rules of its own; pictures may be somebody else's. Raises
        `StorageError`.
        """
        outputs = [self._records.output(media.media_id, output) for output in OUTPUTS[media.media_type]]
        named = [(record.output, file) for record in outputs if record is not None for file in record.files]
        # A public copy of the preview has the same keys as the preview.
        shown = {file.key for output, file in named if file.role == "assets" or output == media_outputs.PREVIEW.name}
        in_grace = self._in_grace(media.media_id)
        folders = keys.media_prefixes(media.creator_id, media.media_id)
        exposed = [
            listed.key
            for folder in folders["assets"]
            for listed in self._stores.assets.list(folder)
            if not (listed.key in shown or listed.key.startswith(in_grace) or listed.key.endswith(PICTURES))
        ]
        home = keys.hls_prefix(media.creator_id, media.media_id, media.media_type)
        mezzanines = keys.folder(keys.mezzanine(media.creator_id, media.media_id))
        elsewhere = [(self._store, folder) for folder in folders["media"] if folder != home]
        known = {*(file.key for _, file in named), media.input_key}
        beside = [
            listed.key
            for store, folder in (*elsewhere, (self._stores.archive, mezzanines))
            for listed in store.list(folder)
            if listed.key not in known
        ]
        return tuple(sorted(exposed)), tuple(sorted(beside))

    def public_copy(self, record: OutputRecord) -> PublicCopy | None:
        """The public copy of a preview; None of other outputs, and where there is none. Raises `StorageError`."""
        if record.output != media_outputs.PREVIEW.name or not record.files:
            return None
        public, key = self._stores.assets, record.files[-1].key
        playlist = _read(public, key)
        if playlist is None:
            return None
        lines = playlist.decode("utf-8", "replace").splitlines()
        named = [keys.folder(key) + line for line in lines if line and not line.startswith("#")]
        recorded = {file.key: file.sha256 for file in record.files}
        copied = {each: _read(public, each) for each in (*named, *recorded)}
        missing = [each for each in named if copied[each] is None]
        others = [
            each
            for each, sha256 in recorded.items()
            if each not in missing and hashlib.sha256(copied[each] or b"").hexdigest() != sha256
        ]
        return PublicCopy(tuple(missing), tuple(others))

    def _in_grace(self, media_id: str) -> tuple[str, ...]:
        """How the keys begin of what was replaced lately, and is kept."""
        known = self._records.get(media_id, REPLACED, ReplacedRecord)
        objects, now = (known.objects if known is not None else ()), datetime.now(UTC)
        return tuple(each.prefix for each in objects if not each.is_due(self._grace, now))


def _read(store: ObjectStore, key: str) -> bytes | None:
    """An object as it is; None where it is missing."""
    try:
        return store.read(key)
    except MissingInput:
        return None
