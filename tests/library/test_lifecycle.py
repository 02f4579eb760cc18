"""The archive's lifecycle rule removes, a week later, what lies under a newer version: never what a record names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import s3_server
from small_film import MEZZANINE, Fault, Job, stores_at

from codex_assets.archive import mezzanine_versions
from codex_assets.archive.leases import Leases
from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobError, StorageError
from codex_assets.library.reconcile import Reconciliation
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Stores
from codex_assets.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RULE = json.loads((Path(__file__).parents[2] / "deploy" / "b2-archive-lifecycle.json").read_text(encoding="utf-8"))
DAYS = 9
"""Longer than the rule waits."""


@dataclass
class Archive:
    """A bucket that keeps versions, and its rule, which is done once a day."""

    location: S3Location
    client: S3Client
    day: int = 0
    _replaced_on: dict[str, int] = field(default_factory=dict)

    def stores(self, root: Path, fault: Fault | None = None) -> Stores:
        others = stores_at(root, fault)
        return Stores(S3Store(self.location), others.media, others.assets)

    def next_day(self) -> None:
        """The rule: it counts from the day on which a version was replaced."""
        (rule,) = RULE["Rules"]
        self.day += 1
        for version in self.client.list_object_versions(Bucket=self.location.bucket, MaxKeys=1000)["Versions"]:
            if version["IsLatest"]:
                continue
            since = self._replaced_on.setdefault(version["VersionId"], self.day)
            if self.day - since >= rule["NoncurrentVersionExpiration"]["NoncurrentDays"]:
                self.client.delete_object(
                    Bucket=self.location.bucket, Key=version["Key"], VersionId=version["VersionId"]
                )

    @property
    def now(self) -> datetime:
        # The server dates everything by the real clock.
        return datetime.now(UTC) + timedelta(days=self.day, minutes=1)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with s3_server.s3_server() as endpoint:
        location = s3_server.location(
            endpoint, s3_server.bucket(endpoint, versioned=True), role="archive", versioned=True
        )
        yield Archive(location, s3_server.client(endpoint))


def is_there(stores: Stores) -> bool:
    """Whether the version of the mezzanine that its record names can still be fetched."""
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    assert record is not None
    (file,) = record.files
    stored = stores.archive.head(file.key, version=file.version)
    return stored is not None and stored.sha256 == file.sha256


def is_noticed(stores: Stores, now: datetime) -> bool:
    """Whether `doctor` would tell of the current version."""
    records = RecordStore(stores.archive)
    media, record = records.media("m1"), records.output("m1", "mezzanine")
    assert media is not None
    return mezzanine_versions.unrecorded(stores.archive, media, record, now) is not None


def leave_a_version(stores: Stores, folder: Path) -> None:
    """As a job does that is killed before it publishes."""
    path = folder / "mezzanine"
    path.write_bytes(b"of a job that was killed")
    stores.archive.upload(path, MEZZANINE, content_type="video/mp4")


def test_a_killed_job_endangers_no_version_while_somebody_reconciles_once_a_week(
    archive: Archive, tmp_path: Path
) -> None:
    stores = archive.stores(tmp_path / "store")
    Job(tmp_path, stores, "one").switch()
    leave_a_version(stores, tmp_path)
    while archive.day < DAYS:
        archive.next_day()
        assert is_noticed(stores, archive.now) == (archive.day <= 6)
        assert is_there(stores)
        if archive.day == 6:
            list(Reconciliation(stores, threading.Event(), fix=True, now=lambda: archive.now).run())
    left = archive.client.list_object_versions(Bucket=archive.location.bucket, Prefix=MEZZANINE)["Versions"]
    assert len(left) == 1


def test_the_rule_would_reach_it_if_nobody_did(archive: Archive, tmp_path: Path) -> None:
    """So the rule that is played here does what a store's does, and what is told is worth telling."""
    stores = archive.stores(tmp_path / "store")
    Job(tmp_path, stores, "one").switch()
    leave_a_version(stores, tmp_path)
    noticed, lasted = [], []
    while archive.day < DAYS:
        archive.next_day()
        noticed.append(is_noticed(stores, archive.now))
        lasted.append(is_there(stores))
    assert all(noticed)
    assert lasted.index(False) == 7


def test_a_job_that_fails_before_it_publishes_takes_its_version_back(archive: Archive, tmp_path: Path) -> None:
    stores = archive.stores(tmp_path / "store")
    Job(tmp_path, stores, "one").switch()
    with pytest.raises(StorageError):
        Job(tmp_path, archive.stores(tmp_path / "store", Fault(before_the_switch=True)), "two").switch()
    while archive.day < DAYS:
        archive.next_day()
        assert not is_noticed(stores, archive.now)
        assert is_there(stores)


def test_a_switch_that_stays_unfinished_for_weeks_loses_nothing_that_it_needs(archive: Archive, tmp_path: Path) -> None:
    stores = archive.stores(tmp_path / "store")
    Job(tmp_path, stores, "one").switch()
    # Content is up, and the note; of the rest only the first file is written.
    with pytest.raises(JobError):
        Job(tmp_path, archive.stores(tmp_path / "store", Fault(at=5)), "two").switch()
    # The old version, which its record names until then, is replaced from the day on which the switch was noted.
    while archive.day < DAYS:
        archive.next_day()
    leases = Leases(stores, "somebody")
    with leases.of("m1", leases.claim(RecordStore(stores.archive).media("m1"), from_original=False)):  # type: ignore[arg-type]
        assert is_there(stores)
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    assert record is not None
    assert record.data_version == "two"


@pytest.mark.slow
def test_a_new_upload_every_day(archive: Archive, tmp_path: Path) -> None:
    stores = archive.stores(tmp_path / "store")
    while archive.day < DAYS:
        Job(tmp_path, stores, f"of day {archive.day}").switch()
        archive.next_day()
        assert is_there(stores)
        assert not is_noticed(stores, archive.now)
