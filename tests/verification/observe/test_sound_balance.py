"""How strong each band of a sound is beside the original's, and what is added beyond those that every encode keeps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from test_sound_range import MUSIC, SPEECH, said

from codex_assets.verification.observe.sound_balance import sound_balance, sound_surplus

EDGES = (100, 200, 400, 800)
HOLE = "bandreject=f={0}:width_type=h:w={0},bandreject=f={0}:width_type=h:w={0}"
SQUARE = "aevalsrc='0.3*sgn(sin(2*PI*220*t))':s=48000:d=12"
PINK = "anoisesrc=color=pink:duration=12:seed=1:amplitude=0.3"
HOLED = f"{PINK},{HOLE.format(1500)}"
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


def test_a_band_that_the_original_lost_is_too_strong() -> None:
    own, original = energies(0.1, 0.01, 0.1), energies(0.1, 0.001, 0.1)
    (band,) = [band for band in sound_surplus(own, original, EDGES, steady=True) if band.low == 200]
    assert band.louder == pytest.approx(10)
    own[:11, 1] = 0
    assert [band.low for band in sound_surplus(own, original, EDGES, steady=True)] == [100, 400]


def test_what_coders_leave_where_nothing_was_or_beside_what_is_loud_is_not_too_strong() -> None:
    own = energies(1.0, 0.03, 1.0)
    assert [band.low for band in sound_surplus(own, energies(1.0, 1e-5, 1.0), EDGES, steady=True)] == [100, 400]
    assert [band.low for band in sound_surplus(own, energies(1.0, 0.001, 1.0), EDGES, steady=True)] == [100, 400]


@pytest.mark.ffmpeg
@pytest.mark.parametrize("rate", ["64k", "128k"])
@pytest.mark.parametrize("sound", [SQUARE, HOLED], ids=["square", "holed"])
def test_an_honest_encode_of_what_has_holes_adds_nothing_to_them(sound: str, rate: str, tmp_path: Path) -> None:
    assert said(tmp_path, sound, "-b:a", rate) is None


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("middle", "bands"), [(1500, "1.25 kHz to 2 kHz"), pytest.param(2100, "2 kHz to 3.15 kHz", marks=pytest.mark.slow)]
)
def test_a_band_that_was_taken_out_of_the_original_is_heard(middle: int, bands: str, tmp_path: Path) -> None:
    message = said(tmp_path, MUSIC, original=HOLE.format(middle)) or ""
    assert re.fullmatch(rf"There is \d+ dB more from {re.escape(bands)} than the mezzanine has\.", message)


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
