"""Works out what the quantisation of a JPEG leaves of a picture (ISO/IEC 10918-1, A.3.3 and A.3.4).

Grain of a few levels is left out by it, and is no fault of whoever made the thumbnail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from codex_assets.verification.observe.raw_pictures import Plane

BLOCK = 8
ROUNDED_UP = 3 / 8
"""Added before what is left of a step is dropped: encoders drop a little more than half a step, to save bytes that show
nothing. ffmpeg's own adds as much."""
_AT = numpy.arange(BLOCK)
_COSINES: NDArray[numpy.float32] = numpy.array(
    numpy.where(_AT[:, None] == 0, numpy.sqrt(1 / BLOCK), numpy.sqrt(2 / BLOCK))
    * numpy.cos((2 * _AT[None, :] + 1) * _AT[:, None] * numpy.pi / (2 * BLOCK)),
    numpy.float32,
)
"""The discrete cosine transform of eight samples: (frequencies, samples)."""
_ZIGZAG = sorted(
    ((row, column) for row in range(BLOCK) for column in range(BLOCK)),
    key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1]),
)
"""Row and column of each step as a file has them: along the diagonals, down and up in turn (figure A.6)."""


def quantised(luma: Plane, steps: Sequence[int], *, rounded_up: float = ROUNDED_UP) -> Plane:
    """A plane of 0 to 255, whose sides are multiples of eight, after its quantisation; `steps` as a file has them."""
    table = numpy.empty((BLOCK, BLOCK), numpy.float32)
    for (row, column), step in zip(_ZIGZAG, steps, strict=True):
        table[row, column] = max(1, step)
    rows, columns = (side // BLOCK for side in luma.shape)
    blocks: Plane = (luma - 128).reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).astype(numpy.float32)
    scaled = numpy.asarray(_COSINES @ blocks @ _COSINES.T / table, numpy.float32)
    whole: Plane = numpy.trunc(scaled + numpy.copysign(numpy.float32(rounded_up), scaled)).astype(numpy.float32)
    kept = numpy.asarray(_COSINES.T @ (whole * table) @ _COSINES, numpy.float32)
    return kept.swapaxes(1, 2).reshape(luma.shape) + numpy.float32(128)
