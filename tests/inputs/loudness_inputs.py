"""Uploads whose level is odd: short peaks far over the rest, samples that are no numbers. Made by plain ffmpeg; nothing
here knows the code under test. `CASES` holds them by name."""

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
    peak: int | None = None
    """Of the upload, as the webhook announces it, in hundredths of a dBTP; None: any."""
    warns: str | None = None
    quick: bool = False
    rate: int = 48000

    def make(self, folder: Path) -> Path:
        path = folder / f"upload.{self.suffix}"
        picture = ["-f", "lavfi", "-i", f"color=gray:s=96x54:r=10:d={self.seconds}", "-c:v", "libx264"]
        subprocess.run(
            [
                *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
                *("-f", "lavfi", "-i", f"aevalsrc='{self.sound}':s={self.rate}:d={self.seconds}"),
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
        Case("one click of +60 dB in floats", f"0.1*{VOICE}+1000*eq(n,30000)", 2, codec="pcm_f32le", quick=True),
        Case("one click in a longer one", f"0.1*{VOICE}+1000*eq(n,30000)", 8, codec="pcm_f32le"),
        Case("one click in CAF, in 64 bits", f"0.1*{VOICE}-1000*eq(n,30000)", 4, suffix="caf", codec="pcm_f64be"),
        Case("a burst of +40 dB in a film", f"0.1*{VOICE}*(1+999*lt(abs(t-2),0.005))", 4, "video", "mov", "pcm_f32le"),
        Case(
            "samples that are no numbers",
            f"if(between(n,30000,30200),0/0,if(eq(n,50000),1/0,0.1*{VOICE}))",
            2,
            codec="pcm_f32le",
            quick=True,
        ),
        Case(
            "the same in Matroska, at another rate",
            f"if(between(n,30000,30200),0/0,if(eq(n,50000),-1/0,0.1*{VOICE}))",
            4,
            suffix="mka",
            codec="pcm_f64le",
            rate=44100,
        ),
        Case("a mono tone of -10 dBTP", "0.3162*sin(2*PI*1000*t)", 4, peak=-1000),
        Case("a tone of -10 dBTP on two sides", "0.3162*sin(2*PI*1000*t)|0.3162*sin(2*PI*1000*t)", 4, peak=-1000),
        Case("a mono tone in a film", "0.3162*sin(2*PI*1000*t)", 4, "video", "mov", "pcm_s16le", peak=-1000),
    )
}
