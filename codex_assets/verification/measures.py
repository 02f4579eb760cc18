"""Numbers that follow from what was observed: where segments are cut, bit rates, codec names, the H.264 level needed.

Independent of the code that writes playlists (`media/encode/hls.py`), which computes some of the same by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from codex_assets.media import profile
from codex_assets.verification.observations import SegmentSeen, VariantObservation
from codex_assets.verification.stream_observations import PictureParameters


def cuts(durations: Iterable[float]) -> tuple[float, ...]:
    """Segment boundaries, in seconds from the start, of segments that last `durations`."""
    at, boundaries = 0.0, []
    for duration in durations:
        at += duration
        boundaries.append(at)
    return tuple(boundaries)


def peak_rate(variant: VariantObservation) -> float:
    """Peak segment bit rate (RFC 8216 section 4.1): bit/s of the worst contiguous run of segments that lasts between
    half and one and a half target durations; or of one segment, unless it is very short."""
    target = variant.playlist.target_duration or max((segment.extinf for segment in variant.segments), default=0.0)
    peak = 0.0
    for first in range(len(variant.segments)):
        bits, seconds = 0.0, 0.0
        for number in range(first, len(variant.segments)):
            segment = variant.segments[number]
            alone = seconds == 0
            bits += 8 * (segment.size or 0)
            seconds += segment.extinf
            if seconds > 1.5 * target:
                break
            if seconds > 0 and (seconds >= 0.5 * target or (alone and seconds >= profile.PEAK_SEGMENT_SECONDS)):
                peak = max(peak, bits / seconds)
    return peak or average_rate(variant)


def average_rate(variant: VariantObservation) -> float:
    """Average segment bit rate (RFC 8216 section 4.1), bit/s."""
    return 8 * sum(segment.size or 0 for segment in variant.segments) / variant.duration if variant.duration else 0.0


def codecs(variant: VariantObservation) -> str | None:
    """What CODECS has to say of `variant` (RFC 6381), from the stream itself; None when that cannot be said."""
    names = []
    if variant.video is not None:
        seen = variant.video
        if seen.codec != "h264" or seen.profile_idc is None or seen.constraints is None or seen.level is None:
            return None
        names.append(f"avc1.{seen.profile_idc:02x}{seen.constraints:02x}{seen.level:02x}")
    if variant.audio is not None:
        object_type = {"LC": 2, "HE-AAC": 5, "HE-AACv2": 29}.get(variant.audio.profile or "")
        if variant.audio.codec != "aac" or object_type is None:
            return None
        names.append(f"mp4a.40.{object_type}")
    return ",".join(names)


# ITU-T H.264 table A-1: level_idc -> macroblocks a second, macroblocks a frame, macroblocks of all pictures that are
# kept, kbit/s (Main; High is 1.25 times it).
H264_LEVELS = {
    10: (1_485, 99, 396, 64),
    11: (3_000, 396, 900, 192),
    12: (6_000, 396, 2_376, 384),
    13: (11_880, 396, 2_376, 768),
    20: (11_880, 396, 2_376, 2_000),
    21: (19_800, 792, 4_752, 4_000),
    22: (20_250, 1_620, 8_100, 4_000),
    30: (40_500, 1_620, 8_100, 10_000),
    31: (108_000, 3_600, 18_000, 14_000),
    32: (216_000, 5_120, 20_480, 20_000),
    40: (245_760, 8_192, 32_768, 20_000),
    41: (245_760, 8_192, 32_768, 50_000),
    42: (522_240, 8_704, 34_816, 50_000),
    50: (589_824, 22_080, 110_400, 135_000),
    51: (983_040, 36_864, 184_320, 240_000),
    52: (2_073_600, 36_864, 184_320, 240_000),
}


MOST_KEPT_PICTURES = 16
"""At whatever level (A.3.1)."""


def needed_level(variant: VariantObservation) -> int | None:
    """Lowest H.264 level that permits the size, frame rate, measured rate and kept pictures of `variant`."""
    video = variant.video
    if video is None or video.frame_rate is None or video.codec != "h264":
        return None
    macroblocks = math.ceil(video.coded_width / 16) * math.ceil(video.coded_height / 16)
    factor = 1.25 if video.profile == "High" else 1.0
    # Segments of another stream, which another rule finds, say nothing of this one's level.
    own = [segment for segment in variant.segments if segment.sps == variant.segments[0].sps]
    rates = [8 * segment.video.size / segment.extinf for segment in own if segment.video and segment.extinf >= 1.0]
    kbps = max(rates, default=0.0) / 1000
    kept = max((_kept_pictures(segment) for segment in own), default=0)
    return _least_level(macroblocks, video.frame_rate, kept, kbps / factor)


def level_of(parameters: PictureParameters, rate: float) -> int:
    """Lowest H.264 level that permits the size and the kept pictures that an SPS names, at `rate` pictures a second;
    the highest known for what none permits. The bit rate is not asked for."""
    macroblocks = math.ceil(parameters.width / 16) * math.ceil(parameters.height / 16)
    kept = max(parameters.references, parameters.buffered or 0)
    # Some rates are a thousandth over.
    return _least_level(macroblocks, rate / 1.002, kept)


def _least_level(macroblocks: int, rate: float | Fraction, kept: int, kbps: float = 0.0) -> int:
    """Lowest level that permits frames of so many macroblocks, so many a second and kept, and a bit rate in Main; the
    highest known for what none permits."""
    for level, (per_second, per_frame, most_kept, most_kbps) in H264_LEVELS.items():
        fits = macroblocks <= per_frame and macroblocks * rate <= per_second
        fits = fits and macroblocks * min(kept, MOST_KEPT_PICTURES) <= most_kept
        if fits and kbps <= most_kbps:
            return level
    return max(H264_LEVELS)


def _kept_pictures(segment: SegmentSeen) -> int:
    """How many decoded pictures its parameters have a decoder keep (H.264 A.3.1, E.2.1)."""
    picture = segment.stream.picture if segment.stream is not None else None
    said = picture.parameters if picture is not None else None
    return max(said.references, said.buffered or 0) if said is not None else 0
