"""Faults of what a media need not have: its storyboard, its small thumbnails, its BlurHash."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import blurhash
from mutant import Area, Harm, Mutant, Seam, Workpiece, mutant, register

AREA: Area = "optional outputs"
SHOWN = ("flat", "portrait", "film")


def _redrawn(piece: Workpiece, path: Path, *arguments: str) -> None:
    """`path` anew, made of itself by ffmpeg."""
    target = piece.scratch / f"faulty{path.suffix}"
    exact = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1")
    piece.tools.ffmpeg(
        ["-i", str(path), *arguments, *exact, "-f", "image2", "-update", "1", str(target)], label="drawing"
    )
    target.replace(path)


def _edited(piece: Workpiece, before: str, after: str) -> None:
    path = piece.folder / "storyboard.vtt"
    text = path.read_text(encoding="utf-8")
    assert before in text, before
    path.write_text(text.replace(before, after), encoding="utf-8")


# --- Storyboard -------------------------------------------------------------------------------------------------------

SHEETS: tuple[tuple[str, Harm, str, str], ...] = (
    ("storyboard_mirrored", "grave", "its pictures are mirrored, and in the wrong order", "hflip"),
    ("storyboard_negative", "grave", "bright and dark of its pictures are exchanged", "negate"),
    ("storyboard_black", "grave", "its pictures are black", "drawbox=t=fill:c=black"),
    ("storyboard_without_colour", "medium", "its pictures have no colour", "hue=s=0"),
    ("storyboard_too_high", "medium", "its sheet is higher than its pictures need", "pad=iw:ih+64"),
)


def _sheet(chain: str, piece: Workpiece) -> None:
    _redrawn(piece, piece.path, "-vf", f"{chain},format=yuvj420p", "-c:v", "mjpeg", "-q:v", "3")


for _name, _harm, _description, _chain in SHEETS:
    register(Mutant(_name, AREA, _harm, Seam.STORYBOARD, _description, SHOWN, partial(_sheet, _chain)))


@mutant(AREA, "grave", Seam.STORYBOARD, SHOWN)
def storyboard_text_is_a_page(piece: Workpiece) -> None:
    """its text is a server's page about an error"""
    (piece.folder / "storyboard.vtt").write_text("<html>404</html>\n", encoding="utf-8")


@mutant(AREA, "grave", Seam.STORYBOARD, SHOWN)
def storyboard_sheet_cut_off(piece: Workpiece) -> None:
    """half of its sheet's bytes are missing"""
    piece.path.write_bytes(piece.path.read_bytes()[: piece.path.stat().st_size // 2])


@mutant(AREA, "medium", Seam.STORYBOARD, SHOWN)
def storyboard_pictures_one_too_late(piece: Workpiece) -> None:
    """each time names the picture of the second after it"""
    path = piece.folder / "storyboard.vtt"
    head, *cues = path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    times, places = zip(*(cue.split("\n") for cue in cues), strict=True)
    moved = [*places[1:], places[-1]]
    text = "\n\n".join([head, *("\n".join(pair) for pair in zip(times, moved, strict=True))])
    path.write_text(f"{text}\n", encoding="utf-8")


@mutant(AREA, "medium", Seam.STORYBOARD, SHOWN)
def storyboard_with_a_gap(piece: Workpiece) -> None:
    """a part of a second belongs to no picture"""
    _edited(piece, "00:00:01.000 -->", "00:00:01.010 -->")


@mutant(AREA, "medium", Seam.STORYBOARD, SHOWN)
def storyboard_ends_too_early(piece: Workpiece) -> None:
    """the last times are missing"""
    path = piece.folder / "storyboard.vtt"
    cues = path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    path.write_text("\n\n".join(cues[:-2]) + "\n", encoding="utf-8")


@mutant(AREA, "grave", Seam.STORYBOARD, SHOWN)
def storyboard_of_another_name(piece: Workpiece) -> None:
    """its text names a sheet that is not there"""
    _edited(piece, "storyboard.jpg", "sprite.jpg")


@mutant(AREA, "light", Seam.STORYBOARD, SHOWN)
def storyboard_cue_with_a_name(piece: Workpiece) -> None:
    """a cue is named after a person"""
    _edited(piece, "\n\n00:00:00.000", "\n\nJane Doe\n00:00:00.000")


@mutant(AREA, "medium", Seam.STORYBOARD, SHOWN)
def storyboard_with_a_tail(piece: Workpiece) -> None:
    """other bytes follow its sheet's end"""
    piece.path.write_bytes(piece.path.read_bytes() + b"<script>")


# --- Small thumbnails -------------------------------------------------------------------------------------------------

SMALL: tuple[tuple[str, Harm, str, str], ...] = (
    ("small_thumbnail_upside_down", "grave", "one of them is upside down", "vflip"),
    ("small_thumbnail_without_colour", "medium", "one of them has no colour", "hue=s=0"),
    ("small_thumbnail_black", "grave", "one of them is black", "drawbox=t=fill:c=black"),
    ("small_thumbnail_too_large", "medium", "one of them has another size than its name says", "scale=400:225"),
)


def _small(chain: str, piece: Workpiece) -> None:
    _redrawn(piece, piece.path, "-vf", f"{chain},format=yuv420p", "-c:v", "libwebp", "-quality", "85")


for _name, _harm, _description, _chain in SMALL:
    register(Mutant(_name, AREA, _harm, Seam.THUMBNAILS, _description, SHOWN, partial(_small, _chain)))


@mutant(AREA, "medium", Seam.THUMBNAILS, SHOWN)
def small_thumbnail_with_another(piece: Workpiece) -> None:
    """one of them holds a second picture"""
    data = piece.path.read_bytes()
    body = data[8:] + data[12:]
    piece.path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


@mutant(AREA, "medium", Seam.THUMBNAILS, SHOWN)
def small_thumbnail_coarse(piece: Workpiece) -> None:
    """one of them is coded at the lowest quality"""
    _redrawn(piece, piece.path, "-vf", "format=yuv420p", "-c:v", "libwebp", "-quality", "0")


@mutant(AREA, "light", Seam.THUMBNAILS, SHOWN)
def small_thumbnail_filled(piece: Workpiece) -> None:
    """one of them holds a megabyte of zeros behind what is coded"""
    data = piece.path.read_bytes()
    frame = data[20:] + bytes(1 << 20)
    body = b"WEBPVP8 " + len(frame).to_bytes(4, "little") + frame
    piece.path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


@mutant(AREA, "grave", Seam.THUMBNAILS, SHOWN)
def small_thumbnail_cut_off(piece: Workpiece) -> None:
    """half of the bytes of one of them are missing"""
    piece.path.write_bytes(piece.path.read_bytes()[: piece.path.stat().st_size // 2])


@mutant(AREA, "medium", Seam.THUMBNAILS, SHOWN)
def small_thumbnail_with_exif(piece: Workpiece) -> None:
    """one of them also holds Exif data"""
    body = piece.path.read_bytes()[12:] + b"EXIF" + (4).to_bytes(4, "little") + b"MM\0*"
    piece.path.write_bytes(b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body)


# --- BlurHash ---------------------------------------------------------------------------------------------------------


@mutant(AREA, "grave", Seam.BLURHASH, SHOWN)
def blurhash_is_text(piece: Workpiece) -> None:
    """it is a server's page about an error"""
    piece.path.write_text("<html>404</html>\n", encoding="utf-8")


@mutant(AREA, "medium", Seam.BLURHASH, SHOWN)
def blurhash_of_another_picture(piece: Workpiece) -> None:
    """it shows another picture's colours"""
    rows = [[(8 * column, 14 * row, 255 - 8 * column) for column in range(32)] for row in range(18)]
    piece.path.write_text(blurhash.encode(rows, 4, 3), encoding="ascii")


@mutant(AREA, "light", Seam.BLURHASH, SHOWN)
def blurhash_of_one_component(piece: Workpiece) -> None:
    """it shows one colour alone"""
    text = piece.path.read_text(encoding="ascii")
    piece.path.write_text(f"00{text[2:6]}", encoding="ascii")
