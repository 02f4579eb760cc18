"""Tools that do the same work once: what a run wrote and said is kept, and given again when it is asked for again.

A job that meets a fault of a store encodes what every other one encoded; only what stands between is another. A run is
told apart by its arguments and by the bytes of the files that it reads. In: which files these are, and what is kept.
Out: runs that are ended from outside, which are
never kept, and whatever is to happen to a tool itself (`fault_kinds.py`).
"""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codex_assets.errors import ToolError
from codex_assets.system.process import Runner, RunOrder, ToolRun
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools

_PATH = re.compile(r"/[^\s:'|,;\[\]]+")
_NUMBER = re.compile(r"%0?\d*d")
TEXT_BYTES = 256 * 1024
"""A file of text that is shorter may be a list of other files."""
LONGEST_NAME = 256
"""Longer lines name no file."""


def kept(tools: Tools, folder: Path) -> Tools:
    """These tools, with their runs kept in `folder`."""
    keeping = copy.copy(tools)
    keeping._runner = _KeepingRunner(tools._runner, folder)
    return keeping


@dataclass
class _Kept:
    """A run that went well: its log and output, what it was heard saying, and the files that it wrote, by argument."""

    log: tuple[str, ...]
    stdout: bytes
    seconds: float
    lines: list[str] = field(default_factory=list)
    stream: bytes = b""
    files: list[tuple[int, str, bytes]] = field(default_factory=list)
    failure: dict[str, Any] | None = None
    """What it failed by: an ffmpeg that is only to say what it sees always does."""


class _KeepingRunner(Runner):
    def __init__(self, runner: Runner, folder: Path) -> None:
        super().__init__(runner.environment, runner._reach, runner.cancelled, runner.stall_seconds)
        self._folder = folder

    def within(self, reach: Reach, scratch: Path | None = None) -> Runner:
        return _KeepingRunner(super().within(reach, scratch), self._folder)

    def run(self, argv: Sequence[str], order: RunOrder, sinks: Sequence[Sequence[str]] = ()) -> ToolRun:
        return self._once([argv, *sinks], order, lambda heard: super(_KeepingRunner, self).run(argv, heard, sinks))

    def _once(self, commands: Sequence[Sequence[str]], order: RunOrder, run: Callable[[RunOrder], ToolRun]) -> ToolRun:
        places = _Places(commands)
        entry = self._folder / places.digest(order)
        try:
            known: _Kept = pickle.loads(entry.read_bytes())
        except OSError:
            known = self._run(places, order, run)
            self._keep(entry, known)
            return _outcome(known)
        places.write(known.files)
        for line in known.lines:
            if order.on_log is not None:
                order.on_log(line)
        if order.stdout_to is not None:
            order.stdout_to.write(known.stream)
            order.stdout_to.flush()
        if order.read is not None:
            order.read(_Stream(known.stream))
        return _outcome(known)

    def _run(self, places: _Places, order: RunOrder, run: Callable[[RunOrder], ToolRun]) -> _Kept:
        lines: list[str] = []
        stream = bytearray()

        def hear(line: str) -> None:
            lines.append(line)
            if order.on_log is not None:
                order.on_log(line)

        def read(take: Callable[[int], bytes]) -> None:
            def taken(size: int) -> bytes:
                data = take(size)
                stream.extend(data)
                return data

            assert order.read is not None
            order.read(taken)

        heard = replace(
            order, on_log=hear if order.on_log is not None else None, read=read if order.read is not None else None
        )
        try:
            done = run(heard)
        except ToolError as error:
            if error.exit_code != 1 or error.passed is not None:
                raise
            facts = {name: getattr(error, name) for name in ("label", "argv", "exit_code", "log", "reason")}
            return _Kept((), b"", 0.0, lines, failure=facts)
        if order.stdout_to is not None:
            order.stdout_to.flush()
            stream.extend(os.pread(order.stdout_to.fileno(), 1 << 30, 0))
        return _Kept(done.log, done.stdout, done.seconds, lines, bytes(stream), places.written())

    def _keep(self, entry: Path, known: _Kept) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as new:
            new.write(pickle.dumps(known))
        os.rename(new.name, entry)


def _outcome(known: _Kept) -> ToolRun:
    if known.failure is not None:
        raise ToolError(**known.failure)
    return ToolRun(known.log, known.stdout, known.seconds)


class _Stream:
    """What a tool wrote, read again."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __call__(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken


class _Places:
    """The files that a run's arguments name: those that are there are read, the others are written."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._commands = [list(command) for command in commands]
        named = [match for command in self._commands for part in command[1:] for match in _PATH.findall(part)]
        self._read = {name: _contents(Path(name)) for name in named if Path(name).is_file()}
        self._outputs = [name for name in dict.fromkeys(named) if name not in self._read]

    def digest(self, order: RunOrder) -> str:
        """Tells this run from others."""

        def described(part: str) -> str:
            def place(match: re.Match[str]) -> str:
                name = match[0]
                if name in self._read:
                    return self._read[name]
                return f"output {self._outputs.index(name)} {Path(name).name}"

            return _PATH.sub(place, part)

        parts = [[command[0], *map(described, command[1:])] for command in self._commands]
        asked = (order.keep_stdout, order.stdout_to is not None, order.read is not None, order.on_log is not None)
        return hashlib.sha256(repr((parts, asked)).encode()).hexdigest()[:32]

    def written(self) -> list[tuple[int, str, bytes]]:
        """Number of the argument, name and bytes of each file that is there now."""
        return [
            (number, path.name, path.read_bytes())
            for number, name in enumerate(self._outputs)
            for path in _matches(Path(name))
        ]

    def write(self, files: Sequence[tuple[int, str, bytes]]) -> None:
        for number, name, data in files:
            (Path(self._outputs[number]).parent / name).write_bytes(data)


def _matches(path: Path) -> Iterator[Path]:
    if _NUMBER.search(path.name):
        yield from sorted(path.parent.glob(_NUMBER.sub("*", path.name)))
    elif path.is_file():
        yield path


def _contents(path: Path) -> str:
    """A hash of a file, and of the files that it names if it is a list of files."""
    data = path.read_bytes()
    return hashlib.sha256(b"\n".join(_parts(path.parent, data) if _is_text(data) else [data])).hexdigest()


def _is_text(data: bytes) -> bool:
    """Raw pictures may have no byte of zero, but hardly any are text all the same."""
    if len(data) >= TEXT_BYTES or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parts(folder: Path, text: bytes) -> Iterator[bytes]:
    """The lines of a text, and in place of each that names a file what is in that."""
    for line in text.split(b"\n"):
        name = line.decode().strip().removeprefix("file ").strip("'")
        listed = folder / name
        is_file = 0 < len(name.encode()) < LONGEST_NAME and listed.is_file()
        yield listed.read_bytes() if is_file else line
