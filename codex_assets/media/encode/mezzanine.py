"""Normalises once: filters and arguments of the archival encode.

In: how every odd upload (turned, interlaced, HDR, with an alpha channel, with a late track) becomes upright, square,
progressive H.264 and one stereo track. Out: the size and rate that it gets (`media/target_format.py`), and what is
tried otherwise when a decoder fails (`build/mezzanine_encode.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from codex_assets.media import profile
from codex_assets.media.encode import float_sound, loudness
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED, TAGGED
from codex_assets.media.encode.picture_times import at_constant_rate, clock_shift
from codex_assets.media.facts import AudioStream, Counted, MediaInfo, VideoStream
from codex_assets.media.input_flags import as_coded, input_arguments
from codex_assets.media.target_format import frame_rate, size

AudioTreatment = Literal["copied", "lossless", "encoded"]
MATRICES = ("bt709", "smpte170m", "bt470bg", "fcc", "smpte240m", "bt2020nc", "bt2020c")
"""Those that the scaler converts from."""
OTHER_MATRICES = ("ycgco", "ictcp")
SCALED_MATRICES = tuple(matrix for matrix in MATRICES if matrix != "bt2020c")
"""Those that the scaler takes in every release; BT.2020's with constant luminance has the same coefficients there."""
WIDE_PRIMARIES = ("bt2020", "smpte431", "smpte432")
"""Those whose colours look pale when they are taken for BT.709's. The others differ too little to be seen."""
TURNS = {90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}
FIELD_CODECS = ("h264", "mpeg2video", "mpeg4", "vc1", "wmv3", "dvvideo", "prores", "dnxhd")
"""Any frame of these may say that it is interlaced, whatever the first ones said."""
SAME_SHAPE = 0.01
"""Relative difference of two shapes that nobody sees: no bars are worth it."""
SMALLEST_FIELDS = 16
"""Pixels. Smaller pictures are not deinterlaced: the filter refuses them."""
COLOURLESS_CODECS = ("vp8",)
"""Codecs whose stream does not say how its colours are coded: their decoders say the usual, whatever the container
states (browsers record a canvas in full range)."""
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""ffmpeg's own decoders of these leave out what is coded beside the picture."""
RGB_FORMATS = ("rgb", "bgr", "gbr", "0rgb", "0bgr", "argb", "abgr", "x2rgb", "x2bgr", "xyz", "pal8", "mono")
UNTRUE_OF_THE_MEZZANINE = (
    "DISPLAYMATRIX",
    *("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS"),
    "ICC_PROFILE",
)
"""What frames may say of the upload's picture that the finished one is not any more. From ffmpeg 7 on the encoder and
the container are given it: a player would turn the picture once more, or take it for HDR."""
CAPTIONS = "A53_CC"
"""What filters do with captions depends on the release: frames that are repeated have them twice, and from ffmpeg 7 on
deinterlacing loses half of them. So they go past the filters."""
CARRIER_SIDE = 64
"""Pixels of the pictures beside the mezzanine that carry the captions out of the decoder."""


def picture_filters(info: MediaInfo, *, missing: float = 0.0) -> str:
    """The chain that normalises the picture, in the one order that works (see the comments).

    `missing`: seconds at the end that could not be decoded, for which the last picture stands too.
    """
    video = info.video
    assert video is not None
    width, height = size(video)
    chain = [f"sidedata=mode=delete:type={CAPTIONS}", *relabelled(video), *_redated(video), *_in_one_size(video)]
    deinterlacing = _deinterlacing(video)
    if deinterlacing:
        # First: every later filter would mix the two fields of a frame. It takes no other size than that of the first
        # frame, and of colours no packed ones.
        chain.append(f"scale={video.coded_width}:{video.coded_height}:{SCALER}")
        if _is_rgb(video):
            chain.append("format=gbrp")
        chain.append(deinterlacing)
    chain += at_constant_rate(info, missing=missing)
    if video.has_alpha:
        # Straight alpha over black.
        chain.append(f"scale={SCALER}{_input_matrix(video)},format=gbrap,premultiply=inplace=1,format=gbrp")
    if video.rotation in (90, 270):
        width, height = height, width
    scaled = f"scale={width}:{height}:{SCALER}"
    if video.hdr or video.primaries in WIDE_PRIMARIES or video.matrix in OTHER_MATRICES:
        # Even sizes before: the converter takes no others with half-size chroma.
        chain += [scaled, _converted(video)]
    else:
        matrix = "" if video.has_alpha else _input_matrix(video)
        chain.append(f"{scaled}{matrix}:out_color_matrix=bt709:out_range=tv")
    chain.append("format=yuv420p")
    if video.mirrored:
        chain.append("hflip")
    if video.rotation:
        chain.append(TURNS[video.rotation])
    chain += [f"sidedata=mode=delete:type={kind}" for kind in UNTRUE_OF_THE_MEZZANINE]
    chain.append(f"setsar=1,{TAGGED}")
    return ",".join(chain)


def _in_one_size(video: VideoStream) -> list[str]:
    """The filters that fit pictures of several sizes into the one that is delivered, each in its own shape, before
    anything else: filters that are set up for one size would distort all others."""
    if not video.sizes:
        return []
    width, height = video.coded_width, video.coded_height
    fits = f"lt(abs(dar*{height}/{width}-1)\\,{SAME_SHAPE})"
    scaled = (
        f"w=if({fits}\\,{width}\\,max(2\\,2*trunc(min({width}\\,{height}*dar)/2)))",
        f"h=if({fits}\\,{height}\\,max(2\\,2*trunc(min({height}\\,{width}/dar)/2)))",
    )
    bars = f"pad={width}:{height}:2*trunc((ow-iw)/4):2*trunc((oh-ih)/4):eval=frame"
    # The lines of two moments must not be mixed.
    fields = "interl=-1:" if _deinterlacing(video) else ""
    return [f"scale={':'.join(scaled)}:eval=frame:{fields}{SCALER}", bars, "setsar=1"]


def _redated(video: VideoStream) -> list[str]:
    return [f"setpts=PTS-{video.dated_late:.6f}/TB"] if video.dated_late else []


def _carrier_filters(video: VideoStream) -> str:
    """The chain that leaves little but captions and times of the pictures."""
    side = CARRIER_SIDE
    # Where pictures differ in size, the place of what is cut out would be that of the first.
    even = [f"scale={video.coded_width}:{video.coded_height}"] if video.sizes else []
    small = [*even, f"crop=min(iw\\,{side}):min(ih\\,{side})", f"scale={side}:{side}", "format=yuv420p"]
    return ",".join([*relabelled(video), *_redated(video), *small])


def _carrier_arguments(path: str) -> list[str]:
    """Tiny pictures, one for each that was decoded, at its own time: only encoders write captions."""
    return [
        *("-map", "[carrier]", "-fps_mode", "passthrough"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-qp", "51", "-bf", "0", "-threads", "1", "-a53cc", "1"),
        *("-muxdelay", "0", "-muxpreload", "0", "-avoid_negative_ts", "disabled", "-f", "mpegts", path),
    ]


def relabelled(video: VideoStream) -> list[str]:
    """The filter that calls a picture's colours what the scaler takes: from ffmpeg 7 on it takes none that it does not
    know, not even to leave them as they are. Who converts them says again what they are."""
    if video.codec in COLOURLESS_CODECS:
        matrix = video.matrix if video.matrix in SCALED_MATRICES else _guessed_matrix(video)
        stated = [
            *([f"range={video.color_range}"] if video.color_range in ("pc", "tv") else []),
            f"colorspace={matrix}",
        ]
        return [f"setparams={':'.join(stated)}"]
    if _is_rgb(video) or video.matrix is None or video.matrix in SCALED_MATRICES:
        return []
    if video.matrix in OTHER_MATRICES:
        return ["setparams=colorspace=bt709"]
    return [f"setparams=colorspace={'bt2020nc' if video.matrix == 'bt2020c' else _guessed_matrix(video)}"]


def _deinterlacing(video: VideoStream) -> str | None:
    """Each field becomes a picture; frames that hold one moment pass as they are."""
    if video.deinterlaced == "never" or min(video.coded_width, video.coded_height) < SMALLEST_FIELDS:
        return None
    if video.interlaced and video.deinterlaced != "flagged":
        return f"bwdif=mode=send_field:parity={video.deinterlaced}:deint=all"
    if video.interlaced or (video.codec in FIELD_CODECS and not _is_rgb(video)):
        return "bwdif=mode=send_field:deint=interlaced"
    return None


def audio_treatment(info: MediaInfo, *, with_picture: bool) -> AudioTreatment | None:
    """What happens to the sound on its way into the mezzanine; None without one.

    A copy cannot be made to start with the picture: a sound that starts later, or at a time that is not known, is
    decoded, and silence put before it.
    """
    audio = info.audio
    if audio is None:
        return None
    # What an edit list hides would be copied along, and between two parts be heard.
    counted = info.counted.get(audio.index, Counted())
    # A last packet that lasts for nothing would be left out of a copy.
    whole = counted.hidden <= profile.TRACKS_APART_SECONDS and not counted.open_end
    placed = not (with_picture and (_starts_late(info) or not info.orderly))
    mixable = not loudness.channel_filters(audio.channels, audio.layout)
    whole = whole and not audio.channel_tracks
    if audio.codec in profile.COPIED_AUDIO and whole and placed and mixable:
        return "copied"
    return "lossless" if audio.lossless else "encoded"


def _starts_late(info: MediaInfo) -> bool:
    return _after_picture(info, with_picture=True) > profile.TRACKS_APART_SECONDS


def arguments(
    info: MediaInfo,
    source: str,
    output: str,
    encoder: profile.EncoderRow,
    *,
    treatment: AudioTreatment | None,
    with_picture: bool,
    sound: str | None = None,
    missing: float = 0.0,
    gain: float = 0.0,
    cleaning: Sequence[str] = (),
    carrier: str | None = None,
) -> list[str]:
    """Arguments for ffmpeg that decode `source` once, into the mezzanine at `output`.

    The loudness of the upload is measured too, and its summary is in the log. `treatment`: of the sound; None when
    there is none. `sound`: a file that holds it in one form (`steady_arguments`), where the source's changes
    midway. `missing`: as in `picture_filters`. `gain`: decibels that the sound is changed by, before it is measured.
    `cleaning`: filters that take out what integers do not hold, or damage makes. `carrier`: where a stream of tiny
    pictures is written that carry the upload's captions; None: nowhere.
    """
    # Each graph by itself: a change of the sound's form starts its own anew, and not the picture's.
    graphs: list[str] = []
    maps: list[str] = []
    codecs: list[str] = []
    if with_picture:
        assert info.video is not None
        track = f"[0:{info.video.index}]"
        # Of a graph with one input ffmpeg gives the output that input's display matrix, to be turned once more: so two.
        second = f"{_carrier_filters(info.video)}[carrier]" if carrier is not None else "nullsink"
        graphs.append(f"{track}{picture_filters(info, missing=missing)}[picture];{track}{second}")
        maps += ["-map", "[picture]"]
        codecs += _picture_codec(info.video, encoder)
    meter: list[str] = []
    if info.audio is not None and treatment is not None:
        track = f"0:{info.audio.index}" if sound is None else "1:a:0"
        placing = [] if sound is not None else _placed(info, with_picture=with_picture)
        before = [*cleaning] if treatment != "copied" else []
        if gain:
            before = ["aformat=sample_fmts=fltp", f"volume={gain:.2f}dB", *before]
        filters = [*before, *placing]
        # A copy is decoded as well, to find out whether it can be.
        counted = [float_sound.COUNTED] if treatment == "lossless" and info.audio.codec in profile.FLOAT_AUDIO else []
        chain = loudness.metering(info.audio, [*counted, *before], placing)
        meter = ["-map", "[metered]", "-f", "null", "-"]
        codec = _audio_codec(info.audio, treatment, filters)
        if info.audio.channel_tracks and sound is None:
            _, kept, *codec = codec
            graphs.append(f"{_joined(info.audio)},asplit[kept][heard];[kept]{kept}[sound];[heard]{chain}[metered]")
            maps += ["-map", "[sound]"]
        else:
            graphs.append(f"[{track}]{chain}[metered]")
            maps += ["-map", track]
        codecs += codec
    return [
        # ffmpeg gives up what is mostly broken; what is lost is counted afterwards, and judged.
        *("-max_error_rate", "1"),
        *_source_options(info, with_picture=with_picture),
        *_opened(info, source),
        *([*_sound_offset(info, with_picture), *input_arguments(sound, trusted=True)] if sound is not None else []),
        *(part for graph in graphs for part in ("-filter_complex", graph)),
        *maps,
        *codecs,
        *STRIPPED,
        *BITEXACT,
        *("-movflags", "+faststart", "-f", "mp4", output),
        *meter,
        *(_carrier_arguments(carrier) if with_picture and carrier is not None else []),
    ]


def _source_options(info: MediaInfo, *, with_picture: bool) -> list[str]:
    """Options in front of the upload as an input: how its tracks are decoded, and where its clock starts."""
    options: list[str] = []
    if with_picture and info.video is not None:
        options += as_coded(info.video)
        # A size that changes is the scaler's business: a graph that is built anew loses the frames that it holds.
        options += [f"-reinit_filter:{info.video.index}", "0"]
        if info.video.alpha_track:
            options += [f"-c:{info.video.index}", ALPHA_DECODERS[info.video.codec]]
    shift = clock_shift(info, with_picture=with_picture)
    # A microsecond, where nothing is moved: at 0 ffmpeg moves the start of a transport stream to the tracks that are
    # read from it, by itself and without a word.
    return [*_kept_gaps(info), *options, *_sound_decoder(info), "-itsoffset", f"{shift or 1e-6:.6f}"]


def _opened(info: MediaInfo, source: str) -> list[str]:
    return input_arguments(source, container=info.container, codecs=info.codecs, look=info.look)


def _kept_gaps(info: MediaInfo) -> list[str]:
    """The option by which a gap of one track is not taken for a jump of the clock."""
    return ["-dts_delta_threshold", f"{info.longest_step:.0f}"] if info.longest_step is not None else []


def steady_arguments(info: MediaInfo, source: str, output: str) -> list[str]:
    """The sound of `source` in one form throughout, with its own times: one whose rate or channels change midway."""
    assert info.audio is not None
    form = ["-c:a", "pcm_f32le", "-ac", str(profile.CHANNELS), "-ar", str(profile.SAMPLE_RATE)]
    placed = _placed(info, with_picture=False)
    if placed:
        form += ["-af", ",".join(placed)]
    track = ("-map", f"0:{info.audio.index}")
    opened = [*_kept_gaps(info), *_sound_decoder(info), *_opened(info, source)]
    return [*opened, *track, *form, "-f", "matroska", output]


def samples_arguments(info: MediaInfo, source: str, *, silenced: bool) -> list[str]:
    """The samples of the sound of `source` as floats, its own channels side by side, into standard output."""
    audio = info.audio
    assert audio is not None
    chain = ",".join([*([float_sound.SILENCED] if silenced else []), "aformat=sample_fmts=flt"])
    if audio.channel_tracks:
        track = ["-filter_complex", f"{_joined(audio)},{chain}[all]", "-map", "[all]"]
    else:
        track = ["-map", f"0:{audio.index}", "-af", chain]
    form = ["-ac", str(audio.channels), "-ar", str(audio.sample_rate), "-c:a", "pcm_f32le", "-f", "f32le", "-"]
    return [*_kept_gaps(info), *_sound_decoder(info), *_opened(info, source), *track, *form]


def _joined(audio: AudioStream) -> str:
    """The graph that makes one sound of mono tracks, each at its own times and as long as the longest."""
    padded = f"apad=whole_dur={audio.duration:.6f}" if audio.duration else "anull"
    sides = [
        f"[0:{index}]aresample={loudness.FOLLOWING_CLOCK},{padded}[side{number}]"
        for number, (index, _) in enumerate(audio.channel_tracks)
    ]
    pads = "".join(f"[side{number}]" for number in range(len(sides)))
    places = "|".join(f"{number}.0-{channel}" for number, (_, channel) in enumerate(audio.channel_tracks))
    joined = f"{pads}join=inputs={len(sides)}:channel_layout={audio.layout}:map={places}"
    return ";".join([*sides, joined])


def _placed(info: MediaInfo, *, with_picture: bool) -> list[str]:
    """Filters that put samples to their times and channels to their places, where the decoder leaves that out."""
    audio = info.audio
    assert audio is not None
    times = []
    if audio.codec in profile.UNTIMED_AUDIO or audio.is_untimed:
        times = [f"asetpts=N/SR/TB+{_after_picture(info, with_picture=with_picture):.6f}/TB"]
    return [*times, *loudness.channel_filters(audio.channels, audio.layout)]


def _sound_decoder(info: MediaInfo) -> list[str]:
    audio = info.audio
    return [f"-c:{audio.index}", audio.decoder] if audio is not None and audio.decoder is not None else []


def _sound_offset(info: MediaInfo, with_picture: bool) -> list[str]:
    """Where a sound that lies in a file of its own, and starts at 0 there, starts beside the picture."""
    after = _after_picture(info, with_picture=with_picture)
    return ["-itsoffset", f"{after:.6f}"] if after > 0 else []


def _after_picture(info: MediaInfo, *, with_picture: bool) -> float:
    """Seconds by which the sound starts after the picture; 0 where it does not."""
    if not with_picture or info.video is None or info.audio is None:
        return 0.0
    return max(0.0, (info.audio.start or 0.0) - (info.video.start or 0.0))


def _picture_codec(video: VideoStream, encoder: profile.EncoderRow) -> list[str]:
    keyframes = round(frame_rate(video) * profile.MEZZANINE_KEYFRAME_SECONDS)
    return [
        *("-c:v", encoder.codec, *encoder.mezzanine),
        *("-profile:v", "high", "-pix_fmt", "yuv420p", "-g", str(keyframes)),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
    ]


def _audio_codec(audio: AudioStream, treatment: AudioTreatment, joined: list[str]) -> list[str]:
    if treatment == "copied":
        return ["-c:a", "copy"]
    # Holes become silence, also one before the first sample: nothing after them may move.
    whole = ["-filter:a", ",".join([*joined, f"aresample={loudness.FOLLOWING_CLOCK}"])]
    if treatment == "lossless":
        return _lossless_codec(audio, whole[1])
    channels = 1 if loudness.mixable_layout(audio.channels, audio.layout) == "mono" else min(max(audio.channels, 1), 8)
    rate = min(audio.sample_rate or profile.SAMPLE_RATE, profile.SAMPLE_RATE)
    kbps = profile.MEZZANINE_AAC_KBPS_PER_CHANNEL * channels
    return [*whole, "-c:a", "aac", "-b:a", f"{kbps}k", "-ac", str(channels), "-ar", str(rate)]


def _lossless_codec(audio: AudioStream, filters: str) -> list[str]:
    """Each codec holds some layouts only; given another, ffmpeg would mix the channels into one of them, at other
    levels. What neither holds is mixed down here, as it is going to be heard. Over 16 bits becomes 24."""
    wide = (audio.bits or 32) > 16
    layout = loudness.mixable_layout(audio.channels, audio.layout)
    if layout in profile.FLAC_LAYOUTS:
        # ffmpeg 5 calls FLAC in mp4 experimental; the mapping has been fixed since 2018.
        return ["-filter:a", filters, "-c:a", "flac", "-sample_fmt", "s32" if wide else "s16", "-strict", "-2"]
    if layout not in profile.ALAC_LAYOUTS:
        filters = f"{filters},aformat=sample_fmts=fltp:channel_layouts=stereo"
    return ["-filter:a", filters, "-c:a", "alac", "-sample_fmt", "s32p" if wide else "s16p"]


def _input_matrix(video: VideoStream) -> str:
    """The matrix that the source was coded with: as tagged, else by size. RGB has none."""
    return "" if _is_rgb(video) or video.matrix in MATRICES else f":in_color_matrix={_guessed_matrix(video)}"


def _guessed_matrix(video: VideoStream) -> str:
    high = video.coded_width >= profile.HD_WIDTH or video.coded_height > profile.SD_LINES
    return "bt709" if high else "smpte170m"


def _converted(video: VideoStream) -> str:
    """HDR (PQ or HLG), wide gamuts and rare matrices to BT.709. HDR and gamuts: in linear light, in floats.

    Tagged on the frames, not only passed to the converter: every later step asks the frames. Where HDR is not tagged in
    full, the rest is BT.2020's.
    """
    rgb = _is_rgb(video) or video.has_alpha
    full = rgb or video.color_range == "pc" or (video.pixel_format or "").startswith("yuvj")
    primaries, transfer, matrix = video.primaries, video.transfer, video.matrix
    wide = primaries in WIDE_PRIMARIES
    if video.hdr:
        primaries = primaries if wide or primaries == "bt709" else "bt2020"
    else:
        # Every SDR transfer is shown as BT.709's: nobody else converts between them either.
        primaries, transfer = primaries if wide else "bt709", "bt709"
    if rgb:
        matrix = "gbr"
    elif matrix not in (*MATRICES, *OTHER_MATRICES):
        matrix = "bt2020nc" if primaries == "bt2020" else "bt709"
    tagged = (
        f"setparams=color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}:range={'pc' if full else 'tv'}"
    )
    if video.hdr:
        # Not the approximate gamma, which is the default: HLG's is one of luminance, and per channel it over-saturates.
        return (
            f"{tagged},zscale=t=linear:npl={profile.HDR_PEAK_NITS}:agamma=0,format=gbrpf32le,"
            "zscale=p=bt709,tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv"
        )
    if wide:
        return f"{tagged},zscale=t=linear,format=gbrpf32le,zscale=p=bt709,zscale=t=bt709:m=bt709:r=tv"
    return f"{tagged},zscale=m=bt709:r=tv"


def _is_rgb(video: VideoStream) -> bool:
    return (video.pixel_format or "").startswith(RGB_FORMATS)
