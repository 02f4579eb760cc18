"""The BlurHash of a picture: from its pixels to the text."""

from __future__ import annotations

import blurhash

from codex_assets.media import profile


def blur_hash(pixels: bytes) -> str:
    """`pixels`: red, green and blue of each pixel of a picture of `BLURHASH_PIXELS`, row by row.

    Raises `ValueError` for another number of bytes.
    """
    width, height = profile.BLURHASH_PIXELS
    if len(pixels) != width * height * 3:
        raise ValueError(f"{len(pixels)} bytes are no picture of {width}x{height}")
    rows = [[tuple(pixels[3 * (width * row + column) :][:3]) for column in range(width)] for row in range(height)]
    across, down = profile.BLURHASH_COMPONENTS
    return str(blurhash.encode(rows, components_x=across, components_y=down))
