"""R2 and B2 by the S3 protocol: the only importer of boto3.

An upload is finished only when the store was asked what it holds and that is what was sent: length, ETag where it has a
form that can be computed from the file, and the `sha256` in the object's metadata. The protocol, and which errors a
store may raise, are in `objects.py`.

A store's answers come through fronts (proxies, CDNs, firewalls) that write header names in another case, leave headers
out, compress, or answer themselves. What an answer may look like is decided here and nowhere else. Of the machine,
clients use its proxies and CA bundle only: not its AWS profile, files, endpoints or other settings.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import threading
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ProxyConnectionError, SSLError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from tenacity import (
    RetryCallState,
    Retrying,
    retry,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_chain,
    wait_fixed,
    wait_none,
    wait_random_exponential,
)
from tenacity.wait import wait_base
from urllib3.exceptions import HTTPError as BodyError

from codex_assets.errors import JobError, MissingInput, StorageError
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import (
    SHA256,
    OnBytes,
    Role,
    StoredObject,
    appearing,
    file_sha256,
    local_file,
    media_type,
    missing,
    other_contents,
    require_digest,
    require_key,
    require_unchanged,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


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
PAUSES: Final = (1.0, 3.0)
"""Seconds before the second and the third look at what may be true only for a moment: a refusal while a new key or
bucket spreads through a store, an object that was written and is not seen yet, a refusal for haste."""
POOL_CONNECTIONS: Final = 32
CONNECT_TIMEOUT: Final = 10
"""Seconds."""
READ_TIMEOUT: Final = 120
"""Seconds without a byte."""

ABSENT_PAUSE: Final = 0.3
"""Seconds before the second look at a small object that is not there."""

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
_CLOCK: Final = {"RequestExpired", "RequestTimeTooSkewed"}
_UNAVAILABLE: Final = {
    "BadDigest",
    "Busy",
    "IncompleteBody",
    "InternalError",
    "InternalFailure",
    "InvalidRange",  # the object was replaced by a shorter one while it was read
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
"""Refusals that the same request need not meet again, whatever their status: an error may come with a 200."""
_SDK_REPEATS: Final = {500, 502, 503, 504}
"""Statuses that the SDK itself asks again after. Not among them: 408, 425, 429, and those of CDNs above 504."""

_log = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_Parts: TypeAlias = list[tuple[str, bytes]]  # of an upload, in order: the store's ETag, our MD5


_MAKING_CLIENTS: Final = threading.Lock()
"""Clients may be shared by threads, but the session that makes them may not."""


@cache
def _session() -> boto3.session.Session:
    """One for all stores: it keeps the service's description, which takes longer to load than a request.

    It takes nothing from the machine's AWS set-up (AWS_PROFILE, ~/.aws, AWS_ENDPOINT_URL_S3, ...), which is meant for
    other stores than ours and has made clients fail or go elsewhere. The CA bundle that a company's proxy needs stays
    (AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE), and so do the proxies themselves, which are no setting of AWS.
    """
    unread = {
        name: (None, None, default, conversion)
        for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    core = botocore.session.Session(
        session_vars={
            **unread,
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "ca_bundle": (None, "AWS_CA_BUNDLE", None, None),
        }
    )
    # This section has variables of its own, beside the files'.
    core.get_component("config_store").set_config_provider("s3", ConstantProvider(None))
    # Without ~/.aws/models and AWS_DATA_PATH, which may describe another S3.
    core.register_component(
        "data_loader", Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    )
    core.register("before-call.s3", _stay)
    return boto3.session.Session(botocore_session=core)


def _stay(**event: Any) -> None:
    """Keep the SDK from looking for the bucket's region when a store redirects: it asks HEAD of the bucket, whose own
    redirect it follows likewise, without an end. A redirect is an answer to us."""
    event["params"].get("context", {}).get("s3_redirect", {})["redirected"] = True


class _BodyBroke(Exception):
    """The connection ended within a body that had begun to arrive."""


@dataclass(frozen=True)
class _Body:
    """What a GET brought: the bytes, and what was said of the object that they are of."""

    data: bytes
    etag: str | None
    sha256: str | None


class S3Store:
    """A bucket of R2, B2 or another S3-compatible store."""

    def __init__(
        self,
        location: S3Location,
        *,
        part_size: int = PART_SIZE,
        attempts: int = ATTEMPTS,
        pauses: tuple[float, ...] | None = None,
    ) -> None:
        """`part_size` in bytes: S3 accepts 5 MiB at least. `attempts`: tries of one request, the first included; with
        1 nothing is asked twice, and `pauses` (`PAUSES`) do not matter."""
        self._location = location
        self._part_size = part_size
        self._attempts = attempts
        self._pauses = (PAUSES if pauses is None else pauses) if attempts > 1 else ()
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
        require_key(key)
        with local_file("read"):
            size = path.stat().st_size
            data = path.read_bytes() if size <= self._part_size else None
            # The digest is in the request that begins an upload, so it must be known before the first byte goes.
            digest = sha256 or file_sha256(path)
        headers = _headers(content_type, cache_control, digest)
        if data is None:
            return self._put_in_parts(path, size, key, headers, digest, on_bytes)
        require_unchanged(hashlib.sha256(data).hexdigest(), digest, key)
        return self._put(key, data, headers, digest, on_bytes)

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        require_key(key)
        digest = hashlib.sha256(data).hexdigest()
        return self._put(key, data, _headers(content_type, cache_control, digest), digest, None)

    def download(self, key: str, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
        # Whoever downloads was told that the object is there: that it is not is believed at the last look only.
        held = self._seen(lambda: self.head(key), lambda found: found is not None)
        if held is None:
            # HEAD has no body that could tell a missing bucket from a missing object.
            self.check()
            raise missing(self, key)
        with appearing(path) as file:
            digest = hashlib.sha256()
            with closing(self._ranges(held)) as ranges:
                for data in ranges:
                    with local_file("write"):
                        file.write(data)
                    digest.update(data)
                    if on_bytes:
                        on_bytes(len(data))
            require_digest(held, digest.hexdigest(), self)
        return replace(held, sha256=digest.hexdigest())

    def read(self, key: str) -> bytes:
        require_key(key)
        # Many a record is rightly not there, so the second look is a short one.
        once_more = Retrying(
            retry=retry_if_exception_type(MissingInput),
            stop=stop_after_attempt(2 if self._pauses else 1),
            wait=wait_fixed(min(ABSENT_PAUSE, *self._pauses) if self._pauses else 0.0),
            reraise=True,
        )
        body: _Body = once_more(self._asked, "read", key, lambda: self._body(key))
        if body.sha256 is not None and hashlib.sha256(body.data).hexdigest() != body.sha256:
            raise other_contents(self, key, f"recorded {body.sha256}, got {len(body.data)} bytes of other contents")
        return body.data

    def head(self, key: str) -> StoredObject | None:
        require_key(key)
        return self._asked("look up", key, lambda: self._looked_up(key))

    def delete(self, key: str) -> None:
        # One request per object: DeleteObjects always carries a checksum header, which not every store accepts.
        require_key(key)
        if not self._location.versioned:
            with suppress(MissingInput):
                self._asked("delete", key, lambda: self._client().delete_object(Bucket=self.bucket, Key=key))
            return
        # Without a version a delete only hides the object, and it is billed for ever.
        for version in self._asked("delete", key, lambda: list(self._versions(key))):
            with suppress(MissingInput):
                self._delete_version(key, version)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        following: dict[str, Any] = {}
        while True:
            page = self._asked("list", prefix, lambda: self._page(prefix, following))  # noqa: B023 - called at once
            with self._faults("list", prefix):
                found = [
                    StoredObject(
                        key=listed["Key"],
                        size=listed["Size"],
                        etag=_bare(listed.get("ETag")),
                        modified=listed.get("LastModified"),
                    )
                    for listed in page.get("Contents", [])
                ]
            yield from found
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == following.get("ContinuationToken"):
                # A listing that ends too soon would make what follows look as if it were not there.
                raise self._unreadable("list", prefix, "a listing says that it goes on, and not where")
            following = {"ContinuationToken": token}

    def check(self) -> None:
        # A listing, not HEAD of the bucket: its errors have a body, and it needs a permission that the worker needs.
        self._asked("list", "", lambda: self._page("", {"MaxKeys": 1}))

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
        self._asked("write", key, lambda: self._client().put_object(Bucket=self.bucket, Key=key, Body=data, **headers))
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
        upload_id = self._asked(
            "write",
            key,
            lambda: client.create_multipart_upload(Bucket=self.bucket, Key=key, **headers)["UploadId"],
        )
        try:
            part_size = max(self._part_size, math.ceil(size / PARTS_MOST))
            parts, sent = self._send_parts(path, part_size, key, upload_id, on_bytes)
            # The last look before the key changes hands: the file must still be the one that was announced.
            require_unchanged(sent, sha256, key)
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
        answer = self._asked(
            "write",
            key,
            lambda: self._client().upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            ),
        )
        # A front that leaves the ETag out, or weakens it, does not change what the store will ask for: the part's MD5.
        etag = _bare(answer.get("ETag")) or md5.hex()
        if _differs(etag, md5.hex()):
            raise self._not_as_sent(key, f"part {number} arrived with other contents")
        return f'"{etag}"'

    def _complete(self, key: str, upload_id: str, parts: _Parts) -> None:
        numbered = [{"PartNumber": number, "ETag": etag} for number, (etag, _) in enumerate(parts, start=1)]

        def complete() -> None:
            try:
                self._client().complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": numbered},  # type: ignore[typeddict-item]
                )
            except ClientError as error:
                # The SDK repeats a request whose answer was lost; the second one finds the upload completed and gone.
                # What the store then holds is looked at in any case.
                if _code(error) != "NoSuchUpload":
                    raise

        self._asked("write", key, complete)

    def _confirmed(self, key: str, size: int, sha256: str, etag: str) -> StoredObject:
        def denied(held: StoredObject | None) -> str | None:
            if held is None:
                return "it is not there"
            if held.size != size:
                return f"it is {held.size} bytes long instead of {size}"
            if held.sha256 not in (sha256, None) or (held.sha256 is None and _differs(held.etag, etag)):
                return "its recorded SHA-256 is another one or missing"
            if _differs(held.etag, etag):
                return "its ETag is that of other contents"
            return None

        held = self._seen(lambda: self.head(key), lambda found: denied(found) is None)
        if (finding := denied(held)) is not None or held is None:
            raise self._not_as_sent(key, finding or "it is not there")
        if held.sha256 is None:
            raise StorageError(
                f"The {self.name} store does not give back the metadata of '{key}' in bucket '{self.bucket}': what "
                "stands before it has to let x-amz-meta headers through.",
                retryable=False,
            )
        return held

    def _seen(self, look: Callable[[], _Value], settled: Callable[[_Value], bool]) -> _Value:
        """What `look` gives, looked at again for a moment while it is not what has to be there."""
        looking = Retrying(
            retry=retry_if_result(lambda seen: not settled(seen)),
            stop=stop_after_attempt(len(self._pauses) + 1),
            wait=self._waits(),
            retry_error_callback=_last_result,
        )
        return looking(look)

    def _waits(self) -> wait_base:
        """The pauses of this store, one after the other."""
        return wait_chain(*map(wait_fixed, self._pauses)) if self._pauses else wait_none()

    # Reading

    def _looked_up(self, key: str) -> StoredObject | None:
        """What HEAD says of an object, and GET where HEAD does not say enough. Raises the SDK's errors."""
        answer: Any
        try:
            answer = self._client().head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return None
            if _status(error) in {408, 425, 429} or _status(error) >= 500:
                raise
            # HEAD's refusals have no body: B2's cap, a wrong key and a front that forbids HEAD all look the same.
            answer = self._first_byte(key)
            if answer is None:
                return None
        sha256, size = _recorded_sha256(answer), _announced_size(answer)
        if size is None:
            size = self._size(key)
        return StoredObject(
            key=key,
            size=size,
            sha256=sha256,
            etag=_bare(answer.get("ETag")),
            content_type=answer.get("ContentType"),
            cache_control=answer.get("CacheControl"),
            modified=answer.get("LastModified"),
        )

    def _first_byte(self, key: str) -> Any:
        """The answer to a GET of one byte; None when it says that there is no object. Raises the SDK's errors."""
        try:
            answer = self._client().get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")
        except ClientError as error:
            if _code(error) == "InvalidRange" or _status(error) == 416:
                answer = self._client().get_object(Bucket=self.bucket, Key=key)  # it is empty
            elif _status(error) == 404 and _code(error) != "NoSuchBucket" and not _is_page(error):
                return None
            else:
                raise
        answer["Body"].close()
        return answer

    def _size(self, key: str) -> int:
        """The size of an object whose HEAD does not say it: from a range's total, else from the listing."""
        answer = self._first_byte(key)
        size = None if answer is None else _announced_size(answer)
        if size is None:
            page = self._page(key, {"MaxKeys": 1})
            # `key` itself is the first of all that begin with it.
            sizes = [listed["Size"] for listed in page.get("Contents", []) if listed["Key"] == key]
            if not sizes:
                raise self._unreadable("look up", key, "neither HEAD nor GET nor a listing says its size")
            size = sizes[0]
        return size

    def _page(self, prefix: str, more: dict[str, Any]) -> Any:
        page = self._client().list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
        if not {"Name", "KeyCount", "IsTruncated", "Contents", "MaxKeys"} & page.keys():
            # A page of a front, well-formed and with a 200, would otherwise be an empty bucket.
            raise self._unreadable("list", prefix, "no listing")
        return page

    def _ranges(self, held: StoredObject) -> Generator[bytes, None, None]:
        """The bytes of an object in order, fetched a few ranges ahead."""
        if held.size <= self._part_size:
            yield self._range(held, self._asked("read", held.key, lambda: self._body(held.key)), held.size)
            return

        def fetch(span: str) -> _Body:
            return self._asked("read", held.key, lambda: self._body(held.key, span))

        starts = iter(range(0, held.size, self._part_size))
        waiting: deque[tuple[Future[_Body], int]] = deque()
        with ThreadPoolExecutor(PART_THREADS, thread_name_prefix="range") as threads:
            try:
                while True:
                    for start in starts:
                        stop = min(start + self._part_size, held.size)
                        waiting.append((threads.submit(fetch, f"bytes={start}-{stop - 1}"), stop - start))
                        if len(waiting) > PART_THREADS:
                            break
                    if not waiting:
                        return
                    task, length = waiting.popleft()
                    body = task.result()
                    if held.etag is None:
                        held = replace(held, etag=body.etag)  # the next range must be of the same object
                    yield self._range(held, body, length)
            finally:
                for task, _ in waiting:
                    task.cancel()

    def _range(self, held: StoredObject, body: _Body, length: int) -> bytes:
        if (held.etag and body.etag and body.etag != held.etag) or len(body.data) != length:
            raise StorageError(
                f"The object '{held.key}' in bucket '{self.bucket}' of the {self.name} store changed while it was read."
            )
        return body.data

    @retry(
        retry=retry_if_exception_type(_BodyBroke),
        stop=stop_after_attempt(BODY_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    def _body(self, key: str, span: str | None = None) -> _Body:
        """The bytes of an object, or of the range `span`."""
        ranged: dict[str, Any] = {"Range": span} if span else {}
        answer: Any = self._client().get_object(Bucket=self.bucket, Key=key, **ranged)
        with closing(answer["Body"]) as body:
            if span and answer["ResponseMetadata"]["HTTPStatusCode"] == 200:
                raise StorageError(
                    f"The {self.name} store answers a request for a part of '{key}' in bucket '{self.bucket}' with "
                    "all of it: what stands before it has to let the Range header through.",
                    retryable=False,
                )
            try:
                data = body.read()
            except (BotoCoreError, BodyError, OSError) as error:
                raise _BodyBroke(f"the body broke off: {error}") from error
        sha256 = _recorded_sha256(answer)
        if not span and sha256 and _is_encoded(answer) and hashlib.sha256(data).hexdigest() != sha256:
            data = _unpacked(data, sha256)
        return _Body(data, _bare(answer.get("ETag")), sha256)

    def _delete_version(self, key: str, version: str) -> None:
        self._asked(
            "delete",
            key,
            lambda: self._client().delete_object(Bucket=self.bucket, Key=key, VersionId=version),
        )

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

    def _asked(self, action: str, key: str, request: Callable[[], _Value]) -> _Value:
        """What `request` gives. A refusal that may be true for a moment only is met as often as `PAUSES` say before it
        is final; what the SDK repeats by itself is not repeated here."""

        def attempt() -> _Value:
            with self._faults(action, key):
                return request()

        def log_pause(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            detail = error.detail if isinstance(error, JobError) else None
            pause = state.upcoming_sleep
            _log.info("%s store, %s %s: asked again in %g s: %s", self.name, action, key, pause, detail)

        asking = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, JobError) and _may_pass(error.__cause__)),
            stop=stop_after_attempt(len(self._pauses) + 1),
            wait=self._waits(),
            before_sleep=log_pause,
            reraise=True,
        )
        return asking(attempt)

    @contextmanager
    def _faults(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, _BodyBroke) as error:
            raise self._translated(error, action, key) from error
        except (ResponseParserError, LookupError, AttributeError, TypeError, ValueError) as error:
            # The SDK trusts answers to have the form that is documented.
            raise self._unreadable(action, key, self._scrub(error)) from error

    def _translated(self, error: Exception, action: str, key: str) -> StorageError | MissingInput:
        store, detail, what = f"The {self.name} store", self._scrub(error), self._what(key)

        def refused(sentence: str, *, retryable: bool = False) -> StorageError:
            return StorageError(f"{store} {sentence}", detail=detail, retryable=retryable)

        unavailable = refused(
            f"could not {action} {what}: it is unavailable or cannot be reached at the moment.{_hint(error)}",
            retryable=True,
        )
        if not isinstance(error, ClientError):
            if isinstance(error, (HTTPClientError, BotoConnectionError, _BodyBroke)):
                return unavailable
            return refused(f"could not {action} {what}: the request could not be made ({type(error).__name__}).")

        status, code = _status(error), _code(error)
        front = f"could not {action} {what}: not the store answered, but a web page ({status}). Check the endpoint"
        if code == "NoSuchBucket" or (status == 404 and action == "list" and not _is_page(error)):
            return refused(f"has no bucket '{self.bucket}': check the bucket's name and the endpoint in the settings.")
        if _is_page(error) and 300 <= status < 500 and status not in {408, 425, 429}:
            return refused(f"{front} in the settings, and what stands between it and the worker.")
        if status == 404 and action != "write":
            return missing(self, key)
        if code in _CREDENTIALS or status == 401:
            return refused("does not accept the worker's credentials: check the key and its secret in the settings.")
        if code in _REGION or status in {301, 307}:
            return refused("is in another region: check the region and the endpoint in the settings.")
        if code in _CLOCK:
            return refused(
                f"refused to {action} {what}: the clock of the worker is wrong by more than it allows.", retryable=True
            )
        if code in _UNAVAILABLE or status >= 500 or status in {404, 408, 425, 429}:
            return unavailable
        if _is_cap(error):
            return refused(
                f"refused to {action} {what}: a usage cap of its account is exceeded. Raise the cap, then run again."
            )
        if status == 403:
            return refused(f"refused to {action} {what}: the worker's credentials are wrong, or do not allow it.")
        return refused(f"refused to {action} {what} ({code}).")

    def _unreadable(self, action: str, key: str, detail: str) -> StorageError:
        return StorageError(
            f"The {self.name} store could not {action} {self._what(key)}: its answer cannot be read. If this lasts, "
            "check the endpoint in the settings, and what stands between it and the worker.",
            detail=detail,
            retryable=True,
        )

    def _what(self, key: str) -> str:
        return f"'{key}' in bucket '{self.bucket}'" if key else f"bucket '{self.bucket}'"

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
    """An ETag without quotes, the mark of a weak one, and what fronts append when they compress (`-gzip`)."""
    if not etag:
        return None
    bare = re.sub(r"^w/", "", etag.strip(), flags=re.IGNORECASE).strip('"')
    bare = re.sub(r"[-;](gzip|br|zstd|deflate)$", "", bare)
    # Hex is compared without its case; other forms belong to the store alone.
    return bare.lower() if re.fullmatch(r"[0-9a-fA-F]{32}(-\d+)?", bare) else bare or None


def _recorded_sha256(answer: Any) -> str | None:
    """The `sha256` of an object's metadata, whatever the case of its name; None where it is no hex SHA-256: somebody
    else's field of that name."""
    for name, value in (answer.get("Metadata") or {}).items():
        if name.lower() == SHA256 and re.fullmatch(r"[0-9a-fA-F]{64}", value.strip()):
            digest: str = value.strip().lower()
            return digest
    return None


def _is_encoded(answer: Any) -> bool:
    """Whether something encoded the body on its way: what we upload has no Content-Encoding. R2 and others name the
    encoding of the upload (`aws-chunked`), which is none of the contents."""
    names = {name.strip().lower() for name in (answer.get("ContentEncoding") or "").split(",")}
    return bool(names - {"", "identity", "aws-chunked"})


def _announced_size(answer: Any) -> int | None:
    """The size of the object that an answer to HEAD or GET is about; None where it does not say it for certain."""
    if span := answer.get("ContentRange"):
        total = re.search(r"/\s*(\d+)\s*$", span)
        return int(total[1]) if total else None
    size, sha256 = answer.get("ContentLength"), _recorded_sha256(answer)
    if not isinstance(size, int) or size < 0 or (sha256 is not None and _is_encoded(answer)):
        return None
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:
        return None  # the length of a part, and not of what
    # A front that has not counted says 0, also of what is not empty.
    is_empty = sha256 == _SHA256_OF_NOTHING or (sha256 is None and _bare(answer.get("ETag")) == _MD5_OF_NOTHING)
    return size if size or is_empty or "Body" in answer else None


_SHA256_OF_NOTHING: Final = hashlib.sha256(b"").hexdigest()
_MD5_OF_NOTHING: Final = hashlib.md5(b"", usedforsecurity=False).hexdigest()
UNPACKED_MOST: Final = 64 * 1024 * 1024
"""Bytes that a body which was compressed on its way may become."""


def _unpacked(data: bytes, sha256: str) -> bytes:
    """The contents that a front compressed, if they are those of the recorded digest; else `data` as it came."""
    with suppress(zlib.error):
        unpacked = zlib.decompressobj(wbits=47).decompress(data, UNPACKED_MOST)
        if hashlib.sha256(unpacked).hexdigest() == sha256:
            return unpacked
    return data


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    return code if re.fullmatch(r"\w{1,64}", code) else "unknown"


def _is_page(error: ClientError) -> bool:
    """Whether the refusal is a web page: a firewall's, a proxy's, or that of a host which is no store. S3's are XML,
    from which the SDK has a code; without one it takes the status for it."""
    sent = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    return media_type(sent) in {"text/html", "application/xhtml+xml"} and _code(error) in {
        str(_status(error)),
        "unknown",
    }


def _is_cap(error: ClientError) -> bool:
    return "cap exceeded" in str(error).lower()


def _last_result(state: RetryCallState) -> Any:
    """What the last attempt gave, which had to be good enough."""
    assert state.outcome is not None
    return state.outcome.result()


def _may_pass(cause: BaseException | None) -> bool:
    """Whether a refusal may be over in a moment, and is not asked again by the SDK."""
    if not isinstance(cause, ClientError):
        return False
    status, code = _status(cause), _code(cause)
    if code in _CLOCK or _is_cap(cause):
        return False
    spreads = status in {401, 403} or code in _CREDENTIALS or code == "NoSuchBucket"
    return spreads or status in {408, 425, 429} or (status >= 500 and status not in _SDK_REPEATS | {501})


def _hint(error: Exception) -> str:
    """What may be wrong with the way to a store, where that is known."""
    if isinstance(error, SSLError):
        return " Its TLS certificate was not accepted: the CA of a proxy belongs into AWS_CA_BUNDLE."
    if isinstance(error, ProxyConnectionError):
        return " The proxy that the environment names did not let the request through: check HTTPS_PROXY."
    return " If this lasts, check the endpoint in the settings." if isinstance(error, BotoConnectionError) else ""
