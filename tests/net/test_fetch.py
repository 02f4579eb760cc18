"""Fetching over real HTTP: redirects, limits, the guard, and what of a playlist is followed."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from loopback import QuietHandler, serving

from codex_assets.errors import JobCancelled, StorageError
from codex_assets.net import download, hls_fetch
from codex_assets.net.download import Content, UnusableStatus
from codex_assets.net.hls_fetch import PartAnswer
from codex_assets.net.outward import Outward


@dataclass
class Site:
    """A web server of this machine: path -> (status, headers, body)."""

    url: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, body: str | bytes, status: int = 200, **headers: Any) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.pages[path] = (status, {"Content-Length": str(len(content)), **headers}, content)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, headers, body = site.pages.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site


def get(url: str, *, limit_bytes: int = 1000, timeout_s: float = 10, allow_private: bool = True) -> Content:
    return download.get(url, limit_bytes=limit_bytes, timeout_s=timeout_s, allow_private=allow_private)


def test_redirects_are_followed_to_where_they_lead(site: Site) -> None:
    for number in range(5):
        site.put(f"/{number}", "", 302, Location=f"/{number + 1}")
    site.put("/5", "here")
    assert get(f"{site.url}/0") == Content(f"{site.url}/5", b"here")
    site.put("/5", "", 302, Location="/6")
    with pytest.raises(StorageError, match="redirects more than 5 times"):
        get(f"{site.url}/0")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.com/", "http://user:word@example.com/"])
def test_redirects_to_what_is_not_fetched(site: Site, location: str) -> None:
    site.put("/", "", 302, Location=location)
    with pytest.raises(StorageError, match=r"^What 127\.0\.0\.1 redirects to "):
        get(f"{site.url}/")


def test_a_private_address_is_not_fetched_unless_allowed(site: Site) -> None:
    site.put("/", "here")
    with pytest.raises(StorageError, match="an address that is not public"):
        get(f"{site.url}/", allow_private=False)
    assert site.asked == []


def test_what_is_too_large_is_refused(site: Site) -> None:
    site.put("/", b"x" * 1000)
    assert len(get(f"{site.url}/").body) == 1000
    with pytest.raises(StorageError, match="larger than the 999 bytes"):
        get(f"{site.url}/", limit_bytes=999)


def test_what_breaks_off_is_no_answer(site: Site) -> None:
    site.pages["/"] = (200, {"Content-Length": "100"}, b"start")
    with pytest.raises(StorageError, match="the connection broke off"):
        get(f"{site.url}/")


def test_what_is_compressed_unasked_is_unpacked_and_measured_so(site: Site) -> None:
    site.put("/", gzip.compress(b"x" * 1000), 200, **{"Content-Encoding": "gzip"})
    assert get(f"{site.url}/").body == b"x" * 1000
    with pytest.raises(StorageError, match="larger than the 999 bytes"):
        get(f"{site.url}/", limit_bytes=999)


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, br"])
def test_what_is_packed_in_another_way_is_not_unpacked(site: Site, encoding: str) -> None:
    """Some of these make gigabytes of a few bytes before anybody can look."""
    site.put("/", b"x" * 100, 200, **{"Content-Encoding": encoding})
    with pytest.raises(StorageError, match="in a way that was not asked for"):
        get(f"{site.url}/")


def test_what_says_that_it_is_gzip_and_is_none(site: Site) -> None:
    site.put("/", b"x" * 100, 200, **{"Content-Encoding": "gzip"})
    with pytest.raises(StorageError, match="is no gzip"):
        get(f"{site.url}/")


def test_a_little_gzip_that_is_much_takes_no_more_than_is_allowed(site: Site) -> None:
    site.put("/", gzip.compress(bytes(64 << 20)), 200, **{"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(StorageError, match="larger than the 1,000 bytes"):
            get(f"{site.url}/")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("private", ["http://127.0.0.1:9/", "http://169.254.169.254/latest/", "http://[::1]/"])
def test_a_public_host_redirects_to_no_private_one(site: Site, private: str) -> None:
    """The site is the network's proxy here, by way of which a public host is reached."""
    way = Outward.of({"HTTP_PROXY": site.url}, [])
    site.put("http://public.example/film.m3u8", "", 302, Location=private)
    site.put(private, "secret")
    with pytest.raises(StorageError, match="an address that is not public"):
        download.get(
            *("http://public.example/film.m3u8",), limit_bytes=99, timeout_s=9, allow_private=True, outward=way
        )
    assert site.asked == ["http://public.example/film.m3u8"]


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (429, True), (503, True)])
def test_a_status_is_named_with_its_host(site: Site, status: int, retryable: bool) -> None:
    site.put("/a?token=secret", "", status)
    with pytest.raises(UnusableStatus, match=rf"127\.0\.0\.1 answered {status} .* for /a\.$") as caught:
        get(f"{site.url}/a?token=secret")
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


# --- hls_fetch ------------------------------------------------------------------------------------------------------


def media(*names: str) -> str:
    return "#EXTM3U\n#EXT-X-TARGETDURATION:6\n" + "".join(f"#EXTINF:6,\n{name}\n" for name in names)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_what_lies_below_is_fetched(site: Site, tmp_path: Path) -> None:
    long = "a.ts?" + "x" * 300
    names = ["a.ts", "a.ts?b=c", long, f"{site.url}/v/x/b.ts", f"{site.url}/v/c.ts", "../c.ts", "/v/x/a.ts"]
    names += ["https://example.invalid/v/x/a.ts", "%2e%2e/c.ts", "a.ts?/../../../c.ts", "gone.ts", "a.ts"]
    site.put("/v/x/playlist.m3u8", media(*names))
    for path in ("/v/x/a.ts", "/v/x/a.ts?b=c", f"/v/x/{long}", "/v/x/b.ts", "/v/c.ts", "/v/x/a.ts?/../../../c.ts"):
        site.put(path, path)
    first = hls_fetch.fetch(f"{site.url}/v/x/playlist.m3u8", tmp_path, allow_private=True).playlist
    assert first == tmp_path / "x" / "playlist.m3u8"
    fetched = files(tmp_path / "x")
    text = fetched.pop("playlist.m3u8").decode().splitlines()
    assert sorted(fetched.values()) == sorted([b"/v/x/a.ts", b"/v/x/a.ts?b=c", f"/v/x/{long}".encode(), b"/v/x/b.ts"])
    assert set(fetched) < set(text)
    assert {"a.ts", "a.ts?b=c", "../c.ts", "https://example.invalid/v/x/a.ts", f"{site.url}/v/c.ts"} < set(text)
    assert not list(tmp_path.parent.rglob("c.ts"))
    # Of the first segment a part, too.
    assert site.asked.count("/v/x/a.ts") == 2
    assert site.asked.count("/v/x/b.ts") == 1
    assert "/v/c.ts" not in site.asked


def test_variants_are_fetched_from_where_the_master_is_at_last(site: Site, tmp_path: Path) -> None:
    site.put("/play", "", 302, Location="/v/1/master.m3u8")
    site.put("/v/1/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhigh/playlist.m3u8\n")
    site.put("/v/1/high/playlist.m3u8", media("a.ts"))
    site.put("/v/1/high/a.ts", "a")
    first = hls_fetch.fetch(f"{site.url}/play", tmp_path, allow_private=True).playlist
    assert (first.parent / "high" / "a.ts").read_bytes() == b"a"


def test_what_is_no_playlist_names_nothing(site: Site, tmp_path: Path) -> None:
    site.put("/v/master.m3u8", "<html>\nnot/found\n</html>")
    first = hls_fetch.fetch(f"{site.url}/v/master.m3u8", tmp_path, allow_private=True).playlist
    assert files(tmp_path) == {"v/master.m3u8": first.read_bytes()}
    assert len(site.asked) == 1


def test_an_answer_that_says_neither_here_nor_gone_ends_it(site: Site, tmp_path: Path) -> None:
    site.put("/v/playlist.m3u8", media("a.ts"))
    site.put("/v/a.ts", "", 500)
    with pytest.raises(StorageError, match=r"answered 500 Internal Server Error for /v/a\.ts"):
        hls_fetch.fetch(f"{site.url}/v/playlist.m3u8", tmp_path, allow_private=True)


def test_too_much_in_all_ends_it(site: Site, tmp_path: Path) -> None:
    site.put("/v/playlist.m3u8", media("a.ts", "b.ts"))
    site.put("/v/a.ts", b"x" * 600)
    site.put("/v/b.ts", b"x" * 600)
    with pytest.raises(StorageError, match="more than the 1,000 bytes"):
        hls_fetch.fetch(f"{site.url}/v/playlist.m3u8", tmp_path, allow_private=True, total_bytes=1000)


def test_too_many_names_end_it(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_fetch, "NAMES", 3)
    site.put("/v/playlist.m3u8", media("a.ts", "b.ts", "c.ts"))
    with pytest.raises(StorageError, match="more than the 3 files"):
        hls_fetch.fetch(f"{site.url}/v/playlist.m3u8", tmp_path, allow_private=True)
    assert site.asked == ["/v/playlist.m3u8"]


def test_too_much_time_ends_it(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_fetch, "TOTAL_SECONDS", 0.0)
    site.put("/v/playlist.m3u8", media("a.ts"))
    with pytest.raises(StorageError, match="did not come within"):
        hls_fetch.fetch(f"{site.url}/v/playlist.m3u8", tmp_path, allow_private=True)


def test_a_cancelled_fetch_asks_nothing(site: Site, tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(JobCancelled):
        hls_fetch.fetch(f"{site.url}/v/playlist.m3u8", tmp_path, allow_private=True, cancelled=cancelled)
    assert site.asked == []


def test_what_the_server_says_of_each_file_is_kept(site: Site, tmp_path: Path) -> None:
    playlist = gzip.compress(media("a.ts", "b.ts").encode())
    site.put("/v/x/playlist.m3u8", playlist, 200, **{"Content-Encoding": "gzip", "Content-Type": "audio/mpegurl"})
    site.put("/v/x/a.ts", b"a" * 400, 200, **{"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"})
    site.put("/v/x/b.ts", "", 302, Location="/v/x/c.ts")
    site.put("/v/x/c.ts", b"c")
    fetched = hls_fetch.fetch(f"{site.url}/v/x/playlist.m3u8", tmp_path, allow_private=True)
    first, second, top = fetched.files
    assert (top.name, top.is_first, top.content_encoding, top.content_type) == (
        *("playlist.m3u8", True, "gzip", "audio/mpegurl"),
    )
    assert top.size == len(media("a.ts", "b.ts"))
    assert (first.name, first.size, first.cache_control, first.allow_origin) == ("a.ts", 400, "no-store", "*")
    assert first.part == PartAnswer(200, 400)
    assert (second.redirects, second.part, second.is_tls) == (1, None, False)
