"""Fetches a file that a record names: the very contents that were recorded, where the store keeps several.

The mezzanine has one key, and a store that keeps versions may hold a newer one under it, of a job that has not switched
or was killed. In: which version is asked for. Out: what records are (`records.py`), how objects travel (`storage/`).
"""

from __future__ import annotations

from pathlib import Path

from codex_assets.archive.records import StoredFile
from codex_assets.errors import MissingInput
from codex_assets.storage.objects import OnBytes, StoredObject, Stores


def fetch(stores: Stores, file: StoredFile, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
    """Write a recorded file to `path`. Whether its contents are the recorded ones is for the caller to compare.

    A store that does not know the version (it keeps none, or its objects came from another store) is asked for what it
    has. Raises `MissingInput` and `StorageError`.
    """
    store = stores.by_role(file.role)
    if file.version is not None:
        try:
            return store.download(file.key, path, version=file.version, on_bytes=on_bytes)
        except MissingInput:
            pass
    return store.download(file.key, path, on_bytes=on_bytes)
