"""Which runs built the rungs of a media that can still be played: those that are published, and those that a later run
replaced, as long as they lie in the store.

In: which rungs a run has, and how they are played beside what is published. Out: how long what was replaced is kept
(`archive/replaced.py`), and what is measured (`comparison.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codex_assets.archive.records import StoredFile, VariantRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import master
from codex_assets.library.comparison import ComparedState, published_rungs
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media.encode import hls
from codex_assets.media.outputs import is_variant
from codex_assets.storage import keys, publish
from codex_assets.storage.objects import Stores
from codex_assets.storage.overlay import overlaid

LONGEST_NAME = 20
"""Letters of a run's id that a label over a picture has room for."""


@dataclass(frozen=True)
class BuiltRun:
    """A run with the rungs that it built, by the names of their outputs. `replaced`: those of them that a later run
    replaced, and when (ISO 8601, UTC)."""

    run_id: str
    rungs: Mapping[str, VariantRecord]
    replaced: Mapping[str, str]

    @property
    def state(self) -> str:
        """Whether its rungs are published, or when the last of them was replaced."""
        return f"replaced {_shown(max(self.replaced.values()))}" if self.replaced else "published"

    def __str__(self) -> str:
        return f"`{self.run_id}` ({', '.join(record.variant for record in self.rungs.values())}; {self.state})"


def runs_of(published: PublishedMedia, stores: Stores) -> list[BuiltRun]:
    """The runs whose rungs can be played, those of what is published first. Raises `StorageError`."""
    rungs: dict[str, dict[str, VariantRecord]] = {}
    replaced: dict[str, dict[str, str]] = {}
    for name, record in published_rungs(published).items():
        rungs.setdefault(_run_of(record), {})[name] = record
    known = RecordStore(stores.archive).get(published.media.media_id, REPLACED, ReplacedRecord)
    for each in sorted(known.objects if known is not None else (), key=lambda each: each.since, reverse=True):
        former = each.rung
        # A preview is a part of a rung. And what was replaced may be gone before its note is.
        if former is None or not is_variant(former.output) or former.playlist_key is None:
            continue
        of_run = rungs.setdefault(_run_of(former), {})
        if former.output not in of_run and _is_there(former.playlist_key, former, stores):
            of_run[former.output] = former
            replaced.setdefault(_run_of(former), {})[former.output] = each.since
    return [BuiltRun(run_id, of_run, replaced.get(run_id, {})) for run_id, of_run in rungs.items() if of_run]


def side_of(run: BuiltRun, published: PublishedMedia, stores: Stores, folder: Path) -> ComparedState:
    """A run's rungs as players find them. `folder`: keeps the playlists of rungs that were replaced."""
    name = f"run {run.run_id if len(run.run_id) <= LONGEST_NAME else run.run_id[: LONGEST_NAME - 2] + '…'}"
    about = f"as run `{run.run_id}` built it ({run.state})"
    if not run.replaced:
        return ComparedState(name, about, stores, run.rungs)
    over = overlaid(stores, folder)
    rungs = {
        output: _played(record, over) if output in run.replaced else record for output, record in run.rungs.items()
    }
    media = published.media
    text = hls.master_playlist([master.stream_info(record) for record in rungs.values()]).encode()
    key = keys.master_playlist(media.creator_id, media.media_id, media.media_type)
    over.media.write(key, text, content_type=publish.headers(key)[0])
    return ComparedState(name, about, over, rungs)


def _played(record: VariantRecord, stores: Stores) -> VariantRecord:
    """A rung that was replaced, with a playlist that is written to these stores, and with its files named again."""
    assert record.playlist_key is not None
    segments = [hls.Segment(each.name, each.duration, each.size) for each in record.segments]
    text = hls.media_playlist(segments, record.version).encode()
    written = stores.media.write(record.playlist_key, text, content_type=publish.headers(record.playlist_key)[0])
    files = [
        # Their digests were noted with what is published alone.
        StoredFile(
            role="media", key=keys.segment(record.playlist_key, index, record.version), size=each.size, sha256=""
        )
        for index, each in enumerate(segments)
    ]
    playlist = StoredFile(role="media", key=record.playlist_key, size=len(text), sha256=written.sha256 or "")
    return record.model_copy(update={"files": (*files, playlist)})


def _is_there(playlist_key: str, record: VariantRecord, stores: Stores) -> bool:
    return stores.media.head(keys.segment(playlist_key, 0, record.version)) is not None


def _shown(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _run_of(record: VariantRecord) -> str:
    """What a rung's run is called: by its id, else by the version of its segments."""
    run_id = record.build.run_id if record.build is not None else None
    return run_id or record.version or record.data_version
