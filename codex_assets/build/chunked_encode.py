"""Encodes rungs of a mezzanine chunk by chunk, as many at once as this machine carries, and puts the chunks together.

In: how many chunks are at work at once, and what a rung's segments are put together from. Out: where the chunks are
(`media/encode/chunks`), the arguments (`media/encode/ladder`), and which rungs there are (`ladder.py`).
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from codex_assets.build.sound import Sound
from codex_assets.media import profile
from codex_assets.media.encode import chunks, ladder
from codex_assets.media.encode.chunks import FilmChunk
from codex_assets.media.target_format import Rung
from codex_assets.system import machine, side_by_side
from codex_assets.system.process import ToolRun
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools

LABEL = "encoding the variants"
MEMORY_SHARE = 0.75
"""Of the memory that is free."""


@dataclass(frozen=True)
class WantedRung:
    """A rung to be encoded into `folder`, which is empty, with its finished sound (None: none)."""

    rung: Rung
    folder: Path
    sound: Sound | None

    @property
    def pictures(self) -> Path:
        """Where its encoded pictures lie until they are cut into segments."""
        return self.folder / "pictures.ts"

    def part(self, chunk: FilmChunk) -> Path:
        """Where those of a chunk lie."""
        return self.folder / f"pictures_{chunk.number:05d}.ts"


def encode(
    tools: Tools,
    mezzanine: Path,
    pictures: int,
    rate: Fraction,
    rungs: Sequence[WantedRung],
    encoder: profile.EncoderRow,
    *,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ToolRun:
    """The rungs' segments, with ffmpeg's own playlist, in their folders: of all `pictures` of the mezzanine, or of its
    first `limit` segments and whatever more they need. Returns the last run, with the time that all took.

    Raises as `Tools.ffmpeg`: what failed first has ended the rest.
    """
    plan = chunks.chunks(pictures, rate, segments=encoder.chunk_segments, limit=limit)
    seconds = float(plan[-1].end / rate)
    course = _ChunkProgress(seconds, on_progress)
    work = [partial(_encode_chunk, mezzanine, rungs, chunk, rate, encoder, course) for chunk in plan]
    encoded = side_by_side.in_order(tools, work, at_once=at_once(rungs))
    for chunk, _ in zip(plan, encoded, strict=True):
        for wanted in rungs:
            _append(wanted.part(chunk), wanted.pictures)
    for wanted in rungs:
        run = _segmented(tools, wanted, seconds if limit is not None else None, seconds)
        wanted.pictures.unlink()
    return replace(run, seconds=course.elapsed())


def at_once(rungs: Sequence[WantedRung]) -> int:
    """How many chunks of these rungs this machine carries: one for each processor, as far as the memory goes."""
    count, free = machine.processors(), machine.free_memory()
    pixels = sum(wanted.rung.width * wanted.rung.height for wanted in rungs)
    each = profile.CHUNK_BYTES + profile.CHUNK_BYTES_PER_PIXEL * pixels
    return count if free is None else max(1, min(count, int(free * MEMORY_SHARE) // each))


def _encode_chunk(
    mezzanine: Path,
    rungs: Sequence[WantedRung],
    chunk: FilmChunk,
    rate: Fraction,
    encoder: profile.EncoderRow,
    course: _ChunkProgress,
    tools: Tools,
) -> ToolRun:
    outputs = [(wanted.rung, str(wanted.part(chunk))) for wanted in rungs]
    return tools.ffmpeg(
        ladder.chunk_arguments(str(mezzanine), outputs, chunk, rate, encoder),
        label=LABEL,
        duration=float(chunk.pictures / rate),
        on_progress=partial(course.advanced, chunk, rate),
    )


def _segmented(tools: Tools, wanted: WantedRung, limit: float | None, seconds: float) -> ToolRun:
    sound = str(wanted.sound.path) if wanted.sound is not None else None
    arguments = ladder.segment_arguments(str(wanted.pictures), sound, str(wanted.folder), limit=limit)
    return tools.ffmpeg(arguments, label=f"cutting {wanted.rung.name} into segments", duration=seconds)


def _append(part: Path, whole: Path) -> None:
    """Transport streams are put together byte by byte: each part says by itself that a new one begins."""
    if not whole.exists():
        part.rename(whole)
        return
    with part.open("rb") as source, whole.open("ab") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    part.unlink()


class _ChunkProgress:
    """How far an encode is, whose chunks tell it from several threads."""

    def __init__(self, total: float, on_progress: Callable[[Progress], None] | None) -> None:
        self._total, self._on_progress = total, on_progress
        self._seconds: dict[int, float] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Wall seconds since it began."""
        return time.monotonic() - self._began

    def advanced(self, chunk: FilmChunk, rate: Fraction, progress: Progress) -> None:
        """A chunk has come so far."""
        if self._on_progress is None:
            return
        with self._lock:
            # Its times are the film's.
            seconds = progress.seconds - float(chunk.first / rate)
            self._seconds[chunk.number] = min(max(0.0, seconds), float(chunk.pictures / rate))
            done, elapsed = sum(self._seconds.values()), self.elapsed()
            self._on_progress(Progress(LABEL, done, self._total, done / elapsed if elapsed else None))
