"""A sound that is too short for its lag to be stated is compared where it fits best, within what nobody hears."""

from __future__ import annotations

import numpy as np
import pytest

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
    meter = SoundMeter(CODER)
    meter.add(np.stack([own, own, tone, tone], axis=1))
    fidelity = meter.result(steady=True)
    assert fidelity is not None
    assert fidelity.lags == ()
    likeness = min(second.least_likeness or 0.0 for second in fidelity.seconds)
    assert (likeness > 0.9) is alike
