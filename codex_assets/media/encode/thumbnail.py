"""The thumbnail: one frame of the mezzanine as a 16:9 JPEG; and the same in sizes for cards, and as the few pixels of
which a BlurHash is computed."""

from __future__ import annotations

from collections.abc import Mapping

from codex_assets.media import profile
from codex_assets.media.encode.flags import BITEXACT, SCALER, STRIPPED
from codex_assets.media.input_flags import input_arguments

_BOX = f"{profile.PICTURE_WIDTH}:{profile.PICTURE_HEIGHT}"
_FIT = f"scale={_BOX}:force_original_aspect_ratio=decrease:force_divisible_by=2:{SCALER}"
_PAD = f"pad={_BOX}:(ow-iw)/2:(oh-ih)/2,setsar=1"


def moment(duration: float, frame_seconds: float) -> float:
    """Seconds into the mezzanine: a tenth of it, and never past the start of its last frame."""
    return max(0.0, min(duration * profile.THUMBNAIL_AT, duration - 1.5 * frame_seconds))


def arguments(mezzanine: str, output: str, at: float) -> list[str]:
    """The frame at `at` seconds, fitted into 1280x720 and padded with black where its shape differs."""
    return [
        *_frame_at(mezzanine, at),
        # JPEG is BT.601 in full range (JFIF); the mezzanine is BT.709 in limited range.
        *("-vf", f"{_FIT}:out_color_matrix=bt601:out_range=pc,format=yuvj420p,{_PAD}"),
        *("-c:v", "mjpeg", "-q:v", str(profile.THUMBNAIL_QUALITY), "-threads", "1", *STRIPPED, *BITEXACT),
        *("-f", "image2", "-update", "1", output),
    ]


def small_arguments(mezzanine: str, outputs: Mapping[tuple[int, int], str], at: float) -> list[str]:
    """The same picture as WebP, in other sizes: size (pixels) -> file."""
    names = [f"p{number}" for number in range(len(outputs))]
    # WebP is BT.601 in limited range.
    scaled = [
        f"[{name}]scale={width}:{height}:{SCALER}:out_color_matrix=bt601:out_range=tv,format=yuv420p[{name}s]"
        for name, (width, height) in zip(names, outputs, strict=True)
    ]
    split = f"[0:v:0]{_FIT},{_PAD},split={len(names)}" + "".join(f"[{name}]" for name in names)
    chosen = [*input_arguments(mezzanine, trusted=True), "-filter_complex", ";".join([split, *scaled])]
    for name, output in zip(names, outputs.values(), strict=True):
        chosen += ["-map", f"[{name}s]", "-frames:v", "1", "-c:v", "libwebp", "-quality", str(profile.WEBP_QUALITY)]
        chosen += [*("-threads", "1", *STRIPPED, *BITEXACT), "-f", "image2", "-update", "1", output]
    return ["-ss", f"{at:.6f}", *chosen]


def blur_arguments(mezzanine: str, output: str, at: float) -> list[str]:
    """The same picture as red, green and blue of the few pixels of which a BlurHash is computed."""
    width, height = profile.BLURHASH_PIXELS
    # In RGB first: so far down, ffmpeg takes chroma from other places than luma.
    coloured = "scale=in_color_matrix=bt709:flags=accurate_rnd+bitexact+full_chroma_int,format=gbrp"
    small = f"scale={width}:{height}:flags=area+accurate_rnd+bitexact,format=rgb24"
    return [*_frame_at(mezzanine, at), "-vf", f"{_FIT},{_PAD},{coloured},{small}", "-f", "rawvideo", output]


def _frame_at(mezzanine: str, at: float) -> list[str]:
    return ["-ss", f"{at:.6f}", *input_arguments(mezzanine, trusted=True), "-map", "0:v:0", "-frames:v", "1"]
