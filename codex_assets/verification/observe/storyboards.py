"""What is observed of a storyboard: its text, its sheet, and each picture on it beside the mezzanine's at its moment.

In: which frames of the mezzanine a picture is compared with. Out: how the text is read (`storyboard_text.py`), how
pictures are compared (`stills.py`), and how alike they have to be (`rules/storyboard.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import gcd
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media.facts import VideoStream
from codex_assets.verification.observe import stills, storyboard_text
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.image_files import read_jpeg
from codex_assets.verification.observe.pictures import MEZZANINE_FORMAT, frames_of
from codex_assets.verification.observe.raw_pictures import (
    JPEG_COLOURS,
    MEZZANINE_COLOURS,
    Picture,
    Plane,
    RawPicture,
    averaged,
    frame_bytes,
    picture_of,
)
from codex_assets.verification.optional_observations import Cue, Region, StoryboardObservation, TileDifference

TILES_OF_A_RUN = 10
"""Moments whose frames one run of ffmpeg decodes."""
SMALLEST_TILE = 8
"""Pixels a side of what is compared."""


def observe_storyboard(
    decoder: Decoder, path: Path, *, reference: Path | None, duration: float | None, output: str
) -> StoryboardObservation:
    """The storyboard whose text is at `path`; see `Observer.storyboard`."""
    seen = StoryboardObservation(output, duration=duration)
    if not path.is_file():
        return replace(seen, problem="its text does not exist")
    try:
        cues = storyboard_text.parse(path.read_bytes())
    except ValueError as error:
        return replace(seen, problem=f"its text cannot be read: {error}")
    sheet = path.with_suffix(".jpg")
    seen = replace(seen, cues=cues, sheet_name=sheet.name)
    if not sheet.is_file():
        return replace(seen, problem="its sheet does not exist")
    try:
        video = decoder.probe(sheet).video
        raw = frames_of(decoder, sheet, None, video, count=1, strict=True) if video is not None else []
    except ToolError:
        return replace(seen, problem="its sheet does not decode")
    if video is None:
        return replace(seen, problem="its sheet holds no picture")
    size = (video.coded_width, video.coded_height)
    seen = replace(seen, codec=video.codec, size=size, file=read_jpeg(sheet.read_bytes()))
    if reference is None or not raw:
        return seen
    return _beside_mezzanine(decoder, seen, raw[0].fitted(*size, JPEG_COLOURS)[0], reference)


def _beside_mezzanine(
    decoder: Decoder, seen: StoryboardObservation, sheet: Picture, reference: Path
) -> StoryboardObservation:
    """`seen`, with each picture on the sheet compared with the mezzanine's."""
    cues = [cue for cue in seen.cues if _is_on(cue.region, sheet)]
    try:
        video = decoder.probe(reference).video
        if video is None or video.pixel_format != MEZZANINE_FORMAT:
            return seen
        step = float(1 / video.average_rate) if video.average_rate else 0.0
        frames = list(_frames(decoder, reference, video, [(cue, _moment(cue, seen, step)) for cue in cues], step))
    except ToolError:
        return seen
    seen = replace(seen, shape=video.coded_width / video.coded_height)
    return replace(seen, tiles=tuple(_differences(sheet, cues, frames))) if all(frames) else seen


def _is_on(region: Region, sheet: Picture) -> bool:
    height, width = sheet.shape[:2]
    is_inside = region.left + region.width <= width and region.top + region.height <= height
    return is_inside and min(region.width, region.height) >= SMALLEST_TILE


def _moment(cue: Cue, seen: StoryboardObservation, step: float) -> float:
    """The middle of a cue, and never past the start of the last frame."""
    middle = (cue.start + cue.end) / 2
    return min(middle, max(0.0, seen.duration - 1.5 * step)) if seen.duration is not None else middle


def _frames(
    decoder: Decoder, reference: Path, video: VideoStream, moments: Sequence[tuple[Cue, float]], step: float
) -> Iterator[list[Picture]]:
    """For each cue the mezzanine's two pictures about its moment, in the size of its place; where the picture has
    ended, the last ones that there were."""
    width, height = video.coded_width, video.coded_height
    length = frame_bytes(MEZZANINE_FORMAT, width, height)
    assert length is not None
    last: list[Picture] = []
    for start in range(0, len(moments), TILES_OF_A_RUN):
        group = moments[start : start + TILES_OF_A_RUN]
        with decoder.scratch_folder() as folder:
            arguments: list[str] = []
            outputs: list[str] = []
            for number, (_, at) in enumerate(group):
                arguments += ["-threads", "1", "-ss", f"{max(0.0, at - 0.95 * step):.6f}", "-i", str(reference)]
                outputs += ["-map", f"{number}:v:0", "-frames:v", "2", "-fps_mode", "passthrough"]
                outputs += ["-f", "rawvideo", str(folder / f"{number}.raw")]
            decoder.run([*arguments, *outputs], label="decoding pictures")
            for number, (cue, _) in enumerate(group):
                path = folder / f"{number}.raw"
                data = path.read_bytes() if path.exists() else b""
                raws = [
                    picture_of(data[offset:], MEZZANINE_FORMAT, width, height)
                    for offset in range(0, len(data) - length + 1, length)
                ]
                last = [_fitted(raw, cue.region) for raw in raws] or last
                yield last


def _fitted(raw: RawPicture, region: Region) -> Picture:
    """A frame in RGB, in the size of a place. Of a large one, whole blocks are averaged first: that costs least."""
    width, height = raw.size
    rows, columns = raw.blue.shape
    common = gcd(gcd(width, height), gcd(rows, columns))
    most = min(width // (2 * region.width), height // (2 * region.height))
    block = max((size for size in range(1, most + 1) if common % size == 0), default=1)
    planes = (_averaged(plane, block) for plane in (raw.luma, raw.blue, raw.red))
    return RawPicture(*planes).fitted(region.width, region.height, MEZZANINE_COLOURS)[0]


def _averaged(plane: Plane, block: int) -> Plane:
    return plane if block == 1 else averaged(plane[:, :, None], block, block)[:, :, 0]


def _differences(sheet: Picture, cues: Sequence[Cue], frames: Sequence[Sequence[Picture]]) -> Iterator[TileDifference]:
    middles = [(cue.start + cue.end) / 2 for cue in cues]
    cells = [stills.cells(pictures[0]) for pictures in frames]
    for number, (cue, candidates) in enumerate(zip(cues, frames, strict=True)):
        region = cue.region
        own = sheet[region.top : region.top + region.height, region.left : region.left + region.width]
        difference = stills.difference(own, min(candidates, key=lambda frame: stills.distance(own, frame)))
        own_cells = stills.cells(own)
        elsewhere = [
            (float(((own_cells - other) ** 2).mean() ** 0.5), middle)
            for place, (other, middle) in enumerate(zip(cells, middles, strict=True))
            if place != number and other.shape == own_cells.shape
        ]
        apart, at = min(elsewhere, default=(None, None))
        explanation = difference.explanation
        yield TileDifference(
            at=middles[number],
            distance=difference.distance,
            likeness=difference.likeness,
            elsewhere=apart,
            elsewhere_at=at,
            mistake=explanation.mistake if explanation is not None else None,
            explained=explanation.distance if explanation is not None else None,
            smallest_side=min(region.width, region.height),
        )
