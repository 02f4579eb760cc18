"""A sound that is too short for its lag to be stated is compared where it fits best, within what nobody hears; of the
end of a sound, an encoder may keep less."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray

from codex_assets.media.profile import SAMPLE_RATE
from codex_assets.verification.observe.sound_fidelity import SoundMeter

CODER = 1024
"""Samples by which AAC is late."""


@pytest.mark.parametrize(
    ("late", "alike"), [(CODER, True), (CODER - 576, True), (CODER + 576, True), (CODER + 2500, False)]
)
def test_a_short_tone_is_found_near_its_time(late: int, alike: bool) -> None:
    at = np.arange(SAMPLE_RATE // 5) / SAMPLE_RATE
    tone = (0.1 * np.sin(2 * np.pi * (300 + 2000 * at) * at)).astype(np.float32)
    own = np.concatenate([np.zeros(late, np.float32), tone])[: len(tone)]
    meter = SoundMeter(CODER, BytesIO())
    meter.add(np.stack([own, own, tone, tone], axis=1))
    fidelity = meter.result(steady=True)
    assert fidelity is not None
    assert fidelity.lags == ()
    likeness = min(second.least_likeness or 0.0 for second in fidelity.seconds)
    assert (likeness > 0.9) is alike


def beeps(*levels: tuple[float, float]) -> NDArray[np.float32]:
    """A beep of 110 ms in each second, as loud as this, and the hundredth of a second that lies in the next tenth."""
    at = np.arange(len(levels) * SAMPLE_RATE) / SAMPLE_RATE
    within = at % 1.0
    loud = np.zeros_like(at)
    for second, (level, end) in enumerate(levels):
        is_second = at // 1.0 == second
        loud[is_second & (within >= 0.5) & (within < 0.6)] = level
        loud[is_second & (within >= 0.6) & (within < 0.61)] = end
    sound: NDArray[np.float32] = (0.4 * loud * np.sin(2 * np.pi * 600 * at)).astype(np.float32)
    return sound


@pytest.mark.parametrize(
    ("second", "least"),
    [
        # What is left of a beep in the next tenth is nearly lost: an encoder of a low rate does so.
        ((1.0, 0.5), 0.0),
        ((1.0, 0.0), 0.0),
        ((0.5, 0.5), -6.0),
    ],
)
def test_what_a_sound_ends_with_is_no_measure_of_it(second: tuple[float, float], least: float) -> None:
    original, own = beeps((1, 1), (1, 1), (1, 1), (1, 1)), beeps((1, 1), second, (1, 1), (1, 1))
    meter = SoundMeter(0, BytesIO())
    meter.add(np.stack([own, own, original, original], axis=1))
    fidelity = meter.result(steady=True)
    assert fidelity is not None
    assert min(each.least or 0.0 for each in fidelity.seconds) == pytest.approx(least, abs=0.2)
