"""What a worker must have before it takes a job: each lack is told by name, and a store may be away for a moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_plus

import jobs
import pytest
import s3_server
from control_plane import control_plane, running_worker
from loopback import QuietHandler, serving
from store_front import Answer, Asked, Change, Front, front

from codex_assets.config import settings as configuration
from codex_assets.readiness import doctor, fitness, machine_checks, store_checks, tool_checks
from codex_assets.readiness.checks import Check, Health
from codex_assets.readiness.fitness import Unfit
from codex_assets.readiness.store_checks import Patience
from codex_assets.storage import s3_requests

LISTING = b'<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>0</KeyCount></ListBucketResult>'
REFUSAL = b"<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
NO_STORE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be true for a moment only is looked at as often as ever, without the waiting."""
    monkeypatch.setattr(s3_requests, "PAUSES_SECONDS", (0.0, 0.0))


@dataclass
class Store:
    """A store over HTTP. `answers` are the next statuses; after them it is well. 0: no answer until the end."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def store(*answers: int) -> Iterator[Store]:
    state = Store(answers=list(answers))

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            status = state.answers.pop(0) if state.answers else 200
            if status == 0:
                state.over.wait()
                return
            self.send_body(status, LISTING if status == 200 else REFUSAL if status == 403 else b"")

    with serving(Handler) as state.port:
        try:
            yield state
        finally:
            state.over.set()


def real(tmp_path: Path, endpoint: str, **changes: str) -> dict[str, str]:
    """The environment of a worker with real stores."""
    return {
        **{name: f"a-value-{number}" for number, name in enumerate(configuration.REQUIRED)},
        "R2_ENDPOINT": endpoint,
        "B2_ENDPOINT": endpoint,
        "B2_REGION": "us-west-004",
        "PATH": configuration.environment()["PATH"],
        "TMPDIR": str(tmp_path),
        **changes,
    }


def asked(environ: dict[str, str], patience: Patience) -> tuple[dict[str, Check], list[float]]:
    pauses: list[float] = []
    checks = store_checks.check_stores(configuration.load(environ), patience, sleep=pauses.append)
    return {check.name: check for check in checks}, pauses


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"R2_SECRET_ACCESS_KEY": ""}, "missing or empty: R2_SECRET_ACCESS_KEY"),
        ({"B2_APPLICATION_KEY": "  "}, "missing or empty: B2_APPLICATION_KEY"),
        ({"B2_KEY_ID": "{{ RUNPOD_SECRET_b2_key_id }}"}, "unresolved {{ ... }} reference: B2_KEY_ID"),
        ({"R2_ACCESS_KEY_ID": "changeme"}, "placeholder instead of a value: R2_ACCESS_KEY_ID"),
        ({"R2_ACCOUNT_ID": "<your account>"}, "placeholder instead of a value: R2_ACCOUNT_ID"),
        ({"B2_BUCKET_NAME": "your-bucket"}, "placeholder instead of a value: B2_BUCKET_NAME"),
        ({"WEBHOOK_SECRET": ""}, "WEBHOOK_SECRET is empty"),
        ({"WEBHOOK_SECRET": "{{ RUNPOD_SECRET_webhook }}"}, "unresolved {{ ... }} reference: WEBHOOK_SECRET"),
        ({"WEBHOOK_SECRET": "CHANGE_ME"}, "WEBHOOK_SECRET must be the real secret"),
        ({"REQUIRE_NVENC": "yes"}, "REQUIRE_NVENC has to be"),
    ],
)
def test_each_variable_is_named_and_no_value(tmp_path: Path, changes: dict[str, str], part: str) -> None:
    with pytest.raises(Unfit) as caught:
        fitness.environment(real(tmp_path, NO_STORE, **changes))
    assert part in str(caught.value)
    assert not [value for value in changes.values() if len(value.strip()) > 3 and value in str(caught.value)]


def test_a_complete_environment_is_fit(tmp_path: Path) -> None:
    fitness.environment(real(tmp_path, NO_STORE))


def test_a_store_may_be_away_for_a_moment(tmp_path: Path) -> None:
    # The store's client asks eight times by itself: so many failures are one try of ours.
    with store(*[503] * 8) as away:
        checks, pauses = asked(real(tmp_path, f"http://127.0.0.1:{away.port}"), Patience(tries=3, limit_s=100.0))
    assert {check.status for check in checks.values()} == {Health.OK}
    assert set(pauses) <= {5.0, 10.0}


def test_a_store_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    with store(*[0] * 100) as silent:
        checks, pauses = asked(real(tmp_path, f"http://127.0.0.1:{silent.port}"), Patience(tries=2, limit_s=0.2))
    assert [check.status for check in checks.values()] == [Health.PROBLEM] * 3
    assert "did not answer within 0.2 seconds" in checks["archive"].result
    assert pauses == [5.0] * 3


def test_a_refusal_is_final(tmp_path: Path) -> None:
    environ = real(tmp_path, "", R2_SECRET_ACCESS_KEY="not-to-be-told", B2_APPLICATION_KEY="not-to-be-told")
    with store(*[403] * 100) as refusing:
        endpoint = f"http://127.0.0.1:{refusing.port}"
        checks, pauses = asked({**environ, "R2_ENDPOINT": endpoint, "B2_ENDPOINT": endpoint}, Patience(3, 5.0, 100.0))
    assert [check.status for check in checks.values()] == [Health.PROBLEM] * 3
    assert "not-to-be-told" not in str(checks)
    assert pauses == []


@contextmanager
def behind_a_front(tmp_path: Path, upstream: str, *changes: Change) -> Iterator[tuple[dict[str, str], Front]]:
    with front(upstream, *changes) as between:
        environ, _ = jobs.s3_environment(tmp_path, upstream)
        yield {**environ, "R2_ENDPOINT": between.url, "B2_ENDPOINT": between.url}, between


def left_in(upstream: str, environ: dict[str, str]) -> list[str]:
    """Keys of every object, version and marker that the three buckets hold."""
    client = s3_server.client(upstream)
    keys: list[str] = []
    for name in ("B2_BUCKET_NAME", "R2_MEDIA_BUCKET", "R2_ASSETS_BUCKET"):
        page = client.list_object_versions(Bucket=environ[name])
        keys += [entry["Key"] for entry in page.get("Versions", [])]
        keys += [entry["Key"] for entry in page.get("DeleteMarkers", [])]
    return keys


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


def title(asked: Asked, answer: Answer) -> None:
    answer.headers = [
        ("-".join(part.capitalize() for part in name.split("-")), value) for name, value in answer.headers
    ]


def without_metadata(asked: Asked, answer: Answer) -> None:
    answer.drop("x-amz-meta-sha256")


def late(asked: Asked, answer: Answer) -> None:
    """What was written is seen at the third look."""
    path = asked.path.partition("?")[0]
    seen = LOOKS.setdefault(path, [])
    if asked.method in {"GET", "HEAD"} and "trial-" in path and len(seen) < 2:
        seen.append(asked.method)
        answer.become(404, b"<Error><Code>NoSuchKey</Code></Error>" if asked.method == "GET" else b"")


LOOKS: dict[str, list[str]] = {}


@pytest.mark.parametrize("change", [title, late])
def test_a_worker_is_fit_if_each_bucket_gives_back_what_it_took(
    tmp_path: Path, upstream: str, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    with behind_a_front(tmp_path, upstream, change) as (environ, between):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        fitness.stores(Patience(tries=1, limit_s=100.0))
        trials = [asked.method for asked in between.asked if "/doctor/trial-" in asked.path]
        assert (trials.count("PUT"), trials.count("DELETE")) == (3, 3)
        assert left_in(upstream, environ) == []


@pytest.mark.parametrize(
    ("changes", "barred", "sentence"),
    [([without_metadata], set(), "let x-amz-meta headers through"), ([], {"PUT", "DELETE"}, "refused to write")],
)
def test_a_trial_that_fails_leaves_nothing(
    tmp_path: Path, upstream: str, changes: list[Change], barred: set[str], sentence: str
) -> None:
    with behind_a_front(tmp_path, upstream, *changes) as (environ, between):
        between.barred |= barred
        checks = list(store_checks.check_stores(configuration.load(environ), Patience(limit_s=100.0), write=True))
        checks += [check for check in doctor.examine(environ, write=True) if check.group == "rights"]
        assert [check.status for check in checks] == [Health.PROBLEM] * 6
        for check in checks:
            assert sentence in check.result
            assert "left" not in check.result
        assert left_in(upstream, environ) == []


def test_a_trial_that_cannot_be_deleted_is_named(tmp_path: Path, upstream: str) -> None:
    with behind_a_front(tmp_path, upstream) as (environ, between):
        between.barred |= {"DELETE"}
        for check in store_checks.check_stores(configuration.load(environ), Patience(limit_s=100.0), write=True):
            assert check.status is Health.PROBLEM
            assert "refused to delete" in check.result
            assert "may have been left in bucket" in check.result


def test_what_a_worker_checks_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine, with a local store: everything but an NVENC that is asked for and is not there."""
    for name in (*configuration.REQUIRED, "WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STORAGE_DIR", str(tmp_path / "store"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for check in fitness.CHECKS:
        check()
    monkeypatch.setenv("REQUIRE_NVENC", "1")
    settings = configuration.load()
    if tool_checks.check_nvenc(settings.tools(), settings.video_encoder, required=True).status is Health.OK:
        fitness.gpu()
        return
    with pytest.raises(Unfit, match="h264_nvenc"):
        fitness.gpu()


def test_a_worker_without_its_secrets_ends_and_says_which(tmp_path: Path) -> None:
    """The SDK's real start: RunPod is told too, and no job is taken."""
    (tmp_path / "tmp").mkdir()
    environment = real(
        tmp_path / "tmp", NO_STORE, R2_SECRET_ACCESS_KEY="", B2_APPLICATION_KEY="{{ RUNPOD_SECRET_staging_b2 }}"
    )
    with control_plane() as plane:
        plane.submit("job-1", jobs.payload("audio", "talk", "http://127.0.0.1:9/"))
        with running_worker({**environment, **plane.environment()}, tmp_path / "worker") as worker:
            assert worker.process.wait(120.0) == 1
            assert "missing or empty: R2_SECRET_ACCESS_KEY" in worker.log()
            assert "unresolved {{ ... }} reference: B2_APPLICATION_KEY" in worker.log()
            assert "a-value" not in worker.log()
        assert any("status=unhealthy" in ping and "R2_SECRET_ACCESS_KEY" in ping for ping in plane.pings)
        assert plane.taken == []


def test_shared_memory_is_tried(tmp_path: Path) -> None:
    assert machine_checks.check_shared_memory().status is Health.OK
    for unusable in (Path("/proc/sys"), tmp_path / "none"):
        check = machine_checks.check_shared_memory(unusable)
        assert check.status is Health.PROBLEM
        assert check.result.startswith(f"{unusable} cannot be used: ")


READ_ONLY = "mount -t tmpfs -o ro none "
NO_PLACE = "; ".join(f"test ! -d {folder} || {READ_ONLY}{folder}" for folder in ("/tmp", "/var/tmp", "/usr/tmp"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount something over a folder, for a process alone")
@pytest.mark.parametrize(
    ("before", "part"),
    [
        (f"{READ_ONLY}/dev/shm", "shared memory: /dev/shm cannot be used: Read-only file system (Mount"),
        ("mount -t tmpfs -o size=64k none /dev/shm", "shared memory: /dev/shm cannot be used: No space left on device"),
        (f"{NO_PLACE}; unset TMPDIR; cd /proc", "no temporary directory can be written to (/tmp, /var/tmp)"),
    ],
)
def test_a_worker_whose_machine_gives_it_no_place_ends_and_says_which(before: str, part: str, tmp_path: Path) -> None:
    """The SDK keeps its jobs in shared memory and would end in a traceback, of which RunPod is told nothing."""
    environment = {**jobs.local_environment(tmp_path), "STORAGE_DIR": "/dev/null/store", "PYTHONPATH": str(jobs.ROOT)}
    start = f"{before}; exec {sys.executable} -u -m runpod_entry"
    with control_plane() as plane:
        plane.submit("job-1", jobs.payload("audio", "talk", "http://127.0.0.1:9/"))
        ended = subprocess.run(
            ["unshare", "--mount", "bash", "-euc", start],
            env={**environment, **plane.environment()},
            capture_output=True,
            check=False,
        )
    log = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 1
    assert part in log
    assert "Traceback" not in log
    (ping,) = [ping for ping in plane.pings if "status=unhealthy" in ping]
    assert part.split(":")[0].split("(")[0].strip() in unquote_plus(ping)
    assert plane.taken == []


@pytest.mark.slow
def test_a_worker_without_its_bucket_ends_and_says_which(tmp_path: Path) -> None:
    with s3_server.s3_server() as endpoint, control_plane() as plane:
        environment, _ = jobs.s3_environment(tmp_path, endpoint, R2_ASSETS_BUCKET="no-such-bucket")
        with running_worker({**environment, **plane.environment()}, tmp_path / "worker") as worker:
            assert worker.process.wait(240.0) == 1
            assert "no-such-bucket" in worker.log()
            assert "stores: media" not in worker.log()
        assert plane.taken == []
