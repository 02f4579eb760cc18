"""Faults in the mezzanine itself, of which everything else is made: its picture, its sound, its container."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from fault_encodes import LAVFI, encode_mezzanine
from mutant import Harm, Mutant, Seam, Workpiece, mutant, register
from picture_mutants import FILTERS
from sound_mutants import GRAPHS

FILM = ("portrait", "flat", "film")
HEARD = ("music", "portrait", "flat")
PEAKED = ("mezzanine_sound_clipped",)
"""Faults of what is loud and has peaks: music."""
LASTING = ("mezzanine_sound_with_a_hole",)
"""Faults of a moment, of what sounds in every moment: no beeps."""
SIZE = ("{w}", "{h}")

PICTURED = {name: chain for name, _, _, chain in FILTERS}
HEARD_SO = {name: graph for name, _, _, graph in GRAPHS}
"""What the same fault does to a variant, by its name there."""

PICTURES: tuple[tuple[str, Harm, str, str], ...] = (
    ("mezzanine_black", "grave", "the picture is black", PICTURED["picture_black"]),
    ("mezzanine_black_for_two_seconds", "grave", "the picture is black for two seconds",
     PICTURED["picture_black_for_two_seconds"]),
    ("mezzanine_frozen", "grave", "one picture stands for two seconds", PICTURED["picture_frozen_for_two_seconds"]),
    ("mezzanine_mirrored", "grave", "left and right are exchanged", PICTURED["picture_mirrored"]),
    ("mezzanine_upside_down", "grave", "the picture is upside down", PICTURED["picture_upside_down"]),
    ("mezzanine_turned", "grave", "the picture is turned by 180 degrees", PICTURED["picture_turned"]),
    ("mezzanine_planes_exchanged", "grave", "the planes of blue and red are exchanged", PICTURED["planes_exchanged"]),
    ("mezzanine_of_another_matrix", "medium", "colours went through the wrong matrix", PICTURED["wrong_matrix"]),
    ("mezzanine_range_full", "medium", "levels use the full range and are called limited", PICTURED["range_full"]),
    ("mezzanine_grey", "grave", "there is no colour", PICTURED["picture_grey"]),
    ("mezzanine_brighter", "medium", "the picture is 20 levels brighter", PICTURED["brighter"]),
    ("mezzanine_of_wrong_gamma", "medium", "middle tones are lifted", PICTURED["wrong_gamma"]),
    ("mezzanine_blurred", "medium", "the picture is out of focus", PICTURED["blurred"]),
    ("mezzanine_upscaled", "medium", "the picture was enlarged from a third of its size",
     "scale=iw/3:ih/3:flags=area,scale={w}:{h}:flags=bicubic"),
    ("mezzanine_cropped", "medium", "a tenth of each side is cut off", PICTURED["picture_cropped"]),
    ("mezzanine_in_bars", "medium", "black bars were added",
     "scale=iw:trunc(ih*0.38)*2,pad={w}:{h}:0:(oh-ih)/2,setsar=1"),
    ("mezzanine_with_a_bad_second", "medium", "noise covers one second", PICTURED["one_bad_second"]),
    ("mezzanine_with_a_logo", "medium", "a white box covers a corner", PICTURED["logo_in_a_corner"]),
    ("mezzanine_picture_late_by_one", "medium", "the picture comes one frame late", PICTURED["picture_late_by_one"]),
    ("mezzanine_picture_late", "grave", "the picture comes three seconds late",
     PICTURED["picture_late_by_three_seconds"]),
    ("mezzanine_half_the_rate", "medium", "every second picture is the one before it again", PICTURED["half_the_rate"]),
    ("mezzanine_reversed", "grave", "the picture runs backward", PICTURED["pictures_reversed"]),
    ("mezzanine_combed", "medium", "fields of two moments are woven together",
     "split[a][b];[b]tpad=start=1:start_mode=clone,setpts=N/({rate})/TB,il=l=d:c=d,crop=iw:ih/2:0:0[f];"
     "[a]il=l=d:c=d,crop=iw:ih/2:0:ih/2[g];[f][g]vstack,il=l=i:c=i"),
    ("mezzanine_part_frozen", "medium", "a quarter of the picture stands still for two seconds",
     PICTURED["part_frozen"]),
    ("mezzanine_two_seconds_again", "grave", "two seconds are shown again in place of others",
     PICTURED["two_seconds_again"]),
    ("mezzanine_colour_late", "medium", "the colour comes two pictures late", PICTURED["colour_late"]),
    ("mezzanine_flickers", "medium", "the brightness swings twice a second", PICTURED["brightness_flickers"]),
    ("mezzanine_red_too_weak", "medium", "one plane of colour has three quarters of its strength",
     PICTURED["red_too_weak"]),
    ("mezzanine_block_damaged", "medium", "a block of 64 pixels is noise for a second", PICTURED["block_damaged"]),
    ("mezzanine_quarter_blurred", "medium", "a quarter of the picture is out of focus", PICTURED["quarter_blurred"]),
    ("mezzanine_moved_by_two", "medium", "the picture is moved by 2 pixels to the right",
     PICTURED["picture_moved_by_two"]),
    ("mezzanine_single_black_picture", "medium", "one picture is black", PICTURED["single_black_picture"]),
    ("mezzanine_pictures_exchanged", "medium", "neighbouring pictures are exchanged", PICTURED["pictures_exchanged"]),
    ("mezzanine_end_missing", "grave", "the last two seconds of the picture are missing", "trim=end={end2}"),
)  # fmt: skip

SOUND: tuple[tuple[str, Harm, str, str], ...] = (
    ("mezzanine_silent", "grave", "there is nothing but silence", HEARD_SO["sound_silent"]),
    ("mezzanine_second_half_silent", "grave", "the second half is silent", HEARD_SO["second_half_silent"]),
    ("mezzanine_channel_dead", "grave", "the left channel is silent", HEARD_SO["left_channel_dead"]),
    ("mezzanine_channels_exchanged", "grave", "left and right are exchanged", HEARD_SO["channels_exchanged"]),
    ("mezzanine_channel_inverted", "grave", "the right channel is inverted", HEARD_SO["channel_inverted"]),
    ("mezzanine_sound_dull", "medium", "there is nothing above 3 kHz", HEARD_SO["sound_dull"]),
    ("mezzanine_sound_softer", "medium", "the sound is 6 dB softer", "volume=-6dB"),
    ("mezzanine_sound_clipped", "medium", "peaks are cut off",
     "volume=14dB,alimiter=limit=0.9:level=0:attack=0.1:release=1,volume=-10dB"),
    ("mezzanine_sound_late", "medium", "the sound comes 100 ms late", HEARD_SO["sound_late"]),
    ("mezzanine_sound_drifts", "medium", "the sound runs one percent too slow", HEARD_SO["sound_drifts"]),
    ("mezzanine_sound_reversed", "grave", "the sound runs backward", HEARD_SO["sound_reversed"]),
    ("mezzanine_of_wrong_pitch", "grave", "the pitch is a semitone higher", HEARD_SO["wrong_pitch"]),
    ("mezzanine_sound_with_noise", "medium", "noise lies under the sound", HEARD_SO["sound_with_noise"]),
    ("mezzanine_sound_dropouts", "medium", "a tenth of a second is silent in each second", HEARD_SO["sound_dropouts"]),
    ("mezzanine_sound_mono", "medium", "both channels are the sum of both", HEARD_SO["channels_merged"]),
    ("mezzanine_band_missing", "medium", "there is nothing around 1.5 kHz", HEARD_SO["band_missing"]),
    ("mezzanine_with_a_whistle", "medium", "a whistle of 9 kHz lies over the sound",
     "aeval='val(0)+0.02*sin(2*PI*9000*t)|val(1)+0.02*sin(2*PI*9000*t)':c=same"),
    ("mezzanine_right_channel_dull", "medium", "the right channel has nothing above 3 kHz",
     HEARD_SO["right_channel_dull"]),
    ("mezzanine_second_again", "grave", "a second is heard again in place of another", HEARD_SO["second_again"]),
    ("mezzanine_with_a_beep", "medium", "there is a beep of half a second", HEARD_SO["sound_with_a_beep"]),
    ("mezzanine_half_a_second_silent", "medium", "half a second is silent", HEARD_SO["half_a_second_silent"]),
    ("mezzanine_softer_for_a_second", "medium", "a second is 6 dB softer", HEARD_SO["softer_for_a_second"]),
    ("mezzanine_with_an_echo", "medium", "there is an echo", "aecho=0.8:0.8:180:0.5,atrim=end={seconds}"),
    ("mezzanine_with_a_hum", "medium", "a hum of 50 Hz lies under the sound", HEARD_SO["sound_with_hum"]),
    ("mezzanine_sound_compressed", "medium", "soft and loud parts are equally loud", HEARD_SO["sound_compressed"]),
    ("mezzanine_sound_flutters", "medium", "the pitch flutters", HEARD_SO["sound_flutters"]),
    ("mezzanine_sound_with_a_hole", "medium", "a twentieth of a second is silent", HEARD_SO["sound_with_a_hole"]),
    ("mezzanine_channels_exchanged_for_a_while", "medium", "left and right are exchanged for half a second",
     HEARD_SO["channels_exchanged_for_a_while"]),
)  # fmt: skip


def _pictured(chain: str, piece: Workpiece) -> None:
    assert piece.rate is not None
    info = piece.tools.ffprobe(["-show_streams", "-select_streams", "v", str(piece.path)], label="probing")
    (video,) = info["streams"]
    encode_mezzanine(
        piece,
        chain.format(
            w=video["width"],
            h=video["height"],
            rate=piece.rate,
            frames=round(piece.seconds * piece.rate),
            end2=piece.seconds - 2,
        ),
    )


def _heard(graph: str, piece: Workpiece) -> None:
    for name, value in (("{seconds}", piece.seconds), ("{half}", piece.seconds / 2)):
        graph = graph.replace(name, f"{value:.3f}")
    encode_mezzanine(piece, sound=graph)


for _number, (_name, _harm, _description, _chain) in enumerate(PICTURES):
    _contents = FILM[_number % 2 :] + FILM[: _number % 2]
    register(Mutant(_name, "mezzanine", _harm, Seam.MEZZANINE, _description, _contents, partial(_pictured, _chain)))
for _number, (_name, _harm, _description, _chain) in enumerate(SOUND):
    _contents = HEARD if _name in PEAKED else HEARD[_number % 2 :] + HEARD[: _number % 2]
    if _name in LASTING:
        _contents = ("music", "film", "portrait")
    register(Mutant(_name, "mezzanine", _harm, Seam.MEZZANINE, _description, _contents, partial(_heard, _chain)))


@mutant("mezzanine", "grave", Seam.MEZZANINE, FILM)
def mezzanine_of_another_film(piece: Workpiece) -> None:
    """the picture is that of another film"""
    info = piece.tools.ffprobe(["-show_streams", "-select_streams", "v", str(piece.path)], label="probing")
    (video,) = info["streams"]
    size = f"{video['width']}x{video['height']}"
    other = f"gradients=s={size}:r={piece.rate}:d={piece.seconds}:seed=3:speed=0.05"
    encode_mezzanine(piece, "nullsink;[1:v]null", inputs=(*LAVFI, other))


@mutant("mezzanine", "grave", Seam.MEZZANINE, HEARD)
def mezzanine_with_other_sound(piece: Workpiece) -> None:
    """the sound is that of something else"""
    other = f"aevalsrc='0.2*sin(2*PI*300*t)*gt(sin(2*PI*1.7*t),0)|0.1*sin(2*PI*520*t)':s=48000:d={piece.seconds}"
    encode_mezzanine(piece, sound="anullsink;[1:a]anull", inputs=(*LAVFI, other))


# --- Coding and container ---------------------------------------------------------------------------------------------

OPTIONS: tuple[tuple[str, Harm, str, str | None, tuple[str, ...]], ...] = (
    ("mezzanine_without_sound", "grave", "there is no sound", None, ("-an",)),
    ("mezzanine_in_mpeg4", "grave", "the picture is MPEG-4 part 2's", "null",
     ("-c:v", "mpeg4", "-profile:v", "0", "-q:v", "4", "-preset", "0")),
    ("mezzanine_in_4_4_4", "medium", "the picture is coded in 4:4:4", "null",
     ("-profile:v", "high444", "-pix_fmt", "yuv444p")),
    ("mezzanine_with_10_bits", "medium", "the picture is coded with 10 bits", "null",
     ("-profile:v", "high10", "-pix_fmt", "yuv420p10le")),
    ("mezzanine_starved_of_bits", "medium", "the picture falls to blocks", "null", ("-crf", "48")),
    ("mezzanine_interlaced", "medium", "the picture is coded as fields", "null",
     ("-flags", "+ildct+ilme", "-x264-params", "tff=1")),
    ("mezzanine_pixels_not_square", "medium", "pixels are 4:3", "setsar=4/3", ()),
    ("mezzanine_of_another_size", "medium", "the picture is two lines smaller", "scale=iw:ih-2,setsar=1", ()),
    ("mezzanine_of_another_rate", "grave", "the picture has 20 frames a second", "fps=20", ()),
    ("mezzanine_of_variable_rate", "medium", "seven pictures are missing, and their time is not",
     "select='not(between(n,60,66))'", ("-fps_mode", "vfr")),
    ("mezzanine_called_bt601", "medium", "the tags say BT.601's matrix", "null",
     ("-bsf:v", "h264_metadata=matrix_coefficients=6", "-colorspace", "smpte170m")),
    ("mezzanine_called_hdr", "grave", "the tags say PQ", "null",
     ("-bsf:v", "h264_metadata=transfer_characteristics=16", "-color_trc", "smpte2084")),
    ("mezzanine_without_colour_tags", "medium", "no tags say which colours these are", "null",
     ("-bsf:v", "h264_metadata=matrix_coefficients=2:transfer_characteristics=2:colour_primaries=2",
      "-movflags", "+faststart-write_colr")),
    ("mezzanine_called_full_range", "medium", "the tags say full range", "null",
     ("-bsf:v", "h264_metadata=video_full_range_flag=1")),
    ("mezzanine_key_frames_rare", "light", "there is one key frame only", "null", ("-g", "9999", "-sc_threshold", "0")),
    ("mezzanine_with_a_title", "medium", "a tag names a person", None, ("-metadata", "artist=Jane Doe")),
    ("mezzanine_with_a_place", "grave", "a tag names the place", None, ("-metadata", "location=+52.5200+013.4050/")),
    ("mezzanine_with_a_device", "medium", "a tag names the camera", None,
     ("-movflags", "+use_metadata_tags+faststart", "-metadata", "com.apple.quicktime.model=Phone 12")),
    ("mezzanine_with_a_date", "medium", "a tag names the date", None,
     ("-metadata", "creation_time=2024-05-06T07:08:09Z")),
    ("mezzanine_with_a_comment", "medium", "a tag holds a comment", None,
     ("-metadata", "comment=Recorded at home, Elm Street 4")),
    ("mezzanine_track_with_a_name", "medium", "a track's tag names a person", None,
     ("-metadata:s:0", "handler_name=Jane Doe's recorder")),
    ("mezzanine_track_with_a_language", "light", "a track names a language", None, ("-metadata:s:0", "language=fra")),
    ("mezzanine_signed_by_a_message", "medium", "a message among its pictures names a person and a place", None,
     ("-bsf:v", "h264_metadata=sei_user_data=086f3693b7b34f2c965321492feee5b8+Jane Doe of Elm Street 4")),
    ("mezzanine_called_stereoscopic", "medium", "a message says that left and right half are for an eye each", "null",
     ("-x264-params", "frame-packing=3")),
    ("mezzanine_of_six_channels", "light", "the stereo of the upload became six channels", None,
     ("-c:a", "aac", "-b:a", "640k", "-ac", "6")),
    ("mezzanine_fragmented", "medium", "the file is in fragments", None, ("-movflags", "frag_keyframe+empty_moov")),
    ("mezzanine_sound_starts_late", "medium", "the sound's track starts 300 ms late", None,
     ("-c:a", "aac", "-af", "asetpts=PTS+0.3/TB")),
)  # fmt: skip


def _with_options(picture: str | None, options: tuple[str, ...], piece: Workpiece) -> None:
    encode_mezzanine(piece, picture, options=options)


for _name, _harm, _description, _picture, _options in OPTIONS:
    register(
        Mutant(
            _name,
            "mezzanine",
            _harm,
            Seam.MEZZANINE,
            _description,
            ("portrait", "flat"),
            partial(_with_options, _picture, _options),
        )
    )


@mutant("mezzanine", "light", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_index_last(piece: Workpiece) -> None:
    """the index comes after the media"""
    encode_mezzanine(piece, faststart=False)


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_with_another_sound_track(piece: Workpiece) -> None:
    """there is a second track of sound"""
    encode_mezzanine(piece, options=("-map", "0:a:0", "-c:a", "aac"))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_with_subtitles(piece: Workpiece) -> None:
    """there is a track of subtitles"""
    path = piece.scratch / "notes.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:03,000\nHello\n")
    encode_mezzanine(piece, inputs=("-i", str(path)), options=("-map", "1:s", "-c:s", "mov_text"))


@mutant("mezzanine", "light", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_with_chapters(piece: Workpiece) -> None:
    """there are chapters"""
    path = piece.scratch / "chapters.txt"
    path.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=3000\ntitle=At home\n")
    encode_mezzanine(piece, inputs=("-i", str(path)), options=("-map_chapters", "1"))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("music",))
def mezzanine_of_audio_with_a_picture(piece: Workpiece) -> None:
    """an audio media has a track of pictures"""
    cover = ("-f", "lavfi", "-i", f"color=red:s=320x180:r=5:d={piece.seconds}")
    encode_mezzanine(piece, inputs=cover, options=("-map", "1:v", "-c:v", "libx264", "-pix_fmt", "yuv420p"))


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("portrait", "music", "film"))
def mezzanine_cut_off(piece: Workpiece) -> None:
    """the last quarter of the file is missing"""
    data = piece.path.read_bytes()
    piece.path.write_bytes(data[: len(data) * 3 // 4])


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("portrait", "music", "film"))
def mezzanine_damaged(piece: Workpiece) -> None:
    """two thousand bytes in the middle are zeros"""
    data = bytearray(piece.path.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 2000] = bytes(2000)
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("film", "portrait"))
def mezzanine_damaged_a_little(piece: Workpiece) -> None:
    """a few bytes between two key frames are wrong"""
    data = bytearray(piece.path.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 900, 300):
        data[at : at + 3] = b"\x5a\xc3\x18"
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_is_text(piece: Workpiece) -> None:
    """the file is a server's page about an error"""
    piece.path.write_text("<html>503</html>\n")


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_turned_by_a_tag(piece: Workpiece) -> None:
    """a tag tells players to turn the picture"""
    data = bytearray(piece.path.read_bytes())
    at = data.index(b"tkhd") + 4
    start = at + (52 if data[at] else 40)
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    data[start : start + 36] = matrix
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_with_bytes_behind(piece: Workpiece) -> None:
    """a name and an address follow the media"""
    text = b"Jane Doe, Elm Street 4, 52.5200 13.4050 " * 20
    piece.path.write_bytes(piece.path.read_bytes() + struct.pack(">I4s", len(text) + 8, b"free") + text)


def _track_header(piece: Workpiece, kind: bytes, offset: int, data: bytes) -> None:
    """Write into the header of the track of a handler (`vide`, `soun`), from behind its times on."""
    file = bytearray(piece.path.read_bytes())
    track = max(at for at in range(file.index(kind)) if file.startswith(b"tkhd", at))
    start = track + 4 + (36 if file[track + 4] else 24) + offset
    file[start : start + len(data)] = data
    piece.path.write_bytes(bytes(file))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_sound_switched_off(piece: Workpiece) -> None:
    """its header says of the sound that players leave it out"""
    data = bytearray(piece.path.read_bytes())
    track = max(at for at in range(data.index(b"soun")) if data.startswith(b"tkhd", at))
    data[track + 7] &= 0xFE
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_sound_turned_down_by_a_tag(piece: Workpiece) -> None:
    """its header has players play the sound at volume 0"""
    _track_header(piece, b"soun", 12, bytes(2))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_squeezed_by_a_tag(piece: Workpiece) -> None:
    """a tag tells players to show the picture at half its width"""
    _track_header(piece, b"vide", 16, struct.pack(">i", 1 << 15))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_at_another_speed(piece: Workpiece) -> None:
    """an edit list has players play a track at twice its speed"""
    data = bytearray(piece.path.read_bytes())
    rate = data.index(b"elst") + 20
    data[rate : rate + 4] = struct.pack(">I", 2 << 16)
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_called_hdr_by_its_container(piece: Workpiece) -> None:
    """its container calls the colours BT.2020 and PQ, and the picture calls them BT.709"""
    data = bytearray(piece.path.read_bytes())
    named = data.index(b"colrnclx") + 8
    data[named : named + 6] = struct.pack(">3H", 9, 16, 9)
    piece.path.write_bytes(bytes(data))


# --- What parts of the container say of each other --------------------------------------------------------------------


def _box(data: bytes | bytearray, *path: bytes, start: int = 0) -> int:
    """Where the contents of a box begin, each inside the one before it."""
    at = start
    for name in path:
        at = data.index(name, at) + 4
    return at


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_key_frames_misnamed(piece: Workpiece) -> None:
    """its index names the pictures behind its key frames as key frames"""
    data = bytearray(piece.path.read_bytes())
    table = _box(data, b"stss")
    count = int.from_bytes(data[table + 4 : table + 8], "big")
    assert count > 1
    for number in range(1, count):
        at = table + 8 + 4 * number
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 3).to_bytes(4, "big")
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_of_one_key_frame_by_its_index(piece: Workpiece) -> None:
    """its index names its first picture as a key frame, and no other"""
    data = bytearray(piece.path.read_bytes())
    table = _box(data, b"stss")
    # What remains of the table says nothing.
    size = int.from_bytes(data[table - 8 : table - 4], "big")
    rest = size - 20
    assert rest >= 8
    data[table - 8 : table - 4] = (20).to_bytes(4, "big")
    data[table + 4 : table + 8] = (1).to_bytes(4, "big")
    data[table + 12 : table + 20] = rest.to_bytes(4, "big") + b"sdtp"
    data[table + 20 : table + 12 + rest] = bytes(rest - 8)
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "flat"))
def mezzanine_larger_by_a_tag(piece: Workpiece) -> None:
    """its header has players show the picture at twice its size"""
    data = piece.path.read_bytes()
    track = max(at for at in range(data.index(b"vide")) if data.startswith(b"tkhd", at))
    end = track + 4 + (96 if data[track + 4] else 84)
    width, height = struct.unpack(">II", data[end - 8 : end])
    piece.path.write_bytes(data[: end - 8] + struct.pack(">II", 2 * width, 2 * height) + data[end:])


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_longer_by_a_tag(piece: Workpiece) -> None:
    """its header says that it lasts an hour"""
    data = bytearray(piece.path.read_bytes())
    header = _box(data, b"mvhd")
    at = header + (20 if data[header] else 12)
    scale = int.from_bytes(data[at : at + 4], "big")
    width = 8 if data[header] else 4
    data[at + 4 : at + 4 + width] = (3600 * scale).to_bytes(width, "big")
    piece.path.write_bytes(bytes(data))


@mutant("mezzanine", "medium", Seam.MEZZANINE, ("portrait", "music"))
def mezzanine_with_text_in_its_media(piece: Workpiece) -> None:
    """a name and a place lie among its media, where no track looks"""
    data = piece.path.read_bytes()
    size = data.index(b"mdat") - 4
    text = b"Jane Doe, Elm Street 4, 52.5200 13.4050 " * 20
    length = int.from_bytes(data[size : size + 4], "big")
    assert size + length == len(data)
    piece.path.write_bytes(data[:size] + struct.pack(">I", length + len(text)) + data[size + 4 :] + text)


def _written(at: int, data: bytes, box: bytes, piece: Workpiece) -> None:
    """Bytes into the first box of a name, so far behind its name."""
    file = bytearray(piece.path.read_bytes())
    start = _box(file, box) + at
    file[start : start + len(data)] = data
    piece.path.write_bytes(bytes(file))


def _coded_otherwise(data: bytearray) -> None:
    configuration = data.index(b"avcC") - 4
    end = configuration + int.from_bytes(data[configuration : configuration + 4], "big")
    assert data[end - 4 : end] == b"\xfd\xf8\xf8\0"
    data[end - 4 : end] = b"\xff\xfa\xfa\0"


def _of_level_1(data: bytearray) -> None:
    configuration = _box(data, b"avcC")
    assert data[configuration + 3] == data[configuration + 11]
    data[configuration + 3] = data[configuration + 11] = 10


def _of_one_channel(data: bytearray) -> None:
    configuration = _box(data, b"\x05\x80\x80\x80") + 1
    assert data[configuration + 1] & 0x78 == 2 << 3
    data[configuration + 1] = data[configuration + 1] & 0x87 | 1 << 3


def _of_a_doubled_rate(data: bytearray) -> None:
    configuration = _box(data, b"\x05\x80\x80\x80") + 1
    assert data[configuration + 2 : configuration + 5] == b"\x56\xe5\0"
    data[configuration + 4] = 0x80 | 3 << 3


def _of_another_coder(data: bytearray) -> None:
    descriptor = _box(data, b"\x04\x80\x80\x80") + 1
    assert data[descriptor] == 0x40
    data[descriptor] = 0x66


def _altered(change: Callable[[bytearray], None], piece: Workpiece) -> None:
    data = bytearray(piece.path.read_bytes())
    change(data)
    piece.path.write_bytes(bytes(data))


DESCRIBED = {
    "mezzanine_of_another_coding_by_its_entry": partial(_altered, _coded_otherwise),
    "mezzanine_of_a_level_too_low": partial(_altered, _of_level_1),
    "mezzanine_of_one_channel_by_its_configuration": partial(_altered, _of_one_channel),
    "mezzanine_of_half_the_rate_by_its_configuration": partial(_altered, _of_a_doubled_rate),
    "mezzanine_of_another_coder_by_its_configuration": partial(_altered, _of_another_coder),
}


@mutant("mezzanine", "grave", Seam.MEZZANINE, ("portrait", "silent"))
def mezzanine_in_another_order(piece: Workpiece) -> None:
    """its index has every other picture shown before the one that comes first"""
    data = bytearray(piece.path.read_bytes())
    table = _box(data, b"ctts")
    step = int.from_bytes(data[_box(data, b"stts") + 12 :][:4], "big")
    rows = [struct.unpack(">Ii", data[at : at + 8]) for at in range(table + 8, table + 8 + 8 * _count(data, table), 8)]
    exchanged = 0
    for number in range(len(rows) - 1):
        (times, offset), (following, another) = rows[number : number + 2]
        later, earlier = another + step, offset - step
        if times == following == 1 and later >= 0 and earlier >= 0 and later != offset:
            rows[number : number + 2] = (1, later), (1, earlier)
            exchanged += 1
    assert exchanged > 1
    data[table + 8 : table + 8 + 8 * len(rows)] = b"".join(struct.pack(">Ii", *row) for row in rows)
    piece.path.write_bytes(bytes(data))


def _count(data: bytes | bytearray, table: int) -> int:
    return int.from_bytes(data[table + 4 : table + 8], "big")


for _name, _harm, _description, _contents, _place in (
    ("mezzanine_dated_by_a_track", "medium", "the header of a track says when it was made", ("portrait", "music"),
     (4, b"\xe0\1\2\3", b"tkhd")),
    ("mezzanine_dated_by_its_last_change", "medium", "its header says when it was changed", ("portrait", "music"),
     (8, b"\xe0\1\2\3", b"mvhd")),
    ("mezzanine_signed_in_its_header", "medium", "reserved bytes of its header name a person", ("portrait", "music"),
     (76, b"Jane Doe", b"mvhd")),
    ("mezzanine_turned_down_by_its_header", "medium", "its header has players play all of it at volume 0",
     ("portrait", "music"), (24, bytes(2), b"mvhd")),
    ("mezzanine_of_one_side_by_a_tag", "medium", "a tag has players move the sound to the left", ("portrait", "music"),
     (4, b"\xff\0", b"smhd")),
    ("mezzanine_of_another_profile", "light", "its container says Main of a picture in High", ("portrait", "flat"),
     (1, b"\x4d", b"avcC")),
    ("mezzanine_in_another_layer", "light", "its header puts the picture into another layer", ("portrait", "flat"),
     (32, b"\xff\xff", b"tkhd")),
    ("mezzanine_of_tracks_with_one_number", "grave", "both tracks have the same number", ("portrait", "flat"),
     (12, b"\0\0\0\2", b"tkhd")),
    ("mezzanine_of_alternatives", "grave", "picture and sound are tracks of which a player chooses one",
     ("portrait", "flat"), (34, b"\0\1", b"tkhd")),
    ("mezzanine_full_range_by_its_container", "medium", "its container says full range of limited levels",
     ("portrait", "flat"), (10, b"\x80", b"colr")),
    ("mezzanine_with_alpha_by_its_entry", "light", "its description says 32 bits a pixel, with transparency",
     ("portrait", "flat"), (16 + 74, b"\0\x20", b"stsd")),
    ("mezzanine_signed_behind_its_coder", "medium", "behind the coder's name in its description stands a person's",
     ("portrait", "flat"), (16 + 56, b"Jane Doe", b"stsd")),
    ("mezzanine_of_another_rate_by_its_entry", "medium", "its description calls the sound one of 24 kHz",
     ("portrait", "film"), (24, b"\x5d\xc0", b"mp4a")),
    ("mezzanine_of_three_channels_by_its_entry", "medium", "its description says three channels", ("portrait", "film"),
     (16, b"\0\3", b"mp4a")),
    ("mezzanine_of_another_coding_by_its_entry", "medium", "its description says 4:4:4 with 10 bits",
     ("portrait", "flat"), None),
    ("mezzanine_of_a_level_too_low", "medium", "its parameters say level 1", ("portrait", "flat"), None),
    ("mezzanine_of_one_channel_by_its_configuration", "grave", "the sound's configuration says one channel of two",
     ("portrait", "film"), None),
    ("mezzanine_of_half_the_rate_by_its_configuration", "grave", "the sound's configuration doubles its rate",
     ("portrait", "film"), None),
    ("mezzanine_of_another_coder_by_its_configuration", "medium", "its description calls the sound MPEG-2's",
     ("portrait", "film"), None),
    ("mezzanine_signed_in_its_tags", "medium", "the header of its tags names a person", ("portrait", "music"),
     (4, b"JaneDoe1", b"mdir")),
    ("mezzanine_picture_called_none_of_the_films", "medium", "its header says that the picture is no part of it",
     ("portrait", "flat"), (3, b"\x09", b"tkhd")),
    ("mezzanine_of_a_number_that_is_taken", "light", "its header gives the next track a number that is in use",
     ("portrait", "flat"), (96, b"\0\0\0\1", b"mvhd")),
    ("mezzanine_signed_in_a_track", "light", "reserved bytes of a track name somebody", ("portrait", "music"),
     (22, b"JD", b"mdhd")),
    ("mezzanine_of_eight_bits_a_second", "light", "its description says 8 bit/s", ("portrait", "music"),
     (4, b"\0\0\0\x08" * 2, b"btrt")),
    ("mezzanine_refers_to_another_file", "medium", "a track says that its media is in another file",
     ("portrait", "music"), (19, bytes(1), b"dref")),
):  # fmt: skip
    if _place is None:
        register(Mutant(_name, "mezzanine", _harm, Seam.MEZZANINE, _description, _contents, DESCRIBED[_name]))
        continue
    _change: tuple[int, bytes, bytes] = _place
    register(Mutant(_name, "mezzanine", _harm, Seam.MEZZANINE, _description, _contents, partial(_written, *_change)))
