"""What is wrong with a sound for a moment, or in its pitch: holes, channels that change places, a waver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from slow_cases import is_first, some_slow
from test_sound_range import MUSIC, SPEECH, said

from codex_assets.verification.fidelity import SoundFidelity, SoundSecond
from codex_assets.verification.observe.sound_coherence import CoherenceMeter
from codex_assets.verification.observe.sound_gaps import block_levels, deepest_holes
from codex_assets.verification.rules.sound import expect_true_sound

RATE, TENTH = 48_000, 4800
NARROW = (
    "aevalsrc='0.3*(sin(2*PI*220*t)+0.5*sin(2*PI*277*t))+0.07*sin(2*PI*523*t)*sin(2*PI*0.7*t)"
    "|0.3*(sin(2*PI*220*t)+0.5*sin(2*PI*277*t))-0.07*sin(2*PI*523*t)*sin(2*PI*0.7*t)':s=48000:d=12"
)
"""Both channels are like each other's as much as like their own."""
HOLE = "aeval='val(0)*(1-between(t,{0},{1}))|val(1)*(1-between(t,{0},{1}))':c=same"
LEFT_HOLE = "aeval='val(0)*(1-between(t,5.37,5.41))|val(1)':c=same"
EXCHANGED = "aeval='if(between(t,3.3,3.8),val(1),val(0))|if(between(t,3.3,3.8),val(0),val(1))':c=same"
PAUSED = (
    "aevalsrc='0.3*sin(2*PI*220*t)*gt(sin(2*PI*0.4*t),0)+0.003*(random(0)-0.5)"
    "|0.3*sin(2*PI*330*t)*gt(sin(2*PI*0.4*t),0)+0.003*(random(1)-0.5)':s=48000:d=12"
)
"""With pauses, in a quiet room."""
HISS = (
    "aeval='val(0)+0.05*(random(2)-0.5)*lt(sin(2*PI*0.4*t),0)|val(1)+0.05*(random(3)-0.5)*lt(sin(2*PI*0.4*t),0)':c=same"
)
CLICKS = "aeval='val(0)+0.3*between(mod(t,4),1.5,1.5002)|val(1)+0.3*between(mod(t,4),1.5,1.5002)':c=same"
CLICKED = "There is a click or a crackle that the mezzanine does not have"
HISSES = "There is sound where the mezzanine has none, or next to none"
HOLED = "The sound drops out for some hundredths of a second from"
WAVERS = "The sound wavers: its waveform is at no shift the mezzanine's"


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("sound", "own", "message"),
    some_slow(
        [
            (MUSIC, HOLE.format(4, 4.05), f"{HOLED} 4 to 5 s."),
            (NARROW, EXCHANGED, "The left and the right channel are exchanged from 3 to 4 s."),
            (MUSIC, "vibrato=f=6:d=0.1", f"{WAVERS}."),
            (PAUSED, HISS, f"{HISSES} from 1 to 12 s."),
            (SPEECH, CLICKS, f"{CLICKED} from 9 to 10 s."),
            (MUSIC, CLICKS, f"{CLICKED} at 1 s and in other places."),
            (MUSIC, HOLE.format(6.21, 6.235), f"{HOLED} 6 to 7 s."),
            (MUSIC, LEFT_HOLE, f"{HOLED} 5 to 6 s."),
            (SPEECH, HOLE.format(4.1, 4.13), f"{HOLED} 4 to 5 s."),
            (MUSIC, EXCHANGED, "The left and the right channel are exchanged from 3 to 4 s."),
            (NARROW, "vibrato=f=6:d=0.2", f"{WAVERS}."),
            (SPEECH, "vibrato=f=5:d=0.2", f"{WAVERS}."),
        ],
        lambda number, _: number in (0, 1, 9, 10),
    ),
)
def test_a_moment_and_a_waver_are_heard(sound: str, own: str, message: str, tmp_path: Path) -> None:
    assert said(tmp_path, sound, own=own) == message


@pytest.mark.ffmpeg
@pytest.mark.parametrize("sound", some_slow([NARROW, MUSIC, SPEECH, PAUSED], is_first))
def test_an_honest_encode_has_no_hole_and_no_waver(sound: str, tmp_path: Path) -> None:
    assert said(tmp_path, sound) is None


def blocks(*levels: float) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Three tenths, of which the own sound has these levels in the middle one, and the original a level of 0.2."""
    own = np.full(30, 0.2)
    own[10 : 10 + len(levels)] = levels
    stacked = np.stack([own, own, np.full(30, 0.2), np.full(30, 0.2)], axis=1)
    return stacked.reshape(3, 10, 4).astype(np.float32)


ALL = np.full((3, 2), 0.003)


def test_a_block_is_a_hundredth_of_a_second() -> None:
    samples = np.zeros((2, 4, TENTH), np.float32)
    samples[1, 0, 480:960] = 0.5
    levels = block_levels(samples)
    assert levels.shape == (2, 10, 4)
    assert levels[:, :, 0].tolist() == [[0] * 10, [0, 0.5, *[0] * 8]]


def test_the_lowest_block_is_under_the_rest_of_its_tenth() -> None:
    seen = deepest_holes(blocks(0.2, 0.2, 0.002), ALL)
    assert seen[:, 0] == pytest.approx([0, -39.54, 0], abs=0.01)
    # A tenth that is softer as a whole has no hole.
    assert deepest_holes(blocks(*[0.02] * 10), ALL)[1, 0] == pytest.approx(0)


def test_where_the_original_ends_or_begins_nothing_is_a_hole() -> None:
    levels = blocks(0.2, 0.2, 0.002)
    levels[1, 4:], levels[2] = 0.0, 0.0
    assert deepest_holes(levels, ALL)[1, 0] == pytest.approx(0, abs=2)


def test_what_cannot_be_heard_has_no_holes() -> None:
    assert deepest_holes(blocks(0.2, 0.2, 0.0), np.full((3, 2), np.inf)).tolist() == [[0, 0]] * 3


def coherence(own: np.ndarray, original: np.ndarray) -> list[float]:
    meter = CoherenceMeter(TENTH, RATE)
    both = np.stack([own, own, original, original])
    tenths = both[:, : both.shape[1] // TENTH * TENTH].reshape(4, -1, TENTH).swapaxes(0, 1)
    # In steps that are no whole seconds.
    for at in range(0, len(tenths), 3):
        meter.add(np.fft.rfft(tenths[at : at + 3]))
    return [min(band.likeness for band in second if band.says(0.001)) for second in meter.seconds()]


def test_a_small_shift_is_no_waver() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * RATE + 48)
    assert coherence(noise[48:], noise[:-48]) == pytest.approx([1, 1], abs=0.03)


def test_another_sound_is_coherent_at_no_shift() -> None:
    noise, other = np.random.default_rng(1).normal(0, 0.1, (2, 2 * RATE))
    assert max(coherence(noise, other)) < 0.2


def test_of_less_than_half_a_second_nothing_is_said() -> None:
    meter = CoherenceMeter(TENTH, RATE)
    meter.add(np.ones((4, 4, TENTH // 2 + 1), np.complex128))
    assert list(meter.seconds()) == [()]


def test_one_second_that_is_at_no_shift_between_others_may_be_where_a_gap_ends() -> None:
    def finding(*seen: float | None) -> str | None:
        seconds = tuple(
            SoundSecond(float(at), (0.2, 0.2), (0.2, 0.2), least=0.0, likeness=(1.0, 1.0), coherence=each)
            for at, each in enumerate(seen)
        )
        said = expect_true_sound(SoundFidelity(0.0, 0.0, seconds, ()), "mezzanine")
        assert said is not None
        return None if said.passed else said.message

    assert finding(0.9, 0.2, 0.9) is None
    assert finding(0.9, 0.2, 0.3, 0.9, 0.9) == f"{WAVERS} from 1 to 3 s."
    # Half a second of a deep tone, whose ends are heard higher up, where an encoder keeps little of them.
    assert finding(0.2) is None
    assert finding(None, 0.2, None) is None
