"""A published HLS folder, from a URL to this machine, laid out so that it can be judged as a local one is.

In: which of a playlist's lines are fetched, under which names they lie, how much may come, and what servers said of
each file. Out: one GET (`download.py`), what must be true of what came (`verification/judge.py`).

Fetched is what plain lines name: relative URIs that do not lead up, and absolute ones below the first playlist's
folder. Everything else, and what the server says is not there, stays missing for the rules to see. What tags name
(`URI="..."`) is not fetched: no rule looks at it.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urljoin, urlsplit

from codex_assets.errors import JobCancelled, StorageError
from codex_assets.net.download import Content, UnusableStatus, get
from codex_assets.net.outward import Outward

TOTAL_BYTES = 2 << 30
"""Most bytes of one folder."""
TOTAL_SECONDS = 30 * 60.0
"""Longest time for one folder, however slowly it comes."""
NAMES = 20_000
"""Most files of one folder."""
PLAYLIST_BYTES = 8 << 20
SEGMENT_BYTES = 256 << 20
"""A segment is held in memory while it comes."""
PLAYLIST_SECONDS, SEGMENT_SECONDS = 30.0, 60.0
THREADS = 8
MISSING = {403, 404, 410}
"""Answers that say that something is not there. 403 is what S3 says to those who may not list."""
NAME_BYTES, PATH_BYTES = 200, 1000
"""Longer names cannot be trusted to be file names."""


ORIGIN = "https://example.com"
"""The site whose page is said to ask: servers name whom they allow only when a site asks."""
GZIP = MappingProxyType({"Accept-Encoding": "gzip"})
RANGE_BYTES = 188
"""Asked for of a segment, to see whether a part can be had: one packet of MPEG-TS."""


@dataclass(frozen=True)
class PartAnswer:
    """What a server answered when the first `RANGE_BYTES` of a file were asked for."""

    status: int
    size: int = 0
    content_range: str | None = None


@dataclass(frozen=True)
class FetchedFile:
    """A file that came, and what its server said of it. `name` is its path below the first playlist's folder.

    `is_first`: the playlist whose URL was given. `redirects`: how many led to it. `size`: bytes, unpacked; a playlist
    is asked for with gzip. `part` is None where no part was asked for. Of headers that were not there, None.
    """

    name: str
    is_playlist: bool
    is_first: bool
    is_tls: bool
    redirects: int
    size: int
    content_type: str | None = None
    content_length: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    allow_origin: str | None = None
    part: PartAnswer | None = None


@dataclass(frozen=True)
class FetchedHls:
    """The first playlist on this machine, and every file that came, in the order of their names."""

    playlist: Path
    files: tuple[FetchedFile, ...]


@dataclass(frozen=True)
class _Wanted:
    url: str
    path: Path
    is_first_segment: bool = False


def fetch(
    url: str,
    folder: Path,
    *,
    allow_private: bool,
    cancelled: threading.Event | None = None,
    total_bytes: int = TOTAL_BYTES,
    outward: Outward | None = None,
) -> FetchedHls:
    """Download a master with its variants and their segments, or a media playlist with its segments.

    What is no playlist lies there alone, as it came. Raises StorageError for a playlist that cannot be had, an answer
    that says neither here nor gone, and too much; JobCancelled.
    """
    return _Fetch(folder, allow_private, cancelled or threading.Event(), total_bytes, outward).run(url)


class _Fetch:
    def __init__(
        self,
        folder: Path,
        allow_private: bool,
        cancelled: threading.Event,
        total_bytes: int,
        outward: Outward | None,
    ) -> None:
        self._folder, self._outward = folder, outward
        self._allow_private = allow_private
        self._cancelled = cancelled
        self._total = self._left = total_bytes
        self._ends = time.monotonic() + TOTAL_SECONDS
        self._lock = threading.Lock()
        self._taken: set[Path] = set()
        self._prefixes: tuple[str, ...] = ()
        self._first = folder
        self._files: list[FetchedFile] = []

    def run(self, url: str) -> FetchedHls:
        """Fetch everything."""
        playlist = self._get(url, PLAYLIST_BYTES, PLAYLIST_SECONDS, GZIP)
        # Whoever types a private host may reach it; a public one may lead to no private one.
        self._allow_private = self._allow_private and not playlist.is_public
        parts = [_plain(unquote(part)) for part in urlsplit(url).path.split("/") if part]
        # The folder's name is what a media playlist is called by.
        name = parts.pop() if parts else "master.m3u8"
        first = self._folder / (parts.pop() if parts else "hls") / name
        self._first = first
        self._taken.add(first)
        self._keep(first, playlist, is_playlist=True)
        self._prefixes = tuple({urljoin(start, ".").rstrip("/") + "/" for start in (url, playlist.url)})
        text = playlist.body.decode("utf-8", "replace")
        wanted = self._write_playlist(first, playlist)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as pool:
            if "#EXT-X-STREAM-INF" in text:
                wanted = [segment for segments in pool.map(self._variant, wanted) for segment in segments]
            for _ in pool.map(self._segment, wanted):
                pass
        return FetchedHls(first, tuple(sorted(self._files, key=lambda file: file.name)))

    def _variant(self, wanted: _Wanted) -> list[_Wanted]:
        """Fetch a media playlist; the segments that it names. None for one that the server does not have."""
        try:
            playlist = self._get(wanted.url, PLAYLIST_BYTES, PLAYLIST_SECONDS, GZIP)
        except UnusableStatus as error:
            if error.status not in MISSING:
                raise
            return []
        self._keep(wanted.path, playlist, is_playlist=True)
        if b"#EXT-X-STREAM-INF" in playlist.body:
            # A master in the place of a variant: a rule reports it.
            _write(wanted.path, playlist.body)
            return []
        return self._write_playlist(wanted.path, playlist)

    def _segment(self, wanted: _Wanted) -> None:
        try:
            segment = self._get(wanted.url, SEGMENT_BYTES, SEGMENT_SECONDS)
        except UnusableStatus as error:
            if error.status not in MISSING:
                raise
            return
        part = self._part(wanted.url, len(segment.body)) if wanted.is_first_segment else None
        self._keep(wanted.path, segment, is_playlist=False, part=part)
        _write(wanted.path, segment.body)

    def _part(self, url: str, size: int) -> PartAnswer:
        """What the server answers to the first bytes of a segment of `size` bytes: those, or all of it."""
        try:
            answer = self._get(url, max(size, RANGE_BYTES), SEGMENT_SECONDS, {"Range": f"bytes=0-{RANGE_BYTES - 1}"})
        except UnusableStatus as error:
            return PartAnswer(error.status)
        return PartAnswer(answer.status, len(answer.body), answer.headers.get("Content-Range"))

    def _keep(self, path: Path, content: Content, *, is_playlist: bool, part: PartAnswer | None = None) -> None:
        """Remember what the server said of a file."""
        headers = content.headers
        file = FetchedFile(
            path.relative_to(self._first.parent).as_posix(),
            is_playlist=is_playlist,
            is_first=path == self._first,
            is_tls=content.url.lower().startswith("https:"),
            redirects=content.redirects,
            size=len(content.body),
            content_type=headers.get("Content-Type"),
            content_length=headers.get("Content-Length"),
            content_encoding=headers.get("Content-Encoding"),
            cache_control=headers.get("Cache-Control"),
            allow_origin=headers.get("Access-Control-Allow-Origin"),
            part=part,
        )
        with self._lock:
            self._files.append(file)

    def _get(self, url: str, limit: int, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> Content:
        if self._cancelled.is_set():
            raise JobCancelled
        left = self._ends - time.monotonic()
        if left <= 0:
            raise StorageError(
                f"What the playlist names did not come within {TOTAL_SECONDS / 60:.0f} minutes;"
                " download it, or check one variant's playlist alone.",
                retryable=False,
            )
        content = get(
            url,
            limit_bytes=limit,
            timeout_s=min(seconds, left),
            allow_private=self._allow_private,
            outward=self._outward,
            headers={"Origin": ORIGIN, **headers},
        )
        with self._lock:
            self._left -= len(content.body)
            if self._left < 0:
                raise StorageError(
                    f"What the playlist names is more than the {self._total:,} bytes that are fetched to be checked;"
                    " download it, or check one variant's playlist alone.",
                    retryable=False,
                )
        return content

    def _write_playlist(self, path: Path, playlist: Content) -> list[_Wanted]:
        """Write a playlist; what it names and is still to be fetched.

        It is kept as it came, byte for byte, but for URIs that can be no file's name.
        """
        lines = playlist.body.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        wanted: list[_Wanted] = []
        if lines and lines[0].strip() == "#EXTM3U":
            for number, line in enumerate(lines):
                uri = line.strip()
                if not uri or uri.startswith("#"):
                    continue
                link = self._link(playlist.url, uri)
                name = _file_name(uri) if link is not None or "://" not in uri else uri
                lines[number] = line.replace(uri, name)
                here = path.parent / name
                if link is not None and self._claim(here):
                    wanted.append(_Wanted(link, here, is_first_segment=not wanted))
        _write(path, "".join(lines).encode("utf-8", "surrogateescape"))
        return wanted

    def _claim(self, path: Path) -> bool:
        with self._lock:
            if path in self._taken:
                return False
            if len(self._taken) >= NAMES:
                raise StorageError(
                    f"The playlists name more than the {NAMES:,} files that are fetched to be checked;"
                    " check one variant's playlist alone.",
                    retryable=False,
                )
            self._taken.add(path)
            return True

    def _link(self, base: str, uri: str) -> str | None:
        """Where a URI of a playlist leads, or None where it is not followed."""
        try:
            parts = urlsplit(uri)
            # The query too: all of the URI is a path here.
            way = [*uri.split("/"), *unquote(parts.path).replace("\\", "/").split("/")]
            if ".." in way or not parts.path or any("\udc80" <= letter <= "\udcff" for letter in uri):
                return None
            if parts.scheme or parts.netloc:
                return uri if uri.startswith(self._prefixes) else None
            return None if uri.startswith("/") else urljoin(base, uri)
        except ValueError:
            return None


def _file_name(uri: str) -> str:
    """The path that a URI is kept under: itself, unless no file can have it. Never a plain name where it was none.

    `https://host/a.ts` becomes `https:/host/a.ts`: a path below the playlist's folder.
    """
    name = uri.replace("://", ":/")
    sizes = [len(part.encode("utf-8", "replace")) for part in name.split("/")]
    if max(sizes) <= NAME_BYTES and sum(sizes) <= PATH_BYTES and name.isprintable():
        return name
    last = _plain(uri.partition("?")[0].rpartition("/")[2])[-60:]
    return f"{hashlib.sha256(uri.encode('utf-8', 'replace')).hexdigest()[:16]}~{last}"


def _plain(name: str) -> str:
    """A part of a URL's path as the name of a file or folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-100:] or "_"


def _write(path: Path, content: bytes) -> None:
    # A name that is a file here and a folder there can be no file: it stays missing.
    with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise
        except OSError as error:
            raise StorageError(f"This machine could not keep what was fetched: {error.strerror}.") from None
