"""Builds with an ffmpeg that makes a fault by itself, as a broken release would: whoever asks it, the judge too.

A program of the name `ffmpeg` stands in front of the real one and changes some of its arguments. Judged at build only:
what comes out of it must not be published, beginning with the mezzanine.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mutant import Area, Harm, Mutant, Seam, register
from picture_mutants import MATRIX
from published import TOOLS

PROGRAM = """#!{python} -IS
import json, os, re, sys
before, arguments = "", []
for argument in sys.argv[1:]:
    for option, pattern, replacement in json.loads({edits!r}):
        if option in ("", before):
            argument = re.sub(pattern, replacement, argument)
    before = argument if argument.startswith("-") else ""
    arguments.append(argument)
os.execv({ffmpeg!r}, ["ffmpeg", *arguments])
"""
EVERY_SCALING = ("", r"(?<!\w)(scale=\d[^,;\[]*)")
"""Also the judge's own."""
PICTURE = ("-filter_complex", r"setsar=1,(?=setparams)")
"""The end of the mezzanine's filters."""
RATE = ("-filter_complex", r"(fps=fps=([\d/]+)[^,]*)")
SOUND = ("-filter:a", r"$")
"""The end of the filters of the mezzanine's sound."""
SCALED = ("-filter_complex", r"setsar=1,(?=format=yuv420p)")
"""The end of a variant's filters."""
DELIVERED = ("-af", r"(?=,apad=)")
"""The end of the filters of the delivered sound."""


@dataclass(frozen=True)
class Edit:
    """An argument after `place[0]` (empty: any) is changed where `place[1]` matches."""

    name: str
    area: Area
    harm: Harm
    description: str
    place: tuple[str, str]
    replacement: str


# Of "flat", which has 240 pictures, 30 a second.
EDITS = (
    # The mezzanine: nothing that was right before may be replaced.
    Edit("ffmpeg_bends_colours", "mezzanine", "medium", "every scaling goes through the wrong matrix",
         EVERY_SCALING, rf"\1,{MATRIX}"),
    Edit("ffmpeg_mistakes_the_range", "mezzanine", "medium", "levels are narrowed once more", PICTURE,
         "scale=in_range=pc:out_range=tv,setsar=1,"),
    Edit("ffmpeg_halves_the_rate", "mezzanine", "medium", "every second picture is the one before it again", RATE,
         r"\1,framestep=2,fps=\2"),
    Edit("ffmpeg_enlarges", "mezzanine", "medium", "the picture is made small and enlarged again", PICTURE,
         "scale=iw/4:ih/4:flags=area,scale=iw*4:ih*4:flags=bicubic,setsar=1,"),
    Edit("ffmpeg_makes_black_pictures", "mezzanine", "grave", "all pictures are black", PICTURE,
         "drawbox=t=fill:c=black,setsar=1,"),
    Edit("ffmpeg_stands_still", "mezzanine", "grave", "the first picture stands for the whole programme", PICTURE,
         "trim=end_frame=1,tpad=stop_mode=clone:stop=239,setsar=1,"),
    Edit("ffmpeg_mirrors", "mezzanine", "grave", "left and right are exchanged", PICTURE, "hflip,setsar=1,"),
    Edit("ffmpeg_crops", "mezzanine", "medium", "a tenth of each side is cut off, the rest enlarged", PICTURE,
         "crop=iw*0.75:ih*0.75,scale=iw*4/3:ih*4/3,setsar=1,"),
    Edit("ffmpeg_shows_late", "mezzanine", "medium", "all pictures come one frame late", PICTURE,
         "tpad=start=1:start_mode=clone,setpts=N/30/TB,trim=end_frame=240,setsar=1,"),
    Edit("ffmpeg_softens", "mezzanine", "medium", "all pictures are out of focus", PICTURE, "gblur=sigma=2,setsar=1,"),
    Edit("ffmpeg_exchanges_planes", "mezzanine", "grave", "blue and red are exchanged", PICTURE,
         "shuffleplanes=0:2:1:0,setsar=1,"),
    Edit("ffmpeg_delays_sound", "mezzanine", "medium", "the sound comes 200 ms late", SOUND,
         ",adelay=200:all=1"),
    Edit("ffmpeg_kills_a_channel", "mezzanine", "grave", "the left channel is silent", SOUND,
         ",pan=stereo|c0=0*c0|c1=c1"),
    Edit("ffmpeg_exchanges_channels", "mezzanine", "grave", "left and right are exchanged", SOUND,
         ",pan=stereo|c0=c1|c1=c0"),
    Edit("ffmpeg_inverts_a_channel", "mezzanine", "grave", "the right channel is inverted", SOUND,
         ",pan=stereo|c0=c0|c1=-1*c1"),
    Edit("ffmpeg_is_mute", "mezzanine", "grave", "there is nothing but silence", SOUND, ",volume=0"),
    Edit("ffmpeg_is_dull", "mezzanine", "medium", "what is above 500 Hz is lost", SOUND,
         ",lowpass=f=500,lowpass=f=500,lowpass=f=500"),
    # Variants, of a mezzanine that is right.
    Edit("ffmpeg_bends_colours_of_variants", "pictures", "medium", "every scaling goes through the wrong matrix",
         EVERY_SCALING, rf"\1,{MATRIX}"),
    Edit("ffmpeg_makes_black_variants", "pictures", "grave", "all pictures are black", SCALED,
         "drawbox=t=fill:c=black,setsar=1,"),
    Edit("ffmpeg_halves_the_rate_of_variants", "pictures", "medium", "every second picture is the one before it again",
         SCALED, "shuffleframes=0 0,setsar=1,"),
    Edit("ffmpeg_enlarges_variants", "pictures", "medium", "the picture is made small and enlarged again", SCALED,
         "scale=iw/4:ih/4:flags=area,scale=iw*4:ih*4:flags=bicubic,setsar=1,"),
    Edit("ffmpeg_delivers_late_sound", "sound", "medium", "the sound comes 200 ms late", DELIVERED,
         ",adelay=200:all=1"),
    Edit("ffmpeg_delivers_one_channel", "sound", "grave", "the left channel is silent", DELIVERED,
         ",pan=stereo|c0=0*c0|c1=c1"),
    Edit("ffmpeg_delivers_exchanged_channels", "sound", "grave", "left and right are exchanged", DELIVERED,
         ",pan=stereo|c0=c1|c1=c0"),
)  # fmt: skip


def _in_front(edit: Edit, folder: Path) -> None:
    """Put the program into `folder`."""
    text = json.dumps([[*edit.place, edit.replacement]])
    program = folder / "ffmpeg"
    program.write_text(PROGRAM.format(python=Path(sys.executable).resolve(), edits=text, ffmpeg=TOOLS.path("ffmpeg")))
    program.chmod(0o755)


for _edit in EDITS:
    _contents = ("flat",) if _edit.area != "sound" else ("music", "flat")
    register(
        Mutant(_edit.name, _edit.area, _edit.harm, Seam.TOOL, _edit.description, _contents, partial(_in_front, _edit))
    )
