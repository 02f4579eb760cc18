"""What an upload must be like to be worked on, judged from its first bytes, its header and its packets. Pure.

In: what a file is that is no media, whether it names other files or is encrypted, and the sizes past which no work is
begun. Out: how the facts are got (`build/upload_check.py`), what a good file holds (`media/ffprobe.py`).

Each question answers with a refusal, or with None. The sentences and codes of all refusals are in `refusals.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codex_assets.media import profile, target_format
from codex_assets.media.facts import AudioStream, MediaInfo, VideoStream
from codex_assets.media.upload import refusals
from codex_assets.media.upload.gaps import LONGEST_STEP_SECONDS
from codex_assets.media.upload.refusals import UploadRefusal

HEAD_BYTES = 1 << 20
"""Of a file's beginning, and of its end, that are looked at."""
TS_PACKET = 188
FEWEST_TS_PACKETS, FIRST_TS_PACKETS = 3, 100
"""Its tables and one packet of a track, at least; and how many of a file's beginning are looked at."""
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
_NOT_READ = (
    (re.compile(rb"MThd|RIFF....RMID", re.DOTALL), "a MIDI file"),
    (
        re.compile(rb"Extended Module: |IMPM|.{44}SCRM|.{1080}(M\.K\.|M!K!|FLT[48]|[468]CHN)", re.DOTALL),
        "a tracker module",
    ),
    (re.compile(rb"[FCZ]WS[\x01-\x40]"), "a Flash animation (SWF)"),
    (re.compile(rb"BIK[a-k]|KB2[a-k]"), "a Bink film"),
    (re.compile(rb"SMK[24]"), "a Smacker film"),
    (re.compile(rb"....RED[12]", re.DOTALL), "a film in REDCODE RAW"),
    (re.compile(rb"[\x02\x03]ds[s2]"), "a dictation (DSS)"),
    (re.compile(rb"RIFF....QLCM", re.DOTALL), "a QCP voice recording"),
    (re.compile(rb"\x02?#!SILK_V3"), "a SILK voice recording"),
    (re.compile(rb"TWIN9[78]"), "a TwinVQ file"),
    (re.compile(rb"OFR "), "an OptimFROG file"),
    (re.compile(rb"ADIF"), "an AAC file of an old kind (ADIF)"),
    (re.compile(rb"\xac[\x40\x41]"), "a sound in AC-4"),
)
"""Media that are not read here, by their beginnings."""
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


_NUT = b"nut/multimedia container\0NMz\x56\x1f\x5f\x04\xad"
"""How a NUT file begins: its name and the start of its main header."""
_NUT_UNCHECKED, _NUT_VERSION, _NUT_LONGEST = 4096, 3, 9
"""Bytes of a header over which a checksum stands in it; the version up to which there is no minor one; and the most
bytes of a number."""
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
    (b".RMF", "a RealMedia file"),
    (b".ra\xfd", "a RealAudio file"),
    (b"NIST_1A", "a NIST SPHERE file"),
    (b"riff\x2e\x91\xcf\x11", "a Wave64 file"),
    (b"caff", "a CAF file"),
    (b".snd", "an AU file"),
    (b"Creative Voice File\x1a", "a VOC file"),
    (b"wvpk", "a WavPack file"),
    (b"TTA", "a True Audio file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"tBaK", "a TAK file"),
    (b"ajkg", "a Shorten file"),
    (b"DSD \x1c", "a DSF file"),
    (b"FRM8", "a DSDIFF file"),
    (b"#!AMR", "an AMR file"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", "an MXF file"),
    (b"\x00\x00\x01\xba", "an MPEG file"),
    (b"YUV4MPEG2", "a YUV4MPEG2 film"),
    (b"DKIF", "an IVF film"),
    (b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "a Windows TV recording"),
    (_NUT, "a NUT file"),
)
"""How files begin that a demuxer would have taken, had the rest been right."""


def unreadable(head: bytes) -> UploadRefusal:
    """Why a file that no demuxer takes is refused, as far as its first bytes show. `head`: the first `HEAD_BYTES`."""
    text = head.removeprefix(b"\xef\xbb\xbf")[:4096]
    for pattern, what in _ELSEWHERE:
        if pattern.match(text):
            return refusals.names_other_files(what)
    unread = next((what for pattern, what in _NOT_READ if pattern.match(head)), None)
    if unread is not None:
        return refusals.not_read(unread)
    tracks = _nut_tracks(head)
    if tracks is not None and tracks > profile.MAX_TRACKS:
        return refusals.too_many_tracks(tracks)
    other = _other_than_media(head, text)
    if other is not None:
        return refusals.not_media(other)
    begun = next((what for start, what in _BEGUN if head.startswith(start)), None)
    if begun is not None:
        return refusals.damaged_from_the_start(begun)
    return refusals.UNREADABLE


def _nut_tracks(head: bytes) -> int | None:
    """How many tracks the main header of a NUT file names; None of anything else.

    ffmpeg writes such a header for more tracks than it can read of it.
    """
    if not head.startswith(_NUT):
        return None
    length, at = _nut_number(head, len(_NUT))
    at += 4 if length > _NUT_UNCHECKED else 0
    version, at = _nut_number(head, at)
    if version > _NUT_VERSION:
        _, at = _nut_number(head, at)
    return _nut_number(head, at)[0]


def _nut_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of a NUT file, in groups of 7 bits, and where the next one begins."""
    number = 0
    for end in range(at, min(at + _NUT_LONGEST, len(data))):
        number = number << 7 | data[end] & 0x7F
        if data[end] < 0x80:
            return number, end + 1
    return 0, len(data)


def is_transport_stream(head: bytes) -> bool:
    """Whether a file is nothing but packets of a transport stream, as far as its first ones show, with a programme
    among them. ffmpeg takes one of few packets for the bare sound that is in it.
    """
    packets = [head[at : at + TS_PACKET] for at in range(0, min(len(head), FIRST_TS_PACKETS * TS_PACKET), TS_PACKET)]
    whole = [packet for packet in packets if len(packet) == TS_PACKET]
    return (
        len(whole) >= FEWEST_TS_PACKETS
        and all(packet[0] == 0x47 for packet in whole)
        and any(packet[1] & 0x5F == 0x40 and packet[2] == 0 for packet in whole)
    )


def _other_than_media(head: bytes, text: bytes) -> str | None:
    """What a file is instead of media, as its beginning shows it; None where it does not."""
    named = next((what for start, what in _NAMED if head.startswith(start)), None)
    if named is not None:
        return named
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP picture"
    if head[4:12] in (b"ftypheic", b"ftypavif", b"ftypheix", b"ftypmif1"):
        return "a HEIF or AVIF picture"
    written = next((what for pattern, what in _TEXT if pattern.match(text)), None)
    if written is None and head and _is_text(head[:4096]):
        return "a text file"
    return written


def in_sample_entries(entries: Collection[str]) -> UploadRefusal | None:
    """Why an MP4 is refused because of how its tracks are coded. ffmpeg reports the codec beneath an encryption."""
    return refusals.ENCRYPTED if not set(_ENCRYPTED_TAGS).isdisjoint(entries) else None


def in_header(probed: Mapping[str, Any], head: bytes) -> UploadRefusal | None:
    """Why a file is refused because of its header; None where nothing speaks against it.

    `probed`: ffprobe's JSON. `head`: the file's first and last `HEAD_BYTES`.
    """
    streams = [stream for stream in probed.get("streams", []) if isinstance(stream, dict)]
    tracks = [stream for stream in streams if stream.get("codec_type") != "attachment" and not _is_cover(stream)]
    if len(tracks) > profile.MAX_TRACKS or len(streams) >= profile.MAX_STREAMS:
        return refusals.too_many_tracks(len(streams))
    if any(map(_is_encrypted, tracks)) or _is_encrypted_asf(head) or _is_encrypted_mp4(head):
        return refusals.ENCRYPTED
    if head[4:8] in QUICKTIME and refers_elsewhere(head):
        return refusals.NAMES_OTHER_FILES
    return None


def in_tracks(info: MediaInfo, *, with_picture: bool) -> UploadRefusal | None:
    """Why a file is refused because its tracks are too large, too fast or too odd; None where they are not.

    `with_picture`: the picture will be used, not the sound alone.
    """
    if with_picture and info.video is not None:
        refusal = _picture(info.video)
        if refusal is not None:
            return refusal
    if info.audio is not None:
        return _sound(info.audio)
    return None


def in_time(info: MediaInfo, tally: Tally, *, with_picture: bool) -> UploadRefusal | None:
    """Why a file is refused because of its packets: its length, the work that it means, clocks that cannot be right.

    `info`: as the packets correct it. `tally`: of all packets. None where nothing speaks against it.
    """
    tracks = [track for track in ((info.video if with_picture else None), info.audio) if track is not None]
    lengths = [track.duration for track in tracks if track.duration is not None]
    seconds = max([*lengths, *([info.seconds] if with_picture and info.seconds is not None else [])], default=None)
    busy = max((tally.busy_seconds(track.index) for track in tracks), default=0.0)
    if info.joined_seconds is not None:
        seconds = max(busy, info.joined_seconds)
    elif seconds is None:
        seconds = info.duration or 0.0
    is_idle = seconds - busy > profile.MAX_IDLE_SECONDS
    if is_idle and tally.stepped_back:
        # Before its length: a single packet that is dated wrong makes it as long as the clock of its container.
        return refusals.mostly_idle(seconds, seconds - busy)
    if seconds > profile.MAX_SECONDS:
        return refusals.too_long(seconds)
    if tally.inflated:
        return refusals.REPEATED_DATA
    if is_idle:
        return refusals.mostly_idle(seconds, seconds - busy)
    if with_picture and info.video is not None:
        return in_work(info.video, seconds, tally.size)
    return None


def in_work(video: VideoStream, seconds: float, size: int) -> UploadRefusal | None:
    """Why a picture of so many `seconds` is refused because of its pixels altogether; None where they are not too many.

    `size`: bytes of the file.
    """
    work = video.width * video.height * float(target_format.frame_rate(video)) * seconds
    most = max(profile.MAX_WORK_UNPROVEN, profile.MAX_WORK_PER_BYTE * size)
    if work > min(profile.MAX_WORK_PIXELS, most):
        return refusals.too_much_work(seconds, video.width, video.height)
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
    listed: int = 0
    """How many streams there were after the last packet."""
    stepped_back: bool = False
    """Some track's clock did, by more than reordering explains."""
    _busy: dict[int, float] = field(default_factory=dict)
    _last: dict[int, float] = field(default_factory=dict)
    _tail: dict[int, float] = field(default_factory=dict)

    def counted(self, packets: Iterable[str]) -> Iterator[str]:
        """Yield ffprobe's lines (`packets.scan_arguments`) as they are, and count them on the way."""
        for line in packets:
            self._count(line.split(","))
            yield line

    def _count(self, fields: Sequence[str]) -> None:
        if len(fields) == 1 and fields[0].isdecimal() and len(fields[0]) < 10:
            self.listed = int(fields[0])
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
        self.stepped_back = self.stepped_back or step < -1.0
        forward = self.rejoined and step > SURELY_JOINED_SECONDS
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
        """Whether the packets are far larger together than the file: it refers to the same bytes over and over."""
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
        marks = [
            head[at + 3] >> 6
            for at in range(start, len(head) - 4, stride)
            if head[at] == 0x47 and (head[at + 1] & 0x1F) << 8 | head[at + 2] not in (0, 0x1FFF)
        ]
        return sum(mark > 1 for mark in marks) > max(1, SCRAMBLED_SHARE * len(marks))
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


def _picture(video: VideoStream) -> UploadRefusal | None:
    coded, shown = video.coded_width * video.coded_height, video.width * video.height
    long, short = max(video.width, video.height), min(video.width, video.height)
    if max(coded, shown) > profile.MAX_PIXELS or max(long, video.coded_width, video.coded_height) > profile.MAX_SIDE:
        return refusals.too_large(video.width, video.height)
    if long > profile.MAX_ASPECT * max(short, profile.MAX_ASPECT_FROM):
        return refusals.too_narrow(video.width, video.height)
    return None


def _sound(audio: AudioStream) -> UploadRefusal | None:
    low, high = profile.SAMPLE_RATES
    if audio.channels > profile.MAX_AUDIO_CHANNELS:
        return refusals.too_many_channels(audio.channels)
    if audio.sample_rate > 0 and not low <= audio.sample_rate <= high:
        return refusals.odd_sample_rate(audio.sample_rate)
    return None


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4:
            return False
        text = data[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)
