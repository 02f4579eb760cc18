"""Progress of a run: bars on a terminal, a line now and then elsewhere.

Takes what a run reports and prints it on standard error. What a run reports, and how far it is, is decided in
`system/workspace.py` and by whoever does the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from codex_assets.cli.console import err, note
from codex_assets.quantities import duration, time_left
from codex_assets.system.workspace import ESTIMATED_FROM, Listener, Status

LINE_SECONDS = 5.0
"""Least time between two lines of progress."""
PHASE_SECONDS = 1.0
"""... and between two lines when a new phase begins."""


@contextmanager
def run_progress(title: str) -> Iterator[Listener]:
    """Show the progress of one run while the block runs; the block gets the listener to report it to."""
    if not err.is_terminal:
        yield Lines(title)
        return
    with Bars(title) as bars:
        yield bars


class _Percent(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f} %", style="cyan")


class _SpeedOrTime(ProgressColumn):
    """Speed while a phase runs and its time when it is done; for the whole run, the time left."""

    def render(self, task: Task) -> Text:
        if task.fields.get("whole"):
            left = task.fields.get("left")
            if task.finished or left is None:
                return Text(duration(task.elapsed or 0.0), style="bold")
            return Text(f"{time_left(left)} left", style="bold")
        if task.finished:
            return Text(duration(task.fields.get("spent", 0.0)), style="dim")
        speed = task.fields.get("speed")
        return Text(f"{speed:.1f}x" if speed else "", style="cyan")


class Bars:
    """One bar for the whole run, and below it one per phase, in the order in which they began.

    Called with each `Status` of the run, from any thread.
    """

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            _Percent(),
            _SpeedOrTime(),
            console=err,
        )
        self._title = title
        self._phases: dict[str, TaskID] = {}
        self._current: str | None = None
        self._began = 0.0
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        self._progress.start()
        self._whole = self._progress.add_task(f"[bold]{self._title}", total=1.0, whole=True)
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is None:
            self._end_phase()
            self._progress.update(self._whole, completed=1.0)
        self._progress.stop()

    def __call__(self, status: Status) -> None:
        with self._lock:
            if status.phase != self._current:
                self._begin_phase(status.phase)
            task = self._phases[status.phase]
            if status.fraction is not None:
                self._progress.update(task, total=1.0, completed=status.fraction)
            self._progress.update(task, speed=status.speed)
            # Not all of it before the end: what is still to come may not be planned yet.
            left = status.seconds_left if status.overall >= ESTIMATED_FROM else None
            self._progress.update(self._whole, completed=min(status.overall, 0.99), left=left)

    def _begin_phase(self, phase: str) -> None:
        self._end_phase()
        if phase not in self._phases:
            # Without a total the bar only shows that something is going on.
            self._phases[phase] = self._progress.add_task(f"  {phase}", total=None)
        self._current, self._began = phase, time.monotonic()

    def _end_phase(self) -> None:
        if self._current is None:
            return
        self._spent[self._current] = self._spent.get(self._current, 0.0) + time.monotonic() - self._began
        task = self._phases[self._current]
        self._progress.update(task, total=1.0, completed=1.0, spent=self._spent[self._current])
        self._current = None


class Lines:
    """A line when a phase begins, and one every `every` seconds while it lasts.

    Phases that end within `PHASE_SECONDS` of the last line have none. Called with each `Status` of the run, from any
    thread.
    """

    def __init__(self, title: str, every: float = LINE_SECONDS) -> None:
        self._title, self._every = title, every
        self._phase: str | None = None
        self._printed_at = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, status: Status) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._printed_at < (self._every if status.phase == self._phase else PHASE_SECONDS):
                return
            self._phase, self._printed_at = status.phase, now
        parts = [f"{self._title}: {100 * status.overall:3.0f} %", status.phase]
        if status.fraction:
            parts.append(f"{100 * status.fraction:.0f} %")
        if status.speed:
            parts.append(f"{status.speed:.1f}x")
        if status.seconds_left is not None and ESTIMATED_FROM <= status.overall < 1:
            parts.append(f"{time_left(status.seconds_left)} left")
        err.print(Text("  ".join(parts)), soft_wrap=True)


@contextmanager
def media_progress(title: str, total: int) -> Iterator[MediaProgress]:
    """Show the progress over `total` media while the block runs: a bar on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield MediaProgress(None, title, total)
        return
    columns = (
        TextColumn("  [bold]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[so_far]}"),
        _SpeedOrTime(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        yield MediaProgress(bars, title, total)


class MediaProgress:
    """Progress over many media: `advance` is called after each of them."""

    def __init__(self, bars: Progress | None, title: str, total: int) -> None:
        self._bars, self._title, self._total = bars, title, total
        self._done, self._started, self._printed_at = 0, time.monotonic(), time.monotonic()
        self._task = bars.add_task(title, total=total, so_far="", whole=True) if bars is not None else None

    def advance(self, so_far: str) -> None:
        """One more media is done; `so_far` sums up all of them in a few words."""
        self._done += 1
        now = time.monotonic()
        left = None
        if self._done >= ESTIMATED_FROM * self._total:
            left = (now - self._started) / self._done * (self._total - self._done)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._done, so_far=so_far, left=left)
        elif now - self._printed_at >= LINE_SECONDS:
            self._printed_at = now
            parts = [f"{self._title}: {self._done} of {self._total}", so_far]
            parts += [f"{time_left(left)} left"] if left is not None else []
            err.print("  ".join(parts), soft_wrap=True)


@contextmanager
def reading_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function for the block to call with how many of how many were read; it prints a line once a second.

    Nothing is printed of what is read within a second.
    """
    printed_at = time.monotonic()

    def on_read(done: int, total: int) -> None:
        nonlocal printed_at
        now = time.monotonic()
        if now - printed_at >= PHASE_SECONDS and done < total:
            printed_at = now
            note(f"{title}: {done:,} of {total:,}")

    yield on_read
