"""Running processes: their pipes, their logs, their progress, how they end and why they failed.

In: a child with the threads that drain it, the group that a run's processes are in, and the first failure of several.
The tools of one run are in a process *group* of their own, which they and what they start cannot leave, so that ending
the run takes all of it along; they stay in the worker's *session*, so that whoever supervises the worker finds what a
killed worker left behind. Out: which tool is run with which limits (`tools.py`), and what it may touch (`sandbox.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, ClassVar

from codex_assets.errors import Passed, ToolError
from codex_assets.media import ffmpeg_words
from codex_assets.system import sandbox

KILL_SECONDS = 10.0
"""How long a killed process is waited for."""
LOG_LINES_KEPT = 400
LOG_LINE_BYTES = 4096
"""A longer line is kept in parts: what a tool says of a file may be what the file says."""
DOCUMENT_BYTES = 64 << 20
"""Most that a tool may print where all of it is held in memory."""
STRAYS_SECONDS = 3.0
"""How long is tried to end what ends and starts itself anew."""

_TAGGED = re.compile(r"\[(panic|fatal|error)\] ")
_COURSE = re.compile(r"\[(warning|info|verbose|debug|trace)\] |^(Stream mapping:|Input #|Output #|Press \[q\]|  )")
_OUT_OF_MEMORY = re.compile(r"Cannot allocate memory|\bmalloc of size \d+ failed|std::bad_alloc")
_SIGNALLED = 123
"""ffmpeg's exit status when it was asked to end more than three times."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: media seconds written of `total` (None when unknown) and speed against real time."""

    label: str
    seconds: float
    total: float | None
    speed: float | None

    @property
    def fraction(self) -> float | None:
        if not self.total:
            return None
        return min(1.0, max(0.0, self.seconds / self.total))


@dataclass(frozen=True)
class ToolRun:
    """A finished run: tagged log lines in order, standard output, wall seconds."""

    log: tuple[str, ...]
    stdout: bytes
    seconds: float


@dataclass
class Pump:
    """Drains one pipe of a child in a thread; keeps the first errors and the last lines."""

    stream: IO[bytes]
    on_line: Callable[[str], None] | None = None
    keep_bytes: bool = False
    overflowed: bool = False
    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES_KEPT))
    data: bytearray = field(default_factory=bytearray)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        if self.keep_bytes:
            while chunk := self.stream.read(1 << 16):
                if self.overflowed or len(self.data) + len(chunk) > DOCUMENT_BYTES:
                    # Read on, so that the process does not wait; it is ended by whoever watches.
                    self.overflowed = True
                    continue
                self.data += chunk
            return
        while raw := self.stream.readline(LOG_LINE_BYTES):
            line = raw.decode("utf-8", "replace").rstrip()
            if self.on_line is not None:
                self.on_line(line)
            if _TAGGED.search(line) and len(self.head) < LOG_LINES_KEPT:
                self.head.append(line)
            self.tail.append(line)


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
        told = f"received signal {signal.SIGXCPU.value}."
        if self.process.returncode in (-signal.SIGXCPU, _SIGNALLED) or any(told in line for line in self.log()):
            return "time"
        # The machine itself does not run out like this: it kills.
        short = self.process.returncode != 0 and any(_OUT_OF_MEMORY.search(line) for line in self.log())
        return "memory" if short else None

    def log(self) -> list[str]:
        """The lines tagged as errors first (the first of them is the cause), then the last ones."""
        first = set(self.errors.head)
        return [*self.errors.head, *(line for line in self.errors.tail if line not in first)]


class Advance:
    """What a run has said of its progress; `moved` is when it last said something new."""

    def __init__(
        self,
        label: str,
        total: float | None,
        report: Callable[[Progress], None] | None,
        started: float,
        on_log: Callable[[str], None] | None = None,
    ) -> None:
        self.label, self.total, self.report = label, total, report
        self._on_log = on_log
        self.started = self.moved = started
        self._seen: tuple[float, str] = (-1.0, "")
        self._seconds = 0.0
        self._frame = ""
        self._speed: float | None = None

    def heard(self, line: str) -> None:
        self.moved = time.monotonic()
        if self._on_log is not None:
            self._on_log(line)

    def line(self, line: str) -> None:
        name, _, value = line.partition("=")
        value = value.strip()
        if name in ("out_time_us", "out_time_ms") and re.fullmatch("-?[0-9]{1,19}", value):
            self._seconds = max(self._seconds, int(value) / 1e6)
        elif name == "frame":
            self._frame = value
        elif name == "speed":
            number = value.rstrip("x")
            self._speed = float(number) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?(e[+-]?[0-9]{1,2})?", number) else None
        elif name == "progress":
            now = (self._seconds, self._frame)
            if now != self._seen:
                self._seen = now
                self.moved = time.monotonic()
            if self.report is not None:
                self.report(Progress(self.label, self._seconds, self.total, self._speed))


def tee(main: Child, readers: Iterable[Child], advance: Advance) -> threading.Thread:
    """Copies the main child's output to every reader; a reader that has gone away does not stop the others."""
    source = main.output.stream
    pipes = [reader.process.stdin for reader in readers if reader.process.stdin is not None]

    def copy() -> None:
        alive = list(pipes)
        while chunk := source.read(1 << 17):
            advance.heard("")
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


def end_children(children: Sequence[Child]) -> None:
    """SIGKILL to every group, then reap: a killed encode leaves nothing that is worth a graceful end."""
    for group in {child.group for child in children}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for child in children:
        # A process that waits inside of a driver does not end when it is killed: it is left to the machine.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(KILL_SECONDS)


def raise_first_failure(children: Sequence[Child], label: str) -> None:
    """The first child that failed by itself: not one that was killed, or lost its reader, because another failed."""

    def consequence(child: Child) -> bool:
        return child.process.returncode < 0 or "Broken pipe" in cause_of(child.log())

    failed = [
        child
        for child in children
        if child.process.returncode != 0 or ffmpeg_words.UNFINISHED in "\n".join(child.log())
    ]
    for child in sorted(failed, key=consequence):
        raise ToolError(
            label,
            argv=child.argv,
            exit_code=child.process.returncode,
            log=child.log(),
            reason=cause_of(child.log()) or _silent_end(child.process.returncode),
            passed=child.passed(),
        )


def _silent_end(code: int) -> str:
    return f"it was ended by {signal_name(-code)}" if code < 0 else f"exit code {code}, and no reason given"


def cause_of(log: Sequence[str]) -> str:
    """The first error line without its tags: `[h264_nvenc @ 0x55] [error] Cannot load ...` -> `Cannot load ...`.

    Without one, the first line of a tool that has no tags. What ffmpeg says of its course explains no failure.
    """
    for line in log:
        if _TAGGED.search(line):
            return re.sub(r"^(\[[^\]]*\] )+", "", line)
    return next((line for line in log if not _COURSE.search(line)), "")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
