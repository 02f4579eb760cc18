"""Originals are deleted when their mezzanine stands for them, and in no other case: a real build, real stores."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import jobs
import pytest
import s3_server
from typer.testing import CliRunner

from codex_assets.archive import history
from codex_assets.archive.check_results import VERIFICATION, OutputVerification, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import ORIGINAL, MediaRecord, MezzanineRecord, OriginalRecord, Record
from codex_assets.archive.store import RecordStore
from codex_assets.cli.app import app
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.definitions import defs
from codex_assets.errors import JobCancelled, StorageError
from codex_assets.library.original_removal import CleanUp, KeepReason, RemovalResult, RemovalVerdict
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.worker import job

pytestmark = pytest.mark.ffmpeg

MEDIA = "clip"
ORIGINAL_KEY = jobs.input_key("video", MEDIA)
MEZZANINE_KEY = f"mezzanine/{jobs.CREATOR}/{MEDIA}/mezzanine.mp4"
FAILED = Finding(passed=False, message="It does not decode.", output="mezzanine", rule="mezzanine_decodes")


def build(settings: Settings, *, buckets: tuple[str, str, str] = jobs.BUCKETS, job_id: str = "job-1") -> None:
    payload = jobs.payload("video", MEDIA, "https://receiver.invalid/", buckets=buckets, assets=["mezzanine"])
    answer = job.work(job_id, payload, settings)
    assert answer.body.status == "completed", answer.body


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that holds one media's original and mezzanine."""
    folder = tmp_path_factory.mktemp("cleanup")
    settings = configuration.load(jobs.local_environment(folder))
    jobs.put_original(settings.stores(), "video", MEDIA, jobs.film(12))
    build(settings)
    return folder / "stores"


class House:
    """The media in a store of its own, a day and an hour after it was built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = jobs.local_environment(folder)
        self.settings = configuration.load(self.environment)
        self.stores = self.settings.stores()
        self.records = RecordStore(self.stores.archive)
        self.now = datetime.now(UTC) + timedelta(hours=25)
        self.cancelled = threading.Event()

    def run(self, stores: Stores | None = None, **options: Any) -> list[RemovalResult]:
        work = CleanUp(
            stores or self.stores,
            self.settings.tools(self.cancelled),
            self.folder / "scratch",
            self.cancelled,
            now=lambda: self.now,
            **options,
        )
        results = list(work.run())
        left = list((self.folder / "scratch").glob("*")) if (self.folder / "scratch").exists() else []
        assert left == [], "its scratch space is empty again"
        return results

    def mezzanine(self) -> MezzanineRecord:
        record = self.records.get(MEDIA, "mezzanine", MezzanineRecord)
        assert record is not None
        return record

    def change(self, name: str, record: Record, **fields: Any) -> None:
        self.records.put(MEDIA, name, record.model_copy(update=fields))

    def has_original(self, key: str = ORIGINAL_KEY) -> bool:
        return self.stores.archive.head(key) is not None


@pytest.fixture
def house(built: Path, tmp_path: Path) -> House:
    shutil.copytree(built, tmp_path / "stores")
    return House(tmp_path)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server.s3_server() as endpoint:
        yield endpoint


def move_to_s3(house: House, endpoint: str) -> None:
    """The media as it is, in three buckets of an S3 server, of which the archive keeps versions."""
    folders = house.stores
    environment, _ = jobs.s3_environment(house.folder, endpoint)
    house.settings = configuration.load(environment)
    house.stores = house.settings.stores()
    house.records = RecordStore(house.stores.archive)
    for role in ("archive", "media", "assets"):
        for stored in folders.by_role(role).list(""):
            data = folders.by_role(role).read(stored.key)
            house.stores.by_role(role).write(stored.key, data, content_type="application/octet-stream")
    original = house.stores.archive.head(ORIGINAL_KEY)
    assert original is not None
    assert original.modified is not None
    record = house.mezzanine()
    source = record.source.model_copy(update={"uploaded_at": original.modified.isoformat(), "etag": original.etag})
    house.change("mezzanine", record, source=source)


# --- Deleting ---------------------------------------------------------------------------------------------------------


def test_an_original_is_deleted_a_day_after_its_mezzanine_was_verified(house: House) -> None:
    size = len(jobs.film(12))
    before = jobs.objects(house.stores)
    (dry,) = house.run(dry_run=True)
    assert (dry.verdict, dry.size) == (RemovalVerdict.WOULD_DELETE, size)
    assert jobs.objects(house.stores) == before, "a dry run changes nothing"

    (result,) = house.run()

    assert (result.verdict, result.key, result.size) == (RemovalVerdict.DELETED, ORIGINAL_KEY, size)
    after = jobs.objects(house.stores)
    assert before["archive"] - after["archive"] == {ORIGINAL_KEY}
    assert after["archive"] - before["archive"] == {f"records/{MEDIA}/original.json"}
    record = house.records.get(MEDIA, ORIGINAL, OriginalRecord)
    assert record is not None
    assert (record.deleted, record.size, record.input_key) == (True, size, ORIGINAL_KEY)
    assert record.gone_since == house.now.isoformat(timespec="seconds")
    assert record.mezzanine_sha256 == house.mezzanine().files[0].sha256

    assert house.run() == [], "what is settled is not looked at again"


def test_an_original_in_the_delivery_bucket_is_deleted_likewise(house: House) -> None:
    house.stores.archive.delete(ORIGINAL_KEY)
    read_from("media", ORIGINAL_KEY)(house)
    original = house.stores.media.head(ORIGINAL_KEY)
    assert original is not None
    assert original.modified is not None
    record = house.mezzanine()
    source = record.source.model_copy(update={"uploaded_at": original.modified.isoformat(), "etag": original.etag})
    house.change("mezzanine", record, source=source)
    before = jobs.objects(house.stores)

    (result,) = house.run()

    assert (result.verdict, result.key) == (RemovalVerdict.DELETED, ORIGINAL_KEY), result.message
    after = jobs.objects(house.stores)
    assert before["media"] - after["media"] == {ORIGINAL_KEY}
    assert house.records.get(MEDIA, ORIGINAL, OriginalRecord) is not None
    assert house.run() == []


@pytest.mark.slow
def test_everything_is_normal_again_after_a_new_upload(house: House) -> None:
    house.run()
    failed = job.work("job-2", payload(), house.settings)
    assert "was deleted on" in str(failed.body.wire()["error"])

    jobs.put_original(house.stores, "video", MEDIA, jobs.film(11))
    (waiting,) = house.run()
    assert (waiting.verdict, waiting.reason) == (RemovalVerdict.KEPT, KeepReason.NEWER_UPLOAD)

    build(house.settings, job_id="job-3")

    assert house.records.get(MEDIA, ORIGINAL, OriginalRecord) is None
    house.now = datetime.now(UTC) + timedelta(hours=25)
    (result,) = house.run()
    assert (result.verdict, result.size) == (RemovalVerdict.DELETED, len(jobs.film(11)))


def test_an_original_that_is_gone_already_is_recorded_once(house: House) -> None:
    house.stores.archive.delete(ORIGINAL_KEY)

    (dry,) = house.run(dry_run=True)
    assert (dry.verdict, house.records.get(MEDIA, ORIGINAL, OriginalRecord)) == (RemovalVerdict.GONE, None)
    (result,) = house.run()

    assert result.verdict is RemovalVerdict.GONE
    record = house.records.get(MEDIA, ORIGINAL, OriginalRecord)
    assert record is not None
    assert record.deleted is False
    assert house.run() == []


def test_others_in_the_same_folder_are_left_alone(house: House) -> None:
    """A key that merely begins alike, and other objects of the media's own prefix, are nobody's original."""
    beside = [f"{ORIGINAL_KEY}.part", f"originals/{jobs.CREATOR}/{MEDIA}/notes.txt", f"{ORIGINAL_KEY}/inside"]
    for key in beside[:2]:
        house.stores.archive.write(key, b"kept", content_type="text/plain")

    (result,) = house.run()

    assert result.verdict is RemovalVerdict.DELETED
    assert all(house.has_original(key) for key in beside[:2])


# --- Refusing ---------------------------------------------------------------------------------------------------------


def payload(**changes: Any) -> dict[str, Any]:
    return jobs.payload("video", MEDIA, "https://receiver.invalid/", assets=["mezzanine"], **changes)


def without_a_mezzanine(house: House) -> None:
    house.records.forget(MEDIA, "mezzanine")


def a_day_less_a_minute(house: House) -> None:
    stored = house.stores.archive.head(MEZZANINE_KEY)
    assert stored is not None
    assert stored.modified is not None
    house.now = stored.modified + timedelta(hours=23, minutes=59)


def never_checked(house: House) -> None:
    house.change("mezzanine", house.mezzanine(), checks=())


def failed_before_publishing(house: House) -> None:
    house.change("mezzanine", house.mezzanine(), checks=(FAILED,))


def failed_since(house: House) -> None:
    judged = OutputVerification(
        output="mezzanine", data_version=house.mezzanine().data_version, checked_at="now", failed=(FAILED,)
    )
    record = VerificationRecord(media_id=MEDIA, creator_id=jobs.CREATOR, media_type="video", outputs=(judged,))
    house.records.put(MEDIA, VERIFICATION, record)


def no_file_on_record(house: House) -> None:
    house.change("mezzanine", house.mezzanine(), files=())


def mezzanine_of_another(house: House) -> None:
    (file,) = house.mezzanine().files
    other = file.model_copy(update={"key": MEZZANINE_KEY.replace(MEDIA, "another")})
    house.change("mezzanine", house.mezzanine(), files=(other,))


def no_object(house: House) -> None:
    house.stores.archive.delete(MEZZANINE_KEY)


def shorter_object(house: House) -> None:
    data = house.stores.archive.read(MEZZANINE_KEY)
    house.stores.archive.write(MEZZANINE_KEY, data[:-1], content_type="video/mp4")


def other_object(house: House) -> None:
    data = house.stores.archive.read(MEZZANINE_KEY)
    house.stores.archive.write(MEZZANINE_KEY, data[:-1] + bytes([data[-1] ^ 1]), content_type="video/mp4")


def blanked(house: House, part: Callable[[int], slice]) -> None:
    """The media data is damaged in one part, and the record says that this is how it should be."""
    data = bytearray(house.stores.archive.read(MEZZANINE_KEY))
    begins = data.index(b"mdat") + 4
    span = part(len(data) - begins)
    at = slice(begins + (span.start or 0), begins + (span.stop or 0))
    data[at] = b"\xff" * (at.stop - at.start)
    stored = house.stores.archive.write(MEZZANINE_KEY, bytes(data), content_type="video/mp4")
    record = house.mezzanine()
    (file,) = record.files
    house.change("mezzanine", record, files=(file.model_copy(update={"sha256": stored.sha256}),))


def damaged_head(house: House) -> None:
    blanked(house, lambda size: slice(0, size // 8))


def damaged_tail(house: House) -> None:
    blanked(house, lambda size: slice(size - size // 8, size))


def no_media_file(house: House) -> None:
    stored = house.stores.archive.write(MEZZANINE_KEY, bytes(house.mezzanine().files[0].size), content_type="video/mp4")
    (file,) = house.mezzanine().files
    house.change("mezzanine", house.mezzanine(), files=(file.model_copy(update={"sha256": stored.sha256}),))


def uploaded_again(house: House) -> None:
    """The same bytes even: whoever uploads again sends a job after it."""
    # S3 servers tell times in whole seconds.
    time.sleep(1.1)
    jobs.put_original(house.stores, "video", MEDIA, jobs.film(12))


def uploaded_again_before_it_was_kept(house: House) -> None:
    """A record that does not say which upload it was made of: what counts is when the build began."""
    record = house.mezzanine()
    source = record.source.model_copy(update={"uploaded_at": None, "etag": None})
    house.change("mezzanine", record, source=source)
    jobs.put_original(house.stores, "video", MEDIA, jobs.film(12))


def begun_job(house: House, started: datetime) -> None:
    record = JobRecord(
        id="job-9",
        media_id=MEDIA,
        creator_id=jobs.CREATOR,
        media_type="video",
        asked=("mezzanine",),
        started_at=started.isoformat(),
    )
    history.keep(house.records, record)


def job_under_way(house: House) -> None:
    begun_job(house, house.now - timedelta(hours=23))


def read_from(role: str, key: str) -> Callable[[House], None]:
    def change(house: House) -> None:
        media = house.records.media(MEDIA)
        assert media is not None
        house.change("media", media, input_role=role, input_key=key)
        store = house.stores.by_role(role)  # type: ignore[arg-type]
        store.write(key, jobs.film(12), content_type="video/mp4")

    return change


REFUSALS: list[tuple[str, Callable[[House], None], KeepReason]] = [
    ("no mezzanine", without_a_mezzanine, KeepReason.NO_MEZZANINE),
    ("no mezzanine object on record", no_file_on_record, KeepReason.NO_MEZZANINE),
    ("the mezzanine of another media", mezzanine_of_another, KeepReason.NO_MEZZANINE),
    ("verified less than a day ago", a_day_less_a_minute, KeepReason.RECENT),
    ("never checked", never_checked, KeepReason.UNVERIFIED),
    ("failed before publishing", failed_before_publishing, KeepReason.CHECKS_FAILED),
    ("failed when it was last verified", failed_since, KeepReason.CHECKS_FAILED),
    ("mezzanine missing", no_object, KeepReason.MEZZANINE_MISSING),
    ("mezzanine of another length", shorter_object, KeepReason.MEZZANINE_LENGTH),
    ("mezzanine of another hash", other_object, KeepReason.MEZZANINE_HASH),
    ("head does not decode", damaged_head, KeepReason.HEAD_UNDECODABLE),
    ("tail does not decode", damaged_tail, KeepReason.TAIL_UNDECODABLE),
    ("not a media file", no_media_file, KeepReason.HEAD_UNDECODABLE),
    ("uploaded again", uploaded_again, KeepReason.NEWER_UPLOAD),
    ("uploaded again, old record", uploaded_again_before_it_was_kept, KeepReason.NEWER_UPLOAD),
    ("a job is under way", job_under_way, KeepReason.UNDER_WAY),
    (
        "in the delivery bucket, among others",
        read_from("media", f"uploads/{jobs.CREATOR}/{MEDIA}/original.mp4"),
        KeepReason.ELSEWHERE,
    ),
    ("a shared prefix", read_from("archive", f"uploads/{jobs.CREATOR}/{MEDIA}/original.mp4"), KeepReason.ELSEWHERE),
    ("another media's", read_from("archive", f"originals/{jobs.CREATOR}/{MEDIA}2/original.mp4"), KeepReason.ELSEWHERE),
    ("another creator's", read_from("archive", f"originals/someone/{MEDIA}/original.mp4"), KeepReason.ELSEWHERE),
]


QUICK_IN_S3 = ("no mezzanine", "head does not decode", "uploaded again")
"""Of those in a store with versions; in folders, all are quick."""


@pytest.mark.parametrize(
    ("kind", "spoil", "reason"),
    [
        pytest.param(
            kind,
            spoil,
            reason,
            id=f"{name}-{kind}",
            marks=() if kind == "folders" or name in QUICK_IN_S3 else pytest.mark.slow,
        )
        for kind in ("folders", "versioned S3")
        for name, spoil, reason in REFUSALS
    ],
)
def test_it_refuses(house: House, s3: str, kind: str, spoil: Callable[[House], None], reason: KeepReason) -> None:
    if kind != "folders":
        move_to_s3(house, s3)
    spoil(house)
    before = jobs.objects(house.stores)

    (result,) = house.run()

    assert (result.verdict, result.reason) == (RemovalVerdict.KEPT, reason), result.message
    assert result.message.endswith(".")
    assert result.size == 0
    assert jobs.objects(house.stores) == before
    assert house.records.get(MEDIA, ORIGINAL, OriginalRecord) is None


def test_what_was_found_of_an_earlier_mezzanine_does_not_count(house: House) -> None:
    judged = OutputVerification(output="mezzanine", data_version="another", checked_at="now", failed=(FAILED,))
    record = VerificationRecord(media_id=MEDIA, creator_id=jobs.CREATOR, media_type="video", outputs=(judged,))
    house.records.put(MEDIA, VERIFICATION, record)
    assert house.run()[0].verdict is RemovalVerdict.DELETED


def test_a_job_that_was_killed_does_not_keep_an_original_for_ever(house: House) -> None:
    begun_job(house, house.now - timedelta(hours=24, minutes=1))
    assert house.run()[0].verdict is RemovalVerdict.DELETED


class Interrupted(DirectoryStore):
    """The archive, in which something happens while the mezzanine is fetched."""

    happens: Callable[[], None]

    def download(self, key: str, path: Path, **options: Any) -> Any:
        stored = super().download(key, path, **options)
        self.happens()
        return stored


def interrupted(house: House, happens: Callable[[], None]) -> Stores:
    archive = Interrupted(house.folder / "stores", "archive", house.settings.archive_bucket)
    archive.happens = happens
    return Stores(archive, house.stores.media, house.stores.assets)


def test_an_upload_that_comes_while_the_mezzanine_is_looked_at_is_kept(house: House) -> None:
    def upload() -> None:
        jobs.put_original(house.stores, "video", MEDIA, jobs.film(13))

    (result,) = house.run(interrupted(house, upload))
    assert (result.verdict, result.reason) == (RemovalVerdict.KEPT, KeepReason.NEWER_UPLOAD)
    assert house.stores.archive.read(ORIGINAL_KEY) == jobs.film(13)


def test_a_job_that_begins_meanwhile_keeps_it(house: House) -> None:
    (result,) = house.run(interrupted(house, lambda: begun_job(house, house.now)))
    assert (result.verdict, result.reason) == (RemovalVerdict.KEPT, KeepReason.UNDER_WAY)
    assert house.has_original()


def test_a_mezzanine_that_is_built_again_meanwhile_keeps_it(house: House) -> None:
    def rebuilt() -> None:
        house.change("mezzanine", house.mezzanine(), code_version="another")

    (result,) = house.run(interrupted(house, rebuilt))
    assert (result.verdict, result.reason) == (RemovalVerdict.KEPT, KeepReason.UNDER_WAY)
    assert house.has_original()


def test_a_store_that_fails_decides_nothing(house: House) -> None:
    def fail() -> None:
        raise StorageError("The archive store could not read it: it is unavailable at the moment.")

    (result,) = house.run(interrupted(house, fail))
    assert (result.verdict, result.reason) == (RemovalVerdict.UNCHECKED, KeepReason.UNAVAILABLE)
    assert house.has_original()
    assert house.run()[0].verdict is RemovalVerdict.DELETED, "the next run tries again"


def test_a_record_that_cannot_be_read_ends_nothing(house: House) -> None:
    house.stores.archive.write(f"records/{MEDIA}/mezzanine.json", b"{", content_type="application/json")
    (result,) = house.run()
    assert (result.verdict, result.reason) == (RemovalVerdict.UNCHECKED, KeepReason.UNREADABLE)
    assert house.has_original()


def test_a_cancelled_run_deletes_nothing(house: House) -> None:
    house.cancelled.set()
    with pytest.raises(JobCancelled):
        house.run()
    assert house.has_original()


def test_less_than_a_day_cannot_be_asked_for(house: House) -> None:
    with pytest.raises(ValueError, match="24 hours"):
        house.run(kept_for=timedelta(hours=23))


# --- A store with versions --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_version_and_delete_marker_goes(tmp_path: Path, s3: str) -> None:
    environment, buckets = jobs.s3_environment(tmp_path, s3)
    settings = configuration.load(environment)
    stores, client = settings.stores(), s3_server.client(s3)
    archive = buckets[0]
    # An upload that was replaced and hidden, then the one that counts; and a neighbour whose key begins alike.
    client.put_object(Bucket=archive, Key=ORIGINAL_KEY, Body=b"first")
    client.delete_object(Bucket=archive, Key=ORIGINAL_KEY)
    client.put_object(Bucket=archive, Key=ORIGINAL_KEY, Body=jobs.film(2))
    client.put_object(Bucket=archive, Key=f"{ORIGINAL_KEY}.part", Body=b"neighbour")
    build(settings, buckets=buckets)

    def versions(prefix: str) -> list[str]:
        page = client.list_object_versions(Bucket=archive, Prefix=prefix)
        return [version["Key"] for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]

    assert versions(ORIGINAL_KEY).count(ORIGINAL_KEY) == 3
    cancelled = threading.Event()

    def run() -> list[RemovalResult]:
        late = datetime.now(UTC) + timedelta(hours=25)
        work = CleanUp(stores, settings.tools(cancelled), tmp_path / "scratch", cancelled, now=lambda: late)
        return list(work.run())

    (result,) = run()

    assert result.verdict is RemovalVerdict.DELETED, result.message
    assert versions(ORIGINAL_KEY) == [f"{ORIGINAL_KEY}.part"]
    records = RecordStore(stores.archive)
    record = records.get(MEDIA, ORIGINAL, OriginalRecord)
    assert record is not None
    # Looked at again because of its neighbour, and left as it is.
    assert [result.verdict for result in run()] == [RemovalVerdict.GONE]
    assert records.get(MEDIA, ORIGINAL, OriginalRecord) == record

    # And back again: the new upload's job takes the record away, with its versions.
    client.put_object(Bucket=archive, Key=ORIGINAL_KEY, Body=jobs.film(2))
    build(settings, buckets=buckets, job_id="job-2")
    assert versions(f"records/{MEDIA}/original.json") == []


def test_what_may_be_deleted_in_s3_is(house: House, s3: str) -> None:
    """The refusals there refuse for their own reasons: unspoilt, it is deleted."""
    move_to_s3(house, s3)
    (result,) = house.run()
    assert result.verdict is RemovalVerdict.DELETED, result.message
    assert not house.has_original()


@pytest.mark.slow
def test_an_archive_that_is_gone_is_told(tmp_path: Path, s3: str) -> None:
    environment, _ = jobs.s3_environment(tmp_path, s3, B2_BUCKET_NAME="no-such-bucket")
    answer = CliRunner().invoke(app, ["cleanup-originals"], env={**environment, "STORAGE_DIR": None})
    assert answer.exit_code == 2
    assert "no bucket 'no-such-bucket'" in answer.stderr


# --- The command and the schedule -------------------------------------------------------------------------------------


def aged(house: House) -> None:
    """As if it had been built yesterday, by the store's clock: for what has no clock of its own to be set."""
    past = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    for path in (house.folder / "stores" / jobs.BUCKETS[0]).rglob("*"):
        if path.is_file() and path.name.startswith(("original", "mezzanine.mp4")):
            os.utime(path, (past, past))
    original = house.stores.archive.head(ORIGINAL_KEY)
    assert original is not None
    assert original.modified is not None
    record = house.mezzanine()
    source = record.source.model_copy(update={"uploaded_at": original.modified.isoformat()})
    house.change("mezzanine", record, source=source)


def call(house: House, *arguments: str) -> Any:
    unset: dict[str, str | None] = dict.fromkeys([*configuration.REQUIRED, "WEBHOOK_SECRET"])
    return CliRunner().invoke(app, ["cleanup-originals", *arguments], env={**unset, **house.environment})


def test_the_command(house: House) -> None:
    fresh = call(house, "--dry-run")
    assert fresh.exit_code == 0, fresh.output
    assert "less than 24 hours ago" in fresh.stdout
    assert "1 kept; 0 B would be freed" in fresh.stdout

    aged(house)
    assert call(house, "--where", "type=audio").stdout.strip() == "No originals to decide on."
    later = json.loads(call(house, "--older-than", "7d", "--json").stdout)
    assert (later["kept"], later["bytesFreed"], later["media"][0]["reason"]) == (1, 0, "recent")
    size = len(jobs.film(12))
    tried = call(house, "--dry-run", "--json")
    assert tried.exit_code == 1
    dry = json.loads(tried.stdout)
    assert (dry["wouldDelete"], dry["bytesFreed"], dry["dryRun"]) == (1, size, True)
    assert house.has_original()

    done = call(house)

    assert done.exit_code == 0, done.output
    assert "1 deleted" in done.stdout
    assert not house.has_original()


@pytest.mark.parametrize("text", ["23h", "1439m", "0d", "day", "-1d"])
def test_the_command_keeps_originals_for_a_day(house: House, text: str) -> None:
    aged(house)
    answer = call(house, f"--older-than={text}")
    assert answer.exit_code == 2
    assert house.has_original()


def test_the_schedule_runs_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(house)
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)
    schedule = defs.resolve_schedule_def("cleanup_originals_daily")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED

    done = defs.resolve_job_def(schedule.job_name).execute_in_process(instance=dg.DagsterInstance.ephemeral())

    assert done.success
    assert not house.has_original()
    metadata = done.all_node_events
    outputs = [event.step_output_data.metadata for event in metadata if event.is_successful_output]
    assert outputs[0]["deleted"].value == 1
    assert outputs[0]["bytes_freed"].value == len(jobs.film(12))


def test_old_records_stay_readable() -> None:
    old = {"media_id": "m", "creator_id": "c", "media_type": "video", "input_role": "archive", "input_key": "k"}
    assert MediaRecord.model_validate(old).media_id == "m"
