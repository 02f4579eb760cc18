"""Scratch space of runs on this machine: their directories, the leases on them, and what killed runs left behind.

A run holds a lock on its directory for as long as its process lives, however it ends, so leftovers can be told from
runs under way. What a run does inside its directory is in `workspace.py`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RUN_PREFIX = "run-"
"""What the names of runs' directories begin with."""


def new_run(scratch: Path) -> Path:
    """The path of a directory that no other run has. It is not made."""
    return scratch / f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}"


@contextmanager
def leased(directory: Path) -> Iterator[None]:
    """Keeps `wipe_scratch`, in whatever process, from removing a run's directory during the block."""
    lease = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lease, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lease)


def wipe_scratch(scratch: Path) -> None:
    """Remove the directories of runs that were killed. Those of runs under way, here or elsewhere, stay."""
    for leftover in scratch.glob(f"{RUN_PREFIX}*"):
        with suppress(OSError):
            lease = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lease)
