"""Checks an upload before anything is made of it: what it holds, whether all of it arrived, whether it can be used.

Headers are not believed where packets can be counted. In: the order of the looks at a file, and what each of them
changes in what is known of it. Out: what makes a file unusable (`media/upload/`), the sentences (`refusals.py` there),
and whose fault a failed tool is (`upload_faults.py`).
"""

from __future__ import annotations

import logging
import mmap
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from codex_assets.build import joined_mp3, upload_faults
from codex_assets.build.decodable_tracks import DecodableTracks
from codex_assets.contract.names import MediaType
from codex_assets.errors import ToolError
from codex_assets.media import decoders, ffprobe, input_flags, profile
from codex_assets.media.encode import mezzanine
from codex_assets.media.facts import AudioStream, MediaInfo, UndecodedTrack, VideoStream
from codex_assets.media.fields import parse_whole
from codex_assets.media.upload import (
    codec_names,
    damage,
    headers,
    intake,
    interlace,
    joined_files,
    packets,
    refusals,
    turns,
    unset_sizes,
    whole_files,
)
from codex_assets.media.upload.damage import Loss
from codex_assets.media.upload.frames import (
    frame_arguments,
    read_frames,
    read_sound_start,
    sampled_moments,
    seconds_dated_late,
    sound_arguments,
)
from codex_assets.media.upload.interlace import Combs
from codex_assets.media.upload.packets import is_unframed, place_arguments, read_packets, scan_arguments
from codex_assets.media.upload.refusals import UploadRefusal
from codex_assets.system.tools import Tools

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExaminedUpload:
    """An upload that something can be made of."""

    header: MediaInfo
    """As its header describes it."""
    info: MediaInfo
    """As its packets show it, without the tracks that are not used."""
    path: Path
    """What is decoded: the upload itself, or a copy of those of its tracks that may be decoded."""
    arrived: float = 1.0
    """The part of the bytes promised by its header that is there, 0 to 1."""
    warnings: tuple[str, ...] = ()
    """Sentences for the creator."""


def examine(tools: Tools, media_type: MediaType, source: Path) -> ExaminedUpload:
    """What the upload at `source` holds. Raises `SourceError` for one that nothing can be made of."""
    first, is_joined = _first_file(source)
    return _UploadCheck(tools, media_type, first, is_joined=is_joined).run()


def likely_type(tools: Tools, source: Path, folder: Path) -> MediaType:
    """What a file is most likely uploaded as: a video if it has a picture that is no cover, else audio. `folder`: where
    copies of it may be written. Raises `SourceError` for a file that is neither, and `ToolError`."""
    link = folder / "upload"
    link.symlink_to(source)
    first, is_joined = _first_file(link)
    return _UploadCheck(tools, "video", first, is_joined=is_joined).likely_type()


def _first_file(source: Path) -> tuple[Path, bool]:
    """The file that an upload begins with, as it can be read: the upload itself, or a copy beside it; and whether other
    files lie behind it."""
    if not source.stat().st_size:
        return source, False
    sized = _with_sizes(source)
    end = _of_bytes(sized, joined_files.first_end)
    own_end = _of_bytes(sized, joined_files.own_end) if end is None else end
    return sized if own_end is None else _beginning(sized, own_end), end is not None


class _UploadCheck:
    """The check of one upload. What a tool logged while it was probed is kept for later."""

    def __init__(self, tools: Tools, media_type: MediaType, source: Path, *, is_joined: bool) -> None:
        self._tools, self._media_type, self._source = tools, media_type, source
        self._with_picture = media_type == "video"
        self._size = source.stat().st_size
        self._head = _ends(source)
        self._path = source
        """What is decoded: the upload, or a copy of some of its tracks."""
        self._container = "mpegts" if intake.is_transport_stream(self._head) else None
        """Of the upload, where that is known before it is probed."""
        self._tracks = DecodableTracks(tools, media_type, source, self._head, self._container)
        self._is_joined = is_joined
        """Other files lie behind the one that is used."""
        self._probe_log: list[str] = []
        self._wrongly_turned = 0.0
        """Seconds of the picture that are shown turned in another way than they say."""

    def run(self) -> ExaminedUpload:
        """As `examine`. From the whole file to its header, its packets, and some of its decoded frames."""
        self._require_whole_beginning()
        try:
            header, info, tally = self._with_late_tracks(*self._read(None))
        except ToolError as error:
            raise upload_faults.probe_error(error, self._head, self._source) from None
        header = replace(header, ends_whole=_of_bytes(self._path, whole_files.ends_whole))
        if header.clock_restarts and intake.scrambled(self._head):
            raise refusals.ENCRYPTED.error()
        self._require_main_track(header, info, tally)
        info = self._with_usable_sound(info)
        arrived = _arrived(self._source)
        require_enough(damage.losses(header, info, damage.DecodeLog(), arrived=arrived), info, self._media_type)
        _refuse(intake.in_time(info, tally, with_picture=self._with_picture))
        if self._with_picture and info.video is not None:
            video = self._with_alpha_throughout(info, info.video)
            video = self._turned_throughout(info, video)
            info = replace(info, video=self._seen_video(info, video))
        idle = damage.idle_seconds(info) if self._with_picture else 0.0
        warnings = [refusals.OTHER_FILES] if self._is_joined else []
        warnings += [refusals.nothing_happens(idle)] if idle > profile.REPORTED_IDLE_SECONDS else []
        is_turned = self._wrongly_turned >= profile.REPORTED_LOSS_SECONDS
        warnings += [refusals.turns_midway(self._wrongly_turned)] if is_turned else []
        warnings += self._undecoded_warnings(info, tally)
        return ExaminedUpload(header, info, self._path, arrived, tuple(warnings))

    def likely_type(self) -> MediaType:
        """As `likely_type`. Packets are listed only where its header shows no picture: one may begin late."""
        self._require_whole_beginning()
        try:
            header = self._header(None)
            if header.video is None:
                header, info, _ = self._with_late_tracks(*self._read(None))
        except ToolError as error:
            raise upload_faults.probe_error(error, self._head, self._source) from None
        if header.video is not None:
            return "video"
        if info.audio is None and header.audio is None and not header.undecoded:
            raise refusals.NOTHING.error()
        return "audio"

    def _require_whole_beginning(self) -> None:
        """Raises `SourceError` where the file is empty, its index is cut off, or its tracks are not to be read."""
        if self._size == 0:
            raise refusals.EMPTY.error()
        if self._head[4:8] not in intake.QUICKTIME:
            return
        if _of_boxes(self._source, self._size, headers.is_index_cut_off):
            raise refusals.CUT_IN_INDEX.error()
        _refuse(intake.in_sample_entries(_of_boxes(self._source, self._size, headers.sample_entries)))

    # --- Its header ---------------------------------------------------------------------------------------------------

    def _read(self, look: int | None) -> tuple[MediaInfo, MediaInfo, intake.Tally]:
        """The header, what the packets make of it, and how many they are. `look`: as `input_arguments` takes it.
        Raises `ToolError`, `SourceError`."""
        header = self._header(look)
        tally = intake.Tally(self._size, rejoined=header.clock_restarts)
        return header, read_packets(header, tally.counted(self._packets(header))), tally

    def _with_late_tracks(
        self, header: MediaInfo, info: MediaInfo, tally: intake.Tally
    ) -> tuple[MediaInfo, MediaInfo, intake.Tally]:
        """The same, or what a longer look at the file shows, where a picture or sound is missing that begins late."""
        is_new = tally.listed > header.streams or bool(header.formless & tally.streams)
        if not is_new or not self._missing_kinds(info):
            return header, info, tally
        _log.info("looking for tracks that begin late")
        later_header, later, later_tally = self._read(min(self._size, profile.LOOK_BYTES))
        if self._missing_kinds(later) >= self._missing_kinds(info):
            return self._read(None)
        places = [self._place(later, track) for track in later.tracks]
        look = min(max(places) + profile.LOOK_BEYOND_BYTES, profile.LOOK_BYTES)
        return replace(later_header, look=look), replace(later, look=look), later_tally

    def _missing_kinds(self, info: MediaInfo) -> set[str]:
        sound = info.audio is not None and info.audio.sample_rate > 0 and info.audio.channels > 0
        missing = {"sound"} if not sound else set()
        return missing | ({"picture"} if self._with_picture and info.video is None else set())

    def _place(self, info: MediaInfo, track: VideoStream | AudioStream) -> int:
        """Where in the file (bytes) the first packet of a track lies; its size where nothing says."""
        listed = self._tools.ffprobe(place_arguments(str(self._path), track, info), label="looking for its beginning")
        places = [parse_whole(packet.get("pos")) for packet in listed.get("packets", []) if isinstance(packet, dict)]
        return next((place for place in places if place is not None), self._size)

    def _header(self, look: int | None) -> MediaInfo:
        """What the header says, without tracks that may not be decoded. Raises `ToolError`, `SourceError`."""
        probe, left_out, undecoded = self._probe_of_decoded(look)
        _refuse(intake.in_header(probe, self._head))
        joined = self._without_inner_tags(probe)
        if joined is not None:
            self._path = joined
            probe = self._probe("probing what was joined", look)
        described = codec_names.with_declared_codecs(probe, self._head)
        if self._head[4:8] in intake.QUICKTIME and self._path is self._source:
            groups = _of_boxes(self._source, self._size, headers.alternate_groups)
            described = headers.with_alternate_groups(described, groups)
        header = self._of_known_codecs(ffprobe.parse(described))
        header = replace(
            header,
            left_out=Counter(header.left_out) + left_out,
            undecoded=(*header.undecoded, *undecoded),
            # A tool opens what ffmpeg takes a track for, whatever it is.
            codecs=ffprobe.parse(probe).codecs,
            look=look,
        )
        if "avi" in header.container.split(",") and headers.promised_bytes(self._head) is None:
            # Written to a pipe, or by a recorder that was switched off: its header counts nothing yet.
            header = replace(header, duration=None, promised={})
        if header.container == "mp3" and joined_mp3.is_longer_than_counted(self._path):
            # An estimate from the rate of the first of several that were joined.
            header = replace(header, duration=None, promised={})
        if self._head[4:8] in intake.QUICKTIME:
            header = replace(header, all_boxes=_of_boxes(self._source, self._size, headers.has_all_boxes))
        _refuse(intake.in_tracks(header, with_picture=self._with_picture))
        return header

    def _probe_of_decoded(self, look: int | None) -> tuple[dict[str, Any], Counter[str], tuple[UndecodedTrack, ...]]:
        """ffprobe's answer about what is decoded, and what that lacks of the upload. Raises `ToolError`, `SourceError`.

        A track that may not be decoded, and that the header does not list, is known once ffprobe has given up; so is
        one with which no decoder starts.
        """
        options: Sequence[str] = decoders.UNOPENED
        unopened: frozenset[int] = frozenset()
        while True:
            part = self._tracks.decoded_part(options, look, unopened)
            self._path = part.path
            try:
                return self._probe("probing the original", look), part.left_out, part.undecoded
            except ToolError as error:
                tried = (options, unopened)
                upload_faults.require_an_answer(error, self._source)
                options = ()
                if decoders.refused("\n".join(error.log)) is None:
                    unopened = self._tracks.unopened(look)
                if (options, unopened) == tried or not (unopened or decoders.refused("\n".join(error.log))):
                    raise

    def _without_inner_tags(self, probe: Mapping[str, Any]) -> Path | None:
        """A copy of an MP3 that was joined of several, without what lies between its parts; None of anything else."""
        is_mp3 = ffprobe.parse(probe).container == "mp3" and self._path is self._source
        return joined_mp3.without_inner_tags(self._source) if is_mp3 else None

    def _probe(self, label: str, look: int | None) -> dict[str, Any]:
        container = self._container if self._path is self._source else None
        arguments = ffprobe.probe_arguments(str(self._path), container=container, look=look)
        return self._tools.ffprobe(arguments, label=label, on_log=self._probe_log.append)

    def _packets(self, header: MediaInfo) -> Iterator[str]:
        """A line for each packet, as `read_packets` reads them."""
        arguments = scan_arguments(str(self._path), header.container, header.codecs, header.look)
        return self._tools.ffprobe_lines(arguments, label="scanning", size=self._size)

    def _of_known_codecs(self, info: MediaInfo) -> MediaInfo:
        """`info` without sounds whose codec is not on the list, though this ffmpeg lacks a decoder that it could open.

        Raises `SourceError` where the track that the upload is about is such a one.
        """
        main = info.video if self._with_picture else info.audio
        if main is not None and main.codec not in profile.UNTRUSTED_DECODERS:
            raise refusals.not_decoded(main.codec).error()
        if info.audio is None or info.audio.codec in profile.UNTRUSTED_DECODERS:
            return info
        others = [
            track
            for track in info.others
            if isinstance(track, VideoStream) or track.codec in profile.UNTRUSTED_DECODERS
        ]
        audio = next((track for track in others if isinstance(track, AudioStream)), None)
        left_out = Counter(info.left_out) + Counter({"audio": 1 if audio is None else 0})
        others = [track for track in others if track is not audio]
        undecoded = (*info.undecoded, UndecodedTrack("audio", info.audio.codec, info.audio.index))
        return replace(info, audio=audio, others=tuple(others), left_out=left_out, undecoded=undecoded)

    # --- Its tracks ---------------------------------------------------------------------------------------------------

    def _require_main_track(self, header: MediaInfo, info: MediaInfo, tally: intake.Tally) -> None:
        """Raises `SourceError` where header or packets lack the track that the upload is about."""
        if self._has_main_track(header) and self._has_main_track(info):
            return
        too_large = upload_faults.refused_size("\n".join(self._probe_log)) if self._with_picture else None
        refusal = too_large or self._without_main_track(header, info, tally)
        raise refusal.error()

    def _has_main_track(self, info: MediaInfo) -> bool:
        return (info.video if self._with_picture else info.audio) is not None

    def _without_main_track(self, header: MediaInfo, info: MediaInfo, tally: intake.Tally) -> UploadRefusal:
        """Why there is no track of the kind that was asked for."""
        if intake.refers_elsewhere(self._head):
            return refusals.NAMES_OTHER_FILES
        sound = header.audio
        if sound is not None and sound.codec == "flac" and (sound.bits or 0) > profile.FLAC_BITS:
            return refusals.FLAC_OF_32_BITS
        kind = "video" if self._with_picture else "audio"
        undecoded = [track for track in header.undecoded if track.kind == kind and track.index in tally.streams]
        if undecoded:
            return refusals.not_decoded(undecoded[0].codec)
        has_packets = bool(tally.streams & {track.index for track in header.tracks})
        if not has_packets and (header.tracks or not self._has_main_track(header)):
            if header.tracks and headers.promises_duration(header) and (header.seconds or header.duration):
                return refusals.CUT_AFTER_HEADER
            return refusals.NOTHING
        if not info.tracks:
            return refusals.NOTHING
        return refusals.NO_PICTURE if self._with_picture else refusals.NO_SOUND

    def _undecoded_warnings(self, info: MediaInfo, tally: intake.Tally) -> list[str]:
        """A sentence for each kind and codec of tracks that are left out because nothing here decodes them."""
        names = {"video": "picture", "audio": "sound"} if self._with_picture else {"audio": "sound"}
        # That there is no sound at all is said elsewhere.
        names = names if info.audio is not None else {kind: name for kind, name in names.items() if kind != "audio"}
        sentences = [
            refusals.track_left_out(names[track.kind], track.codec)
            for track in info.undecoded
            if track.kind in names and (track.index is None or track.index in tally.streams)
        ]
        return list(dict.fromkeys(sentences))

    def _with_usable_sound(self, info: MediaInfo) -> MediaInfo:
        """`info` with a sound as it will be decoded, or without one that cannot be. Raises `SourceError` where such a
        sound is what the upload is about."""
        audio = info.audio
        if audio is None:
            return info
        if audio.sample_rate <= 0 or audio.channels <= 0:
            if not self._with_picture:
                raise refusals.SOUND_WITHOUT_FORM.error()
            return _without_sound(info)
        decoder = headers.replacement_decoder(self._head, audio)
        if decoder is not None:
            audio = replace(
                audio, codec=decoder, decoder=decoder, bits=24 if audio.codec == "pcm_f24le" else audio.bits
            )
            codecs = None if info.codecs is None else info.codecs | {decoder}
            info = replace(info, audio=audio, codecs=codecs)
        if audio.codec in profile.SKIPPING_AUDIO:
            info = self._with_first_sound(info, audio)
        if not self._with_picture and is_unframed(info, self._size):
            raise refusals.UNFRAMED_AAC.error()
        if not headers.is_misread(self._head, audio):
            return info
        if not self._with_picture:
            raise refusals.MISREAD_PCM.error()
        return _without_sound(info)

    # --- Some of it, decoded ------------------------------------------------------------------------------------------

    def _with_first_sound(self, info: MediaInfo, audio: AudioStream) -> MediaInfo:
        """`info` with what the first decoded moments of its sound show; a decode that fails shows nothing."""
        try:
            arguments = sound_arguments(str(self._path), audio, info.codecs, info.look, info.container)
            decoded = self._tools.ffprobe(arguments, label="listening to the start")
        except ToolError as error:
            upload_faults.require_no_worker_trouble(error, self._source)
            return info
        return read_sound_start(info, decoded.get("frames", []))

    def _with_alpha_throughout(self, info: MediaInfo, video: VideoStream) -> VideoStream:
        """`video` without its transparency where that is not beside every picture."""
        if not video.alpha_track:
            return video
        arguments = packets.alpha_arguments(str(self._path), info, video)
        lines = self._tools.ffprobe_lines(arguments, label="looking for transparency", size=self._size)
        return replace(video, alpha_track=packets.has_alpha_throughout(lines))

    def _turned_throughout(self, info: MediaInfo, video: VideoStream) -> VideoStream:
        """`video` turned as most of its pictures say that they are; what is decoded is then a copy of the upload in
        which none of them says so."""
        messages = _of_bytes(self._path, lambda data: turns.read_messages(data, video))
        if not messages:
            return video
        arguments = turns.place_arguments(str(self._path), info, video)
        lines = self._tools.ffprobe_lines(arguments, label="looking how the picture is turned", size=self._size)
        seconds = turns.read_turns(lines, messages, video)
        self._path = _with_bytes(self._path, {message.at: message.struck_out for message in messages}, "upright")
        turn = turns.longest(seconds)
        self._wrongly_turned = sum(seconds.values()) - seconds.get(turn, 0.0)
        return turns.turned(video, turn)

    def _seen_video(self, info: MediaInfo, video: VideoStream) -> VideoStream:
        """`video` with what some of its decoded pictures show; a decode that fails shows nothing: the encode will say
        why. Raises `SourceError` for colours that no free decoder can show."""
        if video.has_own_colours:
            raise refusals.own_colours(video.dolby_vision).error()
        try:
            arguments = frame_arguments(str(self._path), video, info.codecs, info.look, info.container)
            decoded = self._tools.ffprobe(arguments, label="looking at some frames")
        except ToolError as error:
            upload_faults.require_no_worker_trouble(error, self._source)
            return video
        frames = decoded.get("frames", [])
        if info.container in headers.COUNTED_TIME:
            video = replace(video, dated_late=seconds_dated_late(video, frames))
        return read_frames(video, frames, self._combs(info, video))

    def _combs(self, info: MediaInfo, video: VideoStream) -> Combs:
        """How often pictures from several places of the film are combed; nothing of one that cannot be looked at."""
        height = video.coded_height
        columns = interlace.sampled_columns(video.coded_width, height)
        if height > profile.INTERLACE_LINES or min(columns, height) < 16:
            return Combs()
        sample = self._source.with_name(f"{self._source.name}.look")
        samples = []
        try:
            # One after the other: one run with several inputs decodes on in those that are done.
            for at, count in sampled_moments(video):
                opened = [
                    *(*input_flags.as_coded(video), *_seek_arguments(at, video)),
                    *input_flags.input_arguments(
                        str(self._path), container=info.container, codecs=info.codecs, look=info.look
                    ),
                ]
                arguments = interlace.sample_arguments(
                    opened, video.index, str(sample), columns, height, count, before=mezzanine.relabelled(video)
                )
                self._tools.ffmpeg(arguments, label="looking at some pictures")
                samples.append(sample.read_bytes())
            return interlace.find_combs(samples, columns, height)
        except ToolError as error:
            upload_faults.require_no_worker_trouble(error, self._source)
            return Combs()
        except FileNotFoundError:
            # Of a moment without a picture nothing is written.
            return Combs()
        finally:
            sample.unlink(missing_ok=True)


def _without_sound(info: MediaInfo) -> MediaInfo:
    """`info` with its sound among what is left out."""
    return replace(info, audio=None, left_out={**info.left_out, "audio": info.left_out.get("audio", 0) + 1})


def _seek_arguments(at: float, video: VideoStream) -> list[str]:
    """To the key frame before `at` (seconds): pictures in between would be decoded for nothing."""
    seconds = at - (video.start or 0.0)
    return [] if seconds <= 0 else ["-noaccurate_seek", "-ss", f"{seconds:.3f}"]


def _refuse(refusal: UploadRefusal | None) -> None:
    """Raises the `SourceError` of a refusal; does nothing when there is none."""
    if refusal is not None:
        raise refusal.error()


# --- How much of it is left -------------------------------------------------------------------------------------------


def require_decoded(result: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when nothing of what the upload is about is in the mezzanine (`result`)."""
    name = "picture" if media_type == "video" else "sound"
    if result.tracks and (result.video if media_type == "video" else result.audio) is None:
        raise refusals.undecodable_track(name).error()


def longest_seconds(info: MediaInfo) -> float:
    """Seconds of the longest track of a mezzanine. Raises `SourceError` when nothing came out of the source."""
    tracks = [track for track in (info.video, info.audio) if track is not None]
    seconds = max((track.duration or 0.0 for track in tracks), default=0.0)
    if seconds <= 0:
        raise refusals.NOTHING.error()
    return round(seconds, 6)


def require_enough(loss: Mapping[int, Loss], info: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when more than `profile.LOSS_LIMIT` is missing of what the upload is about."""
    track = info.video if media_type == "video" else info.audio
    lost = loss.get(track.index) if track is not None else None
    if lost is None or not lost.leaves_too_little:
        return
    name = "picture" if isinstance(track, VideoStream) else "sound"
    seconds = max(0.0, lost.declared - lost.missing)
    if lost.is_cut_off:
        raise refusals.too_much_cut_off(name, seconds, lost.declared).error()
    raise refusals.too_much_lost(name, seconds, lost.declared).error()


# --- The file ---------------------------------------------------------------------------------------------------------


def _ends(source: Path) -> bytes:
    """The beginning and the end of a file, which hold whatever header it has."""
    with source.open("rb") as file:
        head = file.read(intake.HEAD_BYTES)
        rest = source.stat().st_size - len(head)
        if rest > 0:
            file.seek(-min(rest, intake.HEAD_BYTES), 2)
            head += file.read(intake.HEAD_BYTES)
    return head


def _of_boxes(source: Path, size: int, question: Callable[[Callable[[int, int], bytes], int], Answer]) -> Answer:
    """What one of the questions of `headers` about an MP4's boxes is answered for this file."""
    with source.open("rb") as file:

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return question(read_at, size)


def _of_bytes(source: Path, question: Callable[[mmap.mmap], Answer]) -> Answer:
    """What is answered to a question about the bytes of a file, which is not empty."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return question(data)


def _beginning(source: Path, end: int) -> Path:
    """A copy of the first `end` bytes of a file, beside it."""
    path = source.with_name(f"{source.name}.first")
    with source.open("rb") as file, path.open("wb") as copy:
        while end and (data := file.read(min(end, 1 << 24))):
            copy.write(data)
            end -= len(data)
    return path


def _with_sizes(source: Path) -> Path:
    """A file, which is not empty, or a copy beside it in which the sizes are set that its header leaves open."""
    settled = _of_bytes(source, unset_sizes.settled_sizes)
    if not settled:
        return source
    return _with_bytes(source, settled, "sized")


def _with_bytes(source: Path, written: Mapping[int, bytes], name: str) -> Path:
    """A copy of a file, beside it, in which other bytes are at some places. `name`: the last part of its own."""
    path = source.with_name(f"{source.name}.{name}")
    shutil.copyfile(source, path)
    with path.open("r+b") as copy:
        for at, data in written.items():
            copy.seek(at)
            copy.write(data)
    return path


def _arrived(source: Path) -> float:
    """The part of the bytes that the file's own header promises."""
    with source.open("rb") as file:
        promised = headers.promised_bytes(file.read(12))
    size = source.stat().st_size
    if promised is None or size >= (1 - profile.REPORTED_LOSS_SHARE) * promised:
        return 1.0
    return max(size, 1) / promised
