"""The delivered sound, with the real ffmpeg: what passes the peak limit is encoded again, and nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from codex_assets.build.sound import encode_sounds
from codex_assets.media import profile
from codex_assets.media.encode import aac_frames, ladder, loudness
from codex_assets.system.process import ToolRun
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg

SECONDS = 12
STRUCK = "|".join(
    f"0.22*sin(2*PI*{pitch}*t)*(0.7+0.3*sin(2*PI*2*t))+0.68*exp(-25*(t-6))*between(t,6,6.3)*sin(2*PI*900*t)"
    for pitch in (310, 450)
)
"""Two tones, and after six seconds a stroke whose encode passes the peak limit."""
VOICE = "0.2*sin(2*PI*180*t)*(0.6+0.4*sin(2*PI*3*t))+0.9*exp(-60*mod(t,1.7))*sin(2*PI*700*t)"
"""Its strokes keep it from the target, which it would be brought to otherwise."""


class Listed(Tools):
    """Tools that keep what they were run for."""

    def __init__(self) -> None:
        super().__init__(tool_environment(os.environ))
        self.labels: list[str] = []

    def ending_with(self, cancelled: Any) -> Tools:
        same = super().ending_with(cancelled)
        assert isinstance(same, Listed)
        same.labels = self.labels
        return same

    def ffmpeg(self, arguments: Sequence[str], *, label: str, **options: Any) -> ToolRun:
        self.labels.append(label)
        return super().ffmpeg(arguments, label=label, **options)


def sound_of(folder: Path, expression: str, seconds: float = SECONDS) -> Path:
    path = folder / "sound.flac"
    generated = f"aevalsrc='{expression}':s=48000:d={seconds},aformat=channel_layouts=stereo"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", generated, "-c:a", "flac", str(path)]
    subprocess.run(command, check=True)
    return path


def measured(tools: Tools, path: Path) -> loudness.Measurement:
    run = tools.ffmpeg(loudness.measuring_arguments(["-i", str(path)]), label="by the test")
    summary = loudness.parse_summary(run.log)
    assert summary is not None
    return summary


def frames(path: Path) -> list[bytes]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-c", "copy", "-f", "adts", "-"]
    stream = aac_frames.Frames(subprocess.run(command, capture_output=True, check=True).stdout)
    return [stream[number] for number in range(len(stream))]


def test_only_moments_over_the_limit_are_encoded_again(tmp_path: Path) -> None:
    tools = Listed()
    source = sound_of(tmp_path, STRUCK)
    (sound,) = encode_sounds(tools, tmp_path / "out", source, [64], measured(tools, source), SECONDS, None).values()
    assert sound.measured is not None
    assert sound.measured.true_peak_dbtp <= profile.DELIVERED_PEAK_LIMIT
    plain = tmp_path / "plain.m4a"
    tools.ffmpeg(ladder.audio_arguments(str(source), 64, str(plain), sound.gain, SECONDS), label="by the test")
    assert measured(tools, plain).true_peak_dbtp > profile.DELIVERED_PEAK_LIMIT
    before, after = frames(plain), frames(sound.path)
    changed = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed
    assert changed[0] > 4 * 48000 / 1024
    assert changed[-1] < 8 * 48000 / 1024
    assert tools.labels.count("encoding the sound") == 1
    # One moment of it: it is still judged as a sound of one gain.
    assert sound.mode == sound.gain.mode == "linear"


def test_a_sound_that_was_put_together_lasts_as_long_as_one_that_was_not(tmp_path: Path) -> None:
    """And its packets lie at the same times."""
    tools = Listed()
    source = sound_of(tmp_path, STRUCK)
    (sound,) = encode_sounds(tools, tmp_path / "out", source, [64], measured(tools, source), SECONDS, None).values()
    assert "putting softer moments in place" in tools.labels
    plain = tmp_path / "plain.m4a"
    tools.ffmpeg(ladder.audio_arguments(str(source), 64, str(plain), sound.gain, SECONDS), label="by the test")
    asked = ["ffprobe", "-v", "error", "-show_entries", "packet=pts,dts,duration", "-of", "csv=p=0"]
    times = [
        subprocess.run([*asked, str(path)], capture_output=True, check=True).stdout for path in (plain, sound.path)
    ]
    assert times[0] == times[1]


@pytest.mark.parametrize("rate", [64, 128])
def test_a_voice_with_strokes_is_limited_and_encoded_once(tmp_path: Path, rate: int) -> None:
    """What its gain does is predicted. It took up to thirteen encodes before."""
    tools = Listed()
    source = sound_of(tmp_path, VOICE)
    (sound,) = encode_sounds(tools, tmp_path / "out", source, [rate], measured(tools, source), SECONDS, None).values()
    assert sound.measured is not None
    assert sound.gain.mode == "limited"
    assert abs(sound.measured.integrated_lufs - profile.LOUDNESS_TARGET) < profile.LOUDNESS_TOLERANCE
    assert sound.measured.true_peak_dbtp <= profile.DELIVERED_PEAK_LIMIT
    assert tools.labels.count("encoding the sound") == 1


def test_a_rate_built_alone_has_the_same_bytes(tmp_path: Path) -> None:
    tools = Listed()
    source = sound_of(tmp_path, VOICE)
    steps: list[Progress] = []
    both = encode_sounds(tools, tmp_path / "both", source, [64, 128], measured(tools, source), SECONDS, steps.append)
    alone = encode_sounds(tools, tmp_path / "alone", source, [64], measured(tools, source), SECONDS, None)
    assert both[64].path.read_bytes() == alone[64].path.read_bytes()
    assert steps
