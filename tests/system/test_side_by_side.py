"""Several runs at once: their results in order, and the first that fails ends all others."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from control_plane import processes_with

from codex_assets.errors import JobCancelled, ToolError
from codex_assets.system import machine, side_by_side
from codex_assets.system.tools import Tools, tool_environment


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tool_environment({**os.environ, "TMPDIR": str(tmp_path)}))


def encode(tools: Tools, seconds: float) -> float:
    """Takes as long as what it encodes lasts."""
    tools.ffmpeg(
        ["-re", "-f", "lavfi", "-i", f"color=size=16x16:rate=5:duration={seconds}", "-f", "null", "-"],
        label="encoding slowly",
    )
    return seconds


def fail(tools: Tools) -> float:
    tools.ffmpeg(["-i", "/nowhere.mp4", "-f", "null", "-"], label="reading nothing")
    return 0.0


@pytest.mark.ffmpeg
def test_results_come_in_the_order_of_the_work(tools: Tools) -> None:
    work = [lambda own, seconds=seconds: encode(own, seconds) for seconds in (1.0, 0.2, 0.6)]
    assert list(side_by_side.in_order(tools, work, at_once=3)) == [1.0, 0.2, 0.6]


@pytest.mark.ffmpeg
def test_so_many_are_under_way_at_once(tools: Tools) -> None:
    most, now, lock = 0, 0, threading.Lock()

    def counted(own: Tools) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        encode(own, 0.3)
        with lock:
            now -= 1

    assert len(list(side_by_side.in_order(tools, [counted] * 6, at_once=2))) == 6
    assert most == 2


@pytest.mark.ffmpeg
@pytest.mark.parametrize("place", [0, 2])
def test_the_first_that_fails_ends_the_others(place: int, tools: Tools, tmp_path: Path) -> None:
    work = [lambda own: encode(own, 600.0)] * 3
    work.insert(place, fail)
    with pytest.raises(ToolError, match="reading nothing"):
        list(side_by_side.in_order(tools, work, at_once=4))
    assert processes_with(str(tmp_path)) == {}


@pytest.mark.ffmpeg
def test_what_is_cancelled_or_not_read_to_its_end_is_ended(tools: Tools, tmp_path: Path) -> None:
    threading.Timer(1.0, tools.cancelled.set).start()
    with pytest.raises(JobCancelled):
        list(side_by_side.in_order(tools, [lambda own: encode(own, 600.0)] * 2, at_once=2))
    tools.cancelled.clear()
    results = side_by_side.in_order(tools, [lambda own: encode(own, 0.1), lambda own: encode(own, 600.0)], at_once=2)
    assert next(results) == 0.1
    results.close()
    deadline = time.monotonic() + 60
    while processes_with(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(str(tmp_path)) == {}


# --- What the machine lets it have ------------------------------------------------------------------------------------


def test_this_machine_has_processors_and_memory() -> None:
    assert 1 <= machine.processors() <= (os.cpu_count() or 1)
    free = machine.free_memory()
    assert free is not None
    assert 0 < free <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(("quota", "count"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1)])
def test_a_container_may_have_fewer(
    quota: str, count: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert machine.processors() == (count or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("names", [("max", "current", "stat"), None])
def test_a_container_may_have_less_memory(
    names: tuple[str, ...] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files' pages are free when they are needed."""
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    if names is not None:
        limit, used, statistics = (tmp_path / f"memory.{name}" for name in names)
        page = ""
    else:
        (tmp_path / "memory").mkdir()
        limit, used = (tmp_path / "memory" / f"memory.{name}_in_bytes" for name in ("limit", "usage"))
        statistics, page = tmp_path / "memory" / "memory.stat", "total_"
    limit.write_text(f"{100 << 20}\n")
    used.write_text(f"{60 << 20}\n")
    statistics.write_text(f"anon 1\n{page}inactive_file {20 << 20}\n")
    assert machine.free_memory() == 60 << 20
    if names is not None:
        limit.write_text("max\n")
        assert (machine.free_memory() or 0) > 100 << 20
