"""Options in front of an input: what an untrusted file may make a demuxer do, and that its pictures come as they are
coded."""

from __future__ import annotations

from collections.abc import Collection

from codex_assets.media import decoders, profile
from codex_assets.media.facts import VideoStream

LONGEST_LOOK_MICROSECONDS = 10**12
"""More than any file lasts: the look ends by bytes."""


def input_arguments(
    path: str,
    *,
    trusted: bool = False,
    probing: bool = False,
    container: str | None = None,
    codecs: Collection[str] | None = None,
    look: int | None = None,
) -> list[str]:
    """Arguments for ffmpeg (or ffprobe, with `probing`) that open `path`.

    Unless it is `trusted`, it may only be a plain media file, whatever its name says it is, and is read only by the
    decoders of `profile.UNTRUSTED_DECODERS`. `container`, `codecs`: its demuxer and the codecs of its tracks, once they
    are known; then only the decoders of those codecs are allowed. `look`: bytes of its beginning in which its
    tracks are looked for, and what they are; None: as many as ffmpeg looks at by itself (5 MB, a few seconds).
    """
    source = [path] if probing else ["-i", path]
    if look is not None:
        source = ["-probesize", str(look), "-analyzeduration", str(LONGEST_LOOK_MICROSECONDS), *source]
    if trusted:
        return source
    fence = ["-protocol_whitelist", profile.UNTRUSTED_PROTOCOLS, "-format_whitelist", profile.UNTRUSTED_FORMATS]
    fence += ["-codec_whitelist", decoders.whitelist(codecs)]
    # A cover may be larger than any film; it is looked at and left out.
    pixels = profile.MAX_PIXELS * (4 if probing else 1)
    # Of few packets, it would be taken for the bare sound that is in it.
    is_stream = container == "mpegts"
    as_stream = ["-f", "mpegts", "-resync_size", str(profile.RESYNC_BYTES)] if is_stream else []
    return [*fence, "-max_pixels", str(pixels), *as_stream, *source]


def as_coded(video: VideoStream) -> list[str]:
    """Options in front of an input whose pictures are to come as they are coded, neither turned nor cropped by ffmpeg.

    ffmpeg turns by odd angles, and by what streams say but not by what frames do. What a codec crops on the left is
    cropped to the column: ffmpeg 5 leaves up to 63 columns there, for faster memory.
    """
    return [
        "-noautorotate",
        "-flags:v",
        "+unaligned",
        *(["-apply_cropping", "codec"] if video.container_cropped else []),
    ]
