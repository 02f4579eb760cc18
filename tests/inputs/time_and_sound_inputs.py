"""Uploads whose time, sound, tracks or bytes are odd, each with what has to be delivered of it. Made by plain ffmpeg.

Most are flash-and-beep clips: from 0.5 s on, once a second, a white picture and a tone begin together. Nothing here
knows the code under test. `CASES` holds them by name.
"""

from __future__ import annotations

import array
import math
import random
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stale_lengths import STALE, Change

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
MediaType = Literal["video", "audio"]
Make = Callable[[Path], Path]


@dataclass(frozen=True)
class Case:
    """`make` writes the upload into a folder. Times are seconds from the start of what is delivered."""

    name: str
    media_type: MediaType
    make: Make
    seconds: float | None
    within: float = 0.12
    flashes: tuple[float, ...] | None = None
    beeps: tuple[float, ...] | None = None
    """Where they have to be, where that is asked; of a clip with both, each beep has to be with its flash."""
    loud: bool | None = True
    """False: silent, so that no loudness may be told. None: no sound at all."""
    warns: tuple[str, ...] = ()
    """Patterns, one per warning, in order; every warning has to be expected."""
    fails: str | None = None
    """A pattern of the sentence with which it is refused."""
    tones: Mapping[int, str] = field(default_factory=dict)
    """Frequency -> where it is to be heard: `both`, `left`, `right`, `none`."""
    variants: tuple[str, ...] = ("360p", "preview")
    upload: str = "original.bin"
    notes: tuple[str, ...] = ()
    """Kinds of what a viewer would complain of, and rightly."""
    quick: bool = False
    slack: float = 0.04
    """Seconds between a flash and its beep."""
    where_read: tuple[str, Mapping[str, object]] | None = None
    """A sound that only some releases of ffmpeg read for what it is: its codec's name where they do, and what else is
    expected there."""

    def here(self, upload: Path) -> Case:
        """What is expected of the release of ffmpeg that is installed."""
        if self.where_read is None:
            return self
        codec, expected = self.where_read
        command = [
            "ffprobe",
            "-v",
            "error",
            "-select_streams",
            "a:0",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ]
        read = subprocess.run([*command, str(upload)], capture_output=True, text=True, check=True).stdout.strip()
        return replace(self, **expected) if read == codec else self  # type: ignore[arg-type]


CASES: dict[str, Case] = {}
_PAUSES = ("black", "frozen", "silent")


def options(text: str) -> tuple[str, ...]:
    return tuple(text.split())


H264 = options("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -threads 1")
H264_B = options("-c:v libx264 -preset veryfast -bf 3 -pix_fmt yuv420p -threads 1")
AAC = options("-c:a aac -b:a 96k")
MPEG4 = options("-c:v mpeg4 -q:v 5")


def flash(
    rate: str = "30", seconds: float = 6, size: str = "160x90", filters: str = "", pull: float = 1.0
) -> list[str]:
    """`pull`: 1.001 for the rates over 1001, so that a flash begins with a frame; `beep` takes the same."""
    white = f"drawbox=color=white:t=fill:enable='lt(mod(t/{pull}+0.501,1),0.1)'"
    return ["-f", "lavfi", "-i", f"color=black:s={size}:r={rate}:d={seconds},{white}" + f",{filters}" * bool(filters)]


def beep(
    seconds: float = 6,
    rate: int = 48000,
    layout: str = "mono",
    filters: str = "",
    pull: float = 1.0,
    level: float = 0.4,
) -> list[str]:
    tone = f"{level}*sin(2*PI*1000*t)*lt(mod(t/{pull}+0.5,1),0.1)"
    each = "|".join([tone] * {"mono": 1, "stereo": 2}[layout])
    source = f"aevalsrc=exprs='{each}':s={rate}:c={layout}:d={seconds}"
    return ["-f", "lavfi", "-i", source + f",{filters}" * bool(filters)]


def tones(
    frequencies: Sequence[int], layout: str, rate: int = 48000, seconds: float = 3, level: float = 0.2
) -> list[str]:
    """One frequency per channel."""
    each = "|".join(f"{level}*sin(2*PI*{frequency}*t)" for frequency in frequencies)
    return ["-f", "lavfi", "-i", f"aevalsrc=exprs='{each}':c={layout}:s={rate}:d={seconds}"]


SPEECH = (
    "0.3*(0.6+0.4*sin(2*PI*4.3*t))*gt(sin(2*PI*0.83*t)+0.3*sin(2*PI*2.1*t),-0.4)"
    "*(sin(2*PI*140*t)+0.5*sin(2*PI*280*t)+0.4*sin(2*PI*1130*t)*sin(2*PI*7*t))+0.01*(random(0)-0.5)"
)


def speech(seconds: float = 6, rate: int = 48000, channels: int = 1, level: float = 1.0) -> list[str]:
    each = "|".join([f"{level}*({SPEECH})"] * channels)
    return ["-f", "lavfi", "-i", f"aevalsrc=exprs='{each}':s={rate}:d={seconds}"]


def moving(seconds: float = 6, rate: str = "30", size: str = "160x90") -> list[str]:
    """A picture in which everything moves, so that every packet matters."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def steps(suffix: str, *lists: Sequence[str], change: Change | None = None) -> Make:
    """Argument lists, each reading `{before}` and writing its output; `>mp4` as the last one names its suffix."""

    def make(folder: Path) -> Path:
        made = folder / "nothing"
        for number, given in enumerate(lists):
            arguments = list(given)
            kind = suffix if number == len(lists) - 1 else "mkv"
            if arguments[-1].startswith(">"):
                kind = arguments.pop()[1:]
            before, made = made, folder / f"{number}.{kind}"
            filled = [part.replace("{before}", str(before)).replace("{folder}", str(folder)) for part in arguments]
            subprocess.run([*FFMPEG, *filled, str(made)], check=True)
        if change is not None:
            made.write_bytes(change(made.read_bytes()))
        return made

    return make


def every(seconds: float, first: float = 0.5, until: float | None = None) -> tuple[float, ...]:
    last = seconds if until is None else until
    return tuple(first + number for number in range(int(seconds) + 1) if first + number < last - 0.05)


def video(name: str, make: Make, seconds: float | None = 6, **expected: object) -> None:
    _add(Case(name, "video", make, seconds, **expected))  # type: ignore[arg-type]


def synced(name: str, make: Make, seconds: float = 6, **expected: object) -> None:
    """A flash-and-beep clip that is delivered with all of its flashes and beeps."""
    both = every(seconds)
    _add(Case(name, "video", make, seconds, **{"flashes": both, "beeps": both, **expected}))  # type: ignore[arg-type]


def audio(name: str, make: Make, seconds: float | None = 6, **expected: object) -> None:
    _add(Case(name, "audio", make, seconds, **{"variants": ("128k", "64k"), **expected}))  # type: ignore[arg-type]


def _add(case: Case) -> None:
    assert case.name not in CASES, case.name
    CASES[case.name] = case


# --- Bytes ------------------------------------------------------------------------------------------------------------


def cut(part: float) -> Change:
    return lambda data: data[: int(len(data) * part)]


def headless(part: float) -> Change:
    return lambda data: data[int(len(data) * part) :]


def zeroed(start: float, end: float) -> Change:
    """A part of the media data is lost: what a disk or a transfer leaves of a hole."""

    def change(data: bytes) -> bytes:
        low, high = _body(data)
        first, last = low + int(start * (high - low)), low + int(end * (high - low))
        return data[:first] + bytes(last - first) + data[last:]

    return change


def removed(start: float, end: float) -> Change:
    return lambda data: data[: int(start * len(data))] + data[int(end * len(data)) :]


def flipped(count: int, start: float = 0.0, end: float = 1.0) -> Change:
    """`count` bytes of the media data, spread over a part of it, turned around."""

    def change(data: bytes) -> bytes:
        made = bytearray(data)
        low, high = _body(data)
        spread = random.Random(count)
        for _ in range(count):
            made[low + int((start + spread.random() * (end - start)) * (high - low))] ^= 0xFF
        return bytes(made)

    return change


def without_ts_packets(part: float) -> Change:
    """Some of a transport stream's packets never arrived; the first ones did."""

    def change(data: bytes) -> bytes:
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        spread = random.Random(7)
        return b"".join(p for number, p in enumerate(packets) if number < 20 or spread.random() >= part)

    return change


def _body(data: bytes) -> tuple[int, int]:
    """Where the media data lies: an mp4's `mdat`, else everything after the first 4 kB."""
    for kind, at, end in _boxes(data, 0, len(data)):
        if kind == b"mdat":
            return at + 8, end
    return min(4096, len(data) // 20), len(data)


def _boxes(data: bytes, at: int, end: int) -> list[tuple[bytes, int, int]]:
    """(type, start, end) of the boxes between two offsets (ISO/IEC 14496-12 4.2)."""
    boxes = []
    while at + 8 <= end:
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if size < 8 or not kind.isalnum() or at + size > end:
            break
        boxes.append((kind, at, at + size))
        at += size
    return boxes


def edited(*edits: tuple[int, int], handler: bytes | None = None) -> Change:
    """An mp4 whose index comes last, with other edit lists: (milliseconds, media time in ms; -1 is an empty edit).

    `handler`: of tracks of this kind only (`vide`, `soun`).
    """

    def change(data: bytes) -> bytes:
        (moov,) = [box for box in _boxes(data, 0, len(data)) if box[0] == b"moov"]
        assert moov[2] == len(data), "the index has to be last"
        made = b""
        for kind, at, end in _boxes(data, moov[1] + 8, moov[2]):
            content = data[at:end]
            made += _edited_track(content, edits, handler) if kind == b"trak" else content
        # The movie's time scale is 1000 in what ffmpeg writes.
        return data[: moov[1]] + _box(b"moov", made)

    return change


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _edited_track(track: bytes, edits: Sequence[tuple[int, int]], handler: bytes | None) -> bytes:
    inside = _boxes(track, 8, len(track))
    (mdia,) = [track[at:end] for kind, at, end in inside if kind == b"mdia"]
    if handler is not None and b"hdlr" + bytes(8) + handler not in mdia:
        return track
    # What the encoder's delay is counts from the first edit that ffmpeg wrote.
    content = b"".join(track[at:end] for kind, at, end in inside if kind == b"edts")
    media_times = [struct.unpack(">i", content[at + 4 : at + 8])[0] for at in range(24, len(content) - 11, 12)]
    delay = next((time for time in media_times if time >= 0), 0)
    scale = struct.unpack(">I", mdia[mdia.index(b"mdhd") + 16 :][:4])[0]
    entries = b"".join(
        struct.pack(">Iihh", length, -1 if start < 0 else delay + start * scale // 1000, 1, 0)
        for length, start in edits
    )
    edts = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
    kept = [(kind, track[at:end]) for kind, at, end in inside if kind != b"edts"]
    return _box(b"trak", b"".join(content + (edts if kind == b"tkhd" else b"") for kind, content in kept))


# --- Time: frame rates ------------------------------------------------------------------------------------------------

for _name, _rate, _pull in (
    ("23_976", "24000/1001", 1.001),
    ("24", "24", 1.0),
    ("29_97", "30000/1001", 1.001),
    ("50", "50", 1.0),
    ("59_94", "60000/1001", 1.001),
    ("120", "120", 1.0),
    ("240", "240", 1.0),
):
    _at = tuple(_pull * at for at in every(6))
    synced(
        f"rate_{_name}",
        steps("mp4", [*flash(_rate, pull=_pull), *beep(pull=_pull), *H264_B, *AAC]),
        flashes=_at,
        beeps=_at,
    )
for _name, _codec in (("h264", "-c:v libx264 -bf 3"), ("mpeg4", "-c:v mpeg4 -bf 2"), ("xvid", "-c:v libxvid -bf 2")):
    synced(
        f"avi_reordered_{_name}",
        steps("avi", [*flash("25"), *beep(), *options(f"{_codec} -pix_fmt yuv420p -c:a pcm_s16le")]),
        slack=0.025,
    )
synced(
    "still_screen_mp4",
    # A screen recording: a frame only where something changes, and nothing for seconds.
    steps(
        "mp4",
        [
            *flash("60", 14, filters="select='not(between(t,2.62,11.38))*(eq(n,0)+lt(mod(t+0.55,1),0.25))'"),
            *beep(14, filters="volume='not(between(t,2.8,11.3))':eval=frame"),
            *(*H264, *AAC, *options("-fps_mode vfr -video_track_timescale 90000")),
        ],
    ),
    14,
    flashes=(0.5, 1.5, 2.5, 11.5, 12.5, 13.5),
    beeps=(0.5, 1.5, 2.5, 11.5, 12.5, 13.5),
    notes=("black", "silent"),
)
synced(
    "still_screen_webm",
    steps(
        "webm",
        [
            *flash("30", 9, filters="select='eq(n,0)+lt(mod(t+0.55,1),0.25)'"),
            *beep(9),
            *options("-c:v libvpx -deadline realtime -c:a libopus -fps_mode vfr -live 1"),
        ],
    ),
    9,
)
synced(
    "phone_wobble",
    steps(
        "mp4",
        [
            *flash("30", 8, filters="settb=1/90000,setpts='PTS+(random(0)-0.5)*0.012/TB'"),
            *(*beep(8), *H264, *AAC, *options("-fps_mode vfr -video_track_timescale 90000")),
        ],
    ),
    8,
    within=0.15,
)
synced(
    "rate_changes_midway",
    # 60 a second, then 15: a phone in the dark.
    steps(
        "mp4",
        [
            *flash("60", 8, filters="select='lt(t,4)+not(mod(n,4))'"),
            *(*beep(8), *H264, *AAC, *options("-fps_mode vfr -video_track_timescale 90000")),
        ],
    ),
    8,
    slack=0.06,
)
synced(
    "slow_motion_240",
    # Real time, then a slow part whose sound was left out.
    steps("mov", [*flash("240", 3), *beep(3), *H264, *options("-c:a pcm_s16le")]),
    3,
)

# --- Time: where the tracks start -------------------------------------------------------------------------------------

for _kind in ("mp4", "mkv", "ts", "mov"):
    synced(f"both_late_{_kind}", steps(_kind, [*flash(), *beep(), *H264_B, *AAC, *options("-output_ts_offset 5")]))
synced("ts_at_ten_hours", steps("ts", [*flash(), *beep(), *H264_B, *AAC, *options("-output_ts_offset 36000")]))
synced(
    "ts_clock_wraps",
    # 33 bits of 90 kHz end at 95443.7 s.
    steps("ts", [*flash(), *beep(), *H264_B, *AAC, *options("-output_ts_offset 95438.5")]),
)
# Pictures of the size that such films have: of several in one packet, a programme stream times the first alone.
GRAIN = "noise=c0s=12:c0f=t"
synced(
    "mpg_clock",
    steps("mpg", [*flash("25", 6, "352x288", GRAIN), *beep(), *options("-c:v mpeg2video -q:v 4 -bf 2 -c:a mp2")]),
)
for _kind, _sound in (
    ("mp4", "aac"),
    ("mkv", "libopus"),
    ("ts", "ac3"),
    ("mov", "pcm_s16le"),
    ("flv", "aac"),
):
    _given = [*flash(), "-itsoffset", "0.7", *beep(5.3, filters="adelay=800")]
    _codecs = [*H264, "-c:a", _sound]
    video(
        f"sound_late_{_kind}",
        steps(
            _kind, [*flash(), "-itsoffset", "0.7", *beep(5.3, filters="atrim=start=0.7,asetpts=PTS-STARTPTS"), *_codecs]
        ),
        5.3 + 0.7,
        within=0.8,
        beeps=(1.5, 2.5, 3.5, 4.5),
        flashes=every(6),
    )
    video(
        f"picture_late_{_kind}",
        steps(
            _kind,
            ["-itsoffset", "0.7", *flash(seconds=5.3, filters="trim=start=0.7,setpts=PTS-STARTPTS"), *beep(), *_codecs],
        ),
        6,
        within=0.8,
        flashes=(1.5, 2.5, 3.5, 4.5),
        beeps=every(6),
    )
synced(
    "negative_start",
    steps(
        "mkv",
        [
            "-itsoffset",
            "-0.4",
            *flash(),
            "-itsoffset",
            "-0.4",
            *beep(),
            *H264,
            *AAC,
            *options("-avoid_negative_ts disabled"),
        ],
    ),
    within=0.5,
    flashes=None,
    beeps=None,
)
synced(
    "other_track_earlier",
    # A second sound begins five seconds before what is delivered.
    steps(
        "mkv",
        [
            *("-itsoffset", "5", *flash(), "-itsoffset", "5", *beep(), *speech(12)),
            *(
                *options("-map 0:v -map 1:a -map 2:a"),
                *H264,
                *AAC,
                *options("-disposition:a:0 default -disposition:a:1 0"),
            ),
        ],
    ),
    warns=("sound track 2 is left out",),
)
synced(
    "other_track_earlier_copied_mp4",
    steps(
        "mp4",
        [
            *("-itsoffset", "3", *flash(), "-itsoffset", "3", *beep(), *speech(10)),
            *(
                *options("-map 0:v -map 1:a -map 2:a"),
                *H264_B,
                *AAC,
                *options("-disposition:a:0 default -disposition:a:1 0 -fps_mode passthrough"),
            ),
        ],
    ),
    warns=("sound track 2 is left out",),
)
synced(
    "sound_with_a_sample_clock_of_its_own",
    # One percent slow against the picture: a recorder that stamps by the wall clock.
    steps(
        "mkv",
        [*flash(seconds=20), *beep(20 / 1.01, pull=1 / 1.01), *H264, *options("-c:a pcm_s16le"), ">mkv"],
        [*options("-i {before} -c copy -bsf:a setts=ts=TS*1.01")],
    ),
    20,
    slack=0.045,
)
synced(
    "sound_jitters",
    steps(
        "mkv",
        [*flash(seconds=8), *beep(8), *H264, *options("-c:a pcm_s16le"), ">mkv"],
        [*options("-i {before} -c copy -bsf:a"), "setts=ts=TS+mod(N\\,3)*5"],
    ),
    8,
)

# --- Time: gaps -------------------------------------------------------------------------------------------------------

for _kind, _sound in (
    ("mkv", "aac"),
    ("ts", "aac"),
    ("mp4", "aac"),
    ("mkv", "libopus"),
    ("mkv", "flac"),
):
    synced(
        f"gap_in_sound_{_sound}_{_kind}",
        steps(
            _kind,
            [*flash(), *beep(filters="aselect='not(between(t,1.7,3.2))'"), *H264, "-c:a", _sound],
        ),
        beeps=(0.5, 1.5, 3.5, 4.5, 5.5),
    )
for _kind in ("mp4", "mkv", "ts"):
    synced(
        f"gap_in_picture_{_kind}",
        steps(
            _kind, [*flash(filters="select='not(between(t,1.7,3.2))'"), *beep(), *H264, *AAC, *options("-fps_mode vfr")]
        ),
        flashes=(0.5, 1.5, 3.5, 4.5, 5.5),
    )
synced(
    "small_gaps_add_up",
    # 30 ms of sound are missing, ten times: none by itself is worth a hole.
    steps(
        "mkv",
        [*flash(seconds=10), *beep(10), *H264, *options("-c:a pcm_s16le"), ">mkv"],
        [*options("-i {before} -c copy -bsf:a"), "noise=drop=eq(mod(n\\,40)\\,5)"],
    ),
    10,
)

# --- Time: edit lists, B-frames, open GOPs ----------------------------------------------------------------------------

synced(
    "b_frames", steps("mp4", [*flash(), *beep(), *options("-c:v libx264 -preset medium -bf 8 -pix_fmt yuv420p"), *AAC])
)
synced(
    "edit_skips_the_start",
    steps(
        "mp4",
        [*flash(seconds=8), *beep(8), *H264_B, *AAC, ">mp4"],
        [*options("-i {before} -c copy")],
        change=edited((6000, 2000)),
    ),
)
synced(
    "edit_begins_empty",
    steps("mp4", [*flash(seconds=5), *beep(5), *H264_B, *AAC], change=edited((1000, -1), (5000, 0))),
    5,
)
synced(
    "edit_begins_empty_sound_only",
    steps("mp4", [*flash(seconds=6), *beep(5), *H264, *AAC], change=edited((1000, -1), (5000, 0), handler=b"soun")),
    6,
    beeps=every(6, 1.5),
)
synced(
    "edit_cuts_the_middle",
    # Two parts of one recording: 0 to 2 s and 4 to 8 s.
    steps("mp4", [*flash(seconds=8), *beep(8), *H264, *AAC], change=edited((2000, 0), (4000, 4000))),
    flashes=every(6),
    beeps=every(6),
)
for _kind, _edits, _lasts in (("mp4", ((0, 0),), 6), ("mov", ((0, 2000),), 4), ("m4v", ((1000, -1), (0, 1000)), 5)):
    # Up to the end of the media, as fragments say it.
    synced(
        f"edit_of_no_length_{_kind}",
        steps(_kind, [*flash(), *beep(), *H264_B, *AAC], change=edited(*_edits)),
        _lasts,
    )
synced(
    "copied_from_the_middle",
    steps(
        "mp4",
        [*flash(seconds=8), *beep(8), *H264_B, *options("-g 30"), *AAC, ">mp4"],
        [*options("-ss 2 -i {before} -c copy")],
    ),
    within=0.3,
)
synced(
    "open_gop",
    steps(
        "ts",
        [
            *flash(),
            *beep(),
            *options("-c:v libx264 -preset medium -bf 3 -g 30 -pix_fmt yuv420p -x264-params open-gop=1"),
            *AAC,
        ],
    ),
)
video(
    "ts_from_the_middle",
    # A broadcast that was switched on in mid-picture: what cannot be seen yet is no damage.
    steps(
        "ts",
        [*flash(seconds=10), *beep(10), *options("-c:v mpeg2video -g 15 -bf 2 -q:v 3 -c:a mp2")],
        change=headless(0.35),
    ),
    None,
)
video(
    "ts_from_the_middle_h264",
    steps(
        "ts",
        [
            *flash(seconds=10, filters="noise=alls=20:allf=t"),
            *beep(10),
            *options("-c:v libx264 -preset fast -bf 3 -g 40 -pix_fmt yuv420p -x264-params open-gop=1"),
            *AAC,
        ],
        change=headless(0.35),
    ),
    None,
)

# --- Time: lengths ----------------------------------------------------------------------------------------------------

video("sound_shorter", steps("mp4", [*flash(), *beep(2), *H264, *AAC]), flashes=every(6), beeps=every(2))
video("sound_longer", steps("mp4", [*flash(seconds=2), *beep(), *H264, *AAC]), flashes=every(2), beeps=every(6))
video("sound_longer_ts", steps("ts", [*flash(seconds=2), *beep(), *H264, *AAC]), flashes=every(2), beeps=every(6))
video(
    "sound_at_the_end_only",
    steps("mp4", [*flash(seconds=8), *options("-itsoffset 6"), *beep(2), *H264, *AAC]),
    8,
    flashes=every(8),
    beeps=(6.5, 7.5),
    notes=("silent",),
)
video(
    "sound_at_the_end_only_mkv",
    steps("mkv", [*flash(seconds=8), *options("-itsoffset 6"), *beep(2), *H264, *options("-c:a libopus")]),
    8,
    flashes=every(8),
    beeps=(6.5, 7.5),
    notes=("silent",),
)
video("one_frame", steps("mp4", [*moving(0.04, "25"), *H264]), 0.2, within=0.2, loud=None)
video(
    "one_frame_webm",
    steps("webm", [*moving(0.04, "25"), *options("-c:v libvpx-vp9 -cpu-used 8")]),
    0.2,
    within=0.2,
    loud=None,
)
video("one_frame_ts", steps("ts", [*moving(0.04, "25"), *H264]), 0.2, within=0.2, loud=None)
video("one_frame_with_sound", steps("mp4", [*moving(0.04, "25"), *speech(3), *H264, *AAC]), 3)
video("a_fifth_of_a_second", steps("mp4", [*moving(0.2), *speech(0.2), *H264, *AAC]), 0.2, loud=None)
video(
    "twelve_hours",
    # A surveillance camera: nothing moves.
    steps(
        "mp4",
        ["-f", "lavfi", "-i", "testsrc2=size=96x54:rate=5:duration=2", *H264, ">mp4"],
        [*options("-stream_loop 21599 -i {before} -c copy")],
    ),
    12 * 3600,
    within=1.0,
    loud=None,
)
for _kind, _pair in {
    "mkv": (*H264, *AAC),
    "webm": options("-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"),
    "mp4": (*H264, *AAC, *options("-video_track_timescale 1000")),
}.items():
    _pause = "setpts=PTS+gte(T\\,2)*3600/TB"
    video(
        f"an_hour_of_nothing_{_kind}",
        steps(
            _kind,
            [
                *(*flash("10", 4, "96x54", _pause), *beep(4, filters=f"a{_pause}"), *_pair),
                *options("-fps_mode passthrough -max_interleave_delta 0"),
            ],
        ),
        3604,
        within=0.3,
        flashes=(0.5, 1.5, 3602.5, 3603.5),
        beeps=(0.5, 1.5, 3602.5, 3603.5),
        slack=0.06,
        warns=("Nothing happens in the upload for 60 minutes",),
        notes=_PAUSES,
    )
_pauses = "setpts=PTS+(gte(T\\,2)+gte(T\\,4)+gte(T\\,6))*900/TB"
video(
    "three_quarters_of_an_hour_of_nothing_mkv",
    # None of which is worth a warning by itself.
    steps(
        "mkv",
        [
            *(*flash("10", 8, "96x54", _pauses), *beep(8, filters=f"a{_pauses}"), *H264, *AAC),
            *options("-fps_mode passthrough -max_interleave_delta 0"),
        ],
    ),
    2708,
    within=0.3,
    flashes=(0.5, 1.5, 902.5, 903.5, 1804.5, 1805.5, 2706.5, 2707.5),
    beeps=(0.5, 1.5, 902.5, 903.5, 1804.5, 1805.5, 2706.5, 2707.5),
    slack=0.06,
    warns=("Nothing happens in the upload for 45 minutes",),
    notes=_PAUSES,
)
video(
    "sound_runs_on_for_an_hour_mp4",
    # A talk beside a picture that stands still: nobody has to be told.
    steps(
        "mp4",
        [
            *(*flash("10", 4, "96x54", "setpts=PTS+gte(T\\,2)*3600/TB"), *beep(3604), *H264, *AAC),
            *options("-fps_mode passthrough -video_track_timescale 1000 -max_interleave_delta 0"),
        ],
    ),
    3604,
    within=0.3,
    flashes=(0.5, 1.5, 3602.5, 3603.5),
    slack=math.inf,
    notes=("black", "frozen"),
)
synced("an_hour", steps("mp4", [*flash("60", 3600, "96x54"), *beep(3600), *H264, *AAC]), 3600, within=0.5)
audio(
    "twelve_hours_of_sound",
    steps(
        "mp3",
        [*speech(60, 22050), *options("-c:a libmp3lame -b:a 32k"), ">mp3"],
        [*options("-stream_loop 719 -i {before} -c copy")],
    ),
    12 * 3600,
    within=25.0,
)


# --- Sound: channels --------------------------------------------------------------------------------------------------

_PLACED = {
    # Where each channel has to be heard. The low effects are left out, as the standard does (ITU-R BS.775).
    "mono": ("both",),
    "stereo": ("left", "right"),
    "2.1": ("left", "right", "none"),
    "3.0": ("left", "right", "both"),
    "quad": ("left", "right", "left", "right"),
    "5.0": ("left", "right", "both", "left", "right"),
    "5.1": ("left", "right", "both", "none", "left", "right"),
    "7.1": ("left", "right", "both", "none", "left", "right", "left", "right"),
}
_FREQUENCIES = (400, 650, 900, 70, 1500, 2100, 2900, 3700)


def placed(layout: str) -> dict[int, str]:
    return dict(zip(_FREQUENCIES, _PLACED[layout], strict=False))


for _layout in _PLACED:
    audio(
        f"layout_{_layout}",
        steps("wav", tones(_FREQUENCIES[: len(_PLACED[_layout])], _layout)),
        3,
        tones=placed(_layout),
        quick=_layout == "5.1",
    )
audio(
    "surround_aac",
    steps("m4a", [*tones(_FREQUENCIES[:6], "5.1"), *options("-c:a aac -b:a 384k")]),
    3,
    tones=placed("5.1"),
)
audio(
    "surround_opus",
    steps("ogg", [*tones(_FREQUENCIES[:8], "7.1"), *options("-c:a libopus -b:a 400k")]),
    3,
    tones=placed("7.1"),
)
audio("surround_flac", steps("flac", tones(_FREQUENCIES[:6], "5.1")), 3, tones=placed("5.1"))
audio(
    "surround_dts",
    steps("mka", [*tones(_FREQUENCIES[:6], "5.1(side)"), *options("-strict -2 -c:a dca -b:a 1500k")]),
    3,
    tones=placed("5.1"),
)
audio(
    "surround_truehd",
    steps("mka", [*tones(_FREQUENCIES[:6], "5.1(side)"), *options("-strict -2 -c:a truehd")]),
    3,
    tones=placed("5.1"),
)
video(
    "surround_in_video",
    steps("mov", [*moving(3), *tones(_FREQUENCIES[:6], "5.1", level=0.9), *H264, *options("-c:a pcm_s24le")]),
    3,
    tones=placed("5.1"),
)


def unplaced(number: int, heard: int) -> Make:
    """A field recorder's wav (WAVE_FORMAT_EXTENSIBLE without a channel mask): `number` channels, one of them heard."""

    def make(folder: Path) -> Path:
        rate, seconds = 48000, 3
        data = array.array("h", bytes(2 * number * rate * seconds))
        for at in range(rate * seconds):
            data[at * number + heard] = round(9000 * math.sin(2 * math.pi * 700 * at / rate))
        guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
        form = struct.pack("<HHIIHHHHI", 0xFFFE, number, rate, rate * 2 * number, 2 * number, 16, 22, 16, 0) + guid
        body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data) * 2)
        path = folder / "recorder.wav"
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 2 * len(data)) + body + data.tobytes())
        return path

    return make


for _number, _heard, _side in (
    (2, 0, "left"),
    (4, 0, "left"),
    (8, 2, "both"),
    (10, 0, "left"),
    (12, 9, "right"),
    (16, 0, "left"),
    (40, 2, "left"),
):
    audio(
        f"no_layout_{_number}_channels",
        unplaced(_number, _heard),
        3,
        tones={700: _side},
        notes=("channel_silent",),
    )
audio(
    "only_left",
    steps("wav", ["-f", "lavfi", "-i", f"aevalsrc=exprs='{SPEECH}|0':s=48000:d=6:c=stereo"]),
    notes=("channel_silent",),
)
audio(
    "opposite_phase",
    steps(
        "wav", ["-f", "lavfi", "-i", "aevalsrc=exprs='0.3*sin(2*PI*500*t)|-0.3*sin(2*PI*500*t)':s=48000:d=4:c=stereo"]
    ),
    4,
    tones={500: "both"},
    notes=("channel_inverted",),
)

# --- Sound: rates, samples, codecs ------------------------------------------------------------------------------------

for _hertz in (8000, 11025, 16000, 22050, 32000, 44100, 88200, 96000, 176400, 192000):
    audio(f"wav_{_hertz}", steps("wav", speech(4, _hertz)), 4)
for _codec in ("u8", "s16le", "s24le", "s32le", "f32le", "f64le", "mulaw", "alaw"):
    audio(f"wav_{_codec}", steps("wav", [*speech(4), "-c:a", f"pcm_{_codec}"]), 4)
for _codec in ("s8", "s16be", "s24be", "s32be", "f32be", "f64be"):
    audio(f"aiff_{_codec}", steps("aiff", [*speech(4), "-c:a", f"pcm_{_codec}"]), 4)
for _codec in ("adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha", "libgsm_ms"):
    _slow = ["-ar", "8000"] if "gsm" in _codec else []
    audio(f"wav_{_codec}", steps("wav", [*speech(4), *_slow, "-c:a", _codec]), 4)
audio("wav_float_beyond_full_scale", steps("wav", [*speech(6, level=6.0), *options("-c:a pcm_f32le")]))
audio("wav_double_far_beyond", steps("wav", [*speech(6, level=40.0), *options("-c:a pcm_f64le")]))
# Of a tool that wrote integers as floats.
audio("wav_of_integers_as_floats", steps("wav", [*speech(6, level=20000.0), *options("-c:a pcm_f32le")]))
audio("wav_very_quiet", steps("wav", [*speech(6, level=0.004), *options("-c:a pcm_s24le")]))
audio("w64", steps("w64", speech(4)), 4)
audio("rf64", steps("wav", [*speech(4), *options("-rf64 always")]), 4)
audio("caf", steps("caf", [*speech(4), *options("-c:a pcm_s24le")]), 4)
audio("au", steps("au", speech(4)), 4)
audio("voc", steps("voc", [*speech(4), *options("-c:a pcm_u8")]), 4)
audio("flac_24", steps("flac", [*speech(4, 96000), *options("-sample_fmt s32")]), 4)
audio("flac_in_ogg", steps("ogg", [*speech(4), *options("-c:a flac")]), 4)
audio("alac", steps("m4a", [*speech(4, 96000), *options("-c:a alac -sample_fmt s32p")]), 4)
audio("wavpack", steps("wv", [*speech(4), *options("-c:a wavpack")]), 4)
audio("tta", steps("tta", [*speech(4), *options("-c:a tta")]), 4)
audio("ac3", steps("ac3", [*speech(4, channels=2), *options("-c:a ac3")]), 4)
audio("eac3", steps("eac3", [*speech(4, channels=2), *options("-c:a eac3")]), 4)
audio("dts", steps("dts", [*speech(4, channels=2), *options("-strict -2 -c:a dca")]), 4)
audio("mp2", steps("mp2", [*speech(4), *options("-c:a mp2")]), 4)
audio("adts", steps("aac", [*speech(4), *AAC]), 4)
audio("latm_in_ts", steps("ts", [*speech(4), *AAC, *options("-mpegts_flags latm")]), 4)
audio("loas", steps("latm", [*speech(4), *AAC]), 4)
audio("wma", steps("wma", [*beep(6, layout="stereo"), *options("-c:a wmav2")]))
audio("vorbis", steps("ogg", [*beep(6, layout="stereo"), *options("-c:a libvorbis")]), beeps=every(6))
audio("opus", steps("opus", [*beep(6, layout="stereo"), *options("-c:a libopus")]), beeps=every(6))


def _ogg_sealed(page: bytes) -> bytes:
    """An Ogg page with its checksum (RFC 3533 6)."""
    rest = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        rest ^= byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C11DB7 if rest >> 31 else 0)) & 0xFFFFFFFF
    return page[:22] + rest.to_bytes(4, "little") + page[26:]


def _skipping(samples: int) -> Change:
    """An Opus header that has so much of the first packets skipped (RFC 7845 5.1; big endian in an mp4's `dOps`)."""

    def change(data: bytes) -> bytes:
        ogg = data.find(b"OpusHead")
        if ogg < 0:
            at = data.index(b"dOps") + 6
            return data[:at] + samples.to_bytes(2, "big") + data[at + 2 :]
        page = data.index(b"OggS", ogg)
        return _ogg_sealed(data[: ogg + 10] + samples.to_bytes(2, "little") + data[ogg + 12 : page]) + data[page:]

    return change


_SKIPPED = (65535 - 312) / 48000
audio(
    "opus_skips_its_start",
    steps("opus", [*beep(6, layout="stereo"), *options("-c:a libopus")], change=_skipping(65535)),
    6 - _SKIPPED,
    beeps=tuple(at - _SKIPPED for at in every(6)[1:]),
)
synced(
    "opus_skip_of_swapped_bytes",
    # As GStreamer 1.22 writes it: 0x0138 becomes 0.3 s, which players leave out.
    steps(
        "mp4",
        [*flash(), *beep(layout="stereo"), *H264, *options("-c:a libopus")],
        change=lambda data: _skipping(0x3801)(data.replace(b"edts", b"free")),
    ),
)


def _begins_empty(data: bytes) -> bytes:
    """An ADTS file whose first frames hold nothing but the end of a raw data block (ISO/IEC 13818-7, 6.2)."""
    size = 7 + 2
    header = data[:3] + bytes(
        ((data[3] & 0xFC) | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | data[5] & 0x1F, data[6])
    )
    return (header + b"\xc1\xc0") * 3 + data


audio("aac_begins_empty", steps("aac", [*beep(6, layout="stereo"), *AAC], change=_begins_empty), beeps=every(6, 0.564))
audio("speex", steps("ogg", [*speech(4, 16000), *options("-c:a libspeex")]), 4)
audio("webm_sound_live", steps("webm", [*beep(6), *options("-c:a libopus -live 1")]), beeps=every(6))
audio("m4a_priming", steps("m4a", [*beep(6), *AAC]), beeps=every(6))
audio("mp3_lame", steps("mp3", [*beep(6, 44100), *options("-c:a libmp3lame")]), beeps=every(6))
audio(
    "mp3_without_header",
    steps("mp3", [*beep(6, 44100), *options("-c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0")]),
    within=0.2,
)
COVER = options("-f lavfi -i color=red:s=64x64:d=0.04:r=25")
_COVERED = options("-map 0 -map 1 -c:v mjpeg -disposition:v:0 attached_pic")
audio(
    "mp3_cover",
    steps("mp3", [*beep(6, 44100), *COVER, *_COVERED, *options("-c:a libmp3lame -id3v2_version 3")]),
    beeps=every(6),
)
audio(
    "mp3_junk_first",
    steps("mp3", [*speech(6, 44100), *options("-c:a libmp3lame")], change=lambda data: bytes(range(256)) * 9 + data),
    within=0.3,
)
audio(
    "mp3_tag_of_64k",
    steps("mp3", [*speech(6), *options("-c:a libmp3lame -id3v2_version 3 -metadata"), "comment=" + "x" * 65000]),
)
audio("flac_cover", steps("flac", [*speech(6), *COVER, *_COVERED]))
audio("m4a_cover", steps("m4a", [*speech(6), *COVER, *_COVERED, *AAC]))
audio("wma_cover", steps("wma", [*speech(6), *COVER, *_COVERED, *options("-c:a wmav2")]))


def _wav_size(number: int) -> Change:
    """The sizes that a recorder leaves which was switched off, or writes to a pipe."""

    def change(data: bytes) -> bytes:
        at = data.index(b"data") + 4
        return data[:4] + struct.pack("<I", number) + data[8:at] + struct.pack("<I", number) + data[at + 4 :]

    return change


audio("wav_size_zero", steps("wav", speech(4), change=_wav_size(0)), 4)
audio("wav_size_unknown", steps("wav", speech(4), change=_wav_size(0xFFFFFFFF)), 4)


def _open_sizes(name: bytes, size: bytes, *, counts_whole: bool = True) -> Change:
    """The same in other containers: `size` stands in the chunk `name`, and in the one that holds all others."""

    def change(data: bytes) -> bytes:
        at = data.index(name) + len(name)
        whole = 16 if name == _W64_SOUND else 4
        first = data[:whole] + size + data[whole + len(size) :] if counts_whole else data
        return first[:at] + size + first[at + len(size) :]

    return change


_W64_SOUND = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def _open_ds64(size: bytes) -> Change:
    def change(data: bytes) -> bytes:
        at = data.index(b"ds64") + 8
        return data[:at] + size * 3 + data[at + 24 :]

    return change


def _counts_no_frames(data: bytes) -> bytes:
    at = data.index(b"COMM") + 10
    return data[:at] + bytes(4) + data[at + 4 :]


for _name, _kind, _options, _change in (
    ("zero", "aiff", "", _open_sizes(b"SSND", bytes(4))),
    ("unknown", "aiff", "", _open_sizes(b"SSND", b"\xff" * 4)),
    ("zero_of_floats", "aiff", "-c:a pcm_f32be", _open_sizes(b"SSND", bytes(4))),
    ("and_count_zero", "aiff", "", lambda data: _counts_no_frames(_open_sizes(b"SSND", bytes(4))(data))),
    ("zero", "w64", "", _open_sizes(_W64_SOUND, bytes(8))),
    ("unknown", "w64", "", _open_sizes(_W64_SOUND, b"\xff" * 8)),
    ("largest", "w64", "-c:a pcm_s24le", _open_sizes(_W64_SOUND, b"\xff" * 7 + b"\x7f")),
    ("of_a_header", "w64", "", _open_sizes(_W64_SOUND, b"\x18" + bytes(7), counts_whole=False)),
    ("zero", "rf64", "-rf64 always -f wav", _open_ds64(bytes(8))),
    ("unknown", "rf64", "-rf64 always -f wav -c:a pcm_f32le", _open_ds64(b"\xff" * 8)),
):
    audio(f"{_kind}_size_{_name}", steps(_kind, [*speech(4), *options(_options)], change=_change), 4)
audio(
    "wav_chunks_around",
    steps(
        "wav",
        [*speech(4), *options("-metadata title=x")],
        change=lambda data: data + b"LIST" + struct.pack("<I", 4) + b"adtl",
    ),
    4,
)


def _extensible(mask: int, channels: int, bits: int, valid: int) -> Change:
    """The samples of a wav behind a WAVEFORMATEXTENSIBLE header: whole numbers, `valid` bits of each meant."""
    sub_format = bytes.fromhex("0100000000001000800000aa00389b71")

    def change(data: bytes) -> bytes:
        samples = data[data.index(b"data") + 8 :]
        align = channels * bits // 8
        extension = struct.pack("<HHIIHHHHI", 0xFFFE, channels, 48000, 48000 * align, align, bits, 22, valid, mask)
        form = extension + sub_format
        body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
        return b"RIFF" + struct.pack("<I", len(body)) + body

    return change


audio(
    "wav_rear_speakers_only",
    steps("wav", tones((400, 900), "stereo"), change=_extensible(0x30, 2, 16, 16)),
    3,
    tones={400: "left", 900: "right"},
    quick=True,
)
audio("wav_front_left_and_centre", steps("wav", speech(4, channels=2), change=_extensible(5, 2, 16, 16)), 4)
audio(
    "wav_24_in_32",
    steps("wav", [*speech(4, channels=2), *options("-c:a pcm_s32le")], change=_extensible(3, 2, 32, 24)),
    4,
)


def _as_rifx(coding: int, bits: int) -> Change:
    """Samples as a WAV holds them that was written on a machine whose numbers have their highest byte first."""

    def change(samples: bytes) -> bytes:
        size = bits // 8
        form = struct.pack(">HHIIHH", coding, 1, 48_000, 48_000 * size, size, bits)
        chunks = b"fmt " + struct.pack(">I", 16) + form + b"data" + struct.pack(">I", len(samples)) + samples
        return b"RIFX" + struct.pack(">I", len(chunks) + 4) + b"WAVE" + chunks

    return change


for _form, _wave_format, _bits in (("s16be", 1, 16), ("s24be", 1, 24), ("f32be", 3, 32)):
    audio(
        f"rifx_of_{_form}",
        steps("raw", [*tones((400,), "mono"), *options(f"-f {_form}")], change=_as_rifx(_wave_format, _bits)),
        3,
        tones={400: "both"},
    )
audio(
    "ambisonic_opus",
    steps("opus", [*tones((400, 900, 900, 900), "4.0"), *options("-c:a libopus -mapping_family 2")]),
    3,
    tones={400: "both", 900: "none"},
)
audio("opus_in_caf", steps("caf", [*speech(4), *options("-c:a libopus")]), 4)
audio(
    "mp3_8000",
    steps("mp3", [*beep(4), *options("-c:a libmp3lame -ar 8000 -b:a 16k")]),
    4,
    within=0.3,
    beeps=every(4),
    warns=("encoded once more",),
)


def _iso_pcm(data: bytes) -> bytes:
    """A QuickTime sound of 24 bits, described as ISO/IEC 23003-5 has it in an mp4."""
    at = data.index(b"wave", data.index(b"in24"))
    return data[:at].replace(b"in24", b"ipcm") + b"pcmC" + bytes((0, 0, 0, 0, 1, 24)) + data[at + 10 :]


video(
    "iso_pcm_of_24_bits_in_a_film",
    steps("mov", [*flash(), *beep(), *H264, *options("-c:a pcm_s24le")], change=_iso_pcm),
    flashes=every(6),
    loud=None,
    warns=("sound could not be decoded",),
    where_read=("pcm_s24le", {"loud": True, "warns": (), "beeps": every(6)}),
)
audio(
    "iso_pcm_of_24_bits",
    steps("mov", [*beep(), *options("-c:a pcm_s24le")], change=_iso_pcm),
    fails="16 bits in an mp4",
    where_read=("pcm_s24le", {"fails": None, "beeps": every(6)}),
)


def _pausing(folder: Path) -> Path:
    """A phone's recording of its highest rate (RFC 4867 5): four seconds of something, four of a pause that is coded
    as one (SID packets and empty ones), four of something."""
    spread = random.Random(2)
    sounds = [b"\x3c" + spread.randbytes(31) for _ in range(3)]
    spoken = b"".join(sounds[number % 3] for number in range(200))
    paused = (b"\x44" + spread.randbytes(5) + b"\x7c" * 7) * 25
    made = folder / "pausing.amr"
    made.write_bytes(b"#!AMR\n" + spoken + paused + spoken + paused[:160])
    return made


audio("amr_with_coded_pauses", _pausing, 12, within=1.0)
_FAINT = "3e-5*(random(0)-0.5)*gt(sin(2*PI*0.83*t)+0.3*sin(2*PI*2.1*t),0)"
audio(
    "mp3_of_noise_that_nobody_hears",
    # What encoders made of silence: 90 dB under full scale, and still a pattern.
    steps("mp3", ["-f", "lavfi", "-i", f"aevalsrc=exprs='{_FAINT}':s=24000:d=5", *options("-c:a libmp3lame -b:a 32k")]),
    5,
    loud=False,
)


def _flac_of_32_bits(data: bytes) -> bytes:
    """A header that says so in STREAMINFO and in every frame (RFC 9639 8.2, 9.1.4)."""
    made = bytearray(data)
    made[20], made[21] = made[20] | 1, made[21] | 0xF0
    at = data.find(b"\xff\xf8", 42)
    while at >= 0:
        made[at + 3] |= 0x0E
        at = data.find(b"\xff\xf8", at + 2)
    return bytes(made)


audio("flac_of_32_bits", steps("flac", speech(3), change=_flac_of_32_bits), fails="FLAC of 32 bits")
audio("aac_in_wav", steps("wav", [*speech(4), *options("-c:a aac")]), fails="AAC in a WAV")


def _each(*makes: Make) -> Callable[[Path], list[bytes]]:
    def made(folder: Path) -> list[bytes]:
        streams = []
        for number, make in enumerate(makes):
            inner = folder / f"part{number}"
            inner.mkdir()
            streams.append(make(inner).read_bytes())
        return streams

    return made


def chained(suffix: str, *makes: Make) -> Make:
    """Files one after the other, as `cat` joins them."""
    parts = _each(*makes)

    def make(folder: Path) -> Path:
        path = folder / f"chained.{suffix}"
        path.write_bytes(b"".join(parts(folder)))
        return path

    return make


def holding(data: bytes) -> Make:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        path = folder / "rest"
        path.write_bytes(data)
        return path

    return make


audio(
    "chained_ogg",
    chained("ogg", *(steps("ogg", [*speech(3), *options(f"-c:a libvorbis -serial_offset {n}")]) for n in (1, 90))),
)
audio(
    "chained_ogg_of_two_kinds",
    chained(
        "ogg",
        steps("ogg", [*speech(3, 48000), *options("-c:a libvorbis -serial_offset 1")]),
        steps("ogg", [*speech(3, 44100, 2), *options("-c:a libvorbis -serial_offset 90")]),
    ),
    within=0.3,
)
audio(
    "mp3_rate_changes",
    chained(
        "mp3",
        steps("mp3", [*speech(3, 44100), *options("-c:a libmp3lame -write_xing 0")]),
        steps("mp3", [*speech(3, 22050), *options("-c:a libmp3lame -write_xing 0 -id3v2_version 0")]),
    ),
    within=0.4,
)
audio(
    "adts_channels_change",
    chained("aac", steps("aac", [*speech(3), *AAC]), steps("aac", [*speech(3, channels=2), *AAC])),
    within=0.3,
)
synced(
    "ts_sound_changes_midway",
    chained(
        "ts",
        steps("ts", [*flash(seconds=4), *beep(4), *H264, *options("-c:a ac3 -muxdelay 0")]),
        steps(
            "ts",
            [*flash(seconds=4), *beep(4, 44100, "stereo"), *H264, *options("-c:a ac3 -muxdelay 0 -output_ts_offset 4")],
        ),
    ),
    8,
    within=0.2,
)
synced(
    "ts_clock_restarts",
    chained("ts", *(steps("ts", [*flash(seconds=4), *beep(4), *H264, *AAC]) for _ in range(2))),
    8,
    within=0.3,
)
synced(
    "ts_clock_leaps",
    chained(
        "ts",
        steps("ts", [*flash(seconds=4), *beep(4), *H264, *AAC]),
        steps("ts", [*flash(seconds=4), *beep(4), *H264, *AAC, *options("-output_ts_offset 20000")]),
    ),
    8,
    within=0.3,
    slack=0.05,
    quick=True,
)
_SOUND_PAUSES = "aselect='not(between(t,4,16.95))'"
_PICTURE_PAUSES = "select='not(between(t,3.95,18.95))'"
_PAUSING: dict[str, tuple[str, tuple[str, ...]]] = {
    "ts": ("10", (*H264, *AAC)),
    "m2ts": ("24", options("-c:v mpeg2video -c:a ac3 -f mpegts -mpegts_m2ts_mode 1")),
    "mpg": ("25", options("-c:v mpeg2video -c:a mp2")),
    "ogv": ("10", options("-c:v libtheora -c:a libvorbis")),
    "mkv": ("10", (*H264, *AAC)),
}
"""Containers whose clock may jump, and one whose clock may not: pictures a second, and codecs."""
for _kind, (_fps, _pair) in _PAUSING.items():
    _whole = options("-fps_mode passthrough")
    synced(
        f"sound_pauses_{_kind}",
        steps(_kind, [*flash(_fps, 22, "96x54"), *beep(22, filters=_SOUND_PAUSES), *_pair, *_whole]),
        22,
        beeps=(*every(4), *(17.5 + number for number in range(5))),
        within=0.2,
        slack=0.06,
        notes=_PAUSES,
        quick=_kind == "ts",
    )
    video(
        f"picture_pauses_{_kind}",
        steps(_kind, [*flash(_fps, 22, "96x54", _PICTURE_PAUSES), *beep(22), *_pair, *_whole]),
        22,
        within=0.2,
        beeps=every(22),
        # A programme stream dates the first of the pictures that share a packet: the rest are where they may be.
        flashes=None if _kind == "mpg" else (*every(4), 19.5, 20.5, 21.5),
        slack=0.1,
        notes=_PAUSES,
    )
    if _kind == "mkv":
        continue
    video(
        f"sound_begins_late_{_kind}",
        steps(_kind, [*flash(_fps, 22, "96x54"), "-itsoffset", "15", *beep(7), *_pair]),
        22,
        within=0.2,
        flashes=every(22),
        beeps=tuple(15.5 + number for number in range(7)),
        slack=0.06,
        notes=_PAUSES,
    )
    video(
        f"picture_begins_late_{_kind}",
        steps(_kind, ["-itsoffset", "15", *flash(_fps, 7, "96x54"), *beep(22), *options("-map 0 -map 1"), *_pair]),
        22,
        within=0.2,
        flashes=tuple(15.5 + number for number in range(7)),
        beeps=every(22),
        slack=0.06,
        notes=_PAUSES,
    )
_GRAINY = ["-f", "lavfi", "-i", "nullsrc=s=640x360:r=25:d=6,geq=random(1)*255:128:128", "-itsoffset", "3.5", *beep(2.5)]
_CAMERA = options("-c:v mpeg2video -b:v 30M -minrate 30M -maxrate 30M -bufsize 8M")
for _kind, _sound in (("ts", "ac3"), ("mpg", "mp2")):
    # More bytes before the sound than ffmpeg looks at by itself.
    video(
        f"sound_begins_late_at_a_high_rate_{_kind}",
        steps(_kind, [*_GRAINY, *_CAMERA, "-c:a", _sound]),
        6,
        within=0.2,
        beeps=(4.0, 5.0),
        notes=_PAUSES,
    )
synced(
    "ts_clock_restarts_and_the_sound_pauses",
    chained(
        "ts",
        steps("ts", [*flash("10", 4, "96x54"), *beep(4), *H264, *AAC]),
        steps("ts", [*flash("10", 22, "96x54"), *beep(22, filters=_SOUND_PAUSES), *H264, *AAC]),
    ),
    26,
    beeps=(*every(8), *(21.5 + number for number in range(5))),
    within=0.3,
    slack=0.06,
    notes=_PAUSES,
)
synced(
    "ts_goes_on_in_other_tracks",
    chained(
        "ts",
        steps("ts", [*flash(seconds=6), *beep(6), *H264, *AAC]),
        steps(
            "ts",
            [
                *flash(seconds=4),
                *beep(4),
                *H264,
                *AAC,
                *options("-mpegts_start_pid 512 -mpegts_pmt_start_pid 5000 -output_ts_offset 6"),
            ],
        ),
    ),
    6,
    within=0.3,
    warns=("Another picture begins midway", "Another sound begins midway"),
)
synced(
    "ts_of_two_programmes",
    steps(
        "ts",
        [
            *options("-f lavfi -i sine=400:d=6"),
            *flash(),
            *beep(),
            *options("-map 0 -map 1 -map 2"),
            *H264,
            *AAC,
            *options("-program title=radio:st=0 -program title=television:st=1:st=2"),
        ],
    ),
    within=0.3,
    quick=True,
)
audio("silence", steps("wav", options("-f lavfi -i anullsrc=d=3")), 3, loud=False)
audio(
    "nearly_silence",
    steps("wav", ["-f", "lavfi", "-i", "aevalsrc=exprs='0.00002*random(0)':d=3:s=48000", *options("-c:a pcm_f32le")]),
    3,
    loud=False,
)
audio(
    "half_silent",
    steps(
        "wav",
        speech(4),
    ),
    4,
)
audio("a_tenth_of_a_second", steps("wav", speech(0.1)), 0.1, loud=False)
audio("one_sample", steps("wav", [*speech(1), *options("-af atrim=end_sample=1")]), None, loud=False)
video("video_silent", steps("mp4", [*moving(3), *options("-f lavfi -i anullsrc=d=3"), *H264, *AAC]), 3, loud=False)
audio("video_as_audio", steps("mp4", [*flash(), *beep(), *H264_B, *AAC]), beeps=every(6))
audio(
    "video_as_audio_late_sound",
    steps("mkv", [*flash(), *options("-itsoffset 2"), *beep(4), *H264, *AAC]),
    4,
    beeps=every(4),
)
audio(
    "video_as_audio_late_sound_pcm",
    steps("mov", [*flash(), *options("-itsoffset 2"), *beep(4), *H264, *options("-c:a pcm_s16le")]),
    4,
    beeps=every(4),
)
audio("video_as_audio_ts", steps("ts", [*options("-itsoffset 1"), *flash(), *beep(4), *H264, *AAC]), 4, beeps=every(4))

# --- Tracks -----------------------------------------------------------------------------------------------------------

_TWO = [*moving(3), *tones((500,), "mono"), *tones((900,), "mono")]
_TWO_MAPS = options("-map 0 -map 1 -map 2")
for _which, _marks, _wanted, _warns in (
    ("first_when_none_is_default", "-disposition:a:0 0 -disposition:a:1 0", 500, ("sound track 2 is left out",)),
    ("second_is_default", "-disposition:a:0 0 -disposition:a:1 default", 900, ("sound track 1 is left out",)),
    ("first_is_commentary", "-disposition:a:0 comment -disposition:a:1 0", 900, ()),
    ("default_is_described", "-disposition:a:0 default+visual_impaired -disposition:a:1 0", 900, ()),
):
    video(
        f"sounds_{_which}",
        steps("mkv", [*_TWO, *_TWO_MAPS, *H264, *AAC, *_marks.split()]),
        3,
        tones={500: "both" if _wanted == 500 else "none", 900: "both" if _wanted == 900 else "none"},
        warns=_warns,
    )
video(
    "first_sound_is_empty",
    # Its track is there, and not one packet of it.
    steps(
        "mkv",
        [
            *moving(3),
            *options("-f lavfi -i anullsrc=d=1"),
            *tones((900,), "mono"),
            *_TWO_MAPS,
            *H264,
            *AAC,
            *options("-bsf:a:0 noise=drop=1"),
        ],
    ),
    3,
    tones={900: "both"},
)
for _kind, _marks, _left_out in (
    ("mkv", "", 2),
    ("mov", "", 2),
    ("mkv", "-disposition:v:0 0 -disposition:v:1 default", 1),
):
    video(
        f"films_side_by_side_{_kind}_{_left_out}",
        steps(_kind, [*moving(3), *moving(3, size="96x54"), *options("-map 0 -map 1"), *H264, *_marks.split()]),
        3,
        loud=None,
        warns=(f"several films side by side.*picture track {_left_out} is left out",),
    )
_NOTES = "1\n00:00:00,100 --> 00:00:01,000\nHi\n"


def beside(name: str, text: str, make: Make) -> Make:
    def made(folder: Path) -> Path:
        (folder / name).write_text(text)
        return make(folder)

    return made


synced(
    "subtitles_chapters_attachment",
    beside(
        "notes.srt",
        _NOTES,
        steps(
            "mkv",
            [
                *flash(),
                *beep(),
                *options(
                    "-i {folder}/notes.srt -map 0 -map 1 -map 2 -attach {folder}/notes.srt "
                    "-metadata:s:t mimetype=text/plain"
                ),
                *H264,
                *AAC,
                *options("-c:s srt"),
            ],
        ),
    ),
)
synced(
    "subtitles_start_first",
    beside(
        "notes.srt",
        _NOTES,
        steps(
            "mkv",
            [
                "-itsoffset",
                "5",
                *flash(),
                "-itsoffset",
                "5",
                *beep(),
                *options("-i {folder}/notes.srt -map 0 -map 1 -map 2"),
                *H264,
                *AAC,
                *options("-c:s srt"),
            ],
        ),
    ),
)
synced("timecode_track", steps("mov", [*flash("25"), *beep(), *H264, *AAC, *options("-timecode 10:00:00:00")]))
video(
    "cover_first",
    steps(
        "mp4",
        [
            *moving(3),
            *speech(3),
            *COVER,
            *options("-map 2 -map 0 -map 1 -c:v:0 mjpeg -c:v:1 libx264 -pix_fmt:v:1 yuv420p"),
            *AAC,
            *options("-disposition:v:0 attached_pic"),
        ],
    ),
    3,
)
video("cover_only", steps("mp3", [*speech(3), *COVER, *_COVERED]), fails="no picture track")

# --- Containers and names ---------------------------------------------------------------------------------------------

for _kind, _tracks in {
    "mp4": [*H264_B, *AAC],
    "mov": [*H264_B, *options("-c:a pcm_s16le")],
    "m4v": [*H264_B, *AAC],
    "3gp": [*options("-s 176x144 -c:v h263 -c:a aac")],
    "mkv": [*H264_B, *options("-c:a libvorbis")],
    "webm": options("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    "avi": [*MPEG4, *options("-c:a libmp3lame")],
    "mts": [*H264_B, *options("-c:a ac3 -mpegts_m2ts_mode 1 -f mpegts")],
    "ts": [*H264_B, *AAC],
    "vob": options("-c:v mpeg2video -q:v 4 -c:a ac3"),
    "mxf": options("-c:v mpeg2video -q:v 4 -ar 48000 -c:a pcm_s16le"),
    "flv": [*options("-c:v flv -q:v 4 -c:a libmp3lame -ar 44100")],
    "wmv": options("-c:v wmv2 -q:v 4 -c:a wmav2"),
    "ogv": options("-c:v libtheora -q:v 7 -c:a libvorbis"),
}.items():
    synced(
        f"container_{_kind}",
        # Theora's encoder leaves out pictures that do not change, and some muxers then lose their times.
        steps(
            _kind,
            [
                *(flash("25", 6, "352x288", GRAIN) if _kind in ("vob", "ogv") else flash("25")),
                *beep(),
                *_tracks,
            ],
        ),
        within=0.2,
        upload=f"original.{_kind}",
    )
synced(
    "fragmented",
    steps(
        "mp4",
        # Without pictures out of order: an index that is written first has no edit list that moves them back.
        [*flash(), *beep(), *H264, *AAC, *options("-g 30 -movflags frag_keyframe+empty_moov+default_base_moof")],
    ),
)
synced("index_first", steps("mp4", [*flash(), *beep(), *H264_B, *AAC, *options("-movflags +faststart")]))
synced(
    "avi_without_index",
    steps(
        "avi",
        [*flash("25"), *beep(), *MPEG4, *options("-c:a libmp3lame")],
        change=lambda data: data[: data.rindex(b"idx1")],
    ),
    within=0.3,
)


def _unfinished_avi(data: bytes) -> bytes:
    """As a pipe takes it, or a recorder that is switched off leaves it: sizes and lengths are ffmpeg's placeholders."""
    made = bytearray(data[: data.rindex(b"idx1")])
    made[4:8] = b"\xff" * 4
    at = made.find(b"strh")
    while at >= 0:
        made[at + 40 : at + 44] = struct.pack("<I", 1 << 30)
        at = made.find(b"strh", at + 4)
    return bytes(made)


synced(
    "avi_unfinished",
    steps("avi", [*flash("25"), *beep(), *MPEG4, *options("-c:a libmp3lame")], change=_unfinished_avi),
    within=0.3,
)
video(
    "ogv_of_a_still",
    # Theora's encoder leaves out pictures that do not change.
    steps(
        "ogv", ["-f", "lavfi", "-i", "color=red:s=160x90:r=25:d=3", *beep(3), *options("-c:v libtheora -c:a libvorbis")]
    ),
    3,
    quick=True,
)
video(
    "avi_with_a_late_last_picture",
    steps("avi", [*moving(3, "25"), *options("-vf select='lt(n,20)+not(mod(n,12))' -vsync vfr"), *MPEG4]),
    2.92,
    within=0.06,
    loud=None,
)
video("raw_h264", steps("h264", [*moving(3, "25"), *H264]), 3, within=0.2, loud=None)
video(
    "raw_hevc",
    steps("hevc", [*moving(3, "25"), *options("-c:v libx265 -x265-params log-level=error -preset ultrafast")]),
    3,
    within=0.2,
    loud=None,
)
video("raw_mpeg2", steps("m2v", [*moving(3, "25"), *options("-c:v mpeg2video -q:v 4")]), 3, within=0.2, loud=None)
video("ivf", steps("ivf", [*moving(3, "25"), *options("-c:v libvpx -deadline realtime")]), 3, within=0.2, loud=None)
for _name, _upload in {
    "spaces": "my holiday film.mp4",
    "emoji": "\U0001f408 caf\u00e9 \u65e5\u672c.mov",
    "quotes": 'it\'s "mine" & $(yours) `now`.mp4',
    "leading_dash": "-i.mp4",
    "no_suffix": "original",
    "two_hundred": "n" * 196 + ".mp4",
    "wrong_suffix": "original.jpg",
    "percent": "100% of it.mp4",
    "colon": "concat:a|b.mp4",
}.items():
    video(f"name_{_name}", steps("mp4", [*moving(1), *speech(1), *H264, *AAC]), 1, upload=_upload)

# --- Damage -----------------------------------------------------------------------------------------------------------

_MOVING = [*moving(10), *speech(10, channels=2)]
_MP4 = [*_MOVING, *H264_B, *options("-g 30"), *AAC]
_FIRST = [*_MP4, *options("-movflags +faststart")]
_PICTURE = r"damaged: about \d+ % of the picture"
_SOUND = r"damaged: about \d+ % of the sound"
_CUT = r"cut off: the last [\d.]+ of [\d.]+ seconds of the picture.*about (2[89]|3[0-3]) %"
_CUT_SOUND = r"cut off: the last [\d.]+ of [\d.]+ seconds of the sound.*about (2[89]|3[0-3]) %"
video("mp4_one_bit", steps("mp4", _MP4, change=flipped(1)), 10, within=0.3)
video("mp4_some_bytes", steps("mp4", _MP4, change=flipped(60)), 10, warns=(_PICTURE, _SOUND), within=0.3)
video("mp4_many_bytes", steps("mp4", _MP4, change=flipped(400)), 10, warns=(_PICTURE, _SOUND), within=0.3)
for _share in (10, 30):
    video(
        f"mp4_hole_{_share}",
        steps("mp4", _MP4, change=zeroed(0.4, 0.4 + _share / 100)),
        10,
        warns=(_PICTURE, _SOUND),
        within=0.3,
    )
video("mp4_hole_at_the_end", steps("mp4", _MP4, change=zeroed(0.8, 1.0)), 10, warns=(_PICTURE, _SOUND), within=0.4)
video("mp4_hole_60", steps("mp4", _MP4, change=zeroed(0.3, 0.9)), fails="too damaged")
video(
    "mp4_cut_5",
    steps("mp4", _FIRST, change=cut(0.95)),
    9.5,
    warns=("cut off: the last 0", "cut off: the last 0"),
    within=0.4,
)
video("mp4_cut_30", steps("mp4", _FIRST, change=cut(0.7)), 7, warns=(_CUT, _CUT_SOUND), within=0.5)
video("mp4_cut_60", steps("mp4", _FIRST, change=cut(0.4)), fails="cut off")
video("mp4_cut_without_index", steps("mp4", _MP4, change=cut(0.9)), fails="cut off: its index")
video("mkv_hole_20", steps("mkv", [*_MP4], change=zeroed(0.4, 0.6)), 10, warns=(_PICTURE, _SOUND), within=0.4)
video("mkv_cut_30", steps("mkv", [*_MP4], change=cut(0.7)), 7, warns=(_CUT, _CUT_SOUND), within=0.5)
video("mkv_missing_middle", steps("mkv", [*_MP4], change=removed(0.4, 0.6)), 10, warns=(_PICTURE, _SOUND), within=0.4)
video("mkv_cut_60", steps("mkv", [*_MP4], change=cut(0.4)), fails="cut off")
video(
    "webm_hole_20",
    steps("webm", [*_MOVING, *options("-c:v libvpx -deadline realtime -g 30 -c:a libopus")], change=zeroed(0.4, 0.6)),
    10,
    warns=(_PICTURE, _SOUND),
    within=0.5,
)
video(
    "ts_lost_packets",
    steps("ts", _MP4, change=without_ts_packets(0.05)),
    10,
    warns=("could not be kept", _PICTURE, _SOUND),
    within=0.4,
)
video(
    "ts_few_lost_packets",
    steps("ts", _MP4, change=without_ts_packets(0.004)),
    None,
    warns=("encoded once more", r"damaged: about 2 % of the picture", r"damaged: about [12] % of the sound"),
)
video("ts_hole_20", steps("ts", _MP4, change=zeroed(0.4, 0.6)), 10, warns=(_PICTURE, _SOUND), within=0.4)
video("ts_cut_30", steps("ts", _MP4, change=cut(0.7)), 7, within=0.5)
video(
    "mpeg2_ts_hole_30",
    steps("ts", [*_MOVING, *options("-c:v mpeg2video -g 15 -bf 2 -b:v 2M -c:a mp2")], change=zeroed(0.4, 0.7)),
    10,
    warns=(_PICTURE, _SOUND),
    within=0.5,
)
video(
    "avi_cut_30",
    steps("avi", [*_MOVING, *MPEG4, *options("-c:a libmp3lame")], change=cut(0.7)),
    7,
    warns=(_CUT, _CUT_SOUND),
    within=0.7,
)
video(
    "avi_hole_20",
    steps("avi", [*_MOVING, *MPEG4, *options("-c:a libmp3lame")], change=zeroed(0.4, 0.6)),
    None,
    warns=(_PICTURE, _SOUND),
)
for _name, _kind, _codec, _count in (
    ("h264", "mp4", "-c:v libx264 -preset ultrafast -g 1 -threads 1 -pix_fmt yuv420p -x264-params slices=4", 120),
    ("mpeg2", "mov", "-c:v mpeg2video -q:v 3 -g 12", 120),
    ("mpeg4", "avi", "-c:v mpeg4 -q:v 3", 120),
):
    video(
        f"a_block_of_every_picture_{_name}",
        # What can be seen is delivered.
        steps(_kind, [*moving(2), *options(_codec)], change=flipped(_count)),
        2,
        within=0.2,
        loud=None,
        warns=("damaged: about [3-9]. % of the picture",),
    )
video(
    "mov_prores_bits",
    steps("mov", [*_MOVING, *options("-c:v prores_ks -c:a pcm_s16le")], change=flipped(60)),
    10,
    warns=(_PICTURE,),
)
# ffmpeg's own decoder makes pictures of it, without a word.
for _kind in ("webm", "mp4"):
    video(
        f"{_kind}_vp9_bits",
        steps(
            _kind,
            [*moving(4), *options("-an -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25")],
            change=flipped(12, 0.4, 0.7),
        ),
        4,
        loud=None,
        warns=("damaged: about .. % of the picture",),
    )


def sound_only(data: bytes) -> bytes:
    """Every second AAC packet of an mp4 whose sound lies in one piece after the picture is garbage."""
    _, high = _body(data)
    made = bytearray(data)
    for at in range(high - 30_000, high - 200, 150):
        made[at : at + 40] = bytes(40)
    return bytes(made)


video("mp4_garbage_behind", steps("mp4", _FIRST, change=lambda data: data + bytes(range(256)) * 400), 10, within=0.3)
audio("mp3_bits", steps("mp3", [*speech(20), *options("-c:a libmp3lame")], change=flipped(60)), None)
audio(
    "mp3_hole_20",
    steps("mp3", [*speech(20), *options("-c:a libmp3lame")], change=zeroed(0.4, 0.6)),
    None,
    warns=("damaged|cut off",),
)
audio(
    "mp3_cut_30",
    steps("mp3", [*speech(20), *options("-c:a libmp3lame")], change=cut(0.7)),
    14,
    warns=(_CUT_SOUND,),
    within=0.5,
)
audio("mp3_cut_60", steps("mp3", [*speech(20), *options("-c:a libmp3lame")], change=cut(0.35)), fails="cut off")
audio("wav_cut_30", steps("wav", speech(20), change=cut(0.7)), 14, warns=(_CUT_SOUND,), within=0.3, quick=True)
audio("wav_cut_60", steps("wav", speech(20), change=cut(0.4)), fails="cut off")
audio("flac_bits", steps("flac", speech(20), change=flipped(400)), 20, warns=(_SOUND,), within=0.5)
# Damage that a demuxer steps over without a word, in some release or in all.
audio(
    "flac_24_hole_15",
    steps("flac", [*speech(20, channels=2), *options("-c:a flac -sample_fmt s32")], change=zeroed(0.45, 0.6)),
    20,
    warns=(_SOUND,),
    within=0.5,
)
audio("wavpack_hole_15", steps("wv", speech(20), change=zeroed(0.65, 0.8)), None, warns=(_CUT_SOUND,), within=0.5)
video(
    "mxf_hole_15",
    steps("mxf", [*_MOVING, *options("-c:v mpeg2video -q:v 5 -c:a pcm_s16le -ar 48000")], change=zeroed(0.45, 0.6)),
    None,
    warns=(_PICTURE, _SOUND),
)
_DV = ["-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=3", *speech(3, channels=2)]
_DV += options("-c:v dvvideo -c:a pcm_s16le -ac 2 -pix_fmt yuv420p")
# The demuxer gives up behind the hole, or loses its step.
video("dv_hole_10", steps("dv", _DV, change=zeroed(0.7, 0.8)), None, warns=(_PICTURE, _SOUND))
video("dv_hole_in_the_middle", steps("dv", _DV, change=zeroed(0.45, 0.6)), fails="too damaged")
video(
    "dv_ntsc_hole_15",
    steps(
        "dv",
        [
            *("-f", "lavfi", "-i", "testsrc2=s=720x480:r=30000/1001:d=3", *speech(3, channels=2)),
            *options("-c:v dvvideo -c:a pcm_s16le -ac 2 -pix_fmt yuv411p"),
        ],
        change=zeroed(0.45, 0.6),
    ),
    3,
    # A frame of zeros is one of this system, and black; the sound in it is missing.
    warns=(_SOUND,),
)
FLAC_OF_TWENTY = [*speech(20), *options("-c:a flac"), ">flac"]
# Its header goes on counting twenty seconds.
audio("flac_copied_in_part", steps("flac", FLAC_OF_TWENTY, options("-i {before} -t 6 -c copy")), 6)
audio("flac_copied_from_the_middle", steps("flac", FLAC_OF_TWENTY, options("-ss 5 -i {before} -t 12 -c copy")), 12)
audio("flac_cut_30", steps("flac", speech(20), change=cut(0.7)), 14, warns=(_CUT_SOUND,), within=0.5)
audio(
    "ogg_hole_20",
    steps("ogg", [*speech(20), *options("-c:a libvorbis")], change=zeroed(0.4, 0.6)),
    20,
    warns=(_SOUND,),
    within=0.5,
)
audio(
    "ogg_bits",
    steps("ogg", [*speech(40), *options("-c:a libopus -page_duration 200000")], change=flipped(4)),
    40,
    warns=(_SOUND,),
    within=0.5,
)
audio("ogg_cut_30", steps("ogg", [*speech(20), *options("-c:a libvorbis")], change=cut(0.7)), 14, within=1.0)
audio("m4a_bits", steps("m4a", [*speech(20), *AAC], change=flipped(60)), 20, warns=(_SOUND,), within=0.3)
audio(
    "m4a_hole_30",
    steps("m4a", [*speech(20), *AAC], change=zeroed(0.4, 0.7)),
    20,
    warns=(_SOUND,),
    within=0.3,
    notes=("silent",),
)
audio(
    "m4a_cut_30",
    steps("m4a", [*speech(20), *AAC, *options("-movflags +faststart")], change=cut(0.7)),
    14,
    warns=(_CUT_SOUND,),
    within=0.5,
)
audio(
    "wma_bits",
    steps("wma", [*speech(20, channels=2), *options("-c:a wmav2")], change=flipped(60)),
    None,
    warns=(_SOUND,),
)
audio("adts_hole_10", steps("aac", [*speech(20), *AAC], change=zeroed(0.4, 0.5)), None)


# --- Channels in tracks of their own ----------------------------------------------------------------------------------


def mono_tracks(
    suffix: str,
    codec: str,
    labels: Sequence[str] = (),
    count: int = 2,
    options: str = "",
    names: Sequence[str] = (),
    change: Change | None = None,
) -> Make:
    """Tones of 400, 900, ... Hz, each in a mono track of its own; `labels` name the channels, `names` the tracks."""
    sounds = [part for at in range(count) for part in tones([400 + 500 * at], "mono")]
    named = "".join(f"[{at}:a]aformat=channel_layouts={label}[s{at}];" for at, label in enumerate(labels))
    maps = [part for at in range(count) for part in ("-map", f"[s{at}]" if labels else f"{at}:a")]
    graph = ["-filter_complex", named.rstrip(";")] if labels else []
    # An MXF begins with its picture.
    picture = ["-map", f"{count}:v", "-c:v", "mpeg2video"] if suffix == "mxf" else []
    shown = moving(3, "25") if picture else []
    tag = "handler_name" if suffix in ("mp4", "m4a", "mov") else "title"
    called = [part for at, name in enumerate(names) for part in (f"-metadata:s:a:{at}", f"{tag}={name}")]
    return steps(
        suffix, [*sounds, *shown, *graph, *picture, *maps, "-c:a", codec, *called, *options.split()], change=change
    )


SIDES = {400: "left", 900: "right"}
audio("mono_tracks_labelled_mov", mono_tracks("mov", "pcm_s16le", ("FL", "FR")), 3, tones=SIDES)
audio("mono_tracks_exchanged_mov", mono_tracks("mov", "pcm_s24le", ("FR", "FL")), 3, tones={400: "right", 900: "left"})
audio("mono_tracks_equal_mov", mono_tracks("mov", "aac"), 3, tones=SIDES, within=0.2)
video("mono_tracks_mxf", mono_tracks("mxf", "pcm_s16le"), 3, tones=SIDES)
SURROUND = {400: "left", 900: "right", 1400: "both", 1900: "none", 2400: "left", 2900: "right"}
audio(
    "mono_tracks_of_5_1_mov",
    mono_tracks("mov", "pcm_s16le", ("FL", "FR", "FC", "LFE", "SL", "SR"), count=6),
    3,
    tones=SURROUND,
    quick=True,
)
audio(
    "mono_tracks_of_7_1_mov",
    mono_tracks("mov", "pcm_f32le", ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"), count=8),
    3,
    tones={**SURROUND, 3400: "left", 3900: "right"},
)
audio(
    "mono_tracks_of_5_1_at_44_1_khz",
    mono_tracks("mov", "pcm_s24le", ("FL", "FR", "FC", "LFE", "BL", "BR"), count=6, options="-ar 44100"),
    3,
    tones=SURROUND,
)
audio(
    "mono_tracks_four_mov",
    mono_tracks("mov", "pcm_s16le", count=4),
    3,
    tones={**SIDES, 1400: "none"},
    warns=("beside them sound tracks 3 and 4 are left out",),
)
audio(
    "mono_tracks_three_aac_mov",
    mono_tracks("mov", "aac", count=3),
    3,
    within=0.2,
    tones={**SIDES, 1400: "none"},
    warns=("beside them sound track 3 is left out",),
)
for _kind, _add_media in (("mov", audio), ("mxf", video)):
    _add_media(
        f"mono_tracks_six_{_kind}",
        mono_tracks(_kind, "pcm_s24le", count=6),
        3,
        tones={**SIDES, 1400: "none", 2900: "none"},
        warns=("beside them sound tracks 3, 4, 5 and 6 are left out",),
    )
audio(
    "mono_tracks_languages_mov",
    mono_tracks("mov", "pcm_s16le", options="-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra"),
    3,
    tones={400: "both", 900: "none"},
)
for _kind, _add_media in (("mp4", audio), ("mkv", audio)):
    _add_media(
        f"mono_tracks_languages_{_kind}",
        mono_tracks(_kind, "aac", options="-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra"),
        3,
        within=0.2,
        tones={400: "both", 900: "none"},
    )


def played_together(data: bytes) -> bytes:
    """An mp4 whose tracks are all enabled, and of no group of which one is played instead of another."""
    made = bytearray(data)
    at = made.find(b"tkhd")
    while at >= 0:
        made[at + 7] |= 1
        made[at + 38 : at + 40] = b"\0\0"
        at = made.find(b"tkhd", at + 4)
    return bytes(made)


_UNTOLD = "does not say that they are versions of one.*sound {} left out"
_Tracks = Sequence[tuple[str, str, Mapping[str, Any]]]
_TOGETHER: _Tracks = (
    ("sides", "mp4", {"names": ("Voice_L", "Voice_R")}),
    ("sides", "mkv", {"names": ("Left", "Right")}),
    ("sides", "avi", {"names": ("Mic_left", "Mic_right")}),
    ("numbers", "mkv", {"names": ("CH1", "CH2")}),
    ("together", "mp4", {"change": played_together}),
    ("together", "m4a", {"change": played_together}),
)
for _name, _kind, _more in _TOGETHER:
    audio(
        f"mono_tracks_{_name}_{_kind}",
        mono_tracks(_kind, "libmp3lame" if _kind == "avi" else "aac", **_more),
        3,
        within=0.2,
        tones=SIDES,
    )
audio(
    "mono_tracks_named_5_1_mkv",
    mono_tracks("mkv", "flac", count=6, names=("L", "R", "C", "LFE", "Ls", "Rs")),
    3,
    tones=SURROUND,
)
audio(
    "mono_tracks_exchanged_mkv",
    mono_tracks("mkv", "pcm_s16le", names=("front_right", "front_left")),
    3,
    tones={400: "right", 900: "left"},
)
_APART: _Tracks = (
    ("untold", "mp4", {}),
    ("untold", "mkv", {}),
    ("untold", "nut", {}),
    ("named", "mkv", {"names": ("Deutsch", "English")}),
    ("named", "mov", {"names": ("Host", "Guest")}),
    ("named", "mp4", {"names": ("Host", "Guest"), "change": played_together}),
)
for _name, _kind, _more in _APART:
    audio(
        f"mono_tracks_{_name}_{_kind}" + ("_together" if "change" in _more else ""),
        mono_tracks(_kind, "aac", **_more),
        3,
        within=0.2,
        tones={400: "both", 900: "none"},
        warns=(_UNTOLD.format("track 2 is"),),
    )
audio(
    "mono_tracks_untold_three_mkv",
    mono_tracks("mkv", "aac", count=3),
    3,
    within=0.2,
    tones={400: "both", 900: "none", 1400: "none"},
    warns=(_UNTOLD.format("tracks 2 and 3 are"),),
)
_BESIDE = [*moving(3), *tones((500, 600), "stereo"), *tones((900,), "mono"), *_TWO_MAPS, *H264, *AAC]
for _name, _marks, _warned in (
    ("a_voice", "", True),
    ("a_voice_of_the_same_language", "-metadata:s:a:0 language=eng -metadata:s:a:1 language=eng", True),
    ("a_dub", "-disposition:a:1 dub", False),
    ("another_codec", "-c:a:0 ac3", False),
):
    video(
        f"sounds_beside_{_name}_mkv",
        # What a screen shows and what is said to it.
        steps("mkv", [*_BESIDE, *_marks.split()]),
        3,
        tones={500: "left", 600: "right", 900: "none"},
        **({"warns": (_UNTOLD.format("track 2 is"),)} if _warned else {}),
    )


# --- Lengths that are estimated, or not known -------------------------------------------------------------------------


def _with_cover(seconds: float, *more: str) -> Make:
    cover = options("-f lavfi -i testsrc2=s=900x900:d=0.1:r=10,noise=alls=60 -map 0 -map 1 -c:v png")
    return steps("mp3", [*speech(seconds), *cover, *options("-disposition:v attached_pic -c:a libmp3lame"), *more])


def unknown_lengths(*kinds: bytes) -> Change:
    """An mp4 in fragments that does not say how long it is: all bits of each duration are set."""

    def change(data: bytes) -> bytes:
        made = bytearray(data)
        for kind in kinds:
            # Version, flags, two dates, a time scale or a track's number (and four bytes that mean nothing).
            skipped = 24 if kind == b"tkhd" else 20
            at = made.find(kind)
            while at >= 0:
                made[at + skipped : at + skipped + 4] = b"\xff" * 4
                at = made.find(kind, at + 4)
        return bytes(made)

    return change


def dated_once(kind: int, stamp: int) -> Change:
    """A Flash film whose sixth tag of this kind says another time (milliseconds, 32 bits)."""

    def change(data: bytes) -> bytes:
        made, at, seen = bytearray(data), 13, 0
        while seen < 6:
            seen += made[at] == kind
            if seen == 6:
                made[at + 4 : at + 8] = (stamp & 0xFFFFFF).to_bytes(3, "big") + bytes([stamp >> 24])
            at += 15 + int.from_bytes(made[at + 1 : at + 4], "big")
        return bytes(made)

    return change


def longer_last_sample(seconds: float) -> Change:
    """An mp4 whose picture's last sample lasts so long, as its index comes last and says."""

    def change(data: bytes) -> bytes:
        (moov,) = [box for box in _boxes(data, 0, len(data)) if box[0] == b"moov"]
        return data[: moov[1]] + _lengthened(data[moov[1] : moov[2]], seconds)

    return change


def _lengthened(box: bytes, seconds: float, scale: int = 0) -> bytes:
    kind = box[4:8]
    if kind == b"stts":
        count, step = struct.unpack(">II", box[16:24])
        return _box(b"stts", struct.pack(">IIIIII", 0, 2, count - 1, step, 1, int(seconds * scale)))
    if kind == b"mdhd":
        return box[:24] + struct.pack(">I", struct.unpack(">I", box[24:28])[0] + int(seconds * scale)) + box[28:]
    if (kind == b"trak" and b"vide" not in box) or kind not in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        return box
    scale = scale or struct.unpack(">I", box[box.index(b"mdhd") + 16 :][:4])[0] if kind == b"trak" else scale
    inside = [box[at:end] for _, at, end in _boxes(box, 8, len(box))]
    return _box(kind, b"".join(_lengthened(part, seconds, scale) for part in inside))


audio("mp3_joined_of_two_with_covers", chained("mp3", _with_cover(4), _with_cover(5)), 9, within=0.3, quick=True)
audio(
    "mp3_joined_of_three_with_covers",
    chained("mp3", _with_cover(4, "-q:a", "2"), _with_cover(5, "-write_id3v1", "1"), _with_cover(3, "-b:a", "64k")),
    12,
    within=0.4,
)
_FRAGMENTS = options("-movflags +frag_keyframe+empty_moov+default_base_moof")
# ffmpeg leaves a hole of 57 ms behind the first packet of such a sound.
video(
    "fragments_of_a_steady_tone",
    steps("mp4", [*flash(), *tones([440], "mono", 44_100, 6), *H264, *AAC, *_FRAGMENTS]),
)
for _name, _kinds in {"mdhd": (b"mdhd",), "all": (b"mdhd", b"mvhd", b"tkhd")}.items():
    synced(
        f"fragments_of_unknown_length_{_name}",
        steps("mp4", [*flash(), *beep(), *H264, *AAC, *_FRAGMENTS], change=unknown_lengths(*_kinds)),
        within=0.2,
    )
audio(
    "m4a_in_fragments_of_unknown_length",
    steps("m4a", [*speech(4), *AAC, *_FRAGMENTS, "-f", "mp4"], change=unknown_lengths(b"mdhd")),
    4,
    within=0.2,
)
for _track, _tag in {"picture": 9, "sound": 8}.items():
    for _when, _stamp in {"far_ahead": 40_000_000, "negative": 0xFFFFFFD8}.items():
        video(
            f"flv_{_track}_dated_{_when}_once",
            steps("flv", [*flash(), *beep(), *H264, *AAC], change=dated_once(_tag, _stamp)),
            fails="claims to last .* and holds nothing for",
            quick=(_track, _when) == ("picture", "far_ahead"),
        )
for _suffix, _coding, _within in (
    ("mkv", [*H264, *AAC], 0.2),
    ("webm", options("-c:v libvpx -c:a libopus"), 0.2),
    ("wmv", options("-c:v wmv2 -c:a wmav2"), 0.3),
    ("avi", [*MPEG4, *options("-c:a libmp3lame")], 0.3),
):
    _flashing = flash("25") if _suffix == "avi" else flash()
    synced(
        f"{_suffix}_of_a_stale_length",
        steps(_suffix, [*_flashing, *beep(), *_coding], change=STALE[_suffix]),
        within=_within,
    )
for _suffix, _options in {"mp3": "-c:a libmp3lame -q:a 5", "wma": "-c:a wmav2", "wv": "-c:a wavpack"}.items():
    audio(
        f"{_suffix}_of_a_stale_length",
        steps(_suffix, [*speech(4), *options(_options)], change=STALE[_suffix]),
        4,
        within=0.2,
    )
for _hertz in (8000, 48000):
    audio(
        f"ogg_whose_last_packet_lasts_for_ever_{_hertz}",
        steps("ogg", [*tones([440], "mono", _hertz, 400 / _hertz), *options("-c:a libvorbis")]),
        None,
        loud=None,
    )
for _kind, _pair in (("mp4", tuple(H264_B)), ("mov", tuple(MPEG4)), ("m4v", tuple(H264))):
    video(
        f"edit_begins_empty_and_skips_the_start_{_kind}",
        steps(_kind, [*moving(), *speech(), *_pair, *AAC], change=edited((400, -1), (5000, 1000))),
        5,
        within=0.2,
    )
    video(
        f"last_sample_is_longer_{_kind}",
        steps(_kind, [*moving(), *speech(), *_pair, *AAC], change=longer_last_sample(2)),
        None,
    )
for _number, _seconds in ((2, 7), (3, 13)):
    video(
        f"flv_of_{_number}_pictures",
        steps(
            "flv",
            [
                *("-f", "lavfi", "-i", f"testsrc2=s=96x54:r=1:d={_number},setpts=PTS*6"),
                *options("-c:v libx264 -bf 0 -fps_mode passthrough -enc_time_base 1/1000"),
            ],
        ),
        _seconds,
        loud=None,
        notes=("frozen",),
    )
audio(
    "alac_in_caf",
    steps("caf", [*speech(3.05, 44100), *options("-c:a alac")]),
    3.05,
    within=0.02,
)
_SHORT = [*moving(2), *speech(2), *H264, *AAC]
_OTHER = [*moving(3, size="96x54"), *speech(3), *H264, *AAC]
_INDEX_FIRST = options("-movflags +faststart")
for _name, _first, _second in (
    ("index_last", (), ()),
    ("index_first", _INDEX_FIRST, _INDEX_FIRST),
    ("the_second_in_fragments", (), _FRAGMENTS),
    ("the_first_in_fragments", _FRAGMENTS, ()),
    ("both_in_fragments", _FRAGMENTS, _FRAGMENTS),
):
    video(
        f"two_films_in_one_mp4_{_name}",
        chained("mp4", steps("mp4", [*_SHORT, *_first]), steps("mp4", [*_OTHER, *_second])),
        2,
        warns=("several films",),
    )
_VP8 = options("-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus")
_AVI = options("-c:v mpeg4 -c:a libmp3lame")
_MXF = options("-c:v mpeg2video -c:a pcm_s16le -ar 48000")
for _kind, _coded in (("mkv", ()), ("webm", _VP8), ("flv", ()), ("avi", _AVI), ("mov", ()), ("nut", ())):
    video(
        f"two_films_in_one_{_kind}",
        chained(_kind, steps(_kind, [*_SHORT, *_coded]), steps(_kind, [*_OTHER, *_coded])),
        2,
        within=0.15,
        warns=("several films",),
    )
for _kind in ("wav", "flac", "aiff", "m4a", "caf", "w64", "au", "voc", "wv", "tta"):
    audio(
        f"two_sounds_in_one_{_kind}",
        chained(_kind, steps(_kind, speech(2)), steps(_kind, speech(3))),
        2,
        warns=("several films or sounds",),
    )
for _kind, _options in (("rf64", "-rf64 always -f wav"), ("ivf", "-c:v libvpx"), ("y4m", "-pix_fmt yuv420p")):
    _begun, _add_media = (speech, audio) if _kind == "rf64" else (moving, video)
    _add_media(
        f"two_of_{_kind}_in_one",
        chained(_kind, *(steps(_kind, [*_begun(seconds), *options(_options)]) for seconds in (2, 3))),
        2,
        loud=True if _kind == "rf64" else None,
        warns=("several films or sounds",),
    )
for _name, _rest in {"zeros": bytes(5000), "a_tag": b"TAG" + bytes(125), "an_archive": b"PK\3\4" + bytes(99)}.items():
    audio(f"w64_with_{_name}_behind_it", chained("w64", steps("w64", speech(2)), holding(_rest)), 2)
# Noise, as a disk leaves it behind what a recorder wrote.
audio("au_with_noise_behind_it", chained("au", steps("au", speech(2)), holding(bytes(range(256)) * 400)), 2)
for _name, _behind in {
    "zeros": lambda data: data + bytes(5000),
    "an_archive": lambda data: data + b"PK\3\4" + bytes(range(256)) * 20,
}.items():
    video(f"film_in_fragments_with_{_name}_behind_it", steps("mp4", [*_SHORT, *_FRAGMENTS], change=_behind), 2)
video(
    "film_with_a_sound_behind_it",
    chained("mp4", steps("mp4", _SHORT), steps("mp3", speech(3))),
    2,
    warns=("several films or sounds",),
)
_LIVE = (*_VP8, *options("-live 1"))
for _kind, _coded, _behind_it, _others in (
    ("mkv", (), "mp3", speech(3)),
    ("mkv", (), "mp4", _OTHER),
    ("mkv", (), "wav", speech(3)),
    ("webm", _VP8, "ts", _OTHER),
    ("webm", _LIVE, "mp4", _OTHER),
    ("webm", _LIVE, "flac", speech(3)),
):
    video(
        f"{_kind}{'_live' * (_coded is _LIVE)}_with_{_behind_it}_behind_it",
        chained(_kind, steps(_kind, [*_SHORT, *_coded]), steps(_behind_it, _others)),
        2,
        within=0.15,
        warns=("several films or sounds",),
    )
audio(
    "mka_with_a_film_behind_it",
    chained("mka", steps("mka", [*speech(2), *options("-c:a flac")]), steps("mp4", _OTHER)),
    2,
    warns=("several films or sounds",),
)
for _name, _after in {
    "zeros": lambda data: data + bytes(5000),
    "an_archive": lambda data: data + b"PK\3\4" + bytes(range(256)) * 20,
}.items():
    video(f"mkv_with_{_name}_behind_it", steps("mkv", _SHORT, change=_after), 2)
_MPG = options("-r 25 -c:v mpeg2video -c:a mp2")
for _kind, _coded in (
    ("flv", ()),
    ("wmv", options("-c:v wmv2 -c:a wmav2")),
    ("mxf", _MXF),
    ("nut", ()),
    ("ts", H264),
    ("m2ts", H264),
    ("mpg", _MPG),
):
    video(
        f"{_kind}_with_a_film_behind_it",
        chained(_kind, steps(_kind, [*_SHORT, *_coded]), steps("mp4", _OTHER)),
        2,
        within=0.15,
        warns=("several films or sounds",),
    )
for _kind in ("flac", "caf", "mp3", "ogg", "ac3"):
    audio(
        f"{_kind}_with_a_film_behind_it",
        chained(_kind, steps(_kind, speech(2)), steps("mp4", _OTHER)),
        2,
        within=0.2,
        warns=("several films or sounds",),
    )
