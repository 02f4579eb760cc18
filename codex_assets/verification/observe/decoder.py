"""Runs ffprobe and ffmpeg over finished files: what a file holds, its packets, and complaints about them.

In: the arguments of those runs, and what their complaints become in public. Out: what is observed of each kind of
output (`segments.py`, `mezzanine_file.py`, `pictures.py`, `sound.py`).
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any, TypeVar

from codex_assets.errors import ToolError
from codex_assets.media import ffprobe
from codex_assets.media.facts import MediaInfo
from codex_assets.system import machine, scratch, side_by_side
from codex_assets.system.process import Reader, ToolRun
from codex_assets.system.tools import Tools
from codex_assets.verification.observe.transport_stream import Packet, input_format

CACHED_RESULTS = 64

Value = TypeVar("Value")


class Decoder:
    """The tools of one worker, for reading finished files. Thread-safe.

    Every method raises `ToolError` when a tool fails, unless it says otherwise.
    """

    def __init__(self, tools: Tools, *, scratch: Path | None = None) -> None:
        """`scratch` is where it may write for a moment; None: the system's own place."""
        self._tools = tools
        self._scratch = scratch
        self._cache: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self._lock = Lock()

    def side_by_side(self, looks: Sequence[Callable[[Decoder], Value]]) -> list[Value]:
        """What several looks at files return, in their order, as many at once as there are processors. The first that
        raises ends the others, and its exception is raised."""
        if len(looks) == 1:
            return [looks[0](self)]
        work = [partial(_look, look, self) for look in looks]
        return list(side_by_side.in_order(self._tools, work, at_once=machine.processors()))

    def _running(self, tools: Tools) -> Decoder:
        """The same with other tools, which remembers what this one does."""
        other = copy(self)
        other._tools = tools
        return other

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Make an empty folder that is removed when the block ends."""
        with scratch.folder_in(self._scratch, "observe-") as folder:
            yield folder

    def unnamed_file(self) -> IO[bytes]:
        """An empty file to write into for a moment, which is gone when it is closed."""
        return scratch.unnamed_file(self._scratch)

    def run(self, arguments: Sequence[str], *, label: str, duration: float | None = None) -> ToolRun:
        """Run ffmpeg. `duration`: seconds that its output will last."""
        return self._tools.ffmpeg(arguments, label=label, duration=duration)

    def run_into(self, arguments: Sequence[str], read: Reader, *, label: str, duration: float | None = None) -> ToolRun:
        """Run ffmpeg, and let `read` read its output (`arguments` end in `-`) as it comes."""
        return self._tools.ffmpeg_into(arguments, read, label=label, duration=duration)

    def complaints_about(self, source: Sequence[str], folder: Path) -> tuple[str, ...]:
        """What the decoders complain of when they decode all pictures and sound of an input, or why they cannot.

        `folder`: where its files lie. Raises nothing.
        """
        try:
            run = self.run([*source, "-map", "0:v?", "-map", "0:a?", "-f", "null", "-"], label="decoding the segments")
        except ToolError as error:
            return (public_reason(error, folder),)
        return complaints(run.log)

    def probe(self, path: Path) -> MediaInfo:
        """What a file says of itself."""
        return ffprobe.parse(self.probe_document(path))

    def probe_document(self, path: Path) -> dict[str, Any]:
        """ffprobe's own answer, of which `probe` leaves out the tags."""
        arguments = [*input_format(path), *ffprobe.probe_arguments(str(path), trusted=True)]
        return self.remembered(path, ("probe",), lambda: self._tools.ffprobe(arguments, label="probing"))

    def lines(self, arguments: Sequence[str], *, label: str, size: int = 0) -> Iterator[str]:
        """ffprobe's answer, line by line. `size`: bytes of the input, which decide how long it may take."""
        return self._tools.ffprobe_lines(arguments, label=label, size=size)

    def probe_input(self, arguments: Sequence[str]) -> dict[str, Any]:
        """ffprobe's own answer about an input that need not be trusted: `arguments` say how it is opened."""
        return self._tools.ffprobe(arguments, label="probing the upload")

    def packets(self, source: Sequence[str], info: MediaInfo) -> dict[str, list[Packet]]:
        """All packets of an input, in stored order: under `video` those of its picture, under `audio` of its sound.

        `source`: input arguments; `info`: which streams these are.
        """
        fields = "packet=stream_index,pts_time,dts_time,duration_time,flags,size,pos"
        lines = self._tools.ffprobe_lines(["-show_entries", fields, "-of", "csv=p=0", *source], label="reading packets")
        tracks = {str(info.video.index): "video"} if info.video else {}
        if info.audio:
            tracks[str(info.audio.index)] = "audio"
        packets: dict[str, list[Packet]] = {"video": [], "audio": []}
        for line in lines:
            # stream, pts, dts, duration, size, pos, flags; side data adds empty fields and lines.
            parts = line.split(",")
            track = tracks.get(parts[0])
            if track is None or len(parts) < 7 or parts[1] == "N/A":
                continue
            packets[track].append(
                Packet(
                    float(parts[1]),
                    float(parts[3]) if parts[3] != "N/A" else 0.0,
                    int(parts[4]),
                    int(parts[5]) if parts[5] != "N/A" else None,
                    # The same few flags, of millions of packets.
                    sys.intern(parts[6]),
                )
            )
        return packets

    def remembered(self, path: Path, purpose: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """What `make` returned for this purpose and file, if that was lately and the file is the same; else what it
        returns now."""
        key = (*purpose, *_identity(path))
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]  # type: ignore[return-value]
        value = make()
        with self._lock:
            self._cache[key] = value
            while len(self._cache) > CACHED_RESULTS:
                self._cache.popitem(last=False)
        return value


def _look(look: Callable[[Decoder], Value], decoder: Decoder, tools: Tools) -> Value:
    return look(decoder._running(tools))


def _identity(path: Path) -> tuple[object, ...]:
    """By which facts a file differs from another that takes its place."""
    facts = path.stat()
    return (str(path), facts.st_size, facts.st_mtime_ns)


def path_inside(folder: Path, name: str) -> Path | None:
    """What a playlist means by `name` in its `folder`; None where it leads outside (a URL, another root, a way up)."""
    parts = name.split("/")
    if "://" in name or name.startswith("/") or ".." in parts or "\0" in name:
        return None
    # Longer names can be no file's, and asking for one is an error.
    if len(name.encode()) > 2000 or max(len(part.encode()) for part in parts) > 255:
        return None
    return folder / name


def concatenation(listing: Path, files: Sequence[Path]) -> list[str]:
    """Arguments that read `files` as one input, byte after byte; their names are written into the file `listing`.

    Timestamps stay those of the segments, and one process reads them all.
    """
    escaped = [re.sub(r"([\\'\s])", r"\\\1", str(path.resolve())) for path in files]
    # As the system spells names, which need not be text.
    listing.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in escaped))
    return [*input_format(files[0]), "-i", f"concatf:{listing}"]


DECODER = re.compile(r"^\[(?:\w+:)?(?:h264|aac|mpegts|alac|flac|mp3\w*|ac3|eac3|opus|mov,mp4\S*) @ ")


def complaints(log: Sequence[str], *, warnings: bool = False) -> tuple[str, ...]:
    """What ffmpeg tagged as errors, or a decoder as warnings (what it mends without asking is damage all the same), in
    words of ours, each once and how often. `warnings`: those of everybody."""

    def counts(line: str) -> bool:
        if REST_AT_THE_END.search(line):
            return False
        # ffmpeg says the last of whole files too, if they are small.
        if re.search(r"\[(panic|fatal|error)\] (?!EOI missing)", line):
            return True
        return bool("[warning] " in line and "EOI missing" not in line and (warnings or DECODER.match(line)))

    said = Counter(_meaning(line) for line in log if counts(line))
    return tuple(f"{words} ({number} times)" if number > 1 else words for words, number in said.items())


REST_AT_THE_END = re.compile(r"\[null @ \w+\] .*non monotonically increasing dts to muxer in stream \d+: (\d+) >= \1$")
"""ffmpeg 7's decoder of Opus dates the last samples that it kept back like those before them. Packets at one time are
found by their own times."""
PICTURES = r"\[(?:\w+:)?(?:h264|hevc|mpeg\w*video|mpeg4|vp[89]|av1|libdav1d|mjpeg|png|webp) @ "
SOUNDS = r"\[(?:\w+:)?(?:aac|mp3\w*|ac3|eac3|opus|flac|alac|vorbis) @ "
CONTAINERS = r"\[(?:\w+:)?(?:mpegts|mov,mp4\S*|matroska\S*) @ "
SPEAKERS = (
    (re.compile(PICTURES), "pictures are damaged"),
    (re.compile(SOUNDS), "sound is damaged"),
    (re.compile(CONTAINERS), "packets are damaged or out of order"),
)
"""What a complaint means, by who makes it."""
REASONS = (
    (re.compile(r"moov atom not found"), "its index is missing"),
    (re.compile(r"Invalid data found|EBML header parsing failed"), "it holds no valid data"),
    (re.compile(r"No such file or directory"), "it does not exist"),
    (re.compile(r"End of file"), "it ends too early"),
    (re.compile(r"Output file .*(?:is empty|does not contain)|matches no streams"), "it holds no such track"),
    (re.compile(r"Impossible to convert|reinitializing filters"), "its form is unknown"),
)
"""What a tool's last words mean; what this project says itself is left as it is."""


def _meaning(line: str) -> str:
    return next((words for pattern, words in SPEAKERS if pattern.search(line)), "something is damaged")


def public_reason(error: ToolError, folder: Path) -> str:
    """Why a tool failed, fit for the public and in words of ours. `folder` is where its files lay."""
    said = next((words for pattern, words in REASONS if pattern.search(error.reason)), None)
    return said or _without_paths(error.reason, folder)


def _without_paths(text: str, folder: Path) -> str:
    text = re.sub(r"^(\[[^\]]*\] )+", "", text).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    return re.sub(r"(?:concatf:)?/\S*/", "", text)
