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

from codex_assets.cli.console import err, lasting, note, remaining
from codex_assets.system.workspace import Listener, Status

LINE_SECONDS = 5.0
"""Most often that progress is told in lines."""
PHASE_SECONDS = 1.0
"""... unless a new phase begins."""


@contextmanager
def progress(title: str) -> Iterator[Listener]:
    """A listener for one run: bars on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield Lines(title)
        return
    with Bars(title) as bars:
        yield bars


class _Percent(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f} %", style="cyan")


class _Rest(ProgressColumn):
    """Speed while a phase runs and its time when it is done; for the whole run, the time left."""

    def render(self, task: Task) -> Text:
        if task.fields.get("whole"):
            left = task.fields.get("left")
            if task.finished or left is None:
                return Text(lasting(task.elapsed or 0.0), style="bold")
            return Text(f"{remaining(left)} left", style="bold")
        if task.finished:
            return Text(lasting(task.fields.get("spent", 0.0)), style="dim")
        speed = task.fields.get("speed")
        return Text(f"{speed:.1f}x" if speed else "", style="cyan")


class Bars:
    """One bar for the whole run, and below it one per phase, in the order in which they began."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            _Percent(),
            _Rest(),
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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._end()
            self._progress.update(self._whole, completed=1.0)
        self._progress.stop()

    def __call__(self, status: Status) -> None:
        with self._lock:
            if status.phase != self._current:
                self._begin(status.phase)
            task = self._phases[status.phase]
            if status.fraction is not None:
                self._progress.update(task, total=1.0, completed=status.fraction)
            self._progress.update(task, speed=status.speed)
            # Not all of it before the end: what is still to come may not be planned yet.
            self._progress.update(self._whole, completed=min(status.overall, 0.99), left=status.seconds_left)

    def _begin(self, phase: str) -> None:
        self._end()
        if phase not in self._phases:
            # Without a total the bar only shows that something is going on.
            self._phases[phase] = self._progress.add_task(f"  {phase}", total=None)
        self._current, self._began = phase, time.monotonic()

    def _end(self) -> None:
        if self._current is None:
            return
        self._spent[self._current] = self._now()
        task = self._phases[self._current]
        self._progress.update(task, total=1.0, completed=1.0, spent=self._spent[self._current])
        self._current = None

    def _now(self) -> float:
        return self._spent.get(self._current or "", 0.0) + time.monotonic() - self._began


class Lines:
    """A line when a phase begins, and every few seconds while one lasts. Phases that are over at once have none."""

    def __init__(self, title: str, every: float = LINE_SECONDS) -> None:
        self._title, self._every = title, every
        self._phase: str | None = None
        self._told = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, status: Status) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._told < (self._every if status.phase == self._phase else PHASE_SECONDS):
                return
            self._phase, self._told = status.phase, now
        parts = [f"{self._title}: {100 * status.overall:3.0f} %", status.phase]
        if status.fraction:
            parts.append(f"{100 * status.fraction:.0f} %")
        if status.speed:
            parts.append(f"{status.speed:.1f}x")
        if status.seconds_left is not None and status.overall < 1:
            parts.append(f"{remaining(status.seconds_left)} left")
        err.print(Text("  ".join(parts)), soft_wrap=True)


@contextmanager
def counting(title: str, total: int) -> Iterator[Counted]:
    """Progress over many media: a bar on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield Counted(None, title, total)
        return
    columns = (
        TextColumn("  [bold]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        _Rest(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        yield Counted(bars, title, total)


class Counted:
    """`advance` after each of `total` media."""

    def __init__(self, bars: Progress | None, title: str, total: int) -> None:
        self._bars, self._title, self._total = bars, title, total
        self._done, self._started, self._told = 0, time.monotonic(), time.monotonic()
        self._task = bars.add_task(title, total=total, told="", whole=True) if bars is not None else None

    def advance(self, told: str) -> None:
        self._done += 1
        now = time.monotonic()
        left = (now - self._started) / self._done * (self._total - self._done)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._done, told=told, left=left)
        elif now - self._told >= LINE_SECONDS:
            self._told = now
            err.print(f"{self._title}: {self._done} of {self._total}  {told}  {remaining(left)} left", soft_wrap=True)


@contextmanager
def reading(title: str) -> Iterator[Callable[[int, int], None]]:
    """Called with how many of how many; tells it now and then, and of nothing that is over at once."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= PHASE_SECONDS and done < total:
            told = now
            note(f"{title}: {done:,} of {total:,}")

    yield tell
