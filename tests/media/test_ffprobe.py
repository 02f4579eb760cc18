"""What ffprobe says becomes facts: displayed sizes, the right track, and times that come from packets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from probed import parsed, picture, shown, sound, turned


@pytest.mark.parametrize(
    ("fields", "size", "rotation"),
    [
        ({}, (640, 360), 0),
        # ffprobe counts anticlockwise.
        (turned(-90), (360, 640), 90),
        (turned(90), (360, 640), 270),
        (turned(-180), (640, 360), 180),
        (turned(180), (640, 360), 180),
        (turned(-89.6), (360, 640), 90),
        ({"sample_aspect_ratio": "64:45", "width": 720, "height": 576}, (1024, 576), 0),
        ({"sample_aspect_ratio": "8:9", "width": 720, "height": 480}, (640, 480), 0),
        ({"sample_aspect_ratio": "64:45", "width": 720, "height": 576} | turned(-90), (576, 1024), 90),
        ({"sample_aspect_ratio": "0:1"}, (640, 360), 0),
        ({"sample_aspect_ratio": "1:0"}, (640, 360), 0),
        ({"sample_aspect_ratio": "999:1"}, (640, 360), 0),
        ({"sample_aspect_ratio": "16:1", "width": 7680, "height": 2160}, (7680, 2160), 0),
        ({"width": 853, "height": 481}, (853, 481), 0),
    ],
)
def test_the_size_is_the_displayed_one(fields: dict[str, Any], size: tuple[int, int], rotation: int) -> None:
    video = parsed(picture(**fields)).video
    assert video is not None
    assert (video.width, video.height, video.rotation) == (*size, rotation)


@pytest.mark.parametrize(
    ("fields", "rotation", "mirrored"),
    [
        (shown(1, 0, 0, 1), 0, False),
        (shown(0, 1, -1, 0), 90, False),
        (shown(-1, 0, 0, -1), 180, False),
        (shown(0, -1, 1, 0), 270, False),
        (shown(-1, 0, 0, 1), 0, True),
        (shown(1, 0, 0, -1), 180, True),
        (shown(0, 1, 1, 0), 270, True),
        (shown(0, -1, -1, 0), 90, True),
        (shown(0.9986, 0.0523, -0.0523, 0.9986), 0, False),
        (shown(0.0523, 0.9986, -0.9986, 0.0523), 90, False),
        (shown(0, 0, 0, 0), 0, False),
        ({"side_data_list": [{"displaymatrix": "nothing: to read"}]}, 0, False),
        # As old muxers left it; the matrix counts for more.
        ({"tags": {"ROTATE": "90"}}, 90, False),
        ({"tags": {"rotate": "-90"}}, 270, False),
        ({"tags": {"rotate": "upright"}}, 0, False),
        ({"tags": {"rotate": "inf"}}, 0, False),
        ({"tags": {"rotate": "90"}} | shown(-1, 0, 0, -1), 180, False),
    ],
)
def test_how_a_picture_is_turned(fields: dict[str, Any], rotation: int, mirrored: bool) -> None:
    video = parsed(picture(**fields)).video
    assert video is not None
    assert (video.rotation, video.mirrored) == (rotation, mirrored)
    assert (video.width, video.height) == ((360, 640) if rotation in (90, 270) else (640, 360))


def dolby(number: int, base: int) -> dict[str, Any]:
    record = {"side_data_type": "DOVI configuration record", "dv_profile": number}
    return {"side_data_list": [{**record, "dv_bl_signal_compatibility_id": base}]}


@pytest.mark.parametrize(
    ("fields", "transfer", "own"),
    [
        (dolby(5, 0), None, True),
        (dolby(5, 0) | {"color_transfer": "smpte2084"}, "smpte2084", True),
        (dolby(10, 0), None, True),
        (dolby(8, 1), "smpte2084", False),
        (dolby(8, 2), "bt709", False),
        (dolby(8, 4), "arib-std-b67", False),
        (dolby(7, 6), "smpte2084", False),
        (dolby(8, 4) | {"color_transfer": "smpte2084"}, "smpte2084", False),
        ({}, None, False),
    ],
)
def test_the_base_of_dolby_vision(fields: dict[str, Any], transfer: str | None, own: bool) -> None:
    video = parsed(picture(**fields)).video
    assert video is not None
    assert (video.transfer, video.has_own_colours) == (transfer, own)


@pytest.mark.parametrize(
    ("fields", "alpha"),
    [
        ({"pix_fmt": "yuva444p10le"}, True),
        ({"pix_fmt": "ya16be"}, True),
        ({"pix_fmt": "yuv444p"}, False),
        ({"codec_name": "vp9", "tags": {"alpha_mode": "1"}}, True),
        ({"codec_name": "vp8", "tags": {"ALPHA_MODE": "1"}}, True),
        ({"codec_name": "vp9", "tags": {"alpha_mode": "0"}}, False),
        ({"codec_name": "h264", "tags": {"alpha_mode": "1"}}, False),
        ({"codec_name": "png", "pix_fmt": "pal8"}, True),
        ({"codec_name": "cinepak", "pix_fmt": "pal8"}, False),
    ],
)
def test_what_has_alpha(fields: dict[str, Any], alpha: bool) -> None:
    video = parsed(picture(**fields)).video
    assert video is not None
    assert video.has_alpha is alpha


@pytest.mark.parametrize(
    "no_film",
    [
        picture(disposition={"attached_pic": 1}),
        picture(disposition={"timed_thumbnails": 1}),
        picture(codec_name=None),
        picture(width=0),
    ],
    ids=["cover", "timed thumbnails", "unknown codec", "no size"],
)
def test_what_is_no_film_is_no_video(no_film: dict[str, Any]) -> None:
    assert parsed(no_film, sound()).video is None
    film = picture(index=2)
    video = parsed(no_film, sound(), film).video
    assert video is not None
    assert video.index == 2


def test_the_default_track_is_taken_else_the_first() -> None:
    first, second = sound(index=1), sound(index=2, disposition={"default": 1})
    assert [parsed(*some).audio.index for some in ([first], [first, second])] == [1, 2]  # type: ignore[union-attr]


def test_data_and_subtitles_are_no_tracks() -> None:
    info = parsed({"index": 0, "codec_type": "data"}, {"index": 1, "codec_type": "subtitle", "codec_name": "ass"})
    assert info.tracks == ()
    assert info.seconds is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"field_order": "tt"}, {"interlaced": True}),
        ({"field_order": "bt"}, {"interlaced": True}),
        ({"field_order": "progressive"}, {"interlaced": False}),
        ({"color_transfer": "smpte2084"}, {"hdr": True}),
        ({"color_transfer": "arib-std-b67"}, {"hdr": True}),
        ({"color_transfer": "bt709", "pix_fmt": "yuv420p10le"}, {"hdr": False, "has_alpha": False}),
        ({"pix_fmt": "yuva444p12le"}, {"has_alpha": True}),
        ({"pix_fmt": "argb"}, {"has_alpha": True}),
        ({"pix_fmt": "gbrap10le"}, {"has_alpha": True}),
        ({"color_space": "unknown", "color_range": "tv"}, {"matrix": None, "color_range": "tv"}),
        ({"avg_frame_rate": "0/0"}, {"average_rate": None, "nominal_rate": Fraction(30)}),
        ({"nb_frames": "61"}, {"frames": 61}),
        ({"nb_frames": "N/A"}, {"frames": None}),
        ({"level": -99}, {"level": None}),
        ({"duration": "nan"}, {"duration": None}),
        # Matroska tells where a track ends, on its own clock.
        ({"tags": {"DURATION-eng": "x", "DURATION": "00:01:02.500000000"}}, {"duration": 62.5}),
        ({"tags": {"DURATION": "00:00:07.0"}, "start_time": "5.0"}, {"duration": 2.0}),
        ({"tags": {"DURATION": "soon"}}, {"duration": None}),
    ],
)
def test_facts_of_a_picture_track(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    video = parsed(picture(**fields)).video
    assert {name: getattr(video, name) for name in expected} == expected


@pytest.mark.parametrize(("codec", "lossless"), [("pcm_s24le", True), ("flac", True), ("alac", True), ("aac", False)])
def test_lossless_sound(codec: str, lossless: bool) -> None:
    audio = parsed(sound(codec_name=codec)).audio
    assert audio is not None
    assert audio.lossless is lossless
