"""Deletes originals whose mezzanine stands for them: a day after it was verified, and only if it still is what it was.

Right before, everything is checked again: the mezzanine is there, has its length and its SHA-256, and decodes at both
ends; the original is the upload that it was made from, lies where uploads of this media lie, and no job works on it.
An original in the delivery bucket is treated like one in the archive. Whatever speaks against it keeps the original,
and is reported. A store that does not answer decides nothing: such a media is tried again at the next run.

In: one media's decision and deletion, many media at once. Not here: the check of the mezzanine (`mezzanine_check.py`),
when all this runs (`defs/schedules.py`), and how it is shown (`cli/`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from codex_assets.archive import history
from codex_assets.archive.check_results import VERIFICATION, VerificationRecord
from codex_assets.archive.records import ORIGINAL, MediaRecord, MezzanineRecord, OriginalRecord, StoredFile
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.errors import InternalError, JobCancelled, JobError, StorageError
from codex_assets.library import mezzanine_check
from codex_assets.library.mezzanine_check import FaultyMezzanine, MezzanineFault
from codex_assets.storage import keys
from codex_assets.storage.objects import StoredObject, Stores
from codex_assets.system.tools import Tools

KEPT_FOR = timedelta(hours=24)
"""How long an original stays after its mezzanine was verified. It may be more, never less."""

_log = logging.getLogger(__name__)


class RemovalVerdict(StrEnum):
    """What became of an original."""

    DELETED = "deleted"
    WOULD_DELETE = "would delete"
    """It was a dry run, and nothing speaks against it."""
    GONE = "gone"
    """It was missing already; that is on record now."""
    KEPT = "kept"
    UNCHECKED = "unchecked"
    """Something did not answer or could not be read. It is tried again at the next run."""


class KeepReason(StrEnum):
    """Why an original stays, or nothing could be decided."""

    ELSEWHERE = "elsewhere"
    NO_MEZZANINE = "no_mezzanine"
    UNVERIFIED = "unverified"
    CHECKS_FAILED = "checks_failed"
    RECENT = "recent"
    UNDER_WAY = "job_under_way"
    NEWER_UPLOAD = "newer_upload"
    MEZZANINE_MISSING = MezzanineFault.MISSING.value
    MEZZANINE_LENGTH = MezzanineFault.LENGTH.value
    MEZZANINE_HASH = MezzanineFault.HASH.value
    HEAD_UNDECODABLE = MezzanineFault.HEAD.value
    TAIL_UNDECODABLE = MezzanineFault.TAIL.value
    UNAVAILABLE = "unavailable"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class RemovalResult:
    """What became of one original. `reason` and `message` (one sentence) say why it was not deleted.

    `size`: bytes of its last version; a store with versions has more of them.
    """

    media_id: str
    verdict: RemovalVerdict
    key: str = ""
    reason: KeepReason | None = None
    message: str = ""
    size: int = 0


class _Keep(Exception):
    """The original stays: for this reason, with one sentence about it."""

    def __init__(self, reason: KeepReason, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


@dataclass(frozen=True)
class CleanUp:
    """One run over many media. `kept_for` shorter than a day is refused with `ValueError`.

    `cancelled` is the event of `tools`; `now` is the clock.
    """

    stores: Stores
    tools: Tools
    scratch: Path
    cancelled: threading.Event
    dry_run: bool = False
    kept_for: timedelta = KEPT_FOR
    workers: int = 2
    wanted: Callable[[MediaRecord], bool] | None = None
    """Which media; None: all."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        if self.kept_for < KEPT_FOR:
            raise ValueError(f"originals are kept for {KEPT_FOR.total_seconds() / 3600:g} hours at least")

    def run(self) -> Iterator[RemovalResult]:
        """One result per original that is there or is not known to be gone, in order of media ids.

        Three listings show which these are: an original that was deleted years ago costs no further request. Raises
        `StorageError` when a store cannot even be listed, and `JobCancelled`.
        """
        media_ids = list(self._candidates())
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="cleanup")
        try:
            for future in [pool.submit(self.decide, media_id) for media_id in media_ids]:
                result = future.result()
                if result is not None:
                    yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def decide(self, media_id: str) -> RemovalResult | None:
        """Decide on one media, and delete its original; None for a media that is not wanted.

        Raises `JobCancelled` alone.
        """
        if self.cancelled.is_set():
            raise JobCancelled
        media: MediaRecord | None = None
        try:
            media = self._records.media(media_id)
            if media is None or (self.wanted is not None and not self.wanted(media)):
                return None
            result = self._cleaned(media)
        except JobCancelled:
            raise
        except _Keep as keep:
            result = RemovalResult(media_id, RemovalVerdict.KEPT, _key(media), keep.reason, keep.message)
        except FaultyMezzanine as faulty:
            reason = KeepReason(faulty.fault.value)
            result = RemovalResult(media_id, RemovalVerdict.KEPT, _key(media), reason, faulty.message)
        except UnreadableRecord as error:
            result = RemovalResult(media_id, RemovalVerdict.UNCHECKED, _key(media), KeepReason.UNREADABLE, error.public)
        except StorageError as error:
            message = f"A store could not be asked, so nothing was decided: {error.public}"
            result = RemovalResult(media_id, RemovalVerdict.UNCHECKED, _key(media), KeepReason.UNAVAILABLE, message)
        except JobError as error:
            result = RemovalResult(
                media_id, RemovalVerdict.UNCHECKED, _key(media), KeepReason.UNAVAILABLE, error.public
            )
        except Exception as error:  # noqa: BLE001 - one media must not end the run over thousands
            message = InternalError.of(error).public
            result = RemovalResult(media_id, RemovalVerdict.UNCHECKED, _key(media), KeepReason.UNREADABLE, message)
        _log.info("original of %s: %s%s", media_id, result.verdict, f" ({result.reason})" if result.reason else "")
        return result

    @property
    def _records(self) -> RecordStore:
        return RecordStore(self.stores.archive)

    def _candidates(self) -> Iterator[str]:
        """Media that have an original, or of which it is not known that they have none."""
        present = {
            parts[2]
            for store in (self.stores.archive, self.stores.media)
            for stored in store.list(keys.ORIGINALS_ROOT)
            if len(parts := stored.key.split("/")) > 3
        }
        registered: dict[str, bool] = {}
        for stored in self.stores.archive.list(keys.RECORDS_ROOT):
            named = keys.parse_record(stored.key)
            if named is not None and named[1] in ("media", ORIGINAL):
                registered[named[0]] = registered.get(named[0], False) or named[1] == ORIGINAL
        yield from (media_id for media_id, known_gone in registered.items() if media_id in present or not known_gone)

    def _cleaned(self, media: MediaRecord) -> RemovalResult:
        own = media.input_key.startswith(keys.original_prefix(media.creator_id, media.media_id))
        store = self.stores.by_role(media.input_role)
        if not own:
            raise _Keep(
                KeepReason.ELSEWHERE,
                "It does not lie where originals of this media lie, and may belong to something else: "
                "nothing is ever deleted there.",
            )
        original = store.head(media.input_key)
        mezzanine = self._records.get(media.media_id, "mezzanine", MezzanineRecord)
        if original is None:
            return self._gone(media, mezzanine)
        if mezzanine is None:
            raise _Keep(KeepReason.NO_MEZZANINE, "Its mezzanine was never built: the original is all there is.")
        file = self._require_trusted(media, mezzanine)
        self._require_idle(media)
        _require_same_upload(mezzanine, original)
        self._require_old(file)
        mezzanine_check.require_whole(self.stores.archive, self.tools, self.scratch, mezzanine, file)
        # Looking at the mezzanine took its time, in which an upload or a job may have come.
        again = store.head(media.input_key)
        if again is None:
            return self._gone(media, mezzanine)
        if (again.etag, again.modified, again.size) != (original.etag, original.modified, original.size):
            raise _Keep(KeepReason.NEWER_UPLOAD, "It was uploaded again while its mezzanine was looked at.")
        self._require_idle(media)
        if self._records.get(media.media_id, "mezzanine", MezzanineRecord) != mezzanine:
            raise _Keep(KeepReason.UNDER_WAY, "Its mezzanine was built again while it was looked at.")
        if self.dry_run:
            return RemovalResult(media.media_id, RemovalVerdict.WOULD_DELETE, media.input_key, size=original.size)
        store.delete(media.input_key)
        self._record(media, deleted=True, size=original.size, mezzanine=file)
        return RemovalResult(media.media_id, RemovalVerdict.DELETED, media.input_key, size=original.size)

    def _gone(self, media: MediaRecord, mezzanine: MezzanineRecord | None) -> RemovalResult:
        known = self._records.get(media.media_id, ORIGINAL, OriginalRecord)
        if known is None and mezzanine is None:
            # Registered, and not uploaded yet or never: nothing stands for it, so nothing is settled.
            raise _Keep(KeepReason.NO_MEZZANINE, "There is no original, and no mezzanine either: upload it again.")
        if known is None and not self.dry_run:
            file = mezzanine.files[0] if mezzanine is not None and mezzanine.files else None
            self._record(media, deleted=False, size=None, mezzanine=file)
        return RemovalResult(media.media_id, RemovalVerdict.GONE, media.input_key)

    def _record(self, media: MediaRecord, *, deleted: bool, size: int | None, mezzanine: StoredFile | None) -> None:
        record = OriginalRecord(
            media_id=media.media_id,
            input_key=media.input_key,
            gone_since=self.now().isoformat(timespec="seconds"),
            deleted=deleted,
            size=size,
            mezzanine_sha256=mezzanine.sha256 if mezzanine is not None else None,
        )
        self._records.put(media.media_id, ORIGINAL, record)

    def _require_trusted(self, media: MediaRecord, mezzanine: MezzanineRecord) -> StoredFile:
        """What was found of the mezzanine, before it was published and since; its object."""
        if len(mezzanine.files) != 1 or not mezzanine.applicable:
            raise _Keep(KeepReason.NO_MEZZANINE, "The record of its mezzanine names no object.")
        (file,) = mezzanine.files
        if (file.role, file.key) != ("archive", keys.mezzanine(media.creator_id, media.media_id)):
            raise _Keep(
                KeepReason.NO_MEZZANINE, "The mezzanine on record does not lie where this media's mezzanine lies."
            )
        if not mezzanine.checks:
            raise _Keep(KeepReason.UNVERIFIED, "No checks of its mezzanine are on record; build the mezzanine again.")
        failed = [check for check in mezzanine.checks if check.is_failure]
        seen = self._records.get(media.media_id, VERIFICATION, VerificationRecord)
        for judged in seen.outputs if seen is not None else ():
            # What was found of an earlier mezzanine says nothing of this one.
            if judged.output == "mezzanine" and judged.data_version == mezzanine.data_version:
                failed += [check for check in judged.failed if check.is_failure]
        if failed:
            rules = ", ".join(dict.fromkeys(check.rule for check in failed))
            raise _Keep(KeepReason.CHECKS_FAILED, f"Its mezzanine failed {rules}; build it again, or verify it again.")
        return file

    def _require_idle(self, media: MediaRecord) -> None:
        jobs = history.read(self._records, media.media_id)
        if jobs and any(job.is_under_way(self.now()) for job in jobs):
            raise _Keep(KeepReason.UNDER_WAY, "A job of this media is under way.")

    def _require_old(self, file: StoredFile) -> None:
        stored = mezzanine_check.stored_mezzanine(self.stores.archive, file)
        # A mezzanine is uploaded only after it was verified, so the store's own clock is the one that counts.
        if stored.modified is None or self.now() - stored.modified < self.kept_for:
            hours = self.kept_for.total_seconds() / 3600
            raise _Keep(KeepReason.RECENT, f"Its mezzanine was verified less than {hours:g} hours ago.")


def _key(media: MediaRecord | None) -> str:
    return media.input_key if media is not None else ""


def _require_same_upload(mezzanine: MezzanineRecord, original: StoredObject) -> None:
    """The original is the upload that the mezzanine was made from, and not one that waits for its job."""
    newer = _Keep(
        KeepReason.NEWER_UPLOAD,
        "It is not the upload that its mezzanine was made from: it was uploaded again. Its own job, or a rebuild of "
        "the mezzanine, settles it.",
    )
    source = mezzanine.source
    if source.size != original.size:
        raise newer
    if source.uploaded_at is not None:
        known = datetime.fromisoformat(source.uploaded_at)
        if original.modified != known or (source.etag or original.etag) != original.etag:
            raise newer
        return
    # Records from before that was kept: it must have been there when the build began.
    build = mezzanine.build
    if build is None or original.modified is None:
        raise newer
    began = datetime.fromisoformat(build.built_at) - timedelta(seconds=build.wall_seconds)
    if original.modified > began:
        raise newer
