"""Playlists: read what ffmpeg made, measure it, and write the master from what was measured.

Written here: every media playlist, from the segments that ffmpeg cut, and the master. Every line that is not a tag is
a plain relative name: the platform's proxy signs exactly those lines (RFC 8216).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from codex_assets.media import profile

PLAYLIST = "playlist.m3u8"
PREVIEW_SEGMENTS = profile.PREVIEW_SECONDS // profile.SEGMENT_SECONDS
AAC_LC = "mp4a.40.2"
CAPTION_GROUP = "captions"
RECOGNISED_PACKETS = 12
"""Of a first segment: of fewer, programs that go by the bytes alone (ffmpeg, and all that is made with it) take a
transport stream for something else, such as bare AAC."""
_PACKET = 188
_NULL_PACKET = bytes.fromhex("471fff10") + b"\xff" * (_PACKET - 4)
"""What every receiver throws away (ISO 13818-1 2.4.3.3)."""


@dataclass(frozen=True)
class Segment:
    """One segment of a finished playlist: EXTINF seconds, size in bytes."""

    name: str
    duration: float
    size: int


@dataclass(frozen=True)
class Rates:
    """Bit/s of a whole variant, overhead of the container included."""

    peak: int
    average: int


@dataclass(frozen=True)
class StreamInfo:
    """What EXT-X-STREAM-INF says of one variant. Pixels and rate are None for audio media."""

    uri: str
    rates: Rates
    codecs: str
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    captions: tuple[str, ...] = ()
    """Services of the closed captions that its pictures carry, as INSTREAM-ID names them."""


def parse_segments(playlist: str) -> list[tuple[str, float]]:
    """(name, EXTINF seconds) of a media playlist, in order."""
    entries = re.findall(
        r"^#EXTINF:([0-9]{1,15}(?:\.[0-9]*)?),[^\n]*\n(?:#[^\n]*\n)*([^#\s][^\n]*)$", playlist, re.MULTILINE
    )
    return [(name.strip(), float(seconds)) for seconds, name in entries]


def measure_rates(segments: Sequence[Segment]) -> Rates:
    """Peak and average rate of a playlist.

    The peak is the highest rate of any run of segments that lasts between 0.5 and 1.5 target durations (RFC 8216
    4.1), and of any single segment that is not very short (`PEAK_SEGMENT_SECONDS`): such a last one counts with its
    neighbours. A programme that is nothing but that has only its average.
    """
    total = sum(segment.duration for segment in segments)
    average = math.ceil(8 * sum(segment.size for segment in segments) / total)
    target = target_duration(segments)
    peak = 0.0
    for first in range(len(segments)):
        seconds, size = 0.0, 0
        for number, segment in enumerate(segments[first:]):
            seconds, size = seconds + segment.duration, size + segment.size
            if seconds > 1.5 * target:
                break
            if seconds >= 0.5 * target or (number == 0 and seconds >= profile.PEAK_SEGMENT_SECONDS):
                peak = max(peak, 8 * size / seconds)
    return Rates(peak=max(math.ceil(peak), average), average=average)


def padding_after(size: int) -> bytes:
    """What has to follow a first segment of `size` bytes so that it is recognised: nothing, if it is not tiny."""
    return _NULL_PACKET * max(0, RECOGNISED_PACKETS - size // _PACKET)


def target_duration(segments: Sequence[Segment]) -> int:
    """EXT-X-TARGETDURATION: the longest EXTINF, rounded to the nearest integer (RFC 8216 4.3.3.1)."""
    return max(1, max(math.floor(segment.duration + 0.5) for segment in segments))


def media_playlist(segments: Sequence[Segment], version: str | None = None) -> str:
    """A VOD playlist of these segments, which lie in the folder `version`, or beside it without one."""
    below = f"{version}/" if version is not None else ""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{target_duration(segments)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for segment in segments:
        lines += [f"#EXTINF:{segment.duration:.6f},", below + segment.name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(variants: Sequence[StreamInfo]) -> str:
    """The master of these variants, best first.

    BANDWIDTH is the measured peak, AVERAGE-BANDWIDTH the measured average (RFC 8216 4.3.4.2); CODECS, RESOLUTION and
    FRAME-RATE are what the segments hold (Apple HLS authoring spec 9.1 to 9.15). Captions are declared only where every
    variant carries the same ones: where one has none, all of them have to say so (RFC 8216 4.3.4.2).
    """
    captions = variants[0].captions if len({variant.captions for variant in variants}) == 1 else ()
    version = 7 if any(name.startswith("SERVICE") for name in captions) else 6
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_caption_rendition(number, name) for number, name in enumerate(captions, start=1)]
    for variant in variants:
        attributes = [
            f"BANDWIDTH={variant.rates.peak}",
            f"AVERAGE-BANDWIDTH={variant.rates.average}",
            f'CODECS="{variant.codecs}"',
        ]
        if variant.width is not None and variant.height is not None:
            attributes.append(f"RESOLUTION={variant.width}x{variant.height}")
        if variant.frame_rate is not None:
            attributes.append(f"FRAME-RATE={variant.frame_rate:.3f}")
        if variant.width is not None:
            attributes.append("VIDEO-RANGE=SDR")
        attributes.append(f'CLOSED-CAPTIONS="{CAPTION_GROUP}"' if captions else "CLOSED-CAPTIONS=NONE")
        lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), variant.uri]
    return "\n".join([*lines, ""])


def _caption_rendition(number: int, name: str) -> str:
    """The line that declares one service, whose language nobody knows. It has no URI: captions lie in the picture."""
    title = "Captions" if number == 1 else f"Captions {number}"
    return (
        f'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="{CAPTION_GROUP}",NAME="{title}",DEFAULT=NO,AUTOSELECT=YES,'
        f'INSTREAM-ID="{name}"'
    )


def preview_segments(segments: Sequence[Segment]) -> list[Segment]:
    """The first segments of a variant that make its preview."""
    return list(segments[:PREVIEW_SEGMENTS])


def segment_arguments(segment: str) -> list[str]:
    """Arguments for ffprobe on one segment. Told what it is: under ten packets are too few to find out."""
    return ["-show_format", "-show_streams", "-f", "mpegts", segment]


def sps_arguments(segment: str, output: str) -> list[str]:
    """The first pictures of a segment as a bare H.264 stream, which starts with its parameter sets."""
    return ["-f", "mpegts", "-i", segment, "-map", "0:v:0", "-c", "copy", "-frames:v", "1", "-f", "h264", output]


def codecs_attribute(sps_stream: bytes | None, *, has_audio: bool) -> str:
    """CODECS (RFC 6381) from what was encoded: profile, constraint flags and level as the SPS has them.

    Raises `ValueError` when a stream is given and holds no SPS.
    """
    names = []
    if sps_stream is not None:
        sps = re.search(rb"\x00\x00\x01[\x27\x47\x67](.{3})", sps_stream, re.DOTALL)
        if sps is None:
            raise ValueError("the stream holds no sequence parameter set")
        names.append(f"avc1.{sps.group(1).hex().upper()}")
    if has_audio:
        names.append(AAC_LC)
    return ",".join(names)
