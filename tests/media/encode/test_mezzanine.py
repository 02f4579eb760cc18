"""What normalising decides: the frame rate, the size, the order of filters, what happens to the sound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from codex_assets.media import profile, target_format
from codex_assets.media.encode import mezzanine, picture_times
from codex_assets.media.encode.mezzanine import AudioTreatment
from codex_assets.media.facts import AudioStream, MediaInfo, VideoStream

FILM = VideoStream(
    index=0,
    codec="h264",
    profile="High",
    level=31,
    width=1280,
    height=720,
    coded_width=1280,
    coded_height=720,
    sample_aspect=Fraction(1),
    rotation=0,
    average_rate=Fraction(30),
    nominal_rate=Fraction(30),
    pixel_format="yuv420p",
    interlaced=False,
    matrix=None,
    transfer=None,
    primaries=None,
    color_range=None,
    start=0.0,
    duration=10.0,
    frames=300,
)
SOUND = AudioStream(
    index=1,
    codec="aac",
    profile="LC",
    sample_rate=48_000,
    channels=2,
    layout="stereo",
    bits=None,
    start=0.0,
    duration=10.0,
)
INFO = MediaInfo("mov,mp4,m4a,3gp,3g2,mj2", 10.0, FILM, SOUND)
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("average", "nominal", "interlaced", "rate"),
    [
        # Constant rates are kept.
        ("25", "25", False, "25"),
        ("24000/1001", "24000/1001", False, "24000/1001"),
        ("60000/1001", "60000/1001", False, "60000/1001"),
        ("73/10", "73/10", False, "73/10"),
        ("15", "15", False, "15"),
        # What is beside a standard one is that one.
        ("2997/100", "2997/100", False, "30000/1001"),
        ("19001/317", "60000/1001", False, "60000/1001"),
        ("2998/100", "30", False, "30"),
        ("6010/100", "60", False, "60"),
        # Variable: the nominal rate when that can be, else the standard one beside the average, else the average.
        ("295/10", "30", False, "30"),
        ("20", "30", False, "30"),
        ("10", "30", False, "30"),
        ("303/10", "30", False, "30"),
        ("243/10", "90000", False, "24"),
        ("30", "1000", False, "30"),
        ("21/2", "90000", False, "21/2"),
        ("1", "90000", False, "5"),
        ("100", "120", False, "60"),
        # One of the two is unknown.
        (None, "25", False, "25"),
        ("25", None, False, "25"),
        (None, None, False, "30"),
        # Fields are pictures.
        ("25", "25", True, "50"),
        ("30000/1001", "30000/1001", True, "60000/1001"),
        ("50", "50", True, "50"),
        # Divided above, repeated below, by whole numbers.
        ("120", "120", False, "60"),
        ("120000/1001", "120000/1001", False, "60000/1001"),
        ("90", "90", False, "45"),
        ("240", "240", False, "60"),
        ("3", "3", False, "6"),
        ("1", "1", False, "5"),
        ("1/10", "1/10", False, "5"),
        # A clock that is a little off does not halve the motion.
        ("602/10", "602/10", False, "60"),
    ],
)
def test_the_frame_rate(average: str | None, nominal: str | None, interlaced: bool, rate: str) -> None:
    video = replace(
        FILM,
        average_rate=Fraction(average) if average else None,
        nominal_rate=Fraction(nominal) if nominal else None,
        interlaced=interlaced,
    )
    assert target_format.frame_rate(video) == Fraction(rate)


@pytest.mark.parametrize(
    ("average", "nominal", "interlaced", "moving", "rate"),
    [
        # Screens that stand still for most of the time.
        ("6", "30", False, "3003/100", "30"),
        ("11", "11", False, "60", "60"),
        # A last picture without a length.
        ("303/10", "30", False, "30", "30"),
        ("253/10", "25", False, "25", "25"),
        ("253/10", "25", True, "25", "50"),
        ("2423/100", "24000/1001", False, "23976/1000", "24000/1001"),
        # Fields, each in a packet of its own.
        ("25", "25", True, "50", "50"),
        ("30000/1001", "60000/1001", True, "5994/100", "60000/1001"),
        # A clock that wobbles.
        ("29", "1000", False, "296/10", "30000/1001"),
        ("17", "1000", False, "174/10", "87/5"),
        # Where packets and header agree, the header has the exact rate.
        ("2983/100", "2983/100", False, "29834/1000", "2983/100"),
        ("22", "30", False, "30", "30"),
        ("100", "120", False, "120", "60"),
        ("2", "90000", False, "2", "6"),
    ],
)
def test_what_moves_decides_about_a_rate(average: str, nominal: str, interlaced: bool, moving: str, rate: str) -> None:
    video = replace(
        FILM,
        average_rate=Fraction(average),
        nominal_rate=Fraction(nominal),
        interlaced=interlaced,
        moving_rate=Fraction(moving),
    )
    assert target_format.frame_rate(video) == Fraction(rate)


@pytest.mark.parametrize(
    ("shown", "size"),
    [
        ((1280, 720), (1280, 720)),
        ((853, 481), (852, 480)),
        ((1, 1), (2, 2)),
        ((3, 2), (2, 2)),
        ((405, 720), (404, 720)),
    ],
)
def test_the_size_is_even(shown: tuple[int, int], size: tuple[int, int]) -> None:
    assert target_format.size(replace(FILM, width=shown[0], height=shown[1])) == size


@pytest.mark.parametrize(
    ("picture", "heard", "standing"),
    [
        ((0.0, 10.0), (0.0, 10.0), 0.0),
        ((0.0, 10.0), (0.0, 10.05), 0.0),
        ((0.0, 1.0), (0.0, 4.0), 3.0),
        ((5.0, 1.0), (5.5, 4.0), 3.5),
        ((0.0, 4.0), (0.0, 1.0), 0.0),
        ((0.0, None), (0.0, 4.0), 0.0),
    ],
)
def test_the_last_picture_is_held_to_the_end_of_the_sound(
    picture: tuple[float, float | None], heard: tuple[float, float], standing: float
) -> None:
    info = replace(
        INFO,
        video=replace(FILM, start=picture[0], duration=picture[1]),
        audio=replace(SOUND, start=heard[0], duration=heard[1]),
    )
    assert picture_times.standing_seconds(info) == pytest.approx(standing)
    assert ("tpad" in mezzanine.picture_filters(info)) is (standing > 0)


def filters(**changed: object) -> list[str]:
    chain = mezzanine.picture_filters(replace(INFO, video=replace(FILM, **changed))).split(",")  # type: ignore[arg-type]
    # Before any filter that would do something with them.
    assert chain.pop(0) == "sidedata=mode=delete:type=A53_CC"
    return chain


def test_the_order_of_filters() -> None:
    chain = filters(interlaced=True, transfer="smpte2084", duration=1.0)
    names = [part if part == "format=yuv420p" else part.partition("=")[0] for part in chain]
    # In front, too: the deinterlacer takes no other size than the first.
    assert names.pop(0) == "scale"
    order = ["bwdif", "fps", "tpad", "scale", "setparams", "zscale", "tonemap", "format=yuv420p", "setsar"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)
    assert names[-1] == "setparams"


def test_picture_and_sound_start_together() -> None:
    assert "fps=fps=30/1:start_time=0" in filters()


@pytest.mark.parametrize(
    ("changed", "matrix"),
    [
        ({"coded_width": 720, "coded_height": 576}, "smpte170m"),
        ({"coded_width": 1280, "coded_height": 534}, "bt709"),
        ({"coded_height": 720}, "bt709"),
        # As tagged: the frames say it themselves.
        ({"matrix": "bt470bg"}, None),
        ({"matrix": "bt709", "coded_height": 480}, None),
        ({"matrix": "reserved of some day", "coded_width": 640, "coded_height": 480}, "smpte170m"),
        ({"pixel_format": "gbrp"}, None),
        ({"pixel_format": "rgb24"}, None),
        ({"pixel_format": "pal8"}, None),
    ],
)
def test_the_matrix_that_a_source_was_coded_with(changed: dict[str, object], matrix: str | None) -> None:
    scale = [part for part in filters(**changed) if part.startswith("scale=")][-1]
    matrices = [part.partition("=")[2] for part in scale.split(":") if part.startswith("in_color_matrix")]
    assert matrices == ([matrix] if matrix else [])
    assert "out_color_matrix=bt709" in scale


@pytest.mark.parametrize(
    ("changed", "tagged"),
    [
        (
            {"matrix": "bt2020nc", "primaries": "bt2020", "color_range": "tv"},
            "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv",
        ),
        ({}, "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"),
        ({"pixel_format": "gbrp10le"}, "color_primaries=bt2020:color_trc=smpte2084:colorspace=gbr:range=pc"),
        (
            {"matrix": "ycgco", "color_range": "pc", "primaries": "film"},
            "color_primaries=bt2020:color_trc=smpte2084:colorspace=ycgco:range=pc",
        ),
        ({"primaries": "smpte432"}, "color_primaries=smpte432:color_trc=smpte2084:colorspace=bt709:range=tv"),
    ],
)
def test_hdr_is_tagged_before_it_is_converted(changed: dict[str, object], tagged: str) -> None:
    chain = filters(transfer="smpte2084", **changed)
    assert chain[chain.index("zscale=t=linear:npl=203:agamma=0") - 1] == f"setparams={tagged}"


@pytest.mark.parametrize(
    ("changed", "tagged", "converted"),
    [
        (
            {"primaries": "bt2020", "matrix": "bt2020nc", "transfer": "bt2020-10"},
            "color_primaries=bt2020:color_trc=bt709:colorspace=bt2020nc:range=tv",
            ["zscale=t=linear", "zscale=p=bt709", "zscale=t=bt709:m=bt709:r=tv"],
        ),
        (
            {"primaries": "smpte432", "pixel_format": "yuvj420p"},
            "color_primaries=smpte432:color_trc=bt709:colorspace=bt709:range=pc",
            ["zscale=t=linear", "zscale=p=bt709", "zscale=t=bt709:m=bt709:r=tv"],
        ),
        (
            {"matrix": "ycgco"},
            "color_primaries=bt709:color_trc=bt709:colorspace=ycgco:range=tv",
            ["zscale=m=bt709:r=tv"],
        ),
    ],
)
def test_wide_gamuts_and_rare_matrices_are_converted(
    changed: dict[str, object], tagged: str, converted: list[str]
) -> None:
    chain = filters(**changed)
    assert f"setparams={tagged}" in chain
    assert [part for part in chain if part.startswith("zscale")] == converted


def test_alpha_is_composed_over_black_before_anything_else_converts_it() -> None:
    chain = filters(pixel_format="yuva420p", coded_width=640, coded_height=360)
    at = chain.index("premultiply=inplace=1")
    assert chain[at - 2].endswith("in_color_matrix=smpte170m")
    assert chain[at - 1 : at + 2] == ["format=gbrap", "premultiply=inplace=1", "format=gbrp"]
    assert "in_color_matrix" not in chain[at + 2]


@pytest.mark.parametrize(
    ("changed", "turned"),
    [
        ({}, []),
        ({"rotation": 90}, ["transpose=clock"]),
        ({"rotation": 180}, ["hflip", "vflip"]),
        ({"rotation": 270, "mirrored": True}, ["hflip", "transpose=cclock"]),
        ({"mirrored": True}, ["hflip"]),
    ],
)
def test_a_picture_is_turned_after_it_is_scaled(changed: dict[str, object], turned: list[str]) -> None:
    chain = filters(width=720, height=1280, **changed) if changed.get("rotation") in (90, 270) else filters(**changed)
    assert [part for part in chain if part.startswith(("transpose", "hflip", "vflip"))] == turned
    assert any(part.startswith("scale=1280:720:") for part in chain)


@pytest.mark.parametrize(
    ("changed", "filtered"),
    [
        ({"codec": "vp9"}, []),
        ({"codec": "h264", "pixel_format": "gbrp"}, []),
        ({"codec": "h264"}, ["bwdif=mode=send_field:deint=interlaced"]),
        ({"codec": "h264", "deinterlaced": "never"}, []),
        ({"codec": "png", "interlaced": True}, ["bwdif=mode=send_field:deint=interlaced"]),
        ({"interlaced": True, "deinterlaced": "bff"}, ["bwdif=mode=send_field:parity=bff:deint=all"]),
        ({"interlaced": True, "coded_height": 8}, []),
    ],
)
def test_which_frames_are_taken_apart(changed: dict[str, object], filtered: list[str]) -> None:
    assert [part for part in filters(**changed) if part.startswith("bwdif")] == filtered


def test_alpha_beside_the_picture_needs_another_decoder() -> None:
    video = replace(FILM, codec="vp9", alpha_track=True)
    arguments = mezzanine.arguments(
        replace(INFO, video=video), "in", "out", profile.X264, treatment=None, with_picture=True
    )
    assert arguments[arguments.index("-c:0") + 1] == "libvpx-vp9"
    assert arguments.index("-c:0") < arguments.index("-i")


@pytest.mark.parametrize(
    ("codec", "late", "with_picture", "treatment"),
    [
        ("aac", 0.0, True, "copied"),
        ("opus", 0.02, True, "copied"),
        ("alac", 0.0, False, "copied"),
        ("flac", 0.0, True, "lossless"),
        ("pcm_s24le", 0.7, True, "lossless"),
        ("vorbis", 0.0, True, "encoded"),
        # A copy cannot begin with silence that is not there.
        ("aac", 0.7, True, "encoded"),
        ("alac", 0.7, True, "lossless"),
        # Without the picture there is nothing to be late for.
        ("aac", 0.7, False, "copied"),
    ],
)
def test_what_happens_to_the_sound(codec: str, late: float, with_picture: bool, treatment: str) -> None:
    info = replace(INFO, audio=replace(SOUND, codec=codec, start=late))
    assert mezzanine.audio_treatment(info, with_picture=with_picture) == treatment
    assert mezzanine.audio_treatment(replace(info, audio=None), with_picture=with_picture) is None


def made(treatment: AudioTreatment | None = "copied", **changed: object) -> list[str]:
    info = replace(INFO, audio=replace(SOUND, **changed))  # type: ignore[arg-type]
    return mezzanine.arguments(info, "in", "out.mp4", profile.X264, treatment=treatment, with_picture=True)


def after(arguments: list[str], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


@pytest.mark.parametrize(
    ("treatment", "changed", "pairs"),
    [
        ("copied", {}, {"-c:a": "copy"}),
        ("lossless", {"bits": 16}, {"-c:a": "alac", "-sample_fmt": "s16p"}),
        ("lossless", {"bits": 24}, {"-c:a": "alac", "-sample_fmt": "s32p"}),
        ("lossless", {"bits": 32, "channels": 12}, {"-c:a": "alac", "-sample_fmt": "s32p"}),
        ("lossless", {"bits": 24, "channels": 8, "layout": "7.1"}, {"-c:a": "flac", "-sample_fmt": "s32"}),
        ("lossless", {"bits": 16, "channels": 4, "layout": "quad"}, {"-c:a": "flac", "-sample_fmt": "s16"}),
        ("lossless", {"bits": 16, "channels": 6, "layout": "5.1(side)"}, {"-c:a": "alac"}),
        ("encoded", {"channels": 1, "sample_rate": 22_050}, {"-c:a": "aac", "-b:a": "160k", "-ar": "22050"}),
        ("encoded", {"channels": 6, "sample_rate": 96_000}, {"-b:a": "960k", "-ac": "6", "-ar": "48000"}),
    ],
)
def test_arguments_of_the_sound(treatment: AudioTreatment, changed: dict[str, object], pairs: dict[str, str]) -> None:
    arguments = made(treatment, **changed)
    assert {flag: after(arguments, flag) for flag in pairs} == pairs
    # Holes become silence wherever the sound is decoded.
    assert ("-filter:a" in arguments) is (treatment != "copied")


def test_one_decode_makes_the_file_and_the_measurement() -> None:
    arguments = made()
    assert arguments.count("-i") == 1
    graphs = [after(arguments[at:], flag) for at, flag in enumerate(arguments) if flag == "-filter_complex"]
    assert ["ebur128" in graph for graph in graphs] == [False, True]
    assert arguments[arguments.index("out.mp4") + 1 :] == ["-map", "[metered]", "-f", "null", "-"]


def test_nothing_personal_is_kept_and_the_index_comes_first() -> None:
    arguments = made(None)
    assert (after(arguments, "-map_metadata"), after(arguments, "-map_chapters")) == ("-1", "-1")
    assert after(arguments, "-movflags") == "+faststart"
    assert [arguments[at + 1] for at, flag in enumerate(arguments) if flag == "-map"] == ["[picture]"]


def test_samples_without_times_are_placed_one_after_the_other() -> None:
    arguments = made(treatment="lossless", codec="wmalossless", start=0.2)
    placed = [part for part in arguments if "asetpts=N/SR/TB+0.200000/TB" in part]
    assert len(placed) == 2  # what is kept, and what is measured
    assert not [part for part in made(treatment="lossless", start=0.2) if "asetpts" in part]


def test_pictures_that_are_dated_late_are_moved_before_anything_else() -> None:
    late = replace(INFO, video=replace(FILM, dated_late=0.08))
    assert mezzanine.picture_filters(late).split(",")[1] == "setpts=PTS-0.080000/TB"
    assert "setpts" not in mezzanine.picture_filters(INFO)
