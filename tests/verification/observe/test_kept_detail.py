"""What can be asked of a noisy upload's mezzanine: all that an honest encode keeps, and no more."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from clips import FFMPEG
from PIL import Image
from slow_cases import is_first, some_slow

from codex_assets.archive.findings import Finding
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.image_files import read_jpeg
from codex_assets.verification.observe.jpeg_quantiser import quantised
from codex_assets.verification.observe.upload_pictures import UploadedMedia, compare_upload_pictures
from codex_assets.verification.rules.upload import mezzanine_pictures_true

SAMPLE = str(Path(__file__).parents[3] / "fixtures" / "sample-video.mp4")
NAMED = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
SOURCES = {
    "film": ("-ss", "2", "-i", SAMPLE, "-vf", f"scale=640:360,noise=alls=5:allf=t,{NAMED}"),
    "wall": ("-f", "lavfi", "-i", "color=gray:s=640x360:r=25", "-vf", f"noise=alls=6:allf=t,{NAMED}"),
}
SPOILT = {
    "as it should be": "null",
    "out of focus": "gblur=sigma=2",
    "of half the size": "scale=320:180,scale=640:360",
    "with its noise taken out": "hqdn3d=12",
    "with more noise": "noise=alls=14:allf=t",
}


def finding(upload: Path, filters: str, folder: Path) -> Finding | None:
    """What is said of a mezzanine that was made of an upload through some filters."""
    mezzanine = folder / "mezzanine.mp4"
    encoder = ("-c:v", "libx264", "-preset", "faster", "-crf", "18")
    subprocess.run([*FFMPEG, "-i", str(upload), "-vf", filters, *encoder, str(mezzanine)], check=True)
    decoder = Decoder(Tools(tool_environment(os.environ)), scratch=folder)
    info = decoder.probe(upload)
    assert info.video is not None
    assert info.video.average_rate is not None
    compared = compare_upload_pictures(
        decoder, UploadedMedia(upload, info, with_picture=True), mezzanine, info.video.average_rate, 25
    )
    assert compared is not None
    return mezzanine_pictures_true(MezzanineObservation("mezzanine", pictures=compared[0]))


@pytest.mark.ffmpeg
@pytest.mark.parametrize("source", some_slow(SOURCES, is_first))
def test_noise_excuses_what_an_encode_loses_of_it_and_nothing_else(source: str, tmp_path: Path) -> None:
    upload = tmp_path / "upload.mp4"
    coding = ("-frames:v", "25", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "6", "-pix_fmt", "yuv420p", "-an")
    subprocess.run([*FFMPEG, *SOURCES[source], *coding, str(upload)], check=True)
    findings = {name: finding(upload, filters, tmp_path) for name, filters in SPOILT.items()}
    said = {name: each.message for name, each in findings.items() if each is not None and not each.passed}
    # A film without its noise is as sharp as it was.
    passes = {"as it should be"} | ({"with its noise taken out"} if source == "film" else set())
    assert set(said) == set(SPOILT) - passes
    assert said["out of focus"].startswith("The picture is less sharp")
    assert said["of half the size"].startswith("The picture is less sharp")


SOFT_CORNER = "split[a][b];[b]crop=iw/2:ih/2:{0}*iw/2:{1}*ih/2,gblur=sigma={2}[f];[a][f]overlay={0}*W/2:{1}*H/2"


def film(folder: Path, size: str, named: str) -> Path:
    upload = folder / "upload.mp4"
    coding = ("-frames:v", "25", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "6", "-pix_fmt", "yuv420p", "-an")
    filters = f"scale={size},noise=alls=5:allf=t{named}"
    subprocess.run([*FFMPEG, "-ss", "2", "-i", SAMPLE, "-vf", filters, *coding, str(upload)], check=True)
    return upload


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("size", "named", "sigma", "place", "where"),
    [
        ("640:360", f",{NAMED}", 3, (0, 1), "bottom left"),
        pytest.param("854:480", "", 4, (1, 0), "top right", marks=pytest.mark.slow),
        pytest.param("1280:720", f",{NAMED}", 6, (1, 1), "bottom right", marks=pytest.mark.slow),
    ],
    ids=["small", "converted", "hd"],
)
def test_a_quarter_out_of_focus_is_seen_and_said(
    size: str, named: str, sigma: int, place: tuple[int, int], where: str, tmp_path: Path
) -> None:
    upload = film(tmp_path, size, named)
    to_bt709 = "" if named else "scale=in_color_matrix=bt601:out_color_matrix=bt709,"
    whole, soft = (
        finding(upload, f"{to_bt709}{filters}", tmp_path) for filters in ("null", SOFT_CORNER.format(*place, sigma))
    )
    assert whole is not None
    assert whole.passed, whole.message
    assert soft is not None
    assert soft.message == f"A part of the picture, at the {where}, is less sharp than the rest, beside the upload's."


@pytest.mark.ffmpeg
def test_a_corner_with_something_in_it_leaves_no_other_quarter_less_sharp(tmp_path: Path) -> None:
    upload = film(tmp_path, "640:360", f",{NAMED}")
    seen = finding(upload, "drawbox=x=500:y=20:w=100:h=60:t=4:c=white", tmp_path)
    assert seen is not None
    assert not seen.passed
    assert "less sharp" not in seen.message


@pytest.mark.parametrize("quality", [40, 75, 90])
def test_what_a_quantisation_leaves_is_what_is_in_the_file(quality: int, tmp_path: Path) -> None:
    """By another coder, which rounds to the nearest step."""
    random = np.random.default_rng(7)
    slope = np.linspace(40, 210, 96)[None, :] + np.zeros((64, 1))
    luma = np.clip(slope + random.normal(0, 9, (64, 96)), 0, 255).astype(np.uint8)
    path = tmp_path / "still.jpg"
    Image.fromarray(luma, "L").save(path, quality=quality)
    file = read_jpeg(path.read_bytes())
    assert file is not None
    assert file.coarseness == pytest.approx(sum(file.steps) / 64)
    decoded = np.asarray(Image.open(path), np.float32)
    kept = quantised(luma.astype(np.float32), file.steps, rounded_up=0.5)
    # Whole numbers are rounded in a file, and a step that is nearly between two may go either way.
    assert np.abs(np.clip(kept, 0, 255) - decoded).mean() < 0.6
    assert np.abs(luma - decoded).mean() > 1
