"""Decodes several moving pictures side by side: small pictures of the same time, in batches, from one process.

In: how pictures are paired by time and brought to one size, without any conversion of colours. Out: what is measured of
them (`picture_meter.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.verification.observe.decoder import Decoder

Panels: TypeAlias = NDArray[np.uint8]
"""One plane of several pictures, of (pictures, sources, rows, columns)."""

COMPARED_PIXELS = 320 * 180
BATCH = 8
"""Pictures that are handed on at a time."""
COLOURS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
"""Called the same on all sides, so that nothing is converted on the way; whether the flags are right is asked
elsewhere."""


@dataclass(frozen=True)
class Delivered:
    """A moving picture to be compared: `source` are input arguments, `size` its pixels, `kbps` the rate that it was
    meant to have, None where that is not known."""

    source: tuple[str, ...]
    size: tuple[int, int]
    kbps: int | None = None


@dataclass(frozen=True)
class Batch:
    """Some pictures of one time after another: the reference's first, then those of each source.

    `luma`, `blue` and `red` show whole pictures at one small size. `crops` and `reference_crops` show the luma in the
    middle of each source's picture at the source's own size, and the same part of the reference scaled to that size.
    """

    luma: Panels
    blue: Panels
    red: Panels
    crops: Panels
    reference_crops: Panels


def compared_size(width: int, height: int) -> tuple[int, int]:
    """The size at which pictures are compared: theirs, but not larger than `COMPARED_PIXELS`, in multiples of 16."""
    factor = min(1.0, (COMPARED_PIXELS / (width * height)) ** 0.5)
    return max(16, round(width * factor / 16) * 16), max(16, round(height * factor / 16) * 16)


def decode_together(
    decoder: Decoder,
    reference: Sequence[str],
    delivered: Sequence[Delivered],
    rate: Fraction,
    size: tuple[int, int],
    measure: Callable[[Batch], None],
    *,
    seconds: float,
) -> tuple[str, ...]:
    """Call `measure` with all pictures of `reference` (input arguments) and of `delivered`; returns ffmpeg's log.

    `rate`: pictures a second, `size`: pixels of the reference, `seconds`: how long they last. Clocks start with the
    first picture. A source that has no picture for a time shows its last one, as a player does; all end with the
    shortest. Raises `ToolError` when one cannot be decoded.
    """
    width, height = compared_size(*size)
    count = len(delivered) + 1
    graph = _graph(delivered, rate, size, (width, height))
    panels = count + 2 * len(delivered)
    luma = width * height * panels
    picture = luma * 3 // 2

    def read(take: Callable[[int], bytes]) -> None:
        while data := take(picture * BATCH):
            batch = np.frombuffer(data, np.uint8)[: len(data) // picture * picture].reshape(-1, picture)
            lumas = batch[:, :luma].reshape(-1, panels, height, width)
            chroma = batch[:, luma:].reshape(-1, 2, panels, height // 2, width // 2)
            crops = lumas[:, count:]
            measure(Batch(lumas[:, :count], chroma[:, 0, :count], chroma[:, 1, :count], crops[:, 0::2], crops[:, 1::2]))

    inputs = [*reference, *(argument for each in delivered for argument in each.source)]
    output = ["-map", "[all]", "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    run = decoder.run_into(
        [*inputs, "-filter_complex", graph, *output], read, label="comparing the pictures", duration=seconds
    )
    return run.log


def _graph(delivered: Sequence[Delivered], rate: Fraction, size: tuple[int, int], compared: tuple[int, int]) -> str:
    """The filters that stack, from top to bottom: the reference, each source, and for each source its middle and that
    of the reference."""
    width, height = compared
    count = len(delivered)
    clock = f"{COLOURS},setpts=PTS-STARTPTS,settb={rate.denominator}/{rate.numerator}"
    small = f"scale={width}:{height}:flags=area,format=yuv420p"
    outputs = "".join(f"[r{number}]" for number in range(count + 1))
    chains = [f"[0:v:0]{clock},split={count + 1}{outputs}", f"[r{count}]{small}[p0]"]
    for number, each in enumerate(delivered):
        own, other = _crops(each.size, size, compared)
        chains.append(f"[{number + 1}:v:0]{clock},split=2[d{number}][e{number}]")
        chains.append(f"[d{number}]{small}[p{number + 1}]")
        chains.append(f"[e{number}]scale={each.size[0]}:{each.size[1]},{own},{_fitted(compared)}[o{number}]")
        chains.append(f"[r{number}]{other},{_fitted(compared)}[c{number}]")
    panels = [*(f"[p{number}]" for number in range(count + 1))]
    panels += [label for number in range(count) for label in (f"[o{number}]", f"[c{number}]")]
    return ";".join([*chains, f"{''.join(panels)}vstack=inputs={len(panels)}:shortest=1[all]"])


def _crops(own: tuple[int, int], reference: tuple[int, int], compared: tuple[int, int]) -> tuple[str, str]:
    """The filters that cut the middle out of a source, of at most the size that is compared, and the same out of the
    reference."""
    width, height = (min(side, most) // 2 * 2 for side, most in zip(own, compared, strict=True))
    factors = reference[0] / own[0], reference[1] / own[1]
    wide, high = max(2, round(width * factors[0] / 2) * 2), max(2, round(height * factors[1] / 2) * 2)
    return f"crop={width}:{height}", f"crop={min(wide, reference[0])}:{min(high, reference[1])}"


def _fitted(compared: tuple[int, int]) -> str:
    """One size for all panels; a middle of that size stays as it is."""
    return f"scale={compared[0]}:{compared[1]}:flags=lanczos,format=yuv420p"
