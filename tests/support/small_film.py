"""A film whose outputs are a few bytes each: published as a job does it, into stores that fail when they should."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from codex_assets.archive.leases import Leases, LeaseTimes
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
    before_the_switch: bool = False
    """Fails when everything is up, and the switch is to be noted."""
    of_deletes: bool = False
    """Nothing can be deleted."""
    count: int = 0
    writes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pass_by(self, key: str) -> None:
        if key.startswith(keys.LEASES_ROOT):
            return
        with self.lock:
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
        if self._fault.before_the_switch and b'"switch": {' in data:
            raise StorageError(f"The store refused '{key}'.", retryable=True)
        self._fault.pass_by(key)
        return super().write(key, data, **others)

    def delete(self, key: str) -> None:
        if self._fault.of_deletes:
            raise StorageError(f"The store refused to delete '{key}'.", retryable=True)
        super().delete(key)


def stores_at(root: Path, fault: Fault | None = None) -> Stores:
    return Stores(*(FailingStore(root, role, fault or Fault()) for role in ("archive", "media", "assets")))


class Job:
    """One job's publication of a film: `name` is in everything that it writes."""

    def __init__(
        self,
        folder: Path,
        stores: Stores,
        name: str,
        grace: timedelta = timedelta(hours=24),
        judged_later: Sequence[str] = (),
    ) -> None:
        self.workspace = Workspace(folder / f"work-{name}-{os.urandom(3).hex()}")
        receipts = Receipts(Tools(tool_environment(os.environ)), self.workspace, run_id=name, price=lambda gpu: 1.0)
        leases = Leases(stores, name, times=LeaseTimes(goes_on_after=0.01))
        self._alone = ExitStack()
        lease = self._alone.enter_context(leases.of("m1", leases.claim(MEDIA, from_original=True)))
        self.publication = Publication(MEDIA, stores, receipts, lease, grace=grace, pause=0.01)
        self._name = name
        work = receipts.begin()
        mezzanine = MezzanineRecord(
            **self._head("mezzanine"),
            source=SourceFacts(container="mov", size=4),
            duration=12.0,
            width=1280,
            height=720,
        )
        files = ("archive", MEZZANINE, Stage.CONTENT)
        self.publication.add([self._output(mezzanine, files)], work, judged_later=judged_later)
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
            self._alone.close()
            self.workspace.close()
