"""A store that is read and never written: what is written or deleted goes no further than a folder of this machine.

Whoever works on an overlay sees the store below it with its own changes on top, and nobody else sees these changes. For
building without publishing. The protocol is in `objects.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from codex_assets.errors import StorageError
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import (
    ObjectStore,
    OnBytes,
    Role,
    StoredObject,
    Stores,
    UnfinishedUpload,
    missing,
    overtaken,
)


class OverlayStore:
    """A store over another one. `folder` holds what is written; it belongs to nobody else, and may be lost."""

    def __init__(self, below: ObjectStore, folder: Path) -> None:
        self._below = below
        self._changes = DirectoryStore(folder, below.name, below.bucket)
        self._deleted: set[str] = set()

    @property
    def name(self) -> Role:
        return self._below.name

    @property
    def bucket(self) -> str:
        return self._below.bucket

    def upload(
        self,
        path: Path,
        key: str,
        *,
        content_type: str,
        cache_control: str | None = None,
        sha256: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> StoredObject:
        stored = self._changes.upload(
            path, key, content_type=content_type, cache_control=cache_control, sha256=sha256, on_bytes=on_bytes
        )
        self._deleted.discard(key)
        return stored

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        stored = self._changes.write(key, data, content_type=content_type, cache_control=cache_control)
        self._deleted.discard(key)
        return stored

    def write_if(
        self,
        key: str,
        data: bytes,
        current: StoredObject | None,
        *,
        content_type: str,
        cache_control: str | None = None,
    ) -> StoredObject:
        # Nobody else writes here.
        now = self.head(key)
        if (now and now.sha256) != (current and current.sha256):
            raise overtaken(self, key)
        return self.write(key, data, content_type=content_type, cache_control=cache_control)

    def download(
        self, key: str, path: Path, *, version: str | None = None, on_bytes: OnBytes | None = None
    ) -> StoredObject:
        holder = self._below if version is not None and not self._is_changed(key, version) else self._holder(key)
        return holder.download(key, path, version=version, on_bytes=on_bytes)

    def read(self, key: str) -> bytes:
        return self._holder(key).read(key)

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        return self._holder(key).read_range(key, start, stop)

    def head(self, key: str, *, version: str | None = None) -> StoredObject | None:
        if key in self._deleted:
            return None
        return self._changes.head(key, version=version) or self._below.head(key, version=version)

    def etag_denies(self, stored_object: StoredObject, path: Path) -> bool:
        return self._below.etag_denies(stored_object, path)

    def delete_version(self, key: str, version: str) -> None:
        # Below nothing is ever deleted.
        self._changes.delete_version(key, version)

    def drop_former_versions(self, key: str) -> None:
        self._changes.drop_former_versions(key)

    def _is_changed(self, key: str, version: str) -> bool:
        return self._changes.head(key, version=version) is not None

    def delete(self, key: str) -> None:
        self._deleted.add(key)
        self._changes.delete(key)

    @property
    def is_paged(self) -> bool:
        return self._below.is_paged

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        last = None
        # Of two objects of a key, the one that was written here comes first.
        for stored in heapq.merge(
            self._changes.list(prefix, after=after),
            self._below.list(prefix, after=after),
            key=lambda stored_object: stored_object.key,
        ):
            if stored.key != last and stored.key not in self._deleted:
                yield stored
            last = stored.key

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        # Those of the store below are nobody's concern here.
        yield from self._changes.versions(prefix)

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        yield from ()

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        raise StorageError("A store that is only read has no uploads.", retryable=False)

    def require_conditions(self) -> None:
        """Does nothing: nobody else writes here."""

    def check(self) -> None:
        raise StorageError("A store that is only read cannot be tested.", retryable=False)

    def _holder(self, key: str) -> ObjectStore:
        """The store that has the object as it is now. Raises `MissingInput` for one that was deleted here."""
        if key in self._deleted:
            raise missing(self, key)
        return self._changes if self._changes.head(key) is not None else self._below


def overlaid(stores: Stores, folder: Path) -> Stores:
    """All three stores, with what is written to them kept in `folder`."""
    return Stores(*(OverlayStore(stores.by_role(role), folder / role) for role in ("archive", "media", "assets")))
