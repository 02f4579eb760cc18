"""What was seen of one finished output, together with what it is judged against: the input of the rules.

In: frozen fields, with None for what could not be seen. Out: how they come about (`observe/`, `expectations.py`), and
what they should be (`rules/`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from codex_assets.archive.notes import Note
from codex_assets.media import profile
from codex_assets.verification.captions_seen import CaptionsSeen
from codex_assets.verification.causes import Disagreement
from codex_assets.verification.delivery import DeliveryObservation
from codex_assets.verification.fidelity import LastPicture, PictureFidelity, RateFit, SoundFidelity, UploadSize
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.optional_observations import (
    BlurHashObservation,
    SmallThumbnailsObservation,
    StoryboardObservation,
)
from codex_assets.verification.playlist_text import Attribute, PlaylistText
from codex_assets.verification.sound_observations import LoudnessSecond, PeakDifference
from codex_assets.verification.still_observations import ImageFile, Moment, StillDifference
from codex_assets.verification.stream_observations import SegmentStream

AAC_FRAME = profile.AAC_FRAME_SAMPLES / profile.SAMPLE_RATE
"""Seconds. Sound can only be cut between its frames."""


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
        """Frames a second; 0 where that cannot be said."""
        return 1 / self.frame_seconds if self.frame_seconds > 0 else 0.0


@dataclass(frozen=True)
class SegmentSeen:
    """One segment as its playlist names it (`uri`, `extinf`) and as it is. `size` None: the file does not exist."""

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
    stream: SegmentStream | None = None
    """The headers of all its packets; None of what is no transport stream, or when nobody looked."""
    version: str | None = None
    """The folder that it is named in, where that is called as versions of ours are; else `name` is all of its URI."""

    @property
    def uri(self) -> str:
        """As the playlist names it."""
        return self.name if self.version is None else f"{self.version}/{self.name}"


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
    text: PlaylistText | None = None
    """None for a playlist that is known from records alone."""


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
    transfer: str | None = None
    matrix: str | None = None
    primaries: str | None = None
    color_range: str | None = None
    """ffprobe's names of what the track says of its colours; None where it says nothing."""


@dataclass(frozen=True)
class AudioSeen:
    """A sound track: ffprobe's names of codec and profile, samples a second."""

    codec: str
    profile: str | None
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class VariantExpected:
    """What a playlist is judged against. `duration` is the mezzanine's; `cuts` are a sibling's segment boundaries;
    `video_kbps` is the rate that its picture was meant to have; `steady_gain`: one gain was meant for all of its sound;
    `limited_peaks`: its peaks were lowered beside the rest; `gain`: the one gain, in dB, before what the coder made
    necessary; None where nobody knows.
    """

    size: tuple[int, int] | None = None
    frame_rate: Fraction | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    h264_profile: str | None = None
    duration: float | None = None
    cuts: tuple[float, ...] | None = None
    captions: tuple[str, ...] | None = None
    """Services of the mezzanine's closed captions; None where nobody looked for any when it was made."""
    is_of_contract: bool = False
    """It is laid out as ours are, though nothing else is known of it."""
    video_kbps: int | None = None
    steady_gain: bool = False
    limited_peaks: bool = False
    gain: float | None = None


@dataclass(frozen=True)
class VariantObservation:
    """A media playlist with its segments: a variant or the preview."""

    output: str
    kind: ObservationKind
    playlist: PlaylistSeen
    segments: tuple[SegmentSeen, ...] = ()
    stray: tuple[str, ...] = ()
    """What lies in the folder, and no playlist there names it; a folder ends with `/`."""
    contents_version: str | None = None
    """What the folder of these segments has to be called, by their bytes; None where one of them is missing."""
    video: VideoSeen | None = None
    audio: AudioSeen | None = None
    decode_errors: tuple[str, ...] | None = None
    """What the decoders complained of, in all of it; None when they were not asked."""
    sound_digest: str | None = None
    """Of the coded sound: two playlists with the same have the same sound."""
    pictures: PictureFidelity | None = None
    sound: SoundFidelity | None = None
    """Both beside the mezzanine's; None without a reference, or without such a track."""
    captions: CaptionsSeen | None = None
    """None without a picture."""
    notes: tuple[Note, ...] | None = None
    """What a viewer would complain of in the mezzanine that it was compared with; None of what was compared with none,
    and of a preview."""
    expected: VariantExpected = VariantExpected()

    @property
    def readable(self) -> bool:
        """Whether there is a media playlist; else `playlist.problem` says why not."""
        return self.playlist.problem is None

    @property
    def is_ours(self) -> bool:
        """Whether it has to keep the contract, and not the standards alone: something is known of how it should be."""
        return self.expected != VariantExpected()

    @property
    def frame_seconds(self) -> float:
        """Within how much a cut can be placed: a frame of the picture, or of the sound where there is no picture."""
        spans = (segment.video or segment.audio for segment in self.segments)
        known = (span.frame_seconds for span in spans if span is not None and span.frame_seconds > 0)
        return next(known, AAC_FRAME)

    @property
    def duration(self) -> float:
        """Seconds, by the playlist's own EXTINF."""
        return math.fsum(segment.extinf for segment in self.segments)

    @property
    def video_span(self) -> Span | None:
        """The picture over all segments; None without one."""
        return joined([segment.video for segment in self.segments])

    @property
    def audio_span(self) -> Span | None:
        """The sound over all segments; None without any."""
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
    video_range: str | None = None
    attributes: tuple[Attribute, ...] = ()
    """All of them, as they are written, up to the first fault of form."""
    has_faults: bool = False

    def has(self, name: str) -> bool:
        """Whether it has this attribute, however it is written."""
        return any(attribute.name == name for attribute in self.attributes)


@dataclass(frozen=True)
class MasterExpected:
    """`variants`: names, best to worst. None: the folders beside the master that hold a `playlist.m3u8`."""

    variants: tuple[str, ...] | None = None
    is_of_contract: bool = False
    """It is laid out as ours are, though nothing else is known of it."""


@dataclass(frozen=True)
class MasterObservation:
    """A master playlist, with what was observed of the variants it names (`measured`, by their line in the master)."""

    output: str
    problem: str | None = None
    streams: tuple[StreamInf, ...] = ()
    independent: bool = False
    uri_tags: tuple[str, ...] = ()
    variant_folders: tuple[str, ...] | None = None
    """Names of the variant folders beside the master that hold a playlist; None when nobody looked."""
    stray: tuple[str, ...] = ()
    """What lies beside the master, and neither it nor a playlist needs it; a folder ends with `/`."""
    measured: tuple[tuple[str, VariantObservation], ...] = ()
    expected: MasterExpected = MasterExpected()
    kind: ObservationKind = ObservationKind.MASTER
    text: PlaylistText | None = None

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
        return self.problem is None

    @property
    def is_ours(self) -> bool:
        """Whether it has to keep the contract, and not the standards alone: something is known of how it should be."""
        return self.expected != MasterExpected()

    @property
    def listed(self) -> tuple[str, ...]:
        """Names of the variants that the master names, in its order."""
        return tuple(variant_name(stream.uri) for stream in self.streams)

    @property
    def pairs(self) -> list[tuple[StreamInf, VariantObservation]]:
        """What the master says of a variant beside what the variant is; only of those that could be read."""
        seen = dict(self.measured)
        both = [(stream, seen[stream.uri]) for stream in self.streams if stream.uri in seen]
        return [(stream, variant) for stream, variant in both if variant.readable and variant.segments]


@dataclass(frozen=True)
class MezzanineExpected:
    """`duration`: seconds that the source's longest track decodes to."""

    duration: float | None = None
    size: tuple[int, int] | None = None
    frame_rate: Fraction | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    captions: tuple[str, ...] | None = None
    """Services of its closed captions; None where nobody looked for any when it was made."""
    gain: float | None = None
    """Decibels by which its sound is louder than the upload's; None where that is not known."""
    sound_left_out: bool = False
    """The creator is told that the upload's sound is left out."""
    channels: int | None = None
    """Of the upload's sound; None where nobody knows."""


@dataclass(frozen=True)
class MezzanineObservation:
    """A mezzanine, with its tracks as they are presented; None for a track that it does not have."""

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
    """Names of tags that are not on the list of those that say nothing, or say more than they should."""
    foreign_parts: tuple[str, ...] = ()
    """What the file holds besides its tracks and their index, in words."""
    key_frames_unmarked: tuple[float, ...] = ()
    """When IDR pictures are shown that the index does not name as key frames."""
    others_marked: tuple[float, ...] = ()
    """When other pictures are shown that it does name so."""
    unordered: tuple[float, ...] = ()
    """When pictures are shown by the index that come later by their own count."""
    captions: tuple[str, ...] | None = None
    """Services of its closed captions; None without a picture."""
    disagreements: tuple[Disagreement, ...] | None = None
    """What all its variants show otherwise, and is to be blamed on it; None where they were not judged with it."""
    pictures: PictureFidelity | None = None
    """Beside the upload's; None where that is gone, or cannot be compared."""
    sound: SoundFidelity | None = None
    rate_fit: RateFit | None = None
    """By the upload's own packets; None where that is gone, or too little moves."""
    last_picture: LastPicture | None = None
    """The upload's, by its own packets; None where that is gone, or damaged, or its clock does not say."""
    upload_tracks: tuple[str, ...] | None = None
    """What a player would play of the upload, by its packets: `picture`, `sound`; None where nobody looked."""
    upload_sizes: tuple[UploadSize, ...] = ()
    """Of an upload whose picture changes its size midway."""
    expected: MezzanineExpected = MezzanineExpected()
    kind: ObservationKind = ObservationKind.MEZZANINE

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
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
    """A thumbnail; what it is compared with was observed along with it."""

    output: str
    problem: str | None = None
    picture: PictureSeen | None = None
    file: ImageFile | None = None
    difference: StillDifference | None = None
    """To the mezzanine's frame; None without one."""
    moment: Moment | None = None
    padding: float | None = None
    """How bright what lies beside the frame is, of 255; None where the frame fills the picture."""
    expected: ThumbnailExpected = ThumbnailExpected()
    kind: ObservationKind = ObservationKind.THUMBNAIL

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
        return self.problem is None


@dataclass(frozen=True)
class LoudnessExpected:
    """`silent`: whether the source is. `target` None: nothing was asked of the loudness (passed through). `declared`:
    whether the creator was warned that the target is not reached. `upload_lufs`, `upload_dbtp`: what is recorded of the
    mezzanine's sound, None where nothing is. `is_steady`: all of it was changed by one gain."""

    target: float | None = None
    silent: bool | None = None
    declared: bool = False
    upload_lufs: float | None = None
    upload_dbtp: float | None = None
    is_steady: bool = False


@dataclass(frozen=True)
class LoudnessObservation:
    """Delivered sound, measured again: LUFS, dBTP, LU; -inf for nothing measured."""

    output: str
    problem: str | None = None
    integrated_lufs: float = -math.inf
    true_peak_dbtp: float = -math.inf
    range_lu: float = 0.0
    duration: float = 0.0
    seconds: tuple[LoudnessSecond, ...] = ()
    """From the first on."""
    gain: float | None = None
    """Decibels by which it is louder than the mezzanine's; None where nobody compared them."""
    expected: LoudnessExpected = LoudnessExpected()
    kind: ObservationKind = ObservationKind.LOUDNESS

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
        return self.problem is None

    @property
    def silent(self) -> bool:
        """Whether nothing of it can be heard."""
        return self.integrated_lufs <= profile.SILENCE_LUFS and self.true_peak_dbtp <= profile.SILENCE_LUFS


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
    inverted: int = 0
    """Pairs whose lowest value is above their highest."""
    other_fields: tuple[str, ...] = ()
    """Names that the format does not have."""
    blanks: int | None = 0
    """Characters that stand between its fields and numbers; None where it says something twice, or in another form."""
    sound: PeakDifference | None = None
    """To the delivered sound; None without it."""
    expected: WaveformExpected = WaveformExpected()
    kind: ObservationKind = ObservationKind.WAVEFORM_JSON

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
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
    file: ImageFile | None = None
    other_colours: float | None = None
    """Share of the pixels whose colour is neither the wave's nor the background's."""
    sound: PeakDifference | None = None
    """Of the columns to the delivered sound; None without it."""
    expected: WaveformExpected = WaveformExpected()
    kind: ObservationKind = ObservationKind.WAVEFORM_PNG

    @property
    def readable(self) -> bool:
        """Whether it could be read; else `problem` says why not."""
        return self.problem is None


AnyObservation = (
    MezzanineObservation
    | VariantObservation
    | MasterObservation
    | ThumbnailObservation
    | LoudnessObservation
    | WaveformObservation
    | WaveformImageObservation
    | StoryboardObservation
    | SmallThumbnailsObservation
    | BlurHashObservation
    | DeliveryObservation
)


def variant_name(uri: str) -> str:
    """A variant's name, from its line in the master: the folder of its playlist."""
    return uri.rpartition("/")[0].rpartition("/")[2]


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
