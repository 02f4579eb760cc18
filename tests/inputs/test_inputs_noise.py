"""Uploads with the noise of cameras and the grain of film, faint and strong: what no encoder keeps is no fault."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from clips import FFMPEG
from whole_job import deliver

from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore

pytestmark = pytest.mark.ffmpeg

SAMPLE = str(Path(__file__).parents[2] / "fixtures" / "sample-video.mp4")
NAMED = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
"""As cameras say it, so that no colour is converted."""
FILM = ("-ss", "2", "-i", SAMPLE)


def flat(colour: str, size: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"color={colour}:s={size}:r=25")


def noise(levels: int) -> str:
    """Even noise that is another in every picture; its standard deviation is some 0.6 of the levels."""
    return f"noise=alls={levels}:allf=t"


CASES: dict[str, tuple[tuple[str, ...], str]] = {
    # Out of focus: nothing else is as fine as the noise.
    "soft_film": (FILM, f"scale=640:360,gblur=sigma=3,{noise(4)},{NAMED}"),
    "soft_film_in_hd": (FILM, f"gblur=sigma=3,{noise(4)},{NAMED}"),
    "film": (FILM, f"scale=640:360,{noise(4)},{NAMED}"),
    "film_with_more": (FILM, f"scale=640:360,{noise(6)},{NAMED}"),
    "film_in_hd": (FILM, f"{noise(4)},{NAMED}"),
    "film_in_hd_with_more": (FILM, f"{noise(8)},{NAMED}"),
    "film_in_hd_with_grain": (FILM, f"{noise(12)},{NAMED}"),
    "film_in_hd_with_strong_grain": (FILM, f"{noise(40)},{NAMED}"),
    "wall": (flat("gray", "320x180"), f"{noise(6)},{NAMED}"),
    "wall_in_hd": (flat("gray", "1280x720"), f"{noise(4)},{NAMED}"),
    "wall_in_hd_with_more": (flat("gray", "1280x720"), f"{noise(6)},{NAMED}"),
    "night": (flat("0x101418", "1280x720"), f"{noise(5)},{NAMED}"),
    # Of no matrix that is named, so that it is converted: pure colours are at the edge of what there is.
    "red_light": (flat("red", "320x180"), noise(8)),
    "blue_light": (flat("blue", "320x180"), noise(8)),
    "chart": (("-f", "lavfi", "-i", "testsrc2=s=854x480:r=30"), noise(5)),
    "turned": (FILM, f"scale=640:360,transpose=clock,{noise(4)},{NAMED}"),
}
QUICK = ("soft_film",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_what_is_noisy_is_delivered(name: str, tmp_path: Path) -> None:
    source, filters = CASES[name]
    upload = tmp_path / "upload.mp4"
    coding = ("-an", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p")
    subprocess.run([*FFMPEG, *source, "-t", "2", "-vf", filters, *coding, str(upload)], check=True)
    delivered = deliver(upload, "video", tmp_path / "job")
    assert delivered.body["status"] == "completed", delivered.body
    assert "warnings" not in delivered.body["output"]
    mezzanine = RecordStore(delivered.stores.archive).output("media1", "mezzanine")
    assert isinstance(mezzanine, MezzanineRecord)
    (compared,) = (check for check in mezzanine.checks if check.rule == "mezzanine_pictures_true")
    assert compared.passed
