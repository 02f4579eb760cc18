"""A switch: all that viewers follow and all that is on record of a media, written in one short phase.

It is several writes in three stores, so what it writes is noted first, whole, and whoever finds the note finishes it:
the same writes, with the same contents, as often as it takes. In: the note, and its writes. Out: who may do them
(`leases.py`), and the content that is in its place before (`build/publication.py`).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from codex_assets.archive.records import Record
from codex_assets.storage import etags, keys
from codex_assets.storage.objects import (
    ObjectStore,
    Overtaken,
    Role,
    StoredObject,
    Stores,
    is_same_caching,
    is_same_type,
    overtaken,
)
from codex_assets.storage.publish import Stage, Upload, headers

THREADS = 8
"""Writes in flight: they are small, and the round trips cost the time."""
ATTEMPTS = 4
"""Tries of writing one object that changes meanwhile, by somebody who keeps to no lease."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Fence(Protocol):
    """What keeps a run that has lost its media from writing."""

    def confirm(self) -> None:
        """Raises `Superseded` unless the media is this run's, which the store confirms now."""

    def require_fresh(self) -> None:
        """As `confirm`, unless that was done a moment ago."""


class Before(Record):
    """What was under a key when a switch was noted, as far as it tells one object from another."""

    etag: str | None = None
    sha256: str | None = None


class SwitchFile(Record):
    """A file that the switch writes. `data`: its bytes, packed by `pack`; `before` is None for a new key."""

    role: Role
    key: str
    stage: Stage
    sha256: str
    data: str
    before: Before | None = None

    @property
    def contents(self) -> bytes:
        """The bytes of the file."""
        return zlib.decompress(base64.b64decode(self.data))


class SwitchedRecord(Record):
    """A record that the switch writes: `text` is its JSON; None where there is to be none."""

    name: str
    text: str | None = None


class SwitchNote(Record):
    """All that a switch writes, in order of stages, then the records. `switch_id` is its own for ever."""

    switch_id: str
    media_id: str
    files: tuple[SwitchFile, ...] = ()
    records: tuple[SwitchedRecord, ...] = ()


def noted(switch_id: str, media_id: str, stores: Stores, uploads: Iterable[Upload]) -> SwitchNote:
    """The note of a switch of these files, over what the stores hold now. Raises `StorageError`."""

    def note(upload: Upload) -> SwitchFile:
        assert upload.sha256 is not None
        now = stores.by_role(upload.role).head(upload.key)
        return SwitchFile(
            role=upload.role,
            key=upload.key,
            stage=upload.stage,
            sha256=upload.sha256,
            data=pack(upload.path.read_bytes()),
            before=None if now is None else Before(etag=now.etag, sha256=now.sha256),
        )

    return SwitchNote(switch_id=switch_id, media_id=media_id, files=tuple(_all(note, uploads)))


def pack(contents: bytes) -> str:
    """Bytes as they are in a note."""
    return base64.b64encode(zlib.compress(contents)).decode()


def execute(note: SwitchNote, stores: Stores, fence: Fence, written: MutableMapping[str, StoredObject]) -> None:
    """Write all of it. `written` gets what was written of the records, by key, also when not all was.

    Every record is written anew, also one that somebody has written who began with this switch: so that what they take
    back, when they find that they have lost the media, is never what is current.

    Raises `StorageError` and `Superseded`.
    """
    confirmed: dict[tuple[Role, str], StoredObject] = {}
    for stage in sorted({file.stage for file in note.files}):
        files = [file for file in note.files if file.stage is stage]
        stored = _all(lambda file: _put(file, stores.by_role(file.role), fence), files)
        confirmed |= {(file.role, file.key): each for file, each in zip(files, stored, strict=True)}

    def put(record: SwitchedRecord) -> None:
        key = keys.record(note.media_id, record.name)
        fence.require_fresh()
        if record.text is None:
            stores.archive.delete(key)
        else:
            data = _with_etags(record.text, confirmed)
            written[key] = stores.archive.write(key, data, content_type="application/json")

    _all(put, note.records)


def withdraw(written: Mapping[str, StoredObject], archive: ObjectStore) -> None:
    """Delete versions of records that were written too late, over those of a newer switch, which are current then.

    Raises `StorageError`. A store that keeps no versions keeps them as they are.
    """
    for key, stored in written.items():
        if stored.version is None:
            continue
        now = archive.head(key)
        if now is not None and now.version == stored.version:
            archive.delete_version(key, stored.version)


def _put(file: SwitchFile, store: ObjectStore, fence: Fence) -> StoredObject:
    """Write one file, over what was there when the switch was noted; over anything else only when the fence holds."""
    content_type, cache_control = headers(file.key)
    before: StoredObject | None = (
        None if file.before is None else StoredObject(file.key, 0, sha256=file.before.sha256, etag=file.before.etag)
    )
    for _ in range(ATTEMPTS):
        now = store.head(file.key)
        if now is not None and _holds(now, file) and _is_served_as(now, content_type, cache_control):
            return now
        if _is_same(now, before):
            # Also by a run that has published the same bytes anew.
            fence.require_fresh()
        else:
            # Whoever changed it may be whoever has taken the media over.
            fence.confirm()
        try:
            return store.write_if(file.key, file.contents, now, content_type=content_type, cache_control=cache_control)
        except Overtaken:
            before = None if now is None else StoredObject(file.key, 0)
            continue
    raise overtaken(store, file.key)


def _holds(stored: StoredObject, file: SwitchFile) -> bool:
    """Whether an object has the contents of a file. The SHA-256 is what was written with it, so a write of which half
    arrived has the right one too: the store's own size and ETag must not deny it."""
    contents = file.contents
    return (
        stored.sha256 == file.sha256
        and stored.size == len(contents)
        and not etags.differs(stored.etag, etags.md5_of(contents).hex())
    )


def _is_served_as(stored: StoredObject, content_type: str, cache_control: str | None) -> bool:
    return is_same_type(stored.content_type, content_type) and is_same_caching(stored.cache_control, cache_control)


def _is_same(now: StoredObject | None, before: StoredObject | None) -> bool:
    if now is None or before is None:
        return now is before
    return (now.etag, now.sha256) == (before.etag, before.sha256)


def _with_etags(text: str, confirmed: Mapping[tuple[Role, str], StoredObject]) -> bytes:
    """A record's JSON, with what the stores call the files that this switch wrote."""
    record: dict[str, Any] = json.loads(text)
    for file in record.get("files") or ():
        stored = confirmed.get((file["role"], file["key"]))
        if stored is not None and stored.etag is not None:
            file["etag"] = stored.etag
    return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"


def _all(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """`work` of every item, in order. The first failure is raised when nothing is running any more."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="switch") as pool:
        tasks = [pool.submit(work, item) for item in items]
    return [task.result() for task in tasks]
