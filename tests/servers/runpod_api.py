"""All of RunPod that this package meets, on loopback: the API of whoever submits, and the side that workers talk to.

A real HTTP server with a queue. Workers are the SDK's real loop in real processes, or a thread that does the same by
hand. A worker that stops pinging is dead: its job goes back into the queue, and fails after so many times. Results are
forgotten when they are told to be. Not here: one worker watched closely (`control_plane`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loopback
from control_plane import ROOT, processes_with
from loopback import QuietHandler

KEY = "rpa_of_the_tests_77f0"
ENDPOINT = "ep1"
POLL_S = 1.0
PING_MS = 2000
DEAD_AFTER_S = 7.0
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


@dataclass
class Job:
    """`done`: how many results came for it; `pods`: which workers took it."""

    job_id: str
    input: dict[str, Any]
    policy: dict[str, Any]
    status: str = "IN_QUEUE"
    output: Any = None
    error: str | None = None
    pods: list[str] = field(default_factory=list)
    done: int = 0


@dataclass
class Api:
    port: int = 0
    requeues: int = 1
    """How often a job whose worker died goes back into the queue."""
    jobs: dict[str, Job] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """`METHOD path` of whoever submits."""
    faults: deque[int] = field(default_factory=deque)
    """Statuses that the next requests of whoever submits are answered with; 0: the connection is dropped."""
    forgotten: set[str] = field(default_factory=set)
    most_at_once: int = 0
    _queue: deque[str] = field(default_factory=deque)
    _pings: dict[str, float] = field(default_factory=dict)
    _stops: dict[str, deque[str]] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_environment(self, **more: str) -> dict[str, str]:
        return {
            "BUILD_ON": "runpod",
            "RUNPOD_ENDPOINT_ID": ENDPOINT,
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_API_BASE": self.base,
            **more,
        }

    def worker_environment(self, pod: str) -> dict[str, str]:
        base = f"{self.base}/worker/{ENDPOINT}"
        return {
            "RUNPOD_POD_ID": pod,
            "RUNPOD_ENDPOINT_ID": ENDPOINT,
            "RUNPOD_AI_API_KEY": "loopback",
            "RUNPOD_PING_INTERVAL": str(PING_MS),
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/{pod}?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/{pod}/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/{pod}/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/{pod}",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    # --- What tests and workers do --------------------------------------------------------------------------------

    def submit(self, given: Mapping[str, Any], policy: Mapping[str, Any] | None = None) -> str:
        with self._changed:
            job = Job(f"{uuid.uuid4()}-e1", dict(given), dict(policy or {}))
            self.jobs[job.job_id] = job
            self._queue.append(job.job_id)
            self._changed.notify_all()
            return job.job_id

    def take(self, pod: str, timeout_s: float = POLL_S) -> Job | None:
        with self._changed:
            self._pings[pod] = time.monotonic()
            if not self._changed.wait_for(lambda: self._queue, timeout_s):
                return None
            job = self.jobs[self._queue.popleft()]
            job.status = "IN_PROGRESS"
            job.pods.append(pod)
            self.most_at_once = max(self.most_at_once, sum(job.status == "IN_PROGRESS" for job in self.jobs.values()))
            self._changed.notify_all()
            return job

    def finish(self, job: Job, result: Mapping[str, Any]) -> None:
        """As the SDK posts it: an `error` beside the rest is a failure."""
        with self._changed:
            if result.get("status") == "IN_PROGRESS":
                job.output = result["output"]
            elif job.status not in ENDED:
                job.done += 1
                job.status = "FAILED" if "error" in result else "COMPLETED"
                job.output, job.error = result.get("output"), result.get("error")
            self._changed.notify_all()

    def end(self, job: Job, status: str, error: str | None = None) -> None:
        with self._changed:
            job.status, job.error, job.output = status, error, None
            self._changed.notify_all()

    def forget(self, job_id: str) -> None:
        self.forgotten.add(job_id)

    def wait_for(self, look: Callable[[], object], timeout_s: float = 120.0) -> None:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            # Not everything that is looked at wakes whoever waits.
            while not look():
                assert time.monotonic() < deadline, "it did not happen"
                self._changed.wait(0.1)

    def count(self, *states: str) -> int:
        return sum(job.status in states for job in self.jobs.values())

    # --- Deaths ---------------------------------------------------------------------------------------------------

    def bury(self) -> None:
        """Jobs of workers that do not ping any more."""
        now = time.monotonic()
        with self._changed:
            for job in self.jobs.values():
                if job.status == "IN_PROGRESS" and now - self._pings.get(job.pods[-1], now) > DEAD_AFTER_S:
                    if len(job.pods) > self.requeues:
                        job.status, job.error, job.output = (
                            "FAILED",
                            f"job timed out after {self.requeues} retries",
                            None,
                        )
                    else:
                        job.status, job.output = "IN_QUEUE", None
                        self._queue.appendleft(job.job_id)
                    self._changed.notify_all()

    # --- Requests -------------------------------------------------------------------------------------------------

    def client(self, method: str, path: str, key: str, body: Any) -> tuple[int, Any]:
        _, version, endpoint, room, *rest = path.split("/")
        if key != f"Bearer {KEY}":
            return 401, None
        if version != "v2" or endpoint != ENDPOINT:
            return 404, None
        if (method, room) == ("POST", "run"):
            return 200, {"id": self.submit(body["input"], body["policy"]), "status": "IN_QUEUE"}
        if (method, room) == ("GET", "health"):
            return 200, {"jobs": {"inQueue": self.count("IN_QUEUE"), "inProgress": self.count("IN_PROGRESS")}}
        job = self.jobs.get(rest[0])
        if job is None or job.job_id in self.forgotten:
            return 404, None
        if (method, room) == ("POST", "cancel"):
            with self._changed:
                if job.status == "IN_QUEUE":
                    self._queue.remove(job.job_id)
                elif job.status == "IN_PROGRESS":
                    self._stops.setdefault(job.pods[-1], deque()).append(job.job_id)
                if job.status not in ENDED:
                    job.status = "CANCELLED"
                self._changed.notify_all()
        answer = {"id": job.job_id, "status": job.status, "output": job.output, "error": job.error}
        return 200, {name: value for name, value in answer.items() if value is not None}

    def worker(self, room: str, pod: str, job_id: str, body: Any) -> tuple[int, Any]:
        if room == "ping":
            with self._changed:
                self._pings[pod] = time.monotonic()
            return 200, {}
        if room == "job-take":
            job = self.take(pod)
            return (204, None) if job is None else (200, {"id": job.job_id, "input": job.input})
        if room == "job-stop":
            with self._changed:
                stops = self._stops.setdefault(pod, deque())
                if not self._changed.wait_for(lambda: stops, POLL_S):
                    return 204, None
                return 200, {"jobsToStop": [stops.popleft()]}
        if room == "job-done" and job_id in self.jobs:
            self.finish(self.jobs[job_id], body)
        return 200, {}


@contextmanager
def serving(**settings: Any) -> Iterator[Api]:
    api = Api(**settings)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do("GET", None)

        def do_POST(self) -> None:
            self._do("POST", self.read_json() or {})

        def _do(self, method: str, body: Any) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/worker/"):
                room, pod, *job = path.split("/")[3:]
                self.send_json(*api.worker(room, pod, job[0] if job else "", body))
                return
            api.requests.append(f"{method} {path}")
            if api.faults:
                fault = api.faults.popleft()
                if fault == 0:
                    self.close_connection = True
                    return
                self.send_json(fault, {})
                return
            self.send_json(*api.client(method, path, self.headers.get("Authorization", ""), body))

    over = threading.Event()

    def undertake() -> None:
        while not over.wait(0.5):
            api.bury()

    with loopback.serving(Handler) as api.port:
        threading.Thread(target=undertake, daemon=True).start()
        try:
            yield api
        finally:
            over.set()


# --- Workers ----------------------------------------------------------------------------------------------------------


@dataclass
class Fleet:
    """Real workers, each a container of its own as far as processes go: `kill` ends everything of one at once."""

    api: Api
    environment: Mapping[str, str]
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _homes: dict[str, Path] = field(default_factory=dict)

    def start(self, pod: str, home: Path) -> None:
        """A worker of this id. In the `home` of one that was killed, it finds what that one left."""
        self._homes[pod] = home
        scratch = home / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            **self.environment,
            **self.api.worker_environment(pod),
            "TMPDIR": str(scratch),
        }
        with (home / "worker.log").open("ab") as log:
            self._processes[pod] = subprocess.Popen(
                [sys.executable, "-u", "-X", f"tests={scratch}", "-m", "runpod_entry"],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def processes(self, pod: str) -> dict[int, str]:
        return processes_with(f"TMPDIR={self._homes[pod] / 'tmp'}")

    def kill(self, pod: str) -> None:
        """kill -9 of everything that the worker started, as when its container is gone."""
        process = self._processes.pop(pod)
        process.send_signal(signal.SIGKILL)
        while left := self.processes(pod):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.02)
        process.wait()

    def close(self) -> None:
        for pod in list(self._processes):
            self.kill(pod)
