"""What is written for a moment: in a private directory of its run, and taken away when the run was killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from codex_assets.system import scratch
from codex_assets.system.tools import Tools, tool_environment

ROOT = Path(__file__).resolve().parents[2]
HELD_RUN = """
import sys, time
from pathlib import Path
from codex_assets.system import scratch
with scratch.opened_run(Path(sys.argv[1])) as run, scratch.folder_in(run, "observe-") as folder:
    (folder / "left").write_text("over")
    print(run, flush=True)
    time.sleep(600)
"""


def test_a_runs_directory_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch.opened_run(tmp_path / "codex-assets") as run:
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
        assert stat.S_IMODE(run.parent.stat().st_mode) == 0o700
        with scratch.opened_run(tmp_path / "codex-assets") as other:
            assert other != run
            assert run.is_dir(), "one run does not sweep away another"
    assert list(run.parent.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HELD_RUN, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with scratch.opened_run(tmp_path):
            assert left.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(left.rglob("left"))
    with scratch.opened_run(tmp_path) as run:
        assert list(tmp_path.iterdir()) == [run]


@pytest.mark.ffmpeg
def test_a_tool_writes_for_a_moment_where_its_run_does(tmp_path: Path) -> None:
    assert Tools(tool_environment(os.environ)).within(tmp_path)._runner.environment["TMPDIR"] == str(tmp_path)
