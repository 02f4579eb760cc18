"""Which forms a store's answer may have, and what is read from it: sizes, the SHA-256, compressed bodies.

Answers come through fronts (proxies, CDNs, firewalls) that write header names in another case, leave headers out,
compress. Not here: ETags (`etags.py`), refusals (`s3_failures.py`), and how an answer is asked for.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from codex_assets.storage.etags import bare_etag, differs, md5_of
from codex_assets.storage.objects import SHA256

_SHA256_OF_NOTHING: Final = hashlib.sha256(b"").hexdigest()
_MD5_OF_NOTHING: Final = hashlib.md5(b"", usedforsecurity=False).hexdigest()
UNPACKED_BYTES: Final = 64 * 1024 * 1024
"""Most bytes that a body which was compressed on its way may become."""


def recorded_sha256(answer: Any) -> str | None:
    """The `sha256` of an object's metadata, whatever the case of its name; None where it is no hex SHA-256: somebody
    else's field of that name."""
    for name, value in (answer.get("Metadata") or {}).items():
        if name.lower() == SHA256 and re.fullmatch(r"[0-9a-fA-F]{64}", value.strip()):
            digest: str = value.strip().lower()
            return digest
    return None


def answered_at(answer: Any) -> datetime | None:
    """When an answer was given, by the clock of whoever gave it; None where it does not say."""
    said = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders", {}).get("date", "")
    with suppress(ValueError):
        return parsedate_to_datetime(said)
    return None


def is_encoded(answer: Any) -> bool:
    """Whether something encoded the body on its way: what we upload has no Content-Encoding. R2 and others name the
    encoding of the upload (`aws-chunked`), which is none of the contents."""
    names = {name.strip().lower() for name in (answer.get("ContentEncoding") or "").split(",")}
    return bool(names - {"", "identity", "aws-chunked"})


def announced_size(answer: Any) -> int | None:
    """The size of the object that an answer to HEAD or GET is about; None where it does not say it for certain."""
    if span := answer.get("ContentRange"):
        total = re.search(r"/\s*(\d+)\s*$", span)
        return int(total[1]) if total else None
    size, sha256 = answer.get("ContentLength"), recorded_sha256(answer)
    if not isinstance(size, int) or size < 0 or (sha256 is not None and is_encoded(answer)):
        return None
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:
        return None  # the length of a part, and not of the object
    # A front that has not counted says 0, also of what is not empty.
    is_empty = sha256 == _SHA256_OF_NOTHING or (sha256 is None and bare_etag(answer.get("ETag")) == _MD5_OF_NOTHING)
    return size if size or is_empty or "Body" in answer else None


def is_denied(data: bytes, sha256: str | None, etag: str | None) -> bool:
    """Whether the recorded SHA-256 denies that these are an object's contents; where none is recorded, its ETag."""
    if sha256 is not None:
        return hashlib.sha256(data).hexdigest() != sha256
    return differs(etag, md5_of(data).hex())


def unpacked(data: bytes, sha256: str | None, etag: str | None) -> bytes:
    """The contents that a front compressed, if they are those of the recorded digests; else `data` as it came."""
    with suppress(zlib.error):
        contents = zlib.decompressobj(wbits=47).decompress(data, UNPACKED_BYTES)
        if not is_denied(contents, sha256, etag):
            return contents
    return data
