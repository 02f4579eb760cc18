"""The delivered sound: encoded once per rate, measured as it will be heard, and corrected until it is on target.

Rates are encoded beside each other, each from a decode of its own: decoding takes a sixth of what encoding takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codex_assets.media import input_flags, profile
from codex_assets.media.encode import ladder, loudness
from codex_assets.media.encode.loudness import Measurement
from codex_assets.system import machine, side_by_side
from codex_assets.system.run_output import Progress
from codex_assets.system.side_by_side import SharedProgress
from codex_assets.system.tools import Tools


@dataclass(frozen=True)
class Sound:
    """The delivered sound at one rate."""

    path: Path
    """An AAC file."""
    measured: Measurement | None
    """Of that file as it is decoded; None for silence."""
    gain: loudness.Gain
    """How it was normalised."""


def encode_sounds(
    tools: Tools,
    folder: Path,
    source: Path,
    rates: Sequence[int],
    measured: Measurement | None,
    duration: float,
    on_progress: Callable[[Progress], None] | None,
) -> dict[int, Sound]:
    """Encode the sound of `source` at each of these rates (kbit/s), and again until it is on target.

    `measured`: of the source; None for silence. `duration`: seconds to which the sound is cut or filled up. Every rate
    is corrected by itself, so that one built alone has the same bytes.
    """
    folder.mkdir(exist_ok=True)
    course = SharedProgress("encoding the sound", duration, len(rates), on_progress)
    work = [partial(_encode_rate, folder, source, rate, measured, duration, course) for rate in rates]
    encoded = side_by_side.in_order(tools, work, at_once=machine.processors())
    return dict(zip(rates, encoded, strict=True))


def _encode_rate(
    folder: Path,
    source: Path,
    rate: int,
    measured: Measurement | None,
    duration: float,
    course: SharedProgress,
    tools: Tools,
) -> Sound:
    path = folder / f"{rate}k.m4a"

    def encode(gain: loudness.Gain) -> Sound:
        tools.ffmpeg(
            ladder.audio_arguments(str(source), rate, str(path), gain, duration),
            label="encoding the sound",
            duration=duration,
            on_progress=lambda progress: course.advanced(rate, progress.seconds),
        )
        return Sound(path, _measure(tools, path, duration), gain)

    sound = encode(loudness.gain_to_target(measured, duration))
    aim = loudness.Aim()
    for _ in range(profile.SOUND_CORRECTIONS):
        better = loudness.next_aim(sound.measured, sound.gain, aim)
        if better is None or loudness.is_forced(better, sound.gain):
            break
        gain = loudness.gain_to_target(measured, duration, better)
        if gain == sound.gain:
            # There is no room for more.
            break
        aim, sound = better, encode(gain)
    if measured is not None and not loudness.is_reached(sound.measured):
        sound = _limited(sound, measured, encode)
    return sound


def _limited(sound: Sound, measured: Measurement, encode: Callable[[loudness.Gain], Sound]) -> Sound:
    """The sound with a limiter, where that brings it nearer to the target than `sound` is; else `sound` again.

    `encode` writes it with a gain, always to the same path.
    """
    best, latest, corrections = sound, sound, 0
    aim: loudness.Aim | None = loudness.Aim()
    # Each step lowers the ceiling of a sound that clips, until the limiter takes no lower one.
    while aim is not None and (corrections < loudness.LIMITER_CORRECTIONS or loudness.clips(best.measured)):
        latest = encode(loudness.limited_gain(measured, aim))
        corrections += 1
        if loudness.is_better(latest.measured, best.measured):
            best = latest
        aim = loudness.next_limited_aim(latest.measured, measured, aim)
    return best if best is latest else encode(best.gain)


def is_silent_when_merged(tools: Tools, sound: Sound) -> bool:
    """Whether the sound is too quiet for a waveform when its channels are merged: those of opposite phase cancel."""
    source = input_flags.input_arguments(str(sound.path), trusted=True)
    run = tools.ffmpeg(loudness.merged_measuring_arguments(source), label="measuring the merged channels")
    measured = loudness.parse_summary(run.log)
    return measured is None or measured.true_peak_dbtp <= profile.WAVEFORM_FLOOR


def _measure(tools: Tools, path: Path, duration: float) -> Measurement | None:
    arguments = loudness.measuring_arguments(ladder.delivered_input(str(path)))
    run = tools.ffmpeg(arguments, label="measuring the delivered sound", duration=duration)
    return loudness.parse_summary(run.log)
