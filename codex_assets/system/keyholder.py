"""What a process that holds keys does for itself: its memory is closed, and it imports nothing from where it stands.

In: the steps, which cost nothing and are taken first. Out: what keeps a tool in (`sandbox.py`), and who holds keys: the
worker and its job's process (`runpod_entry`), the terminal's commands, and whoever starts a tool.

A tool runs as the same user as the process that started it, so that the file system's permissions do not keep it from
`/proc/PID/environ` and `/proc/PID/mem`. A process that is not *dumpable* is closed there to all but who may trace any
process, which a tool may not, root's tools included. `exec` makes a process dumpable again: each has to do it itself,
and whoever starts another that will hold keys must not give it those in its environment.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


def close_memory() -> bool:
    """Close this process's memory and environment to others of its user, for good; whether they are closed now.

    It also writes no core dump any more, and a debugger needs root. What it starts by `fork` is closed, too.
    """
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return False
    nothing = ctypes.c_ulong(0)
    libc.prctl(_PR_SET_DUMPABLE, nothing, nothing, nothing, nothing)
    return int(libc.prctl(_PR_GET_DUMPABLE, nothing, nothing, nothing, nothing)) == 0


def distrust_working_directory(packages: Path) -> None:
    """Take the working directory out of where modules are looked for: `python -m` puts it first, but for `-P`.

    A tool may once have been able to write there, and a `json.py` there would be run with this process's keys.
    `packages`: the folder that holds our own packages; where it is the working directory, it is looked into last.
    """
    if sys.flags.safe_path or not sys.path:
        return
    here = Path.cwd()
    # Only the first entry is Python's own doing; others were asked for with PYTHONPATH.
    if sys.path[0] == "" or Path(sys.path[0]) == here:
        del sys.path[0]
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
