"""A store that is a folder: objects are plain files. For local runs and for tests.

It keeps the same promises as `s3.py`: an object appears whole or not at all, and is what was sent. The protocol and the
checks that both share are in `objects.py`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import uuid
from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final, Protocol

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage.keys import MEZZANINES_ROOT
from codex_assets.storage.objects import (
    CHUNK_SIZE,
    OnBytes,
    Role,
    StoredObject,
    UnfinishedUpload,
    appearing,
    file_sha256,
    local_file,
    missing,
    overtaken,
    require_digest,
    require_key,
    require_unchanged,
)

VERSION_DIGITS: Final = 32
"""Of the SHA-256 that a version is called by."""
MOVE_ATTEMPTS: Final = 100
"""Tries of putting a file into a folder that deletes of its neighbours keep removing."""


class DirectoryStore:
    """A bucket that is a folder: objects are files at `{root}/{bucket}/{key}`, and nothing else is there.

    What S3 keeps in headers is noted in `{root}/.meta/{bucket}/{key}.json`, with the size and time of the file that it
    was noted for, so that a file changed by other means is seen as changed (not one that kept its size and got its
    time back: only a download compares that). Files in the making are below `.meta` too, and so is a mezzanine that was
    replaced, until `drop_former_versions`.
    Nothing is flushed to the disk: a rename keeps readers from half a file, and local runs need not outlive a power
    cut.
    """

    def __init__(self, root: Path, role: Role, bucket: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", bucket):
            raise ValueError(f"{bucket!r} is not the name of a bucket")
        self._role: Role = role
        self._bucket = bucket
        self._objects = root / bucket
        self._notes = root / ".meta" / bucket
        self._incoming = root / ".meta" / ".incoming"
        self._versions = root / ".meta" / ".versions" / bucket
        self._locks = root / ".meta" / ".locks" / bucket

    @property
    def name(self) -> Role:
        return self._role

    @property
    def bucket(self) -> str:
        return self._bucket

    def __repr__(self) -> str:
        return f"{type(self).__name__}(role={self.name!r}, bucket={self.bucket!r})"

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
        require_key(key)
        digest = hashlib.sha256()
        with local_file("read"):
            source = path.open("rb")
        with source, self._arriving(key) as (file, place):
            while True:
                with local_file("read"):
                    data = source.read(CHUNK_SIZE)
                if not data:
                    break
                digest.update(data)
                with self._faults("write", key):
                    file.write(data)
                if on_bytes:
                    on_bytes(len(data))
            if sha256:
                require_unchanged(digest.hexdigest(), sha256, key)
            self._keep_former(key, digest.hexdigest())
            place(digest.hexdigest(), content_type, cache_control)
        return self._confirmed(key)

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        require_key(key)
        with self._arriving(key) as (file, place):
            with self._faults("write", key):
                file.write(data)
            place(hashlib.sha256(data).hexdigest(), content_type, cache_control)
        return self._confirmed(key)

    def write_if(
        self,
        key: str,
        data: bytes,
        current: StoredObject | None,
        *,
        content_type: str,
        cache_control: str | None = None,
    ) -> StoredObject:
        digest = hashlib.sha256(data).hexdigest()
        with self._locked(key):
            now = self.head(key)
            # Without the time: contents that came back are the same contents.
            if (now and now.sha256) not in (current and current.sha256, digest):
                raise overtaken(self, key)
            return self.write(key, data, content_type=content_type, cache_control=cache_control)

    def download(
        self, key: str, path: Path, *, version: str | None = None, on_bytes: OnBytes | None = None
    ) -> StoredObject:
        stored_object = self.head(key, version=version)
        if stored_object is None:
            raise missing(self, key)
        former = self._former(key, version) if version is not None else None
        with self._faults("read", key):
            source = (former if former is not None and former.is_file() else self._at(key)).open("rb")
        with source, appearing(path) as file:
            digest = hashlib.sha256()
            while True:
                with self._faults("read", key):
                    data = source.read(CHUNK_SIZE)
                if not data:
                    break
                digest.update(data)
                with local_file("write"):
                    file.write(data)
                if on_bytes:
                    on_bytes(len(data))
            require_digest(stored_object, digest.hexdigest(), self)
        return stored_object

    def read(self, key: str) -> bytes:
        require_key(key)
        with self._faults("read", key):
            return self._at(key).read_bytes()

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        require_key(key)
        with self._faults("read", key), self._at(key).open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def head(self, key: str, *, version: str | None = None) -> StoredObject | None:
        require_key(key)
        current = self._current(key)
        if version is None or (current is not None and current.version == version):
            return current
        try:
            former = self._former(key, version)
            with self._faults("look up", key):
                status = former.stat()
                return StoredObject(
                    key=key,
                    size=status.st_size,
                    sha256=file_sha256(former),
                    modified=datetime.fromtimestamp(status.st_mtime, UTC),
                    version=version,
                )
        except MissingInput:
            return None

    def etag_denies(self, stored_object: StoredObject, path: Path) -> bool:
        return False  # a folder has no ETags: its SHA-256 is that of the file, as long as its size and time are noted

    def _current(self, key: str) -> StoredObject | None:
        try:
            with self._faults("look up", key):
                status = self._at(key).stat()
                if not stat.S_ISREG(status.st_mode):
                    return None
                noted = self._noted(key)
                as_noted = (noted.get("size"), noted.get("modified")) == (status.st_size, status.st_mtime_ns)
                digest = noted.get("sha256") if as_noted else file_sha256(self._at(key))
                return StoredObject(
                    key=key,
                    size=status.st_size,
                    sha256=digest,
                    version=digest[:VERSION_DIGITS] if digest and self._keeps_versions(key) else None,
                    content_type=noted.get("contentType"),
                    cache_control=noted.get("cacheControl"),
                    modified=datetime.fromtimestamp(status.st_mtime, UTC),
                    asked_at=datetime.now(UTC),
                )
        except MissingInput:
            return None

    def delete_version(self, key: str, version: str) -> None:
        current = self.head(key)
        with suppress(MissingInput), self._faults("delete", key):
            if current is None or current.version != version:
                self._former(key, version).unlink()
                return
            formers = sorted(self._formers(key), key=lambda path: path.stat().st_mtime_ns)
            if not formers:
                self.delete(key)
                return
            # Its note is of the other contents, and told by the time of the file that they are not these.
            _move(formers[-1], self._at(key))

    def drop_former_versions(self, key: str) -> None:
        require_key(key)
        with suppress(MissingInput), self._faults("delete", key):
            for former in self._formers(key):
                former.unlink(missing_ok=True)
            _remove_empty(self._former(key, "none").parent, self._versions)

    def delete(self, key: str) -> None:
        require_key(key)
        self.drop_former_versions(key)
        for file, top in ((self._at(key), self._objects), (self._note(key), self._notes)):
            with suppress(MissingInput), self._faults("delete", key):
                file.unlink()
            _remove_empty(file.parent, top)

    @property
    def is_paged(self) -> bool:
        return False

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]
        if folder:
            require_key(folder)
        start = self._at(folder) if folder else self._objects
        files = _files(str(start), os.path.realpath(self._objects), f"{folder}/" if folder else "", prefix)
        for key, size, modified in self._listed(files, prefix):
            if key > after:
                yield StoredObject(key, size=size, modified=datetime.fromtimestamp(modified, UTC))

    def _listed(self, files: Iterator[tuple[str, int, float]], prefix: str) -> Iterator[tuple[str, int, float]]:
        """These files, and a folder that cannot be read as the fault that it is."""
        with self._faults("list", prefix):
            yield from files

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        yield from self.list(prefix)
        formers = _files(str(self._versions), os.path.realpath(self._versions), "", prefix)
        for path, size, modified in self._listed(formers, prefix):
            key, _, version = path.rpartition("/")
            yield StoredObject(key, size=size, modified=datetime.fromtimestamp(modified, UTC), version=version)

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        # All buckets of a local store share the folder of what arrives; the archive answers for it.
        if self._role != "archive" or not self._incoming.is_dir():
            return
        for path in sorted(self._incoming.iterdir()):
            with suppress(FileNotFoundError):
                yield UnfinishedUpload(path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        with self._faults("delete", upload.upload_id):
            (self._incoming / PurePath(upload.upload_id).name).unlink(missing_ok=True)

    def require_conditions(self) -> None:
        """Does nothing: the kernel lets one process at a time into what `_locked` guards."""

    def check(self) -> None:
        # A folder needs no account to be opened first, so the bucket is made; what can go wrong is writing.
        try:
            self._objects.mkdir(parents=True, exist_ok=True)
            self._incoming.mkdir(parents=True, exist_ok=True)
            probe = self._incoming / uuid.uuid4().hex
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"The {self.name} store is a folder that the worker cannot write to ({error.strerror}): "
                "check STORAGE_DIR.",
                detail=str(error),
                retryable=False,
            ) from error

    # Files

    def path(self, key: str) -> Path:
        """The file that is the object of that key, whether or not there is one. Raises `StorageError` for no key."""
        require_key(key)
        return self._at(key)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Of all processes that are in such a block for a key, one at a time; the kernel lets go of one that ended."""
        lock = self._inside(self._locks, hashlib.sha256(key.encode()).hexdigest()[:2], key)
        with self._faults("write", key):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self._faults("write", key):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _keep_former(self, key: str, sha256: str) -> None:
        """Keep what is under a key that gets other contents, until somebody says that it is not needed any more."""
        current = self._current(key) if self._keeps_versions(key) else None
        if current is None or current.version is None or current.sha256 == sha256:
            return
        former = self._former(key, current.version)
        with self._faults("write", key):
            former.parent.mkdir(parents=True, exist_ok=True)
            former.unlink(missing_ok=True)
            try:
                os.link(self._at(key), former)
            except OSError:  # a file system without links
                shutil.copy2(self._at(key), former)

    def _former(self, key: str, version: str) -> Path:
        """Where contents that `key` had are kept, whether or not there are any."""
        require_key(key)
        if not re.fullmatch("[0-9a-z]+", version):
            raise missing(self, key)
        return self._inside(self._versions, f"{key}/{version}", key)

    def _formers(self, key: str) -> tuple[Path, ...]:
        folder = self._inside(self._versions, key, key)
        return tuple(folder.iterdir()) if folder.is_dir() else ()

    def _keeps_versions(self, key: str) -> bool:
        return self._role == "archive" and key.startswith(MEZZANINES_ROOT)

    def _at(self, key: str) -> Path:
        return self._inside(self._objects, key, key)

    def _note(self, key: str) -> Path:
        return self._inside(self._notes, f"{key}.json", key)

    def _inside(self, top: Path, name: str, key: str) -> Path:
        """What is called `name` below `top`. Raises `StorageError` where a symbolic link leads out of there."""
        path = top / name
        if not _leads_into(os.path.realpath(top), path):
            raise StorageError(
                f"The {self.name} store is a folder, and a symbolic link at '{key}' in bucket '{self.bucket}' leads "
                "out of it: remove the link.",
                retryable=False,
            )
        return path

    def _noted(self, key: str) -> dict[str, Any]:
        try:
            noted = json.loads(self._note(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
            return {}
        return noted if isinstance(noted, dict) else {}

    @contextmanager
    def _arriving(self, key: str) -> Iterator[tuple[BinaryIO, _Place]]:
        """A file in the making, and the call that puts it under `key`; without that call nothing changes."""
        file = self._incoming / uuid.uuid4().hex
        note = file.with_suffix(".json")

        def place(sha256: str, content_type: str, cache_control: str | None) -> None:
            with self._faults("write", key):
                opened.close()
                made = file.stat()
                note.write_text(
                    json.dumps(
                        {
                            "size": made.st_size,
                            "modified": made.st_mtime_ns,
                            "sha256": sha256,
                            "contentType": content_type,
                            "cacheControl": cache_control,
                        }
                    ),
                    encoding="utf-8",
                )
                # The note first: at no time does a new object stand beside a note that is taken for its own.
                _move(note, self._note(key))
                _move(file, self._at(key))

        with self._faults("write", key):
            self._incoming.mkdir(parents=True, exist_ok=True)
            opened = file.open("wb")
        try:
            with opened:
                yield opened, place
        finally:
            for leftover in (file, note):
                leftover.unlink(missing_ok=True)

    def _confirmed(self, key: str) -> StoredObject:
        stored_object = self.head(key)
        if stored_object is None:
            raise StorageError(
                f"The {self.name} store does not hold '{key}' in bucket '{self.bucket}' after it was uploaded.",
                retryable=True,
            )
        return stored_object

    @contextmanager
    def _faults(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if action != "write" and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
                raise missing(self, key) from error
            raise StorageError(
                f"The {self.name} store could not {action} '{key}' in bucket '{self.bucket}': {error.strerror}.",
                detail=str(error),
                retryable=error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG},
            ) from error


def _leads_into(top: str, path: str | Path) -> bool:
    """Whether a path, with its symbolic links followed, is in the folder `top`, which has none."""
    return os.path.commonpath((top, os.path.realpath(path))) == top


def _files(folder: str, top: str, start: str, prefix: str) -> Iterator[tuple[str, int, float]]:
    """Key, bytes and time of each file below a folder whose keys begin with `start`, if they begin with `prefix`, in
    the order of the keys: one folder after another, so that no listing of a million files is in memory.

    Left out are files that are removed meanwhile, linked folders, and links that lead out of `top`: no objects.
    """
    files: list[tuple[str, int, float]] = []
    folders: list[tuple[str, str]] = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            key = start + entry.name
            # Of the folders on the way to the prefix, only the one that leads there.
            if not key.startswith(prefix[: len(key)]):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append((f"{key}/", entry.path))
            elif key.startswith(prefix) and (not entry.is_symlink() or _leads_into(top, entry.path)):
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    files.append((key, status.st_size, status.st_mtime))
    files.sort()
    place = 0
    # A folder's keys go on with a slash: what lies in it comes where that comes among its neighbours.
    for own, path in sorted(folders):
        until = bisect(files, (own,), place)
        yield from files[place:until]
        place = until
        yield from _files(path, top, own, prefix)
    yield from files[place:]


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those that it lies in, below `top`, as far as they are empty."""
    for each in (folder, *folder.parents):
        if each == top:
            break
        with suppress(OSError):  # not empty, or gone already
            each.rmdir()


class _Place(Protocol):
    def __call__(self, sha256: str, content_type: str, cache_control: str | None) -> None: ...


@retry(
    # A delete of its last neighbour may have removed the folder, also while it was being made.
    retry=retry_if_exception_type((FileNotFoundError, FileExistsError)),
    stop=stop_after_attempt(MOVE_ATTEMPTS),
    reraise=True,
)
def _move(file: Path, to: Path) -> None:
    """Rename a file, into a folder that is made if it is not there. Raises OSError."""
    to.parent.mkdir(parents=True, exist_ok=True)
    file.replace(to)
