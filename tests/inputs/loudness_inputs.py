"""Uploads whose level is odd: short peaks far over the rest. Made by plain ffmpeg; nothing here knows the code under
test. `CASES` holds them by name."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TAPS = r"0.95*exp(-mod(t\,1)*500)*sin(2*PI*1800*t)"
"""A tap a second, some milliseconds long."""
VOICE = r"(0.4*sin(2*PI*180*t)+0.3*sin(2*PI*720*t)+0.2*sin(2*PI*2500*t))*(0.4+0.6*sin(2*PI*2.7*t)*sin(2*PI*0.9*t))"
"""As loud and soft as syllables."""
DRUMS = (
    r"0.9*exp(-mod(t\,0.5)*30)*sin(2*PI*60*t)+0.5*exp(-mod(t+0.25\,0.5)*60)*(random(0)-0.5)"
    r"+0.05*sin(2*PI*440*t)*(0.5+0.5*sin(t))"
)


@dataclass(frozen=True)
class Case:
    """`sound`: an expression of `aevalsrc`, or several, one for each channel. `lufs`: of what is delivered; None: any,
    with the warning `warns`."""

    name: str
    sound: str
    seconds: float
    media_type: Literal["audio", "video"] = "audio"
    suffix: str = "wav"
    codec: str = "pcm_s16le"
    lufs: float | None = -16.0
    warns: str | None = None
    quick: bool = False

    def make(self, folder: Path) -> Path:
        path = folder / f"upload.{self.suffix}"
        picture = ["-f", "lavfi", "-i", f"color=gray:s=96x54:r=10:d={self.seconds}", "-c:v", "libx264"]
        subprocess.run(
            [
                *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
                *("-f", "lavfi", "-i", f"aevalsrc='{self.sound}':s=48000:d={self.seconds}"),
                *(picture if self.media_type == "video" else ()),
                *("-c:a", self.codec, str(path)),
            ],
            check=True,
        )
        return path


CASES = {
    case.name: case
    for case in (
        Case("taps over a short quiet tone", f"0.02*sin(2*PI*300*t)+{TAPS}", 2, quick=True),
        Case("taps over a steady tone", f"0.05*sin(2*PI*300*t)+{TAPS}", 12),
        Case("taps over a quiet voice", f"0.12*{VOICE}+{TAPS}", 12),
        Case("the same in FLAC", f"0.12*{VOICE}+{TAPS}", 12, suffix="flac", codec="flac"),
        Case("the same in a film", f"0.12*{VOICE}+{TAPS}", 12, media_type="video", suffix="mp4", codec="aac"),
        Case("a word of a voice", f"0.2*{VOICE}+0.9*{TAPS}", 1.3, suffix="m4a", codec="aac"),
        Case("drums over a soft tone", f"{DRUMS}|{DRUMS.replace('440', '554')}", 16),
        Case(
            "clicks in faint noise",
            r"0.9*eq(mod(n\,24000)\,5)+0.0001*(random(0)-0.5)",
            4,
            lufs=None,
            warns="^The sound could not be made as loud as other media: ",
        ),
    )
}
