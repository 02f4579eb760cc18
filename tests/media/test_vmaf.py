"""What is made of libvmaf's answer, and what an ffmpeg that has it says of pictures that are worse and worse."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from codex_assets.media import vmaf
from codex_assets.system import vmaf_ffmpeg
from codex_assets.system.tools import Tools, tool_environment


def answer(*scores: float) -> bytes:
    frames = [{"frameNum": number, "metrics": {"vmaf": score}} for number, score in enumerate(scores)]
    return json.dumps({"version": "3", "frames": frames}).encode()


def test_scores_are_averaged_over_seconds() -> None:
    curve = vmaf.parse(answer(90, 80, 70, 60, 50), Fraction(2))
    assert curve.values == (85, 65, 50)
    assert curve.at == (0, 1, 2)
    odd = vmaf.parse(answer(*[90.0] * 60), Fraction(30000, 1001))
    assert odd.at == (0, 1.001)


@pytest.mark.parametrize("broken", [b"", b"{}", b'{"frames": []}', b'{"frames": [{"metrics": {}}]}', b"[1]"])
def test_an_answer_without_scores_is_none(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        vmaf.parse(broken, Fraction(25))


@pytest.mark.ffmpeg
def test_worse_pictures_have_a_lower_score(tmp_path: Path) -> None:
    own = Tools(tool_environment(os.environ))
    tools = vmaf_ffmpeg.measuring_tools(own)
    if tools is None:
        pytest.skip("no ffmpeg here has libvmaf: pip install imageio-ffmpeg")
    made = tmp_path / "made.mp4"
    clip = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=2", "-c:v", "libx264", "-crf", "8", str(made)]
    own.ffmpeg(clip, label="making a clip")
    scores = []
    for crf, side in ((18, 320), (38, 320), (38, 160)):
        shown = tmp_path / f"{crf}-{side}.mp4"
        small = ["-vf", f"scale={side}:-2", "-c:v", "libx264", "-crf", str(crf), str(shown)]
        own.ffmpeg(["-i", str(made), *small], label="making a variant")
        data: list[bytes] = []
        asked = vmaf.arguments(["-i", str(shown)], ["-i", str(made)], (320, 180), Fraction(10), threads=1)
        tools.ffmpeg_into(asked, lambda take, data=data: data.extend(iter(lambda: take(4096), b"")), label="measuring")  # type: ignore[misc]
        scores.append(vmaf.parse(b"".join(data), Fraction(10)).values)
    assert [len(values) for values in scores] == [2, 2, 2]
    good, bad, worse = (sum(values) / 2 for values in scores)
    assert good > bad + 5
    assert bad > worse + 5
