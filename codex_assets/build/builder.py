"""What a builder is, and the one that works on this machine: which outputs of a media it builds, in which order.

All outputs of a build are made and verified before any is published, and are published together: a build that fails
leaves what was published as it was. What one output must know of another is read from records, so any machine can build
any one output of any media. Out: how each kind of output is built (`mezzanine.py`, `ladder.py`, `master.py`,
`pictures.py`, `storyboard.py`), how they are published (`publication.py`), and work on another machine
(`on_runpod.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol

from codex_assets.archive.leases import Lease, Leases
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.replaced import GRACE
from codex_assets.build import ladder, mezzanine, phases, pictures, storyboard
from codex_assets.build.encoders import Encoders
from codex_assets.build.media_build import MediaBuild
from codex_assets.build.phases import Phase
from codex_assets.build.publication import Publication
from codex_assets.build.receipts import Receipts
from codex_assets.errors import JobCancelled
from codex_assets.media.outputs import (
    BLURHASH,
    LOUDNESS,
    MEZZANINE,
    OUTPUTS,
    STORYBOARD,
    THUMBNAIL,
    THUMBNAILS,
    WAVEFORM_JSON,
    WAVEFORM_PNG,
    OutputKind,
    is_of_ladder,
)
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.observe.observer import Observer


class Builder(Protocol):
    """Whoever can build outputs: this machine, or another one through the job contract."""

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        """Build `outputs` and yield their records, published, in order of dependency.

        May also yield a record that was not asked for, when leaving it as it was would have made it untrue (a
        master whose variant changed). Raises `JobError`; before anything was published, nothing was replaced then.
        """
        ...

    def plan(self, media: MediaRecord, outputs: Collection[str]) -> None:
        """Count these outputs into the run's progress. A run that builds them in several calls plans them all first."""
        ...


class LocalBuilder:
    """Builds on this machine, in one workspace: what an earlier call of the same run made is not fetched again."""

    def __init__(
        self,
        stores: Stores,
        tools: Tools,
        encoders: Encoders,
        workspace: Workspace,
        *,
        run_id: str | None = None,
        leases: Leases | None = None,
        price: Callable[[str | None], float | None] = lambda gpu: None,
        grace: timedelta = GRACE,
        has_public_preview: bool = False,
    ) -> None:
        """`run_id` is written into the receipts; `leases`: this run's, if it has any; `price` gives what a second of
        this worker costs (USD), by its GPU; `grace`: how long what is replaced can still be played;
        `has_public_preview`: previews are published in the assets bucket, too."""
        self._has_public_preview = has_public_preview
        self._leases = leases or Leases(stores, run_id)
        self._stores, self._encoders, self._workspace, self._grace = stores, encoders, workspace, grace
        self._tools = tools.within(workspace.root)
        self._observer = Observer(self._tools, scratch=workspace.root)
        self._receipts = Receipts(self._tools, workspace, run_id=run_id, price=price)

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        """As `Builder.build`. Raises `ValueError` for outputs that media of this type do not have."""
        in_order = chosen_outputs(media, outputs)
        self.plan(media, in_order)
        claim = self._leases.claim(media, from_original=MEZZANINE.name in in_order)
        with self._leases.of(media.media_id, claim) as lease:
            try:
                yield from self._built(self._build_of(media, lease), in_order)
            except JobCancelled:
                # What runs is ended, too, when the media was lost.
                lease.require()
                raise

    def _built(self, build: MediaBuild, in_order: Sequence[str]) -> Iterator[OutputRecord]:
        if MEZZANINE.name in in_order:
            verify = mezzanine.build_mezzanine(build, with_loudness=LOUDNESS.name in in_order)
            # Looked at beside what is made of it: what it fails by ends that, too.
            both: list[Callable[[MediaBuild], None]] = [verify, partial(_build_from_mezzanine, outputs=in_order)]
            build.side_by_side(both)
        else:
            if LOUDNESS.name in in_order:
                mezzanine.measure_loudness(build)
            _build_from_mezzanine(build, outputs=in_order)
        yield from build.publication.switch(lambda: build.phase(Phase.PUBLISHING))

    def plan(self, media: MediaRecord, outputs: Collection[str]) -> None:
        """As `Builder.plan`. Outputs that were planned before are not counted twice."""
        self._workspace.progress.plan(phases.weights_of(media.media_type, outputs))

    def _build_of(self, media: MediaRecord, lease: Lease) -> MediaBuild:
        return MediaBuild(
            media,
            self._stores,
            Publication(media, self._stores, self._receipts, lease, grace=self._grace),
            lease,
            self._tools,
            self._encoders,
            self._workspace,
            self._observer,
            self._receipts,
            self._has_public_preview,
        )


def _build_from_mezzanine(build: MediaBuild, *, outputs: Sequence[str]) -> None:
    in_ladder = [output for output in outputs if is_of_ladder(output)]
    if in_ladder:
        ladder.build_ladder(build, in_ladder)
    for kind, make in _STILLS.items():
        if kind.name in outputs:
            make(build)
    for kind in (WAVEFORM_JSON, WAVEFORM_PNG):
        if kind.name in outputs:
            pictures.build_waveform(build, kind)


_STILLS: Mapping[OutputKind, Callable[[MediaBuild], None]] = {
    THUMBNAIL: pictures.build_thumbnail,
    STORYBOARD: storyboard.build_storyboard,
    THUMBNAILS: pictures.build_small_thumbnails,
    BLURHASH: pictures.build_blurhash,
}
"""Who makes what is shown of a video before it plays."""


def chosen_outputs(media: MediaRecord, outputs: Collection[str]) -> list[str]:
    """These outputs in the order of building. Raises `ValueError` for those that media of this type do not have."""
    known = OUTPUTS[media.media_type]
    unknown = [output for output in outputs if output not in known]
    if unknown:
        raise ValueError(f"{media.media_type} media have no {', '.join(unknown)}")
    return [output for output in known if output in outputs]
