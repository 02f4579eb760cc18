"""A click far over full scale is cut off: nobody asks for it, and the rest of the sound is compared all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from break_outputs import TOOLS

from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound_fidelity import compare_sounds
from codex_assets.verification.rules.sound import expect_true_sound

pytestmark = pytest.mark.ffmpeg

VOICE = "0.1*sin(2*PI*300*t)*(0.5+0.5*sin(2*PI*3*t))"
CLICK = "1000*eq(n,60000)"


def written(path: Path, sound: str, *coding: str) -> list[str]:
    TOOLS.ffmpeg(["-f", "lavfi", "-i", f"aevalsrc='{sound}':s=48000:d=4", *coding, str(path)], label="making a sound")
    return ["-i", str(path)]


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (f"clip({VOICE}+{CLICK},-0.1,0.1)", None),
        (VOICE, None),
        (f"0.01*({VOICE})+clip({CLICK},-1,1)", None),
        (f"clip({VOICE}+{CLICK},-0.1,0.1)*lt(t,3)", "The sound is silent"),
        (f"clip({VOICE}+{CLICK},-0.1,0.1)*(1-0.7*gt(t,2))", "The sound is quieter than the rest of it by"),
    ],
)
def test_the_rest_of_a_sound_with_a_click_is_compared(kept: str, message: str | None, tmp_path: Path) -> None:
    source = written(tmp_path / "original.m4a", f"{VOICE}+{CLICK}", "-c:a", "aac")
    delivered = written(tmp_path / "delivered.m4a", kept, "-c:a", "aac")
    fidelity, _ = compare_sounds(Decoder(TOOLS), delivered, source, start=0, seconds=4, steady=True)
    finding = expect_true_sound(fidelity, "upload")
    assert finding is not None
    assert finding.passed is (message is None), finding.message
    assert finding.message.startswith(message or "")
