"""The storyboard: the moments that it shows, the arguments that draw them on one sheet, and the text that names both.

In: a film in equal parts of a second or more, at most as many as one sheet has, each shown by the picture in its
middle. Out: running ffmpeg, and a picture that ends before a moment (`build/storyboard.py`).

The text is WebVTT whose cues name a place on a picture, as players read it (`sheet.jpg#xywh=x,y,width,height`, W3C
Media Fragments 4.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from codex_assets.media import profile
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED
from codex_assets.media.input_flags import input_arguments


@dataclass(frozen=True)
class Tile:
    """A part of the film, in seconds, and the picture that stands for it: the one at `moment`."""

    start: float
    end: float
    moment: float


@dataclass(frozen=True)
class Sheet:
    """So many tiles of a size (pixels), row by row, beside each other in so many columns."""

    tiles: tuple[Tile, ...]
    columns: int
    width: int
    height: int

    @property
    def rows(self) -> int:
        """Rows, of which the last may not be full."""
        return -(-len(self.tiles) // self.columns)

    def place(self, number: int) -> tuple[int, int]:
        """Where the `number`-th tile (from 0) lies: pixels from the left, and from the top."""
        return number % self.columns * self.width, number // self.columns * self.height


def plan(duration: float, frame_seconds: float, size: tuple[int, int]) -> Sheet:
    """The sheet of a film of so many seconds, whose pictures have this size (pixels)."""
    count = max(1, min(profile.STORYBOARD_TILES, int(duration / profile.STORYBOARD_TILE_SECONDS)))
    edges = [round(duration * number / count, 3) for number in range(count + 1)]
    # Never past the start of the last frame.
    last = max(0.0, duration - 1.5 * frame_seconds)
    tiles = tuple(Tile(start, end, min((start + end) / 2, last)) for start, end in pairwise(edges))
    width, height = (_even(side * profile.STORYBOARD_TILE_SIDE / max(size)) for side in size)
    return Sheet(tiles, min(profile.STORYBOARD_COLUMNS, count), width, height)


def _even(side: float) -> int:
    return max(2, 2 * round(side / 2))


def tile_arguments(mezzanine: str, sheet: Sheet, outputs: Sequence[tuple[Tile, str]]) -> list[str]:
    """Some tiles, each as one raw picture in a file of its own."""
    scale = f"scale={sheet.width}:{sheet.height}:{SCALER}:out_color_matrix=bt601:out_range=pc,format=yuvj420p"
    inputs: list[str] = []
    pictures: list[str] = []
    for number, (tile, output) in enumerate(outputs):
        inputs += ["-threads", "1", "-ss", f"{tile.moment:.6f}", *input_arguments(mezzanine, trusted=True)]
        pictures += ["-map", f"{number}:v:0", "-frames:v", "1", "-vf", scale, "-f", "rawvideo", output]
    return [*inputs, *pictures]


def sheet_arguments(tiles: str, sheet: Sheet, output: str) -> list[str]:
    """All tiles on one sheet: `tiles` has their raw pictures one after the other."""
    size = f"{sheet.width}x{sheet.height}"
    return [
        *("-f", "rawvideo", "-pixel_format", "yuvj420p", "-video_size", size, "-i", tiles),
        *("-vf", f"tile={sheet.columns}x{sheet.rows},setsar=1", "-frames:v", "1"),
        *("-c:v", "mjpeg", "-q:v", str(profile.STORYBOARD_QUALITY), "-threads", "1", *STRIPPED, *BITEXACT),
        *("-f", "image2", "-update", "1", output),
    ]


def text(sheet: Sheet, name: str) -> str:
    """The text that names the moments and places of all tiles; `name`: the sheet's file beside it."""
    cues = [
        f"{_time(tile.start)} --> {_time(tile.end)}\n{name}#xywh={left},{top},{sheet.width},{sheet.height}\n"
        for number, tile in enumerate(sheet.tiles)
        for left, top in [sheet.place(number)]
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _time(seconds: float) -> str:
    """As WebVTT writes it: `00:01:02.345`."""
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
