"""What verification costs: CPU, time and memory of the judge, beside those of the job that it is a part of.

A moving film with sound is made at each size (the clip of `presets.py`, at CRF 18), and one job builds everything of
it. What the judge does in that job is measured apart: CPU seconds (user and system) of this process and of the tools
that it started, wall seconds, and the most memory that they held together. So that nobody else's work is counted, one
thing is done after another, as on one processor. Then `codex-assets verify` checks what was published. Shares compare
the two parts of the same job, in the same minutes: on a shared machine CPU seconds drift less than wall seconds, and
shares least of all. Run it with

    .venv/bin/python bench/verification.py [--seconds 60] [--height 1080 --height 720] [--film FILE] [--details]

The page that states the results: docs/verification.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import presets

RESULTS = Path(__file__).parent / "results" / "verification.json"
GOAL = 0.10
"""Of a job's CPU: what verification may take."""
MEDIA_ID = "film"
SAMPLED_SECONDS = 0.2
SOUND = "anoisesrc=c=pink:r=48000:a=0.2:d={seconds}:seed=1,tremolo=f=2:d=0.8"


# --- The film ---------------------------------------------------------------------------------------------------------


def make_film(path: Path, seconds: float, height: int) -> None:
    """A film of this many rows, 16:9, 30 pictures a second, as a camera's app would upload it."""
    graph = presets.CLIP.format(fps=presets.FPS, scene_frames=round(seconds * presets.FPS / 3))
    graph = graph.removesuffix("[v]") + f",scale=-2:{height}:flags=area[v]"
    colours = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-g", "60", *colours, "-c:a", "aac", "-ac", "2")
    sound = ("-f", "lavfi", "-i", SOUND.format(seconds=seconds))
    presets.ffmpeg(*sound, "-filter_complex", graph, "-map", "[v]", "-map", "0:a", *coding, str(path))


# --- Measuring, inside of the process that does the work --------------------------------------------------------------


@dataclass
class Cost:
    """CPU seconds of this process and of its tools, wall seconds, and the most memory of both together, in bytes."""

    own_cpu: float = 0.0
    tools_cpu: float = 0.0
    wall: float = 0.0
    memory: int = 0

    def add(self, other: Cost) -> None:
        self.own_cpu += other.own_cpu
        self.tools_cpu += other.tools_cpu
        self.wall += other.wall


@dataclass
class Stopwatch:
    """Adds up what the blocks of the judge cost. Only the outermost block counts, whatever it calls."""

    judge: Cost = field(default_factory=Cost)
    steps: defaultdict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))
    other_memory: int = 0
    running: bool = False

    @contextmanager
    def judging(self, name: str) -> Iterator[None]:
        if self.running:
            with self.step(name):
                yield
            return
        self.running = True
        try:
            with self._adding(self.judge, self.steps[name]):
                yield
        finally:
            self.running = False

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of what the judge does; it is in `judge` already."""
        if not self.running:
            yield
            return
        with self._adding(self.steps[name]):
            yield

    @contextmanager
    def _adding(self, *costs: Cost) -> Iterator[None]:
        before = _used()
        try:
            yield
        finally:
            after = _used()
            own, tools, wall = (late - early for late, early in zip(after, before, strict=True))
            for cost in costs:
                cost.add(Cost(own, tools, wall))

    def watch_memory(self) -> None:
        """Look at the memory of this process and its tools for ever."""

        def watch() -> None:
            while True:
                used = memory_of_tree(os.getpid())
                if self.running:
                    self.judge.memory = max(self.judge.memory, used)
                else:
                    self.other_memory = max(self.other_memory, used)
                time.sleep(SAMPLED_SECONDS)

        threading.Thread(target=watch, daemon=True).start()


def _used() -> tuple[float, float, float]:
    own, tools = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, tools.ru_utime + tools.ru_stime, time.monotonic()


def memory_of_tree(pid: int) -> int:
    """Bytes that a process and its descendants hold; what they share counts each time."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for thread in threads for child in (thread / "children").read_text().split()}
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize() + sum(map(memory_of_tree, children))


def measured_command(arguments: list[str], result: Path) -> int:
    """Run a command of codex-assets in this process, and write what it and its judge cost."""
    from codex_assets.build.media_build import MediaBuild
    from codex_assets.build.phases import CHECKS
    from codex_assets.cli.app import app
    from codex_assets.system import machine
    from codex_assets.system.tools import Tools
    from codex_assets.verification.observe.observer import Observer

    machine.processors = lambda: 1
    watch = Stopwatch()
    watch.watch_memory()
    for name in [name for name in vars(Observer) if not name.startswith("_")]:
        setattr(Observer, name, _within(watch.judging, f"judge: {name}", getattr(Observer, name)))
    for name in ("ffmpeg", "ffmpeg_into", "ffprobe"):
        original = getattr(Tools, name)
        setattr(Tools, name, _labelled(watch, original))
    phase = MediaBuild.phase

    @contextmanager
    def timed_phase(build: MediaBuild, which: Any) -> Iterator[Any]:
        with phase(build, which) as advance:
            if which in CHECKS:
                with watch.judging("judge: other"):
                    yield advance
            else:
                yield advance

    MediaBuild.phase = timed_phase  # type: ignore[assignment]
    before = _used()
    code = 0
    try:
        app(arguments, standalone_mode=False)
    except SystemExit as ended:
        code = int(ended.code or 0)
    own, tools, wall = (late - early for late, early in zip(_used(), before, strict=True))
    steps = {name: vars(cost) for name, cost in watch.steps.items()}
    whole = {"own_cpu": own, "tools_cpu": tools, "wall": wall, "memory": max(watch.judge.memory, watch.other_memory)}
    result.write_text(json.dumps({"code": code, "whole": whole, "judge": vars(watch.judge), "steps": steps}))
    return code


def _within(block: Callable[[str], Any], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with block(name):
            return function(*args, **kwargs)

    return wrapped


def _labelled(watch: Stopwatch, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, label: str, **kwargs: Any) -> Any:
        with watch.step(f"{function.__name__}: {label}"):
            return function(*args, label=label, **kwargs)

    return wrapped


# --- Measuring, from outside ------------------------------------------------------------------------------------------


def run_measured(folder: Path, arguments: list[str]) -> dict[str, Any]:
    result = folder / "cost.json"
    command = [sys.executable, __file__, "--command", json.dumps(arguments), "--result", str(result)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"codex-assets {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(result.read_text())
    return measured


def measure(film: Path, folder: Path) -> dict[str, Any]:
    shown = ("-show_entries", "format=duration:stream=height", "-select_streams", "v:0", "-of", "json")
    probed = json.loads(subprocess.run(["ffprobe", "-v", "error", *shown, str(film)], capture_output=True).stdout)
    seconds, store = float(probed["format"]["duration"]), folder / "store"
    ids = ["--media-id", MEDIA_ID, "--store", str(store)]
    job = run_measured(folder, ["run", str(film), "--type", "video", *ids])
    verified = run_measured(folder, ["verify", MEDIA_ID, "--store", str(store)])
    return {
        "height": probed["streams"][0]["height"],
        "seconds": round(seconds, 2),
        "kilobits": round(film.stat().st_size * 8 / 1000 / seconds),
        "job": _numbers(job["whole"], seconds),
        "before_publishing": _numbers(job["judge"], seconds),
        "share_of_cpu": round(_cpu(job["judge"]) / _cpu(job["whole"]), 4),
        "verify": _numbers(verified["whole"], seconds),
        "steps": {
            title: {name: round(_cpu(cost), 2) for name, cost in sorted(steps.items(), key=lambda step: -_cpu(step[1]))}
            for title, steps in (("before_publishing", job["steps"]), ("verify", verified["steps"]))
        },
    }


def _cpu(cost: dict[str, float]) -> float:
    return cost["own_cpu"] + cost["tools_cpu"]


def _numbers(cost: dict[str, float], seconds: float) -> dict[str, float]:
    """Per minute of media; memory as it is."""
    minutes = seconds / 60
    return {
        "cpu_seconds_per_minute": round(_cpu(cost) / minutes, 2),
        "own_cpu_seconds_per_minute": round(cost["own_cpu"] / minutes, 2),
        "wall_seconds_per_minute": round(cost["wall"] / minutes, 2),
        "memory_megabytes": round(cost["memory"] / 1e6),
    }


def show(measured: dict[str, Any], *, details: bool) -> None:
    print(f"\n{measured['height']} rows, {measured['seconds']:g} s, {measured['kilobits'] / 1000:.1f} Mb/s\n")
    print("| per minute of media | CPU s | of the job's | in Python | wall s | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = {
        "the whole job": "job",
        "verification before publishing": "before_publishing",
        "`verify` afterwards": "verify",
    }
    whole = measured["job"]["cpu_seconds_per_minute"]
    for title, name in rows.items():
        cost = measured[name]
        print(
            f"| {title} | {cost['cpu_seconds_per_minute']:.1f} | {100 * cost['cpu_seconds_per_minute'] / whole:.1f} %"
            f" | {cost['own_cpu_seconds_per_minute']:.1f} | {cost['wall_seconds_per_minute']:.1f}"
            f" | {cost['memory_megabytes']:.0f} |"
        )
    if details:
        for title, steps in measured["steps"].items():
            print(f"\n{title}, CPU seconds; what runs a tool is also in the method that asked for it\n")
            for name, cpu in steps.items():
                print(f"    {cpu:8.2f}  {name}")
    within = measured["share_of_cpu"] <= GOAL
    print(f"\nThe goal, {GOAL:.0%} of a job's CPU, is {'met' if within else 'missed'}.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--height", type=int, action="append", help="Rows of the film; may be given several times.")
    parser.add_argument("--film", type=Path, help="An upload that is measured instead of those that are made.")
    parser.add_argument("--json", type=Path, default=RESULTS, help="Where the numbers are written.")
    parser.add_argument("--details", action="store_true", help="Show the CPU of every step of the judge.")
    parser.add_argument("--command", help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.command is not None:
        raise SystemExit(measured_command(json.loads(options.command), options.result))
    results = []
    for height in [0] if options.film is not None else options.height or [1080, 720]:
        with tempfile.TemporaryDirectory() as folder:
            film = options.film or Path(folder, "film.mp4")
            if options.film is None:
                make_film(film, options.seconds, height)
            results.append(measure(film, Path(folder)))
        show(results[-1], details=options.details)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
