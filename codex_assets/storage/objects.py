"""What a store is: objects by key, the protocol that every store keeps, and the checks that all of them share.

Failures: `MissingInput` for an object that is not there, `StorageError` for everything that a store refuses (final),
cannot do now, or answers in a form that cannot be read (both `retryable`), `InternalError` for a local file that cannot
be read or written. Public sentences name a store by its role, a bucket and a key; never an endpoint, a credential or a
path of the worker.

Progress: `on_bytes(n)` is called with the number of bytes that moved since the last call, never negative, always in the
thread that called the store. Out: which key an output has (`keys.py`), the order of uploads (`publish.py`), and where
settings come from (`config/settings.py`).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol, TypeAlias

from codex_assets.contract.names import KEY_BYTES
from codex_assets.errors import InternalError, MissingInput, StorageError, disk_full, is_disk_full

Role: TypeAlias = Literal["archive", "media", "assets"]
"""What a store is for: originals and mezzanines, what players load, pictures and data."""
OnBytes: TypeAlias = Callable[[int], None]
"""Is called with the number of bytes that moved since the last call."""
CHUNK_SIZE: Final = 1024 * 1024
"""Bytes: one step of copying a local file."""

SHA256: Final = "sha256"
"""Name of the metadata field that holds the lower-case hex SHA-256 of an object's bytes."""


@dataclass(frozen=True)
class StoredObject:
    """What a store says of an object. None where it was not said: a listing gives key, size, ETag and time only."""

    key: str
    size: int
    sha256: str | None = None
    etag: str | None = None
    content_type: str | None = None
    cache_control: str | None = None
    modified: datetime | None = None
    version: str | None = None
    """What tells these contents from others that the same key had or will have, in a store that keeps these; None where
    a store keeps one, or was not asked."""
    asked_at: datetime | None = field(default=None, compare=False)
    """When this was said, by the store's own clock; None where it does not tell."""


@dataclass(frozen=True)
class UnfinishedUpload:
    """An upload that was begun and neither completed nor taken back. `upload_id` is the store's name for it; `key` is
    None where nobody can tell what it was to become."""

    upload_id: str
    started: datetime
    key: str | None = None


class ObjectStore(Protocol):
    """One bucket of one store. Safe to use from several threads."""

    @property
    def name(self) -> Role:
        """The store's role."""

    @property
    def bucket(self) -> str: ...

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
        """Put the file under `key`, replacing what is there, and confirm what the store then holds.

        `sha256` is that of the file, when the caller knows it; a file that does not have it is not published.
        """

    def download(
        self, key: str, path: Path, *, version: str | None = None, on_bytes: OnBytes | None = None
    ) -> StoredObject:
        """Write the object to `path`, which appears complete or not at all; folders are made. `version`: which one of
        those that its key had; None is the current one.

        The size is checked, and the SHA-256 if the store knows it, else the ETag where it has a form that says
        something of the contents. The answer carries the SHA-256 of what was written.
        """

    def read(self, key: str) -> bytes:
        """All of a small object."""

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """The bytes of an object from `start` to before `stop`, which both have to lie in it. No digest is compared."""

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        """`upload` of a small object from memory."""

    def write_if(
        self,
        key: str,
        data: bytes,
        current: StoredObject | None,
        *,
        content_type: str,
        cache_control: str | None = None,
    ) -> StoredObject:
        """`write`, if the key still has the contents of `current` (None: no object): of several who write at once, one
        does. Raises `Overtaken` for all others. A write of what is there already succeeds."""

    def head(self, key: str, *, version: str | None = None) -> StoredObject | None:
        """What the store says of an object, or of one version of it; None if it is not there."""

    def etag_denies(self, stored_object: StoredObject, path: Path) -> bool:
        """Whether the digest that the store itself made of an object denies that it has this local file's contents.

        The SHA-256 that a store records is what the uploader wrote: damage in the store shows in the ETag alone. False
        where the ETag has a form that says nothing.
        """

    def delete(self, key: str) -> None:
        """Remove the object with all its versions; nothing happens if there is none."""

    def delete_version(self, key: str, version: str) -> None:
        """Remove one version; of the others the latest is current then. Nothing happens if there is none."""

    def drop_former_versions(self, key: str) -> None:
        """Remove versions that are not current, in a store where no lifecycle rule does that."""

    @property
    def is_paged(self) -> bool:
        """Whether a long listing takes many requests, one after the other, so that parts of it are faster at once."""

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        """Objects whose key starts with `prefix` and comes after `after`, in the order of their keys."""

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        """Everything that is stored under keys that start with `prefix`: current objects, contents that these keys had
        before, and marks that hide an object."""

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        """Uploads under way, and those that nobody goes on with."""

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Remove what arrived of an upload. Nothing happens if it has ended."""

    def require_conditions(self) -> None:
        """Of two writes at once under a condition that one of them can meet, one is refused; otherwise a `StorageError`
        that says so. Tried with objects of a name of their own, once in the life of a process."""

    def check(self) -> None:
        """Reachable, credentials accepted, bucket there; otherwise a `StorageError` that says what to do."""


class BucketName(Protocol):
    """What a sentence about an object says of the place that it lies in."""

    @property
    def name(self) -> Role: ...
    @property
    def bucket(self) -> str: ...


@dataclass(frozen=True)
class Stores:
    """The three buckets that a worker uses."""

    archive: ObjectStore
    media: ObjectStore
    assets: ObjectStore

    def by_role(self, role: Role) -> ObjectStore:
        """The store of that role."""
        match role:
            case "archive":
                return self.archive
            case "media":
                return self.media
            case "assets":
                return self.assets


def file_sha256(path: Path) -> str:
    """The SHA-256 of a local file, lower-case hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Local files


@contextmanager
def local_file(action: str) -> Iterator[None]:
    """A file of this machine is no store's fault, and its path is nobody else's business."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full("files were copied", detail=str(error)) from error
        raise InternalError(
            f"The worker could not {action} a local file ({error.strerror}).", detail=str(error)
        ) from error


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name `path` when the block ends well, and leaves nothing behind otherwise."""
    with local_file("write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        file = part.open("wb")
    try:
        with file:
            yield file
            with local_file("write"):
                file.flush()
        with local_file("write"):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


# Proof


def require_key(key: str) -> None:
    """Raises `StorageError` for what is no key: an empty, `.` or `..` segment, a control character, too long."""
    segments = key.split("/")
    if (
        any(segment in {"", ".", ".."} for segment in segments)
        or re.search(r"[\x00-\x1f\x7f\\]", key)
        or len(key.encode("utf-8", "surrogatepass")) > KEY_BYTES
    ):
        shown = key if len(key) <= 80 else f"{key[:79]}…"
        raise StorageError(f"{shown!r} is not a valid storage key.", retryable=False)


def require_unchanged(read_sha256: str, announced_sha256: str, key: str) -> None:
    """Raises `InternalError` if a local file, of the announced SHA-256, has another one when it is read."""
    if read_sha256 != announced_sha256:
        raise InternalError(
            f"The local file for '{key}' changed before or while it was uploaded; it was not published."
        )


def require_digest(stored_object: StoredObject, read_sha256: str, store: ObjectStore) -> None:
    """Raises `OtherContents` if what was read is not what the store records, where it records a SHA-256."""
    recorded = stored_object.sha256
    if recorded and recorded != read_sha256:
        raise other_contents(store, stored_object.key, f"recorded {recorded}, got {read_sha256}")


class OtherContents(StorageError):
    """What was read is not what the store says of the object: reading it again may be answered otherwise."""


class Overtaken(StorageError):
    """An object was not written, because it is not what it was any more: somebody else wrote or deleted it."""


def overtaken(store: BucketName, key: str) -> Overtaken:
    """The error of a conditional write that came too late."""
    return Overtaken(
        f"Another run has written '{key}' in bucket '{store.bucket}' of the {store.name} store.", retryable=True
    )


def other_contents(store: BucketName, key: str, detail: str) -> OtherContents:
    """The error of an object whose bytes are not those of its recorded SHA-256, or of its ETag."""
    return OtherContents(
        f"The {store.name} store gave other contents for '{key}' in bucket '{store.bucket}' than it records.",
        detail=detail,
        retryable=True,
    )


def missing(store: BucketName, key: str) -> MissingInput:
    """The error of an object that is not there."""
    return MissingInput(f"The {store.name} store holds no object '{key}' in bucket '{store.bucket}'.")


# What answers say


def is_same_type(content_type: str | None, other: str | None) -> bool:
    """Whether two Content-Types name one media type: its case and its parameters (`; charset=`) are no difference, and
    a store that says none denies nothing."""
    return content_type is None or other is None or media_type(content_type) == media_type(other)


def media_type(content_type: str) -> str:
    """The type and subtype of a Content-Type, in lower case and without parameters."""
    return content_type.partition(";")[0].strip(" \t\"'").lower()


def is_same_caching(cache_control: str | None, other: str | None) -> bool:
    """Whether two Cache-Controls give the same directives: their order, case and spaces are no difference."""
    return _directives(cache_control) == _directives(other)


def _directives(cache_control: str | None) -> set[str]:
    return {part.strip().lower() for part in (cache_control or "").split(",") if part.strip()}
