"""One track as its packets show it: first and last moment, jumps of its clock, steps, rates.

In: what a single track's packets say, one after the other. Out: how they are listed, and what becomes of a
`MediaInfo` by them (`packets.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.media.facts import Counted, VideoStream
from codex_assets.media.fields import parse_seconds, parse_whole
from codex_assets.media.upload.gaps import LONGEST_STEP_SECONDS, STEP_BACK_SECONDS

RATE_OFF = 0.005
"""Relative distance from what packets show at which a raw stream's stated rate is not believed."""
RATE_FAR_OFF = 0.1
"""Relative distance from the counted rate at which a header's average rate is not believed."""
EXACT_CLOCKS = {"mpegts": Fraction(1, 90_000), "mpeg": Fraction(1, 90_000)}
"""Containers whose clock is finer than the average rate that ffprobe makes of it: seconds of a tick."""
PLAIN_DENOMINATORS = (1, 2, 4, 10, 12, 100, 1001)
"""Of rates, the plainer first."""
PAUSE_BYTES = 6
"""The most that a packet takes that codes a pause (3GPP TS 26.101 and 26.201); speech takes twice as much at least."""
DV_SEQUENCE_BYTES, DV_SEQUENCES = 12_000, {12: Fraction(25), 10: Fraction(30000, 1001)}
"""A frame of DV has so many sequences in each of its channels, at that rate (IEC 61834-2, SMPTE 314M and 370M)."""
DV_WHOLE_PICTURES = 720
"""Lines of the DV that shows every field as a picture of its own, at twice the rate."""
DISTINCT_SIZES = 64
"""So many different sizes of packets, and none is the usual one."""
STEADY_PACKETS, STEADY_SECONDS, STEADY_NOMINAL = 3, 0.0021, 1.5
"""Pictures whose clock steps differ by no more than this (containers round to a millisecond) have a constant rate, and
a header that states this many times as much counts something else."""
DISTINCT_STEPS = 64
"""So many different steps, and the clock has no beat."""
NOTED_STEP_SECONDS = 0.05
"""Shorter steps between packets are nobody's gap."""
PAUSE_SECONDS = 300.0
"""A picture that stands for longer is a pause."""
LONGEST_DELAY_SECONDS = 1.0
"""From decoding to showing: more is a clock that jumps."""


class TrackExtent:
    """One track, as its packets show it: they are added one after the other, in the order of the file."""

    def __init__(self) -> None:
        self.start = self.end = self._last_start = 0.0
        """Seconds, of the packets that are shown."""
        self.packets = 0
        """How many of them are shown."""
        self.after_a_pause = 0.0
        """Seconds from the start of the last packet but one to that of the last."""
        self.longest_step = LONGEST_STEP_SECONDS
        """Seconds; a clock that steps ahead by more has jumped."""
        self._stepped = 0.0
        self._steps_back = False
        self.disordered = False
        """The packets are not stored in the order of their clock."""
        self.untimed = False
        """Some packet has no time."""
        self._clock: float | None = None
        self._stored: float | None = None
        self._delay: float | None = None
        """Seconds from when the first packet is decoded to when it is shown."""
        self._step = self._guessed = 0.0
        self._is_open = False
        self._shortest, self._longest = math.inf, 0.0
        self._seen = self._leading = self._tiny = self._placed = 0
        self._sizes: Counter[int] = Counter()
        self._placed_for = 0.0
        self._keyed = False
        self._hidden = self._paused = 0.0
        self._steps: list[float] = []
        self._distinct_steps: set[float] = set()
        self._dated = self._clock_is_stored = False
        self._lasting, self._shown_for = 0, 0.0
        self._quickest, self._slowest = math.inf, 0.0

    def add(self, pts: str, dts: str, duration: str, size: str, flags: str) -> None:
        """Take a packet into account. The arguments are ffprobe's fields of it, as text; `N/A` where it has none."""
        stored = parse_seconds(dts, signed=True)
        shown = self._shown(parse_seconds(pts, signed=True), stored)
        self.untimed = self.untimed or shown is None
        if stored is not None:
            self.disordered = self.disordered or (self._stored is not None and stored < self._stored)
            self._stored = stored
        self._seen += 1
        if (stored_bytes := parse_whole(size)) is not None:
            self._tiny += 1 if stored_bytes <= PAUSE_BYTES else 0
            if len(self._sizes) < DISTINCT_SIZES:
                self._sizes[stored_bytes] += 1
        self._keyed = self._keyed or "K" in flags
        if not self._keyed:
            self._leading += 1
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
            self._steps_back = self._steps_back or step < -STEP_BACK_SECONDS
            self._stepped = max(self._stepped, step)
            self._step = step if step > 0 else self._step
            self._note(step, dated=stored is not None and self._clock_is_stored)
            self._paused += step if step > PAUSE_SECONDS else 0.0
            if step > NOTED_STEP_SECONDS and len(self._steps) < 10_000:
                self._steps.append(step)
        self._clock, self._clock_is_stored = clock, stored is not None
        lasts = parse_seconds(duration) or self._step
        if shows:
            self._placed += 1
            self._placed_for += shows
        self.start = shown if not self.packets else min(self.start, shown)
        # How long a picture stands before one that follows at once was no more than a guess.
        guessed_before = self._guessed > 0 and shown > self.end - self._guessed
        if not self.packets or guessed_before or shown + lasts > self.end:
            self.end = shown + lasts
            self._is_open = not parse_seconds(duration)
            self._guessed = lasts if self._is_open else 0.0
        if self.packets and shown > self._last_start:
            self.after_a_pause = shown - self._last_start
        self._last_start = max(self._last_start, shown) if self.packets else shown
        self.packets += 1

    def _shown(self, shown: float | None, stored: float | None) -> float | None:
        """When a packet is shown. One of MPEG that only says when it is decoded, because it is not the first in what
        carries it, is shown as much later as the first of all is, or another is in its place."""
        if stored is None:
            return shown
        if shown is None:
            return stored + (self._delay or 0.0)
        if self._delay is None:
            self._delay = min(max(0.0, shown - stored), LONGEST_DELAY_SECONDS)
        return shown

    def _note(self, step: float, *, dated: bool) -> None:
        """A step from packet to packet. `dated`: by the order in which they are stored, which counts for more."""
        if dated and not self._dated:
            # The first packets of some files say only when they are shown, and are not stored in that order.
            self._dated = True
            self._shortest, self._longest, self._distinct_steps = math.inf, 0.0, set()
        if dated != self._dated or not -STEP_BACK_SECONDS <= step <= LONGEST_STEP_SECONDS:
            return
        self._shortest, self._longest = min(self._shortest, step), max(self._longest, step)
        if len(self._distinct_steps) < DISTINCT_STEPS:
            self._distinct_steps.add(round(step, 3))

    @property
    def jumped(self) -> bool:
        """Whether the clock steps back, or far ahead."""
        return self._steps_back or self._stepped > self.longest_step

    @property
    def last_begins(self) -> float | None:
        """When the last packet is shown (seconds); None without any."""
        return self._last_start if self.packets else None

    @property
    def last_lasts(self) -> float | None:
        """Seconds for which the last packet says that it is shown; None where it does not say."""
        return None if self._guessed else round(self.end - self._last_start, 6)

    @property
    def seconds(self) -> float:
        """From the start of the first packet to the end of the last."""
        return round(self.end - self.start, 6)

    @property
    def untimed_seconds(self) -> float | None:
        """Seconds that all packets last together, where they all say the same time; None where they do not."""
        is_one_time = self.packets > 1 and self._last_start == self.start
        return round(self._placed_for, 6) if is_one_time and self._placed == self.packets else None

    def end_by(self, header_end: float) -> None:
        """Move the end to the one that a header states (seconds), if that is possible.

        It is where the packets only show when the last of them begins: Windows Media puts seconds of sound into one,
        and a Flash film whose pictures stand still does not say for how long the last one does.
        """
        if self._guessed > profile.TRACKS_APART_SECONDS and self.end - self._guessed < header_end < self.end:
            self.end = header_end

    @property
    def is_steady(self) -> bool:
        """Whether every packet follows the last one after the same time, but for what a clock rounds."""
        return self.packets >= STEADY_PACKETS and self._longest - self._shortest <= STEADY_SECONDS

    def nominal_rate(self, header_rate: Fraction | None, average: Fraction | None) -> Fraction | None:
        """The header's nominal rate, or the true one where the clock shows that the header counts something else.

        Of MPEG-1, of short H.264 and of cameras whose clock counts fields, some releases of ffmpeg state twice the
        rate. `average`: as `average_rate`. None where the header has none.
        """
        if header_rate is None:
            return None
        if self.is_steady and average is not None and header_rate > STEADY_NOMINAL * average:
            return average
        return header_rate / 2 if self._beats_at(header_rate / 2) else header_rate

    def _beats_at(self, rate: Fraction) -> bool:
        """Whether the clock is a steady one of this rate, with holes: each step is a whole number of beats."""
        beat = float(1 / rate) if rate > 0 else 0.0
        if self.packets < STEADY_PACKETS or beat < 4 * STEADY_SECONDS or len(self._distinct_steps) >= DISTINCT_STEPS:
            return False
        if abs(self._shortest - beat) > STEADY_SECONDS:
            return False
        return all(abs(step - round(step / beat) * beat) <= STEADY_SECONDS for step in self._distinct_steps)

    def with_rates_of_packets(self, video: VideoStream) -> VideoStream:
        """A raw stream with the rates that its packets last by; unchanged where they do not say.

        ffmpeg 7 states its own default of 25 as the average of every raw stream.
        """
        apart = self._last_start - self.start
        if self._lasting >= STEADY_PACKETS:
            counted = Fraction(self._lasting / self._shown_for).limit_denominator(1001)
        elif self.is_steady and apart > 0:
            counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        else:
            return video

        def near(rate: Fraction | None) -> bool:
            return rate is not None and abs(rate - counted) <= RATE_OFF * counted

        average, nominal = video.average_rate, video.nominal_rate
        if video.codec == "h264" and video.interlaced and near(nominal) and not near(average):
            # Two packets make a frame.
            return replace(video, average_rate=counted / 2, nominal_rate=counted / 2)
        # The header's rates have no rounded times in them.
        stated = (average, nominal, None if nominal is None else nominal / 2)
        rate = next((candidate for candidate in stated if near(candidate)), counted)
        even = self._slowest <= self._quickest + STEADY_SECONDS
        return replace(video, average_rate=rate, nominal_rate=rate if even and not near(nominal) else nominal)

    def dv_rate(self, video: VideoStream) -> Fraction | None:
        """The rate of DV, by the size of most packets: the demuxer goes by single ones, damaged or not.

        None where that size is not one of DV's.
        """
        sizes = ((count * DV_SEQUENCE_BYTES, rate) for count, rate in DV_SEQUENCES.items())
        rate = next((rate for size, rate in sizes if self._usual_size and self._usual_size % size == 0), None)
        return rate * 2 if rate is not None and video.coded_height == DV_WHOLE_PICTURES else rate

    @property
    def _usual_size(self) -> int:
        """Bytes of most packets; 0 where none has a size."""
        return max(self._sizes, key=lambda size: self._sizes[size], default=0)

    def counted(self, *, pausing: bool, gapless: bool = False, constant: bool = False) -> Counted:
        """The packets in numbers.

        `pausing`: the codec codes pauses as tiny packets. `gapless`: in its container every frame follows the one
        before it. `constant`: all packets have one size.
        """
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
            open_end=self._is_open,
            foreign=self._seen - self._sizes[self._usual_size] if constant else 0,
            paused=self._paused,
        )

    def average_rate(self, video: VideoStream, container: str = "") -> Fraction | None:
        """The header's average rate, or the counted one where that is quite another or exact, and the header's is not.

        An interlaced stream's is never counted: two packets may make a frame.
        """
        stated, apart = video.average_rate, self._last_start - self.start
        if self.packets < 3 or apart < 1e-6 or video.interlaced:
            return stated
        if stated is not None and container in EXACT_CLOCKS and self.is_steady:
            return self._exact_rate(stated, (self.packets - 1) / apart, float(EXACT_CLOCKS[container]) / apart)
        counted = Fraction((self.packets - 1) / apart).limit_denominator(1001)
        if counted <= 0:
            return stated
        if stated is not None and abs(stated - counted) <= RATE_FAR_OFF * counted:
            return stated
        return counted

    def _exact_rate(self, stated: Fraction, counted: float, slack: float) -> Fraction:
        """The plainest rate that the clock allows, where an odd rate is `stated` that it does not allow.

        `slack`: relative. What is near a standard rate is meant as that one.
        """
        near_standard = any(
            abs(stated * below - above) <= profile.RATE_SNAP * above for above, below in profile.STANDARD_RATES
        )
        off = abs(float(stated) - counted)
        if near_standard or not slack * counted < off <= RATE_FAR_OFF * counted:
            return stated
        rates = (Fraction(counted).limit_denominator(most) for most in PLAIN_DENOMINATORS)
        return next((rate for rate in rates if abs(float(rate) - counted) <= slack * counted), stated)
