"""How a large file goes up: in parts, several at a time, and without parts that stay when it fails."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError

from codex_assets.storage import deadlines
from codex_assets.storage.etags import bare_etag, differs, md5_of, of_parts, part_size_for
from codex_assets.storage.objects import OnBytes, local_file, require_unchanged
from codex_assets.storage.s3_failures import code_of
from codex_assets.storage.s3_requests import Requests

PART_SIZE: Final = 16 * 1024 * 1024
"""Bytes: a larger file goes up in parts of this size, and comes down in ranges of it."""
PART_THREADS: Final = 6
"""Parts of one file in flight; one more is held in memory while it waits."""

_log = logging.getLogger(__name__)

_Parts: TypeAlias = list[tuple[str, bytes]]  # of an upload, in order: the store's ETag, our MD5


@dataclass(frozen=True)
class UploadInParts:
    """One file on its way to `key`. `part_size` in bytes, `sha256` of the whole file, `headers` for the SDK."""

    requests: Requests
    path: Path
    key: str
    headers: dict[str, Any]
    sha256: str
    part_size: int
    on_bytes: OnBytes | None = None

    def run(self, size: int) -> str:
        """Send the file of `size` bytes, and answer the ETag that the object must have.

        Raises `StorageError`, and `InternalError` for a file that is not the announced one any more; no part stays.
        """
        client = self.requests.client()
        upload_id = self.requests.ask(
            "write",
            self.key,
            lambda: client.create_multipart_upload(Bucket=self.requests.bucket, Key=self.key, **self.headers)[
                "UploadId"
            ],
        )
        try:
            parts, sent = self._send_parts(part_size_for(size, self.part_size), upload_id)
            # The last look before the key changes hands: the file must still be the one that was announced.
            require_unchanged(sent, self.sha256, self.key)
            self._complete(upload_id, parts, size)
        except BaseException:
            # Parts of an upload that is never completed are billed, and no listing shows them.
            try:
                with deadlines.within(deadlines.AFTERWARDS_SECONDS):
                    client.abort_multipart_upload(Bucket=self.requests.bucket, Key=self.key, UploadId=upload_id)
            except Exception as error:  # noqa: BLE001 - whatever it is, the upload failed for another reason
                _log.warning(
                    "parts of %s were left in bucket %s: %s",
                    self.key,
                    self.requests.bucket,
                    self.requests.failures.without_keys(error),
                )
            raise
        return of_parts(md5 for _, md5 in parts)

    def _send_parts(self, part_size: int, upload_id: str) -> tuple[_Parts, str]:
        """The parts, and the SHA-256 of all that was read.

        The file is read in order here and sent by threads, so that the pass that sends it also gives the digest.
        """
        whole = hashlib.sha256()
        parts: _Parts = []
        waiting: deque[tuple[Future[str], bytes, int]] = deque()

        def settle() -> None:
            sent, md5, length = waiting.popleft()
            parts.append((sent.result(), md5))
            if self.on_bytes:
                self.on_bytes(length)

        with local_file("read"):
            file = self.path.open("rb")
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
                    md5 = md5_of(data)
                    sending = threads.submit(self._send_part, data, md5, upload_id, number)
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

    def _send_part(self, data: bytes, md5: bytes, upload_id: str, number: int) -> str:
        """Send one part, counted from 1; its ETag, quoted, as the store wants it back."""
        answer = self.requests.ask(
            "write",
            self.key,
            lambda: self.requests.client().upload_part(
                Bucket=self.requests.bucket, Key=self.key, UploadId=upload_id, PartNumber=number, Body=data
            ),
            len(data),
        )
        # A front that leaves the ETag out, or weakens it, does not change what the store will ask for: the part's MD5.
        etag = bare_etag(answer.get("ETag")) or md5.hex()
        if differs(etag, md5.hex()):
            raise self.requests.failures.not_as_sent(self.key, f"part {number} arrived with other contents")
        return f'"{etag}"'

    def _complete(self, upload_id: str, parts: _Parts, size: int) -> None:
        numbered = [{"PartNumber": number, "ETag": etag} for number, (etag, _) in enumerate(parts, start=1)]

        def complete() -> None:
            try:
                self.requests.client().complete_multipart_upload(
                    Bucket=self.requests.bucket,
                    Key=self.key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": numbered},  # type: ignore[typeddict-item]
                )
            except ClientError as error:
                # The SDK repeats a request whose answer was lost; the second one finds the upload completed and gone.
                # What the store then holds is looked at in any case.
                if code_of(error) != "NoSuchUpload":
                    raise

        # Some stores put the object together before they answer.
        self.requests.ask("write", self.key, complete, size)
