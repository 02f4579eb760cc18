"""The delivered sound: encoded once per rate, measured as it will be heard, and corrected until it is on target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

    def encode(chosen: Sequence[int], aim: loudness.Aim) -> loudness.Gain:
        gain = loudness.gain_to_target(measured, duration, aim)
        targets = {rate: str(paths[rate]) for rate in chosen}
        tools.ffmpeg(
            ladder.audio_arguments(str(source), targets, gain, duration),
            label="encoding the sound",
            duration=duration,
            on_progress=on_progress,
        )
        return gain

    gain = encode(rates, loudness.Aim())
    sounds = {}
    for rate in rates:
        aim, used = loudness.Aim(), gain
        delivered = _measure(tools, paths[rate], duration)
        for _ in range(profile.SOUND_CORRECTIONS):
            better = loudness.next_aim(delivered, used, aim)
            if better is None:
                break
            aim = better
            used = encode([rate], aim)
            delivered = _measure(tools, paths[rate], duration)
        sounds[rate] = Sound(paths[rate], delivered, used)
    return sounds


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
