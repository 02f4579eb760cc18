"""The documented codes are those that exist, and each of them is met for real somewhere in these tests."""

from __future__ import annotations

import re
from pathlib import Path

import hostile_inputs
import jobs
import pytest
from webhook_receiver import receiving

from codex_assets import errors
from codex_assets.config import settings as configuration
from codex_assets.errors import Fault, JobError, Passed, SourceCode, ToolError
from codex_assets.media.upload.refusals import REMEDIES
from codex_assets.worker import job

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def rows() -> dict[str, list[str]]:
    rows = ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len({code for code, _ in rows}) == len(rows)
    return {code: [cell.strip() for cell in rest.split(" | ")] for code, rest in rows}


def kinds(kind: type[JobError] = JobError) -> list[type[JobError]]:
    return [subclass for sub in kind.__subclasses__() for subclass in (sub, *kinds(sub))]


def own_kinds() -> dict[str, type[JobError]]:
    """Kinds by code, without those that only carry another's and those with a table of their own."""
    left_out = (errors.RelayedError, errors.SourceError)
    return {kind.code: kind for kind in reversed(kinds()) if not issubclass(kind, left_out)}


def test_the_tables_hold_every_code_and_no_other() -> None:
    assert rows().keys() == {code.value for code in SourceCode} | own_kinds().keys()


def test_an_uploads_fault_is_final() -> None:
    assert errors.SourceError.fault is Fault.CREATOR
    assert not errors.SourceError.retryable
    for code in SourceCode:
        assert rows()[code.value][0] == "no"


def test_what_to_do_about_an_upload_is_what_its_page_says() -> None:
    assert {code: rows()[code.value][-1] for code in SourceCode} == REMEDIES


def test_whose_fault_and_whether_again_are_told() -> None:
    for code, kind in own_kinds().items():
        whose, again, *_ = rows()[code]
        assert whose == kind.fault.value, code
        assert (again != "no") is kind.retryable, code


def test_every_code_of_an_upload_is_provoked_by_a_file() -> None:
    """`tests/inputs/test_inputs_refused.py` takes each of these through the whole job."""
    certain = {case.codes[0] for case in hostile_inputs.REFUSED.values() if len(case.codes) == 1}
    assert certain == {code.value for code in SourceCode}


def failed(
    tmp_path: Path, environment: dict[str, str], *, answers: list[int] | None = None, put: bool = True
) -> dict[str, object]:
    """The result of a job for a sound, on a worker of this environment."""
    settings = configuration.load(environment)
    if put:
        jobs.put_original(settings.stores(), "audio", "m")
    with receiving() as receiver:
        receiver.script = list(answers or [])
        return job.run("job-1", jobs.payload("audio", "m", receiver.url), settings)


def test_input_not_found(tmp_path: Path) -> None:
    assert failed(tmp_path, jobs.local_environment(tmp_path), put=False)["errorCode"] == "input_not_found"


def test_webhook_undelivered(tmp_path: Path) -> None:
    result = failed(tmp_path, jobs.local_environment(tmp_path), answers=[400] * 9, put=False)
    assert (result["errorCode"], result["retryable"]) == ("webhook_undelivered", False), "a 400 is final"


def test_webhook_refused(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.answer = b'{"error": "no such job"}'
        settings = configuration.load(jobs.local_environment(tmp_path))
        result = job.run("job-1", jobs.payload("audio", "m", receiver.url), settings)
    assert (result["errorCode"], result["retryable"]) == ("webhook_refused", False)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("script", "code", "again"),
    [
        pytest.param("echo '[error] broken' >&2; kill -TERM $$", "tool_failed", True, marks=pytest.mark.slow),
        (None, "worker_misconfigured", False),
    ],
)
def test_a_worker_without_a_working_ffmpeg(tmp_path: Path, script: str | None, code: str, again: bool) -> None:
    """A tool that is killed is no upload's fault; one that is missing is the operator's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    environment = jobs.local_environment(tmp_path)
    if script is None:
        environment["PATH"] = str(tools)
    else:
        for name in ("ffmpeg", "ffprobe"):
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        environment["PATH"] = f"{tools}:{environment['PATH']}"
    result = failed(tmp_path, environment)
    assert (result["errorCode"], result["retryable"]) == (code, again), result


def tool_failure(reason: str = "Invalid data", exit_code: int | None = 1, passed: Passed | None = None) -> str | None:
    return ToolError("encoding the ladder", exit_code=exit_code, reason=reason, passed=passed).signature


def test_a_tool_that_fails_alike_has_the_same_signature_wherever_its_files_lie() -> None:
    assert tool_failure("[aac @ 0x55d0] /tmp/a/b.mp4: no") == tool_failure("[aac @ 0x7f10] /scratch/c.mp4: no")
    assert tool_failure("[aac @ 0x55d0] no") != tool_failure("[alac @ 0x55d0] no")


@pytest.mark.parametrize(
    ("reason", "exit_code", "passed"),
    [
        ("Killed", -9, None),
        ("Killed", 137, None),
        ("made no progress for 30 s", None, None),
        ("too slow", 1, "time"),
        ("too large", 1, "memory"),
        ("out.mp4: No space left on device", 1, None),
    ],
)
def test_what_depends_on_the_machine_has_no_signature(reason: str, exit_code: int | None, passed: Passed) -> None:
    assert tool_failure(reason, exit_code, passed) is None
