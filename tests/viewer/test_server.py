"""What the viewer's server answers, and whom: ranges of objects of one media, to pages of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import s3_server
import small_film
from viewer_site import viewing

from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import REFUSED, RefusedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, Stores
from codex_assets.storage.s3 import S3Store
from codex_assets.verification.judge import RULES
from codex_assets.viewer import stored_bytes
from codex_assets.viewer.check_categories import CATEGORIES, OTHER, category_of
from codex_assets.viewer.guard import HEADERS
from codex_assets.viewer.shown_keys import is_shown
from codex_assets.viewer.stored_bytes import ByteRange

UPLOAD = small_film.MEDIA.input_key


@dataclass(frozen=True)
class Site:
    """A viewer of one published film, and of one refused upload."""

    url: str
    stores: Stores

    def object(self, role: str, key: str, **headers: str) -> requests.Response:
        address = f"{self.url}/media/m1/objects/{role}/{key}"
        return requests.get(
            address, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=20
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("viewer")
    stores = small_film.stores_at(folder / "stores")
    RecordStore(stores.archive).put("m1", "media", small_film.MEDIA)
    job = small_film.Job(folder, stores, "first")
    job.switch()
    stores.archive.write(UPLOAD, b"<script>alert(1)</script>", content_type="text/html")
    stores.archive.write("originals/c1/m2/original", b"of another media", content_type="video/mp4")
    refusal = RefusedRecord(
        media=MediaRecord(
            media_id="m3",
            creator_id="c1",
            media_type="video",
            input_role="archive",
            input_key="originals/c1/m3/original",
        ),
        code="source_not_media",
        sentence="It is </script><script>alert(1)</script>, no film.",
        refused_at="2026-01-01T00:00:00+00:00",
    )
    RecordStore(stores.archive).put("m3", REFUSED, refusal)
    with viewing(stores, folder) as url:
        yield Site(url, stores)


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, ByteRange(0, 10)),
        ("bytes=0-3", ByteRange(0, 4)),
        ("bytes=4-", ByteRange(4, 10)),
        ("bytes=4-99", ByteRange(4, 10)),
        ("bytes=-3", ByteRange(7, 10)),
        ("bytes=-30", ByteRange(0, 10)),
        ("bytes=9-9", ByteRange(9, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        # Not one range: all of it is a right answer to these.
        ("bytes=0-1,4-5", ByteRange(0, 10)),
        ("bytes=5-4", ByteRange(0, 10)),
        ("bytes=-", ByteRange(0, 10)),
        ("lines=0-1", ByteRange(0, 10)),
    ],
)
def test_a_range_header_means_these_bytes(asked: str | None, span: ByteRange | None) -> None:
    assert stored_bytes.span_of(asked, 10) == span


def test_an_object_is_answered_in_ranges(site: Site) -> None:
    whole = site.stores.media.read(small_film.MASTER)
    answer = site.object("media", small_film.MASTER)
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    part = site.object("media", small_film.MASTER, Range="bytes=2-5")
    assert (part.status_code, part.content) == (206, whole[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole)}"
    assert site.object("media", small_film.MASTER, Range="bytes=999-").status_code == 416


def test_objects_of_no_other_media_are_answered(site: Site) -> None:
    assert site.object("archive", UPLOAD).status_code == 200
    for role, key in [
        ("archive", "originals/c1/m2/original"),
        ("archive", keys.record("m1", "media")),
        ("media", keys.lease("m1")),
        ("assets", UPLOAD),
        ("elsewhere", UPLOAD),
        ("archive", "originals/c1/m1/../m2/original"),
        ("archive", "originals/c1/m1/%2e%2e/m2/original"),
    ]:
        answer = site.object(role, key)
        assert answer.status_code in (404, 502), (role, key)
        assert b"of another media" not in answer.content


def test_an_upload_is_never_taken_for_a_page(site: Site) -> None:
    answer = site.object("archive", UPLOAD)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_others_wrote_stays_inside_its_element(site: Site) -> None:
    page = requests.get(f"{site.url}/media/m3", timeout=20)
    assert page.status_code == 200
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.text, re.DOTALL)
    assert json.loads(inside)["refusal"]["sentence"] == "It is </script><script>alert(1)</script>, no film."
    assert page.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert "unsafe-inline" not in re.findall(r"script-src [^;]*", page.headers["Content-Security-Policy"])[0]


def test_a_foreign_host_is_refused(site: Site) -> None:
    """A name that leads to 127.0.0.1 would let a page of any site read everything."""
    for host in ("viewer.example.com", "127.0.0.1.example.com", "10.0.0.7:8338", ""):
        assert requests.get(site.url, headers={"Host": host}, timeout=20).status_code == 400, host
    port = site.url.rpartition(":")[2]
    assert requests.get(site.url, headers={"Host": f"localhost:{port}"}, timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("site_of_page", "mode", "destination", "status"),
    [
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
        # A link of Dagster's page, which is another origin of the same machine.
        ("same-site", "navigate", "document", 200),
        ("cross-site", "navigate", "document", 200),
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "script", 403),
        ("same-site", "cors", "empty", 403),
    ],
)
def test_other_sites_may_link_and_nothing_else(
    site: Site, site_of_page: str, mode: str, destination: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site_of_page, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
    assert requests.get(f"{site.url}/media/m1", headers=headers, timeout=20).status_code == status


def test_it_listens_on_this_machine_alone(site: Site) -> None:
    assert site.url.startswith("http://127.0.0.1:")


def test_what_is_not_there_is_said(site: Site) -> None:
    for media_id in ("nobody", "not%20an%20id"):
        page = requests.get(f"{site.url}/media/{media_id}", timeout=20)
        assert page.status_code == 404
        assert "is registered in this store" in page.text
    measured = requests.get(f"{site.url}/media/nobody/measured", timeout=20)
    assert (measured.status_code, measured.json()["code"]) == (404, "input_not_found")


def test_the_sheet_says_what_the_records_say(site: Site) -> None:
    sheet = requests.get(f"{site.url}/media/m1/sheet", timeout=20).json()
    assert sheet["webhook"]["output"]["readyVariants"] == ["720p"]
    assert sheet["play"]["hls_master"] == f"/media/m1/objects/media/{small_film.MASTER}"
    assert sheet["outputs"]["hls_1080p"]["reason"] == "never upscaled"
    assert sheet["state"] == "stale"
    assert sheet["upload"]["size"] == 25
    rows = {row["id"]: row for row in requests.get(f"{site.url}/rows", timeout=20).json()}
    assert (rows["m1"]["state"], rows["m3"]["state"], rows["m3"]["error"]) == ("stale", "refused", "source_not_media")


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_a_range_is_read_from_every_store(kind: str, tmp_path: Path) -> None:
    def read(store: ObjectStore) -> None:
        store.write("c/hls/m/segment_00000.ts", bytes(range(256)), content_type="video/mp2t")
        assert store.read_range("c/hls/m/segment_00000.ts", 10, 14) == bytes([10, 11, 12, 13])

    if kind == "directory":
        read(DirectoryStore(tmp_path, "media", "media"))
    else:
        with s3_server.s3_server() as endpoint:
            read(S3Store(s3_server.location(endpoint, s3_server.bucket(endpoint), role="media", versioned=False)))


def test_keys_of_a_media_are_shown() -> None:
    assert is_shown(small_film.MEDIA, "archive", UPLOAD)
    assert is_shown(small_film.MEDIA, "assets", small_film.THUMBNAIL)
    assert not is_shown(small_film.MEDIA, "media", "c1/hls/m10/master.m3u8")


def test_every_rule_has_a_heading() -> None:
    assert {category_of(rule) for rule in RULES} == set(CATEGORIES) - {OTHER}
    assert category_of("a_rule_of_an_earlier_release") == OTHER
