"""What killed jobs left in the stores is told, and what can be is repaired; nothing that is played is touched."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import s3_server
from small_film import MASTER, MEDIA, MEZZANINE, PLAYLIST, Fault, Job, stores_at

from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.leases import Leases
from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import StorageError
from codex_assets.library.reconcile import Discrepancy, Matter, Reconciliation
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.storage.s3 import S3Store

DAY = timedelta(hours=24)
FOLDER = keys.folder(PLAYLIST)


def reconciled(
    stores: Stores, *, fix: bool = False, later: timedelta = timedelta(0), media: tuple[str, ...] = ()
) -> list[Discrepancy]:
    now = datetime.now(UTC) + later
    return list(Reconciliation(stores, threading.Event(), fix=fix, now=lambda: now).run(media))


def matters(discrepancies: list[Discrepancy]) -> list[Matter]:
    return [each.matter for each in discrepancies]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def stores(root: Path, tmp_path: Path) -> Stores:
    """With a film that was published once."""
    Job(tmp_path, stores_at(root), "one").switch()
    return stores_at(root)


def keys_of(stores: Stores) -> set[str]:
    return {listed.key for listed in stores.media.list("") if not listed.key.startswith(keys.LEASES_ROOT)}


def test_there_is_nothing_to_say_of_what_is_published_whole(stores: Stores) -> None:
    assert reconciled(stores) == []
    assert reconciled(stores, fix=True, later=100 * DAY) == []


def test_what_was_replaced_goes_when_its_time_is_up(stores: Stores, root: Path, tmp_path: Path) -> None:
    old = {key for key in keys_of(stores) if key.endswith(".ts")}
    Job(tmp_path, stores_at(root), "two").switch()
    assert reconciled(stores, fix=True) == []
    assert old < keys_of(stores)
    (seen,) = reconciled(stores, later=DAY)
    assert (seen.media_id, seen.matter, seen.repaired) == ("m1", Matter.REPLACED, False)
    (mended,) = reconciled(stores, later=DAY, fix=True)
    assert (mended.matter, mended.repaired) == (Matter.REPLACED, True)
    assert not old & keys_of(stores)
    assert reconciled(stores, later=DAY) == []


def test_segments_of_a_killed_job_are_noted_and_go_a_day_later(stores: Stores, root: Path, tmp_path: Path) -> None:
    """Killed when its content was up: nothing noted it, and no playlist names it."""
    whole = keys_of(stores)
    with suppress(StorageError):
        Job(tmp_path, stores_at(root, Fault(before_the_switch=True)), "two").switch()
    left = keys_of(stores) - whole
    assert len(left) == 3
    (seen,) = reconciled(stores)
    assert (seen.matter, seen.repaired) == (Matter.UNNAMED, False)
    assert keys_of(stores) == whole | left
    (noted,) = reconciled(stores, fix=True)
    assert (noted.matter, noted.repaired) == (Matter.UNNAMED, True)
    assert reconciled(stores) == []
    assert matters(reconciled(stores, fix=True, later=DAY)) == [Matter.REPLACED]
    assert keys_of(stores) == whole


def test_a_mezzanine_that_no_record_names_makes_room_for_the_recorded_one(stores: Stores, tmp_path: Path) -> None:
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    assert record is not None
    (file,) = record.files
    newer = tmp_path / "newer"
    for job in (b"a job", b"another job"):
        newer.write_bytes(b"of " + job + b" that was killed before its switch")
        stores.archive.upload(newer, MEZZANINE, content_type="video/mp4")
    # A job may still be about to record it.
    assert reconciled(stores, fix=True) == []
    (seen,) = reconciled(stores, later=DAY)
    assert (seen.matter, seen.repaired) == (Matter.MEZZANINE, False)
    (mended,) = reconciled(stores, later=DAY, fix=True)
    assert mended.repaired
    current = stores.archive.head(MEZZANINE)
    assert current is not None
    assert (current.version, current.sha256) == (file.version, file.sha256)


def test_the_only_mezzanine_is_never_deleted(stores: Stores, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.write_bytes(b"newer")
    stores.archive.upload(newer, MEZZANINE, content_type="video/mp4")
    stores.archive.drop_former_versions(MEZZANINE)
    seen = next(each for each in reconciled(stores, later=DAY, fix=True) if each.matter is Matter.MEZZANINE)
    assert not seen.repaired
    assert "build it again from the original" in seen.message
    assert stores.archive.read(MEZZANINE) == b"newer"


def test_a_media_under_lease_is_left_alone(stores: Stores, root: Path, tmp_path: Path) -> None:
    with suppress(StorageError):
        Job(tmp_path, stores_at(root, Fault(before_the_switch=True)), "two").switch()
    leases = Leases(stores, "three")
    with leases.of("m1", leases.claim(MEDIA, from_original=False)):
        before = keys_of(stores)
        assert reconciled(stores) == reconciled(stores, fix=True, later=DAY) == []
        assert keys_of(stores) == before
    assert matters(reconciled(stores)) == [Matter.UNNAMED]


def test_a_switch_that_began_is_finished(stores: Stores, root: Path, tmp_path: Path) -> None:
    with suppress(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=6)), "two").switch()
    assert b"one" in stores.media.read(MASTER)
    assert Matter.SWITCH in matters(reconciled(stores))
    (finished, *_) = reconciled(stores, fix=True)
    assert (finished.matter, finished.repaired) == (Matter.SWITCH, True)
    assert b"two" in stores.media.read(MASTER)
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    assert record is not None
    assert record.data_version == "two"
    assert reconciled(stores) == []


def test_a_media_that_a_worker_of_an_earlier_release_builds_is_left_alone(
    stores: Stores, root: Path, tmp_path: Path
) -> None:
    with suppress(StorageError):
        Job(tmp_path, stores_at(root, Fault(before_the_switch=True)), "two").switch()
    # It takes no lease.
    stores.media.delete(keys.lease("m1"))
    begun_job = JobRecord(
        id="job-1",
        media_id="m1",
        creator_id="c1",
        media_type="video",
        asked=(),
        started_at=datetime.now(UTC).isoformat(),
    )
    history.keep(RecordStore(stores.archive), begun_job)
    assert reconciled(stores) == []
    assert matters(reconciled(stores, fix=True, later=DAY)) == [Matter.NEVER_ENDED, Matter.UNNAMED]


def test_what_only_a_build_can_repair_is_told(stores: Stores) -> None:
    records = RecordStore(stores.archive)
    segment = sorted(key for key in keys_of(stores) if key.endswith(".ts"))[0]
    stores.media.delete(segment)
    stores.assets.delete(keys.thumbnail("c1", "m1"))
    records.put("m2", "media", MEDIA.model_copy(update={"media_id": "m2"}))
    differences = reconciled(stores, fix=True)
    assert [(each.media_id, each.matter) for each in differences] == [
        *[("m1", Matter.MISSING), ("m1", Matter.MISSING)],
        ("m2", Matter.NEVER_BUILT),
    ]
    assert segment in differences[0].message
    assert not any(each.repaired for each in differences)
    assert reconciled(stores, media=("m1",)) == differences[:2]


def test_what_lost_its_record_is_never_deleted(stores: Stores) -> None:
    before = keys_of(stores)
    RecordStore(stores.archive).forget("m1", "hls_720p")
    differences = reconciled(stores, fix=True, later=100 * DAY)
    assert matters(differences) == [Matter.NO_RECORD]
    assert keys_of(stores) == before


def test_a_record_that_cannot_be_read_leaves_everything(stores: Stores) -> None:
    before = keys_of(stores)
    stores.archive.write(keys.record("m1", "hls_720p"), b"{", content_type="application/json")
    (seen,) = reconciled(stores, fix=True)
    assert seen.matter is Matter.UNCHECKED
    assert "`hls_720p`" in seen.message
    assert keys_of(stores) == before


def test_parts_of_an_upload_that_nobody_goes_on_with(tmp_path: Path) -> None:
    """This server dates every upload many years back; that a young one is let be is seen with a local store."""
    with s3_server.s3_server() as endpoint:
        location = s3_server.location(
            endpoint, s3_server.bucket(endpoint, versioned=True), role="archive", versioned=True
        )
        local = stores_at(tmp_path / "store")
        stores = Stores(S3Store(location), local.media, local.assets)
        client = s3_server.client(endpoint)
        begun = client.create_multipart_upload(Bucket=location.bucket, Key=MEZZANINE)
        client.upload_part(
            Bucket=location.bucket, Key=MEZZANINE, UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * 6_000_000
        )
        (seen,) = reconciled(stores, later=DAY)
        assert (seen.matter, seen.media_id, seen.repaired) == (Matter.UPLOAD, "", False)
        assert MEZZANINE in seen.message
        assert matters(reconciled(stores, later=DAY, fix=True)) == [Matter.UPLOAD]
        assert reconciled(stores, later=DAY) == []
        assert "Uploads" not in client.list_multipart_uploads(Bucket=location.bucket)


def test_leftovers_of_a_local_store(stores: Stores, root: Path) -> None:
    part = root / ".meta" / ".incoming" / "0123"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half of something")
    assert reconciled(stores, fix=True) == []
    assert matters(reconciled(stores, fix=True, later=DAY)) == [Matter.UPLOAD]
    assert not part.exists()


def test_what_a_trial_of_a_store_could_not_delete(stores: Stores, root: Path) -> None:
    trials = [keys.condition_trial("0123"), keys.rights_trial("0123")]
    for key in trials:
        stores.media.write(key, b"{}", content_type="application/json")
    # The lease of a media that is called like them is none.
    media_ids = ("trial-0123", "trials")
    for media_id in media_ids:
        stores.media.write(keys.lease(media_id), b"{}", content_type="application/json")
    assert reconciled(stores, fix=True) == []
    seen = reconciled(stores, later=DAY)
    assert [(each.matter, each.repaired) for each in seen] == [(Matter.TRIAL, False)] * 2
    assert matters(reconciled(stores, later=DAY, fix=True)) == [Matter.TRIAL] * 2
    assert reconciled(stores, later=DAY) == []
    assert all(stores.media.head(key) is None for key in trials)
    assert all(stores.media.head(keys.lease(media_id)) is not None for media_id in media_ids)
