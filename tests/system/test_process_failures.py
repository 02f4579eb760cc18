"""How a run of a tool fails that the machine has no room or no memory for: with real disks, limits and signals."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_assets.errors import InternalError, JobError, OutOfMemory, StorageError, ToolError, ToolKilled, unforeseen
from codex_assets.storage.directory import DirectoryStore
from codex_assets.system.process import Runner, RunOrder
from codex_assets.system.sandbox import Limits, Reach

NOISE = ["-f", "lavfi", "-i", "nullsrc=s=320x180:d=20,geq=random(1)*255:128:128", "-c:v", "rawvideo", "-y"]
FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "level+error"]


def runner(folder: Path) -> Runner:
    reach = Reach(writes=(folder,))
    return Runner({"PATH": os.environ["PATH"]}, reach, threading.Event(), stall_seconds=60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True).returncode:
        pytest.skip("only who may mount can make a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.ffmpeg
def test_a_disk_that_fills_while_encoding_is_named(small_disk: Path) -> None:
    with pytest.raises(StorageError) as caught:
        runner(small_disk).run([*FFMPEG, *NOISE, "-f", "nut", str(small_disk / "out.nut")], RunOrder("encoding"))
    assert caught.value.retryable
    assert caught.value.public == (
        "The worker's disk filled up while encoding; give the endpoint a larger container disk."
    )


def test_a_tool_that_does_not_say_why_it_cannot_write(small_disk: Path) -> None:
    script = f"cat /dev/zero > {small_disk}/out 2>/dev/null; echo '[error] failed' >&2; exit 1"
    with pytest.raises(StorageError, match="disk filled up while drawing"):
        runner(small_disk).run(["sh", "-c", script], RunOrder("drawing"))
    with pytest.raises(ToolError, match="failed while reading"):
        runner(small_disk).run(["sh", "-c", "exit 1"], RunOrder("reading", writes=False))


def test_a_file_of_ours_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store", "archive", "codex-archive")
    store.write("c1/large", os.urandom(2 << 20), content_type="video/mp4")
    with pytest.raises(StorageError, match="worker's disk filled up") as caught:
        store.download("c1/large", small_disk / "large")
    assert caught.value.retryable
    assert list(small_disk.iterdir()) == []


def test_a_tool_that_the_machine_kills_had_no_memory(tmp_path: Path) -> None:
    # No answer about a file: nobody who looks at one takes it for that.
    assert not issubclass(ToolKilled, ToolError)
    with pytest.raises(ToolKilled) as caught:
        runner(tmp_path).run(["sh", "-c", "kill -KILL $$"], RunOrder("encoding the ladder"))
    assert (caught.value.code, caught.value.retryable) == ("out_of_memory", True)
    assert caught.value.public == (
        "The worker ran out of memory while encoding the ladder; give the endpoint workers with more memory."
    )
    assert caught.value.signature is None
    with pytest.raises(ToolError) as ended:
        runner(tmp_path).run(["sh", "-c", "kill -TERM $$"], RunOrder("encoding"))
    assert ended.value.code == "tool_failed"


@pytest.mark.skipif(shutil.which("xz") is None, reason="needs a tool that wants much memory and says so")
def test_a_tool_that_gets_no_memory_says_so(tmp_path: Path) -> None:
    order = RunOrder("encoding", limits=Limits(data_bytes=100 << 20))
    with pytest.raises(OutOfMemory) as caught:
        runner(tmp_path).run(["sh", "-c", "sleep 0.3; xz -9 -T1 -c /bin/sh >/dev/null"], order)
    assert caught.value.passed == "memory"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), StorageError),
        (OSError(122, "Disk quota exceeded"), StorageError),
        (OSError(12, "Cannot allocate memory"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (OSError(5, "Input/output error"), InternalError),
        (ValueError("x"), InternalError),
    ],
)
def test_what_nobody_translated(error: Exception, kind: type[JobError]) -> None:
    assert type(unforeseen(error)) is kind
    assert unforeseen(error).retryable
