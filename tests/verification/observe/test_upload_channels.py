"""The judge finds a side of the sound that has a mono track of its own in the upload and none in the mezzanine."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from codex_assets.archive.findings import Finding
from codex_assets.media import ffprobe
from codex_assets.media.facts import Counted
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_pictures import UploadedMedia
from codex_assets.verification.observe.upload_sound import compare_upload_sound
from codex_assets.verification.rules.sound import expect_true_sound

pytestmark = pytest.mark.ffmpeg

TALK = "0.3*sin(2*PI*{}*t)*(0.6+0.4*sin(2*PI*{}*t))"
LABELLED = ["-filter_complex", "[0:a]aformat=channel_layouts=FL[l];[1:a]aformat=channel_layouts=FR[r]"]


def make(path: Path, arguments: list[str]) -> Path:
    sides = [f"aevalsrc='{TALK.format(*each)}':s=48000:d=3" for each in ((300, 1.3), (700, 2.1))]
    sources = [part for side in (*sides, "color=gray:s=96x54:r=25:d=3") for part in ("-f", "lavfi", "-i", side)]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *sources, *arguments, str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("name", "tracks"),
    [
        ("labelled.mov", [*LABELLED, "-map", "[l]", "-map", "[r]", "-c:a", "pcm_s16le"]),
        ("equal.mov", ["-map", "0", "-map", "1", "-c:a", "aac"]),
        ("equal.mxf", ["-map", "2", "-map", "0", "-map", "1", "-c:v", "mpeg2video", "-c:a", "pcm_s16le"]),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_side_that_is_missing_is_found(name: str, tracks: list[str], whole: bool, tmp_path: Path) -> None:
    upload = make(tmp_path / name, tracks)
    joined = ["-filter_complex", "[0:a][1:a]join=inputs=2:channel_layout=stereo"] if whole else ["-map", "0"]
    finding = compared(upload, make(tmp_path / "mezzanine.mp4", [*joined, "-c:a", "alac"]), tmp_path)
    assert finding.passed is whole


def compared(upload: Path, mezzanine: Path, folder: Path) -> Finding:
    """What is said of the sound of a mezzanine whose upload holds mono tracks."""
    tools = Tools(tool_environment(os.environ))
    info = ffprobe.parse(tools.ffprobe(ffprobe.probe_arguments(str(upload)), label="probing"))
    assert info.audio is not None
    first = replace(info.audio, channels=1, layout=None, channel_tracks=())
    even = replace(info, audio=first, counted={first.index: Counted()})
    seen = UploadedMedia(upload, even, with_picture=False)
    fidelity = compare_upload_sound(Decoder(tools, scratch=folder), seen, mezzanine, 0.0)
    assert fidelity is not None
    finding = expect_true_sound(fidelity[0], "upload")
    assert finding is not None
    return finding


SURROUND = {"5.1": "FL FR FC LFE BL BR", "5.1(side)": "FL FR FC LFE SL SR", "7.1": "FL FR FC LFE BL BR SL SR"}


def surround(path: Path, places: list[str], codec: str) -> Path:
    """A track for each of these places, in this order; the sound of a place is always the same."""
    sounds = {
        place: f"0.2*sin(2*PI*{60 if place == 'LFE' else 290 + 170 * at}*t)*(0.6+0.4*sin(2*PI*{1.1 + 0.3 * at}*t))"
        for at, place in enumerate(SURROUND["7.1"].split())
    }
    sources = [part for place in places for part in ("-f", "lavfi", "-i", f"aevalsrc='{sounds[place]}':s=48000:d=4")]
    named = ";".join(f"[{at}:a]aformat=channel_layouts={place}[s{at}]" for at, place in enumerate(places))
    maps = [part for at in range(len(places)) for part in ("-map", f"[s{at}]")]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *sources, "-filter_complex", named, *maps, "-c:a", codec]
    subprocess.run([*command, str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("layout", "codec", "change", "message"),
    [
        ("5.1", "pcm_s16le", "", None),
        pytest.param("5.1(side)", "pcm_f32le", "", None, marks=pytest.mark.slow),
        ("7.1", "pcm_s24le", "", None),
        ("5.1", "pcm_s16le", "FC=FC:LFE=BL:BL=LFE", "The sound is quieter than"),
        ("5.1", "pcm_s16le", "BL=BR:BR=BL", "The rear left and the rear right channel are exchanged"),
        ("5.1", "pcm_s24le", "FL=BL:BL=FL", "The sound is not the upload's"),
        pytest.param("5.1(side)", "pcm_s16le", "SL=FL:FL=SL", "The sound is not the upload's", marks=pytest.mark.slow),
        pytest.param("7.1", "pcm_s16le", "BL=SL:SL=BL", "The sound is not the upload's", marks=pytest.mark.slow),
        ("5.1", "pcm_s16le", "LFE=", "The low-frequency channel is silent"),
        pytest.param("5.1", "pcm_s16le", "FC=", "The centre channel is silent", marks=pytest.mark.slow),
        ("7.1", "pcm_s16le", "SR=", "The right side channel is silent"),
    ],
)
def test_channels_that_are_lost_or_exchanged_are_found(
    layout: str, codec: str, change: str, message: str | None, tmp_path: Path
) -> None:
    places = SURROUND[layout].split()
    upload = surround(tmp_path / "upload.mov", sorted(places), codec)
    taken = dict(part.split("=") for part in change.split(":") if part)
    # The tracks of the upload are in the order of the alphabet.
    pads = "".join(f"[0:{sorted(places).index(place)}]" for place in places)
    mixed = "|".join(
        f"c{at}=" + (f"c{places.index(source)}" if (source := taken.get(place, place)) else "0*c0")
        for at, place in enumerate(places)
    )
    joined = "|".join(f"{at}.0-{place}" for at, place in enumerate(places))
    graph = f"{pads}join=inputs={len(places)}:channel_layout={layout}:map={joined},pan={layout}|{mixed}"
    kept = ["-c:a", "flac", "-strict", "-2"] if layout == "7.1" else ["-c:a", "alac"]
    mezzanine = tmp_path / "mezzanine.mp4"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(upload), "-filter_complex", graph, *kept]
    subprocess.run([*command, str(mezzanine)], check=True)
    finding = compared(upload, mezzanine, tmp_path)
    assert finding.passed is (message is None), finding.message
    assert re.match(message or "", finding.message)
