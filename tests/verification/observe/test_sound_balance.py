"""How strong each band of a sound is beside the original's, and what is added beyond those that every encode keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_sound_range import MUSIC, SPEECH, said

from codex_assets.verification.observe.sound_balance import sound_balance

EDGES = (100, 200, 400, 800)
HOLE = "bandreject=f={0}:width_type=h:w={0},bandreject=f={0}:width_type=h:w={0}"
WHISTLE = "aeval='val(0)+{1}*sin(2*PI*{0}*t)|val(1)+{1}*sin(2*PI*{0}*t)':c=same"


def energies(*bands: float, tenths: int = 20) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.tile(np.array(bands), (tenths, 1))


def test_a_band_is_as_much_louder_as_it_is_in_most_tenths() -> None:
    own, original = energies(1.0, 1.0, 1.0), energies(1.0, 10.0, 0.5)
    seen = sound_balance(own, original, EDGES, steady=True)
    assert [(band.low, band.high) for band in seen] == [(100, 200), (200, 400), (400, 800)]
    assert [band.louder for band in seen] == pytest.approx([0, -10, 3.01], abs=0.01)
    own[:5] = 0
    assert sound_balance(own, original, EDGES, steady=True)[0].louder == 0


def test_a_faint_band_says_nothing_nor_does_a_short_sound() -> None:
    faint = energies(1.0, 1.0, 1e-4)
    assert [band.low for band in sound_balance(faint, faint, EDGES, steady=True)] == [100, 200]
    assert sound_balance(faint[:9], faint[:9], EDGES, steady=True) == ()


def test_what_lies_in_peaks_alone_is_lowered_with_them() -> None:
    original, own = energies(1.0, 0.0, 0.0, tenths=60), energies(1.0, 0.0, 0.0, tenths=60)
    original[::5, 2], own[::5, 2] = 100.0, 1.0
    assert [band.low for band in sound_balance(own, original, EDGES, steady=False)] == [100]
    assert sound_balance(own, original, EDGES, steady=True)[-1].louder == pytest.approx(-20)


def test_a_gain_that_wanders_is_taken_off() -> None:
    original = energies(1.0, 1.0, 1.0)
    own = original * np.linspace(0.1, 10, len(original))[:, None]
    assert {round(band.louder, 6) for band in sound_balance(own, original, EDGES, steady=False)} == {0.0}


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("sound", "own", "message"),
    [
        (MUSIC, HOLE.format(1500), "What lies from 1.25 kHz to 2 kHz is"),
        pytest.param(SPEECH, HOLE.format(2100), "What lies from 2 kHz to 3.15 kHz is", marks=pytest.mark.slow),
        (
            MUSIC,
            WHISTLE.format(12_000, 0.02),
            "There is noise, a hum or a tone",
        ),
        pytest.param(SPEECH, WHISTLE.format(11_000, 0.05), "There is noise, a hum or a tone", marks=pytest.mark.slow),
    ],
)
def test_a_hole_in_the_spectrum_and_a_whistle_are_heard(sound: str, own: str, message: str, tmp_path: Path) -> None:
    assert (said(tmp_path, sound, own=own) or "").startswith(message)
