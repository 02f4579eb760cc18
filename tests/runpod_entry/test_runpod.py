"""The worker as RunPod runs it: the SDK's real loop in a real process, against a control plane on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jobs
import pytest
from control_plane import ControlPlane, WorkerProcess, control_plane, encoders_with, processes_with, running_worker
from webhook_receiver import Receiver, receiving

from codex_assets.archive import history
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings
from codex_assets.storage.objects import Stores

pytestmark = pytest.mark.ffmpeg


@dataclass(frozen=True)
class Endpoint:
    """A worker at work, and everything around it."""

    plane: ControlPlane
    receiver: Receiver
    worker: WorkerProcess
    stores: Stores
    folder: Path

    def processes(self, word: str = "") -> dict[int, str]:
        return {pid: line for pid, line in processes_with(str(self.folder / "tmp")).items() if word in line}

    def encoders(self) -> list[int]:
        return encoders_with(str(self.folder / "tmp"))


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    environment = jobs.local_environment(folder)
    with control_plane() as plane, receiving() as receiver:
        whole = {**environment, **plane.environment()}
        with running_worker(whole, folder / "worker") as worker:
            yield Endpoint(plane, receiver, worker, settings.load(environment).stores(), folder)


def eventually(look: Callable[[], object], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_workers_life(tmp_path: Path) -> None:
    """One job that succeeds, one that fails, one that is stopped, one whose worker dies: each as RunPod sees it."""
    with endpoint(tmp_path) as at:
        plane, receiver = at.plane, at.receiver

        # A job from end to end.
        jobs.put_original(at.stores, "video", "clip")
        plane.submit("job-1", jobs.payload("video", "clip", receiver.url))
        result = plane.result("job-1")
        assert set(result) == {"output"}, "without an error key the job is COMPLETED"
        (received,) = receiver.received
        assert received.is_signed_with(jobs.SECRET)
        assert received.said == jobs.body_of(result["output"])
        jobs.assert_contract(received.said)
        assert received.said["status"] == "completed"
        for role, key in jobs.announced_keys(received.said["output"]).values():
            assert at.stores.by_role(role).head(key) is not None, key
        progress = plane.progress("job-1")
        assert progress
        assert {"phase", "percent"} <= set(progress[0].body["output"])
        assert plane.updates[-1].body == result, "no progress after the result: it would leave the job in progress"
        assert plane.pings

        # A job that fails: an error text, and the rest of the body beside it.
        plane.submit("job-2", jobs.payload("audio", "gone", receiver.url))
        result = plane.result("job-2")
        assert isinstance(result["error"], str)
        assert "Traceback" not in json.dumps(result)
        assert str(tmp_path) not in json.dumps(result)
        assert result["output"]["errorCode"] == "input_not_found"
        assert receiver.received[-1].said == {"error": result["error"], **jobs.body_of(result["output"])}

        # A job that is stopped in the middle of an encode.
        jobs.put_original(at.stores, "video", "long", jobs.long_original())
        plane.submit("job-3", jobs.payload("video", "long", receiver.url))
        plane.wait_for_progress("job-3", "mezzanine")
        eventually(at.encoders)
        plane.stop("job-3")
        eventually(lambda: "Job stopped." in at.worker.log())
        assert not at.encoders()
        assert [update for update in plane.updates if update.job_id == "job-3" and not update.is_progress] == []
        (received,) = receiver.of("job-3")
        assert received.is_signed_with(jobs.SECRET)
        jobs.assert_contract(received.said)
        assert (received.said["errorCode"], received.said["retryable"]) == ("job_cancelled", True)

        # The worker is killed in the middle of an encode: the job, the spare and the SDK's ping process go with it.
        plane.submit("job-4", jobs.payload("video", "long", receiver.url))
        eventually(at.encoders)
        assert at.processes("runpod_entry").keys() > {at.worker.process.pid}, "the SDK pings from a fork of the worker"
        os.kill(at.worker.process.pid, signal.SIGKILL)
        at.worker.process.wait()
        eventually(lambda: not at.processes())
        assert receiver.of("job-4") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_signal_ends_the_running_job_with_a_webhook(number: signal.Signals, tmp_path: Path) -> None:
    with endpoint(tmp_path) as at:
        jobs.put_original(at.stores, "video", "long", jobs.long_original())
        at.plane.submit("job-1", jobs.payload("video", "long", at.receiver.url))
        at.plane.wait_for_progress("job-1", "mezzanine", 200.0)
        at.worker.process.send_signal(number)
        result = at.plane.result("job-1")["output"]
        assert (result["errorCode"], result["retryable"]) == ("job_cancelled", True)
        (received,) = at.receiver.received
        assert received.said == {"error": received.said["error"], **jobs.body_of(result)}
        assert not at.encoders()
        (entry,) = history.read(RecordStore(at.stores.archive), "long")
        assert (entry.outcome, entry.error_code) == ("cancelled", "job_cancelled")


def test_sigterm_lets_a_job_that_is_being_answered_finish(tmp_path: Path) -> None:
    with endpoint(tmp_path) as at:
        at.receiver.delay_s = 1.0
        at.plane.submit("job-1", jobs.payload("audio", "gone", at.receiver.url))
        at.receiver.wait(1, 120.0)
        at.worker.process.send_signal(signal.SIGTERM)
        assert at.plane.result("job-1")["output"]["errorCode"] == "input_not_found"
        # The SDK may be in a long poll for its next job, which it lets end by itself: up to 90 s.
        try:
            assert at.worker.process.wait(150.0) == 0
        except subprocess.TimeoutExpired:
            at.worker.process.send_signal(signal.SIGUSR1)
            time.sleep(2.0)
            pytest.fail(f"the worker did not end:\n{at.worker.log()}")
        eventually(lambda: not at.processes())


def test_a_worker_that_is_not_fit_says_why_and_ends(tmp_path: Path) -> None:
    environment = jobs.local_environment(tmp_path, B2_KEY_ID="set-as-well")
    with control_plane() as plane:
        with running_worker({**environment, **plane.environment()}, tmp_path / "worker") as worker:
            assert worker.process.wait(120.0) == 1
            assert "STORAGE_DIR (local runs) is set together with B2_KEY_ID" in worker.log()
            assert any("status=unhealthy" in ping for ping in plane.pings)
            eventually(lambda: not processes_with(str(tmp_path / "tmp")))
        assert plane.taken == []


# --- The SDK's own flags ----------------------------------------------------------------------------------------------


def test_test_input_runs_one_job_and_ends(tmp_path: Path) -> None:
    environment = jobs.local_environment(tmp_path)
    jobs.put_original(settings.load(environment).stores(), "audio", "talk")
    with receiving() as receiver:
        job = json.dumps({"id": "local-1", "input": jobs.payload("audio", "talk", receiver.url)})
        with running_worker(environment, tmp_path / "worker", "--test_input", job) as worker:
            assert worker.process.wait(120.0) == 0, worker.log()
            # Python's own keeper of semaphores ends a moment later.
            eventually(lambda: not processes_with(str(tmp_path / "tmp")))
            assert "completed successfully" in worker.log()
        (received,) = receiver.received
        assert received.said["id"] == "local-1"
        assert received.said["status"] == "completed"
        assert received.is_signed_with(jobs.SECRET)
        assert jobs.SECRET not in worker.log()


def test_rp_serve_api_answers_requests(tmp_path: Path) -> None:
    environment = jobs.local_environment(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"

    def post(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            base + path, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            said = json.load(response)
        assert isinstance(said, dict)
        return said

    def is_up() -> bool:
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", port)) == 0

    flags = ("--rp_serve_api", "--rp_api_host", "127.0.0.1", "--rp_api_port", str(port))
    with receiving() as receiver, running_worker(environment, tmp_path / "worker", *flags) as worker:
        eventually(is_up, 120.0)
        jobs.put_original(settings.load(environment).stores(), "audio", "talk")
        payload = jobs.payload("audio", "talk", receiver.url)

        ran = post("/runsync", {"input": {**payload, "assets": ["mezzanine"]}})
        assert ran["status"] == "COMPLETED", worker.log()
        assert ran["output"]["output"]["mezzanineKey"] == "mezzanine/creator1/talk/mezzanine.mp4"
        assert receiver.received[-1].said == jobs.body_of(ran["output"])

        queued = post("/run", {"input": jobs.payload("audio", "gone", receiver.url)})
        status = post(f"/status/{queued['id']}")
        assert status["status"] == "FAILED"
        assert "was not found" in status["error"] or "gone" in status["error"]
        assert receiver.received[-1].said["id"] == queued["id"]

        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(120.0)
        eventually(lambda: not processes_with(str(tmp_path / "tmp")))
