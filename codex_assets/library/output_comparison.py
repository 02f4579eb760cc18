"""Compares an output that was built again with the one that is published: files, sound, pictures, tools.

What x264 and the other tools make has to be the same byte for byte. NVENC gives other bytes each time, so where the
record says that it made the picture, the playlist and the sound have to be the same bytes, and every decoded picture
alike. In: limits, and what a difference is called. Out: building it (`reproduction.py`), looking at pictures
(`verification/observe/encode_pair.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from codex_assets.archive import stored_files
from codex_assets.archive.records import LoudnessRecord, MezzanineRecord, OutputRecord, StoredFile, VariantRecord
from codex_assets.errors import MissingInput, ToolError
from codex_assets.library.media_facts import recorded_tools
from codex_assets.library.staleness import Change, changed_tools
from codex_assets.media import profile
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.observe.encode_pair import PictureLikeness, compare_pictures, sound_digest

READERS = 8
"""Published files that are fetched at once: segments are small, and far away."""
FURTHER_SECOND = 1.5
"""An encode by NVENC may be so many times as far from the mezzanine, in any second, as the one that is built here.
Measurements are in docs/rebuilding.md."""
FURTHER_PICTURE = 2.5
"""... in a single picture."""
ALIKE_MEZZANINE = 0.94
"""Least SSIM of two mezzanines, which are near to their source, in any picture."""


class FileState(StrEnum):
    """How a published file is another than the one that was built here."""

    DIFFERS = "differs"
    ALTERED = "is not the file that its record names"
    MISSING = "is missing in the store"
    NOT_PUBLISHED = "is not published"
    NOT_BUILT = "is not built here"


@dataclass(frozen=True)
class FileDifference:
    """One file that is not the same. `at`: seconds at which a segment begins; None for what is no segment."""

    name: str
    state: FileState
    at: float | None = None

    def __str__(self) -> str:
        moment = "" if self.at is None else f" (from {self.at:g} s)"
        return f"{self.name}{moment} {self.state}"


class ReproductionOutcome(StrEnum):
    """What building an output again came to."""

    SAME = "same"
    DIFFERS = "differs"
    IMPOSSIBLE = "cannot be built again"
    FAILED = "could not be compared"


@dataclass(frozen=True)
class ReproducedOutput:
    """One output, and whether building it again gave what is published.

    `files`: how many were compared. `reason`: why it could not be built or compared, or what differs where no file
    does. `tools`: the versions that built it and those here, where they differ. `encoders`: of the picture, when it was
    published and here. `pictures`, `same_sound`: only looked at where files differ.
    """

    output: str
    outcome: ReproductionOutcome
    reason: str | None = None
    files: int = 0
    differing: tuple[FileDifference, ...] = ()
    tools: tuple[Change, ...] = ()
    encoders: tuple[str | None, str | None] = (None, None)
    pictures: PictureLikeness | None = None
    same_sound: bool | None = None

    @property
    def by_pictures(self) -> bool:
        """Whether its decoded pictures were judged, because NVENC made them."""
        return is_by_nvenc(self.encoders[0]) and self.pictures is not None


def is_by_nvenc(encoder: str | None) -> bool:
    """Whether an encoder's bytes are others each time."""
    return encoder not in (None, profile.X264.codec)


def compare_outputs(
    published: OutputRecord,
    built: OutputRecord,
    stores: Stores,
    overlay: Stores,
    tools: Tools,
    workspace: Workspace,
    mezzanine: MezzanineRecord | None,
) -> ReproducedOutput:
    """What is published in `stores` against what was built into `overlay`, from that `mezzanine`.

    Raises `JobError` where it cannot tell.
    """
    encoders = (_encoder_of(published), _encoder_of(built))
    comparison = ReproducedOutput(
        published.output,
        ReproductionOutcome.SAME,
        files=len(published.files),
        tools=changed_tools(recorded_tools(published), recorded_tools(built)),
        encoders=encoders,
    )
    if not built.applicable:
        return replace(comparison, outcome=ReproductionOutcome.DIFFERS, reason="this source does not get it any more")
    if isinstance(published, LoudnessRecord) and isinstance(built, LoudnessRecord):
        return _compare_measurements(comparison, published, built)
    differing = tuple(_differences(published, built, stores, overlay, workspace))
    if not differing:
        return comparison
    comparison = replace(comparison, outcome=ReproductionOutcome.DIFFERS, differing=differing)
    if not isinstance(published, (VariantRecord, MezzanineRecord)) or _lacks_files(differing):
        return comparison
    first = _fetch(published, stores, workspace.folder("published"))
    second = _fetch(built, overlay, workspace.folder("built-again"))
    source = None
    if is_by_nvenc(encoders[0]) and isinstance(published, VariantRecord) and mezzanine is not None:
        (file,) = mezzanine.files
        source = workspace.copy(file.role, file.key, file.sha256, lambda path: stored_files.fetch(stores, file, path))
    try:
        return _looked_into(comparison, first, second, source, published.media_seconds, tools, workspace)
    finally:
        workspace.folder("published")
        workspace.folder("built-again")


# --- Bytes ------------------------------------------------------------------------------------------------------------


def _differences(
    published: OutputRecord, built: OutputRecord, stores: Stores, overlay: Stores, workspace: Workspace
) -> Iterator[FileDifference]:
    """The files that are not the same, in the order in which they play. Every published file is read.

    The folder of a version follows from the segments: that it is called otherwise, here or in a playlist, is no
    difference of its own.
    """
    ours = {keys.without_version(file.key): file for file in built.files}
    starts = _starts(published)
    folder = workspace.folder("published")
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        hashes = pool.map(lambda file: _stored_sha256(stores, file, folder), published.files)
        for file, sha256 in zip(published.files, hashes, strict=True):
            other = ours.get(keys.without_version(file.key))
            state = _state(file, sha256, other.sha256 if other is not None else None)
            is_playlist = file.key.endswith(".m3u8")
            if state is FileState.DIFFERS and is_playlist and _playlist(stores, file) == _playlist(overlay, other):
                continue
            if state is not None:
                name = _name(file.key)
                yield FileDifference(name, state, starts.get(name))
    published_keys = {keys.without_version(file.key) for file in published.files}
    for key in ours:
        if key not in published_keys:
            yield FileDifference(_name(key), FileState.NOT_PUBLISHED)


def _playlist(stores: Stores, file: StoredFile | None) -> bytes | None:
    """The text of a playlist, without the folders of its segments."""
    if file is None:
        return None
    return re.sub(rb"^[0-9a-f]{12}/", b"", stores.by_role(file.role).read(file.key), flags=re.MULTILINE)


def _state(file: StoredFile, stored: str | None, built: str | None) -> FileState | None:
    """What is wrong with a file that is `stored` and `built` with these hashes; None: it is the same."""
    if stored is None:
        return FileState.MISSING
    if stored != file.sha256:
        return FileState.ALTERED
    if built is None:
        return FileState.NOT_BUILT
    return FileState.DIFFERS if stored != built else None


def _stored_sha256(stores: Stores, file: StoredFile, folder: Path) -> str | None:
    """The hash of a published file's bytes as they are now; None when it is not there."""
    path = folder / _name(file.key)
    try:
        return stored_files.fetch(stores, file, path).sha256
    except MissingInput:
        return None
    finally:
        path.unlink(missing_ok=True)


def _starts(record: OutputRecord) -> dict[str, float]:
    """Segment -> seconds at which it begins."""
    starts: dict[str, float] = {}
    at = 0.0
    for segment in record.segments if isinstance(record, VariantRecord) else ():
        starts[segment.name] = round(at, 3)
        at += segment.duration
    return starts


def _lacks_files(differing: Sequence[FileDifference]) -> bool:
    return any(difference.state is not FileState.DIFFERS for difference in differing)


def _name(key: str) -> str:
    return key.rpartition("/")[2]


# --- Sound and pictures -----------------------------------------------------------------------------------------------


def _looked_into(
    comparison: ReproducedOutput,
    first: Path,
    second: Path,
    source: Path | None,
    seconds: float | None,
    tools: Tools,
    workspace: Workspace,
) -> ReproducedOutput:
    """The same, with what is heard and seen of the difference between the files; where NVENC made the first, that
    decides. `source`: what both were made from."""
    try:
        sounds = [sound_digest(tools, path, duration=seconds) for path in (first, second)]
        pictures = compare_pictures(tools, first, second, source=source, duration=seconds)
    except ToolError as error:
        return replace(comparison, reason=f"not compared any further: {error.public}")
    same_sound = sounds[0] == sounds[1] if any(sounds) else None
    looked_into = replace(comparison, pictures=pictures, same_sound=same_sound)
    if not is_by_nvenc(comparison.encoders[0]) or pictures is None:
        return looked_into
    reason = _unlike(looked_into, pictures)
    if reason is not None:
        return replace(looked_into, reason=reason)
    return replace(looked_into, outcome=ReproductionOutcome.SAME, differing=())


def _unlike(comparison: ReproducedOutput, pictures: PictureLikeness) -> str | None:
    """In which way an encode is not alike to one of NVENC; None when it is."""
    if any(difference.name.endswith(".m3u8") for difference in comparison.differing):
        return "its playlist differs"
    if comparison.same_sound is False:
        return "its sound differs"
    if pictures.counts[0] != pictures.counts[1]:
        return f"it has {pictures.counts[0]} pictures, and {pictures.counts[1]} when built here"
    second, picture = pictures.worst_second, pictures.worst_picture
    if second is None or picture is None:
        return None if pictures.least >= ALIKE_MEZZANINE else f"the picture at {pictures.least_at:.2f} s is another"
    if picture.times > FURTHER_PICTURE:
        return f"the picture at {picture.at:.2f} s is {picture.times:.1f} times as far from the mezzanine's as here"
    if second.times > FURTHER_SECOND:
        return f"the second from {second.at:.0f} s is {second.times:.1f} times as far from the mezzanine's as here"
    return None


def _fetch(record: OutputRecord, stores: Stores, folder: Path) -> Path:
    """Copy an output's files into `folder`; returns the one that is opened to play it."""
    last = record.files[-1].key
    playlist = (record.playlist_key if isinstance(record, VariantRecord) else None) or last
    for file in record.files:
        stored_files.fetch(stores, file, folder / file.key.removeprefix(keys.folder(playlist)))
    return folder / _name(playlist)


# --- Measurements and records -----------------------------------------------------------------------------------------


def _compare_measurements(
    comparison: ReproducedOutput, published: LoudnessRecord, built: LoudnessRecord
) -> ReproducedOutput:
    """Loudness has no files: its numbers are compared."""
    if published.data_version == built.data_version:
        return comparison
    shown = [
        f"{measured.integrated_lufs:.2f} LUFS, {measured.true_peak_dbtp:.2f} dBTP" if measured else "silence"
        for measured in (published.measurement, built.measurement)
    ]
    return replace(
        comparison, outcome=ReproductionOutcome.DIFFERS, reason=f"{shown[0]} is recorded, {shown[1]} is measured here"
    )


def _encoder_of(record: OutputRecord) -> str | None:
    return record.build.encoder if record.build is not None else None
