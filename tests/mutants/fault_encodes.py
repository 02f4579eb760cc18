"""Encodes an output again as its builder does, with a fault: same cuts, key frames, rates and tags, other contents."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mutant import Workpiece

from codex_assets.media import profile
from codex_assets.media.encode import hls, ladder
from codex_assets.media.encode.chunks import FilmChunk
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED, TAGGED

LAVFI = ("-f", "lavfi", "-i")


def encode_picture(
    piece: Workpiece,
    after: str = "null",
    *,
    before: str = "null",
    source: Sequence[str] | None = None,
    encoder: Sequence[str] = (),
    sound: Path | None = None,
    beside: Sequence[str] = (),
    muxed: Sequence[str] = (),
) -> None:
    """The segments of a video variant anew: `before` and `after` it is scaled, its picture passes these filters.

    `source`: inputs in the mezzanine's place. `encoder`: options that win over the builder's. `sound`: a file in the
    delivered sound's place. `beside`: a further input, of what puts picture and sound together, and `muxed`: options of
    that. Both filters begin and end with one picture, and
    may be graphs.
    """
    rung, rate = piece.rung, piece.rate
    assert rung is not None
    assert rate is not None
    scaled = f"scale={rung.width}:{rung.height}:{SCALER},setsar=1,format=yuv420p"
    graph = f"[0:v:0]{before},{scaled},{after},format=yuv420p,{TAGGED}[out]"
    folder = piece.scratch / "encoded"
    folder.mkdir()
    heard = sound or piece.sound
    pictures = folder / "pictures.ts"
    piece.tools.ffmpeg(
        [
            *(source or ("-i", str(piece.mezzanine))),
            *("-filter_complex", graph, "-map", "[out]"),
            *ladder.picture_arguments(rung, FilmChunk(0, 0, 0, 1), rate, profile.X264),
            # At the rate that the pictures have after the fault, by their times.
            *("-fps_mode", "cfr", "-enc_time_base", "0", "-force_key_frames", "expr:gte(t,n_forced*2)"),
            *(*encoder, "-f", "mpegts", str(pictures)),
        ],
        label="encoding a faulty picture",
    )
    arguments = ladder.segment_arguments(str(pictures), str(heard) if heard else None, str(folder))
    first = arguments.index("-map")
    arguments[first:first] = beside
    at = arguments.index("-output_ts_offset")
    piece.tools.ffmpeg([*arguments[:at], *muxed, *arguments[at:]], label="segmenting a faulty picture")
    pictures.unlink()
    take_segments(piece, folder)


def encode_sound(piece: Workpiece, graph: str, *, options: Sequence[str] = (), source: Sequence[str] = ()) -> None:
    """The segments anew, with the delivered sound sent through `graph`; `options` win over the encoder's usual ones."""
    path = faulty_sound(piece, graph, options=options, source=source)
    if piece.media_type == "video":
        encode_picture(piece, sound=path)
        return
    folder = piece.scratch / "encoded"
    folder.mkdir()
    piece.tools.ffmpeg(ladder.audio_hls_arguments(str(path), str(folder)), label="segmenting a faulty sound")
    take_segments(piece, folder)


def faulty_sound(piece: Workpiece, graph: str, *, options: Sequence[str] = (), source: Sequence[str] = ()) -> Path:
    assert piece.sound is not None
    path = piece.scratch / "faulty.m4a"
    piece.tools.ffmpeg(
        [
            *("-i", str(piece.sound), *source, "-filter_complex", f"[0:a:0]{graph}[out]", "-map", "[out]"),
            *("-c:a", "aac", "-b:a", f"{piece.kbps}k", "-ar", str(profile.SAMPLE_RATE), "-ac", str(profile.CHANNELS)),
            *(*STRIPPED, *BITEXACT, *options, "-f", "mp4", str(path)),
        ],
        label="encoding a faulty sound",
    )
    return path


def take_segments(piece: Workpiece, folder: Path) -> None:
    """Put the segments of `folder` in the place of the output's, with a playlist that fits them."""
    for old in piece.segments:
        old.unlink()
    for path in folder.glob("segment_*.ts"):
        shutil.move(path, piece.folder / path.name)
    listed = hls.parse_segments((folder / hls.PLAYLIST).read_text(encoding="utf-8"))
    write_playlist(piece.path, listed)


def write_playlist(playlist: Path, listed: Sequence[tuple[str, float]]) -> None:
    segments = [hls.Segment(name, seconds, (playlist.parent / name).stat().st_size) for name, seconds in listed]
    playlist.write_text(hls.media_playlist(segments), encoding="utf-8")


def encode_mezzanine(
    piece: Workpiece,
    picture: str | None = None,
    *,
    sound: str | None = None,
    inputs: Sequence[str] = (),
    options: Sequence[str] = (),
    faststart: bool = True,
) -> None:
    """The mezzanine anew, in its own place: its picture, its sound, or both pass filters; the other track is copied.

    `inputs`: further inputs, from number 1 on. `options` win over the usual ones.
    """
    target = piece.scratch / "faulty.mp4"
    graphs, maps, codecs = [], [], []
    if piece.media_type == "video":
        if picture is None:
            maps += ["-map", "0:v:0"]
            codecs += ["-c:v", "copy"]
        else:
            assert piece.rate is not None
            graphs.append(f"[0:v:0]{picture},format=yuv420p,{TAGGED}[picture]")
            maps += ["-map", "[picture]"]
            codecs += [
                *("-c:v", "libx264", *profile.X264.mezzanine, "-profile:v", "high", "-pix_fmt", "yuv420p"),
                *("-g", str(round(piece.rate * profile.MEZZANINE_KEYFRAME_SECONDS))),
                *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
            ]
    if sound is None:
        maps += ["-map", "0:a:0?"]
        codecs += ["-c:a", "copy"]
    else:
        graphs.append(f"[0:a:0]{sound}[sound]")
        maps += ["-map", "[sound]"]
        codecs += ["-c:a", "aac", "-b:a", "320k"]
    piece.tools.ffmpeg(
        [
            *("-i", str(piece.path), *inputs),
            *(part for graph in graphs for part in ("-filter_complex", graph)),
            *(*maps, *codecs, *STRIPPED, *BITEXACT, *options),
            *(("-movflags", "+faststart") if faststart else ()),
            *("-f", "mp4", str(target)),
        ],
        label="encoding a faulty mezzanine",
    )
    target.replace(piece.path)
