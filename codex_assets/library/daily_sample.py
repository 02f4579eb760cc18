"""Which media are looked at today, where every day looks at some: each in its turn, and all of them after some days.

In: a share or a number of the media, and the day. Out: what is done with them (`reproduction.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection
from datetime import date


def daily_sample(media_ids: Collection[str], size: Callable[[int], int], day: date) -> list[str]:
    """`size` of so many media, the same for everybody on a day.

    Media stand in a fixed order that has nothing to do with their ids, and each day takes the next ones: while no media
    are added, every one has had its turn when as many days have passed as the sample fits into the media.
    """
    order = sorted(media_ids, key=lambda media_id: hashlib.sha256(media_id.encode()).digest())
    count = min(len(order), size(len(order)))
    if not count:
        return []
    turns = math.ceil(len(order) / count)
    start = day.toordinal() % turns * count
    return [order[(start + number) % len(order)] for number in range(count)]
