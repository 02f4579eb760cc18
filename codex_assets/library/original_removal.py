"""Deletes originals whose mezzanine stands for them: a day after it was verified, and only if it still is what it was.

Right before, everything is looked at again: the mezzanine is there, has its length and its SHA-256, and decodes at both
ends; the original is the upload that it was made from, lies where uploads of this media lie, and nobody is at work on
it. Whatever speaks against it keeps the original, and is told. A store that cannot be asked is no answer: such a media
is tried again at the next run.

In: one media's decision and deletion, many media at once. Not here: when it runs (`schedules`), how it is told
(`commands`).
"""

from __future__ import annotations

import logging
import threading
import uuid
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
from codex_assets.errors import InternalError, JobCancelled, JobError, StorageError, ToolError
from codex_assets.media import ffprobe, input_flags
from codex_assets.storage import keys
from codex_assets.storage.objects import StoredObject, Stores, file_sha256
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace

KEPT_FOR = timedelta(hours=24)
"""How long an original stays after its mezzanine was verified. It may be more, never less."""
WINDOW_SECONDS = 5.0
"""Of each track, decoded at its head and at its tail."""
SLACK_SECONDS = 0.5
"""By how much less than a window may come out of it: frames are not cut in two."""
SCRATCH_PER_MEZZANINE = 1.05

_log = logging.getLogger(__name__)


class Verdict(StrEnum):
    DELETED = "deleted"
    WOULD_DELETE = "would delete"
    """A dry run found nothing that speaks against it."""
    GONE = "gone"
    """It was missing already; that is on record now."""
    KEPT = "kept"
    UNCHECKED = "unchecked"
    """Something could not be asked. It is tried again at the next run."""


class Reason(StrEnum):
    """Why an original stays."""

    ELSEWHERE = "elsewhere"
    NO_MEZZANINE = "no_mezzanine"
    UNVERIFIED = "unverified"
    CHECKS_FAILED = "checks_failed"
    RECENT = "recent"
    UNDER_WAY = "job_under_way"
    NEWER_UPLOAD = "newer_upload"
    MEZZANINE_MISSING = "mezzanine_missing"
    MEZZANINE_LENGTH = "mezzanine_length"
    MEZZANINE_HASH = "mezzanine_hash"
    HEAD_UNDECODABLE = "head_undecodable"
    TAIL_UNDECODABLE = "tail_undecodable"
    UNAVAILABLE = "unavailable"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Result:
    """What became of one original. `size`: bytes of its last version, which a store with versions has more of."""

    media_id: str
    verdict: Verdict
    key: str = ""
    reason: Reason | None = None
    told: str = ""
    size: int = 0


class _Keep(Exception):
    def __init__(self, reason: Reason, told: str) -> None:
        super().__init__(told)
        self.reason, self.told = reason, told


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

    def run(self) -> Iterator[Result]:
        """One result per original that is, or should be, there, in order of media ids.

        Two listings tell which media have one: what was cleaned up years ago costs no further request. Raises
        `StorageError` when the archive cannot even be listed, and `JobCancelled`.
        """
        media_ids = list(self._candidates())
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="cleanup")
        try:
            for done in [pool.submit(self.one, media_id) for media_id in media_ids]:
                result = done.result()
                if result is not None:
                    yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def one(self, media_id: str) -> Result | None:
        """Decide on one media, and delete. None for one that is not wanted. Raises `JobCancelled` alone."""
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
            result = Result(media_id, Verdict.KEPT, _key(media), keep.reason, keep.told)
        except UnreadableRecord as error:
            result = Result(media_id, Verdict.UNCHECKED, _key(media), Reason.UNREADABLE, error.public)
        except StorageError as error:
            told = f"A store could not be asked, so nothing was decided: {error.public}"
            result = Result(media_id, Verdict.UNCHECKED, _key(media), Reason.UNAVAILABLE, told)
        except JobError as error:
            result = Result(media_id, Verdict.UNCHECKED, _key(media), Reason.UNAVAILABLE, error.public)
        except Exception as error:  # noqa: BLE001 - one media must not end the run over thousands
            told = InternalError.of(error).public
            result = Result(media_id, Verdict.UNCHECKED, _key(media), Reason.UNREADABLE, told)
        _log.info("original of %s: %s%s", media_id, result.verdict, f" ({result.reason})" if result.reason else "")
        return result

    @property
    def _records(self) -> RecordStore:
        return RecordStore(self.stores.archive)

    def _candidates(self) -> Iterator[str]:
        """Media that have an original, or of which it is not known that they have none."""
        present = {
            parts[2]
            for stored in self.stores.archive.list(keys.ORIGINALS_ROOT)
            if len(parts := stored.key.split("/")) > 3
        }
        registered: dict[str, bool] = {}
        for stored in self.stores.archive.list(keys.RECORDS_ROOT):
            named = keys.parse_record(stored.key)
            if named is not None and named[1] in ("media", ORIGINAL):
                registered[named[0]] = registered.get(named[0], False) or named[1] == ORIGINAL
        yield from (media_id for media_id, known_gone in registered.items() if media_id in present or not known_gone)

    def _cleaned(self, media: MediaRecord) -> Result:
        own = media.input_key.startswith(keys.original_prefix(media.creator_id, media.media_id))
        if media.input_role != "archive" or not own:
            raise _Keep(
                Reason.ELSEWHERE,
                "It does not lie where originals of this media lie, and may belong to something else: "
                "nothing is ever deleted there.",
            )
        original = self.stores.archive.head(media.input_key)
        mezzanine = self._records.get(media.media_id, "mezzanine", MezzanineRecord)
        if original is None:
            return self._gone(media, mezzanine)
        if mezzanine is None:
            raise _Keep(Reason.NO_MEZZANINE, "Its mezzanine was never built: the original is all there is.")
        file = self._require_trusted(media, mezzanine)
        self._require_idle(media)
        _require_same_upload(mezzanine, original)
        self._require_old(file)
        self._require_whole(media, mezzanine, file)
        # Looking at the mezzanine took its time, in which an upload or a job may have come.
        again = self.stores.archive.head(media.input_key)
        if again is None:
            return self._gone(media, mezzanine)
        if (again.etag, again.modified, again.size) != (original.etag, original.modified, original.size):
            raise _Keep(Reason.NEWER_UPLOAD, "It was uploaded again while its mezzanine was looked at.")
        self._require_idle(media)
        if self._records.get(media.media_id, "mezzanine", MezzanineRecord) != mezzanine:
            raise _Keep(Reason.UNDER_WAY, "Its mezzanine was built again while it was looked at.")
        if self.dry_run:
            return Result(media.media_id, Verdict.WOULD_DELETE, media.input_key, size=original.size)
        self.stores.archive.delete(media.input_key)
        self._record(media, deleted=True, size=original.size, mezzanine=file)
        return Result(media.media_id, Verdict.DELETED, media.input_key, size=original.size)

    def _gone(self, media: MediaRecord, mezzanine: MezzanineRecord | None) -> Result:
        known = self._records.get(media.media_id, ORIGINAL, OriginalRecord)
        if known is None and mezzanine is None:
            # Registered, and not uploaded yet or never: nothing stands for it, so nothing is settled.
            raise _Keep(Reason.NO_MEZZANINE, "There is no original, and no mezzanine either: upload it again.")
        if known is None and not self.dry_run:
            file = mezzanine.files[0] if mezzanine is not None and mezzanine.files else None
            self._record(media, deleted=False, size=None, mezzanine=file)
        return Result(media.media_id, Verdict.GONE, media.input_key)

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
            raise _Keep(Reason.NO_MEZZANINE, "The record of its mezzanine names no object.")
        (file,) = mezzanine.files
        if (file.role, file.key) != ("archive", keys.mezzanine(media.creator_id, media.media_id)):
            raise _Keep(Reason.NO_MEZZANINE, "The mezzanine on record does not lie where this media's mezzanine lies.")
        if not mezzanine.checks:
            raise _Keep(Reason.UNVERIFIED, "No checks of its mezzanine are on record; build the mezzanine again.")
        failed = [check for check in mezzanine.checks if check.is_failure]
        seen = self._records.get(media.media_id, VERIFICATION, VerificationRecord)
        for judged in seen.outputs if seen is not None else ():
            # What was found of an earlier mezzanine says nothing of this one.
            if judged.output == "mezzanine" and judged.data_version == mezzanine.data_version:
                failed += [check for check in judged.failed if check.is_failure]
        if failed:
            rules = ", ".join(dict.fromkeys(check.rule for check in failed))
            raise _Keep(Reason.CHECKS_FAILED, f"Its mezzanine failed {rules}; build it again, or verify it again.")
        return file

    def _require_idle(self, media: MediaRecord) -> None:
        jobs = history.read(self._records, media.media_id)
        if jobs and any(job.is_under_way(self.now()) for job in jobs):
            raise _Keep(Reason.UNDER_WAY, "A job of this media is under way.")

    def _require_old(self, file: StoredFile) -> None:
        held = self._mezzanine(file)
        # A mezzanine is uploaded only after it was verified, so the store's own clock is the one that counts.
        if held.modified is None or self.now() - held.modified < self.kept_for:
            hours = self.kept_for.total_seconds() / 3600
            raise _Keep(Reason.RECENT, f"Its mezzanine was verified less than {hours:g} hours ago.")

    def _mezzanine(self, file: StoredFile) -> StoredObject:
        held = self.stores.archive.head(file.key)
        if held is None:
            raise _Keep(Reason.MEZZANINE_MISSING, "The mezzanine is not in the archive; build it again.")
        if held.size != file.size:
            told = f"The mezzanine in the archive has {held.size} bytes instead of {file.size}; build it again."
            raise _Keep(Reason.MEZZANINE_LENGTH, told)
        if held.sha256 is not None and held.sha256 != file.sha256:
            raise _Keep(Reason.MEZZANINE_HASH, OTHER_CONTENTS)
        return held

    def _require_whole(self, media: MediaRecord, mezzanine: MezzanineRecord, file: StoredFile) -> None:
        """Fetch the mezzanine, compare its hash, decode its ends."""
        workspace = Workspace(self.scratch / f"cleanup-{uuid.uuid4().hex[:12]}")
        try:
            workspace.require_space(round(file.size * SCRATCH_PER_MEZZANINE))
            path = workspace.root / "mezzanine.mp4"
            self._fetch(file, path)
            _require_decodable(self.tools.within(workspace.root), path, mezzanine)
        finally:
            workspace.close()

    def _fetch(self, file: StoredFile, path: Path) -> None:
        stored = self.stores.archive.download(file.key, path)
        if stored.size != file.size or file_sha256(path) != file.sha256:
            raise _Keep(Reason.MEZZANINE_HASH, OTHER_CONTENTS)


OTHER_CONTENTS = "The mezzanine in the archive has other contents than were recorded; build it again."


def _key(media: MediaRecord | None) -> str:
    return media.input_key if media is not None else ""


def _require_same_upload(mezzanine: MezzanineRecord, original: StoredObject) -> None:
    """The original is the upload that the mezzanine was made from, and not one that waits for its job."""
    newer = _Keep(
        Reason.NEWER_UPLOAD,
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


def _require_decodable(tools: Tools, path: Path, mezzanine: MezzanineRecord) -> None:
    """Both ends of every track that the record tells of come out of a decoder, without a complaint."""
    try:
        info = ffprobe.parse(
            tools.ffprobe(ffprobe.probe_arguments(str(path), trusted=True), label="probing the mezzanine")
        )
    except ToolError:
        raise _Keep(Reason.HEAD_UNDECODABLE, "The mezzanine cannot be opened; build it again.") from None
    wanted = (("v", mezzanine.video_codec, info.video), ("a", mezzanine.audio_codec, info.audio))
    for kind, codec, track in wanted:
        if codec is None:
            continue
        name = "picture" if kind == "v" else "sound"
        if track is None or track.duration is None or track.duration <= 0:
            raise _Keep(Reason.HEAD_UNDECODABLE, f"The mezzanine's {name} is not there; build it again.")
        ends = ((Reason.HEAD_UNDECODABLE, 0.0, "start"), (Reason.TAIL_UNDECODABLE, None, "end"))
        for reason, at, told in ends:
            start = max(0.0, track.duration - WINDOW_SECONDS) if at is None else at
            if not _decodes(tools, path, kind, start, min(WINDOW_SECONDS, track.duration)):
                raise _Keep(reason, f"The mezzanine's {name} does not decode at its {told}; build it again.")


def _decodes(tools: Tools, path: Path, kind: str, start: float, seconds: float) -> bool:
    came = 0.0

    def count(progress: Progress) -> None:
        nonlocal came
        came = max(came, progress.seconds)

    seek = ["-ss", f"{start:.6f}"] if start > 0 else []
    arguments = ["-xerror", *seek, *input_flags.input_arguments(str(path), trusted=True)]
    arguments += ["-map", f"0:{kind}:0", "-t", f"{seconds:.6f}", "-f", "null", "-"]
    try:
        run = tools.ffmpeg(arguments, label="decoding the mezzanine's ends", duration=seconds, on_progress=count)
    except ToolError:
        return False
    complaints = any("[error]" in line or "[fatal]" in line for line in run.log)
    return not complaints and came >= max(0.0, seconds - SLACK_SECONDS) and came > 0
