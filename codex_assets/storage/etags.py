"""ETags: which forms they have, how they follow from an object's bytes, and which contents they deny.

A store makes them of the bytes that it holds, so they show damage that the SHA-256 in an object's metadata cannot: that
is what the uploader wrote. An ETag is the MD5 of the contents, or that of the MD5s of its parts (`-3` behind it: three
parts), or of a form that only its store understands, which says nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

PARTS_MOST: Final = 9000
"""Parts of one upload at most; S3 allows 10,000. Larger files get larger parts."""
STEP_BYTES: Final = 1024 * 1024
"""Read of a file at a time."""

_FORM: Final = re.compile(r"[0-9a-f]{32}(?:-([0-9]{1,5}))?")


def md5_of(data: bytes) -> bytes:
    """The 16 bytes of the MD5, which S3's ETags are made of."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def bare_etag(etag: str | None) -> str | None:
    """An ETag without quotes, the mark of a weak one, and what fronts append when they compress (`-gzip`)."""
    if not etag:
        return None
    bare = re.sub(r"^w/", "", etag.strip(), flags=re.IGNORECASE).strip('"')
    bare = re.sub(r"[-;](gzip|br|zstd|deflate)$", "", bare)
    # Hex is compared without its case; other forms belong to the store alone.
    return bare.lower() if _FORM.fullmatch(bare.lower()) else bare or None


def differs(etag: str | None, expected: str | None) -> bool:
    """Whether an ETag denies the contents that have the expected one. In another form, or of another number of parts,
    it says nothing."""
    if etag is None or expected is None or not (_FORM.fullmatch(etag) and _FORM.fullmatch(expected)):
        return False
    return parts_of(etag) == parts_of(expected) and etag != expected


def parts_of(etag: str | None) -> int | None:
    """How many parts an object went up in; 0 for one that went up whole, None where the ETag does not say it."""
    form = _FORM.fullmatch(etag or "")
    return int(form[1] or 0) if form else None


def of_parts(md5s: Iterable[bytes]) -> str:
    """The ETag that S3 gives to an object of parts with these MD5s."""
    digests = list(md5s)
    return f"{md5_of(b''.join(digests)).hex()}-{len(digests)}"


def part_size_for(size: int, part_size: int) -> int:
    """How large the parts of a file of `size` bytes are when they are to be of `part_size`."""
    return max(part_size, math.ceil(size / PARTS_MOST))


def of_file(path: Path) -> str:
    """The ETag of a file that went up whole. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def of_file_in_parts(path: Path, part_sizes: Iterable[int]) -> str:
    """The ETag of a file that went up in parts of these sizes, in order. Raises OSError."""
    with path.open("rb") as file:
        return of_parts(_md5_of_next(file, length) for length in part_sizes)


def _md5_of_next(file: BinaryIO, length: int) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while length > 0 and (data := file.read(min(length, STEP_BYTES))):
        digest.update(data)
        length -= len(data)
    return digest.digest()


def equal_parts(size: int, part_size: int) -> list[int]:
    """The sizes of the parts of a file when all but the last are of `part_size`."""
    return [min(part_size, size - start) for start in range(0, size, part_size)]
