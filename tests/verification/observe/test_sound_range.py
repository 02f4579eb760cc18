"""What is wrong with all of a sound and with no second of it: noise under it, peaks that are cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from break_outputs import TOOLS
from slow_cases import is_first, some_slow

from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound_fidelity import compare_sounds
from codex_assets.verification.rules.sound import expect_true_sound

MUSIC = (
    "aevalsrc='0.3*exp(-5*mod(t,0.5))*sin(2*PI*62*t)+0.13*(sin(2*PI*220*t)+sin(2*PI*277*t)*gt(sin(2*PI*0.19*t),0))"
    "+0.25*exp(-40*mod(t+0.25,0.5))*(random(0)-0.5)|0.25*exp(-5*mod(t,0.5))*sin(2*PI*62*t)+0.14*(sin(2*PI*330*t)"
    "+sin(2*PI*415*t)*gt(sin(2*PI*0.31*t),0))+0.3*exp(-30*mod(t+0.125,0.25))*(random(1)-0.5)':s=48000:d=12"
)
SPEECH = (
    "aevalsrc='(0.3*sin(2*PI*140*t)+0.2*sin(2*PI*280*t+1)+0.15*sin(2*PI*700*t)+0.1*sin(2*PI*2100*t)"
    "+0.03*(random(0)-0.5)*gt(mod(t,0.4),0.3))*(0.5+0.5*sin(2*PI*3*t))*gt(mod(t,3),0.6)':s=48000:d=12,"
    "aformat=channel_layouts=stereo"
)
CHIRP = (
    "aevalsrc='0.25*sin(2*PI*(300+90*(t+50))*(t+50))*(0.6+0.4*sin(3*t+150))*gt(mod(t+50,3),0.5)"
    "|0.006*sin(2*PI*523*t)*(0.5+0.5*sin(2*t+100))':s=48000:d=12"
)
"""A gated tone that rises beyond 10 kHz, beside a soft one."""
NOISE = "aeval='val(0)+0.05*(random(0)-0.5)|val(1)+0.05*(random(1)-0.5)':c=same"
FEW_BITS = "aeval='round(val(0)*16)/16|round(val(1)*16)/16':c=same"
CLIPPED = "volume=12dB,alimiter=limit=0.9:level=0:attack=0.1:release=1,volume=-9dB"
PLAIN = ("-aac_tns", "0", "-aac_pns", "0", "-aac_is", "0")


def written(path: Path, sound: str, *coding: str, filters: str = "anull") -> list[str]:
    TOOLS.ffmpeg(["-f", "lavfi", "-i", sound, "-af", filters, *coding, str(path)], label="making a sound")
    return ["-i", str(path)]


def said(folder: Path, sound: str, *coding: str, own: str = "anull", original: str = "anull") -> str | None:
    """What is said of a sound at 64 kbit/s beside its original, each after these filters; None when nothing is."""
    delivered = written(folder / "delivered.m4a", sound, "-c:a", "aac", "-b:a", "64k", *coding, filters=own)
    source = written(folder / "original.wav", sound, filters=original)
    fidelity, _ = compare_sounds(Decoder(TOOLS), delivered, source, start=0, seconds=12, steady=True)
    finding = expect_true_sound(fidelity, "mezzanine")
    assert finding is not None
    return None if finding.passed else finding.message


@pytest.mark.ffmpeg
@pytest.mark.parametrize("original", some_slow(["anull", CLIPPED], is_first), ids=["as it is", "clipped"])
@pytest.mark.parametrize(
    "coding",
    [(), *(pytest.param(coding, marks=pytest.mark.slow) for coding in (PLAIN, ("-aac_coder", "fast")))],
    ids=["usual", "without tools", "fast"],
)
@pytest.mark.parametrize("sound", [MUSIC, SPEECH], ids=["music", "speech"])
def test_an_honest_encode_keeps_the_range(sound: str, coding: tuple[str, ...], original: str, tmp_path: Path) -> None:
    assert said(tmp_path, sound, *coding, own=original, original=original) is None


@pytest.mark.ffmpeg
def test_what_no_low_rate_keeps_says_nothing_of_its_brightness(tmp_path: Path) -> None:
    assert said(tmp_path, CHIRP) is None


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("sound", "own", "original", "message"),
    [
        (MUSIC, NOISE, "anull", "There is noise under all of the sound that the mezzanine does not have."),
        (MUSIC, "anull", NOISE, "There is no noise where the mezzanine has it under all of its sound."),
        pytest.param(MUSIC, FEW_BITS, "anull", "There is noise", marks=pytest.mark.slow),
        (MUSIC, CLIPPED, "anull", "Loud parts of the sound are quieter by"),
        pytest.param(SPEECH, CLIPPED, "anull", "Loud parts of the sound are quieter by", marks=pytest.mark.slow),
        pytest.param(MUSIC, "anull", CLIPPED, "Loud parts stand out by", marks=pytest.mark.slow),
        (SPEECH, "anull", CLIPPED, "Loud parts stand out by"),
    ],
)
def test_what_lies_under_all_of_it_is_said(sound: str, own: str, original: str, message: str, tmp_path: Path) -> None:
    assert str(said(tmp_path, sound, own=own, original=original)).startswith(message)
