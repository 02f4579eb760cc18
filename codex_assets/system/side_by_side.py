"""Does several pieces of work at once, each of which runs tools: the first that fails ends all others.

In: how far they are together, too. Out: how many of a kind a machine carries (`machine.py`, and whoever has the work).
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from codex_assets.system.run_output import Progress
from codex_assets.system.stopping import StopEvent
from codex_assets.system.tools import Tools

Result = TypeVar("Result")
Work = Callable[[Tools], Result]


def in_order(tools: Tools, work: Sequence[Work[Result]], *, at_once: int) -> Generator[Result, None, None]:
    """The results of `work`, in its order, each as soon as it and all before it are there. So many are under way
    `at_once`; each is given tools to run.

    Raises what the first that failed raises; then, and when it is not read to its end, all others are ended.
    """
    ended = StopEvent(tools.cancelled)
    own = tools.ending_with(ended)
    with ThreadPoolExecutor(max(1, at_once), thread_name_prefix="side") as pool:
        # Each in a copy of this context: what is said in a log is about the same job.
        futures = [pool.submit(contextvars.copy_context().run, piece, own) for piece in work]
        try:
            for number, future in enumerate(futures):
                _wait_for(future, futures[number:])
                yield future.result()
        except BaseException:
            ended.set()
            for future in futures:
                future.cancel()
            raise


def _wait_for(wanted: Future[Result], running: Sequence[Future[Result]]) -> None:
    """Until `wanted` is there, or one of the others has failed, whose failure is raised."""
    waiting = set(running)
    while not wanted.done():
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            if (error := future.exception()) is not None:
                raise error


class SharedProgress:
    """How far work is that is done in several pieces, which tell it from several threads; `on_progress` is called with
    how far all of it is."""

    def __init__(self, label: str, total: float, passes: int, on_progress: Callable[[Progress], None] | None) -> None:
        """`total`: seconds of the media; `passes`: how often the pieces together go through all of it."""
        self._label, self._total, self._passes, self._on_progress = label, total, passes, on_progress
        self._seconds: dict[Hashable, float] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Wall seconds since it began."""
        return time.monotonic() - self._began

    def advanced(self, part: Hashable, seconds: float) -> None:
        """A part has come so far, in media seconds of its own."""
        if self._on_progress is None:
            return
        with self._lock:
            self._seconds[part] = max(0.0, seconds)
            done, elapsed = sum(self._seconds.values()) / self._passes, self.elapsed()
            self._on_progress(Progress(self._label, done, self._total, done / elapsed if elapsed else None))
