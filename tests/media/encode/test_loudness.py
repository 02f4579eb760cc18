"""EBU R 128: a meter's summary becomes a measurement, a measurement a gain, and a result a better aim."""

from __future__ import annotations

import re

import pytest

from codex_assets.media import profile
from codex_assets.media.encode import loudness
from codex_assets.media.encode.loudness import Aim, Gain, Measurement

SUMMARY = """\
[Parsed_ebur128_2 @ 0x5581] [info] Summary:

  Integrated loudness:
    I:         {integrated} LUFS
    Threshold: {threshold} LUFS

  Loudness range:
    LRA:         {range} LU
    Threshold: -37.9 LUFS
    LRA low:   -18.4 LUFS
    LRA high:  -17.3 LUFS

  True peak:
    Peak:       {peak} dBFS
"""


def summary(integrated: str = "-17.9", threshold: str = "-28.4", range: str = "1.1", peak: str = "-9.0") -> list[str]:
    return SUMMARY.format(integrated=integrated, threshold=threshold, range=range, peak=peak).splitlines()


@pytest.mark.parametrize(
    ("printed", "measured"),
    [
        ({}, Measurement(-17.9, -9.0, 1.1, -28.4)),
        # A clipped source reads above full scale.
        ({"integrated": "2.1", "peak": "7.9"}, Measurement(2.1, 7.9, 1.1, -28.4)),
        ({"integrated": "-70.0", "threshold": "0.0", "range": "0.0", "peak": "-inf"}, None),
        ({"integrated": "-inf"}, None),
        ({"peak": "-inf"}, None),
        ({"range": "nan"}, None),
    ],
)
def test_a_summary_is_a_measurement_or_silence(printed: dict[str, str], measured: Measurement | None) -> None:
    assert loudness.parse_summary(["[info] before", *summary(**printed), "[info] after"]) == measured


def test_the_last_summary_counts() -> None:
    assert loudness.parse_summary([*summary(integrated="-30.0"), *summary()]) == Measurement(-17.9, -9.0, 1.1, -28.4)


@pytest.mark.parametrize(("seconds", "loudness_range"), [(None, 1.1), (3.2, 0.0), (3.6, 1.1)])
def test_a_programme_of_a_few_blocks_has_no_range(seconds: float | None, loudness_range: float) -> None:
    measured = loudness.parse_summary(summary(), seconds=seconds)
    assert measured is not None
    assert measured.range_lu == loudness_range


def test_a_log_without_a_summary_is_an_error() -> None:
    with pytest.raises(ValueError, match="no loudness summary"):
        loudness.parse_summary(summary()[1:])


@pytest.mark.parametrize(
    ("measured", "duration", "mode"),
    [
        (None, 60.0, "none"),
        (Measurement(-20.0, -9.0, 5.0, -30.0), 60.0, "linear"),
        # The gain would pass the ceiling.
        (Measurement(-20.0, -3.0, 5.0, -30.0), 60.0, "dynamic"),
        (Measurement(-20.0, -9.0, 14.0, -30.0), 60.0, "dynamic"),
        # loudnorm has nothing to steer by.
        (Measurement(-20.0, -9.0, 5.0, -30.0), 2.9, "gain"),
        (Measurement(-20.0, -9.0, 0.0, -30.0), 60.0, "gain"),
    ],
)
def test_the_kind_of_gain(measured: Measurement | None, duration: float, mode: str) -> None:
    gain = loudness.gain_to_target(measured, duration)
    assert gain.mode == mode
    assert (gain.filter is None) == (mode == "none")


@pytest.mark.parametrize(
    ("peak", "trim", "mode", "integrated"),
    [
        # Room for all of it, for a part, for none: loudnorm would stay linear, whatever it is asked for besides.
        (-6.0, 0.3, "linear", "-20.30"),
        (-5.7, 0.3, "linear", "-20.20"),
        (-5.5, 0.3, "linear", "-20.00"),
        # Dynamic without the trim, and with one that makes it quieter linear.
        (-5.4, 0.3, "dynamic", "-20.00"),
        (-5.4, -0.3, "linear", "-19.70"),
    ],
)
def test_a_trim_is_as_much_as_there_is_room_for(peak: float, trim: float, mode: str, integrated: str) -> None:
    gain = loudness.gain_to_target(Measurement(-20.0, peak, 5.0, -30.0), 60.0, Aim(trim=trim))
    assert gain.mode == mode
    assert f":measured_I={integrated}:" in (gain.filter or "")


@pytest.mark.parametrize(
    ("integrated", "peak", "decibels"), [(-20.0, -9.0, 4.0), (-20.0, -3.0, 1.5), (-10.0, 0.0, -6.0), (-16.0, 1.0, -2.5)]
)
def test_a_plain_gain_never_passes_the_ceiling(integrated: float, peak: float, decibels: float) -> None:
    gain = loudness.gain_to_target(Measurement(integrated, peak, 0.0, -30.0), 1.0)
    assert gain.filter == f"volume={decibels:.2f}dB"


def test_the_second_pass_gets_what_was_measured_and_stays_at_48_khz() -> None:
    gain_filter = loudness.gain_to_target(Measurement(-20.04, -9.0, 5.0, -30.4), 60.0).filter or ""
    values = dict(part.split("=") for part in re.split("[:,]", gain_filter.removeprefix("loudnorm=")))
    assert (values["I"], values["TP"], values["LRA"]) == ("-16.0", "-1.50", "11.0")
    assert (values["measured_I"], values["measured_TP"]) == ("-20.04", "-9.00")
    assert (values["measured_LRA"], values["measured_thresh"], values["linear"]) == ("5.00", "-30.40", "true")
    assert values["aresample"] == "48000"


def test_measured_values_stay_within_what_loudnorm_takes() -> None:
    gain_filter = loudness.gain_to_target(Measurement(2.1, 7.9, 30.0, 1.0), 60.0).filter or ""
    # Turned down first: loudnorm takes nothing over 0 LUFS.
    assert gain_filter.startswith("volume=-18.10dB,loudnorm=")
    assert "measured_I=-16.00" in gain_filter
    assert "measured_thresh=-17.10" in gain_filter


@pytest.mark.parametrize(
    ("mode", "integrated", "peak", "aim"),
    [
        ("linear", -16.1, -3.0, None),
        ("none", -30.0, 0.0, None),
        # Overshot by the coder: a lower ceiling.
        ("dynamic", -16.0, -0.4, Aim(-2.3, 0.0)),
        ("dynamic", -17.0, -2.0, Aim(-1.5, 1.0)),
        ("linear", -17.0, -4.0, Aim(-1.5, 1.0)),
        # Softer than asked because of its peaks: nothing to gain without a limiter.
        ("gain", -20.0, -1.6, None),
        ("gain", -15.0, -1.6, Aim(-1.5, -1.0)),
    ],
)
def test_what_to_aim_at_after_a_result(mode: str, integrated: float, peak: float, aim: Aim | None) -> None:
    corrected = loudness.next_aim(Measurement(integrated, peak, 3.0, -28.0), Gain(mode, "x"), Aim())  # type: ignore[arg-type]
    if aim is None:
        assert corrected is None
    else:
        assert corrected is not None
        assert (corrected.ceiling, corrected.trim) == pytest.approx((aim.ceiling, aim.trim))


def test_peaks_that_get_past_the_limiter_get_one_gain_for_everything() -> None:
    limiter, loud = Gain("dynamic", "x"), Measurement(-16.0, 7.1, 5.0, -27.0)
    plain = loudness.next_aim(loud, limiter, Aim())
    # loudnorm takes no ceiling that low.
    assert plain == Aim(plain=True)
    gain = loudness.gain_to_target(Measurement(-16.9, 3.2, 5.5, -27.5), 20.0, plain)
    assert (gain.mode, gain.filter) == ("gain", "volume=-4.70dB")
    assert loudness.next_aim(Measurement(-22.0, 3.3, 5.0, -32.0), gain, plain) == Aim(-2.5, plain=True)
    # Softer than could be, in this encode: the next one up may be far over again.
    assert loudness.next_aim(Measurement(-23.0, -3.8, 5.0, -33.0), gain, Aim(-2.5, plain=True)) is None


def test_silence_needs_no_correction() -> None:
    assert loudness.next_aim(None, Gain("gain", "x"), Aim()) is None


@pytest.mark.parametrize("seconds", [0.065, 0.2, 1024 * 9 / 48_000, 2.0, 6.0, 61.337])
def test_a_sound_is_fitted_to_whole_aac_frames(seconds: float) -> None:
    samples = loudness.whole_frame_samples(seconds)
    assert samples % profile.AAC_FRAME_SAMPLES == 0
    assert 0 <= samples - seconds * profile.SAMPLE_RATE < profile.AAC_FRAME_SAMPLES + 1
    assert loudness.length_filters(seconds) == f"apad=whole_len={samples},atrim=end_sample={samples}"


def test_a_duration_of_whole_frames_gets_no_frame_more() -> None:
    assert loudness.whole_frame_samples(8.0) == 8 * 48_000
    assert loudness.whole_frame_samples(round(1024 * 7 / 48_000, 6)) == 1024 * 7


@pytest.mark.parametrize("seconds", [0.0, 0.0002, 0.02, 0.064])
def test_the_shortest_sound_fills_the_picture_of_its_waveform(seconds: float) -> None:
    assert loudness.whole_frame_samples(seconds) == 3072 >= 2 * profile.PICTURE_WIDTH
