"""The loudness of each second, from the same decode as the loudness of all of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from clips import FFMPEG

from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.observe.observer import Observer


@pytest.mark.ffmpeg
def test_each_second_has_its_loudness(tmp_path: Path) -> None:
    """A sine of -20 dBFS in both channels is -20 LUFS; then there is silence, and one of -30 dBFS."""
    tone = "if(lt(t,4),0.1,if(lt(t,8),0,0.0316))*sin(2*PI*997*t)"
    sound = tmp_path / "tone.wav"
    subprocess.run(
        [*FFMPEG, "-f", "lavfi", "-i", f"aevalsrc='{tone}|{tone}':d=12:s=48000", "-c:a", "pcm_s24le", str(sound)],
        check=True,
    )
    seen = Observer(Tools(tool_environment(os.environ)), scratch=tmp_path).loudness(sound, output="hls_128k")
    momentary = [second.momentary for second in seen.seconds]
    assert len(momentary) == 12
    assert momentary[1:4] == pytest.approx([-20.0] * 3, abs=0.2)
    assert momentary[5:8] == [None] * 3
    assert momentary[9:] == pytest.approx([-30.0] * 3, abs=0.2)
    assert seen.seconds[3].short_term == pytest.approx(-20.0, abs=0.2)
    assert seen.seconds[11].short_term == pytest.approx(-30.0, abs=0.2)
    assert seen.integrated_lufs == pytest.approx(-22.6, abs=0.2)
