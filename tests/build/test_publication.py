"""What a job builds is published together: a store that fails at any moment before the switch leaves all as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codex_assets.archive.records import (
    Build,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OutputRecord,
    SourceFacts,
    ThumbnailRecord,
    VariantRecord,
)
from codex_assets.archive.store import RecordStore
from codex_assets.build.publication import Advance, Publication, UnpublishedOutput
from codex_assets.build.receipts import Receipts
from codex_assets.errors import StorageError
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import StoredObject, Stores
from codex_assets.storage.publish import Stage, Upload
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Workspace

MEDIA = MediaRecord(
    media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="originals/c1/m1/original"
)
MEZZANINE = keys.mezzanine("c1", "m1")
MASTER = keys.master_playlist("c1", "m1", "video")
PLAYLIST = keys.variant_playlist("c1", "m1", "video", "720p")
THUMBNAIL = keys.thumbnail("c1", "m1")


@dataclass
class Fault:
    """Counts what is written to all stores, and fails at one of these moments."""

    at: int | None = None
    count: int = 0
    writes: list[str] = field(default_factory=list)

    def pass_by(self, key: str) -> None:
        self.count += 1
        if self.at is not None and self.count >= self.at:
            raise StorageError(f"The store refused '{key}'.", retryable=True)
        self.writes.append(key)


class FailingStore(DirectoryStore):
    """A store that fails before it writes, and from then on."""

    def __init__(self, root: Path, role: Any, fault: Fault) -> None:
        super().__init__(root, role, role)
        self._fault = fault

    def upload(self, path: Path, key: str, **others: Any) -> StoredObject:
        self._fault.pass_by(key)
        return super().upload(path, key, **others)

    def write(self, key: str, data: bytes, **others: Any) -> StoredObject:
        self._fault.pass_by(key)
        return super().write(key, data, **others)


def stores_at(root: Path, fault: Fault | None = None) -> Stores:
    return Stores(*(FailingStore(root, role, fault or Fault()) for role in ("archive", "media", "assets")))


class Job:
    """One job's publication of a film: `name` is in everything that it writes."""

    def __init__(self, folder: Path, stores: Stores, name: str, grace: timedelta = timedelta(hours=24)) -> None:
        self.workspace = Workspace(folder / f"work-{name}-{os.urandom(3).hex()}")
        receipts = Receipts(Tools(tool_environment(os.environ)), self.workspace, run_id=name, price=lambda gpu: 1.0)
        self.publication = Publication(MEDIA, stores, receipts, grace=grace)
        self._name = name
        work = receipts.begin()
        mezzanine = MezzanineRecord(
            **self._head("mezzanine"),
            source=SourceFacts(container="mov", size=4),
            duration=12.0,
            width=1280,
            height=720,
        )
        self.publication.add([self._output(mezzanine, ("archive", MEZZANINE, Stage.CONTENT))], work)
        digests = [hashlib.sha256(self._bytes(f"segment {number}")).hexdigest() for number in range(3)]
        version = keys.version(digests)
        variant = VariantRecord(**self._head("hls_720p"), variant="720p", playlist_key=PLAYLIST, version=version)
        segments = [("media", keys.segment(PLAYLIST, number, version), Stage.CONTENT) for number in range(3)]
        master = MasterRecord(**self._head("hls_master"), master_key=MASTER, variants=("720p",))
        self.publication.add(
            [
                self._output(variant, *segments, ("media", PLAYLIST, Stage.PLAYLIST)),
                self._output(master, ("media", MASTER, Stage.MASTER)),
            ],
            work,
        )
        self.publication.add(
            [self._output(ThumbnailRecord(**self._head("thumbnail")), ("assets", THUMBNAIL, Stage.PICTURE))], work
        )
        marker = VariantRecord(
            media_id="m1", media_type="video", output="hls_1080p", variant="1080p", code_version="x", data_version="x",
            applicable=False, reason="never upscaled",
        )  # fmt: skip
        self.publication.add([UnpublishedOutput(marker)], work)

    def _head(self, output: str) -> dict[str, Any]:
        build = Build(built_at="2026-01-01T00:00:00+00:00", wall_seconds=0.0, run_id=self._name)
        head = {"media_id": "m1", "media_type": "video", "output": output, "code_version": "x"}
        return {**head, "data_version": self._name, "build": build}

    def _bytes(self, what: str) -> bytes:
        return f"{self._name} {what}".encode()

    def _output(self, record: OutputRecord, *files: tuple[str, str, Stage]) -> UnpublishedOutput[OutputRecord]:
        uploads = []
        folder = self.workspace.folder(record.output)
        for number, (role, key, stage) in enumerate(files):
            path = folder / f"{number}{Path(key).suffix}"
            segment = f"segment {int(Path(key).stem[8:])}" if Path(key).suffix == ".ts" else key
            path.write_bytes(self._bytes(segment))
            uploads.append(Upload(path, role, key, stage))  # type: ignore[arg-type]
        return UnpublishedOutput(record, uploads)

    def switch(self) -> list[OutputRecord]:
        @contextmanager
        def phase() -> Iterator[Advance]:
            yield lambda fraction, speed: None

        try:
            return list(self.publication.switch(phase))
        finally:
            self.workspace.close()


def shown(stores: Stores) -> dict[str, bytes]:
    """What a viewer and a later build see: playlists, pictures, records, and the mezzanine that its record names."""
    seen = {}
    for store in (stores.archive, stores.media, stores.assets):
        for listed in store.list(""):
            if not listed.key.endswith((".ts", ".mp4")):
                seen[listed.key] = store.read(listed.key)
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    if record is not None:
        (file,) = record.files
        current = stores.archive.head(file.key)
        assert current is not None
        assert (current.version, current.sha256) == (file.version, file.sha256)
        seen[file.key] = stores.archive.read(file.key)
    return seen


def test_content_first_then_what_names_it_and_records_last(tmp_path: Path) -> None:
    fault = Fault()
    Job(tmp_path, stores_at(tmp_path / "store", fault), "one").switch()
    content = {key for key in fault.writes if key.endswith((".ts", ".mp4"))}
    assert set(fault.writes[:4]) == content
    assert fault.writes[4:7] == [PLAYLIST, MASTER, THUMBNAIL]
    records = ["mezzanine", "hls_720p", "hls_master", "thumbnail", "hls_1080p", "media"]
    assert sorted(fault.writes[7:]) == sorted(keys.record("m1", name) for name in records)


def test_all_records_are_given_in_the_order_of_outputs(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "store")
    records = Job(tmp_path, stores, "one").switch()
    assert [record.output for record in records] == ["mezzanine", "hls_1080p", "hls_720p", "hls_master", "thumbnail"]
    archive = RecordStore(stores.archive)
    assert all(archive.output("m1", record.output) == record for record in records)
    for record in records:
        for file in record.files:
            stored = stores.by_role(file.role).head(file.key)
            assert stored is not None
            assert (stored.size, stored.sha256, stored.version) == (file.size, file.sha256, file.version)
    built = [record.build for record in records if record.build is not None]
    # A dollar a second: what the outputs cost is what the job took, once.
    assert sum(each.cost_usd or 0.0 for each in built) == pytest.approx(
        sum(each.wall_seconds / each.shared for each in built), abs=0.01
    )


@pytest.mark.parametrize("moment", range(1, 6))
def test_a_store_that_fails_before_the_switch_leaves_all_as_it_was(moment: int, tmp_path: Path) -> None:
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one").switch()
    before = shown(stores_at(root))
    with pytest.raises(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=moment)), "two").switch()
    assert shown(stores_at(root)) == before
    # And the next job is not in its way.
    records = Job(tmp_path, stores_at(root), "two").switch()
    after = shown(stores_at(root))
    assert {record.data_version for record in records if record.applicable} == {"two"}
    assert after[PLAYLIST].startswith(b"two")
    assert after[MEZZANINE].startswith(b"two")


@pytest.mark.parametrize("moment", range(1, 6))
def test_a_first_job_that_fails_leaves_nothing_that_is_named(moment: int, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with pytest.raises(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=moment)), "one").switch()
    assert shown(stores_at(root)) == {}
    assert stores_at(root).archive.head(MEZZANINE) is None


def test_a_failed_switch_is_finished_by_the_next_job(tmp_path: Path) -> None:
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one").switch()
    failed = 0
    for moment in (6, 3, 3, 4, 5, 6, 7):
        with suppress(StorageError):
            Job(tmp_path, stores_at(root, Fault(at=moment)), "two").switch()
            continue
        failed += 1
    assert failed > 3
    Job(tmp_path, stores_at(root), "two").switch()
    after = shown(stores_at(root))
    assert {text.split()[0] for key, text in after.items() if not key.startswith("records/")} == {b"two"}


def test_a_failure_to_tidy_up_fails_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one", timedelta(0)).switch()
    # After the last record (the media is known): the note of what was replaced.
    fault = Fault(at=13)
    records = Job(tmp_path, stores_at(root, fault), "two", timedelta(0)).switch()
    assert fault.count >= 13
    assert {record.data_version for record in records if record.applicable} == {"two"}
    old = [listed.key for listed in stores_at(root).media.list("") if b"one" in stores_at(root).media.read(listed.key)]
    assert len(old) == 3
    Job(tmp_path, stores_at(root), "two", timedelta(0)).switch()
    assert not [key for key in old if stores_at(root).media.head(key) is not None]
