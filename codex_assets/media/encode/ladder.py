"""The arguments that make all variants that are asked for of the mezzanine, chunk by chunk.

One process decodes the pictures of a chunk, scales them once per variant and encodes all variants: in a single thread,
because x264 with a VBV gives the same bytes twice only then. One more pass per variant puts the chunks and the sound
together and cuts the segments. Boundaries are the same in every variant and in every rebuild, whichever encoder made
it: a constant frame rate, IDR frames forced by number, no scene-cut key frames, closed GOPs, timestamps from one fixed
origin. So a rebuild in place is safe for a viewer in mid-stream. The sound is encoded once per rate, as its own file,
and copied into the variants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import PurePath

from codex_assets.media import profile
from codex_assets.media.encode import loudness
from codex_assets.media.encode.chunks import FilmChunk
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED, TAGGED
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.target_format import Rung

TIMESTAMP_ORIGIN = 1
"""Seconds. Without a fixed origin a muxer shifts by each encoder's reorder delay, and variants disagree."""
_ONE_THREAD = ("-threads", "1")


def audio_arguments(mezzanine: str, kbps: int, path: str, gain: loudness.Gain, duration: float) -> list[str]:
    """The mezzanine's sound as an AAC file of `kbps` at `path`, exactly `duration` seconds long."""
    return [
        *(*input_arguments(mezzanine, trusted=True), "-vn", "-map", "0:a:0"),
        *("-af", ",".join(sound_filters(gain, duration))),
        *(*sound_coding(kbps), "-f", "mp4", path),
    ]


def sound_coding(kbps: int) -> list[str]:
    """How the delivered sound is encoded, all of it or a part."""
    coding = ["-c:a", "aac", "-b:a", f"{kbps}k", "-ar", str(profile.SAMPLE_RATE), "-ac", str(profile.CHANNELS)]
    return [*coding, *STRIPPED, *BITEXACT]


def sound_filters(gain: loudness.Gain, duration: float) -> list[str]:
    """What the mezzanine's sound passes before it is encoded, so that it lasts `duration` seconds."""
    chain = [loudness.delivered_form(), gain.filter, loudness.length_filters(duration)]
    return [part for part in chain if part is not None]


def predicting_arguments(mezzanine: str, gain: loudness.Gain, duration: float) -> list[str]:
    """Measure the mezzanine's sound as it is with this gain, before it is encoded."""
    filters = [*sound_filters(gain, duration), loudness.meter()]
    return loudness.metered(input_arguments(mezzanine, trusted=True), ",".join(filters))


def delivered_input(sound: str) -> list[str]:
    """A finished sound as an input that is heard as it will be in a transport stream, which has no edit list: with the
    encoder's delay in front. Of a programme of one short sound the meter's blocks see that (0.8 LU measured)."""
    return ["-ignore_editlist", "1", *input_arguments(sound, trusted=True)]


def chunk_arguments(
    mezzanine: str,
    outputs: Sequence[tuple[Rung, str]],
    chunk: FilmChunk,
    rate: Fraction,
    encoder: profile.EncoderRow,
    *,
    before: str = "null",
) -> list[str]:
    """One decode of a chunk of the mezzanine into the pictures of each rung, as the transport stream at its path.

    Every rung is scaled from the mezzanine, never from its bigger neighbour: a rung built alone has the same bytes.
    `before`: filters that the pictures pass before anything else.
    """
    single = _ONE_THREAD if encoder.chunk_segments is not None else ()
    # From the middle between two pictures: no rounding of its time decides which is the first.
    seek = ["-ss", f"{float((chunk.first - Fraction(1, 2)) / rate):.6f}"] if chunk.first else []
    names = [f"out{number}" for number in range(len(outputs))]
    graph = [f"[0:v:0]{before},settb={1 / rate},setpts=N+{chunk.first},split={len(names)}" + _pads("in", len(names))]
    for number, (rung, _) in enumerate(outputs):
        graph.append(f"[in{number}]{scaled(rung)}[out{number}]")
    arguments = [*seek, *single, *input_arguments(mezzanine, trusted=True)]
    if single:
        arguments += ["-filter_complex_threads", "1"]
    arguments += ["-filter_complex", ";".join(graph)]
    for name, (rung, path) in zip(names, outputs, strict=True):
        arguments += [
            "-map",
            f"[{name}]",
            "-frames:v",
            str(chunk.pictures),
            *picture_arguments(rung, chunk, rate, encoder),
        ]
        arguments += ["-mpegts_flags", "+initial_discontinuity", "-f", "mpegts", path]
    return arguments


def scaled(rung: Rung) -> str:
    """The filters that make a rung's pictures of the mezzanine's."""
    return f"scale={rung.width}:{rung.height}:{SCALER},setsar=1,format=yuv420p,{TAGGED}"


def picture_arguments(rung: Rung, chunk: FilmChunk, rate: Fraction, encoder: profile.EncoderRow) -> list[str]:
    """How the pictures of a chunk are encoded, numbered as in the film."""
    # What the encoder says of itself in its first picture is said once in a film. Captions are put in afterwards.
    silent = ("-bsf:v", "filter_units=remove_types=6") if chunk.first else ()
    return [
        *("-fps_mode", "passthrough", "-enc_time_base", str(1 / rate)),
        *_video_codec(rung, rate, encoder, chunk.key_frames(rate)),
        *("-a53cc", "0", *silent, *STRIPPED, *BITEXACT, "-output_ts_offset", str(TIMESTAMP_ORIGIN)),
        *("-mpegts_flags", "+initial_discontinuity"),
    ]


def segment_arguments(pictures: str, sound: str | None, folder: str, *, limit: float | None = None) -> list[str]:
    """The encoded pictures of a variant, its chunks one after the other, and the finished `sound` (None: no sound),
    into an HLS playlist in `folder`. `limit`: seconds of the sound."""
    arguments = ["-f", "mpegts", *input_arguments(pictures, trusted=True)]
    if sound is not None:
        bounded = [] if limit is None else ["-t", f"{limit:.6f}"]
        arguments += [*bounded, *input_arguments(sound, trusted=True)]
    arguments += ["-map", "0:v:0"]
    if sound is not None:
        arguments += ["-map", "1:a:0"]
    return [*arguments, "-c", "copy", *STRIPPED, *BITEXACT, *hls_arguments(folder)]


def _pads(name: str, count: int) -> str:
    return "".join(f"[{name}{number}]" for number in range(count))


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


def trial_arguments(encoder: profile.EncoderRow) -> list[str]:
    """A trial encode with the options of both real uses, on a generated picture large enough for NVENC."""
    side = profile.PROBE_SIDE
    picture = f"testsrc2=size={side}x{side}:rate=30:duration=1,format=yuv420p,{TAGGED},split=2[a][b]"
    rung = Rung(profile.LADDER[0], side, side)
    return [
        *("-filter_complex", picture),
        *("-map", "[a]", *_video_codec(rung, Fraction(30), encoder, FilmChunk(0, 0, 0, 30).key_frames(Fraction(30)))),
        *("-f", "null", "-"),
        *("-map", "[b]", "-c:v", encoder.codec, *encoder.mezzanine, "-profile:v", "high", "-g", "60"),
        *("-f", "null", "-"),
    ]


def _video_codec(rung: Rung, rate: Fraction, encoder: profile.EncoderRow, key_frames: str) -> list[str]:
    kbps = rung.variant.video_kbps
    single = _ONE_THREAD if encoder.chunk_segments is not None else ()
    return [
        *(
            "-c:v",
            encoder.codec,
            *encoder.variant,
            *single,
            "-profile:v",
            rung.variant.h264_profile,
            "-pix_fmt",
            "yuv420p",
        ),
        *("-b:v", f"{kbps}k", "-maxrate", f"{round(kbps * profile.RATE_HEADROOM)}k"),
        *("-bufsize", f"{round(kbps * profile.BUFFER_RATIO)}k"),
        # Key frames come from the film's clock alone; -g is only the longest that a GOP could be without it.
        *("-force_key_frames", key_frames, "-forced-idr", "1"),
        *("-g", str(math.ceil(rate * profile.KEYFRAME_SECONDS) * 2), "-flags", "+cgop"),
        *(("-sc_threshold", "0") if encoder.codec == "libx264" else ()),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
    ]
