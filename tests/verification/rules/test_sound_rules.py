"""What of a sound may be missing beside what it was made of."""

from __future__ import annotations

import pytest

from codex_assets.verification.fidelity import SoundFidelity, SoundSecond
from codex_assets.verification.rules.sound import expect_true_sound


@pytest.mark.parametrize(
    ("kept", "bright", "is_dull"),
    [
        # The ends of a beep, after two lossy encodes.
        (5.0e-5, 1.6e-4, False),
        (0.0, 1.6e-4, False),
        (0.0, 2.5e-4, True),
        (1e-3, 4e-3, True),
        (2e-3, 4e-3, False),
    ],
)
def test_a_sound_is_dull_where_enough_of_what_is_bright_is_missing(kept: float, bright: float, is_dull: bool) -> None:
    second = SoundSecond(3.0, (0.2, 0.2), (0.2, 0.2), likeness=(1.0, 1.0), bright=kept, reference_bright=bright)
    finding = expect_true_sound(SoundFidelity(0.0, 0.0, (second,), ()), "mezzanine")
    assert finding is not None
    assert finding.passed != is_dull
    assert finding.message.startswith("The sound is dull") == is_dull


@pytest.mark.parametrize(("before", "is_harsh"), [(0.7638, False), (0.1, True), (0.0, True)])
def test_what_a_coder_spreads_from_the_second_beside_it_is_not_harsh(before: float, is_harsh: bool) -> None:
    """A loud sweep that breaks off where the second begins."""
    loud = SoundSecond(215.0, (0.2, 0.1), (0.2, 0.1), likeness=(1.0, 1.0), bright=before, reference_bright=before)
    made, bright = 2.511e-3, 3.207e-4
    second = SoundSecond(216.0, (0.15, 0.1), (0.15, 0.1), likeness=(1.0, 1.0), bright=made, reference_bright=bright)
    finding = expect_true_sound(SoundFidelity(0.0, 0.0, (loud, second), ()), "mezzanine")
    assert finding is not None
    assert finding.message.startswith("The sound is harsh") == is_harsh


@pytest.mark.parametrize(
    ("made", "bright", "is_harsh"),
    [
        # A tone that is switched on, at a low rate.
        (1.1e-3, 2.5e-4, False),
        (3e-3, 5e-4, True),
        (0.1, 0.02, True),
        (0.03, 0.02, False),
    ],
)
def test_a_sound_is_harsh_where_enough_that_is_bright_was_not(made: float, bright: float, is_harsh: bool) -> None:
    second = SoundSecond(3.0, (0.2, 0.2), (0.2, 0.2), likeness=(1.0, 1.0), bright=made, reference_bright=bright)
    finding = expect_true_sound(SoundFidelity(0.0, 0.0, (second,), ()), "mezzanine")
    assert finding is not None
    assert finding.message.startswith("The sound is harsh") == is_harsh
