"""The thumbnail: one frame of the mezzanine as a 16:9 JPEG."""

from __future__ import annotations

from codex_assets.media import profile
from codex_assets.media.encode.flags import BITEXACT, STRIPPED
from codex_assets.media.input_flags import input_arguments


def moment(duration: float, frame_seconds: float) -> float:
    """Seconds into the mezzanine: a tenth of it, and never past the start of its last frame."""
    return max(0.0, min(duration * profile.THUMBNAIL_AT, duration - 1.5 * frame_seconds))


def arguments(mezzanine: str, output: str, at: float) -> list[str]:
    """The frame at `at` seconds, fitted into 1280x720 and padded with black where its shape differs."""
    box = f"{profile.PICTURE_WIDTH}:{profile.PICTURE_HEIGHT}"
    fit = f"scale={box}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos+accurate_rnd+bitexact"
    return [
        *("-ss", f"{at:.6f}"),
        *input_arguments(mezzanine, trusted=True),
        *("-map", "0:v:0", "-frames:v", "1"),
        # JPEG is BT.601 in full range (JFIF); the mezzanine is BT.709 in limited range.
        *("-vf", f"{fit}:out_color_matrix=bt601:out_range=pc,format=yuvj420p,pad={box}:(ow-iw)/2:(oh-ih)/2,setsar=1"),
        *("-c:v", "mjpeg", "-q:v", str(profile.THUMBNAIL_QUALITY), "-threads", "1", *STRIPPED, *BITEXACT),
        *("-f", "image2", "-update", "1", output),
    ]
