"""One run's scratch directory: local copies by key and hash, free space, and how far the run is.

Knows neither what was asked for nor where objects lie: who fetches and who builds says so. Everything in it may be lost
at any time; it is wiped when the run ends and when a worker starts.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_assets import log_lines
from codex_assets.errors import StorageError

SPARE_BYTES = 256 << 20
"""Kept free for everybody else on the disk."""
ESTIMATED_FROM = 0.1
"""The part of the work before which no time left is known: it would be anything, and change with every look."""


@dataclass(frozen=True)
class Status:
    """How far a run is. `fraction` of this phase and `overall` of the run, 0 to 1; `speed` against real time."""

    phase: str
    fraction: float | None
    overall: float
    speed: float | None = None
    seconds_left: float | None = None


Listener = Callable[[Status], None]


@dataclass(eq=False)
class _UnderWay:
    """A phase that was begun: its weight, and the part of it that is done."""

    weight: float
    fraction: float = 0.0


class ProgressBoard:
    """Progress by weight of the phases that were begun: the order of phases is not known beforehand, and some are under
    way beside each other. Thread-safe."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._to_come: dict[str, float] = {}
        self._under_way: list[_UnderWay] = []
        self._done = 0.0
        self._planned: set[str] = set()
        self._started = time.monotonic()
        self._lock = threading.RLock()
        self.spent: dict[str, float] = {}
        """Wall seconds by phase that ended, also by a failure; of one that was begun several times, all of them."""

    def plan(self, weights: Mapping[str, float]) -> None:
        """Add phases that will come, with their share of the work. What was planned before is not counted twice."""
        for name, weight in weights.items():
            if name not in self._planned:
                self._planned.add(name)
                self._to_come[name] = weight

    @contextmanager
    def phase(self, name: str) -> Iterator[Callable[[float | None, float | None], None]]:
        """Inside, call with (fraction of the phase, speed) as often as wanted; either may be None."""
        began = time.monotonic()
        with self._lock:
            # Of one that is begun several times, the first has the weight.
            phase = _UnderWay(self._to_come.pop(name, 0.0))
            self._under_way.append(phase)

        def advance(fraction: float | None, speed: float | None = None) -> None:
            phase.fraction = fraction or 0.0
            self._tell(name, fraction, speed)

        try:
            with log_lines.about(phase=name):
                advance(0.0)
                yield advance
        except BaseException:
            self._end(name, phase, began)
            self._to_come[name] = self._to_come.get(name, 0.0) + phase.weight
            raise
        self._end(name, phase, began)
        self._done += phase.weight
        self._tell(name, 1.0, None)

    def _end(self, name: str, phase: _UnderWay, began: float) -> None:
        with self._lock:
            self._under_way.remove(phase)
            self.spent[name] = self.spent.get(name, 0.0) + time.monotonic() - began

    def _tell(self, name: str, fraction: float | None, speed: float | None) -> None:
        if self._listener is None:
            return
        with self._lock:
            begun = sum(each.weight for each in self._under_way)
            inside = sum(each.weight * each.fraction for each in self._under_way)
            total = self._done + begun + sum(self._to_come.values())
            overall = min(1.0, (self._done + inside) / total) if total else 1.0
            spent = time.monotonic() - self._started
            left = spent * (1 - overall) / overall if overall >= ESTIMATED_FROM else None
            self._listener(Status(name, fraction, overall, speed, left))


class Workspace:
    """Scratch space of one run, at `root`, which is emptied and belongs to nobody else."""

    def __init__(self, root: Path, listener: Listener | None = None) -> None:
        self.root = root
        self.progress = ProgressBoard(listener)
        self._copies: dict[tuple[str, str, str], Path] = {}
        self._made: dict[str, Any] = {}
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def folder(self, name: str) -> Path:
        """An empty folder of that name; what was there before is gone."""
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def copy(self, role: str, key: str, sha256: str, fetch: Callable[[Path], object]) -> Path:
        """A local copy of an object: the one that this run has, else what `fetch` brings."""
        known = self._copies.get((role, key, sha256))
        if known is not None and known.exists():
            return known
        path = self.root / "copies" / f"{len(self._copies)}-{Path(key).name}"
        path.parent.mkdir(exist_ok=True)
        fetch(path)
        self.keep(role, key, sha256, path)
        return path

    def keep(self, role: str, key: str, sha256: str, path: Path) -> None:
        """Remember that `path` holds this object."""
        self._copies[(role, key, sha256)] = path

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned the first time it was asked for under this name."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def require_space(self, size: int) -> None:
        """Raises `StorageError` when the disk lacks `size` bytes beside the spare ones."""
        free = shutil.disk_usage(self.root).free
        if free < size + SPARE_BYTES:
            raise StorageError(
                f"The worker's disk has {free >> 20} MiB free and this media needs about {size >> 20} MiB; "
                "give the endpoint a larger container disk.",
                retryable=False,
            )

    def close(self) -> None:
        """Remove everything. Safe to call twice."""
        shutil.rmtree(self.root, ignore_errors=True)
