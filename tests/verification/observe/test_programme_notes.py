"""What a viewer would complain of: made by ffmpeg and noted, with its seconds; what only looks like it is not noted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import break_outputs
import pytest
from break_outputs import KBPS, SIZES, TOOLS
from slow_cases import some_slow

from codex_assets.archive.notes import Note
from codex_assets.verification.observations import VariantExpected, VariantObservation
from codex_assets.verification.observe.observer import Observer

FILM = Path(__file__).parents[3] / "fixtures" / "sample-video.mp4"
NAME = "180p"
SPOKEN = "(0.2*sin(2*PI*(300+40*sin(3*t))*t)*abs(sin(4*t))+0.01*(random(0)-0.5))"
ROOM = "(0.03*(random(1)-0.5))"


def moving(seconds: float = 14) -> str:
    return f"testsrc2=s=320x180:r=25:d={seconds}"


def speech(seconds: float = 14) -> str:
    return sound(SPOKEN, SPOKEN, seconds)


def sound(left: str, right: str, seconds: float = 14) -> str:
    return f"aevalsrc='{left}|{right}':s=48000:d={seconds}"


def film(filters: str) -> str:
    """The sample's picture from the ninth second on, at 25 pictures a second, for 8 s."""
    return f"movie={FILM},trim=9:17,setpts=PTS-STARTPTS,fps=25,scale=320:180,{filters}"


def looked_at(folder: Path, picture: str, heard: str) -> VariantObservation:
    """A variant of a mezzanine with this picture and this sound."""
    break_outputs.mezzanine(folder, picture=picture, sound=heard)
    break_outputs.variant(folder, NAME)
    expected = VariantExpected(
        size=SIZES[NAME], has_video=True, has_audio=True, video_kbps=KBPS[NAME], steady_gain=True
    )
    playlist = folder / NAME / "playlist.m3u8"
    return Observer(TOOLS).variant(playlist, expected, output="hls_180p", reference=folder / "mezzanine.mp4")


def noted(folder: Path, picture: str, heard: str) -> Sequence[Note]:
    notes = looked_at(folder, picture, heard).notes
    assert notes is not None
    return notes


WITHIN_SECONDS = 0.25
"""An encoder refines a picture that stands for some pictures more, and sound is measured in tenths."""


def assert_notes(notes: Sequence[Note], expected: Sequence[tuple[str, float, float]]) -> None:
    assert [note.kind for note in notes] == [kind for kind, _, _ in expected], notes
    for note, (_, start, end) in zip(notes, expected, strict=True):
        assert note.start == pytest.approx(start, abs=WITHIN_SECONDS)
        assert note.end == pytest.approx(end, abs=WITHIN_SECONDS)
        assert note.sentence.endswith(".")


def strobe(rate: float, seconds: float = 4, *, dark: str = "black", light: str = "white", part: float = 1) -> str:
    """A picture of which a part of each side changes between two colours, so many times a second."""
    box = f"0:0:iw*{part}:ih*{part}"
    when = f"mod(t*{rate},1)"
    return (
        f"{moving(seconds)},drawbox={box}:c={dark}:t=fill:enable='lt({when},0.5)',"
        f"drawbox={box}:c={light}:t=fill:enable='gte({when},0.5)'"
    )


BOX = "scale=320:134,pad=320:180:0:23"
COVERED = "drawbox=c=black:t=fill:enable="
LOOPED = "loop=loop={pictures}:size=1:start={first},setpts=N/25/TB"
MUTED = "volume=0:enable="

NOTED: dict[str, tuple[str, str, list[tuple[str, float, float]]]] = {
    "black": (f"{moving()},{COVERED}'between(n,50,199)'", speech(), [("black", 2.0, 8.0)]),
    "black throughout": ("color=black:s=320x180:r=25:d=6", speech(6), [("black", 0.0, 6.0)]),
    "frozen in the middle": (film(LOOPED.format(pictures=149, first=100)), speech(), [("frozen", 4.0, 10.0)]),
    "frozen at the end": (film("tpad=stop_duration=6:stop_mode=clone"), speech(), [("frozen", 8.0, 14.0)]),
    "frozen at the beginning": (film("tpad=start_duration=6:start_mode=clone"), speech(), [("frozen", 0.0, 6.0)]),
    "silent": (moving(), f"{speech()},{MUTED}'between(t,3,9)'", [("silent", 3.0, 9.0)]),
    "silent throughout": (moving(6), sound("0", "0", 6), [("silent", 0.0, 6.0)]),
    "left channel silent": (moving(4), sound("0", SPOKEN, 4), [("channel_silent", 0.0, 4.0)]),
    "right channel silent from some time on": (
        moving(),
        sound(SPOKEN, f"if(lt(t,6),{SPOKEN},0)"),
        [("channel_silent", 6.0, 14.0)],
    ),
    "one channel turned over": (moving(4), sound(SPOKEN, f"-{SPOKEN}", 4), [("channel_inverted", 0.0, 4.0)]),
    "letterbox": (film(BOX), speech(8), [("letterbox", 0.0, 8.0)]),
    "pillarbox": (film("scale=240:180,pad=320:180:40:0"), speech(8), [("pillarbox", 0.0, 8.0)]),
    "bars around it": (
        film("scale=240:134,pad=320:180:40:23"),
        speech(8),
        [("letterbox", 0.0, 8.0), ("pillarbox", 0.0, 8.0)],
    ),
    "flashes": (strobe(4), speech(4), [("flashes", 0.1, 4.0)]),
    "flashes for two seconds": (
        f"{moving(2)}[a];{strobe(8, 2)}[b];{moving(2)}[c];[a][b][c]concat=n=3",
        speech(6),
        [("flashes", 2.1, 4.0)],
    ),
    "flashes on a third of the screen": (strobe(5, part=0.6), speech(4), [("flashes", 0.1, 4.0)]),
    "red flashes": (strobe(5, dark="0x400000", light="0xb00000"), speech(4), [("red_flashes", 0.1, 4.0)]),
    "clipped": (moving(4), sound(f"clip(6*{SPOKEN},-0.9,0.9)", SPOKEN, 4), [("clipped", 0.0, 4.0)]),
    "clipped and turned down": (
        moving(6),
        sound(f"clip(6*{SPOKEN}*gt(t,2),-0.3,0.3)", f"clip(6*{SPOKEN}*gt(t,2),-0.3,0.3)", 6),
        [("clipped", 2.0, 6.0)],
    ),
    "two at once": (
        f"{moving()},{COVERED}'between(n,25,174)'",
        f"{speech()},{MUTED}'between(t,8,14)'",
        [("black", 1.0, 7.0), ("silent", 8.0, 14.0)],
    ),
}

NOT_NOTED: dict[str, tuple[str, str]] = {
    "black for 4 s": (f"{moving()},{COVERED}'between(n,50,149)'", speech()),
    "a dark film": (film("lutyuv=y=16+(val-16)*0.14"), speech(8)),
    "faded out and black for 3 s": (f"{moving()},fade=out:225:50", speech()),
    "frozen for 4 s": (film(LOOPED.format(pictures=99, first=100)), speech(12)),
    "a still": (f"movie={FILM},trim=9:9.05,loop=-1:1,setpts=N/25/TB,scale=320:180,trim=end_frame=250", speech(10)),
    "stills that follow each other": (
        f"movie={FILM},trim=1:18,setpts=PTS-STARTPTS,fps=1/6,fps=25,scale=320:180",
        speech(18),
    ),
    "a title of 6 s": (
        f"color=navy:s=320x180:r=25:d=6,drawbox=60:60:200:40:c=white:t=fill[title];{moving(8)}[film];"
        "[title][film]concat=n=2",
        speech(),
    ),
    "a title that fades out": (
        "color=navy:s=320x180:r=25:d=7,drawbox=60:60:200:40:c=white:t=fill,fade=out:150:25[title];"
        f"{moving(7)}[film];[title][film]concat=n=2",
        speech(),
    ),
    "a title that dissolves into the film": (
        f"color=navy:s=320x180:r=25:d=8,drawbox=60:60:200:40:c=white:t=fill[title];{film('null')}[film];"
        "[title][film]xfade=duration=2:offset=6",
        speech(),
    ),
    "a hand that rests": (
        "color=gray:s=320x180:r=25:d=10[desk];color=white:s=8x8:r=25:d=10[hand];"
        "[desk][hand]overlay='20+100*min(t,3)':20",
        speech(10),
    ),
    "a picture that moves in one corner": (
        "color=gray:s=320x180:r=25:d=10[desk];color=white:s=8x8:r=25:d=10[hand];[desk][hand]overlay=20+n/2:20",
        speech(10),
    ),
    "pauses of 4 s": (moving(), f"{speech()},{MUTED}'between(t,3,7)'"),
    "a faint room": (moving(), f"{speech()},{MUTED}'between(t,3,9)'[a];{sound(ROOM, ROOM)}[b];[a][b]amix=normalize=0"),
    "both channels the same": (moving(4), speech(4)),
    "a channel that is 35 dB fainter": (moving(4), sound(SPOKEN, f"0.018*{SPOKEN}", 4)),
    "voices left and right": (moving(), sound(f"if(lt(t,7),{SPOKEN},0)", f"if(lt(t,7),0,{SPOKEN})")),
    "a wide room of opposite phase": (
        moving(4),
        sound(f"0.3*{SPOKEN}+10*{ROOM}", f"0.3*{SPOKEN}-10*{ROOM}", 4),
    ),
    "black edges of analogue video": (film("scale=712:576,pad=720:576:4:0"), speech(8)),
    "one bar": (film("scale=320:150,pad=320:180:0:0"), speech(8)),
    "a word on black": ("color=black:s=320x180:r=25:d=4,drawbox=40:80:30+40*t:30:c=white:t=fill", speech(4)),
    "2.5 flashes a second": (strobe(2.5), speech(4)),
    "3 flashes a second": (strobe(3), speech(4)),
    "flashes in a corner": (strobe(5, part=0.44), speech(4)),
    "faint flashes": (strobe(8, dark="0x606060", light="0x747474"), speech(4)),
    "confetti": ("nullsrc=s=80x45:r=25:d=4,geq=random(1)*255:128:128,scale=320:180:flags=neighbor", speech(4)),
    "a limiter": (moving(4), f"{speech(4)},volume=20dB,alimiter=level=0:limit=0.9"),
    "a deep tone at full scale": (moving(4), sound("sin(2*PI*50*t)", "sin(2*PI*50*t)", 4)),
    "a square wave": (moving(4), sound("0.4*sgn(sin(2*PI*110*t))", "0.4*sgn(sin(2*PI*110*t))", 4)),
    "two tones": (moving(4), sound("0.3*sin(2*PI*440*t)", "0.3*sin(2*PI*660*t)", 4)),
}


def every_third(number: int, name: str) -> bool:
    return number % 3 == 0


def every_ninth(number: int, name: str) -> bool:
    return number % 9 == 0


@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", some_slow(NOTED, every_third))
def test_it_is_noted(name: str, tmp_path: Path) -> None:
    picture, heard, expected = NOTED[name]
    assert_notes(noted(tmp_path, picture, heard), expected)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", some_slow(NOT_NOTED, every_ninth))
def test_it_is_not_noted(name: str, tmp_path: Path) -> None:
    assert noted(tmp_path, *NOT_NOTED[name]) == ()
