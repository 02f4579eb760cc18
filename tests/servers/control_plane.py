"""RunPod's side of a worker, on loopback: hands out jobs, takes progress and results, signals stops, notes pings.

A small real HTTP server of what the SDK's loop talks to, so that a worker runs here exactly as it does there: the
SDK is told by the same variables of the environment where to ask. `running_worker` starts such a worker.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopback import QuietHandler, serving

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 1.0
"""How long a request for a job or a stop signal is held open when there is none; RunPod's own is longer."""


@dataclass(frozen=True)
class Update:
    """What was posted about a job: progress while `status` is IN_PROGRESS, else its result."""

    job_id: str
    body: dict[str, Any]
    at: float
    """Monotonic seconds."""

    @property
    def is_progress(self) -> bool:
        return self.body.get("status") == "IN_PROGRESS"


@dataclass
class ControlPlane:
    port: int = 0
    updates: list[Update] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """Ids of jobs that a worker took, in order."""
    pings: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _jobs: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    _stops: queue.Queue[str] = field(default_factory=queue.Queue)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def environment(self) -> dict[str, str]:
        """The variables by which RunPod tells the SDK where it is (`$ID` and `$RUNPOD_POD_ID` are the SDK's)."""
        base = f"http://127.0.0.1:{self.port}/v2/endpoint"
        return {
            "RUNPOD_POD_ID": "pod1",
            "RUNPOD_ENDPOINT_ID": "endpoint",
            "RUNPOD_AI_API_KEY": "loopback",
            "RUNPOD_PING_INTERVAL": "2000",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def submit(self, job_id: str, payload: Mapping[str, Any]) -> None:
        self._jobs.put({"id": job_id, "input": dict(payload)})

    def stop(self, job_id: str) -> None:
        """What `/cancel` and an execution timeout come to, for the worker."""
        self._stops.put(job_id)

    def progress(self, job_id: str) -> list[Update]:
        return [update for update in self.updates if update.job_id == job_id and update.is_progress]

    def result(self, job_id: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """The job's result as posted; waits for it."""

        def posted() -> list[Update]:
            return [update for update in self.updates if update.job_id == job_id and not update.is_progress]

        with self._changed:
            assert self._changed.wait_for(posted, timeout_s), f"no result of {job_id} within {timeout_s} s"
        return posted()[0].body

    def wait_for_progress(self, job_id: str, phase: str, timeout_s: float = 120.0) -> None:
        def has_come() -> bool:
            return any(update.body["output"]["phase"] == phase for update in self.progress(job_id))

        with self._changed:
            assert self._changed.wait_for(has_come, timeout_s), f"{job_id} did not come to {phase} within {timeout_s} s"

    def _note(self, update: Update) -> None:
        with self._changed:
            self.updates.append(update)
            self._changed.notify_all()


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    plane = ControlPlane()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            plane.requests.append(self.path)
            room = self.path.split("/")[3]
            if room == "job-take":
                self._long_poll(self._job)
            elif room == "job-stop":
                self._long_poll(lambda: {"jobsToStop": [plane._stops.get(timeout=POLL_S)]})
            else:
                if room == "ping":
                    plane.pings.append(self.path)
                self.send_json(200 if room == "ping" else 404, {})

        def do_POST(self) -> None:
            plane.requests.append(self.path)
            body = self.read_json()
            *_, room, _pod, job_id = self.path.partition("?")[0].split("/")
            if room == "job-done":
                plane._note(Update(job_id, body, time.monotonic()))
            self.send_json(200, {})

        def _job(self) -> dict[str, Any]:
            job = plane._jobs.get(timeout=POLL_S)
            plane.taken.append(job["id"])
            return job

        def _long_poll(self, get: Any) -> None:
            try:
                self.send_json(200, get())
            except queue.Empty:
                self.send_json(204, None)

    with serving(Handler) as plane.port:
        yield plane


@dataclass
class WorkerProcess:
    """A worker, started as the image starts it. `output` holds what it wrote on standard output and error."""

    process: subprocess.Popen[bytes]
    output: Path

    def log(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running_worker(environment: Mapping[str, str], folder: Path, *flags: str) -> Iterator[WorkerProcess]:
    """`python -u -m runpod_entry` in `folder`, with nothing of this process's environment but where programs are."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "worker.log"
    whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), **environment}
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-X", f"tests={whole.get('TMPDIR')}", "-m", "runpod_entry", *flags],
            cwd=folder,
            env=whole,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        worker = WorkerProcess(process, output)
        try:
            yield worker
        finally:
            # The loop would hold on until its last long poll ends.
            process.send_signal(signal.SIGKILL)
            process.wait()
            for pid in processes_with(whole["TMPDIR"]):
                os.kill(pid, signal.SIGKILL)


def processes_with(text: str) -> dict[int, str]:
    """Processes that are alive and have `text` in their environment: pid -> command line.

    A worker's TMPDIR is its own, and is inherited by everything that it starts, the tools included. Processes with keys
    have closed their memory, to others than root: those have `text` in their command line, or were started by such a
    process or by this one.
    """
    processes: dict[int, str] = {}
    closed: dict[int, tuple[int | None, str]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            parent = _parent(int(entry.name))
            try:
                environment = (entry / "environ").read_bytes()
            except PermissionError:
                closed[int(entry.name)] = (parent, line)
                continue
        except OSError:
            continue
        if text.encode() in environment:
            processes[int(entry.name)] = line
    place = text.removeprefix("TMPDIR=").rstrip("\0")
    for _ in closed:
        for pid, (parent, line) in closed.items():
            if place in line or parent in processes or (parent == os.getpid() and "child.begin" in line):
                processes[pid] = line
    return processes


def encoders_with(text: str) -> list[int]:
    """Those of them that read a media. A spare process asks tools for their version, which is no encode: of x264 by a
    picture that a filter draws."""
    runs = {pid: line for pid, line in processes_with(text).items() if "ffmpeg" in line.split(" ")[0]}
    return [pid for pid, line in runs.items() if " -i " in line and " lavfi " not in line]


def children_with(text: str) -> list[int]:
    """Those of them that this process has started: jobs' processes and spare ones, without the tools that they run."""
    return [pid for pid in processes_with(text) if _parent(pid) == os.getpid()]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None
