"""Every number: what is built, at which size, rate and quality. Nothing is decided here and nothing is computed.

A new rung is one line in `LADDER`. A number that shapes an output's bytes is part of its recipe (`media/recipe.py`), so
changing one here makes exactly the outputs stale that it shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

# --- HLS --------------------------------------------------------------------------------------------------------------

SEGMENT_SECONDS = 6
"""Target segment length, video and audio (Apple HLS authoring spec 7.5: six seconds)."""
KEYFRAME_SECONDS = 2
"""An IDR frame at least this often (Apple HLS authoring spec 1.13); divides `SEGMENT_SECONDS`."""
SEGMENT_PATTERN = "segment_%05d.ts"
PREVIEW_SECONDS = 30
"""A whole number of segments, so that a preview is the first segments of its variant."""
RATE_HEADROOM = 1.1
"""Peak rate over target rate. Apple's limit for VOD is 2.0 (1.30); close to 1 keeps BANDWIDTH honest."""
PEAK_SEGMENT_SECONDS = 1.0
"""A segment of at least this counts towards the peak rate by itself. RFC 8216 4.1 leaves out runs under half a target
duration, which a last segment of 2.5 s is; players and checkers that look at single segments do not."""
BUFFER_RATIO = 2.0
"""Decoder buffer in seconds of the target rate."""


@dataclass(frozen=True)
class VideoVariant:
    """One rung: `short` and `long` sides of its box in pixels, rates in kbit/s."""

    name: str
    short: int
    long: int
    video_kbps: int
    audio_kbps: int
    h264_profile: str


@dataclass(frozen=True)
class AudioVariant:
    """One rung of an audio media: its rate in kbit/s."""

    name: str
    audio_kbps: int


LADDER = (
    VideoVariant("1080p", 1080, 1920, 5000, 128, "high"),
    VideoVariant("720p", 720, 1280, 2500, 128, "high"),
    VideoVariant("480p", 480, 854, 1000, 128, "main"),
    VideoVariant("360p", 360, 640, 500, 64, "main"),
)
AUDIO_LADDER = (AudioVariant("128k", 128), AudioVariant("64k", 64))
PREVIEW_BEST = "720p"
"""The best variant that a preview is cut from."""

# --- Audio ------------------------------------------------------------------------------------------------------------

SAMPLE_RATE = 48_000
CHANNELS = 2
AAC_FRAME_SAMPLES = 1024
SOUND_GAP_SECONDS = 0.025
"""A sound that is off its timestamps by more than this gets silence, or loses as much. Containers round times to a
millisecond, codecs to a frame's part; lip sync is off from 40 ms on (ITU-R BT.1359: 45 ms early, 125 ms late)."""
MAX_PLACED_CHANNELS = 8
"""More channels than this without a layout have no places, and ffmpeg cannot mix them down."""
SHORTEST_SOUND_FRAMES = 3
"""A shorter sound is padded: the waveform's picture needs two samples for each of its columns."""
LOUDNESS_TARGET = -16.0
"""LUFS, integrated."""
TRUE_PEAK_CEILING = -1.5
"""dBTP, before the lossy encode."""
DELIVERED_PEAK_LIMIT = -1.0
"""dBTP after it (EBU R 128 s1: lossy coders overshoot); what passes it is encoded again, softer."""
LOUDEST_MEASURED = -1.0
"""LUFS; a louder programme is turned down before it is normalised."""
LOUDNESS_RANGE = 11.0
"""LU."""
LOUDNESS_TOLERANCE = 0.5
"""LU between the target and what was delivered."""
SOUND_CORRECTIONS = 5
"""Times that a sound is encoded again when its level or peak came out beside what was asked."""
SOUND_SOFTENINGS = 8
"""Times that the moments at which an encoded sound passes the peak limit are encoded again, softer."""
SOFTENED_SHARE = 0.1
"""Of a sound, at most: where more of it passes the limit, all of it is encoded again with a lower ceiling."""
SOFTENED_DECIBELS = 2.0
"""By which a moment may be made softer: more would be heard."""
SHORT_PROGRAMME_SECONDS = 3.0
"""Under one short-term window loudnorm has nothing to steer by: a plain gain is used."""
RANGED_SECONDS = 3.6
"""Sound of less than this, six short-term windows, has no loudness range."""
SILENCE_LUFS = -70.0
"""The absolute gate of ITU-R BS.1770: at or under it nothing was measured."""
MEZZANINE_AAC_KBPS_PER_CHANNEL = 160
"""For a lossy source that mp4 cannot hold as it is: far above transparency, once."""
FLOAT_AUDIO = ("pcm_f16le", "pcm_f24le", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "wavpack")
"""Codecs whose samples may pass full scale, which ALAC's cannot: a sound that does is turned down before."""
FULL_SCALE_ROOM = 1.0
"""dB under full scale that it is turned down to."""
ALAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.0(side)", "5.1", "5.1(side)", "6.1(back)", "7.1(wide)")
FLAC_LAYOUTS = ("quad", "6.1", "7.1")
"""Layouts that a lossless sound keeps in the mezzanine, by the codec that holds them."""
USUAL_LAYOUTS = MappingProxyType(
    {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"},
)
"""What channels without a layout are taken for, by ffmpeg too."""
PAIRED_CHANNELS = (("FL", "FR"), ("SL", "SR"), ("BL", "BR"), ("FLC", "FRC"))
"""Places of which ffmpeg mixes both or none."""
COPIED_AUDIO = ("aac", "mp3", "ac3", "eac3", "opus", "alac")
"""Codecs that mp4 holds as they are, so that the mezzanine adds no second lossy generation."""
FLAC_BITS = 24
"""The most that ffmpeg 5 decodes."""
UNTIMED_AUDIO = ("wmalossless",)
"""Codecs whose decoder gives samples without their times."""
SKIPPING_AUDIO = ("opus",)
"""Codecs whose own header says how much of the first packets is not heard (RFC 7845 4.2: up to 1.4 s)."""

# --- Video encoders ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncoderRow:
    """One H.264 encoder: its codec name and the options of its two uses. Rates, sizes and key frames are added."""

    name: str
    codec: str
    mezzanine: tuple[str, ...]
    variant: tuple[str, ...]
    minimum_side: int
    """Smallest width or height that it encodes."""
    chunk_segments: int | None
    """Segments of a variant that are encoded by themselves, in one thread, as many such chunks at once as there are
    cores; None: the whole film in one go."""


# x264: `faster` is the knee of speed against quality (docs/decisions/x264-preset.md). With a VBV only one thread gives
# the same bytes twice, and chunks of the film run beside each other instead (docs/decisions/chunks.md).
X264 = EncoderRow(
    name="x264",
    codec="libx264",
    mezzanine=("-preset", "faster", "-crf", "18", "-threads", "8"),
    variant=("-preset", "faster", "-x264-params", "rc-lookahead=40"),
    minimum_side=2,
    chunk_segments=1,
)
# NVENC: `-b:v 0` makes `-cq` the only rate control of the mezzanine; strict_gop closes the GOPs.
NVENC = EncoderRow(
    name="nvenc",
    codec="h264_nvenc",
    mezzanine=(
        *("-preset", "p4", "-tune", "hq", "-rc", "vbr", "-cq", "18", "-b:v", "0"),
        *("-spatial-aq", "1", "-rc-lookahead", "20", "-bf", "2"),
    ),
    variant=(
        *("-preset", "p4", "-tune", "hq", "-rc", "vbr", "-spatial-aq", "1", "-rc-lookahead", "20", "-bf", "2"),
        *("-no-scenecut", "1", "-strict_gop", "1"),
    ),
    minimum_side=160,
    chunk_segments=None,
)
CHUNK_BYTES = 128 << 20
CHUNK_BYTES_PER_PIXEL = 256
"""Memory that the encode of a chunk takes: that, and so much for each pixel of a picture of each variant in it."""
BESIDE_CHUNKS_BYTES = 512 << 20
"""Memory that is left to what runs beside them: the mezzanine is looked at meanwhile."""
PROBE_SIDE = 256
"""Side of the trial encode: NVENC refuses frames under about 145 pixels wide."""

# --- Mezzanine --------------------------------------------------------------------------------------------------------

MAX_FRAME_RATE = 60
MIN_FRAME_RATE = 5
STANDARD_RATES = (
    (24000, 1001),
    (24, 1),
    (25, 1),
    (30000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60000, 1001),
    (60, 1),
)
RATE_SNAP = 0.002
"""Relative distance within which a measured rate is its standard one (29.97 and 30 are 0.001 apart)."""
MEZZANINE_KEYFRAME_SECONDS = 2
SD_LINES, HD_WIDTH = 576, 1280
"""Untagged pictures with more lines, or at least as wide, are coded with BT.709's matrix, others with BT.601's."""
HDR_PEAK_NITS = 203
"""Reference white of HDR (ITU-R BT.2408), mapped to SDR's 100 %."""

# --- Pictures ---------------------------------------------------------------------------------------------------------

PICTURE_WIDTH = 1280
PICTURE_HEIGHT = 720
THUMBNAIL_AT = 0.10
"""Part of the duration."""
THUMBNAIL_QUALITY = 3
"""mjpeg's q: 2 is best, 31 worst."""
THUMBNAIL_SIZES = ((200, 112), (400, 225), (800, 450))
"""Pixels of the small thumbnails: the thumbnail's shape, at the widths of cards on screens of one, two and four times
their pixels."""
WEBP_QUALITY = 80
"""libwebp's: 100 is best, 0 worst."""
BLURHASH_PIXELS = (32, 18)
"""What a BlurHash is computed from."""
BLURHASH_COMPONENTS = (4, 3)
"""Across and down, of 1 to 9: what its authors advise for such a shape."""
STORYBOARD_TILES = 100
"""At most: one sheet has them all."""
STORYBOARD_TILE_SECONDS = 1.0
"""A picture stands for as many seconds or more."""
STORYBOARD_COLUMNS = 10
STORYBOARD_TILE_SIDE = 160
"""Pixels of a tile's longer side."""
STORYBOARD_QUALITY = 4
"""mjpeg's q, as of the thumbnail."""
WAVEFORM_POINTS_PER_SECOND = 10
WAVEFORM_BITS = 8
WAVEFORM_FLOOR = -42.0
"""dBFS under which a point of 8 bits is zero."""
WAVEFORM_BACKGROUND = "0f172aff"
WAVEFORM_COLOUR = "38bdf8ff"

# --- Untrusted input --------------------------------------------------------------------------------------------------

UNTRUSTED_PROTOCOLS = "file"
UNTRUSTED_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,w64,aiff,flac,aac,ac3,eac3,caf,amr,dv,mxf,gxf,"
    "ivf,h264,hevc,vvc,m4v,mpegvideo,obu,av1,au,voc,wv,tta,ape,mpc,mpc8,tak,dts,dtshd,truehd,loas,dsf,iff,shn,"
    "rm,nistsphere,wtv,nut,yuv4mpegpipe"
)
"""No playlist formats: an .mp4 that is really a manifest would make ffmpeg read local files and open connections. The
second line: raw streams of cameras and encoders, and what recorders and archives of sound use; the third: what was
recorded from television and the web of other days, and what tools pass on to each other. Each reads the one file."""
UNTRUSTED_DECODERS = MappingProxyType(
    {
        # Pictures: what cameras, phones, screens and browsers record, what editors export, and what archives hold.
        **{
            codec: (codec,)
            for codec in (
                *("h264", "hevc", "mpeg4", "h263", "theora", "vc1", "wmv1", "wmv2", "wmv3"),
                *("msmpeg4v2", "mjpeg", "jpeg2000", "prores", "dnxhd", "cfhd", "dvvideo", "v210", "r210", "rawvideo"),
                *("ffv1", "huffyuv", "ffvhuff", "utvideo", "png", "qtrle", "cinepak", "svq1", "zmbv"),
                *("vvc", "rv10", "rv20", "rv30", "rv40"),
            )
        },
        "av1": ("libdav1d", "libaom-av1"),
        "vp8": ("vp8", "libvpx"),
        "vp9": ("vp9", "libvpx-vp9"),
        "msmpeg4v3": ("msmpeg4",),
        "flv1": ("flv",),
        # Sounds.
        **{
            codec: (codec,)
            for codec in (
                *("aac", "aac_latm", "flac", "alac", "vorbis", "wavpack", "tta", "ape", "tak", "shorten"),
                *("wmav1", "wmav2", "wmapro", "wmavoice", "wmalossless", "cook", "sipr"),
                *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
                *("pcm_f16le", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw"),
                *("pcm_dvd", "pcm_bluray", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_yamaha"),
                *("dsd_lsbf", "dsd_msbf", "dsd_lsbf_planar", "dsd_msbf_planar"),
            )
        },
        # A parser finds out which of a family a track is, after a decoder was opened.
        "mpeg1video": ("mpeg1video", "mpeg2video"),
        "mpeg2video": ("mpeg2video", "mpeg1video"),
        "mp1": ("mp1", "mp2", "mp3float"),
        "mp2": ("mp2", "mp1", "mp3float"),
        "mp3": ("mp3float", "mp2", "mp1"),
        "ac3": ("ac3", "eac3"),
        "eac3": ("eac3", "ac3"),
        "truehd": ("truehd", "mlp"),
        "mlp": ("mlp", "truehd"),
        "opus": ("opus", "libopus"),
        "dts": ("dca",),
        "amr_nb": ("amrnb", "libopencore_amrnb"),
        "amr_wb": ("amrwb", "libopencore_amrwb"),
        "gsm": ("gsm", "libgsm"),
        "gsm_ms": ("gsm_ms", "libgsm_ms"),
        "speex": ("speex", "libspeex"),
        "ra_144": ("real_144",),
        "ra_288": ("real_288",),
        "musepack7": ("mpc7",),
        "musepack8": ("mpc8",),
        "mp4als": ("als",),
        # Whole numbers that are taken for floats (`headers.replacement_decoder`).
        "pcm_f24le": ("pcm_f24le", "pcm_s32le"),
        # Subtitles: left out, but ffprobe lists no file of which it cannot open every track.
        **{codec: (codec,) for codec in ("webvtt", "mov_text", "text")},
        "ass": ("ssa", "ass"),
        "subrip": ("srt", "subrip"),
        "dvb_subtitle": ("dvbsub",),
        "dvb_teletext": ("libzvbi_teletextdec",),
        "dvd_subtitle": ("dvdsub",),
        "hdmv_pgs_subtitle": ("pgssub",),
        "eia_608": ("cc_dec",),
    }
)
"""Codecs of an upload that are decoded, each with the decoders that ffmpeg may open for it, its own first: what
docs/inputs.md names, and nothing else of some five hundred. A release of ffmpeg need not have all of them."""
MAX_PIXELS = 8192 * 4320
"""Of one picture, coded and as displayed: 8K, in its wider form too."""
MAX_SIDE = 16_384
"""Pixels: the most that H.264's encoder takes."""
MAX_ASPECT = 64
"""Long side over short side. LED walls stay under 40."""
MAX_ASPECT_FROM = 16
"""Pixels of the short side that count at least: of the tiniest pictures no shape is absurd."""
MAX_SECONDS = 86_400
"""A day: the longest that the webhook can announce."""
MAX_WORK_PIXELS = 3840 * 2160 * 60 * 12 * 3600
"""Of all pictures together: twelve hours of 4K at 60 frames a second."""
MAX_WORK_UNPROVEN = 10**12
MAX_WORK_PER_BYTE = 200_000
"""...of an upload that is small for it: a still picture shown for hours comes to half of that a byte."""
LOOK_BYTES = 1 << 30
"""Of the beginning of an upload, in which its tracks are looked for: whoever decodes it keeps that much in memory."""
LOOK_BEYOND_BYTES = 4 << 20
"""Behind the first packet of a track, to learn what it is."""
MAX_TRACKS = 128
MAX_STREAMS = 1000
"""Attachments (a film's fonts) and covers too; ffmpeg's own limit."""
MAX_AUDIO_CHANNELS = 64
SAMPLE_RATES = (1000, 768_000)
IDLE_STEP_SECONDS = 600.0
"""A picture that stands still for longer counts as nothing happening."""
MAX_IDLE_SECONDS = 3600.0
"""Nothing in either track for longer than this, all in all: there are no such recordings, only broken clocks."""
REPORTED_IDLE_SECONDS = 1800.0
"""A film in which nothing happens for longer, all pauses together, is delivered with a warning: each second costs as
much as any other."""
MAX_INFLATION = 8
INFLATION_BYTES = 64 << 20
"""Packets that together are larger than the file by more than both are the same bytes over and over."""
RESYNC_BYTES = 1 << 26
"""A hole of up to this is skipped in a transport stream; at ffmpeg's own limit, 64 kB, what follows would be lost."""
LOSS_LIMIT = 0.5
"""More than this part of what the upload is about (a video's picture, an audio's sound) lost: it fails. Reasons in
docs/decisions/damaged-uploads.md."""
REPORTED_LOSS_SHARE = 0.01
"""The creator is warned when at least this part of a track is lost, or `REPORTED_LOSS_SECONDS` of it."""
GAP_SECONDS = 0.5
GAP_STEPS = 5.0
"""In a file that is known to be damaged, packets further apart than this many seconds and this many usual steps have
lost others between them."""
LOST_SECONDS = 0.1
"""Decoded less than the packets say by more than this: how long the whole should last is then not known. Encoders pad
the last frame by up to this."""
REPORTED_LOSS_SECONDS = 0.5
CLOCK_SHIFT_SECONDS = 0.06
"""A file's clock that starts this far from its picture and sound (another track is earlier) is moved to them. An
encoder's delay is less."""
TRACKS_APART_SECONDS = 0.1
"""The picture is held to the end of the sound when it ends earlier by more than this; a sound that starts later by more
than this gets silence in front."""

# --- Interlacing ------------------------------------------------------------------------------------------------------

INTERLACE_PLACES = (0.0, 0.4, 0.8)
"""Parts of the duration at which pictures are looked at."""
INTERLACE_PICTURES = 14
"""Pictures looked at in each place."""
INTERLACE_LONG_SECONDS = 3.0
"""A shorter film is looked at once, at its start, and three times as long."""
INTERLACE_COLUMNS = 96
INTERLACE_SAMPLES = 32_000
"""Samples looked at of each picture, as whole columns: at most this many columns, at least a third of them."""
INTERLACE_LINES = 1152
"""Nothing higher is interlaced."""
MOVING_FRACTION = 0.001
"""Part of the samples that has to move for a picture to be judged."""
MOVING_PICTURES = 8
"""Pictures in motion without a comb after which a flag is not believed."""
COMBED_PICTURES = 5
COMBED_FRACTION = 0.3
"""Combed pictures after which the lack of a flag is not believed."""
CLEARLY_COMBED = 0.7
"""Combed part of the motion that overrules even a flag of the other field order."""
TEETH_FRACTION = 0.03
"""Combed part of what moves that makes a picture a combed one."""
LEANING = 0.1
"""How much nearer one field has to be to the next picture than the other for the two to be of two moments: 0.15 and
more where something moves in interlaced pictures, under 0.02 mostly in others. Half of it where combs are seen too."""
