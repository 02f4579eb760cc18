"""What must be true of finished files: observations in, findings out. Pure, and independent of everything that builds.

An *observation* is what `codex_assets.observe` saw of one finished output, together with what it is judged against
(`expected`; whatever is unknown there is `None`, and the rules that would need it do not apply). A *rule* looks at one
observation and gives one verdict, or `None` where it does not apply. `judge` runs every rule for the observation's kind
and stops at nothing, so that one run tells everything that is wrong.

Owns the judgement and its tolerances, each with its reason. It may import no builder: a mistake that is made in both
places would be found by neither. The numbers that were asked for are in `profile`.

A new rule is one function with `@rule`; its first docstring line is its description. Severity: what breaks playback or
the contract is ERROR, what is merely worse than it should be is WARN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from codex_assets.media import profile

# --- Tolerances -------------------------------------------------------------------------------------------------------

AAC_FRAME = 1024 / profile.SAMPLE_RATE
"""Seconds. Sound can only be cut between its frames."""
TRACKS_TOGETHER_SECONDS = 0.1
"""Sound and picture may start or end this far apart: five AAC frames, which no player notices."""
DURATION_SECONDS = 0.1
"""A copy may be longer or shorter by the encoder's delay and one frame on either side."""
SYNC_SECONDS = 0.05
"""EBU R37 allows sound 40 ms early to 60 ms late; 50 is what a 10 ms envelope can tell apart from them."""
SYNC_MARGIN = 0.1
"""A shift counts only when it explains the sound better than being in sync does, by this much correlation: steady or
periodic sound proves nothing and must not raise a false alarm."""
SYNC_CORRELATION = 0.5
"""Below it, the two sounds are too different to tell a shift."""
SAME_SOUND_CORRELATION = 0.2
"""Below it at the start and at the end, it is another sound. AAC at 64 kbit/s keeps more than 0.9."""
SAME_PICTURE_DIFFERENCE = 24.0
"""Mean difference of 32x18 grey pictures, of 255. The lowest rung stays under 5; other pictures differ by 40 and up."""
BLANK_SPREAD = 3.0
"""Standard deviation of the grey values under which a picture shows nothing."""
LIVELY_SPREAD = 8.0
"""...and above which the source's own frame shows something."""
RATE_SLACK = 0.10
"""Apple HLS authoring spec 1.28, 1.29: average and peak within 10 % of what the master declares."""
LEVEL_SLACK = 10
"""A level may be one whole number above the lowest that fits (x264 counts reference frames too)."""
LEVEL_FLOOR = 31
"""Every device in use decodes level 3.1: a level up to it shuts nobody out."""
LONGEST_GOP_SLACK = 1.5
"""Frames by which a key frame may come late, for rates that do not divide the interval."""
FULL_SCALE_DBTP = 0.0
PEAK_ROOM_DB = 1.0
"""Sound within this of the true-peak ceiling has used its room: more gain would pass the ceiling."""
OVERSHOOT_LU = 4.0
"""A lossy coder may overshoot such a sound's peaks, bursts of noise, by this much or more, in one encode and not the
next: it had to be made quieter than its peaks alone would say."""
LOUDNESS_ACCURACY = 0.1
"""LU: measurements are printed with one decimal."""
PEAK_ACCURACY = 0.1
MEASURABLE_SECONDS = 0.8
"""Two gating blocks of ITU-R BS.1770; a shorter programme has no integrated loudness worth judging."""
WAVEFORM_RATE_SLACK = 0.01
WAVEFORM_LENGTH_POINTS = 2
"""The last, partial point and the encoder's delay."""


# --- Findings and rules -----------------------------------------------------------------------------------------------


class Severity(StrEnum):
    ERROR = "ERROR"
    WARN = "WARN"


class Kind(StrEnum):
    """What an observation is of."""

    MEZZANINE = "mezzanine"
    VARIANT = "variant"
    PREVIEW = "preview"
    MASTER = "master"
    THUMBNAIL = "thumbnail"
    LOUDNESS = "loudness"
    WAVEFORM_JSON = "waveform_json"
    WAVEFORM_PNG = "waveform_png"


@dataclass(frozen=True)
class Finding:
    """One rule on one output. `message` is a public sentence; `where` is the place inside the output, or empty."""

    output: str
    rule: str
    severity: Severity
    passed: bool
    message: str
    expected: str
    found: str
    where: str


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one observation; `judge` adds who said it of what."""

    passed: bool
    message: str
    expected: str
    found: str
    where: str = ""


class Observation(Protocol):
    """What every observation has. An unreadable one is judged by the gate rules alone."""

    @property
    def output(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def readable(self) -> bool: ...


@dataclass(frozen=True)
class Rule:
    """`gate` rules also judge what could not be read."""

    name: str
    kinds: frozenset[Kind]
    severity: Severity
    source: str
    description: str
    verdict: Callable[[Any], Verdict | None]
    gate: bool = False


RULES: dict[str, Rule] = {}
Judge = TypeVar("Judge", bound=Callable[..., Verdict | None])


def rule(
    *kinds: Kind, source: str, severity: Severity = Severity.ERROR, gate: bool = False
) -> Callable[[Judge], Judge]:
    """Register the decorated function as the rule of its own name."""

    def register(function: Judge) -> Judge:
        name = function.__name__
        if name in RULES:
            raise ValueError(f"two rules are called {name}")
        description = (function.__doc__ or "").strip().splitlines()[0]
        RULES[name] = Rule(name, frozenset(kinds), severity, source, description, function, gate)
        return function

    return register


def rules_for(kind: Kind) -> tuple[Rule, ...]:
    return tuple(one for one in RULES.values() if kind in one.kinds)


def judge(observation: Observation, *, only: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """Every applicable rule's finding on `observation` (of the rules named in `only`, or of all)."""
    wanted = None if only is None else frozenset(only)
    findings = []
    for one in rules_for(observation.kind):
        if (wanted is not None and one.name not in wanted) or not (observation.readable or one.gate):
            continue
        verdict = one.verdict(observation)
        if verdict is not None:
            told = (verdict.passed, verdict.message, verdict.expected, verdict.found, verdict.where)
            findings.append(Finding(observation.output, one.name, one.severity, *told))
    return tuple(findings)


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings for which an output must not be published."""
    return tuple(one for one in findings if not one.passed and one.severity is Severity.ERROR)


def warnings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if not one.passed and one.severity is Severity.WARN)


@dataclass(frozen=True)
class Problem:
    """One place where something is wrong, for a verdict over many places."""

    where: str
    found: str
    sentence: str


def over_all(problems: Sequence[Problem], *, expected: str, fine: str, found: str = "all of them") -> Verdict:
    """One verdict over many places: the first problem is told, the others are counted."""
    if not problems:
        return Verdict(True, fine, expected, found)
    first = problems[0]
    more = f" ({len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return Verdict(False, first.sentence.rstrip(".") + more + ".", expected, first.found, first.where)


def equal(what: str, expected: object, found: object, *, where: str = "") -> Verdict:
    """Passed when what was found is what was expected."""
    passed = expected == found
    verb = f"is {found}" if passed else f"is {found}, not {expected}"
    return Verdict(passed, f"{what} {verb}.", str(expected), str(found), where)


def near(what: str, expected: float, found: float, tolerance: float, *, unit: str = "s", digits: int = 3) -> Verdict:
    passed = abs(found - expected) <= tolerance
    told = f"{what} is {found:.{digits}f} {unit}"
    message = f"{told}." if passed else f"{told}, not {expected:.{digits}f} {unit}."
    return Verdict(
        passed, message, f"{expected:.{digits}f} ± {tolerance:.{digits}f} {unit}", f"{found:.{digits}f} {unit}"
    )


# --- Observations: playlists ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """One track inside one segment, or of a whole playlist: seconds on the stream's own clock.

    `frame_seconds` is the typical distance between neighbouring frames in presentation order, `largest_step` and
    `smallest_step` are its extremes; `before_first` is how far the earliest frame is presented before the first
    one that was stored.
    """

    start: float
    end: float
    frames: int
    frame_seconds: float
    largest_step: float
    smallest_step: float
    size: int
    before_first: float = 0.0
    key_times: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        return 1 / self.frame_seconds if self.frame_seconds > 0 else 0.0


@dataclass(frozen=True)
class SegmentSeen:
    """One segment as its playlist names it (`name`, `extinf`) and as it is. `size` None: the file does not exist."""

    name: str
    extinf: float
    size: int | None
    tables_first: bool | None = None
    """PAT and PMT come before the first elementary stream; None when there is nothing to read."""
    starts_with_idr: bool | None = None
    """The first access unit of the picture track is an IDR; None without one."""
    sps: bytes | None = None
    video: Span | None = None
    audio: Span | None = None


@dataclass(frozen=True)
class PlaylistSeen:
    """A media playlist as text says it. `tags` holds tag names in order, `uri_tags` those that carry a URI."""

    name: str
    problem: str | None = None
    version: int | None = None
    target_duration: int | None = None
    type: str | None = None
    ended: bool = False
    independent: bool = False
    tags: tuple[str, ...] = ()
    uri_tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class VideoSeen:
    """A picture track. `constraints` are the six constraint bits of the SPS; rates are frames a second."""

    codec: str
    profile: str | None
    profile_idc: int | None
    constraints: int | None
    level: int | None
    pixel_format: str | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    sample_aspect: Fraction
    rotation: int
    frame_rate: Fraction | None
    interlaced: bool


@dataclass(frozen=True)
class AudioSeen:
    codec: str
    profile: str | None
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Lag:
    """The delivered sound against the mezzanine's, in one window. Positive seconds: delivered late.

    `correlation` is that of the best shift, `in_sync` the best within `SYNC_SECONDS` of none. `None` instead of a
    `Lag` means that the sound is too steady, or the window too short, to tell.
    """

    seconds: float
    correlation: float
    in_sync: float


@dataclass(frozen=True)
class VariantExpected:
    """What a playlist is judged against. `duration` is the mezzanine's; `cuts` are a sibling's segment boundaries."""

    size: tuple[int, int] | None = None
    frame_rate: Fraction | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    h264_profile: str | None = None
    duration: float | None = None
    cuts: tuple[float, ...] | None = None


@dataclass(frozen=True)
class VariantObservation:
    """A media playlist with its segments: a variant or the preview."""

    output: str
    kind: Kind
    playlist: PlaylistSeen
    segments: tuple[SegmentSeen, ...] = ()
    stray: tuple[str, ...] = ()
    """Segment files in the folder that the playlist does not name."""
    video: VideoSeen | None = None
    audio: AudioSeen | None = None
    decode_errors: tuple[str, ...] | None = None
    """What the decoder said about the key frames; None when it was not asked."""
    picture_differences: tuple[float, ...] | None = None
    """Mean grey difference to the mezzanine, of 255, at a few moments; None without a reference."""
    lag_start: Lag | None = None
    lag_end: Lag | None = None
    expected: VariantExpected = VariantExpected()

    @property
    def readable(self) -> bool:
        return self.playlist.problem is None

    @property
    def frame_seconds(self) -> float:
        """Within how much a cut can be placed: a frame of the picture, or of the sound where there is no picture."""
        spans = [segment.video or segment.audio for segment in self.segments]
        known = [span.frame_seconds for span in spans if span is not None and span.frame_seconds > 0]
        return known[0] if known else AAC_FRAME

    @property
    def duration(self) -> float:
        return math.fsum(segment.extinf for segment in self.segments)

    @property
    def video_span(self) -> Span | None:
        return joined([segment.video for segment in self.segments])

    @property
    def audio_span(self) -> Span | None:
        return joined([segment.audio for segment in self.segments])


@dataclass(frozen=True)
class StreamInf:
    """One EXT-X-STREAM-INF of a master with the line after it."""

    uri: str
    bandwidth: int | None = None
    average_bandwidth: int | None = None
    codecs: str | None = None
    resolution: tuple[int, int] | None = None
    frame_rate: float | None = None


@dataclass(frozen=True)
class MasterExpected:
    """`variants`: names, best to worst. None: the folders beside the master that hold a `playlist.m3u8`."""

    variants: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MasterObservation:
    """A master playlist, with what was observed of the variants it names (`measured`, by their line in the master)."""

    output: str
    problem: str | None = None
    streams: tuple[StreamInf, ...] = ()
    independent: bool = False
    uri_tags: tuple[str, ...] = ()
    found: tuple[str, ...] | None = None
    """Names of the variant folders beside the master that hold a playlist; None when nobody looked."""
    measured: tuple[tuple[str, VariantObservation], ...] = ()
    expected: MasterExpected = MasterExpected()
    kind: Kind = Kind.MASTER

    @property
    def readable(self) -> bool:
        return self.problem is None

    @property
    def listed(self) -> tuple[str, ...]:
        return tuple(variant_name(one.uri) for one in self.streams)

    @property
    def pairs(self) -> list[tuple[StreamInf, VariantObservation]]:
        """What the master says of a variant beside what the variant is; only of those that could be read."""
        seen = dict(self.measured)
        both = [(stream, seen[stream.uri]) for stream in self.streams if stream.uri in seen]
        return [(stream, variant) for stream, variant in both if variant.readable and variant.segments]


# --- Observations: everything else ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MezzanineExpected:
    """`duration`: seconds that the source's longest track decodes to."""

    duration: float | None = None
    size: tuple[int, int] | None = None
    frame_rate: Fraction | None = None
    has_video: bool | None = None
    has_audio: bool | None = None


@dataclass(frozen=True)
class MezzanineObservation:
    output: str
    problem: str | None = None
    video: VideoSeen | None = None
    audio: AudioSeen | None = None
    video_span: Span | None = None
    audio_span: Span | None = None
    frames_indexed: int | None = None
    """Frames that the container's index promises; beside `video_span.frames`, those that are there."""
    frames_decoded: int | None = None
    decode_errors: tuple[str, ...] | None = None
    """None when decoding was not asked for."""
    index_first: bool | None = None
    """The index comes before the media; None when the container has no such order."""
    personal_tags: tuple[str, ...] = ()
    """Names of metadata that could tell where or by whom it was recorded."""
    expected: MezzanineExpected = MezzanineExpected()
    kind: Kind = Kind.MEZZANINE

    @property
    def readable(self) -> bool:
        return self.problem is None

    @property
    def duration(self) -> float:
        """Seconds of the longest track, from zero."""
        ends = [span.end - min(0.0, span.start) for span in (self.video_span, self.audio_span) if span is not None]
        return max(ends, default=0.0)


@dataclass(frozen=True)
class PictureSeen:
    """A still picture: `spread` is the standard deviation of its grey values, 0 to about 128."""

    codec: str
    width: int
    height: int
    spread: float


@dataclass(frozen=True)
class ThumbnailExpected:
    """`spread`: that of the mezzanine's own frame; `difference`: mean grey difference to it, of 255."""

    spread: float | None = None
    difference: float | None = None


@dataclass(frozen=True)
class ThumbnailObservation:
    output: str
    problem: str | None = None
    picture: PictureSeen | None = None
    expected: ThumbnailExpected = ThumbnailExpected()
    kind: Kind = Kind.THUMBNAIL

    @property
    def readable(self) -> bool:
        return self.problem is None


@dataclass(frozen=True)
class LoudnessExpected:
    """`silent`: whether the source is. `target` None: nothing was asked of the loudness (passed through). `limit`: LUFS
    that one gain for all of it reaches before its peaks pass the ceiling; None when the level may change within."""

    target: float | None = None
    silent: bool | None = None
    limit: float | None = None


@dataclass(frozen=True)
class LoudnessObservation:
    """Delivered sound, measured again: LUFS, dBTP, LU; -inf for nothing measured."""

    output: str
    problem: str | None = None
    integrated: float = -math.inf
    true_peak: float = -math.inf
    loudness_range: float = 0.0
    duration: float = 0.0
    expected: LoudnessExpected = LoudnessExpected()
    kind: Kind = Kind.LOUDNESS

    @property
    def readable(self) -> bool:
        return self.problem is None

    @property
    def silent(self) -> bool:
        return self.integrated <= profile.SILENCE_LUFS and self.true_peak <= profile.SILENCE_LUFS


@dataclass(frozen=True)
class WaveformExpected:
    """`duration`: seconds of the sound; `silent`: whether it is."""

    duration: float | None = None
    silent: bool | None = None


@dataclass(frozen=True)
class WaveformObservation:
    """A waveform's JSON. A field that is absent or of another type is None."""

    output: str
    problem: str | None = None
    version: int | None = None
    channels: int | None = None
    sample_rate: int | None = None
    samples_per_pixel: int | None = None
    bits: int | None = None
    length: int | None = None
    values: int = 0
    """How many numbers `data` holds, the lowest and the highest of them, and how many are no integers."""
    lowest: int | None = None
    highest: int | None = None
    not_integers: int = 0
    expected: WaveformExpected = WaveformExpected()
    kind: Kind = Kind.WAVEFORM_JSON

    @property
    def readable(self) -> bool:
        return self.problem is None


@dataclass(frozen=True)
class WaveformImageObservation:
    """A waveform's picture. `drawn_to`: columns up to and including the last one that is not bare background."""

    output: str
    problem: str | None = None
    codec: str | None = None
    width: int = 0
    height: int = 0
    drawn_to: int = 0
    expected: WaveformExpected = WaveformExpected()
    kind: Kind = Kind.WAVEFORM_PNG

    @property
    def readable(self) -> bool:
        return self.problem is None


AnyObservation = (
    MezzanineObservation
    | VariantObservation
    | MasterObservation
    | ThumbnailObservation
    | LoudnessObservation
    | WaveformObservation
    | WaveformImageObservation
)

# --- Derived facts ----------------------------------------------------------------------------------------------------


def variant_name(uri: str) -> str:
    """A variant's name, from its line in the master: the folder of its playlist."""
    return uri.rpartition("/")[0].rpartition("/")[2]


def cuts(durations: Iterable[float]) -> tuple[float, ...]:
    """Segment boundaries, in seconds from the start, of segments that last `durations`."""
    at, boundaries = 0.0, []
    for duration in durations:
        at += duration
        boundaries.append(at)
    return tuple(boundaries)


def joined(spans: Sequence[Span | None]) -> Span | None:
    """One track over several segments."""
    known = [span for span in spans if span is not None]
    if not known:
        return None
    frames = sum(span.frames for span in known)
    return Span(
        start=known[0].start,
        end=max(span.end for span in known),
        frames=frames,
        frame_seconds=math.fsum(span.frame_seconds * span.frames for span in known) / frames,
        largest_step=max(span.largest_step for span in known),
        smallest_step=min(span.smallest_step for span in known),
        size=sum(span.size for span in known),
        key_times=tuple(time for span in known for time in span.key_times),
    )


def peak_rate(variant: VariantObservation) -> float:
    """Peak segment bit rate (RFC 8216 section 4.1): bit/s of the worst contiguous run of segments that lasts between
    half and one and a half target durations; or of one segment, unless it is very short."""
    target = variant.playlist.target_duration or max((one.extinf for one in variant.segments), default=0.0)
    peak = 0.0
    for first in range(len(variant.segments)):
        bits, seconds = 0.0, 0.0
        for segment in variant.segments[first:]:
            alone = seconds == 0
            bits += 8 * (segment.size or 0)
            seconds += segment.extinf
            if seconds > 1.5 * target:
                break
            if seconds > 0 and (seconds >= 0.5 * target or (alone and seconds >= profile.PEAK_SEGMENT_SECONDS)):
                peak = max(peak, bits / seconds)
    return peak or average_rate(variant)


def average_rate(variant: VariantObservation) -> float:
    """Average segment bit rate (RFC 8216 section 4.1), bit/s."""
    return 8 * sum(segment.size or 0 for segment in variant.segments) / variant.duration if variant.duration else 0.0


def codecs(variant: VariantObservation) -> str | None:
    """What CODECS has to say of `variant` (RFC 6381), from the stream itself; None when that cannot be said."""
    told = []
    if variant.video is not None:
        seen = variant.video
        if seen.codec != "h264" or seen.profile_idc is None or seen.constraints is None or seen.level is None:
            return None
        told.append(f"avc1.{seen.profile_idc:02x}{seen.constraints:02x}{seen.level:02x}")
    if variant.audio is not None:
        object_type = {"LC": 2, "HE-AAC": 5, "HE-AACv2": 29}.get(variant.audio.profile or "")
        if variant.audio.codec != "aac" or object_type is None:
            return None
        told.append(f"mp4a.40.{object_type}")
    return ",".join(told)


# ITU-T H.264 table A-1: level_idc -> macroblocks a second, macroblocks a frame, kbit/s (Main; High is 1.25 times it).
H264_LEVELS = {
    10: (1_485, 99, 64),
    11: (3_000, 396, 192),
    12: (6_000, 396, 384),
    13: (11_880, 396, 768),
    20: (11_880, 396, 2_000),
    21: (19_800, 792, 4_000),
    22: (20_250, 1_620, 4_000),
    30: (40_500, 1_620, 10_000),
    31: (108_000, 3_600, 14_000),
    32: (216_000, 5_120, 20_000),
    40: (245_760, 8_192, 20_000),
    41: (245_760, 8_192, 50_000),
    42: (522_240, 8_704, 50_000),
    50: (589_824, 22_080, 135_000),
    51: (983_040, 36_864, 240_000),
    52: (2_073_600, 36_864, 240_000),
}


def needed_level(variant: VariantObservation) -> int | None:
    """Lowest H.264 level that permits the size, the frame rate and the measured rate of `variant`."""
    video = variant.video
    if video is None or video.frame_rate is None or video.codec != "h264":
        return None
    macroblocks = math.ceil(video.coded_width / 16) * math.ceil(video.coded_height / 16)
    factor = 1.25 if video.profile == "High" else 1.0
    # Segments of another stream, which another rule tells, say nothing of this one's level.
    own = [one for one in variant.segments if one.sps == variant.segments[0].sps]
    rates = [8 * one.video.size / one.extinf for one in own if one.video and one.extinf >= 1.0]
    kbps = max(rates, default=0.0) / 1000
    for level, (per_second, per_frame, most_kbps) in H264_LEVELS.items():
        fits = macroblocks <= per_frame and macroblocks * video.frame_rate <= per_second
        if fits and kbps <= most_kbps * factor:
            return level
    return max(H264_LEVELS)


# --- Rules: any playlist ----------------------------------------------------------------------------------------------

PLAYLISTS = (Kind.VARIANT, Kind.PREVIEW)
PLAN = "plan: output verification checklist"
CONTRACT = "contract: storage keys"
VARIANTS = "contract: variants"
LOUDNESS = "contract: loudness"
APPLE = "Apple HLS authoring spec"


@rule(*PLAYLISTS, source="RFC 8216 s4.1", gate=True)
def playlist_readable(seen: VariantObservation) -> Verdict:
    """The playlist exists and is a media playlist."""
    problem = seen.playlist.problem
    if problem is None:
        passed = bool(seen.segments)
        told = f"The playlist names {len(seen.segments)} segments."
        return Verdict(passed, told, "at least one segment", f"{len(seen.segments)} segments")
    return Verdict(False, f"The playlist cannot be read: {problem}.", "a media playlist", problem, seen.playlist.name)


@rule(*PLAYLISTS, source=CONTRACT)
def playlist_name(seen: VariantObservation) -> Verdict:
    """The playlist has the name that its key ends in."""
    name = "preview.m3u8" if seen.kind is Kind.PREVIEW else "playlist.m3u8"
    return equal("The playlist's name", name, seen.playlist.name)


@rule(*PLAYLISTS, source=f"{PLAN}; RFC 8216 s4.3.3.5")
def playlist_is_vod(seen: VariantObservation) -> Verdict:
    """The playlist says that it is VOD."""
    return equal("EXT-X-PLAYLIST-TYPE", "VOD", seen.playlist.type or "absent")


@rule(*PLAYLISTS, source=f"{PLAN}; RFC 8216 s4.3.3.4")
def playlist_ended(seen: VariantObservation) -> Verdict:
    """The playlist ends with EXT-X-ENDLIST: without it players wait for more."""
    found = "present" if seen.playlist.ended else "absent"
    return equal("EXT-X-ENDLIST", "present", found)


@rule(*PLAYLISTS, source="RFC 8216 s4.3.3.1")
def target_duration(seen: VariantObservation) -> Verdict:
    """No segment, rounded to whole seconds, lasts longer than the target duration."""
    target = seen.playlist.target_duration
    if target is None:
        return Verdict(False, "EXT-X-TARGETDURATION is absent.", "present", "absent")
    problems = [
        Problem(one.name, f"{one.extinf:.3f} s", f"{one.name} lasts {one.extinf:.3f} s, over the target of {target} s")
        for one in seen.segments
        # The RFC does not say which way a half is rounded.
        if math.ceil(one.extinf - 0.5) > target
    ]
    return over_all(
        problems, expected=f"at most {target} s, rounded", fine=f"No segment passes the target of {target} s."
    )


@rule(*PLAYLISTS, source="RFC 8216 s6.3.3, s6.3.4", severity=Severity.WARN)
def target_duration_not_zero(seen: VariantObservation) -> Verdict | None:
    """The target duration is at least a second: players count their buffer and their waiting times in it."""
    target = seen.playlist.target_duration
    if target is None:
        return None
    told = f"The target duration is {target} s."
    return Verdict(target >= 1, told, "at least 1 s", f"{target} s")


@rule(*PLAYLISTS, Kind.MASTER, source=CONTRACT)
def no_uri_in_tags(seen: VariantObservation | MasterObservation) -> Verdict:
    """No tag carries a URI (EXT-X-MAP, EXT-X-MEDIA, EXT-X-KEY): the private-streaming proxy signs plain lines only."""
    tags = seen.uri_tags if isinstance(seen, MasterObservation) else seen.playlist.uri_tags
    problems = [Problem(tag, tag, f"{tag} carries a URI, which the platform's proxy does not sign") for tag in tags]
    return over_all(problems, expected="no URI in any tag", fine="No tag carries a URI.", found="none")


@rule(*PLAYLISTS, source="contract: storage keys; RFC 8216 s4.3.2.3")
def no_discontinuity(seen: VariantObservation) -> Verdict:
    """The playlist has no EXT-X-DISCONTINUITY and no EXT-X-GAP: it was made in one piece."""
    odd = [tag for tag in seen.playlist.tags if tag in ("EXT-X-DISCONTINUITY", "EXT-X-GAP")]
    problems = [Problem(tag, tag, f"The playlist has an {tag}") for tag in odd]
    return over_all(problems, expected="none", fine="The playlist is one piece.", found="none")


@rule(*PLAYLISTS, source=CONTRACT)
def plain_segment_names(seen: VariantObservation) -> Verdict:
    """Segments are named by plain relative names in the playlist's own folder."""
    problems = [
        Problem(one.name, one.name, f"{one.name} is not a plain name in the playlist's folder")
        for one in seen.segments
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", one.name)
    ]
    return over_all(problems, expected="plain relative names", fine="All names are plain.")


@rule(*PLAYLISTS, source=PLAN)
def segments_numbered(seen: VariantObservation) -> Verdict:
    """Segments are named `segment_00000.ts` and on, in order and without gaps."""
    wanted = [profile.SEGMENT_PATTERN % index for index in range(len(seen.segments))]
    problems = [
        Problem(one.name, one.name, f"Segment {index} is called {one.name}, not {name}")
        for index, (one, name) in enumerate(zip(seen.segments, wanted, strict=True))
        # A name that is no plain name is another rule's to tell.
        if one.name.rpartition("/")[2] != name
    ]
    return over_all(problems[:1], expected=f"{wanted[0]} to {wanted[-1]}", fine="Segments are numbered without gaps.")


@rule(*PLAYLISTS, source=PLAN)
def segments_present(seen: VariantObservation) -> Verdict:
    """Every segment that the playlist names exists."""
    problems = [Problem(one.name, "missing", f"{one.name} does not exist") for one in seen.segments if one.size is None]
    return over_all(
        problems, expected=f"{len(seen.segments)} segments", fine=f"All {len(seen.segments)} segments exist."
    )


@rule(*PLAYLISTS, source=PLAN)
def segments_not_empty(seen: VariantObservation) -> Verdict:
    """Every segment holds at least one frame of each track of the playlist."""
    problems = []
    for one in seen.segments:
        if one.size is None:
            continue
        tracks = [("picture", seen.video, one.video), ("sound", seen.audio, one.audio)]
        lacking = [name for name, track, span in tracks if track is not None and span is None]
        if one.size == 0 or (one.video is None and one.audio is None):
            problems.append(Problem(one.name, f"{one.size} bytes", f"{one.name} holds nothing ({one.size} bytes)"))
        # A last segment can be shorter than the distance between two sound frames.
        elif lacking and (one is not seen.segments[-1] or one.extinf > 0.25):
            problems.append(Problem(one.name, f"no {lacking[0]}", f"{one.name} holds no {lacking[0]}"))
    return over_all(problems, expected="something in each", fine="No segment is empty.")


@rule(*PLAYLISTS, source=CONTRACT, severity=Severity.WARN)
def no_stray_segments(seen: VariantObservation) -> Verdict:
    """The folder holds no segment that the playlist does not name."""
    problems = [Problem(name, name, f"{name} is in no playlist") for name in seen.stray]
    return over_all(problems, expected="none", fine="Every segment in the folder is in the playlist.", found="none")


@rule(*PLAYLISTS, source="RFC 8216 s3.2")
def segments_have_tables(seen: VariantObservation) -> Verdict | None:
    """Every segment starts with its PAT and PMT, so that a player can start at it."""
    known = [one for one in seen.segments if one.tables_first is not None]
    if not known:
        return None
    problems = [
        Problem(one.name, "no PAT and PMT first", f"{one.name} does not start with a PAT and a PMT")
        for one in known
        if not one.tables_first
    ]
    return over_all(problems, expected="PAT and PMT first", fine="Every segment starts with PAT and PMT.")


@rule(*PLAYLISTS, source=f"{APPLE} 1.10; RFC 8216 s4.3.5.1")
def segments_start_with_idr(seen: VariantObservation) -> Verdict | None:
    """Every segment with a picture starts with an IDR frame, so that a player can start or switch at it."""
    known = [one for one in seen.segments if one.starts_with_idr is not None]
    if not known:
        return None
    problems = [
        Problem(one.name, "no IDR first", f"{one.name} does not start with an IDR frame")
        for one in known
        if not one.starts_with_idr
    ]
    return over_all(problems, expected="an IDR frame first", fine="Every segment starts with an IDR frame.")


@rule(*PLAYLISTS, source=f"{PLAN}; {APPLE} 7.5")
def segment_length(seen: VariantObservation) -> Verdict:
    """Every segment lasts 6 s within one frame; the last one at most that."""
    target, frame = float(profile.SEGMENT_SECONDS), seen.frame_seconds
    slack = frame + 0.001
    problems = []
    for one in seen.segments:
        last = one is seen.segments[-1]
        over, under = one.extinf > target + slack, one.extinf < target - slack
        if over or (under and not last) or one.extinf <= 0:
            told = f"{one.name} lasts {one.extinf:.3f} s, not {target:.0f} s within a frame ({frame:.3f} s)"
            problems.append(Problem(one.name, f"{one.extinf:.3f} s", told))
    expected = f"{target:.3f} ± {frame:.3f} s, the last at most that"
    return over_all(problems, expected=expected, fine=f"All segments last {target:.0f} s within a frame.")


@rule(*PLAYLISTS, source="RFC 8216 s4.3.2.1")
def extinf_true(seen: VariantObservation) -> Verdict | None:
    """EXTINF is the time that the segment really lasts, within half a frame (the last: one frame)."""
    leads = [one.video if seen.video is not None else one.audio for one in seen.segments]
    if not any(leads):
        return None
    tolerance = max(0.5 * seen.frame_seconds, 0.005)
    problems = []
    for index, (one, span) in enumerate(zip(seen.segments, leads, strict=True)):
        if span is None:
            continue
        following = leads[index + 1] if index + 1 < len(leads) else None
        # Where the next segment starts elsewhere (a hole is another rule's to tell), this one's own end counts.
        ends = following.start if following is not None and abs(following.start - span.end) < tolerance else span.end
        lasts = ends - span.start
        # Muxers measure the last one from frame to frame, and may leave out the last frame's own length.
        allowed = tolerance if one is not seen.segments[-1] else 2.1 * tolerance
        if abs(lasts - one.extinf) > allowed:
            told = f"{one.name} lasts {lasts:.3f} s, and EXTINF says {one.extinf:.3f} s"
            problems.append(Problem(one.name, f"{lasts:.3f} s", told))
    return over_all(problems, expected=f"within {tolerance:.3f} s", fine="Every EXTINF is what the segment lasts.")


def _continuity(seen: VariantObservation, track: str, spans: Sequence[Span | None]) -> Verdict | None:
    if not any(spans):
        return None
    problems = []
    for index, (one, span) in enumerate(zip(seen.segments, spans, strict=True)):
        if span is None:
            continue
        slack = 0.6 * span.frame_seconds
        if span.frames > 1 and span.largest_step > span.frame_seconds + slack:
            lost = span.largest_step - span.frame_seconds
            problems.append(
                Problem(one.name, f"gap of {lost:.3f} s", f"The {track} of {one.name} has a gap of {lost:.3f} s")
            )
        elif span.frames > 1 and span.smallest_step < span.frame_seconds - slack:
            told = f"Frames of the {track} of {one.name} overlap"
            problems.append(Problem(one.name, f"frames {span.smallest_step:.3f} s apart", told))
        before = spans[index - 1] if index else None
        if before is None:
            continue
        apart = span.start - before.end
        if abs(apart) > slack:
            kind = "a gap" if apart > 0 else "an overlap"
            told = (
                f"Between {seen.segments[index - 1].name} and {one.name} the {track} has {kind} of {abs(apart):.3f} s"
            )
            problems.append(Problem(one.name, f"{apart:+.3f} s", told))
    return over_all(problems, expected="no gap, no overlap", fine=f"The {track} runs on through all segments.")


@rule(*PLAYLISTS, source="RFC 8216 s3, s6.2.1")
def picture_continuous(seen: VariantObservation) -> Verdict | None:
    """The picture's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "picture", [one.video for one in seen.segments])


@rule(*PLAYLISTS, source="RFC 8216 s3, s6.2.1")
def sound_continuous(seen: VariantObservation) -> Verdict | None:
    """The sound's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "sound", [one.audio for one in seen.segments])


@rule(*PLAYLISTS, source="RFC 8216 s4.3.5.1")
def segments_self_contained(seen: VariantObservation) -> Verdict | None:
    """No frame of a segment is presented before its first one: closed GOPs, as far as timestamps prove it."""
    known = [one for one in seen.segments if one.video is not None]
    if not known:
        return None
    problems = []
    for one in known:
        early = one.video.before_first if one.video is not None else 0.0
        if early > 0.001:
            told = f"{one.name} holds a frame that is presented {early:.3f} s before its first one"
            problems.append(Problem(one.name, f"{early:.3f} s before", told))
    return over_all(problems, expected="nothing before the first frame", fine="Every segment stands for itself.")


@rule(*PLAYLISTS, source=f"{APPLE} 1.10", severity=Severity.WARN)
def key_frames_often(seen: VariantObservation) -> Verdict | None:
    """A key frame comes at least every 2 s, so that seeking is quick."""
    limit = profile.KEYFRAME_SECONDS + LONGEST_GOP_SLACK * seen.frame_seconds
    spans = [(one, one.video) for one in seen.segments if one.video is not None]
    if not spans:
        return None
    problems = []
    for one, span in spans:
        longest = max((b - a for a, b in pairwise([*span.key_times, span.end])), default=span.end - span.start)
        if longest > limit:
            told = f"{one.name} goes {longest:.3f} s without a key frame"
            problems.append(Problem(one.name, f"{longest:.3f} s", told))
    return over_all(problems, expected=f"at most {limit:.3f} s", fine="Key frames come every 2 s.")


@rule(*PLAYLISTS, source="RFC 8216 s6.2.4")
def cuts_like_siblings(seen: VariantObservation) -> Verdict | None:
    """Segments are cut where the other variants' are, so that switching between them is seamless."""
    wanted = seen.expected.cuts
    if wanted is None:
        return None
    own = cuts(one.extinf for one in seen.segments)
    # A preview is the start of its variant.
    wanted = wanted[: len(own)] if seen.kind is Kind.PREVIEW else wanted
    return _same_cuts(own, wanted, "another variant's", 0.5 * seen.frame_seconds)


def _same_cuts(own: Sequence[float], wanted: Sequence[float], whose: str, tolerance: float) -> Verdict:
    if len(own) != len(wanted):
        told = f"There are {len(own)} segments, and {len(wanted)} in {whose}."
        return Verdict(False, told, f"{len(wanted)} segments", f"{len(own)} segments")
    problems = [
        Problem(
            profile.SEGMENT_PATTERN % index,
            f"{mine:.3f} s",
            f"{profile.SEGMENT_PATTERN % index} ends at {mine:.3f} s, and {whose} at {theirs:.3f} s",
        )
        # The last end is the duration, which is judged by itself.
        for index, (mine, theirs) in enumerate(zip(own[:-1], wanted[:-1], strict=True))
        if abs(mine - theirs) > tolerance
    ]
    return over_all(problems, expected=f"the same within {tolerance:.3f} s", fine="The segments are cut alike.")


@rule(Kind.VARIANT, source="plan: phase 3; contract: variants")
def duration_of_source(seen: VariantObservation) -> Verdict | None:
    """The variant lasts as long as the mezzanine."""
    wanted = seen.expected.duration
    if wanted is None or not seen.segments:
        return None
    return near("The duration", wanted, seen.duration, max(DURATION_SECONDS, 1.5 * seen.frame_seconds))


@rule(Kind.PREVIEW, source=PLAN)
def preview_duration(seen: VariantObservation) -> Verdict | None:
    """The preview lasts 30 s, or as long as a shorter source."""
    if not seen.segments:
        return None
    tolerance = max(DURATION_SECONDS, 1.5 * seen.frame_seconds)
    longest = float(profile.PREVIEW_SECONDS)
    if seen.expected.duration is not None:
        return near("The preview's duration", min(longest, seen.expected.duration), seen.duration, tolerance)
    passed = seen.duration <= longest + tolerance
    told = f"The preview lasts {seen.duration:.3f} s{'' if passed else f', over {longest:.0f} s'}."
    return Verdict(passed, told, f"at most {longest:.0f} s", f"{seen.duration:.3f} s")


@rule(*PLAYLISTS, source=VARIANTS)
def tracks_as_source(seen: VariantObservation) -> Verdict | None:
    """There is a picture if the source has one, and sound if the source has sound."""
    wanted = seen.expected
    return _tracks(wanted.has_video, wanted.has_audio, seen.video is not None, seen.audio is not None)


def _tracks(wants_video: bool | None, wants_audio: bool | None, video: bool, audio: bool) -> Verdict | None:
    if wants_video is None and wants_audio is None:
        return None
    problems = [
        Problem(
            name,
            "present" if found else "absent",
            f"The {name} is {'there, though the source has none' if found else 'missing'}",
        )
        for name, wanted, found in (("picture", wants_video, video), ("sound", wants_audio, audio))
        if wanted is not None and wanted is not found
    ]
    expected = ", ".join(
        f"{name} {'present' if wanted else 'absent'}"
        for name, wanted in (("picture", wants_video), ("sound", wants_audio))
        if wanted is not None
    )
    return over_all(problems, expected=expected, fine="The tracks are those of the source.", found=expected)


def _apart(what: str, edge: str, sound: float, picture: float, allowed: float) -> Verdict:
    apart = sound - picture
    passed = abs(apart) <= allowed
    told = f"{what} {edge} {abs(apart):.3f} s {'after' if apart > 0 else 'before'} the picture."
    return Verdict(passed, told, f"within {allowed:.3f} s", f"{apart:+.3f} s")


@rule(*PLAYLISTS, source="contract: variants; EBU R37")
def tracks_start_together(seen: VariantObservation) -> Verdict | None:
    """Sound and picture start together."""
    video, audio = seen.video_span, seen.audio_span
    if video is None or audio is None:
        return None
    return _apart("The sound", "starts", audio.start, video.start, TRACKS_TOGETHER_SECONDS)


@rule(*PLAYLISTS, source="contract: variants; EBU R37")
def tracks_end_together(seen: VariantObservation) -> Verdict | None:
    """Sound and picture end together, within a frame more than at the start."""
    video, audio = seen.video_span, seen.audio_span
    if video is None or audio is None:
        return None
    return _apart("The sound", "ends", audio.end, video.end, TRACKS_TOGETHER_SECONDS + video.frame_seconds)


def _in_sync(lag: Lag | None, where: str) -> Verdict | None:
    if lag is None or max(lag.correlation, lag.in_sync) < SYNC_CORRELATION:
        return None
    passed = abs(lag.seconds) <= SYNC_SECONDS or lag.correlation - lag.in_sync < SYNC_MARGIN
    late = "late" if lag.seconds > 0 else "early"
    message = (
        f"At the {where} the sound is in sync."
        if passed
        else f"At the {where} the sound is {abs(lag.seconds):.2f} s {late}."
    )
    found = f"{lag.seconds:+.2f} s (correlation {lag.correlation:.2f}, in sync {lag.in_sync:.2f})"
    return Verdict(passed, message, f"within {SYNC_SECONDS:.2f} s", found, where)


@rule(*PLAYLISTS, source="EBU R37")
def sound_in_sync_at_start(seen: VariantObservation) -> Verdict | None:
    """What is heard at the start is heard then in the mezzanine too (where the sound varies enough to tell)."""
    return _in_sync(seen.lag_start, "start")


@rule(*PLAYLISTS, source="EBU R37")
def sound_in_sync_at_end(seen: VariantObservation) -> Verdict | None:
    """What is heard at the end is heard then in the mezzanine too (where the sound varies enough to tell)."""
    return _in_sync(seen.lag_end, "end")


@rule(*PLAYLISTS, source=VARIANTS)
def same_sound(seen: VariantObservation) -> Verdict | None:
    """The sound is the mezzanine's, and not that of something else."""
    lags = [lag for lag in (seen.lag_start, seen.lag_end) if lag is not None]
    if not lags:
        return None
    likeness = max(lag.correlation for lag in lags)
    passed = likeness >= SAME_SOUND_CORRELATION
    told = "The sound is the mezzanine's." if passed else "The sound is not the mezzanine's."
    return Verdict(passed, told, f"correlation at least {SAME_SOUND_CORRELATION}", f"{likeness:.2f}")


@rule(*PLAYLISTS, source=VARIANTS)
def same_picture(seen: VariantObservation) -> Verdict | None:
    """The picture is the mezzanine's at the same moments, and not that of something else."""
    if not seen.picture_differences:
        return None
    # The middle one: a cut that falls on a moment, or a flash, must not decide.
    typical = sorted(seen.picture_differences)[(len(seen.picture_differences) - 1) // 2]
    passed = typical <= SAME_PICTURE_DIFFERENCE
    told = "The picture is the mezzanine's." if passed else "The picture is not the mezzanine's."
    return Verdict(passed, told, f"difference at most {SAME_PICTURE_DIFFERENCE:.0f} of 255", f"{typical:.1f} of 255")


@rule(*PLAYLISTS, source=PLAN)
def pictures_decode(seen: VariantObservation) -> Verdict | None:
    """Every key frame decodes without an error."""
    if seen.decode_errors is None or seen.video is None:
        return None
    return _decodes(seen.decode_errors, "The key frames decode.", "Key frames do not decode")


def _decodes(errors: Sequence[str], fine: str, told: str) -> Verdict:
    problems = [Problem("", error, f"{told}: {error}") for error in errors]
    return over_all(problems, expected="no decoding error", fine=fine, found="none")


# --- Rules: what is in a playlist -------------------------------------------------------------------------------------


@rule(*PLAYLISTS, source=f"contract: variants; {APPLE} 1.1, 1.3")
def picture_is_h264(seen: VariantObservation) -> Verdict | None:
    """The picture is H.264 with 8 bits and 4:2:0."""
    return _h264(seen.video)


def _h264(video: VideoSeen | None) -> Verdict | None:
    if video is None:
        return None
    # yuvj420p is the same samples with full-range tagging.
    passed = video.codec == "h264" and video.pixel_format in ("yuv420p", "yuvj420p")
    found = f"{video.codec} {video.pixel_format}"
    return Verdict(passed, f"The picture is {found}{'' if passed else ', not h264 yuv420p'}.", "h264 yuv420p", found)


@rule(*PLAYLISTS, source="profile: ladder")
def picture_profile(seen: VariantObservation) -> Verdict | None:
    """The H.264 profile is the ladder's, or a simpler one."""
    wanted = seen.expected.h264_profile
    if seen.video is None or wanted is None or seen.video.codec != "h264":
        return None
    order = ("constrained baseline", "baseline", "main", "high")
    found = (seen.video.profile or "unknown").lower()
    passed = found in order and order.index(found) <= order.index(wanted)
    told = f"The H.264 profile is {found}{'' if passed else f', not {wanted}'}."
    return Verdict(passed, told, f"{wanted} or simpler", found)


@rule(*PLAYLISTS, source="ITU-T H.264 table A-1")
def level_sufficient(seen: VariantObservation) -> Verdict | None:
    """The H.264 level that the stream claims permits its size, frame rate and bit rate."""
    needed = needed_level(seen)
    if needed is None or seen.video is None or seen.video.level is None:
        return None
    found = seen.video.level
    passed = found >= needed
    told = f"The stream claims level {found / 10}{'' if passed else f', and needs {needed / 10}'}."
    return Verdict(passed, told, f"at least {needed / 10}", f"{found / 10}")


@rule(*PLAYLISTS, source=f"{APPLE} 1.3", severity=Severity.WARN)
def level_not_excessive(seen: VariantObservation) -> Verdict | None:
    """The H.264 level is not far above what is needed: it would shut out devices that could play the stream."""
    needed = needed_level(seen)
    if needed is None or seen.video is None or seen.video.level is None:
        return None
    found, most = seen.video.level, max(LEVEL_FLOOR, needed + LEVEL_SLACK)
    passed = found <= most
    told = f"The stream claims level {found / 10}{'' if passed else f', and {needed / 10} would do'}."
    return Verdict(passed, told, f"at most {most / 10}", f"{found / 10}")


@rule(*PLAYLISTS, source=VARIANTS)
def one_picture_format(seen: VariantObservation) -> Verdict | None:
    """All segments have the same picture parameters (SPS): players do not expect a change inside a playlist."""
    known = [one for one in seen.segments if one.sps is not None]
    if not known:
        return None
    problems = [
        Problem(one.name, "other parameters", f"{one.name} has other picture parameters than {known[0].name}")
        for one in known
        if one.sps != known[0].sps
    ]
    return over_all(problems, expected="the same in all", fine="All segments have the same picture parameters.")


@rule(*PLAYLISTS, source=f"contract: variants; {APPLE} 1.14")
def picture_progressive(seen: VariantObservation) -> Verdict | None:
    """The picture is progressive."""
    return _progressive(seen.video)


def _progressive(video: VideoSeen | None) -> Verdict | None:
    return (
        None
        if video is None
        else equal("The picture", "progressive", "interlaced" if video.interlaced else "progressive")
    )


@rule(*PLAYLISTS, source=VARIANTS)
def picture_square_pixels(seen: VariantObservation) -> Verdict | None:
    """Pixels are square."""
    return _square(seen.video)


def _square(video: VideoSeen | None) -> Verdict | None:
    if video is None:
        return None
    aspect = video.sample_aspect
    return equal("The pixel aspect ratio", "1:1", f"{aspect.numerator}:{aspect.denominator}")


@rule(*PLAYLISTS, source=VARIANTS)
def picture_size(seen: VariantObservation) -> Verdict | None:
    """The picture has the size that its variant gets from this source."""
    return _size(seen.video, seen.expected.size)


def _size(video: VideoSeen | None, wanted: tuple[int, int] | None) -> Verdict | None:
    # The coded size: what non-square pixels or a rotation make of it is told by other rules.
    return None if video is None or wanted is None else _sizes(wanted, (video.coded_width, video.coded_height))


def _sizes(wanted: tuple[int, int], found: tuple[int, int]) -> Verdict:
    return equal("The size", "{}x{}".format(*wanted), "{}x{}".format(*found))


@rule(*PLAYLISTS, source=VARIANTS)
def picture_rate(seen: VariantObservation) -> Verdict | None:
    """The frame rate is the mezzanine's."""
    return _rate(seen.video_span, seen.expected.frame_rate)


def _rate(span: Span | None, wanted: Fraction | None) -> Verdict | None:
    if span is None or wanted is None or span.frames < 2:
        return None
    # 29.97 and 30 are 0.1 % apart. The clock's own rounding weighs more, the shorter the stream is.
    slack = float(wanted) * (0.0004 + 0.0001 / (span.frames * span.frame_seconds))
    return near("The frame rate", float(wanted), span.rate, slack, unit="fps")


@rule(*PLAYLISTS, source=VARIANTS)
def sound_is_aac(seen: VariantObservation) -> Verdict | None:
    """The sound is AAC-LC."""
    if seen.audio is None:
        return None
    return equal("The sound", "aac LC", f"{seen.audio.codec} {seen.audio.profile or ''}".strip())


@rule(*PLAYLISTS, source=LOUDNESS)
def sound_48_khz(seen: VariantObservation) -> Verdict | None:
    """The sound has 48,000 samples a second."""
    return None if seen.audio is None else equal("The sample rate", profile.SAMPLE_RATE, seen.audio.sample_rate)


@rule(*PLAYLISTS, source=f"{APPLE}: audio")
def sound_stereo(seen: VariantObservation) -> Verdict | None:
    """The sound has two channels."""
    return None if seen.audio is None else equal("The number of channels", profile.CHANNELS, seen.audio.channels)


@rule(Kind.PREVIEW, source=VARIANTS)
def preview_at_most_720p(seen: VariantObservation) -> Verdict | None:
    """The preview is not larger than 720p."""
    if seen.video is None:
        return None
    box = next(one for one in profile.LADDER if one.name == profile.PREVIEW_BEST)
    short, long = sorted((seen.video.coded_width, seen.video.coded_height))
    passed = short <= box.short and long <= box.long
    found = f"{seen.video.coded_width}x{seen.video.coded_height}"
    told = f"The preview is {found}{'' if passed else ', larger than 720p'}."
    return Verdict(passed, told, f"within {box.long}x{box.short}", found)


# --- Rules: master ----------------------------------------------------------------------------------------------------


@rule(Kind.MASTER, source=f"{PLAN}; RFC 8216 s4.1", gate=True)
def master_readable(seen: MasterObservation) -> Verdict:
    """The master exists and is a master playlist."""
    if seen.problem is not None:
        return Verdict(False, f"The master cannot be read: {seen.problem}.", "a master playlist", seen.problem)
    passed = bool(seen.streams)
    told = f"The master names {len(seen.streams)} variants."
    return Verdict(passed, told, "at least one variant", f"{len(seen.streams)} variants")


@rule(Kind.MASTER, source=CONTRACT)
def master_names_plain(seen: MasterObservation) -> Verdict:
    """Variants are named `{variant}/playlist.m3u8`: plain, relative, one folder deep."""
    problems = [
        Problem(one.uri, one.uri, f"{one.uri} is not of the form variant/playlist.m3u8")
        for one in seen.streams
        if not re.fullmatch(r"[A-Za-z0-9_-]+/playlist\.m3u8", one.uri)
    ]
    return over_all(problems, expected="variant/playlist.m3u8", fine="All names are plain and one folder deep.")


@rule(Kind.MASTER, source=PLAN)
def master_lists_what_exists(seen: MasterObservation) -> Verdict | None:
    """The master references exactly the variants that exist, each once."""
    wanted = seen.expected.variants if seen.expected.variants is not None else seen.found
    if wanted is None:
        return None
    listed = seen.listed
    problems = [
        *(
            Problem(name, "not listed", f"{name} exists and is not in the master")
            for name in wanted
            if name not in listed
        ),
        *(
            Problem(name, "listed", f"The master names {name}, which was not made")
            for name in listed
            if name not in wanted
        ),
        *(Problem(name, "twice", f"The master names {name} twice") for name in set(listed) if listed.count(name) > 1),
    ]
    return over_all(
        problems, expected=", ".join(sorted(wanted)), fine="The master lists what exists.", found=", ".join(listed)
    )


@rule(Kind.MASTER, source=PLAN)
def master_playlists_exist(seen: MasterObservation) -> Verdict | None:
    """Every playlist that the master names can be opened."""
    if not seen.measured:
        return None
    measured = dict(seen.measured)
    broken = [one.uri for one in seen.streams if one.uri not in measured or not measured[one.uri].readable]
    problems = [Problem(uri, "missing", f"{uri} cannot be opened") for uri in broken]
    return over_all(problems, expected="all can be opened", fine="Every named playlist can be opened.")


@rule(Kind.MASTER, source=CONTRACT)
def master_best_first(seen: MasterObservation) -> Verdict:
    """Variants are listed from best to worst."""

    def worth(one: StreamInf) -> int:
        # By size where there is a picture: of a still one, a smaller variant can measure a little more.
        return one.resolution[0] * one.resolution[1] if one.resolution is not None else one.bandwidth or 0

    problems = [
        Problem(after.uri, f"after {before.uri}", f"{after.uri} comes after {before.uri}, which is worse")
        for before, after in pairwise(seen.streams)
        if worth(after) > worth(before)
    ]
    order = " > ".join(one.uri.partition("/")[0] for one in seen.streams)
    return over_all(problems, expected="best to worst", fine="Best comes first.", found=order)


@rule(Kind.MASTER, source=f"{APPLE}: EXT-X-INDEPENDENT-SEGMENTS; RFC 8216 s4.3.5.1")
def master_independent_segments(seen: MasterObservation) -> Verdict:
    """The master says EXT-X-INDEPENDENT-SEGMENTS, which the segments then have to keep."""
    found = "present" if seen.independent else "absent"
    return equal("EXT-X-INDEPENDENT-SEGMENTS", "present", found)


@rule(Kind.MASTER, source="RFC 8216 s4.3.4.2")
def bandwidth_covers_peak(seen: MasterObservation) -> Verdict | None:
    """BANDWIDTH is at least the measured peak segment bit rate: below it players stall."""
    problems = []
    for stream, variant in seen.pairs:
        peak = math.floor(peak_rate(variant))
        if stream.bandwidth is None or stream.bandwidth < peak:
            told = f"{stream.uri} peaks at {peak} bit/s, and BANDWIDTH says {stream.bandwidth}"
            problems.append(Problem(stream.uri, str(stream.bandwidth), told))
    return _attributes(seen, problems, "at least the measured peak", "BANDWIDTH covers every variant's peak.")


def _attributes(seen: MasterObservation, problems: Sequence[Problem], expected: str, fine: str) -> Verdict | None:
    return over_all(problems, expected=expected, fine=fine) if seen.pairs else None


@rule(Kind.MASTER, source=f"{APPLE} 1.29", severity=Severity.WARN)
def bandwidth_close_to_peak(seen: MasterObservation) -> Verdict | None:
    """BANDWIDTH is at most 10 % above the measured peak: far above it players choose too low."""
    problems = []
    for stream, variant in seen.pairs:
        peak = peak_rate(variant)
        if stream.bandwidth is not None and stream.bandwidth > peak * (1 + RATE_SLACK):
            told = f"{stream.uri} peaks at {peak:.0f} bit/s, and BANDWIDTH says {stream.bandwidth}"
            problems.append(Problem(stream.uri, str(stream.bandwidth), told))
    return _attributes(seen, problems, "at most 10 % above the measured peak", "BANDWIDTH is close to the peaks.")


@rule(Kind.MASTER, source=f"RFC 8216 s4.3.4.2; {APPLE} 1.28")
def average_bandwidth_true(seen: MasterObservation) -> Verdict | None:
    """AVERAGE-BANDWIDTH is the measured average within 10 %."""
    problems = []
    for stream, variant in seen.pairs:
        average = average_rate(variant)
        if stream.average_bandwidth is None or abs(stream.average_bandwidth - average) > RATE_SLACK * average:
            told = f"{stream.uri} averages {average:.0f} bit/s, and AVERAGE-BANDWIDTH says {stream.average_bandwidth}"
            problems.append(Problem(stream.uri, str(stream.average_bandwidth), told))
    return _attributes(seen, problems, "within 10 % of the measured average", "AVERAGE-BANDWIDTH is true.")


@rule(Kind.MASTER, source="RFC 8216 s4.3.4.2; RFC 6381")
def codecs_true(seen: MasterObservation) -> Verdict | None:
    """CODECS names the profile, constraints and level that the streams have."""
    problems = []
    for stream, variant in seen.pairs:
        wanted = codecs(variant)
        declared = {part.strip().lower() for part in (stream.codecs or "").split(",") if part.strip()}
        if wanted is not None and declared != set(wanted.split(",")):
            told = f"{stream.uri} is {wanted}, and CODECS says {stream.codecs or 'nothing'}"
            problems.append(Problem(stream.uri, stream.codecs or "absent", told))
    return _attributes(seen, problems, "what the streams are", "CODECS is true.")


@rule(Kind.MASTER, source=f"plan: phase 2; RFC 8216 s4.3.4.2; {APPLE}: RESOLUTION")
def resolution_true(seen: MasterObservation) -> Verdict | None:
    """RESOLUTION is the size of the picture, and absent without one."""
    problems = []
    for stream, variant in seen.pairs:
        wanted = (variant.video.coded_width, variant.video.coded_height) if variant.video else None
        if stream.resolution != wanted:
            is_, said = _told_size(wanted), _told_size(stream.resolution)
            problems.append(Problem(stream.uri, said, f"{stream.uri} is {is_}, and RESOLUTION says {said}"))
    return _attributes(seen, problems, "the picture's size", "RESOLUTION is true.")


def _told_size(size: tuple[int, int] | None) -> str:
    return "{}x{}".format(*size) if size else "nothing"


@rule(Kind.MASTER, source=f"RFC 8216 s4.3.4.2; {APPLE}: FRAME-RATE")
def frame_rate_true(seen: MasterObservation) -> Verdict | None:
    """FRAME-RATE is the rate of the picture, to three decimals, and absent without one."""
    problems = []
    for stream, variant in seen.pairs:
        rate = variant.video.frame_rate if variant.video else None
        wanted = round(float(rate), 3) if rate is not None else None
        if variant.video is not None and rate is None:
            continue
        if (wanted is None) != (stream.frame_rate is None) or abs((stream.frame_rate or 0) - (wanted or 0)) > 0.0015:
            told = f"{stream.uri} has {wanted} frames a second, and FRAME-RATE says {stream.frame_rate}"
            problems.append(Problem(stream.uri, str(stream.frame_rate), told))
    return _attributes(seen, problems, "the picture's rate", "FRAME-RATE is true.")


@rule(Kind.MASTER, source=f"RFC 8216 s6.2.4; {APPLE}: aligned segments")
def variants_cut_alike(seen: MasterObservation) -> Verdict | None:
    """All variants have their segment boundaries, and their clocks, at the same times."""
    pairs = seen.pairs
    if len(pairs) < 2:
        return None
    first = pairs[0][1]
    allowed = 0.5 * first.frame_seconds
    for stream, variant in pairs[1:]:
        own, theirs = _starts(variant), _starts(first)
        off = [index for index, (a, b) in enumerate(zip(own, theirs, strict=False)) if abs(a - b) > allowed]
        if len(own) != len(theirs):
            told = f"{stream.uri} has {len(own)} segments, and {pairs[0][0].uri} {len(theirs)}."
            return Verdict(False, told, f"{len(theirs)} segments", f"{len(own)} segments", stream.uri)
        if off:
            name = profile.SEGMENT_PATTERN % off[0]
            apart = abs(own[off[0]] - theirs[off[0]])
            told = f"{name} of {stream.uri} starts {apart:.3f} s from that of {pairs[0][0].uri}."
            return Verdict(False, told, f"within {allowed:.3f} s", f"{apart:.3f} s", f"{stream.uri} {name}")
        if abs(variant.duration - first.duration) > max(DURATION_SECONDS, 3 * allowed):
            told = f"{stream.uri} lasts {variant.duration:.3f} s, and {pairs[0][0].uri} {first.duration:.3f} s."
            found = f"{variant.duration:.3f} s"
            return Verdict(False, told, f"{first.duration:.3f} s", found, stream.uri)
    return Verdict(True, "All variants are cut alike.", f"within {allowed:.3f} s", f"within {allowed:.3f} s")


def _starts(variant: VariantObservation) -> list[float]:
    """Where each segment starts on the stream's own clock."""
    spans = [one.video if variant.video is not None else one.audio for one in variant.segments]
    return [span.start for span in spans if span is not None]


# --- Rules: mezzanine -------------------------------------------------------------------------------------------------


@rule(Kind.MEZZANINE, source="contract: storage keys", gate=True)
def mezzanine_readable(seen: MezzanineObservation) -> Verdict:
    """The mezzanine exists and holds a picture or sound."""
    if seen.problem is not None:
        return Verdict(False, f"The mezzanine cannot be read: {seen.problem}.", "picture or sound", seen.problem)
    passed = seen.video is not None or seen.audio is not None
    found = " and ".join([*(["picture"] if seen.video else []), *(["sound"] if seen.audio else [])]) or "nothing"
    return Verdict(passed, f"The mezzanine holds {found}.", "picture or sound", found)


@rule(Kind.MEZZANINE, source="plan: feature breakdown; contract: storage keys")
def mezzanine_decodes(seen: MezzanineObservation) -> Verdict | None:
    """The whole mezzanine decodes without an error."""
    if seen.decode_errors is None:
        return None
    return _decodes(seen.decode_errors, "The whole mezzanine decodes.", "The mezzanine does not decode")


@rule(Kind.MEZZANINE, source="plan: phase 3")
def mezzanine_frames(seen: MezzanineObservation) -> Verdict | None:
    """All frames that the index promises are in the file, and all of them decode."""
    if seen.video_span is None or seen.frames_indexed is None:
        return None
    there, wanted = seen.video_span.frames, seen.frames_indexed
    fewest = there if seen.frames_decoded is None else min(there, seen.frames_decoded)
    told = f"The index promises {wanted} frames, and {fewest} are there."
    return Verdict(fewest == wanted, told, f"{wanted} frames", f"{fewest} frames")


@rule(Kind.MEZZANINE, source="plan: phase 3")
def mezzanine_duration(seen: MezzanineObservation) -> Verdict | None:
    """The mezzanine lasts as long as the source decodes."""
    wanted = seen.expected.duration
    if wanted is None:
        return None
    frame = seen.video_span.frame_seconds if seen.video_span else 0.0
    return near("The duration", wanted, seen.duration, max(DURATION_SECONDS, 2 * frame))


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_tracks(seen: MezzanineObservation) -> Verdict | None:
    """The mezzanine has a picture if the source has one, and sound if the source has sound."""
    wanted = seen.expected
    return _tracks(wanted.has_video, wanted.has_audio, seen.video is not None, seen.audio is not None)


@rule(Kind.MEZZANINE, source="plan: feature breakdown")
def mezzanine_is_h264(seen: MezzanineObservation) -> Verdict | None:
    """The picture is H.264 with 8 bits and 4:2:0."""
    return _h264(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_upright(seen: MezzanineObservation) -> Verdict | None:
    """The picture is stored upright: nobody downstream has to turn it."""
    if seen.video is None:
        return None
    return equal("The rotation", "0 degrees", f"{seen.video.rotation} degrees")


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_square_pixels(seen: MezzanineObservation) -> Verdict | None:
    """Pixels are square."""
    return _square(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_progressive(seen: MezzanineObservation) -> Verdict | None:
    """The picture is progressive."""
    return _progressive(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_size(seen: MezzanineObservation) -> Verdict | None:
    """The picture has the displayed size of the source, made even."""
    return _size(seen.video, seen.expected.size)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_rate(seen: MezzanineObservation) -> Verdict | None:
    """The frame rate is the one that was decided for the source."""
    return _rate(seen.video_span, seen.expected.frame_rate)


@rule(Kind.MEZZANINE, source="contract: storage keys (segment boundaries are the same every time)")
def mezzanine_constant_rate(seen: MezzanineObservation) -> Verdict | None:
    """Frames come at a constant rate: what is cut from it can then be cut the same way every time."""
    span = seen.video_span
    if span is None or span.frames < 2:
        return None
    # Containers round times to their clock, by up to a millisecond.
    slack = max(0.1 * span.frame_seconds, 0.0021)
    passed = span.largest_step <= span.frame_seconds + slack and span.smallest_step >= span.frame_seconds - slack
    told = f"Frames are {span.smallest_step:.4f} to {span.largest_step:.4f} s apart"
    end = "." if passed else f", not {span.frame_seconds:.4f} s throughout."
    found = f"{span.smallest_step:.4f} to {span.largest_step:.4f} s"
    return Verdict(passed, told + end, f"{span.frame_seconds:.4f} s", found)


@rule(Kind.MEZZANINE, source="contract: variants; EBU R37")
def mezzanine_tracks_start_together(seen: MezzanineObservation) -> Verdict | None:
    """Sound and picture start together."""
    if seen.video_span is None or seen.audio_span is None:
        return None
    return _apart("The sound", "starts", seen.audio_span.start, seen.video_span.start, TRACKS_TOGETHER_SECONDS)


@rule(Kind.MEZZANINE, source="ISO/IEC 14496-12 (progressive download)", severity=Severity.WARN)
def mezzanine_index_first(seen: MezzanineObservation) -> Verdict | None:
    """The index comes before the media, so that a reader over the network needs no second request."""
    if seen.index_first is None:
        return None
    return equal("The index", "first", "first" if seen.index_first else "last")


@rule(Kind.MEZZANINE, source="plan: phase 3 (safety)")
def mezzanine_without_personal_tags(seen: MezzanineObservation) -> Verdict:
    """No metadata is left that tells where or with what the source was recorded."""
    problems = [Problem(tag, tag, f"The metadata still has {tag}") for tag in seen.personal_tags]
    return over_all(problems, expected="none", fine="No personal metadata is left.", found="none")


# --- Rules: thumbnail -------------------------------------------------------------------------------------------------


@rule(Kind.THUMBNAIL, source=PLAN, gate=True)
def thumbnail_decodes(seen: ThumbnailObservation) -> Verdict:
    """The thumbnail exists and decodes without an error."""
    if seen.problem is not None:
        return Verdict(False, f"The thumbnail does not decode: {seen.problem}.", "a picture", seen.problem)
    return Verdict(True, "The thumbnail decodes.", "a picture", "a picture")


@rule(Kind.THUMBNAIL, source=CONTRACT)
def thumbnail_is_jpeg(seen: ThumbnailObservation) -> Verdict | None:
    """The thumbnail is a JPEG, as its name says."""
    return None if seen.picture is None else equal("The thumbnail's format", "mjpeg", seen.picture.codec)


@rule(Kind.THUMBNAIL, source=PLAN)
def thumbnail_size(seen: ThumbnailObservation) -> Verdict | None:
    """The thumbnail is 1280x720."""
    if seen.picture is None:
        return None
    wanted = (profile.PICTURE_WIDTH, profile.PICTURE_HEIGHT)
    return _sizes(wanted, (seen.picture.width, seen.picture.height))


@rule(Kind.THUMBNAIL, source="contract: variants (thumbnail)")
def thumbnail_not_blank(seen: ThumbnailObservation) -> Verdict | None:
    """The thumbnail shows something, unless the source's frame at that time shows nothing either."""
    if seen.picture is None or seen.expected.spread is None:
        return None
    spread, source = seen.picture.spread, seen.expected.spread
    passed = spread >= BLANK_SPREAD or source < LIVELY_SPREAD
    told = "The thumbnail shows something." if spread >= BLANK_SPREAD else "The thumbnail is blank"
    if spread < BLANK_SPREAD:
        told += ", and so is the source there." if passed else ", though the source is not."
    return Verdict(passed, told, f"a spread of {BLANK_SPREAD} or more (source {source:.1f})", f"{spread:.1f}")


@rule(Kind.THUMBNAIL, source="contract: variants (thumbnail)", severity=Severity.WARN)
def thumbnail_shows_its_moment(seen: ThumbnailObservation) -> Verdict | None:
    """The thumbnail is the mezzanine's frame at 10 % of the duration."""
    found = seen.expected.difference
    blank = seen.picture is None or seen.picture.spread < BLANK_SPREAD
    if found is None or blank:
        return None
    passed = found <= SAME_PICTURE_DIFFERENCE
    told = f"The thumbnail is {'' if passed else 'not '}the frame at 10 %."
    return Verdict(passed, told, f"difference at most {SAME_PICTURE_DIFFERENCE:.0f} of 255", f"{found:.1f} of 255")


# --- Rules: loudness --------------------------------------------------------------------------------------------------


@rule(Kind.LOUDNESS, source=PLAN, gate=True)
def sound_measurable(seen: LoudnessObservation) -> Verdict:
    """The delivered sound can be decoded and measured."""
    if seen.problem is not None:
        return Verdict(False, f"The sound cannot be measured: {seen.problem}.", "a measurement", seen.problem)
    return Verdict(True, "The sound was measured.", "a measurement", f"{seen.integrated:.1f} LUFS")


@rule(Kind.LOUDNESS, source=PLAN)
def sound_audible(seen: LoudnessObservation) -> Verdict | None:
    """The delivered sound is silent only if the source is."""
    if seen.expected.silent is None:
        return None
    passed = seen.expected.silent or not seen.silent
    told = "The sound is audible." if not seen.silent else "The sound is silent"
    if seen.silent:
        told += ", like the source." if passed else ", though the source is not."
    found = f"{seen.integrated:.1f} LUFS, peak {seen.true_peak:.1f} dBTP"
    return Verdict(passed, told, "silent" if seen.expected.silent else "audible", found)


@rule(Kind.LOUDNESS, source="contract: loudness; EBU R 128")
def loudness_on_target(seen: LoudnessObservation) -> Verdict | None:
    """Integrated loudness is -16 LUFS within 0.5 LU, unless the true-peak ceiling forbids it."""
    target = seen.expected.target
    if target is None or seen.expected.silent or seen.silent or seen.duration < MEASURABLE_SECONDS:
        return None
    tolerance = profile.LOUDNESS_TOLERANCE + LOUDNESS_ACCURACY / 2
    expected, found = f"{target:.1f} ± {profile.LOUDNESS_TOLERANCE} LUFS", f"{seen.integrated:.1f} LUFS"
    told = f"Integrated loudness is {found}"
    if abs(seen.integrated - target) <= tolerance:
        return Verdict(True, f"{told}.", expected, found)
    if seen.integrated < target and seen.true_peak >= profile.TRUE_PEAK_CEILING - PEAK_ROOM_DB:
        limited = f"{told}: more would pass the true-peak ceiling (peak {seen.true_peak:.1f} dBTP)."
        return Verdict(True, limited, expected, f"{found}, gain limited by the true peak")
    if seen.expected.limit is not None and seen.expected.limit - OVERSHOOT_LU <= seen.integrated < target:
        limited = f"{told}: one gain for all of it reaches {seen.expected.limit:.1f} LUFS before its peaks clip."
        return Verdict(True, limited, expected, f"{found}, gain limited by the source's peaks")
    peak = f"peak {seen.true_peak:.1f} dBTP"
    return Verdict(False, f"{told}, not {target:.1f} LUFS ({peak}).", expected, f"{found}, {peak}")


@rule(Kind.LOUDNESS, source="contract: loudness; EBU R 128 s1", severity=Severity.WARN)
def true_peak_under_limit(seen: LoudnessObservation) -> Verdict | None:
    """The true peak of the delivered sound is at most -1 dBTP."""
    if seen.expected.target is None or seen.silent:
        return None
    limit = profile.DELIVERED_PEAK_LIMIT
    passed = seen.true_peak <= limit + PEAK_ACCURACY / 2
    told = f"The true peak is {seen.true_peak:.1f} dBTP{'' if passed else f', over {limit:.1f} dBTP'}."
    return Verdict(passed, told, f"at most {limit:.1f} dBTP", f"{seen.true_peak:.1f} dBTP")


@rule(Kind.LOUDNESS, source="plan: output verification checklist (not clipped)")
def sound_not_clipped(seen: LoudnessObservation) -> Verdict | None:
    """The delivered sound does not pass full scale, where players clip it."""
    if seen.expected.target is None or seen.silent:
        return None
    passed = seen.true_peak <= FULL_SCALE_DBTP + PEAK_ACCURACY / 2
    told = f"The true peak is {seen.true_peak:.1f} dBTP{'' if passed else ', over full scale: it clips'}."
    return Verdict(passed, told, f"at most {FULL_SCALE_DBTP:.1f} dBTP", f"{seen.true_peak:.1f} dBTP")


# --- Rules: waveform --------------------------------------------------------------------------------------------------

WAVEFORM = "audiowaveform data format"


@rule(Kind.WAVEFORM_JSON, source=PLAN, gate=True)
def waveform_readable(seen: WaveformObservation) -> Verdict:
    """The waveform exists and is JSON with a list of numbers."""
    if seen.problem is not None:
        return Verdict(False, f"The waveform cannot be read: {seen.problem}.", "waveform JSON", seen.problem)
    return Verdict(True, f"The waveform holds {seen.values} numbers.", "waveform JSON", f"{seen.values} numbers")


@rule(Kind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_version(seen: WaveformObservation) -> Verdict:
    """The format's version is 2."""
    return equal("The version", 2, seen.version)


@rule(Kind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_bits(seen: WaveformObservation) -> Verdict:
    """Numbers have 8 bits."""
    return equal("The number of bits", profile.WAVEFORM_BITS, seen.bits)


@rule(Kind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_channels(seen: WaveformObservation) -> Verdict:
    """Channels are merged to one."""
    return equal("The number of channels", 1, seen.channels)


@rule(Kind.WAVEFORM_JSON, source=PLAN)
def waveform_resolution(seen: WaveformObservation) -> Verdict:
    """The waveform has about 10 points a second."""
    wanted = float(profile.WAVEFORM_POINTS_PER_SECOND)
    found = seen.sample_rate / seen.samples_per_pixel if seen.sample_rate and seen.samples_per_pixel else 0.0
    return near("The resolution", wanted, found, WAVEFORM_RATE_SLACK * wanted, unit="points/s")


@rule(Kind.WAVEFORM_JSON, source="plan: phase 3")
def waveform_length(seen: WaveformObservation) -> Verdict | None:
    """The length matches the duration of the sound: a shorter one was cut off."""
    if seen.expected.duration is None or not seen.sample_rate or not seen.samples_per_pixel or seen.length is None:
        return None
    points_per_second = seen.sample_rate / seen.samples_per_pixel
    # At another resolution than asked, which another rule tells, the length follows that resolution.
    wanted = seen.expected.duration * points_per_second
    slack = max(WAVEFORM_LENGTH_POINTS, DURATION_SECONDS * points_per_second)
    return near("The length", wanted, seen.length, slack, unit="points", digits=0)


@rule(Kind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_data_length(seen: WaveformObservation) -> Verdict:
    """There are two numbers for every point: lowest and highest."""
    wanted = 2 * (seen.length or 0) * (seen.channels or 1)
    return equal("The amount of numbers", wanted, seen.values)


@rule(Kind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_values(seen: WaveformObservation) -> Verdict:
    """Every number is an integer of 8 bits."""
    if seen.not_integers:
        told = f"{seen.not_integers} values are no integers."
        return Verdict(False, told, "integers from -128 to 127", f"{seen.not_integers} others")
    low, high = seen.lowest or 0, seen.highest or 0
    passed = low >= -128 and high <= 127
    return Verdict(passed, f"Numbers go from {low} to {high}.", "integers from -128 to 127", f"{low} to {high}")


@rule(Kind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_not_flat(seen: WaveformObservation) -> Verdict | None:
    """The waveform is all zero only if the sound is silent."""
    if seen.expected.silent is None or not seen.values:
        return None
    flat = seen.lowest == 0 and seen.highest == 0
    passed = seen.expected.silent or not flat
    told = "The waveform shows sound." if not flat else "The waveform is all zero"
    if flat:
        told += ", like the sound." if passed else ", though the sound is not silent."
    return Verdict(
        passed, told, "all zero" if seen.expected.silent else "not all zero", "all zero" if flat else "not all zero"
    )


@rule(Kind.WAVEFORM_PNG, source=PLAN, gate=True)
def waveform_image_decodes(seen: WaveformImageObservation) -> Verdict:
    """The waveform's picture exists and decodes without an error."""
    if seen.problem is not None:
        return Verdict(False, f"The waveform's picture does not decode: {seen.problem}.", "a picture", seen.problem)
    return Verdict(True, "The waveform's picture decodes.", "a picture", "a picture")


@rule(Kind.WAVEFORM_PNG, source=CONTRACT)
def waveform_image_is_png(seen: WaveformImageObservation) -> Verdict:
    """The waveform's picture is a PNG, as its name says."""
    return equal("The picture's format", "png", seen.codec)


@rule(Kind.WAVEFORM_PNG, source=PLAN)
def waveform_image_size(seen: WaveformImageObservation) -> Verdict:
    """The waveform's picture is 1280x720."""
    return _sizes((profile.PICTURE_WIDTH, profile.PICTURE_HEIGHT), (seen.width, seen.height))


@rule(Kind.WAVEFORM_PNG, source="contract: variants (waveform)")
def waveform_image_covers_all(seen: WaveformImageObservation) -> Verdict:
    """The drawing reaches the right edge: it shows the whole file, silence included."""
    samples = (seen.expected.duration or 3600.0) * profile.SAMPLE_RATE
    # Whole samples per column: the shorter the file, the more columns rounding up can leave bare at the end.
    per_column = max(2, math.ceil(samples / max(1, seen.width)))
    least = math.floor(seen.width * (1 - 1 / per_column) * 0.99)
    passed = seen.drawn_to >= least
    told = f"The drawing ends at column {seen.drawn_to} of {seen.width}."
    return Verdict(passed, told, f"at least column {least}", f"column {seen.drawn_to}")


def summary(findings: Iterable[Finding]) -> Mapping[str, int]:
    """How many findings passed, warn and fail."""
    told = list(findings)
    failed, warned = len(failures(told)), len(warnings(told))
    return {"passed": len(told) - failed - warned, "warned": warned, "failed": failed}
