"""A sound that is equally loud throughout has no loud parts that stand out."""

from __future__ import annotations

import numpy as np
import pytest

from codex_assets.verification.observe.sound_range import sound_range


@pytest.mark.parametrize(("apart", "louder"), [(0.02, 0.0), (0.1, 0.0), (0.5, 0.9), (20.0, 0.9)])
def test_where_loud_and_soft_are_alike_nothing_stands_out(apart: float, louder: float) -> None:
    """Two channels of steady tones, `apart` dB; an encoder makes one of them 0.9 dB louder."""
    levels = np.tile([-20.0, -20.0 + apart], 30)
    away = np.tile([0.0, 0.9], 30)
    energies = np.ones((30, 4))
    seen = sound_range(away, levels, energies, energies)
    assert seen is not None
    assert seen.louder == pytest.approx(louder)
