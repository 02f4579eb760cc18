"""Scratch space of runs on this machine: removes what runs that were killed left behind.

A run holds a lock on its directory for as long as its process lives (`config/workshop.py`), so leftovers can be told
from runs under way. What a run does inside its directory is in `workspace.py`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path


def wipe_scratch(scratch: Path) -> None:
    """Remove the directories of runs that were killed. Those of runs under way, here or elsewhere, stay."""
    for leftover in scratch.glob("run-*"):
        with suppress(OSError):
            held = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(held)
