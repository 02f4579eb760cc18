"""The delivered sound: encoded once per rate, measured as it will be heard, and corrected until it is on target.

Rates are encoded beside each other, each from a decode of its own: decoding takes a sixth of what encoding takes. What
a gain does is predicted without encoding, and the few moments at which an encode passes the peak limit are encoded
again by themselves, so that a sound is rarely encoded twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from codex_assets.build.softened_moments import Heard, SoundEncode, soften
from codex_assets.media import input_flags, profile
from codex_assets.media.encode import ladder, loudness, softening
from codex_assets.media.encode.loudness import Aim, Gain, GainMode, Measurement
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
    gain: Gain
    """The gain that it was encoded with."""
    are_peaks_lowered: bool = False
    """Whether the encode made moments of it softer, as a limiter does."""

    @property
    def mode(self) -> GainMode:
        """How it was normalised."""
        return "limited" if self.are_peaks_lowered else self.gain.mode


@dataclass(frozen=True)
class _Programme:
    """What is encoded: the sound of `source`, which lasts `duration` seconds, and measures so (None: silence)."""

    source: Path
    measured: Measurement | None
    duration: float
    predicted: dict[Gain, Measurement | None] = field(default_factory=dict)
    """What the sound measures behind a gain, which is the same for every rate."""
    predicting: threading.Lock = field(default_factory=threading.Lock)

    def behind(self, tools: Tools, gain: Gain) -> Measurement | None:
        """What the sound measures behind this gain, before it is encoded."""
        with self.predicting:
            if gain not in self.predicted:
                arguments = ladder.predicting_arguments(str(self.source), gain, self.duration)
                run = tools.ffmpeg(arguments, label="predicting the loudness", duration=self.duration)
                self.predicted[gain] = loudness.parse_summary(run.log)
            return self.predicted[gain]


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
    programme = _Programme(source, measured, duration)
    work = [partial(_encode_rate, folder, programme, rate, course) for rate in rates]
    encoded = side_by_side.in_order(tools, work, at_once=machine.processors())
    return dict(zip(rates, encoded, strict=True))


def _encode_rate(folder: Path, programme: _Programme, rate: int, course: SharedProgress, tools: Tools) -> Sound:
    path, duration = folder / f"{rate}k.m4a", programme.duration

    def encode(gain: Gain) -> Sound:
        tools.ffmpeg(
            ladder.audio_arguments(str(programme.source), rate, str(path), gain, duration),
            label="encoding the sound",
            duration=duration,
            on_progress=lambda progress: course.advanced(rate, progress.seconds),
        )
        listen = partial(_listen, tools, path, duration)
        heard = soften(tools, SoundEncode(path, programme.source, rate, gain, duration), listen(), listen)
        return Sound(path, heard.measured, gain, heard.are_peaks_lowered)

    measured = programme.measured
    aim = _predicted_aim(tools, programme)
    if aim is None:
        return _limited(tools, None, programme, encode)
    sound = encode(loudness.gain_to_target(measured, duration, aim))
    for _ in range(profile.SOUND_CORRECTIONS):
        aim = loudness.next_aim(sound.measured, sound.gain, aim)
        if aim is None or loudness.is_forced(aim, sound.gain):
            break
        gain = loudness.gain_to_target(measured, duration, aim)
        # The same gain again: there is no room for more.
        if gain == sound.gain or _takes_limiter(gain, measured):
            break
        sound = encode(gain)
    if measured is not None and not loudness.is_reached(sound.measured):
        sound = _limited(tools, sound, programme, encode)
    return sound


def _predicted_aim(tools: Tools, programme: _Programme) -> Aim | None:
    """What a gain has to aim at so that the sound behind it is on target; None where that takes a limiter.

    Only of what changes the sound's own dynamics is it not known beforehand.
    """
    aim = Aim()
    for _ in range(profile.SOUND_CORRECTIONS):
        gain = loudness.gain_to_target(programme.measured, programme.duration, aim)
        if _takes_limiter(gain, programme.measured):
            return None
        if gain.mode != "dynamic":
            break
        better = loudness.next_aim(programme.behind(tools, gain), gain, aim)
        if better is None:
            break
        if loudness.is_forced(better, gain):
            return None
        aim = better
    return aim


def _takes_limiter(gain: Gain, measured: Measurement | None) -> bool:
    return measured is not None and loudness.takes_limiter(gain, measured)


def _limited(tools: Tools, sound: Sound | None, programme: _Programme, encode: Callable[[Gain], Sound]) -> Sound:
    """The sound with a limiter, where that brings it nearer to the target than `sound` is; else `sound` again.

    `encode` writes it with a gain, always to the same path.
    """
    measured = programme.measured
    assert measured is not None
    best, latest, corrections, added = sound, sound, 0, 0.0
    aim: Aim | None = Aim()
    # Each step lowers the ceiling of a sound that clips, until the limiter takes no lower one.
    while aim is not None and (
        corrections < loudness.LIMITER_CORRECTIONS or best is None or loudness.clips(best.measured)
    ):
        aim = _predicted_limit(tools, programme, aim, added)
        latest = encode(loudness.limited_gain(measured, aim))
        corrections += 1
        if best is None or loudness.is_better(latest.measured, best.measured):
            best = latest
        added = loudness.added_by_coder(programme.behind(tools, latest.gain), latest.measured)
        aim = loudness.next_limited_aim(latest.measured, measured, aim)
    assert best is not None
    return best if best is latest else encode(best.gain)


def _predicted_limit(tools: Tools, programme: _Programme, aim: Aim, added: float) -> Aim:
    """This aim with a gain that brings the sound behind its limiter to the target, once the coder has `added` so many
    LU to it."""
    assert programme.measured is not None
    for _ in range(loudness.LIMITER_CORRECTIONS):
        behind = programme.behind(tools, loudness.limited_gain(programme.measured, aim))
        expected = replace(behind, integrated_lufs=behind.integrated_lufs + added) if behind is not None else None
        better = loudness.next_limited_aim(expected, programme.measured, aim)
        if better is None:
            break
        aim = better
    return aim


def is_silent_when_merged(tools: Tools, sound: Sound) -> bool:
    """Whether the sound is too quiet for a waveform when its channels are merged: those of opposite phase cancel."""
    source = input_flags.input_arguments(str(sound.path), trusted=True)
    run = tools.ffmpeg(loudness.merged_measuring_arguments(source), label="measuring the merged channels")
    measured = loudness.parse_summary(run.log)
    return measured is None or measured.true_peak_dbtp <= profile.WAVEFORM_FLOOR


def _listen(tools: Tools, path: Path, duration: float) -> Heard:
    """Measure a finished sound."""
    peaks: list[float] = []
    arguments = loudness.block_measuring_arguments(ladder.delivered_input(str(path)))
    run = tools.ffmpeg(
        arguments,
        label="measuring the delivered sound",
        duration=duration,
        on_log=lambda line: peaks.extend(softening.block_peaks([line])),
    )
    return Heard(loudness.parse_summary(run.log), peaks)
