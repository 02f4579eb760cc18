"""What tells a job to end before it is done: a signal to the worker, its time limit, or RunPod.

In: signals, which do beside it what they did before (the SDK has handlers of its own, after which a worker takes no
further job). Out: ending the job, and answering it (`handler.py`).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from codex_assets.errors import JobCancelled, JobError

STOPS = (signal.SIGTERM, signal.SIGINT)
"""Signals that tell the worker to stop; `__main__` makes SIGHUP one of them."""


@dataclass(eq=False)
class Ending:
    """Whether, and why, a job is to end before it is done. `by_runpod`: the SDK has cancelled it."""

    task: asyncio.Task[dict[str, Any]] | None = None
    error: JobError | None = None
    by_runpod: bool = False

    def ask(self, error: JobError) -> None:
        """End it, unless it is ending already."""
        if self.error is None and self.task is not None and not self.task.done():
            self.error = error
            self.task.cancel()


class Endings:
    """Those of the jobs of one worker."""

    def __init__(self) -> None:
        self._endings: list[Ending] = []
        self._before: dict[signal.Signals, Any] = {}
        """What signals did before there was a job."""

    @contextmanager
    def of_a_job(self) -> Iterator[Ending]:
        """What tells the job of this block to end: `STOPS` do."""
        ending = Ending()
        self._endings.append(ending)
        if not self._before and threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            self._before = {number: signal.getsignal(number) for number in STOPS}
            for number, before in self._before.items():
                signal.signal(number, _stopping(loop, before, self._end_jobs))
        try:
            yield ending
        finally:
            self._endings.remove(ending)
            if not self._endings:
                for number, before in self._before.items():
                    signal.signal(number, before)
                self._before = {}

    def _end_jobs(self) -> None:
        for ending in self._endings:
            ending.ask(JobCancelled("The worker was told to stop before the job was done."))


def _stopping(loop: asyncio.AbstractEventLoop, before: Any, end_jobs: Callable[[], None]) -> Callable[[int, Any], None]:
    """What a signal does during a job: it ends the job, and does what it did `before`."""

    def stop(number: int, frame: Any) -> None:
        # A loop that is closed has no job any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(end_jobs)
        if callable(before):
            before(number, frame)

    return stop
