"""Outputs that are as they should be, some made in other ways than ours: of none of them anything may be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from contents import CONTENTS
from fault_encodes import encode_mezzanine, encode_picture, encode_sound
from mutant import Seam, Workpiece


@dataclass(frozen=True)
class Control:
    """`apply` makes the output of a seam anew, honestly; None: all outputs as they were published."""

    name: str
    content: str
    seam: Seam | None = None
    apply: Callable[[Workpiece], None] | None = None


def _thumbnail(quality: str, piece: Workpiece) -> None:
    box = "1280:720"
    fit = f"scale={box}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_color_matrix=bt601:out_range=pc"
    target = piece.scratch / "other.jpg"
    piece.tools.ffmpeg(
        [
            *("-ss", f"{piece.seconds * 0.1:.6f}", "-i", str(piece.mezzanine), "-frames:v", "1"),
            *("-vf", f"{fit},format=yuvj420p,pad={box}:(ow-iw)/2:(oh-ih)/2,setsar=1", "-c:v", "mjpeg", "-q:v", quality),
            *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "image2", str(target)),
        ],
        label="drawing a thumbnail",
    )
    target.replace(piece.path)


def _encoded(*options: str) -> Callable[[Workpiece], None]:
    return partial(encode_picture, encoder=options)


def _heard(*options: str, graph: str = "anull") -> Callable[[Workpiece], None]:
    return lambda piece: encode_sound(piece, graph, options=options)


def _archived(*options: str, picture: str | None = "null") -> Callable[[Workpiece], None]:
    return lambda piece: encode_mezzanine(piece, picture, options=options)


CONTROLS: tuple[Control, ...] = (
    *(Control(f"{content}_as_published", content) for content in CONTENTS),
    Control("slower_preset", "film", Seam.SEGMENTS, _encoded("-preset", "slow")),
    Control("faster_preset", "flat", Seam.SEGMENTS, _encoded("-preset", "veryfast")),
    Control("without_b_frames", "film", Seam.SEGMENTS, _encoded("-bf", "0")),
    Control("lower_rate", "portrait", Seam.SEGMENTS, _encoded("-b:v", "380k", "-maxrate", "420k", "-bufsize", "760k")),
    Control("higher_rate", "film", Seam.SEGMENTS, _encoded("-b:v", "600k", "-maxrate", "660k", "-bufsize", "1200k")),
    Control("tuned_for_grain", "film", Seam.SEGMENTS, _encoded("-tune", "grain")),
    Control("tuned_for_animation", "flat", Seam.SEGMENTS, _encoded("-tune", "animation")),
    Control("constant_quality", "silent", Seam.SEGMENTS, _encoded("-crf", "24")),
    Control("more_key_frames", "portrait", Seam.SEGMENTS, _encoded("-force_key_frames", "expr:gte(t,n_forced*1)")),
    Control("several_slices", "silent", Seam.SEGMENTS, _encoded("-slices", "4")),
    Control("another_scaler", "film", Seam.SEGMENTS, partial(encode_picture, before="scale=640:360:flags=bicubic")),
    Control("sound_of_another_coder", "music", Seam.SEGMENTS, _heard("-aac_coder", "fast")),
    # As loud as they were: each generation at so low a rate adds noise, and more of it without what hides it.
    Control(
        "sound_without_tools",
        "music",
        Seam.SEGMENTS,
        _heard("-aac_tns", "0", "-aac_pns", "0", "-aac_is", "0", graph="volume=-0.4dB"),
    ),
    Control("sound_of_another_generation", "film", Seam.SEGMENTS, _heard(graph="volume=-0.7dB")),
    Control("finer_thumbnail", "film", Seam.THUMBNAIL, partial(_thumbnail, "2")),
    Control("coarser_thumbnail", "portrait", Seam.THUMBNAIL, partial(_thumbnail, "5")),
    Control("finer_mezzanine", "portrait", Seam.MEZZANINE, _archived("-crf", "14", "-preset", "medium")),
    Control("mezzanine_of_another_preset", "flat", Seam.MEZZANINE, _archived("-preset", "veryfast")),
    Control("mezzanine_repacked", "music", Seam.MEZZANINE, _archived(picture=None)),
)
