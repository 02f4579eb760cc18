"""What is known, fetched and recorded of one media while its outputs are built on this machine.

In: the media's records and local copies, the phases of the run, and publishing, which is the same for every kind of
output. Out: how an output is made (`mezzanine.py`, `ladder.py`, `master.py`, `pictures.py`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from codex_assets.archive.records import LoudnessRecord, MediaRecord, MezzanineRecord, OutputRecord, StoredFile
from codex_assets.archive.store import RecordStore
from codex_assets.build.encoders import Encoders
from codex_assets.build.phases import Phase
from codex_assets.build.receipts import Receipts, Work
from codex_assets.build.sound import Sound, encode_sounds
from codex_assets.errors import MissingInput, VerificationError
from codex_assets.media import ffprobe, recipe
from codex_assets.media.encode import loudness
from codex_assets.media.facts import MediaInfo
from codex_assets.media.outputs import LOUDNESS, MEZZANINE
from codex_assets.storage import publish
from codex_assets.storage.objects import Stores, file_sha256
from codex_assets.storage.publish import Published, Upload
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification import causes
from codex_assets.verification.judge import failures, judge, rule_set
from codex_assets.verification.observations import AnyObservation
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.programme_notes import recorded_notes

_log = logging.getLogger(__name__)

SCRATCH_PER_INPUT = 4
"""Scratch space that a build needs, in sizes of its input."""

Advance = Callable[[float | None, float | None], None]
"""Called inside a phase with the fraction of it that is done (0 to 1) and the speed against real time."""


Recorded = TypeVar("Recorded", bound=OutputRecord, covariant=True)


@dataclass(frozen=True)
class UnpublishedOutput(Generic[Recorded]):
    """An output between encoding and publishing: its record, its files, and what was observed of them."""

    record: Recorded
    uploads: list[Upload] = field(default_factory=list)
    observations: list[AnyObservation] = field(default_factory=list)


@dataclass(frozen=True)
class MediaBuild:
    """One media in one run: what its outputs are built from and with. What a run has fetched or encoded once is kept in
    its workspace, also for a later `MediaBuild` of the same run."""

    media: MediaRecord
    stores: Stores
    records: RecordStore
    tools: Tools
    encoders: Encoders
    workspace: Workspace
    observer: Observer
    receipts: Receipts

    @property
    def is_video(self) -> bool:
        """Whether it is a video; if not, it is an audio."""
        return self.media.media_type == "video"

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
        store = self.stores.by_role(stored.role)

        def fetch(path: Path) -> None:
            self.workspace.require_space(stored.size * SCRATCH_PER_INPUT)
            with self.phase(Phase.FETCHING_MEZZANINE) as advance:
                store.download(stored.key, path, on_bytes=bytes_as_fraction(stored.size, advance))
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
        """Times the block as this phase, and shows it as the run's progress."""
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

    def publish(
        self, outputs: Sequence[UnpublishedOutput[OutputRecord]], work: Work, *, beside: int = 0
    ) -> list[OutputRecord]:
        """Judge all these outputs, then upload all their files, then record them; returns the records as written.

        Their receipts share `work`, with `beside` more outputs that are not published here. Raises `VerificationError`
        before any upload.
        """
        judged = self._judged(outputs)
        uploads = [upload for output in outputs for upload in output.uploads]
        total = sum(upload.path.stat().st_size for upload in uploads)
        with self.phase(Phase.PUBLISHING) as advance:
            published = publish.publish(self.stores, uploads, on_bytes=bytes_as_fraction(total, advance))
        stored = dict(zip(uploads, published, strict=True))
        records = []
        for output, record in zip(outputs, judged, strict=True):
            assert record.build is not None
            receipt = self.receipts.complete(record.build, work, outputs=len(outputs) + beside)
            files = tuple(_stored_file(stored[upload]) for upload in output.uploads)
            complete = record.model_copy(update={"files": files, "build": receipt})
            self.records.put(record.media_id, record.output, complete)
            records.append(complete)
        return records

    def _judged(self, outputs: Sequence[UnpublishedOutput[OutputRecord]]) -> list[OutputRecord]:
        """The outputs' records with their checks. Raises `VerificationError` when any of these failed."""
        everything = {
            output.record.output: [finding for observation in output.observations for finding in judge(observation)]
            for output in outputs
        }
        findings = list(causes.without_consequences(everything, (), None).values())
        records = [
            output.record.model_copy(
                update={"checks": tuple(of_output), "rule_set": rule_set()} | _with_notes(output.observations)
            )
            for output, of_output in zip(outputs, findings, strict=True)
        ]
        failed = [finding for of_output in findings for finding in failures(of_output)]
        for finding in failed:
            _log.error("%s failed %s: %s", finding.output, finding.rule, finding.message)
        if failed:
            raise VerificationError(failed, records=records)
        return records


def bytes_as_fraction(total: int, advance: Advance) -> Callable[[int], None]:
    """A callback for a transfer of `total` bytes, called with the size of each part: it advances a phase."""
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        advance(done / total if total else 1.0, None)

    return count


def digest(*parts: str) -> str:
    """32 hex digits that identify these texts: the data version of an output that is not one file."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _with_notes(observations: Sequence[AnyObservation]) -> dict[str, Any]:
    """The field of the record of an output in which all of the programme was seen; nothing for others."""
    notes = recorded_notes(observations)
    return {"notes": notes} if notes is not None else {}


def _stored_file(published: Published) -> StoredFile:
    return StoredFile(role=published.role, key=published.key, size=published.size, sha256=published.sha256)
