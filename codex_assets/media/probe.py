"""ffprobe's JSON becomes frozen facts: what a file is, as a viewer would see and hear it.

Sizes are *displayed* sizes: after rotation, with square pixels. Covers and timed thumbnails are no video. What a file
lacks is `None`. Arguments for opening a file that nobody has vouched for are here too.

A header may promise anything, and a browser's recording promises nothing: `scanned` replaces what a header says of time
by what the packets say, read without decoding.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

from codex_assets.media import decoders, profile
from codex_assets.media.interlace import Combs

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
INTERLACED_ORDERS: Mapping[str, Literal["tff", "bff"]] = {"tt": "tff", "bb": "bff", "tb": "bff", "bt": "tff"}
"""ffprobe's field orders: which field is coded first, and which is shown first."""
DOLBY_VISION_BASES = {1: "smpte2084", 2: "bt709", 4: "arib-std-b67", 6: "smpte2084"}
"""What a base layer is coded in, by its signal compatibility (Dolby Vision streams, 2.2); 0: Dolby's own."""
Deinterlaced = Literal["never", "flagged", "tff", "bff"]
"""Which frames are taken apart: none, those that say so, or all, with this field first."""
STILL_CODECS = ("mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000")
LOSSLESS_AUDIO = (
    *("flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp", "tak", "shorten"),
    *("wmalossless", "als"),
)
INDEXED_CONTAINERS = ("mov", "matroska", "avi", "asf", "flac", "wv", "tta", "caf", "dv")
"""Containers whose durations come from an index (of DV: from its frames, which have one size), so that they tell a
cut-off upload, or one of which the demuxer gives up the rest, from a whole one."""
SHARED_DURATIONS = ("matroska", "asf")
"""Containers that know only how long the whole lasts."""
RESTARTING_CLOCKS = ("mpegts", "mpeg", "ogg")
"""Containers whose clock may jump (broadcasts wrap around, edits restart it, ogg files are chained): the first and the
last time then say nothing of what lies between, and ffmpeg joins the parts by itself."""
COUNTED_TIME = ("avi", "dv")
"""Containers without times: pictures follow one another in the order in which they are stored."""
GAPLESS = ("dv", "flac", "mxf", "mxf_opatom")
"""Containers in which every frame follows the one before it: a step in their clock is what a demuxer stepped over."""
DV_SEQUENCE_BYTES, DV_SEQUENCES = 12_000, {12: Fraction(25), 10: Fraction(30000, 1001)}
"""A frame of DV has so many sequences in each of its channels, at that rate (IEC 61834-2, SMPTE 314M and 370M)."""
UNCLOCKED = ("h264", "hevc", "m4v", "mpegvideo", "obu")
"""Raw streams: no times at all, but each packet tells how long its picture is shown."""
OFF = 0.005
"""Relative distance from what packets show at which a raw stream's told rate is not believed."""
FAR_OFF = 0.1
"""Relative distance from the counted rate at which a header's average rate is not believed."""
LONGEST_STEP_SECONDS = 10.0
"""A longer step, or one back by more than a second, is such a jump."""
SECOND_CHOICE = ("comment", "visual_impaired", "hearing_impaired", "descriptions", "karaoke", "clean_effects")
"""Dispositions of a track that is chosen only where there is no other."""
MOST_REORDERED = 16
"""ITU-T H.264 A.3.1."""
MOST_KEPT_BACK = 4
"""Pictures that Xvid stores later than others do, with its most frames in between."""
PAUSING_AUDIO, PAUSE_BYTES = ("amr_nb", "amr_wb"), 6
"""Codecs that code pauses by themselves (3GPP TS 26.101 and 26.201), and the most that such a packet takes; speech
takes twice as much at least."""
LISTENED_SECONDS = 3
"""More than the 65,535 samples that an Opus header can have skipped."""
STEADY_PACKETS, STEADY_SECONDS, STEADY_NOMINAL = 3, 0.0021, 1.5
"""Pictures whose clock steps differ by no more than this (containers round to a millisecond) have a constant rate, and
a header that tells this many times as much counts something else."""
DV_WHOLE_PICTURES = 720
"""Lines of the DV that shows every field as a picture of its own, at twice the rate."""
SIZES = 64
"""So many different sizes of packets, and none is the usual one."""
STEP_KINDS = 64
"""So many different steps, and the clock has no beat."""
MOST_BOXES = 10_000
"""Boxes of an MP4 file that are looked at side by side: a film in fragments has two for each."""
AAC_FRAME_BYTES = 768
"""The most that a channel of an AAC frame takes (ISO/IEC 14496-3, 4.5.3.1: 6144 bits)."""
NOTED_STEP_SECONDS = 0.05
"""Shorter steps between packets are nobody's gap."""


@dataclass(frozen=True)
class VideoStream:
    """A picture track. `width`, `height`: displayed pixels. Rates are frames a second. Seconds for times.

    `rotation`: degrees clockwise that the coded picture is turned for display, after it was mirrored left to right
    where it is `mirrored`. `interlaced`: each frame holds two moments.
    """

    index: int
    codec: str
    profile: str | None
    level: int | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    sample_aspect: Fraction
    rotation: int
    average_rate: Fraction | None
    nominal_rate: Fraction | None
    pixel_format: str | None
    interlaced: bool
    matrix: str | None
    transfer: str | None
    primaries: str | None
    color_range: str | None
    start: float | None
    duration: float | None
    frames: int | None
    mirrored: bool = False
    deinterlaced: Deinterlaced = "flagged"
    alpha_track: bool = False
    """Whether transparency is coded beside the picture, where only some decoders look (VP8, VP9)."""
    container_cropped: bool = False
    """Whether the container asks for fewer pixels than are coded, and this ffmpeg (7.1 does, 5.1 does not) follows."""
    dolby_vision: int | None = None
    """Profile."""
    dolby_vision_base: int | None = None
    """Signal compatibility of the base layer."""
    reordered: int = 0
    """Pictures that a decoder holds back, because some are shown before others that are stored before them."""
    dated_late: float = 0.0
    """Seconds by which ffmpeg dates every picture too late, where a container has no times: it then takes that of the
    picture with which one leaves the decoder."""
    after_a_pause: float = 0.0
    """Seconds from the last picture but one to the last."""

    @property
    def hdr(self) -> bool:
        return self.transfer in HDR_TRANSFERS

    @property
    def has_alpha(self) -> bool:
        name = self.pixel_format or ""
        # Of palettes only these may hold transparent colours.
        if name == "pal8":
            return self.codec in ("png", "apng", "gif")
        parts = ("yuva", "ayuv", "vuya", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16")
        return self.alpha_track or any(part in name for part in parts)

    @property
    def has_own_colours(self) -> bool:
        """Dolby Vision whose base layer means nothing to anyone but Dolby's decoders (profiles 5 and 10.0)."""
        alone = self.dolby_vision is not None and self.dolby_vision_base == 0 and not self.hdr
        return self.dolby_vision == 5 or alone


@dataclass(frozen=True)
class AudioStream:
    index: int
    codec: str
    profile: str | None
    sample_rate: int
    channels: int
    layout: str | None
    bits: int | None
    start: float | None
    duration: float | None
    decoder: str | None = None
    """The decoder to use where ffmpeg would choose a wrong one."""

    @property
    def lossless(self) -> bool:
        return self.codec in LOSSLESS_AUDIO or self.codec.startswith("pcm_")


@dataclass(frozen=True)
class Counted:
    """What the packets of one track show: how many there are, how many come before the first key frame (and can hardly
    be decoded), seconds that an edit list or the codec's header hides, and steps (seconds) that are much longer than
    usual."""

    packets: int = 0
    leading: int = 0
    hidden: float = 0.0
    steps: tuple[float, ...] = ()
    pauses: int = 0
    """Packets with which a telephone's codec says that nobody speaks: ffmpeg gives them up, and silence is right."""
    unshown: float = 0.0
    """Seconds between the first and the last moment in which no packet is shown, in a container without pauses."""
    each: float | None = None
    """Seconds that a packet is shown, in such a container; None where packets do not tell."""
    foreign: int = 0
    """Packets that are no pictures of this film: DV of the other system, as a hole of zeros is read."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds: the first real picture track and the first (default) sound track.

    `start`: where the file's clock starts, which any of its tracks may decide. `end`: the last moment of any of them,
    once scanned. `others`: the tracks of both kinds that would be the next choice, in order. `promised`: end of a track
    by its index, where the container has an index of its own for each. `left_out`: number of tracks by kind.
    """

    container: str
    duration: float | None
    video: VideoStream | None
    audio: AudioStream | None
    start: float | None = None
    end: float | None = None
    others: tuple[VideoStream | AudioStream, ...] = ()
    promised: Mapping[int, float] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[int, Counted] = field(default_factory=dict)
    orderly: bool = True
    """No track's clock steps back. In a transport stream ffmpeg takes a step back for a new beginning, and moves all
    that follows behind what came before: when a track starts and how long it lasts is then not known beforehand."""
    timed: bool = True
    """Every packet has a time; one that has none lasts all the same."""
    codecs: frozenset[str] | None = None
    """Of all tracks, used or not: a tool that reads the file opens each of them. None: not known."""

    @property
    def tracks(self) -> tuple[VideoStream | AudioStream, ...]:
        return tuple(track for track in (self.video, self.audio) if track is not None)

    @property
    def clock_restarts(self) -> bool:
        """Whether its container's clock may jump (`RESTARTING_CLOCKS`)."""
        return any(name in self.container.split(",") for name in RESTARTING_CLOCKS)

    @property
    def seconds(self) -> float | None:
        """From the first moment of the earlier track to the last one of the later; None where a track does not say."""
        ends = [(track.start or 0.0) + track.duration for track in self.tracks if track.duration is not None]
        if not ends or len(ends) < len(self.tracks):
            return None
        return max(ends) - min(track.start or 0.0 for track in self.tracks)


def probe_arguments(path: str, *, trusted: bool = False) -> list[str]:
    """Arguments for ffprobe that yield what `parse` reads."""
    return ["-show_format", "-show_streams", "-show_programs", *input_arguments(path, trusted=trusted, probing=True)]


def input_arguments(
    path: str,
    *,
    trusted: bool = False,
    probing: bool = False,
    container: str | None = None,
    codecs: Collection[str] | None = None,
) -> list[str]:
    """`path` as an input. An upload may only be a plain media file, whatever its name says it is, and meets only the
    decoders of `profile.UNTRUSTED_DECODERS`. `container`, `codecs`: what it was found to be and to hold; then it meets
    only the decoders of those."""
    source = [path] if probing else ["-i", path]
    if trusted:
        return source
    fence = ["-protocol_whitelist", profile.UNTRUSTED_PROTOCOLS, "-format_whitelist", profile.UNTRUSTED_FORMATS]
    fence += ["-codec_whitelist", decoders.whitelist(codecs)]
    # A cover may be larger than any film; it is looked at and left out.
    pixels = profile.MAX_PIXELS * (4 if probing else 1)
    over_holes = ["-resync_size", str(profile.RESYNC_BYTES)] if container == "mpegts" else []
    return [*fence, "-max_pixels", str(pixels), *over_holes, *source]


def as_coded(video: VideoStream) -> list[str]:
    """Options in front of an input whose pictures are to come as they are coded: neither turned nor cropped by ffmpeg,
    which turns by odd angles, and by what streams say but not by what frames do. What a codec crops on the left is
    cropped to the column: ffmpeg 5 leaves up to 63 there, for faster memory."""
    return [
        "-noautorotate",
        "-flags:v",
        "+unaligned",
        *(["-apply_cropping", "codec"] if video.container_cropped else []),
    ]


def scan_arguments(path: str, container: str | None = None, codecs: Collection[str] | None = None) -> list[str]:
    """Arguments for ffprobe that list every packet of an upload; `scanned` reads the lines."""
    fields = "packet=stream_index,pts_time,dts_time,duration_time,size,flags"
    opened = input_arguments(path, probing=True, container=container, codecs=codecs)
    return ["-of", "csv=p=0", "-show_entries", fields, *opened]


def scanned(info: MediaInfo, packets: Iterable[str]) -> MediaInfo:
    """`info` with the start, the duration and, where the header is far off, the average rate that `packets` show.

    A track without packets is no track: the next one of its kind that has some takes its place. Where the clock jumps,
    nobody knows how long it lasts: the header's first and last times say nothing of what lies between.
    """
    extents: dict[int, _Extent] = defaultdict(_Extent)
    for line in packets:
        index, *fields = line.split(",")
        if index.isdecimal() and len(index) < 10 and len(fields) >= 5:
            pts, dts, duration, size, flags = fields[:5]
            extents[int(index)].add(pts, dts, duration, size, flags)
    jumps = info.clock_restarts
    chosen = [track for track in (*info.tracks, *info.others) if track.index in extents]

    def known(index: int) -> _Extent | None:
        extent = extents[index]
        return None if extent.seconds <= 0 or (jumps and extent.jumped) else extent

    def joined(index: int) -> bool:
        return jumps and extents[index].jumped

    videos = [track for track in chosen if isinstance(track, VideoStream)]
    video = next(iter(videos), None)
    if video is not None and video.codec in STILL_CODECS and extents[video.index].packets <= 1:
        # A cover that nothing marks as one.
        video = next((other for other in videos if extents[other.index].packets > 1), video)
    audio = next((one for one in chosen if isinstance(one, AudioStream)), None)
    if video is not None and info.container in UNCLOCKED:
        video = extents[video.index].paced(video)
    if video is not None and (extent := known(video.index)) is not None:
        rate = extent.rate(video)
        nominal = extent.nominal(video.nominal_rate, rate)
        if info.container == "dv":
            rate = nominal = extent.dv_rate(video) or rate
        video = replace(
            video,
            start=extent.start,
            duration=extent.seconds,
            average_rate=rate,
            nominal_rate=nominal,
            after_a_pause=extent.after_a_pause,
        )
    elif video is not None and joined(video.index):
        nominal = extents[video.index].nominal(video.nominal_rate, None)
        video = replace(video, duration=None, nominal_rate=nominal)
    if audio is not None and (extent := known(audio.index)) is not None:
        if promises_duration(info) and info.duration is not None:
            extent.end_by((info.start or 0.0) + info.duration)
        # An mp3's start is its encoder's delay, which is left out, and which its packets' times do not count.
        start = max(extent.start, audio.start or 0.0) if info.container == "mp3" else extent.start
        audio = replace(audio, start=start, duration=round(max(0.0, extent.end - start), 6))
    elif audio is not None and joined(audio.index):
        audio = replace(audio, duration=None)
    pausing = {one.index for one in chosen if one.codec in PAUSING_AUDIO}
    ends = [extent.end for index in extents if (extent := known(index)) is not None]
    return replace(
        info,
        video=video,
        audio=audio,
        end=max(ends) if ends and len(ends) == len(extents) else None,
        others=(),
        counted={
            index: extent.counted(
                pausing=index in pausing,
                gapless=info.container in GAPLESS,
                constant=info.container == "dv" and video is not None and index == video.index,
            )
            for index, extent in extents.items()
        },
        orderly=not any(extent.disordered for extent in extents.values()),
        timed=not any(extent.untimed for extent in extents.values()),
    )


class _Extent:
    """First and last moment of one track, as its packets tell them one after the other."""

    def __init__(self) -> None:
        self.start = self.end = self._last_start = 0.0
        self.packets = 0
        self.after_a_pause = 0.0
        self.jumped = self.disordered = self.untimed = False
        self._clock: float | None = None
        self._stored: float | None = None
        self._step = self._guessed = 0.0
        self._shortest, self._longest = math.inf, 0.0
        self._seen = self._leading = self._tiny = self._placed = 0
        self._sizes: Counter[int] = Counter()
        self._placed_for = 0.0
        self._keyed = False
        self._hidden = 0.0
        self._steps: list[float] = []
        self._kinds: set[float] = set()
        self._dated = self._clock_is_stored = False
        self._lasting, self._shown_for = 0, 0.0
        self._quickest, self._slowest = math.inf, 0.0

    def add(self, pts: str, dts: str, duration: str, size: str, flags: str) -> None:
        stored = _seconds(dts, signed=True)
        shown = _seconds(pts, signed=True)
        shown = stored if shown is None else shown
        self.untimed = self.untimed or shown is None
        if stored is not None:
            self.disordered = self.disordered or (self._stored is not None and stored < self._stored)
            self._stored = stored
        self._seen += 1
        self._tiny += size.isdecimal() and int(size) <= PAUSE_BYTES
        if size.isdecimal() and len(self._sizes) < SIZES:
            self._sizes[int(size)] += 1
        self._keyed = self._keyed or "K" in flags
        self._leading += not self._keyed
        if shows := _seconds(duration):
            self._shown_for += shows
            self._lasting += 1
            self._quickest, self._slowest = min(self._quickest, shows), max(self._slowest, shows)
        if shown is None or "D" in flags:
            # Without a time it cannot be placed; discarded by an edit list it is never shown.
            self._hidden += _seconds(duration) or 0.0
            return
        clock = shown if stored is None else stored
        if self._clock is not None:
            step = clock - self._clock
            self.jumped = self.jumped or not -1.0 <= step <= LONGEST_STEP_SECONDS
            self._step = step if step > 0 else self._step
            self._note(step, dated=stored is not None and self._clock_is_stored)
            if step > NOTED_STEP_SECONDS and len(self._steps) < 10_000:
                self._steps.append(step)
        self._clock, self._clock_is_stored = clock, stored is not None
        lasts = _seconds(duration) or self._step
        if shows:
            self._placed += 1
            self._placed_for += shows
        self.start = shown if not self.packets else min(self.start, shown)
        if not self.packets or shown + lasts > self.end:
            self.end = shown + lasts
            self._guessed = 0.0 if _seconds(duration) else lasts
        if self.packets and shown > self._last_start:
            self.after_a_pause = shown - self._last_start
        self._last_start = max(self._last_start, shown) if self.packets else shown
        self.packets += 1

    def _note(self, step: float, *, dated: bool) -> None:
        """A step from packet to packet. `dated`: by the order in which they are stored, which counts for more."""
        if dated and not self._dated:
            # The first packets of some files tell only when they are shown, and are not stored in that order.
            self._dated = True
            self._shortest, self._longest, self._kinds = math.inf, 0.0, set()
        if dated != self._dated or not -1.0 <= step <= LONGEST_STEP_SECONDS:
            return
        self._shortest, self._longest = min(self._shortest, step), max(self._longest, step)
        if len(self._kinds) < STEP_KINDS:
            self._kinds.add(round(step, 3))

    @property
    def seconds(self) -> float:
        return round(self.end - self.start, 6)

    def end_by(self, told: float) -> None:
        """The end that a header tells, where the packets only tell when the last of them begins: Windows Media puts
        seconds of sound into one."""
        if self._guessed > profile.TRACKS_APART_SECONDS and self.end - self._guessed < told < self.end:
            self.end = told

    @property
    def steady(self) -> bool:
        """Whether every packet follows the last one after the same time, but for what a clock rounds."""
        return self.packets >= STEADY_PACKETS and self._longest - self._shortest <= STEADY_SECONDS

    def nominal(self, told: Fraction | None, rate: Fraction | None) -> Fraction | None:
        """The header's nominal rate, unless the clock shows that it counts something else: of MPEG-1, of short H.264
        and of cameras whose clock counts fields, some releases of ffmpeg tell twice the rate."""
        if told is None:
            return None
        if self.steady and rate is not None and told > STEADY_NOMINAL * rate:
            return rate
        return told / 2 if self._beats_at(told / 2) else told

    def _beats_at(self, rate: Fraction) -> bool:
        """Whether the clock is a steady one of this rate, with holes: each step is a whole number of beats."""
        beat = float(1 / rate) if rate > 0 else 0.0
        if self.packets < STEADY_PACKETS or beat < 4 * STEADY_SECONDS or len(self._kinds) >= STEP_KINDS:
            return False
        if abs(self._shortest - beat) > STEADY_SECONDS:
            return False
        return all(abs(step - round(step / beat) * beat) <= STEADY_SECONDS for step in self._kinds)

    def paced(self, video: VideoStream) -> VideoStream:
        """The rates of a raw stream, as its packets last. Of every one ffmpeg 7 tells its own default of 25 as the
        average."""
        apart = self._last_start - self.start
        if self._lasting >= STEADY_PACKETS:
            counted = Fraction(self._lasting / self._shown_for).limit_denominator(1001)
        elif self.steady and apart > 0:
            counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        else:
            return video

        def near(told: Fraction | None) -> bool:
            return told is not None and abs(told - counted) <= OFF * counted

        average, nominal = video.average_rate, video.nominal_rate
        if video.codec == "h264" and video.interlaced and near(nominal) and not near(average):
            # Two packets make a frame.
            return replace(video, average_rate=counted / 2, nominal_rate=counted / 2)
        # What is told has no rounded times in it.
        told = (average, nominal, None if nominal is None else nominal / 2)
        rate = next((one for one in told if near(one)), counted)
        even = self._slowest <= self._quickest + STEADY_SECONDS
        return replace(video, average_rate=rate, nominal_rate=rate if even and not near(nominal) else nominal)

    def dv_rate(self, video: VideoStream) -> Fraction | None:
        """The rate of DV, as the size of most packets tells it: the demuxer goes by single ones, damaged or not."""
        sizes = ((count * DV_SEQUENCE_BYTES, rate) for count, rate in DV_SEQUENCES.items())
        rate = next((rate for size, rate in sizes if self._usual_size and self._usual_size % size == 0), None)
        return rate * 2 if rate is not None and video.coded_height == DV_WHOLE_PICTURES else rate

    @property
    def _usual_size(self) -> int:
        return max(self._sizes, key=lambda size: self._sizes[size], default=0)

    def counted(self, *, pausing: bool, gapless: bool = False, constant: bool = False) -> Counted:
        """`gapless`: by its container. `constant`: all packets have one size."""
        usual = self.seconds / self.packets if self.packets else 0.0
        long = tuple(step for step in self._steps if step > 2 * usual)
        leading = self._leading if self._keyed else 0
        known = gapless and self._placed == self.packets
        return Counted(
            self._seen,
            leading,
            self._hidden,
            long,
            self._tiny if pausing else 0,
            unshown=max(0.0, self.seconds - self._placed_for) if known else 0.0,
            each=self._placed_for / self.packets if known and self.packets else None,
            foreign=self._seen - self._sizes[self._usual_size] if constant else 0,
        )

    def rate(self, video: VideoStream) -> Fraction | None:
        """The header's average, unless the packets tell quite another one: two packets may make an interlaced frame."""
        told, apart = video.average_rate, self._last_start - self.start
        if self.packets < 3 or apart < 1e-6 or video.interlaced:
            return told
        counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        if counted <= 0:
            return told
        if told is not None and abs(told - counted) <= FAR_OFF * counted:
            return told
        return counted


def unframed(info: MediaInfo, size: int) -> bool:
    """Whether the sound's frames cannot be told apart: bare AAC in a WAV of `size` bytes. What is decoded of it depends
    on where the demuxer happens to cut."""
    audio = info.audio
    if audio is None or audio.codec != "aac" or not {"wav", "w64"} & set(info.container.split(",")):
        return False
    packets = info.counted.get(audio.index, Counted()).packets
    return size > (packets + 1) * AAC_FRAME_BYTES * max(1, audio.channels)


def places(video: VideoStream) -> tuple[tuple[float, int], ...]:
    """Seconds at which a look at so many pictures tells what the film is made of: several of a film of some length."""
    start, count = video.start or 0.0, profile.INTERLACE_PICTURES
    if video.duration is None or video.duration < profile.INTERLACE_LONG_SECONDS:
        return ((start, count * len(profile.INTERLACE_PLACES)),)
    return tuple((start + part * video.duration, count) for part in profile.INTERLACE_PLACES)


def frame_arguments(path: str, video: VideoStream, codecs: Collection[str] | None = None) -> list[str]:
    """Arguments for ffprobe that decode a few frames, as `looked_at` reads them."""
    start, few = video.start or 0.0, video.coded_height > profile.INTERLACE_LINES
    intervals = ",".join(f"{f'{at:.3f}' if at > start else ''}%+#{1 if few else count}" for at, count in places(video))
    fields = "frame=best_effort_timestamp_time,interlaced_frame,top_field_first:frame_side_data"
    return [
        *("-select_streams", str(video.index), "-read_intervals", intervals),
        *("-show_frames", "-show_entries", fields),
        *input_arguments(path, probing=True, codecs=codecs),
    ]


def looked_at(video: VideoStream, frames: Sequence[Mapping[str, Any]], combs: Combs) -> VideoStream:
    """`video` with what some decoded frames show that no header has to say: how they are turned, and whether each
    holds two moments.

    Flags and headers are believed unless the pictures speak clearly against them. Fields in the wrong order shake.
    """
    turned = next((told for frame in frames if (told := _displayed(frame)) is not None), None)
    if turned is not None and not video.rotation and not video.mirrored:
        rotation, mirrored = turned
        width, height = video.width, video.height
        if rotation in (90, 270):
            width, height = height, width
        video = replace(video, rotation=rotation, mirrored=mirrored, width=width, height=height)
    flagged = [frame for frame in frames if int(frame.get("interlaced_frame") or 0)]
    if combs.progressive:
        return replace(video, interlaced=False, deinterlaced="never" if flagged or video.interlaced else "flagged")
    first = sum(int(frame.get("top_field_first") or 0) for frame in flagged)
    order: Deinterlaced = video.deinterlaced
    if flagged:
        order = "tff" if 2 * first >= len(flagged) else "bff"
    claimed = bool(flagged) or video.interlaced
    # A telecined film shows the order in some pictures only; where flags are wrong, they are so in all.
    clear = combs.combed > profile.CLEARLY_COMBED * combs.moving or not claimed
    if combs.interlaced and combs.order is not None and combs.order != order and clear:
        return replace(video, interlaced=True, deinterlaced=combs.order)
    if flagged:
        return replace(video, interlaced=True, deinterlaced="flagged")
    return video


def sound_arguments(path: str, audio: AudioStream, codecs: Collection[str] | None = None) -> list[str]:
    """Arguments for ffprobe that decode the first moments of a sound, as `listened` reads them."""
    return [
        *("-select_streams", str(audio.index), "-read_intervals", f"%+{LISTENED_SECONDS}"),
        *("-show_frames", "-show_entries", "frame=pts_time"),
        *input_arguments(path, probing=True, codecs=codecs),
    ]


def listened(info: MediaInfo, frames: Sequence[Mapping[str, Any]]) -> MediaInfo:
    """`info` with a sound that starts where its first decoded frame does: what a codec's own header has skipped before
    that (RFC 7845 4.2) lasts in the packets all the same."""
    audio = info.audio
    first = next((at for frame in frames if (at := _seconds(frame.get("pts_time"), signed=True)) is not None), None)
    if audio is None or audio.start is None or first is None or first <= audio.start:
        return info
    skipped = first - audio.start
    left = None if audio.duration is None else max(0.0, round(audio.duration - skipped, 6))
    counted = info.counted.get(audio.index, Counted())
    return replace(
        info,
        audio=replace(audio, start=first, duration=left),
        counted={**info.counted, audio.index: replace(counted, hidden=counted.hidden + skipped)},
    )


def dated_late(video: VideoStream, frames: Sequence[Mapping[str, Any]]) -> float:
    """`VideoStream.dated_late` in a container without times. `frames`: the first decoded ones (`frame_arguments`).

    The first picture is shown at the time of the first packet. Some encoders keep back more than the decoder knows of;
    a first picture that comes much later is one before which others are damaged.
    """
    rate = video.average_rate or video.nominal_rate
    if not video.reordered or rate is None:
        return 0.0
    known = float(video.reordered / rate)
    # One that is looked at alone leaves the decoder at once.
    first = _seconds(frames[0].get("best_effort_timestamp_time"), signed=True) if len(frames) > 1 else None
    if first is None:
        return known
    late = first - (video.start or 0.0)
    return late if 0 <= late <= known + float(MOST_KEPT_BACK / rate) else known


def promises_duration(info: MediaInfo) -> bool:
    """Whether the header's durations come from an index: then a shorter file is a cut-off one, and the durations
    are no estimate from the size. An mp3 starts late only when its encoder left a header of its own."""
    if info.container == "mp3":
        return info.audio is not None and (info.audio.start or 0.0) > 0
    return bool(set(info.container.split(",")) & set(INDEXED_CONTAINERS))


def wrong_decoder(head: bytes, audio: AudioStream) -> str | None:
    """The decoder for whole numbers of 24 bits in 32, as Windows records them: ffmpeg 5 takes them for the floats of an
    old editor, which wrote no extensible header (WAVEFORMATEXTENSIBLE, sub-format 1)."""
    whole = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    return "pcm_s32le" if audio.codec == "pcm_f24le" and whole in head[:4096] else None


def misread(head: bytes, audio: AudioStream) -> bool:
    """Whether ffmpeg 5 takes a sound for another: it reads all whole numbers in an mp4 (`ipcm`, ISO/IEC 23003-5) as 16
    bits, and leaves out the bytes that are more."""
    entry = re.search(rb"ipcm.{32,256}?pcmC.{5}(.)", head, re.DOTALL)
    return entry is not None and entry[1] != b"\x10" and audio.codec in ("pcm_s16le", "pcm_s16be")


def promised_bytes(head: bytes) -> int | None:
    """Size of the file that a RIFF or AIFF header (its first 12 bytes) promises; None where nothing is promised.

    A recorder that could not go back leaves zero, or the largest number.
    """
    kind, size = head[:4], int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
    if len(head) < 12 or kind not in (b"RIFF", b"FORM") or size == 0 or size >= 0x7FFFF000:
        return None
    return size + 8


def is_index_cut_off(read_at: Callable[[int, int], bytes], size: int) -> bool:
    """Whether an MP4 or QuickTime file ends inside a track's part of its index (ISO/IEC 14496-12, 4.2 and 8.3).

    `read_at`: offset and length -> bytes of the file, fewer at its end. `size`: bytes of the file. Some releases of
    ffmpeg read such a file as if it had only the tracks that are left, and say nothing. A file that ends in what
    follows the tracks (`udta`) has lost none; one without an index is not judged here.
    """
    index = next((box for box in _boxes(read_at, 0, size) if box.kind == b"moov"), None)
    if index is None:
        return False
    return any(box.kind == b"trak" and box.end > size for box in _boxes(read_at, index.content, min(index.end, size)))


@dataclass(frozen=True)
class _Box:
    """A box of an MP4 file: its type, where its content begins and where it says that it ends (bytes)."""

    kind: bytes
    content: int
    end: int


def _boxes(read_at: Callable[[int, int], bytes], start: int, end: int) -> Iterator[_Box]:
    """The boxes that lie between two offsets, until one says that it is smaller than its own header."""
    for _ in range(MOST_BOXES):
        header = read_at(start, 16) if start < end else b""
        if len(header) < 8:
            return
        length, content = int.from_bytes(header[:4], "big"), start + 8
        if length == 1 and len(header) == 16:
            length, content = int.from_bytes(header[8:], "big"), start + 16
        box = _Box(header[4:8], content, start + length if length else end)
        if box.end < box.content:
            return
        yield box
        start = box.end


def parse(probed: Mapping[str, Any]) -> MediaInfo:
    """`ffprobe -show_format -show_streams` as JSON -> `MediaInfo`. Unknown or absurd values become None."""
    told = probed.get("streams")
    streams = [_shaped(stream) for stream in told if isinstance(stream, dict)] if isinstance(told, list) else []
    streams = [stream for stream in streams if "index" in stream]
    header = probed.get("format")
    container = header if isinstance(header, dict) else {}
    pictures = [_video(s) for s in _in_order(streams, "video") if not _is_picture(s)]
    heard = [s for s in _in_order(streams, "audio") if s.get("codec_name")]
    beside = _programme(probed, pictures[0].index) if pictures else frozenset()
    # Another programme's sound is never that of the picture.
    sounds = [_audio(s) for s in [s for s in heard if s["index"] in beside] or heard]
    chosen = {one.index for one in pictures[:1]} | {one.index for one in sounds[:1]}
    return MediaInfo(
        container=str(container.get("format_name", "")),
        duration=_seconds(container.get("duration")),
        video=pictures[0] if pictures else None,
        audio=sounds[0] if sounds else None,
        start=_seconds(container.get("start_time"), signed=True),
        others=(*pictures[1:], *sounds[1:]),
        promised=_promised(str(container.get("format_name", "")), streams),
        left_out=Counter(_kind(s) for s in streams if s.get("index") not in chosen),
        codecs=frozenset(str(s["codec_name"]) for s in streams if s.get("codec_name")),
    )


_WHOLE_NUMBERS = (
    *("index", "width", "height", "level", "nb_frames", "nb_read_frames", "has_b_frames"),
    *("sample_rate", "channels", "bits_per_sample", "bits_per_raw_sample"),
)


def _shaped(stream: Mapping[str, Any]) -> dict[str, Any]:
    """A stream without the fields that do not have their shape: a number that is none, a list in a map's place."""
    kept = dict(stream)
    for name in _WHOLE_NUMBERS:
        value = _whole(kept.pop(name, None))
        if value is not None:
            kept[name] = value
    for name in ("disposition", "tags"):
        if not isinstance(kept.get(name), dict):
            kept.pop(name, None)
    told = kept.pop("side_data_list", None)
    sides = [dict(side) for side in told if isinstance(side, dict)] if isinstance(told, list) else []
    for side in sides:
        if "rotation" in side and _seconds(side["rotation"], signed=True) is None:
            del side["rotation"]
    return {**kept, "side_data_list": sides} if sides else kept


def _whole(value: object) -> int | None:
    """A whole number that ffprobe can mean: it counts in 64 bits, and nothing that it counts is negative."""
    text = str(value)
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _in_order(streams: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The tracks of one kind, the one that a player would choose first."""

    def rank(stream: dict[str, Any]) -> tuple[bool, bool, bool]:
        disposition = stream.get("disposition", {})
        empty = kind == "audio" and not (int(stream.get("sample_rate") or 0) and int(stream.get("channels") or 0))
        second = any(disposition.get(name) for name in SECOND_CHOICE)
        return (empty, second, not disposition.get("default"))

    return sorted((stream for stream in streams if stream.get("codec_type") == kind), key=rank)


def _programme(probed: Mapping[str, Any], index: int) -> frozenset[int]:
    """The tracks of the first programme that a track is part of. Only broadcasts have any, and may have several."""
    told = probed.get("programs")
    for programme in told if isinstance(told, list) else []:
        held = programme.get("streams") if isinstance(programme, dict) else None
        streams = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
        indexes = frozenset(number for one in streams if (number := _whole(one.get("index"))) is not None)
        if index in indexes:
            return indexes
    return frozenset()


def _kind(stream: Mapping[str, Any]) -> str:
    kind = str(stream.get("codec_type") or "unknown")
    return "picture" if kind == "video" and _is_picture(stream) else kind


def _promised(container: str, streams: Sequence[dict[str, Any]]) -> dict[int, float]:
    """End of each track by an index of its own. Matroska's is a tag; where it lacks one, ffprobe tells the file's."""
    ends = {}
    for stream in streams:
        end = _tag_duration(stream)
        if end is None and not set(container.split(",")) & set(SHARED_DURATIONS):
            told = _seconds(stream.get("duration"))
            # An mp3's start is its encoder's delay, which its packets' times do not count.
            late = 0.0 if container == "mp3" else _seconds(stream.get("start_time"), signed=True) or 0.0
            end = None if told is None else told + late
        if end is not None:
            ends[int(stream["index"])] = end
    return ends


def _is_picture(stream: Mapping[str, Any]) -> bool:
    disposition = stream.get("disposition", {})
    undecodable = not stream.get("codec_name") or not stream.get("width") or not stream.get("height")
    return bool(disposition.get("attached_pic") or disposition.get("timed_thumbnails")) or undecodable


def _video(stream: Mapping[str, Any]) -> VideoStream:
    coded_width, coded_height = int(stream["width"]), int(stream["height"])
    aspect = _ratio(stream.get("sample_aspect_ratio"), ":") or Fraction(1)
    stretched = coded_width * aspect
    if not Fraction(1, 16) <= aspect <= 16 or stretched * coded_height > max(
        profile.MAX_PIXELS, coded_width * coded_height
    ):
        aspect = Fraction(1)
    rotation, mirrored = _orientation(stream)
    dolby = _dolby_vision(stream)
    base = dolby.get("dv_bl_signal_compatibility_id") if dolby else None
    order = INTERLACED_ORDERS.get(str(stream.get("field_order")))
    width, height = max(1, round(coded_width * aspect)), coded_height
    if rotation in (90, 270):
        width, height = height, width
    frames = stream.get("nb_read_frames") or stream.get("nb_frames")
    return VideoStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=_known(stream.get("profile")),
        level=int(stream["level"]) if int(stream.get("level", -1)) > 0 else None,
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        sample_aspect=aspect,
        rotation=rotation,
        average_rate=_ratio(stream.get("avg_frame_rate"), "/"),
        nominal_rate=_ratio(stream.get("r_frame_rate"), "/"),
        pixel_format=_known(stream.get("pix_fmt")),
        interlaced=order is not None,
        matrix=_known(stream.get("color_space")),
        transfer=_known(stream.get("color_transfer")) or DOLBY_VISION_BASES.get(base or 0),
        primaries=_known(stream.get("color_primaries")),
        color_range=_known(stream.get("color_range")),
        start=_seconds(stream.get("start_time"), signed=True),
        duration=_duration(stream),
        frames=int(str(frames)) if str(frames).isdigit() else None,
        mirrored=mirrored,
        deinterlaced=order or "flagged",
        alpha_track=stream["codec_name"] in ("vp8", "vp9") and _tag(stream, "alpha_mode") == "1",
        container_cropped=any("crop_top" in side for side in stream.get("side_data_list", [])),
        dolby_vision=dolby.get("dv_profile") if dolby else None,
        dolby_vision_base=base,
        reordered=min(int(stream.get("has_b_frames") or 0), MOST_REORDERED),
    )


def _audio(stream: Mapping[str, Any]) -> AudioStream:
    bits = int(stream.get("bits_per_raw_sample") or stream.get("bits_per_sample") or 0)
    return AudioStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        profile=_known(stream.get("profile")),
        sample_rate=int(stream.get("sample_rate") or 0),
        channels=int(stream.get("channels") or 0),
        layout=_known(stream.get("channel_layout")),
        bits=bits or None,
        start=_seconds(stream.get("start_time"), signed=True),
        duration=_duration(stream),
    )


def _orientation(stream: Mapping[str, Any]) -> tuple[int, bool]:
    """Degrees clockwise that a player turns the coded picture (0, 90, 180 or 270), and whether it mirrors it before.

    The display matrix counts; a `rotate` tag, as old muxers left it, only without one.
    """
    told = _displayed(stream)
    if told is not None:
        return told
    try:
        return round(float(_tag(stream, "rotate") or 0) / 90) * 90 % 360, False
    except (ValueError, OverflowError):
        return 0, False


def _displayed(told: Mapping[str, Any]) -> tuple[int, bool] | None:
    """What the display matrix of a stream or frame says; None without one. Odd angles become the nearest right one."""
    for side in told.get("side_data_list", []):
        if "displaymatrix" in side:
            return _turned(str(side["displaymatrix"]))
        if "rotation" in side:
            return (-round(float(side["rotation"]) / 90) * 90) % 360, False
    return None


def _turned(matrix: str) -> tuple[int, bool]:
    """Three lines of an offset and three numbers: (x, y) is shown at (ax + cy, bx + dy) (ISO/IEC 14496-12, 6.2.2)."""
    rows = [line.split(":", 1)[1].split() for line in matrix.splitlines() if ":" in line]
    try:
        a, b, c, d = (int(rows[row][column]) for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)))
    except (IndexError, ValueError):
        return 0, False
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.degrees(math.atan2(b - c, a + d)) / 90) * 90 % 360, mirrored


def _dolby_vision(stream: Mapping[str, Any]) -> dict[str, int] | None:
    for side in stream.get("side_data_list", []):
        if "dv_profile" in side:
            return {name: int(value) for name, value in side.items() if str(value).isdigit()}
    return None


def _tag(stream: Mapping[str, Any], name: str) -> str | None:
    tags = {str(key).lower(): str(value) for key, value in stream.get("tags", {}).items()}
    return tags.get(name)


def _duration(stream: Mapping[str, Any]) -> float | None:
    """Matroska keeps a track's end in a tag, as `HH:MM:SS.fraction`, whatever the tag is called."""
    ends = _tag_duration(stream)
    if ends is None:
        return _seconds(stream.get("duration"))
    return max(0.0, ends - max(0.0, _seconds(stream.get("start_time"), signed=True) or 0.0)) or None


def _tag_duration(stream: Mapping[str, Any]) -> float | None:
    tags = {str(name).upper(): value for name, value in stream.get("tags", {}).items()}
    parts = str(tags.get("DURATION", "")).split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return _seconds(hours * 3600 + minutes * 60 + seconds)


def _ratio(text: object, sign: str) -> Fraction | None:
    over, _, under = str(text or "").partition(sign)
    try:
        ratio = Fraction(int(over), int(under))
    except (ValueError, ZeroDivisionError):
        return None
    # ffprobe's terms have 32 bits.
    return ratio if Fraction(1, 1 << 32) <= ratio <= 1 << 32 else None


def _seconds(text: object, *, signed: bool = False) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    # Over what 64 bits of microseconds hold; not a number compares as false.
    if not abs(seconds) < 1e13:
        return None
    return seconds if signed or seconds > 0 else None


def _known(text: object) -> str | None:
    return None if text in (None, "", "unknown", "reserved") else str(text)
