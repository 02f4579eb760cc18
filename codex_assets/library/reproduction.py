"""Builds published outputs again, without publishing anything, and says whether they come out as they are published.

Every output is built from what is published now (the mezzanine, the loudness, the variants of a master), by the builder
of a rebuild, over stores whose writes stay in scratch space (`storage/overlay.py`). The mezzanine itself needs its
original. In: which outputs can be built again, in which order, and with which encoder. Out: what is compared
(`output_comparison.py`), and which media (`daily_sample.py`).
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from codex_assets.archive.records import LoudnessRecord, MediaRecord, MezzanineRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import phases
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.errors import JobCancelled, JobError, MissingInput
from codex_assets.library import published_media
from codex_assets.library.output_comparison import (
    ReproducedOutput,
    ReproductionOutcome,
    compare_outputs,
    is_by_nvenc,
)
from codex_assets.library.published_media import PublishedMedia
from codex_assets.library.staleness import StaleReason, Verdict
from codex_assets.media.outputs import LOUDNESS, MASTER, MEZZANINE, ORIGINAL, OUTPUTS, is_of_ladder, kind_of
from codex_assets.storage.objects import Stores
from codex_assets.storage.overlay import overlaid
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Listener, Status, Workspace

_OTHERWISE_MADE = (StaleReason.RECIPE, StaleReason.INPUT)
"""Reasons for which another build cannot give what is published."""
COMPARING = "comparing"
"""The phase in which a rebuild would publish what it built."""


@dataclass(frozen=True)
class MediaReproduction:
    """What building a media's outputs again came to. `problem`: why nothing could be built."""

    media_id: str
    media: MediaRecord | None = None
    outputs: tuple[ReproducedOutput, ...] = ()
    problem: str | None = None
    seconds: float = 0.0

    def count(self, outcome: ReproductionOutcome) -> int:
        """Outputs with this outcome."""
        return sum(output.outcome is outcome for output in self.outputs)


@dataclass(frozen=True)
class _Build:
    """Outputs that are built by one call, and those of them that are compared."""

    outputs: tuple[str, ...]
    compared: tuple[str, ...]
    mode: EncoderMode


@dataclass(frozen=True)
class Reproduction:
    """How media are built again: `outputs` alone, or () for all; `encoder` for what NVENC made."""

    stores: Stores
    tools: Tools
    scratch: Path
    cancelled: threading.Event
    """The event of `tools`."""
    encoder: EncoderMode = EncoderMode.AUTO
    outputs: tuple[str, ...] = ()
    workers: int = 1
    listener: Listener | None = field(default=None, compare=False)
    """Is called with the progress of each build."""

    def run(self, media_ids: Collection[str]) -> Iterator[MediaReproduction]:
        """One result per media, as they come.

        Raises `JobCancelled` alone: whatever else happens to one media is its result.
        """
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="reproduce")
        try:
            waiting: set[Future[MediaReproduction]] = {pool.submit(self._reproduce, media_id) for media_id in media_ids}
            for future in as_completed(waiting):
                yield future.result()
        finally:
            # Also when nobody wants the rest any more: what is running ends by `cancelled`, or by itself.
            pool.shutdown(wait=True, cancel_futures=True)

    def _reproduce(self, media_id: str) -> MediaReproduction:
        if self.cancelled.is_set():
            raise JobCancelled
        started = time.monotonic()
        try:
            published = published_media.read(media_id, RecordStore(self.stores.archive))
            if published is None:
                return MediaReproduction(media_id, problem="No media of this id is registered.")
            if published.is_refused and published.refusal is not None:
                problem = f"There is nothing to reproduce, for its upload was refused: {published.refusal.sentence}"
                return MediaReproduction(media_id, published.media, problem=problem)
            outputs = self._outputs_of(published)
        except JobCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - one media must not end the work on thousands
            problem = published_media.why_not(error)
        else:
            seconds = time.monotonic() - started
            return MediaReproduction(media_id, published.media, outputs, seconds=seconds)
        return MediaReproduction(media_id, problem=problem, seconds=time.monotonic() - started)

    def _outputs_of(self, published: PublishedMedia) -> tuple[ReproducedOutput, ...]:
        """Every output that was asked for and applies, in order of building."""
        order = OUTPUTS[published.media.media_type]
        asked = [output for output in order if output in (self.outputs or published.outputs)]
        done: dict[str, ReproducedOutput] = {}
        wanted: dict[str, OutputRecord] = {}
        for output in asked:
            record = published.outputs.get(output)
            reason = _why_impossible(record, published.verdicts.get(output))
            if reason is not None:
                done[output] = ReproducedOutput(output, ReproductionOutcome.IMPOSSIBLE, reason)
            elif record is not None and record.applicable:
                wanted[output] = record
        root = self.scratch / f"reproduce-{uuid.uuid4().hex[:12]}"
        try:
            with closing(Workspace(root / "work", _without_publishing(self.listener))) as workspace:
                workspace.progress.plan(phases.weights_of(published.media.media_type, wanted))
                for build in _builds(wanted, published, self.encoder, done):
                    done |= self._carry_out(build, published, root / "built", workspace)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return tuple(done[output] for output in order if output in done)

    def _carry_out(
        self, build: _Build, published: PublishedMedia, folder: Path, workspace: Workspace
    ) -> dict[str, ReproducedOutput]:
        """Build and compare. Raises `JobCancelled` alone."""
        overlay = overlaid(self.stores, folder)
        done: dict[str, ReproducedOutput] = {}
        try:
            builder = LocalBuilder(overlay, self.tools, Encoders(build.mode, self.tools), workspace)
            for record in builder.build(published.media, build.outputs):
                before = published.outputs.get(record.output)
                if before is not None and record.output in build.compared:
                    mezzanine = published.outputs[MEZZANINE.name]
                    done[record.output] = self._compared(before, record, mezzanine, overlay, workspace)
        except JobCancelled:
            raise
        except JobError as error:
            is_without_original = isinstance(error, MissingInput) and MEZZANINE.name in build.outputs
            outcome = ReproductionOutcome.IMPOSSIBLE if is_without_original else ReproductionOutcome.FAILED
            for output in build.compared:
                done.setdefault(output, ReproducedOutput(output, outcome, error.public))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return done

    def _compared(
        self,
        published: OutputRecord,
        built: OutputRecord,
        mezzanine: OutputRecord | None,
        overlay: Stores,
        workspace: Workspace,
    ) -> ReproducedOutput:
        then = published.build.inputs if published.build is not None else {}
        now = built.build.inputs if built.build is not None else {}
        if ORIGINAL in then and then[ORIGINAL] != now.get(ORIGINAL):
            reason = "its original is not the one that it was made from"
            return ReproducedOutput(published.output, ReproductionOutcome.IMPOSSIBLE, reason)
        tools = self.tools.within(workspace.root)
        source = mezzanine if isinstance(mezzanine, MezzanineRecord) else None
        compared = compare_outputs(published, built, self.stores, overlay, tools, workspace, source)
        if compared.outcome is ReproductionOutcome.DIFFERS and self._is_replaced(published):
            reason = "it was built anew by somebody else meanwhile"
            return ReproducedOutput(published.output, ReproductionOutcome.FAILED, reason)
        return compared

    def _is_replaced(self, published: OutputRecord) -> bool:
        """Whether there is another record of the output by now."""
        return RecordStore(self.stores.archive).output(published.media_id, published.output) != published


def _without_publishing(listener: Listener | None) -> Listener | None:
    """A listener that hears of no publishing, for there is none."""
    if listener is None:
        return None

    def tell(status: Status) -> None:
        listener(replace(status, phase=COMPARING) if status.phase == phases.Phase.PUBLISHING else status)

    return tell


def _why_impossible(record: OutputRecord | None, verdict: Verdict | None) -> str | None:
    """Why no build can give what is published; None where one can, and for what does not apply."""
    if record is None or verdict is None:
        return "it was never built"
    if not record.applicable:
        return None
    made_otherwise = [str(cause) for cause in verdict.causes if cause.reason in _OTHERWISE_MADE]
    return "; ".join(made_otherwise) or verdict.blocked


def _builds(
    wanted: Mapping[str, OutputRecord],
    published: PublishedMedia,
    encoder: EncoderMode,
    done: dict[str, ReproducedOutput],
) -> Iterator[_Build]:
    """The builds that make these outputs. Each begins with what is published: the master's, say, is of the published
    variants, so that a variant that differs is named alone. What cannot be built after all is added to `done`."""
    if MASTER.name in wanted:
        yield _Build((MASTER.name,), (MASTER.name,), EncoderMode.X264)
    ladder = [output for output in wanted if is_of_ladder(output) and output != MASTER.name]
    for by_nvenc in (False, True):
        outputs = tuple(output for output in ladder if _is_by_nvenc(wanted[output]) == by_nvenc)
        if outputs:
            yield _Build(outputs, outputs, encoder if by_nvenc else EncoderMode.X264)
    for output in wanted:
        if not is_of_ladder(output) and kind_of(output) not in (MEZZANINE, LOUDNESS):
            yield _Build((output,), (output,), EncoderMode.X264)
    yield from _source_builds(wanted, published, encoder, done)


def _source_builds(
    wanted: Mapping[str, OutputRecord],
    published: PublishedMedia,
    encoder: EncoderMode,
    done: dict[str, ReproducedOutput],
) -> Iterator[_Build]:
    """The mezzanine, and the loudness of what it was measured of."""
    loudness, mezzanine = wanted.get(LOUDNESS.name), published.outputs[MEZZANINE.name]
    mode = encoder if mezzanine is not None and _is_by_nvenc(mezzanine) else EncoderMode.X264
    compared = [MEZZANINE.name] if MEZZANINE.name in wanted else []
    if isinstance(loudness, LoudnessRecord):
        if loudness.measured_of == "mezzanine":
            yield _Build((LOUDNESS.name,), (LOUDNESS.name,), mode)
        elif published.verdicts[MEZZANINE.name].blocked is not None:
            reason = f"it was measured of the original: {published.verdicts[MEZZANINE.name].blocked}"
            done[LOUDNESS.name] = ReproducedOutput(LOUDNESS.name, ReproductionOutcome.IMPOSSIBLE, reason)
        else:
            compared.append(LOUDNESS.name)
    if compared:
        # The loudness of an original is measured in the mezzanine's decode.
        yield _Build(tuple(dict.fromkeys([MEZZANINE.name, *compared])), tuple(compared), mode)


def _is_by_nvenc(record: OutputRecord) -> bool:
    return record.build is not None and is_by_nvenc(record.build.encoder)
