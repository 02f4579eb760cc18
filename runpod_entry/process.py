"""Starts the process of a job: with nothing in its environment that is a key, and nothing to import but what is ours.

In: the start, the pipe, and how it ended. Out: what is said over the pipe (`handler.py`, `child.py`).

Not by way of `multiprocessing`: what that starts, and its own keeper of semaphores beside it, have this process's whole
environment, with all keys, where a tool of the job that runs meanwhile could read it until the process has closed its
memory. They look for modules in the working directory first, too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder that holds our packages."""
_CODE = (
    "import sys; packages, *numbers = sys.argv[1:]; packages in sys.path or sys.path.append(packages); "
    "from runpod_entry import child; child.begin(*map(int, numbers))"
)


class JobProcess:
    """A process that has begun, and waits for its environment and its job on `pipe`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment`: what its starting needs, and others may see. Raises `OSError`."""
        # `-P`, `-s`: no modules from the working directory, nor from the home directory.
        argv = [sys.executable, "-u", "-P", "-s", "-c", _CODE, str(PACKAGES)]
        self.pipe, theirs = Pipe()
        self._life, life = os.pipe()
        # Under the numbers that they have here; copied onto themselves, they are not closed.
        ends = (theirs.fileno(), life)
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                [*argv, *map(str, ends), str(os.getpid())],
                dict(environment),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    *((os.POSIX_SPAWN_DUP2, end, end) for end in ends),
                ],
            )
        except BaseException:
            self.close()
            raise
        finally:
            # Held by that process alone, so that its death ends both.
            theirs.close()
            os.close(life)
        self._exit_code: int | None = None

    def ended(self, within_seconds: float) -> bool:
        """Whether it has ended, or does so in time. It is not reaped: its number stays its own."""
        return bool(wait([self._life], within_seconds))

    def signal(self, number: signal.Signals) -> None:
        if self._exit_code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def reap(self, within_seconds: float) -> int | None:
        """Its exit code, negative the signal that killed it; None when it does not end."""
        if self._exit_code is None and self.ended(within_seconds):
            _, status = os.waitpid(self.pid, 0)
            self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def close(self) -> None:
        """Close this side's ends."""
        self.pipe.close()
        os.close(self._life)


def given_pipe(pipe: int, life: int) -> Connection:
    """The process's own side: what it starts gets neither end."""
    for end in (pipe, life):
        os.set_inheritable(end, False)
    return Connection(pipe)
