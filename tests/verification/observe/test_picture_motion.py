"""Whether pictures move when those that they were made of move."""

from __future__ import annotations

import numpy as np
import pytest

from codex_assets.verification.observe.picture_motion import FARTHEST, Steps, late_pictures

SECOND, AREAS = 24, 576


def moving(seed: int, size: float) -> Steps:
    """Steps of a second and of what comes before it, each in a direction of its own."""
    steps = np.random.default_rng(seed).normal(0, size / AREAS**0.5, (FARTHEST + SECOND, AREAS))
    return steps.astype(np.float32)


@pytest.mark.parametrize("late", [-2, -1, 1, 3])
def test_what_moves_at_another_time_is_late_or_early(late: int) -> None:
    reference = moving(1, 40)
    assert late_pictures(np.roll(reference, late, axis=0), reference, FARTHEST) == late


def test_what_moves_at_its_time_is_not_late_however_much_noise_is_lost() -> None:
    reference = moving(1, 40)
    assert late_pictures(reference + moving(2, 30), reference, FARTHEST) == 0
    assert late_pictures(0.5 * reference, reference, FARTHEST) == 0


def test_a_cut_that_goes_where_the_slow_motion_after_it_goes_is_at_its_time() -> None:
    """A second that begins with one: it is many times as large as all that moves then, and an encoder keeps little of
    that."""
    slow = np.zeros((FARTHEST + SECOND, AREAS), np.float32)
    slow[:, :60] = 1.0
    reference = slow + moving(3, 6)
    reference[FARTHEST] = 300 * slow[0]
    own = 0.4 * slow + moving(4, 6)
    own[FARTHEST] = reference[FARTHEST]
    assert late_pictures(own, reference, FARTHEST) == 0


def test_where_nothing_moves_nothing_is_said() -> None:
    assert late_pictures(moving(1, 1), moving(1, 1), FARTHEST) is None
