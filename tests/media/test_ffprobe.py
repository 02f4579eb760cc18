"""What ffprobe says becomes facts: displayed sizes, the right track, and times that come from packets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from codex_assets.media import ffprobe, input_flags, profile
from codex_assets.media.facts import MediaInfo
from codex_assets.media.upload import damage, headers
from codex_assets.media.upload.frames import (
    frame_arguments,
    read_frames,
    read_sound_start,
    sampled_moments,
    seconds_dated_late,
)
from codex_assets.media.upload.interlace import Combs
from codex_assets.media.upload.packets import read_packets, scan_arguments


def picture(**fields: Any) -> dict[str, Any]:
    plain = {
        "index": 0,
        "codec_type": "video",
        "codec_name": "h264",
        "width": 640,
        "height": 360,
        "pix_fmt": "yuv420p",
        "avg_frame_rate": "30/1",
        "r_frame_rate": "30/1",
    }
    return {**plain, **fields}


def sound(**fields: Any) -> dict[str, Any]:
    plain = {"index": 1, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "channels": 2}
    return {**plain, **fields}


def parsed(*streams: dict[str, Any], container: str = "mov,mp4,m4a,3gp,3g2,mj2", **fields: Any) -> MediaInfo:
    return ffprobe.parse({"streams": list(streams), "format": {"format_name": container, **fields}})


def turned(degrees: float) -> dict[str, Any]:
    return {"side_data_list": [{"side_data_type": "Display Matrix", "rotation": degrees}]}


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


def shown(a: float, b: float, c: float, d: float) -> dict[str, Any]:
    rows = [[round(part * 65536) for part in row] for row in ((a, b, 0), (c, d, 0), (0, 0, 1 << 14))]
    lines = "".join(f"\n{at:08d}: {row[0]:11d} {row[1]:11d} {row[2]:11d}" for at, row in enumerate(rows))
    return {"side_data_list": [{"side_data_type": "Display Matrix", "displaymatrix": lines + "\n", "rotation": 0}]}


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


def test_an_unmarked_cover_before_the_film_is_no_film() -> None:
    info = parsed(picture(codec_name="mjpeg"), picture(index=1))
    both = [*packets(0, [0.0], 0.04), *packets(1, frames(25, 10), 0.04)]
    film, still = read_packets(info, both).video, read_packets(info, both[:1]).video
    assert film is not None
    assert film.codec == "h264"
    # A still is a film when there is no other.
    assert still is not None
    assert still.codec == "mjpeg"


FLAGGED = {"interlaced_frame": 1, "top_field_first": 1}
PLAIN = {"interlaced_frame": 0, "top_field_first": 0}
STILL = Combs()
SMOOTH = Combs(moving=12, combed=0)
WOVEN = Combs(moving=12, combed=12, leaning=0.4, order="tff")
WOVEN_LATE = Combs(moving=12, combed=12, leaning=-0.4, order="bff")
TELECINED = Combs(moving=12, combed=5, leaning=0.2, order="tff")


@pytest.mark.parametrize(
    ("order", "seen", "combs", "interlaced", "deinterlaced"),
    [
        # Flags, and a still picture: believed.
        ("progressive", [PLAIN], STILL, False, "flagged"),
        ("tt", [PLAIN], STILL, True, "tff"),
        ("bt", [], STILL, True, "tff"),
        ("bb", [], STILL, True, "bff"),
        ("unknown", [PLAIN, FLAGGED], STILL, True, "flagged"),
        # Motion without a comb: not believed.
        ("tt", [FLAGGED], SMOOTH, False, "never"),
        ("progressive", [PLAIN], SMOOTH, False, "flagged"),
        # Combs that nothing tells of.
        ("progressive", [PLAIN], WOVEN, True, "tff"),
        ("progressive", [PLAIN], WOVEN_LATE, True, "bff"),
        ("progressive", [PLAIN], TELECINED, True, "tff"),
        # The flagged order is believed unless nearly all that moves speaks against it.
        ("tt", [FLAGGED], WOVEN, True, "flagged"),
        ("tt", [FLAGGED], WOVEN_LATE, True, "bff"),
        ("bb", [FLAGGED | {"top_field_first": 0}], TELECINED, True, "flagged"),
        ("bb", [PLAIN], WOVEN, True, "tff"),
    ],
)
def test_which_frames_hold_two_moments(
    order: str, seen: list[dict[str, int]], combs: Combs, interlaced: bool, deinterlaced: str
) -> None:
    video = parsed(picture(field_order=order)).video
    assert video is not None
    looked = read_frames(video, seen, combs)
    assert (looked.interlaced, looked.deinterlaced) == (interlaced, deinterlaced)


def test_a_frame_may_say_how_it_is_turned_where_the_stream_does_not() -> None:
    upright, on_its_side = parsed(picture()).video, parsed(picture(**turned(-180))).video
    assert upright is not None
    assert on_its_side is not None
    frame = shown(0, 1, -1, 0)
    looked = read_frames(upright, [{}, frame], STILL)
    assert (looked.rotation, looked.width, looked.height) == (90, 360, 640)
    assert read_frames(on_its_side, [frame], STILL).rotation == 180


def test_a_long_film_is_looked_at_in_several_places() -> None:
    (video,) = (ffprobe.parse({"streams": [picture(start_time="1.5", duration="100")], "format": {}}).video,)
    assert video is not None
    count = profile.INTERLACE_PICTURES
    assert sampled_moments(video) == ((1.5, count), (41.5, count), (81.5, count))
    intervals = frame_arguments("file", video)
    assert intervals[3] == f"%+#{count},41.500%+#{count},81.500%+#{count}"


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


def packets(index: int, times: list[float], lasts: float | None, flags: str = "K__") -> list[str]:
    lasting = "N/A" if lasts is None else f"{lasts:.6f}"
    return [f"{index},{time:.6f},{time:.6f},{lasting},100,{flags}" for time in times]


def frames(rate: float, count: int, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(count)]


def test_packets_tell_what_a_header_does_not() -> None:
    # What a browser records: no durations, and a rate of 1000 frames a second.
    header = parsed(picture(avg_frame_rate="0/0", r_frame_rate="1000/1"), sound(), container="matroska,webm")
    assert header.seconds is None
    info = read_packets(header, [*packets(0, frames(25, 50), None), *packets(1, frames(50, 150, 0.5), 0.02)])
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.start, info.video.duration, info.video.average_rate) == (0.0, 2.0, 25)
    assert (info.audio.start, info.audio.duration) == (0.5, 3.0)
    assert info.seconds == 3.5


def test_packets_overrule_a_clock_that_starts_late() -> None:
    header = parsed(picture(tags={"DURATION": "00:00:07.0"}), container="matroska,webm", duration="7.0")
    info = read_packets(header, packets(0, frames(30, 60, 5.0), 1 / 30))
    assert info.seconds == pytest.approx(2.0, abs=1e-4)


def test_stored_order_is_not_shown_order() -> None:
    shown = [0.0, 0.12, 0.04, 0.08, 0.24, 0.16, 0.2]
    info = read_packets(parsed(picture(avg_frame_rate="25/1")), packets(0, shown, 0.04))
    assert info.video is not None
    assert info.video.duration == pytest.approx(0.28)
    assert info.video.average_rate == 25


def test_a_last_packet_of_seconds_ends_where_the_header_says() -> None:
    # Windows Media: two packets of almost two seconds each, without durations.
    header = parsed(sound(codec_name="wmapro"), container="asf", duration="3.685", start_time="0")
    (audio,) = read_packets(header, packets(1, [0.0, 1.95], None)).tracks
    assert audio.duration == 3.685
    # What a header says is not believed where the packet cannot reach.
    header = parsed(sound(codec_name="wmapro"), container="asf", duration="1.9", start_time="0")
    (audio,) = read_packets(header, packets(1, [0.0, 1.95], None)).tracks
    assert audio.duration == 3.9


def test_an_mp3_starts_where_its_encoders_delay_ends() -> None:
    header = parsed(sound(codec_name="mp3", start_time="0.138125"), container="mp3", start_time="0.138125")
    (audio,) = read_packets(header, packets(1, frames(10, 41), 0.1)).tracks
    assert (audio.start, audio.duration) == (0.138125, pytest.approx(4.1 - 0.138125))


def test_what_a_header_has_skipped_is_not_part_of_the_sound() -> None:
    info = read_packets(parsed(sound(codec_name="opus")), packets(1, frames(50, 200, -1.0), 0.02))
    heard = read_sound_start(info, [{"pts_time": "N/A"}, {"pts_time": "0.360000"}, {"pts_time": "0.380000"}])
    assert heard.audio is not None
    assert (heard.audio.start, heard.audio.duration) == (0.36, pytest.approx(2.64))
    assert heard.counted[1].hidden == pytest.approx(1.36)
    assert read_sound_start(info, []) == info


@pytest.mark.parametrize(
    ("reordered", "first", "late"),
    [
        (0, "0.08", 0.0),
        (2, "0.08", 0.08),
        (1, "0.12", 0.12),  # Xvid
        (1, "1.2", 0.04),  # a damaged start
        (1, "0.0", 0.0),  # none is kept back after all
        (2, "N/A", 0.08),
    ],
)
def test_pictures_without_times_are_dated_by_those_that_push_them_out(reordered: int, first: str, late: float) -> None:
    video = parsed(picture(avg_frame_rate="25/1", has_b_frames=reordered), container="avi").video
    assert video is not None
    frame = {"best_effort_timestamp_time": first}
    assert seconds_dated_late(video, [frame, {}]) == pytest.approx(late)
    assert seconds_dated_late(video, [frame]) == pytest.approx(reordered / 25)


def test_pauses_of_a_telephone_are_counted() -> None:
    lines = [
        *packets(1, frames(50, 50), 0.02),
        "1,1.000000,1.000000,0.020000,6,K__",
        "1,1.020000,1.020000,0.020000,1,K__",
    ]
    assert read_packets(parsed(sound(codec_name="amr_nb")), lines).counted[1].pauses == 2
    assert read_packets(parsed(sound(codec_name="aac")), lines).counted[1].pauses == 0


def test_what_an_edit_list_discards_does_not_count() -> None:
    lines = [*packets(0, [-1.0, -0.5], 0.5, "KD_"), *packets(0, frames(2, 4), 0.5)]
    video = read_packets(parsed(picture(avg_frame_rate="2/1")), lines).video
    assert video is not None
    assert (video.start, video.duration) == (0.0, 2.0)


def test_a_track_without_packets_is_no_track() -> None:
    info = read_packets(parsed(picture(duration="2"), sound(duration="2")), packets(0, frames(30, 60), 1 / 30))
    assert info.audio is None
    assert info.video is not None


def test_a_clock_that_jumps_is_not_believed_in_a_broadcast() -> None:
    lines = packets(0, [*frames(25, 50, 95_400.0), *frames(25, 50)], 0.04)
    broadcast = read_packets(parsed(picture(duration="4.0"), container="mpegts"), lines).video
    assert broadcast is not None
    # Nor is the header, which knows no more than the first and the last time.
    assert broadcast.duration is None


def test_a_long_pause_is_believed_in_a_file() -> None:
    paused = read_packets(parsed(picture()), packets(0, [*frames(25, 25), *frames(25, 25, 61.0)], 0.04)).video
    assert paused is not None
    assert paused.duration == pytest.approx(62.0)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("30/1", Fraction(30)), ("30000/1001", Fraction(30000, 1001)), ("90000/1", Fraction(30)), ("0/0", Fraction(30))],
)
def test_a_headers_rate_holds_unless_it_is_far_off(stated: str, expected: Fraction) -> None:
    video = read_packets(parsed(picture(avg_frame_rate=stated)), packets(0, frames(30, 90), 1 / 30)).video
    assert video is not None
    assert video.average_rate == expected


@pytest.mark.parametrize(
    "rate", [Fraction(12), Fraction(24000, 1001), Fraction(24), Fraction(30000, 1001), Fraction(60)]
)
@pytest.mark.parametrize("stated", ["25/1", "0/0", "same"])
@pytest.mark.parametrize("fields", [1, 2])
def test_the_packets_of_a_raw_stream_tell_its_rate(rate: Fraction, stated: str, fields: int) -> None:
    # As ffmpeg 7 tells of raw H.264: 25 of every one, and the nominal rate in fields; as ffmpeg 5 does.
    same, nominal = (f"{ratio.numerator}/{ratio.denominator}" for ratio in (rate, fields * rate))
    said = picture(avg_frame_rate=same if stated == "same" else stated, r_frame_rate=nominal)
    lines = [f"0,N/A,N/A,{1 / float(rate):.6f},100,K__" for _ in range(50)]
    video = read_packets(parsed(said, container="h264"), lines).video
    assert video is not None
    assert video.average_rate == rate
    assert video.nominal_rate == rate


def test_a_raw_stream_whose_packets_are_fields_has_half_as_many_frames() -> None:
    said = picture(codec_name="h264", avg_frame_rate="25/1", r_frame_rate="60000/1001", field_order="tt")
    lines = [f"0,N/A,N/A,{1001 / 60000:.6f},100,K__" for _ in range(50)]
    video = read_packets(parsed(said, container="h264"), lines).video
    assert video is not None
    assert float(video.average_rate or 0) == pytest.approx(30000 / 1001, rel=1e-4)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([*frames(25, 20), 5965.0, *frames(25, 30, 0.8)], id="one wrong time"),
        pytest.param([*frames(25, 20), *frames(25, 30, 1.2)], id="a hole"),
        pytest.param(frames(25, 4), id="four pictures"),
    ],
)
def test_a_steady_clock_may_have_holes(times: list[float]) -> None:
    # MPEG-1, as ffmpeg 7 tells of it.
    header = parsed(picture(avg_frame_rate="25/1", r_frame_rate="50/1"), container="mpeg")
    video = read_packets(header, packets(0, times, 0.04)).video
    assert video is not None
    assert video.nominal_rate == 25


def test_a_clock_that_needs_its_nominal_rate_keeps_it() -> None:
    times = [0.0, 0.04, 0.08, 0.14, 0.18, 0.24, 0.28]
    video = read_packets(parsed(picture(avg_frame_rate="25/1", r_frame_rate="50/1")), packets(0, times, None)).video
    assert video is not None
    assert video.nominal_rate == 50


def test_two_packets_may_make_one_interlaced_frame() -> None:
    header = parsed(picture(avg_frame_rate="25/1", field_order="tt"), container="mpegts")
    video = read_packets(header, packets(0, frames(50, 100), 0.02)).video
    assert video is not None
    assert video.average_rate == 25


def test_lines_that_are_no_packets_are_passed_over() -> None:
    info = read_packets(
        parsed(picture()), ["", "side_data,", "0", *packets(0, frames(30, 3), 1 / 30), "0,N/A,N/A,N/A,100,K"]
    )
    assert info.video is not None
    assert info.video.duration == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("head", "promised"),
    [
        (b"RIFF\x24\x00\x01\x00WAVE", 65_580),
        (b"FORM\x00\x01\x00\x24AIFF", 65_580),
        (b"RIFF\xff\xff\xff\xffWAVE", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"\x00\x00\x00\x20ftypisom", None),
        (b"RIFF", None),
        (b"", None),
    ],
)
def test_what_a_header_promises_in_bytes(head: bytes, promised: int | None) -> None:
    assert headers.promised_bytes(head) == promised


@pytest.mark.parametrize(
    ("container", "start", "promises"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", 0.0, True),
        ("matroska,webm", 0.0, True),
        ("flac", 0.0, True),
        # Without an encoder's own header an mp3 lasts as long as its size suggests.
        ("mp3", 0.0, False),
        ("mp3", 0.025, True),
        ("mpegts", 1.4, False),
        ("aac", 0.0, False),
    ],
)
def test_only_an_index_promises_a_duration(container: str, start: float, promises: bool) -> None:
    info = parsed(sound(start_time=str(start)), container=container)
    assert headers.promises_duration(info) is promises


def test_a_damaged_sound_is_told_by_any_complaint_and_a_damaged_picture_by_what_was_given_up() -> None:
    info = parsed(picture(), sound())
    repaired = ["[h264 @ 0x5581] [error] non-existing PPS 0 referenced"]
    given_up = ["[error] Error while decoding stream #0:0: Invalid data found when processing input"]
    heard = ["[aac @ 0x5581] [error] Input buffer exhausted before END element found"]
    written = ["[mp4 @ 0x5581] [error] anything", "[aac @ 0x5581] [warning] Too many bits"]
    answers = []
    for lines in (repaired, given_up, heard, written):
        log = damage.DecodeLog()
        for line in lines:
            log.add(line)
        answers.append((log.lost_packets(info, 0) > 0, log.is_sound_damaged(info)))
    assert answers == [(False, False), (True, False), (False, True), (False, False)]
    assert log.is_sound_damaged(parsed(picture())) is False


def test_an_upload_is_opened_as_a_plain_file_of_a_known_kind() -> None:
    for arguments in (
        input_flags.input_arguments("in.mp4"),
        ffprobe.probe_arguments("in.mp4"),
        scan_arguments("in.mp4"),
    ):
        fence = arguments[: arguments.index("in.mp4")]
        assert fence[fence.index("-protocol_whitelist") + 1] == "file"
        kinds = fence[fence.index("-format_whitelist") + 1].split(",")
        assert {"mp4", "matroska", "mpegts"} <= set(kinds)
        assert not {"hls", "dash", "concat", "concatf", "sdp", "image2", "ffmetadata", "lavfi"} & set(kinds)
        known = set(fence[fence.index("-codec_whitelist") + 1].split(","))
        assert {"h264", "hevc", "libdav1d", "aac", "mp3float", "pcm_s16le"} <= known
        assert not {"magicyuv", "exr", "tiff", "webp", "h264_cuvid", "mp3", "cook"} & known
    assert str(profile.MAX_PIXELS) in input_flags.input_arguments("in.mp4")
    narrow = input_flags.input_arguments("in.mp4", codecs={"h264", "aac", "bin_data"})
    assert narrow[narrow.index("-codec_whitelist") + 1] == "aac,h264"
    assert input_flags.input_arguments("ours.mp4", trusted=True) == ["-i", "ours.mp4"]


@pytest.mark.parametrize(
    ("container", "arrived", "packed", "lost", "cut_off"),
    [
        # All pictures that an AVI's header counts are there: what is missing was its index.
        ("avi", 0.9, 300, 0.0, False),
        ("avi", 0.7, 210, 0.3, True),
        # All bytes are there, and a hole: without times, what follows it moves forward.
        ("avi", 1.0, 240, 0.2, False),
        ("mov,mp4,m4a,3gp,3g2,mj2", 1.0, 240, 0.2, True),
    ],
)
def test_what_is_missing_at_the_end_is_cut_off_unless_the_container_has_no_times(
    container: str, arrived: float, packed: int, lost: float, cut_off: bool
) -> None:
    header = picture(codec_name="mpeg4", nb_frames="300", duration="10.0", start_time="0.0")
    info_of_header = parsed(header, container=container, duration="10.0", start_time="0.0")
    info = read_packets(info_of_header, packets(0, frames(30, packed), 1 / 30))
    (loss,) = damage.losses(info_of_header, info, damage.DecodeLog(), arrived=arrived).values()
    assert loss.share == pytest.approx(lost, abs=0.01)
    assert loss.is_cut_off is cut_off
    warnings = damage.loss_warnings({0: loss}, info)
    assert [("cut off" in sentence) for sentence in warnings] == ([cut_off] if lost else [])
