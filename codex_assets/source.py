"""Judges an upload: what it holds, whether all of it arrived, and whose fault it is when it cannot be decoded.

Headers are not believed where packets can be counted. Every refusal is one sentence that a creator can act on.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codex_assets import sandbox
from codex_assets.errors import JobError, SourceCode, SourceError, ToolError
from codex_assets.media import damage, decoders, ffmpeg_words, intake, interlace, mezzanine, probe, profile
from codex_assets.media.damage import Loss
from codex_assets.media.intake import Refusal
from codex_assets.media.interlace import Combs
from codex_assets.media.probe import AudioStream, MediaInfo, VideoStream
from codex_assets.records import MediaType, SourceFacts
from codex_assets.tools import Tools

_CRASHES = {-one for one in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)}
_OURS = (*ffmpeg_words.NOT_WRITTEN, "passed its limit", "made no progress")
_READ_ERROR = "Input/output error"


@dataclass(frozen=True)
class Examined:
    """`told` by the header, `info` as the packets show it, `arrived`: the part of the promised bytes that is there.

    `path`: what is decoded: the upload, or a copy of its tracks that may be.
    """

    told: MediaInfo
    info: MediaInfo
    path: Path
    arrived: float = 1.0


def examined(tools: Tools, media_type: MediaType, source: Path) -> Examined:
    """What the upload holds, as its packets show it. Raises `SourceError` for what cannot be built from."""
    size = source.stat().st_size
    if size == 0:
        raise SourceError("The upload is empty: it holds no bytes. Upload it again.", SourceCode.EMPTY)
    head = _ends(source)
    if head[4:8] in intake.QUICKTIME and _is_index_cut_off(source, size):
        _refuse(intake.CUT_INDEX)
    with_picture = media_type == "video"
    said: list[str] = []
    try:
        path, left_out = _without_foreign_tracks(tools, media_type, source, decoders.UNOPENED)
        try:
            probed = tools.ffprobe(probe.probe_arguments(str(path)), label="probing the original", on_log=said.append)
        except ToolError as error:
            if decoders.refused("\n".join(error.log)) is None or path is not source:
                raise
            # A track that its header does not tell of.
            path, left_out = _without_foreign_tracks(tools, media_type, source, ())
            probed = tools.ffprobe(probe.probe_arguments(str(path)), label="probing what is kept", on_log=said.append)
        _refuse(intake.in_header(probed, head))
        told = _of_known_codecs(probe.parse(probed), media_type)
        told = replace(told, left_out=Counter(told.left_out) + left_out)
        if "avi" in told.container.split(",") and probe.promised_bytes(head) is None:
            # Written to a pipe, or by a recorder that was switched off: its header counts nothing yet.
            told = replace(told, duration=None, promised={})
        _refuse(intake.in_tracks(told, with_picture=with_picture))
        listed = probe.scan_arguments(str(path), told.container, told.codecs)
        packets = tools.ffprobe_lines(listed, label="scanning", size=size)
    except ToolError as error:
        raise _unreadable(error, head, source) from None
    tally = intake.Tally(size, rejoined=told.clock_restarts)
    info = probe.scanned(told, tally.counted(packets))
    if told.clock_restarts and intake.scrambled(head):
        _refuse(intake.ENCRYPTED)
    if not _wanted(told, media_type) or not _wanted(info, media_type):
        large = _too_many_pixels("\n".join(said)) if media_type == "video" else None
        _refuse(large or _nothing_wanted(told, info, tally, media_type, head))
    if info.audio is not None and (info.audio.sample_rate <= 0 or info.audio.channels <= 0):
        info = replace(info, audio=None)
        if media_type == "audio":
            raise SourceError("The upload's sound track is damaged: it has no sample rate or no channels.")
    if info.audio is not None and (decoder := probe.wrong_decoder(head, info.audio)) is not None:
        info = replace(info, audio=replace(info.audio, codec=decoder, decoder=decoder, bits=24))
    if info.audio is not None and info.audio.codec in profile.SKIPPING_AUDIO:
        info = _listened(tools, path, info, info.audio)
    if media_type == "audio" and probe.unframed(info, size):
        raise SourceError(
            "The upload's sound is AAC in a WAV file, where nothing tells its frames apart; that is not supported. "
            "Upload it as M4A.",
            SourceCode.UNSUPPORTED,
        )
    if info.audio is not None and probe.misread(head, info.audio):
        if media_type == "audio":
            raise SourceError(
                "The upload's sound is stored in a way (PCM of more than 16 bits in an mp4) that is not supported. "
                "Upload it as WAV, MOV or FLAC.",
                SourceCode.UNSUPPORTED,
            )
        info = replace(info, audio=None, left_out={**info.left_out, "audio": info.left_out.get("audio", 0) + 1})
    arrived = _arrived(source)
    require_enough(damage.losses(told, info, damage.DecodeLog(), arrived=arrived), info, media_type)
    _refuse(intake.in_time(info, tally, with_picture=with_picture))
    if media_type == "video" and info.video is not None:
        if info.video.has_own_colours:
            raise SourceError(
                f"The upload is Dolby Vision, profile {info.video.dolby_vision}, whose colours only Dolby's own "
                "decoders can show. Export it as HDR10, HLG or SDR, or as Dolby Vision profile 8, and upload that.",
                SourceCode.UNSUPPORTED,
            )
        counted = told.container in probe.COUNTED_TIME
        info = replace(info, video=_looked_at(tools, path, info, info.video, counted_time=counted))
    return Examined(told, info, path, arrived)


def _of_known_codecs(info: MediaInfo, media_type: MediaType) -> MediaInfo:
    """`info` without sounds whose codec is not on the list, though this ffmpeg lacks a decoder that it could open.

    Raises `SourceError` where the track that the upload is about is such a one.
    """
    main = info.video if media_type == "video" else info.audio
    if main is not None and main.codec not in profile.UNTRUSTED_DECODERS:
        _refuse(intake.not_decoded(main.codec))
    if info.audio is None or info.audio.codec in profile.UNTRUSTED_DECODERS:
        return info
    others = [
        track for track in info.others if isinstance(track, VideoStream) or track.codec in profile.UNTRUSTED_DECODERS
    ]
    audio = next((track for track in others if isinstance(track, AudioStream)), None)
    left_out = Counter(info.left_out) + Counter({"audio": 1 if audio is None else 0})
    return replace(info, audio=audio, others=tuple(one for one in others if one is not audio), left_out=left_out)


def _without_foreign_tracks(
    tools: Tools, media_type: MediaType, source: Path, options: Sequence[str]
) -> tuple[Path, Counter[str]]:
    """The upload, or a copy of its tracks that may be decoded, and how many others there are of each kind. `options`:
    how far it is looked into.

    Raises `SourceError` where the track that the upload is about is not one of them. Whether an upload was cut off,
    its copy does not tell.
    """
    opened = probe.input_arguments(str(source))
    listing = decoders.Listing()
    tools.list_inputs([*options, *opened], label="listing the tracks", on_log=listing.add)
    if not listing.foreign:
        return source, Counter()
    missing = decoders.missing(listing.tracks, media_type)
    if missing is not None:
        _refuse(intake.not_decoded(missing.codec))
    kept = decoders.kept(listing.tracks)
    if kept and len(listing.tracks) < profile.MAX_TRACKS:
        path = source.with_name(f"{source.name}.kept")
        seconds = max(listing.seconds or 0.0, source.stat().st_size / sandbox.FILE_BYTES_PER_SECOND)
        for muxer in decoders.muxers(listing.container):
            arguments = decoders.copy_arguments(opened, kept, muxer, str(path))
            try:
                tools.ffmpeg(arguments, label="copying the tracks that are kept", duration=seconds)
            except ToolError as error:
                if error.passed is not None or _is_ours(error, source):
                    raise
                continue
            return path, decoders.left_out(listing.tracks)
    _refuse(intake.not_decoded(listing.foreign[0].codec))
    raise AssertionError


def _listened(tools: Tools, source: Path, info: MediaInfo, audio: AudioStream) -> MediaInfo:
    """`info` with what the first decoded moments of its sound tell. A decode that fails tells nothing."""
    try:
        listened = probe.sound_arguments(str(source), audio, info.codecs)
        frames = tools.ffprobe(listened, label="listening to the start")
    except ToolError:
        return info
    return probe.listened(info, frames.get("frames", []))


def _looked_at(tools: Tools, source: Path, info: MediaInfo, video: VideoStream, *, counted_time: bool) -> VideoStream:
    """`video` with what some of its decoded pictures show. A look that fails tells nothing: the encode will say why."""
    try:
        looked = probe.frame_arguments(str(source), video, info.codecs)
        found = tools.ffprobe(looked, label="looking at some frames")
    except ToolError:
        return video
    frames = found.get("frames", [])
    if counted_time:
        video = replace(video, dated_late=probe.dated_late(video, frames))
    return probe.looked_at(video, frames, _combs(tools, source, info, video))


def _combs(tools: Tools, source: Path, info: MediaInfo, video: VideoStream) -> Combs:
    height = video.coded_height
    columns = interlace.columns_of(video.coded_width, height)
    if height > profile.INTERLACE_LINES or min(columns, height) < 16:
        return Combs()
    shot = source.with_name(f"{source.name}.look")
    shots = []
    try:
        # One after the other: one run with several inputs decodes on in those that are done.
        for at, count in probe.places(video):
            opened = [
                *(*probe.as_coded(video), *_sought(at, video)),
                *probe.input_arguments(str(source), codecs=info.codecs),
            ]
            arguments = interlace.sample_arguments(
                opened, video.index, str(shot), columns, height, count, before=mezzanine.relabelled(video)
            )
            tools.ffmpeg(arguments, label="looking at some pictures")
            shots.append(shot.read_bytes())
        return interlace.combs(shots, columns, height)
    except (ToolError, OSError):
        return Combs()
    finally:
        shot.unlink(missing_ok=True)


def _sought(at: float, video: VideoStream) -> list[str]:
    # To the key frame before: pictures in between would be decoded for nothing.
    seconds = at - (video.start or 0.0)
    return [] if seconds <= 0 else ["-noaccurate_seek", "-ss", f"{seconds:.3f}"]


def _refuse(found: Refusal | None, detail: str | None = None) -> None:
    if found is not None:
        raise SourceError(found.sentence, SourceCode[found.kind.upper()], detail=detail)


def _ends(source: Path) -> bytes:
    """The beginning and the end of a file, which hold whatever header it has."""
    with source.open("rb") as file:
        head = file.read(intake.HEAD_BYTES)
        left = source.stat().st_size - len(head)
        if left > 0:
            file.seek(-min(left, intake.HEAD_BYTES), 2)
            head += file.read(intake.HEAD_BYTES)
    return head


def _is_index_cut_off(source: Path, size: int) -> bool:
    with source.open("rb") as file:

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return probe.is_index_cut_off(read_at, size)


def _wanted(info: MediaInfo, media_type: MediaType) -> bool:
    return (info.video if media_type == "video" else info.audio) is not None


def _nothing_wanted(
    told: MediaInfo, info: MediaInfo, tally: intake.Tally, media_type: MediaType, head: bytes
) -> Refusal:
    """Why there is no track of the kind that was asked for."""
    if intake.refers_elsewhere(head):
        return intake.REFERENCES
    if told.audio is not None and told.audio.codec == "flac" and (told.audio.bits or 0) > profile.FLAC_BITS:
        return Refusal(
            "unsupported", "The upload's sound is FLAC of 32 bits, which is not supported. Upload it with 24."
        )
    if not tally.streams & {track.index for track in told.tracks} and (told.tracks or not _wanted(told, media_type)):
        if told.tracks and probe.promises_duration(told) and (told.seconds or told.duration):
            return Refusal("truncated", "The upload seems to be cut off: it ends after its header. Upload it again.")
        return NOTHING
    if not info.tracks:
        return NOTHING
    if media_type == "video":
        return Refusal(
            "wrong_type", "The upload holds no picture track that can be decoded, but was uploaded as video."
        )
    return Refusal("wrong_type", "The upload holds no sound track that can be decoded, but was uploaded as audio.")


NOTHING = Refusal("no_stream", "The upload holds no picture or sound that can be decoded.")


def _unreadable(error: ToolError, head: bytes, source: Path) -> JobError:
    """Why a file could not be probed: the worker's trouble stays that, everything else is the file's."""
    text = "\n".join([error.reason, *error.log])
    if error.passed is not None:
        return _over_limit(error)
    if _is_ours(error, source):
        return error
    large = _too_many_pixels(text)
    if large is not None:
        return SourceError(large.sentence, SourceCode.TOO_LARGE, detail=error.detail)
    if "moov atom not found" in text and head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip"):
        said = "The upload seems to be cut off: its index is missing. Upload it again."
        return SourceError(said, SourceCode.TRUNCATED, detail=error.detail)
    foreign = decoders.refused(text)
    found = intake.unreadable(head) if foreign is None else intake.not_decoded(foreign)
    return SourceError(found.sentence, SourceCode[found.kind.upper()], detail=error.detail)


def _too_many_pixels(text: str) -> Refusal | None:
    """What ffmpeg says of a picture that it will not make room for; it then leaves the size out of what it tells."""
    pixels = ffmpeg_words.PICTURE_TOO_LARGE.search(text)
    if pixels is None:
        return None
    return Refusal(
        "too_large", f"The upload's picture is {pixels[1]}x{pixels[2]}, more than 8K; that is not supported."
    )


def _over_limit(error: ToolError) -> SourceError:
    needs = {"memory": "memory", "file": "disk space", "time": "time", "output": "memory"}[error.passed or "memory"]
    return SourceError(
        f"The upload needs far more {needs} than media of its length should; it is damaged, or made to do so.",
        SourceCode.TOO_COMPLEX,
        detail=error.detail,
    )


def _is_ours(error: ToolError, source: Path) -> bool:
    """Whether the worker itself was in trouble: full, too slow, or told to end its processes."""
    killed = error.exit_code is not None and error.exit_code < 0 and error.exit_code not in _CRASHES
    text = f"{error.reason} {error.detail}"
    # Some demuxers say so of a file that ends too early.
    unread = _READ_ERROR in text and not _is_readable(source)
    return killed or unread or any(sign in text for sign in _OURS)


def _is_readable(source: Path) -> bool:
    try:
        with source.open("rb") as file:
            while file.read(1 << 24):
                pass
    except OSError:
        return False
    return True


def facts(info: MediaInfo, source: Path, loss: Mapping[int, Loss] | None = None) -> SourceFacts:
    """The upload as it is recorded; `loss` by track."""
    video, audio = info.video, info.audio
    seen = (loss or {}).get(video.index) if video else None
    heard = (loss or {}).get(audio.index) if audio else None
    together = video is not None and audio is not None and video.start is not None and audio.start is not None
    rate = video.average_rate if video else None
    return SourceFacts(
        container=info.container,
        size=source.stat().st_size,
        duration=info.seconds if info.seconds is not None else info.duration,
        width=video.width if video else None,
        height=video.height if video else None,
        frame_rate=str(rate) if rate else None,
        rotation=video.rotation if video else 0,
        interlaced=video.interlaced if video else False,
        hdr=video.hdr if video else False,
        **(_picture_facts(video) if video else {}),
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        audio_channels=audio.channels if audio else None,
        audio_sample_rate=audio.sample_rate if audio else None,
        audio_layout=audio.layout if audio else None,
        audio_bits=audio.bits if audio else None,
        audio_after_video=round((audio.start or 0.0) - (video.start or 0.0), 6)
        if together and audio is not None and video is not None
        else None,
        tracks_left_out=dict(info.left_out) or None,
        video_packets=info.counted[video.index].packets if video and video.index in info.counted else None,
        video_seconds_declared=round(seen.declared, 3) if seen else None,
        video_share_lost=round(seen.share, 4) if seen else None,
        audio_seconds_declared=round(heard.declared, 3) if heard else None,
        audio_share_lost=round(heard.share, 4) if heard else None,
    )


def require_decoded(made: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when nothing of what the upload is about came out of its decode."""
    name = "picture" if media_type == "video" else "sound"
    if made.tracks and (made.video if media_type == "video" else made.audio) is None:
        raise SourceError(f"The upload's {name} could not be decoded; it is damaged or not supported.")


def _picture_facts(video: VideoStream) -> dict[str, Any]:
    return {
        "coded_width": video.coded_width,
        "coded_height": video.coded_height,
        "sample_aspect": str(video.sample_aspect),
        "mirrored": video.mirrored,
        "nominal_frame_rate": str(video.nominal_rate) if video.nominal_rate else None,
        "deinterlaced": video.deinterlaced,
        "pixel_format": video.pixel_format,
        "color_range": video.color_range,
        "color_matrix": video.matrix,
        "color_transfer": video.transfer,
        "color_primaries": video.primaries,
        "alpha": video.has_alpha,
        "hdr_kind": {"smpte2084": "PQ", "arib-std-b67": "HLG"}.get(video.transfer or ""),
        "dolby_vision": video.dolby_vision,
    }


def longest(info: MediaInfo) -> float:
    """Seconds of the longest track of a mezzanine. Raises `SourceError` when nothing came out of the source."""
    tracks = [track for track in (info.video, info.audio) if track is not None]
    seconds = max((track.duration or 0.0 for track in tracks), default=0.0)
    if seconds <= 0:
        raise SourceError(NOTHING.sentence, SourceCode.NO_STREAM)
    return round(seconds, 6)


def require_enough(loss: Mapping[int, Loss], info: MediaInfo, media_type: MediaType) -> None:
    """Raises `SourceError` when more than `profile.LOSS_LIMIT` is lost of what the upload is about."""
    track = info.video if media_type == "video" else info.audio
    one = loss.get(track.index) if track is not None else None
    if one is None or one.share <= profile.LOSS_LIMIT:
        return
    name = "picture" if isinstance(track, VideoStream) else "sound"
    left = max(0.0, one.declared - one.lost)
    if one.cut_off:
        raise SourceError(
            f"The upload seems to be cut off: {left:.1f} of {one.declared:.1f} seconds of the {name} arrived. "
            "Upload it again.",
            SourceCode.TRUNCATED,
        )
    raise SourceError(
        f"The upload is too damaged: only {left:.1f} of {one.declared:.1f} seconds of the {name} could be decoded. "
        "Upload it again."
    )


def _arrived(source: Path) -> float:
    """The part of the bytes that the file's own header promises."""
    with source.open("rb") as file:
        promised = probe.promised_bytes(file.read(12))
    size = source.stat().st_size
    if promised is None or size >= (1 - profile.TOLD_LOSS_SHARE) * promised:
        return 1.0
    return max(size, 1) / promised


def fault(error: ToolError, source: Path) -> JobError:
    """A decode of `source` that fails on the CPU is its fault, unless the worker itself was in trouble."""
    if error.passed is not None:
        return _over_limit(error)
    if _is_ours(error, source):
        return error
    text = "\n".join([error.reason, *error.log])
    large = _too_many_pixels(text)
    if large is not None:
        return SourceError(large.sentence, SourceCode.TOO_LARGE, detail=error.detail)
    unsupported = ffmpeg_words.NO_DECODER.search(text)
    foreign = decoders.refused(text)
    if unsupported is not None or foreign is not None:
        codec = foreign if unsupported is None else unsupported[1] or unsupported[2]
        return SourceError(
            intake.not_decoded(codec or "a rare one").sentence, SourceCode.UNSUPPORTED, detail=error.detail
        )
    return SourceError("The upload could not be decoded; it is damaged or not supported.", detail=error.detail)
