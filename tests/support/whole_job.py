"""One upload through the whole job, as the platform sends it: payload in, signed webhook out, and what then lies where.

Knows the contract's keys and nothing of how anything is built: what is delivered is looked at from outside.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jobs
from loopback import own_host
from webhook_receiver import receiving

from codex_assets.archive.records import VariantRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage.objects import Stores
from codex_assets.worker import job

MEDIA = "media1"
MediaType = Literal["video", "audio"]


@dataclass(frozen=True)
class Delivered:
    """What the one webhook said, and the folder that holds the three buckets."""

    body: dict[str, Any]
    result: dict[str, Any]
    """RunPod's result: the same body, or an error that carries it."""
    settings: Settings
    stores_folder: Path

    @property
    def output(self) -> dict[str, Any]:
        assert self.body["status"] == "completed", self.body
        output: dict[str, Any] = self.body["output"]
        return output

    @property
    def warnings(self) -> list[str]:
        return list(self.output.get("warnings", []))

    @property
    def stores(self) -> Stores:
        return self.settings.stores()

    def path(self, field: str) -> Path:
        """The published object that a field of the webhook names (`mezzanineKey`, `thumbnailKey`, ...)."""
        role, key = jobs.announced_keys(self.output)[field]
        bucket = dict(zip(("archive", "media", "assets"), jobs.BUCKETS, strict=True))[role]
        return self.stores_folder / bucket / key

    @property
    def notes(self) -> list[str]:
        """Kinds of what a viewer would complain of, of all variants."""
        records = RecordStore(self.stores.archive)
        variants = [
            record
            for media_type in OUTPUTS
            for output in OUTPUTS[media_type]
            if isinstance(record := records.output(MEDIA, output), VariantRecord)
        ]
        return sorted({note.kind for variant in variants for note in variant.notes or ()})

    @property
    def mezzanine(self) -> Path:
        return self.path("mezzanineKey")

    def playlist(self, variant: str) -> Path:
        """The playlist of a variant; a preview's too."""
        name = "preview.m3u8" if variant == "preview" else "playlist.m3u8"
        return self.path("hlsMasterPlaylistKey").parent / variant / name

    def published(self) -> set[str]:
        """Every object that is neither the original nor a record, as `role/key`."""
        return {
            f"{role}/{key}"
            for role, objects in jobs.objects(self.stores).items()
            for key in objects
            if not key.startswith(("originals/", "records/"))
        }

    def left_behind(self) -> Iterator[Path]:
        """What the job left in its scratch space."""
        yield from self.settings.scratch.glob("*")


def deliver(
    upload: Path | bytes,
    media_type: MediaType,
    folder: Path,
    *,
    name: str = "original.bin",
    environment: dict[str, str] | None = None,
    **changes: Any,
) -> Delivered:
    """Upload a file under `name` and run its job in this process. `changes` are fields of the payload."""
    settings = configuration.load(jobs.local_environment(folder, **(environment or {})))
    key = f"originals/{jobs.CREATOR}/{MEDIA}/{name}"
    data = upload if isinstance(upload, bytes) else upload.read_bytes()
    settings.stores().archive.write(key, data, content_type="application/octet-stream")
    with receiving(host=own_host()) as receiver, _said_of_webhooks() as said:
        result = job.run(
            "job-1", jobs.payload(media_type, MEDIA, receiver.url, **{"inputKey": key, **changes}), settings
        )
        if len(receiver.received) != 1:
            came = f"{len(receiver.received)} webhooks came; {receiver.who_answers()}"
            raise AssertionError(f"{came}; the sender said: {said}; the job's result: {result}")
        (received,) = receiver.received
    assert received.is_signed_with(jobs.SECRET)
    jobs.assert_contract(received.said)
    return Delivered(received.said, result, settings, folder / "stores")


@contextmanager
def _said_of_webhooks() -> Iterator[list[str]]:
    """What the sender logs meanwhile."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("codex_assets.net.webhook")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
