"""The one decode of the mezzanine that makes all variants that are asked for.

One process decodes and scales, and hands raw pictures through a pipe to one encoder per variant: the encoders run
beside each other, each in a single thread, because x264 with a VBV gives the same bytes twice only then.
Boundaries are the same in every variant and in every rebuild, whichever encoder made it: a constant frame rate, IDR
frames forced by time, no scene-cut key frames, closed GOPs, timestamps from one fixed origin. So a rebuild in place is
safe for a viewer in mid-stream. The sound is encoded once per rate, as its own file, and copied into the variants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import PurePath

from codex_assets.media import profile
from codex_assets.media.encode import loudness
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED, TAGGED
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.target_format import Rung

TIMESTAMP_ORIGIN = 1
"""Seconds. Without a fixed origin a muxer shifts by each encoder's reorder delay, and variants disagree."""
PREFIX_MARGIN_SEGMENTS = 1
"""A preview built alone encodes one segment more than it keeps: rate control looks ahead, so only then are the kept
segments the same bytes as the variant's own."""


def audio_arguments(mezzanine: str, outputs: Mapping[int, str], gain: loudness.Gain, duration: float) -> list[str]:
    """One decode of the mezzanine's sound into AAC files, by rate in kbit/s, exactly `duration` seconds long."""
    chain = ",".join(
        part for part in (loudness.delivered_form(), gain.filter, loudness.length_filters(duration)) if part is not None
    )
    names = [f"sound{kbps}" for kbps in outputs]
    split = f"asplit={len(names)}" + "".join(f"[{name}]" for name in names)
    arguments = [*input_arguments(mezzanine, trusted=True), "-vn", "-filter_complex", f"[0:a:0]{chain},{split}"]
    for name, (kbps, path) in zip(names, outputs.items(), strict=True):
        arguments += [
            *("-map", f"[{name}]", "-c:a", "aac", "-b:a", f"{kbps}k", "-ar", str(profile.SAMPLE_RATE)),
            *("-ac", str(profile.CHANNELS), *STRIPPED, *BITEXACT, "-f", "mp4", path),
        ]
    return arguments


def delivered_input(sound: str) -> list[str]:
    """A finished sound as an input that is heard as it will be in a transport stream, which has no edit list: with the
    encoder's delay in front. Of a programme of one short sound the meter's blocks see that (0.8 LU measured)."""
    return ["-ignore_editlist", "1", *input_arguments(sound, trusted=True)]


def decode_arguments(
    mezzanine: str, chosen: Sequence[Rung], pipes: Sequence[str], *, limit: float | None = None
) -> list[str]:
    """One decode of the mezzanine, scaled once per rung into its pipe; `limit` seconds from the start.

    Every rung is scaled from the mezzanine, never from its bigger neighbour: a rung built alone has the same bytes.
    """
    bounded = [] if limit is None else ["-t", f"{limit:.6f}"]
    pads = "".join(f"[in{number}]" for number in range(len(chosen)))
    graph = [f"[0:v:0]split={len(chosen)}{pads}"]
    for number, rung in enumerate(chosen):
        graph.append(f"[in{number}]scale={rung.width}:{rung.height}:{SCALER},setsar=1,format=yuv420p[out{number}]")
    arguments = [*bounded, *input_arguments(mezzanine, trusted=True), "-filter_complex", ";".join(graph)]
    for number, pipe in enumerate(pipes):
        arguments += ["-map", f"[out{number}]", "-f", "yuv4mpegpipe", pipe]
    return arguments


def encode_arguments(
    rung: Rung,
    folder: str,
    sound: str | None,
    rate: Fraction,
    encoder: profile.EncoderRow,
    *,
    limit: float | None = None,
) -> list[str]:
    """Raw pictures on standard input and the finished `sound` (None: no sound) into an HLS playlist in `folder`."""
    arguments = ["-f", "yuv4mpegpipe", "-i", "pipe:0"]
    if sound is not None:
        bounded = [] if limit is None else ["-t", f"{limit:.6f}"]
        arguments += [*bounded, *input_arguments(sound, trusted=True)]
    arguments += ["-map", "0:v:0"]
    if sound is not None:
        arguments += ["-map", "1:a:0", "-c:a", "copy"]
    # The pipe carries no tags of colours.
    return [*arguments, "-vf", TAGGED, *_video_codec(rung, rate, encoder), *STRIPPED, *BITEXACT, *hls_arguments(folder)]


def audio_hls_arguments(sound: str, folder: str) -> list[str]:
    """An audio variant: the encoded sound, segmented as it is."""
    source = input_arguments(sound, trusted=True)
    return [*source, "-map", "0:a:0", "-c:a", "copy", *STRIPPED, *BITEXACT, *hls_arguments(folder)]


def hls_arguments(folder: str) -> list[str]:
    """Segments and playlist of one variant in `folder`."""
    return [
        # No -muxdelay 0: the muxer then packs every AAC frame by itself, which doubles the size of a 64 kbit/s variant.
        *("-output_ts_offset", str(TIMESTAMP_ORIGIN)),
        *("-f", "hls", "-hls_time", str(profile.SEGMENT_SECONDS), "-hls_playlist_type", "vod"),
        *("-hls_list_size", "0", "-hls_flags", "independent_segments"),
        *("-hls_segment_filename", str(PurePath(folder, profile.SEGMENT_PATTERN))),
        str(PurePath(folder, "playlist.m3u8")),
    ]


def preview_limit(duration: float) -> float | None:
    """Seconds of mezzanine that a preview needs when its variant is not built in the same run; None: all."""
    limit = profile.PREVIEW_SECONDS + PREFIX_MARGIN_SEGMENTS * profile.SEGMENT_SECONDS
    return float(limit) if duration > limit else None


def trial_arguments(encoder: profile.EncoderRow) -> list[str]:
    """A trial encode with the options of both real uses, on a generated picture large enough for NVENC."""
    side = profile.PROBE_SIDE
    picture = f"testsrc2=size={side}x{side}:rate=30:duration=1,format=yuv420p,{TAGGED},split=2[a][b]"
    rung = Rung(profile.LADDER[0], side, side)
    return [
        *("-filter_complex", picture),
        *("-map", "[a]", *_video_codec(rung, Fraction(30), encoder), "-f", "null", "-"),
        *("-map", "[b]", "-c:v", encoder.codec, *encoder.mezzanine, "-profile:v", "high", "-g", "60"),
        *("-f", "null", "-"),
    ]


def _video_codec(rung: Rung, rate: Fraction, encoder: profile.EncoderRow) -> list[str]:
    kbps = rung.variant.video_kbps
    return [
        *("-c:v", encoder.codec, *encoder.variant, "-profile:v", rung.variant.h264_profile, "-pix_fmt", "yuv420p"),
        *("-b:v", f"{kbps}k", "-maxrate", f"{round(kbps * profile.RATE_HEADROOM)}k"),
        *("-bufsize", f"{round(kbps * profile.BUFFER_RATIO)}k"),
        # Key frames come from the clock alone; -g is only the longest that a GOP could be without it.
        *("-force_key_frames", f"expr:gte(t,n_forced*{profile.KEYFRAME_SECONDS})", "-forced-idr", "1"),
        *("-g", str(math.ceil(rate * profile.KEYFRAME_SECONDS) * 2), "-flags", "+cgop"),
        *(("-sc_threshold", "0") if encoder.codec == "libx264" else ()),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
    ]
