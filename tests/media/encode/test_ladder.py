"""Which variants a source gets and at which size; and that real ffmpeg takes the arguments, NVENC's too."""

from __future__ import annotations

import math
import os
import re
from fractions import Fraction
from pathlib import Path

import pytest
import stand_in_tools

from codex_assets.errors import ToolError
from codex_assets.media import profile, target_format
from codex_assets.media.encode import ladder, loudness, mezzanine
from codex_assets.media.encode.chunks import FilmChunk, chunks
from codex_assets.media.facts import MediaInfo
from codex_assets.media.target_format import Rung
from codex_assets.system.tools import Tools, tool_environment

Sizes = list[tuple[str, int, int]]


def fitted(width: int, height: int) -> Sizes:
    return [(rung.name, rung.width, rung.height) for rung in target_format.rungs(width, height)]


@pytest.mark.parametrize(
    ("source", "variants"),
    [
        ((1920, 1080), [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((3840, 2160), [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((1080, 1920), [("1080p", 1080, 1920), ("720p", 720, 1280), ("480p", 480, 854), ("360p", 360, 640)]),
        # Cinema shapes fill their box in one direction.
        ((1920, 804), [("1080p", 1920, 804), ("720p", 1280, 536), ("480p", 854, 358), ("360p", 640, 268)]),
        ((4096, 1716), [("1080p", 1920, 804), ("720p", 1280, 536), ("480p", 854, 358), ("360p", 640, 268)]),
        ((1440, 1080), [("1080p", 1440, 1080), ("720p", 960, 720), ("480p", 640, 480), ("360p", 480, 360)]),
        ((1080, 1080), [("1080p", 1080, 1080), ("720p", 720, 720), ("480p", 480, 480), ("360p", 360, 360)]),
        ((1280, 720), [("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((1918, 1078), [("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((852, 480), [("480p", 852, 480), ("360p", 640, 360)]),
        ((720, 576), [("480p", 600, 480), ("360p", 450, 360)]),
        ((640, 360), [("360p", 640, 360)]),
        # Smaller than the smallest: its own size, so that there is something to play.
        ((638, 358), [("360p", 638, 358)]),
        ((358, 638), [("360p", 358, 638)]),
        ((64, 48), [("360p", 64, 48)]),
        ((2, 2), [("360p", 2, 2)]),
        # Very long or very high: never upscaled, never under two pixels.
        ((1280, 32), [("720p", 1280, 32), ("480p", 854, 22), ("360p", 640, 16)]),
        ((32, 1280), [("720p", 32, 1280), ("480p", 22, 854), ("360p", 16, 640)]),
        ((7680, 2), [("1080p", 1920, 2), ("720p", 1280, 2), ("480p", 854, 2), ("360p", 640, 2)]),
    ],
)
def test_variants_and_their_sizes(source: tuple[int, int], variants: Sizes) -> None:
    assert fitted(*source) == variants


def test_never_upscaled_always_even_never_outside_the_box() -> None:
    for width in range(2, 2200, 46):
        for height in range(2, 2200, 46):
            rungs = target_format.rungs(width, height)
            assert rungs
            for rung in rungs:
                short, long = sorted((rung.width, rung.height))
                assert rung.width % 2 == 0
                assert rung.height % 2 == 0
                assert short <= rung.variant.short
                assert long <= rung.variant.long
                assert rung.width <= width
                assert rung.height <= height
                assert (rung.width > rung.height) <= (width > height)


@pytest.mark.parametrize(
    ("source", "name"), [((1920, 1080), "720p"), ((1280, 720), "720p"), ((854, 480), "480p"), ((64, 48), "360p")]
)
def test_the_preview_is_720p_or_the_best_below(source: tuple[int, int], name: str) -> None:
    assert target_format.preview_rung(target_format.rungs(*source)).name == name


def test_why_a_variant_is_not_made_is_told() -> None:
    reason = target_format.why_not(profile.LADDER[0], 1280, 720)
    assert "1280x720" in reason
    assert "1080p" in reason


def after(arguments: list[str], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


RUNG = target_format.rungs(1280, 720)[0]
BOTH = pytest.mark.parametrize("row", [profile.X264, profile.NVENC], ids=["x264", "nvenc"])


def of_chunk(row: profile.EncoderRow, rate: Fraction = Fraction(30), **options: str) -> list[str]:
    """The arguments of the film's second segment."""
    chunk = chunks(10_000, rate, segments=1)[1]
    return ladder.chunk_arguments("m.mp4", [(RUNG, "out.ts")], chunk, rate, row, **options)


@BOTH
@pytest.mark.parametrize(
    ("rate", "longest"), [("24000/1001", "96"), ("25", "100"), ("30000/1001", "120"), ("60", "240"), ("73/10", "30")]
)
def test_key_frames_come_from_the_clock(row: profile.EncoderRow, rate: str, longest: str) -> None:
    arguments = of_chunk(row, Fraction(rate))
    first, step = math.ceil(6 * Fraction(rate)), 2 * Fraction(rate).numerator
    key_frames = f"expr:gte((n+{first})*{Fraction(rate).denominator},(n_forced+3)*{step})"
    assert after(arguments, "-force_key_frames") == key_frames
    assert after(arguments, "-forced-idr") == "1"
    # Longer than the clock's interval, else the encoder would put its own in between.
    assert after(arguments, "-g") == longest
    assert ("-no-scenecut" if row is profile.NVENC else "-sc_threshold") in arguments
    assert after(arguments, "-flags") == "+cgop"


@BOTH
def test_rates_are_the_ladders(row: profile.EncoderRow) -> None:
    arguments = of_chunk(row)
    options = {flag: after(arguments, flag) for flag in ("-b:v", "-maxrate", "-bufsize", "-profile:v")}
    assert options == {"-b:v": "2500k", "-maxrate": "2750k", "-bufsize": "5000k", "-profile:v": "high"}


def test_a_chunk_is_encoded_in_one_thread() -> None:
    # Its bytes may not depend on how many cores there are.
    arguments = of_chunk(profile.X264)
    threads = [arguments[at + 1] for at, flag in enumerate(arguments) if "threads" in flag]
    assert threads == ["1", "1", "1"]
    assert not [flag for flag in of_chunk(profile.NVENC) if "threads" in flag]


def test_the_sound_is_copied_into_the_segments() -> None:
    assert "1:a:0" in ladder.segment_arguments("pictures.ts", "sound.m4a", "out")
    assert "1:a:0" not in ladder.segment_arguments("pictures.ts", None, "out")
    assert after(ladder.segment_arguments("pictures.ts", "sound.m4a", "out", limit=30.5), "-t") == "30.500000"


def test_every_variant_is_cut_alike_whatever_made_it() -> None:
    pairs = {"-hls_time": "6", "-output_ts_offset": "1", "-hls_list_size": "0", "-hls_playlist_type": "vod"}
    for arguments in (ladder.hls_arguments("out"), ladder.audio_hls_arguments("sound.m4a", "out")):
        assert {flag: after(arguments, flag) for flag in pairs} == pairs
        assert after(arguments, "-hls_segment_filename") == "out/segment_%05d.ts"


def test_a_sound_is_brought_to_its_form_and_its_level_and_then_to_its_length() -> None:
    gain = loudness.Gain("gain", "volume=3.00dB")
    arguments = ladder.audio_arguments("mezzanine.mp4", 128, "128k.m4a", gain, 8.0)
    graph = after(arguments, "-af")
    assert arguments.count("-i") == 1
    assert graph.index("aformat") < graph.index("volume") < graph.index("apad")
    assert (after(arguments, "-b:a"), arguments[-1]) == ("128k", "128k.m4a")


def test_every_rung_is_scaled_from_the_mezzanine() -> None:
    # Not from its bigger neighbour: a rung built alone must have the same bytes.
    rungs = target_format.rungs(1920, 1080)
    outputs = [(rung, f"{number}.ts") for number, rung in enumerate(rungs)]
    chunk = chunks(180, Fraction(30), segments=1)[0]
    arguments = ladder.chunk_arguments("m.mp4", outputs, chunk, Fraction(30), profile.X264)
    graph = after(arguments, "-filter_complex")
    assert graph.count("[0:v:0]") == 1
    assert "split=4" in graph
    assert [f"[in{number}]scale={rung.width}:{rung.height}:" in graph for number, rung in enumerate(rungs)] == [
        True
    ] * 4


# --- With the real ffmpeg ---------------------------------------------------------------------------------------------

NO_DRIVER = ("libcuda", "libnvidia-encode", "CUDA", "No capable devices", "driver")


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(tool_environment(os.environ))


@pytest.mark.ffmpeg
@pytest.mark.parametrize("use", ["variant", "mezzanine", "trial"])
def test_nvenc_takes_every_option(use: str, tools: Tools, tmp_path: Path) -> None:
    """ffmpeg checks options before it loads the driver: without one, that has to be the only complaint."""
    if "h264_nvenc" not in tools.encoders():
        pytest.skip("this ffmpeg was built without NVENC")
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x256:rate=30:duration=0.2,format=yuv420p"]
    if use == "trial":
        arguments = ladder.trial_arguments(profile.NVENC)
    elif use == "variant":
        outputs = [(Rung(profile.LADDER[0], 320, 256), str(tmp_path / "pictures.ts"))]
        encode = ladder.chunk_arguments("m.mp4", outputs, FilmChunk(0, 0, 0, 6), Fraction(30), profile.NVENC)
        arguments = [*source, *encode[encode.index("m.mp4") + 1 :]]
    else:
        from test_mezzanine import FILM

        info = MediaInfo("", None, FILM, None)
        made = mezzanine.arguments(
            info, "in", str(tmp_path / "m.mp4"), profile.NVENC, treatment=None, with_picture=True
        )
        arguments = [*source, *made[made.index("in") + 1 :]]
    complaint = failure(tools, arguments)
    assert complaint is None or any(sign in complaint.reason for sign in NO_DRIVER), complaint.detail
    for unknown in ("Unrecognized option", "Option not found", "Unable to parse", "Undefined constant"):
        assert complaint is None or unknown not in (complaint.detail or "")


def failure(tools: Tools, arguments: list[str]) -> ToolError | None:
    try:
        tools.ffmpeg(arguments, label="trying NVENC")
    except ToolError as error:
        return error
    return None


@pytest.mark.ffmpeg
def test_a_trial_says_why_it_fails(tools: Tools) -> None:
    arguments = ladder.trial_arguments(profile.EncoderRow("none", "no_such_encoder", (), (), 2, None))
    trial = tools.try_encode(arguments)
    assert not trial.works
    assert "no_such_encoder" in trial.reason


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("crash", r"it crashed \(SIGSEGV\)"),
        ("abort", r"it crashed \(SIGABRT\)"),
        ("hang", r"it hung: it passed its limit of 1 s"),
        ("silence", r"it ended with exit code 1 and gave no reason"),
        ("refusal", r"No capable devices found"),
        ("out of sessions", r"OpenEncodeSessionEx failed: out of memory \(10\): \(no details\)"),
    ],
)
def test_a_trial_that_did_not_end_well_is_named(end: str, reason: str, tmp_path: Path) -> None:
    """What ffmpeg says of its course, such as `[info] Stream mapping:`, is no reason."""
    environment = tool_environment(
        {**os.environ, "PATH": f"{stand_in_tools.ffmpeg(tmp_path, end)}:{os.environ['PATH']}"}
    )
    # The others end by themselves, later on a busy machine.
    trial = Tools(environment).try_encode(
        ladder.trial_arguments(profile.NVENC), timeout=1.0 if end == "hang" else 120.0
    )
    assert not trial.works
    assert re.fullmatch(reason, trial.reason)


@pytest.mark.ffmpeg
def test_the_trial_works_with_x264(tools: Tools) -> None:
    assert tools.try_encode(ladder.trial_arguments(profile.X264)).works
