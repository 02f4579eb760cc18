"""The worker's side of a job's process: answered once whatever dies, cancelled without a trace, progress in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jobs
import pytest
from control_plane import processes_with
from webhook_receiver import Receiver, receiving

from codex_assets import resources
from runpod_entry.handler import Worker

Result = TypeVar("Result")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's environment, in this process's own: its children inherit it."""
    for name, value in jobs.local_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def worker(folder: Path) -> Iterator[Worker]:
    one = Worker()
    one.start()
    yield one
    one.close()
    assert processes(folder) == {}, "a worker that was closed leaves no process"


def processes(folder: Path) -> dict[int, str]:
    """What a worker in `folder` has started and not ended, but for Python's own keeper of semaphores."""
    found = processes_with(str(folder / "tmp"))
    return {pid: line for pid, line in found.items() if "resource_tracker" not in line}


def tools(folder: Path) -> list[int]:
    return [pid for pid, line in processes(folder).items() if "ffmpeg" in line.split(" ")[0]]


async def until(look: Callable[[], Result], timeout_s: float = 60.0) -> Result:
    """What `look` returns, as soon as there is something."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
    return seen


def put_long_video(media_id: str = "long") -> None:
    jobs.put_original(resources.load().stores(), "video", media_id, jobs.long_original())


def a_job(job_id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": job_id, "input": dict(payload)}


def quick_job(job_id: str, receiver: Receiver) -> dict[str, Any]:
    """A job that fails early, by an original that is not there."""
    return a_job(job_id, jobs.payload("audio", "gone", receiver.url))


# --- Answering --------------------------------------------------------------------------------------------------------


def test_jobs_in_sequence_each_use_the_spare_process(folder: Path, worker: Worker, receiver: Receiver) -> None:
    used: list[set[int]] = []

    async def run() -> list[dict[str, Any]]:
        results = []
        for number in (1, 2):
            (spare,) = processes(folder)
            results.append(await worker.handle(quick_job(f"job-{number}", receiver)))
            used.append({spare})
            assert spare not in processes(folder), "a job's process ends with its job"
        return results

    results = asyncio.run(run())

    assert not used[0] & used[1]
    assert [one.said["id"] for one in receiver.received] == ["job-1", "job-2"]
    assert all(one.is_signed_with(jobs.SECRET) for one in receiver.received)
    for result, received in zip(results, receiver.received, strict=True):
        assert result == received.said
        assert isinstance(result["error"], str)
        assert result["errorCode"] == "input_not_found"


@pytest.mark.parametrize("job", [None, [], {}, {"id": ""}, {"id": 7, "input": {}}, {"input": {}}])
def test_a_job_without_an_id_is_refused(worker: Worker, job: Any) -> None:
    result = asyncio.run(worker.handle(job))

    assert result["errorCode"] == "invalid_payload"
    assert "id" in result["error"]


@pytest.mark.parametrize("job", [{"id": "j"}, {"id": "j", "input": None}, {"id": "j", "input": "text"}])
def test_a_job_without_input_is_refused(worker: Worker, job: Any) -> None:
    result = asyncio.run(worker.handle(job))

    assert (result["id"], result["errorCode"]) == ("j", "invalid_payload")
    assert "must be a JSON object" in result["error"]


def test_a_worker_without_configuration_answers(
    folder: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_DIR")
    worker = Worker()
    try:
        result = asyncio.run(worker.handle(quick_job("job-1", receiver)))
    finally:
        worker.close()

    assert result["errorCode"] == "worker_misconfigured"
    assert "R2_ACCOUNT_ID" in result["error"]
    (received,) = receiver.received
    assert received.said == result
    assert received.is_signed_with(jobs.SECRET)


def test_requests_that_come_together_are_done_one_by_one(folder: Path, worker: Worker, receiver: Receiver) -> None:
    receiver.delay_s = 0.5

    async def run() -> list[dict[str, Any]]:
        return await asyncio.gather(*(worker.handle(quick_job(f"job-{number}", receiver)) for number in range(2)))

    assert [result["id"] for result in asyncio.run(run())] == ["job-0", "job-1"]
    assert len(receiver.received) == 2


# --- A process that dies ----------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_job_whose_process_is_killed_is_answered_by_the_worker(
    folder: Path, worker: Worker, receiver: Receiver
) -> None:
    put_long_video()

    async def run() -> tuple[dict[str, Any], dict[str, Any]]:
        job = asyncio.create_task(worker.handle(a_job("job-1", jobs.payload("video", "long", receiver.url))))
        (encoder, *_) = await until(lambda: tools(folder))
        os.kill(os.getsid(encoder), signal.SIGKILL)
        result = await job
        assert tools(folder) == []
        assert len(processes(folder)) == 1, "the spare process alone is left"
        return result, await worker.handle(quick_job("job-2", receiver))

    result, following = asyncio.run(run())

    first, second = receiver.received
    assert first.said == result
    assert first.is_signed_with(jobs.SECRET)
    jobs.assert_contract(first.said)
    assert (result["id"], result["errorCode"], result["retryable"]) == ("job-1", "internal_error", True)
    assert "SIGKILL" in result["error"]
    assert second.said == following
    assert list((folder / "tmp" / "codex-assets").glob("run-*")) == [], "the scratch of a killed job is removed"


def test_a_process_that_dies_while_announcing_is_not_announced_twice(
    folder: Path, worker: Worker, receiver: Receiver
) -> None:
    receiver.delay_s = 5.0

    async def run() -> dict[str, Any]:
        (process,) = processes(folder)
        job = asyncio.create_task(worker.handle(quick_job("job-1", receiver)))
        await until(lambda: receiver.received)
        os.kill(process, signal.SIGKILL)
        return await job

    result = asyncio.run(run())

    (received,) = receiver.received
    assert "may have been sent" in result["error"]
    assert result["webhook"] == received.said, "nothing is lost"


def test_a_spare_that_died_is_replaced(folder: Path, worker: Worker, receiver: Receiver) -> None:
    async def run() -> dict[str, Any]:
        (spare,) = processes(folder)
        os.kill(spare, signal.SIGKILL)
        await until(lambda: spare not in processes(folder))
        return await worker.handle(quick_job("job-1", receiver))

    assert asyncio.run(run())["errorCode"] == "input_not_found"
    assert len(receiver.received) == 1


# --- Cancelling and progress ------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_cancelled_job_leaves_no_process_no_file_and_no_webhook(folder: Path, receiver: Receiver) -> None:
    put_long_video()
    told: list[tuple[float, float, dict[str, Any]]] = []

    async def report(job: Mapping[str, Any], progress: dict[str, Any]) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.3)
        told.append((began, time.monotonic(), progress))
        assert job["id"] == "job-1"

    worker = Worker(report)
    worker.start()

    def encoding() -> bool:
        # Long enough under way that two updates of one phase were told.
        return sum(progress["phase"] == "mezzanine" for *_, progress in told) >= 2 and bool(tools(folder))

    async def run() -> float:
        job = asyncio.create_task(worker.handle(a_job("job-1", jobs.payload("video", "long", receiver.url))))
        await until(encoding)
        assert_nowhere_in_processes(jobs.SECRET, folder)
        asked = time.monotonic()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        took = time.monotonic() - asked
        assert tools(folder) == []
        assert len(processes(folder)) == 1, "the spare process alone is left"
        return took

    try:
        assert asyncio.run(run()) < 10.0
    finally:
        worker.close()
    assert receiver.received == []
    assert list((folder / "tmp" / "codex-assets").glob("run-*")) == []
    assert_calm(told)


@pytest.mark.ffmpeg
def test_progress_is_told_in_order_and_not_after_the_end(folder: Path, receiver: Receiver) -> None:
    jobs.put_original(resources.load().stores(), "audio", "talk")
    told: list[tuple[float, float, dict[str, Any]]] = []
    failing = iter([True, False])

    async def report(job: Mapping[str, Any], progress: dict[str, Any]) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.3)
        told.append((began, time.monotonic(), progress))
        if next(failing, False):
            raise ConnectionError("RunPod is not to be reached")

    worker = Worker(report)
    worker.start()

    async def run() -> tuple[dict[str, Any], float]:
        result = await worker.handle(a_job("job-1", jobs.payload("audio", "talk", receiver.url)))
        ended = time.monotonic()
        await asyncio.sleep(1.5)
        return result, ended

    try:
        result, ended = asyncio.run(run())
    finally:
        worker.close()
    assert result["status"] == "completed"
    assert len(told) >= 2, "a report that fails is no reason to stop reporting"
    assert all(done <= ended for _, done, _ in told)
    assert all(set(progress) <= {"phase", "percent", "speed", "secondsLeft"} for *_, progress in told)
    assert_calm(told)


def assert_calm(told: list[tuple[float, float, dict[str, Any]]]) -> None:
    for (began, done, progress), (next_began, _, next_progress) in zip(told, told[1:], strict=False):
        assert next_began >= done, "two reports were under way at once"
        pause = 3.0 if next_progress["phase"] == progress["phase"] else 1.0
        assert next_began - began >= pause - 0.05


def assert_nowhere_in_processes(secret: str, folder: Path) -> None:
    for pid in processes(folder):
        for name in ("environ", "cmdline"):
            try:
                held = Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
            assert secret.encode() not in held


def test_a_second_cancel_does_not_stop_the_first(folder: Path, worker: Worker, receiver: Receiver) -> None:
    """What a loop that is shut down does to a job that is being cancelled already."""
    receiver.delay_s = 30.0

    async def run() -> None:
        job: asyncio.Task[dict[str, Any]] = asyncio.create_task(worker.handle(quick_job("job-1", receiver)))
        await until(lambda: receiver.received)
        job.cancel()
        await asyncio.sleep(0.2)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    asyncio.run(run())
    assert len(processes(folder)) == 1
