"""How objects are looked up and read: HEAD, GET where HEAD does not say enough, listings, ranges, broken bodies."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError as BodyError

from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage.etags import bare_etag
from codex_assets.storage.objects import OtherContents, StoredObject
from codex_assets.storage.s3_answers import (
    announced_size,
    answered_at,
    is_denied,
    is_encoded,
    recorded_sha256,
    unpacked,
)
from codex_assets.storage.s3_failures import BodyBroke, code_of, is_page, status_of
from codex_assets.storage.s3_requests import Requests

RANGE_THREADS: Final = 6
"""Ranges of one object in flight; one more is held in memory while it waits."""
BODY_ATTEMPTS: Final = 4
"""Tries of a download whose body breaks off: the SDK retries requests, not bodies that it has begun to hand over."""


@dataclass(frozen=True)
class Body:
    """What a GET brought: the bytes, and what was said of the object that they are of."""

    data: bytes
    etag: str | None
    sha256: str | None
    size: int | None = None
    """Of all of the object; None where it was not said."""


class Reader:
    """Reads one bucket, in ranges of `part_size` bytes."""

    def __init__(self, requests: Requests, part_size: int) -> None:
        self._requests = requests
        self._failures = requests.failures
        self._part_size = part_size

    def look_up(self, key: str, version: str | None = None) -> StoredObject | None:
        """What HEAD says of an object (or a version of it), and GET where HEAD does not say enough. Raises the SDK's
        errors."""
        answer: Any
        try:
            answer = self._requests.client().head_object(Bucket=self._requests.bucket, Key=key, **_of(version))
        except ClientError as error:
            if status_of(error) == 404:
                return None
            if status_of(error) in {408, 425, 429} or status_of(error) >= 500:
                raise
            # HEAD's refusals have no body: B2's cap, a wrong key and a front that forbids HEAD all look the same.
            answer = self._first_byte(key, version)
            if answer is None:
                return None
        sha256, size = recorded_sha256(answer), announced_size(answer)
        if size is None:
            size = self._size(key, version)
        return StoredObject(
            key=key,
            size=size,
            sha256=sha256,
            etag=bare_etag(answer.get("ETag")),
            content_type=answer.get("ContentType"),
            cache_control=answer.get("CacheControl"),
            modified=answer.get("LastModified"),
            asked_at=answered_at(answer),
            # A bucket that keeps one version calls it "null", if anything.
            version=None if answer.get("VersionId") in (None, "", "null") else answer["VersionId"],
        )

    def _first_byte(self, key: str, version: str | None = None) -> Any:
        """The answer to a GET of one byte; None when it says that there is no object. Raises the SDK's errors."""
        named: dict[str, Any] = {"Bucket": self._requests.bucket, "Key": key, **_of(version)}
        try:
            answer = self._requests.client().get_object(**named, Range="bytes=0-0")
        except ClientError as error:
            if code_of(error) == "InvalidRange" or status_of(error) == 416:
                answer = self._requests.client().get_object(**named)  # it is empty
            elif status_of(error) == 404 and code_of(error) != "NoSuchBucket" and not is_page(error):
                return None
            else:
                raise
        answer["Body"].close()
        return answer

    def _size(self, key: str, version: str | None = None) -> int:
        """The size of an object whose HEAD does not say it: from a range's total, else from the listing."""
        answer = self._first_byte(key, version)
        size = None if answer is None else announced_size(answer)
        if size is None:
            page = self.page(key, {"MaxKeys": 1})
            # `key` itself is the first of all that begin with it.
            sizes = [entry["Size"] for entry in page.get("Contents", []) if entry["Key"] == key]
            if not sizes:
                raise self._failures.unreadable("look up", key, "neither HEAD nor GET nor a listing says its size")
            size = sizes[0]
        return size

    def page(self, prefix: str, more: dict[str, Any]) -> Any:
        """One page of the listing below `prefix`, as the SDK gives it; `more`: further parameters of the request.

        Raises the SDK's errors, and `StorageError` for what is no listing.
        """
        page = self._requests.client().list_objects_v2(Bucket=self._requests.bucket, Prefix=prefix, **more)
        if not {"Name", "KeyCount", "IsTruncated", "Contents", "MaxKeys"} & page.keys():
            # A page of a front, well-formed and with a 200, would otherwise be an empty bucket.
            raise self._failures.unreadable("list", prefix, "no listing")
        return page

    def ranges(self, stored_object: StoredObject, version: str | None = None) -> Generator[Body, None, None]:
        """The bytes of an object (of that version, or the current one) in order, fetched a few ranges ahead.

        Raises `OtherContents` where they are not those of the object that was looked up.
        """

        def fetch(span: str | None) -> Body:
            size = min(self._part_size, stored_object.size)
            return self._requests.ask(
                "read", stored_object.key, lambda: self.body(stored_object.key, span, version), size
            )

        if stored_object.size <= self._part_size:
            yield self._range(stored_object, fetch(None), stored_object.size)
            return

        starts = iter(range(0, stored_object.size, self._part_size))
        waiting: deque[tuple[Future[Body], int]] = deque()
        with ThreadPoolExecutor(RANGE_THREADS, thread_name_prefix="range") as threads:
            try:
                while True:
                    for start in starts:
                        stop = min(start + self._part_size, stored_object.size)
                        waiting.append((threads.submit(fetch, f"bytes={start}-{stop - 1}"), stop - start))
                        if len(waiting) > RANGE_THREADS:
                            break
                    if not waiting:
                        return
                    task, length = waiting.popleft()
                    body = task.result()
                    if stored_object.etag is None:
                        # The next range must be of the same object.
                        stored_object = replace(stored_object, etag=body.etag)
                    yield self._range(stored_object, body, length)
            finally:
                for task, _ in waiting:
                    task.cancel()

    def _range(self, stored_object: StoredObject, body: Body, length: int) -> Body:
        """`body`, if it is `length` bytes of the object; raises `OtherContents` otherwise."""
        place = f"'{stored_object.key}' in bucket '{self._requests.bucket}' of the {self._failures.name} store"
        if stored_object.etag and body.etag and body.etag != stored_object.etag:
            raise OtherContents(f"The object {place} changed while it was read.")
        # HEAD may say fewer bytes than there are, and every range of these would be whole.
        if len(body.data) != length or body.size not in (None, stored_object.size):
            raise OtherContents(
                f"The object {place} has another size than the store said, or changed while it was read.",
                detail=f"looked up {stored_object.size}, read {body.size}, {len(body.data)} bytes of {length}",
            )
        return body

    def part_size(self, stored_object: StoredObject, number: int, version: str | None = None) -> int | None:
        """The bytes of one of the parts (from 1) that an object was uploaded in; None where the store does not say."""
        named: dict[str, Any] = {"Bucket": self._requests.bucket, "Key": stored_object.key, **_of(version)}
        try:
            answer = self._requests.ask(
                "look up", stored_object.key, lambda: self._requests.client().head_object(**named, PartNumber=number)
            )
        except (StorageError, MissingInput):
            return None
        size = answer.get("ContentLength")
        # A store that does not know parts gives the length of all.
        return size if isinstance(size, int) and 0 < size < stored_object.size else None

    @retry(
        retry=retry_if_exception_type(BodyBroke),
        stop=stop_after_attempt(BODY_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    def body(self, key: str, span: str | None = None, version: str | None = None) -> Body:
        """The bytes of an object (or of a version), or of the range `span` (as the header says it: `bytes=0-99`).

        Raises the SDK's errors, `BodyBroke`, and `StorageError` for a store that ignores ranges.
        """
        ranged: dict[str, Any] = _of(version) | ({"Range": span} if span else {})
        answer: Any = self._requests.client().get_object(Bucket=self._requests.bucket, Key=key, **ranged)
        with closing(answer["Body"]) as body:
            if span and answer["ResponseMetadata"]["HTTPStatusCode"] == 200:
                raise StorageError(
                    f"The {self._failures.name} store answers a request for a part of '{key}' in bucket "
                    f"'{self._requests.bucket}' with all of it: what stands before it has to let the "
                    "Range header through.",
                    retryable=False,
                )
            try:
                data = body.read()
            except (BotoCoreError, BodyError, OSError) as error:
                raise BodyBroke(f"the body broke off: {error}") from error
        sha256, etag = recorded_sha256(answer), bare_etag(answer.get("ETag"))
        if not span and is_encoded(answer) and is_denied(data, sha256, etag):
            data = unpacked(data, sha256, etag)
        return Body(data, etag, sha256, announced_size(answer) if span else len(data))


def _of(version: str | None) -> dict[str, Any]:
    """The parameter of a request that asks for one version."""
    return {} if version is None else {"VersionId": version}
