"""A part of a sound that is heard at another time than the rest of it is told, with where it begins."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray

from codex_assets.media.profile import AAC_FRAME_SAMPLES, SAMPLE_RATE
from codex_assets.verification.observe.sound_fidelity import SoundMeter
from codex_assets.verification.rules.sound import expect_in_sync

Samples = NDArray[np.float32]
SECONDS = 44
WIDTH = SAMPLE_RATE // 50


def noise() -> Samples:
    """A deep one, which is still like itself where it has drifted by some milliseconds."""
    heard = np.cumsum(np.random.default_rng(2).normal(0, 0.005, SECONDS * SAMPLE_RATE + WIDTH))
    return (heard[WIDTH:] - heard[:-WIDTH]).astype(np.float32)


def late(sound: Samples, start: int, end: int) -> Samples:
    """Late by 80 ms between these seconds."""
    first, last = start * SAMPLE_RATE, end * SAMPLE_RATE
    moved = np.concatenate([np.zeros(SAMPLE_RATE * 8 // 100, np.float32), sound[first:last]])
    return np.concatenate([sound[:first], moved[: last - first], sound[last:]])


def frame_lost(sound: Samples, second: int) -> Samples:
    """Without a frame of a coder, which is too short a hole for silence to be put there."""
    return np.delete(sound, slice(second * SAMPLE_RATE, second * SAMPLE_RATE + AAC_FRAME_SAMPLES))


def frame_twice(sound: Samples, second: int) -> Samples:
    at = second * SAMPLE_RATE
    return np.insert(sound, at, sound[at : at + AAC_FRAME_SAMPLES])


def slow(sound: Samples) -> Samples:
    """Slower by a thousandth."""
    at = np.arange(len(sound))
    return np.interp(at / 1.001, at, sound).astype(np.float32)


@pytest.mark.parametrize(
    ("own", "message", "at"),
    [
        (noise(), "The sound is in sync.", None),
        (frame_lost(noise(), 17), "The sound is 0.02 s early from 16 s on, beside the rest of it.", 16),
        (frame_twice(noise(), 17), "The sound is 0.02 s late from 16 s on, beside the rest of it.", 16),
        (frame_twice(frame_lost(noise(), 17), 23), "The sound is 0.02 s early at 16 s, beside the rest of it.", 16),
        (late(noise(), 0, SECONDS), "The sound is 0.08 s late.", None),
        (late(noise(), 16, SECONDS), "The sound is 0.08 s late from 16 s on.", 16),
        (late(noise(), 16, 32), "The sound is 0.08 s late at 16 s.", 16),
        (late(late(noise(), 16, SECONDS), 24, SECONDS), "The sound is up to 0.16 s late from 16 s on.", 16),
        (slow(noise()), "The sound drifts by 0.04 s.", None),
    ],
)
def test_a_part_that_is_heard_at_another_time_is_told(own: Samples, message: str, at: float | None) -> None:
    reference = noise()
    length = min(len(own), len(reference))
    meter = SoundMeter(0, BytesIO())
    meter.add(np.stack([own[:length], own[:length], reference[:length], reference[:length]], axis=1))
    finding = expect_in_sync(meter.result(steady=True))
    assert finding is not None
    assert (finding.message, finding.at) == (message, at)
