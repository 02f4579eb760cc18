"""Pictures as cameras, phones, recorders and editors make them, each with the truth that it was made from.

Every case films the same *card*: four coloured corners (so that turning and mirroring show), patches, a row of greys
and a bright bar that moves the same way with every picture. The coded samples are worked out here from the card's
colours by the formulas of the standards, so that no converter's opinion is measured twice. Nothing here knows the code
under test.
"""

from __future__ import annotations

import math
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from clips import display_matrix
from measure_picture import Box, Colour
from PIL import Image, ImageDraw

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")

# --- The card ---------------------------------------------------------------------------------------------------------

CORNERS: dict[str, Colour] = {
    "top left": (200, 40, 40),
    "top right": (40, 180, 60),
    "bottom left": (40, 60, 200),
    "bottom right": (235, 235, 235),
}
PATCHES: dict[str, Colour] = {
    "yellow": (210, 200, 40),
    "cyan": (40, 190, 200),
    "magenta": (190, 50, 180),
    "skin": (220, 170, 140),
}
GREYS = (0, 32, 64, 100, 128, 160, 200, 255)
COLUMNS, ROWS = 8, 6
BAR_BOX: Box = (2 / COLUMNS, 4 / ROWS, 6 / COLUMNS, 1.0)
GREY_NAMES = tuple(f"grey {level}" for level in GREYS)
TRUTH: dict[str, Colour] = CORNERS | PATCHES | {f"grey {level}": (level, level, level) for level in GREYS}
DARK, BRIGHT = (16, 16, 16), (250, 250, 250)
PALETTE: tuple[Colour, ...] = (*TRUTH.values(), DARK, BRIGHT)
"""Colour of each index of a card."""


def _cell(column: int, row: int, wide: int = 1, high: int = 1) -> Box:
    return column / COLUMNS, row / ROWS, (column + wide) / COLUMNS, (row + high) / ROWS


CELLS: dict[str, Box] = {
    "top left": _cell(0, 0, 2, 2),
    "top right": _cell(6, 0, 2, 2),
    "bottom left": _cell(0, 4, 2, 2),
    "bottom right": _cell(6, 4, 2, 2),
    **{name: _cell(2 + number, 0, 1, 2) for number, name in enumerate(PATCHES)},
    **{name: _cell(number, 2, 1, 2) for number, name in enumerate(GREY_NAMES)},
}
QUARTERS: dict[str, Box] = {
    "top left": (0, 0, 0.5, 0.5),
    "top right": (0.5, 0, 1, 0.5),
    "bottom left": (0, 0.5, 0.5, 1),
    "bottom right": (0.5, 0.5, 1, 1),
}
"""The whole card of a picture that is too small for more."""


def inner(box: Box, part: float = 0.4) -> Box:
    """The middle of a box: away from edges that coding smears."""
    wide, high = (box[2] - box[0]) * part / 2, (box[3] - box[1]) * part / 2
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return across - wide, down - high, across + wide, down + high


@dataclass(frozen=True)
class Card:
    """Indices into `PALETTE`, one picture for each moment. `tiny`: four quarters and nothing else."""

    width: int
    height: int
    frames: int
    step: float = 1.0
    """Pixels that the bar moves from picture to picture."""
    tiny: bool = False
    still: bool = False

    def picture(self, number: int) -> Image.Image:
        image = Image.new("L", (self.width, self.height), len(PALETTE) - 2)
        draw = ImageDraw.Draw(image)

        def fill(box: Box, index: int) -> None:
            left, top = round(box[0] * self.width), round(box[1] * self.height)
            right, bottom = round(box[2] * self.width) - 1, round(box[3] * self.height) - 1
            if right >= left and bottom >= top:
                draw.rectangle((left, top, right, bottom), fill=index)

        names = list(TRUTH)
        for name, box in (QUARTERS if self.tiny else CELLS).items():
            fill(box, names.index(name))
        if not self.tiny and not self.still:
            left, right = BAR_BOX[0] * self.width, BAR_BOX[2] * self.width
            wide = max(4, self.width // 16)
            at = left + (number * self.step) % (right - left - wide)
            draw.rectangle((round(at), round(BAR_BOX[1] * self.height), round(at) + wide - 1, self.height), fill=17)
        return image


assert len(PALETTE) == 18

# --- Samples by the standards' formulas -------------------------------------------------------------------------------

LUMA = {
    "bt709": (0.2126, 0.0722),
    "bt601": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
    "bt2020": (0.2627, 0.0593),
}
"""Kr and Kb of each matrix."""
Code = tuple[float, float, float]
Coding = Callable[[Colour], Code]
"""R'G'B' of the card (0 to 255) -> the three samples, in 16 bits (0 to 65535)."""


def ycbcr(matrix: str, *, full: bool = False) -> Coding:
    kr, kb = LUMA[matrix]

    def code(colour: Colour) -> Code:
        red, green, blue = (channel / 255 for channel in colour)
        y = kr * red + (1 - kr - kb) * green + kb * blue
        return _quantised(y, (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr)), full)

    return code


def ycgco(colour: Colour) -> Code:
    red, green, blue = (channel / 255 for channel in colour)
    y, cg, co = red / 4 + green / 2 + blue / 4, -red / 4 + green / 2 - blue / 4, red / 2 - blue / 2
    return _quantised(y, cg, co, False)


def _quantised(y: float, u: float, v: float, full: bool) -> Code:
    if full:
        return y * 65535, u * 65535 + 32768, v * 65535 + 32768
    return (16 + 219 * y) * 256, (128 + 224 * u) * 256, (128 + 224 * v) * 256


def rgb(colour: Colour) -> Code:
    """As green, blue, red: the order of planar RGB."""
    red, green, blue = (channel * 257 for channel in colour)
    return green, blue, red


def grey(*, full: bool) -> Coding:
    def code(colour: Colour) -> Code:
        y = sum(part * channel for part, channel in zip((0.2126, 0.7152, 0.0722), colour, strict=True)) / 255
        return _quantised(y, 0, 0, full)

    return code


# Columns: red, green, blue; rows: X, Y, Z of linear light (SMPTE RP 177).
XYZ = {
    "bt709": ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)),
    "bt2020": ((0.6370, 0.1446, 0.1689), (0.2627, 0.6780, 0.0593), (0.0000, 0.0281, 1.0610)),
    "p3": ((0.4866, 0.2657, 0.1982), (0.2290, 0.6917, 0.0793), (0.0000, 0.0451, 1.0439)),
}


def _times(rows: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in rows]


def _inverse(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    (a, b, c), (d, e, f), (g, h, i) = rows
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return [
        [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
        [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
        [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
    ]


def _linear(colour: Colour) -> list[float]:
    """Light on a reference display, BT.1886."""
    return [(channel / 255) ** 2.4 for channel in colour]


def in_gamut(gamut: str, coding: Coding) -> Coding:
    """The same colour, told in the primaries of `gamut`."""

    def code(colour: Colour) -> Code:
        light = _times(_inverse(XYZ[gamut]), _times(XYZ["bt709"], _linear(colour)))
        return coding(tuple(255 * max(0.0, part) ** (1 / 2.4) for part in light))

    return code


def pq(nits: float) -> float:
    """SMPTE ST 2084."""
    y = (nits / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def hlg(nits: float, luminance: float) -> float:
    """ITU-R BT.2100 for a display of 1000 cd/m2: the system gamma of 1.2 undone, then the OETF."""
    scene = 0.0 if nits <= 0 else (nits / 1000) / max(1e-9, luminance / 1000) ** (0.2 / 1.2)
    if scene <= 1 / 12:
        return float((3 * scene) ** 0.5)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def hdr(transfer: str, coding: Coding | None = None, *, white: float = 203.0) -> Coding:
    """SDR's white at `white` cd/m2 (BT.2408), in BT.2020."""
    coding = coding or ycbcr("bt2020")

    def code(colour: Colour) -> Code:
        light = _times(_inverse(XYZ["bt2020"]), _times(XYZ["bt709"], _linear(colour)))
        nits = [max(0.0, part) * white for part in light]
        luminance = sum(a * b for a, b in zip((0.2627, 0.6780, 0.0593), nits, strict=True))
        coded = [pq(part) if transfer == "pq" else hlg(part, luminance) for part in nits]
        return coding(tuple(255 * part for part in coded))  # type: ignore[arg-type]

    return code


def ictcp(colour: Colour) -> Code:
    """BT.2100 ICtCp of PQ, limited range, from R'G'B' of BT.2020 in PQ (0 to 255)."""
    light = [_nits(channel / 255) for channel in colour]
    rows = ((1688, 2146, 262), (683, 2951, 462), (99, 309, 3688))
    long, middle, short = (pq(part / 4096) for part in _times(rows, light))
    ct = (6610 * long - 13613 * middle + 7003 * short) / 4096
    cp = (17933 * long - 17390 * middle - 543 * short) / 4096
    return _quantised((long + middle) / 2, ct, cp, False)


def _nits(coded: float) -> float:
    """SMPTE ST 2084, the other way."""
    power = max(0.0, coded) ** (1 / 78.84375)
    return float(10000 * (max(0.0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125))


def raw(picture: Image.Image, coding: Coding, bits: int = 16) -> bytes:
    """Three whole planes: 16 bits little endian, or 8."""
    indices = picture.tobytes()
    codes = [coding(colour) for colour in PALETTE]
    planes = []
    for plane in range(3):
        if bits == 8:
            levels = [min(255, max(0, round(code[plane] / 256))) for code in codes]
            planes.append(indices.translate(bytes(levels + [0] * (256 - len(levels)))))
            continue
        wide = [min(65535, max(0, round(code[plane]))) for code in codes] + [0] * (256 - len(codes))
        words = bytearray(2 * len(indices))
        words[0::2] = indices.translate(bytes(word & 255 for word in wide))
        words[1::2] = indices.translate(bytes(word >> 8 for word in wide))
        planes.append(bytes(words))
    return b"".join(planes)


# --- Cases ------------------------------------------------------------------------------------------------------------

Change = Callable[[bytes], bytes]
T = Image.Transpose


@dataclass(frozen=True)
class Case:
    """`coded`: size of the coded samples. `shown`: displayed size, as the webhook tells it. `planes`: ffmpeg's name of
    what the card is piped in as."""

    name: str
    suffix: str
    options: str
    coded: tuple[int, int] = (192, 144)
    shown: tuple[int, int] = (0, 0)
    rate: str = "25"
    delivered_rate: str = ""
    frames: int = 12
    coding: Coding = field(default_factory=lambda: ycbcr("bt601"))
    planes: str = "yuv444p16le"
    filters: str = ""
    """Between the card and the encoder: no matrix and no range may change here."""
    turned: tuple[T, ...] = ()
    """How the displayed card is turned to become the coded one."""
    change: Change | None = None
    more: Callable[[Path, Path], None] | None = None
    """Makes the upload (second) from what was encoded (first)."""
    truth: Callable[[Colour], Colour] | None = None
    tolerance: float = 6.0
    exclude: tuple[str, ...] = ()
    hdr: bool = False
    """Colours keep their hue and the order of their levels; the levels themselves are the tone curve's."""
    fields: str = ""
    """`tff` or `bff`: each coded frame holds two moments."""
    moving: bool = True
    delivered_frames: int | None = None
    even: bool = True
    """Whether the bar goes on evenly in what is delivered."""
    inputs: str = ""
    stretch: bool = False
    tiny: bool = False
    step: float = 2.0
    variants: tuple[str, ...] = ("360p", "preview")
    source: dict[str, object] = field(default_factory=dict)
    """What the asset's metadata has to say of the upload."""
    refused: str | None = None
    notes: tuple[str, ...] = ()
    """Kinds of what a viewer would complain of, and rightly."""
    warns: tuple[str, ...] = ()
    """Patterns, one per warning, in order."""
    quick: bool = False

    @property
    def displayed(self) -> tuple[int, int]:
        return self.shown if self.shown != (0, 0) else self.coded

    @property
    def mezzanine(self) -> tuple[int, int]:
        wide, high = self.displayed
        return max(2, wide // 2 * 2), max(2, high // 2 * 2)


CASES: dict[str, Case] = {}


def case(name: str, suffix: str, options: str, **more: object) -> None:
    assert name not in CASES, name
    CASES[name] = Case(name, suffix, options, **more)  # type: ignore[arg-type]


FILTERS_NAMES = {"rgb": "gbr", "gamma22": "bt470m", "gamma28": "bt470bg"}
"""What the filter calls what the encoder calls otherwise."""


def tagging(options: str) -> list[str]:
    """The filter that says of raw pictures what colours they are in, where the encoder's `options` say so. From options
    alone ffmpeg 7 takes it for a wish, and converts."""
    names = {"-color_range": "range", "-colorspace": "colorspace"}
    names |= {f"-{name}": name for name in ("color_primaries", "color_trc")}
    words = options.split()
    named = {names[word]: FILTERS_NAMES.get(value, value) for word, value in pairwise(words) if word in names}
    if not named:
        return []
    # First the samples' form: of some colours ffmpeg 7 converts nothing at all.
    form = [f"format={value}" for word, value in pairwise(words) if word == "-pix_fmt"]
    return [*form, "setparams=" + ":".join(f"{name}={value}" for name, value in named.items())]


def make(made: Case, folder: Path) -> Path:
    """The upload of a case, in `folder`."""
    coded = made.coded
    swap = any(turn in (T.ROTATE_90, T.ROTATE_270, T.TRANSPOSE, T.TRANSVERSE) for turn in made.turned)
    size = (coded[1], coded[0]) if swap else coded
    frames = made.frames * (2 if made.fields else 1)
    card = Card(*size, frames, made.step, made.tiny, not made.moving)
    encoded = folder / f"encoded.{made.suffix}"
    rate = f"{2 * int(made.rate)}" if made.fields else made.rate
    filters = [f"scale={coded[0]}:{coded[1]}:flags=neighbor"] if made.stretch else []
    if made.fields:
        filters.append(f"interlace=scan={made.fields}:lowpass=off")
    filters += [made.filters] if made.filters else []
    filters += tagging(made.options)
    source = ("-f", "rawvideo", "-pix_fmt", made.planes, "-s", "{}x{}".format(*coded), "-r", rate)
    command = [*FFMPEG, *source, "-i", "pipe:0", *made.inputs.split()]
    command += ["-filter:v:0", ",".join(filters)] if filters else []
    command += [*made.options.replace("{folder}", str(folder)).split(), str(encoded)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    bits = 8 if made.planes in ("yuv444p", "gbrp", "gray", "yuvj444p") else 16
    try:
        for number in range(frames):
            picture = card.picture(number)
            for turn in made.turned:
                picture = picture.transpose(turn)
            process.stdin.write(raw(picture, made.coding, bits))
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.stderr is not None
    log = process.stderr.read().decode()
    assert process.wait() == 0, log
    upload = folder / f"upload.{made.suffix}"
    if made.more is not None:
        made.more(encoded, upload)
    else:
        encoded.replace(upload)
    if made.change is not None:
        upload.write_bytes(made.change(upload.read_bytes()))
    return upload


def remux(options: str, before: str = "") -> Callable[[Path, Path], None]:
    def run(source: Path, target: Path) -> None:
        subprocess.run([*FFMPEG, *before.split(), "-i", str(source), *options.split(), str(target)], check=True)

    return run


H264 = "-c:v libx264 -preset ultrafast -qp 12 -pix_fmt yuv420p"
SD = "-color_range tv -colorspace smpte170m"
HD = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"

# --- Shape ------------------------------------------------------------------------------------------------------------

for _name, _matrix, _turns in (
    ("turned_90", (0, 1, -1, 0), (T.ROTATE_90,)),
    ("turned_180", (-1, 0, 0, -1), (T.ROTATE_180,)),
    ("turned_270", (0, -1, 1, 0), (T.ROTATE_270,)),
    ("mirrored", (-1, 0, 0, 1), (T.FLIP_LEFT_RIGHT,)),
    ("upside_down_mirrored", (1, 0, 0, -1), (T.FLIP_TOP_BOTTOM,)),
    ("transposed", (0, 1, 1, 0), (T.TRANSPOSE,)),
    ("transversed", (0, -1, -1, 0), (T.TRANSVERSE,)),
):
    case(
        _name,
        "mp4",
        f"{H264} {SD}",
        change=display_matrix(*_matrix),
        turned=_turns,
        shown=(144, 192) if _matrix[0] == 0 else (192, 144),
        quick=_name == "turned_90",
    )
case("turned_by_3_degrees", "mp4", f"{H264} {SD}", change=display_matrix(0.9986, 0.0523, -0.0523, 0.9986))
case("turned_by_45_degrees", "mp4", f"{H264} {SD}", change=display_matrix(0.7071, 0.7071, -0.7071, 0.7071))
case(
    "turned_by_87_degrees",
    "mp4",
    f"{H264} {SD}",
    change=display_matrix(0.0523, 0.9986, -0.9986, 0.0523),
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)
case("matrix_scales", "mp4", f"{H264} {SD}", change=display_matrix(0.5, 0.0, 0.0, 0.5))
case("matrix_of_zeros", "mp4", f"{H264} {SD}", change=display_matrix(0.0, 0.0, 0.0, 0.0))
case(
    "turned_by_a_tag",
    "mkv",
    # ffmpeg does not write such a tag any more.
    f"{H264} {SD} -metadata:s:v:0 rotatx=90",
    change=lambda data: data.replace(b"ROTATX", b"ROTATE"),
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)
case(
    "turned_by_h264_sei",
    "mkv",
    f"{H264} {SD} -g 4 -bsf:v h264_metadata=display_orientation=insert:rotate=270",
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)


def saying_later(suffix: str, say: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """The same pictures three times in one track, of which the last two say how they are turned: `say` makes them."""

    def run(source: Path, target: Path) -> None:
        saying, listed = source.with_name(f"saying.{suffix}"), source.with_name("list.txt")
        say(source, saying)
        listed.write_text("".join(f"file '{path}'\n" for path in (source, saying, saying)))
        command = [*FFMPEG, "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(target)]
        subprocess.run(command, check=True)

    return run


def as_hevc_says(source: Path, target: Path) -> None:
    """A message of a quarter turn before each key picture (ITU-T H.265, D.2.17)."""
    raw = source.with_suffix(".hevc")
    subprocess.run([*FFMPEG, "-i", str(source), "-c", "copy", "-bsf:v", "hevc_mp4toannexb", str(raw)], check=True)
    message = bytes.fromhex("000000014e012f0318001880")
    units = re.split(b"(?=\0\0\1)", raw.read_bytes())
    said = [message + unit if len(unit) > 3 and 16 <= unit[3] >> 1 & 63 <= 21 else unit for unit in units]
    raw.write_bytes(b"".join(said))
    subprocess.run([*FFMPEG, "-r", "25", "-i", str(raw), "-c", "copy", "-tag:v", "hvc1", str(target)], check=True)


def as_jpegs_say(source: Path, target: Path) -> None:
    """A quarter turn in the Exif of each picture, as cameras write it."""
    raw = source.with_suffix(".mjpeg")
    subprocess.run([*FFMPEG, "-i", str(source), "-c", "copy", "-f", "mjpeg", str(raw)], check=True)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    said = b"\xff\xd8\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    raw.write_bytes(raw.read_bytes().replace(b"\xff\xd8\xff", said + b"\xff"))
    subprocess.run([*FFMPEG, "-f", "mjpeg", "-r", "25", "-i", str(raw), "-c", "copy", str(target)], check=True)


_H264_SAYS = remux("-c copy -bsf:v h264_metadata=display_orientation=insert:rotate=270")
_HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=12:bframes=0 -pix_fmt yuv420p"
for _codec, _suffix, _options, _say in (
    ("h264", "ts", f"{H264} {SD} -bf 0 -g 5", _H264_SAYS),
    ("h264", "mp4", f"{H264} {SD} -bf 0 -g 5", _H264_SAYS),
    ("hevc", "mp4", f"{_HEVC} {SD} -tag:v hvc1", as_hevc_says),
    ("mjpeg", "avi", "-c:v mjpeg -q:v 1 -pix_fmt yuvj420p", as_jpegs_say),
):
    case(
        f"turned_midway_by_{_codec}_{_suffix}",
        _suffix,
        _options,
        more=saying_later(_suffix, _say),
        turned=(T.ROTATE_90,),
        shown=(144, 192),
        # The bar starts again with each part.
        even=False,
        frames=13,
        delivered_frames=39,
        warns=("turned in another way midway",),
    )
case(
    "turned_90_wide_pixels",
    "mp4",
    f"{H264} {SD} -aspect 192:108",
    change=display_matrix(0, 1, -1, 0),
    turned=(T.ROTATE_90,),
    coded=(144, 108),
    shown=(108, 192),
)


def clean_aperture(data: bytes) -> bytes:
    """Asks players of an mp4 with one H.264 track to show the middle of the picture alone (`clap`)."""
    at = data.index(b"avcC") - 4
    box = struct.pack(">I4s8i", 40, b"clap", 96, 1, 108, 1, 0, 1, 0, 1)
    made = bytearray(data[:at] + box + data[at:])
    entry = made.index(b"avc1", made.index(b"stsd"))
    for where in (entry, *(made.index(name) for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"))):
        (size,) = struct.unpack(">I", made[where - 4 : where])
        made[where - 4 : where] = struct.pack(">I", size + len(box))
    return bytes(made)


def pixel_crop(data: bytes) -> bytes:
    """Asks players of an mkv to leave out the left and the top, in place of a displayed size that says nothing new."""
    made = bytearray(data)
    for name, instead in ((b"\x54\xb0", b"\x54\xcc"), (b"\x54\xba", b"\x54\xbb")):
        at = made.index(name)
        size = made[at + 2] & 0x7F
        made[at : at + 3 + size] = instead + made[at + 2 : at + 3] + (32).to_bytes(size, "big")
    return bytes(made)


case("cropped_by_mp4", "mp4", f"{H264} {SD}", change=clean_aperture)
case("cropped_by_mkv", "mkv", "-c:v utvideo -pix_fmt yuv420p", filters="setsar=2", change=pixel_crop)
case(
    "cropped_by_mp4_turned",
    "mp4",
    f"{H264} {SD}",
    change=lambda data: display_matrix(0, 1, -1, 0)(clean_aperture(data)),
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)
case("portrait", "mp4", f"{H264} {SD}", coded=(108, 192))
case("square", "mp4", f"{H264} {SD}", coded=(160, 160))
case("cinema", "mp4", f"{H264} {SD}", coded=(240, 100))
case("odd_size_444", "mp4", f"-c:v libx264 -qp 12 -pix_fmt yuv444p {SD}", coded=(161, 121))
case(
    "odd_size_vp9",
    "webm",
    f"-c:v libvpx-vp9 -crf 10 -cpu-used 8 -deadline realtime -pix_fmt yuv420p {SD}",
    coded=(161, 121),
)
case("odd_size_mpeg4", "avi", "-c:v mpeg4 -q:v 2", coded=(161, 121))
for _wide, _high in ((1, 1), (2, 2), (3, 5), (4, 6), (7, 9), (12, 9), (16, 16), (1, 40), (40, 1), (2, 300)):
    case(
        f"tiny_{_wide}x{_high}",
        "mkv",
        "-c:v ffv1 -pix_fmt yuv444p",
        coded=(_wide, _high),
        tiny=True,
        moving=False,
        exclude=tuple(CELLS) if min(_wide, _high) < 10 else (),
        tolerance=90.0 if min(_wide, _high) < 10 else 12.0,
    )
case("wide_pixels_in_container", "mkv", f"{H264} {SD} -aspect 256:144", shown=(256, 144))
case("wide_pixels_in_bitstream", "ts", f"{H264} {SD} -aspect 256:144", shown=(256, 144))
case(
    "pixels_disagree",
    "mp4",
    f"{H264} {SD} -aspect 256:144",
    more=remux("-c copy -bsf:v h264_metadata=sample_aspect_ratio=1/1"),
    shown=(256, 144),
)
case("narrow_pixels", "mp4", f"{H264} {SD} -aspect 144:144", shown=(144, 144))
case("absurd_pixels", "mkv", f"{H264} {SD}", more=remux("-c copy -aspect 1:500"), shown=(192, 144))
case("absurdly_wide_pixels", "mkv", f"{H264} {SD}", more=remux("-c copy -aspect 5000:144"), shown=(192, 144))
case(
    "cropped_in_the_bitstream",
    "mp4",
    f"{H264} {SD} -bsf:v h264_metadata=crop_left=16:crop_top=16",
    coded=(192, 144),
    shown=(176, 128),
    exclude=tuple(CELLS),
    moving=False,
)
case(
    "cropped_in_the_bitstream_on_the_left",
    "mp4",
    f"{H264} {SD} -bsf:v h264_metadata=crop_left=60",
    filters="pad=iw+60:ih:60:0",
)
for _short, _name in ((360, "640x360"), (480, "854x480"), (720, "1280x720"), (1080, "1920x1080")):
    _wide = int(_name.split("x")[0])
    case(
        f"exactly_{_name}",
        "mp4",
        f"{H264} {HD}",
        coded=(_wide, _short),
        coding=ycbcr("bt709"),
        frames=8,
        step=8,
        variants=(
            *[n for n, s in (("1080p", 1080), ("720p", 720), ("480p", 480), ("360p", 360)) if s <= _short],
            "preview",
        ),
    )
case(
    "portrait_720x1280",
    "mp4",
    f"{H264} {HD}",
    coded=(720, 1280),
    coding=ycbcr("bt709"),
    frames=8,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
)
LADDER = ("1080p", "720p", "480p", "360p", "preview")
case(
    "uhd_2160",
    "mp4",
    f"{H264} {HD}",
    coded=(3840, 2160),
    coding=ycbcr("bt709"),
    planes="yuv444p",
    frames=4,
    step=40,
    variants=LADDER,
)
case(
    "uhd_4320",
    "mp4",
    f"{H264} {HD}",
    coded=(7680, 4320),
    coding=ycbcr("bt709"),
    planes="yuv444p",
    # Of two pictures in a transport stream ffprobe 7.1 tells twice their rate.
    frames=3,
    step=80,
    variants=LADDER,
)
case("above_8k", "mkv", "-c:v ffv1 -pix_fmt yuv420p", coded=(8208, 4320), planes="yuv444p", frames=1, refused="8K")


def joined(source: Path, target: Path) -> None:
    """The same picture once more, at another size, in the same track."""
    second = source.with_name(f"second.{source.suffix[1:]}")
    subprocess.run(
        [*FFMPEG, "-i", str(source), "-vf", "scale=96:72", *f"{H264} {SD} -output_ts_offset 0.52".split(), str(second)],
        check=True,
    )
    target.write_bytes(source.read_bytes() + second.read_bytes())


RESIZED = ("changes its size midway",)
case(
    "size_changes",
    "ts",
    f"{H264} {SD}",
    more=joined,
    even=False,
    frames=13,
    delivered_frames=26,
    warns=RESIZED,
)


def joined_with(options: str, filters: str) -> Callable[[Path, Path], None]:
    """The same picture once more in the same track, coded in another way."""

    def run(source: Path, target: Path) -> None:
        second = source.with_name(f"second{source.suffix}")
        subprocess.run([*FFMPEG, "-i", str(source), "-vf", filters, *options.split(), str(second)], check=True)
        listed = source.with_name("list.txt")
        listed.write_text(f"file '{source}'\nfile '{second}'\n")
        command = [*FFMPEG, "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(target)]
        subprocess.run(command, check=True)

    return run


_VP8 = "-c:v libvpx -crf 4 -b:v 5M -deadline realtime -pix_fmt yuv420p"
case(
    "size_grows_vp8",
    "webm",
    _VP8,
    more=joined_with(_VP8, "scale=384:288"),
    even=False,
    frames=13,
    delivered_frames=26,
    shown=(384, 288),
    source={"width": 384, "height": 288},
    warns=RESIZED,
)
case(
    "format_changes",
    "ts",
    f"{H264} {SD}",
    more=joined_with(f"-c:v libx264 -qp 12 -preset ultrafast -pix_fmt yuv444p {SD}", "null"),
    even=False,
    frames=13,
    delivered_frames=26,
)
case(
    "size_changes_and_alpha",
    "mkv",
    "-c:v png -pix_fmt rgba",
    coding=rgb,
    planes="gbrp",
    more=joined_with("-c:v png -pix_fmt rgba", "scale=96:72:flags=neighbor"),
    even=False,
    frames=13,
    delivered_frames=26,
    warns=RESIZED,
)

# --- Rates ------------------------------------------------------------------------------------------------------------

for _rate, _delivered in (
    ("24000/1001", "24000/1001"),
    ("24", "24"),
    ("30000/1001", "30000/1001"),
    ("48", "48"),
    ("50", "50"),
    ("60000/1001", "60000/1001"),
    ("60", "60"),
    ("72", "36"),
    ("90", "45"),
    ("100", "50"),
    ("120000/1001", "60000/1001"),
    ("120", "60"),
    ("144", "48"),
    ("240", "60"),
    ("12", "12"),
    ("15", "15"),
    ("7", "7"),
):
    case(
        f"rate_{_rate.replace('/', '_')}",
        "mp4",
        f"{H264} {SD}",
        rate=_rate,
        delivered_rate=_delivered,
        frames=24,
    )
for _rate in ("1", "1/2", "2"):
    case(
        f"rate_{_rate.replace('/', '_')}",
        "mp4",
        f"{H264} {SD}",
        rate=_rate,
        delivered_rate="6" if _rate == "2" else "5",
        frames=4,
        even=False,
    )

# --- Interlaced -------------------------------------------------------------------------------------------------------

for _order in ("tff", "bff"):
    case(
        f"interlaced_h264_{_order}",
        "mp4",
        f"{H264} {SD} -x264opts {_order}",
        fields=_order,
        delivered_rate="50",
        source={"interlaced": True},
        quick=_order == "bff",
    )
case(
    "interlaced_mpeg2",
    "mpg",
    "-c:v mpeg2video -flags +ildct+ilme -q:v 2 -pix_fmt yuv420p",
    fields="tff",
    delivered_rate="50",
)
case(
    "interlaced_mpeg2_422",
    "mxf",
    "-c:v mpeg2video -flags +ildct+ilme -q:v 2 -pix_fmt yuv422p",
    fields="tff",
    delivered_rate="50",
)
case(
    "interlaced_prores",
    "mov",
    f"-c:v prores_ks -flags +ildct -pix_fmt yuv422p10le {SD}",
    fields="tff",
    delivered_rate="50",
)
case(
    "interlaced_dv",
    "dv",
    "-c:v dvvideo -pix_fmt yuv420p -aspect 4:3",
    coded=(720, 576),
    shown=(768, 576),
    fields="bff",
    delivered_rate="50",
    tolerance=10.0,
    variants=("480p", "360p", "preview"),
)
case(
    "interlaced_without_a_flag",
    "mp4",
    f"{H264} {SD} -flags -ildct-ilme",
    filters="setfield=prog",
    fields="tff",
    frames=25,
    delivered_rate="50",
)
case(
    "interlaced_and_turned",
    "mp4",
    f"{H264} {SD} -x264opts tff",
    fields="tff",
    delivered_rate="50",
    change=display_matrix(-1, 0, 0, -1),
    turned=(T.ROTATE_180,),
)
case(
    "interlaced_with_the_wrong_flag",
    "mp4",
    f"{H264} {SD} -x264opts bff",
    filters="setfield=bff",
    fields="tff",
    frames=25,
    delivered_rate="50",
)
for _suffix, _rate, _options in (
    ("h264", "50", f"{H264} {SD}"),
    ("hevc", "24", f"-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p {SD}"),
    ("m2v", "24", "-c:v mpeg2video -q:v 2 -pix_fmt yuv420p"),
    ("m4v", "24", "-c:v mpeg4 -q:v 2 -pix_fmt yuv420p"),
    ("m1v", "24", "-c:v mpeg1video -q:v 2 -pix_fmt yuv420p"),
):
    case(f"raw_{_suffix}_{_rate}", _suffix, _options, rate=_rate)
case("interlaced_30", "ts", f"{H264} {SD} -x264opts tff", rate="30", fields="tff", delivered_rate="60")
case(
    "interlaced_v210", "mov", f"-c:v v210 -pix_fmt yuv422p10le {SD} -field_order tt", fields="tff", delivered_rate="50"
)
case(
    "interlaced_hdr",
    "mkv",
    "-c:v ffv1 -pix_fmt yuv422p10le -color_trc arib-std-b67 -color_primaries bt2020 -colorspace bt2020nc",
    coding=hdr("hlg"),
    hdr=True,
    fields="tff",
    delivered_rate="50",
)
case(
    "telecined",
    "mp4",
    f"{H264} {SD}",
    rate="24",
    filters="telecine,setfield=prog",
    frames=24,
    delivered_rate="60",
    even=False,
)
case("progressive_flagged_interlaced", "mp4", f"{H264} {SD} -x264opts tff", frames=25, filters="setfield=tff")
case("progressive_fake_interlaced", "mp4", f"{H264} {SD} -x264opts fake-interlaced", frames=25)


def half_interlaced(source: Path, target: Path) -> None:
    """Two progressive seconds, then two interlaced ones, in one track whose head says progressive."""
    parts = []
    for name, filters, more in (
        ("first.ts", "bwdif=send_frame:deint=all,setfield=prog", ""),
        ("second.ts", "null", "-x264opts tff -output_ts_offset 2"),
    ):
        part = source.with_name(name)
        command = [*FFMPEG, "-i", str(source), "-vf", filters, *f"{H264} {SD} {more}".split(), str(part)]
        subprocess.run(command, check=True)
        parts.append(part.read_bytes())
    target.write_bytes(b"".join(parts))


case(
    "interlaced_in_the_second_half",
    "ts",
    f"{H264} {SD} -x264opts tff",
    fields="tff",
    frames=50,
    more=half_interlaced,
    even=False,
    delivered_rate="50",
)

# --- Colour -----------------------------------------------------------------------------------------------------------

_LOSSLESS = "-c:v ffv1 -pix_fmt"
case("sd_untagged", "mp4", H264)
case("sd_tagged_bt709", "mp4", f"{H264} {HD}", coding=ycbcr("bt709"))
case(
    "hd_untagged",
    "mp4",
    H264,
    coded=(1280, 720),
    coding=ycbcr("bt709"),
    frames=5,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
)
case(
    "hd_tagged_bt601",
    "mp4",
    f"{H264} {SD}",
    coded=(1280, 720),
    frames=5,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
)
case(
    "hd_portrait_untagged",
    "mp4",
    H264,
    coded=(404, 720),
    coding=ycbcr("bt709"),
    frames=5,
    variants=("360p", "preview"),
)
case(
    "hd_turned_untagged",
    "mp4",
    H264,
    coded=(720, 404),
    shown=(404, 720),
    change=display_matrix(0, 1, -1, 0),
    turned=(T.ROTATE_90,),
    frames=5,
    variants=("360p", "preview"),
)
case("bt470bg", "mp4", f"{H264} -colorspace bt470bg -color_primaries bt470bg -color_trc gamma28")
case(
    "smpte240m",
    "mp4",
    f"{H264} -colorspace smpte240m -color_primaries smpte240m -color_trc smpte240m",
    coding=ycbcr("smpte240m"),
)
case("fcc", "mp4", f"{H264} -colorspace fcc", coding=ycbcr("fcc"))
case("ycgco", "mp4", f"{H264} -colorspace ycgco", coding=ycgco)
case("bt2020_constant_luminance", "mp4", f"{H264} -colorspace bt2020c", coding=ycbcr("bt2020"))
case("matrix_chroma_derived", "mp4", f"{H264} -colorspace chroma-derived-nc")
case(
    "matrix_chroma_derived_hd",
    "mp4",
    f"{H264} -colorspace chroma-derived-c",
    coding=ycbcr("bt709"),
    coded=(1280, 720),
    frames=5,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
)
case("matrix_smpte2085", "mkv", f"{H264} -colorspace smpte2085")
case(
    "matrix_ycgco_turned",
    "mp4",
    f"{H264} -colorspace ycgco",
    coding=ycgco,
    change=display_matrix(0, 1, -1, 0),
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)
case("bt2020_matrix_only", "mp4", f"{H264} -colorspace bt2020nc", coding=ycbcr("bt2020"))
case(
    "bt2020_sdr",
    "mp4",
    "-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8 -pix_fmt yuv420p10le"
    " -colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10",
    coding=in_gamut("bt2020", ycbcr("bt2020")),
)
case(
    "p3_sdr",
    "mov",
    f"{H264} -colorspace bt709 -color_primaries smpte432 -color_trc bt709",
    coding=in_gamut("p3", ycbcr("bt709")),
)
case(
    "full_range_h264",
    "mp4",
    "-c:v libx264 -qp 12 -pix_fmt yuvj420p -colorspace smpte170m -color_range pc",
    coding=ycbcr("bt601", full=True),
    planes="yuv444p16le",
    filters="scale=in_range=pc:out_range=pc,format=yuvj420p",
)
case(
    "full_range_hevc_10",
    "mp4",
    "-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8:range=full -pix_fmt yuv420p10le"
    " -color_range pc -colorspace bt709",
    coding=ycbcr("bt709", full=True),
    filters="scale=in_range=pc:out_range=pc,format=yuv420p10le",
)
case(
    "full_range_mjpeg",
    "avi",
    "-c:v mjpeg -q:v 2 -pix_fmt yuvj422p -huffman default",
    coding=ycbcr("bt601", full=True),
    filters="scale=in_range=pc:out_range=pc,format=yuvj422p",
)
case(
    "full_range_mjpeg_hd",
    "mov",
    "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p -huffman default",
    coded=(1280, 720),
    coding=ycbcr("bt601", full=True),
    filters="scale=in_range=pc:out_range=pc,format=yuvj420p",
    frames=5,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
)
for _format in (
    "yuv420p10le",
    "yuv422p",
    "yuv422p10le",
    "yuv444p",
    "yuv444p12le",
    "yuv411p",
    "yuv410p",
    "yuv440p",
    "yuv422p16le",
):
    case(f"ffv1_{_format}", "mkv", f"{_LOSSLESS} {_format} {SD}", tolerance=8.0)
case("h264_high10", "mp4", f"-c:v libx264 -qp 12 -pix_fmt yuv420p10le {SD}")
case("h264_high422", "mp4", f"-c:v libx264 -qp 12 -pix_fmt yuv422p10le {SD}")
case(
    "hevc_444_12", "mp4", f"-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8 -pix_fmt yuv444p12le {SD}"
)
_GREY = {"truth": lambda colour: (lambda y: (y, y, y))(0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2])}
case(
    "gray_h264",
    "mp4",
    f"-c:v libx264 -qp 10 -pix_fmt gray {SD}",
    coding=grey(full=False),
    filters="extractplanes=y,format=gray16le,scale=in_range=tv:out_range=tv,format=gray",
    **_GREY,
)
case(
    "gray_h264_untagged",
    "mkv",
    "-c:v libx264 -qp 10 -pix_fmt gray",
    coding=grey(full=False),
    filters="extractplanes=y,format=gray16le,scale=in_range=tv:out_range=tv,format=gray,setparams=range=tv",
    **_GREY,
)
case(
    "gray_png",
    "mov",
    "-c:v png -pix_fmt gray",
    coding=grey(full=True),
    filters="extractplanes=y,format=gray16le,scale=in_range=pc:out_range=pc,format=gray",
    **_GREY,
)
case("gray_ffv1_16", "mkv", f"{_LOSSLESS} gray16le", coding=grey(full=True), filters="extractplanes=y", **_GREY)
for _name, _suffix, _options in (
    ("rgb_h264", "mp4", "-c:v libx264rgb -qp 10 -pix_fmt rgb24"),
    ("rgb_h264_gbrp", "mp4", "-c:v libx264 -qp 10 -pix_fmt gbrp -profile:v high444"),
    ("rgb_png", "mov", "-c:v png -pix_fmt rgb24"),
    ("rgb_png_48", "mov", "-c:v png -pix_fmt rgb48be"),
    ("rgb_ffv1", "mkv", "-c:v ffv1 -pix_fmt gbrp10le"),
    ("rgb_ffv1_bgr0", "mkv", "-c:v ffv1 -pix_fmt bgr0"),
    ("rgb_raw", "avi", "-c:v rawvideo -pix_fmt bgr24"),
    ("rgb_raw_555", "avi", "-c:v rawvideo -pix_fmt rgb555le"),
    ("rgb_raw_mov", "mov", "-c:v rawvideo -pix_fmt rgb24"),
    ("rgb_r210", "mov", "-c:v r210"),
    ("rgb_qtrle", "mov", "-c:v qtrle -pix_fmt rgb24"),
    ("rgb_utvideo", "avi", "-c:v utvideo -pix_fmt gbrp"),
    ("rgb_vp9", "webm", "-c:v libvpx-vp9 -crf 8 -cpu-used 8 -deadline realtime -pix_fmt gbrp -colorspace rgb"),
    ("rgb_hevc", "mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8 -pix_fmt gbrp"),
    ("rgb_cinepak", "mov", "-c:v cinepak"),
    ("rgb_dxt_zmbv", "avi", "-c:v zmbv -pix_fmt bgr0"),
    ("rgb_hd_png", "mov", "-c:v png -pix_fmt rgb24"),
):
    case(
        _name,
        _suffix,
        _options,
        coding=rgb,
        planes="gbrp",
        filters="",
        tolerance=14.0 if "555" in _name or "cinepak" in _name else 7.0,
        **(
            {"coded": (1280, 720), "frames": 4, "step": 8, "variants": ("720p", "480p", "360p", "preview")}
            if "_hd_" in _name
            else {}
        ),
    )
case(
    "palette",
    "avi",
    "-c:v rawvideo -pix_fmt pal8",
    coding=rgb,
    planes="gbrp",
    filters="format=rgb24,split[a][b];[a]palettegen=stats_mode=full:reserve_transparent=0[p];[b][p]paletteuse=dither=none",
    tolerance=24.0,
)
case(
    "mono",
    "avi",
    "-c:v rawvideo -pix_fmt monow",
    coding=rgb,
    planes="gbrp",
    moving=False,
    exclude=tuple(name for name in CELLS if name not in ("grey 0", "grey 255")),
)

# --- HDR --------------------------------------------------------------------------------------------------------------

_X265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le"


def _hdr(transfer: str, more: str = "") -> str:
    return (
        f"{_X265} -x265-params log-level=error:qp=6:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc{more}"
        f" -color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc"
    )


case("hdr_pq", "mp4", _hdr("smpte2084"), coding=hdr("pq"), hdr=True, quick=True)
case("hdr_hlg", "mp4", _hdr("arib-std-b67"), coding=hdr("hlg"), hdr=True)
case(
    "hdr_pq_mastered",
    "mp4",
    _hdr(
        "smpte2084",
        ":hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400",
    ),
    coding=hdr("pq"),
    hdr=True,
)
case("hdr_pq_only_transfer", "mkv", f"{_LOSSLESS} yuv420p10le -color_trc smpte2084", coding=hdr("pq"), hdr=True)
case(
    "hdr_pq_full_range",
    "mkv",
    f"{_LOSSLESS} yuv444p10le -color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc -color_range pc",
    coding=hdr("pq", ycbcr("bt2020", full=True)),
    filters="scale=in_range=pc:out_range=pc,format=yuv444p10le",
    hdr=True,
)
case(
    "hdr_pq_rgb",
    "mkv",
    f"{_LOSSLESS} gbrp10le -color_trc smpte2084 -color_primaries bt2020 -colorspace rgb",
    coding=hdr("pq", rgb),
    planes="gbrp16le",
    hdr=True,
)
case(
    "hdr_pq_odd_size_vp9",
    "webm",
    "-c:v libvpx-vp9 -profile:v 2 -crf 8 -cpu-used 8 -deadline realtime -pix_fmt yuv420p10le"
    " -color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc -color_range tv",
    coded=(161, 121),
    coding=hdr("pq"),
    hdr=True,
)
case(
    "hdr_hlg_turned",
    "mov",
    _hdr("arib-std-b67"),
    coding=hdr("hlg"),
    hdr=True,
    change=display_matrix(0, 1, -1, 0),
    turned=(T.ROTATE_90,),
    shown=(144, 192),
)
case(
    "hdr_pq_odd_tags",
    "mkv",
    f"{_LOSSLESS} yuv420p10le -color_trc smpte2084 -color_primaries film -colorspace bt2020nc",
    coding=hdr("pq"),
    hdr=True,
)
case(
    "hdr_pq_ictcp",
    "mkv",
    f"{_LOSSLESS} yuv444p10le -color_trc smpte2084 -color_primaries bt2020 -colorspace ictcp",
    coding=hdr("pq", ictcp),
    hdr=True,
)
case(
    "hdr_pq_601_matrix",
    "mkv",
    f"{_LOSSLESS} yuv420p10le -color_trc smpte2084 -color_primaries bt2020 -colorspace smpte170m",
    coding=hdr("pq", ycbcr("bt601")),
    hdr=True,
)


def dolby_vision(profile: int, compatibility: int) -> Change:
    """The record of a Dolby Vision stream, put into the sample entry of an mp4's only track."""

    def change(data: bytes) -> bytes:
        flags = (profile << 9) | (6 << 3) | 0b101
        box = struct.pack(">I4sBBHB", 32, b"dvvC" if profile > 7 else b"dvcC", 1, 0, flags, compatibility << 4) + bytes(
            19
        )
        at = data.index(b"hvcC") - 4
        at += struct.unpack(">I", data[at : at + 4])[0]
        made = bytearray(data[:at] + box + data[at:])
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1", b"hvc1"):
            where = data.find(name)
            if 0 < where < at:
                size = struct.unpack(">I", made[where - 4 : where])[0] + len(box)
                made[where - 4 : where] = struct.pack(">I", size)
        return bytes(made)

    return change


case("dolby_vision_8_4", "mp4", _hdr("arib-std-b67"), coding=hdr("hlg"), hdr=True, change=dolby_vision(8, 4))
case("dolby_vision_8_1", "mp4", _hdr("smpte2084"), coding=hdr("pq"), hdr=True, change=dolby_vision(8, 1))
case(
    "dolby_vision_8_2",
    "mp4",
    f"{_X265} -x265-params log-level=error:qp=6 {HD}",
    coding=ycbcr("bt709"),
    change=dolby_vision(8, 2),
)
case(
    "dolby_vision_5",
    "mp4",
    _X265 + " -x265-params log-level=error",
    change=dolby_vision(5, 0),
    refused="Dolby Vision",
    quick=True,
)

# --- Alpha ------------------------------------------------------------------------------------------------------------

_HALF = {"truth": lambda colour: tuple(channel / 2 for channel in colour), "coding": rgb, "planes": "gbrp"}
_CLEAR = "colorchannelmixer=aa=0.5"
case("alpha_png", "mov", "-c:v png -pix_fmt rgba", filters=f"format=rgba,{_CLEAR}", **_HALF)
case("alpha_png_64", "mov", "-c:v png -pix_fmt rgba64be", filters=f"format=rgba,{_CLEAR}", **_HALF)
case("alpha_qtrle", "mov", "-c:v qtrle -pix_fmt argb", filters=f"format=argb,{_CLEAR}", **_HALF)
case("alpha_ffv1_gbrap", "mkv", "-c:v ffv1 -pix_fmt gbrap10le", filters=f"format=rgba,{_CLEAR}", **_HALF)
_YUVA = "format=yuva444p10le,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a=512"
_ALPHA = {"truth": lambda colour: tuple(channel / 2 for channel in colour)}
case("alpha_prores", "mov", f"-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le {SD}", filters=_YUVA, **_ALPHA)
case(
    "alpha_prores_hd_untagged",
    "mov",
    "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le",
    filters=_YUVA,
    coded=(1280, 720),
    coding=ycbcr("bt709"),
    frames=4,
    step=8,
    variants=("720p", "480p", "360p", "preview"),
    **_ALPHA,
)
_YUVA8 = "format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a=128"
case(
    "alpha_vp9",
    "webm",
    "-c:v libvpx-vp9 -crf 8 -cpu-used 8 -deadline realtime -pix_fmt yuva420p -auto-alt-ref 0",
    filters=_YUVA8,
    quick=True,
    **_ALPHA,
)
case(
    "alpha_vp8",
    "webm",
    "-c:v libvpx -crf 4 -b:v 5M -deadline realtime -pix_fmt yuva420p -auto-alt-ref 0",
    filters=_YUVA8,
    **_ALPHA,
)
case(
    "alpha_gray",
    "mov",
    "-c:v png -pix_fmt ya8",
    filters="format=rgba,colorchannelmixer=aa=0.5,format=ya8",
    coding=rgb,
    planes="gbrp",
    exclude=tuple(name for name in CELLS if not name.startswith("grey")),
    truth=_ALPHA["truth"],
)

# --- Codecs -----------------------------------------------------------------------------------------------------------

for _name, _suffix, _options in (
    ("hevc", "mp4", f"-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8 -pix_fmt yuv420p {SD}"),
    ("hevc_ts", "ts", f"-c:v libx265 -preset ultrafast -x265-params log-level=error:qp=8 -pix_fmt yuv420p {SD}"),
    ("vp8", "webm", "-c:v libvpx -crf 4 -b:v 5M -deadline realtime -pix_fmt yuv420p"),
    ("vp9", "webm", f"-c:v libvpx-vp9 -crf 8 -cpu-used 8 -deadline realtime -pix_fmt yuv420p {SD}"),
    ("vp9_in_mp4", "mp4", f"-c:v libvpx-vp9 -crf 8 -cpu-used 8 -deadline realtime -pix_fmt yuv420p {SD}"),
    ("av1", "mp4", f"-c:v libaom-av1 -crf 8 -cpu-used 8 -usage realtime -pix_fmt yuv420p {SD}"),
    ("av1_10_mkv", "mkv", f"-c:v libsvtav1 -crf 8 -preset 12 -pix_fmt yuv420p10le {SD}"),
    ("prores", "mov", f"-c:v prores_ks -pix_fmt yuv422p10le {SD}"),
    ("mpeg1", "mpg", "-c:v mpeg1video -q:v 2 -pix_fmt yuv420p"),
    ("mpeg2_ps", "mpg", "-c:v mpeg2video -q:v 2 -pix_fmt yuv420p"),
    ("xvid_packed", "avi", "-c:v libxvid -q:v 2 -bf 2 -pix_fmt yuv420p"),
    ("divx3", "avi", "-c:v msmpeg4v3 -q:v 2 -pix_fmt yuv420p"),
    ("wmv2", "wmv", "-c:v wmv2 -q:v 2 -pix_fmt yuv420p"),
    ("flv1", "flv", "-c:v flv -q:v 2 -pix_fmt yuv420p"),
    ("theora", "ogv", "-c:v libtheora -q:v 10 -pix_fmt yuv420p"),
    ("jpeg2000", "mov", f"-c:v libopenjpeg -compression_level 4 -pix_fmt yuv422p {SD}"),
    ("huffyuv", "avi", "-c:v huffyuv -pix_fmt yuv422p"),
    ("v210", "mov", f"-c:v v210 -pix_fmt yuv422p10le {SD}"),
    ("uyvy", "mov", f"-c:v rawvideo -pix_fmt uyvy422 {SD}"),
    ("yuyv", "avi", "-c:v rawvideo -pix_fmt yuyv422"),
    ("svq1", "mov", "-c:v svq1 -q:v 1"),
    ("h264_avi", "avi", f"{H264} {SD}"),
    ("h264_mxf", "mxf", f"-c:v libx264 -qp 12 -pix_fmt yuv422p10le -preset ultrafast {SD}"),
):
    case(_name, _suffix, _options, tolerance=16.0 if _name == "svq1" else 9.0, even=_name != "xvid_packed")
case("dnxhr", "mov", f"-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p {HD}", coded=(256, 144), coding=ycbcr("bt709"))
case("h263_3gp", "3gp", "-c:v h263 -q:v 2 -pix_fmt yuv420p", coded=(176, 144), tolerance=10.0, shown=(192, 144))
case(
    "dv_pal_wide",
    "avi",
    "-c:v dvvideo -pix_fmt yuv420p -aspect 16:9",
    coded=(720, 576),
    shown=(1024, 576),
    step=8,
    tolerance=10.0,
    variants=("480p", "360p", "preview"),
)
case(
    "dv_ntsc_411",
    "dv",
    "-c:v dvvideo -pix_fmt yuv411p -aspect 4:3",
    coded=(720, 480),
    shown=(640, 480),
    rate="30000/1001",
    step=8,
    tolerance=12.0,
    variants=("480p", "360p", "preview"),
)

# --- Which track is the film ------------------------------------------------------------------------------------------

_COVER = "-f lavfi -i color=red:s=64x64:d=0.04:r=25"
case(
    "cover_first",
    "mp4",
    "-map 1 -map 0 -c:v:0 mjpeg -disposition:v:0 attached_pic"
    " -c:v:1 libx264 -qp:v:1 12 -preset ultrafast -pix_fmt:v:1 yuv420p",
    inputs=_COVER,
    filters="",
)
case(
    "cover_first_unmarked",
    "mkv",
    "-map 1 -map 0 -c:v:0 mjpeg -c:v:1 libx264 -qp:v:1 12 -preset ultrafast -pix_fmt:v:1 yuv420p",
    inputs=_COVER,
)
case(
    "second_track_is_the_default",
    "mkv",
    "-map 1 -map 0 -c:v libx264 -qp 12 -preset ultrafast -pix_fmt yuv420p -disposition:v:0 0 -disposition:v:1 default",
    inputs="-f lavfi -i color=red:s=64x64:d=0.48:r=25",
    warns=("several films side by side: one of them is used, and picture track 1 is left out",),
)
