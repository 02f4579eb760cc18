"""An encoded sound whose peaks pass the limit at some moments: those are encoded again, softer, until none does.

Which moments, how much softer and where they go in is decided in `media/encode/softening.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.media import input_flags, profile
from codex_assets.media.encode import aac_frames, ladder, softening
from codex_assets.media.encode.loudness import Gain, Measurement
from codex_assets.system.tools import Tools

AT_ONCE = 32
"""Stretches that one run of ffmpeg encodes."""


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
    stream, curve = folder / "whole.aac", folder / "curve.f32"
    finished = ladder.delivered_input(str(encode.path))
    tools.ffmpeg(softening.stream_arguments(finished, str(stream)), label="listing the frames")
    whole = aac_frames.frames(stream.read_bytes())
    curve.write_bytes(softening.curve(softer, len(whole) * profile.AAC_FRAME_SAMPLES).tobytes())
    opened = input_flags.input_arguments(str(encode.source), trusted=True)
    filters = ladder.sound_filters(encode.gain, encode.duration)
    wanted = softening.passages(changed, len(whole))
    is_changed = False
    for first in range(0, len(wanted), AT_ONCE):
        outputs = [(passage, str(folder / f"{passage.first}.aac")) for passage in wanted[first : first + AT_ONCE]]
        arguments = softening.arguments(opened, filters, str(curve), encode.kbps, outputs)
        tools.ffmpeg(arguments, label="encoding softer moments", duration=encode.duration)
        for passage, part in outputs:
            encoded = aac_frames.frames(Path(part).read_bytes())
            is_changed = softening.put_in_place(whole, passage, encoded) or is_changed
            Path(part).unlink()
    if is_changed:
        stream.write_bytes(b"".join(whole))
        tools.ffmpeg(softening.file_arguments(str(stream), str(encode.path)), label="putting softer moments in place")
    return is_changed
