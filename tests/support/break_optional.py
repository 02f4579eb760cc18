"""Good optional outputs, made with plain ffmpeg commands and the public BlurHash library, and every way in which a test
breaks one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import blurhash
from break_outputs import EXACT, RATE, SECONDS, breaks, edit, ffmpeg

from codex_assets.media import profile

TILE = (160, 90)
COLUMNS = 10
WIDE, HIGH = 32, 18
"""Pixels that a BlurHash is computed from: of more or fewer, its waves lie otherwise."""
STILL_AT = SECONDS * 0.1
SECOND_LATE = "trim=start=1,setpts=PTS-STARTPTS,tpad=stop_mode=clone:stop_duration=1"
OTHER_MATRIX = "setparams=colorspace=bt470bg,scale=in_color_matrix=bt601:out_color_matrix=bt709"


def make_good(root: Path) -> None:
    storyboard(root)
    for width, height in profile.THUMBNAIL_SIZES:
        small_thumbnail(root, width, height)
    write_blurhash(root)


def storyboard(root: Path, step: int = 1, filters: str = "null", after: str = "null") -> None:
    """A picture for every `step` seconds, the one in its middle; `filters` change the pictures, and `after` their
    sheet."""
    frames, count = step * RATE, SECONDS // step
    rows = -(-count // COLUMNS)
    columns = min(count, COLUMNS)
    tiles = f"select='eq(mod(n,{frames}),{frames // 2})',scale={TILE[0]}:{TILE[1]}:flags=lanczos+accurate_rnd"
    form = "out_color_matrix=bt601:in_color_matrix=bt709:out_range=pc,format=yuvj420p"
    ffmpeg(
        *("-i", str(root / "mezzanine.mp4"), "-vf", f"{filters},{tiles}:{form},tile={columns}x{rows},{after}"),
        *("-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", *EXACT, "-f", "image2", str(root / "storyboard.jpg")),
    )
    cues = [
        f"{_time(number * step)} --> {_time((number + 1) * step)}\n"
        f"storyboard.jpg#xywh={number % columns * TILE[0]},{number // columns * TILE[1]},{TILE[0]},{TILE[1]}"
        for number in range(count)
    ]
    (root / "storyboard.vtt").write_text("\n\n".join(["WEBVTT", *cues]) + "\n")


def _time(seconds: int) -> str:
    return f"00:00:{seconds:02d}.000"


def small_thumbnail(
    root: Path, width: int, height: int, filters: str = "null", at: float = STILL_AT, quality: int = 85
) -> None:
    scale = f"scale={width}:{height}:flags=lanczos+accurate_rnd:in_color_matrix=bt709:out_color_matrix=bt601"
    ffmpeg(
        *("-ss", f"{at}", "-i", str(root / "mezzanine.mp4"), "-frames:v", "1"),
        *("-vf", f"{filters},{scale}:out_range=tv,format=yuv420p", "-c:v", "libwebp", "-quality", str(quality), *EXACT),
        *("-f", "image2", "-update", "1", str(root / f"{width}.webp")),
    )


def write_blurhash(root: Path, filters: str = "null", components: tuple[int, int] = (4, 3)) -> None:
    raw = root / "blur.raw"
    ffmpeg(
        *("-ss", f"{STILL_AT}", "-i", str(root / "mezzanine.mp4"), "-frames:v", "1"),
        *("-vf", f"{filters},scale=in_color_matrix=bt709,format=gbrp,scale={WIDE}:{HIGH}:flags=area,format=rgb24"),
        *("-f", "rawvideo", str(raw)),
    )
    data = raw.read_bytes()
    rows = [[tuple(data[3 * (WIDE * row + column) :][:3]) for column in range(WIDE)] for row in range(HIGH)]
    (root / "blurhash.txt").write_text(blurhash.encode(rows, *components))


# --- Storyboard -------------------------------------------------------------------------------------------------------


@breaks("storyboard", "storyboard_readable")
def storyboard_without_its_text(root: Path) -> None:
    (root / "storyboard.vtt").unlink()


@breaks("storyboard", "storyboard_readable")
def storyboard_text_is_a_page(root: Path) -> None:
    (root / "storyboard.vtt").write_text("<html>404</html>")


@breaks("storyboard", "storyboard_readable")
def storyboard_with_a_note(root: Path) -> None:
    edit(root / "storyboard.vtt", "WEBVTT\n\n", "WEBVTT\n\nNOTE Jane Doe, Elm Street 4\n\n")


@breaks("storyboard", "storyboard_readable")
def storyboard_with_another_clock(root: Path) -> None:
    edit(root / "storyboard.vtt", "WEBVTT\n", "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n")


@breaks("storyboard", "storyboard_readable")
def storyboard_with_words_in_a_cue(root: Path) -> None:
    edit(root / "storyboard.vtt", "00:00:03.000 --> 00:00:04.000\n", "00:00:03.000 --> 00:00:04.000\nhello\n")


@breaks("storyboard", "storyboard_readable")
def storyboard_without_its_sheet(root: Path) -> None:
    (root / "storyboard.jpg").unlink()


@breaks("storyboard", "storyboard_readable")
def storyboard_sheet_damaged(root: Path) -> None:
    path = root / "storyboard.jpg"
    path.write_bytes(path.read_bytes()[:3000])


@breaks("storyboard", "storyboard_times")
def storyboard_with_a_gap(root: Path) -> None:
    edit(root / "storyboard.vtt", "00:00:03.000 --> 00:00:04.000", "00:00:03.010 --> 00:00:04.000")


@breaks("storyboard", "storyboard_times", "storyboard_step")
def storyboard_ends_too_early(root: Path) -> None:
    edit(root / "storyboard.vtt", "\n00:00:13.000[^Z]*", "")


@breaks("storyboard", "storyboard_step")
def storyboard_with_half_of_the_pictures(root: Path) -> None:
    storyboard(root, step=2)


@breaks("storyboard", "storyboard_places")
def storyboard_of_another_name(root: Path) -> None:
    edit(root / "storyboard.vtt", "storyboard.jpg#xywh=160,0", "sprite.jpg#xywh=160,0")


@breaks("storyboard", "storyboard_places")
def storyboard_place_beyond_the_sheet(root: Path) -> None:
    edit(root / "storyboard.vtt", "xywh=480,90,", "xywh=480,180,")


@breaks("storyboard", "storyboard_size")
def storyboard_sheet_too_high(root: Path) -> None:
    storyboard(root, after="pad=iw:ih+90")


@breaks("storyboard", "storyboard_sheet_is_plain")
def storyboard_sheet_with_a_tail(root: Path) -> None:
    path = root / "storyboard.jpg"
    path.write_bytes(path.read_bytes() + b"<script>")


def _of_pictures(name: str, **changes: object) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        storyboard(root, **changes)  # type: ignore[arg-type]

    apply.__name__ = name
    return apply


STORYBOARD_MISTAKES: dict[str, tuple[dict[str, object], str]] = {
    "storyboard_mirrored": ({"filters": "hflip"}, "is mirrored"),
    "storyboard_negative": ({"filters": "negate"}, "is a negative"),
    "storyboard_a_second_late": ({"filters": SECOND_LATE}, "is the film's at"),
    "storyboard_of_another_matrix": ({"filters": OTHER_MATRIX}, "shows another picture"),
    "storyboard_last_row_black": ({"after": "drawbox=y=90:h=90:w=iw:color=black:t=fill"}, "shows another picture"),
}  # fmt: skip
for _name, (_changes, _) in STORYBOARD_MISTAKES.items():
    breaks("storyboard", "storyboard_shows_its_moments")(_of_pictures(_name, **_changes))


# --- Small thumbnails -------------------------------------------------------------------------------------------------


@breaks("thumbnails", "thumbnails_decode")
def small_thumbnail_missing(root: Path) -> None:
    (root / "400.webp").unlink()


@breaks("thumbnails", "thumbnails_decode")
def small_thumbnail_cut_off(root: Path) -> None:
    path = root / "800.webp"
    path.write_bytes(path.read_bytes()[:400])


@breaks("thumbnails", "thumbnails_sizes")
def small_thumbnail_of_another_size(root: Path) -> None:
    small_thumbnail(root, 200, 112)
    (root / "400.webp").write_bytes((root / "200.webp").read_bytes())


@breaks("thumbnails", "thumbnails_are_plain")
def small_thumbnail_with_exif(root: Path) -> None:
    path = root / "400.webp"
    data = path.read_bytes()
    body = data[12:] + b"EXIF" + (4).to_bytes(4, "little") + b"MM\0*"
    path.write_bytes(b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body)


@breaks("thumbnails", "thumbnails_quality")
def small_thumbnail_coarse(root: Path) -> None:
    small_thumbnail(root, 800, 450, quality=5)


@breaks("thumbnails", "thumbnails_are_plain")
def small_thumbnail_filled(root: Path) -> None:
    """Zeros behind what is coded, inside its chunk."""
    path = root / "800.webp"
    data = path.read_bytes()
    assert data[12:16] == b"VP8 "
    frame = data[20:] + bytes(800 * 450 * 2)
    body = b"WEBPVP8 " + len(frame).to_bytes(4, "little") + frame
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


@breaks("thumbnails", "thumbnails_show_the_thumbnail")
def small_thumbnail_upside_down(root: Path) -> None:
    small_thumbnail(root, 400, 225, "vflip")


@breaks("thumbnails", "thumbnails_show_the_thumbnail")
def small_thumbnail_of_another_moment(root: Path) -> None:
    small_thumbnail(root, 800, 450, at=9.0)


@breaks("thumbnails", "thumbnails_show_the_thumbnail")
def small_thumbnail_grey(root: Path) -> None:
    small_thumbnail(root, 200, 112, "hue=s=0")


# --- BlurHash ---------------------------------------------------------------------------------------------------------


@breaks("blurhash", "blurhash_readable")
def blurhash_missing(root: Path) -> None:
    (root / "blurhash.txt").unlink()


@breaks("blurhash", "blurhash_readable")
def blurhash_with_a_line_break(root: Path) -> None:
    path = root / "blurhash.txt"
    path.write_text(path.read_text() + "\n")


@breaks("blurhash", "blurhash_components")
def blurhash_of_other_components(root: Path) -> None:
    write_blurhash(root, components=(4, 4))


@breaks("blurhash", "blurhash_shows_the_thumbnail")
def blurhash_mirrored(root: Path) -> None:
    write_blurhash(root, "hflip")


@breaks("blurhash", "blurhash_shows_the_thumbnail")
def blurhash_grey(root: Path) -> None:
    write_blurhash(root, "hue=s=0")
