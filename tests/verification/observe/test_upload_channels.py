"""The judge finds a side of the sound that has a mono track of its own in the upload and none in the mezzanine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from codex_assets.media import ffprobe
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
    mezzanine = make(tmp_path / "mezzanine.mp4", [*joined, "-c:a", "alac"])
    tools = Tools(tool_environment(os.environ))
    info = ffprobe.parse(tools.ffprobe(ffprobe.probe_arguments(str(upload)), label="probing"))
    assert info.audio is not None
    first = replace(info.audio, channels=1, layout=None, channel_tracks=())
    seen = UploadedMedia(upload, replace(info, audio=first), with_picture=False)
    compared = compare_upload_sound(Decoder(tools, scratch=tmp_path), seen, mezzanine, 0.0)
    assert compared is not None
    finding = expect_true_sound(compared[0], "upload")
    assert finding is not None
    assert finding.passed is whole
