"""Films of a few bytes whose outputs say what they were made from. Their files are written once for all stories.

An output's bytes follow from what it was made from and from `encode`: the same encode gives the same bytes, another one
(another encoder, another ffmpeg) others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from world import SimulatedDatetime

from codex_assets.archive.records import (
    Build,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    SourceFacts,
    ThumbnailRecord,
    VariantRecord,
)
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.storage import keys
from codex_assets.storage.objects import Role
from codex_assets.storage.publish import Stage, Upload

MEDIA_ID, CREATOR = "m1", "c1"
MEZZANINE = keys.mezzanine(CREATOR, MEDIA_ID)
MASTER = keys.master_playlist(CREATOR, MEDIA_ID, "video")
THUMBNAIL = keys.thumbnail(CREATOR, MEDIA_ID)
RUNGS = ("720p", "360p")
SEGMENTS = 2
OUTPUTS = ("mezzanine", "hls_1080p", *(f"hls_{rung}" for rung in RUNGS), "hls_master", "thumbnail")
"""What a job is asked for."""


def media(input_key: str) -> MediaRecord:
    """The media, of an upload that lies there."""
    return MediaRecord(
        media_id=MEDIA_ID, creator_id=CREATOR, media_type="video", input_role="archive", input_key=input_key
    )


def playlist(rung: str) -> str:
    """The key of a variant's playlist."""
    return keys.variant_playlist(CREATOR, MEDIA_ID, "video", rung)


@dataclass(frozen=True)
class _Written:
    path: Path
    sha256: str


class Films:
    """Makes outputs, with files in a folder that may be kept for ever."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[bytes, _Written] = {}

    def mezzanine(self, run_id: str, film: str, uploaded_at: str) -> UnpublishedOutput[MezzanineRecord]:
        """`film`: the upload's contents and the encode."""
        contents = f"mezzanine of {film}".encode()
        head = self._head("mezzanine", run_id, hashlib.sha256(contents).hexdigest()[:32], {"original": film})
        source = SourceFacts(container="mov", size=4, uploaded_at=uploaded_at)
        record = MezzanineRecord(**head, source=source, duration=12.0, width=1280, height=720)
        return UnpublishedOutput(record, [self._upload("archive", MEZZANINE, Stage.CONTENT, contents)])

    def variant(self, run_id: str, rung: str, mezzanine: str, encode: int) -> UnpublishedOutput[VariantRecord]:
        """`mezzanine`: its data version."""
        segments = [f"{rung} {number} of {mezzanine} by {encode}".encode() for number in range(SEGMENTS)]
        version = keys.version(hashlib.sha256(segment).hexdigest() for segment in segments)
        key = playlist(rung)
        head = self._head(f"hls_{rung}", run_id, version, {"mezzanine": mezzanine})
        record = VariantRecord(**head, variant=rung, playlist_key=key, version=version)
        names = [f"{version}/segment_{number:05d}.ts" for number in range(SEGMENTS)]
        text = "\n".join(["#EXTM3U", *names, ""]).encode()
        uploads = [
            self._upload("media", keys.segment(key, number, version), Stage.CONTENT, segment)
            for number, segment in enumerate(segments)
        ]
        return UnpublishedOutput(record, [*uploads, self._upload("media", key, Stage.PLAYLIST, text)])

    def master(self, run_id: str, variants: dict[str, str]) -> UnpublishedOutput[MasterRecord]:
        """`variants`: output -> data version."""
        lines = [line for output, version in variants.items() for line in (f"# {version}", _playlist_of(output))]
        text = "\n".join(["#EXTM3U", *lines, ""]).encode()
        head = self._head("hls_master", run_id, hashlib.sha256(text).hexdigest()[:32], variants)
        record = MasterRecord(**head, master_key=MASTER, variants=tuple(output[4:] for output in variants))
        return UnpublishedOutput(record, [self._upload("media", MASTER, Stage.MASTER, text)])

    def thumbnail(self, run_id: str, mezzanine: str, encode: int) -> UnpublishedOutput[ThumbnailRecord]:
        """`mezzanine`: its data version."""
        contents = f"thumbnail of {mezzanine} by {encode}".encode()
        head = self._head("thumbnail", run_id, hashlib.sha256(contents).hexdigest()[:32], {"mezzanine": mezzanine})
        return UnpublishedOutput(ThumbnailRecord(**head), [self._upload("assets", THUMBNAIL, Stage.PICTURE, contents)])

    def marker(self) -> UnpublishedOutput[VariantRecord]:
        """A variant that does not apply."""
        record = VariantRecord(
            media_id=MEDIA_ID,
            media_type="video",
            output="hls_1080p",
            variant="1080p",
            code_version="x",
            data_version="x",
            applicable=False,
            reason="never upscaled",
        )
        return UnpublishedOutput(record)

    def _head(self, output: str, run_id: str, version: str, inputs: dict[str, str]) -> dict[str, Any]:
        built_at = SimulatedDatetime.now().isoformat(timespec="milliseconds")
        build = Build(built_at=built_at, wall_seconds=0.0, run_id=run_id, inputs=inputs)
        head = {"media_id": MEDIA_ID, "media_type": "video", "output": output, "code_version": "x"}
        return {**head, "data_version": version, "build": build}

    def _upload(self, role: Role, key: str, stage: Stage, contents: bytes) -> Upload:
        written = self._written.get(contents)
        if written is None:
            path = self._folder / f"{len(self._written)}{Path(key).suffix}"
            path.write_bytes(contents)
            written = self._written[contents] = _Written(path, hashlib.sha256(contents).hexdigest())
        return Upload(written.path, role, key, stage, written.sha256)


def _playlist_of(output: str) -> str:
    return f"{output[4:]}/playlist.m3u8"


@lru_cache(maxsize=1000)
def named_segments(key: str, text: bytes) -> tuple[str, ...]:
    """The keys that a playlist names."""
    return tuple(keys.folder(key) + line for line in text.decode().splitlines() if line and not line.startswith("#"))
