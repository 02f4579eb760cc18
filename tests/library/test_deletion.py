"""A media that is deleted: nothing of it is left in any store, no version either, and nothing of any other is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import s3_server
from commands import call
from dagster._core.test_utils import create_run_for_test
from small_film import MASTER, MEDIA, MEZZANINE, Job, stores_at
from sqlalchemy import MetaData, select

from codex_assets.archive import history, refused, undelivered
from codex_assets.archive.history import JobRecord
from codex_assets.archive.leases import Claim, Leases
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.archive.undelivered import UndeliveredRecord
from codex_assets.defs import partitions, records_import
from codex_assets.errors import MediaBusy, StorageError
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.deletion import Deletion, DeletionVerdict, MediaDeletion
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, Stores
from codex_assets.storage.s3 import S3Store

ELSEWHERE = "uploads/c1/summer.mov"
NEIGHBOUR = MediaRecord(
    media_id="m10", creator_id="c1", media_type="video", input_role="archive", input_key="originals/c1/m10/original"
)


def furnish(folder: Path, stores: Stores) -> None:
    """A film that was published twice, of which another upload was refused and a webhook waits; and a neighbour."""
    for name in ("one", "two"):
        Job(folder, stores, name, grace=timedelta(hours=24)).switch()
    records = RecordStore(stores.archive)
    write = {"content_type": "application/octet-stream"}
    stores.archive.write(MEDIA.input_key, b"an original", **write)
    stores.media.write(ELSEWHERE, b"another original", **write)
    last = MEDIA.model_copy(update={"input_role": "media", "input_key": ELSEWHERE})
    refusal = RefusedRecord(media=last, code="source_not_media", sentence="No.", refused_at="2026-01-01T00:00:00+00:00")
    records.put("m1", refused.REFUSED, refusal)
    records.put("m1", undelivered.UNDELIVERED, UndeliveredRecord(media_id="m1"))
    history.keep(records, job_of("c0"))
    # Of an earlier creator, and a public copy of the preview.
    stores.media.write("c0/hls-audio/m1/64k/playlist.m3u8", b"#EXTM3U", **write)
    stores.assets.write("c1/hls/m1/preview/preview.m3u8", b"#EXTM3U", **write)
    # Neighbours: ids that begin alike, and other media of the same creator.
    records.put("m10", "media", NEIGHBOUR)
    for store, key in (
        (stores.archive, NEIGHBOUR.input_key),
        (stores.archive, "mezzanine/c1/m10/mezzanine.mp4"),
        (stores.media, "c1/hls/m10/master.m3u8"),
        (stores.media, "leases/m10.json"),
        (stores.assets, "c1/thumbnails/media/m10/auto-generated.jpg"),
        (stores.assets, "c2/thumbnails/media/m/auto-generated.jpg"),
    ):
        store.write(key, b"a neighbour", **write)


def job_of(creator_id: str) -> JobRecord:
    now = datetime.now(UTC).isoformat()
    return JobRecord(
        id="job-1",
        media_id="m1",
        creator_id=creator_id,
        media_type="audio",
        asked=("mezzanine",),
        started_at=now,
        finished_at=now,
        outcome="completed",
    )


def everything(stores: Stores) -> set[tuple[str, str]]:
    return {(store.name, stored.key) for store in all_of(stores) for stored in store.versions("")}


def all_of(stores: Stores) -> tuple[ObjectStore, ...]:
    return stores.archive, stores.media, stores.assets


def is_of_the_film(key: str) -> bool:
    return "m1" in key.replace(".json", "").split("/") or key == ELSEWHERE


def delete(stores: Stores, folder: Path, *, really: bool = True, **more: Any) -> MediaDeletion:
    catalogue = Catalogue(folder / "index.sqlite", stores.archive)
    catalogue.refresh()
    (result,) = Deletion(stores, catalogue, threading.Event(), really=really, **more).run(["m1"])
    return result


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


def s3_stores(endpoint: str) -> Stores:
    return Stores(
        *(
            S3Store(
                s3_server.location(
                    endpoint,
                    s3_server.bucket(endpoint, versioned=role == "archive"),
                    role=role,
                    versioned=role == "archive",
                )
            )
            for role in ("archive", "media", "assets")
        )
    )


def test_nothing_of_it_is_left_in_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "stores"
    stores = stores_at(root)
    furnish(tmp_path, stores)
    before = everything(stores)
    film = {place for place in before if is_of_the_film(place[1])}

    planned = delete(stores, tmp_path, really=False)
    assert planned.verdict is DeletionVerdict.WOULD_DELETE
    assert {(each.role, each.key) for each in planned.objects} == film
    assert everything(stores) == before

    result = delete(stores, tmp_path)
    assert (result.verdict, result.forgotten) == (DeletionVerdict.DELETED, ("index",)), result.message
    assert {(each.role, each.key) for each in result.objects} == film
    assert everything(stores) == before - film
    # Nor in what the store keeps beside the objects.
    left = [path for path in root.rglob("*") if "m1" in path.name.replace(".json", "").split("/")]
    assert left == []
    catalogue = Catalogue(tmp_path / "index.sqlite", stores.archive)
    assert [media_id for media_id, _, _ in catalogue.verdicts()] == ["m10"]
    assert catalogue.refused() == []
    assert delete(stores, tmp_path).verdict is DeletionVerdict.UNKNOWN


@pytest.mark.slow
def test_nothing_of_it_is_left_in_s3_and_no_former_version(endpoint: str, tmp_path: Path) -> None:
    stores = s3_stores(endpoint)
    furnish(tmp_path, stores)
    client = s3_server.client(endpoint)
    archive = stores.archive.bucket
    # Contents that are hidden, and an upload that was begun: no listing of objects shows them.
    client.put_object(Bucket=archive, Key="originals/c1/m1/original.old", Body=b"an older original")
    client.delete_object(Bucket=archive, Key="originals/c1/m1/original.old")
    client.create_multipart_upload(Bucket=archive, Key=MEZZANINE)
    client.create_multipart_upload(Bucket=archive, Key="mezzanine/c1/m10/mezzanine.mp4")

    def versions() -> list[tuple[str, str]]:
        return [
            (store.bucket, each["Key"])
            for store in all_of(stores)
            for page in client.get_paginator("list_object_versions").paginate(Bucket=store.bucket)
            for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]

    before = versions()
    film = [place for place in before if is_of_the_film(place[1])]
    assert len(film) > len(set(film)), "records and mezzanine have former versions"
    planned = delete(stores, tmp_path, really=False)
    assert sorted((each.bucket, each.key) for each in planned.objects) == sorted(film)
    assert versions() == before

    result = delete(stores, tmp_path)
    assert result.verdict is DeletionVerdict.DELETED, result.message
    assert sorted(versions()) == sorted(place for place in before if place not in film)
    uploads = client.list_multipart_uploads(Bucket=archive).get("Uploads", [])
    assert [upload["Key"] for upload in uploads] == ["mezzanine/c1/m10/mezzanine.mp4"]


class Breaking(DirectoryStore):
    """A store that stops deleting after so many deletes of all stores."""

    left: list[int]

    def delete(self, key: str) -> None:
        if self.left[0] <= 0:
            raise StorageError(f"The store refused to delete '{key}'.", retryable=True)
        self.left[0] -= 1
        super().delete(key)


@pytest.mark.slow
def test_a_deletion_that_breaks_off_anywhere_is_finished_by_running_it_again(tmp_path: Path) -> None:
    deletes = 0
    while True:
        folder = tmp_path / str(deletes)
        folder.mkdir()
        whole = stores_at(folder / "stores")
        furnish(folder, whole)
        breaking = [Breaking(folder / "stores", store.name, store.bucket) for store in all_of(whole)]
        for store in breaking:
            store.left = breaking[0].left if store is not breaking[0] else [deletes]
        broken = delete(Stores(*breaking), folder)
        if broken.verdict is DeletionVerdict.DELETED:
            break
        assert broken.verdict is DeletionVerdict.UNCHECKED
        assert delete(whole, folder).verdict is DeletionVerdict.DELETED
        assert not any(is_of_the_film(key) for _, key in everything(whole)), deletes
        # Two of many are enough once what is at both ends was broken.
        deletes += 1 if deletes < 4 else 3
    assert deletes > 12


def test_what_viewers_open_first_goes_first_and_the_records_last(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "stores")
    furnish(tmp_path, stores)
    gone: list[str] = []
    for store in all_of(stores):
        remove = store.delete

        def delete_and_note(key: str, remove: Any = remove) -> None:
            gone.append(key)
            remove(key)

        store.delete = delete_and_note  # type: ignore[method-assign]
    assert delete(stores, tmp_path).verdict is DeletionVerdict.DELETED
    assert gone[0] == MASTER
    assert gone[-2:] == ["records/m1/media.json", "leases/m1.json"]
    segments = [place for place, key in enumerate(gone) if key.endswith(".ts")]
    playlists = [place for place, key in enumerate(gone) if key.endswith(".m3u8")]
    assert max(playlists) < min(segments)


def test_a_media_that_a_job_is_at_work_on_is_left_alone(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "stores")
    furnish(tmp_path, stores)
    before = everything(stores)
    with Leases(stores, "job-3").of("m1", Claim("job-3", datetime.now(UTC))):
        result = delete(stores, tmp_path)
    assert result.verdict is DeletionVerdict.BUSY
    assert everything(stores) == before


def test_no_job_gets_the_media_before_it_is_gone(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "stores")
    furnish(tmp_path, stores)
    newer = Claim("job-3", datetime.now(UTC) + timedelta(hours=1), waits=timedelta(0))
    refusals: list[str] = []

    def forget(media_id: str) -> bool:
        with pytest.raises(MediaBusy), Leases(stores, "job-3").of(media_id, newer):
            pass
        refusals.append(media_id)
        return True

    assert delete(stores, tmp_path, forget=forget).verdict is DeletionVerdict.DELETED
    assert refusals == ["m1"]
    # And after that it is free.
    with Leases(stores, "job-3").of("m1", newer):
        pass


def test_an_original_that_another_media_was_made_from_stays(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "stores")
    furnish(tmp_path, stores)
    also = NEIGHBOUR.model_copy(update={"input_role": "media", "input_key": ELSEWHERE})
    RecordStore(stores.archive).put("m10", "media", also)
    result = delete(stores, tmp_path)
    assert result.verdict is DeletionVerdict.DELETED
    assert result.kept == (f"'{ELSEWHERE}' stays: media m10 was made from it, too",)
    assert stores.media.head(ELSEWHERE) is not None


def test_records_that_cannot_be_read_do_not_say_whose_it_is(tmp_path: Path) -> None:
    """Then its objects would stay, and nobody would know of them any more."""
    stores = stores_at(tmp_path / "stores")
    furnish(tmp_path, stores)
    for name in RecordStore(stores.archive).names("m1"):
        stores.archive.write(keys.record("m1", name), b"{", content_type="application/json")
    before = everything(stores)
    result = delete(stores, tmp_path)
    assert (result.verdict, "--creator" in result.message) == (DeletionVerdict.UNKNOWN, True)
    assert everything(stores) == before
    assert delete(stores, tmp_path, creators=("c1",)).verdict is DeletionVerdict.DELETED
    assert not any(is_of_the_film(key) for _, key in everything(stores) if key != ELSEWHERE and "/c0/" not in f"/{key}")


def test_the_command(tmp_path: Path) -> None:
    root = tmp_path / "stores"
    Job(tmp_path, Stores(*local(root)), "one").switch()
    planned = call("delete", "m1", store=root)
    assert planned.code == 1
    assert "would delete" in planned.out
    assert "--yes" in planned.err
    named = call("delete", "m1", "--list", "--json", store=root)
    places = [(each["store"], each["bucket"], each["key"]) for each in named.json["media"][0]["objects"]]
    assert ("media", "codex-media-local", MASTER) in places
    receipt = call("delete", "m1", "--yes", "--json", store=root)
    assert (receipt.code, receipt.json["deleted"]) == (0, 1)
    went, announced = receipt.json["media"][0]["objects"], named.json["media"][0]["objects"]
    assert [each["key"] for each in went] == [each["key"] for each in announced]
    again = call("delete", "m1", "--yes", "--json", store=root)
    assert (again.code, again.json["media"][0]["verdict"]) == (2, "unknown")
    assert call("list", "--json", store=root).json == []
    # What nothing on record names any more: who says whose it is finds it.
    DirectoryStore(root, "media", "codex-media-local").write(MASTER, b"#EXTM3U", content_type="text/plain")
    found_again = call("delete", "m1", "--creator", "c1", "--yes", "--json", store=root)
    assert (found_again.code, [each["key"] for each in found_again.json["media"][0]["objects"]]) == (
        0,
        [MASTER, keys.lease("m1")],
    )
    assert call("delete", "../m1", store=root).code == 2


def local(root: Path) -> Iterator[DirectoryStore]:
    for role, bucket in (
        ("archive", "codex-archive"),
        ("media", "codex-media-local"),
        ("assets", "codex-assets-local"),
    ):
        yield DirectoryStore(root, role, bucket)  # type: ignore[arg-type]


def rows_about(instance: dg.DagsterInstance, media_id: str) -> list[tuple[str, str]]:
    """Every row of Dagster's databases that names a media, with its table."""
    named = []
    connections = (
        instance.event_log_storage.index_connection(),  # type: ignore[attr-defined]
        instance.run_storage.connect(),  # type: ignore[attr-defined]
    )
    for connecting in connections:
        with connecting as connection:
            tables = MetaData()
            tables.reflect(connection)
            for table in tables.sorted_tables:
                named += [
                    (table.name, str(row)[:200])
                    for row in connection.execute(select(table))
                    if media_id in str(row).replace('"', "/").replace("'", "/").split("/")
                ]
    return named


def tags_of_no_event(instance: dg.DagsterInstance) -> int:
    """Tags of events that are not there any more: their rows name no media."""
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        tables = MetaData()
        tables.reflect(connection)
        tags, events = tables.tables["asset_event_tags"], tables.tables["event_logs"]
        gone = tags.c.event_id.not_in(select(events.c.id))
        return len(connection.execute(select(tags.c.id).where(gone)).all())


@pytest.mark.slow
def test_dagster_forgets_it_and_nothing_else(tmp_path: Path) -> None:
    root, home = tmp_path / "stores", tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    stores = Stores(*local(root))
    furnish(tmp_path, stores)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        catalogue = Catalogue(tmp_path / "index.sqlite", stores.archive)
        catalogue.list_now()
        changed = records_import.changes(instance, catalogue)
        assert [each.media_id for each in records_import.import_media(instance, stores.archive, changed)] != []
        run = create_run_for_test(instance, tags={"dagster/partition": "m1"})
        other = create_run_for_test(instance, tags={"dagster/partition": "m10"})
        tables = {table for table, _ in rows_about(instance, "m1")}
        assert {"event_logs", "kvs", "dynamic_partitions", "runs", "run_tags"} <= tables
    # Deleted elsewhere: the stores have nothing of it, and this instance knows it still.
    assert call("delete", "m1", "--yes", store=root).code == 0
    answer = call("delete", "m1", "--yes", "--json", store=root, DAGSTER_HOME=str(home))
    assert answer.code == 0, answer.out + answer.err
    assert answer.json["media"][0]["forgotten"] == ["dagster"]
    assert call("delete", "m1", "--yes", store=root, DAGSTER_HOME=str(home)).code == 2
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert rows_about(instance, "m1") == []
        assert tags_of_no_event(instance) == 0
        assert instance.get_run_by_id(run.run_id) is None
        assert instance.get_run_by_id(other.run_id) is not None
        assert list(instance.get_dynamic_partitions(str(partitions.PARTITIONS["video"].name))) == ["m10"]
        key = dg.AssetKey(["video", "mezzanine"])
        assert instance.get_latest_materialization_event(key) is None
