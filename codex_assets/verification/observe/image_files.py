"""Reads the structure of a JPEG, a PNG and a WebP: their parts by name, and what is beside the picture.

In: the bytes between the parts' headers. Out: decoding (`pictures.py`), and what may be there (`rules/`).
"""

from __future__ import annotations

import re
import zlib

from codex_assets.verification.observe.webp_quantiser import frame_size, quantiser_index
from codex_assets.verification.still_observations import ImageFile

_JPEG_NAMES = {0xC4: "DHT", 0xDB: "DQT", 0xDA: "SOS", 0xDD: "DRI", 0xFE: "COM", 0xD8: "SOI", 0xD9: "EOI"}
_JPEG_PICTURE = ("SOI", "APP0", "DQT", "SOF0", "DHT", "SOS", "EOI", "DRI")
_FRAMES = {0: "baseline", 1: "extended", 2: "progressive", 3: "lossless"}
_JFIF = b"JFIF\0"
SQUARE_WITHIN = 0.02
"""Of its larger side, what a pixel may be off: a size that was rounded leaves as much."""
MOST_AT_ONCE = 1 << 20
"""Bytes that are decompressed."""
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
MOST_PARTS = 16
MOST_FILLING = 16
"""Bytes of 0xFF between a JPEG's parts: no encoder in use writes any."""
_ENCODER = re.compile(rb"Lavc[0-9.]*\0?")
_ABOUT = {
    b"Exif\0": "Exif data, as cameras write it",
    b"http://ns.adobe.com/": "XMP data",
    b"ICC_PROFILE\0": "a colour profile",
    b"Photoshop": "data of an image editor",
    b"JFXX\0": "a small picture of its own",
    b"Adobe\0": "a mark of an image editor",
}

_WEBP_FORMS = {"VP8": "lossy", "VP8L": "lossless"}
_WEBP_ABOUT = {
    "EXIF": "Exif data",
    "XMP": "XMP data",
    "ICCP": "a colour profile",
    "VP8X": "a mark of more parts",
}

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE = ("IHDR", "PLTE", "IDAT", "IEND")
_PNG_HARMLESS = ("pHYs",)
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "a palette", 4: "grey with alpha", 6: "RGB with alpha"}
_PNG_ABOUT = {"eXIf": "Exif data", "tIME": "a time", "iCCP": "a colour profile"}


def read_jpeg(data: bytes) -> ImageFile | None:
    """The structure of a JPEG; None for other bytes."""
    if not data.startswith(b"\xff\xd8"):
        return None
    parts, foreign, form = ["SOI"], [], None
    at, ended, filling, pixels = 2, False, 0, None
    bodies: list[tuple[str, bytes]] = []
    while at + 2 <= len(data) and not ended:
        if data[at] != 0xFF:
            foreign.append(f"bytes that belong to nothing after {parts[-1]}")
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at, filling = at + 1, filling + 1
            continue
        name = _jpeg_name(marker)
        parts.append(name)
        at += 2
        if name == "EOI":
            ended = True
            break
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + length]
        beside = _beside_jpeg(name, body)
        if beside is not None:
            foreign.append(beside)
        if name.startswith("SOF"):
            form = _jpeg_form(name, body)
            pixels = int.from_bytes(body[1:3], "big") * int.from_bytes(body[3:5], "big")
        bodies.append((name, body))
        at += length
        if name == "SOS":
            at = _after_scan(data, at)
    if filling > MOST_FILLING:
        foreign.append(f"{filling} bytes that fill it")
    if any(name == "DRI" and any(body) for name, body in bodies) and not _RESTART.search(data):
        foreign.append("a mark of places to begin anew that there are not")
    foreign += [*_odd_markers(bodies), *_unused_tables(bodies)]
    luma = _luma_steps([body for name, body in bodies if name == "DQT"])
    return ImageFile(
        tuple(parts),
        tuple(foreign),
        form,
        ended,
        max(0, len(data) - at) if ended else 0,
        coarseness=sum(luma) / len(luma) if luma else None,
        steps=luma,
        size=len(data),
        pixels=pixels,
    )


def _odd_markers(parts: list[tuple[str, bytes]]) -> list[str]:
    """What is said in another place, twice or in another form than every reader expects."""
    names = [name for name, _ in parts]
    foreign = []
    if names.count("APP0") > 1:
        foreign.append("a second segment APP0")
    elif "APP0" in names[1:]:
        foreign.append("a segment APP0 that does not come first")
    if any(name == "DQT" and body[:1] >= b"\x10" for name, body in parts):
        foreign.append("a table of 16 bits")
    return foreign


def _unused_tables(parts: list[tuple[str, bytes]]) -> list[str]:
    """Tables of quantisers and of codes that no channel uses (ITU-T T.81 B.2.2 to B.2.4): they can hold anything."""
    quantisers, codes = set(), set()
    for name, body in parts:
        if name.startswith("SOF"):
            quantisers |= {body[at + 2] for at in range(6, len(body) - 2, 3)}
        if name == "SOS":
            chosen = [body[at + 1] for at in range(1, len(body) - 3, 2)]
            codes |= {each >> 4 for each in chosen} | {0x10 | each & 15 for each in chosen}
    foreign = []
    for name, body in parts:
        at = 0
        while at < len(body) and name in ("DQT", "DHT"):
            length = (129 if body[at] >> 4 else 65) if name == "DQT" else 17 + sum(body[at + 1 : at + 17])
            number, used = (body[at] & 15, quantisers) if name == "DQT" else (body[at], codes)
            if number not in used:
                foreign.append("a table that nothing uses")
            at += length
    return foreign


def _jpeg_name(marker: int) -> str:
    if marker in _JPEG_NAMES:
        return _JPEG_NAMES[marker]
    if 0xE0 <= marker <= 0xEF:
        return f"APP{marker - 0xE0}"
    return f"SOF{marker - 0xC0}" if 0xC0 <= marker <= 0xCF else f"{marker:02X}"


def _beside_jpeg(name: str, body: bytes) -> str | None:
    """What a segment holds that is no part of the picture."""
    if name == "APP0" and body.startswith(_JFIF) and len(body) == 14:
        across, down = (int.from_bytes(body[at : at + 2], "big") for at in (8, 10))
        is_square = abs(across - down) <= SQUARE_WITHIN * max(across, down)
        return None if is_square else "pixels that are not square"
    if name == "COM":
        return None if _ENCODER.fullmatch(body) else "a comment"
    if name.startswith("APP"):
        return next((words for start, words in _ABOUT.items() if body.startswith(start)), f"a segment {name}")
    return None if name in _JPEG_PICTURE or name.startswith("SOF") else f"a segment {name}"


def _jpeg_form(name: str, body: bytes) -> str:
    coding = _FRAMES.get(int(name[3:]), "unusual")
    components = [body[6 + 3 * index : 9 + 3 * index] for index in range(body[5] if len(body) > 5 else 0)]
    if len(components) == 3 and [part[:1] for part in components] != [b"\1", b"\2", b"\3"]:
        # By other names than these, browsers take them for red, green and blue.
        return f"{coding}, channels of other names"
    factors = [(part[1] >> 4, part[1] & 15) for part in components if len(part) == 3]
    if len(factors) != 3:
        return f"{coding}, {len(factors)} channels"
    sampling: dict[tuple[tuple[int, int], ...], str] = {
        ((2, 2), (1, 1), (1, 1)): "4:2:0",
        ((2, 1), (1, 1), (1, 1)): "4:2:2",
        ((1, 1),) * 3: "4:4:4",
    }
    return f"{coding}, {sampling.get(tuple(factors), 'unusual sampling')}"


def _after_scan(data: bytes, at: int) -> int:
    """Where the next marker after a scan's data is; its end where there is none."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _luma_steps(tables: list[bytes]) -> tuple[int, ...]:
    """Quantisation table 0, that of the luma; empty where there is none."""
    for body in tables:
        at = 0
        while at < len(body):
            wide, number = body[at] >> 4, body[at] & 15
            size = 128 if wide else 64
            values = body[at + 1 : at + 1 + size]
            if number == 0 and len(values) == size:
                return (
                    tuple(int.from_bytes(values[2 * i : 2 * i + 2], "big") for i in range(64))
                    if wide
                    else tuple(values)
                )
            at += 1 + size
    return ()


def read_webp(data: bytes) -> ImageFile | None:
    """The structure of a WebP (RFC 9649); None for other bytes. The RIFF header says where it ends."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    end = 8 + int.from_bytes(data[4:8], "little")
    parts: list[str] = []
    at, frame = 12, b""
    while at + 8 <= min(end, len(data)):
        parts.append(data[at : at + 4].decode("ascii", "replace").strip())
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if parts[-1] == "VP8":
            frame = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    foreign = tuple(_WEBP_ABOUT.get(part, f"a part {part}") for part in parts if part not in _WEBP_FORMS)
    forms = [_WEBP_FORMS[part] for part in parts if part in _WEBP_FORMS]
    form = forms[0] if forms else None
    if len(forms) > 1:
        foreign = (*foreign, "a second picture")
    if frame and frame[0] >> 1 & 7:
        # Of another version, with filters that few decoders have (RFC 6386 9.1).
        form = "lossy, of an unusual version"
    shown = frame_size(frame)
    return ImageFile(
        tuple(parts),
        foreign,
        form,
        at <= len(data),
        max(0, len(data) - end),
        coarseness=quantiser_index(frame),
        size=len(data),
        pixels=shown[0] * shown[1] if shown is not None else None,
    )


def read_png(data: bytes) -> ImageFile | None:
    """The structure of a PNG; None for other bytes. Chunks whose checksum is wrong are `foreign`."""
    if not data.startswith(_PNG_START):
        return None
    parts: list[str] = []
    foreign: list[str] = []
    form, at, ended, pixels = None, len(_PNG_START), False, None
    pixel_data: list[bytes] = []
    while at + 12 <= len(data) and not ended:
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        name = kind.decode("ascii", "replace")
        parts.append(name)
        if len(body) < length or zlib.crc32(kind + body) != int.from_bytes(data[at + 8 + length : at + 12 + length]):
            foreign.append(f"a damaged part {name}")
        if name == "IHDR" and len(body) == 13:
            form = f"{body[8]} bits, {_PNG_COLOURS.get(body[9], 'unusual colours')}"
            form += ", interlaced" if body[12] else ""
            pixels = int.from_bytes(body[:4], "big") * int.from_bytes(body[4:8], "big")
        if name == "pHYs" and body[:4] != body[4:8]:
            foreign.append("pixels that are not square")
        if name not in _PNG_PICTURE + _PNG_HARMLESS:
            foreign.append(_PNG_ABOUT.get(name, "a text" if name[1:] in ("EXt", "TXt") else f"a part {name}"))
        if name == "IDAT":
            pixel_data.append(body)
        if name == "PLTE" and form is not None and "palette" not in form:
            foreign.append("a palette that nothing uses")
        at += 12 + length
        ended = name == "IEND"
    behind = max(0, len(data) - at) if ended else 0
    if _goes_on(b"".join(pixel_data)):
        foreign.append("data behind its pixels")
    if form is not None and (form.startswith("16 bits") or form.endswith("interlaced")):
        foreign.append(f"more than its picture needs ({form})")
    if len(pixel_data) > MOST_PARTS and len(data) > 2 * sum(map(len, pixel_data)):
        foreign.append("pixels in parts that are mostly headers")
    return ImageFile(tuple(parts), tuple(foreign), form, ended, behind, size=len(data), pixels=pixels)


def _goes_on(pixels: bytes) -> bool:
    """Whether anything follows what is compressed; a damaged picture is another matter."""
    reader = zlib.decompressobj()
    try:
        while pixels and not reader.eof:
            reader.decompress(pixels, MOST_AT_ONCE)
            pixels = reader.unconsumed_tail
    except zlib.error:
        return False
    return bool(reader.unused_data)
