"""A media's rungs in two states side by side: as they are published, as a run built them, by another recipe.

In: which rungs both states have, and what is measured of each of them. Out: where a state comes from (`what_if.py`,
`built_runs.py`), how pictures are compared (`verification/observe/`), and how it is shown (`viewer/`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codex_assets.archive import stored_files
from codex_assets.archive.records import MediaRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.errors import MissingInput, ToolError
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media import vmaf
from codex_assets.media.outputs import MEZZANINE, variants
from codex_assets.media.vmaf import VmafCurve
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.system import machine, vmaf_ffmpeg
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.report import measurements
from codex_assets.verification.report.media_report import LikenessCurve

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComparedState:
    """One of the two states. `name`: a word or two for it; `about`: the same as the end of "the media ...", with code
    in backticks; `stores`: where it can be played; `rungs`: by the names of their outputs."""

    name: str
    about: str
    stores: Stores
    rungs: Mapping[str, VariantRecord]


@dataclass(frozen=True)
class MeasuredRung:
    """A rung of one side. `likeness`: SSIM beside the mezzanine, second by second; None for a sound, and for what was
    made of another mezzanine. `vmaf`: the same of VMAF; None also where no ffmpeg of this machine measures it."""

    record: VariantRecord
    likeness: LikenessCurve | None
    vmaf: VmafCurve | None = None


@dataclass(frozen=True)
class ComparedRung:
    """One rung in both states."""

    name: str
    sides: tuple[MeasuredRung, MeasuredRung]


@dataclass(frozen=True)
class Comparison:
    """A media in two states."""

    media: MediaRecord
    sides: tuple[ComparedState, ComparedState]
    rungs: tuple[ComparedRung, ...]

    @property
    def master_key(self) -> str:
        """Of the playlist that players open, in the stores of either side."""
        return keys.master_playlist(self.media.creator_id, self.media.media_id, self.media.media_type)


def published_rungs(published: PublishedMedia) -> dict[str, VariantRecord]:
    """The rungs of a media that are published, the best first."""
    names = (variant.name for variant in variants(published.media.media_type))
    records = {name: published.outputs.get(name) for name in names}
    return {
        name: record for name, record in records.items() if isinstance(record, VariantRecord) and record.playlist_key
    }


@dataclass(frozen=True)
class RungComparison:
    """How rungs are measured: in `workspace`, beside the mezzanine that `stores` have."""

    stores: Stores
    tools: Tools
    workspace: Workspace

    def run(self, published: PublishedMedia, sides: tuple[ComparedState, ComparedState]) -> Comparison:
        """Measure every rung that both sides have, but those that are the same. Raises `JobError`."""
        order = (variant.name for variant in variants(published.media.media_type))
        common = [name for name in order if all(name in side.rungs for side in sides)]
        different = [name for name in common if len({side.rungs[name].data_version for side in sides}) > 1]
        names = f"“{sides[0].name}” and “{sides[1].name}”"
        if not common:
            raise MissingInput(f"{names} have no rung in common.")
        if not different:
            raise MissingInput(f"{names} are the same, byte for byte.")
        source = published.outputs.get(MEZZANINE.name)
        if not isinstance(source, MezzanineRecord):
            raise MissingInput("Its mezzanine was never built, and without it nothing can be compared.")
        mezzanine = self._fetched(self.stores, source, "mezzanine")
        rungs = []
        for name in different:
            first, second = (
                self._measured(side, side.rungs[name], mezzanine, source, f"{number}")
                for number, side in enumerate(sides)
            )
            rungs.append(ComparedRung(first.record.variant, (first, second)))
        return Comparison(published.media, sides, tuple(rungs))

    def _measured(
        self, side: ComparedState, record: VariantRecord, mezzanine: Path, source: MezzanineRecord, name: str
    ) -> MeasuredRung:
        playlist = self._fetched(side.stores, record, f"{name}-{record.output}")
        made_of = record.build.inputs.get(MEZZANINE.name) if record.build is not None else None
        if made_of not in (None, source.data_version):
            return MeasuredRung(record, None)
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

    def _fetched(self, stores: Stores, record: OutputRecord, name: str) -> Path:
        """The path of an output's last file, with the others beside it as they are stored."""
        top = keys.folder(record.files[-1].key)
        folder = self.workspace.folder(f"compare/{name}")
        for file in record.files:
            stored_files.fetch(stores, file, folder / file.key.removeprefix(top))
        return folder / Path(record.files[-1].key).name
