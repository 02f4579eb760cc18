"""What a run prints while it runs: its log, its progress, and which line says why it failed.

In: the threads that drain pipes, ffmpeg's `-progress`, the tags of its log. Out: processes (`process.py`), and what a
line means for an upload (`media/ffmpeg_words.py`).
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

LOG_LINES_KEPT = 400
LOG_LINE_BYTES = 4096
"""A longer line is kept in parts: what a tool says of a file may be what the file says."""
DOCUMENT_BYTES = 64 << 20
"""Most that a tool may print where all of it is held in memory."""

TAGGED_AS_ERROR = re.compile(r"\[(panic|fatal|error)\] ")
_COURSE = re.compile(r"\[(warning|info|verbose|debug|trace)\] |^(Stream mapping:|Input #|Output #|Press \[q\]|  )")


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
            if TAGGED_AS_ERROR.search(line) and len(self.head) < LOG_LINES_KEPT:
                self.head.append(line)
            self.tail.append(line)


class Advance:
    """How far a run says that it is.

    `started`, `moved`: when it began and when it last said something new (`time.monotonic`). `report` gets each
    `Progress`, `on_log` each line of the log.
    """

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

    def log_line(self, line: str) -> None:
        """A line of the log: the run is alive."""
        self.moved = time.monotonic()
        if self._on_log is not None:
            self._on_log(line)

    def progress_line(self, line: str) -> None:
        """A line of `-progress`: `name=value`, ended by `progress=continue` or `progress=end`."""
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


def cause_of(log: Sequence[str]) -> str:
    """The first error line without its tags: `[h264_nvenc @ 0x55] [error] Cannot load ...` -> `Cannot load ...`.

    Without one, the first line of a tool that has no tags. What ffmpeg says of its course explains no failure.
    """
    for line in log:
        if TAGGED_AS_ERROR.search(line):
            return re.sub(r"^(\[[^\]]*\] )+", "", line)
    return next((line for line in log if not _COURSE.search(line)), "")
