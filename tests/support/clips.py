"""Odd clips, made by lavfi, each named by its oddity. Small, so that building everything of one takes seconds.

`CLIPS` holds them by name; `make` writes one into a folder (once) and returns its path. A clip that has to be refused
says with which sentence. Nothing here knows the code under test.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")

SPEECH = (
    "0.3*(0.6+0.4*sin(2*PI*4.3*t))*gt(sin(2*PI*0.83*t)+0.3*sin(2*PI*2.1*t),-0.4)"
    "*(sin(2*PI*140*t)+0.5*sin(2*PI*280*t)+0.4*sin(2*PI*1130*t)*sin(2*PI*7*t))+0.01*(random(0)-0.5)"
)
"""Syllables with pauses: an envelope that can be aligned."""
MUSIC = (
    "0.35*exp(-6*mod(t,0.5))*sin(2*PI*60*t)+0.12*(sin(2*PI*220*t)+sin(2*PI*277*t)+sin(2*PI*330*t))"
    "*(0.7+0.3*sin(2*PI*0.31*t))+0.3*exp(-40*mod(t+0.25,0.5))*(random(0)-0.5)"
)
"""A beat over a chord."""
CLICKS = "0.9*exp(-900*mod(t,0.9))*sin(2*PI*1000*t)+0.004*sin(2*PI*300*t)*(0.5+0.5*sin(2*PI*1.1*t))"
"""Nearly nothing, with loud clicks: peaks forbid the gain that the level asks for."""

BESIDE = {
    "notes.srt": "1\n00:00:00,100 --> 00:00:01,000\nHi\n",
    "chapters.txt": ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n",
}
"""Files that a step may read, in `{folder}`."""

MediaType = Literal["video", "audio"]
Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Clip:
    """`steps`: argument lists of ffmpeg, each reading `{before}` (what the former wrote) and writing its output."""

    name: str
    media_type: MediaType
    suffix: str
    steps: tuple[tuple[str, ...], ...]
    change: Change | None = None
    refused: str | None = None
    """A pattern of the sentence with which it is refused."""


CLIPS: dict[str, Clip] = {}


def picture(size: str = "320x180", rate: str = "30", seconds: float = 2.0, filters: str = "") -> tuple[str, ...]:
    return (
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size={size}:rate={rate}:duration={seconds}" + (f",{filters}" * bool(filters)),
    )


def sound(
    expression: str = SPEECH, seconds: float = 2.0, rate: int = 48_000, layout: str = "mono", filters: str = ""
) -> tuple[str, ...]:
    """`expression` in the first channel; every further channel is a little softer."""
    channels = {"mono": 1, "stereo": 2, "2.1": 3, "5.1": 6, "7.1": 8}[layout]
    each = "|".join(f"{1 - 0.08 * number:.2f}*({expression})" for number in range(channels))
    source = f"aevalsrc=exprs='{each}':channel_layout={layout}:sample_rate={rate}:duration={seconds}"
    return ("-f", "lavfi", "-i", source + f",{filters}" * bool(filters))


def options(text: str) -> tuple[str, ...]:
    return tuple(text.split())


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1")
COVER = options("-f lavfi -i color=red:s=64x64:d=0.04:r=25")
AAC = ("-c:a", "aac", "-b:a", "96k")


def _clip(
    name: str,
    media_type: MediaType,
    suffix: str,
    *steps: Sequence[str],
    change: Change | None = None,
    refused: str | None = None,
) -> None:
    assert name not in CLIPS, name
    CLIPS[name] = Clip(name, media_type, suffix, tuple(tuple(step) for step in steps), change, refused)


def _video(
    name: str, suffix: str, *steps: Sequence[str], change: Change | None = None, refused: str | None = None
) -> None:
    _clip(name, "video", suffix, *steps, change=change, refused=refused)


def _audio(
    name: str, suffix: str, *steps: Sequence[str], change: Change | None = None, refused: str | None = None
) -> None:
    _clip(name, "audio", suffix, *steps, change=change, refused=refused)


def make(name: str, folder: Path) -> Path:
    """The clip `name` in `folder`, made when it is not there yet (safe against a second process)."""
    clip = CLIPS[name]
    path = folder / f"{name}.{clip.suffix}"
    if path.exists():
        return path
    scratch = folder / f"{name}.{os.getpid()}"
    scratch.mkdir(parents=True)
    for beside, text in BESIDE.items():
        (scratch / beside).write_text(text)
    made = scratch / "nothing"
    for number, step in enumerate(clip.steps):
        before, made = made, scratch / f"{number}.{clip.suffix if number == len(clip.steps) - 1 else 'mkv'}"
        output = step[-1] if step[-1].startswith(">") else ""
        if output:
            made, step = made.with_suffix(output.replace(">", ".")), step[:-1]
        arguments = [part.replace("{before}", str(before)).replace("{folder}", str(scratch)) for part in step]
        subprocess.run([*FFMPEG, *arguments, str(made)], check=True)
    if clip.change is not None:
        made = made if made.exists() else scratch / "made"
        made.write_bytes(clip.change(made.read_bytes() if made.exists() else b""))
    made.replace(path)
    shutil.rmtree(scratch)
    return path


# --- Plain ------------------------------------------------------------------------------------------------------------

_video("plain", "mp4", [*picture(), *sound(), *H264, *AAC])
_video("plain_720p", "mp4", [*picture("1280x720", "25", 2.5), *sound(seconds=2.5), *H264, *AAC])
_video("plain_13s", "mp4", [*picture("640x360", "30", 13), *sound(MUSIC, 13, layout="stereo"), *H264, *AAC])
_video("plain_40s", "mp4", [*picture("160x90", "10", 40), *sound(SPEECH, 40), *H264, *AAC])
_video("slow_32s", "mp4", [*picture("96x54", "5", 32), *sound(SPEECH, 32), *H264, *AAC])
_audio("speech", "wav", [*sound(SPEECH, 8)])
_audio("music", "wav", [*sound(MUSIC, 8, layout="stereo")])

# So flat that it costs nothing, and wide enough for several variants.
_video("strip_1280", "mp4", [*picture("1280x24", "25", 13), *sound(MUSIC, 13, layout="stereo"), *H264, *AAC])
_video("strip_640", "mp4", [*picture("640x16", "25", 5), *sound(MUSIC, 5, layout="stereo"), *H264, *AAC])
for _name, _rate in (("23_976", "24000/1001"), ("29_97", "30000/1001"), ("30", "30"), ("59_94", "60000/1001")):
    _video(f"strip_{_name}", "mp4", [*picture("854x16", _rate, 12.6), *sound(MUSIC, 12.6), *H264, *AAC])

# --- Shape ------------------------------------------------------------------------------------------------------------


def display_matrix(a: float, b: float, c: float, d: float) -> Change:
    """Writes the display matrix of an mp4's first track: (x, y) is shown at (ax + cy, bx + dy)."""

    def change(data: bytes) -> bytes:
        at = data.index(b"tkhd") + 4
        at += 40 if data[at] == 0 else 52
        parts = [round(part * 65536) for part in (a, b, c, d)]
        rows = struct.pack(">9i", *parts[:2], 0, *parts[2:], 0, 0, 0, 1 << 30)
        return data[:at] + rows + data[at + 36 :]

    return change


TURNS = {90: display_matrix(0, 1, -1, 0), 180: display_matrix(-1, 0, 0, -1), 270: display_matrix(0, -1, 1, 0)}
"""By degrees clockwise. A phone's way: upright in the display matrix only, which no ffmpeg writes in every release."""
for _degrees, _turn in TURNS.items():
    _video(f"rotated_{_degrees}", "mp4", [*picture("640x360"), *sound(), *H264, *AAC], change=_turn)
_video("wide_pixels", "mp4", [*picture("360x288", "25", filters="setsar=64/45"), *sound(), *H264, *AAC])
_video("tall_pixels", "mkv", [*picture("352x288", "25", filters="setsar=8/9"), *sound(), *H264, *AAC])
_video("odd_sizes", "mkv", [*picture("853x481"), *sound(), *options("-c:v mpeg4 -q:v 4"), *AAC])
_video("odd_444", "mp4", [*picture("427x241"), *sound(), *options("-c:v libx264 -pix_fmt yuv444p"), *AAC])
_video("tiny_64x48", "mp4", [*picture("64x48"), *sound(), *H264, *AAC])
_video("tiny_16x16", "mp4", [*picture("16x16"), *sound(), *H264, *AAC])
_video("tiny_2x2", "mkv", [*picture("2x2"), *sound(), *options("-c:v ffv1"), *AAC])
_video("portrait", "mp4", [*picture("360x640"), *sound(), *H264, *AAC])
_video("portrait_1080x1920", "mp4", [*picture("1080x1920", "25", 0.6), *sound(seconds=0.6), *H264, *AAC])
_video("scope_1920x804", "mp4", [*picture("1920x804", "24", 0.6), *sound(seconds=0.6), *H264, *AAC])
_video("square", "mp4", [*picture("480x480"), *sound(), *H264, *AAC])
_video("very_wide", "mp4", [*picture("1280x32"), *sound(), *H264, *AAC])

# --- Pictures ---------------------------------------------------------------------------------------------------------

for _order in ("tff", "bff"):
    _fields = f"interlace=scan={_order},fieldorder={_order}"
    _video(
        f"interlaced_{_order}",
        "mp4",
        [*picture("320x240", "50", filters=_fields), *sound(), *H264, "-x264opts", _order, *AAC],
    )
_video(
    "interlaced_mpeg2",
    "mpg",
    [
        *picture("352x288", "50", filters="interlace"),
        *sound(),
        *options("-c:v mpeg2video -flags +ildct+ilme -q:v 4 -c:a mp2"),
    ],
)
_video(
    "ten_bit_422",
    "mov",
    [*picture(), *sound(), *options("-c:v prores_ks -profile:v 3 -pix_fmt yuv422p10le -c:a pcm_s24le")],
)
_video(
    "ten_bit_hevc",
    "mp4",
    [
        *picture(),
        *sound(),
        *options("-c:v libx265 -x265-params log-level=error -preset ultrafast -pix_fmt yuv420p10le"),
        *AAC,
    ],
)
_video("rgb_h264", "mp4", [*picture(), *sound(), *options("-c:v libx264rgb -preset ultrafast"), *AAC])
_video("png_in_mov", "mov", [*picture(seconds=1), *sound(seconds=1), *options("-c:v png -c:a pcm_s16le")])
_video(
    "palette", "avi", [*picture(seconds=1, filters="format=rgb24,format=pal8"), *options("-c:v rawvideo -pix_fmt pal8")]
)
_video("gray", "mkv", [*picture(filters="format=gray"), *sound(), *options("-c:v ffv1"), *AAC])
_ALPHA = "format=yuva444p10le,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='1023*X/W'"
_video(
    "alpha_prores",
    "mov",
    [
        *picture(seconds=1, filters=_ALPHA),
        *sound(seconds=1),
        *options("-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le -c:a pcm_s16le"),
    ],
)
_video(
    "alpha_qtrle", "mov", [*picture(seconds=1, filters="format=argb,colorchannelmixer=aa=0.5"), *options("-c:v qtrle")]
)
_video("alpha_png", "mov", [*picture(seconds=1, filters="format=rgba,colorchannelmixer=aa=0.5"), *options("-c:v png")])
_video(
    "alpha_vp9",
    "webm",
    [
        *picture(seconds=1, filters="format=yuva420p"),
        *sound(seconds=1),
        *options("-c:v libvpx-vp9 -cpu-used 8 -c:a libopus"),
    ],
)
for _name, _transfer in (("pq", "smpte2084"), ("hlg", "arib-std-b67")):
    _video(
        f"hdr_{_name}",
        "mp4",
        [
            *picture(
                filters=f"format=yuv420p10le,setparams=color_primaries=bt2020:color_trc={_transfer}:colorspace=bt2020nc:range=tv"
            ),
            *(*sound(), "-c:v", "libx265", "-preset", "ultrafast"),
            *("-x265-params", f"log-level=error:colorprim=bt2020:transfer={_transfer}:colormatrix=bt2020nc", *AAC),
            *("-color_primaries", "bt2020", "-color_trc", _transfer, "-colorspace", "bt2020nc"),
        ],
    )
_video(
    "hdr_only_transfer",
    "mkv",
    [
        *picture(filters="format=yuv420p10le,setparams=color_trc=smpte2084"),
        *sound(),
        *options("-c:v ffv1 -color_trc smpte2084"),
        *AAC,
    ],
)
_video(
    "full_range",
    "mp4",
    [*picture(filters="format=yuvj420p"), *sound(), *options("-c:v libx264 -preset ultrafast -pix_fmt yuvj420p"), *AAC],
)
_video("mjpeg", "avi", [*picture(), *sound(), *options("-c:v mjpeg -q:v 4 -c:a pcm_s16le")])
_video(
    "sd_bt601",
    "mp4",
    [
        *picture(filters="setparams=colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m:range=tv"),
        *sound(),
        *H264,
        *options("-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m"),
        *AAC,
    ],
)
_video("matrix_ycgco", "mkv", [*picture(filters="setparams=colorspace=ycgco"), *sound(), *H264, *AAC])

# --- Time -------------------------------------------------------------------------------------------------------------

for _name, _rate in (
    ("23_976", "24000/1001"),
    ("25", "25"),
    ("29_97", "30000/1001"),
    ("50", "50"),
    ("59_94", "60000/1001"),
    ("120", "120"),
    ("7_3", "7.3"),
    ("3", "3"),
    ("1", "1"),
    ("half", "1/2"),
):
    _seconds = 6.0 if _name in ("1", "half") else 2.0
    _video(f"rate_{_name}", "mp4", [*picture(rate=_rate, seconds=_seconds), *sound(seconds=_seconds), *H264, *AAC])
_video(
    "variable_rate",
    "mkv",
    [
        *picture(seconds=4, filters="select='not(mod(n,3))+lt(mod(t,2),0.7)'"),
        *sound(seconds=4),
        *H264,
        *options("-fps_mode vfr"),
        *AAC,
    ],
)
_video(
    "variable_rate_mp4",
    "mp4",
    [
        *picture(seconds=4, filters="select='gt(random(1),0.4)'"),
        *sound(seconds=4),
        *H264,
        *options("-fps_mode vfr -video_track_timescale 90000"),
        *AAC,
    ],
)
_video(
    "long_pause",
    "mkv",
    [
        *picture(seconds=5, filters="select='lt(t,1)+gt(t,4)'"),
        *sound(seconds=5),
        *H264,
        *options("-fps_mode vfr"),
        *AAC,
    ],
)
_video(
    "open_gop",
    "mp4",
    [
        *picture(seconds=4),
        *sound(seconds=4),
        *options("-c:v libx264 -preset medium -bf 3 -g 30 -x264-params open-gop=1"),
        *AAC,
    ],
)
_video("starts_at_5s", "ts", [*picture(), *sound(), *H264, *AAC, *options("-output_ts_offset 5")])
_video("starts_at_5s_mkv", "mkv", [*picture(), *sound(), *H264, *AAC, *options("-output_ts_offset 5")])
_video("late_sound", "mp4", [*picture(), *options("-itsoffset 0.7"), *sound(seconds=1.3), *H264, *AAC])
_video(
    "late_sound_mkv",
    "mkv",
    [*picture(seconds=3), *options("-itsoffset 0.7"), *sound(seconds=2.3), *H264, *options("-c:a libvorbis")],
)
_video(
    "late_sound_pcm",
    "mov",
    [*picture(), *options("-itsoffset 0.7"), *sound(seconds=1.3), *H264, *options("-c:a pcm_s16le")],
)
_video("late_picture", "mp4", [*options("-itsoffset 0.7"), *picture(), *sound(seconds=2.7), *H264, *AAC])
_video(
    "late_picture_mkv",
    "mkv",
    [*options("-itsoffset 0.7"), *picture(), *sound(seconds=2.7), *H264, *options("-c:a libopus")],
)
_video("short_sound", "mp4", [*picture(seconds=4), *sound(seconds=1), *H264, *AAC])
_video("long_sound", "mp4", [*picture(seconds=1), *sound(seconds=4), *H264, *AAC])
_video(
    "long_sound_webm",
    "webm",
    [*picture(seconds=1), *sound(seconds=4), *options("-c:v libvpx -deadline realtime -c:a libvorbis")],
)
_video("long_sound_ts", "ts", [*picture(seconds=1), *sound(seconds=4), *H264, *AAC])
_video("long_sound_avi", "avi", [*picture(seconds=1), *sound(seconds=4), *options("-c:v mpeg4 -c:a libmp3lame")])
_video(
    "gap_in_sound", "mkv", [*picture(seconds=4), *sound(seconds=4, filters="aselect='lt(t,1)+gt(t,2)'"), *H264, *AAC]
)
_video(
    "gap_in_sound_mp3",
    "mkv",
    [*picture(seconds=4), *sound(seconds=4, filters="aselect='lt(t,1)+gt(t,2)'"), *H264, *options("-c:a libmp3lame")],
)
_video("blink", "mp4", [*picture(seconds=0.2), *sound(seconds=0.2), *H264, *AAC])
_video("short_2s5", "mp4", [*picture(seconds=2.5), *sound(seconds=2.5), *H264, *AAC])
_video("single_picture", "mp4", [*picture(seconds=0.04, rate="25"), *H264])
_video("single_picture_with_sound", "mp4", [*picture(seconds=0.04, rate="25"), *sound(seconds=3), *H264, *AAC])
_video(
    "edit_list",
    "mp4",
    [*picture(seconds=4), *sound(seconds=4), *H264, *options("-g 60"), *AAC, ">mp4"],
    [*options("-ss 1.4 -i {before} -c copy")],
)

# A podcast with a still cover: nearly no picture to code, so a smaller rung may cost as much as a larger one.
_video("still_cover", "mp4", [*picture("1280x720", "25", 3, "loop=-1:1,trim=end=3"), *sound(seconds=3), *H264, *AAC])
_video("black", "mp4", [*options("-f lavfi -i color=black:s=1280x720:r=25:d=3"), *sound(seconds=3), *H264, *AAC])
_BEEP = "0.5*sin(2*PI*1000*t)*between(t,2,2.2)"
_video("one_beep", "mp4", [*picture(seconds=4), *sound(_BEEP, 4), *H264, *AAC])

# --- Tracks -----------------------------------------------------------------------------------------------------------

_video("no_sound", "mp4", [*picture(), *H264])
_video("silent", "mp4", [*picture(), *options("-f lavfi -i anullsrc=d=2"), *H264, *AAC])
_video(
    "many_tracks",
    "mkv",
    [
        *picture(),
        *picture("64x48"),
        *sound(),
        *sound(MUSIC, layout="stereo"),
        *options("-map 0 -map 1 -map 2 -map 3"),
        *H264,
        *AAC,
        *options("-disposition:v:1 default -disposition:v:0 0"),
    ],
)
_video(
    "subtitles_and_chapters",
    "mkv",
    [
        *picture(),
        *sound(),
        *options("-i {folder}/notes.srt -f ffmetadata -i {folder}/chapters.txt -map 0 -map 1 -map 2 -map_metadata 3"),
        *H264,
        *AAC,
        *options("-c:s srt"),
    ],
)
_video(
    "located",
    "mov",
    [
        *(*picture(), *sound(), *H264, *AAC, *options("-movflags use_metadata_tags")),
        *options("-metadata location=+52.5200+013.4050/ -metadata com.apple.quicktime.make=Phone"),
        *options("-metadata com.apple.quicktime.location.ISO6709=+52.5200+013.4050/"),
        *("-metadata", "title=At home", "-metadata:s:v", "handler_name=Serial 4711"),
    ],
)
_video("timecode_track", "mov", [*picture(rate="25"), *sound(), *H264, *AAC, *options("-timecode 10:00:00:00")])
_video(
    "cover_only",
    "m4a",
    [
        *sound(),
        *COVER,
        *options("-map 0 -map 1"),
        *AAC,
        *options("-c:v mjpeg -disposition:v:0 attached_pic"),
    ],
    refused="no picture track",
)
_video(
    "cover_beside_picture",
    "mp4",
    [
        *picture(),
        *sound(),
        *COVER,
        *options("-map 2 -map 0 -map 1 -c:v:0 mjpeg -c:v:1 libx264 -pix_fmt:v:1 yuv420p"),
        *AAC,
        *options("-disposition:v:0 attached_pic"),
    ],
)
_video("sound_as_video", "mp3", [*sound()], refused="no picture track")
_audio("picture_as_audio", "mp4", [*picture(), *H264], refused="no sound track")
_audio("video_as_audio", "mp4", [*picture(), *sound(), *H264, *AAC])

# --- Containers and codecs of video -----------------------------------------------------------------------------------

_video("webm_vp8", "webm", [*picture(), *sound(), *options("-c:v libvpx -deadline realtime -c:a libvorbis")])
_video(
    "webm_vp9", "webm", [*picture(), *sound(), *options("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus")]
)
_video(
    "webm_no_duration", "webm", [*picture(), *sound(), *options("-c:v libvpx -deadline realtime -c:a libopus -live 1")]
)
_video("avi_mpeg4", "avi", [*picture(), *sound(), *options("-c:v mpeg4 -c:a libmp3lame")])
_video("avi_packed_b", "avi", [*picture(), *sound(), *options("-c:v libxvid -bf 2 -c:a ac3")])
_video("flv", "flv", [*picture(), *sound(), *options("-c:v flv -c:a libmp3lame -ar 44100")])
_video("wmv", "wmv", [*picture(), *sound(), *options("-c:v wmv2 -c:a wmav2")])
_video("threegp", "3gp", [*picture("176x144", "15"), *sound(rate=8000), *options("-c:v h263 -c:a aac")])
_video("mpegts", "ts", [*picture(), *sound(), *options("-c:v mpeg2video -c:a ac3")])
_video("mov_pcm", "mov", [*picture(), *sound(layout="stereo"), *H264, *options("-c:a pcm_s16le")])
_video("ogv", "ogv", [*picture(), *sound(), *options("-c:v libtheora -c:a libvorbis")])
_video("mkv_flac", "mkv", [*picture(), *sound(layout="stereo"), *H264, *options("-c:a flac")])
_video(
    "dv",
    "dv",
    [
        *picture("720x576", "25", 1),
        *sound(seconds=1, layout="stereo"),
        *options("-c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le"),
    ],
)
_video("fragmented", "mp4", [*picture(), *sound(), *H264, *AAC, *options("-movflags frag_keyframe+empty_moov")])
_video("xdcam_mxf", "mxf", [*picture("352x288", "25"), *sound(), *options("-c:v mpeg2video -q:v 3 -c:a pcm_s16le")])
_video("surround_ac3", "mp4", [*picture(), *sound(layout="5.1"), *H264, *options("-c:a ac3")])

# --- Sound ------------------------------------------------------------------------------------------------------------

_audio("surround_51", "wav", [*sound(layout="5.1")])
_audio("surround_71", "flac", [*sound(layout="7.1")])
_audio("three_channels", "wav", [*sound(layout="2.1")])
_audio("surround_51_aac", "m4a", [*sound(layout="5.1"), *AAC])
for _hertz in (8_000, 11_025, 44_100, 96_000, 192_000):
    _audio(f"wav_{_hertz}", "wav", [*sound(MUSIC, 4, rate=_hertz, layout="stereo")])
_audio("wav_8bit", "wav", [*sound(), *options("-c:a pcm_u8")])
_audio("wav_24bit", "wav", [*sound(), *options("-c:a pcm_s24le")])
_audio("wav_float", "wav", [*sound(), *options("-c:a pcm_f32le")])
_audio("wav_float_over", "wav", [*sound(f"3*({MUSIC})", 4), *options("-c:a pcm_f32le")])
_audio("wav_double", "wav", [*sound(), *options("-c:a pcm_f64le")])
_audio("wav_adpcm", "wav", [*sound(), *options("-c:a adpcm_ms")])
_audio("wav_mulaw", "wav", [*sound(rate=8000), *options("-c:a pcm_mulaw")])
_audio("flac_96k", "flac", [*sound(rate=96000, layout="stereo"), *options("-sample_fmt s32")])
_audio("alac", "m4a", [*sound(), *options("-c:a alac")])
_audio("alac_96k", "m4a", [*sound(rate=96000), *options("-c:a alac -sample_fmt s32p")])
_audio("aiff", "aiff", [*sound()])
_audio("caf", "caf", [*sound(), *options("-c:a pcm_s16be")])
_audio("mp3", "mp3", [*sound(rate=44100)])
_audio(
    "mp3_with_cover",
    "mp3",
    [
        *sound(),
        *COVER,
        *options("-map 0 -map 1 -c:v mjpeg -id3v2_version 3 -disposition:v:0 attached_pic"),
    ],
)
_audio("mp3_11k", "mp3", [*sound(rate=11025)])
_audio(
    "m4a_with_cover",
    "m4a",
    [
        *sound(),
        *COVER,
        *options("-map 0 -map 1"),
        *AAC,
        *options("-c:v mjpeg -disposition:v:0 attached_pic"),
    ],
)
_audio("adts", "aac", [*sound(), *AAC])
_audio("opus", "ogg", [*sound(layout="stereo"), *options("-c:a libopus")])
_audio("opus_51", "mkv", [*sound(layout="5.1"), *options("-c:a libopus")])
_audio("vorbis", "ogg", [*sound(layout="stereo"), *options("-c:a libvorbis")])
_audio("ac3", "ac3", [*sound(layout="5.1"), *options("-c:a ac3")])
_audio("eac3", "mka", [*sound(layout="5.1"), *options("-c:a eac3")])
_audio("wma", "wma", [*sound(layout="stereo"), *options("-c:a wmav2")])
_audio("wavpack", "mka", [*sound(layout="stereo"), *options("-c:a wavpack")])
_audio("mp2", "mpg", [*sound(layout="stereo"), *options("-c:a mp2")])
_audio("dts", "mka", [*sound(layout="5.1"), *options("-strict -2 -c:a dca")])
_audio("silence", "wav", [*options("-f lavfi -i anullsrc=d=3")])
_audio("half_silent", "wav", [*sound(f"gt(t,4)*({SPEECH})", 8)])
_audio("loud_clipped", "wav", [*sound(f"max(-0.98,min(0.98,6*({MUSIC})))", 6, layout="stereo")])
_audio("very_quiet", "wav", [*sound(f"0.004*({SPEECH})", 5), *options("-c:a pcm_s24le")])
_audio("high_crest", "wav", [*sound(CLICKS, 8)])
_audio("wide_dynamics", "wav", [*sound(f"(0.03+0.97*gt(mod(t,6),3))*({SPEECH})", 12)])
_audio(
    "opposite_phase",
    "wav",
    [
        *options("-f lavfi -i"),
        f"aevalsrc=exprs='{SPEECH}|-({SPEECH.replace('random(0)', 'random(1)')})':s=48000:d=4:c=stereo",
    ],
)
_audio("one_channel_only", "wav", [*options("-f lavfi -i"), f"aevalsrc=exprs='{SPEECH}|0':s=48000:d=4:c=stereo"])
_audio("steady_tone", "wav", [*sound("0.2*sin(2*PI*440*t)", 4)])
_audio("dc_offset", "wav", [*sound(f"0.05+0.5*({SPEECH})", 4)])
_audio("short_2s5_sound", "wav", [*sound(seconds=2.5)])
_audio("blink_sound", "wav", [*sound(MUSIC, 0.2)])
_audio("blink_sound_50ms", "mp3", [*sound(MUSIC, 0.05)])
_audio("ten_samples", "wav", [*sound(MUSIC, 10 / 48000)])
_audio("sound_starts_late", "mka", [*options("-itsoffset 2.0"), *sound(), *options("-c:a libopus")])
_audio("sound_at_5s", "ts", [*sound(seconds=4), *AAC, *options("-output_ts_offset 5")])

# --- Broken -----------------------------------------------------------------------------------------------------------


def _cut(part: float) -> Change:
    return lambda data: data[: int(len(data) * part)]


def _damaged(data: bytes) -> bytes:
    """Every 3000th byte of the middle third is turned around."""
    made = bytearray(data)
    for at in range(len(made) // 3, 2 * len(made) // 3, 3000):
        made[at] ^= 0xFF
    return bytes(made)


def _replaced(data: bytes) -> Change:
    return lambda _: data


_HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
_video(
    "truncated_mp4",
    "mp4",
    [*picture(seconds=6), *sound(seconds=6), *H264, *AAC, *options("-movflags +faststart")],
    change=_cut(0.35),
    refused="cut off",
)
_video(
    "truncated_without_index",
    "mp4",
    [*picture(seconds=6), *sound(seconds=6), *H264, *AAC],
    change=_cut(0.35),
    refused="its index is missing",
)
_video(
    "truncated_mkv", "mkv", [*picture(seconds=6), *sound(seconds=6), *H264, *AAC], change=_cut(0.35), refused="cut off"
)
_video(
    "truncated_avi",
    "avi",
    [*picture(seconds=6), *sound(seconds=6), *options("-c:v mpeg4 -c:a libmp3lame")],
    change=_cut(0.35),
    refused="cut off",
)
_video("truncated_ts", "ts", [*picture(seconds=6), *sound(seconds=6), *H264, *AAC], change=_cut(0.6))
_audio("truncated_wav", "wav", [*sound(seconds=6)], change=_cut(0.35), refused="cut off")
_audio("truncated_flac", "flac", [*sound(seconds=6)], change=_cut(0.35), refused="cut off")
_audio("truncated_mp3", "mp3", [*sound(seconds=6)], change=_cut(0.35), refused="cut off")
_audio(
    "truncated_m4a",
    "m4a",
    [*sound(seconds=6), *AAC, *options("-movflags +faststart")],
    change=_cut(0.35),
    refused="cut off",
)
_video("damaged_packets", "mp4", [*picture(seconds=4), *sound(seconds=4), *H264, *AAC], change=_damaged)
_video("damaged_ts", "ts", [*picture(seconds=4), *sound(seconds=4), *H264, *AAC], change=_damaged)
_audio("damaged_mp3", "mp3", [*sound(seconds=4)], change=_damaged)
_audio("damaged_flac", "flac", [*sound(seconds=4)], change=_damaged)
_video("empty_file", "mp4", change=_replaced(b""), refused="is empty")
_video("text_file", "mp4", change=_replaced(b"Dear creator, this is no film.\n" * 200), refused="a text file")
_video("hls_manifest", "mp4", change=_replaced(_HLS), refused="names other files")
_video(
    "concat_script", "mp4", change=_replaced(b"ffconcat version 1.0\nfile /etc/passwd\n"), refused="names other files"
)
_video("zeros", "mp4", change=_replaced(bytes(100000)), refused="can be read")
_audio("empty_sound", "mp3", change=_replaced(b""), refused="is empty")
_video("jpeg_as_video", "jpg", [*picture(seconds=0.04, rate="25"), *options("-frames:v 1")], refused="a JPEG picture")
