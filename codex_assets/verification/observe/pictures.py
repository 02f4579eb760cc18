"""What is observed of single pictures: the thumbnail beside the frames that it may show, and the drawn waveform.

In: what is decoded of them, where the frame lies in the thumbnail, and where else in the mezzanine its picture is. Out:
how pictures are compared (`stills.py`), and how alike they have to be (`rules/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
from numpy.typing import NDArray

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.facts import VideoStream
from codex_assets.verification.observations import (
    PictureSeen,
    ThumbnailExpected,
    ThumbnailObservation,
    WaveformExpected,
    WaveformImageObservation,
)
from codex_assets.verification.observe import stills
from codex_assets.verification.observe.decoder import Decoder, complaints
from codex_assets.verification.observe.image_files import read_jpeg, read_png
from codex_assets.verification.observe.jpeg_quantiser import BLOCK, quantised
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
from codex_assets.verification.observe.sound_peaks import peak_difference, peaks_of
from codex_assets.verification.still_observations import STRETCHED, Explanation, ImageFile, Moment, StillDifference

MEZZANINE_FORMAT = "yuv420p"
SEARCHED = (32, 18)
"""Pixels at which the whole mezzanine is searched for a picture that is not where it should be."""
SEARCHED_FRAMES = 2000
FOUND_RATIO = 0.5
"""It is found where it differs so much less than at its own moment."""
COLOUR_SLACK = 12
"""Of 255, by which a colour may be off, in each of red, green and blue."""
FAR_DISTANCE = 5.0
"""A picture that is this far from its frame is looked for elsewhere."""


@dataclass(frozen=True)
class _FramePlace:
    """Where in the thumbnail the frame lies: pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, picture: Picture) -> Picture:
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


def observe_thumbnail(
    decoder: Decoder, path: Path, *, reference: Path | None, at: float | None, output: str
) -> ThumbnailObservation:
    """The thumbnail at `path`; see `Observer.thumbnail`."""
    base = ThumbnailObservation(output)
    if not path.is_file():
        return replace(base, problem="it does not exist")
    try:
        video = decoder.probe(path).video
        raw = frames_of(decoder, path, None, video, count=1, strict=True) if video is not None else []
        if video is None or (not raw and _is_read(video)):
            return replace(base, problem="it holds no picture")
    except ToolError:
        return replace(base, problem=_damage(read_jpeg(path.read_bytes())))
    seen = replace(base, file=read_jpeg(path.read_bytes()))
    if not raw:
        return replace(seen, picture=PictureSeen(video.codec, video.coded_width, video.coded_height, 128.0))
    still = raw[0].fitted(*raw[0].size, JPEG_COLOURS)[0]
    picture = PictureSeen(video.codec, video.coded_width, video.coded_height, _spread(still))
    seen = replace(seen, picture=picture)
    whole = (profile.PICTURE_WIDTH, profile.PICTURE_HEIGHT)
    if reference is None or at is None or raw[0].size != whole:
        return seen
    return _beside_frame(decoder, seen, still, reference, at)


def _beside_frame(
    decoder: Decoder, seen: ThumbnailObservation, still: Picture, reference: Path, at: float
) -> ThumbnailObservation:
    """`seen`, compared with that of the mezzanine's frames about `at` seconds that it is most like."""
    try:
        video = decoder.probe(reference).video
        if video is None or video.pixel_format != MEZZANINE_FORMAT:
            return seen
        step = float(1 / video.average_rate) if video.average_rate else 0.0
        frames = frames_of(decoder, reference, at - 0.95 * step, video, count=2)
        # A picture that ends before that moment is shown from its start.
        is_past_end = not frames
        frames = frames or frames_of(decoder, reference, 0.0, video, count=1)
    except ToolError:
        return seen
    if not frames:
        return seen
    nearest = min(
        (
            (stills.distance(place.of(still), fitted), index, place, fitted)
            for index, frame in enumerate(frames)
            for place in _places(frame.size)
            for fitted in frame.fitted(place.width, place.height, MEZZANINE_COLOURS)
        ),
        key=lambda candidate: candidate[0],
    )
    _, index, place, frame = nearest
    difference = stills.difference(place.of(still), frame, kept=_kept(seen.file, place, frame))
    difference = replace(difference, smallest_side=min(difference.smallest_side, *frames[index].size))
    shown = _moment(decoder, reference, video, still, at) if difference.distance > FAR_DISTANCE else None
    return replace(
        seen,
        expected=ThumbnailExpected(_spread(frame), stills.distance(place.of(still), frame)),
        difference=_shaped(difference, still, frame),
        moment=Moment(at, shown, is_past_end),
        padding=_padding(still, place),
    )


def _kept(file: ImageFile | None, place: _FramePlace, frame: Picture) -> Plane | None:
    """The luma of a frame in its place, as far as the thumbnail's own quantisation leaves it; None where that is not
    known."""
    if file is None or len(file.steps) != BLOCK**2:
        return None
    whole = numpy.zeros((profile.PICTURE_HEIGHT, profile.PICTURE_WIDTH), numpy.float32)
    place.of(whole)[:] = frame @ stills.LUMA
    return place.of(quantised(whole, file.steps))


def whole_thumbnails(decoder: Decoder, reference: Path, at: float) -> list[Picture]:
    """The pictures that a thumbnail of the mezzanine at `at` seconds may be, whole, with what lies beside the frame;
    none of a mezzanine that cannot be read."""
    try:
        video = decoder.probe(reference).video
        if video is None or video.pixel_format != MEZZANINE_FORMAT:
            return []
        step = float(1 / video.average_rate) if video.average_rate else 0.0
        frames = frames_of(decoder, reference, at - 0.95 * step, video, count=2)
        frames = frames or frames_of(decoder, reference, 0.0, video, count=1)
    except ToolError:
        return []
    pictures = []
    for frame in frames:
        for place in _places(frame.size):
            for fitted in frame.fitted(place.width, place.height, MEZZANINE_COLOURS):
                whole = numpy.zeros((profile.PICTURE_HEIGHT, profile.PICTURE_WIDTH, 3), numpy.float32)
                place.of(whole)[:] = fitted
                pictures.append(whole)
    return pictures


def _shaped(difference: StillDifference, still: Picture, frame: Picture) -> StillDifference:
    """`difference`, explained by a shape of the picture where that explains it better."""
    height, width = still.shape[:2]
    if frame.shape[:2] == still.shape[:2] or difference.distance <= FAR_DISTANCE:
        return difference
    stretched = stills.distance(still, stills.shaped(frame, width, height))
    if difference.explanation is None or stretched < difference.explanation.distance:
        explanation = Explanation(STRETCHED, stretched)
        return replace(difference, explanation=explanation)
    return difference


def _places(size: tuple[int, int]) -> Iterator[_FramePlace]:
    """Where a frame of this size may lie: as large as fits, in the middle, with even sides however they are rounded."""
    width, height = size
    scale = min(profile.PICTURE_WIDTH / width, profile.PICTURE_HEIGHT / height)
    sides = []
    for side, most in ((width, profile.PICTURE_WIDTH), (height, profile.PICTURE_HEIGHT)):
        exact = side * scale
        lower = max(2, int(exact + 1e-6) // 2 * 2)
        sides.append({lower, min(most, lower + 2)} if exact - lower > 1e-6 else {lower})
    for across in sides[0]:
        for down in sides[1]:
            left, top = (profile.PICTURE_WIDTH - across) // 2, (profile.PICTURE_HEIGHT - down) // 2
            yield _FramePlace(left // 2 * 2, top // 2 * 2, across, down)


def _padding(still: Picture, place: _FramePlace) -> float | None:
    """How bright what lies beside the frame is: the mean of the brightest block of 16x16, of 255; None where nothing
    does. Blocks that the frame reaches into carry its edge's ripples, and do not count."""
    height, width = still.shape[:2]
    rows, columns = height // 16, width // 16
    blocks = averaged(still.max(axis=2)[:, :, None], 16, 16)[:, :, 0]
    bottom, right = -(-(place.top + place.height) // 16), -(-(place.left + place.width) // 16)
    beside = numpy.ones((rows, columns), bool)
    beside[place.top // 16 : bottom, place.left // 16 : right] = False
    return float(blocks[beside].max()) if beside.any() else None


def _moment(decoder: Decoder, reference: Path, video: VideoStream, still: Picture, at: float) -> float | None:
    """Seconds into the mezzanine of the picture that is most like the thumbnail; None where none is like it."""
    size = SEARCHED[0] * SEARCHED[1] * 3
    duration = max(video.duration or 0.0, 0.04)
    rate = min(SEARCHED_FRAMES / duration, float(video.average_rate or 25))
    place = next(_places((video.coded_width, video.coded_height)))
    own = averaged(place.of(still), max(1, place.width // SEARCHED[0]), max(1, place.height // SEARCHED[1]))
    own = own[: SEARCHED[1], : SEARCHED[0]]
    if own.shape != (SEARCHED[1], SEARCHED[0], 3):
        return None
    with decoder.scratch_folder() as folder:
        raw = folder / "search.rgb"
        filters = "fps={:.6f},scale={}:{}:flags=area:in_color_matrix=bt709,format=rgb24".format(rate, *SEARCHED)
        try:
            arguments = ["-i", str(reference), "-map", "0:v:0", "-vf", filters, "-f", "rawvideo", str(raw)]
            decoder.run(arguments, label="looking for a picture", duration=duration)
        except ToolError:
            return None
        pictures = numpy.fromfile(raw, numpy.uint8) if raw.exists() else numpy.zeros(0, numpy.uint8)
    count = len(pictures) // size
    if not count:
        return None
    apart = abs(pictures[: count * size].reshape(count, -1) - own.reshape(1, -1)).mean(axis=1)
    best = int(apart.argmin())
    wanted = min(count - 1, round(at * rate))
    return best / rate if apart[best] <= FOUND_RATIO * apart[wanted] else None


def _is_read(video: VideoStream) -> bool:
    return frame_bytes(video.pixel_format or "", video.coded_width, video.coded_height) is not None


def frames_of(
    decoder: Decoder, path: Path, at: float | None, video: VideoStream, *, count: int, strict: bool = False
) -> list[RawPicture]:
    """The first pictures of a file from `at` seconds on, as they are coded; none of a format that is not read.

    `strict`: a complaint of the decoder, a mere warning too, is a `ToolError`.
    """
    width, height, form = video.coded_width, video.coded_height, video.pixel_format or ""
    size = frame_bytes(form, width, height)
    with decoder.scratch_folder() as folder:
        raw = folder / "still.raw"
        seek = ["-ss", f"{at:.6f}"] if at is not None and at > 0 else []
        arguments = [*seek, "-i", str(path), "-map", "0:v:0", "-frames:v", str(count), "-fps_mode", "passthrough"]
        run = decoder.run([*arguments, "-f", "rawvideo", str(raw)], label="decoding a picture")
        errors = complaints(run.log, warnings=True) if strict else ()
        if errors:
            raise ToolError("decoding a picture", exit_code=0, reason=errors[0])
        data = raw.read_bytes() if raw.exists() else b""
    if size is None:
        return []
    return [picture_of(data[start:], form, width, height) for start in range(0, len(data) - size + 1, size)]


def _spread(picture: Picture) -> float:
    """Standard deviation of a picture's grey values, at a size at which noise is none."""
    return float((stills.cells(picture) @ stills.LUMA).std())


def observe_waveform_picture(
    decoder: Decoder, path: Path, expected: WaveformExpected, *, reference: Path | None, output: str
) -> WaveformImageObservation:
    """The waveform's picture at `path`; see `Observer.waveform_png`."""
    base = WaveformImageObservation(output, expected=expected)
    if not path.is_file():
        return replace(base, problem="it does not exist")
    try:
        video = decoder.probe(path).video
        pixels = _rgb_pixels(decoder, path, video) if video is not None else None
    except ToolError:
        return replace(base, problem=_damage(read_png(path.read_bytes())))
    if video is None or pixels is None:
        return replace(base, problem="it holds no picture")
    ink, paper = (_colour(name) for name in (profile.WAVEFORM_COLOUR, profile.WAVEFORM_BACKGROUND))
    is_ink = abs(pixels.astype(int) - ink).max(axis=2) <= COLOUR_SLACK
    is_paper = abs(pixels.astype(int) - paper).max(axis=2) <= COLOUR_SLACK
    drawn = numpy.flatnonzero(is_ink.any(axis=0))
    seen = replace(
        base,
        codec=video.codec,
        width=video.coded_width,
        height=video.coded_height,
        drawn_to=int(drawn[-1]) + 1 if len(drawn) else 0,
        file=read_png(path.read_bytes()),
        other_colours=float((~is_ink & ~is_paper).mean()),
    )
    peaks = peaks_of(decoder, reference) if reference is not None else None
    if peaks is None or pixels.shape[:2] != (profile.PICTURE_HEIGHT, profile.PICTURE_WIDTH):
        return seen
    wanted = peaks.columns(profile.PICTURE_WIDTH)
    seconds = peaks.count / profile.SAMPLE_RATE / profile.PICTURE_WIDTH
    return replace(seen, sound=peak_difference(_drawn_pairs(is_ink, len(drawn) and drawn[-1] + 1), wanted, seconds))


def _damage(file: ImageFile | None) -> str:
    """Why a picture does not decode, by the structure of its file."""
    if file is None:
        return "it is no picture of its kind"
    if not file.ended:
        return "its file breaks off"
    return f"{file.behind} bytes follow its end" if file.behind else "its file is damaged"


def _rgb_pixels(decoder: Decoder, path: Path, video: VideoStream) -> NDArray[numpy.uint8] | None:
    """Red, green and blue of a picture: height x width x 3."""
    width, height = video.coded_width, video.coded_height
    with decoder.scratch_folder() as folder:
        raw = folder / "picture.rgb"
        arguments = ["-i", str(path), "-map", "0:v:0", "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo"]
        run = decoder.run([*arguments, str(raw)], label="decoding a picture")
        errors = complaints(run.log)
        if errors:
            raise ToolError("decoding a picture", exit_code=0, reason=errors[0])
        data = raw.read_bytes() if raw.exists() else b""
    if len(data) != width * height * 3:
        return None
    return numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3)


def _drawn_pairs(is_ink: NDArray[numpy.bool_], columns: int) -> NDArray[numpy.int16]:
    """Lowest and highest value that each column shows; 0 where it is bare, or its wave is broken."""
    height = is_ink.shape[0]
    part = is_ink[:, :columns]
    highest = part.argmax(axis=0)
    lowest = height - 1 - part[::-1].argmax(axis=0)
    middle = (height - 1) / 2
    step = height / 256
    pairs = numpy.stack([numpy.round((middle - lowest) / step), numpy.round((middle - highest) / step)], axis=1)
    is_whole = part.sum(axis=0) == lowest - highest + 1
    pairs[~(is_whole & part.any(axis=0))] = 0
    return pairs.astype(numpy.int16)


def _colour(name: str) -> NDArray[numpy.int64]:
    """Red, green and blue of `rrggbb...`."""
    return numpy.array([int(name[at : at + 2], 16) for at in (0, 2, 4)], numpy.int64)
