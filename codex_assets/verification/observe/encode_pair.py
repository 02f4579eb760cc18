"""Looks at two encodes of one film, picture by picture and packet by packet: how alike they are, and where least.

In: what is measured, and at which size. Out: which encodes are compared, and how alike they have to be
(`library/output_comparison.py`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from codex_assets.system.tools import Tools
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound import coded_sound_digest

COMPARED_SIDE = 320
"""Pixels of the longer side at which pictures are compared."""
SMALLEST_SIDE = 16
"""Pixels: SSIM is measured in blocks of eight."""
NEGLIGIBLE = 0.005
"""Distance (1 - SSIM) of a good encode from its source; a smaller one counts as this much more."""
_LINE = re.compile(r"\[metadata@(\w+) @ .*\b(?:frame:(\d+) .*pts_time:([\d.]+)|lavfi\.ssim\.All=([\d.]+))")


@dataclass(frozen=True)
class Excess:
    """How many times as far as the second encode the first one is from their source, at `at` seconds."""

    times: float
    at: float


@dataclass(frozen=True)
class PictureLikeness:
    """How alike the pictures of two encodes are, as SSIM of all planes: 1 is the same.

    `least` is that of the picture that differs most, at `least_at` seconds. `counts`: pictures in the first encode and
    in the second one. `worst_second`, `worst_picture`: where the first one is furthest from the source, for what the
    second one is; None where the source was not looked at.
    """

    mean: float
    least: float
    least_at: float
    counts: tuple[int, int]
    worst_second: Excess | None = None
    worst_picture: Excess | None = None


def compare_pictures(
    tools: Tools, first: Path, second: Path, *, source: Path | None = None, duration: float | None = None
) -> PictureLikeness | None:
    """All pictures of two files or playlists, by their times; None where either has none that can be compared.

    Each lies in a folder of its own. `source`: what both were made from. `duration`: seconds of the film. Raises
    `ToolError` when one cannot be decoded.
    """
    counts = (_picture_count(tools, first), _picture_count(tools, second))
    if 0 in counts:
        return None
    inputs = [first, second, *([source] if source is not None else [])]
    arguments = [part for path in inputs for part in ("-i", str(path))]
    graph = _graph(_compared_size(tools, first), with_source=source is not None)
    seen = _Meters()
    tools.ffmpeg(
        [*arguments, "-filter_complex", graph, "-map", "[out]", "-f", "null", "-"],
        label="comparing pictures",
        duration=duration,
        on_log=seen.read,
    )
    return seen.likeness(counts)


def _graph(size: tuple[int, int], *, with_source: bool) -> str:
    """Filters that print the SSIM of every picture, of the encodes (`pair`) and of each with the source."""
    scaled = "setpts=PTS-STARTPTS,settb=AVTB,scale={}:{}:flags=area,format=yuv420p,setsar=1".format(*size)
    meter = "ssim=shortest=1,metadata@{}=mode=print:key=lavfi.ssim.All"
    if not with_source:
        return f"[0:v:0]{scaled}[a];[1:v:0]{scaled}[b];[a][b]{meter.format('pair')}[out]"
    return ";".join(
        [
            *(f"[{number}:v:0]{scaled},split[{name}0][{name}1]" for number, name in enumerate("abs")),
            f"[a0][b0]{meter.format('pair')}[out]",
            f"[a1][s0]{meter.format('first')},nullsink",
            f"[b1][s1]{meter.format('second')},nullsink",
        ]
    )


def _compared_size(tools: Tools, path: Path) -> tuple[int, int]:
    """The size at which its pictures are compared."""
    asked = ["-select_streams", "v:0", "-show_entries", "stream=width,height", str(path)]
    stream = tools.ffprobe(asked, label="probing")["streams"][0]
    width, height = int(stream["width"]), int(stream["height"])
    scale = min(1.0, COMPARED_SIDE / max(width, height))
    return max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale))


def sound_digest(tools: Tools, path: Path, *, duration: float | None = None) -> str | None:
    """A hash of a file's or a playlist's coded sound, packet by packet; None without sound. `duration`: its seconds.

    Raises `ToolError` when it cannot be read.
    """
    asked = ["-select_streams", "a:0", "-show_entries", "stream=index", str(path)]
    if not tools.ffprobe(asked, label="probing").get("streams"):
        return None
    return coded_sound_digest(Decoder(tools), ["-i", str(path)], duration=duration)


def _picture_count(tools: Tools, path: Path) -> int:
    size = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    shown = ["-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", str(path)]
    return sum(line[:1].isdigit() for line in tools.ffprobe_lines(shown, label="counting pictures", size=size))


class _Meters:
    """Reads what the filters print, picture by picture, and keeps no more of it than the answer needs."""

    def __init__(self) -> None:
        self._count, self._sum = 0, 0.0
        self._least, self._least_at = 2.0, 0.0
        self._picture: dict[str, tuple[int, float]] = {}
        """Meter -> number and time of the picture whose value is printed next."""
        self._waiting: dict[tuple[str, int], float] = {}
        """Values of one encode whose counterpart of the other one has not come yet."""
        self._seconds: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        """Second -> pictures, and the sums of both encodes' distances from the source."""
        self._worst_picture: Excess | None = None

    def read(self, line: str) -> None:
        """Take in one line of the log."""
        match = _LINE.search(line)
        if match is None:
            return
        meter, number, at, value = match.groups()
        if number is not None:
            self._picture[meter] = (int(number), float(at))
        elif meter == "pair":
            self._count, self._sum = self._count + 1, self._sum + float(value)
            if float(value) < self._least:
                self._least, self._least_at = float(value), self._picture[meter][1]
        else:
            self._add(meter, *self._picture[meter], 1 - float(value))

    def _add(self, meter: str, number: int, at: float, distance: float) -> None:
        counterpart = self._waiting.pop(("second" if meter == "first" else "first", number), None)
        if counterpart is None:
            self._waiting[meter, number] = distance
            return
        first, second = (distance, counterpart) if meter == "first" else (counterpart, distance)
        second_sums = self._seconds[int(at)]
        for place, value in enumerate((1.0, first, second)):
            second_sums[place] += value
        excess = Excess(first / (second + NEGLIGIBLE), at)
        if self._worst_picture is None or excess.times > self._worst_picture.times:
            self._worst_picture = excess

    def likeness(self, counts: tuple[int, int]) -> PictureLikeness | None:
        """What it comes to; None when no picture was compared."""
        if not self._count:
            return None
        by_second = [
            Excess(first / (second + NEGLIGIBLE * pictures), float(at))
            for at, (pictures, first, second) in self._seconds.items()
        ]
        return PictureLikeness(
            self._sum / self._count,
            self._least,
            self._least_at,
            counts,
            max(by_second, key=lambda excess: excess.times, default=None),
            self._worst_picture,
        )
