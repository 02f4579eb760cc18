"""Objects that are lost, exchanged or left behind, and records that do not tell the truth of what is published.

None of these can happen inside a build: they are judged afterwards only.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mutant import Harm, Mutant, Seam, mutant, register
from published import PublishedMedia

from codex_assets.archive.records import SegmentFact
from codex_assets.media.upload import refusals
from codex_assets.storage import keys

VIDEO: tuple[str, ...] = ("flat", "film", "portrait")
ANY: tuple[str, ...] = ("flat", "music", "silent")


def _first(media: PublishedMedia) -> Any:
    """The variant whose record is changed."""
    return media.record(media.broken_variant)


# --- Objects ----------------------------------------------------------------------------------------------------------


@mutant("records", "grave", Seam.STORE, ANY)
def lost_segment(media: PublishedMedia) -> None:
    """a segment is not in the store"""
    media.delete(_first(media).files[0])


@mutant("records", "grave", Seam.STORE, ANY)
def lost_playlist(media: PublishedMedia) -> None:
    """a variant's playlist is not in the store"""
    media.delete(_first(media).files[-1])


def _lose(output: str, media: PublishedMedia) -> None:
    media.delete(media.record(output).files[0])


for _name, _output, _media in (
    ("lost_master", "hls_master", ANY),
    ("lost_mezzanine", "mezzanine", ANY),
    ("lost_thumbnail", "thumbnail", VIDEO),
    ("lost_preview", "preview", VIDEO),
    ("lost_waveform", "waveform_json", ("music",)),
    ("lost_waveform_picture", "waveform_png", ("music",)),
):
    _text = f"the object of {_output} is not in the store"
    register(Mutant(_name, "records", "grave", Seam.STORE, _text, _media, partial(_lose, _output)))


def _replaced(output: str, index: int, media: PublishedMedia, change: Any) -> None:
    """Change the bytes of an object; the record stays as it was."""
    file = media.record(output).files[index]
    data = media.stores.by_role(file.role).read(file.key)
    with tempfile.NamedTemporaryFile() as changed:
        path = Path(changed.name)
        path.write_bytes(change(data))
        media.replace(file.role, file.key, path)


@mutant("records", "grave", Seam.STORE, ("film", "music"))
def segment_of_another_build(media: PublishedMedia) -> None:
    """a segment is not the one that was recorded"""
    other = media.variants[0].files[1]
    data = media.stores.media.read(other.key)
    _replaced(media.broken_variant, 1, media, lambda _: data)


@mutant("records", "medium", Seam.STORE, ANY)
def segment_longer_than_recorded(media: PublishedMedia) -> None:
    """a segment has one empty packet more than was recorded"""
    null = bytes.fromhex("471fff10") + b"\xff" * 184
    _replaced(media.broken_variant, 0, media, lambda data: data + null)


@mutant("records", "medium", Seam.STORE, ANY)
def playlist_changed(media: PublishedMedia) -> None:
    """a playlist is not the one that was recorded"""
    _replaced(media.broken_variant, -1, media, lambda data: data.replace(b"VERSION:6", b"VERSION:5"))


@mutant("records", "medium", Seam.STORE, ANY)
def master_changed(media: PublishedMedia) -> None:
    """the master is not the one that was recorded"""
    _replaced("hls_master", 0, media, lambda data: data.replace(b"VERSION:6", b"VERSION:5"))


@mutant("records", "grave", Seam.STORE, ANY)
def mezzanine_changed(media: PublishedMedia) -> None:
    """the mezzanine is not the one that was recorded"""
    # On disk: one that is stored over it has another version, and the recorded one stays.
    file = media.record("mezzanine").files[0]
    path = media.root / "store" / file.role / file.key
    changed = path.read_bytes() + b"\x00\x00\x00\x08free"
    path.unlink()
    path.write_bytes(changed)


@mutant("records", "medium", Seam.STORE, VIDEO)
def thumbnail_changed(media: PublishedMedia) -> None:
    """the thumbnail is not the one that was recorded"""
    _replaced("thumbnail", 0, media, lambda data: data[:20] + data[20:].replace(b"\xff\xd9", b"\xff\xd9\x00"))


@mutant("records", "medium", Seam.STORE, ("music",))
def waveform_changed(media: PublishedMedia) -> None:
    """the waveform is not the one that was recorded"""
    _replaced("waveform_json", 0, media, lambda data: data + b"\n")


@mutant("records", "light", Seam.STORE, ANY)
def segment_left_behind(media: PublishedMedia) -> None:
    """a segment lies in the folder that nothing names"""
    file = _first(media).files[0]
    data = media.stores.media.read(file.key)
    key = file.key.replace("segment_00000", "segment_00099")
    media.stores.media.write(key, data, content_type="video/mp2t")


@mutant("records", "light", Seam.STORE, ("flat", "silent"))
def variant_left_behind(media: PublishedMedia) -> None:
    """a whole variant lies there that no master names"""
    record = _first(media)
    for file in record.files:
        data = media.stores.media.read(file.key)
        key = file.key.replace(f"/{record.variant}/", "/2160p/")
        media.stores.media.write(key, data, content_type="video/mp2t")


# --- Records ----------------------------------------------------------------------------------------------------------


def _forget(output: str, media: PublishedMedia) -> None:
    media.forget(output if output != "variant" else media.broken_variant)


for _name, _output, _media in (
    ("record_of_a_variant_missing", "variant", ("film", "music")),
    ("record_of_the_master_missing", "hls_master", ANY),
    ("record_of_the_mezzanine_missing", "mezzanine", ANY),
    ("record_of_the_loudness_missing", "loudness", ("flat", "music")),
    ("record_of_the_thumbnail_missing", "thumbnail", VIDEO),
    ("record_of_the_preview_missing", "preview", VIDEO),
    ("record_of_the_waveform_missing", "waveform_json", ("music",)),
):
    _text = "a record is missing"
    _harm: Harm = "grave" if _output in ("mezzanine", "hls_master", "variant") else "medium"
    register(Mutant(_name, "records", _harm, Seam.STORE, _text, _media, partial(_forget, _output)))


def _changed(output: str, changes: Any, media: PublishedMedia) -> None:
    record = _first(media) if output == "variant" else media.record(output)
    values = changes(record) if callable(changes) else changes
    media.put(record.model_copy(update=values))


def _files(**changes: Any) -> Any:
    def change(record: Any) -> dict[str, Any]:
        first = record.files[0].model_copy(update=changes)
        return {"files": (first, *record.files[1:])}

    return change


def _fewer_files(record: Any) -> dict[str, Any]:
    return {"files": record.files[1:]}


def _segments_longer(record: Any) -> dict[str, Any]:
    first = record.segments[0].model_copy(update={"duration": record.segments[0].duration + 1})
    return {"segments": (first, *record.segments[1:])}


def _segments_larger(record: Any) -> dict[str, Any]:
    first = record.segments[0].model_copy(update={"size": record.segments[0].size * 2})
    return {"segments": (first, *record.segments[1:])}


CHANGES: tuple[tuple[str, Harm, str, tuple[str, ...], str, Any], ...] = (
    ("recorded_hash_wrong", "grave", "the hash of a segment is wrong", ANY, "variant", _files(sha256="0" * 64)),
    ("recorded_size_wrong", "medium", "the size of a segment is wrong", ANY, "variant", _files(size=12345)),
    ("recorded_hash_of_mezzanine_wrong", "grave", "the hash of the mezzanine is wrong", ANY, "mezzanine",
     _files(sha256="0" * 64)),
    ("recorded_hash_of_thumbnail_wrong", "medium", "the hash of the thumbnail is wrong", VIDEO, "thumbnail",
     _files(sha256="0" * 64)),
    ("recorded_hash_of_master_wrong", "medium", "the hash of the master is wrong", ANY, "hls_master",
     _files(sha256="0" * 64)),
    ("recorded_files_incomplete", "medium", "a segment is not recorded", ANY, "variant", _fewer_files),
    ("recorded_version_wrong", "medium", "the data version is not that of the contents", ANY, "variant",
     {"data_version": "0" * 32}),
    ("recorded_key_of_another_media", "grave", "an object of another media is recorded", ANY, "variant",
     lambda record: {"files": tuple(
         file.model_copy(update={"key": file.key.replace("/m1/", "/m2/")}) for file in record.files)}),
    ("recorded_media_wrong", "grave", "the record is that of another media", ANY, "variant", {"media_id": "m2"}),
    ("recorded_duration_wrong", "medium", "a variant's duration is wrong", ANY, "variant", {"duration": 99.0}),
    ("recorded_rates_wrong", "medium", "a variant's rates are wrong", ANY, "variant",
     {"bandwidth": 9_000_000, "average_bandwidth": 8_000_000}),
    ("recorded_codecs_wrong", "medium", "a variant's codecs are wrong", ("flat", "silent"), "variant",
     {"codecs": "avc1.640033"}),
    ("recorded_size_of_picture_wrong", "medium", "a variant's size is wrong", ("flat", "silent"), "variant",
     {"width": 100, "height": 100}),
    ("recorded_segment_durations_wrong", "medium", "the duration of a segment is wrong", ANY, "variant",
     _segments_longer),
    ("recorded_segment_sizes_wrong", "medium", "the size of a segment is wrong in the list of segments", ANY, "variant",
     _segments_larger),
    ("recorded_as_inapplicable", "grave", "a published variant is recorded as one that this media does not get",
     ("flat", "music"), "variant", {"applicable": False, "reason": "the source is smaller"}),
    ("master_recorded_as_inapplicable", "grave", "the master is recorded as one that this media does not get",
     ("flat", "music"), "hls_master", {"applicable": False, "reason": "the source is smaller"}),
    ("thumbnail_recorded_as_inapplicable", "medium", "the thumbnail is recorded as one that this media does not get",
     ("film",), "thumbnail", {"applicable": False, "reason": "the source has no picture"}),
    ("recorded_loudness_wrong", "medium", "a variant's loudness is wrong", ("flat", "music"), "variant",
     lambda record: {"loudness": record.loudness.__class__(-30.0, -12.0, 3.0, -40.0)}),
    ("recorded_loudness_missing", "medium", "a variant's loudness is not recorded", ("flat", "music"), "variant",
     {"loudness": None}),
    ("recorded_variants_wrong", "medium", "the master's record names other variants", ANY, "hls_master",
     {"variants": ("1080p", "720p")}),
    ("recorded_mezzanine_duration_wrong", "grave", "the mezzanine's duration is wrong", ANY, "mezzanine",
     {"duration": 99.0}),
    ("recorded_mezzanine_size_wrong", "medium", "the mezzanine's size is wrong", ("flat", "silent"), "mezzanine",
     {"width": 1280, "height": 720}),
    ("recorded_mezzanine_rate_wrong", "medium", "the mezzanine's frame rate is wrong", ("flat", "silent"), "mezzanine",
     {"frame_rate": "50/1"}),
    ("recorded_mezzanine_without_sound", "grave", "the mezzanine is recorded as one without sound", ("flat", "film"),
     "mezzanine", {"audio_codec": None}),
    ("recorded_mezzanine_frames_wrong", "light", "the mezzanine's number of frames is wrong", ("flat", "silent"),
     "mezzanine", {"frames": 7}),
    ("recorded_size_of_upload_wrong", "light", "another size of the upload is recorded", ("flat", "silent"),
     "mezzanine", lambda record: {"source": record.source.model_copy(update={"width": 1280, "height": 720})}),
    ("recorded_normalisation_wrong", "light", "a variant's sound was normalised in a way that there is not",
     ("flat", "music"), "variant", {"gain_mode": "louder"}),
    ("loudness_recorded_as_inapplicable", "medium", "the media is recorded as one without a loudness",
     ("flat", "music"), "loudness", {"applicable": False}),
    ("recorded_moment_wrong", "medium", "the thumbnail's moment is wrong", ("film", "silent"), "thumbnail",
     {"at": 6.0}),
    ("recorded_points_wrong", "medium", "the waveform's number of points is wrong", ("music",), "waveform_json",
     {"points": 7}),
    ("recorded_silence", "medium", "the waveform is recorded as silent", ("music",), "waveform_json", {"silent": True}),
    ("recorded_loudness_of_upload_missing", "medium", "the upload's loudness is not recorded", ("flat", "music"),
     "loudness", {"measurement": None}),
    ("recorded_loudness_of_upload_wrong", "medium", "the upload's loudness is wrong by 3 dB", ("flat", "music"),
     "loudness", lambda record: {"measurement": replace(
         record.measurement, integrated_lufs=record.measurement.integrated_lufs + 3.0)}),
    ("recorded_rates_missing", "medium", "a variant's rates, codecs and duration are not recorded", ANY, "variant",
     {"bandwidth": None, "average_bandwidth": None, "codecs": None, "duration": None}),
    ("recorded_normalisation_missing", "medium", "how a variant's sound was normalised is not recorded",
     ("flat", "music"), "variant", {"gain_mode": None}),
    ("recorded_average_low", "medium", "a variant's average rate is recorded 8 % lower", ANY, "variant",
     lambda record: {"average_bandwidth": int(record.average_bandwidth * 0.92)}),
    ("recorded_captions_untrue", "medium", "closed captions are recorded of a variant without any", ("flat", "silent"),
     "variant", {"captions": ("CC1",)}),
    ("recorded_reason_untrue", "light", "a published variant has a reason why it does not apply", ANY, "variant",
     {"reason": "the source has no picture"}),
    ("recorded_warning_untrue", "medium", "a variant's record warns of a sound that is off its target",
     ("flat", "music"), "variant", {"warnings": (refusals.SOUND_OFF_TARGET,)}),
    ("recorded_treatment_wrong", "medium", "the mezzanine's sound is recorded as made in another way", ("flat",),
     "mezzanine", {"audio_treatment": "encoded"}),
    ("recorded_marker_with_files", "medium", "a variant that does not apply names another's segments as its own",
     ("flat",), "hls_1080p", lambda record: {"segments": (SegmentFact(name="segment_00000.ts", duration=6, size=1),)}),
    ("recorded_marker_of_another", "medium", "what says that a variant does not apply is of another media", ("flat",),
     "hls_1080p", {"media_id": "m2"}),
    ("recorded_peak_of_upload_wrong", "light", "the upload's true peak is wrong by 12 dB", ("flat", "music"),
     "loudness", lambda record: {"measurement": replace(
         record.measurement, true_peak_dbtp=record.measurement.true_peak_dbtp - 12.0)}),
)  # fmt: skip

for _name, _harm, _text, _media, _output, _changes in CHANGES:
    register(Mutant(_name, "records", _harm, Seam.STORE, _text, _media, partial(_changed, _output, _changes)))


@mutant("records", "medium", Seam.STORE, ("film", "music"))
def recorded_variants_exchanged(media: PublishedMedia) -> None:
    """two variants have each other's rates in their records"""
    best, worst = media.variants[0], media.variants[-1]
    fields = ("bandwidth", "average_bandwidth")
    media.put(best.model_copy(update={name: getattr(worst, name) for name in fields}))
    media.put(worst.model_copy(update={name: getattr(best, name) for name in fields}))


@mutant("records", "grave", Seam.STORE, ANY)
def record_unreadable(media: PublishedMedia) -> None:
    """a record is no JSON"""
    media.stores.archive.write(keys.record("m1", "hls_master"), b"{", content_type="application/json")


@mutant("records", "grave", Seam.STORE, ("flat", "music"))
def original_of_another_creator(media: PublishedMedia) -> None:
    """the media's record names an upload of another creator as its original"""
    media.records.put("m1", "media", media.media.model_copy(update={"input_key": "originals/c2/m9/original.mkv"}))


# --- What nothing names -----------------------------------------------------------------------------------------------


def _left(role: Any, key: str, media: PublishedMedia) -> None:
    media.stores.by_role(role).write(key, b"x" * 10_000, content_type="application/octet-stream")


for _name, _harm, _text, _media, _role, _key in (
    ("upload_in_public_store", "grave", "the upload lies where everybody may read it", ("flat",), "assets",
     "c1/thumbnails/media/m1/original.mkv"),
    ("segment_in_public_store", "grave", "a segment of the film lies where everybody may read it", ("film",), "assets",
     "c1/hls/m1/480p/segment_00000.ts"),
    ("record_in_public_store", "medium", "a text about a sound lies where everybody may read it", ("music",), "assets",
     "c1/waveforms/m1/record.json"),
    ("second_mezzanine", "light", "another mezzanine lies beside the mezzanine", ("flat",), "archive",
     "mezzanine/c1/m1/mezzanine-old.mp4"),
    ("sound_of_a_film", "medium", "a master of a sound lies there for a film", ("flat",), "media",
     "c1/hls-audio/m1/master.m3u8"),
):  # fmt: skip
    register(Mutant(_name, "records", _harm, Seam.STORE, _text, _media, partial(_left, _role, _key)))


@mutant("records", "grave", Seam.STORE, ("film",))
def public_preview_not_whole(media: PublishedMedia) -> None:
    """the public copy of the preview lacks a segment"""
    for file in media.record("preview").files[1:]:
        data = media.stores.media.read(file.key)
        media.stores.assets.write(file.key, data, content_type="application/octet-stream")


@mutant("records", "medium", Seam.STORE, ("film", "flat"))
def public_preview_of_before(media: PublishedMedia) -> None:
    """the public copy of the preview has other contents than the preview"""
    for number, file in enumerate(media.record("preview").files):
        data = media.stores.media.read(file.key)
        data = data[188 * 20 :] if number == 0 else data
        media.stores.assets.write(file.key, data, content_type="application/octet-stream")


@mutant("records", "medium", Seam.STORE, ("flat", "film"))
def objects_exchanged(media: PublishedMedia) -> None:
    """a variant's segments and the preview's playlist belong to two builds"""
    _replaced("preview", -1, media, lambda data: data.replace(b"EXTINF:6.0", b"EXTINF:5.0"))
