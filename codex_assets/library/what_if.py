"""What a media's rungs would be by another recipe: they are built, measured beside the published ones, not published.

For the time of a build this process's profile has other numbers, so that it does nothing else meanwhile.
In: what is built, and what is measured of both. Out: which numbers there are (`media/ladder_changes.py`), how pictures
are compared (`verification/observe/`), and how it is shown (`viewer/`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codex_assets.archive import stored_files
from codex_assets.archive.records import MediaRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.errors import MissingInput, ToolError
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media import profile, vmaf
from codex_assets.media.ladder_changes import ChangedLadder
from codex_assets.media.outputs import MEZZANINE
from codex_assets.media.vmaf import VmafCurve
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.storage.overlay import overlaid
from codex_assets.system import machine, vmaf_ffmpeg
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.report import measurements
from codex_assets.verification.report.media_report import LikenessCurve

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeasuredRung:
    """A rung as it is published, or as it would be. `likeness`: SSIM beside the mezzanine, second by second; None for a
    sound. `vmaf`: the same of VMAF; None also where no ffmpeg of this machine measures it."""

    record: VariantRecord
    likeness: LikenessCurve | None
    vmaf: VmafCurve | None = None


@dataclass(frozen=True)
class ComparedRung:
    """One rung by both recipes."""

    published: MeasuredRung
    other: MeasuredRung


@dataclass(frozen=True)
class WhatIf:
    """A media by two recipes. `stores` has what would be published on top of what is."""

    media: MediaRecord
    recipe: str
    """What was asked for."""
    stores: Stores
    rungs: tuple[ComparedRung, ...]
    master_key: str


@contextmanager
def other_numbers(ladder: ChangedLadder) -> Iterator[None]:
    """Let this process's profile have these ladders during the block."""
    before = profile.LADDER, profile.AUDIO_LADDER
    try:
        # The whole package reads them there.
        _set_ladders(ladder.video, ladder.audio)
        yield
    finally:
        _set_ladders(*before)


def _set_ladders(video: tuple[profile.VideoVariant, ...], audio: tuple[profile.AudioVariant, ...]) -> None:
    # A profile is constant for everybody else: a type checker must not let them assign to it by its plain name.
    vars(profile).update(LADDER=video, AUDIO_LADDER=audio)


@dataclass(frozen=True)
class WhatIfBuild:
    """How it is built and measured: in `workspace`, with what would be published in `folder`."""

    stores: Stores
    tools: Tools
    workspace: Workspace
    folder: Path
    encoder: EncoderMode = EncoderMode.AUTO

    def run(self, published: PublishedMedia, recipe: str, ladder: ChangedLadder) -> WhatIf:
        """Build the rungs that change, and measure both. Raises `JobError`: also where what was built would not be
        published, because it breaks a rule."""
        wanted = [name for name in ladder.outputs if _is_built(published.outputs.get(name))]
        if not wanted:
            raise MissingInput(f"Media `{published.media.media_id}` has none of these rungs.")
        overlay = overlaid(self.stores, self.folder)
        with other_numbers(ladder):
            builder = LocalBuilder(overlay, self.tools, Encoders(self.encoder, self.tools), self.workspace)
            built = {record.output: record for record in builder.build(published.media, wanted)}
        source = published.outputs[MEZZANINE.name]
        assert isinstance(source, MezzanineRecord)
        mezzanine = self._fetched(self.stores, source, "mezzanine")
        rungs = []
        for name in wanted:
            before, after = published.outputs[name], built[name]
            assert isinstance(before, VariantRecord)
            assert isinstance(after, VariantRecord)
            rungs.append(
                ComparedRung(
                    self._measured(self.stores, before, mezzanine, source, "published"),
                    self._measured(overlay, after, mezzanine, source, "other"),
                )
            )
        creator, media_id = published.media.creator_id, published.media.media_id
        master = keys.master_playlist(creator, media_id, published.media.media_type)
        return WhatIf(published.media, recipe, overlay, tuple(rungs), master)

    def _measured(
        self, stores: Stores, record: VariantRecord, mezzanine: Path, source: MezzanineRecord, name: str
    ) -> MeasuredRung:
        playlist = self._fetched(stores, record, f"{name}-{record.output}")
        observer = Observer(self.tools.within(self.workspace.root), scratch=self.workspace.root)
        seen = observer.variant(playlist, output=record.output, reference=mezzanine)
        (report,) = measurements.playlists([seen])
        measured = self._vmaf(playlist, mezzanine, source) if report.likeness is not None else None
        return MeasuredRung(record, report.likeness, measured)

    def _vmaf(self, playlist: Path, mezzanine: Path, source: MezzanineRecord) -> VmafCurve | None:
        """None where no ffmpeg of this machine measures it."""
        tools = vmaf_ffmpeg.measuring_tools(self.tools.within(self.workspace.root))
        rate, size = source.rate, source.picture_size
        if tools is None or rate is None or size is None:
            return None
        answer: list[bytes] = []

        def read(take: Callable[[int], bytes]) -> None:
            while data := take(1 << 16):
                answer.append(data)

        shown, reference = (["-i", str(path)] for path in (playlist, mezzanine))
        asked = vmaf.arguments(shown, reference, size, rate, threads=machine.processors())
        try:
            tools.ffmpeg_into(asked, read, label="measuring VMAF")
            return vmaf.parse(b"".join(answer), rate)
        except (ToolError, ValueError) as error:
            # It is an extra, and the comparison is worth having without it.
            _log.warning("VMAF cannot be measured: %s", error)
            return None

    def _fetched(self, stores: Stores, record: OutputRecord | None, name: str) -> Path:
        """The path of an output's last file, with the others beside it as they are stored."""
        if record is None or not record.files:
            raise MissingInput("Its mezzanine was never built, and without it nothing can be compared.")
        top = keys.folder(record.files[-1].key)
        folder = self.workspace.folder(f"what-if/{name}")
        for file in record.files:
            stored_files.fetch(stores, file, folder / file.key.removeprefix(top))
        return folder / Path(record.files[-1].key).name


def _is_built(record: OutputRecord | None) -> bool:
    return isinstance(record, VariantRecord) and record.applicable
