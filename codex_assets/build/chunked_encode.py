"""Encodes rungs of a mezzanine chunk by chunk, as many at once as this machine carries, and puts the chunks together.

In: how many chunks are at work at once, and what a rung's segments are put together from. Out: where the chunks are
(`media/encode/chunks`), the arguments (`media/encode/ladder`), and which rungs there are (`ladder.py`).
"""

from __future__ import annotations

import shutil
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
from codex_assets.system.side_by_side import SharedProgress
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
    course = SharedProgress(LABEL, seconds, 1, on_progress)
    work = [partial(_encode_chunk, mezzanine, rungs, chunk, rate, encoder, course) for chunk in plan]
    encoded = side_by_side.in_order(tools, work, at_once=at_once(rungs))
    for chunk, _ in zip(plan, encoded, strict=True):
        for wanted in rungs:
            _append(wanted.part(chunk), wanted.pictures)
    cuts = [partial(_segmented, wanted, seconds if limit is not None else None, seconds) for wanted in rungs]
    *_, run = side_by_side.in_order(tools, cuts, at_once=machine.processors())
    return replace(run, seconds=course.elapsed())


def at_once(rungs: Sequence[WantedRung]) -> int:
    """How many chunks of these rungs this machine carries: one for each processor, as far as the memory goes."""
    count, free = machine.processors(), machine.free_memory()
    pixels = sum(wanted.rung.width * wanted.rung.height for wanted in rungs)
    each = profile.CHUNK_BYTES + profile.CHUNK_BYTES_PER_PIXEL * pixels
    if free is None:
        return count
    return max(1, min(count, int(free * MEMORY_SHARE - profile.BESIDE_CHUNKS_BYTES) // each))


def _encode_chunk(
    mezzanine: Path,
    rungs: Sequence[WantedRung],
    chunk: FilmChunk,
    rate: Fraction,
    encoder: profile.EncoderRow,
    course: SharedProgress,
    tools: Tools,
) -> ToolRun:
    outputs = [(wanted.rung, str(wanted.part(chunk))) for wanted in rungs]
    first, lasts = float(chunk.first / rate), float(chunk.pictures / rate)

    def advanced(progress: Progress) -> None:
        # Its times are the film's.
        course.advanced(chunk.number, min(progress.seconds - first, lasts))

    return tools.ffmpeg(
        ladder.chunk_arguments(str(mezzanine), outputs, chunk, rate, encoder),
        label=LABEL,
        duration=lasts,
        on_progress=advanced,
    )


def _segmented(wanted: WantedRung, limit: float | None, seconds: float, tools: Tools) -> ToolRun:
    sound = str(wanted.sound.path) if wanted.sound is not None else None
    arguments = ladder.segment_arguments(str(wanted.pictures), sound, str(wanted.folder), limit=limit)
    run = tools.ffmpeg(arguments, label=f"cutting {wanted.rung.name} into segments", duration=seconds)
    wanted.pictures.unlink()
    return run


def _append(part: Path, whole: Path) -> None:
    """Transport streams are put together byte by byte: each part says by itself that a new one begins."""
    if not whole.exists():
        part.rename(whole)
        return
    with part.open("rb") as source, whole.open("ab") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    part.unlink()
