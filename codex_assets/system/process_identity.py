"""Which process of which machine somebody is, as a text that others can check: whether that process has ended.

Only where both are on the same machine, in the same process namespace, is anything known of another one: a process id
says nothing to another machine or container. Out: what follows from it (`archive/leases.py`).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X", "x")
"""States of a process that has ended and is not waited for yet."""


def this_process() -> str:
    """This process, among all that are and were: machine since its start, namespace, process id, start time."""
    return of(os.getpid())


def of(process: int) -> str:
    """The same of another process of this machine, by its id."""
    return f"{_machine()} {process} {_start_of(process)}"


def number(identity: str) -> int:
    """The id of that process, on its machine."""
    return int(identity.rpartition(" ")[0].rpartition(" ")[2])


def has_ended(identity: str) -> bool:
    """Whether that process is known to have ended. False where nothing is known of it."""
    machine, _, process = identity.rpartition(" ")[0].rpartition(" ")
    start = identity.rpartition(" ")[2]
    if machine != _machine() or not process.isdecimal() or not start.isdecimal():
        return False
    return _start_of(int(process)) != start


@cache
def _machine() -> str:
    """The machine since it was started, and the process namespace; a text of its own where that is not to be known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat(_PROC / 'self/ns/pid').st_ino}"
    except OSError:
        return f"unknown {os.urandom(8).hex()}"


def _start_of(process: int) -> str | None:
    """When a process was started, in ticks since the machine was; None when there is no such process any more."""
    try:
        # The name, in parentheses, may hold anything.
        state, *fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return ""
    return None if state in _ENDED else fields[18]
