"""The worker that faults happen to: every job in a process of its own, which is forked from one that has imported all.

`Workers.run` gives the forking process a job and waits for its end. A job is either done by the job's code alone
(`plain`), in which case stores and receivers are given up on after a moment instead of after minutes, or under the
endpoint's own supervision (`supervised`), as RunPod's SDK starts it. In: processes, and what is left of them. Out:
what happens to a job meanwhile.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
LIMIT_SECONDS = 240.0
"""A job that has not ended by then is held by something."""


@dataclass(frozen=True)
class Job:
    """A job to do. `environment`: the worker's. `kept_encodes`: what was encoded before is taken from there."""

    job_id: str
    payload: Mapping[str, Any]
    environment: Mapping[str, str]
    supervised: bool = False
    kept_encodes: Path | None = None
    tries_conditions: bool = False
    """It is the first of its worker."""
    waits_for_stores: bool = False
    waits_for_receiver: bool = False
    """Whether it gives them up as late as usual, as it does where no fault is theirs. One that is supervised does."""


@dataclass(frozen=True)
class JobEnd:
    """How a job's process ended. `result`: RunPod's, None where it was killed. `hung`: it had to be killed."""

    result: dict[str, Any] | None
    exit_code: int
    seconds: float
    log: str
    hung: bool = False
    left: tuple[str, ...] = ()
    """Command lines of processes that it left."""


@dataclass
class Running:
    """A job under way: the process that does it, and the one that supervises it (the same if nobody does)."""

    pid: int
    worker_pid: int

    def kill(self) -> None:
        """The job's process alone."""
        os.kill(self.pid, signal.SIGKILL)

    def kill_worker(self) -> None:
        """Both at once, as when the machine is lost."""
        for pid in {self.worker_pid, self.pid}:
            os.kill(pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Tell the worker to stop."""
        os.kill(self.worker_pid, signal.SIGTERM)

    def tools(self, word: str) -> list[int]:
        """Processes of the job's session whose command line has this word."""
        return [pid for pid, line in _session(self.pid).items() if word in line]


@dataclass
class Workers:
    """The process that jobs are forked from. One job at a time."""

    folder: Path
    running: Running | None = None
    _process: subprocess.Popen[str] = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        environment = {
            # Compiled once, whatever is set for tests: a supervised job starts processes of its own.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPYCACHEPREFIX": str(ROOT / ".local" / "faults" / "compiled"),
            "PYTHONPATH": os.pathsep.join(
                str(ROOT / "tests" / name) for name in ("faults", "support", "servers", "mutants")
            ),
        }
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "fault_worker_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def run(self, job: Job, meanwhile: Callable[[Running], None] | None = None) -> JobEnd:
        """Do a job, and tell how it ended. `meanwhile` is called once, when it runs."""
        self._number += 1
        result, log = self.folder / f"result-{self._number}.json", self.folder / f"log-{self._number}.txt"
        order = {
            "id": job.job_id,
            "input": dict(job.payload),
            "environment": dict(job.environment),
            "supervised": job.supervised,
            "kept": str(job.kept_encodes) if job.kept_encodes is not None else None,
            "tries_conditions": job.tries_conditions,
            "waits_for_stores": job.waits_for_stores,
            "waits_for_receiver": job.waits_for_receiver,
            "result": str(result),
            "log": str(log),
        }
        assert self._process.stdin is not None
        began = time.monotonic()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        worker_pid, pid = map(int, self._line().split())
        self.running = Running(pid, worker_pid)
        hung = False
        try:
            if meanwhile is not None:
                meanwhile(self.running)
            line = self._line(LIMIT_SECONDS)
            if line is None:
                hung = True
                self.running.kill_worker()
                line = self._line()
        finally:
            self.running = None
        left = tuple(line for leader in {pid, worker_pid} for line in _ended(leader).values())
        known = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else None
        return JobEnd(
            result=known,
            exit_code=int(line),
            seconds=time.monotonic() - began,
            log=log.read_text(encoding="utf-8", errors="replace"),
            hung=hung,
            left=left,
        )

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)

    def _line(self, seconds: float | None = None) -> Any:
        assert self._process.stdout is not None
        if seconds is not None and not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that jobs are forked from ended ({self._process.wait()})")
        return line


@contextmanager
def workers(folder: Path) -> Iterator[Workers]:
    """What jobs are run with, as long as the block. `folder`: for results and logs."""
    made = Workers(folder)
    try:
        yield made
    finally:
        made.close()


def _session(leader: int) -> dict[int, str]:
    """Command lines of the living processes of a session."""
    processes: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, _, session, *_ = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(session) == leader and state not in (b"Z", b"X"):
                processes[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
        except OSError:
            continue
    return processes


def _ended(leader: int) -> dict[int, str]:
    """What of a session is still there a moment after its leader's end."""
    deadline = time.monotonic() + 3.0
    while (left := _session(leader)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left
