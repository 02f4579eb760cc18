"""Whether this machine has the room and the Python that jobs need: scratch space, shared memory, packages."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from codex_assets.readiness.checks import Check, Health
from codex_assets.system import scratch as scratch_space

PACKAGES = ("dagster", "runpod", "boto3", "requests", "pydantic", "typer", "rich")
LEAST_BYTES = 1 << 30
"""A machine with less scratch space could not even hold a short upload and what is made of it."""
SHARED_MEMORY = Path("/dev/shm")
SHARED_BYTES = 1 << 20
"""What the SDK and Python keep there is less."""
ROOMY_BYTES = 10 << 30
"""Scratch space for originals of up to about 2 GB."""


def check_python() -> Iterator[Check]:
    """The versions of Python and of the packages that matter most, and those that are missing."""
    versions, missing = [platform.python_version()], []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        yield Check("python", "packages", Health.PROBLEM, f"missing: {', '.join(missing)}", "make setup")
    yield Check("python", "versions", Health.OK, ", ".join(versions))


def check_shared_memory(folder: Path = SHARED_MEMORY) -> Check:
    """Python's semaphores between processes, and the SDK's list of jobs, which lies in such memory."""
    subject = ("machine", "shared memory")
    advice = f"Mount a file system that can be written to at {folder} (docker: --shm-size)"
    try:
        # As large as what the SDK keeps there: where there is less, its first write would kill the worker.
        with scratch_space.unnamed_file(folder) as trial:
            os.posix_fallocate(trial.fileno(), 0, SHARED_BYTES)
        multiprocessing.Lock()
    except (OSError, ImportError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this system has no semaphores"
        return Check(*subject, Health.PROBLEM, f"{folder} cannot be used: {reason}", advice)
    return Check(*subject, Health.OK, f"{folder} can be written to")


def check_scratch(scratch: Path) -> Check:
    """The directory of runs can be written to, and has room."""
    subject = ("machine", "scratch space")
    try:
        scratch.mkdir(mode=scratch_space.PRIVATE, parents=True, exist_ok=True)
        (scratch / ".doctor").touch()
        (scratch / ".doctor").unlink()
        free = shutil.disk_usage(scratch).free
    except OSError as error:
        return Check(*subject, Health.PROBLEM, f"{scratch} cannot be written to: {error.strerror}", "Set TMPDIR")
    room = f"{free / 1e9:.1f} GB free at {scratch}"
    if free < LEAST_BYTES:
        return Check(*subject, Health.PROBLEM, room, "Free some space, or set TMPDIR to a larger disk")
    if free < ROOMY_BYTES:
        return Check(*subject, Health.NOTE, room, "A job needs about four times the size of its original")
    return Check(*subject, Health.OK, room)
