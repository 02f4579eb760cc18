"""Where the contract puts each object of an output, and how it is stored there: the judge's own reading of it.

In: what the record says of the output, and whose media it is. Out: what was recorded and what the store says
(`record_observations.py`), and which difference is a finding (`rules/records.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from codex_assets.archive.records import MediaRecord, OutputRecord, VariantRecord
from codex_assets.media import outputs as media_outputs
from codex_assets.media import profile
from codex_assets.storage import keys
from codex_assets.storage.objects import Role

Place: TypeAlias = tuple[Role, str]
"""Role of a store, and a key in it."""


def places(record: OutputRecord, media: MediaRecord) -> frozenset[Place]:
    """Where the objects of an output of `media` belong; none of an output without any."""
    if isinstance(record, VariantRecord):
        playlist = playlist_place(record, media)
        folder = keys.folder(playlist) + (f"{record.version}/" if record.version is not None else "")
        return frozenset({("media", playlist), *(("media", folder + segment.name) for segment in record.segments)})
    found_at = _PLACES.get(record.output)
    return frozenset(found_at(media.creator_id, media.media_id, media)) if found_at is not None else frozenset()


def playlist_place(record: VariantRecord, media: MediaRecord) -> str:
    """The key of a variant's playlist, or of the preview's."""
    if not media_outputs.is_variant(record.output):
        return keys.preview_playlist(media.creator_id, media.media_id)
    rung = record.output.removeprefix(media_outputs.variant_output(""))
    return keys.variant_playlist(media.creator_id, media.media_id, media.media_type, rung)


def _single(role: Role, key: Callable[[str, str], str], creator: str, media_id: str, media: MediaRecord) -> set[Place]:
    return {(role, key(creator, media_id))}


def _master(creator: str, media_id: str, media: MediaRecord) -> set[Place]:
    return {("media", keys.master_playlist(creator, media_id, media.media_type))}


def _storyboard(creator: str, media_id: str, media: MediaRecord) -> set[Place]:
    return {("assets", keys.storyboard(creator, media_id)), ("assets", keys.storyboard_sheet(creator, media_id))}


def _small_thumbnails(creator: str, media_id: str, media: MediaRecord) -> set[Place]:
    return {("assets", keys.small_thumbnail(creator, media_id, width)) for width, _ in profile.THUMBNAIL_SIZES}


_PLACES: Mapping[str, Callable[[str, str, MediaRecord], set[Place]]] = {
    media_outputs.MEZZANINE.name: partial(_single, "archive", keys.mezzanine),
    media_outputs.MASTER.name: _master,
    media_outputs.THUMBNAIL.name: partial(_single, "assets", keys.thumbnail),
    media_outputs.STORYBOARD.name: _storyboard,
    media_outputs.THUMBNAILS.name: _small_thumbnails,
    media_outputs.BLURHASH.name: partial(_single, "assets", keys.blurhash),
    media_outputs.WAVEFORM_JSON.name: partial(_single, "assets", keys.waveform_json),
    media_outputs.WAVEFORM_PNG.name: partial(_single, "assets", keys.waveform_png),
}
