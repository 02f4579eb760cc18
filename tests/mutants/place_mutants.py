"""Objects that lie where nobody looks for them, or that their stores deliver as something else; the records fit.

None of these can happen inside a build: they are judged afterwards only.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mutant import Harm, Mutant, Seam, mutant, register
from published import CREATOR, MEDIA, PublishedMedia, variant_version

ANY: tuple[str, ...] = ("flat", "music", "silent")


# --- Places -----------------------------------------------------------------------------------------------------------


def _moved(media: PublishedMedia, output: str, old: str, new: str, **changes: str) -> None:
    """Put all objects of an output under other keys, and have the record say so."""
    record = media.record(output)
    files = []
    for file in record.files:
        store, key = media.stores.by_role(file.role), file.key.replace(old, new)
        before = store.head(file.key)
        assert before is not None
        data = store.read(file.key)
        store.delete(file.key)
        store.write(key, data, content_type=before.content_type or "video/mp4", cache_control=before.cache_control)
        files.append(file.model_copy(update={"key": key, "version": None}))
    version = variant_version(tuple(files)) if len(files) > 1 else record.data_version
    media.put_changed(record, {"files": tuple(files), "data_version": version, **changes})


def _move(output: str, old: str, new: str, media: PublishedMedia) -> None:
    _moved(media, output, old, new)


for _name, _output, _old, _new, _media in (
    ("mezzanine_elsewhere", "mezzanine", "mezzanine.mp4", "source.mp4", ANY),
    ("master_elsewhere", "hls_master", "master.m3u8", "index.m3u8", ANY),
    ("thumbnail_elsewhere", "thumbnail", "auto-generated.jpg", "thumbnail.jpg", ("film", "portrait")),
    ("waveform_elsewhere", "waveform_json", "waveforms/", "peaks/", ("music",)),
    ("waveform_picture_of_another_creator", "waveform_png", f"{CREATOR}/", "c2/", ("music",)),
    ("preview_of_another_media", "preview", f"/{MEDIA}/", "/m2/", ("film", "flat")),
):
    _text = f"the objects of {_output} lie under other keys than the contract's, and its record says so"
    register(Mutant(_name, "stored objects", "grave", Seam.STORE, _text, _media, partial(_move, _output, _old, _new)))


@mutant("stored objects", "grave", Seam.STORE, ANY)
def variant_elsewhere(media: PublishedMedia) -> None:
    """a variant's objects lie in a folder of another name, and its record says so"""
    record = media.record(media.broken_variant)
    old, new = f"/{record.variant}/", f"/{record.variant.upper()}/"
    _moved(media, record.output, old, new, playlist_key=str(record.playlist_key).replace(old, new))


@mutant("stored objects", "grave", Seam.STORE, ANY)
def recorded_place_of_master_wrong(media: PublishedMedia) -> None:
    """the record, and so the webhook, names another master"""
    record = media.record("hls_master")
    media.put(record.model_copy(update={"master_key": str(record.master_key).replace(MEDIA, "m2")}))


@mutant("stored objects", "grave", Seam.STORE, ANY)
def media_of_another_creator(media: PublishedMedia) -> None:
    """the media is recorded as another creator's, and nothing lies under that name"""
    other = media.media.model_copy(update={"creator_id": "c2"})
    media.records.put(MEDIA, "media", other)


@mutant("stored objects", "medium", Seam.STORE, ANY)
def segment_recorded_twice(media: PublishedMedia) -> None:
    """a record names a segment twice"""
    record = media.record(media.broken_variant)
    files = (record.files[0], *record.files)
    media.put_changed(record, {"files": files, "data_version": variant_version(files)})


@mutant("stored objects", "grave", Seam.STORE, ("music",))
def record_of_another_output(media: PublishedMedia) -> None:
    """what is recorded of the waveform is the record of its picture"""
    record = media.record("waveform_png")
    media.records.put(MEDIA, "waveform_json", record)


# --- Types and caching ------------------------------------------------------------------------------------------------


def _delivered(output: str, suffix: str, changes: dict[str, Any], media: PublishedMedia) -> None:
    """Have the objects of an output that end in `suffix` delivered with other headers."""
    record = media.record(media.broken_variant if output == "variant" else output)
    for file in record.files:
        if file.key.endswith(suffix):
            store = media.stores.by_role(file.role)
            before = store.head(file.key)
            assert before is not None
            headers = {"content_type": before.content_type, "cache_control": before.cache_control, **changes}
            store.write(file.key, store.read(file.key), **headers)


LONG = "public, max-age=31536000, immutable"
HEADERS: tuple[tuple[str, Harm, str, tuple[str, ...], str, str, dict[str, Any]], ...] = (
    ("master_stored_as_page", "grave", "the master is stored as text/html", ANY, "hls_master", ".m3u8",
     {"content_type": "text/html"}),
    ("playlist_stored_as_bytes", "medium", "a variant's playlist is stored as bytes of no type", ANY, "variant",
     ".m3u8", {"content_type": "application/octet-stream"}),
    ("segments_stored_as_text", "grave", "a variant's segments are stored as text", ANY, "variant", ".ts",
     {"content_type": "text/plain"}),
    ("thumbnail_stored_as_page", "medium", "the thumbnail is stored as text/html", ("film", "portrait"), "thumbnail",
     ".jpg", {"content_type": "text/html"}),
    ("waveform_stored_as_page", "medium", "the waveform is stored as text/html", ("music",), "waveform_json", ".json",
     {"content_type": "text/html"}),
    ("master_to_be_kept", "grave", "caches may keep the master for a year", ANY, "hls_master", ".m3u8",
     {"cache_control": LONG}),
    ("playlist_without_caching", "medium", "nothing is said of how long a playlist may be kept", ANY, "variant",
     ".m3u8", {"cache_control": None}),
    ("segments_never_kept", "medium", "no cache may keep a variant's segments", ANY, "variant", ".ts",
     {"cache_control": "no-store"}),
    ("master_kept_by_networks", "grave", "networks may keep the master for a year", ANY, "hls_master", ".m3u8",
     {"cache_control": "no-cache, s-maxage=31536000"}),
    ("playlist_called_utf_16", "grave", "a variant's playlist is stored as a text in UTF-16", ANY, "variant", ".m3u8",
     {"content_type": "application/vnd.apple.mpegurl; charset=utf-16"}),
    ("segments_for_browsers_alone", "medium", "no network may keep a variant's segments", ANY, "variant", ".ts",
     {"cache_control": "private, max-age=31536000, immutable"}),
    ("thumbnail_to_be_kept", "medium", "caches may keep the thumbnail for a year", ("film", "portrait"), "thumbnail",
     ".jpg", {"cache_control": LONG}),
)  # fmt: skip

for _name, _harm, _text, _media, _output, _suffix, _headers in HEADERS:
    register(
        Mutant(
            _name, "stored objects", _harm, Seam.STORE, _text, _media, partial(_delivered, _output, _suffix, _headers)
        )
    )
