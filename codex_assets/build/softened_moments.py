"""An encoded sound whose peaks pass the limit at some moments: those are encoded again, softer, until none does.

Which moments, how much softer and where they go in is decided in `media/encode/softening.py`.
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.media import input_flags, profile
from codex_assets.media.encode import ladder, softening
from codex_assets.media.encode.aac_frames import Frames
from codex_assets.media.encode.loudness import Gain, Measurement
from codex_assets.media.encode.softening import Part, Passage
from codex_assets.system.tools import Tools

AT_ONCE = 32
"""Passages that one run of ffmpeg encodes."""


@dataclass(frozen=True)
class Heard:
    """What a finished sound measures (None: silence), and the true peak of each tenth of a second in dBTP."""

    measured: Measurement | None
    peaks: Sequence[float]
    are_peaks_lowered: bool = False
    """Whether so many moments of it were made softer that its peaks stand out less."""


@dataclass(frozen=True)
class SoundEncode:
    """The finished sound at `path`: that of `source` behind `gain`, encoded at `kbps`, `duration` seconds long."""

    path: Path
    source: Path
    kbps: int
    gain: Gain
    duration: float


def soften(tools: Tools, encode: SoundEncode, heard: Heard, listen: Callable[[], Heard]) -> Heard:
    """Make a finished sound softer where it passes the peak limit. `heard`: what it measures, and the true peak of each
    tenth of a second; `listen` measures it anew. Returns what it measures then.

    It is left as it is where it passes the limit all over.
    """
    softer: dict[int, float] = {}
    for _ in range(profile.SOUND_SOFTENINGS):
        over = softening.too_loud(heard.peaks)
        if not over or not softening.are_moments({*softer, *over}, heard.peaks):
            break
        deeper = softening.deepened(softer, over)
        if deeper is None or not _encode_again(tools, encode, deeper, over):
            break
        softer = deeper
        heard = replace(listen(), are_peaks_lowered=softening.are_peaks_lowered(softer, heard.peaks))
    return heard


def _encode_again(tools: Tools, encode: SoundEncode, softer: Mapping[int, float], changed: Collection[int]) -> bool:
    """Returns whether any of these moments could be changed."""
    folder = encode.path.with_suffix(".softened")
    folder.mkdir(exist_ok=True)
    stream, curve, together = folder / "whole.aac", folder / "curve.f32", folder / "together.aac"
    finished = ladder.delivered_input(str(encode.path))
    tools.ffmpeg(softening.stream_arguments(finished, str(stream)), label="listing the frames")
    with stream.open("rb") as file:
        # It stays on disk, however long it is.
        whole = Frames(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    curve.write_bytes(softening.curve(softer, len(whole) * profile.AAC_FRAME_SAMPLES).tobytes())
    wanted = softening.passages(changed, len(whole))
    parts: list[Part] = []
    for first in range(0, len(wanted), AT_ONCE):
        passages = wanted[first : first + AT_ONCE]
        encoded = _encoded(tools, encode, folder, curve, passages)
        taken = (softening.part_of(whole, *each) for each in zip(passages, encoded, strict=True))
        parts += [part for part in taken if part is not None]
    if parts:
        with together.open("wb") as file:
            file.writelines(softening.put_together(whole, parts))
        tools.ffmpeg(softening.file_arguments(str(together), str(encode.path)), label="putting softer moments in place")
    shutil.rmtree(folder)
    return bool(parts)


def _encoded(tools: Tools, encode: SoundEncode, folder: Path, curve: Path, passages: Sequence[Passage]) -> list[Frames]:
    """These passages, encoded with this curve."""
    outputs = [(passage, str(folder / f"{number}.aac")) for number, passage in enumerate(passages)]
    opened = input_flags.input_arguments(str(encode.source), trusted=True)
    filters = ladder.sound_filters(encode.gain, encode.duration)
    arguments = softening.arguments(opened, filters, str(curve), encode.kbps, outputs)
    tools.ffmpeg(arguments, label="encoding softer moments", duration=encode.duration)
    return [Frames(Path(path).read_bytes()) for _, path in outputs]
