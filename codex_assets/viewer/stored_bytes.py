"""One object of a store as an answer over HTTP, whole or a range of it, read as it is sent.

In: which range is meant, and under which type an object is handed over: an upload is a stranger's file, and no browser
shall take it for a page. Out: which objects are shown at all (`shown_keys.py`).
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse

from codex_assets.storage.objects import ObjectStore, media_type, missing

CHUNK = 1 << 20
"""Bytes that are read at a time: a segment of the lower rungs, or a second of the upper ones."""
_PLAYLIST = "application/vnd.apple.mpegurl"
_BY_SUFFIX = {".m3u8": _PLAYLIST, ".ts": "video/mp2t", ".mov": "video/mp4", ".m4a": "audio/mp4"}
_SAFE = re.compile(
    r"(?:video|audio)/[\w.+-]+|image/(?:jpeg|png|webp|gif|avif)|application/(?:json|vnd\.apple\.mpegurl)"
)


@dataclass(frozen=True)
class ByteRange:
    """From the byte `start` to before `stop`."""

    start: int
    stop: int


def answer(store: ObjectStore, key: str, asked: str | None) -> Response:
    """The object, or the range of it that a Range header asks for. Raises `MissingInput` and `StorageError`."""
    stored = store.head(key)
    if stored is None:
        raise missing(store, key)
    headers = {
        "Accept-Ranges": "bytes",
        # Whoever opens it by itself gets a file and no page.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-cache",
    }
    if stored.etag or stored.sha256:
        headers["ETag"] = f'"{stored.etag or stored.sha256}"'
    span = span_of(asked, stored.size)
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{stored.size}"})
    is_part = span != ByteRange(0, stored.size)
    headers["Content-Length"] = str(span.stop - span.start)
    if is_part:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{stored.size}"
    return StreamingResponse(
        _chunks(store, key, span),
        status_code=206 if is_part else 200,
        media_type=served_type(key, stored.content_type),
        headers=headers,
    )


def span_of(asked: str | None, size: int) -> ByteRange | None:
    """What a Range header means for so many bytes: all of them without one, or for one that names no single range; None
    where no byte of it exists."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (asked or "").replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return ByteRange(0, size)
    if match[1] == "":
        length = int(match[2])
        return ByteRange(max(0, size - length), size) if length and size else None
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return ByteRange(0, size)
    return ByteRange(start, min(int(match[2]) + 1, size) if match[2] else size) if start < size else None


def served_type(key: str, stored_type: str | None) -> str:
    """The Content-Type of an object here: what the store says, if that is a medium, else by the key's suffix."""
    suffix = "." + key.rpartition(".")[2].lower()
    by_name = _BY_SUFFIX.get(suffix) or mimetypes.types_map.get(suffix)
    said = media_type(stored_type) if stored_type else None
    kinds = (by_name, said) if suffix in _BY_SUFFIX else (said, by_name)
    return next((kind for kind in kinds if kind and _SAFE.fullmatch(kind)), "application/octet-stream")


def _chunks(store: ObjectStore, key: str, span: ByteRange) -> Iterator[bytes]:
    for start in range(span.start, span.stop, CHUNK):
        yield store.read_range(key, start, min(start + CHUNK, span.stop))
