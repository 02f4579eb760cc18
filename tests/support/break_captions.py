"""A film with closed captions beside the good outputs, made with plain ffmpeg commands, and the ways to break it.

Out: the good outputs, and the breaks of everything else (`break_outputs.py`).
"""

from __future__ import annotations

from pathlib import Path

from break_outputs import HLS, KEYS, TAGGED, TAGS, breaks, edit
from caption_clips import film, run, text_608

FOLDER = "captions"
FRAMES = 13 * 25
RUNG = "360p"
SERVICES = ("CC1",)
VALID, STUFFING = b"GA94\x03\x42\x00\xfc", b"GA94\x03\x42\x00\xf8"
"""How an encoder begins the messages of `text_608`, and how they would if their letters did not count."""
COLOURS = ("-vf", TAGGED, *TAGS)
RENDITION = '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="Captions",INSTREAM-ID="CC1"\n'


def make_captioned(root: Path) -> None:
    """A mezzanine and a variant of it, in a folder of their own; the master is written once they were looked at."""
    folder = root / FOLDER
    (folder / RUNG).mkdir(parents=True)
    film(folder / "film.mp4", {frame: text_608(frame) for frame in range(FRAMES)}, frames=FRAMES, rate="25")
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    sound = ("-c:a", "aac", "-ar", "48000", "-ac", "2")
    stripped = ("-map_metadata", "-1", "-movflags", "+faststart")
    run("-i", str(folder / "film.mp4"), *COLOURS, *x264, "-g", "50", *sound, *stripped, str(folder / "mezzanine.mp4"))
    encode(folder, folder / "mezzanine.mp4")


def encode(folder: Path, source: Path) -> None:
    rates = ("-b:v", "300k", "-maxrate", "330k", "-bufsize", "600k", "-g", "1000", "-sc_threshold", "0")
    x264 = (
        "-vf",
        TAGGED,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-profile:v",
        "main",
        "-pix_fmt",
        "yuv420p",
        *TAGS,
    )
    keys = ("-force_key_frames", KEYS, *rates)
    named = ("-hls_segment_filename", str(folder / RUNG / "segment_%05d.ts"), str(folder / RUNG / "playlist.m3u8"))
    run(
        "-i",
        str(source),
        *COLOURS,
        *x264,
        *keys,
        "-c:a",
        "aac",
        "-ar",
        "48000",
        "-ac",
        "2",
        *HLS,
        "-hls_time",
        "6",
        *named,
    )


def overwrite(path: Path, before: bytes, after: bytes) -> None:
    assert len(before) == len(after)
    changed = path.read_bytes().replace(before, after)
    assert changed != path.read_bytes()
    path.write_bytes(changed)


@breaks("captions", "captions_as_source", "captions_true")
def captions_lost(root: Path) -> None:
    for segment in (root / FOLDER / RUNG).glob("*.ts"):
        overwrite(segment, VALID, STUFFING)


@breaks("captions", "captions_as_source")
def captions_of_a_segment_lost(root: Path) -> None:
    overwrite(root / FOLDER / RUNG / "segment_00001.ts", VALID, STUFFING)


@breaks("captions", "captions_as_source")
def captions_of_a_segment_are_others(root: Path) -> None:
    letters = text_608(200)[:3]
    overwrite(root / FOLDER / RUNG / "segment_00001.ts", letters, letters[:1] + b"\xd0" + letters[2:])


@breaks("captioned", "captions_as_source")
def captions_late(root: Path) -> None:
    folder = root / FOLDER
    captions = {frame + 3: text_608(frame) for frame in range(FRAMES - 3)}
    encode(folder, film(root / "late.mp4", captions, frames=FRAMES, rate="25"))


@breaks("captions", "mezzanine_captions", "mezzanine_holds_its_tracks_only")
def captions_of_the_mezzanine_lost(root: Path) -> None:
    overwrite(root / FOLDER / "mezzanine.mp4", b"GA94", b"XXXX")


@breaks("captions", "captions_true")
def captions_declared_in_another_field(root: Path) -> None:
    edit(root / FOLDER / "master.m3u8", '"CC1"', '"CC3"')


@breaks("captions", "captions_true")
def captions_denied(root: Path) -> None:
    edit(root / FOLDER / "master.m3u8", RENDITION, "")
    edit(root / FOLDER / "master.m3u8", 'CLOSED-CAPTIONS="cc"', "CLOSED-CAPTIONS=NONE")


@breaks("captions", "captions_true", "captions_answered")
def captions_not_declared(root: Path) -> None:
    edit(root / FOLDER / "master.m3u8", RENDITION, "")
    edit(root / FOLDER / "master.m3u8", ',CLOSED-CAPTIONS="cc"', "")


@breaks("master", "captions_answered")
def master_says_nothing_of_captions(root: Path) -> None:
    edit(root / "master.m3u8", ",CLOSED-CAPTIONS=NONE", "")


def write_captioned_master(root: Path, plain: str) -> None:
    """`plain`: the master of the variant as one without captions has it."""
    declared = plain.replace("CLOSED-CAPTIONS=NONE", 'CLOSED-CAPTIONS="cc"')
    (root / FOLDER / "master.m3u8").write_text(declared.replace("#EXT-X-STREAM-INF", RENDITION + "#EXT-X-STREAM-INF"))
