"""Builds the variants and the preview of a media, and the master that names them.

In: which variants this source gets, and their encodes. Out: a variant's playlist and record (`encoded_variant.py`), the
master (`master.py`), the arguments (`media/encode/ladder`), and when they are published (`publication.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from codex_assets.archive.records import MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.build import caption_transfer, chunked_encode, encoded_variant, master
from codex_assets.build.chunked_encode import WantedRung
from codex_assets.build.encoded_variant import EncodedVariant
from codex_assets.build.media_build import MediaBuild
from codex_assets.build.phases import Phase
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.build.receipts import Encode
from codex_assets.build.sound import Sound
from codex_assets.media import profile, target_format
from codex_assets.media.encode import hls, ladder
from codex_assets.media.outputs import MASTER, PREVIEW, variant_output
from codex_assets.system.process import ToolRun

NOT_APPLICABLE = "not-applicable"
"""The data version of a variant that this source does not get."""


def build_ladder(build: MediaBuild, outputs: Collection[str]) -> None:
    """Build these variants, preview and master.

    The master is written also when it was not asked for and the published one would otherwise be wrong. Raises
    `MissingInput` without a mezzanine, and for a master without variants.
    """
    work = build.receipts.begin()
    source = build.mezzanine_record()
    markers: list[VariantRecord] = []
    if build.is_video:
        encoded, markers = _video_playlists(build, source, outputs)
    else:
        encoded = _audio_playlists(build, source, outputs)
    encoded_variant.observe(build, source, encoded, [marker.output for marker in markers])
    change = master.change_for(build, encoded, markers, is_wanted=MASTER.name in outputs)
    unpublished: list[UnpublishedOutput[OutputRecord]] = [*encoded]
    if change.output is not None:
        unpublished.append(change.output)
    build.publication.add(unpublished, work)
    build.publication.add([UnpublishedOutput(marker) for marker in markers], work)
    if change.confirmed is not None:
        build.records.put(build.media.media_id, change.confirmed.output, change.confirmed)


# --- Video ------------------------------------------------------------------------------------------------------------


def _video_playlists(
    build: MediaBuild, source: MezzanineRecord, outputs: Collection[str]
) -> tuple[list[UnpublishedOutput[VariantRecord]], list[VariantRecord]]:
    """The encoded variants and preview, and a marker for each variant that is larger than the source."""
    assert source.width is not None
    assert source.height is not None
    available = target_format.rungs(source.width, source.height)
    names = {rung.name for rung in available}
    markers = [
        _marker(build, variant.name, target_format.why_not(variant, source.width, source.height))
        for variant in profile.LADDER
        if variant_output(variant.name) in outputs and variant.name not in names
    ]
    wanted = [rung for rung in available if variant_output(rung.name) in outputs]
    previewed = target_format.preview_rung(available) if PREVIEW.name in outputs else None
    # The preview's variant, where it is not built itself: only as much of it is encoded as the preview needs.
    alone = [previewed] if previewed is not None and previewed not in wanted else []
    if not wanted and not alone:
        return [], markers
    sounds = build.delivered_sounds(sorted({rung.variant.audio_kbps for rung in [*wanted, *alone]}))
    encoded = _encode(build, source, wanted, sounds, None)
    encoded |= _encode(build, source, alone, sounds, hls.PREVIEW_SEGMENTS)
    work = [partial(encoded_variant.unpublished_variant, source=source, encoded=encoded[rung.name]) for rung in wanted]
    unpublished = build.side_by_side(work)
    if previewed is not None:
        unpublished.append(encoded_variant.unpublished_preview(build, source, encoded[previewed.name]))
    return unpublished, markers


def _encode(
    build: MediaBuild,
    source: MezzanineRecord,
    rungs: Sequence[target_format.Rung],
    sounds: Mapping[int, Sound],
    limit: int | None,
) -> dict[str, EncodedVariant]:
    """All these rungs, by name, from one decode of the mezzanine; of its first `limit` segments, or of all (None)."""
    rate = source.rate
    assert rate is not None
    if not rungs:
        return {}
    path = build.mezzanine_file(source)
    hls_folder = build.workspace.root / "hls"
    wanted = [WantedRung(rung, hls_folder / rung.name, sounds.get(rung.variant.audio_kbps)) for rung in rungs]
    folders = {each.rung.name: each.folder for each in wanted}

    def run(row: profile.EncoderRow) -> ToolRun:
        for name in folders:
            build.workspace.folder(f"hls/{name}")
        with build.tool_phase(Phase.VARIANTS) as on_progress:
            return chunked_encode.encode(
                build.tools, path, picture_count(source), rate, wanted, row, limit=limit, on_progress=on_progress
            )

    tool_run, choice = build.encoders.encode(run, smallest_side=min(min(rung.width, rung.height) for rung in rungs))
    encode = Encode(tool_run, source.duration, choice)
    captions = source.captions or ()
    if captions:
        by_frame = caption_transfer.of_mezzanine(path)
        for folder in folders.values():
            caption_transfer.into_segments(encoded_variant.segment_paths(folder), by_frame, rate)
    return {
        rung.name: EncodedVariant(rung.name, folders[rung.name], sounds.get(rung.variant.audio_kbps), encode, captions)
        for rung in rungs
    }


def picture_count(source: MezzanineRecord) -> int:
    """Of the mezzanine: as it was counted, else as it lasts."""
    assert source.rate is not None
    return source.frames or max(1, round(source.duration * source.rate))


def _marker(build: MediaBuild, rung: str, reason: str) -> VariantRecord:
    """The record of a variant that this source does not get."""
    return VariantRecord(
        **build.head(variant_output(rung)),
        applicable=False,
        reason=reason,
        data_version=NOT_APPLICABLE,
        variant=rung,
    )


# --- Audio ------------------------------------------------------------------------------------------------------------


def _audio_playlists(
    build: MediaBuild, source: MezzanineRecord, outputs: Collection[str]
) -> list[UnpublishedOutput[VariantRecord]]:
    wanted = [variant for variant in profile.AUDIO_LADDER if variant_output(variant.name) in outputs]
    if not wanted:
        return []
    sounds = build.delivered_sounds([variant.audio_kbps for variant in wanted])
    return build.side_by_side(
        [partial(_audio_variant, source=source, name=each.name, sound=sounds[each.audio_kbps]) for each in wanted]
    )


def _audio_variant(
    build: MediaBuild, *, source: MezzanineRecord, name: str, sound: Sound
) -> UnpublishedOutput[VariantRecord]:
    folder = build.workspace.folder(f"hls/{name}")
    run = build.tools.ffmpeg(
        ladder.audio_hls_arguments(str(sound.path), str(folder)),
        label=f"segmenting {name}",
        duration=source.duration,
    )
    encoded = EncodedVariant(name, folder, sound, Encode(run, source.duration))
    return encoded_variant.unpublished_variant(build, source, encoded)
