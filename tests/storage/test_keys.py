"""Every key of the contract, written out as the platform expects it."""

from __future__ import annotations

import hashlib

import pytest

from codex_assets.storage import keys


def test_the_keys_of_a_video() -> None:
    assert keys.original_prefix("c1", "m1") == "originals/c1/m1/"
    assert keys.mezzanine("c1", "m1") == "mezzanine/c1/m1/mezzanine.mp4"
    assert keys.hls_prefix("c1", "m1", "video") == "c1/hls/m1/"
    assert keys.master_playlist("c1", "m1", "video") == "c1/hls/m1/master.m3u8"
    assert keys.variant_playlist("c1", "m1", "video", "720p") == "c1/hls/m1/720p/playlist.m3u8"
    assert keys.preview_playlist("c1", "m1") == "c1/hls/m1/preview/preview.m3u8"
    assert keys.thumbnail("c1", "m1") == "c1/thumbnails/media/m1/auto-generated.jpg"


def test_the_keys_of_an_audio() -> None:
    assert keys.hls_prefix("c1", "m1", "audio") == "c1/hls-audio/m1/"
    assert keys.master_playlist("c1", "m1", "audio") == "c1/hls-audio/m1/master.m3u8"
    assert keys.variant_playlist("c1", "m1", "audio", "128k") == "c1/hls-audio/m1/128k/playlist.m3u8"
    assert keys.waveform_json("c1", "m1") == "c1/waveforms/m1/waveform.json"
    assert keys.waveform_png("c1", "m1") == "c1/thumbnails/media/m1/waveform.png"


def test_segments_lie_in_the_folder_of_their_version() -> None:
    variant = keys.variant_playlist("c1", "m1", "video", "360p")
    assert keys.segment(variant, 0, "0123456789ab") == "c1/hls/m1/360p/0123456789ab/segment_00000.ts"
    preview = keys.preview_playlist("c1", "m1")
    assert keys.segment(preview, 12345, "fedcba987654") == "c1/hls/m1/preview/fedcba987654/segment_12345.ts"
    with pytest.raises(ValueError, match="0 or more"):
        keys.segment(variant, -1, "0123456789ab")
    for wrong in ("", "0123456789a", "0123456789AB", "0123456789ab/", "../456789abcd"):
        with pytest.raises(ValueError, match="no version"):
            keys.segment(variant, 0, wrong)


def test_the_first_releases_put_segments_beside_their_playlist() -> None:
    variant = keys.variant_playlist("c1", "m1", "video", "360p")
    assert keys.segment(variant, 0) == "c1/hls/m1/360p/segment_00000.ts"
    assert keys.without_version(keys.segment(variant, 7, "0123456789ab")) == keys.segment(variant, 7)
    for key in (variant, keys.segment(variant, 7), keys.mezzanine("c1", "m1"), "c1/hls/0123456789ab/playlist.m3u8"):
        assert keys.without_version(key) == key


def test_a_version_is_made_of_all_segments_in_their_order() -> None:
    first, second = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    together = hashlib.sha256(hashlib.sha256(b"one").digest() + hashlib.sha256(b"two").digest()).hexdigest()
    assert keys.version([first, second]) == together[:12]
    assert len({keys.version(each) for each in ([first], [second], [first, second], [second, first])}) == 4


@pytest.mark.parametrize("name", ["media", "hls_720p", "waveform-png", "v2.loudness"])
def test_a_records_key_reads_back(name: str) -> None:
    key = keys.record("m1", name)
    assert key == f"records/m1/{name}.json"
    assert key.startswith(keys.records_prefix("m1"))
    assert keys.parse_record(key) == ("m1", name)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "records/",
        "records/m1/",
        "records/m1.json",
        "records/m1/.json",
        "records//media.json",
        "records/m1/deep/er.json",
        "records/m1/media.txt",
        "records/../m1/media.json",
        "c1/records/m1/media.json",
    ],
)
def test_what_is_not_a_records_key(key: str) -> None:
    assert keys.parse_record(key) is None


@pytest.mark.parametrize("part", ["", "..", "a/b", "a\\b", "/a", "a b", "a\n", "_a", "é", "x" * 129])
def test_an_identifier_is_one_safe_segment(part: str) -> None:
    with pytest.raises(ValueError, match="one segment"):
        keys.mezzanine(part, "m1")
    with pytest.raises(ValueError, match="one segment"):
        keys.master_playlist("c1", part, "video")
    with pytest.raises(ValueError, match="one segment"):
        keys.variant_playlist("c1", "m1", "video", part)
    with pytest.raises(ValueError, match="one segment"):
        keys.record("m1", part)


def test_a_media_never_shares_a_prefix_with_another() -> None:
    """A prefix ends with `/`: what is listed or pruned for `m1` never touches `m10`."""
    assert not keys.master_playlist("c1", "m10", "video").startswith(keys.hls_prefix("c1", "m1", "video"))
    assert not keys.record("m10", "media").startswith(keys.records_prefix("m1"))
