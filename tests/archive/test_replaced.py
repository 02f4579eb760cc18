"""What a switch replaced stays for a while, is told apart from what is played, and goes then."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codex_assets.archive import replaced
from codex_assets.archive.leases import Claim, Leases
from codex_assets.archive.records import MediaRecord, StoredFile, VariantRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.errors import StorageError
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores

MEDIA = MediaRecord(
    media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="originals/c1/m1/original"
)
PLAYLIST = keys.variant_playlist("c1", "m1", "video", "720p")
FOLDER = keys.folder(PLAYLIST)
OLD, NEW = "0123456789ab", "ba9876543210"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(*(DirectoryStore(tmp_path, role, role) for role in ("archive", "media", "assets")))


@pytest.fixture
def records(stores: Stores) -> RecordStore:
    return RecordStore(stores.archive)


def put(stores: Stores, *of_store: str) -> set[str]:
    for key in of_store:
        stores.media.write(key, os.urandom(4), content_type="video/mp2t")
    return set(of_store)


def segments(version: str | None, count: int = 3) -> list[str]:
    return [keys.segment(PLAYLIST, index, version) for index in range(count)]


def record(records: RecordStore, *named: str) -> None:
    """The record of the variant that is published."""
    files = tuple(StoredFile(role="media", key=key, size=4, sha256="0" * 64) for key in named)
    head = {"media_id": "m1", "media_type": "video", "output": "hls_720p", "code_version": "x", "data_version": "x"}
    records.put("m1", "hls_720p", VariantRecord(**head, variant="720p", playlist_key=PLAYLIST, files=files))  # type: ignore[arg-type]


def noted(records: RecordStore) -> dict[str, str]:
    known = records.get("m1", REPLACED, ReplacedRecord)
    return {each.prefix: each.since for each in known.objects} if known is not None else {}


def left(stores: Stores) -> set[str]:
    return {listed.key for listed in stores.media.list("") if not listed.key.startswith(keys.LEASES_ROOT)}


def prune(stores: Stores, records: RecordStore, grace: timedelta, now: datetime) -> tuple[str, ...]:
    with Leases(stores, "a").of("m1", Claim("a")) as lease:
        return replaced.prune(stores, records, MEDIA, grace, now, lease)


@pytest.mark.parametrize("former", [OLD, None], ids=["versioned", "of the first releases"])
def test_the_former_version_stays_for_a_day(former: str | None, stores: Stores, records: RecordStore) -> None:
    old, new = put(stores, *segments(former, 5)), put(stores, PLAYLIST, *segments(NEW))
    record(records, *new)
    prefixes = replaced.unnamed(stores.media, FOLDER, new)
    replaced.note(records, "m1", prefixes, new, NOW)
    assert list(noted(records)) == [f"{FOLDER}{former}/" if former else f"{FOLDER}segment_"]

    assert prune(stores, records, DAY, NOW + DAY - timedelta(minutes=1)) == ()
    assert left(stores) == old | new
    assert set(prune(stores, records, DAY, NOW + DAY)) == old
    assert left(stores) == new
    assert noted(records) == {}
    assert prune(stores, records, DAY, NOW + DAY) == ()


def test_what_was_noted_keeps_its_time(stores: Stores, records: RecordStore) -> None:
    put(stores, *segments(OLD))
    new = put(stores, PLAYLIST, *segments(NEW))
    for hours in (0, 5):
        prefixes = replaced.unnamed(stores.media, FOLDER, new)
        replaced.note(records, "m1", prefixes, new, NOW + timedelta(hours=hours))
    assert noted(records) == {f"{FOLDER}{OLD}/": "2026-05-04T12:00:00.000+00:00"}


def test_a_version_that_is_published_again_is_not_replaced_any_more(stores: Stores, records: RecordStore) -> None:
    old, new = put(stores, *segments(OLD)), put(stores, PLAYLIST, *segments(NEW))
    replaced.note(records, "m1", replaced.unnamed(stores.media, FOLDER, new), new, NOW)
    # The same encoder as before: the same bytes, and so the same folder.
    current = {PLAYLIST, *old}
    record(records, *current)
    replaced.note(records, "m1", replaced.unnamed(stores.media, FOLDER, current), current, NOW + 2 * DAY)
    assert noted(records) == {f"{FOLDER}{NEW}/": "2026-05-06T12:00:00.000+00:00"}
    assert prune(stores, records, DAY, NOW + 2 * DAY) == ()
    assert old <= left(stores)


def test_what_a_record_names_is_never_deleted(stores: Stores, records: RecordStore) -> None:
    """Whatever the note says: it may be older than the record, or wrong."""
    old = put(stores, PLAYLIST, *segments(OLD))
    record(records, *old)
    replaced.note(records, "m1", {f"{FOLDER}{OLD}/", FOLDER}, (), NOW)
    assert prune(stores, records, DAY, NOW + DAY) == ()
    assert left(stores) == old


@pytest.mark.parametrize("prefix", ["", "c1/hls/", "c1/hls/m10/", "c2/hls/m1/720p/", "c1/hls-audio/m1/"])
def test_nothing_outside_the_media_is_deleted(prefix: str, stores: Stores, records: RecordStore) -> None:
    others = put(stores, "c1/hls/m10/master.m3u8", "c2/hls/m1/720p/playlist.m3u8", "c1/hls-audio/m1/master.m3u8")
    replaced.note(records, "m1", {prefix}, (), NOW)
    assert prune(stores, records, DAY, NOW + DAY) == ()
    assert left(stores) == others


def test_nothing_is_deleted_beside_a_record_that_cannot_be_read(stores: Stores, records: RecordStore) -> None:
    old = put(stores, *segments(OLD))
    replaced.note(records, "m1", {f"{FOLDER}{OLD}/"}, (), NOW)
    stores.archive.write(keys.record("m1", "hls_480p"), b"{", content_type="application/json")
    with pytest.raises(UnreadableRecord):
        prune(stores, records, DAY, NOW + DAY)
    assert left(stores) == old
    assert noted(records)


def test_playlists_go_before_their_segments(tmp_path: Path, records: RecordStore) -> None:
    deleted: list[str] = []

    class Diary(DirectoryStore):
        def delete(self, key: str) -> None:
            deleted.append(key)
            super().delete(key)

    media = Diary(tmp_path, "media", "media")
    stores = Stores(DirectoryStore(tmp_path, "archive", "archive"), media, DirectoryStore(tmp_path, "assets", "assets"))
    put(stores, PLAYLIST, *segments(OLD))
    replaced.note(records, "m1", {FOLDER}, (), NOW)
    prune(stores, records, DAY, NOW + DAY)
    assert deleted[0] == PLAYLIST
    assert len(deleted) == 4


def test_a_store_that_fails_leaves_the_note(tmp_path: Path, stores: Stores, records: RecordStore) -> None:
    class Failing(DirectoryStore):
        def delete(self, key: str) -> None:
            raise StorageError("The media store could not delete it.", retryable=True)

    put(stores, *segments(OLD))
    replaced.note(records, "m1", {f"{FOLDER}{OLD}/"}, (), NOW)
    failing = Stores(stores.archive, Failing(tmp_path, "media", "media"), stores.assets)
    with pytest.raises(StorageError):
        prune(failing, records, DAY, NOW + DAY)
    assert noted(records)
    assert len(prune(stores, records, DAY, NOW + DAY)) == 3
