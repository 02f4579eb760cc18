"""Builds a storyboard: its pictures out of the mezzanine, one sheet of them, and the text that says when each is shown.

In: its record, and what stands for a moment at which the mezzanine has no picture any more. Out: which moments those
are, and the arguments that draw them (`media/encode/storyboard`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from codex_assets.archive.records import StoryboardRecord
from codex_assets.build.media_build import MediaBuild, files_version
from codex_assets.build.phases import Phase
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.errors import MissingInput, ToolError
from codex_assets.media.encode import storyboard
from codex_assets.media.encode.storyboard import Sheet, Tile
from codex_assets.media.outputs import MEZZANINE, STORYBOARD
from codex_assets.storage import keys
from codex_assets.storage.publish import Stage, Upload
from codex_assets.system import machine, side_by_side
from codex_assets.system.tools import Tools

LABEL = "drawing the storyboard"
TILES_OF_A_RUN = 10
"""So many are drawn by one run of ffmpeg, which opens the mezzanine for each of them."""


def build_storyboard(build: MediaBuild) -> None:
    """Make the sheet and its text. Raises `MissingInput` without a mezzanine."""
    work = build.receipts.begin()
    source = build.mezzanine_record()
    if source.picture_size is None:
        raise MissingInput(f"Media {build.media.media_id} has no picture that a storyboard could show.")
    mezzanine_file = build.mezzanine_file(source)
    frame_seconds = float(1 / source.rate) if source.rate else 0.0
    sheet = storyboard.plan(source.duration, frame_seconds, source.picture_size)
    folder = build.workspace.folder("storyboard")
    picture, text = folder / keys.STORYBOARD_SHEET_NAME, folder / keys.STORYBOARD_NAME
    with build.phase(Phase.STORYBOARD):
        _make(build.tools, mezzanine_file, sheet, picture, text)
    record = StoryboardRecord(
        **build.head(STORYBOARD.name),
        data_version=files_version((picture, text)),
        duration=source.duration,
        tiles=len(sheet.tiles),
        columns=sheet.columns,
        tile_width=sheet.width,
        tile_height=sheet.height,
        build=build.receipts.draft(build.media.media_type, STORYBOARD.name, {MEZZANINE.name: source.data_version}),
    )
    with build.phase(Phase.VERIFYING):
        observation = build.observer.storyboard(text, source.duration, reference=mezzanine_file)
    creator, media_id = build.media.creator_id, build.media.media_id
    uploads = [
        Upload(picture, "assets", keys.storyboard_sheet(creator, media_id), Stage.PICTURE),
        # The last one names the other.
        Upload(text, "assets", keys.storyboard(creator, media_id), Stage.PICTURE),
    ]
    build.publication.add([UnpublishedOutput(record, uploads, [observation])], work)


def _make(tools: Tools, mezzanine: Path, sheet: Sheet, picture: Path, text: Path) -> None:
    """Write the sheet to `picture`, and what it shows to `text`."""
    _draw(tools, mezzanine, sheet, picture)
    text.write_text(storyboard.text(sheet, picture.name), encoding="utf-8")


def _draw(tools: Tools, mezzanine: Path, sheet: Sheet, picture: Path) -> None:
    drawn = [(tile, picture.with_name(f"tile-{number:03d}.raw")) for number, tile in enumerate(sheet.tiles)]
    groups = [drawn[start : start + TILES_OF_A_RUN] for start in range(0, len(drawn), TILES_OF_A_RUN)]
    work = [partial(_draw_tiles, mezzanine, sheet, group) for group in groups]
    for _ in side_by_side.in_order(tools, work, at_once=machine.processors()):
        pass
    joined = picture.with_name("tiles.raw")
    joined.write_bytes(b"".join(_pictures([path for _, path in drawn])))
    tools.ffmpeg(storyboard.sheet_arguments(str(joined), sheet, str(picture)), label=LABEL)


def _draw_tiles(mezzanine: Path, sheet: Sheet, tiles: Sequence[tuple[Tile, Path]], tools: Tools) -> None:
    outputs = [(tile, str(path)) for tile, path in tiles]
    tools.ffmpeg(storyboard.tile_arguments(str(mezzanine), sheet, outputs), label=LABEL)


def _pictures(tiles: Sequence[Path]) -> list[bytes]:
    """Each tile's picture. The picture of a damaged upload may end before its sound: then its last one stays."""
    pictures: list[bytes] = []
    for path in tiles:
        data = path.read_bytes() if path.exists() else b""
        if not data and not pictures:
            raise ToolError(LABEL, exit_code=0, reason="no picture was written")
        pictures.append(data or pictures[-1])
    return pictures
