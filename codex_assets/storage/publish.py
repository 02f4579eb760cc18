"""The order and the proof of an upload: what a playlist names is there before the playlist is.

In: finished, verified local files and the keys they belong under. Out: what the stores then hold, or a failure that
left what viewers see as it was. Not here: whether a file is fit to be published (verification/judge.py), what a key
looks like (keys.py), how bytes travel (s3.py, directory.py).

Stages go up one after the other. All of a stage goes up in parallel, then every store is asked what it holds, and only
when all of it is what was sent does the next stage begin. So a viewer sees the former version, complete, until the
first playlist is written, and a failure before that changes nothing for them. Nothing is deleted here.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, TypeVar

from codex_assets.errors import StorageError
from codex_assets.storage.objects import (
    OnBytes,
    Role,
    StoredObject,
    Stores,
    file_sha256,
    is_same_caching,
    is_same_type,
    local_file,
)

UPLOAD_THREADS: Final = 12
"""Files in flight: segments are small, so the round trips cost more than the bytes."""
SEGMENT_MAX_AGE: Final = 365 * 24 * 3600
"""Seconds: a year, for segments lie under a key that their contents name, and never change."""
PICTURE_MAX_AGE: Final = 300
"""Seconds: thumbnails and waveforms are replaced in place by a rebuild, and asked for anew after that."""
LISTED_FROM: Final = 8
"""Files of one folder from which one listing is cheaper than asking for each whether it is there already."""

Headers = tuple[str, str | None]

_HEADERS: Final[Mapping[str, Headers]] = MappingProxyType(
    {
        # A playlist decides what is played: a cached one would name segments that are gone.
        ".m3u8": ("application/vnd.apple.mpegurl", "no-cache"),
        ".ts": ("video/mp2t", f"public, max-age={SEGMENT_MAX_AGE}, immutable"),
        ".jpg": ("image/jpeg", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        ".webp": ("image/webp", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        ".vtt": ("text/vtt", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        ".txt": ("text/plain", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        ".png": ("image/png", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        ".json": ("application/json", f"max-age={PICTURE_MAX_AGE}, must-revalidate"),
        # The mezzanine: read by workers only.
        ".mp4": ("video/mp4", None),
    }
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Stage(IntEnum):
    """What must be in place before what."""

    CONTENT = 0
    """Segments and the mezzanine: nothing that viewers are shown before something names it."""
    PLAYLIST = 1
    MASTER = 2
    """It makes everything before it visible."""
    PICTURE = 3
    """Pictures and data that are replaced in place: what is shown of the media changes with what is played."""


@dataclass(frozen=True)
class Upload:
    """One file to publish."""

    path: Path
    role: Role
    key: str
    stage: Stage
    sha256: str | None = None
    """Of the file, lower-case hex, where it is known."""


@dataclass(frozen=True)
class Published:
    """One object that is in its store, as was confirmed by asking. `unchanged`: it already was, nothing was sent."""

    role: Role
    bucket: str
    key: str
    size: int
    sha256: str
    content_type: str
    unchanged: bool = False
    version: str | None = None
    """As the store names these contents, where it keeps several of one key."""
    etag: str | None = None
    """The store's own digest of these contents; None where it makes none."""


def headers(key: str) -> Headers:
    """Content type and Cache-Control (None: no such header) of an object, by the suffix of its key."""
    suffix = PurePosixPath(key).suffix
    if suffix not in _HEADERS:
        raise ValueError(f"no content type is known for {key!r}")
    return _HEADERS[suffix]


def publish(
    stores: Stores,
    uploads: Sequence[Upload],
    *,
    threads: int = UPLOAD_THREADS,
    on_bytes: OnBytes | None = None,
) -> tuple[Published, ...]:
    """Upload stage by stage and confirm; the answer is in the order of `uploads`.

    An object that is there already with the same contents and headers is confirmed, but not sent again. `on_bytes` gets
    every file's size in all, that of unchanged ones too; its calls come one at a time, from several threads. What it
    raises stops the upload and reaches the caller. Other failures: `StorageError` for a store's, `InternalError` for a
    local file's (found before anything is sent, unless the file changes later). `ValueError` for a plan that cannot be
    meant.
    """
    _require_sense(uploads)
    progress = _UploadProgress(on_bytes)
    with ThreadPoolExecutor(threads, thread_name_prefix="publish") as pool:
        items = _all(pool, _fingerprint, uploads, progress)
        may_be_there = _may_be_in_store(stores, items)
        results: dict[Upload, Published] = {}
        for stage in sorted({item.upload.stage for item in items}):
            batch = [item for item in items if item.upload.stage == stage]
            sent = _all(pool, lambda item: _send(stores, item, may_be_there, progress), batch, progress)
            confirmed = _all(pool, lambda pair: _confirm(stores, *pair), zip(batch, sent, strict=True), progress)
            results.update(zip((item.upload for item in batch), confirmed, strict=True))
    return tuple(results[upload] for upload in uploads)


@dataclass(frozen=True)
class _Fingerprint:
    upload: Upload
    size: int
    sha256: str
    content_type: str
    cache_control: str | None

    def is_same_as(self, stored_object: StoredObject) -> bool:
        """Whether the stored object is on record with the file's contents, and has the headers that it is to have.

        On record: what its ETag says of the contents is for the store to compare."""
        return (
            (stored_object.size, stored_object.sha256) == (self.size, self.sha256)
            and is_same_type(stored_object.content_type, self.content_type)
            and is_same_caching(stored_object.cache_control, self.cache_control)
        )


def _require_sense(uploads: Sequence[Upload]) -> None:
    taken: set[tuple[Role, str]] = set()
    for upload in uploads:
        if (upload.role, upload.key) in taken:
            raise ValueError(f"two files are to be published under {upload.key!r}")
        taken.add((upload.role, upload.key))
        headers(upload.key)
        if upload.key.endswith(".m3u8") and upload.stage is Stage.CONTENT:
            raise ValueError(f"{upload.key!r} is a playlist and cannot go up with what it names")


def _fingerprint(upload: Upload) -> _Fingerprint:
    with local_file("read"):
        size, digest = upload.path.stat().st_size, upload.sha256 or file_sha256(upload.path)
    return _Fingerprint(upload, size, digest, *headers(upload.key))


def _may_be_in_store(stores: Stores, items: Iterable[_Fingerprint]) -> Callable[[_Fingerprint], bool]:
    """A function that says whether an object may be there already.

    It costs a listing for each folder of many files, and saves a request per segment when a media is published for the
    first time.
    """
    folders: dict[tuple[Role, str], int] = defaultdict(int)
    for item in items:
        folders[_folder(item)] += 1
    listed = {
        (role, folder): {stored_object.key for stored_object in stores.by_role(role).list(folder)}
        for (role, folder), files in folders.items()
        if files >= LISTED_FROM
    }
    return lambda item: _folder(item) not in listed or item.upload.key in listed[_folder(item)]


def _folder(item: _Fingerprint) -> tuple[Role, str]:
    folder, slash, _ = item.upload.key.rpartition("/")
    return item.upload.role, folder + slash


def _send(
    stores: Stores, item: _Fingerprint, may_be_there: Callable[[_Fingerprint], bool], progress: _UploadProgress
) -> tuple[StoredObject, bool]:
    """What the store holds, and whether it did so before."""
    store = stores.by_role(item.upload.role)
    stored_object = store.head(item.upload.key) if may_be_there(item) else None
    if stored_object and item.is_same_as(stored_object) and not store.etag_denies(stored_object, item.upload.path):
        progress(item.size)
        return stored_object, True
    sent = store.upload(
        item.upload.path,
        item.upload.key,
        content_type=item.content_type,
        cache_control=item.cache_control,
        sha256=item.sha256,
        on_bytes=progress,
    )
    return sent, False


def _confirm(stores: Stores, item: _Fingerprint, sent: tuple[StoredObject, bool]) -> Published:
    """Ask once more, now that the whole stage is up: another writer may have been at the same keys."""
    before, unchanged = sent
    upload, store = item.upload, stores.by_role(item.upload.role)
    stored_object = store.head(upload.key)
    if (
        stored_object is None
        or not item.is_same_as(stored_object)
        or (stored_object.etag and before.etag and stored_object.etag != before.etag)
    ):
        raise StorageError(
            f"The {store.name} store no longer holds what was uploaded to '{upload.key}' in bucket '{store.bucket}'; "
            "nothing that depends on it was published.",
            detail=f"expected {item}, found {stored_object}",
            retryable=True,
        )
    return Published(
        *(upload.role, store.bucket, upload.key, item.size, item.sha256, item.content_type),
        unchanged=unchanged,
        version=stored_object.version,
        etag=stored_object.etag,
    )


class _Stopped(Exception):
    """A transfer ended because another one had failed."""


class _UploadProgress:
    """One caller's `on_bytes` for many transfers, and what ends the others when one of them has failed."""

    def __init__(self, on_bytes: OnBytes | None) -> None:
        self._on_bytes = on_bytes
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, count: int) -> None:
        with self._lock:
            if self._stopped:
                raise _Stopped
            if self._on_bytes:
                try:
                    self._on_bytes(count)
                except BaseException:
                    self._stopped = True
                    raise

    def require_going(self) -> None:
        """Raise `_Stopped` once a transfer has failed."""
        if self._stopped:
            raise _Stopped

    def stop(self) -> None:
        # Without the lock: a callback that blocks must not keep a failure from being noticed.
        self._stopped = True


def _all(
    pool: ThreadPoolExecutor,
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    progress: _UploadProgress | None = None,
) -> list[_Result]:
    """`work` of every item, in order. The first failure keeps what has not begun from beginning, and is raised when
    nothing is running any more."""
    stopping = progress or _UploadProgress(None)

    def begin(item: _Item) -> _Result:
        # The thread that fails stops the others itself: until this one wakes, they would begin many a small file.
        stopping.require_going()
        try:
            return work(item)
        except BaseException:
            stopping.stop()
            raise

    tasks = [pool.submit(begin, item) for item in items]
    first: set[Future[_Result]] = set()
    try:
        first, _ = wait(tasks, return_when=FIRST_EXCEPTION)
    finally:
        if not all(task.done() and task.exception() is None for task in tasks):
            stopping.stop()
            for task in tasks:
                task.cancel()
            wait(tasks)
    failed = [task for task in tasks if not task.cancelled() and task.exception()]
    # The earliest is the cause. A transfer that was only stopped may have ended before the one that stopped it.
    for task in sorted(failed, key=lambda task: (isinstance(task.exception(), _Stopped), task not in first)):
        task.result()
    return [task.result() for task in tasks]
