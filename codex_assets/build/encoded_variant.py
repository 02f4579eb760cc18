"""Turns the segments of an encoded variant into an output: its playlist, its record, and what the judge observes of it.

In: variants and the preview, of video and audio. Out: which variants there are and how they are encoded (`ladder.py`),
and how a playlist is written (`media/encode/hls`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from codex_assets.archive.records import Build, LoudnessRecord, MezzanineRecord, SegmentFact, VariantRecord
from codex_assets.build.media_build import MediaBuild, files_version
from codex_assets.build.phases import Phase
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.build.receipts import Encode
from codex_assets.build.sound import Sound
from codex_assets.errors import ToolError
from codex_assets.media import ffprobe, profile
from codex_assets.media.encode import hls, loudness
from codex_assets.media.facts import MediaInfo
from codex_assets.media.outputs import PREVIEW, variant_output, variants
from codex_assets.media.upload import refusals
from codex_assets.storage import keys
from codex_assets.storage.objects import file_sha256
from codex_assets.storage.publish import Stage, Upload
from codex_assets.verification import expectations, measures
from codex_assets.verification.observations import LoudnessObservation, VariantObservation
from codex_assets.verification.observe.observer import Observer


@dataclass(frozen=True)
class EncodedVariant:
    """A variant as ffmpeg left it: a folder with its segments and ffmpeg's own playlist. `sound` is what they carry."""

    name: str
    folder: Path
    sound: Sound | None
    encode: Encode
    captions: tuple[str, ...] = ()
    """Services that its pictures carry."""


def unpublished_variant(
    build: MediaBuild, source: MezzanineRecord, encoded: EncodedVariant
) -> UnpublishedOutput[VariantRecord]:
    """A variant with all its segments. Raises `ToolError` when there is none."""
    media, output = build.media, variant_output(encoded.name)
    key = keys.variant_playlist(media.creator_id, media.media_id, media.media_type, encoded.name)
    receipt = build.receipts.draft(media.media_type, output, build.inputs_with_sound(source), encoded.encode)
    return _output(build, source, output, encoded, encoded.folder / hls.PLAYLIST, key, receipt)


def unpublished_preview(
    build: MediaBuild, source: MezzanineRecord, encoded: EncodedVariant
) -> UnpublishedOutput[VariantRecord]:
    """The first segments of a variant, with a playlist of their own: nothing is encoded twice."""
    media = build.media
    folder = build.workspace.folder("hls/preview")
    segments = hls.preview_segments(_segments(encoded.folder / hls.PLAYLIST))
    for segment in segments:
        path = encoded.folder / segment.name
        shutil.copy2(path, folder / path.name)
    key = keys.preview_playlist(media.creator_id, media.media_id)
    playlist = folder / Path(key).name
    beside = [replace(segment, name=Path(segment.name).name) for segment in segments]
    playlist.write_text(hls.media_playlist(beside), encoding="utf-8")
    encode = replace(encoded.encode, media_seconds=min(source.duration, profile.PREVIEW_SECONDS))
    receipt = build.receipts.draft(
        media.media_type, PREVIEW.name, build.inputs_with_sound(source), encode, variant=encoded.name
    )
    output = _output(build, source, PREVIEW.name, encoded, playlist, key, receipt)
    if build.has_public_preview:
        output.copies.extend(replace(upload, role="assets") for upload in output.uploads)
    return output


def _output(
    build: MediaBuild,
    source: MezzanineRecord,
    output: str,
    encoded: EncodedVariant,
    playlist: Path,
    key: str,
    receipt: Build,
) -> UnpublishedOutput[VariantRecord]:
    """The output of a playlist whose segments lie beside it, to be published under `key`. They are moved into the
    folder of their version."""
    segments = _segments(playlist)
    if not segments:
        raise ToolError(f"encoding {encoded.name}", exit_code=0, reason="no segment was written")
    first = playlist.parent / segments[0].name
    if missing := hls.padding_after(segments[0].size):
        with first.open("ab") as file:
            file.write(missing)
        segments = _segments(playlist)
    digests = [file_sha256(playlist.parent / segment.name) for segment in segments]
    version = keys.version(digests)
    (playlist.parent / version).mkdir()
    paths = [(playlist.parent / each.name).rename(playlist.parent / version / each.name) for each in segments]
    first = paths[0]
    # Written anew: ffmpeg gives a programme under half a second a target duration of 0.
    playlist.write_text(hls.media_playlist(segments, version), encoding="utf-8")
    # A preview begins with the segment that its variant begins with.
    info, codecs = build.workspace.once(f"segment {digests[0]}", lambda: _read_segment(build, first))
    video, rates, sound = info.video, hls.measure_rates(segments), encoded.sound
    uploads = [
        *(Upload(path, "media", keys.segment(key, at, version), Stage.CONTENT) for at, path in enumerate(paths)),
        Upload(playlist, "media", key, Stage.PLAYLIST),
    ]
    off_target = sound is not None and loudness.is_off_target(sound.measured) and sound.mode != "none"
    record = VariantRecord(
        **build.head(output),
        warnings=(refusals.SOUND_OFF_TARGET,) if off_target else (),
        data_version=files_version(upload.path for upload in uploads),
        variant=encoded.name,
        playlist_key=key,
        version=version,
        width=video.width if video else None,
        height=video.height if video else None,
        frame_rate=float(source.rate) if video and source.rate else None,
        codecs=codecs,
        bandwidth=rates.peak,
        average_bandwidth=rates.average,
        duration=round(math.fsum(segment.duration for segment in segments), 6),
        segments=tuple(SegmentFact(name=each.name, duration=each.duration, size=each.size) for each in segments),
        loudness=sound.measured if sound is not None else None,
        gain_mode=sound.mode if sound is not None else None,
        captions=encoded.captions,
        build=receipt,
    )
    return UnpublishedOutput(record, uploads)


def segment_paths(folder: Path) -> list[Path]:
    """The segments that ffmpeg's playlist in a folder names, in order."""
    listed = hls.parse_segments((folder / hls.PLAYLIST).read_text(encoding="utf-8"))
    return [folder / name for name, _ in listed]


def _segments(playlist: Path) -> list[hls.Segment]:
    listed = hls.parse_segments(playlist.read_text(encoding="utf-8"))
    return [hls.Segment(name, seconds, (playlist.parent / name).stat().st_size) for name, seconds in listed]


def _read_segment(build: MediaBuild, segment: Path) -> tuple[MediaInfo, str]:
    """What ffprobe says of a segment, and the value of CODECS."""
    info = ffprobe.parse(build.tools.ffprobe(hls.segment_arguments(str(segment)), label="probing"))
    return info, _codecs(build, segment, has_video=info.video is not None, has_audio=info.audio is not None)


def _codecs(build: MediaBuild, segment: Path, *, has_video: bool, has_audio: bool) -> str:
    """The value of CODECS, read from the parameter sets of a segment."""
    parameter_sets = None
    if has_video:
        path = segment.with_suffix(".h264")
        build.tools.ffmpeg(hls.sps_arguments(str(segment), str(path)), label="reading the parameter sets")
        parameter_sets = path.read_bytes()
        path.unlink()
    try:
        return hls.codecs_attribute(parameter_sets, has_audio=has_audio)
    except ValueError as error:
        raise ToolError("reading the parameter sets", exit_code=0, reason=str(error)) from None


# --- What the judge observes ------------------------------------------------------------------------------------------


def observe(
    build: MediaBuild,
    source: MezzanineRecord,
    playlists: Sequence[UnpublishedOutput[VariantRecord]],
    inapplicable: Collection[str],
) -> None:
    """Add to each playlist what is observed of it. Loudness is measured once of the same bytes. `inapplicable`: outputs
    that this source does not get any more."""
    if not playlists:
        return
    cuts = _cuts(build, [playlist.record for playlist in playlists], inapplicable)
    reference = build.mezzanine_file(source)
    measured = build.loudness_record() if source.has_audio else None
    looks = [partial(_look, build, source, playlist, cuts, measured, reference) for playlist in playlists]
    with build.phase(Phase.VERIFYING) as advance:
        paths = [_playlist_of(playlist) for playlist in playlists]
        seen = build.observer.side_by_side(looks)
        compared = build.observer.compared(list(zip(paths, seen, strict=True)), reference)
        advance(0.7, None)
        pairs = list(zip(playlists, compared, strict=True))
        heard = _loudness(build, source, pairs, measured) if measured is not None else {}
        for playlist, observation in zip(playlists, compared, strict=True):
            record = playlist.record
            playlist.observations.append(observation)
            if record.output in heard:
                gain = observation.sound.gain if observation.sound is not None else None
                playlist.observations.append(replace(heard[record.output], output=record.output, gain=gain))


def _playlist_of(playlist: UnpublishedOutput[VariantRecord]) -> Path:
    return next(upload.path for upload in playlist.uploads if upload.stage is Stage.PLAYLIST)


def _look(
    build: MediaBuild,
    source: MezzanineRecord,
    playlist: UnpublishedOutput[VariantRecord],
    cuts: tuple[float, ...] | None,
    measured: LoudnessRecord | None,
    reference: Path,
    observer: Observer,
) -> VariantObservation:
    """What is seen of a playlist without decoding it."""
    record = playlist.record
    expected = expectations.variant(
        build.media.media_type, source, record.output, record.variant, cuts, record.gain_mode, measured
    )
    look = observer.preview if record.output == PREVIEW.name else observer.variant
    return look(_playlist_of(playlist), expected, output=record.output, reference=reference, decode=False)


def _loudness(
    build: MediaBuild,
    source: MezzanineRecord,
    playlists: Sequence[tuple[UnpublishedOutput[VariantRecord], VariantObservation]],
    measured: LoudnessRecord,
) -> dict[str, LoudnessObservation]:
    """What is heard of each variant, by output. The same coded sound is measured once."""
    alike: dict[str, list[VariantRecord]] = {}
    paths = {playlist.record.output: _playlist_of(playlist) for playlist, _ in playlists}
    for playlist, seen in playlists:
        if playlist.record.output != PREVIEW.name:
            alike.setdefault(seen.sound_digest or seen.output, []).append(playlist.record)

    def measure(observer: Observer, *, record: VariantRecord) -> LoudnessObservation:
        wanted = expectations.loudness(measured, record.warnings, source, record.gain_mode)
        return observer.loudness(paths[record.output], wanted, output=record.output)

    heard = build.observer.side_by_side([partial(measure, record=records[0]) for records in alike.values()])
    return {record.output: each for each, records in zip(heard, alike.values(), strict=True) for record in records}


def _cuts(
    build: MediaBuild, records: Sequence[VariantRecord], inapplicable: Collection[str]
) -> tuple[float, ...] | None:
    """Where all variants have to be cut (seconds): where a variant that stays published is; when none stays, where the
    longest of the new ones is. None without any."""
    replaced = {*inapplicable, *(record.output for record in records)}
    for variant in variants(build.media.media_type):
        if variant.name not in replaced:
            sibling = build.records.get(build.media.media_id, variant.name, VariantRecord)
            if sibling is not None and sibling.applicable:
                return measures.cuts(segment.duration for segment in sibling.segments)
    longest = max(records, key=lambda record: len(record.segments), default=None)
    return measures.cuts(segment.duration for segment in longest.segments) if longest is not None else None
