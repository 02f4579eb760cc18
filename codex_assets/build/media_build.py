"""What is known, fetched and recorded of one media while its outputs are built on this machine.

In: the media's records and local copies, and the phases of the run. Out: how an output is made (`mezzanine.py`,
`ladder.py`, `master.py`, `pictures.py`), and publishing (`publication.py`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codex_assets.archive import stored_files
from codex_assets.archive.leases import Lease
from codex_assets.archive.records import LoudnessRecord, MediaRecord, MezzanineRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.encoders import Encoders
from codex_assets.build.phases import Phase
from codex_assets.build.publication import Advance, Publication, bytes_as_fraction
from codex_assets.build.receipts import Receipts
from codex_assets.build.sound import Sound, encode_sounds
from codex_assets.errors import MissingInput
from codex_assets.media import ffprobe, recipe
from codex_assets.media.encode import loudness
from codex_assets.media.facts import MediaInfo
from codex_assets.media.outputs import LOUDNESS, MEZZANINE
from codex_assets.storage.objects import Stores, file_sha256
from codex_assets.system import machine, side_by_side
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.observe.observer import Observer

_log = logging.getLogger(__name__)

SCRATCH_PER_INPUT = 4
"""Scratch space that a build needs, in sizes of its input."""


Made = TypeVar("Made")


def _with_tools(piece: Callable[[MediaBuild], Made], build: MediaBuild, tools: Tools) -> Made:
    return piece(replace(build, tools=tools))


@dataclass(frozen=True)
class MediaBuild:
    """One media in one run: what its outputs are built from and with. What a run has fetched or encoded once is kept in
    its workspace, also for a later `MediaBuild` of the same run."""

    media: MediaRecord
    stores: Stores
    publication: Publication
    """Where finished outputs go; what it has of them is read as if it were published."""
    lease: Lease
    """The media's, for as long as it is built."""
    tools: Tools
    encoders: Encoders
    workspace: Workspace
    observer: Observer
    receipts: Receipts
    has_public_preview: bool = False
    """Whether the preview is published in the assets bucket, too."""

    @property
    def is_video(self) -> bool:
        """Whether it is a video; if not, it is an audio."""
        return self.media.media_type == "video"

    @property
    def records(self) -> RecordStore:
        """The media's records, those of outputs that are not published yet among them."""
        return self.publication.records

    def side_by_side(self, work: Sequence[Callable[[MediaBuild], Made]]) -> list[Made]:
        """What several pieces of work return, in their order, as many at once as there are processors. The first that
        raises ends the others, and its exception is raised."""
        pieces = [partial(_with_tools, piece, self) for piece in work]
        return list(side_by_side.in_order(self.tools, pieces, at_once=machine.processors()))

    # --- What is known ------------------------------------------------------------------------------------------------

    def mezzanine_record(self) -> MezzanineRecord:
        """Raises `MissingInput` when there is none yet."""
        record = self.records.get(self.media.media_id, MEZZANINE.name, MezzanineRecord)
        if record is None:
            raise MissingInput(f"Media {self.media.media_id} has no mezzanine yet; build it first, from the original.")
        return record

    def loudness_record(self) -> LoudnessRecord:
        """Raises `MissingInput` when there is none yet."""
        record = self.records.get(self.media.media_id, LOUDNESS.name, LoudnessRecord)
        if record is None:
            raise MissingInput(f"Media {self.media.media_id} has no loudness measurement yet; build `loudness` first.")
        return record

    def probe(self, path: Path) -> MediaInfo:
        """What ffprobe says of a file that this run made."""
        return ffprobe.parse(self.tools.ffprobe(ffprobe.probe_arguments(str(path), trusted=True), label="probing"))

    # --- What is fetched or encoded once ------------------------------------------------------------------------------

    def mezzanine_file(self, record: MezzanineRecord) -> Path:
        """The mezzanine file: from this run when it has it, else from the archive, checked against its record.

        Raises `MissingInput` when the archive's file is another one.
        """
        (stored,) = record.files

        def fetch(path: Path) -> None:
            self.workspace.require_space(stored.size * SCRATCH_PER_INPUT)
            with self.phase(Phase.FETCHING_MEZZANINE) as advance:
                stored_files.fetch(self.stores, stored, path, on_bytes=bytes_as_fraction(stored.size, advance))
            if file_sha256(path) != stored.sha256:
                raise MissingInput(
                    f"The mezzanine of media {self.media.media_id} in the archive is not the one that was recorded; "
                    "build it again from the original."
                )

        return self.workspace.copy(stored.role, stored.key, stored.sha256, fetch)

    def delivered_sounds(self, rates: Collection[int]) -> dict[int, Sound]:
        """The delivered sound by rate (kbit/s); empty when the media has none. Each rate is encoded once per run."""
        record = self.mezzanine_record()
        if not record.has_audio:
            return {}
        measured = loudness.louder(self.loudness_record().measurement, record.sound_gain)
        sounds: dict[int, Sound] = self.workspace.once(f"sounds-{record.data_version}-{measured}", dict)
        missing = sorted(rate for rate in rates if rate not in sounds)
        if missing:
            source = self.mezzanine_file(record)
            folder = self.workspace.root / "sound"
            with self.tool_phase(Phase.SOUND) as on_progress:
                sounds |= encode_sounds(self.tools, folder, source, missing, measured, record.duration, on_progress)
        return {rate: sounds[rate] for rate in rates}

    # --- Phases -------------------------------------------------------------------------------------------------------

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[Advance]:
        """Times the block as this phase, and shows it as the run's progress. Raises `Superseded` instead of beginning
        what would be for nothing."""
        self.lease.require()
        with self.workspace.progress.phase(phase.value) as advance:
            yield advance

    @contextmanager
    def tool_phase(self, phase: Phase) -> Iterator[Callable[[Progress], None]]:
        """As `phase`, for a block that runs ffmpeg: it takes ffmpeg's own progress."""
        with self.phase(phase) as advance:
            yield lambda progress: advance(progress.fraction, progress.speed)

    # --- What is recorded ---------------------------------------------------------------------------------------------

    def head(self, output: str) -> dict[str, Any]:
        """The fields with which the record of any output begins."""
        return {
            "media_id": self.media.media_id,
            "media_type": self.media.media_type,
            "output": output,
            "code_version": recipe.code_version(self.media.media_type, output),
        }

    def inputs_with_sound(self, source: MezzanineRecord) -> dict[str, str]:
        """The inputs of what is made from the mezzanine and its sound, if it has any, normalised as measured."""
        inputs = {MEZZANINE.name: source.data_version}
        return inputs | ({LOUDNESS.name: self.loudness_record().data_version} if source.has_audio else {})


def digest(*parts: str) -> str:
    """32 hex digits that identify these texts: the data version of an output that is not one file."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def files_version(paths: Iterable[Path]) -> str:
    """The data version of an output of several files: their names, and what is in them, in this order."""
    return digest(*(f"{path.name} {file_sha256(path)}" for path in paths))
