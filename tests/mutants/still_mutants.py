"""Faults of what shows a media before it plays: the thumbnail, the preview, the waveform as data and as a picture."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fault_encodes import encode_picture, write_playlist
from mutant import Harm, Mutant, Seam, Workpiece, mutant, register

from codex_assets.media.encode import hls

SHOWN = ("film", "portrait", "flat", "silent")

# --- Thumbnail --------------------------------------------------------------------------------------------------------

THUMBNAILS: tuple[tuple[str, Harm, str, str], ...] = (
    ("thumbnail_black", "grave", "it is black", "drawbox=t=fill:c=black"),
    ("thumbnail_mirrored", "grave", "it is mirrored", "hflip"),
    ("thumbnail_upside_down", "grave", "it is upside down", "vflip"),
    ("thumbnail_turned", "grave", "it is turned by 180 degrees", "hflip,vflip"),
    ("thumbnail_negative", "grave", "bright and dark are exchanged", "negate"),
    ("thumbnail_grey", "grave", "it has no colour", "hue=s=0"),
    ("thumbnail_planes_exchanged", "grave", "blue and red are exchanged", "shuffleplanes=0:2:1:0"),
    ("thumbnail_hue_turned", "medium", "hues are turned by 40 degrees", "hue=h=40"),
    ("thumbnail_brighter", "medium", "it is 30 levels brighter", "lutyuv=y=val+30"),
    ("thumbnail_range_narrowed", "medium", "its levels are those of video, so that black is grey",
     "lutyuv=y=16+val*219/255:u=128+(val-128)*224/255:v=128+(val-128)*224/255"),
    ("thumbnail_of_video_matrix", "medium", "its colours went through BT.709's matrix",
     "scale=in_color_matrix=bt601:out_color_matrix=bt709,setparams=colorspace=bt470bg"),
    ("thumbnail_contrast_lost", "medium", "it has half the contrast", "lutyuv=y=(val-126)*0.5+126"),
    ("thumbnail_blurred", "medium", "it is out of focus", "gblur=sigma=6"),
    ("thumbnail_pixelated", "medium", "it is made of squares",
     "scale=iw/14:ih/14:flags=area,scale=1280:720:flags=neighbor"),
    ("thumbnail_cropped", "medium", "a tenth of each side is missing", "crop=iw*0.8:ih*0.8,scale=1280:720"),
    ("thumbnail_half_grey", "grave", "its lower half is grey, as of a broken transfer",
     "drawbox=y=ih/2:h=ih/2:t=fill:c=gray"),
    ("thumbnail_with_a_logo", "medium", "a white box covers a corner", "drawbox=x=1050:y=40:w=180:h=80:c=white:t=fill"),
    ("thumbnail_with_noise", "medium", "noise covers it", "noise=alls=60"),
    ("thumbnail_moved", "medium", "it is moved by 24 pixels", "crop=iw-24:ih:0:0,pad=1280:720:24:0"),
    ("thumbnail_too_small", "medium", "it is 640x360", "scale=640:360"),
    ("thumbnail_too_large", "light", "it is 1920x1080", "scale=1920:1080"),
)  # fmt: skip


def _thumbnail(chain: str, piece: Workpiece) -> None:
    _drawn(piece, ["-i", str(piece.path)], f"{chain},format=yuvj420p")


def _drawn(piece: Workpiece, source: list[str], chain: str, *options: str) -> None:
    target = piece.scratch / "faulty.jpg"
    piece.tools.ffmpeg(
        [
            *source,
            *("-vf", chain, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-threads", "1"),
            *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", *options),
            *("-f", "image2", "-update", "1", str(target)),
        ],
        label="drawing a faulty thumbnail",
    )
    target.replace(piece.path)


for _number, (_name, _harm, _description, _chain) in enumerate(THUMBNAILS):
    _contents = SHOWN[_number % 4 :] + SHOWN[: _number % 4]
    if _name in ("thumbnail_moved", "thumbnail_mirrored"):
        _contents = ("film", "portrait")
    register(Mutant(_name, "thumbnail", _harm, Seam.THUMBNAIL, _description, _contents, partial(_thumbnail, _chain)))

FIT = (
    "scale=1280:720:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos:"
    "out_color_matrix=bt601:out_range=pc,format=yuvj420p,"
)


def _moment(piece: Workpiece, seconds: float) -> list[str]:
    return ["-ss", f"{seconds:.3f}", "-i", str(piece.mezzanine)]


@mutant("thumbnail", "medium", Seam.THUMBNAIL, ("film", "silent"))
def thumbnail_of_another_moment(piece: Workpiece) -> None:
    """it is a picture from another part of the film"""
    _drawn(piece, _moment(piece, piece.seconds * 0.8), f"{FIT}pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1")


@mutant("thumbnail", "light", Seam.THUMBNAIL, ("film", "silent"))
def thumbnail_of_half_a_second_later(piece: Workpiece) -> None:
    """it is a picture from half a second later"""
    _drawn(piece, _moment(piece, piece.seconds * 0.1 + 0.5), f"{FIT}pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1")


@mutant("thumbnail", "grave", Seam.THUMBNAIL, ("film", "flat"))
def thumbnail_of_another_film(piece: Workpiece) -> None:
    """it is of another film"""
    _drawn(piece, ["-f", "lavfi", "-i", "gradients=s=1280x720:seed=3"], "format=yuvj420p")


@mutant("thumbnail", "medium", Seam.THUMBNAIL, ("portrait",))
def thumbnail_stretched(piece: Workpiece) -> None:
    """a portrait picture is stretched to fill it"""
    chain = "scale=1280:720:out_color_matrix=bt601:out_range=pc,format=yuvj420p,setsar=1"
    _drawn(piece, _moment(piece, piece.seconds * 0.1), chain)


@mutant("thumbnail", "medium", Seam.THUMBNAIL, ("portrait",))
def thumbnail_padded_with_white(piece: Workpiece) -> None:
    """the sides of a portrait picture are white"""
    chain = f"{FIT}pad=1280:720:(ow-iw)/2:(oh-ih)/2:white,setsar=1"
    _drawn(piece, _moment(piece, piece.seconds * 0.1), chain)


@mutant("thumbnail", "medium", Seam.THUMBNAIL, ("portrait",))
def thumbnail_not_in_the_middle(piece: Workpiece) -> None:
    """a portrait picture lies at the left edge"""
    _drawn(piece, _moment(piece, piece.seconds * 0.1), f"{FIT}pad=1280:720:0:0,setsar=1")


@mutant("thumbnail", "medium", Seam.THUMBNAIL, SHOWN)
def thumbnail_starved_of_bits(piece: Workpiece) -> None:
    """it falls to blocks"""
    _drawn(piece, ["-i", str(piece.path)], "format=yuvj420p", "-q:v", "31", "-qmin", "31", "-qmax", "69")


def _jpeg(change: Callable[[bytes], bytes], piece: Workpiece) -> None:
    piece.path.write_bytes(change(piece.path.read_bytes()))


def _with_segment(marker: int, body: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        return data[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]

    return change


def _spotted(data: bytes) -> bytes:
    middle = len(data) * 2 // 3
    return data[:middle] + bytes(range(60)) + data[middle + 60 :]


def _called_rgb(data: bytes) -> bytes:
    """Without the JFIF segment, and with the names of red, green and blue for its channels."""
    assert data[2:4] == b"\xff\xe0"
    bare = bytearray(data[:2] + data[4 + int.from_bytes(data[4:6], "big") :])
    frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
    for number, name in enumerate(b"RGB"):
        bare[frame + 10 + 3 * number] = bare[scan + 5 + 2 * number] = name
    return bytes(bare)


EXIF = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00\x00\x00\x00\x00"
for _name, _harm, _description, _change in (
    ("thumbnail_cut_off", "grave", "half of its bytes are missing", lambda data: data[: len(data) // 2]),
    ("thumbnail_without_end", "medium", "its last bytes are missing", lambda data: data[:-40]),
    ("thumbnail_damaged", "grave", "some of its bytes are wrong", _spotted),
    ("thumbnail_is_text", "grave", "it is a server's page about an error", lambda data: b"<html>404</html>\n"),
    ("thumbnail_empty", "grave", "it has no bytes", lambda data: b""),
    ("thumbnail_turned_by_exif", "medium", "a tag tells viewers to turn it by 180 degrees", _with_segment(0xE1, EXIF)),
    ("thumbnail_with_a_comment", "medium", "a comment names a person", _with_segment(0xFE, b"Jane Doe, Elm Street 4")),
    ("thumbnail_with_xmp", "medium", "tags name a person and a place",
     _with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>Jane Doe 52.52N 13.40E</x:xmpmeta>")),
    ("thumbnail_called_rgb", "grave", "its channels are called red, green and blue", _called_rgb),
    ("thumbnail_with_a_table_of_text", "medium", "a table that nothing uses names a person and a place",
     _with_segment(0xDB, b"\x03" + (b"Jane Doe, Elm Street 4, 52.5200 13.4050 " * 2)[:64])),
    ("thumbnail_of_restarts", "grave", "it says that its scan begins anew in places, and it does not",
     lambda data: data.replace(b"\xff\xda", b"\xff\xdd\0\4\0\x10\xff\xda", 1)),
    ("thumbnail_filled", "light", "a megabyte of filling lies in front of its scan",
     lambda data: data.replace(b"\xff\xda", b"\xff" * (1 << 20) + b"\xff\xda", 1)),
    ("thumbnail_with_bytes_behind", "light", "other bytes follow its end", lambda data: data + b"Jane Doe" * 40),
):  # fmt: skip
    register(Mutant(_name, "thumbnail", _harm, Seam.THUMBNAIL, _description, SHOWN, partial(_jpeg, _change)))


@mutant("thumbnail", "medium", Seam.THUMBNAIL, SHOWN)
def thumbnail_is_a_png(piece: Workpiece) -> None:
    """it is a PNG"""
    _converted(piece, "png")


@mutant("thumbnail", "medium", Seam.THUMBNAIL, SHOWN)
def thumbnail_is_a_bitmap(piece: Workpiece) -> None:
    """it is a bitmap"""
    _converted(piece, "bmp")


def _converted(piece: Workpiece, codec: str) -> None:
    target = piece.scratch / "faulty.image"
    piece.tools.ffmpeg(
        ["-i", str(piece.path), "-c:v", codec, "-f", "image2", "-update", "1", str(target)], label="converting"
    )
    target.replace(piece.path)


# --- Preview ----------------------------------------------------------------------------------------------------------


def _edited(pattern: str, replacement: str, piece: Workpiece) -> None:
    text = piece.path.read_text()
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text
    piece.path.write_text(changed)


PREVIEWS: tuple[tuple[str, Harm, str, str], ...] = (
    ("preview_black", "grave", "its picture is black", "drawbox=t=fill:c=black"),
    ("preview_upside_down", "grave", "its picture is upside down", "vflip"),
    ("preview_planes_exchanged", "grave", "blue and red are exchanged", "shuffleplanes=0:2:1:0"),
    ("preview_frozen", "grave", "one picture stands for all of it",
     "loop=loop=-1:size=1:start=0,trim=duration={seconds}"),
    ("preview_blurred", "medium", "it is out of focus", "gblur=sigma=2.5"),
    ("preview_with_a_logo", "medium", "a white box covers a corner",
     "drawbox=x=iw-iw/6:y=ih/20:w=iw/8:h=ih/10:color=white:t=fill"),
    ("preview_late", "medium", "its picture comes one frame late",
     "tpad=start=1:start_mode=clone,setpts=N/({rate})/TB,trim=duration={seconds}"),
)  # fmt: skip


def _previewed(chain: str, piece: Workpiece) -> None:
    encode_picture(piece, chain.format(rate=piece.rate, seconds=piece.seconds))


for _number, (_name, _harm, _description, _chain) in enumerate(PREVIEWS):
    _contents = ("portrait", "film") if _number % 2 else ("film", "portrait")
    register(Mutant(_name, "preview", _harm, Seam.PREVIEW, _description, _contents, partial(_previewed, _chain)))


@mutant("preview", "grave", Seam.PREVIEW, ("film", "portrait"))
def preview_without_sound(piece: Workpiece) -> None:
    """it has no sound"""
    encode_picture(Workpiece(**{**piece.__dict__, "sound": None}))


@mutant("preview", "medium", Seam.PREVIEW, ("film", "flat"))
def preview_too_short(piece: Workpiece) -> None:
    """its last segment is missing"""
    listed = hls.parse_segments(piece.path.read_text())
    (piece.folder / listed[-1][0]).unlink()
    write_playlist(piece.path, listed[:-1])


@mutant("preview", "grave", Seam.PREVIEW, ("film",))
def preview_from_the_middle(piece: Workpiece) -> None:
    """it starts in the middle of the film"""
    encode_picture(
        piece, f"trim=start=6,setpts=PTS-STARTPTS,tpad=stop=-1:stop_mode=clone,trim=duration={piece.seconds}"
    )


@mutant("preview", "grave", Seam.PREVIEW, ("film",))
def preview_segments_swapped(piece: Workpiece) -> None:
    """two of its segments are exchanged"""
    first, second = piece.segments[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


@mutant("preview", "grave", Seam.PREVIEW, ("flat", "film"))
def preview_cut_off(piece: Workpiece) -> None:
    """the last third of a segment is missing"""
    data = piece.segment().read_bytes()
    piece.segment().write_bytes(data[: len(data) // 188 * 2 // 3 * 188])


# --- Waveform: data ---------------------------------------------------------------------------------------------------


def _data(change: Callable[[dict[str, Any]], object], piece: Workpiece) -> None:
    document = json.loads(piece.path.read_text())
    change(document)
    piece.path.write_text(json.dumps(document))


def _points(change: Callable[[list[int]], list[int]]) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.__setitem__("data", change(document["data"]))


def _set(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.__setitem__(name, value)


def _shortened(document: dict[str, Any]) -> None:
    document["length"] -= 10
    document["data"] = document["data"][:-20]


def _flattened(document: dict[str, Any]) -> None:
    peak = max(document["data"])
    document["data"] = [peak if number % 2 else -peak for number in range(len(document["data"]))]


WAVEFORMS: tuple[tuple[str, Harm, str, Callable[[dict[str, Any]], object]], ...] = (
    ("waveform_flat", "grave", "every point is zero", _points(lambda data: [0] * len(data))),
    ("waveform_reversed", "grave", "it runs backward", _points(lambda data: [-value for value in reversed(data)])),
    ("waveform_of_another_sound", "grave", "it is that of another sound",
     _points(lambda data: [(-1) ** (at + 1) * ((at // 2 * 37) % 90 + 5) for at in range(len(data))])),
    ("waveform_half", "medium", "every point is half as large", _points(lambda data: [value // 2 for value in data])),
    ("waveform_late", "medium", "it is late by a second", _points(lambda data: [0] * 20 + data[:-20])),
    ("waveform_second_half_zero", "grave", "its second half is zero",
     _points(lambda data: data[: len(data) // 2] + [0] * (len(data) - len(data) // 2))),
    ("waveform_all_at_its_peak", "grave", "every point is at its peak", _flattened),
    ("waveform_shuffled", "grave", "its parts are in another order",
     _points(lambda data: data[len(data) // 4 * 2 :] + data[: len(data) // 4 * 2])),
    ("waveform_one_sided", "medium", "every lower point is zero",
     _points(lambda data: [value if at % 2 else 0 for at, value in enumerate(data)])),
    ("waveform_sides_exchanged", "medium", "highest and lowest are exchanged",
     _points(lambda data: [data[at ^ 1] for at in range(len(data) // 2 * 2)])),
    ("waveform_clipped", "medium", "peaks are cut off at a third",
     _points(lambda data: [max(-40, min(40, v)) for v in data])),
    ("waveform_with_a_spike", "light", "one point is far too high",
     _points(lambda data: [*data[:40], -127, 127, *data[42:]])),
    ("waveform_too_short", "grave", "its last second is missing", _shortened),
    ("waveform_length_wrong", "medium", "it says another length", _set("length", 7)),
    ("waveform_points_missing", "grave", "half of its points are missing",
     _points(lambda data: data[: len(data) // 2])),
    ("waveform_of_floats", "medium", "its points are no whole numbers", _points(lambda data: [v + 0.5 for v in data])),  # type: ignore[misc]
    ("waveform_of_16_bits", "medium", "its points are of 16 bits", _points(lambda data: [v * 256 for v in data])),
    ("waveform_bits_wrong", "medium", "it says 16 bits", _set("bits", 16)),
    ("waveform_rate_wrong", "grave", "it says another sample rate", _set("sample_rate", 22050)),
    ("waveform_resolution_wrong", "grave", "it says another number of samples a point", _set("samples_per_pixel", 512)),
    ("waveform_channels_wrong", "medium", "it says two channels", _set("channels", 2)),
    ("waveform_version_old", "medium", "it is of another version", _set("version", 1)),
    ("waveform_version_missing", "medium", "its version is missing", lambda document: document.pop("version")),
    ("waveform_data_missing", "grave", "its points are missing", lambda document: document.pop("data")),
    ("waveform_with_a_path", "light", "it names a file of the machine", _set("source", "/srv/jobs/4/sound.wav")),
)  # fmt: skip

for _name, _harm, _description, _change_data in WAVEFORMS:
    register(
        Mutant(
            _name,
            "waveform",
            _harm,
            Seam.WAVEFORM_JSON,
            _description,
            ("music",),
            partial(_data, _change_data),
        )
    )


@mutant("waveform", "grave", Seam.WAVEFORM_JSON, ("music",))
def waveform_cut_off(piece: Workpiece) -> None:
    """the end of the text is missing"""
    piece.path.write_text(piece.path.read_text()[:-60])


@mutant("waveform", "grave", Seam.WAVEFORM_JSON, ("music",))
def waveform_is_text(piece: Workpiece) -> None:
    """it is a server's page about an error"""
    piece.path.write_text("<html>404</html>")


@mutant("waveform", "light", Seam.WAVEFORM_JSON, ("music",))
def waveform_of_blanks(piece: Workpiece) -> None:
    """a megabyte of blanks stands between its numbers"""
    text = piece.path.read_text()
    piece.path.write_text(text.replace(",", "," + (1_000_000 // text.count(",")) * " "))


@mutant("waveform", "medium", Seam.WAVEFORM_JSON, ("music",))
def waveform_with_a_hidden_field(piece: Workpiece) -> None:
    """a field is there twice, and the first time it names a person"""
    piece.path.write_text(piece.path.read_text().replace("{", '{"bits":"Jane Doe, Elm Street 4",', 1))


# --- Waveform: picture ------------------------------------------------------------------------------------------------

IMAGES: tuple[tuple[str, Harm, str, str], ...] = (
    ("waveform_image_empty", "grave", "nothing is drawn", "drawbox=t=fill:c=0x0f172a"),
    ("waveform_image_mirrored", "grave", "it runs backward", "hflip"),
    ("waveform_image_of_other_colours", "medium", "its colours are others", "hue=h=120"),
    ("waveform_image_negative", "medium", "its colours are inverted", "negate"),
    ("waveform_image_moved", "medium", "it is moved by 90 columns", "crop=iw-90:ih:0:0,pad=1280:720:90:0:0x0f172a"),
    ("waveform_image_half", "medium", "it is half as high", "scale=iw:ih/2,pad=1280:720:0:(oh-ih)/2:0x0f172a"),
    ("waveform_image_covers_half", "grave", "the whole sound is drawn in the left half",
     "scale=iw/2:ih,pad=1280:720:0:0:0x0f172a"),
    ("waveform_image_of_a_half", "grave", "only the first half is drawn, in full width",
     "crop=iw/2:ih:0:0,scale=1280:720:flags=neighbor"),
    ("waveform_image_covered", "medium", "a box covers a part of it", "drawbox=x=300:y=200:w=200:h=320:c=white:t=fill"),
    ("waveform_image_too_small", "medium", "it is 640x360", "scale=640:360"),
    ("waveform_image_lower_half_missing", "medium", "only what is above zero is drawn",
     "drawbox=y=ih/2:h=ih/2:c=0x0f172a:t=fill"),
    ("waveform_image_gap", "medium", "nothing is drawn in one stretch", "drawbox=x=500:w=120:c=0x0f172a:t=fill"),
)  # fmt: skip


def _image(chain: str, piece: Workpiece) -> None:
    target = piece.scratch / "faulty.png"
    written = ("-c:v", "png", "-map_metadata", "-1", "-f", "image2", "-update", "1", str(target))
    piece.tools.ffmpeg(["-i", str(piece.path), "-vf", f"format=rgb24,{chain},format=rgba", *written], label="drawing")
    target.replace(piece.path)


for _name, _harm, _description, _chain in IMAGES:
    register(
        Mutant(
            _name,
            "waveform",
            _harm,
            Seam.WAVEFORM_PNG,
            _description,
            ("music",),
            partial(_image, _chain),
        )
    )


@mutant("waveform", "grave", Seam.WAVEFORM_PNG, ("music",))
def waveform_image_cut_off(piece: Workpiece) -> None:
    """half of its bytes are missing"""
    data = piece.path.read_bytes()
    piece.path.write_bytes(data[: len(data) // 2])


@mutant("waveform", "medium", Seam.WAVEFORM_PNG, ("music",))
def waveform_image_with_a_name_inside(piece: Workpiece) -> None:
    """a name stands behind its compressed pixels, in their own chunk"""
    data = piece.path.read_bytes()
    start = data.rindex(b"IDAT") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    body = data[start + 4 : start + 8 + length] + b"Jane Doe, Elm Street 4"
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    piece.path.write_bytes(data[:start] + chunk + data[start + 12 + length :])


@mutant("waveform", "medium", Seam.WAVEFORM_PNG, ("music",))
def waveform_image_is_a_jpeg(piece: Workpiece) -> None:
    """it is a JPEG"""
    target: Path = piece.scratch / "faulty.image"
    arguments = ["-i", str(piece.path), "-c:v", "mjpeg", "-f", "image2", "-update", "1", str(target)]
    piece.tools.ffmpeg(arguments, label="converting")
    target.replace(piece.path)


@mutant("waveform", "medium", Seam.WAVEFORM_PNG, ("music",))
def waveform_image_transparent(piece: Workpiece) -> None:
    """nothing of it is opaque"""
    target: Path = piece.scratch / "faulty.image"
    arguments = ["-i", str(piece.path), "-vf", "format=rgba,colorchannelmixer=aa=0", "-c:v", "png", "-f", "image2"]
    piece.tools.ffmpeg([*arguments, "-update", "1", str(target)], label="converting")
    target.replace(piece.path)


@mutant("waveform", "medium", Seam.WAVEFORM_PNG, ("music",))
def waveform_image_of_flat_pixels(piece: Workpiece) -> None:
    """it says that its pixels are a hundred times as wide as high"""
    data = piece.path.read_bytes()
    at = data.index(b"IDAT") - 4
    body = b"pHYs" + (1).to_bytes(4, "big") + (100).to_bytes(4, "big") + b"\0"
    if b"pHYs" in data:
        at = data.index(b"pHYs") - 4
    rest = data[at + 21 :] if b"pHYs" in data else data[at:]
    piece.path.write_bytes(data[:at] + (9).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big") + rest)


@mutant("thumbnail", "medium", Seam.THUMBNAIL, ("film", "portrait"))
def thumbnail_of_flat_pixels(piece: Workpiece) -> None:
    """it says that its pixels are twice as high as wide"""
    data = bytearray(piece.path.read_bytes())
    density = data.index(b"JFIF\0") + 8
    data[density : density + 4] = b"\0\1\0\2"
    piece.path.write_bytes(bytes(data))
