"""Runs ffmpeg, ffprobe and audiowaveform.

Owns what every run has in common: global flags, stall and total limits, cancelling, and that no process outlives its
caller. What a process may touch is decided in `sandbox.py`; what the arguments mean, in `media/`; what a failure means
to a user, by whoever asked. Pipes, logs and ending a process are in `process.py`.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import io
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from codex_assets.errors import ConfigurationError, JobCancelled, Passed, ToolError
from codex_assets.system import sandbox
from codex_assets.system.process import (
    DOCUMENT_BYTES,
    LOG_LINE_BYTES,
    Advance,
    Child,
    Group,
    Progress,
    Pump,
    ToolRun,
    cause_of,
    end_children,
    raise_first_failure,
    signal_name,
    tee,
)
from codex_assets.system.sandbox import Limits, Reach

FFMPEG_GLOBALS = (
    "-hide_banner",
    "-nostdin",
    "-y",
    "-loglevel",
    "level+info",
    "-nostats",
    "-stats_period",
    "0.5",
    "-progress",
    "pipe:1",
)
STALL_SECONDS = 180.0
"""Seconds without any advance of the output after which a run is given up as stuck."""
MINIMUM_LIMIT_SECONDS = 900.0
GPU_QUERY_SECONDS = 15.0
"""A driver in trouble does not answer at all."""
SECONDS_PER_MEDIA_SECOND = 60.0
"""Total limit: this many wall seconds per second of media, at least `MINIMUM_LIMIT_SECONDS`."""
LISTING_BYTES = 2 << 30
"""...and where it lies on disk: the packets of more than a day."""
PROBE_LIMIT_SECONDS = 300.0
PROBE_CPU_SECONDS = 60
"""Reading headers and the first packets takes well under a second; nothing honest comes near."""
SCAN_BYTES_PER_SECOND = 10 << 20
"""The slowest that an input may be read to list its packets."""
PIPE_BYTES = 1 << 20
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "CUDA_VISIBLE_DEVICES",
)


def tool_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of `environ` a tool may see: enough to run and to find a GPU, nothing that could be a secret."""
    return {name: environ[name] for name in _INHERITED if name in environ}


@dataclass(frozen=True)
class Trial:
    """Whether an encode with the real options works on this machine, and if not, why (for a person).

    `hung`: it did not end by itself.
    """

    works: bool
    reason: str
    hung: bool = False


class Tools:
    """The tools of one worker. Thread-safe: several runs may be under way at once.

    `cancelled` is shared by all runs: when it is set, every run ends its process group and raises `JobCancelled`.
    `reach`: the files that a run may open, besides the system's; None: all that this user may, for what nobody else has
    made. Whoever knows the folder of a run says so with `within`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        reach: Reach | None = None,
        ffmpeg: str = "ffmpeg",
        ffprobe: str = "ffprobe",
        audiowaveform: str = "audiowaveform",
        nvidia_smi: str = "nvidia-smi",
        cancelled: threading.Event | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._environment = dict(environment)
        self._names = {"ffmpeg": ffmpeg, "ffprobe": ffprobe, "audiowaveform": audiowaveform}
        self._names["nvidia-smi"] = nvidia_smi
        self._cancelled = cancelled or threading.Event()
        self._stall_seconds = stall_seconds
        self._reach = reach

    def within(self, *folders: Path, reads: Sequence[Path] = ()) -> Tools:
        """These tools, whose runs read and write in `folders`, read `reads`, and open nothing else."""
        narrowed = copy.copy(self)
        narrowed._reach = Reach(reads=tuple(reads), writes=folders)
        return narrowed

    @property
    def cancelled(self) -> threading.Event:
        """The event that ends every run when it is set."""
        return self._cancelled

    def path(self, tool: str) -> str | None:
        """Where `tool` is, or None when this machine lacks it."""
        return shutil.which(self._names[tool], path=self._environment.get("PATH"))

    def ffmpeg(
        self,
        arguments: Sequence[str],
        *,
        label: str,
        duration: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_log: Callable[[str], None] | None = None,
    ) -> ToolRun:
        """Run ffmpeg with `arguments` after the global flags; `duration` (seconds) is what the output will last.

        `on_log` is given every line of the log, from another thread: a run keeps only the last ones.

        Raises `ToolError` on a non-zero exit, an output that could not be finished, a stall or a passed limit,
        `JobCancelled` when asked to stop.
        """
        argv = [self._require("ffmpeg"), *FFMPEG_GLOBALS, *arguments]
        return self._run(argv, label=label, duration=duration, on_progress=on_progress, on_log=on_log)

    def list_inputs(self, arguments: Sequence[str], *, label: str, on_log: Callable[[str], None]) -> None:
        """Let ffmpeg say what inputs hold: `on_log` is given the log's lines. Nothing where it cannot read them.

        Raises `ToolError` when a limit was passed, `JobCancelled` when asked to stop.
        """
        argv = [self._require("ffmpeg"), *FFMPEG_GLOBALS, *arguments]
        try:
            self._run(argv, label=label, limits=_PROBING, total_limit=PROBE_LIMIT_SECONDS, on_log=on_log)
        except ToolError as error:
            # Without an output it always ends with an error.
            if error.exit_code != 1 or error.passed is not None:
                raise

    def ffprobe(
        self, arguments: Sequence[str], *, label: str, on_log: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """ffprobe's JSON. `-v error`, never `quiet`: a failed probe has to say why, and `on_log` hears what one that
        did not fail could not read."""
        argv = [self._require("ffprobe"), "-hide_banner", "-v", "error", "-of", "json", *arguments]
        run = self._run(
            argv,
            label=label,
            keep_stdout=True,
            limits=_PROBING,
            total_limit=PROBE_LIMIT_SECONDS,
            on_log=on_log,
            writes=False,
        )
        try:
            parsed = json.loads(run.stdout.decode("utf-8", "replace") or "{}")
        except (ValueError, RecursionError):
            raise ToolError(label, argv=argv, log=run.log, reason="ffprobe printed no JSON") from None
        if not isinstance(parsed, dict):
            raise ToolError(label, argv=argv, log=run.log, reason="ffprobe printed no object")
        return parsed

    def ffprobe_lines(self, arguments: Sequence[str], *, label: str, size: int = 0) -> Iterator[str]:
        """ffprobe's output as lines, in the format that `arguments` ask for (`-of csv=p=0`, ...): for long lists.

        The run is over when this returns; the lines lie in a file without a name and are read as they are asked for.
        `size`: bytes of the input, which decide how long it may take.
        """
        argv = [self._require("ffprobe"), "-hide_banner", "-v", "error", *arguments]
        limits = replace(_PROBING, file_bytes=LISTING_BYTES, cpu_seconds=None)
        seconds = max(MINIMUM_LIMIT_SECONDS, size / SCAN_BYTES_PER_SECOND)
        listing = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed by whoever reads it to its end
        try:
            self._run(argv, label=label, stdout_to=listing, limits=limits, total_limit=seconds, writes=False)
            listing.seek(0)
        except BaseException:
            listing.close()
            raise
        return _lines(listing)

    def audiowaveform(self, arguments: Sequence[str], *, label: str) -> ToolRun:
        return self._run([self._require("audiowaveform"), *arguments], label=label)

    def decode_to_encoders(
        self,
        decode: Callable[[Sequence[str]], Sequence[str]],
        encodes: Sequence[Sequence[str]],
        *,
        label: str,
        duration: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> ToolRun:
        """One decoding ffmpeg feeds several encoding ones, each reading its own pipe on standard input.

        `decode` is given the pipes' names, one per encode, and returns the decoder's arguments. Progress is that of
        the first encode: put the slowest there. The first process that fails is raised, and ends all others.
        """
        encoders = [[self._require("ffmpeg"), *FFMPEG_GLOBALS, *one] for one in encodes]

        def source(pipes: Sequence[str]) -> list[str]:
            return [self._require("ffmpeg"), *FFMPEG_GLOBALS[:-2], *decode(pipes)]

        return self._run_piped(source, encoders, label=label, duration=duration, on_progress=on_progress)

    def decoded_to_waveforms(
        self,
        arguments: Sequence[str],
        waveforms: Sequence[Sequence[str]],
        *,
        label: str,
    ) -> ToolRun:
        """One decode, several readers: ffmpeg's standard output (`arguments` end in `-`) to each audiowaveform.

        audiowaveform exits 0 on truncated input, so the decode's own exit status counts, and is raised first.
        """
        source = [self._require("ffmpeg"), *FFMPEG_GLOBALS[:-2], *arguments]
        sinks = [[self._require("audiowaveform"), *one] for one in waveforms]
        return self._run(source, label=label, sinks=sinks)

    def try_encode(self, arguments: Sequence[str], *, timeout: float = 30.0) -> Trial:
        """Whether an encode with `arguments` works here within `timeout` seconds, and if not, how it ended.

        Never raises for the encoder's sake.
        """
        argv = [
            self._require("ffmpeg"),
            "-hide_banner",
            "-nostdin",
            "-y",
            "-loglevel",
            "level+info",
            *arguments,
        ]
        try:
            self._run(argv, label="trying the encoder", total_limit=timeout)
        except ToolError as error:
            return Trial(False, _ended(error), hung=error.exit_code is None)
        return Trial(True, "a trial encode with the real options succeeded")

    def version(self, tool: str) -> str | None:
        """The version that `tool` prints of itself, or None when it is missing."""
        path = self.path(tool)
        if path is None:
            return None
        flag = "--version" if tool == "audiowaveform" else "-version"
        run = self._run([path, flag], label=f"asking {tool} for its version", keep_stdout=True)
        text = run.stdout.decode("utf-8", "replace") or "\n".join(run.log)
        first = text.splitlines()[0] if text else ""
        found = re.search(r"v?(\d+\.\d[^\s,]*)", first)
        return found.group(1) if found else first or None

    def gpu(self) -> str | None:
        """The model of the first GPU that the driver tells of, or None where there is no driver or no GPU."""
        told = self.nvidia_smi("name")
        return told[0] if told else None

    def nvidia_smi(self, *fields: str) -> list[str]:
        """What the driver says of each GPU, such as `name` or `driver_version`; empty without one."""
        try:
            return self.query_gpus(*fields)
        except ToolError:
            return []

    def query_gpus(self, *fields: str) -> list[str]:
        """The same. Raises `ToolError` with the driver's own words when there is a tool and it fails."""
        path = self.path("nvidia-smi")
        if path is None:
            return []
        argv = [path, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
        # It prints its complaints to standard output. In memory: a machine may lack a temporary directory as well.
        with os.fdopen(os.memfd_create("gpus"), "w+b") as listing:
            try:
                self._run(argv, label="asking for the GPU", stdout_to=listing, total_limit=GPU_QUERY_SECONDS)
            except ToolError as error:
                printed = _printed(listing)
                raise ToolError(
                    error.label, argv=argv, log=printed, reason="; ".join(printed) or error.reason
                ) from None
            return _printed(listing)

    def encoders(self) -> frozenset[str]:
        """Names of the encoders that ffmpeg was built with. Listed is not usable: see `try_encode`."""
        argv = [self._require("ffmpeg"), "-hide_banner", "-loglevel", "error", "-encoders"]
        run = self._run(argv, label="listing encoders", keep_stdout=True)
        return frozenset(
            re.findall(r"^ [VAS][F.][S.][X.][B.][D.] (\S+)", run.stdout.decode("utf-8", "replace"), re.MULTILINE)
        )

    def filters(self) -> frozenset[str]:
        """Names of the filters that ffmpeg was built with."""
        argv = [self._require("ffmpeg"), "-hide_banner", "-loglevel", "error", "-filters"]
        run = self._run(argv, label="listing filters", keep_stdout=True)
        return frozenset(re.findall(r"^ [T.][S.][C.] (\S+)", run.stdout.decode("utf-8", "replace"), re.MULTILINE))

    def _require(self, tool: str) -> str:
        path = self.path(tool)
        if path is None:
            raise ConfigurationError(f"The worker lacks {tool}; run `codex-assets doctor` on it.")
        return path

    def _run(
        self,
        argv: Sequence[str],
        *,
        label: str,
        duration: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        keep_stdout: bool = False,
        sinks: Sequence[Sequence[str]] = (),
        total_limit: float | None = None,
        on_log: Callable[[str], None] | None = None,
        limits: Limits | None = None,
        stdout_to: IO[bytes] | None = None,
        writes: bool = True,
    ) -> ToolRun:
        if self._cancelled.is_set():
            raise JobCancelled
        started = time.monotonic()
        limit = total_limit or _total_limit(duration)
        limits = limits or _limits(duration, limit)
        advance = Advance(label, duration, on_progress, started, on_log)
        children: list[Child] = []
        group = Group()
        try:
            main = self._start(
                argv,
                children,
                advance,
                limits,
                group,
                writes=writes,
                keep_stdout=keep_stdout,
                read_stdout=not sinks,
                stdout_to=stdout_to,
            )
            for sink in sinks:
                self._start(sink, children, advance, limits, group, stdin=subprocess.PIPE)
            if sinks:
                main.threads.append(tee(main, children[1:], advance))
            self._wait(children, group, label, advance, limit)
        except BaseException:
            end_children(children)
            raise
        finally:
            group.close()
        raise_first_failure(children, label)
        return ToolRun(tuple(main.errors.tail), bytes(main.output.data), time.monotonic() - started)

    def _run_piped(
        self,
        source: Callable[[Sequence[str]], Sequence[str]],
        encoders: Sequence[Sequence[str]],
        *,
        label: str,
        duration: float | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> ToolRun:
        if self._cancelled.is_set():
            raise JobCancelled
        started = time.monotonic()
        limit = _total_limit(duration)
        limits = _limits(duration, limit)
        advance = Advance(label, duration, on_progress, started)
        quiet = Advance(label, duration, None, started)
        children: list[Child] = []
        ends: list[int] = []
        group = Group()
        try:
            writers = []
            for number, encoder in enumerate(encoders):
                reader, writer = os.pipe()
                ends += [reader, writer]
                writers.append(writer)
                with contextlib.suppress(OSError):
                    # A bigger pipe means fewer switches per picture; the limit for a user may forbid it.
                    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
                self._start(encoder, children, advance if number == 0 else quiet, limits, group, stdin=reader)
                os.close(reader)
                ends.remove(reader)
            argv = source([f"pipe:{writer}" for writer in writers])
            decoder = self._start(argv, children, quiet, limits, group, pass_fds=writers)
            for writer in writers:
                os.close(writer)
                ends.remove(writer)
            # The decoder first: when it dies, what the encoders say of it is a consequence.
            children.insert(0, children.pop(children.index(decoder)))
            self._wait(children, group, label, advance, limit)
        except BaseException:
            for end in ends:
                os.close(end)
            end_children(children)
            raise
        finally:
            group.close()
        raise_first_failure(children, label)
        log = tuple(line for child in children for line in child.errors.tail)
        return ToolRun(log, b"", time.monotonic() - started)

    def _start(
        self,
        argv: Sequence[str],
        children: list[Child],
        advance: Advance,
        limits: Limits,
        group: Group,
        *,
        keep_stdout: bool = False,
        read_stdout: bool = True,
        stdout_to: IO[bytes] | None = None,
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        writes: bool = True,
    ) -> Child:
        process = sandbox.confined(
            lambda: subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=stdout_to or subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                process_group=group.number,
                pass_fds=tuple(pass_fds),
            ),
            reach=self._reach_of(argv[0], writes=writes),
            group=group.number,
        )
        limits.put_on(process.pid)
        assert process.stderr is not None
        child = Child(
            process,
            tuple(argv),
            group.number or process.pid,
            errors=Pump(process.stderr, on_line=advance.heard),
            output=Pump(process.stdout or io.BytesIO(), on_line=advance.line, keep_bytes=keep_stdout),
            written=stdout_to,
        )
        children.append(child)
        child.threads.append(child.errors.start())
        if read_stdout:
            child.threads.append(child.output.start())
        return child

    def _reach_of(self, program: str, *, writes: bool) -> Reach | None:
        """What a run of `program` reaches; without `writes` it only reads."""
        if self._reach is None:
            return None
        programs = sandbox.programs_of(self._environment, program)
        reach = replace(self._reach, programs=programs)
        return reach if writes else replace(reach, reads=(*reach.reads, *reach.writes), writes=())

    def _wait(self, children: Sequence[Child], group: Group, label: str, advance: Advance, limit: float) -> None:
        def given_up(reason: str, passed: Passed | None = None) -> ToolError:
            return ToolError(label, argv=children[0].argv, log=children[0].log(), reason=reason, passed=passed)

        listed = 0
        while any(child.process.poll() is None for child in children):
            if any(child.process.poll() not in (None, 0) for child in children):
                # The others would wait for it, or finish something that nobody wants.
                end_children(children)
                break
            if self._cancelled.wait(0.01 if time.monotonic() - advance.started < 1 else 0.1):
                raise JobCancelled
            now = time.monotonic()
            if any(child.output.overflowed for child in children):
                raise given_up(f"printed more than {DOCUMENT_BYTES >> 20} MiB", "output")
            if children[0].listed > listed:
                listed, advance.moved = children[0].listed, now
            if now - advance.started > limit:
                raise given_up(f"passed its limit of {limit:.0f} s")
            if now - advance.moved > self._stall_seconds:
                raise given_up(f"made no progress for {self._stall_seconds:.0f} s")
        # What a tool has started and left behind would hold its pipes open.
        group.kill()
        for child in children:
            for thread in child.threads:
                thread.join(timeout=10)
        if any(child.output.overflowed for child in children):
            raise given_up(f"printed more than {DOCUMENT_BYTES >> 20} MiB", "output")


_PROBING = Limits(data_bytes=sandbox.PROBE_DATA_BYTES, cpu_seconds=PROBE_CPU_SECONDS)


def _total_limit(duration: float | None) -> float:
    """Wall seconds that a run may take which writes `duration` seconds of media."""
    return max(MINIMUM_LIMIT_SECONDS, SECONDS_PER_MEDIA_SECOND * (duration or 0.0))


def _limits(duration: float | None, seconds: float) -> Limits:
    """Of a run that writes `duration` seconds of media in at most so many `seconds`."""
    size = sandbox.FILE_BYTES + sandbox.FILE_BYTES_PER_SECOND * math.ceil(duration or 0.0)
    return Limits(file_bytes=size, cpu_seconds=math.ceil(seconds) * (os.cpu_count() or 1))


def _printed(listing: IO[bytes]) -> list[str]:
    """The lines of a short text that are not empty."""
    listing.seek(0)
    text = listing.read(LOG_LINE_BYTES).decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _lines(listing: IO[bytes]) -> Iterator[str]:
    with listing:
        while raw := listing.readline(LOG_LINE_BYTES):
            yield raw.decode("utf-8", "replace").rstrip("\r\n")


def _ended(error: ToolError) -> str:
    """How a trial ended that did not work: what the tool said, a crash by its signal, a hang by its time."""
    said = cause_of(error.log)
    if error.exit_code is None:
        return f"it hung: it {error.reason}" + (f" (it last said: {said})" if said else "")
    if error.exit_code < 0:
        return f"it crashed ({signal_name(-error.exit_code)})" + (f" after it had said: {said}" if said else "")
    return said or f"it ended with exit code {error.exit_code} and gave no reason"
