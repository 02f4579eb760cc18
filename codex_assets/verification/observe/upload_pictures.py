"""Compares the pictures of a new mezzanine with the upload's: every one, as it should have become.

In: a reference of the judge's own making. ffmpeg decodes the upload's pictures and makes them small, as they are coded;
turning and mirroring them is arithmetic here, and pairing them by their times as well. Out: the arithmetic of colours
(`upload_colours.py`), measuring (`picture_meter.py`), and what was decided to become of an upload
(`media/target_format.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.media.input_flags import as_coded, input_arguments
from codex_assets.verification.fidelity import Exactness, PictureFidelity
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.kept_detail import KeptDetail
from codex_assets.verification.observe.picture_meter import Areas, Meter, detail_of, measure
from codex_assets.verification.observe.picture_stack import compared_size
from codex_assets.verification.observe.upload_colours import (
    PEAKS,
    Planes,
    edge_share,
    has_arithmetic,
    has_half_colours,
    in_bt709,
    is_bt709,
    is_converted,
    is_full,
    is_rgb,
    luma_factor,
)
from codex_assets.verification.observe.upload_packets import WHOLE_LOOK, UploadPackets

Records: TypeAlias = NDArray[np.uint8]
"""Pictures as they come from ffmpeg, one a row."""

BATCH = 8
"""Pictures that are read at a time."""
CLOCK_ROWS = 2
CLOCK_VALUES = 256 * 256
PLANES = 3
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""ffmpeg's own decoders of these leave out what is coded beside the picture."""
BLACK, WHITE = 16, 235
HELD_PICTURES = 2
SMALLEST_SIDE = 16
"""Pixels; of a smaller picture, hardly anything is left when it is made of half as many coloured ones."""
ROUNDING_DETAIL = 3.0
"""Mean squared difference of neighbouring pixels, most of which may be what rounding leaves of a smooth picture: the
pattern of a dither of over 8 bits, or in the upload, is 0.7, and is not encoded."""
EDGE_SHARE = 0.25
"""Of a picture, in colours at the edge of what there is, from which on its detail says nothing: a conversion takes a
part of it away."""
SMALL = "flags=area+accurate_rnd"


@dataclass(frozen=True)
class UploadedMedia:
    """What a mezzanine was made of: a file, what its packets showed, and whether its picture was used. `even_sound`:
    its sound keeps its rate, channels and clock. `damaged`: whoever made the mezzanine could not decode all of it.
    `packets`: what the judge reads of it."""

    path: Path
    info: MediaInfo
    with_picture: bool
    even_sound: bool = True
    damaged: bool = False
    packets: UploadPackets | None = None

    @property
    def video(self) -> VideoStream | None:
        """The picture, where it was used."""
        return self.info.video if self.with_picture else None

    @property
    def look(self) -> Sequence[str]:
        """Options in front of an input whose tracks begin late."""
        return WHOLE_LOOK if self.packets is not None and self.packets.whole_look else ()

    def with_alpha(self, alpha: bool) -> UploadedMedia:
        """The same, with or without transparency that is coded beside the picture."""
        video = self.info.video
        return (
            self if video is None else replace(self, info=replace(self.info, video=replace(video, alpha_track=alpha)))
        )

    def opened(self) -> list[str]:
        """Input arguments. Its clock starts with the earlier of the tracks in use."""
        info = self.info
        options: list[str] = []
        if self.video is not None:
            options += [*as_coded(self.video), f"-reinit_filter:{self.video.index}", "0"]
            if self.video.alpha_track:
                options += [f"-c:{self.video.index}", ALPHA_DECODERS[self.video.codec]]
        if info.audio is not None and info.audio.decoder is not None:
            options += [f"-c:{info.audio.index}", info.audio.decoder]
        used = [self.video, info.audio]
        starts = [track.start for track in used if track is not None and track.start is not None]
        shift = (info.start or 0.0) - min(starts) if starts else 0.0
        # What starts a little before 0 is an encoder's delay. Never 0: ffmpeg would then move some streams by itself.
        moved = shift if abs(shift) > profile.CLOCK_SHIFT_SECONDS else 1e-6
        opened = input_arguments(str(self.path), container=info.container, codecs=info.codecs)
        options += self.look
        if self.packets is not None and self.packets.is_one_clock:
            # Times as the packets have them: ffmpeg would close the gap of a track.
            options += ["-copyts"]
            moved -= info.start or 0.0
        return [*options, "-itsoffset", f"{moved:.6f}", *opened]

    def probed(self) -> list[str]:
        """Arguments for ffprobe that open it."""
        info = self.info
        opened = input_arguments(str(self.path), probing=True, container=info.container, codecs=info.codecs)
        return [*self.look, *opened]

    def read_along(self, number: int, index: int) -> list[str]:
        """Arguments by which input `number`, of which the track `index` is decoded, is read with its other track too:
        from ffmpeg 7 on, a clock that may restart begins with the tracks that are read."""
        others = [track.index for track in (self.video, self.info.audio) if track is not None and track.index != index]
        copied = ("-c", "copy", "-f", "null", "/dev/null")
        return [part for other in others for part in ("-map", f"{number}:{other}", *copied) if self.info.clock_restarts]


@dataclass(frozen=True)
class _Panels:
    """What is in a record: small planes of both pictures, the luma in the middle of each at its own size, and the
    clock. `columns`, `rows`: of one plane, as the upload is coded; `coded`: planes of the upload."""

    columns: int
    rows: int
    coded: int

    @property
    def count(self) -> int:
        """Planes of a record."""
        return self.coded + PLANES + 2

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return self.columns * (self.count * self.rows + CLOCK_ROWS)

    def planes(self, records: Records) -> tuple[Records, Records]:
        """The upload's and the mezzanine's, each of (pictures, planes, rows, columns)."""
        planes = self._all(records)
        return planes[:, : self.coded], planes[:, self.coded : -2]

    def middles(self, records: Records) -> tuple[Records, Records]:
        """The upload's and the mezzanine's, each of (pictures, rows, columns)."""
        planes = self._all(records)
        return planes[:, -2], planes[:, -1]

    def _all(self, records: Records) -> Records:
        return records[:, : -CLOCK_ROWS * self.columns].reshape(len(records), -1, self.rows, self.columns)

    def ticks(self, records: Records) -> NDArray[np.intp]:
        """The number of the mezzanine's picture at whose time each record is, modulo `CLOCK_VALUES`."""
        clock = records[:, -CLOCK_ROWS * self.columns :].astype(np.intp)
        return clock[:, 0] + 256 * clock[:, 1]


class _Reference:
    """What the upload's pictures should have become: upright, in BT.709."""

    def __init__(self, video: VideoStream) -> None:
        self._video = video
        self._peak: float | None = None

    def of(self, coded: Planes, made: Planes) -> Planes:
        """Planes of several pictures. `made`: the mezzanine's, by which the peak of HDR is found that it was taken to
        have."""
        if self._peak is None:
            self._peak = PEAKS[0]
            if self._video.hdr:
                tried = {peak: self._upright(in_bt709(coded, self._video, peak)) for peak in PEAKS}
                self._peak = min(tried, key=lambda peak: float(np.abs(tried[peak] - made).mean()))
        return self._upright(in_bt709(coded, self._video, self._peak))

    def _upright(self, planes: Planes) -> Planes:
        """Pictures as they are displayed: mirrored first, then turned clockwise."""
        shown = planes[..., ::-1] if self._video.mirrored else planes
        return np.ascontiguousarray(np.rot90(shown, -(self._video.rotation // 90), axes=(2, 3)))


def compare_upload_pictures(
    decoder: Decoder,
    upload: UploadedMedia,
    mezzanine: Path,
    rate: Fraction,
    count: int,
    *,
    several_sizes: bool = False,
) -> tuple[PictureFidelity | None, tuple[str, ...]] | None:
    """How true the pictures of the mezzanine are to the upload's, None where nobody can say, and ffmpeg's log, which
    counts those of the mezzanine; None where nothing was decoded.

    `rate`: pictures a second of the mezzanine; `count`: how many it has. `several_sizes`: the upload's pictures have
    some; each should keep its shape, with bars. Raises `ToolError` when one cannot be decoded.
    """
    video = upload.video
    if video is None or not has_arithmetic(video) or min(video.width, video.height) < SMALLEST_SIDE:
        return None
    turned = video.rotation in (90, 270)
    size = compared_size(video.width, video.height)
    panels = _Panels(*_as_coded_side_up(size, video), coded=4 if video.has_alpha else PLANES)
    reference = _Reference(video)
    meter: Meter | None = None
    exactness = _exactness(video)
    if several_sizes and exactness is Exactness.SAME:
        exactness = Exactness.CONVERTED
    colours = _halved if has_half_colours(video) else _softened
    shown = luma_factor(video) ** 2 if exactness in (Exactness.SAME, Exactness.CONVERTED) else 0.0
    kept = KeptDetail(rate, max(video.width, video.height) / max(size))

    def read(take: Callable[[int], bytes]) -> None:
        nonlocal meter
        for tick, records in _last_of_each_tick(panels, take, _left_out(video, count), count):
            coded, made = (planes.astype(np.float32) for planes in panels.planes(records))
            own = np.rot90(made, 1, axes=(2, 3)) if turned else made
            meant = reference.of(coded, own)
            if meter is None:
                meter = Meter(float(rate), first=tick, faintest=ROUNDING_DETAIL, quarters=shown > 0, closed=kept.close)
            coded_middle, middle = panels.middles(records)
            # Full range has nothing beyond black and white.
            within = coded_middle if is_full(video) or is_rgb(video) else _within(coded_middle, exactness)
            before, after = detail_of(within), detail_of(_within(middle, exactness))
            if shown:
                # The middle of a field, or of what was made small, is none of the upload's own pixels.
                kept.add(within)
            if exactness is Exactness.CONVERTED:
                is_clear = edge_share(meant) < EDGE_SHARE
                before, after = before * is_clear, after * is_clear
            references = [Areas.of(plane) for plane in (meant[:, 0], colours(meant[:, 1]), colours(meant[:, 2]))]
            measured = measure(references, [own[:, 0], colours(own[:, 1]), colours(own[:, 2])])
            meter.add(references, measured, after, before * shown)

    graph = _graph(video, rate, count, panels, size, _barred(video) if several_sizes else _one_size(video))
    counted = ["-map", "1:v:0", "-fps_mode", "passthrough", "-f", "null", "/dev/null"]
    output = ["-map", "[all]", "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    along = upload.read_along(0, video.index)
    arguments = [*upload.opened(), "-i", str(mezzanine), "-filter_complex", graph, *counted, *along, *output]
    label = "comparing the pictures with the upload's"
    run = decoder.run_into(arguments, read, label=label, duration=upload.info.seconds)
    if meter is None:
        return None, run.log
    measured = meter.result()
    return replace(measured, exactness=exactness, honest=kept.honest(decoder)), run.log


def _left_out(video: VideoStream, count: int) -> int:
    """Pictures at the beginning of `count` that are not compared: where pictures begin to say how they are turned with
    the second, ffmpeg 5.1 starts its filters anew, and loses what they hold."""
    says_so = video.codec in ("h264", "hevc") and (video.rotation or video.mirrored)
    return HELD_PICTURES if says_so and count > 2 * HELD_PICTURES else 0


def _exactness(video: VideoStream) -> Exactness:
    if _fields(video):
        return Exactness.FIELDS
    if is_converted(video):
        return Exactness.APPROXIMATE
    shown = _as_coded_side_up((video.width, video.height), video)
    is_scaled = shown != (video.coded_width, video.coded_height) or any(side % 2 for side in shown)
    return Exactness.CONVERTED if is_scaled or not is_bt709(video) else Exactness.SAME


def _as_coded_side_up(size: tuple[int, int], video: VideoStream) -> tuple[int, int]:
    """A displayed size as it is before the picture is turned."""
    return (size[1], size[0]) if video.rotation in (90, 270) else size


def _last_of_each_tick(
    panels: _Panels, take: Callable[[int], bytes], start: int, count: int
) -> Iterator[tuple[int, Records]]:
    """Records and the number of the first, of each tick of the mezzanine's clock the last one: of several pictures of
    an upload that fall on one, the last is shown. From the picture `start` on, up to `count`."""
    tick, latest = -1, np.zeros((0, panels.size), np.uint8)
    while data := take(panels.size * BATCH):
        whole = len(data) // panels.size * panels.size
        records = np.concatenate([latest, np.frombuffer(data[:whole], np.uint8).reshape(-1, panels.size)])
        ticks = panels.ticks(records)
        kept = records[:-1][ticks[1:] != ticks[:-1]]
        latest = records[-1:]
        if len(kept):
            yield from _numbered(panels, kept, tick, start, count)
            tick = tick + int(panels.ticks(kept)[-1] - tick) % CLOCK_VALUES
    yield from _numbered(panels, latest, tick, start, count)


def _numbered(panels: _Panels, records: Records, before: int, start: int, count: int) -> Iterator[tuple[int, Records]]:
    """`records` from the mezzanine's picture `start` on, up to `count`, with the number of the first; `before`: the
    number of the one before them."""
    if len(records) == 0:
        return
    first = before + int(panels.ticks(records)[0] - before) % CLOCK_VALUES
    skipped = max(0, start - first)
    within = records[skipped : max(0, count - first)]
    if len(within):
        yield first + skipped, within


def _graph(
    video: VideoStream, rate: Fraction, count: int, panels: _Panels, size: tuple[int, int], one_size: str
) -> str:
    """The filters that put on top of each other the upload's planes as they are coded, the mezzanine's, the middle of
    each, and the number of the mezzanine's picture. `one_size`: what brings the upload's pictures to one size."""
    clock = f"settb={rate.denominator}/{rate.numerator}"
    late = f"setpts=PTS-{video.dated_late:.6f}/TB," if video.dated_late else ""
    form, planes = _form(video)
    # Called the same on both sides, so that nothing is converted on the way.
    full = form.startswith("yuvj")
    ranges = ":in_range=pc:out_range=pc" if full else ""
    named = "" if form.startswith("gbr") else f"setparams=range={'pc' if full else 'tv'}:colorspace=bt709,"
    turned = ",transpose=clock" if (panels.columns, panels.rows) != size else ""
    # A field has half the rows, and is not compared in its details.
    middles = _middles(video, panels)
    luma = "gray" if form.startswith("gbr") else form
    number = "if(X\\,mod(floor(N/256)\\,256)\\,mod(N\\,256))"
    source = f"color=size={panels.columns}x{CLOCK_ROWS}:rate={rate}:duration={float((count + 1) / rate):.6f}"
    taken, coded = ("".join(f"[{name}{plane}]" for plane in range(panels.coded)) for name in "xu")
    return ";".join(
        [
            f"[0:{video.index}]{late}{named}{one_size}{_fields(video)}{clock},split[u][v]",
            f"[u]scale={panels.columns}:{panels.rows}:{SMALL}{ranges},format={form},extractplanes={planes}{taken}",
            # From ffmpeg 7 on, planes of different ranges are made alike before they are put together.
            *(f"[x{plane}]setparams=range=tv[u{plane}]" for plane in range(panels.coded)),
            f"[1:v:0]{clock},setparams=range=tv:colorspace=bt709,split[m][n]",
            f"[m]scale={size[0]}:{size[1]}:{SMALL},format=yuv444p{turned},extractplanes=y+u+v[m0][m1][m2]",
            f"[v]{middles[0]}{ranges},format={luma},extractplanes=y,setparams=range=tv[um]",
            f"[n]null{turned},{middles[1]},format=yuv444p,extractplanes=y[mm]",
            f"{source},format=gray,geq=lum='{number}'[clock]",
            f"{coded}[m0][m1][m2][um][mm][clock]vstack=inputs={panels.count + 1}[all]",
        ]
    )


def _ranges(video: VideoStream) -> str:
    return ":in_range=pc:out_range=pc" if _form(video)[0].startswith("yuvj") else ""


def _one_size(video: VideoStream) -> str:
    """The filter for pictures whose size changes midway; it does nothing to others."""
    return f"scale={video.coded_width}:{video.coded_height}:{SMALL}{_ranges(video)},"


def _barred(video: VideoStream) -> str:
    """The filters that bring each picture to the displayed size in its own shape, with black around it."""
    wide, high = (max(2, side // 2 * 2) for side in _as_coded_side_up((video.width, video.height), video))
    # As large as it fits, of even sides; what is nearly of that shape fills all of it.
    sides = (
        f"if(between(dar*{high}/{wide}\\,0.99\\,1.01)\\,{wide}\\,2*floor(min({wide}/2\\,{high}/2*dar)))",
        f"if(between(dar*{high}/{wide}\\,0.99\\,1.01)\\,{high}\\,2*floor(min({high}/2\\,{wide}/2/dar)))",
    )
    woven = ":interl=1" if _fields(video) else ""
    # The filter that draws bars knows no other black than that of limited range, unless the format's name says so.
    relabelled = is_full(video) and not _form(video)[0].startswith("yuvj")
    ranges = ":in_range=pc:out_range=tv" if relabelled else _ranges(video)
    fitted = f"scale={sides[0]}:{sides[1]}:eval=frame:flags=lanczos{woven}{ranges}"
    bars = f"pad={wide}:{high}:2*floor((ow-iw)/4):2*floor((oh-ih)/4):eval=frame"
    whole = _one_size(video)
    if relabelled:
        whole = f"{whole.rstrip(',')}:in_range=tv:out_range=pc,setparams=range=tv,"
    return f"{fitted},{bars},{whole}"


def _form(video: VideoStream) -> tuple[str, str]:
    """The pixel format in which an upload's planes are read, and which planes those are."""
    alpha, fourth = ("a", "+a") if video.has_alpha else ("", "")
    if is_rgb(video):
        return f"gbr{alpha}p", f"r+g+b{fourth}"
    if (video.pixel_format or "").startswith("yuvj"):
        return "yuvj444p", "y+u+v"
    return f"yuv{alpha}444p", f"y+u+v{fourth}"


def _middles(video: VideoStream, panels: _Panels) -> tuple[str, str]:
    """The filters that cut out the middle of the upload's picture, and the same of the mezzanine's, of at most the size
    of a panel; both as the upload is coded."""
    shown = _as_coded_side_up((video.width, video.height), video)
    width, height = min(shown[0] // 2 * 2, panels.columns), min(shown[1] // 2 * 2, panels.rows)
    if _fields(video):
        return (f"scale={panels.columns}:{panels.rows}:{SMALL}",) * 2
    wide = max(1, round(width * video.coded_width / shown[0]))
    high = max(1, round(height * video.coded_height / shown[1]))
    fitted = f"scale={panels.columns}:{panels.rows}:flags=lanczos"
    return f"crop={wide}:{high}:exact=1,{fitted}", f"crop={width}:{height},{fitted}"


def _within(luma: Records, exactness: Exactness) -> Records:
    """Luma without what is brighter than white or darker than black, which a conversion takes away."""
    return luma if exactness is Exactness.SAME else np.clip(luma, BLACK, WHITE)


def _fields(video: VideoStream) -> str:
    """The filter that takes the two moments of each frame apart."""
    if not video.interlaced or video.deinterlaced == "never":
        return ""
    order = f"setfield={video.deinterlaced}," if video.deinterlaced in ("tff", "bff") else ""
    return f"{order}separatefields,"


def _halved(plane: Planes) -> Planes:
    """The mean of each four pixels."""
    sums = plane[:, 0::2, 0::2] + plane[:, 0::2, 1::2] + plane[:, 1::2, 0::2] + plane[:, 1::2, 1::2]
    small: Planes = sums / np.float32(4)
    return small


def _softened(plane: Planes) -> Planes:
    """The mean of each four pixels, beside its neighbours. Which filter halves colours, and where it puts them, differs
    between releases: what is one pixel wide becomes another colour."""
    small = _halved(plane)
    for axis in (1, 2):
        padded = np.pad(small, [(1, 1) if axis == each else (0, 0) for each in range(3)], mode="edge")
        before, at, after = (np.take(padded, np.arange(small.shape[axis]) + step, axis) for step in range(3))
        small = (before + 2 * at + after) / np.float32(4)
    return small
