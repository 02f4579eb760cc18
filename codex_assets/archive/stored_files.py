"""A file that a record names: whether a store still has its contents, and how these very ones are fetched.

The mezzanine has one key, and a store that keeps versions may hold a newer one under it, of a job that has not switched
or was killed. In: which version is asked for, and which answers deny
the recorded contents. Out: what records are (`records.py`), how objects travel (`storage/`).
"""

from __future__ import annotations

from pathlib import Path

from codex_assets.archive.records import StoredFile
from codex_assets.errors import MissingInput
from codex_assets.storage.etags import differs
from codex_assets.storage.objects import ObjectStore, OnBytes, StoredObject, Stores


def fetch(stores: Stores, file: StoredFile, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
    """`fetch_from` the store of the file's role."""
    return fetch_from(stores.by_role(file.role), file, path, on_bytes=on_bytes)


def fetch_from(store: ObjectStore, file: StoredFile, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
    """Write a recorded file to `path`. Whether its contents are the recorded ones is for the caller to compare.

    A store that does not know the version (it keeps none, or its objects came from another store) is asked for what it
    has. Raises `MissingInput` and `StorageError`.
    """
    if file.version is not None:
        try:
            return store.download(file.key, path, version=file.version, on_bytes=on_bytes)
        except MissingInput:
            pass
    return store.download(file.key, path, on_bytes=on_bytes)


def is_denied(file: StoredFile, stored_object: StoredObject) -> bool:
    """Whether a store denies that an object has the recorded contents: by its size, by the SHA-256 that was written
    with it, or by its own ETag, which alone shows what became of the bytes since."""
    return (
        stored_object.size != file.size
        or stored_object.sha256 not in (None, file.sha256)
        or differs(stored_object.etag, file.etag)
    )
