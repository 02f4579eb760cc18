"""Everything that a job builds of one media, until it is published all at once.

Outputs are added as they are made: each is judged then, and nothing of it leaves this machine. When all of them are
there, `switch` uploads their content under names of its own, and only when all of it is confirmed, what viewers follow:
playlists, the master, pictures, and last the records. So a job that fails before has replaced nothing.

In: what is published, in which order, and what is noted of what it replaced. Out: how outputs are made (`mezzanine.py`,
`ladder.py`, `pictures.py`), how files travel (`storage/publish.py`), how long replaced objects stay
(`archive/replaced.py`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from codex_assets.archive import replaced, switches
from codex_assets.archive.draft import DraftRecords
from codex_assets.archive.leases import Lease, NotCertain
from codex_assets.archive.records import MediaRecord, OutputRecord, StoredFile, VariantRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.archive.switches import SwitchNote
from codex_assets.build.receipts import Receipts, Work
from codex_assets.errors import InternalError, JobError, StorageError, Superseded, VerificationError
from codex_assets.media.outputs import MEZZANINE, OUTPUTS, definition
from codex_assets.storage import keys, publish
from codex_assets.storage.objects import Stores, file_sha256
from codex_assets.storage.publish import Stage, Upload
from codex_assets.verification import causes
from codex_assets.verification.judge import failures, judge, rule_set
from codex_assets.verification.observations import AnyObservation
from codex_assets.verification.programme_notes import recorded_notes

_log = logging.getLogger(__name__)

TRANSFER_ATTEMPTS, TRANSFER_PAUSE_SECONDS = 2, 5.0
"""Tries of uploading, beside those of each request: what was encoded is not encoded again for a store's sake."""

Advance = Callable[[float | None, float | None], None]
"""Called inside a phase with the fraction of it that is done (0 to 1) and the speed against real time."""
Recorded = TypeVar("Recorded", bound=OutputRecord, covariant=True)


@dataclass(frozen=True)
class UnpublishedOutput(Generic[Recorded]):
    """An output between encoding and publishing: its record, its files, and what was observed of them."""

    record: Recorded
    uploads: list[Upload] = field(default_factory=list)
    observations: list[AnyObservation] = field(default_factory=list)
    copies: list[Upload] = field(default_factory=list)
    """The same files under the same keys in another store, which no record names: whoever has the output has them."""


class Publication:
    """The outputs of one media that one job publishes together. `records` has those of what was added so far."""

    def __init__(
        self,
        media: MediaRecord,
        stores: Stores,
        receipts: Receipts,
        lease: Lease,
        *,
        grace: timedelta = replaced.GRACE,
        pause: float = TRANSFER_PAUSE_SECONDS,
    ) -> None:
        """`lease`: the media's; `grace`: how long what the switch replaces can still be played; `pause`: seconds before
        an upload is tried again."""
        self._pause = pause
        self._media, self._stores, self._receipts, self._grace = media, stores, receipts, grace
        self._lease = lease
        self.records = DraftRecords(stores.archive)
        self._outputs: dict[str, UnpublishedOutput[OutputRecord]] = {}
        self._unjudged: set[str] = set()
        self._replaced_is_noted = False

    def add(
        self,
        outputs: Sequence[UnpublishedOutput[OutputRecord]],
        work: Work,
        *,
        judged_later: Collection[str] = (),
    ) -> None:
        """Judge these outputs, whose receipts share `work`, and keep them for the switch. `judged_later`: those of them
        that are looked at while others are made of them, and then given to `judge`.

        Raises `VerificationError` when any of them may not be published.
        """
        self._unjudged |= set(judged_later)
        for output, record in zip(outputs, _judged(outputs), strict=True):
            uploads, copies = _hashed(output.uploads), _hashed(output.copies)
            facts: dict[str, Any] = {"files": tuple(map(_stored_file, uploads))} if uploads else {}
            if record.build is not None:
                facts["build"] = self._receipts.complete(record.build, work, outputs=len(outputs))
            self._keep(UnpublishedOutput(record.model_copy(update=facts), uploads, copies=copies))

    def judge(self, output: str, observations: Sequence[AnyObservation]) -> None:
        """Judge an output that was to be judged later, by what was seen of it.

        Raises `VerificationError` when it may not be published.
        """
        kept = self._outputs[output]
        (record,) = _judged([replace(kept, observations=list(observations))])
        self._keep(replace(kept, record=record))
        self._unjudged.discard(output)

    def switch(self, phase: Callable[[], AbstractContextManager[Advance]]) -> Iterator[OutputRecord]:
        """Publish everything that was added, and yield the records, in the order of outputs. `phase` times it.

        Raises `StorageError` and `Superseded`. Before the switch is noted, nothing was replaced then; after that it is
        finished by whoever has the media next, if not here.
        """
        if self._unjudged:
            raise InternalError(f"nobody judged {', '.join(sorted(self._unjudged))}")
        began = time.monotonic()
        with phase() as advance:
            try:
                self._publish_content(advance)
                self._complete_receipts(began)
                self._say_whose_upload_it_is()
                self._say_what_is_replaced()
                self._lease.note(self._switch())
            except NotCertain:
                raise
            except BaseException:
                self._take_back()
                raise
            try:
                self._lease.finish(then_deletes=True)
            except Superseded:
                # Whoever took the media over has finished the switch, and then may have replaced a part of it.
                if not self._is_published():
                    raise
            self.records.forget_changes()
        self._tidy()
        order = OUTPUTS[self._media.media_type]
        records = [output.record for output in self._outputs.values()]
        yield from sorted(records, key=lambda record: order.index(record.output))

    def _is_published(self) -> bool:
        """Whether the mezzanine that this job made is the one on record. Raises `StorageError`."""
        made = self._outputs.get(MEZZANINE.name)
        recorded = RecordStore(self._stores.archive).output(self._media.media_id, MEZZANINE.name)
        return made is not None and recorded is not None and recorded.build == made.record.build

    @property
    def _uploads(self) -> list[Upload]:
        return [upload for output in self._outputs.values() for upload in (*output.uploads, *output.copies)]

    def _staged(self, *, content: bool) -> list[Upload]:
        """The uploads that viewers are shown nothing of by themselves, or all others."""
        return [upload for upload in self._uploads if (upload.stage is Stage.CONTENT) is content]

    def _keep(self, output: UnpublishedOutput[OutputRecord]) -> None:
        self._outputs[output.record.output] = output
        self.records.put(output.record.media_id, output.record.output, output.record)

    def _publish_content(self, advance: Advance) -> None:
        """Upload and confirm what nobody is shown yet, and note what the stores call what they have."""
        uploads = self._staged(content=True)
        tries = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, StorageError) and error.retryable),
            stop=stop_after_attempt(TRANSFER_ATTEMPTS),
            wait=wait_fixed(self._pause),
            reraise=True,
        )
        for attempt in tries:
            with attempt:
                on_bytes = bytes_as_fraction(sum(each.path.stat().st_size for each in uploads), advance)
                published = publish.publish(self._stores, uploads, on_bytes=on_bytes)
        confirmed = {(each.role, each.key): each for each in published}
        for output in list(self._outputs.values()):
            files = tuple(
                file.model_copy(update={"version": each.version, "etag": each.etag})
                if (each := confirmed.get((file.role, file.key))) is not None
                else file
                for file in output.record.files
            )
            self._keep(replace(output, record=output.record.model_copy(update={"files": files})))

    def _switch(self) -> SwitchNote:
        """All that the switch writes. What viewers follow is read now: it is small."""
        note = switches.noted(uuid.uuid4().hex, self._media.media_id, self._stores, self._staged(content=False))
        return note.model_copy(update={"records": self.records.noted()})

    def _complete_receipts(self, began: float) -> None:
        """Publishing, since `began`, took its time too, and every output that was built gets its part of that."""
        # A marker has no receipt: it costs nothing.
        built = [output for output in self._outputs.values() if output.record.build is not None]
        seconds = (time.monotonic() - began) / max(1, len(built))
        for output in built:
            assert output.record.build is not None
            receipt = self._receipts.published(output.record.build, seconds)
            self._keep(replace(output, record=output.record.model_copy(update={"build": receipt})))

    def _say_whose_upload_it_is(self) -> None:
        """Put the media on record as this job knows it, where its record says otherwise."""
        try:
            known = self.records.get(self._media.media_id, "media", MediaRecord)
        except UnreadableRecord:
            known = None
        if known != self._media:
            self.records.put(self._media.media_id, "media", self._media)

    def _say_what_is_replaced(self) -> None:
        """With the switch, so that it is on record whoever finishes that. No failure of this is the job's."""
        try:
            self._note_replaced(datetime.now(UTC))
        except JobError as error:
            _log.warning("what is replaced is noted after the switch: %s", error.detail or error.public)

    def _note_replaced(self, now: datetime) -> None:
        media = self._media
        current = replaced.named_keys(self.records, media)
        prefixes = {
            prefix
            for output in self._outputs.values()
            if (folder := self._folder_of(output.record)) is not None
            for prefix in replaced.unnamed(self._stores.media, folder, current)
        }
        replaced.note(self.records, media.media_id, prefixes, current, now, self._former_rungs() if prefixes else {})
        self._replaced_is_noted = True

    def _former_rungs(self) -> dict[str, VariantRecord]:
        """By the prefix of their segments: the rungs that this switch replaces, as they are recorded until then."""
        recorded = RecordStore(self._stores.archive)
        former_rungs = {}
        for output in self._outputs.values():
            if not isinstance(output.record, VariantRecord):
                continue
            try:
                former = recorded.get(self._media.media_id, output.record.output, VariantRecord)
            except UnreadableRecord:
                continue
            prefix = replaced.prefix_of_rung(former) if former is not None else None
            if former is not None and prefix is not None:
                former_rungs[prefix] = former
        return former_rungs

    def _take_back(self) -> None:
        """Delete the versions that this job wrote and no record names, so that the recorded ones are current again.

        Only while the media is this run's: another one may be using them.
        """
        archive = self._stores.archive
        uploads = [upload for upload in self._uploads if upload.role == archive.name]
        try:
            if uploads:
                with self._lease.deleting():
                    self._delete_unrecorded(uploads)
        except JobError as error:
            _log.warning("a version that no record names could not be deleted: %s", error.detail or error.public)

    def _delete_unrecorded(self, uploads: Sequence[Upload]) -> None:
        archive, recorded = self._stores.archive, RecordStore(self._stores.archive)
        known = [recorded.output(self._media.media_id, output) for output in self._outputs]
        named = {(file.sha256, file.version) for record in known if record is not None for file in record.files}
        for upload in uploads:
            now = archive.head(upload.key)
            if now is None or now.version is None or now.sha256 != upload.sha256:
                continue
            if (now.sha256, now.version) not in named and (now.sha256, None) not in named:
                self._lease.require_fresh()
                archive.delete_version(upload.key, now.version)

    def _tidy(self) -> None:
        """Delete what was replaced long ago. The job is done: no failure of this is its."""
        try:
            # Others wait already: the switch ended with that.
            with self._lease.deleting():
                gone = self._deleted(datetime.now(UTC))
        except JobError as error:
            _log.warning("what was replaced could not be noted or deleted: %s", error.detail or error.public)
            return
        if gone:
            _log.info("%d objects that are no longer named were deleted", len(gone))

    def _deleted(self, now: datetime) -> tuple[str, ...]:
        if not self._replaced_is_noted:
            self._note_replaced(now)
            self.records.commit()
        for upload in self._uploads:
            if upload.role == self._stores.archive.name:
                self._lease.require_fresh()
                self._stores.archive.drop_former_versions(upload.key)
        gone = replaced.prune(self._stores, self.records, self._media, self._grace, now, self._lease)
        self.records.commit()
        return gone

    def _folder_of(self, record: OutputRecord) -> str | None:
        """The folder of an output's playlist, also of a variant that does not apply any more; None without one."""
        media = self._media
        if not isinstance(record, VariantRecord) or not definition(media.media_type, record.output).has_segments:
            return None
        if record.playlist_key is not None:
            return keys.folder(record.playlist_key)
        return keys.folder(keys.variant_playlist(media.creator_id, media.media_id, media.media_type, record.variant))


def _judged(outputs: Sequence[UnpublishedOutput[OutputRecord]]) -> list[OutputRecord]:
    """The outputs' records with their checks. Raises `VerificationError` when any of these failed."""
    everything = {
        output.record.output: [finding for observation in output.observations for finding in judge(observation)]
        for output in outputs
    }
    findings = causes.without_consequences(everything, (), None)
    records = [_with_findings(output, findings[output.record.output]) for output in outputs]
    failed = [finding for of_output in findings.values() for finding in failures(of_output)]
    for finding in failed:
        _log.error("%s failed %s: %s", finding.output, finding.rule, finding.message)
    if failed:
        raise VerificationError(failed)
    return records


def _with_findings(output: UnpublishedOutput[OutputRecord], findings: Sequence[Any]) -> OutputRecord:
    """An output's record with what was found, and with notes where all of the programme was seen. What nobody looks at
    keeps its record as it is."""
    if not output.observations:
        return output.record
    notes = recorded_notes(output.observations)
    facts = {"notes": notes} if notes is not None else {}
    return output.record.model_copy(update={"checks": tuple(findings), "rule_set": rule_set()} | facts)


def bytes_as_fraction(total: int, advance: Advance) -> Callable[[int], None]:
    """A callback for a transfer of `total` bytes, called with the size of each part: it advances a phase."""
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        advance(done / total if total else 1.0, None)

    return count


def _hashed(uploads: Sequence[Upload]) -> list[Upload]:
    return [replace(each, sha256=each.sha256 or file_sha256(each.path)) for each in uploads]


def _stored_file(upload: Upload) -> StoredFile:
    assert upload.sha256 is not None
    return StoredFile(role=upload.role, key=upload.key, size=upload.path.stat().st_size, sha256=upload.sha256)
