"""Processes that hold keys: closed to others of their user, started without keys, importing nothing planted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import pytest
import sandbox_attempts
from control_plane import ROOT

from codex_assets.system import keyholder, sandbox
from runpod_entry import process
from runpod_entry.handler import Worker

KEY = "key-of-the-worker-4712"
PLANTED = "import os\nopen({mark!r}, 'a').write(__name__)\nraise ImportError('planted')\n"
NAMES = (
    *("json", "pickle", "select", "ctypes", "socket", "struct", "logging", "tempfile", "multiprocessing", "pydantic"),
    *(
        "boto3",
        "requests",
        "urllib3",
        "dagster",
        "runpod",
        "orjson",
        "brotli",
        "simplejson",
        "sitecustomize",
        "usercustomize",
    ),
)


def plant(folder: Path) -> Path:
    """Modules of these names in `folder`, each of which leaves a mark in the file that is returned."""
    mark = folder / "mark"
    for name in NAMES:
        (folder / f"{name}.py").write_text(PLANTED.format(mark=str(mark)))
    for name in ("codex_assets", "runpod_entry"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(PLANTED.format(mark=str(mark)))
    return mark


def closed(pid: int) -> bool:
    """Whether another process of the same user without privileges is kept from the environment of `pid`."""
    program = f"open('/proc/{pid}/environ', 'rb').read()"
    who = sandbox_attempts.python()
    assert who is not None
    command = [who, "-c", program]
    if os.getuid() == 0:
        # As a tool of root: the same user, no capabilities.
        ran = sandbox.confined(lambda: subprocess.run(command, capture_output=True, text=True))
    else:
        ran = subprocess.run(command, capture_output=True, text=True)
    return ran.returncode != 0 and "Permission" in ran.stderr


def test_a_process_that_starts_a_tool_is_closed() -> None:
    script = (
        "import ctypes, os\n"
        "from codex_assets.system import sandbox\n"
        "before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "sandbox.confined(lambda: None)\n"
        "print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "0"]


def test_the_terminals_commands_close_themselves() -> None:
    script = (
        "import atexit, ctypes\n"
        "atexit.register(lambda: print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)))\n"
        "from codex_assets.cli import app as cli\n"
        "cli.app(['failing', '--store', '/nowhere'])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "dumpable 0" in ran.stdout


def test_a_jobs_process_has_no_key_in_its_environment_and_closes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R2_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("RUNPOD_AI_API_KEY", KEY)
    before = children()
    worker = Worker()
    worker._spare = None
    worker.start()
    assert worker._spare is not None
    spare = worker._spare._process
    try:
        assert children() - before == {spare.pid}, "nothing else is started that would have the environment"
        try:
            # From its first moment on, whoever may look.
            assert KEY.encode() not in Path(f"/proc/{spare.pid}/environ").read_bytes()
        except PermissionError:
            assert os.getuid() != 0
        assert wait([spare.pipe], 200)
        assert json.loads(spare.pipe.recv_bytes()) == {"say": "ready"}
        assert closed(spare.pid)
    finally:
        worker.close()


def test_a_job_has_the_environment_that_its_worker_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is not UTF-8, too."""
    monkeypatch.setenv("R2_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("ODD", "\udcff=\n")
    out = tmp_path / "environment"
    script = (
        "import json, os\n"
        "from runpod_entry import child\n"
        f"child.logs.configure = lambda *_: open({str(out)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
    )
    monkeypatch.setattr(process, "_CODE", script + process._CODE)
    worker = Worker()
    worker.start()
    try:
        deadline = time.monotonic() + 200
        while not out.exists() or not out.read_text().endswith("}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        readable = json.loads(out.read_text())
        assert (readable["R2_SECRET_ACCESS_KEY"], readable["ODD"]) == (KEY, "\udcff=\n")
    finally:
        worker.close()


def children() -> set[int]:
    seen = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, *_ = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(parent) == os.getpid() and state != b"Z":
                seen.add(int(entry.name))
    return seen


def test_what_is_planted_in_the_working_directory_is_not_run_in_a_jobs_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = plant(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    worker = Worker()
    worker.start()
    assert worker._spare is not None
    try:
        pipe = worker._spare._process.pipe
        assert wait([pipe], 200)
        assert json.loads(pipe.recv_bytes()) == {"say": "ready"}
        assert not mark.exists(), mark.read_text()
    finally:
        worker.close()


def test_what_is_planted_later_is_not_run_by_the_worker(tmp_path: Path) -> None:
    """The worker imports on while jobs run. What is there before it starts is the business of `PYTHONSAFEPATH`."""
    (tmp_path / "boto3.py").write_text(PLANTED.format(mark=str(tmp_path / "mark")))
    (tmp_path / "requests.py").write_text(PLANTED.format(mark=str(tmp_path / "mark")))
    (tmp_path / "runpod.py").write_text(PLANTED.format(mark=str(tmp_path / "mark")))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    paths = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    environment |= {"PYTHONPATH": paths, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-u", "-m", "runpod_entry"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "test_input.json" in ran.stdout + ran.stderr, "the SDK was reached, and has nothing to do"
    assert not (tmp_path / "mark").exists(), (tmp_path / "mark").read_text()


@pytest.mark.parametrize("first", ["", "{here}"])
def test_the_working_directory_is_no_place_for_modules(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere, ours = str(tmp_path / "lib"), str(tmp_path / "ours")
    monkeypatch.setattr(sys, "path", [first.format(here=tmp_path), elsewhere])
    keyholder.distrust_working_directory(Path(ours))
    assert sys.path == [elsewhere, ours]


def test_a_checkout_is_looked_into_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/usr/lib/python3"])
    keyholder.distrust_working_directory(tmp_path)
    assert sys.path == ["/usr/lib/python3", str(tmp_path)]
    monkeypatch.setattr(sys, "path", ["/usr/lib/python3", str(tmp_path)])
    keyholder.distrust_working_directory(tmp_path)
    assert sys.path == ["/usr/lib/python3", str(tmp_path)], "what was asked for with PYTHONPATH stays"
