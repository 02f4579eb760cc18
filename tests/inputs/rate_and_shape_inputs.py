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
    """`rate`: that of the mezzanine. `times`: of each picture, in seconds, all of which have to be seen."""

    name: str
    make: Make
    rate: str
    times: tuple[float, ...]
    size: tuple[int, int] = (96, 54)
    warns: tuple[str, ...] = ()
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
        # Without a length, ffmpeg 5.1 does not show the last picture of a transport stream and of FLV.
        _seen = _times[:-1] if _kind in ("ts", "flv") else _times
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

# --- Rates that nobody has named --------------------------------------------------------------------------------------

for _rate, _kind in (
    ("2983/100", "mp4"),
    ("2983/100", "mkv"),
    ("2983/100", "flv"),
    ("14587/1000", "mov"),
    ("21/2", "mkv"),
    ("21/2", "ts"),
):
    case(
        f"odd_rate_{_rate.replace('/', '_')}_{_kind}",
        encoded(_kind, f"{film(_rate, 3)} {H264}"),
        _rate,
        constant(_rate, int(3 * Fraction(_rate))),
        quick=(_rate, _kind) == ("2983/100", "mp4"),
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
        quick=(_codec, _order) == ("libvpx", "abab"),
    )
