"""What a meter of two sounds says, whatever pieces they come in and whatever numbers are in them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from io import BytesIO
from itertools import cycle
from tempfile import TemporaryFile

import numpy as np
import pytest
from numpy.typing import NDArray

from codex_assets.verification.fidelity import SoundFidelity
from codex_assets.verification.observe.sound_fidelity import SoundMeter

RATE = 48_000
LAG = 696
"""Samples."""

Samples = NDArray[np.float32]


def late_noise(seconds: float) -> Samples:
    """Half as loud as its reference, `LAG` samples late, and cut off by the end."""
    noise = np.random.default_rng(1).normal(0, 0.1, (round(seconds * RATE), 2))
    return np.concatenate([0.5 * np.roll(noise, LAG, axis=0), noise], axis=1).astype(np.float32)


def measured(both: Samples, sizes: Iterable[int]) -> SoundFidelity:
    meter, at = SoundMeter(0, BytesIO()), 0
    for size in cycle(sizes):
        if at >= len(both):
            break
        meter.add(both[at : at + size])
        at += size
    fidelity = meter.result(steady=True)
    assert fidelity is not None
    return fidelity


@pytest.mark.parametrize("seconds", [0.45, 3.33, 33.4])
def test_the_pieces_in_which_a_sound_comes_change_nothing(seconds: float) -> None:
    both = late_noise(seconds)
    whole, pieces = measured(both, [len(both)]), measured(both, [RATE, 13, 4801, 2 * RATE + 1, 4799])
    assert whole.lag == pieces.lag == LAG / RATE
    assert whole.gain == pytest.approx(-6.02, abs=0.05)
    assert pieces.gain == pytest.approx(whole.gain, abs=1e-6)
    assert len(pieces.seconds) == len(whole.seconds)
    for second, in_pieces in zip(whole.seconds, pieces.seconds, strict=True):
        assert in_pieces.likeness == pytest.approx(second.likeness, abs=1e-5)
        assert second.likeness == pytest.approx((1.0, 1.0), abs=0.01)
        assert in_pieces.coherence == pytest.approx(second.coherence, abs=1e-5)
        assert in_pieces.levels == pytest.approx(second.levels, rel=1e-5)


def test_what_is_no_number_or_far_over_full_scale_spoils_its_own_tenth_alone() -> None:
    both = late_noise(8.0)
    spoiled = both.copy()
    spoiled[3 * RATE + 100, 2] = np.nan
    spoiled[3 * RATE + 200, 0] = np.inf
    spoiled[3 * RATE + 300, 3] = -900.0
    clean, seen = measured(both, [RATE]), measured(spoiled, [RATE])
    assert seen.lag == clean.lag
    assert seen.gain == pytest.approx(clean.gain, abs=0.05)
    for number, (second, beside) in enumerate(zip(clean.seconds, seen.seconds, strict=True)):
        if number not in (2, 3):
            assert beside.levels == pytest.approx(second.levels, rel=1e-5)
            assert beside.reference_levels == pytest.approx(second.reference_levels, rel=1e-5)


def test_of_what_is_measured_little_is_kept_in_memory() -> None:

    def taken(minutes: int) -> tuple[int, int, int]:
        """Bytes, when all is heard, when it is judged, and at most in between."""
        second = late_noise(1.0)
        with TemporaryFile() as file:
            meter = SoundMeter(0, file)
            tracemalloc.start()
            for _ in range(60 * minutes):
                meter.add(second)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            fidelity = meter.result(steady=True)
            assert fidelity is not None
            assert len(fidelity.seconds) in (60 * minutes, 60 * minutes - 1)
            judged, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return kept, judged, most

    short, longer = taken(1), taken(3)
    kept, judged, most = ((more - less) / 120 for less, more in zip(short, longer, strict=True))
    assert kept < 400
    assert judged < 2000
    assert most < 2000
