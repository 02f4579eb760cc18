"""How long a tool's run may take, and how much memory and disk, by what it works on.

Each limit is far above what an honest file needs: it ends a run that a file was made for. `sandbox.py`
puts limits on processes.
"""

from __future__ import annotations

import math
import os

from codex_assets.system import sandbox
from codex_assets.system.sandbox import Limits

STALL_SECONDS = 180.0
"""Seconds without any advance of the output after which a run is given up as stuck."""
MINIMUM_LIMIT_SECONDS = 900.0
SECONDS_PER_MEDIA_SECOND = 60.0
"""Total limit: this many wall seconds per second of media, at least `MINIMUM_LIMIT_SECONDS`."""
GPU_QUERY_SECONDS = 15.0
"""A driver in trouble does not answer at all."""
LISTING_BYTES = 2 << 30
"""A list of packets on disk: those of more than a day."""
SCAN_BYTES_PER_SECOND = 10 << 20
"""The slowest that an input may be read to list its packets."""
PROBE_LIMIT_SECONDS = 300.0
PROBE_CPU_SECONDS = 60
"""Reading headers and the first packets takes well under a second; nothing honest comes near."""
PROBING = Limits(data_bytes=sandbox.PROBE_DATA_BYTES, cpu_seconds=PROBE_CPU_SECONDS)


def total_limit(duration: float | None) -> float:
    """Wall seconds that a run may take which writes `duration` seconds of media."""
    return max(MINIMUM_LIMIT_SECONDS, SECONDS_PER_MEDIA_SECOND * (duration or 0.0))


def scan_limit(size: int) -> float:
    """Wall seconds that listing the packets of `size` bytes may take."""
    return max(MINIMUM_LIMIT_SECONDS, size / SCAN_BYTES_PER_SECOND)


def limits_of(duration: float | None, seconds: float) -> Limits:
    """The limits of a run that writes `duration` seconds of media in at most so many `seconds`."""
    size = sandbox.FILE_BYTES + sandbox.FILE_BYTES_PER_SECOND * math.ceil(duration or 0.0)
    return Limits(file_bytes=size, cpu_seconds=math.ceil(seconds) * (os.cpu_count() or 1))
