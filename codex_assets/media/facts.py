"""What is known of a media file: its tracks, container and durations, frozen and in display orientation.

In: the fields, and what follows from them alone. Out: how ffprobe's JSON becomes these (`ffprobe.py`), and what is
found out by reading on (`upload/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
Deinterlaced = Literal["never", "flagged", "tff", "bff"]
"""Which frames are taken apart: none, those that say so, or all, with this field first."""
LOSSLESS_AUDIO = (
    *("flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp", "tak", "shorten"),
    *("wmalossless", "als"),
)
RESTARTING_CLOCKS = ("mpegts", "mpeg", "ogg")
"""Containers whose clock may jump (broadcasts wrap around, edits restart it, ogg files are chained): the first and the
last time then say nothing of what lies between, and ffmpeg joins the parts by itself."""


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
    last_begins: float | None = None
    """When the last picture is shown first, in seconds; None where packets do not say."""
    last_lasts: float | None = None
    """Seconds for which the last picture is said to be shown; None where nobody knows."""
    moving_rate: Fraction | None = None
    """Packets a second where something moves (`upload/pace.py`); None where nobody knows."""
    sizes: tuple[tuple[int, int], ...] = ()
    """The coded sizes of one that changes its size midway, in order; then the other fields are those of the size that
    it is delivered in."""

    @property
    def hdr(self) -> bool:
        """Whether it is coded for a high dynamic range (PQ or HLG)."""
        return self.transfer in HDR_TRANSFERS

    @property
    def has_alpha(self) -> bool:
        """Whether its pictures may be transparent."""
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
    """A sound track. Samples a second, bits a sample, seconds. `layout`: as ffprobe spells it; None where unknown."""

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
    channel_tracks: tuple[tuple[int, str], ...] = ()
    """The mono tracks that its channels are in, and which channel each is, where they are not in one track."""
    left_alone: tuple[tuple[int, int], ...] = ()
    """Sounds of which the file does not say that they are another version of this one: the index of each, and which of
    its sounds it is, from 1 on."""
    is_untimed: bool = False
    """All of its packets say the same time, as some writers of RealMedia have it: they follow one another."""

    @property
    def lossless(self) -> bool:
        """Whether its codec keeps every sample."""
        return self.codec in LOSSLESS_AUDIO or self.codec.startswith("pcm_")


@dataclass(frozen=True)
class Counted:
    """What the packets of one track show."""

    packets: int = 0
    """How many there are."""
    leading: int = 0
    """How many come before the first key frame, and can hardly be decoded."""
    hidden: float = 0.0
    """Seconds that an edit list or the codec's header hides."""
    steps: tuple[float, ...] = ()
    """Seconds from one packet to the next, of those steps that are much longer than usual."""
    pauses: int = 0
    """Packets with which a telephone's codec says that nobody speaks: ffmpeg gives them up, and silence is right."""
    unshown: float = 0.0
    """Seconds between the first and the last moment in which no packet is shown, in a container without pauses."""
    each: float | None = None
    """Seconds that a packet is shown, in such a container; None where packets do not say."""
    open_end: bool = False
    """The last packet does not say how long it lasts."""
    foreign: int = 0
    """Packets that are no pictures of this film: DV of the other system, as a hole of zeros is read."""
    paused: float = 0.0
    """Seconds of all steps from one packet to the next that last for minutes."""


@dataclass(frozen=True)
class UndecodedTrack:
    """A picture or sound (`kind` is ffmpeg's) that nothing here decodes. `codec`: as ffmpeg or its container calls it.
    `index`: its number; None where it is not in the file that is decoded."""

    kind: str
    codec: str
    index: int | None = None


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds: the first real picture track and the first (default) sound track. Times are seconds."""

    container: str
    """The names of its demuxer, with commas in between."""
    duration: float | None
    video: VideoStream | None
    audio: AudioStream | None
    start: float | None = None
    """Where the file's clock starts, which any of its tracks may decide."""
    end: float | None = None
    """The last moment of any track; None until its packets were read."""
    others: tuple[VideoStream | AudioStream, ...] = ()
    """The tracks of both kinds that would be the next choice, in order; empty once its packets were read."""
    promised: Mapping[int, float] = field(default_factory=dict)
    """End of a track by its index, by the track's number, where the container has an index of its own for each."""
    indexed: Mapping[int, int] = field(default_factory=dict)
    """How many samples the index of an mp4 lists of a track, by its number; nothing of fragments."""
    all_boxes: bool = False
    """Every part of an mp4 is as long as it says: nothing that its index lists is cut off."""
    ends_whole: bool = False
    """Nothing is cut off by the lengths of the file's own parts, however long its header says that it lasts."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many tracks are not used, by kind; `picture` is a cover."""
    counted: Mapping[int, Counted] = field(default_factory=dict)
    """By the number of a track."""
    orderly: bool = True
    """No track's clock steps back. In a transport stream ffmpeg takes a step back for a new beginning, and moves all
    that follows behind what came before: when a track starts and how long it lasts is then not known beforehand."""
    timed: bool = True
    """Every packet has a time; one that has none lasts all the same."""
    longest_step: float | None = None
    """Seconds of the longest step of a track's clock that is a gap, though ffmpeg would take it for a jump of the whole
    clock; None where it would take none so."""
    joined_seconds: float | None = None
    """How long it lasts when the parts of a clock that jumps are joined; None where the clock does not jump."""
    look: int | None = None
    """Bytes of its beginning in which tracks have to be looked for; None where ffmpeg's own look finds them."""
    streams: int = 0
    """How many there are of any kind, by its header."""
    formless: frozenset[int] = frozenset()
    """Numbers of the pictures and sounds of which the look at it did not show what they are (size, sample rate)."""
    undecoded: tuple[UndecodedTrack, ...] = ()
    """The pictures and sounds that nothing here decodes, but for covers."""
    codecs: frozenset[str] | None = None
    """Of all tracks, used or not: a tool that reads the file opens each of them. None: not known."""

    @property
    def tracks(self) -> tuple[VideoStream | AudioStream, ...]:
        """The tracks in use: the picture first, then the sound."""
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
