"""R2 and B2 by the S3 protocol: a store whose objects are what was sent.

An upload is finished only when the store was asked what it holds and that is what was sent: length, ETag where it has a
form that can be computed from the file, and the `sha256` in the object's metadata. The protocol, and which errors a
store may raise, are in `objects.py`. Beside this file: `s3_client.py` (the SDK's set-up), `s3_requests.py` (repeating),
`s3_failures.py` (what refusals mean), `s3_answers.py` (forms of answers), `s3_parts.py` and `s3_reading.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage import etags
from codex_assets.storage.deadlines import LEAST_RATE, LeastRate
from codex_assets.storage.etags import bare_etag, differs, md5_of
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import (
    SHA256,
    OnBytes,
    Role,
    StoredObject,
    UnfinishedUpload,
    appearing,
    file_sha256,
    local_file,
    missing,
    other_contents,
    overtaken,
    require_digest,
    require_key,
    require_unchanged,
)
from codex_assets.storage.s3_answers import is_denied
from codex_assets.storage.s3_conditions import ConditionTrial
from codex_assets.storage.s3_failures import is_precondition
from codex_assets.storage.s3_parts import PART_SIZE, UploadInParts
from codex_assets.storage.s3_reading import Reader
from codex_assets.storage.s3_requests import ATTEMPTS, Requests


class S3Store:
    """A bucket of R2, B2 or another S3-compatible store."""

    def __init__(
        self,
        location: S3Location,
        *,
        part_size: int = PART_SIZE,
        attempts: int = ATTEMPTS,
        pauses: tuple[float, ...] | None = None,
        rate: LeastRate = LEAST_RATE,
    ) -> None:
        """`part_size` in bytes: S3 accepts 5 MiB at least. `attempts`: tries of one request, the first included; with
        1 nothing is asked twice, and `pauses` (`s3_requests.PAUSES_SECONDS`) do not matter.
        `rate`: what a transfer may take at most."""
        self._location = location
        self._part_size = part_size
        self._requests = Requests(location, attempts, pauses, rate)
        self._reader = Reader(self._requests, part_size)

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
            upload = UploadInParts(self._requests, path, key, headers, digest, self._part_size, on_bytes)
            return self._confirmed(key, size, digest, upload.run(size))
        require_unchanged(hashlib.sha256(data).hexdigest(), digest, key)
        return self._put(key, data, headers, digest, on_bytes)

    def write(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> StoredObject:
        require_key(key)
        digest = hashlib.sha256(data).hexdigest()
        return self._put(key, data, _headers(content_type, cache_control, digest), digest, None)

    def write_if(
        self,
        key: str,
        data: bytes,
        current: StoredObject | None,
        *,
        content_type: str,
        cache_control: str | None = None,
    ) -> StoredObject:
        require_key(key)
        if current is not None and current.etag is None:
            raise StorageError(
                f"The {self.name} store does not say the ETag of '{key}' in bucket '{self.bucket}', without which two "
                "runs cannot be kept from writing it at once.",
                retryable=False,
            )
        digest = hashlib.sha256(data).hexdigest()
        headers = _headers(content_type, cache_control, digest)
        headers |= {"IfNoneMatch": "*"} if current is None else {"IfMatch": f'"{current.etag}"'}
        try:
            self._requests.ask(
                "write",
                key,
                lambda: self._requests.client().put_object(Bucket=self.bucket, Key=key, Body=data, **headers),
                len(data),
            )
        except (MissingInput, StorageError) as error:
            if not is_precondition(error.__cause__):
                raise
            # What is asked again after an answer that was lost is refused, because it was done.
            there = self.head(key)
            if there is None or there.sha256 != digest:
                raise overtaken(self, key) from None
        try:
            return self._confirmed(key, len(data), digest, md5_of(data).hex())
        except StorageError:
            there = self.head(key)
            if there is not None and there.sha256 not in (digest, None):
                # Somebody has replaced it since.
                raise overtaken(self, key) from None
            raise

    def download(
        self, key: str, path: Path, *, version: str | None = None, on_bytes: OnBytes | None = None
    ) -> StoredObject:
        reported = _Reported(on_bytes)
        return self._requests.read_again(lambda: self._download(key, path, version, reported))

    def _download(self, key: str, path: Path, version: str | None, reported: _Reported) -> StoredObject:
        # Whoever downloads expects the object to be there: only the last look is believed that it is not.
        stored_object = self._requests.look_until(
            lambda: self.head(key, version=version), lambda seen: seen is not None
        )
        if stored_object is None:
            # HEAD has no body that could tell a missing bucket from a missing object.
            self.check()
            raise missing(self, key)
        reported.begin()
        with appearing(path) as file:
            digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
            with closing(self._reader.ranges(stored_object, version)) as ranges:
                for body in ranges:
                    with local_file("write"):
                        file.write(body.data)
                    digest.update(body.data)
                    md5.update(body.data)
                    stored_object = replace(stored_object, etag=stored_object.etag or body.etag)
                    reported(len(body.data))
            with local_file("write"):
                file.flush()
            if stored_object.sha256:
                require_digest(stored_object, digest.hexdigest(), self)
            elif differs(stored_object.etag, md5.hexdigest()):
                raise other_contents(self, key, f"ETag {stored_object.etag}, MD5 {md5.hexdigest()}")
            else:
                self._require_parts(stored_object, Path(file.name), version)
        return replace(stored_object, sha256=digest.hexdigest())

    def _require_parts(self, stored_object: StoredObject, path: Path, version: str | None) -> None:
        """Raises `OtherContents` if the ETag of an object that went up in parts is not that of the file.

        Which parts somebody else sent is known from the store alone; where it does not say it, nothing is compared.
        """
        size, parts = stored_object.size, etags.parts_of(stored_object.etag)
        if not parts or not size:
            return

        def is_of(part_sizes: Sequence[int]) -> bool:
            with local_file("read"):
                return etags.of_file_in_parts(path, part_sizes) == stored_object.etag

        first = size if parts == 1 else self._reader.part_size(stored_object, 1, version)
        if first is None or is_of(etags.equal_parts(size, first)):
            return
        others = (self._reader.part_size(stored_object, number, version) for number in range(2, parts + 1))
        part_sizes = [first, *(other for other in others if other is not None)]
        if len(part_sizes) == parts and sum(part_sizes) == size and not is_of(part_sizes):
            raise other_contents(self, stored_object.key, f"ETag {stored_object.etag} is not that of these parts")

    def read(self, key: str) -> bytes:
        require_key(key)
        return self._requests.read_again(lambda: self._read(key))

    def _read(self, key: str) -> bytes:
        body = self._requests.ask_for_small(key, lambda: self._reader.body(key))
        if is_denied(body.data, body.sha256, body.etag):
            recorded = body.sha256 or body.etag
            raise other_contents(self, key, f"recorded {recorded}, got {len(body.data)} bytes of other contents")
        return body.data

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        require_key(key)
        span = f"bytes={start}-{stop - 1}"
        return self._requests.ask("read", key, lambda: self._reader.body(key, span), stop - start).data

    def head(self, key: str, *, version: str | None = None) -> StoredObject | None:
        require_key(key)
        return self._requests.ask("look up", key, lambda: self._reader.look_up(key, version))

    def etag_denies(self, stored_object: StoredObject, path: Path) -> bool:
        with local_file("read"):
            size = path.stat().st_size
            match etags.parts_of(stored_object.etag):
                case None:
                    return False
                case 0:
                    return stored_object.etag != etags.of_file(path)
                case parts:
                    ours = etags.equal_parts(size, etags.part_size_for(size, self._part_size))
                    # Parts of another size are those of another release, and which ones is not known.
                    return parts == len(ours) and stored_object.etag != etags.of_file_in_parts(path, ours)

    def delete_version(self, key: str, version: str) -> None:
        require_key(key)
        with suppress(MissingInput):
            self._delete_version(key, version)

    def drop_former_versions(self, key: str) -> None:
        """Does nothing: the bucket's lifecycle rule removes them, a week after they were replaced."""

    def delete(self, key: str) -> None:
        # One request per object: DeleteObjects always carries a checksum header, which not every store accepts.
        require_key(key)
        if not self._location.versioned:
            with suppress(MissingInput):
                self._requests.ask(
                    "delete", key, lambda: self._requests.client().delete_object(Bucket=self.bucket, Key=key)
                )
            return
        # Without a version a delete only hides the object, and it is billed for ever.
        for version in self._requests.ask("delete", key, lambda: list(self._versions(key))):
            with suppress(MissingInput):
                self._delete_version(key, version)

    @property
    def is_paged(self) -> bool:
        return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        following: dict[str, Any] = {"StartAfter": after} if after else {}
        while True:
            page = self._requests.ask("list", prefix, lambda: self._reader.page(prefix, following))  # noqa: B023 - called at once
            with self._requests.failures.translated("list", prefix):
                objects = [
                    StoredObject(
                        key=entry["Key"],
                        size=entry["Size"],
                        etag=bare_etag(entry.get("ETag")),
                        modified=entry.get("LastModified"),
                    )
                    for entry in page.get("Contents", [])
                    # A store that knows no StartAfter begins at the beginning.
                    if entry["Key"] > after
                ]
            yield from objects
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == following.get("ContinuationToken"):
                # A listing that ends too soon would make what follows look as if it were not there.
                raise self._requests.failures.unreadable(
                    "list", prefix, "a listing says that it goes on, and not where"
                )
            following = {"ContinuationToken": token}

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        if not self._location.versioned:
            yield from self.list(prefix)
            return
        yield from self._requests.ask("list", prefix, lambda: list(self._versions_below(prefix)))

    def unfinished_uploads(self) -> Iterator[UnfinishedUpload]:
        pages = self._requests.ask(
            "list",
            "",
            lambda: list(self._requests.client().get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)),
        )
        for page in pages:
            for upload in page.get("Uploads", []):
                if upload.get("UploadId") and upload.get("Key") and upload.get("Initiated"):
                    yield UnfinishedUpload(upload["UploadId"], upload["Initiated"], upload["Key"])

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        key = upload.key or ""
        with suppress(MissingInput):
            self._requests.ask(
                "delete",
                key,
                lambda: self._requests.client().abort_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload.upload_id
                ),
            )

    def require_conditions(self) -> None:
        ConditionTrial(self._requests).run()

    def check(self) -> None:
        # A listing, not HEAD of the bucket: its errors have a body, and it needs a permission that the worker needs.
        self._requests.ask("list", "", lambda: self._reader.page("", {"MaxKeys": 1}))

    def _put(
        self, key: str, data: bytes, headers: dict[str, Any], sha256: str, on_bytes: OnBytes | None
    ) -> StoredObject:
        self._requests.ask(
            "write",
            key,
            lambda: self._requests.client().put_object(Bucket=self.bucket, Key=key, Body=data, **headers),
            len(data),
        )
        if on_bytes:
            on_bytes(len(data))
        return self._confirmed(key, len(data), sha256, md5_of(data).hex())

    def _confirmed(self, key: str, size: int, sha256: str, etag: str) -> StoredObject:
        def denial(stored_object: StoredObject | None) -> str | None:
            if stored_object is None:
                return "it is not there"
            if stored_object.size != size:
                return f"it is {stored_object.size} bytes long instead of {size}"
            if stored_object.sha256 not in (sha256, None) or (
                stored_object.sha256 is None and differs(stored_object.etag, etag)
            ):
                return "its recorded SHA-256 is another one or missing"
            if differs(stored_object.etag, etag):
                return "its ETag is that of other contents"
            return None

        stored_object = self._requests.look_until(lambda: self.head(key), lambda seen: denial(seen) is None)
        if (reason := denial(stored_object)) is not None or stored_object is None:
            raise self._requests.failures.not_as_sent(key, reason or "it is not there")
        if stored_object.sha256 is None:
            raise StorageError(
                f"The {self.name} store does not give back the metadata of '{key}' in bucket '{self.bucket}': what "
                "stands before it has to let x-amz-meta headers through.",
                retryable=False,
            )
        return stored_object

    def _delete_version(self, key: str, version: str) -> None:
        self._requests.ask(
            "delete",
            key,
            lambda: self._requests.client().delete_object(Bucket=self.bucket, Key=key, VersionId=version),
        )

    def _versions_below(self, prefix: str) -> Iterator[StoredObject]:
        """Every version and delete marker of all keys with a prefix."""
        pages = self._requests.client().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
            for version in page.get("Versions", []):
                yield StoredObject(
                    key=version["Key"],
                    size=version["Size"],
                    etag=bare_etag(version.get("ETag")),
                    modified=version.get("LastModified"),
                    version=version["VersionId"],
                )
            for marker in page.get("DeleteMarkers", []):
                yield StoredObject(
                    marker["Key"], size=0, modified=marker.get("LastModified"), version=marker["VersionId"]
                )

    def _versions(self, key: str) -> Iterator[str]:
        """Ids of every version and delete marker of exactly `key`."""
        pages = self._requests.client().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.bucket, Prefix=key):
            versions = [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
            markers = [(m["Key"], m["VersionId"]) for m in page.get("DeleteMarkers", [])]
            for versioned_key, version in versions + markers:
                if versioned_key == key:
                    yield version
            if any(versioned_key != key for versioned_key, _ in versions + markers):
                return  # keys come in order, and `key` itself is the first that starts with it


def _headers(content_type: str, cache_control: str | None, sha256: str) -> dict[str, Any]:
    headers: dict[str, Any] = {"ContentType": content_type, "Metadata": {SHA256: sha256}}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    return headers


class _Reported:
    """Bytes of a transfer that may begin anew: those that were reported before are not reported again."""

    def __init__(self, on_bytes: OnBytes | None) -> None:
        self._on_bytes = on_bytes
        self._most = self._now = 0

    def begin(self) -> None:
        """From the first byte."""
        self._now = 0

    def __call__(self, count: int) -> None:
        self._now += count
        if self._on_bytes and self._now > self._most:
            self._on_bytes(self._now - self._most)
        self._most = max(self._most, self._now)
