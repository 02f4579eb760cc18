"""What tells the tools of one run to stop: whoever asked for the run, or the run itself, which alone knows why."""

from __future__ import annotations

import threading


class StopEvent(threading.Event):
    """An event that is set when it was set, or when another one is. Setting it leaves the other one as it is."""

    def __init__(self, other: threading.Event | None) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Whether either is set."""
        return super().is_set() or (self._other is not None and self._other.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """As `Event.wait`. Looks at the other one again at least ten times a second."""
        left = timeout
        while not self.is_set() and (left is None or left > 0):
            step = 0.1 if left is None else min(0.1, left)
            super().wait(step)
            left = None if left is None else left - step
        return self.is_set()
