"""What an upload must be like to be worked on, judged from its first bytes, its header and its packets. Pure.

In: what a file is that is no media, whether it names other files or is encrypted, and the sizes past which no work is
begun. Out: how the facts are got (`source.py`), what a good file holds (`probe.py`).

Every refusal is a `Refusal`: a kind, and one sentence that a creator can act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from codex_assets.media import mezzanine, profile
from codex_assets.media.probe import LONGEST_STEP_SECONDS, AudioStream, MediaInfo, VideoStream

Kind = Literal[
    "empty",
    "not_media",
    "elsewhere",
    "wrong_type",
    "no_stream",
    "truncated",
    "damaged",
    "unsupported",
    "encrypted",
    "too_large",
    "too_long",
    "too_complex",
]

HEAD_BYTES = 1 << 20
"""Of a file's beginning, and of its end, that are looked at."""
TS_PACKET = 188
SCRAMBLED_SHARE = 0.05
"""Of a programme's packets: a header that was hit by an error is not encryption."""

_ENCRYPTED_TAGS = ("encv", "enca", "encs", "enct", "drms", "drmi", "drmt", "aavd", "aavs")
"""Sample entries of protected tracks (ISO/IEC 23001-7, FairPlay, Audible)."""
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
"""GUIDs of the Content Encryption and the Extended Content Encryption objects."""
_SAMPLE_KEYS = re.compile(rb"senc\x00\x00\x00[\x00\x02]")
QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_NAMED = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"8BPS", "a Photoshop picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a text document"),
)
_ELSEWHERE = (
    (re.compile(rb"\s*#EXTM3U"), "a playlist"),
    (re.compile(rb"\s*#EXTINF"), "a playlist"),
    (
        re.compile(
            rb"(?is)\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(MPD|SmoothStreamingMedia|CompositionPlaylist|asx|smil|playlist)\b"
        ),
        "a playlist",
    ),
    (re.compile(rb"\s*ffconcat version"), "a list of files"),
    (re.compile(rb"\s*(#[^\n]*\n\s*)*(file|stream)\s+\S"), "a list of files"),
    (re.compile(rb"(?i)\s*\[(playlist|reference)\]"), "a playlist"),
    (re.compile(rb"v=0\r?\n(o|s)="), "a description of a stream"),
    (re.compile(rb"(?i)\s*(https?|rtsp|rtmp|mms|file|ftp)://\S+\s*$"), "a link"),
)
_TEXT = (
    (re.compile(rb"(?is)\s*(<!doctype html|<html|<head|<body)"), "a web page"),
    (re.compile(rb"(?is)\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg\b"), "an SVG picture"),
    (re.compile(rb"(?s)\s*[\[{].*[\]}]\s*$"), "a JSON document"),
    (re.compile(rb"(WEBVTT|;FFMETADATA|1\r?\n\d\d:\d\d:\d\d|\[Script Info\])"), "a text file of subtitles or metadata"),
)


SURELY_JOINED_SECONDS = LONGEST_STEP_SECONDS + 1.0
"""A step that ffmpeg takes for a new beginning of the clock, with room for how long the packet before it lasts."""

_BEGUN = (
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"RIFF", "a WAV or AVI file"),
    (b"RF64", "a WAV file"),
    (b"FORM", "an AIFF file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (b"FLV\x01", "a Flash film"),
)
"""How files begin that a demuxer would have taken, had the rest been right."""


@dataclass(frozen=True)
class Refusal:
    """Why an upload is not worked on."""

    kind: Kind
    sentence: str


def not_decoded(codec: str) -> Refusal:
    """Why an upload that is coded so is not worked on."""
    return Refusal(
        "unsupported", f"The upload is coded in a way ({codec}) that is not supported. Upload it in another format."
    )


def unreadable(head: bytes) -> Refusal:
    """Why a file that no demuxer takes is none, as well as its first bytes tell."""
    text = head.removeprefix(b"\xef\xbb\xbf")[:4096]
    for pattern, what in _ELSEWHERE:
        if pattern.match(text):
            return Refusal(
                "elsewhere",
                f"The upload is {what} that names other files instead of holding them. Upload the media file itself.",
            )
    told = next((what for start, what in _NAMED if head.startswith(start)), None)
    if told is None and head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        told = "a WebP picture"
    if told is None and head[4:12] in (b"ftypheic", b"ftypavif", b"ftypheix", b"ftypmif1"):
        told = "a HEIF or AVIF picture"
    if told is None:
        told = next((what for pattern, what in _TEXT if pattern.match(text)), None)
    if told is None and head and _is_text(head[:4096]):
        told = "a text file"
    if told is not None:
        return Refusal("not_media", f"The upload is {told}, not a video or audio file.")
    begun = next((what for start, what in _BEGUN if head.startswith(start)), None)
    if begun is not None:
        return Refusal("damaged", f"The upload begins like {begun}, but is cut off or damaged. Upload it again.")
    return Refusal("not_media", "The upload is not a video or audio file that can be read.")


def in_header(probed: Mapping[str, Any], head: bytes) -> Refusal | None:
    """What the header of a readable file says against it. `probed`: ffprobe's JSON."""
    streams = [one for one in probed.get("streams", []) if isinstance(one, dict)]
    tracks = [one for one in streams if one.get("codec_type") != "attachment" and not _is_cover(one)]
    if len(tracks) > profile.MAX_TRACKS or len(streams) >= profile.MAX_STREAMS:
        return Refusal(
            "too_complex",
            f"The upload holds {len(streams)} tracks; at most {profile.MAX_TRACKS} are supported.",
        )
    if any(_is_encrypted(one) for one in tracks) or _is_encrypted_asf(head) or _is_encrypted_mp4(head):
        return ENCRYPTED
    if head[4:8] in QUICKTIME and refers_elsewhere(head):
        return REFERENCES
    return None


ENCRYPTED = Refusal("encrypted", "The upload is encrypted (copy-protected). Upload a copy without protection.")


CUT_INDEX = Refusal("truncated", "The upload seems to be cut off: its index did not arrive whole. Upload it again.")
REFERENCES = Refusal(
    "elsewhere", "The upload is a film that names other files instead of holding them. Upload the media file itself."
)


def in_tracks(info: MediaInfo, *, with_picture: bool) -> Refusal | None:
    """What the tracks that will be used are too large, too fast or too odd for."""
    if with_picture and info.video is not None:
        found = _picture(info.video)
        if found is not None:
            return found
    if info.audio is not None:
        return _sound(info.audio)
    return None


def in_time(info: MediaInfo, tally: Tally, *, with_picture: bool) -> Refusal | None:
    """What the packets say against a file: its length, the work that it means, and clocks that cannot be right."""
    tracks = [track for track in ((info.video if with_picture else None), info.audio) if track is not None]
    lengths = [track.duration for track in tracks if track.duration is not None]
    seconds = max([*lengths, *([info.seconds] if with_picture and info.seconds is not None else [])], default=None)
    busy = max((tally.busy_seconds(track.index) for track in tracks), default=0.0)
    if tally.rejoined and tally.jumped:
        seconds = busy
    elif seconds is None:
        seconds = info.duration or 0.0
    if seconds > profile.MAX_SECONDS:
        return Refusal(
            "too_long",
            f"The upload lasts {_long(seconds)}; at most {profile.MAX_SECONDS // 3600} hours are supported.",
        )
    if tally.inflated:
        return Refusal(
            "too_complex",
            "The upload refers to the same data over and over, to be much larger than it is. That is not supported.",
        )
    if not tally.jumped and seconds - busy > profile.MAX_IDLE_SECONDS:
        return Refusal(
            "damaged",
            f"The upload seems to be damaged: it claims to last {_long(seconds)} and holds nothing for "
            f"{_long(seconds - busy)} of that.",
        )
    if with_picture and info.video is not None:
        work = info.video.width * info.video.height * float(mezzanine.frame_rate(info.video)) * seconds
        most = max(profile.MAX_WORK_UNPROVEN, profile.MAX_WORK_PER_BYTE * tally.size)
        if work > min(profile.MAX_WORK_PIXELS, most):
            return Refusal(
                "too_large",
                f"The upload lasts {_long(seconds)} at {info.video.width}x{info.video.height}, which is more than can "
                "be processed. Upload it in parts, or smaller.",
            )
    return None


@dataclass
class Tally:
    """Counts packets on their way to whoever places them in time."""

    size: int
    """Bytes of the file."""
    rejoined: bool = False
    """Whether ffmpeg joins the parts of a clock that jumps, so that nothing lies between them."""
    bytes: int = 0
    streams: set[int] = field(default_factory=set)
    jumped: bool = False
    _busy: dict[int, float] = field(default_factory=dict)
    _last: dict[int, float] = field(default_factory=dict)
    _tail: dict[int, float] = field(default_factory=dict)

    def counted(self, packets: Iterable[str]) -> Iterator[str]:
        """`packets` (`probe.scan_arguments`) as they are."""
        for line in packets:
            self._count(line.split(","))
            yield line

    def _count(self, fields: Sequence[str]) -> None:
        if len(fields) < 6 or not fields[0].isdigit():
            return
        index = int(fields[0])
        self.streams.add(index)
        if fields[4].isdigit():
            self.bytes += int(fields[4])
        try:
            at = float(fields[2] if fields[2] != "N/A" else fields[1])
        except ValueError:
            return
        lasts = float(fields[3]) if fields[3] not in ("N/A", "") else 0.0
        step = at - self._last.get(index, at)
        forward = self.rejoined and step > SURELY_JOINED_SECONDS
        self.jumped = self.jumped or step < -1.0 or forward
        # A packet fills the time up to the next one; the last one, its own.
        filled = 0.0 if forward else min(max(step, 0.0), profile.IDLE_STEP_SECONDS)
        busy = self._busy.get(index, 0.0) + filled
        self._busy[index] = busy
        self._last[index] = at
        self._tail[index] = min(max(lasts, 0.0), profile.IDLE_STEP_SECONDS)

    def busy_seconds(self, index: int) -> float:
        """Seconds of a track in which something happens."""
        return self._busy.get(index, 0.0) + self._tail.get(index, 0.0)

    @property
    def inflated(self) -> bool:
        return self.bytes > profile.MAX_INFLATION * self.size + profile.INFLATION_BYTES


def refers_elsewhere(data: bytes) -> bool:
    """Whether a QuickTime or MP4 header names other files: a reference movie, or a data reference that is no `self`.

    ISO/IEC 14496-12 8.7.2: an entry with flag 1 means this very file. By hand, because ffprobe says it in a warning.
    """
    if b"rmra" in data and b"rdrf" in data:
        return True
    at = data.find(b"dref")
    while at >= 0:
        if at >= 4:
            end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
            count = int.from_bytes(data[at + 8 : at + 12], "big")
            entry = at + 12
            for _ in range(min(count, 64)):
                size = int.from_bytes(data[entry : entry + 4], "big")
                kind, flags = data[entry + 4 : entry + 8], data[entry + 11 : entry + 12]
                if size < 12 or entry + size > end or kind not in (b"url ", b"urn ", b"alis", b"rsrc"):
                    break
                # Some writers leave the flag out, and name nothing.
                if flags and not flags[0] & 1 and data[entry + 12 : entry + size].strip(b"\0"):
                    return True
                entry += size
        at = data.find(b"dref", at + 4)
    return False


def scrambled(head: bytes) -> bool:
    """Whether a transport stream's packets say that they are scrambled (ISO/IEC 13818-1, transport_scrambling_control),
    or a programme stream's (PES_scrambling_control)."""
    start = next((at for at in range(min(TS_PACKET + 4, len(head))) if _in_step(head, at)), None)
    if start is not None:
        stride = next(step for step in (188, 192, 204) if _steps(head, start, step))
        bodies = [
            head[at + 3] >> 6
            for at in range(start, len(head) - 4, stride)
            if head[at] == 0x47 and (head[at + 1] & 0x1F) << 8 | head[at + 2] not in (0, 0x1FFF)
        ]
        return sum(one > 1 for one in bodies) > max(1, SCRAMBLED_SHARE * len(bodies))
    if head[:4] == b"\x00\x00\x01\xba":
        marks = [
            match[0][-1] >> 4 & 3
            for match in re.finditer(rb"\x00\x00\x01[\xbd\xc0-\xef]..[\x80-\xbf]", head, re.DOTALL)
        ]
        return sum(mark > 0 for mark in marks) > max(1, SCRAMBLED_SHARE * len(marks))
    return False


def _in_step(head: bytes, at: int) -> bool:
    return any(_steps(head, at, step) for step in (188, 192, 204))


def _steps(head: bytes, at: int, step: int) -> bool:
    marks = head[at : at + 5 * step : step]
    return len(marks) >= 3 and marks.strip(b"\x47") == b""


def _is_cover(stream: Mapping[str, Any]) -> bool:
    disposition = stream.get("disposition", {})
    return bool(disposition.get("attached_pic") or disposition.get("timed_thumbnails"))


def _is_encrypted(stream: Mapping[str, Any]) -> bool:
    tags = stream.get("tags", {})
    sides = stream.get("side_data_list", [])
    return (
        stream.get("codec_tag_string") in _ENCRYPTED_TAGS
        or any(str(name).lower() == "enc_key_id" for name in tags)
        or any("ncryption" in str(side.get("side_data_type", "")) for side in sides if isinstance(side, dict))
    )


def _is_encrypted_asf(head: bytes) -> bool:
    asf = head[:16] == bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    return asf and any(guid in head for guid in _ASF_ENCRYPTION)


def _is_encrypted_mp4(head: bytes) -> bool:
    """By a table of the samples' initialization vectors (ISO/IEC 23001-7, 7.2): some writers mark nothing else."""
    return head[4:8] == b"ftyp" and _SAMPLE_KEYS.search(head) is not None


def _picture(video: VideoStream) -> Refusal | None:
    coded, shown = video.coded_width * video.coded_height, video.width * video.height
    long, short = max(video.width, video.height), min(video.width, video.height)
    if max(coded, shown) > profile.MAX_PIXELS or max(long, video.coded_width, video.coded_height) > profile.MAX_SIDE:
        return Refusal(
            "too_large",
            f"The upload's picture is {video.width}x{video.height}, more than 8K; that is not supported.",
        )
    if long > profile.MAX_ASPECT * max(short, profile.MAX_ASPECT_FROM):
        return Refusal(
            "unsupported",
            f"The upload's picture is {video.width}x{video.height}, which is too narrow to be shown.",
        )
    return None


def _sound(audio: AudioStream) -> Refusal | None:
    low, high = profile.SAMPLE_RATES
    if audio.channels > profile.MAX_AUDIO_CHANNELS:
        return Refusal(
            "unsupported",
            f"The upload's sound has {audio.channels} channels; at most {profile.MAX_AUDIO_CHANNELS} are supported.",
        )
    if audio.sample_rate > 0 and not low <= audio.sample_rate <= high:
        return Refusal(
            "unsupported",
            f"The upload's sound has {audio.sample_rate} samples a second; {low} to {high} are supported.",
        )
    return None


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4:
            return False
        text = data[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def _long(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f} hours" if hours < 1e6 else "millions of hours"
