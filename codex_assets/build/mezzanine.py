"""Builds the mezzanine from the original, and the loudness of the upload's sound, from the original or the mezzanine.

In: fetching the original, the record of what came out, and the order of the two outputs. Out: what an upload may be
(`upload_check.py`), how it is encoded (`mezzanine_encode.py`), and how loudness is measured (`media/encode/loudness`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from codex_assets.archive import refused
from codex_assets.archive.records import ORIGINAL as ORIGINAL_RECORD
from codex_assets.archive.records import LoudnessRecord, MezzanineRecord, OriginalRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import caption_transfer, upload_check
from codex_assets.build.caption_transfer import CaptionTransfer
from codex_assets.build.media_build import (
    SCRATCH_PER_INPUT,
    MediaBuild,
    digest,
)
from codex_assets.build.mezzanine_encode import MezzanineEncode, MezzanineEncoder
from codex_assets.build.phases import Phase
from codex_assets.build.publication import UnpublishedOutput, bytes_as_fraction
from codex_assets.build.receipts import Encode
from codex_assets.build.source_facts import source_facts
from codex_assets.build.upload_check import ExaminedUpload
from codex_assets.errors import MissingInput, SourceError, StorageError
from codex_assets.media import input_flags, profile, target_format
from codex_assets.media.encode import loudness
from codex_assets.media.encode.loudness import Measurement
from codex_assets.media.facts import Counted, MediaInfo, VideoStream
from codex_assets.media.outputs import LOUDNESS, MEZZANINE, ORIGINAL
from codex_assets.media.upload import damage, refusals
from codex_assets.media.upload.damage import Loss
from codex_assets.storage import keys
from codex_assets.storage.objects import file_sha256
from codex_assets.storage.publish import Stage, Upload
from codex_assets.verification import expectations
from codex_assets.verification.observations import MezzanineExpected
from codex_assets.verification.observe.upload_pictures import UploadedMedia

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Original:
    """A local copy of the upload, and what tells it from a later one under the same key."""

    path: Path
    sha256: str
    uploaded_at: str | None
    """ISO 8601."""
    etag: str | None


@dataclass(frozen=True)
class _EncodedMezzanine:
    """A mezzanine before it is judged, and what is known of its making."""

    path: Path
    sha256: str
    upload: ExaminedUpload
    encode: MezzanineEncode
    info: MediaInfo
    """As the file itself was probed."""
    duration: float
    """Seconds of its longest track."""
    loss: dict[int, Loss]
    """Of the upload, by track."""
    captions: CaptionTransfer


def build_mezzanine(build: MediaBuild, *, with_loudness: bool) -> Callable[[MediaBuild], None]:
    """Build the mezzanine, and the loudness when it is wanted: one decode of the original gives both. Returns what is
    left to do: looking at the mezzanine and judging it, which raises `VerificationError`. Others may be made of it
    meanwhile.

    The media is registered once its upload passed every look at it, and a refusal goes on record.

    Raises `MissingInput` when the original is gone, `SourceError` when nothing can be made of it.
    """
    work = build.receipts.begin()
    original = _fetch_original(build)
    try:
        encoded = _encode(build, original)
    except SourceError as error:
        _put_refusal_on_record(build, original, error)
        raise
    key = keys.mezzanine(build.media.creator_id, build.media.media_id)
    output = UnpublishedOutput(
        _mezzanine_record(build, original, encoded), [Upload(encoded.path, "archive", key, Stage.CONTENT)]
    )
    outputs: list[UnpublishedOutput[OutputRecord]] = [output]
    if with_loudness:
        measurement, upload_peak = _loudness_of_upload(encoded.encode), encoded.encode.upload_peak
        record = _loudness_record(build, measurement, upload_peak, "original", {ORIGINAL: original.sha256})
        outputs.append(UnpublishedOutput(record))
    build.publication.add(outputs, work, judged_later=[MEZZANINE.name])
    # The original was there: what is known of one that was deleted is no longer true.
    build.records.forget(build.media.media_id, ORIGINAL_RECORD)
    build.workspace.keep("archive", key, encoded.sha256, encoded.path)
    return partial(_verify, encoded=encoded)


def _verify(build: MediaBuild, *, encoded: _EncodedMezzanine) -> None:
    with build.phase(Phase.VERIFYING):
        seen = build.observer.mezzanine(encoded.path, _expected(build, encoded), upload=_to_compare(build, encoded))
    build.publication.judge(MEZZANINE.name, [seen])


def measure_loudness(build: MediaBuild) -> None:
    """Measure the loudness of the mezzanine's sound. Raises `MissingInput` without a mezzanine."""
    work = build.receipts.begin()
    record = build.mezzanine_record()
    measurement = upload_peak = None
    if record.has_audio:
        path = build.mezzanine_file(record)
        audio = build.probe(path).audio
        with build.tool_phase(Phase.LOUDNESS) as on_progress:
            run = build.tools.ffmpeg(
                loudness.measuring_arguments(input_flags.input_arguments(str(path), trusted=True), audio),
                label="measuring the loudness",
                duration=record.duration,
                on_progress=on_progress,
            )
        measured = loudness.parse_summary(run.log, seconds=audio.duration if audio is not None else None)
        measurement = loudness.louder(measured, -record.sound_gain)
        peak = loudness.own_peak(measured, run.log, audio)
        upload_peak = round(peak - record.sound_gain, 2) if peak is not None else None
    inputs = {MEZZANINE.name: record.data_version}
    loudness_record = _loudness_record(build, measurement, upload_peak, "mezzanine", inputs)
    build.publication.add([UnpublishedOutput(loudness_record)], work)


# --- The original -----------------------------------------------------------------------------------------------------


def _fetch_original(build: MediaBuild) -> _Original:
    media = build.media
    store = build.stores.by_role(media.input_role)
    stored = store.head(media.input_key)
    if stored is None:
        raise _missing_original(build)
    build.workspace.require_space(stored.size * SCRATCH_PER_INPUT)
    with build.phase(Phase.FETCHING_ORIGINAL) as advance:
        path = build.workspace.folder("original") / "original"
        fetched = store.download(media.input_key, path, on_bytes=bytes_as_fraction(stored.size, advance))
    return _Original(
        path,
        sha256=fetched.sha256 or file_sha256(path),
        uploaded_at=fetched.modified.isoformat() if fetched.modified else None,
        etag=fetched.etag,
    )


def _missing_original(build: MediaBuild) -> MissingInput:
    media = build.media
    record = build.records.get(media.media_id, ORIGINAL_RECORD, OriginalRecord)
    reason = "it is deleted a day after its mezzanine was verified"
    if record is not None and record.deleted:
        reason = f"it was deleted on {record.gone_since[:10]}, when its mezzanine had been verified"
    return MissingInput(
        f"The original is not at {media.input_key} in the {media.input_role} store; {reason}. "
        "Select outputs that are built from the mezzanine, or upload it again."
    )


def _put_refusal_on_record(build: MediaBuild, original: _Original, error: SourceError) -> None:
    """So that nobody tries it again. Raises `Superseded` when the media is somebody else's by now."""
    try:
        refused.refuse(
            build.media,
            error,
            RecordStore(build.stores.archive),
            build.lease,
            uploaded_at=original.uploaded_at,
            etag=original.etag,
        )
    except StorageError as failure:
        # The creator is told all the same.
        _log.warning("a refusal could not be put on record: %s", failure.detail or failure.public)


# --- The mezzanine ----------------------------------------------------------------------------------------------------


def _encode(build: MediaBuild, original: _Original) -> _EncodedMezzanine:
    """Raises `SourceError` when nothing, or too little, can be made of the original."""
    media_type = build.media.media_type
    upload = upload_check.examine(build.tools, media_type, original.path)
    refused.accept(build.media, RecordStore(build.stores.archive), build.lease)
    path = build.workspace.folder("mezzanine") / "mezzanine.mp4"
    folder = build.workspace.folder("normalising")
    with_captions = build.is_video and caption_transfer.may_have_captions(upload.path)
    carrier = folder / "captions.ts" if with_captions else None
    encoder = MezzanineEncoder(
        build.tools,
        build.encoders,
        build.tool_phase,
        media_type=media_type,
        source=upload.path,
        path=path,
        folder=folder,
        carrier=carrier,
    )
    encode = encoder.encode(upload.info)
    captions = CaptionTransfer()
    if carrier is not None and encode.info.video is not None:
        captions = caption_transfer.into_mezzanine(path, carrier, target_format.frame_rate(encode.info.video))
    info = build.probe(path)
    upload_check.require_decoded(info, media_type)
    duration = upload_check.longest_seconds(info)
    loss = damage.losses(
        upload.header, upload.info, encode.log, arrived=upload.arrived, decoded_seconds=encode.decoded_seconds
    )
    upload_check.require_enough(loss, upload.info, media_type)
    return _EncodedMezzanine(path, file_sha256(path), upload, encode, info, duration, loss, captions)


def _mezzanine_record(build: MediaBuild, original: _Original, encoded: _EncodedMezzanine) -> MezzanineRecord:
    video, audio, encode = encoded.info.video, encoded.info.audio, encoded.encode
    # In the size that it was encoded in, where that changes midway.
    uploaded_info = replace(encoded.upload.info, video=encode.info.video)
    source = source_facts(uploaded_info, original.path, encoded.loss)
    uploaded = {"uploaded_at": original.uploaded_at, "etag": original.etag}
    captions = {"captions": encoded.captions.uploaded if build.is_video else None}
    receipt = build.receipts.draft(
        build.media.media_type,
        MEZZANINE.name,
        {ORIGINAL: original.sha256},
        Encode(encode.run, encoded.duration, encode.choice if video else None),
    )
    return MezzanineRecord(
        **build.head(MEZZANINE.name),
        data_version=encoded.sha256[:32],
        warnings=_warnings(build, encoded),
        source=source.model_copy(update=uploaded | captions),
        duration=encoded.duration,
        width=video.width if video else None,
        height=video.height if video else None,
        frame_rate=str(video.average_rate) if video and video.average_rate else None,
        frames=video.frames if video else None,
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        audio_treatment=encode.treatment,
        sound_gain=encode.gain,
        captions=encoded.captions.kept if build.is_video else None,
        build=receipt,
    )


def _warnings(build: MediaBuild, encoded: _EncodedMezzanine) -> tuple[str, ...]:
    """A sentence for the creator for each thing that is not as it was uploaded."""
    used, log = _without_cover(build, encoded.upload.info), encoded.encode.log
    lost = [refusals.CAPTIONS_LEFT_OUT] if encoded.captions.uploaded != encoded.captions.kept else []
    damaged = (*damage.loss_warnings(encoded.loss, used), *damage.left_out_warnings(log, used))
    unused = [*_unused_pictures(encoded.upload.header, used), *_unused_sounds(used)]
    return (*encoded.upload.warnings, *encoded.encode.warnings, *unused, *damaged, *lost)


def _unused_pictures(header: MediaInfo, used: MediaInfo) -> list[str]:
    """A sentence where the upload has films beside the one in use. Those of a broadcast are other programmes."""
    films = sorted(
        (track for track in (*header.tracks, *header.others) if isinstance(track, VideoStream)),
        key=lambda track: track.index,
    )
    if used.video is None or header.container == "mpegts":
        return []
    numbers = [
        number
        for number, film in enumerate(films, 1)
        if film.index != used.video.index and used.counted.get(film.index, Counted()).packets > 1
    ]
    return [refusals.pictures_left_out(numbers)] if numbers else []


def _unused_sounds(used: MediaInfo) -> list[str]:
    """A sentence where sounds are left out of which nothing says that they are another version of the one in use."""
    alone = used.audio.left_alone if used.audio is not None else ()
    # Of those that nothing here decodes, another sentence speaks.
    undecoded = {track.index for track in used.undecoded}
    numbers = [number for index, number in alone if index in used.counted and index not in undecoded]
    if used.audio is None or not numbers:
        return []
    return [refusals.sounds_left_out(numbers, joined=bool(used.audio.channel_tracks))]


def _expected(build: MediaBuild, encoded: _EncodedMezzanine) -> MezzanineExpected:
    """What the mezzanine is judged against. Its duration is not, where damage leaves open how long it should be."""
    info, log = encoded.encode.info, encoded.encode.log
    lost_seconds = (_without_cover(build, info).seconds or 0.0) - encoded.duration
    # What a decoder makes of damage may last longer than its packets said.
    is_longer = lost_seconds < -profile.LOST_SECONDS
    is_trusted = info.orderly and info.timed and not (is_longer and log.is_damaged(info))
    return expectations.new_mezzanine(
        info,
        with_picture=build.is_video,
        is_complete=lost_seconds <= profile.LOST_SECONDS and is_trusted,
        captions=encoded.captions.kept if build.is_video else None,
        gain=encoded.encode.gain,
        sound_left_out=refusals.SOUND_LEFT_OUT in _warnings(build, encoded),
    )


def _to_compare(build: MediaBuild, encoded: _EncodedMezzanine) -> UploadedMedia | None:
    """The upload, for comparing; None where its clock leaves open what should have become of it."""
    info, log = encoded.encode.info, encoded.encode.log
    lost = any(loss.lost > profile.LOST_SECONDS for loss in encoded.loss.values())
    if not (info.orderly and info.timed):
        return None
    # Where a clock leaps and its parts are joined, nobody can say at which sample.
    even_sound = info.audio == encoded.upload.info.audio and info.joined_seconds is None
    damaged = lost or log.is_damaged(info)
    return UploadedMedia(encoded.upload.path, info, build.is_video, even_sound, damaged)


def _without_cover(build: MediaBuild, info: MediaInfo) -> MediaInfo:
    """What is used of an upload: audio media have no picture, whatever the file holds."""
    return info if build.is_video else replace(info, video=None)


# --- Loudness ---------------------------------------------------------------------------------------------------------


def _loudness_of_upload(encode: MezzanineEncode) -> Measurement | None:
    """As the mezzanine's decode measured it, without the gain that the mezzanine was given. None is silence, or no
    sound."""
    if encode.treatment is None:
        return None
    audio = encode.info.audio
    seconds = encode.decoded_seconds.get(audio.index) if audio is not None else None
    return loudness.louder(loudness.parse_summary(encode.run.log, seconds=seconds), -encode.gain)


def _loudness_record(
    build: MediaBuild,
    measurement: Measurement | None,
    upload_peak: float | None,
    measured_of: Literal["original", "mezzanine"],
    inputs: Mapping[str, str],
) -> LoudnessRecord:
    """The record of what was measured. `upload_peak`: true peak in dBTP of the upload's own channels."""
    values = (
        None if measurement is None else [measurement.integrated_lufs, measurement.true_peak_dbtp, measurement.range_lu]
    )
    return LoudnessRecord(
        **build.head(LOUDNESS.name),
        data_version=digest(json.dumps(values)),
        measurement=measurement,
        upload_peak_dbtp=upload_peak if measurement is not None and upload_peak != measurement.true_peak_dbtp else None,
        measured_of=measured_of,
        build=build.receipts.draft(build.media.media_type, LOUDNESS.name, inputs),
    )
