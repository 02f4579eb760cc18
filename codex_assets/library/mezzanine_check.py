"""Whether a mezzanine in the archive can stand for its original: it is there, is what was recorded, and decodes.

In: the object's length and SHA-256, and a decode of both ends of each track. Not here: what follows for the original
(`original_removal.py`).
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from pathlib import Path

from codex_assets.archive import stored_files
from codex_assets.archive.records import MezzanineRecord, StoredFile
from codex_assets.errors import ToolError
from codex_assets.media import ffprobe, input_flags
from codex_assets.storage.objects import ObjectStore, StoredObject, file_sha256
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace

WINDOW_SECONDS = 5.0
"""Of each track, decoded at its head and at its tail."""
SLACK_SECONDS = 0.5
"""By how much less than a window may come out of it: frames are not cut in two."""
SCRATCH_PER_MEZZANINE = 1.05
"""Scratch space that is required, as a multiple of the mezzanine's size."""
OTHER_CONTENTS = "The mezzanine in the archive has other contents than were recorded; build it again."


class MezzanineFault(StrEnum):
    """What is wrong with a mezzanine, as `cleanup-originals` reports it."""

    MISSING = "mezzanine_missing"
    LENGTH = "mezzanine_length"
    HASH = "mezzanine_hash"
    HEAD = "head_undecodable"
    TAIL = "tail_undecodable"


class FaultyMezzanine(Exception):
    """`fault`, and one public sentence about it."""

    def __init__(self, fault: MezzanineFault, message: str) -> None:
        super().__init__(message)
        self.fault, self.message = fault, message


def stored_mezzanine(archive: ObjectStore, file: StoredFile) -> StoredObject:
    """The mezzanine as the archive lists it. Raises `FaultyMezzanine` when that is not what was recorded."""
    stored = archive.head(file.key)
    if stored is None:
        raise FaultyMezzanine(MezzanineFault.MISSING, "The mezzanine is not in the archive; build it again.")
    if stored.size != file.size:
        message = f"The mezzanine in the archive has {stored.size} bytes instead of {file.size}; build it again."
        raise FaultyMezzanine(MezzanineFault.LENGTH, message)
    if stored_files.is_denied(file, stored):
        raise FaultyMezzanine(MezzanineFault.HASH, OTHER_CONTENTS)
    return stored


def require_whole(archive: ObjectStore, tools: Tools, scratch: Path, record: MezzanineRecord, file: StoredFile) -> None:
    """Fetch the mezzanine, compare its hash, and decode its ends. Raises `FaultyMezzanine`.

    `file` is the mezzanine's file in `record`; `scratch` a folder with space for it.
    """
    workspace = Workspace(scratch / f"cleanup-{uuid.uuid4().hex[:12]}")
    try:
        workspace.require_space(round(file.size * SCRATCH_PER_MEZZANINE))
        path = workspace.root / "mezzanine.mp4"
        stored = stored_files.fetch_from(archive, file, path)
        if stored.size != file.size or file_sha256(path) != file.sha256:
            raise FaultyMezzanine(MezzanineFault.HASH, OTHER_CONTENTS)
        _require_decodable(tools.within(workspace.root), path, record)
    finally:
        workspace.close()


def _require_decodable(tools: Tools, path: Path, mezzanine: MezzanineRecord) -> None:
    """Both ends of every track that the record names come out of a decoder, without a complaint."""
    try:
        info = ffprobe.parse(
            tools.ffprobe(ffprobe.probe_arguments(str(path), trusted=True), label="probing the mezzanine")
        )
    except ToolError:
        message = "The mezzanine cannot be opened; build it again."
        raise FaultyMezzanine(MezzanineFault.HEAD, message) from None
    tracks = (("v", mezzanine.video_codec, info.video), ("a", mezzanine.audio_codec, info.audio))
    for selector, codec, track in tracks:
        if codec is None:
            continue
        name = "picture" if selector == "v" else "sound"
        if track is None or track.duration is None or track.duration <= 0:
            message = f"The mezzanine's {name} is not there; build it again."
            raise FaultyMezzanine(MezzanineFault.HEAD, message)
        seconds = min(WINDOW_SECONDS, track.duration)
        if not _decodes(tools, path, selector, 0.0, seconds):
            message = f"The mezzanine's {name} does not decode at its start; build it again."
            raise FaultyMezzanine(MezzanineFault.HEAD, message)
        if not _decodes(tools, path, selector, max(0.0, track.duration - WINDOW_SECONDS), seconds):
            message = f"The mezzanine's {name} does not decode at its end; build it again."
            raise FaultyMezzanine(MezzanineFault.TAIL, message)


def _decodes(tools: Tools, path: Path, selector: str, start: float, seconds: float) -> bool:
    """Whether this part of a track (`v` or `a`) comes out of its decoder whole, and without a complaint."""
    decoded_seconds = 0.0

    def count(progress: Progress) -> None:
        nonlocal decoded_seconds
        decoded_seconds = max(decoded_seconds, progress.seconds)

    seek = ["-ss", f"{start:.6f}"] if start > 0 else []
    arguments = ["-xerror", *seek, *input_flags.input_arguments(str(path), trusted=True)]
    arguments += ["-map", f"0:{selector}:0", "-t", f"{seconds:.6f}", "-f", "null", "-"]
    try:
        run = tools.ffmpeg(arguments, label="decoding the mezzanine's ends", duration=seconds, on_progress=count)
    except ToolError:
        return False
    complaints = any("[error]" in line or "[fatal]" in line for line in run.log)
    return not complaints and decoded_seconds >= max(0.0, seconds - SLACK_SECONDS) and decoded_seconds > 0
