"""How far a run is, as messages of its log: the phase, how much of it and of the run is done, speed, time left.

In: which statuses become a message, its words, and the thread that writes them: whoever encodes does not wait for
Dagster's database. Out: what a status says (`system/workspace.py`), and a terminal's bars (`cli/progress.py`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codex_assets import quantities
from codex_assets.system.workspace import ESTIMATED_FROM, Listener, Status

EVERY_SECONDS = 10.0
"""Between two messages of one phase of a build on this machine."""
PHASE_SECONDS = 1.0
"""A phase has a message when it begins, unless the last message is younger than this."""


@contextmanager
def logged(write: Callable[[str], None], every_seconds: float = EVERY_SECONDS) -> Iterator[Listener]:
    """Write the progress that the listener hears of while the block runs. `write` is called from another thread."""
    reporter = _Reporter(write, every_seconds)
    thread = threading.Thread(target=reporter.work, name="progress", daemon=True)
    thread.start()
    try:
        yield reporter.listen
    finally:
        reporter.ended.set()
        thread.join()


class _Reporter:
    def __init__(self, write: Callable[[str], None], every_seconds: float) -> None:
        self._write, self._every = write, every_seconds
        self._latest: Status | None = None
        self._phase_began = 0.0
        self.ended = threading.Event()

    def listen(self, status: Status) -> None:
        """Take a status, from any thread."""
        if self._latest is None or self._latest.phase != status.phase:
            self._phase_began = time.monotonic()
        self._latest = status

    def work(self) -> None:
        """Look once a second whether there is something to write."""
        written: Status | None = None
        written_at = float("-inf")
        while not self.ended.wait(PHASE_SECONDS):
            status, now = self._latest, time.monotonic()
            if status is None:
                continue
            is_new_phase = written is None or written.phase != status.phase
            if is_new_phase or now - written_at >= self._every:
                self._write(words(status, now - self._phase_began if status is written else None))
                written, written_at = status, now


def words(status: Status, silent_seconds: float | None = None) -> str:
    """`34 %: variants (52 %), 3.1x, 2 min 10 s left`. `silent_seconds`: since when a phase runs of which nothing new is
    known."""
    parts = [status.phase if not status.fraction else f"{status.phase} ({100 * status.fraction:.0f} %)"]
    if silent_seconds is not None:
        parts.append(f"for {quantities.time_left(silent_seconds)}")
    elif status.speed:
        parts.append(f"{status.speed:.1f}x")
    if silent_seconds is None and status.seconds_left is not None and ESTIMATED_FROM <= status.overall < 1:
        parts.append(f"{quantities.time_left(status.seconds_left)} left")
    return f"{100 * status.overall:.0f} %: {', '.join(parts)}"
