"""Reads the packets of an upload: which of its tracks a player would play, and whether its clock is one throughout.

In: what the packets say, read here from the file itself, whatever was read of it when it was examined. Out: comparing
what is decoded (`upload_pictures.py`, `upload_sound.py`), and what has to be there (`rules/upload.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from codex_assets.media.facts import RESTARTING_CLOCKS
from codex_assets.media.fields import parse_seconds, parse_whole
from codex_assets.media.input_flags import input_arguments
from codex_assets.verification.observe.decoder import Decoder

WHOLE_LOOK = ("-probesize", str(1 << 30), "-analyzeduration", str(10**12))
"""A look at as much of a file as there may be in memory (bytes), however long that lasts (microseconds)."""
JOINED_SECONDS = 10.0
"""ffmpeg takes a longer step of any track for a jump of the clock."""
BACK_SECONDS = 1.0
BESIDE_SECONDS = 3.0
"""Of another track in a gap; less is how far a multiplexer may be ahead."""
UNCOVERED_SECONDS = 600.0
"""Of a gap in which no other track shows anything: nobody knows how long it was."""


@dataclass
class _PacketRun:
    """A part of a track without a long step: its first and last moment."""

    first: float
    last: float


@dataclass(frozen=True)
class UploadPackets:
    """What an upload's packets say. `picture`, `sound`: whether a player would play one. `whole_look`: whether a tool
    finds it only when it looks at all of the file. `is_one_clock`: whether times have to be taken as they
    stand, because a track pauses for long or begins late; None where nobody knows."""

    picture: bool
    sound: bool
    whole_look: bool = False
    is_one_clock: bool | None = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is there, as words."""
        return (*(["picture"] if self.picture else []), *(["sound"] if self.sound else []))


def read_upload(
    decoder: Decoder, path: Path, container: str, used: Collection[int], codecs: Collection[str] | None = None
) -> UploadPackets:
    """`container`: the names of its demuxer; `used`: the numbers of the tracks that are compared; `codecs`: those of
    the tracks that are known, whose decoders alone are opened. Raises `ToolError` when it cannot be read."""
    streams, runs, count = _read(decoder, path, container, (), codecs)
    whole = len(streams) < count or any(_is_formless(stream) and _has_packets(stream, runs) for stream in streams)
    if whole:
        # Tracks that begin late, of whatever codec.
        streams, runs, _ = _read(decoder, path, container, WHOLE_LOOK, None)
    played = {str(stream.get("codec_type")) for stream in streams if _is_played(stream) and _has_packets(stream, runs)}
    one_clock: bool | None = False
    if set(container.split(",")) & set(RESTARTING_CLOCKS):
        # Of a sound that begins late and is decoded alone, ffmpeg 7 makes one that begins at once.
        one_clock = _is_one_clock([runs[index] for index in used if index in runs], without_steps=whole)
    return UploadPackets("video" in played, "audio" in played, whole, one_clock)


def _read(
    decoder: Decoder, path: Path, container: str, look: Sequence[str], codecs: Collection[str] | None
) -> tuple[list[Mapping[str, Any]], dict[int, list[_PacketRun]], int]:
    """The streams of a file, the runs of each by its number, and how many streams there are after the last packet."""
    opened = [*look, *input_arguments(str(path), probing=True, container=container, codecs=codecs)]
    document = decoder.probe_input(["-show_streams", *opened])
    fields = "packet=stream_index,pts_time,dts_time:format=nb_streams"
    lines = decoder.lines(
        ["-show_entries", fields, "-of", "csv=p=0", *opened],
        label="reading the upload's packets",
        size=path.stat().st_size,
    )
    streams: list[Mapping[str, Any]] = [stream for stream in document.get("streams", []) if isinstance(stream, dict)]
    runs, count = _runs(lines)
    return streams, runs, count


def _runs(lines: Iterable[str]) -> tuple[dict[int, list[_PacketRun]], int]:
    runs: dict[int, list[_PacketRun]] = {}
    count = 0
    for line in lines:
        parts = [part for part in line.split(",") if part]
        if len(parts) == 1:
            count = parse_whole(parts[0]) or count
        if len(parts) < 3 or not parts[0].isdecimal():
            continue
        moment = parse_seconds(parts[2] if parts[2] != "N/A" else parts[1], signed=True)
        if moment is None:
            runs.setdefault(int(parts[0]), [])
            continue
        track = runs.setdefault(int(parts[0]), [])
        if not track or not -BACK_SECONDS <= moment - track[-1].last <= JOINED_SECONDS:
            track.append(_PacketRun(moment, moment))
        track[-1].last = max(track[-1].last, moment)
    return runs, count


def _is_one_clock(tracks: Sequence[Sequence[_PacketRun]], *, without_steps: bool) -> bool | None:
    """Whether each long step of a track is a pause in which another one runs on; None where some are and some are not.
    `without_steps`: the answer where there is no long step."""
    answers = set()
    for number, runs in enumerate(tracks):
        beside = [other for position, other in enumerate(tracks) if position != number]
        late = min((each[0].first for each in beside if each), default=None)
        steps = [(before.last, after.first) for before, after in pairwise(runs)]
        if any(end < start for start, end in steps):
            return False
        if late is not None and runs and runs[0].first - late > JOINED_SECONDS:
            steps.append((late, runs[0].first))
        answers |= {_runs_on(beside, start, end) for start, end in steps}
    return answers.pop() if len(answers) == 1 else (None if answers else without_steps)


def _runs_on(tracks: Sequence[Sequence[_PacketRun]], start: float, end: float) -> bool | None:
    """Whether one of several tracks shows something between two moments; None where it is too little to say."""
    covered = max(
        (sum(max(0.0, min(run.last, end) - max(run.first, start)) for run in track) for track in tracks), default=0.0
    )
    if covered <= BESIDE_SECONDS:
        return False
    return True if end - start - covered < UNCOVERED_SECONDS else None


def _is_formless(stream: Mapping[str, Any]) -> bool:
    kind = stream.get("codec_type")
    form = stream.get("width") if kind == "video" else stream.get("sample_rate")
    return kind in ("video", "audio") and not parse_whole(form)


def _is_played(stream: Mapping[str, Any]) -> bool:
    """Whether a player would play a stream, if it has packets: no cover, and of a known form."""
    marks = stream.get("disposition")
    marks = marks if isinstance(marks, dict) else {}
    is_cover = bool(marks.get("attached_pic") or marks.get("timed_thumbnails"))
    return bool(stream.get("codec_name")) and not is_cover and not _is_formless(stream)


def _has_packets(stream: Mapping[str, Any], runs: Mapping[int, Sequence[_PacketRun]]) -> bool:
    index = parse_whole(stream.get("index"))
    return index is not None and index in runs
