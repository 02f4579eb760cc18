"""Which rates suit an upload, by the times of its packets: those that were decided before are found out."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from slow_cases import some_slow

from codex_assets.archive.findings import Finding
from codex_assets.build import upload_check
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.upload_pictures import UploadedMedia
from codex_assets.verification.observe.upload_times import PicturePackets, rate_fit
from codex_assets.verification.rules.upload import mezzanine_last_picture, mezzanine_rate_suits


def frames(rate: float, count: int, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(count)]


def steps(*seconds: float) -> list[float]:
    return [0.0, *accumulate(seconds)]


IDLE_30 = sorted({round(at, 3) for second in range(0, 20, 2) for at in (*frames(30, 15, second), second + 1.0)})
IDLE_60 = sorted({at for second in range(20) for at in frames(60, 20, second)})


def thinned(times: Sequence[float], part: float, seed: int) -> list[float]:
    """What is left of pictures of which some are missing here and there."""
    dice = random.Random(seed)
    return [time for time in times if dice.random() < part]


TELECINED = steps(*[1001 / 30000, 1001 / 20000] * 60)


def finding(times: Sequence[float], rate: str) -> Finding | None:
    seen = PicturePackets(np.array(times), np.array(times), 0)
    return mezzanine_rate_suits(MezzanineObservation("mezzanine", rate_fit=rate_fit(seen, Fraction(rate))))


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (frames(30, 90), "48"),
        (frames(25, 90), "30000/1001"),
        (frames(24 / 1.001, 90), "25"),
        (frames(60, 90), "30"),
        (frames(21 / 2, 60), "24000/1001"),
        (TELECINED, "25"),
        (TELECINED, "30000/1001"),
        (IDLE_30, "24000/1001"),
        (IDLE_60, "24000/1001"),
        (frames(120, 240), "50"),
        (TELECINED, "60000/1001"),
    ],
)
def test_a_rate_that_drops_or_repeats_some_pictures_is_found(times: Sequence[float], rate: str) -> None:
    judged = finding(times, rate)
    assert judged is not None
    assert not judged.passed


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (frames(30, 90), "30"),
        (frames(30, 90), "60"),
        (frames(30 / 1.001, 90), "30"),
        (frames(29.83, 90), "2983/100"),
        (frames(21 / 2, 60), "21/2"),
        (frames(25, 60), "50"),
        (TELECINED, "24000/1001"),
        (IDLE_30, "30"),
        (IDLE_60, "60"),
        (frames(120, 240), "60"),
        (frames(144, 240), "48"),
        # Nothing suits better than each picture at its own time.
        (thinned(frames(30, 60), 0.7, 6), "30"),
        (thinned(frames(25, 60), 0.7, 2), "25"),
        (thinned(frames(15, 600), 0.3, 0), "15"),
        # Where rates change, none suits all.
        ([*frames(60, 120), *frames(15, 60, 2.0)], "60"),
        (steps(*[1001 / 30000, 1001 / 20000] * 60, *[1001 / 30000] * 20), "24000/1001"),
        (steps(*[1001 / 30000, 1001 / 20000] * 30, *[1001 / 30000] * 60), "30000/1001"),
    ],
)
def test_a_rate_that_suits_passes(times: Sequence[float], rate: str) -> None:
    judged = finding(times, rate)
    assert judged is not None
    assert judged.passed


def test_of_a_clock_without_times_nothing_is_said() -> None:
    assert finding([0.0, float("nan"), *frames(30, 90)], "48") is None
    assert finding(frames(30, 5), "48") is None
    assert finding(frames(1, 50), "7") is None


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
TONE = ("-f", "lavfi", "-i", "sine=440:d=1")
UPLOADS = {
    # What makes each: pictures a second, the name, and the arguments.
    "constant": (25, "upload.mp4", ["-r", "25", *H264, "-bf", "2"]),
    "named after milliseconds": (30, "upload.mkv", [*H264]),
    "a stream": (25, "upload.ts", [*H264, "-bf", "2"]),
    "no times": (25, "upload.avi", ["-c:v", "mpeg4", "-bf", "2"]),
    "late sound": (25, "upload.mkv", [*H264, "-itsoffset", "0.4", *TONE, "-map", "0", "-map", "1", "-c:a", "aac"]),
    "a pause before it": (25, "upload.flv", ["-vf", "select='lt(n,40)+eq(n,49)'", "-fps_mode", "vfr", *H264]),
    "fast": (120, "upload.mp4", [*H264]),
}


@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", some_slow(UPLOADS, lambda _, name: name == "constant"))
def test_a_last_picture_that_is_missing_is_found(name: str, tmp_path: Path) -> None:
    """The mezzanine as it should be, and spoiled: without what it shows of the last picture."""
    rate, file, arguments = UPLOADS[name]
    upload = tmp_path / file
    inputs = [part for part in arguments if part in ("-itsoffset", "0.4") or part in TONE]
    outputs = [part for part in arguments if part not in inputs]
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=96x54:r={rate}:d=2", *inputs, *outputs, str(upload))
    tools = Tools(tool_environment(os.environ))
    info = upload_check.examine(tools, "video", upload).info
    assert info.video is not None
    slower = min(rate, 60)
    made = ("-vf", f"fps={slower}", "-an", *H264, "-bf", "0")
    count = slower * 2
    for lost in (0, 1 if rate == slower else 2):
        mezzanine = tmp_path / f"{lost}.mp4"
        ffmpeg("-i", str(upload), "-map", "0:v", *made, "-frames:v", str(count - lost), str(mezzanine))
        seen = Observer(tools, scratch=tmp_path).mezzanine(
            mezzanine, decode=False, upload=UploadedMedia(upload, replace(info, audio=None), with_picture=True)
        )
        judged = mezzanine_last_picture(seen)
        assert judged is not None
        # At half the rate, one picture in two has no place of its own.
        assert judged.passed is (lost == 0), judged


def ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments], check=True)
