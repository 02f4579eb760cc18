"""What is observed of a mezzanine: its tracks, whether all of it decodes, its index and its metadata.

In: reading an MP4's boxes and tags. Out: what they should be (`rules/mezzanine.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import ffprobe
from codex_assets.media.facts import MediaInfo
from codex_assets.verification.fidelity import LastPicture, PictureFidelity, RateFit, SoundFidelity, UploadSize
from codex_assets.verification.observations import MezzanineExpected, MezzanineObservation
from codex_assets.verification.observe.captions import caption_services
from codex_assets.verification.observe.decoder import Decoder, complaints, public_reason
from codex_assets.verification.observe.mezzanine_samples import PicturesStored, read_pictures
from codex_assets.verification.observe.mp4_boxes import foreign_parts, foreign_tags
from codex_assets.verification.observe.mp4_index import Mp4Index, index_of
from codex_assets.verification.observe.tracks import picture_of, sound_of
from codex_assets.verification.observe.transport_stream import Packet, span_of, trimmed
from codex_assets.verification.observe.upload_packets import read_upload
from codex_assets.verification.observe.upload_pictures import UploadedMedia, compare_upload_pictures
from codex_assets.verification.observe.upload_sizes import changes_shape, changes_size, upload_sizes
from codex_assets.verification.observe.upload_sound import compare_upload_sound
from codex_assets.verification.observe.upload_times import last_picture, picture_packets, rate_fit


def observe_mezzanine(
    decoder: Decoder,
    path: Path,
    expected: MezzanineExpected,
    *,
    output: str,
    decode: bool,
    upload: UploadedMedia | None = None,
) -> MezzanineObservation:
    """The mezzanine at `path`; see `Observer.mezzanine`."""
    base = MezzanineObservation(output, expected=expected)
    if not path.is_file():
        return replace(base, problem="it does not exist")
    try:
        document = decoder.probe_document(path)
        info = ffprobe.parse(document)
        packets = decoder.packets(["-i", str(path)], info)
        video, audio = span_of(packets["video"]), span_of(packets["audio"], video=False)
        compared = _Compared() if upload is None else _beside_the_upload(decoder, path, info, upload, expected.gain)
        errors, frames = compared.errors, compared.frames
        if decode and errors is None:
            errors, frames = _decode_all(decoder, path, info)
        captions = caption_services(decoder, path, video.frame_seconds) if video is not None else None
        index = index_of(path)
        stored = _pictures_stored(path, info, packets["video"], index)
    except ToolError as error:
        return replace(base, problem=public_reason(error, path.parent))
    return replace(
        base,
        video=picture_of(info, video, None),
        audio=sound_of(info),
        video_span=trimmed(video, info.video.start if info.video else None, None),
        audio_span=trimmed(
            audio, info.audio.start if info.audio else None, info.audio.duration if info.audio else None
        ),
        frames_indexed=info.video.frames if info.video else None,
        frames_decoded=frames,
        decode_errors=errors,
        index_first=_index_first(path),
        personal_tags=foreign_tags(document),
        foreign_parts=(*foreign_parts(path, document, info, index), *stored.parts),
        key_frames_unmarked=stored.unmarked,
        others_marked=stored.mismarked,
        unordered=stored.unordered,
        captions=captions,
        pictures=compared.pictures,
        sound=compared.sound,
        rate_fit=compared.rate_fit,
        last_picture=compared.last,
        upload_tracks=compared.tracks,
        upload_sizes=compared.sizes,
    )


def _pictures_stored(path: Path, info: MediaInfo, packets: Sequence[Packet], index: Mp4Index | None) -> PicturesStored:
    """The pictures as they lie in an MP4; nothing of another container, of another coding, or of a track of which not
    all is there."""
    tracks = [track for track in index.tracks if track.coded is not None] if index is not None else []
    if info.video is None or info.video.codec != "h264" or len(tracks) != 1 or tracks[0].count != len(packets):
        return PicturesStored()
    return read_pictures(path, packets, tracks[0])


@dataclass(frozen=True)
class _Compared:
    """How true a mezzanine is to its upload. `errors`, `frames`: as of `_decode_all`, None where the comparison does
    not tell. `tracks`: what a player would play of the upload."""

    rate_fit: RateFit | None = None
    sizes: tuple[UploadSize, ...] = ()
    pictures: PictureFidelity | None = None
    sound: SoundFidelity | None = None
    errors: tuple[str, ...] | None = None
    frames: int | None = None
    tracks: tuple[str, ...] | None = None
    last: LastPicture | None = None


def _beside_the_upload(
    decoder: Decoder, path: Path, info: MediaInfo, upload: UploadedMedia, gain: float | None
) -> _Compared:
    """`gain`: dB that its sound was changed by. Raises `ToolError` when either cannot be decoded."""
    used = [track.index for track in (upload.video, upload.info.audio) if track is not None]
    packets = read_upload(decoder, upload.path, upload.info.container, used, upload.info.codecs)
    upload = replace(upload, packets=packets)
    rate = (info.video.average_rate or info.video.nominal_rate) if info.video is not None else None
    pictures = sound = None
    sizes: tuple[UploadSize, ...] = ()
    shown = picture_packets(decoder, upload)
    fit = rate_fit(shown, rate) if shown is not None and rate else None
    if shown is not None and upload.video is not None and upload.video.alpha_track:
        # Some pictures without transparency: only a decoder that ignores it gives every picture.
        upload = upload.with_alpha(shown.with_alpha >= len(shown.times))
    if packets.is_one_clock is None:
        return _Compared(fit, tracks=packets.kinds)
    last: LastPicture | None = None
    if info.video is not None and info.video.frames and rate:
        if shown is not None and not upload.damaged:
            last = last_picture(decoder, upload, shown, rate, info.video.frames)
        pictures = compare_upload_pictures(decoder, upload, path, rate, info.video.frames)
        if pictures is not None and (changes_size(pictures[1]) or changes_shape(decoder, upload)):
            sizes = upload_sizes(decoder, upload)
            pictures = compare_upload_pictures(decoder, upload, path, rate, info.video.frames, several_sizes=True)
    if upload.damaged:
        # What the decoders of this comparison complain of as well is no fault of the mezzanine's.
        is_whole = pictures is not None and not complaints(pictures[1], warnings=True)
        seen = pictures[0] if pictures is not None and is_whole else None
        return _Compared(fit, sizes, seen, tracks=packets.kinds)
    if info.audio is not None:
        sound = compare_upload_sound(decoder, upload, path, gain)
    heard = sound[0] if sound else None
    compared = _Compared(fit, sizes, pictures[0] if pictures else None, heard, tracks=packets.kinds, last=last)
    whole = (info.video is None or pictures is not None) and (info.audio is None or sound is not None)
    logs = [line for each in (pictures, sound) if each is not None for line in each[1]]
    if not whole or complaints(logs):
        # Of which of the two the decoders complain is not known.
        return compared
    return replace(compared, errors=(), frames=_frames(pictures[1]) if pictures is not None else None)


def _frames(log: Sequence[str]) -> int | None:
    """How many pictures came out of a decode, by ffmpeg's own count; None where it does not say."""
    counts = re.findall(r"frame=\s*(\d+)", "\n".join(log))
    return int(counts[-1]) if counts else None


def _decode_all(decoder: Decoder, path: Path, info: MediaInfo) -> tuple[tuple[str, ...], int | None]:
    """The decoder's complaints, and how many pictures came out; None without a picture, or when decoding failed."""
    indices = [stream.index for stream in (info.video, info.audio) if stream is not None]
    maps = [argument for index in indices for argument in ("-map", f"0:{index}")]
    arguments = ["-i", str(path), *maps, "-fps_mode", "passthrough", "-f", "null", "-"]
    try:
        run = decoder.run(arguments, label="decoding the mezzanine", duration=info.duration)
    except ToolError as error:
        return (public_reason(error, path.parent),), None
    return complaints(run.log), _frames(run.log) if info.video else None


def _index_first(path: Path) -> bool | None:
    """Whether an MP4's `moov` box comes before its `mdat`; None for what is no MP4."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, name = int.from_bytes(header[:4], "big"), header[4:]
            if name in (b"moov", b"mdat"):
                return name == b"moov"
            skip = size - 8
            if size == 1:
                skip = int.from_bytes(file.read(8), "big") - 16
            if not name.isalnum() or skip < 0:
                return None
            file.seek(skip, 1)
    return None
