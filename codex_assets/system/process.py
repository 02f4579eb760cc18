"""Runs processes: how a run of one or several is started, watched, limited and ended, and which failure is its reason.

In: pipes between processes, stall and total limits, cancelling, and that no process outlives its caller.
The tools of one run are in a process *group* of their own, which they and what they start cannot leave, so that ending
the run takes all of it along; they stay in the worker's *session*, so that whoever supervises the worker finds what a
killed worker left behind. Out: which tool is
run (`tools.py`), what a run prints (`run_output.py`), and what it may touch (`sandbox.py`).
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, ClassVar, TypeAlias

from codex_assets.errors import JobCancelled, OutOfMemory, Passed, ToolError, ToolKilled, disk_full
from codex_assets.media import ffmpeg_words
from codex_assets.system import run_limits, sandbox
from codex_assets.system.run_output import DOCUMENT_BYTES, Advance, Progress, Pump, cause_of
from codex_assets.system.sandbox import Limits, Reach

PIPE_BYTES = 1 << 20
KILL_SECONDS = 10.0
"""How long a killed process is waited for."""
STRAYS_SECONDS = 3.0
"""How long is tried to end what ends and starts itself anew."""

_OUT_OF_MEMORY = re.compile(r"Cannot allocate memory|\bmalloc of size \d+ failed|std::bad_alloc")
_DISK_FULL = re.compile(r"\[(?:error|fatal)\] .*(?:No space left on device|Disk quota exceeded)")
FULL_BYTES = 1 << 16
"""A disk with less room has none."""
_SIGNALLED = 123
"""ffmpeg's exit status when it was asked to end more than three times."""


Reader: TypeAlias = Callable[[Callable[[int], bytes]], None]
"""Reads the output of a run: it is given a function that returns the next so many bytes, fewer at the end."""


@dataclass(frozen=True)
class ToolRun:
    """A finished run: tagged log lines in order, standard output, wall seconds."""

    log: tuple[str, ...]
    stdout: bytes
    seconds: float


class Group:
    """A process group for the tools of one run, which they cannot leave: what is left in it is ended with the run.

    A tool must not lead its group itself, because a filter that lets it become the leader of one lets what it starts
    do the same, and so get away. The leader is a process that has ended at once and is not reaped as long as the run
    lasts: its number stays taken. `number` is 0 where that cannot be had; then each tool leads its own.
    """

    _live: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self.number = 0
        program = shutil.which("true", path="/usr/bin:/bin")
        # Who was started with that signal ignored keeps no process that has ended.
        if program is not None and signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN:
            with contextlib.suppress(OSError):
                self.number = os.posix_spawn(program, ["true"], {}, setpgroup=0)
        self._live.add(self.number)
        self._can_be_left = not sandbox.stands(sandbox.SWEPT)
        if self._can_be_left:
            sandbox.adopt_orphans()

    def kill(self) -> None:
        """SIGKILL to everything in it, at once: nothing that is started meanwhile escapes."""
        if self.number:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.number, signal.SIGKILL)
        if self._can_be_left:
            self._end_strays()

    def close(self) -> None:
        """Kill what is left, and give the number back."""
        self.kill()
        self._live.discard(self.number)
        if self.number:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.number, 0)
            self.number = 0

    def _end_strays(self) -> None:
        """Without the filter: end what tools have left behind and this process was given, in no run's group."""
        deadline = time.monotonic() + STRAYS_SECONDS
        while time.monotonic() < deadline:
            strays = sandbox.orphans(self._live)
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            if not strays:
                return


@dataclass
class Child:
    """One process with the threads that drain it."""

    process: subprocess.Popen[bytes]
    argv: tuple[str, ...]
    group: int
    errors: Pump
    output: Pump
    written: IO[bytes] | None = None
    """The file that standard output goes to, where it is not read."""
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def listed(self) -> int:
        """Bytes that have been written to it."""
        return 0 if self.written is None else os.fstat(self.written.fileno()).st_size

    def passed(self) -> Passed | None:
        """The limit that ended this process; None when it was none of ours."""
        if self.process.returncode == -signal.SIGXFSZ:
            return "file"
        # ffmpeg takes the warning, repeated every second, for a wish to end: it says so, or gives up after three.
        asked_to_end = f"received signal {signal.SIGXCPU.value}."
        if self.process.returncode in (-signal.SIGXCPU, _SIGNALLED) or any(asked_to_end in line for line in self.log()):
            return "time"
        # The machine itself does not run out like this: it kills.
        short = self.process.returncode != 0 and any(_OUT_OF_MEMORY.search(line) for line in self.log())
        return "memory" if short else None

    def log(self) -> list[str]:
        """The lines tagged as errors first (the first of them is the cause), then the last ones."""
        first = set(self.errors.head)
        return [*self.errors.head, *(line for line in self.errors.tail if line not in first)]


@dataclass(frozen=True)
class RunOrder:
    """What a run is asked for besides its command.

    `label`: what it does, for logs and errors. `duration`: seconds of media that it will write, where it writes some.
    `on_log` is given every line of the log, from another thread. `keep_stdout`: standard output is in the result;
    `stdout_to`: it goes to that file instead. `seconds`: the wall time that it may take, and `limits` what else, where
    `duration` does not decide. `writes`: whether it may write files. `read`: reads standard output, in another
    thread.
    """

    label: str
    duration: float | None = None
    on_progress: Callable[[Progress], None] | None = None
    on_log: Callable[[str], None] | None = None
    keep_stdout: bool = False
    stdout_to: IO[bytes] | None = None
    seconds: float | None = None
    limits: Limits | None = None
    writes: bool = True
    read: Reader | None = None


class Runner:
    """Runs commands of one worker, each run in a group and a sandbox of its own. Thread-safe.

    `environment`: all that a process sees. `reach`: the files that it may open, besides the system's; None: all that
    this user may. `cancelled` is shared by all runs. `stall_seconds`: how long a run may say nothing new.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        reach: Reach | None,
        cancelled: threading.Event,
        stall_seconds: float,
    ) -> None:
        self.environment = dict(environment)
        self.cancelled = cancelled
        self.stall_seconds = stall_seconds
        self._reach = reach

    def within(self, reach: Reach, scratch: Path | None = None) -> Runner:
        """The same, with other files to open. `scratch`: where its tools put what they write for a moment."""
        environment = self.environment if scratch is None else {**self.environment, "TMPDIR": str(scratch)}
        return Runner(environment, reach, self.cancelled, self.stall_seconds)

    def ending_with(self, cancelled: threading.Event) -> Runner:
        """The same, whose runs end when this event is set."""
        same = copy.copy(self)
        same.cancelled = cancelled
        return same

    @property
    def written_folders(self) -> tuple[Path, ...]:
        """Where runs may write, as far as that is limited."""
        return () if self._reach is None else tuple(self._reach.writes)

    def reach_of(self, program: str, *, writes: bool) -> Reach | None:
        """What a run of `program` may open; without `writes` it only reads."""
        if self._reach is None:
            return None
        programs = sandbox.programs_of(self.environment, program)
        reach = replace(self._reach, programs=programs)
        return reach if writes else replace(reach, reads=(*reach.reads, *reach.writes), writes=())

    def run(self, argv: Sequence[str], order: RunOrder, sinks: Sequence[Sequence[str]] = ()) -> ToolRun:
        """Run a command to its end; `sinks` are commands that each read its standard output.

        Raises `ToolError` on a non-zero exit, an output that could not be finished, a stall or a passed limit,
        `JobCancelled` when asked to stop.
        """
        with _Run.begun(self, order) as run:
            main = run.start(argv, run.advance, read_stdout=not sinks and order.read is None)
            reading = Reading(main, order.read, run.advance) if order.read is not None else None
            for sink in sinks:
                run.start(sink, run.advance, stdin=subprocess.PIPE)
            if sinks:
                main.threads.append(tee(main, run.children[1:], run.advance))
            run.wait()
            if reading is not None:
                reading.finish()
        return ToolRun(tuple(main.errors.tail), bytes(main.output.data), run.seconds_since_start())


class _Run:
    """A run that is under way: its processes, their group, its limits."""

    def __init__(self, runner: Runner, order: RunOrder, group: Group) -> None:
        self._runner = runner
        self._order = order
        self._group = group
        self._seconds = order.seconds or run_limits.total_limit(order.duration)
        self._limits = order.limits or run_limits.limits_of(order.duration, self._seconds)
        self.advance = Advance(order.label, order.duration, order.on_progress, time.monotonic(), order.on_log)
        self.children: list[Child] = []

    @classmethod
    @contextlib.contextmanager
    def begun(cls, runner: Runner, order: RunOrder) -> Iterator[_Run]:
        """A run whose processes are all ended with the block; what failed first in it is raised at its end."""
        if runner.cancelled.is_set():
            raise JobCancelled
        group = Group()
        run = cls(runner, order, group)
        try:
            yield run
        except BaseException:
            end_children(run.children)
            raise
        finally:
            group.close()
        raise_first_failure(run.children, order.label, runner.written_folders if order.writes else ())

    def seconds_since_start(self) -> float:
        return time.monotonic() - self.advance.started

    def start(
        self,
        argv: Sequence[str],
        advance: Advance,
        *,
        read_stdout: bool = True,
        stdin: int = subprocess.DEVNULL,
    ) -> Child:
        """One more process of this run, with the threads that drain its pipes. `read_stdout`: also its output."""
        order, group = self._order, self._group
        process = sandbox.confined(
            lambda: subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=order.stdout_to or subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._runner.environment,
                process_group=group.number,
            ),
            reach=self._runner.reach_of(argv[0], writes=order.writes),
            group=group.number,
        )
        self._limits.put_on(process.pid)
        assert process.stderr is not None
        child = Child(
            process,
            tuple(argv),
            group.number or process.pid,
            errors=Pump(process.stderr, on_line=advance.log_line),
            output=Pump(process.stdout or io.BytesIO(), on_line=advance.progress_line, keep_bytes=order.keep_stdout),
            written=order.stdout_to,
        )
        self.children.append(child)
        child.threads.append(child.errors.start())
        if read_stdout:
            child.threads.append(child.output.start())
        return child

    def wait(self) -> None:
        """Until all have ended, or one has failed. Raises `ToolError` for a limit, `JobCancelled` when cancelled."""
        listed = 0
        advance = self.advance
        while any(child.process.poll() is None for child in self.children):
            if any(child.process.poll() not in (None, 0) for child in self.children):
                # The others would wait for it, or finish something that nobody wants.
                end_children(self.children)
                break
            if self._runner.cancelled.wait(0.01 if self.seconds_since_start() < 1 else 0.1):
                raise JobCancelled
            if self.children[0].listed > listed:
                listed, advance.moved = self.children[0].listed, time.monotonic()
            self._require_within_limits()
        # What a tool has started and left behind would hold its pipes open.
        self._group.kill()
        for child in self.children:
            for thread in child.threads:
                thread.join(timeout=10)
        self._require_short_output()

    def _require_within_limits(self) -> None:
        self._require_short_output()
        now = time.monotonic()
        if now - self.advance.started > self._seconds:
            raise self._given_up(f"passed its limit of {self._seconds:.0f} s")
        if now - self.advance.moved > self._runner.stall_seconds:
            raise self._given_up(f"made no progress for {self._runner.stall_seconds:.0f} s")

    def _require_short_output(self) -> None:
        if any(child.output.overflowed for child in self.children):
            raise self._given_up(f"printed more than {DOCUMENT_BYTES >> 20} MiB", "output")

    def _given_up(self, reason: str, passed: Passed | None = None) -> ToolError:
        first = self.children[0]
        return ToolError(self._order.label, argv=first.argv, log=first.log(), reason=reason, passed=passed)


def tee(main: Child, readers: Iterable[Child], advance: Advance) -> threading.Thread:
    """Copies the main child's output to every reader; a reader that has gone away does not stop the others."""
    source = main.output.stream
    pipes = [reader.process.stdin for reader in readers if reader.process.stdin is not None]

    def copy() -> None:
        alive = list(pipes)
        while chunk := source.read(1 << 17):
            advance.log_line("")
            for pipe in list(alive):
                try:
                    pipe.write(chunk)
                except BrokenPipeError:
                    alive.remove(pipe)
        for pipe in pipes:
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


class Reading:
    """Lets a function read a child's standard output in a thread of its own; every read counts as progress."""

    def __init__(self, child: Child, reader: Reader, advance: Advance) -> None:
        self._stream = child.output.stream
        self._reader = reader
        self._advance = advance
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the end of the output; raises what the function raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _take(self, size: int) -> bytes:
        self._advance.log_line("")
        return self._stream.read(size)

    def _run(self) -> None:
        try:
            self._reader(self._take)
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the run is waited for
            self._failure = failure
        # Who stopped early must not leave the child waiting for a reader.
        while self._stream.read(PIPE_BYTES):
            pass


def end_children(children: Sequence[Child]) -> None:
    """SIGKILL to every group, then reap: a killed encode leaves nothing that is worth a graceful end."""
    for group in {child.group for child in children}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for child in children:
        # A process that waits inside of a driver does not end when it is killed: it is left to the machine.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(KILL_SECONDS)


def raise_first_failure(children: Sequence[Child], label: str, folders: Iterable[Path] = ()) -> None:
    """The first child that failed by itself: not one that was killed, or lost its reader, because another failed.

    Raises `ToolError`, `OutOfMemory`, `ToolKilled`, and `StorageError` when the disk of the `folders` that they write
    to is full.
    """

    def consequence(child: Child) -> bool:
        return child.process.returncode < 0 or "Broken pipe" in cause_of(child.log())

    failed = [
        child
        for child in children
        if child.process.returncode != 0 or ffmpeg_words.UNFINISHED in "\n".join(child.log())
    ]
    for child in sorted(failed, key=consequence):
        log, passed = child.log(), child.passed()
        reason = cause_of(log) or _silent_end(child.process.returncode)
        if any(_DISK_FULL.search(line) for each in failed for line in each.log()) or _is_full(folders):
            raise disk_full(label, detail=f"{reason}\n" + "\n".join(log[:40]))
        # Nobody else sends that signal to a tool that this process has not given up.
        was_killed = child.process.returncode == -signal.SIGKILL and passed is None
        kind = OutOfMemory if was_killed or passed == "memory" else ToolError
        error = kind(label, argv=child.argv, exit_code=child.process.returncode, log=log, reason=reason, passed=passed)
        raise ToolKilled(error) if isinstance(error, OutOfMemory) and was_killed else error


def _is_full(folders: Iterable[Path]) -> bool:
    """Whether a disk that a run writes to has no room left. Not every tool says why it could not write."""
    for folder in folders:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(folder).free < FULL_BYTES:
                return True
    return False


def _silent_end(code: int) -> str:
    return f"it was ended by {signal_name(-code)}" if code < 0 else f"exit code {code}, and no reason given"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
