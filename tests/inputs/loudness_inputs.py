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
CLICKS = r"1000*eq(mod(n\,600000)\,30000)"
BURST = r"900*lt(abs(t-0.7)\,0.005)*sin(2*PI*900*t)"
TONE, SOFT, LOW = "sin(2*PI*1000*t)", "0.02*sin(2*PI*500*t)", "0.5012*sin(2*PI*60*t)"
JUMPING = (
    r"0.25*sin(2*PI*(220+40*sin(0.7*t))*t)*(0.6+0.4*sin(3*t))*gt(mod(t\,4)\,0.6)"
    r"|0.2*sin(2*PI*330*t)*(0.5+0.5*sin(2*t))"
)
"""A tone whose loudness jumps, which low rates overshoot."""
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
    may_warn: bool = False
    """Of a sound that no low rate can make as loud: a variant that is not at `lufs` has a warning."""
    quick: bool = False
    rate: int = 48000
    layout: str = ""
    """Of the channels; empty: as ffmpeg takes their number."""

    def make(self, folder: Path) -> Path:
        path = folder / f"upload.{self.suffix}"
        picture = ["-f", "lavfi", "-i", f"color=gray:s=96x54:r=10:d={self.seconds}", "-c:v", "libx264"]
        placed = f":c={self.layout}" if self.layout else ""
        subprocess.run(
            [
                *("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
                *("-f", "lavfi", "-i", f"aevalsrc='{self.sound}':s={self.rate}:d={self.seconds}{placed}"),
                *(picture if self.media_type == "video" else ()),
                *("-c:a", self.codec, str(path)),
            ],
            check=True,
        )
        return path


CASES = {
    case.name: case
    for case in (
        Case("taps over a short quiet tone", f"0.02*sin(2*PI*300*t)+{TAPS}", 2),
        Case("taps over a steady tone", f"0.05*sin(2*PI*300*t)+{TAPS}", 12),
        Case("taps over a quiet voice", f"0.12*{VOICE}+{TAPS}", 12),
        Case("the same in FLAC", f"0.12*{VOICE}+{TAPS}", 12, suffix="flac", codec="flac"),
        Case("the same in a film", f"0.12*{VOICE}+{TAPS}", 12, media_type="video", suffix="mp4", codec="aac"),
        Case("a word of a voice", f"0.2*{VOICE}+0.9*{TAPS}", 1.3, suffix="m4a", codec="aac"),
        Case("drums over a soft tone", f"{DRUMS}|{DRUMS.replace('440', '554')}", 16),
        *(
            Case(f"a tone that jumps, in {codec}", JUMPING, seconds, suffix=suffix, codec=codec, may_warn=True)
            for suffix, codec, seconds in (("flac", "flac", 1200), ("m4a", "alac", 600), ("wv", "wavpack", 300))
        ),
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
        Case("one click of +60 dB in AAC", f"0.1*{VOICE}+1000*eq(n,30000)", 2, suffix="m4a", codec="aac"),
        Case("one click in a longer Vorbis", f"0.1*{VOICE}+1000*eq(n,30000)", 40, suffix="ogg", codec="libvorbis"),
        Case("one click in forty seconds of floats", f"0.1*{VOICE}+1000*eq(n,30000)", 40, codec="pcm_f32le"),
        Case("one click in forty seconds of AAC", f"0.1*{VOICE}+1000*eq(n,30000)", 40, suffix="m4a", codec="aac"),
        Case("a burst in forty seconds of AAC", f"0.1*{VOICE}+{BURST}", 40, suffix="aac", codec="aac"),
        Case("a burst in forty seconds of Opus", f"0.1*{VOICE}+{BURST}", 40, suffix="opus", codec="libopus"),
        Case("clicks in forty seconds of Opus", f"0.1*{VOICE}+{CLICKS}", 40, suffix="webm", codec="libopus"),
        Case("clicks in forty seconds of Vorbis", f"0.1*{VOICE}+{CLICKS}", 40, suffix="mka", codec="libvorbis"),
        Case("clicks in a film of forty seconds", f"0.1*{VOICE}+{CLICKS}", 40, "video", "mp4", "aac"),
        Case("clicks in a film's floats", f"0.1*{VOICE}+{CLICKS}", 40, "video", "mov", "pcm_f64le"),
        Case("a burst of +60 dB in Opus", f"0.1*{VOICE}+{BURST}", 2, suffix="webm", codec="libopus"),
        Case("clicks in a film's mp3", f"0.1*{VOICE}+1000*eq(mod(n\\,90000),30000)", 8, "video", "mkv", "libmp3lame"),
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
        Case(
            "5.1, loudest behind",
            "|".join([SOFT] * 4 + [f"0.5012*{TONE}", SOFT]),
            4,
            layout="5.1",
            peak=-600,
            quick=True,
        ),
        Case("5.1, the same in all channels", "|".join([f"0.3162*{TONE}"] * 6), 4, "audio", "flac", "flac", peak=-1000),
        Case(
            "5.1 in a film, loudest below",
            "|".join([SOFT] * 3 + [LOW] + [SOFT] * 2),
            4,
            "video",
            "mp4",
            "ac3",
            peak=-600,
        ),
        Case(
            "5.1 in floats, over full scale behind",
            "|".join([SOFT] * 5 + [f"1.9953*{TONE}"]),
            4,
            codec="pcm_f32le",
            peak=600,
        ),
        Case(
            "quad at 44.1 kHz, loudest behind",
            "|".join([SOFT] * 3 + [f"0.7079*{TONE}"]),
            4,
            suffix="mka",
            codec="flac",
            peak=-300,
            rate=44100,
            layout="quad",
        ),
        Case(
            "7.1 at 96 kHz in a film, loudest at a side",
            "|".join([SOFT] * 6 + [f"0.2512*{TONE}", SOFT]),
            4,
            "video",
            "mov",
            "pcm_s24le",
            peak=-1200,
            rate=96000,
        ),
        Case("mono in floats, over full scale", f"1.2589*{TONE}", 4, codec="pcm_f32le", peak=200),
        Case(
            "stereo at 96 kHz, loudest beyond hearing",
            f"{SOFT}+0.5012*sin(PI*t/4)*sin(2*PI*30000*t)|{SOFT}",
            4,
            peak=-566,
            rate=96000,
        ),
    )
}
