"""Which decoders an upload may meet, and what is left of one with tracks that have none among them. Pure.

In: the list of `profile.UNTRUSTED_DECODERS` as ffmpeg's option, what ffmpeg lists of a file without decoding it, and
which of those tracks are used. Out: how an input is opened (`input_flags.input_arguments`), who runs the tools
(`build/upload_check.py`).

ffprobe gives up a whole file of which it may not open every track, and ffmpeg 5 forgets the list where a file ends
before its tracks are known (docs/decisions/decoders.md). So every file is listed by ffmpeg first, which opens no
decoder for that, and one with tracks that are not on the list is copied without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codex_assets.media import ffmpeg_words, profile

TrackKind = Literal["video", "audio", "subtitle", "data", "attachment", "unknown"]

MUXERS = {
    **{name: name for name in ("mov", "matroska", "avi", "mpegts", "asf", "flv", "ogg", "mp3", "wav", "w64", "aiff")},
    **{name: name for name in ("flac", "caf", "wv", "tta", "mxf")},
    "mpeg": "vob",
    "aac": "adts",
}
"""What writes the container that each demuxer reads: a copy keeps the clock that its container has."""
ANY_MUXER = "matroska"
SECOND_CHOICE = ("comment", "visual impaired", "hearing impaired", "descriptions", "karaoke", "clean effects")
"""`ffprobe.SECOND_CHOICE`, as ffmpeg lists them."""
STILLS = ("mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000", "jpegxl", "jpegls", "targa")
"""Codecs of single pictures: beside a film, a cover."""


@dataclass(frozen=True)
class Track:
    """One line of ffmpeg's list. `codec` is `none` where ffmpeg does not know it."""

    index: int
    kind: TrackKind
    codec: str
    is_default: bool = False
    is_cover: bool = False
    is_second_choice: bool = False
    is_opened: bool = True
    """Whether this ffmpeg has a decoder for its codec, and that starts with it."""

    @property
    def is_foreign(self) -> bool:
        """Whether a tool would open a decoder for it that is not on the list, if this ffmpeg has one, or none opens."""
        decoded = self.kind in ("video", "audio", "subtitle")
        return decoded and (not self.is_opened or self.codec not in (*profile.UNTRUSTED_DECODERS, "none"))

    @property
    def is_still(self) -> bool:
        """Whether it is a cover, or may be one that nothing marks as such."""
        return self.is_cover or self.codec in STILLS


@dataclass
class Listing:
    """What ffmpeg lists of a file: the demuxer's names, seconds (None: not known) and tracks, by their number.

    What a file's own texts pretend here is copied at most, and never decoded.
    """

    container: str = ""
    seconds: float | None = None
    by_index: dict[int, Track] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """A line of ffmpeg's log."""
        if (head := ffmpeg_words.LISTED_INPUT.match(line)) is not None:
            self.container = head[1]
        elif (lasts := ffmpeg_words.LISTED_DURATION.match(line)) is not None:
            self.seconds = int(lasts[1]) * 3600 + int(lasts[2]) * 60 + float(lasts[3])
        elif (track := ffmpeg_words.LISTED_TRACK.match(line)) is not None:
            marks = track[4]
            self.by_index[int(track[1])] = Track(
                index=int(track[1]),
                kind=_KINDS[track[2]],
                codec=track[3],
                is_default="(default)" in marks,
                is_cover="(attached pic)" in marks or "(timed thumbnails)" in marks,
                is_second_choice=any(f"({mark})" in marks for mark in SECOND_CHOICE),
            )

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks, in the order in which they are listed."""
        return tuple(self.by_index.values())


def whitelist(codecs: Collection[str] | None = None) -> str:
    """The decoders for these codecs, as ffmpeg's `-codec_whitelist` takes them; None: all that are on the list."""
    wanted = profile.UNTRUSTED_DECODERS if codecs is None else codecs
    return ",".join(sorted({name for codec in wanted for name in profile.UNTRUSTED_DECODERS.get(codec, ())}))


def refused(log: str) -> str | None:
    """ffmpeg's name of the first decoder that a tool was not allowed to open; None where its log names none."""
    match = ffmpeg_words.NOT_ALLOWED.search(log)
    return None if match is None else match[1]


_KINDS: dict[str, TrackKind] = {
    "Video": "video",
    "Audio": "audio",
    "Subtitle": "subtitle",
    "Data": "data",
    "Attachment": "attachment",
    "Unknown": "unknown",
}


def missing(tracks: Sequence[Track], kind: Literal["video", "audio"]) -> Track | None:
    """The track that an upload of this kind is about, where that is not decoded and no other takes its place."""
    chosen, other = _first(tracks, kind), _first(tracks, kind, known=True)
    if chosen is None or not chosen.is_foreign:
        return None
    return chosen if other is None or other.is_still else None


def kept(tracks: Sequence[Track]) -> list[Track]:
    """The picture and the sound that are used, of those that are decoded, and others in the same codecs."""
    codecs = {track.codec for kind in ("video", "audio") if (track := _first(tracks, kind, known=True)) is not None}
    return [track for track in tracks if track.codec in codecs and not (track.is_cover or track.is_foreign)]


def _first(tracks: Sequence[Track], kind: str, *, known: bool = False) -> Track | None:
    """The track of a kind that a player would choose, of those that are decoded where it has to be `known`."""
    candidates = [track for track in tracks if track.kind == kind and not track.is_cover and track.codec != "none"]
    candidates = [track for track in candidates if not (known and track.is_foreign)]
    candidates.sort(key=lambda track: (track.is_second_choice, not track.is_default))
    films = [track for track in candidates if track.codec not in STILLS]
    return next(iter(films or candidates), None)


def left_out(tracks: Sequence[Track]) -> Counter[str]:
    """Number of tracks by kind that a copy lacks, as `MediaInfo.left_out` counts them."""
    copied = kept(tracks)
    gone = [track for track in tracks if track not in copied]
    return Counter("picture" if track.is_cover else str(track.kind) for track in gone)


def muxers(container: str) -> list[str]:
    """ffmpeg's names of what may write a copy of a file, best first. `container`: the names of its demuxer."""
    own = [MUXERS[name] for name in container.split(",") if name in MUXERS]
    return list(dict.fromkeys([*own, ANY_MUXER]))


UNOPENED = ("-nofind_stream_info",)
"""What a file holds by its header alone: ffmpeg decodes the first pictures and sounds otherwise."""


def copy_arguments(opened: Sequence[str], tracks: Sequence[Track], muxer: str, output: str) -> list[str]:
    """A copy of these tracks (`kept`) at their own times. `opened`: the input with its options.

    ffmpeg decodes the first pictures and sounds of all tracks, to know what it copies. The decoders of those that are
    kept are named for all of their kind, so that none is chosen by what another track says of itself.
    """
    codecs: dict[str, str] = {track.kind: track.codec for track in tracks}
    named = [
        part
        for kind, otherwise in (("video", "rawvideo"), ("audio", "pcm_u8"), ("subtitle", "subrip"))
        for part in (f"-c:{kind[0]}", profile.UNTRUSTED_DECODERS[codecs.get(kind, otherwise)][0])
    ]
    chosen = [part for track in tracks for part in ("-map", f"0:{track.index}")]
    written = ("-c", "copy", "-map_chapters", "-1", "-strict", "-2", "-f", muxer, output)
    return ["-copyts", *named, *opened, *chosen, *written]


def trial_arguments(opened: Sequence[str], track: Track) -> list[str]:
    """Decode the first moment of a track into nothing. `opened`: the input with its options."""
    return [*opened, "-map", f"0:{track.index}", "-t", "0.1", "-f", "null", "-"]
