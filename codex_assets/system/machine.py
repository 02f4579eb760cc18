"""How much this machine lets its processes have: processors, and memory, a container's limits included."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """How many this process may use, at least 1: those that it may run on, or the part of them that its container is
    given."""
    count = len(os.sched_getaffinity(0))
    share = _quota()
    return max(1, min(count, math.floor(share + 0.5))) if share is not None else max(1, count)


def free_memory() -> int | None:
    """Bytes that could be had now without another process losing any; None where the system does not say."""
    known = [bytes_ for bytes_ in (_available(), _left_in_group()) if bytes_ is not None]
    return min(known, default=None)


def _quota() -> float | None:
    """Processors that the container may use; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (_GROUPS / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        group = _GROUPS / "cpu"
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / int((group / "cpu.cfs_period_us").read_text())
    return None


def _available() -> int | None:
    with suppress(OSError):
        line = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        return int(line[1]) * 1024 if line else None
    return None


def _left_in_group() -> int | None:
    """Bytes up to the container's limit. Pages of files are given back when they are needed."""
    for limit, used, statistics in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        with suppress(OSError, ValueError):
            most, now = int((_GROUPS / limit).read_text()), int((_GROUPS / used).read_text())
            pages = re.search(r"^(?:total_)?inactive_file (\d+)", (_GROUPS / statistics).read_text(), re.MULTILINE)
            return max(0, most - now + (int(pages[1]) if pages else 0))
    return None
