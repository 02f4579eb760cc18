"""Runs ffmpeg, ffprobe and audiowaveform.

Owns what is asked of each tool: its global flags, what of its output is read, and what it says of itself. How a process
is run is in `process.py`, how long it may take in `run_limits.py`, what it may touch in `sandbox.py`. What the
arguments mean is in `media/`, and whoever asks for a run says what a failure of it means to a user.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from codex_assets.errors import ConfigurationError, ToolError, ToolKilled
from codex_assets.system import run_limits, scratch
from codex_assets.system.process import Reader, Runner, RunOrder, ToolRun, signal_name
from codex_assets.system.run_limits import STALL_SECONDS
from codex_assets.system.run_output import LOG_LINE_BYTES, Progress, cause_of
from codex_assets.system.sandbox import Reach

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


LIBRARIES = "/etc/ld.so.cache"
"""The loader's list of the shared libraries of this machine."""
_Answer = TypeVar("_Answer")
_SAID: dict[Any, Any] = {}
"""What tools said of themselves (`Tools._remembered`)."""


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
        self._names = {"ffmpeg": ffmpeg, "ffprobe": ffprobe, "audiowaveform": audiowaveform}
        self._names["nvidia-smi"] = nvidia_smi
        self._scratch: Path | None = None
        """What runs write for a moment goes there; None: to the system's own place."""
        self._runner = Runner(environment, reach, cancelled or threading.Event(), stall_seconds)

    def within(self, *folders: Path, reads: Sequence[Path] = ()) -> Tools:
        """These tools, whose runs read and write in `folders`, read `reads`, and open nothing else."""
        narrowed = copy.copy(self)
        narrowed._scratch = folders[0] if folders else None
        narrowed._runner = self._runner.within(Reach(reads=tuple(reads), writes=folders), narrowed._scratch)
        return narrowed

    @property
    def cancelled(self) -> threading.Event:
        """The event that ends every run when it is set."""
        return self._runner.cancelled

    def ending_with(self, cancelled: threading.Event) -> Tools:
        """These tools, whose runs end when this event is set."""
        same = copy.copy(self)
        same._runner = self._runner.ending_with(cancelled)
        return same

    def with_ffmpeg(self, program: str) -> Tools:
        """These tools, with another ffmpeg."""
        other = copy.copy(self)
        other._names = {**self._names, "ffmpeg": program}
        return other

    def path(self, tool: str) -> str | None:
        """Where `tool` is, or None when this machine lacks it."""
        return shutil.which(self._names[tool], path=self._runner.environment.get("PATH"))

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
        return self._runner.run(argv, RunOrder(label, duration, on_progress, on_log))

    def ffmpeg_into(
        self, arguments: Sequence[str], read: Reader, *, label: str, duration: float | None = None
    ) -> ToolRun:
        """Run ffmpeg whose output (`arguments` end in `-`) is read by `read`, in another thread.

        `duration`: seconds of media that it decodes. Raises as `ffmpeg`, and what `read` raises.
        """
        argv = [self._require("ffmpeg"), *FFMPEG_GLOBALS[:-2], *arguments]
        return self._runner.run(argv, RunOrder(label, duration, read=read))

    def list_inputs(self, arguments: Sequence[str], *, label: str, on_log: Callable[[str], None]) -> None:
        """Let ffmpeg say what inputs hold: `on_log` is given the log's lines. Nothing where it cannot read them.

        Raises `ToolError` when a limit was passed, `JobCancelled` when asked to stop.
        """
        argv = [self._require("ffmpeg"), *FFMPEG_GLOBALS, *arguments]
        try:
            self._runner.run(argv, _probing(label, on_log=on_log))
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
        run = self._runner.run(argv, _probing(label, on_log=on_log, keep_stdout=True, writes=False))
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
        limits = replace(run_limits.PROBING, file_bytes=run_limits.LISTING_BYTES, cpu_seconds=None)
        listing = scratch.unnamed_file(self._scratch)
        try:
            seconds = run_limits.scan_limit(size)
            self._runner.run(argv, RunOrder(label, stdout_to=listing, limits=limits, seconds=seconds, writes=False))
            listing.seek(0)
        except BaseException:
            listing.close()
            raise
        return _lines(listing)

    def audiowaveform(self, arguments: Sequence[str], *, label: str) -> ToolRun:
        return self._runner.run([self._require("audiowaveform"), *arguments], RunOrder(label))

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
        sinks = [[self._require("audiowaveform"), *reading] for reading in waveforms]
        return self._runner.run(source, RunOrder(label), sinks)

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
            self._runner.run(argv, RunOrder("trying the encoder", seconds=timeout))
        except ToolKilled as error:
            return Trial(False, f"the machine ended it: {error.public}")
        except ToolError as error:
            return Trial(False, _ended(error), hung=error.exit_code is None)
        return Trial(True, "a trial encode with the real options succeeded")

    def version(self, tool: str) -> str | None:
        """The version that `tool` prints of itself, or None when it is missing.

        `x264` is the library that ffmpeg encodes with: its version is what it writes into a picture.
        """
        path = self.path("ffmpeg" if tool == "x264" else tool)
        if path is None:
            return None
        ask = self._x264_version if tool == "x264" else partial(self._version, tool, path)
        return self._remembered(path, f"version of {tool}", ask)

    def _version(self, tool: str, path: str) -> str | None:
        flag = "--version" if tool == "audiowaveform" else "-version"
        run = self._runner.run([path, flag], RunOrder(f"asking {tool} for its version", keep_stdout=True))
        text = run.stdout.decode("utf-8", "replace") or "\n".join(run.log)
        first = text.splitlines()[0] if text else ""
        number = re.search(r"v?(\d+\.\d[^\s,]*)", first)
        return number[1] if number else first or None

    def versions(self) -> dict[str, str]:
        """The versions of the tools that make outputs, of those that are there."""
        known = {tool: self.version(tool) for tool in ("ffmpeg", "x264", "audiowaveform")}
        return {tool: version for tool, version in known.items() if version is not None}

    def _x264_version(self) -> str | None:
        argv = [self._require("ffmpeg"), "-hide_banner", "-nostdin", "-loglevel", "error"]
        argv += ["-f", "lavfi", "-i", "color=size=16x16", "-frames:v", "1", "-c:v", "libx264", "-f", "h264", "-"]
        try:
            run = self._runner.run(argv, RunOrder("asking x264 for its version", keep_stdout=True))
        except ToolError:
            return None
        number = re.search(rb"x264 - core (\d+(?: r\d+)?(?: [0-9a-f]+)?)", run.stdout)
        return number[1].decode() if number else None

    def gpu(self) -> str | None:
        """The model of the first GPU that the driver tells of, or None where there is no driver or no GPU."""
        names = self.nvidia_smi("name")
        return names[0] if names else None

    def nvidia_smi(self, *fields: str) -> list[str]:
        """What the driver says of each GPU, such as `name` or `driver_version`; empty without one."""
        try:
            return self.query_gpus(*fields)
        except (ToolError, ToolKilled):
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
                self._runner.run(
                    argv, RunOrder("asking for the GPU", stdout_to=listing, seconds=run_limits.GPU_QUERY_SECONDS)
                )
            except ToolError as error:
                printed = _printed(listing)
                raise ToolError(
                    error.label, argv=argv, log=printed, reason="; ".join(printed) or error.reason
                ) from None
            return _printed(listing)

    def encoders(self) -> frozenset[str]:
        """Names of the encoders that ffmpeg was built with. Listed is not usable: see `try_encode`."""
        return self._coders("encoders")

    def decoders(self) -> frozenset[str]:
        """Names of the decoders that ffmpeg was built with."""
        return self._coders("decoders")

    def filters(self) -> frozenset[str]:
        """Names of the filters that ffmpeg was built with."""
        path = self._require("ffmpeg")
        return self._remembered(path, "filters", partial(self._listed_filters, path))

    def _listed_filters(self, path: str) -> frozenset[str]:
        argv = [path, "-hide_banner", "-loglevel", "error", "-filters"]
        run = self._runner.run(argv, RunOrder("listing filters", keep_stdout=True))
        # Up to ffmpeg 7 a third mark says whether a filter takes commands.
        return frozenset(re.findall(r"^ [T.][S.][C.]? (\S+)", run.stdout.decode("utf-8", "replace"), re.MULTILINE))

    def _coders(self, kind: str) -> frozenset[str]:
        path = self._require("ffmpeg")
        return self._remembered(path, kind, partial(self._listed_coders, path, kind))

    def _remembered(self, path: str, what: str, ask: Callable[[], _Answer]) -> _Answer:
        """What a tool said of itself, asked once in a process, as long as it is the same program with the same
        libraries."""
        asked = (path, what, _identity(path), self._runner.environment.get("LD_LIBRARY_PATH"))
        if asked not in _SAID:
            _SAID[asked] = ask()
        answer: _Answer = _SAID[asked]
        return answer

    def _listed_coders(self, path: str, kind: str) -> frozenset[str]:
        argv = [path, "-hide_banner", "-loglevel", "error", f"-{kind}"]
        run = self._runner.run(argv, RunOrder(f"listing {kind}", keep_stdout=True))
        return frozenset(
            re.findall(r"^ [VAS][F.][S.][X.][B.][D.] (\S+)", run.stdout.decode("utf-8", "replace"), re.MULTILINE)
        )

    def _require(self, tool: str) -> str:
        path = self.path(tool)
        if path is None:
            raise ConfigurationError(f"The worker lacks {tool}; run `codex-assets doctor` on it.")
        return path


def _identity(path: str) -> tuple[int, ...]:
    """What changes with a program, and with the libraries of this machine: whoever installs one writes the list of them
    anew."""
    known: list[int] = []
    for each in (path, LIBRARIES):
        with suppress(OSError):
            status = os.stat(each)
            known += [status.st_ino, status.st_size, status.st_mtime_ns]
    return tuple(known)


def _probing(label: str, **asked: Any) -> RunOrder:
    """A run that reads headers and the first packets."""
    return RunOrder(label, limits=run_limits.PROBING, seconds=run_limits.PROBE_LIMIT_SECONDS, **asked)


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
