"""Builds the master playlist of a media from the records of its variants: those built now and those that stay.

In: whether a master is written, and what of the variants it is judged with. Out: how a master is written
(`media/encode/hls`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codex_assets.archive.records import Build, MasterRecord, VariantRecord
from codex_assets.build.media_build import MediaBuild, digest
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.errors import MissingInput
from codex_assets.media.encode import hls, ladder
from codex_assets.media.outputs import MASTER, PREVIEW, variants
from codex_assets.storage import keys
from codex_assets.storage.publish import Stage, Upload
from codex_assets.verification import expectations
from codex_assets.verification.observations import MasterExpected, VariantObservation


@dataclass(frozen=True)
class MasterChange:
    """What becomes of a media's master beside new variants: `output` is published in its place, or it stays byte for
    byte and its record is replaced by `confirmed`, which names the new variants. Both None: nothing changes."""

    output: UnpublishedOutput[MasterRecord] | None = None
    confirmed: MasterRecord | None = None


def change_for(
    build: MediaBuild,
    playlists: Sequence[UnpublishedOutput[VariantRecord]],
    markers: Sequence[VariantRecord],
    *,
    is_wanted: bool,
) -> MasterChange:
    """The master of all variants that there will be, when `playlists` are published and `markers` say which are not.

    One that `is_wanted` is written anyway, another only where the published one would otherwise be wrong. Raises
    `MissingInput` when one is wanted and there is no variant.
    """
    records = _variant_records(build, playlists, markers)
    # Not read when it is replaced anyway: a damaged record must not keep a media from being built again.
    published = None if is_wanted else build.records.get(build.media.media_id, MASTER.name, MasterRecord)
    if is_wanted and not records:
        raise MissingInput("The master playlist needs at least one variant, and none has been built.")
    if not records or (not is_wanted and published is None):
        return MasterChange()
    text = hls.master_playlist([stream_info(record) for record in records])
    inputs = {record.output: record.data_version for record in records}
    receipt = build.receipts.draft(build.media.media_type, MASTER.name, inputs)
    if published is not None and published.data_version == digest(text):
        if published.build is None or published.build.inputs == receipt.inputs:
            return MasterChange()
        confirmed = published.build.model_copy(update={"inputs": receipt.inputs})
        return MasterChange(confirmed=published.model_copy(update={"build": confirmed}))
    return MasterChange(_output(build, text, records, _observations(build, playlists, records), receipt))


def _variant_records(
    build: MediaBuild, playlists: Sequence[UnpublishedOutput[VariantRecord]], markers: Sequence[VariantRecord]
) -> list[VariantRecord]:
    """Every variant that there will be, best first: as it is built now, or as it is recorded."""
    new = {playlist.record.output: playlist.record for playlist in playlists}
    inapplicable = {marker.output for marker in markers}
    records = []
    for variant in variants(build.media.media_type):
        if variant.name in inapplicable:
            continue
        record = new.get(variant.name) or build.records.get(build.media.media_id, variant.name, VariantRecord)
        if record is not None and record.applicable:
            records.append(record)
    return records


def _output(
    build: MediaBuild,
    text: str,
    records: Sequence[VariantRecord],
    observations: dict[str, VariantObservation],
    receipt: Build,
) -> UnpublishedOutput[MasterRecord]:
    media = build.media
    path = build.workspace.folder("hls/master") / "master.m3u8"
    path.write_text(text, encoding="utf-8")
    key = keys.master_playlist(media.creator_id, media.media_id, media.media_type)
    record = MasterRecord(
        **build.head(MASTER.name),
        data_version=digest(text),
        master_key=key,
        variants=tuple(variant.variant for variant in records),
        build=receipt,
    )
    observation = build.observer.master(path, observations, MasterExpected(record.variants))
    return UnpublishedOutput(record, [Upload(path, "media", key, Stage.MASTER)], [observation])


def _observations(
    build: MediaBuild,
    playlists: Sequence[UnpublishedOutput[VariantRecord]],
    records: Sequence[VariantRecord],
) -> dict[str, VariantObservation]:
    """Every variant of a master, by name: as just observed, or as recorded where it stays and is still there."""
    observations = {
        playlist.record.variant: observation
        for playlist in playlists
        for observation in playlist.observations
        if playlist.record.output != PREVIEW.name and isinstance(observation, VariantObservation)
    }
    spans = [observation.video_span or observation.audio_span for observation in observations.values()]
    start = next((span.start for span in spans if span is not None), float(ladder.TIMESTAMP_ORIGIN))
    for record in records:
        key = record.playlist_key
        if record.variant not in observations and key is not None and build.stores.media.head(key) is not None:
            observations[record.variant] = expectations.recorded_variant(record, start)
    return observations


def stream_info(record: VariantRecord) -> hls.StreamInfo:
    """What a master says of a variant that applies."""
    assert record.bandwidth is not None
    assert record.average_bandwidth is not None
    assert record.codecs is not None
    return hls.StreamInfo(
        uri=f"{record.variant}/{hls.PLAYLIST}",
        rates=hls.Rates(record.bandwidth, record.average_bandwidth),
        codecs=record.codecs,
        width=record.width,
        height=record.height,
        frame_rate=record.frame_rate,
        captions=record.captions or (),
    )
