"""The order in which pictures of H.264 are shown, as they say themselves (ITU-T H.264 8.2.1).

In: the count in each picture's own header. Out: when a container has them shown (`mezzanine_samples.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from codex_assets.verification.observe.h264_stream import HIGH_PROFILES, UnitBits, skip_high_profile

SLICE_HEAD = 40
"""Bytes that hold what comes before the count, and it."""
COUNTED, AS_DECODED = 0, 2
"""pic_order_cnt_type: by a count in each picture, or as they are decoded."""


@dataclass(frozen=True)
class OrderParameters:
    """What an SPS says of the order: its kind, and how many bits a frame's number and its count have."""

    kind: int
    number_bits: int
    count_bits: int


def order_parameters(sps: bytes) -> OrderParameters | None:
    """Those of an SPS without the header of its unit; None where its pictures may be fields, or it is cut."""
    if len(sps) < 4:
        return None
    bits = UnitBits(sps[3:])
    bits.unsigned()
    if sps[0] in HIGH_PROFILES and skip_high_profile(bits) == 3:
        return None
    number_bits = bits.unsigned() + 4
    kind, count_bits = bits.unsigned(), 0
    if kind == COUNTED:
        count_bits = bits.unsigned() + 4
    elif kind != AS_DECODED:
        return None
    bits.unsigned()
    bits.take(1)
    bits.unsigned()
    bits.unsigned()
    return OrderParameters(kind, number_bits, count_bits) if bits.flag() else None


def count_of(head: bytes, parameters: OrderParameters, *, is_idr: bool) -> int:
    """The lower bits of a picture's count, by the first bytes of its first slice (7.3.3)."""
    bits = UnitBits(head[:SLICE_HEAD])
    for _ in range(3):
        bits.unsigned()
    bits.take(parameters.number_bits)
    if is_idr:
        bits.unsigned()
    return bits.take(parameters.count_bits)


def out_of_order(pictures: Iterable[tuple[float, int, bool]], parameters: OrderParameters) -> Iterator[float]:
    """The times of pictures that are shown before one that comes before them by its count.

    `pictures`: when each is shown, the lower bits of its count, and whether it is an IDR picture, as they are decoded.
    """
    period: list[tuple[float, int]] = []
    size, last = 1 << parameters.count_bits, 0
    for at, count, is_idr in pictures:
        if is_idr:
            yield from _inverted(period)
            period, last = [], count
        if parameters.kind == COUNTED:
            # Of the whole counts with these lower bits, the one that is nearest to the picture before (8.2.1.1).
            last += (count - last + size // 2) % size - size // 2
        else:
            last += 1
        period.append((at, last))
    yield from _inverted(period)


def _inverted(period: list[tuple[float, int]]) -> Iterator[float]:
    """Of the pictures from one IDR picture up to the next."""
    for (at, count), (_, following) in pairwise(sorted(period)):
        if following <= count:
            yield at
