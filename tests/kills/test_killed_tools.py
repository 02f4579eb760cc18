"""Each run of a tool in a job is killed once, as a machine without memory does: the job fails, or gives what it always
gives. No look at an upload that was killed is taken for one that saw nothing."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from pathlib import Path

import jobs
import pytest
from workbench import Bench

from codex_assets.errors import JobError
from codex_assets.system.process import Runner, RunOrder, ToolRun

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow, pytest.mark.timeout(3600)]

KILLED = ["/bin/sh", "-c", "kill -KILL $$"]


class Killing(Runner):
    """Kills the run of number `at`, of those that are counted in `labels`."""

    at: int | None
    labels: list[str]
    _lock: threading.Lock

    @classmethod
    def of(cls, runner: Runner, at: int | None) -> Killing:
        killing = cls(runner.environment, None, runner.cancelled, runner.stall_seconds)
        killing.at, killing.labels, killing._lock = at, [], threading.Lock()
        return killing

    def within(self, *_: object) -> Runner:
        return copy.copy(self)

    def run(self, argv: Sequence[str], order: RunOrder, sinks: Sequence[Sequence[str]] = ()) -> ToolRun:
        with self._lock:
            number = len(self.labels)
            self.labels.append(order.label)
        return super().run(KILLED if number == self.at else argv, order, sinks)


def killing(bench: Bench, at: int | None) -> Killing:
    bench.tools = copy.copy(bench.tools)
    runner = Killing.of(bench.tools._runner, at)
    bench.tools._runner = runner
    return runner


@pytest.mark.parametrize("media_type", ["video", "audio"])
def test_a_tool_that_is_killed_changes_nothing_of_what_is_made(media_type: str, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(jobs.film(2, "64x48") if media_type == "video" else jobs.original("audio"))

    def made(name: str, at: int | None) -> tuple[dict[str, object] | None, list[str]]:
        """What is published, by key, and what the judge said of each output; None of a job that failed."""
        bench = Bench(tmp_path / name, media_type, tmp_path / "clips")  # type: ignore[arg-type]
        bench.stores.archive.upload(upload, bench.media.input_key, content_type="application/octet-stream")
        runner = killing(bench, at)
        try:
            records = bench.build()
        except JobError as error:
            if not error.retryable or "SIGKILL" in error.public:
                pytest.fail(f"{error.code}: {error.public}")
            return None, runner.labels
        judged = {
            name: sorted((check.rule, check.passed) for check in record.checks) for name, record in records.items()
        }
        return {**bench.contents(), **judged}, runner.labels

    usual, labels = made("usual", None)
    assert usual is not None
    assert len(labels) > 20
    wrong: list[str] = []
    for at, label in enumerate(labels):
        try:
            contents, _ = made(str(at), at)
        except pytest.fail.Exception as error:
            wrong.append(f"{at} {label}: {error}")
            continue
        if contents is not None and contents != usual:
            changed = sorted(name for name in {*contents, *usual} if contents.get(name) != usual.get(name))
            wrong.append(f"{at} {label}: {changed[:6]}")
    assert not wrong, "\n".join(wrong)
