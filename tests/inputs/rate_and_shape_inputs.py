"""Uploads whose pictures come at an odd rate, at another rate than is stated, in several sizes, or with transparency
now and then; each with what has to be delivered of it. Made by plain ffmpeg.

Each picture is of one grey, by its number, so that every single one can be found again. Nothing here knows the code
under test. `CASES` holds them by name.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

Box = tuple[float, float, float, float]
FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
Make = Callable[[Path], Path]
Change = Callable[[bytes], bytes]

H264 = "-c:v libx264 -preset ultrafast -qp 12 -pix_fmt yuv420p -threads 1"
SD = "-color_range tv -colorspace smpte170m"
VPX = "-deadline realtime -cpu-used 8 -crf 4 -b:v 2M -auto-alt-ref 0"
GREYS = 20
"""Different greys, 10 levels apart."""


@dataclass(frozen=True)
class Case:
    """`rate`: that of the mezzanine. `times`: of each picture, in seconds, all of which have to be seen. `places`: at
    which second the picture fills which part of the frame: left, top, right, bottom, 0 to 1; around it is black."""

    name: str
    make: Make
    rate: str
    times: tuple[float, ...]
    size: tuple[int, int] = (96, 54)
    warns: tuple[str, ...] = ()
    places: tuple[tuple[float, Box], ...] = ()
    quick: bool = False


CASES: dict[str, Case] = {}


def case(name: str, make: Make, rate: str, times: Sequence[float], **more: object) -> None:
    assert name not in CASES, name
    CASES[name] = Case(name, make, rate, tuple(times), **more)  # type: ignore[arg-type]


def grey(number: int) -> int:
    """Luma of a picture, by its number: neighbours differ clearly."""
    return 20 + 10 * (number * 7 % GREYS)


def film(rate: str, seconds: float, filters: str = "", size: str = "96x54") -> str:
    """Arguments for pictures of one grey each, numbered from 0 after `filters` have chosen among them."""
    level = f"20+10*mod(N*7\\,{GREYS})"
    chain = ",".join([*([filters] if filters else []), f"geq=lum='{level}':cb=128:cr=128"])
    return f"-f lavfi -i color=gray:s={size}:r={rate}:d={seconds},{chain}"


def encoded(suffix: str, *runs: str, change: Change | None = None) -> Make:
    """Arguments of each run, which reads `{before}`; all but the last write mkv, or what `>mp4` at their end says."""

    def make(folder: Path) -> Path:
        made = folder / "nothing"
        for number, run in enumerate(runs):
            words = run.replace("{before}", str(made)).replace("{folder}", str(folder)).split()
            kind = words.pop()[1:] if words[-1].startswith(">") else suffix if run is runs[-1] else "mkv"
            made = folder / f"{number}.{kind}"
            subprocess.run([*FFMPEG, *words, str(made)], check=True)
        if change is not None:
            made.write_bytes(change(made.read_bytes()))
        return made

    return make


def constant(rate: str, count: int) -> list[float]:
    return [float(number / Fraction(rate)) for number in range(count)]


# --- A last picture without a length ----------------------------------------------------------------------------------


def without_last_length(data: bytes) -> bytes:
    """An mp4 with its index last, one track and one entry in its table of times (`stts`): the last picture gets an
    entry of its own, that says 0."""
    made = bytearray(data)
    at = made.index(b"stts")
    entries, count, length = struct.unpack(">III", made[at + 8 : at + 20])
    assert entries == 1
    made[at + 8 : at + 20] = struct.pack(">IIIII", 2, count - 1, length, 1, 0)
    for box in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        where = made.index(box) - 4
        (size,) = struct.unpack(">I", made[where : where + 4])
        made[where : where + 4] = struct.pack(">I", size + 8)
    return bytes(made)


for _rate, _more in (("30", ""), ("25", "-bf 2"), ("24000/1001", ""), ("50", "-bf 2"), ("12", "")):
    _count = 36 if _rate == "12" else 75
    _seconds = float(_count / Fraction(_rate))
    case(
        f"last_picture_without_length_{_rate.replace('/', '_')}",
        encoded("mp4", f"{film(_rate, _seconds)} {H264} {_more}", change=without_last_length),
        _rate,
        constant(_rate, _count),
        quick=_rate == "30",
    )

# --- Screens that stand still -----------------------------------------------------------------------------------------


def bursts(rate: int, seconds: int, every: int = 2, part: float = 0.5, idle: int = 1) -> tuple[str, list[float]]:
    """A filter that keeps motion for a part of each `every` seconds, else `idle` pictures a second; and the times."""
    chosen = [
        number
        for number in range(rate * seconds)
        if number % (rate // idle) == 0 or number / rate % every < part - 1e-6
    ]
    kept = f"select='not(mod(n\\,{rate // idle}))+lt(mod(n/{rate}\\,{every})\\,{part - 1e-6})'"
    return kept, [number / rate for number in chosen]


for _kind, _codec in (
    ("mp4", H264),
    ("mkv", H264),
    ("ts", H264),
    ("flv", H264),
    ("webm", f"-c:v libvpx {VPX} -live 1"),
):
    for _moving in (30, 60):
        _kept, _times = bursts(_moving, 7)
        _seen = _times
        case(
            f"idle_screen_{_moving}_{_kind}",
            encoded(_kind, f"{film(str(_moving), 7, _kept)} {_codec} -fps_mode vfr -enc_time_base 1:90000"),
            str(_moving),
            _seen,
            quick=(_moving, _kind) == (60, "webm"),
        )
_kept, _times = bursts(60, 6, 3, 0.4, 10)
case(
    "idle_at_ten_a_second",
    encoded("mp4", f"{film('60', 6, _kept)} {H264} -fps_mode vfr -enc_time_base 1:90000"),
    "60",
    _times,
)


def on_beats(rate: int, seconds: int) -> tuple[str, list[float]]:
    """A filter that keeps pictures as a screen changes on which somebody types: on beats of a clock, never evenly."""
    chosen = [n for n in range(rate * seconds) if n == 0 or (7 * n * n + 3 * n) % 11 > 7 or n % 23 in (5, 6)]
    kept = "not(n)+gt(mod(7*n*n+3*n\\,11)\\,7)+eq(mod(n\\,23)\\,5)+eq(mod(n\\,23)\\,6)"
    return f"select='{kept}'", [n / rate for n in chosen]


for _moving, _kind, _codec in (
    (30, "mp4", H264),
    (60, "mkv", H264),
    (25, "ts", H264),
    (30, "flv", H264),
    (25, "webm", f"-c:v libvpx {VPX} -live 1"),
):
    _kept, _times = on_beats(_moving, 7)
    case(
        f"screen_on_beats_{_moving}_{_kind}",
        encoded(_kind, f"{film(str(_moving), 7, _kept)} {_codec} -fps_mode vfr -enc_time_base 1:90000"),
        str(_moving),
        _times,
    )

# --- Film in fields ---------------------------------------------------------------------------------------------------

for _kind in ("mkv", "mp4", "ts"):
    _units = [number * 5 // 2 for number in range(72)]
    case(
        f"soft_telecine_{_kind}",
        encoded(
            _kind,
            f"{film('24000/1001', 3)},settb=1001/60000,setpts=floor(N*5/2) {H264} -fps_mode vfr -enc_time_base 1:60000",
        ),
        "24000/1001",
        # The last one lasts for one field.
        [unit * 1001 / 60000 for unit in _units[:-1]],
    )

# A programme stream says only of some pictures when they are shown.
case(
    "reordered_mpg",
    encoded("mpg", f"{film('25', 3, size='160x96')} -c:v mpeg2video -q:v 2 -bf 2"),
    "25",
    constant("25", 75),
    size=(160, 96),
)

# --- Rates that nobody has named --------------------------------------------------------------------------------------

for _rate, _kind in (
    ("2983/100", "mp4"),
    ("2983/100", "mkv"),
    ("2983/100", "flv"),
    ("14587/1000", "mov"),
    ("21/2", "mkv"),
    ("21/2", "ts"),
    ("2537/100", "ts"),
    ("2983/100", "m2ts"),
    ("2537/100", "mpegts_of_hevc"),
):
    _hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=12:bframes=0 -f mpegts"
    case(
        f"odd_rate_{_rate.replace('/', '_')}_{_kind}",
        encoded(_kind, f"{film(_rate, 3)} {_hevc if 'hevc' in _kind else H264}"),
        _rate,
        constant(_rate, int(3 * Fraction(_rate))),
    )

# --- Transparency now and then ----------------------------------------------------------------------------------------


def now_and_then(codec: str, suffix: str, order: str) -> Make:
    """Parts of half a second with transparency beside the picture (a) and without (b), in one track."""

    def make(folder: Path) -> Path:
        listed = folder / "list.txt"
        lines = []
        for number, letter in enumerate(order):
            part = folder / f"{number}.webm"
            level = f"20+10*mod((N+{15 * number})*7\\,{GREYS})"
            opaque = "yuva420p" if letter == "a" else "yuv420p"
            alpha = ":a=255" if letter == "a" else ""
            source = f"color=gray:s=96x54:r=30:d=0.5,format={opaque},geq=lum='{level}':cb=128:cr=128{alpha}"
            words = ["-f", "lavfi", "-i", source, "-c:v", codec, *VPX.split(), "-pix_fmt", opaque]
            subprocess.run([*FFMPEG, *words, str(part)], check=True)
            lines.append(f"file '{part}'\n")
        listed.write_text("".join(lines))
        made = folder / f"joined.{suffix}"
        words = ["-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", "-metadata:s:v", "alpha_mode=1"]
        subprocess.run([*FFMPEG, *words, str(made)], check=True)
        return made

    return make


for _codec, _suffix, _order in (
    ("libvpx", "webm", "abab"),
    ("libvpx", "webm", "babb"),
    ("libvpx", "mkv", "bbba"),
    ("libvpx-vp9", "webm", "abbb"),
    ("libvpx-vp9", "mkv", "aaba"),
):
    case(
        f"alpha_now_and_then_{_codec.replace('-', '_')}_{_suffix}_{_order}",
        now_and_then(_codec, _suffix, _order),
        "30",
        constant("30", 60),
    )


# --- Sizes that change midway -----------------------------------------------------------------------------------------

RESIZED = ("changes its size midway",)
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def in_sizes(codec: str, suffix: str, *parts: tuple[str, float], more: str = "", pixels: Sequence[str] = ()) -> Make:
    """Parts of these sizes and lengths (seconds), 30 pictures a second, in one track. `pixels`: their aspects."""

    def make(folder: Path) -> Path:
        kind = "webm" if codec.startswith("libvpx") else "ts"
        lines, first = [], 0
        for number, (size, seconds) in enumerate(parts):
            part = folder / f"{number}.{kind}"
            level = f"20+10*mod((N+{first})*7\\,{GREYS})"
            shaped = f",setsar={pixels[number]}" if pixels else ""
            source = f"color=gray:s={size}:r=30:d={seconds},geq=lum='{level}':cb=128:cr=128{shaped}"
            words = ["-f", "lavfi", "-i", source, "-c:v", *codec.split(), "-pix_fmt", "yuv420p"]
            subprocess.run([*FFMPEG, *words, str(part)], check=True)
            lines.append(f"file '{part}'\nduration {seconds}\n")
            first += round(30 * seconds)
        listed = folder / "list.txt"
        listed.write_text("".join(lines))
        made = folder / f"joined.{suffix}"
        words = ["-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", *more.split()]
        subprocess.run([*FFMPEG, *words, str(made)], check=True)
        return made

    return make


X264 = "libx264 -preset ultrafast -qp 12 -bf 0 -threads 1"
X265 = "libx265 -preset ultrafast -x265-params log-level=error:qp=12:bframes=0"
VP8, VP9 = f"libvpx {VPX}", f"libvpx-vp9 {VPX}"


def beside(wide: float) -> Box:
    """In the middle, of this part of the width."""
    return ((1 - wide) / 2, 0.0, (1 + wide) / 2, 1.0)


def below(high: float) -> Box:
    return (0.0, (1 - high) / 2, 1.0, (1 + high) / 2)


for _name, _make, _size, _seconds, _places in (
    ("grows_ts", in_sizes(X264, "ts", ("160x90", 1), ("320x180", 1)), (320, 180), 2, ((0.5, WHOLE), (1.5, WHOLE))),
    ("grows_webm", in_sizes(VP8, "webm", ("160x90", 1), ("320x180", 2)), (320, 180), 3, ((0.5, WHOLE), (2, WHOLE))),
    ("grows_twice_vp9", in_sizes(VP9, "mkv", ("96x54", 0.5), ("160x90", 0.5), ("320x180", 2)), (320, 180), 3, ()),
    ("shrinks_mp4", in_sizes(X264, "mp4", ("320x180", 1), ("160x90", 1)), (320, 180), 2, ((0.5, WHOLE), (1.5, WHOLE))),
    (
        "turns_ts",
        in_sizes(X264, "ts", ("320x180", 1.5), ("180x320", 1)),
        (320, 180),
        2.5,
        ((0.5, WHOLE), (2, beside(102 / 320))),
    ),
    (
        "turns_webm",
        in_sizes(VP8, "webm", ("180x320", 1.5), ("320x180", 1)),
        (180, 320),
        2.5,
        ((0.5, WHOLE), (2, below(102 / 320))),
    ),
    (
        "turns_larger_hevc",
        in_sizes(X265, "mkv", ("192x108", 1), ("180x320", 1)),
        (180, 320),
        2,
        ((0.5, below(102 / 320)), (1.5, WHOLE)),
    ),
    (
        "changes_shape_mpeg2",
        in_sizes("mpeg2video -q:v 2 -bf 0", "ts", ("192x144", 1), ("256x144", 1)),
        (256, 144),
        2,
        ((0.5, beside(192 / 256)), (1.5, WHOLE)),
    ),
    (
        "stays_and_widens_ts",
        # A broadcast that goes from 4:3 to 16:9: as many pixels, of another shape.
        in_sizes(X264, "ts", ("176x144", 1), ("176x144", 1), pixels=("12/11", "16/11")),
        (256, 144),
        2,
        ((0.5, beside(192 / 256)), (1.5, WHOLE)),
    ),
    (
        "stays_and_narrows_mpeg2",
        in_sizes("mpeg2video -q:v 2 -bf 0 -g 12", "mpg", ("176x144", 1), ("176x144", 1), pixels=("16/11", "12/11")),
        (256, 144),
        2,
        ((0.5, WHOLE), (1.5, beside(192 / 256))),
    ),
    (
        "stays_and_widens_hevc",
        in_sizes(X265, "m2ts", ("176x144", 1), ("176x144", 1), pixels=("12/11", "16/11")),
        (256, 144),
        2,
        ((0.5, beside(192 / 256)), (1.5, WHOLE)),
    ),
    (
        "large_for_a_moment",
        in_sizes(X264, "ts", ("160x90", 1), ("320x180", 0.1), ("160x90", 1)),
        (160, 90),
        2.1,
        ((0.5, WHOLE), (1.5, WHOLE)),
    ),
):
    case(
        f"size_{_name}",
        _make,
        "30",
        # A decoder of MPEG-2 loses the picture that it holds back before another size.
        [at for at in constant("30", round(30 * _seconds)) if "mpeg2" not in _name or at < 0.9],
        size=_size,
        warns=RESIZED,
        places=_places,
        quick=_name == "grows_ts",
    )
