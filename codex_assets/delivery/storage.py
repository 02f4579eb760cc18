"""Object stores: one protocol, two stores that we ship. The only importer of boto3.

In: where a store is, local files, keys. Out: what the store holds, as `StoredObject`; failures as ours.
Not here: which key an output has (keys.py), in which order outputs go up (publish.py), where settings come from
(resources.py).

- `S3Store`: R2 and B2. An upload is finished only when the store was asked what it holds and that is what was sent:
  length, ETag where it has a form that can be computed from the file, and the `sha256` in the object's metadata.
- `DirectoryStore`: objects are plain files, for local runs and for tests; keeps the same promises.

Failures: `MissingInput` for an object that is not there, `StorageError` for everything that a store refuses (final) or
cannot do now (`retryable`), `InternalError` for a local file that cannot be read or written. Public sentences name a
store by its role, a bucket and a key; never an endpoint, a credential or a path of the worker.

Progress: `on_bytes(n)` is called with the number of bytes that moved since the last call, never negative, always in the
thread that called the store. It may raise: the transfer is then abandoned, nothing appears under the key (or the local
path), and what it raised reaches the caller unchanged.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import stat
import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pydantic import SecretStr
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError as BodyError

from codex_assets.errors import InternalError, MissingInput, StorageError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Role: TypeAlias = Literal["archive", "media", "assets"]
OnBytes: TypeAlias = Callable[[int], None]

PART_SIZE: Final = 16 * 1024 * 1024
"""Bytes: a larger file goes up in parts of this size, and comes down in ranges of it."""
PARTS_MOST: Final = 9000
"""Parts of one upload at most; S3 allows 10,000. Larger files get larger parts."""
PART_THREADS: Final = 6
"""Parts of one file in flight; one more is held in memory while it waits."""
ATTEMPTS: Final = 8
"""Tries of one request, the first included. B2 answers 500 and 503 in normal operation."""
BODY_ATTEMPTS: Final = 4
"""Tries of a download whose body breaks off: the SDK retries requests, not bodies that it has begun to hand over."""
POOL_CONNECTIONS: Final = 32
CONNECT_TIMEOUT: Final = 10
"""Seconds."""
READ_TIMEOUT: Final = 120
"""Seconds without a byte."""
CHUNK_SIZE: Final = 1024 * 1024
"""Bytes: one step of copying a local file."""
MOVE_ATTEMPTS: Final = 100
"""Tries of putting a file into a folder that deletes of its neighbours keep removing."""
KEY_BYTES: Final = 1024
"""Longest key, in bytes of UTF-8 (S3's limit)."""

SHA256: Final = "sha256"
"""Name of the metadata field that holds the lower-case hex SHA-256 of an object's bytes."""

_CREDENTIALS: Final = {
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "Unauthorized",
}
_REGION: Final = {"AuthorizationHeaderMalformed", "InvalidRegion", "InvalidRegionName", "PermanentRedirect"}
_UNAVAILABLE: Final = {
    "BadDigest",
    "IncompleteBody",
    "InvalidRange",  # the object was replaced by a shorter one while it was read
    "OperationAborted",
    "RequestTimeTooSkewed",  # a worker whose clock is wrong; the next one's may be right
    "RequestTimeout",
    "SlowDown",
    "XAmzContentSHA256Mismatch",
}
"""Refusals with a 4xx status that the same request need not meet again."""

_log = logging.getLogger(__name__)

_Parts: TypeAlias = list[tuple[str, bytes]]  # of an upload, in order: the store's ETag, our MD5


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

    def download(self, key: str, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
        """Write the object to `path`, which appears complete or not at all; folders are made.

        The size is checked, and the SHA-256 if the store knows it; the answer carries the one of what was written.
        """

    def read(self, key: str) -> bytes:
        """All of a small object."""

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        """`upload` of a small object from memory."""

    def head(self, key: str) -> StoredObject | None: ...

    def delete(self, key: str) -> None:
        """Remove the object with all its versions; nothing happens if there is none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key starts with `prefix`, in the order of their keys."""

    def check(self) -> None:
        """Reachable, credentials accepted, bucket there; otherwise a `StorageError` that says what to do."""


@dataclass(frozen=True)
class Stores:
    """The three buckets that a worker uses."""

    archive: ObjectStore
    media: ObjectStore
    assets: ObjectStore

    def by_role(self, role: Role) -> ObjectStore:
        match role:
            case "archive":
                return self.archive
            case "media":
                return self.media
            case "assets":
                return self.assets

    def by_bucket(self, bucket: str) -> ObjectStore | None:
        """The store of that bucket; the archive first, should two providers have a bucket of one name."""
        for store in (self.archive, self.media, self.assets):
            if store.bucket == bucket:
                return store
        return None


@dataclass(frozen=True)
class S3Location:
    """Where a bucket is and how to be let in. `versioned`: every write keeps the former version (B2 always does)."""

    role: Role
    bucket: str
    endpoint: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr
    versioned: bool


_MAKING_CLIENTS: Final = threading.Lock()
"""Clients may be shared by threads, but the session that makes them may not."""


@cache
def _session() -> boto3.session.Session:
    """One for all stores: it keeps the service's description, which takes longer to load than a request."""
    return boto3.session.Session()


class _BodyBroke(Exception):
    """The connection ended within a body that had begun to arrive."""


class S3Store:
    """A bucket of R2, B2 or another S3-compatible store."""

    def __init__(self, location: S3Location, *, part_size: int = PART_SIZE, attempts: int = ATTEMPTS) -> None:
        """`part_size` in bytes: S3 accepts 5 MiB at least. `attempts`: tries of one request, the first included."""
        self._location = location
        self._part_size = part_size
        self._attempts = attempts
        self._made: S3Client | None = None

    @property
    def name(self) -> Role:
        return self._location.role

    @property
    def bucket(self) -> str:
        return self._location.bucket

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
        _require_key(key)
        with local_file("read"):
            size = path.stat().st_size
            data = path.read_bytes() if size <= self._part_size else None
            # The digest is in the request that begins an upload, so it must be known before the first byte goes.
            digest = sha256 or file_sha256(path)
        headers = _headers(content_type, cache_control, digest)
        if data is None:
            return self._put_in_parts(path, size, key, headers, digest, on_bytes)
        _require_unchanged(hashlib.sha256(data).hexdigest(), digest, key)
        return self._put(key, data, headers, digest, on_bytes)

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        _require_key(key)
        digest = hashlib.sha256(data).hexdigest()
        return self._put(key, data, _headers(content_type, cache_control, digest), digest, None)

    def download(self, key: str, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
        held = self.head(key)
        if held is None:
            # HEAD has no body that could tell a missing bucket from a missing object.
            self.check()
            raise _missing(self, key)
        with _appearing(path) as file:
            digest = hashlib.sha256()
            with closing(self._ranges(held)) as ranges:
                for data in ranges:
                    with local_file("write"):
                        file.write(data)
                    digest.update(data)
                    if on_bytes:
                        on_bytes(len(data))
            _require_digest(held, digest.hexdigest(), self)
        return replace(held, sha256=digest.hexdigest())

    def read(self, key: str) -> bytes:
        _require_key(key)
        with self._faults("read", key):
            return self._body(key)[0]

    def head(self, key: str) -> StoredObject | None:
        _require_key(key)
        with self._faults("look up", key):
            try:
                held = self._client().head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise
        return StoredObject(
            key=key,
            size=held["ContentLength"],
            sha256=held["Metadata"].get(SHA256),
            etag=_bare(held.get("ETag")),
            content_type=held.get("ContentType"),
            cache_control=held.get("CacheControl"),
            modified=held.get("LastModified"),
        )

    def delete(self, key: str) -> None:
        # One request per object: DeleteObjects always carries a checksum header, which not every store accepts.
        _require_key(key)
        with self._faults("delete", key):
            if not self._location.versioned:
                self._client().delete_object(Bucket=self.bucket, Key=key)
                return
            # Without a version a delete only hides the object, and it is billed for ever.
            for version in list(self._versions(key)):
                with suppress(MissingInput), self._faults("delete", key):
                    self._client().delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        pages = self._client().get_paginator("list_objects_v2")
        with self._faults("list", prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for held in page.get("Contents", []):
                    yield StoredObject(
                        key=held["Key"],
                        size=held["Size"],
                        etag=_bare(held.get("ETag")),
                        modified=held.get("LastModified"),
                    )

    def check(self) -> None:
        # A listing, not HEAD of the bucket: its errors have a body, and it needs a permission that the worker needs.
        with self._faults("list", ""):
            self._client().list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    # Requests

    def _client(self) -> S3Client:
        with _MAKING_CLIENTS:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    def _make_client(self) -> S3Client:
        at = self._location
        try:
            return _session().client(
                "s3",
                endpoint_url=at.endpoint,
                region_name=at.region,
                aws_access_key_id=at.access_key.get_secret_value(),
                aws_secret_access_key=at.secret_key.get_secret_value(),
                config=Config(
                    signature_version="s3v4",
                    retries={"mode": "standard", "total_max_attempts": self._attempts},
                    max_pool_connections=POOL_CONNECTIONS,
                    connect_timeout=CONNECT_TIMEOUT,
                    read_timeout=READ_TIMEOUT,
                    tcp_keepalive=True,
                    # Newer SDKs add checksum headers by default, which R2 and B2 have refused.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path"},
                ),
            )
        except (ValueError, BotoCoreError) as error:
            raise StorageError(
                f"The {self.name} store cannot be used: the address or the region in the settings is not valid.",
                detail=self._scrub(error),
                retryable=False,
            ) from error

    def _put(
        self, key: str, data: bytes, headers: dict[str, Any], sha256: str, on_bytes: OnBytes | None
    ) -> StoredObject:
        with self._faults("write", key):
            self._client().put_object(Bucket=self.bucket, Key=key, Body=data, **headers)
        if on_bytes:
            on_bytes(len(data))
        return self._confirmed(key, len(data), sha256, _md5(data).hex())

    def _put_in_parts(
        self,
        path: Path,
        size: int,
        key: str,
        headers: dict[str, Any],
        sha256: str,
        on_bytes: OnBytes | None,
    ) -> StoredObject:
        client = self._client()
        with self._faults("write", key):
            upload_id = client.create_multipart_upload(Bucket=self.bucket, Key=key, **headers)["UploadId"]
        try:
            part_size = max(self._part_size, math.ceil(size / PARTS_MOST))
            parts, sent = self._send_parts(path, part_size, key, upload_id, on_bytes)
            # The last look before the key changes hands: the file must still be the one that was announced.
            _require_unchanged(sent, sha256, key)
            self._complete(key, upload_id, parts)
        except BaseException:
            # Parts of an upload that is never completed are billed, and no listing shows them.
            try:
                client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except (BotoCoreError, ClientError) as error:
                _log.warning("parts of %s were left in bucket %s: %s", key, self.bucket, self._scrub(error))
            raise
        return self._confirmed(key, size, sha256, _md5_of_parts(parts))

    def _send_parts(
        self, path: Path, part_size: int, key: str, upload_id: str, on_bytes: OnBytes | None
    ) -> tuple[_Parts, str]:
        """The parts, and the SHA-256 of all that was read.

        The file is read in order here and sent by threads, so that the pass that sends it also gives the digest.
        """
        whole = hashlib.sha256()
        parts: _Parts = []
        waiting: deque[tuple[Future[str], bytes, int]] = deque()

        def settle() -> None:
            sent, md5, length = waiting.popleft()
            parts.append((sent.result(), md5))
            if on_bytes:
                on_bytes(length)

        with local_file("read"):
            file = path.open("rb")
        with file, ThreadPoolExecutor(PART_THREADS, thread_name_prefix="part") as threads:
            try:
                number = 0
                while True:
                    with local_file("read"):
                        data = file.read(part_size)
                    if not data:
                        break
                    number += 1
                    whole.update(data)
                    md5 = _md5(data)
                    sending = threads.submit(self._send_part, data, md5, key, upload_id, number)
                    waiting.append((sending, md5, len(data)))
                    if len(waiting) > PART_THREADS:
                        settle()
                while waiting:
                    settle()
            except BaseException:
                for sending, _, _ in waiting:
                    sending.cancel()
                raise  # once those in flight have ended: a part that lands after the abort would stay
        return parts, whole.hexdigest()

    def _send_part(self, data: bytes, md5: bytes, key: str, upload_id: str, number: int) -> str:
        with self._faults("write", key):
            answer = self._client().upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        if _differs(_bare(answer["ETag"]), md5.hex()):
            raise self._not_as_sent(key, f"part {number} arrived with other contents")
        return answer["ETag"]

    def _complete(self, key: str, upload_id: str, parts: _Parts) -> None:
        with self._faults("write", key):
            try:
                self._client().complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={
                        "Parts": [{"PartNumber": n, "ETag": etag} for n, (etag, _) in enumerate(parts, start=1)]
                    },
                )
            except ClientError as error:
                # The SDK repeats a request whose answer was lost; the second one finds the upload completed and gone.
                # What the store then holds is looked at in any case.
                if _code(error) != "NoSuchUpload":
                    raise

    def _confirmed(self, key: str, size: int, sha256: str, etag: str) -> StoredObject:
        held = self.head(key)
        if held is None:
            raise self._not_as_sent(key, "it is not there")
        if held.size != size:
            raise self._not_as_sent(key, f"it is {held.size} bytes long instead of {size}")
        if held.sha256 != sha256:
            raise self._not_as_sent(key, "its recorded SHA-256 is another one")
        if _differs(held.etag, etag):
            raise self._not_as_sent(key, "its ETag is that of other contents")
        return held

    def _ranges(self, held: StoredObject) -> Generator[bytes, None, None]:
        """The bytes of an object in order, fetched a few ranges ahead."""
        if held.size <= self._part_size:
            with self._faults("read", held.key):
                data, etag = self._body(held.key)
            yield self._range(held, data, etag, held.size)
            return
        starts = iter(range(0, held.size, self._part_size))
        waiting: deque[tuple[Future[tuple[bytes, str | None]], int]] = deque()
        with ThreadPoolExecutor(PART_THREADS, thread_name_prefix="range") as threads:
            try:
                while True:
                    for start in starts:
                        stop = min(start + self._part_size, held.size)
                        task = threads.submit(self._body, held.key, f"bytes={start}-{stop - 1}")
                        waiting.append((task, stop - start))
                        if len(waiting) > PART_THREADS:
                            break
                    if not waiting:
                        return
                    task, length = waiting.popleft()
                    with self._faults("read", held.key):
                        data, etag = task.result()
                    yield self._range(held, data, etag, length)
            finally:
                for task, _ in waiting:
                    task.cancel()

    def _range(self, held: StoredObject, data: bytes, etag: str | None, length: int) -> bytes:
        if etag != held.etag or len(data) != length:
            raise StorageError(
                f"The object '{held.key}' in bucket '{self.bucket}' of the {self.name} store changed while it was read."
            )
        return data

    @retry(
        retry=retry_if_exception_type(_BodyBroke),
        stop=stop_after_attempt(BODY_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    def _body(self, key: str, span: str | None = None) -> tuple[bytes, str | None]:
        """The bytes of an object, or of the range `span`, and the ETag of what they were taken from."""
        ranged: dict[str, Any] = {"Range": span} if span else {}
        answer = self._client().get_object(Bucket=self.bucket, Key=key, **ranged)
        with closing(answer["Body"]) as body:
            try:
                return body.read(), _bare(answer.get("ETag"))
            except (BotoCoreError, BodyError, OSError) as error:
                raise _BodyBroke(f"the body broke off: {error}") from error

    def _versions(self, key: str) -> Iterator[str]:
        """Ids of every version and delete marker of exactly `key`."""
        pages = self._client().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.bucket, Prefix=key):
            versions = [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
            markers = [(m["Key"], m["VersionId"]) for m in page.get("DeleteMarkers", [])]
            for held, version in versions + markers:
                if held == key:
                    yield version
            if any(held != key for held, _ in versions + markers):
                return  # keys come in order, and `key` itself is the first that starts with it

    # Failures

    @contextmanager
    def _faults(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, _BodyBroke) as error:
            raise self._translated(error, action, key) from error

    def _translated(self, error: Exception, action: str, key: str) -> StorageError | MissingInput:
        store, detail = f"The {self.name} store", self._scrub(error)
        what = f"'{key}' in bucket '{self.bucket}'" if key else f"bucket '{self.bucket}'"

        def refused(sentence: str) -> StorageError:
            return StorageError(f"{store} {sentence}", detail=detail, retryable=False)

        hint = " If this lasts, check the endpoint in the settings." if isinstance(error, BotoConnectionError) else ""
        unavailable = StorageError(
            f"{store} could not {action} {what}: it is unavailable or cannot be reached at the moment.{hint}",
            detail=detail,
            retryable=True,
        )
        if not isinstance(error, ClientError):
            if isinstance(error, (HTTPClientError, BotoConnectionError, _BodyBroke)):
                return unavailable
            return refused(f"could not {action} {what}: the request could not be made ({type(error).__name__}).")

        status, code = _status(error), _code(error)
        if code == "NoSuchBucket" or (status == 404 and action == "list"):
            return refused(f"has no bucket '{self.bucket}': check the bucket's name and the endpoint in the settings.")
        if status == 404 and action != "write":
            return _missing(self, key)
        if code in _CREDENTIALS or status == 401:
            return refused("does not accept the worker's credentials: check the key and its secret in the settings.")
        if code in _REGION or status in {301, 307}:
            return refused("is in another region: check the region and the endpoint in the settings.")
        if code in _UNAVAILABLE or status >= 500 or status in {404, 408, 429}:
            return unavailable
        if "cap exceeded" in str(error).lower():
            return refused(
                f"refused to {action} {what}: a usage cap of its account is exceeded. Raise the cap, then run again."
            )
        if status == 403:
            return refused(f"refused to {action} {what}: the worker's credentials are wrong, or do not allow it.")
        return refused(f"refused to {action} {what} ({code}).")

    def _scrub(self, error: Exception) -> str:
        """What an engineer may read in a log: B2 quotes the key id in its messages."""
        text = f"{type(error).__name__}: {error}"
        for secret in (self._location.access_key, self._location.secret_key):
            if value := secret.get_secret_value():
                text = text.replace(value, "***")
        return text

    def _not_as_sent(self, key: str, finding: str) -> StorageError:
        return StorageError(
            f"The {self.name} store does not hold what was uploaded to '{key}' in bucket '{self.bucket}': {finding}.",
            retryable=True,
        )


class DirectoryStore:
    """A bucket that is a folder: objects are files at `{root}/{bucket}/{key}`, and nothing else is there.

    What S3 keeps in headers is noted in `{root}/.meta/{bucket}/{key}.json`, with the size and time of the file that it
    was noted for, so that a file changed by other means is seen as changed. Files in the making are below `.meta` too.
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
        _require_key(key)
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
                _require_unchanged(digest.hexdigest(), sha256, key)
            place(digest.hexdigest(), content_type, cache_control)
        return self._confirmed(key)

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        _require_key(key)
        with self._arriving(key) as (file, place):
            with self._faults("write", key):
                file.write(data)
            place(hashlib.sha256(data).hexdigest(), content_type, cache_control)
        return self._confirmed(key)

    def download(self, key: str, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
        held = self.head(key)
        if held is None:
            raise _missing(self, key)
        with self._faults("read", key):
            source = self._at(key).open("rb")
        with source, _appearing(path) as file:
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
            _require_digest(held, digest.hexdigest(), self)
        return held

    def read(self, key: str) -> bytes:
        _require_key(key)
        with self._faults("read", key):
            return self._at(key).read_bytes()

    def head(self, key: str) -> StoredObject | None:
        _require_key(key)
        try:
            with self._faults("look up", key):
                found = self._at(key).stat()
                if not stat.S_ISREG(found.st_mode):
                    return None
                noted = self._noted(key)
                as_noted = (noted.get("size"), noted.get("modified")) == (found.st_size, found.st_mtime_ns)
                return StoredObject(
                    key=key,
                    size=found.st_size,
                    sha256=noted.get("sha256") if as_noted else file_sha256(self._at(key)),
                    content_type=noted.get("contentType"),
                    cache_control=noted.get("cacheControl"),
                    modified=datetime.fromtimestamp(found.st_mtime, UTC),
                )
        except MissingInput:
            return None

    def delete(self, key: str) -> None:
        _require_key(key)
        for file, top in ((self._at(key), self._objects), (self._note(key), self._notes)):
            with suppress(MissingInput), self._faults("delete", key):
                file.unlink()
            for folder in file.parents:
                if folder == top:
                    break
                with suppress(OSError):  # not empty, or gone already
                    folder.rmdir()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]
        if folder:
            _require_key(folder)
        with self._faults("list", prefix):
            found = sorted(_files(str(self._objects / folder), f"{folder}/" if folder else "", prefix))
        for key, told in found:
            yield StoredObject(key, size=told.st_size, modified=datetime.fromtimestamp(told.st_mtime, UTC))

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
        """Where the object of that key lies, if there is one."""
        _require_key(key)
        return self._at(key)

    def _at(self, key: str) -> Path:
        return self._objects / key

    def _note(self, key: str) -> Path:
        return self._notes / f"{key}.json"

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
            for left in (file, note):
                left.unlink(missing_ok=True)

    def _confirmed(self, key: str) -> StoredObject:
        held = self.head(key)
        if held is None:
            raise StorageError(
                f"The {self.name} store does not hold '{key}' in bucket '{self.bucket}' after it was uploaded.",
                retryable=True,
            )
        return held

    @contextmanager
    def _faults(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if action != "write" and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
                raise _missing(self, key) from error
            raise StorageError(
                f"The {self.name} store could not {action} '{key}' in bucket '{self.bucket}': {error.strerror}.",
                detail=str(error),
                retryable=error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG},
            ) from error


def _files(folder: str, start: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Files of a folder, whose keys begin with `start`, if they begin with `prefix`. What goes meanwhile is gone."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            key = start + entry.name
            # Of the folders on the way to the prefix, only the one that leads there.
            if not key.startswith(prefix[: len(key)]):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{key}/", prefix)
            elif key.startswith(prefix):
                with suppress(FileNotFoundError):
                    yield key, entry.stat()


class _Place(Protocol):
    def __call__(self, sha256: str, content_type: str, cache_control: str | None) -> None: ...


def file_sha256(path: Path) -> str:
    """Lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Local files


@contextmanager
def local_file(action: str) -> Iterator[None]:
    """A file of this machine is no store's fault, and its path is nobody else's business."""
    try:
        yield
    except OSError as error:
        raise InternalError(
            f"The worker could not {action} a local file ({error.strerror}).", detail=str(error)
        ) from error


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
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


def _move(file: Path, to: Path) -> None:
    for tries_left in reversed(range(MOVE_ATTEMPTS)):
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            file.replace(to)
            return
        except (FileNotFoundError, FileExistsError):
            # A delete of its last neighbour may have removed the folder, also while it was being made.
            if not tries_left:
                raise


# Proof


def _require_key(key: str) -> None:
    segments = key.split("/")
    if (
        any(segment in {"", ".", ".."} for segment in segments)
        or re.search(r"[\x00-\x1f\x7f\\]", key)
        or len(key.encode("utf-8", "surrogatepass")) > KEY_BYTES
    ):
        shown = key if len(key) <= 80 else f"{key[:79]}…"
        raise StorageError(f"{shown!r} is not a valid storage key.", retryable=False)


def _require_unchanged(found: str, announced: str, key: str) -> None:
    if found != announced:
        raise InternalError(
            f"The local file for '{key}' changed before or while it was uploaded; it was not published."
        )


def _require_digest(held: StoredObject, found: str, store: ObjectStore) -> None:
    if held.sha256 and held.sha256 != found:
        raise StorageError(
            f"The {store.name} store gave other contents for '{held.key}' in bucket '{store.bucket}' than it records.",
            detail=f"recorded {held.sha256}, got {found}",
            retryable=True,
        )


def _missing(store: ObjectStore, key: str) -> MissingInput:
    return MissingInput(f"The {store.name} store holds no object '{key}' in bucket '{store.bucket}'.")


def _headers(content_type: str, cache_control: str | None, sha256: str) -> dict[str, Any]:
    headers: dict[str, Any] = {"ContentType": content_type, "Metadata": {SHA256: sha256}}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    return headers


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _md5_of_parts(parts: _Parts) -> str:
    return f"{_md5(b''.join(md5 for _, md5 in parts)).hex()}-{len(parts)}"


def _differs(etag: str | None, expected: str) -> bool:
    """Whether an ETag denies what was sent. One of another form than the expected one says nothing."""
    if etag is None or not re.fullmatch(r"[0-9a-f]{32}(-\d+)?", etag) or ("-" in etag) != ("-" in expected):
        return False
    return etag != expected


def _bare(etag: str | None) -> str | None:
    return etag.removeprefix("W/").strip('"') if etag else None


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    return code if re.fullmatch(r"\w{1,64}", code) else "unknown"
