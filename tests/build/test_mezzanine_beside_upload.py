"""A mezzanine that is not what was uploaded is not published: whatever of ffmpeg or of its arguments makes it so."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rate_and_shape_inputs import CASES
from slow_cases import some_slow
from workbench import Bench

from codex_assets.errors import VerificationError
from codex_assets.system.process import ToolRun
from codex_assets.system.tools import Tools

pytestmark = pytest.mark.ffmpeg

FILM = Path(__file__).parents[2] / "fixtures" / "sample-video.mp4"
SOUND = (
    "0.3*sin(2*PI*(300+40*sin(3*t))*t)*abs(sin(4*t))+0.03*(random(0)-0.5)"
    "|0.2*sin(2*PI*(500+70*sin(2*t))*t)*abs(sin(3*t))+0.03*(random(1)-0.5)"
)
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
PCM = ("-c:a", "pcm_s16le")
UPLOADS: dict[str, tuple[str, ...]] = {
    "film": ("-vf", "scale=640:360", "-c:v", "libx264", "-crf", "14", *BT709, *PCM),
    "standard definition": ("-vf", "scale=640:360:out_color_matrix=smpte170m", "-c:v", "mpeg4", "-q:v", "2", *PCM),
    "interlaced": (
        "-vf",
        "scale=640:360,fps=50,interlace",
        "-c:v",
        "mpeg2video",
        "-q:v",
        "2",
        "-flags",
        "+ildct",
        *PCM,
    ),
    "full range": ("-vf", "scale=640:360:out_range=pc,format=yuvj420p", "-c:v", "mjpeg", "-q:v", "2", *PCM),
    "rgb": ("-vf", "scale=640:360,format=rgb24", "-c:v", "ffv1", *PCM),
    "turned": ("-vf", "scale=640:360", "-metadata:s:v", "rotate=90", "-c:v", "libx264", "-crf", "14", *BT709, *PCM),
}


CHART = "testsrc2=size={size}:rate=25:duration=0.4"
"""Its colours are drawn in BT.601: taken for BT.709, some have less than no red, green or blue."""
SLOPE = (
    "color=size={size}:rate=25:duration=0.4,format=gbrp10le,"
    "geq=r='390+240*X/W':g='390+240*(X+Y)/(W+H)':b='390+240*Y/H',scale=out_color_matrix=bt709"
)
TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
FINE = ("-c:v", "libx264", "-crf", "8")
DRAWN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "chart in 4:2:2": (CHART, "192x108", (*FINE, "-pix_fmt", "yuv422p", *TAGS)),
    "chart in 4:4:4": (CHART, "192x108", ("-c:v", "ffv1", "-pix_fmt", "yuv444p", *TAGS)),
    "chart in full range": (
        CHART,
        "192x108",
        ("-vf", "scale=out_range=pc,format=yuv422p", *FINE, *TAGS, "-color_range", "pc"),
    ),
    "chart with primaries alone": (CHART, "192x108", (*FINE, "-pix_fmt", "yuv422p", "-color_primaries", "bt709")),
    "chart in RGB": (CHART, "192x108", ("-c:v", "ffv1", "-pix_fmt", "bgr0")),
    "chart in DNxHR": (CHART, "256x144", ("-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p", *TAGS)),
    "chart in DNxHD": (CHART, "1920x1080", ("-c:v", "dnxhd", "-b:v", "120M", "-pix_fmt", "yuv422p")),
    "slope of 10 bits": (SLOPE, "192x108", ("-c:v", "ffv1", "-pix_fmt", "yuv422p10le", *TAGS)),
    "slope of 8 bits": (SLOPE, "192x108", ("-c:v", "ffv1", "-pix_fmt", "yuv420p", *TAGS)),
}


QUICK = (
    "chart in 4:2:2",
    "film",
    "black",
    "half the rate",
    "late",
)


def is_quick(number: int, name: str) -> bool:
    return name in QUICK


@pytest.fixture(scope="module", params=some_slow(UPLOADS, is_quick))
def upload(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a film, with a sound of its own on each channel."""
    return _upload(request.param, tmp_path_factory.mktemp("uploads"))


def _upload(name: str, folder: Path) -> Path:
    path = folder / f"{name.replace(' ', '_')}.mov"
    inputs = ["-ss", "9", "-t", "3", "-i", str(FILM), "-f", "lavfi", "-t", "3", "-i", f"aevalsrc='{SOUND}':s=48000"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, "-map", "0:v", "-map", "1:a", *UPLOADS[name], str(path)]
    subprocess.run(command, check=True)
    return path


class _SpoiledTools(Tools):
    """The real tools, which change the arguments of the mezzanine's encode."""

    def __init__(self, tools: Tools, spoil: Callable[[list[str]], list[str]]) -> None:
        self.__dict__.update(tools.__dict__)
        self._spoil = spoil

    def ffmpeg(self, arguments: Sequence[str], *, label: str, **more: Any) -> ToolRun:
        if label == "making the mezzanine":
            arguments = self._spoil(list(arguments))
        return super().ffmpeg(arguments, label=label, **more)


def shown(filters: str) -> Callable[[list[str]], list[str]]:
    """Filters at the end of the picture's; {rate} is its rate, {w} and {h} its size."""

    def spoil(arguments: list[str]) -> list[str]:
        number = next(number for number, each in enumerate(arguments) if "[picture]" in each)
        graph = arguments[number]
        rate = re.search(r"fps=fps=([\d/]+)", graph)
        sizes = re.findall(r"scale=(\d+):(\d+)", graph)
        assert rate is not None
        made = filters.format(rate=rate[1], w=sizes[-1][0], h=sizes[-1][1])
        arguments[number] = graph.replace("setsar=1,", f"{made},format=yuv420p,setsar=1,")
        return arguments

    return spoil


def heard(filters: str) -> Callable[[list[str]], list[str]]:
    """Filters before the sound's own."""

    def spoil(arguments: list[str]) -> list[str]:
        number = arguments.index("-filter:a") + 1
        arguments[number] = f"{filters},{arguments[number]}"
        return arguments

    return spoil


def build(upload: Path, folder: Path, spoil: Callable[[list[str]], list[str]] | None = None) -> Bench:
    """Raises `VerificationError` when the mezzanine was not published."""
    bench = Bench(folder / "store", "video", folder)
    bench.stores.archive.upload(upload, bench.media.input_key, content_type="video/quicktime")
    tools = _SpoiledTools(bench.tools, spoil) if spoil is not None else None
    bench.build(["mezzanine"], tools=tools)
    return bench


def test_an_honest_mezzanine_is_published(upload: Path, tmp_path: Path) -> None:
    bench = build(upload, tmp_path)
    assert [key for key in bench.objects() if "mezzanine" in key]


def _drawn(name: str, folder: Path) -> Path:
    source, size, options = DRAWN[name]
    path = folder / f"drawn.{'mkv' if 'ffv1' in options else 'mov'}"
    inputs = ["-f", "lavfi", "-i", source.format(size=size)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *options, str(path)], check=True)
    return path


@pytest.mark.parametrize("name", some_slow(DRAWN, is_quick))
def test_what_is_coded_beyond_what_a_display_shows_is_published(name: str, tmp_path: Path) -> None:
    """Colours that no red, green and blue make, colours of one pixel's width, and parts of a level."""
    bench = build(_drawn(name, tmp_path), tmp_path)
    assert [key for key in bench.objects() if "mezzanine" in key]


WRONG_COLOURS = {
    "BT.709 taken for BT.601": "colormatrix=bt709:bt601",
    "BT.601 taken for BT.709": "colormatrix=bt601:bt709",
    "limited range taken for full": "scale=in_range=pc:out_range=tv",
    "paler by a tenth": "eq=saturation=0.9",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DRAWN if "chart" in name and "DNxHD" not in name])
@pytest.mark.parametrize("fault", WRONG_COLOURS)
def test_wrong_colours_are_found_beyond_what_a_display_shows(fault: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"mezzanine_pictures_true: The picture's colours are"):
        build(_drawn(name, tmp_path), tmp_path, shown(WRONG_COLOURS[fault]))


PICTURES = {
    "black": ("drawbox=t=fill:enable='between(t,1,2)'", "The picture is black from 1.0 to 2.0 s"),
    "another matrix": ("colormatrix=bt709:bt601", "colours are converted wrongly"),
    "planes exchanged": ("swapuv", "colour planes are exchanged"),
    "half the rate": ("framestep=2,fps={rate}", "Pictures are repeated"),
    "late by one": ("tpad=start=1:start_mode=clone", "The picture is late by a picture"),
    "upside down": ("vflip", "The picture is upside down"),
    "enlarged": ("scale=iw/2:ih/2:flags=area,scale={w}:{h}:flags=bicubic", "less sharp"),
    "darker": ("lutyuv=y=val-6", "The picture is darker"),
    "cropped": ("crop=iw*0.94:ih*0.94,scale={w}:{h}", "beside the upload's"),
}


@pytest.mark.parametrize("name", some_slow(PICTURES, is_quick))
def test_a_spoiled_picture_is_not_published(name: str, tmp_path: Path) -> None:
    filters, message = PICTURES[name]
    upload = _upload("film", tmp_path)
    with pytest.raises(VerificationError, match=message) as refused:
        build(upload, tmp_path, shown(filters))
    assert "mezzanine_pictures_true" in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["black", "planes exchanged", "upside down", "darker", "cropped", "late by one"])
def test_a_spoiled_picture_is_found_whatever_was_uploaded(name: str, upload: Path, tmp_path: Path) -> None:
    if name == "late by one" and "interlaced" in upload.name:
        pytest.skip("fields are held against each other, and so is their motion")
    with pytest.raises(VerificationError, match="mezzanine_pictures_true"):
        build(upload, tmp_path, shown(PICTURES[name][0]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alpha_now_and_then_libvpx_webm_abab", "alpha_now_and_then_libvpx_vp9_mkv_aaba"])
def test_pictures_that_a_decoder_drops_are_missed(name: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    decoder = "libvpx-vp9" if "vp9" in name else "libvpx"

    def spoil(arguments: list[str]) -> list[str]:
        """As if transparency were beside every picture."""
        at = arguments.index("-itsoffset")
        return [*arguments[:at], "-c:0", decoder, *arguments[at:]]

    with pytest.raises(VerificationError, match="mezzanine_pictures_true"):
        build(CASES[name].make(made), tmp_path, spoil)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["size_turns_ts", "size_turns_webm"])
def test_a_distorted_shape_is_not_published(name: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()

    def spoil(arguments: list[str]) -> list[str]:
        """As if every picture filled the frame."""
        size = "{}:{}".format(*CASES[name].size)
        return [
            re.sub(r"scale=w=if.*?:eval=frame:(.*?),pad=.*?:eval=frame", rf"scale={size}:\1", each)
            for each in arguments
        ]

    with pytest.raises(VerificationError, match="mezzanine_pictures_true"):
        build(CASES[name].make(made), tmp_path, spoil)


SOUNDS = {
    "late": ("adelay=100:all=1", "The sound is 0.10 s late"),
    "one channel": ("pan=stereo|c0=c0|c1=0*c0", "The right channel is silent"),
    "exchanged": ("pan=stereo|c0=c1|c1=c0", "The left and the right channel are exchanged"),
    "mono": ("pan=stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0+0.5*c1", "beside|distance|not the upload's|quieter|drops out"),
    "inverted": ("pan=stereo|c0=c0|c1=-1*c1", "The right channel is inverted"),
    "silent": ("volume=0", "The sound is silent"),
    "quieter": ("volume=-3dB", "The gain is -3"),
    "dull": ("lowpass=2500,lowpass=2500", "dull|quieter"),
}


@pytest.mark.parametrize("name", some_slow(SOUNDS, is_quick))
def test_a_spoiled_sound_is_not_published(name: str, tmp_path: Path) -> None:
    filters, message = SOUNDS[name]
    upload = _upload("film", tmp_path)
    with pytest.raises(VerificationError, match=message):
        build(upload, tmp_path, heard(filters))
