"""One media on a bench: a store in a folder, the real builder, and a look at what it published."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import clips

from codex_assets.archive.records import MediaRecord, OutputRecord, VariantRecord
from codex_assets.archive.replaced import GRACE
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.contract.names import MediaType
from codex_assets.media.outputs import wanted
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Workspace

CREATOR, MEDIA = "c1", "m1"
_numbers = count()


@dataclass
class Bench:
    """A media in its stores under `root`. Every `build` is a run of its own, with an empty workspace."""

    root: Path
    media_type: MediaType
    clips: Path
    tools: Tools = field(default_factory=lambda: Tools(tool_environment(os.environ)))

    def __post_init__(self) -> None:
        self.stores = Stores(
            DirectoryStore(self.root, "archive", "archive"),
            DirectoryStore(self.root, "media", "media"),
            DirectoryStore(self.root, "assets", "assets"),
        )
        self.media = MediaRecord(
            media_id=MEDIA,
            creator_id=CREATOR,
            media_type=self.media_type,
            input_role="archive",
            input_key=f"originals/{CREATOR}/{MEDIA}/original",
        )

    def upload(self, clip: str) -> None:
        path = clips.make(clip, self.clips)
        self.stores.archive.upload(path, self.media.input_key, content_type="application/octet-stream")

    def build(
        self,
        outputs: Iterable[str] | None = None,
        *,
        mode: EncoderMode = EncoderMode.X264,
        tools: Tools | None = None,
        stores: Stores | None = None,
        grace: timedelta = GRACE,
    ) -> dict[str, OutputRecord]:
        tools = tools or self.tools
        workspace = Workspace(self.root.parent / f"work-{self.root.name}-{os.getpid()}-{next(_numbers)}")
        builder = LocalBuilder(stores or self.stores, tools, Encoders(mode, tools), workspace, grace=grace)
        chosen = list(wanted(self.media_type) if outputs is None else outputs)
        try:
            return {record.output: record for record in builder.build(self.media, chosen)}
        finally:
            workspace.close()

    def objects(self, *, records: bool = False) -> dict[str, str]:
        """Every object by `bucket/key`, with the hash of its bytes and when it was written. Leases, which every run
        writes, are left out."""
        contents = {}
        for store in (self.stores.archive, self.stores.media, self.stores.assets):
            for stored in store.list(""):
                if stored.key.startswith("leases/"):
                    continue
                if records or not stored.key.startswith("records/"):
                    written = (self.root / store.bucket / stored.key).stat().st_mtime_ns
                    digest = hashlib.sha256(store.read(stored.key)).hexdigest()
                    contents[f"{store.bucket}/{stored.key}"] = f"{digest} {written}"
        return contents

    def contents(self) -> dict[str, str]:
        """As `objects`, without the times."""
        return {name: text.partition(" ")[0] for name, text in self.objects().items()}

    def path(self, role: str, key: str) -> Path:
        return self.root / role / key

    @property
    def mezzanine(self) -> Path:
        return self.path("archive", f"mezzanine/{CREATOR}/{MEDIA}/mezzanine.mp4")


def variants(records: dict[str, OutputRecord]) -> dict[str, VariantRecord]:
    """The variants that were made, by name, best first."""
    made = [record for record in records.values() if isinstance(record, VariantRecord) and record.applicable]
    return {record.variant: record for record in made if record.output != "preview"}


def complaints(records: dict[str, OutputRecord]) -> list[str]:
    """Every finding that did not pass, the mere warnings too."""
    return [
        f"{check.severity} {record.output} {check.rule}: {check.message}"
        for record in records.values()
        for check in record.checks
        if not check.passed
    ]


def once(folder: Path, make: Callable[[], None]) -> None:
    """`make` once for all test processes: the first one works, the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = Path(f"{folder}.done")
        if not done.exists():
            make()
            done.touch()
