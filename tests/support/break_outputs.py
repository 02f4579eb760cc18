"""Good outputs, made with plain ffmpeg commands, and every way in which a test breaks one of them.

Nothing here uses a builder of ours. `make_good` fills a folder once; a `Break` changes a copy of it in one way and says
which rules have to tell of it: usually one, more only where one fault cannot happen without the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import clips

from codex_assets.archive.records import StoredFile, ThumbnailRecord
from codex_assets.media import profile
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification import measures
from codex_assets.verification.observations import VariantObservation

SECONDS = 14
RATE = 25
SIZES = {"360p": (320, 180), "180p": (160, 96)}
KBPS = {"360p": 300, "180p": 100}
PICTURE = f"testsrc2=s=320x180:r={RATE}:d={SECONDS}"
SOUND = f"aevalsrc='0.32*sin(2*PI*440*t)*(0.3+0.7*abs(sin(2*PI*0.37*t*t/3)))':s=48000:c=mono:d={SECONDS}"
OTHER_SOUND = f"aevalsrc='0.32*sin(2*PI*600*t)*(0.1+0.9*abs(sin(2*PI*1.3*sqrt(t)*t)))':s=48000:c=mono:d={SECONDS}"
KEYS = "expr:gte(t,n_forced*2)"
TAGGED = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
TAGS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
"""The same of frames and of the stream: from ffmpeg 7 on, an encoder goes by its frames."""
HLS = (
    *("-f", "hls", "-hls_playlist_type", "vod", "-hls_list_size", "0", "-hls_flags", "independent_segments"),
    *("-hls_segment_type", "mpegts"),
)
STILL = (
    "scale=1280:720:flags=lanczos+accurate_rnd:in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,"
    "format=yuvj420p,setsar=1"
)
EXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
UPLOAD_LOUDNESS = "upload.json"
"""LUFS and dBTP that are recorded of the upload."""
VARIANT = "180p"
"""The variant that is broken."""

TOOLS = Tools(tool_environment(os.environ))


def ffmpeg(*arguments: str) -> None:
    TOOLS.ffmpeg(arguments, label="making a test file")


@dataclass(frozen=True)
class Break:
    """`apply` changes a copy of the good folder; `looks` is what to observe in it afterwards."""

    name: str
    looks: str
    apply: Callable[[Path], None]
    rules: frozenset[str]


BREAKS: list[Break] = []
LAID_OUT = "laid-out"
"""A folder with the playlists alone, as they are published."""


def breaks(looks: str, *rules: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(apply: Callable[[Path], None]) -> Callable[[Path], None]:
        BREAKS.append(Break(apply.__name__, looks, apply, frozenset(rules)))
        return apply

    return register


# --- Making -----------------------------------------------------------------------------------------------------------


def make_good(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    mezzanine(root)
    for name in SIZES:
        variant(root, name)
    (root / "preview").mkdir()
    for path in (root / VARIANT).iterdir():
        (root / "preview" / path.name.replace("playlist", "preview")).write_bytes(path.read_bytes())
    ffmpeg(
        *("-i", str(root / "mezzanine.mp4")),
        *(part for name, kbps in (("128k", 128), ("64k", 64)) for part in audio_variant(root, name, kbps)),
    )
    for name in ("128k", "64k"):
        say_independent(root / "audio" / name / "playlist.m3u8")
    at = f"{SECONDS * 0.1}"
    still = ("-frames:v", "1", "-vf", STILL, "-c:v", "mjpeg", "-q:v", "3", *EXACT)
    ffmpeg("-ss", at, "-i", str(root / "mezzanine.mp4"), *still, "-f", "image2", str(root / "thumbnail.jpg"))
    write_record(root)
    wav = root / "sound.wav"
    ffmpeg("-i", str(root / "mezzanine.mp4"), "-map", "0:a", "-c:a", "pcm_s16le", str(wav))
    points = ("--pixels-per-second", "10", "-b", "8")
    TOOLS.audiowaveform(["-q", "-i", str(wav), *points, "-o", str(root / "waveform.json")], label="waveform")
    draw = ("-z", str(SECONDS * 48000 // 1280 + 1), "-w", "1280", "-h", "720", "--no-axis-labels")
    colours = ("--background-color", profile.WAVEFORM_BACKGROUND, "--waveform-color", profile.WAVEFORM_COLOUR)
    fine = str(root / "fine.dat")
    TOOLS.audiowaveform(["-q", "-i", str(wav), "-z", "256", "-b", "8", "-o", fine], label="waveform data")
    TOOLS.audiowaveform(["-q", "-i", fine, *draw, *colours, "-o", str(root / "waveform.png")], label="waveform picture")


def mezzanine(
    root: Path, *out: str, picture: str = PICTURE, sound: str = SOUND, codec: str = "libx264", faststart: bool = True
) -> None:
    """A mezzanine; `out` is added to its output options."""
    path = root / "mezzanine.mp4"
    x264 = ("-preset", "ultrafast", "-crf", "18") if codec == "libx264" else ("-q:v", "4")
    # From ffmpeg 7 on, what the pictures say wins over the options.
    described = picture if "setparams" in picture else f"{picture},{TAGGED}"
    ffmpeg(
        *("-f", "lavfi", "-i", described, "-f", "lavfi", "-i", sound, "-map", "0:v", "-map", "1:a"),
        *("-c:v", codec, *x264, "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-ac", "2"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *(("-movflags", "+faststart") if faststart else ()),
        *(*out, str(path)),
    )


def variant(
    root: Path,
    name: str,
    *out: str,
    source: Sequence[str] = (),
    filters: str = "null",
    keys: str = KEYS,
    seconds: float = 6,
    playlist: str = "",
    flags: str = "independent_segments",
) -> None:
    """A video variant, cut from the mezzanine; `out` comes last, so that it wins over what is usual."""
    width, height = SIZES[name]
    kbps = KBPS[name]
    target = root / (playlist or f"{name}/playlist.m3u8")
    target.parent.mkdir(exist_ok=True)
    for old in target.parent.glob("*.ts"):
        old.unlink()
    ffmpeg(
        *(source or ("-i", str(root / "mezzanine.mp4"), "-map", "0:v", "-map", "0:a?")),
        *("-vf", f"scale={width}:{height},setsar=1,{TAGGED},{filters}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-profile:v", "main", "-pix_fmt", "yuv420p", *TAGS),
        *("-b:v", f"{kbps}k", "-maxrate", f"{kbps * 1.1:.0f}k", "-bufsize", f"{kbps * 2}k", "-g", "1000"),
        *("-force_key_frames", keys, "-sc_threshold", "0"),
        *("-c:a", "aac", "-b:a", "64k", "-ar", "48000", "-ac", "2"),
        *(*out, *HLS, "-hls_flags", flags, "-hls_time", str(seconds)),
        *("-hls_segment_filename", str(target.parent / "segment_%05d.ts"), str(target)),
    )


def repacked(root: Path, *out: str) -> None:
    """The broken variant again, without encoding, through `out` (bitstream filters)."""
    segments = sorted((root / VARIANT).glob("*.ts"))
    whole = root / "whole.ts"
    whole.write_bytes(b"".join(path.read_bytes() for path in segments))
    for path in segments:
        path.unlink()
    folder = root / VARIANT
    ffmpeg(
        *("-copyts", "-i", str(whole), "-map", "0", "-c", "copy", *out, "-muxdelay", "0", "-muxpreload", "0", *HLS),
        *("-hls_time", "6", "-hls_segment_filename", str(folder / "segment_%05d.ts"), str(folder / "playlist.m3u8")),
    )


def audio_variant(root: Path, name: str, kbps: int) -> list[str]:
    folder = root / "audio" / name
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *("-map", "0:a", "-c:a", "aac", "-b:a", f"{kbps}k", "-ar", "48000", "-ac", "2", *HLS, "-hls_time", "6"),
        *("-hls_segment_filename", str(folder / "segment_%05d.ts"), str(folder / "playlist.m3u8")),
    ]


def write_master(path: Path, variants: Sequence[tuple[str, VariantObservation]]) -> None:
    """A true master for what was observed."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for name, seen in variants:
        rates = f"BANDWIDTH={measures.peak_rate(seen) + 1:.0f},AVERAGE-BANDWIDTH={measures.average_rate(seen):.0f}"
        lines.append(f'#EXT-X-STREAM-INF:{rates},CODECS="{measures.codecs(seen)}"')
        if seen.video is not None and seen.video.frame_rate is not None:
            size = f"{seen.video.coded_width}x{seen.video.coded_height}"
            lines[-1] += f",RESOLUTION={size},FRAME-RATE={float(seen.video.frame_rate):.3f}"
        lines[-1] += ",CLOSED-CAPTIONS=NONE"
        lines.append(f"{name}/playlist.m3u8")
    path.write_text("\n".join(lines) + "\n")


def edit(path: Path, pattern: str, replacement: str, count: int = 0) -> None:
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=count, flags=re.MULTILINE)
    assert changed != text, f"{pattern} changes nothing in {path.name}"
    path.write_text(changed)


def say_independent(playlist: Path) -> None:
    """Write EXT-X-INDEPENDENT-SEGMENTS, which ffmpeg leaves out of playlists of sound alone."""
    edit(playlist, "^(#EXT-X-PLAYLIST-TYPE.*)$", r"\1\n#EXT-X-INDEPENDENT-SEGMENTS")


def media_list(root: Path) -> Path:
    return root / VARIANT / "playlist.m3u8"


def segment(root: Path, index: int) -> Path:
    return root / VARIANT / f"segment_{index:05d}.ts"


# --- A playlist's text ------------------------------------------------------------------------------------------------


@breaks("listing", "playlist_readable")
def playlist_missing(root: Path) -> None:
    media_list(root).unlink()


@breaks("listing", "playlist_readable")
def playlist_is_an_error_page(root: Path) -> None:
    media_list(root).write_text("<html>404</html>\n")


@breaks("renamed", "playlist_name")
def playlist_renamed(root: Path) -> None:
    media_list(root).rename(root / VARIANT / "index.m3u8")


@breaks("listing", "playlist_is_vod")
def playlist_is_an_event(root: Path) -> None:
    edit(media_list(root), "TYPE:VOD", "TYPE:EVENT")


@breaks("listing", "playlist_ended")
def end_list_missing(root: Path) -> None:
    edit(media_list(root), "#EXT-X-ENDLIST\n", "")


@breaks("listing", "target_duration")
def target_too_short(root: Path) -> None:
    edit(media_list(root), "TARGETDURATION:6", "TARGETDURATION:5")


@breaks("listing", "target_duration_not_zero", "duration_of_source")
def target_of_zero(root: Path) -> None:
    variant(root, VARIANT, "-t", "0.4")


@breaks("listing", "no_uri_in_tags")
def map_in_playlist(root: Path) -> None:
    edit(media_list(root), "^#EXTINF", '#EXT-X-MAP:URI="init.mp4"\n#EXTINF', count=1)


@breaks("listing", "no_discontinuity")
def discontinuity_tag(root: Path) -> None:
    edit(media_list(root), "^segment_00000.ts", "segment_00000.ts\n#EXT-X-DISCONTINUITY")


@breaks("listing", "plain_segment_names")
def names_with_a_folder(root: Path) -> None:
    edit(media_list(root), "^segment_", "./segment_")


@breaks("listing", "segments_numbered")
def gap_in_numbers(root: Path) -> None:
    segment(root, 2).rename(segment(root, 3))
    edit(media_list(root), "segment_00002", "segment_00003")


@breaks("listing", "extinf_true")
def extinf_lies(root: Path) -> None:
    edit(media_list(root), "EXTINF:2.0", "EXTINF:2.07")


# --- A playlist's segments --------------------------------------------------------------------------------------------


@breaks("listing", "segments_present")
def segment_missing(root: Path) -> None:
    segment(root, 1).unlink()


@breaks("listing", "segments_not_empty")
def segment_empty(root: Path) -> None:
    segment(root, 1).write_bytes(b"")


@breaks("listing", "no_stray_segments")
def segment_left_over(root: Path) -> None:
    segment(root, 9).write_bytes(segment(root, 1).read_bytes())


@breaks("variant", "segments_have_tables")
def segment_without_tables(root: Path) -> None:
    data = segment(root, 1).read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    kept = [packet for packet in packets if (packet[1] & 0x1F) << 8 | packet[2] not in (0, 0x1000)]
    assert len(kept) < len(packets)
    segment(root, 1).write_bytes(b"".join(kept))


@breaks("variant", "segments_start_with_idr")
def cut_between_key_frames(root: Path) -> None:
    variant(root, VARIANT, keys="0,2,4,6.04,8,10,12.04", flags="independent_segments+split_by_time")
    say_independent(media_list(root))


@breaks("variant", "segments_start_with_idr", "segments_self_contained", "extinf_true")
def open_gop(root: Path) -> None:
    options = ("-preset", "veryfast", "-bf", "2", "-g", "50", "-x264-params", "open-gop=1:b-adapt=0")
    variant(root, VARIANT, *options, keys="expr:eq(n,0)")


@breaks("variant", "segment_length")
def four_second_segments(root: Path) -> None:
    variant(root, VARIANT, seconds=4)


@breaks("variant", "cuts_like_siblings")
def key_frame_shifted(root: Path) -> None:
    variant(root, VARIANT, keys="0,2,4,5.96,8,10,11.96", seconds=5.9)


@breaks("variant", "key_frames_often")
def key_frames_rare(root: Path) -> None:
    variant(root, VARIANT, keys="expr:gte(t,n_forced*6)")


@breaks("variant", "picture_continuous", "sound_continuous")
def clock_jumps(root: Path) -> None:
    """The last segment comes a second late, as after an encoder's restart."""
    last, moved = segment(root, 2), root / "moved.ts"
    shift = ("-output_ts_offset", "1", "-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts")
    ffmpeg("-copyts", "-i", str(last), "-map", "0", "-c", "copy", *shift, str(moved))
    last.write_bytes(moved.read_bytes())


@breaks("variant", "picture_continuous")
def frames_dropped(root: Path) -> None:
    variant(root, VARIANT, "-fps_mode", "vfr", filters="select='not(between(n,110,120))'")


@breaks("variant", "sound_continuous")
def sound_dropped(root: Path) -> None:
    repacked(root, "-bsf:a", "noise=drop='between(n,100,115)'")


@breaks("variant", "duration_of_source")
def cut_off(root: Path) -> None:
    variant(root, VARIANT, "-t", "13.6")


@breaks("variant", "one_picture_format")
def segment_of_another_variant(root: Path) -> None:
    segment(root, 1).write_bytes((root / "360p" / "segment_00001.ts").read_bytes())


@breaks("variant", "pictures_decode")
def key_frame_damaged(root: Path) -> None:
    data = bytearray(segment(root, 1).read_bytes())
    idr = data.index(b"\x00\x00\x01\x65")
    # In the packet after the slice's beginning: headers stay, pixels do not.
    at = (idr // 188 + 2) * 188
    data[at + 20 : at + 150] = bytes(range(130))
    segment(root, 1).write_bytes(bytes(data))


# --- A playlist's tracks ----------------------------------------------------------------------------------------------


@breaks("variant", "tracks_as_source")
def sound_missing(root: Path) -> None:
    variant(root, VARIANT, "-an")


@breaks(
    "variant",
    *("tracks_start_together", "tracks_end_together", "sound_in_sync"),
)
def sound_half_a_second_late(root: Path) -> None:
    mezzanine_file = str(root / "mezzanine.mp4")
    late = ("-i", mezzanine_file, "-itsoffset", "0.5", "-i", mezzanine_file, "-map", "0:v", "-map", "1:a")
    variant(root, VARIANT, source=late)


@breaks("variant", "tracks_start_together")
def sound_starts_late(root: Path) -> None:
    repacked(root, "-bsf:a", "noise=drop='lt(n,14)'")


@breaks("variant", "tracks_end_together")
def sound_ends_early(root: Path) -> None:
    variant(root, VARIANT, "-af", "atrim=end=13.5")


@breaks("variant", "sound_in_sync")
def sound_shifted(root: Path) -> None:
    variant(root, VARIANT, "-af", "adelay=300:all=1,atrim=end=14")


@breaks("variant", "sound_in_sync")
def sound_drifts_off(root: Path) -> None:
    parts = "asplit=3[a][b][c];[a]atrim=0:7[x];[b]atrim=0:0.3,volume=0[y];[c]atrim=7:13.7,asetpts=PTS-STARTPTS[z]"
    resounded(root, f"{parts};[x][y][z]concat=n=3:v=0:a=1")


@breaks("variant", "sound_in_sync")
def sound_catches_up(root: Path) -> None:
    parts = "asplit=3[a][b][c];[a]atrim=0:0.3,volume=0[x];[b]atrim=0:6.7[y];[c]atrim=7:14,asetpts=PTS-STARTPTS[z]"
    resounded(root, f"{parts};[x][y][z]concat=n=3:v=0:a=1")


def resounded(root: Path, graph: str) -> None:
    """The variant with its sound sent through `graph`."""
    source = ("-i", str(root / "mezzanine.mp4"), "-filter_complex", f"[0:a]{graph}[s]", "-map", "0:v", "-map", "[s]")
    variant(root, VARIANT, source=source)


@breaks("variant", "sound_true")
def sound_of_another_media(root: Path) -> None:
    other = ("-i", str(root / "mezzanine.mp4"), "-f", "lavfi", "-i", OTHER_SOUND, "-map", "0:v", "-map", "1:a")
    variant(root, VARIANT, source=other)


@breaks("variant", "sound_gain_true")
def sound_softer_than_recorded(root: Path) -> None:
    resounded(root, "volume=-9dB")


@breaks("variant", "pictures_true")
def picture_of_another_media(root: Path) -> None:
    variant(root, VARIANT, filters="negate")


@breaks("variant", "picture_is_h264")
def another_codec(root: Path) -> None:
    variant(root, VARIANT, "-c:v", "mpeg2video", "-bf", "0", "-profile:v", "4")


@breaks("variant", "picture_is_h264", "picture_profile")
def chroma_4_2_2(root: Path) -> None:
    variant(root, VARIANT, "-profile:v", "high422", "-pix_fmt", "yuv422p")


@breaks("variant", "picture_profile")
def profile_too_high(root: Path) -> None:
    variant(root, VARIANT, "-preset", "veryfast", "-bf", "0", "-profile:v", "high")


@breaks("variant", "level_sufficient")
def level_too_low(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=level=1")


@breaks("variant", "level_not_excessive")
def level_too_high(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=level=5")


@breaks("variant", "picture_progressive")
def interlaced(root: Path) -> None:
    variant(root, VARIANT, "-flags", "+ildct+ilme", "-x264-params", "tff=1")


@breaks("variant", "picture_square_pixels")
def pixels_not_square(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=sample_aspect_ratio=4/3")


@breaks("variant", "picture_size")
def size_off(root: Path) -> None:
    variant(root, VARIANT, filters="scale=158:96,setsar=1")


@breaks("variant", "picture_rate")
def rate_off(root: Path) -> None:
    variant(root, VARIANT, filters="fps=24")


@breaks("variant", "sound_is_aac")
def another_sound_codec(root: Path) -> None:
    variant(root, VARIANT, "-c:a", "mp2", "-b:a", "128k")


@breaks("variant", "sound_48_khz")
def another_sample_rate(root: Path) -> None:
    variant(root, VARIANT, "-ar", "44100")


@breaks("variant", "sound_stereo")
def mono(root: Path) -> None:
    variant(root, VARIANT, "-ac", "1")


@breaks("preview", "preview_duration")
def preview_too_short(root: Path) -> None:
    variant(root, VARIANT, "-t", "10", playlist="preview/preview.m3u8")


@breaks("preview", "preview_at_most_720p")
def preview_too_large(root: Path) -> None:
    variant(root, VARIANT, filters="scale=1300:16,setsar=1", playlist="preview/preview.m3u8")


@breaks("audio", "segment_length")
def audio_in_other_segments(root: Path) -> None:
    arguments = audio_variant(root, "64k", 64)
    arguments[arguments.index("-hls_time") + 1] = "4"
    ffmpeg("-i", str(root / "mezzanine.mp4"), *arguments)
    say_independent(root / "audio/64k/playlist.m3u8")


@breaks("audio", "tracks_as_source")
def audio_with_a_picture(root: Path) -> None:
    variant(root, VARIANT, playlist="audio/64k/playlist.m3u8")


# --- Master -----------------------------------------------------------------------------------------------------------


@breaks("master", "master_readable")
def master_missing(root: Path) -> None:
    (root / "master.m3u8").unlink()


@breaks("master", "master_readable")
def master_is_a_media_playlist(root: Path) -> None:
    (root / "master.m3u8").write_bytes(media_list(root).read_bytes())


@breaks("master", "no_uri_in_tags")
def rendition_in_master(root: Path) -> None:
    media = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a.m3u8"\n#EXT-X-STREAM'
    edit(root / "master.m3u8", "^#EXT-X-STREAM", media, count=1)


@breaks("master", "master_names_plain")
def name_with_dots(root: Path) -> None:
    edit(root / "master.m3u8", "^180p/", "./180p/")


@breaks("master", "master_lists_what_exists")
def variant_not_listed(root: Path) -> None:
    edit(root / "master.m3u8", "^#EXT-X-STREAM-INF.*\n180p/playlist.m3u8\n", "")


@breaks("hls", "master_playlists_exist")
def variant_elsewhere(root: Path) -> None:
    edit(root / "master.m3u8", "^180p/", "../180p/")


@breaks("master", "master_lists_what_exists")
def variant_never_made(root: Path) -> None:
    edit(root / "master.m3u8", "^180p/", "240p/")


@breaks("hls", "playlist_readable")
def listed_playlist_missing(root: Path) -> None:
    media_list(root).unlink()


@breaks("master", "master_best_first")
def worst_first(root: Path) -> None:
    edit(root / "master.m3u8", "(^#EXT-X-STREAM-INF.*\n360p.*\n)(^#EXT-X-STREAM-INF.*\n180p.*\n)", r"\2\1")


@breaks("master", "variants_at_their_addresses")
def addresses_exchanged(root: Path) -> None:
    edit(root / "master.m3u8", r"(^360p)(/(?:.|\n)*)^180p(?=/)", r"180p\g<2>360p")


VERSIONED = "versioned"
"""A variant whose segments lie in the folder of their version, as they are published."""


def in_its_version(root: Path) -> Path:
    """The broken variant's playlist in a folder of its own, with its segments in the folder that they name."""
    playlist = root / VERSIONED / VARIANT / "playlist.m3u8"
    if playlist.exists():
        return playlist
    paths = sorted((root / VARIANT).glob("*.ts"))
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
    folder = playlist.parent / hashlib.sha256(b"".join(digests)).hexdigest()[:12]
    folder.mkdir(parents=True)
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    text = (root / VARIANT / "playlist.m3u8").read_text()
    playlist.write_text(re.sub("^segment_", f"{folder.name}/segment_", text, flags=re.MULTILINE))
    return playlist


@breaks("versioned", "segments_in_their_version")
def segments_in_another_folder(root: Path) -> None:
    playlist = in_its_version(root)
    (folder,) = (path for path in playlist.parent.iterdir() if path.is_dir())
    folder.rename(folder.with_name("0123456789ab"))
    playlist.write_text(playlist.read_text().replace(folder.name, "0123456789ab"))


@breaks("versioned", "segments_in_their_version")
def a_segment_with_other_bytes(root: Path) -> None:
    """One more null packet: nothing that plays it notices."""
    first = sorted(in_its_version(root).parent.glob("*/*.ts"))[0]
    first.write_bytes(first.read_bytes() + bytes.fromhex("471fff10") + b"\xff" * 184)


@breaks("versioned", "no_stray_segments")
def another_version_left_over(root: Path) -> None:
    (in_its_version(root).parent / "0123456789ab").mkdir()


@breaks("versioned", "no_stray_segments")
def a_segment_left_over_in_its_version(root: Path) -> None:
    first = sorted(in_its_version(root).parent.glob("*/*.ts"))[0]
    first.with_name("segment_00009.ts").write_bytes(first.read_bytes())


@breaks("layout", "no_strays_beside_master")
def stray_beside_the_master(root: Path) -> None:
    (root / LAID_OUT / "1440p").mkdir(parents=True)
    (root / LAID_OUT / "1440p" / "segment_00000.ts").write_bytes(segment(root, 0).read_bytes())


@breaks("master", "master_independent_segments")
def independent_segments_missing(root: Path) -> None:
    edit(root / "master.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS\n", "")


@breaks("master", "bandwidth_covers_peak")
def bandwidth_too_low(root: Path) -> None:
    edit(root / "master.m3u8", r":BANDWIDTH=\d+(.*\n180p)", r":BANDWIDTH=1000\1")


@breaks("master", "bandwidth_close_to_peak")
def bandwidth_too_high(root: Path) -> None:
    edit(root / "master.m3u8", r":BANDWIDTH=\d+(.*\n360p)", r":BANDWIDTH=9000000\1")


@breaks("master", "average_bandwidth_true")
def average_too_low(root: Path) -> None:
    edit(root / "master.m3u8", r"AVERAGE-BANDWIDTH=\d+(.*\n180p)", r"AVERAGE-BANDWIDTH=1000\1")


@breaks("master", "codecs_true")
def codecs_lie(root: Path) -> None:
    edit(root / "master.m3u8", r'"avc1\.......(.*\n180p)', r'"avc1.4d0033\1')


@breaks("master", "resolution_true")
def resolution_lies(root: Path) -> None:
    edit(root / "master.m3u8", "RESOLUTION=160x96", "RESOLUTION=160x90")


@breaks("master", "frame_rate_true")
def frame_rate_lies(root: Path) -> None:
    edit(root / "master.m3u8", r"FRAME-RATE=25.000(.*\n)(180p)", r"FRAME-RATE=24.975\1\2")


@breaks("hls", "variants_cut_alike")
def variants_cut_differently(root: Path) -> None:
    key_frame_shifted(root)


# --- Mezzanine --------------------------------------------------------------------------------------------------------


@breaks("mezzanine", "mezzanine_readable")
def mezzanine_missing(root: Path) -> None:
    (root / "mezzanine.mp4").unlink()


@breaks("mezzanine", "mezzanine_readable")
def mezzanine_is_text(root: Path) -> None:
    (root / "mezzanine.mp4").write_text("not found")


@breaks("mezzanine", "mezzanine_decodes")
def mezzanine_damaged(root: Path) -> None:
    path = root / "mezzanine.mp4"
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(bytes(data))


@breaks("mezzanine", "mezzanine_decodes", "mezzanine_frames", "mezzanine_duration")
def mezzanine_truncated(root: Path) -> None:
    path = root / "mezzanine.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])


@breaks("mezzanine", "mezzanine_duration")
def mezzanine_too_short(root: Path) -> None:
    mezzanine(root, "-t", "13")


@breaks("mezzanine", "mezzanine_tracks")
def mezzanine_without_sound(root: Path) -> None:
    mezzanine(root, "-an")


@breaks("mezzanine", "mezzanine_is_h264")
def mezzanine_in_another_codec(root: Path) -> None:
    mezzanine(root, codec="mpeg4")


@breaks("mezzanine", "mezzanine_upright")
def mezzanine_rotated(root: Path) -> None:
    path = root / "mezzanine.mp4"
    path.write_bytes(clips.TURNS[90](path.read_bytes()))


@breaks("mezzanine", "mezzanine_square_pixels")
def mezzanine_pixels_not_square(root: Path) -> None:
    mezzanine(root, "-vf", "setsar=4/3")


@breaks("mezzanine", "mezzanine_progressive")
def mezzanine_interlaced(root: Path) -> None:
    mezzanine(root, "-flags", "+ildct+ilme", "-x264-params", "tff=1")


@breaks("mezzanine", "mezzanine_size")
def mezzanine_size_off(root: Path) -> None:
    mezzanine(root, "-vf", "scale=318:180,setsar=1")


@breaks("mezzanine", "mezzanine_rate")
def mezzanine_rate_off(root: Path) -> None:
    mezzanine(root, "-vf", "fps=24")


@breaks("mezzanine", "mezzanine_constant_rate")
def mezzanine_frames_dropped(root: Path) -> None:
    mezzanine(root, "-fps_mode", "vfr", "-vf", "select='not(between(n,100,106))'")


@breaks("mezzanine", "mezzanine_tracks_start_together")
def mezzanine_sound_starts_late(root: Path) -> None:
    mezzanine(root, "-af", "atrim=start=0.3")


@breaks("mezzanine", "mezzanine_picture_lasts")
def mezzanine_picture_ends_early(root: Path) -> None:
    mezzanine(root, "-vf", f"trim=end={SECONDS - 1}")


@breaks("mezzanine", "mezzanine_colours")
def mezzanine_called_hdr(root: Path) -> None:
    described = f"{PICTURE},{TAGGED.replace('color_trc=bt709', 'color_trc=smpte2084')}"
    mezzanine(root, "-color_trc", "smpte2084", picture=described)


@breaks("mezzanine", "mezzanine_key_frames")
def mezzanine_with_one_key_frame(root: Path) -> None:
    mezzanine(root, "-g", "9999", "-sc_threshold", "0")


@breaks("uploaded", "mezzanine_pictures_true")
def mezzanine_mirrors_the_upload(root: Path) -> None:
    mezzanine(root, "-vf", "hflip")


@breaks("uploaded", "mezzanine_tracks", "mezzanine_has_all_tracks")
def mezzanine_loses_the_sound(root: Path) -> None:
    mezzanine(root, "-an")


@breaks("uploaded", "mezzanine_rate", "mezzanine_rate_suits")
def mezzanine_repeats_each_fifth_picture(root: Path) -> None:
    mezzanine(root, "-vf", "fps=30")


@breaks("uploaded", "mezzanine_last_picture")
def mezzanine_loses_the_last_picture(root: Path) -> None:
    mezzanine(root, "-frames:v", str(SECONDS * 25 - 1))


@breaks("uploaded", "mezzanine_size_lasts")
def upload_grows(root: Path) -> None:
    made, half = root / "mezzanine.mp4", SECONDS // 2
    at_zero = ("-muxdelay", "0", "-muxpreload", "0")
    coded = ("-an", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "8", *TAGS, *at_zero)
    small, large = root / "small.ts", root / "large.ts"
    ffmpeg("-i", str(made), "-t", str(half), *coded, str(small))
    grown = ("-vf", "scale=640:360", "-output_ts_offset", str(half))
    ffmpeg("-ss", str(half), "-i", str(made), *grown, *coded, str(large))
    both = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "pcm_s16le")
    ffmpeg("-i", f"concat:{small}|{large}", "-i", str(made), *both, str(root / "upload.mkv"))


@breaks("uploaded", "mezzanine_sound_in_sync")
def mezzanine_heard_late(root: Path) -> None:
    mezzanine(root, "-af", f"adelay=200:all=1,atrim=end={SECONDS}")


@breaks("uploaded", "mezzanine_sound_true")
def mezzanine_of_one_channel(root: Path) -> None:
    mezzanine(root, "-af", "pan=stereo|c0=c0|c1=0*c1")


@breaks("uploaded", "mezzanine_sound_level")
def mezzanine_quieter_than_the_upload(root: Path) -> None:
    mezzanine(root, "-af", "volume=-3dB")


@breaks("mezzanine", "mezzanine_index_first")
def mezzanine_index_last(root: Path) -> None:
    mezzanine(root, faststart=False)


@breaks("origin", "mezzanine_is_its_variants_origin")
def mezzanine_black_for_a_while(root: Path) -> None:
    mezzanine(root, picture=f"{PICTURE},drawbox=t=fill:c=black:enable='between(t,7,9)'")


@breaks("origin", "mezzanine_is_its_variants_origin")
def mezzanine_silent_for_a_while(root: Path) -> None:
    mezzanine(root, sound=f"{SOUND},volume=0:enable='between(t,7,9)'")


@breaks("mezzanine", "mezzanine_without_personal_tags")
def mezzanine_with_location(root: Path) -> None:
    mezzanine(root, "-metadata", "location=+52.5200+013.4050/")


@breaks("mezzanine", "mezzanine_without_personal_tags")
def mezzanine_with_a_title(root: Path) -> None:
    mezzanine(root, "-metadata", "title=Anna's party")


@breaks("mezzanine", "mezzanine_without_personal_tags")
def mezzanine_with_a_name_as_its_handler(root: Path) -> None:
    mezzanine(root, "-metadata:s:v", "handler_name=Anna")


@breaks("mezzanine", "mezzanine_without_personal_tags")
def mezzanine_with_a_time(root: Path) -> None:
    mezzanine(root, "-metadata", "creation_time=2025-01-01T12:00:00Z")


@breaks("mezzanine", "mezzanine_channels")
def mezzanine_of_six_channels(root: Path) -> None:
    mezzanine(root, "-ac", "6")


@breaks("mezzanine", "mezzanine_key_frames_named")
def mezzanine_key_frame_misnamed(root: Path) -> None:
    path = root / "mezzanine.mp4"
    data = bytearray(path.read_bytes())
    last = data.index(b"stss") + 4 + 8 + 4
    data[last : last + 4] = (int.from_bytes(data[last : last + 4], "big") + 1).to_bytes(4, "big")
    path.write_bytes(bytes(data))


@breaks("mezzanine", "mezzanine_pictures_in_order")
def mezzanine_pictures_exchanged_by_its_index(root: Path) -> None:
    """Two pictures that follow each other are each shown for the other."""
    mezzanine(root, "-bf", "1", "-x264-params", "b-adapt=0")
    path = root / "mezzanine.mp4"
    data = bytearray(path.read_bytes())
    step = int.from_bytes(data[data.index(b"stts") + 16 :][:4], "big")
    table = data.index(b"ctts") + 12
    rows = [struct.unpack(">Ii", data[at : at + 8]) for at in range(table, table + 8 * 8, 8)]
    number = next(at for at in range(1, 7) if rows[at][0] == rows[at + 1][0] == 1 and rows[at][1] >= step)
    later, earlier = rows[number + 1][1] + step, rows[number][1] - step
    at = table + 8 * number
    data[at : at + 16] = struct.pack(">IiIi", 1, later, 1, earlier)
    path.write_bytes(bytes(data))


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_called_another_kind_of_picture(root: Path) -> None:
    path = root / "mezzanine.mp4"
    data = bytearray(path.read_bytes())
    depth = data.index(b"avc1", data.index(b"stsd")) + 4 + 74
    data[depth : depth + 2] = b"\0\x20"
    path.write_bytes(bytes(data))


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_with_text_among_its_media(root: Path) -> None:
    path = root / "mezzanine.mp4"
    data = path.read_bytes()
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    assert at + size == len(data)
    path.write_bytes(data[:at] + (size + 20).to_bytes(4, "big") + data[at + 4 :] + b"Anna, 52.5200 13.405")


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_with_a_message(root: Path) -> None:
    mezzanine(root, "-x264-params", "frame-packing=3")


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_of_another_length_by_its_header(root: Path) -> None:
    path = root / "mezzanine.mp4"
    data = bytearray(path.read_bytes())
    at = data.index(b"mvhd") + 4 + 16
    data[at : at + 4] = (2 * int.from_bytes(data[at : at + 4], "big")).to_bytes(4, "big")
    path.write_bytes(bytes(data))


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_with_a_box(root: Path) -> None:
    path = root / "mezzanine.mp4"
    path.write_bytes(path.read_bytes() + (24).to_bytes(4, "big") + b"uuid" + bytes(16))


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_with_a_tail(root: Path) -> None:
    path = root / "mezzanine.mp4"
    path.write_bytes(path.read_bytes() + b"PK")


@breaks("mezzanine", "mezzanine_holds_its_tracks_only")
def mezzanine_with_two_sounds(root: Path) -> None:
    mezzanine(root, "-map", "1:a")


# --- Thumbnail --------------------------------------------------------------------------------------------------------


def thumbnail(root: Path, filters: str, *out: str, picture: str = "", at: float = 1.4) -> None:
    source = ("-f", "lavfi", "-i", picture) if picture else ("-ss", str(at), "-i", str(root / "mezzanine.mp4"))
    coded = ("-c:v", "mjpeg", "-q:v", "3", *EXACT, *out)
    ffmpeg(*source, "-frames:v", "1", "-vf", filters, *coded, "-f", "image2", str(root / "thumbnail.jpg"))


@breaks("thumbnail", "thumbnail_decodes")
def thumbnail_missing(root: Path) -> None:
    (root / "thumbnail.jpg").unlink()


@breaks("thumbnail", "thumbnail_decodes")
def thumbnail_is_text(root: Path) -> None:
    (root / "thumbnail.jpg").write_text("not found")


@breaks("thumbnail", "thumbnail_decodes")
def thumbnail_damaged(root: Path) -> None:
    (root / "thumbnail.jpg").write_bytes(b"\xff\xd8\xff\xdb" + bytes(1000))


@breaks("thumbnail", "thumbnail_is_jpeg")
def thumbnail_is_a_png(root: Path) -> None:
    thumbnail(root, "scale=1280:720,format=rgb24", "-c:v", "png")


@breaks("thumbnail", "thumbnail_size")
def thumbnail_too_small(root: Path) -> None:
    thumbnail(root, f"{STILL},scale=640:360")


@breaks("thumbnail", "thumbnail_not_blank")
def thumbnail_black(root: Path) -> None:
    thumbnail(root, "format=yuvj420p", picture="color=black:s=1280x720")


THUMBNAIL_MISTAKES = {
    "thumbnail_of_another_moment": (STILL, "shows another moment: 9.0 s instead of 1.4 s"),
    "thumbnail_negative": (f"negate,{STILL}", "is a negative"),
    "thumbnail_upside_down": (f"vflip,{STILL}", "is upside down"),
    "thumbnail_mirrored": (f"hflip,{STILL}", "is mirrored"),
    "thumbnail_colour_planes_exchanged": (f"swapuv,{STILL}", "has its two colour planes exchanged"),
    "thumbnail_of_another_matrix": (STILL.replace("=bt709", "=bt601"), "has the colours of another matrix"),
    "thumbnail_darker": (f"{STILL},lutyuv=y=val-14", "is darker than the film"),
    "thumbnail_grey": (f"{STILL},lutyuv=u=128:v=128", "has no colours"),
    "thumbnail_paler": (f"{STILL},hue=s=0.8", "has paler colours than the film"),
    "thumbnail_shifted": (f"{STILL},crop=1264:720:0:0,pad=1280:720:16:0", "is moved by 16 pixels to the right"),
    "thumbnail_blurred": (f"{STILL},gblur=6", "is blurred"),
    "thumbnail_half_decoded": (f"{STILL},drawbox=y=ih/2:h=ih/2:w=iw:color=gray:t=fill", "in a part of the picture"),
    "thumbnail_with_a_patch": (f"{STILL},drawbox=x=400:y=400:w=40:h=40:color=black:t=fill", "in a part"),
}
"""Filters, and what the finding has to say."""


def _mistaken(name: str, filters: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        thumbnail(root, filters, at=9.0 if name.endswith("moment") else 1.4)

    apply.__name__ = name
    return apply


for _name, (_filters, _) in THUMBNAIL_MISTAKES.items():
    breaks("thumbnail", "thumbnail_shows_its_moment")(_mistaken(_name, _filters))


@breaks("thumbnail", "thumbnail_quality")
def thumbnail_coarse(root: Path) -> None:
    thumbnail(root, STILL, "-q:v", "9")


@breaks("thumbnail", "thumbnail_is_plain")
def thumbnail_with_exif(root: Path) -> None:
    path = root / "thumbnail.jpg"
    data, exif = path.read_bytes(), b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    path.write_bytes(data[:20] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[20:])


@breaks("thumbnail", "thumbnail_is_plain")
def thumbnail_with_a_tail(root: Path) -> None:
    path = root / "thumbnail.jpg"
    path.write_bytes(path.read_bytes() + b"PK\x03\x04")


@breaks("thumbnail", "thumbnail_is_plain")
def thumbnail_without_an_end(root: Path) -> None:
    path = root / "thumbnail.jpg"
    path.write_bytes(path.read_bytes()[:-2])


@breaks("portrait", "thumbnail_padding_black")
def thumbnail_with_grey_bars(root: Path) -> None:
    portrait(root, "gray")


def portrait(root: Path, colour: str) -> None:
    """A mezzanine that stands upright, and its thumbnail with bars of this colour."""
    mezzanine(root, picture=f"testsrc2=s=180x320:r={RATE}:d=2", sound="anullsrc=d=2")
    fitted = STILL.replace("1280:720", "404:720")
    thumbnail(root, f"{fitted},pad=1280:720:438:0:color={colour}", at=0.2)


# --- Records ----------------------------------------------------------------------------------------------------------


def write_record(root: Path, key: str = "c1/thumbnails/media/m1/auto-generated.jpg", **changes: object) -> None:
    """The record of the thumbnail as it is, with `changes`."""
    data = (root / "thumbnail.jpg").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    file = StoredFile(role="assets", key=key, size=len(data), sha256=digest)
    record = ThumbnailRecord(
        media_id="m1",
        media_type="video",
        output="thumbnail",
        code_version="0" * 12,
        data_version=digest[:32],
        files=(file,),
        at=SECONDS * 0.1,
        width=1280,
        height=720,
    )
    (root / "thumbnail.json").write_text(record.model_copy(update=changes).model_dump_json())


@breaks("record", "record_kept")
def record_missing(root: Path) -> None:
    (root / "thumbnail.json").unlink()


@breaks("record", "files_as_recorded")
def file_exchanged(root: Path) -> None:
    thumbnail(root, STILL, "-q:v", "4")


@breaks("record", "files_as_recorded")
def file_changed_in_one_bit(root: Path) -> None:
    path = root / "thumbnail.jpg"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@breaks("record", "files_at_their_places")
def file_of_another_creator(root: Path) -> None:
    write_record(root, key="c2/thumbnails/media/m1/auto-generated.jpg")


HEADERS = "headers.json"
"""The file that says with which headers the thumbnail is delivered, where these are not the usual ones."""


@breaks("record", "stored_as_their_types")
def file_stored_as_page(root: Path) -> None:
    (root / HEADERS).write_text(json.dumps({"content_type": "text/html"}))


@breaks("record", "stored_to_be_cached")
def file_to_be_kept_for_a_year(root: Path) -> None:
    (root / HEADERS).write_text(json.dumps({"cache_control": "public, max-age=31536000, immutable"}))


LEFT = "left.json"
"""The file that says what else lies in the media's folders, by the fields of an observation."""


@breaks("record", "nothing_else_is_public")
def upload_in_the_public_store(root: Path) -> None:
    (root / LEFT).write_text(json.dumps({"exposed": ["c1/thumbnails/media/m1/original.mkv"]}))


@breaks("record", "nothing_beside_outputs")
def second_mezzanine_beside_the_first(root: Path) -> None:
    (root / LEFT).write_text(json.dumps({"beside": ["mezzanine/c1/m1/mezzanine-old.mp4"]}))


@breaks("record", "public_copy_plays")
def public_copy_without_a_segment(root: Path) -> None:
    (root / LEFT).write_text(json.dumps({"missing": ["c1/hls/m1/preview/0123456789ab/segment_00000.ts"]}))


@breaks("record", "public_copy_current")
def public_copy_of_before(root: Path) -> None:
    (root / LEFT).write_text(json.dumps({"others": ["c1/hls/m1/preview/0123456789ab/segment_00000.ts"]}))


@breaks("record", "record_true")
def record_of_another_size(root: Path) -> None:
    write_record(root, width=640, height=360)


@breaks("record", "record_true")
def record_of_another_moment(root: Path) -> None:
    write_record(root, at=2.8)


@breaks("record", "record_true")
def record_of_other_contents(root: Path) -> None:
    write_record(root, data_version="1" * 32)


# --- Loudness ---------------------------------------------------------------------------------------------------------


def sound(root: Path, graph: str) -> None:
    """Delivered sound; mixing one channel to two makes it 3 dB quieter."""
    ffmpeg("-f", "lavfi", "-i", SOUND, "-af", graph, "-c:a", "pcm_f32le", "-ac", "2", str(root / "delivered.wav"))


@breaks("loudness", "sound_measurable")
def sound_without_frames(root: Path) -> None:
    (root / "delivered.wav").write_bytes(b"RIFF")


@breaks("loudness", "sound_audible")
def sound_silent(root: Path) -> None:
    sound(root, "volume=0")


@breaks("loudness", "loudness_on_target")
def sound_too_quiet(root: Path) -> None:
    sound(root, "volume=-3dB")


@breaks("loudness", "loudness_on_target")
def sound_too_loud(root: Path) -> None:
    sound(root, "volume=3dB")


@breaks("loudness", "upload_loudness_true")
def upload_recorded_as_softer(root: Path) -> None:
    (root / UPLOAD_LOUDNESS).write_text("[-19.0, -10.0]")


@breaks("loudness", "upload_loudness_true")
def upload_recorded_with_another_peak(root: Path) -> None:
    (root / UPLOAD_LOUDNESS).write_text("[-16.0, 2.0]")


@breaks("loudness", "true_peak_under_limit")
def sound_with_high_peaks(root: Path) -> None:
    sound(root, "aeval='if(between(mod(t,2),1,1.001),1.2,val(0))':c=mono")


@breaks("loudness", "true_peak_under_limit", "sound_not_clipped")
def sound_clipped(root: Path) -> None:
    sound(root, "aeval='if(between(mod(t,2),1,1.001),1.9,val(0))':c=mono")


# --- Waveform ---------------------------------------------------------------------------------------------------------


def waveform(root: Path, **changes: object) -> None:
    path = root / "waveform.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@breaks("waveform_json", "waveform_compact")
def waveform_of_blanks(root: Path) -> None:
    path = root / "waveform.json"
    path.write_text(path.read_text().replace(",", "," + 40 * " "))


@breaks("waveform_json", "waveform_compact")
def waveform_with_a_field_twice(root: Path) -> None:
    path = root / "waveform.json"
    path.write_text(path.read_text().replace("{", '{"bits": "Anna, 52.5200 13.4050",', 1))


@breaks("waveform_json", "waveform_readable")
def waveform_missing(root: Path) -> None:
    (root / "waveform.json").unlink()


@breaks("waveform_json", "waveform_readable")
def waveform_cut_off_in_the_middle(root: Path) -> None:
    path = root / "waveform.json"
    path.write_text(path.read_text()[:100])


@breaks("waveform_json", "waveform_version")
def waveform_of_version_1(root: Path) -> None:
    waveform(root, version=1)


@breaks("waveform_json", "waveform_bits")
def waveform_of_16_bits(root: Path) -> None:
    waveform(root, bits=16)


@breaks("waveform_json", "waveform_channels")
def waveform_of_two_channels(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, channels=2, data=[*data, *data])


@breaks("waveform_json", "waveform_resolution")
def waveform_of_another_resolution(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, samples_per_pixel=2400, length=len(data), data=[*data, *data])


@breaks("waveform_json", "waveform_length")
def waveform_of_truncated_sound(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, length=100, data=data[:200])


@breaks("waveform_json", "waveform_data_length")
def waveform_data_cut(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, data=data[:-7])


@breaks("waveform_json", "waveform_values")
def waveform_values_too_large(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, data=[value * 100 for value in data])


@breaks("waveform_json", "waveform_values")
def waveform_values_with_fractions(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, data=[0.5, *data[1:]])


@breaks("waveform_json", "waveform_not_flat")
def waveform_all_zero(root: Path) -> None:
    data = json.loads((root / "waveform.json").read_text())["data"]
    waveform(root, data=[0] * len(data))


@breaks("waveform_json", "waveform_fields")
def waveform_with_a_title(root: Path) -> None:
    waveform(root, title="Anna's party")


@breaks("waveform_json", "waveform_sample_rate")
def waveform_of_another_sample_rate(root: Path) -> None:
    waveform(root, sample_rate=44100, samples_per_pixel=4410)


@breaks("waveform_json", "waveform_pairs")
def waveform_inverted(root: Path) -> None:
    pairs = waveform_pairs(root)
    waveform(root, data=[value for low, high in pairs for value in (high, low)])


def waveform_pairs(root: Path) -> list[tuple[int, int]]:
    data = json.loads((root / "waveform.json").read_text())["data"]
    return list(zip(data[::2], data[1::2], strict=True))


Pairs = list[tuple[int, int]]
WAVEFORM_MISTAKES: dict[str, tuple[Callable[[Pairs], Pairs], str]] = {
    "waveform_late": (lambda pairs: [*pairs[-4:], *pairs[:-4]], "is 0.4 s late"),
    "waveform_lower": (lambda pairs: [(low * 3 // 4, high * 3 // 4) for low, high in pairs], "is 0.75 times as high"),
    "waveform_backwards": (lambda pairs: pairs[::-1], "runs backwards"),
    "waveform_with_a_hole": (lambda pairs: [*pairs[:50], *[(0, 0)] * 9, *pairs[59:]], "from 5.0 to 5.9 s"),
    "waveform_of_one_side": (lambda pairs: [(0, high) for _, high in pairs], "sound"),
    "waveform_of_another_sound": (lambda pairs: sorted(pairs), "is not that of the sound"),
}
"""What is done to the points, and what the finding has to say."""


def _rewritten(change: Callable[[Pairs], Pairs], name: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        waveform(root, data=[value for pair in change(waveform_pairs(root)) for value in pair])

    apply.__name__ = name
    return apply


for _name, (_change, _) in WAVEFORM_MISTAKES.items():
    breaks("waveform_json", "waveform_shows_its_sound")(_rewritten(_change, _name))


PAPER = f"0x{profile.WAVEFORM_BACKGROUND[:6]}"


def image(root: Path, filters: str, *out: str) -> None:
    path, changed = root / "waveform.png", root / "changed.png"
    ffmpeg("-i", str(path), "-vf", filters, "-frames:v", "1", *out, "-f", "image2", str(changed))
    changed.replace(path)


@breaks("waveform_png", "waveform_image_decodes")
def image_missing(root: Path) -> None:
    (root / "waveform.png").unlink()


@breaks("waveform_png", "waveform_image_is_png")
def image_is_a_jpeg(root: Path) -> None:
    image(root, "null", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj444p")


@breaks("waveform_png", "waveform_image_size")
def image_too_small(root: Path) -> None:
    image(root, "crop=640:360", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_covers_all")
def image_cut(root: Path) -> None:
    image(root, f"crop=iw*0.8:ih:0:0,pad=1280:720:0:0:color={PAPER}", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_shows_its_sound")
def image_of_lower_waves(root: Path) -> None:
    image(root, f"scale=1280:540:flags=neighbor,pad=1280:720:0:90:color={PAPER},setsar=1", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_shows_its_sound")
def image_with_a_hole(root: Path) -> None:
    image(root, f"format=rgb24,drawbox=x=400:w=90:h=720:y=0:color={PAPER}:t=fill", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_shows_its_sound")
def image_mirrored(root: Path) -> None:
    image(root, "hflip", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_colours")
def image_of_other_colours(root: Path) -> None:
    image(root, "negate", "-pix_fmt", "rgb24", *EXACT)


@breaks("waveform_png", "waveform_image_is_plain")
def image_with_a_text(root: Path) -> None:
    path = root / "waveform.png"
    data, text = path.read_bytes(), b"tEXtAuthor\0Anna"
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])
