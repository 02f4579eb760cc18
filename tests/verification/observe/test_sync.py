"""Which sounds can be aligned, and by how much they are apart."""

from __future__ import annotations

import pytest

from codex_assets.verification.observe.sync import Envelope, find_lag
from codex_assets.verification.rules import tracks


def test_lag_is_found_in_lively_sound_and_not_in_steady_sound() -> None:
    pattern = tuple(float(index**3 % 97 % 31) for index in range(900))
    late = Envelope(100, pattern[80:780])
    lag = find_lag(late, Envelope(0, pattern))
    assert lag is not None
    assert lag.seconds == pytest.approx(0.2)
    assert lag.correlation == pytest.approx(1.0)
    assert find_lag(Envelope(0, (3.0,) * 900), Envelope(0, pattern)) is None
    assert find_lag(Envelope(0, pattern[:50]), Envelope(0, pattern)) is None


def test_what_nobody_hears_is_no_sound_to_compare() -> None:
    pattern = tuple(float(index**3 % 97 % 31) / 31 for index in range(900))
    faint = Envelope(0, tuple(1e-4 * level for level in pattern))
    assert find_lag(faint, faint) is None
    quiet = Envelope(0, tuple(1e-3 * level for level in pattern))
    assert find_lag(quiet, quiet) is not None


def test_periodic_sound_is_no_proof_of_a_shift() -> None:
    beats = tuple(30.0 if index % 50 < 5 else 1.0 for index in range(1000))
    lag = find_lag(Envelope(0, beats), Envelope(0, beats))
    assert lag is not None
    assert lag.seconds == 0.0
    assert lag.correlation - lag.correlation_within(tracks.SYNC_SECONDS) < tracks.SYNC_MARGIN
