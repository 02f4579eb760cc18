"""Where the limits of the rules for single files and for loudness are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_observations import AUDIO, VIDEO, finding_of, passed, span

from codex_assets.verification import observations
from codex_assets.verification.judge import failures, judge
from codex_assets.verification.observations import (
    LoudnessExpected,
    LoudnessObservation,
    MezzanineExpected,
    MezzanineObservation,
    PictureSeen,
    ThumbnailExpected,
    ThumbnailObservation,
    WaveformExpected,
    WaveformImageObservation,
    WaveformObservation,
)


def test_a_mezzanine_lasts_as_its_longest_track() -> None:
    seen = MezzanineObservation(
        "mezzanine",
        video=VIDEO,
        audio=AUDIO,
        video_span=span(0.0, 10.0, 0.04),
        audio_span=span(0.0, 12.0, observations.AAC_FRAME),
        expected=MezzanineExpected(duration=12.05),
    )
    assert passed(seen, "mezzanine_duration")
    assert not passed(replace(seen, expected=MezzanineExpected(duration=10.0)), "mezzanine_duration")


@pytest.mark.parametrize(
    ("indexed", "there", "decoded", "good"),
    [(250, 250, 250, True), (260, 250, 250, False), (250, 250, 249, False), (250, 250, None, True)],
)
def test_every_promised_frame_has_to_decode(indexed: int, there: int, decoded: int | None, good: bool) -> None:
    seen = MezzanineObservation(
        "mezzanine",
        video=VIDEO,
        video_span=span(0.0, there * 0.04, 0.04),
        frames_indexed=indexed,
        frames_decoded=decoded,
    )
    assert passed(seen, "mezzanine_frames") is good


@pytest.mark.parametrize(
    ("spread", "source", "good"), [(40.0, 40.0, True), (0.5, 40.0, False), (0.5, 1.0, True), (3.5, 5.0, True)]
)
def test_a_thumbnail_may_be_as_blank_as_its_source(spread: float, source: float, good: bool) -> None:
    picture = PictureSeen("mjpeg", 1280, 720, spread)
    seen = ThumbnailObservation("thumbnail", picture=picture, expected=ThumbnailExpected(source, 0.0))
    assert passed(seen, "thumbnail_not_blank") is good


@pytest.mark.parametrize(
    ("integrated", "peak", "good"),
    [
        (-16.0, -3.0, True),
        (-16.5, -3.0, True),
        (-15.5, -3.0, True),
        (-16.7, -6.0, False),
        (-15.3, -6.0, False),
        # Peaks at the ceiling are no reason: a limiter makes room.
        (-21.0, -1.6, False),
    ],
)
def test_loudness_misses_its_target_only_where_the_creator_was_warned(
    integrated: float, peak: float, good: bool
) -> None:
    expected = LoudnessExpected(target=-16.0, silent=False)
    seen = LoudnessObservation(
        "hls_720p", integrated_lufs=integrated, true_peak_dbtp=peak, range_lu=5.0, duration=60.0, expected=expected
    )
    finding = finding_of(seen, "loudness_on_target")
    assert finding is not None
    assert finding.passed is good
    assert passed(replace(seen, expected=replace(expected, declared=True)), "loudness_on_target")


@pytest.mark.parametrize(
    ("integrated", "peak", "good"),
    [
        (-19.0, -1.2, True),
        (-30.7, -1.0, True),
        # As much room to the ceiling as is missing to the target: all of it was turned down.
        (-19.0, -4.0, False),
        (-22.0, -7.3, False),
        # Turning down is always possible.
        (-13.0, -1.0, False),
        (-14.8, -1.0, True),
    ],
)
def test_a_warning_excuses_a_loudness_that_peaks_leave_no_room_for(integrated: float, peak: float, good: bool) -> None:
    expected = LoudnessExpected(target=-16.0, silent=False, declared=True)
    seen = LoudnessObservation(
        "hls_720p", integrated_lufs=integrated, true_peak_dbtp=peak, range_lu=5.0, duration=60.0, expected=expected
    )
    assert passed(seen, "loudness_on_target") is good


def test_silence_has_no_loudness_to_judge() -> None:
    silent = LoudnessObservation("hls_720p", duration=60.0, expected=LoudnessExpected(target=-16.0, silent=True))
    assert {finding.rule for finding in judge(silent)} == {"sound_measurable", "sound_audible"}
    assert all(finding.passed for finding in judge(silent))
    lost = replace(silent, expected=LoudnessExpected(target=-16.0, silent=False))
    assert [finding.rule for finding in failures(judge(lost))] == ["sound_audible"]


def test_sound_that_is_passed_through_may_be_as_loud_as_it_is() -> None:
    seen = LoudnessObservation("hls_720p", integrated_lufs=-60.0, true_peak_dbtp=2.0, duration=9.0)
    assert {finding.rule for finding in judge(seen)} == {"sound_measurable"}
    assert math.isinf(LoudnessObservation("hls_720p").integrated_lufs)


@pytest.mark.parametrize(
    ("rate", "points", "seconds", "good"),
    [
        (48_000, 600, 60.0, True),
        (48_000, 601, 60.03, True),
        (44_100, 598, 60.0, True),
        (48_000, 590, 60.0, False),
        (11_025, 36_016, 3600.0, True),
        (48_000, 1, 0.04, True),
    ],
)
def test_waveform_length_follows_the_duration(rate: int, points: int, seconds: float, good: bool) -> None:
    seen = WaveformObservation(
        "waveform_json",
        sample_rate=rate,
        samples_per_pixel=rate // 10,
        length=points,
        values=2 * points,
        expected=WaveformExpected(seconds, False),
    )
    assert passed(seen, "waveform_length") is good
    assert passed(seen, "waveform_resolution")


@pytest.mark.parametrize(
    ("seconds", "column", "good"),
    [(3600.0, 1280, True), (3600.0, 1270, True), (3600.0, 1250, False), (0.05, 1200, True), (0.05, 600, False)],
)
def test_a_waveform_picture_reaches_the_right_edge(seconds: float, column: int, good: bool) -> None:
    seen = WaveformImageObservation(
        "waveform_png", codec="png", width=1280, height=720, drawn_to=column, expected=WaveformExpected(seconds)
    )
    assert passed(seen, "waveform_image_covers_all") is good
