"""The worker's side of a job's process: answered once whatever dies, cancelled without a trace, progress in order."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jobs
import pytest
import stand_in_tools
from control_plane import children_with, encoders_with, processes_with
from webhook_receiver import Receiver

from codex_assets.archive import history, undelivered
from codex_assets.archive.history import JobRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import encoders
from codex_assets.config import settings
from codex_assets.system.tools import Trial
from runpod_entry import child, process
from runpod_entry.handler import Worker

Result = TypeVar("Result")


@dataclass
class Report:
    """A report of progress: when it began, when it was through, what it said."""

    began: float
    done: float
    progress: dict[str, Any]


@dataclass
class House:
    """One worker for all tests, in its own environment, with a loop that lives as long."""

    folder: Path
    runner: asyncio.Runner
    reports: list[Report] = field(default_factory=list)
    unreachable: bool = False
    """RunPod cannot be told of progress."""

    def __post_init__(self) -> None:
        self.worker = Worker(self._report)
        self.worker.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def handle(self, job: Any) -> dict[str, Any]:
        return self.run(self.worker.handle(job))

    async def _report(self, job: Mapping[str, Any], progress: dict[str, Any]) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.3)
        self.reports.append(Report(began, time.monotonic(), progress))
        if self.unreachable:
            raise ConnectionError("RunPod is not to be reached")

    def processes(self) -> dict[int, str]:
        """What the worker has started and not ended."""
        return processes_with(str(self.folder / "tmp"))

    def encoders(self) -> list[int]:
        return encoders_with(str(self.folder / "tmp"))

    def own_processes(self) -> list[int]:
        """Those of jobs and the spare one, without the tools that they run."""
        return children_with(str(self.folder / "tmp"))

    def spare(self) -> int:
        (process,) = self.own_processes()
        return process

    def leftovers(self) -> list[Path]:
        return list((self.folder / "tmp" / "codex-assets").glob("run-*"))

    def put_long_video(self) -> None:
        jobs.put_original(settings.load().stores(), "video", "long", jobs.long_original())


@pytest.fixture(scope="module")
def whole_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        # In this process's own environment: the worker's children inherit it.
        for name, value in jobs.local_environment(folder).items():
            patch.setenv(name, value)
        house = House(folder, runner)
        yield house
        house.worker.close()
        assert house.processes() == {}, "a worker that was closed leaves no process"


@pytest.fixture
def house(whole_house: House) -> Iterator[House]:
    whole_house.reports.clear()
    whole_house.unreachable = False
    yield whole_house
    assert whole_house.leftovers() == []
    assert len(whole_house.own_processes()) == 1, "between jobs there is the spare process, and nothing else"


async def until(look: Callable[[], Result], timeout_s: float = 120.0) -> Result:
    """What `look` returns, as soon as there is something."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
    return seen


def a_job(job_id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": job_id, "input": dict(payload)}


def quick_job(job_id: str, receiver: Receiver) -> dict[str, Any]:
    """A job that fails early, by an original that is not there."""
    return a_job(job_id, jobs.payload("audio", "gone", receiver.url))


# --- Answering --------------------------------------------------------------------------------------------------------


def test_jobs_in_sequence_each_use_the_spare_process(house: House, receiver: Receiver) -> None:
    used, results = [], []
    for number in (1, 2):
        used.append(house.spare())
        results.append(house.handle(quick_job(f"job-{number}", receiver)))
        assert used[-1] not in house.processes(), "a job's process ends with its job"

    assert len(set(used)) == 2
    assert [request.said["id"] for request in receiver.received] == ["job-1", "job-2"]
    assert all(request.is_signed_with(jobs.SECRET) for request in receiver.received)
    for result, received in zip(results, receiver.received, strict=True):
        assert jobs.body_of(result) == received.said
        assert isinstance(result["error"], str)
        assert result["errorCode"] == "input_not_found"


@pytest.mark.parametrize("job", [None, [], {}, {"id": ""}, {"id": 7, "input": {}}, {"input": {}}])
def test_a_job_without_an_id_is_refused(house: House, job: Any) -> None:
    result = house.handle(job)

    assert result["errorCode"] == "invalid_payload"
    assert "no id" in result["error"]


@pytest.mark.parametrize("job", [{"id": "j"}, {"id": "j", "input": "text"}])
def test_a_job_without_input_is_refused(house: House, job: Any) -> None:
    result = house.handle(job)

    assert (result["id"], result["errorCode"]) == ("j", "invalid_payload")
    assert "must be a JSON object" in result["error"]


def test_a_worker_without_configuration_answers(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_DIR")
    worker = Worker()
    try:
        result = house.run(worker.handle(quick_job("job-1", receiver)))
    finally:
        worker.close()

    assert result["errorCode"] == "worker_misconfigured"
    assert "R2_ACCOUNT_ID" in result["error"]
    (received,) = receiver.received
    assert received.said == jobs.body_of(result)
    assert received.is_signed_with(jobs.SECRET)


def test_jobs_that_come_together_are_done_one_by_one(house: House, receiver: Receiver) -> None:
    receiver.delay_s = 0.5

    async def run() -> list[dict[str, Any]]:
        return await asyncio.gather(*(house.worker.handle(quick_job(f"job-{number}", receiver)) for number in range(2)))

    assert [result["id"] for result in house.run(run())] == ["job-0", "job-1"]
    assert [request.said["id"] for request in receiver.received] == ["job-0", "job-1"]


# --- A process that dies ----------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_job_whose_process_is_killed_is_answered_by_the_worker(house: House, receiver: Receiver) -> None:
    house.put_long_video()

    async def run() -> dict[str, Any]:
        job = asyncio.create_task(house.worker.handle(a_job("job-1", jobs.payload("video", "long", receiver.url))))
        (encoder, *_) = await until(house.encoders)
        os.kill(os.getsid(encoder), signal.SIGKILL)
        result = await job
        assert house.encoders() == []
        return result

    result = house.run(run())

    (received,) = receiver.received
    assert received.said == jobs.body_of(result)
    assert received.is_signed_with(jobs.SECRET)
    jobs.assert_contract(received.said)
    assert (result["id"], result["errorCode"], result["retryable"]) == ("job-1", "internal_error", True)
    assert "SIGKILL" in result["error"]
    # The next job has its spare process.
    assert jobs.body_of(house.handle(quick_job("job-2", receiver))) == receiver.received[1].said


def test_a_process_that_dies_while_announcing_is_not_announced_twice(house: House, receiver: Receiver) -> None:
    receiver.delay_s = 3.0

    async def run() -> dict[str, Any]:
        process = house.spare()
        job = asyncio.create_task(house.worker.handle(quick_job("job-1", receiver)))
        await until(lambda: receiver.received)
        os.kill(process, signal.SIGKILL)
        return await job

    result = house.run(run())

    (received,) = receiver.received
    assert "may have been sent" in result["error"]
    assert result["webhook"] == received.said, "nothing is lost"


def test_a_spare_that_died_is_replaced(house: House, receiver: Receiver) -> None:
    async def run() -> dict[str, Any]:
        spare = house.spare()
        os.kill(spare, signal.SIGKILL)
        await until(lambda: spare not in house.processes())
        return await house.worker.handle(quick_job("job-1", receiver))

    assert house.run(run())["errorCode"] == "input_not_found"
    assert len(receiver.received) == 1


def test_sweeping_a_session_ends_all_of_it_and_nothing_else() -> None:
    """Most tools die of their broken pipe by themselves; one that is silent does not."""
    starter = (
        "import subprocess, time\n"
        "print(subprocess.Popen(['sleep', '60'], process_group=0).pid, flush=True)\n"
        "time.sleep(60)"
    )
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    leader = subprocess.Popen([sys.executable, "-c", starter], start_new_session=True, stdout=subprocess.PIPE)
    try:
        assert leader.stdout is not None
        silent = int(leader.stdout.readline())
        leader.stdout.close()
        leader.kill()
        leader.wait()
        assert is_alive(silent)

        child.sweep(leader.pid)

        assert not is_alive(silent)
        assert bystander.poll() is None
    finally:
        for process in (leader, bystander):
            process.kill()
            process.wait()


def test_a_name_of_another_process_that_is_no_text_spoils_no_job(house: House, receiver: Receiver) -> None:
    """Whoever sweeps a session reads the names of all processes of the machine, which may hold any bytes."""
    # PR_SET_NAME, with bytes that no encoding has, a parenthesis and a line's end.
    named = (
        "import ctypes, time\n"
        "ctypes.CDLL(None).prctl(15, b'\\xff\\xfe)\\n\\xe9 (', 0, 0, 0)\n"
        "print('named', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", named], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"named\n"
            result = house.handle(quick_job("job-1", receiver))
        finally:
            process.kill()

    assert result["errorCode"] == "input_not_found"
    (received,) = receiver.received
    assert received.said == jobs.body_of(result), "RunPod has what the webhook said"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("end", "times", "reason"),
    [
        ("crash", 1, "it crashed (SIGSEGV)"),
        pytest.param("hang", 1, "it hung: it passed its limit of 3 s", marks=pytest.mark.slow),
        pytest.param("refusal", 1, "No capable devices", marks=pytest.mark.slow),
        pytest.param("out of sessions", 2, "out of memory", marks=pytest.mark.slow),
    ],
)
def test_a_worker_tries_nvenc_once(
    end: str, times: int, reason: str, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job has a process of its own, and knows what the one before it has found out, unless that may pass."""
    if end == "hang":
        # It costs its limit: a short one here, in the processes of the jobs.
        short = (
            "from codex_assets.system.tools import Tools; Tools.try_encode.__kwdefaults__['timeout'] = 3; child.begin("
        )
        monkeypatch.setattr(process, "_CODE", process._CODE.replace("child.begin(", short))
    tools = stand_in_tools.ffmpeg(tmp_path / "tools", end, numbered=True)
    for name, value in jobs.local_environment(tmp_path, VIDEO_ENCODER="auto").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    stores = settings.load().stores()
    encoders.remember(None)
    worker = Worker()
    reasons = []
    try:
        for media in ("first", "second"):
            jobs.put_original(stores, "video", media, jobs.blink())
            payload = jobs.payload("video", media, receiver.url, assets=["mezzanine"])
            result = asyncio.run(worker.handle(a_job(f"job-{media}", payload)))
            assert result["status"] == "completed", result
            build = RecordStore(stores.archive).output(media, "mezzanine").build  # type: ignore[union-attr]
            assert build is not None
            assert build.encoder_reason is not None
            assert reason in build.encoder_reason
            reasons.append(build.encoder_reason)
    finally:
        worker.close()
        encoders.remember(None)
    assert stand_in_tools.tries(reasons) == times


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("required", "end", "ended"),
    [("1", "refusal", True), pytest.param("0", "refusal", False, marks=pytest.mark.slow)],
)
def test_a_worker_that_has_lost_the_nvenc_it_needs_takes_no_more_jobs(
    required: str, end: str, ended: bool, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container can lose its GPU hours after its checks; the SDK ends a worker whose result asks for it."""
    tools = stand_in_tools.ffmpeg(tmp_path / "tools", end)
    for name, value in jobs.local_environment(tmp_path, VIDEO_ENCODER="auto", REQUIRE_NVENC=required).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    # Large enough for NVENC.
    jobs.put_original(settings.load().stores(), "video", "blink", jobs.film(1, "256x192"))
    encoders.remember(Trial(True, "it worked when the worker started"))
    worker = Worker()
    try:
        payload = jobs.payload("video", "blink", receiver.url, assets=["mezzanine"])
        result = asyncio.run(worker.handle(a_job("job-1", payload)))
    finally:
        worker.close()
        encoders.remember(None)
    assert result["status"] == "completed", "the job itself is done with x264"
    assert result.get("refresh_worker", False) is ended
    assert "refresh_worker" not in receiver.received[0].said


# --- Cancelling and progress ------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_cancelled_job_leaves_no_process_and_no_file_and_is_answered(house: House, receiver: Receiver) -> None:
    house.put_long_video()

    def encoding() -> bool:
        # Long enough under way that two updates of one phase were told.
        return sum(report.progress["phase"] == "mezzanine" for report in house.reports) >= 2 and bool(house.encoders())

    async def run() -> None:
        job = asyncio.create_task(house.worker.handle(a_job("job-1", jobs.payload("video", "long", receiver.url))))
        await until(encoding)
        assert_nowhere_in_processes(jobs.SECRET, house)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert house.encoders() == []

    house.run(run())
    (received,) = receiver.received
    assert received.is_signed_with(jobs.SECRET)
    jobs.assert_contract(received.said)
    assert (received.said["errorCode"], received.said["retryable"]) == ("job_cancelled", True)
    assert entry_of("long").outcome == "cancelled"
    assert_calm(house.reports)


@pytest.mark.ffmpeg
def test_a_job_that_takes_too_long_is_ended(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put_long_video()
    before = history.read(RecordStore(settings.load().stores().archive), "long")[-1:]
    for seconds in (3, 15, 75):
        receiver.received.clear()
        monkeypatch.setenv("JOB_TIME_LIMIT", str(seconds))
        result = house.handle(a_job("job-limit", jobs.payload("video", "long", receiver.url)))
        # On a busy machine a job may be ended before it has begun, and leaves no record.
        if history.read(RecordStore(settings.load().stores().archive), "long")[-1:] != before:
            break

    (received,) = receiver.received
    assert received.said == jobs.body_of(result)
    assert (result["errorCode"], result["retryable"]) == ("time_limit", True)
    assert "JOB_TIME_LIMIT" in result["error"]
    entry = entry_of("long")
    assert (entry.id, entry.outcome, entry.error_code) == ("job-limit", "failed", "time_limit")


def entry_of(media_id: str) -> JobRecord:
    """The last job of a media."""
    return history.read(RecordStore(settings.load().stores().archive), media_id)[-1]


@pytest.mark.slow
def test_a_job_whose_process_alone_is_told_to_end_is_answered(house: House, receiver: Receiver) -> None:
    result = ended_while_waiting(house, receiver, lambda process, _: os.kill(process, signal.SIGTERM))
    assert result is not None
    assert (result["errorCode"], result["retryable"]) in (("job_cancelled", True), ("internal_error", True))
    (received,) = receiver.received
    assert received.said == jobs.body_of(result)


@pytest.mark.slow
def test_a_job_whose_store_hangs_is_answered_when_it_is_cancelled(house: House, receiver: Receiver) -> None:
    assert ended_while_waiting(house, receiver, lambda _, job: job.cancel()) is None
    (received,) = receiver.received
    assert received.is_signed_with(jobs.SECRET)
    assert (received.said["id"], received.said["errorCode"]) == ("job-1", "job_cancelled")


def ended_while_waiting(
    house: House, receiver: Receiver, tell: Callable[[int, asyncio.Task[dict[str, Any]]], object]
) -> dict[str, Any] | None:
    """The result of a job that waits for a silent store when it is told to end; None if RunPod has cancelled it."""
    buckets = ("archive-1", "media-1", "assets-1")
    before = set(house.own_processes())
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patch:
        silent.setblocking(False)
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patch.delenv("STORAGE_DIR")
        for name, value in jobs.s3_variables(endpoint, buckets).items():
            patch.setenv(name, value)
        worker = Worker()
        worker.start()
        (process,) = set(house.own_processes()) - before
        asked: list[socket.socket] = []

        def is_asked() -> list[socket.socket]:
            with suppress(BlockingIOError):
                asked.append(silent.accept()[0])
            return asked

        async def run() -> dict[str, Any] | None:
            payload = jobs.payload("video", "film", receiver.url, buckets=buckets)
            job = asyncio.create_task(worker.handle(a_job("job-1", payload)))
            await until(is_asked)
            tell(process, job)
            try:
                return await job
            except asyncio.CancelledError:
                return None

        try:
            return house.run(run())
        finally:
            worker.close()
            for connection in asked:
                connection.close()


def test_a_cancelled_job_whose_webhook_cannot_be_delivered_is_kept(house: House, receiver: Receiver) -> None:
    receiver.script = [400]
    receiver.delay_s = 0.0
    house.put_long_video()

    async def run() -> None:
        job = asyncio.create_task(house.worker.handle(a_job("job-kept", jobs.payload("video", "long", receiver.url))))
        await until(house.encoders)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    house.run(run())
    (kept,) = undelivered.read(RecordStore(settings.load().stores().archive), "long")
    assert (kept.job_id, kept.completed) == ("job-kept", False)
    assert kept.body.encode() == receiver.received[0].body


def test_a_second_cancel_does_not_stop_the_first(house: House, receiver: Receiver) -> None:
    """What a loop that is shut down does to a job that is being cancelled already."""
    receiver.delay_s = 20.0

    async def run() -> None:
        process = house.spare()
        job = asyncio.create_task(house.worker.handle(quick_job("job-1", receiver)))
        await until(lambda: receiver.received)
        job.cancel()
        await asyncio.sleep(0.2)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await until(lambda: process not in house.processes())

    house.run(run())


@pytest.mark.ffmpeg
def test_progress_is_told_in_order_and_not_after_the_end(house: House, receiver: Receiver) -> None:
    jobs.put_original(settings.load().stores(), "audio", "talk")
    house.unreachable = True

    async def run() -> tuple[dict[str, Any], float]:
        result = await house.worker.handle(a_job("job-1", jobs.payload("audio", "talk", receiver.url)))
        ended = time.monotonic()
        await asyncio.sleep(1.5)
        return result, ended

    result, ended = house.run(run())
    assert result["status"] == "completed", "no job fails for its progress"
    assert len(house.reports) >= 2, "a report that fails is no reason to stop reporting"
    assert all(report.done <= ended for report in house.reports)
    assert all({"phase", "percent"} <= set(report.progress) for report in house.reports)
    assert all(set(report.progress) <= {"phase", "percent", "speed", "secondsLeft"} for report in house.reports)
    assert_calm(house.reports)


def assert_calm(reports: list[Report]) -> None:
    for report, following in itertools.pairwise(reports):
        assert following.began >= report.done, "two reports were under way at once"
        pause = 3.0 if following.progress["phase"] == report.progress["phase"] else 1.0
        # The worker counts from the moment before `began`: on a busy machine others come in between.
        assert following.began - report.began >= pause - 0.5


def assert_nowhere_in_processes(secret: str, house: House) -> None:
    for pid in house.processes():
        for name in ("environ", "cmdline"):
            try:
                content = Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
            assert secret.encode() not in content


def test_a_worker_loads_no_builder_for_its_own_work(tmp_path: Path) -> None:
    """Its process supervises, and wipes folders: what builds is loaded where jobs are done, beside the SDK's start."""
    code = (
        "import sys; from runpod_entry.handler import Worker, _wipe, _requires_nvenc; Worker(); _wipe(); "
        "_requires_nvenc(); from codex_assets.readiness import fitness; print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=jobs.local_environment(tmp_path),
        cwd=jobs.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "codex_assets.config.settings" in loaded
    heavy = {"boto3", "botocore", "dagster", "codex_assets.build.builder", "codex_assets.storage.s3"}
    assert not loaded & heavy
