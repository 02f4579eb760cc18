"""The delivered sound: encoded once per rate, measured as it will be heard, and corrected until it is on target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codex_assets.media import input_flags, profile
from codex_assets.media.encode import ladder, loudness
from codex_assets.media.encode.loudness import Measurement
from codex_assets.system.run_output import Progress
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
    paths = {rate: folder / f"{rate}k.m4a" for rate in rates}

    def encode(chosen: Sequence[int], gain: loudness.Gain) -> None:
        targets = {rate: str(paths[rate]) for rate in chosen}
        tools.ffmpeg(
            ladder.audio_arguments(str(source), targets, gain, duration),
            label="encoding the sound",
            duration=duration,
            on_progress=on_progress,
        )

    def encode_one(rate: int, gain: loudness.Gain) -> Sound:
        encode([rate], gain)
        return Sound(paths[rate], _measure(tools, paths[rate], duration), gain)

    gain = loudness.gain_to_target(measured, duration)
    encode(rates, gain)
    sounds = {}
    for rate in rates:
        sound = Sound(paths[rate], _measure(tools, paths[rate], duration), gain)
        aim = loudness.Aim()
        for _ in range(profile.SOUND_CORRECTIONS):
            better = loudness.next_aim(sound.measured, sound.gain, aim)
            if better is None or loudness.is_forced(better, sound.gain):
                break
            aim = better
            sound = encode_one(rate, loudness.gain_to_target(measured, duration, aim))
        if measured is not None and not loudness.is_reached(sound.measured):
            sound = _limited(sound, measured, partial(encode_one, rate))
        sounds[rate] = sound
    return sounds


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
