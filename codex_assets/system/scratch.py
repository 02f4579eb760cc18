"""Scratch space of runs on this machine: their directories, the leases on them, and what killed runs left behind.

A run holds a lock on its directory for as long as its process lives, however it ends, so leftovers can be told from
runs under way. Everything that is written for a moment lies in such a directory, which no other user may open, or has
no name. The only importer of tempfile. What a run does inside its directory is in `workspace.py`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

RUN_PREFIX = "run-"
"""What the names of runs' directories begin with."""


PRIVATE = 0o700


def temporary_directory(environ: Mapping[str, str]) -> Path | None:
    """Where things lie for a moment: `TMPDIR`, else the system's own place; None where nothing can be written."""
    if environ.get("TMPDIR"):
        return Path(environ["TMPDIR"])
    with suppress(FileNotFoundError):
        return Path(tempfile.gettempdir())
    return None


def place(temporary: Path) -> Path:
    """The directory of all runs."""
    return temporary / "codex-assets"


@contextmanager
def opened_run(scratch: Path) -> Iterator[Path]:
    """The directory of a run, empty and private, which is gone after the block; what killed runs left goes first.

    During the block `wipe_scratch` does not remove it, in whatever process.
    """
    wipe_scratch(scratch)
    scratch.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    directory, lease = _leased(scratch)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lease)


def _leased(scratch: Path) -> tuple[Path, int]:
    while True:
        directory = scratch / f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}"
        directory.mkdir(mode=PRIVATE)
        with suppress(FileNotFoundError):
            lease = os.open(directory, os.O_RDONLY)
            fcntl.flock(lease, fcntl.LOCK_SH)
            # Another process that starts may have taken it for a leftover before it was locked.
            if directory.is_dir():
                return directory, lease
            os.close(lease)


@contextmanager
def folder_in(parent: Path | None, prefix: str) -> Iterator[Path]:
    """An empty folder for a moment in that of a run; None: in the system's own place."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as name:
        yield Path(name)


def unnamed_file(folder: Path | None = None) -> IO[bytes]:
    """A file that nobody else can open, and that ends with the process."""
    return tempfile.TemporaryFile(dir=folder)


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
