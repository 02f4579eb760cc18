"""Measures of a delivered picture, from outside: what ffmpeg decodes, looked at sample by sample.

Knows nothing of how a picture is made. Colours are read from the planes by the formulas of BT.709 (limited range) and
of JFIF, so that no converter's opinion is measured twice. Boxes are parts of the picture: (left, top, right, bottom),
0 to 1.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageStat

Box = tuple[float, float, float, float]
Colour = tuple[float, float, float]


BESIDE_EVERYTHING = ("", "H.26[45] User Data Unregistered SEI message", "CPB properties")


@dataclass(frozen=True)
class Seen:
    """What ffprobe says of the first picture track. `tags`: range, matrix, transfer, primaries."""

    codec: str
    pixel_format: str
    width: int
    height: int
    sample_aspect: str
    rate: Fraction
    field_order: str
    tags: tuple[str | None, ...]
    turned: bool
    """Whether a player would still have to turn or mirror it."""
    side_data_beside: tuple[str, ...]
    """What else the stream or its first frame says of the picture, but for matrices and notes of encoders."""
    frames: int


@dataclass(frozen=True)
class Film:
    """Every decoded picture: its moment in seconds and its three planes."""

    width: int
    height: int
    times: tuple[float, ...]
    planes: tuple[tuple[Image.Image, Image.Image, Image.Image], ...]

    def colour(self, number: int, box: Box) -> Colour:
        """Mean R'G'B' (0 to 255) of a box of a picture."""
        return _rgb709(*(_mean(plane, box) for plane in self.planes[number]))

    def level(self, number: int, box: Box = (0.4, 0.4, 0.6, 0.6)) -> float:
        """Mean luma (0 to 255) of a box of a picture."""
        return _mean(self.planes[number][0], box)


def seen(path: Path) -> Seen:
    command = ("ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-of", "json", "-show_streams")
    (stream,) = json.loads(_run((*command, *_opened(path)[1:])))["streams"][:1]
    first = ("-show_frames", "-read_intervals", "%+#1", *_opened(path)[1:])
    (frame,) = json.loads(_run(("ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json", *first)))["frames"][
        :1
    ]
    beside = {side.get("side_data_type", "") for part in (stream, frame) for side in part.get("side_data_list", [])}
    names = ("color_range", "color_space", "color_transfer", "color_primaries")
    return Seen(
        codec=stream["codec_name"],
        pixel_format=stream["pix_fmt"],
        width=stream["width"],
        height=stream["height"],
        sample_aspect=stream.get("sample_aspect_ratio", "1:1"),
        rate=Fraction(stream["r_frame_rate"]),
        field_order=stream.get("field_order", "unknown"),
        tags=tuple(stream.get(name) for name in names),
        turned=any("rotation" in side for side in stream.get("side_data_list", [])) or "rotate" in _tags(stream),
        side_data_beside=tuple(sorted(name for name in beside if name not in BESIDE_EVERYTHING)),
        frames=int(stream["nb_read_packets"]),
    )


def decoded(path: Path, *, limit: int = 400) -> Film:
    """The first `limit` pictures of a file or playlist with 4:2:0 pictures of 8 bits."""
    facts = seen(path)
    width, height = facts.width, facts.height
    assert facts.pixel_format == "yuv420p", facts.pixel_format
    every = ("-map", "0:v:0", "-fps_mode", "passthrough")
    command = ("ffmpeg", "-nostdin", "-v", "error", "-noautorotate", *_opened(path), *every)
    data = _run((*command, "-frames:v", str(limit), "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"))
    half = ((width + 1) // 2, (height + 1) // 2)
    small, whole = half[0] * half[1], width * height
    assert data, f"nothing of {path.name} can be decoded"
    planes = []
    for at in range(0, len(data), whole + 2 * small):
        parts = (data[at : at + whole], data[at + whole :][:small], data[at + whole + small :][:small])
        sizes = ((width, height), half, half)
        planes.append(tuple(Image.frombytes("L", size, part) for size, part in zip(sizes, parts, strict=True)))
    times = [float(line.split(",")[0]) for line in _times(path)][:limit]
    return Film(width, height, tuple(times), tuple(planes))  # type: ignore[arg-type]


def jpeg_colour(path: Path, box: Box) -> Colour:
    """Mean R'G'B' of a box of a JPEG."""
    picture = Image.open(path).convert("RGB")
    red, green, blue = (_mean(plane, box) for plane in picture.split())
    return red, green, blue


def fitted(width: int, height: int, into: tuple[int, int], box: Box) -> Box:
    """A box of a `width` x `height` picture, where that lies in the middle of a frame of the size `into`."""
    factor = min(into[0] / width, into[1] / height)
    wide, high = width * factor / into[0], height * factor / into[1]
    left, top = (1 - wide) / 2, (1 - high) / 2
    return left + box[0] * wide, top + box[1] * high, left + box[2] * wide, top + box[3] * high


def distance(colour: Colour, other: Colour) -> float:
    """The largest difference of a channel."""
    return max(abs(a - b) for a, b in zip(colour, other, strict=True))


def bar(film: Film, number: int, box: Box) -> float | None:
    """Where the bright bar in a dark box has its middle, as a part of the box's width; None when there is none."""
    crop = _crop(film.planes[number][0], box)
    columns = list(crop.resize((crop.width, 1), Image.Resampling.BOX).tobytes())
    weights = [max(0, value - 60) for value in columns]
    total = sum(weights)
    if total < 60:
        return None
    return (sum(at * weight for at, weight in enumerate(weights)) / total + 0.5) / crop.width


def combing(film: Film, number: int, box: Box) -> float:
    """Levels by which lines differ from both neighbours more than the neighbours from each other: 0 without combs."""
    crop = _crop(film.planes[number][0], box)
    width, height = crop.size
    data = crop.tobytes()
    worst = []
    for x in range(width):
        column = data[x::width]
        teeth = 0.0
        for y in range(1, height - 1):
            above, here, below = column[y - 1], column[y], column[y + 1]
            teeth += max(0.0, abs(2 * here - above - below) / 2 - abs(above - below))
        worst.append(teeth / max(1, height - 2))
    return max(worst, default=0.0)


def steps(positions: list[float | None]) -> list[float]:
    """How far the bar went from each picture to the next; a jump back (the bar begins anew) is left out."""
    return [b - a for a, b in pairwise(positions) if a is not None and b is not None and b >= a - 0.02]


def _tags(stream: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in stream.get("tags", {}).items()}


def _opened(path: Path) -> tuple[str, ...]:
    return ("-i", str(path))


def _times(path: Path) -> list[str]:
    command = ("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0")
    return _run((*command, str(path))).decode().split()


def _run(command: tuple[str, ...]) -> bytes:
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return done.stdout


def _crop(plane: Image.Image, box: Box) -> Image.Image:
    """At least one sample, wholly inside the box where it can be."""
    left, top = round(box[0] * plane.width), round(box[1] * plane.height)
    left, top = min(left, plane.width - 1), min(top, plane.height - 1)
    right, bottom = max(left + 1, round(box[2] * plane.width)), max(top + 1, round(box[3] * plane.height))
    return plane.crop((left, top, right, bottom))


def _mean(plane: Image.Image, box: Box) -> float:
    return float(ImageStat.Stat(_crop(plane, box)).mean[0])


def _rgb709(luma: float, cb: float, cr: float) -> Colour:
    """ITU-R BT.709-6, limited range, 8 bits."""
    y, u, v = (luma - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return tuple(255 * min(1.0, max(0.0, channel)) for channel in (red, green, blue))  # type: ignore[return-value]
