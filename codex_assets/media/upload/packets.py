"""What an upload's packets show: when its tracks begin and end, and where their clocks jump.

In: the arguments that list all packets, and a `MediaInfo` corrected by them. Out: a header's own statements
(`media/ffprobe.py`), and what is refused because of jumps (`intake.py`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.media.facts import AudioStream, Counted, MediaInfo, VideoStream
from codex_assets.media.fields import parse_seconds
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.upload.headers import promises_duration

STILL_CODECS = ("mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000")
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
PAUSING_AUDIO, PAUSE_BYTES = ("amr_nb", "amr_wb"), 6
"""Codecs that code pauses by themselves (3GPP TS 26.101 and 26.201), and the most that such a packet takes; speech
takes twice as much at least."""
STEADY_PACKETS, STEADY_SECONDS, STEADY_NOMINAL = 3, 0.0021, 1.5
"""Pictures whose clock steps differ by no more than this (containers round to a millisecond) have a constant rate, and
a header that tells this many times as much counts something else."""
DV_WHOLE_PICTURES = 720
"""Lines of the DV that shows every field as a picture of its own, at twice the rate."""
SIZES = 64
"""So many different sizes of packets, and none is the usual one."""
STEP_KINDS = 64
"""So many different steps, and the clock has no beat."""
AAC_FRAME_BYTES = 768
"""The most that a channel of an AAC frame takes (ISO/IEC 14496-3, 4.5.3.1: 6144 bits)."""
NOTED_STEP_SECONDS = 0.05
"""Shorter steps between packets are nobody's gap."""


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
        stored = parse_seconds(dts, signed=True)
        shown = parse_seconds(pts, signed=True)
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
        if shows := parse_seconds(duration):
            self._shown_for += shows
            self._lasting += 1
            self._quickest, self._slowest = min(self._quickest, shows), max(self._slowest, shows)
        if shown is None or "D" in flags:
            # Without a time it cannot be placed; discarded by an edit list it is never shown.
            self._hidden += parse_seconds(duration) or 0.0
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
        lasts = parse_seconds(duration) or self._step
        if shows:
            self._placed += 1
            self._placed_for += shows
        self.start = shown if not self.packets else min(self.start, shown)
        if not self.packets or shown + lasts > self.end:
            self.end = shown + lasts
            self._guessed = 0.0 if parse_seconds(duration) else lasts
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
