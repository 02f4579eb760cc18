"""The judge on observations made by hand: where its limits are, and that it stays apart from what builds."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification import measures, observations
from codex_assets.verification.judge import RULES, failures, judge
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AnyObservation,
    AudioSeen,
    Lag,
    LoudnessExpected,
    LoudnessObservation,
    MasterExpected,
    MasterObservation,
    MezzanineExpected,
    MezzanineObservation,
    PictureSeen,
    PlaylistSeen,
    SegmentSeen,
    Span,
    StreamInf,
    ThumbnailExpected,
    ThumbnailObservation,
    VariantExpected,
    VariantObservation,
    VideoSeen,
    WaveformExpected,
    WaveformImageObservation,
    WaveformObservation,
)
from codex_assets.verification.rule import rule as as_rule

ROOT = Path(__file__).parents[2]
BUILDERS = {"mezzanine", "ladder", "loudness", "hls", "thumbnail", "waveform", "recipe"}

VIDEO = VideoSeen(
    codec="h264",
    profile="High",
    profile_idc=100,
    constraints=0,
    level=31,
    pixel_format="yuv420p",
    width=1280,
    height=720,
    coded_width=1280,
    coded_height=720,
    sample_aspect=Fraction(1),
    rotation=0,
    frame_rate=Fraction(30000, 1001),
    interlaced=False,
)
AUDIO = AudioSeen("aac", "LC", 48000, 2)


def span(start: float, seconds: float, step: float, size: int = 0) -> Span:
    return Span(start, start + seconds, round(seconds / step), step, step, step, size, key_times=(start,))


def variant(*durations: float, sizes: tuple[int, ...] = (), target: int = 6, step: float = 0.04) -> VariantObservation:
    """A playlist with a picture whose segments last `durations`."""
    segments, at = [], 0.0
    for index, duration in enumerate(durations):
        size = sizes[index] if sizes else 1000
        name = f"segment_{index:05d}.ts"
        segments.append(SegmentSeen(name, duration, size, True, True, b"\x67", span(at, duration, step, size)))
        at += duration
    playlist = PlaylistSeen("playlist.m3u8", target_duration=target, type="VOD", ended=True)
    return VariantObservation("hls_720p", ObservationKind.VARIANT, playlist, tuple(segments), video=VIDEO)


def finding_of(observation: AnyObservation, name: str) -> Finding | None:
    """The finding of rule `name`, or None where it does not apply."""
    return next(iter(judge(observation, only=[name])), None)


def passed(observation: AnyObservation, name: str) -> bool:
    finding = finding_of(observation, name)
    assert finding is not None, f"{name} does not apply"
    return finding.passed


# --- The frame --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["verification/judge.py", "verification/observe/observer.py"])
def test_the_judge_imports_no_builder(module: str) -> None:
    tree = ast.parse((ROOT / "codex_assets" / module).read_text())
    imported = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        for part in name.split(".")
    }
    assert imported.isdisjoint(BUILDERS | {"builder"})


def test_every_rule_is_in_the_documentation_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| (\w+) \| ([^|]*) \| ([^|]*) \|$", _documentation(), re.MULTILINE)
    rules = [
        (
            rule.name,
            ", ".join(kind for kind in ObservationKind if kind in rule.kinds),
            str(rule.severity),
            rule.source,
            rule.description,
        )
        for rule in RULES.values()
    ]
    assert rows == rules


def _documentation() -> str:
    return (ROOT / "docs" / "verification.md").read_text()


def test_rules_say_who_asks_for_them_and_what_they_mean() -> None:
    for rule in RULES.values():
        assert rule.source
        assert rule.kinds
        assert rule.description.endswith(".")


def test_judging_stops_at_nothing() -> None:
    playlist = PlaylistSeen("playlist.m3u8", target_duration=4)
    findings = judge(replace(variant(6.0, 7.0, 2.0), playlist=playlist))
    names = {finding.rule for finding in failures(findings)}
    assert {"playlist_is_vod", "playlist_ended", "target_duration", "segment_length"} <= names


def test_an_unreadable_output_is_judged_by_its_gate_alone() -> None:
    missing = [
        VariantObservation(
            "hls_720p", ObservationKind.VARIANT, PlaylistSeen("playlist.m3u8", problem="it does not exist")
        ),
        VariantObservation(
            "preview", ObservationKind.PREVIEW, PlaylistSeen("preview.m3u8", problem="it does not exist")
        ),
        MasterObservation("hls_master", problem="it does not exist"),
        MezzanineObservation("mezzanine", problem="it does not exist"),
        ThumbnailObservation("thumbnail", problem="it does not exist"),
        LoudnessObservation("loudness", problem="it does not exist"),
        WaveformObservation("waveform_json", problem="it does not exist"),
        WaveformImageObservation("waveform_png", problem="it does not exist"),
    ]
    for observation in missing:
        (finding,) = judge(observation)
        assert not finding.passed
        assert finding.severity is Severity.ERROR
        assert "it does not exist" in finding.message


def test_a_warning_is_no_failure() -> None:
    findings = judge(replace(variant(6.0, 2.0), stray=("segment_00007.ts",)), only=["no_stray_segments"])
    assert failures(findings) == ()
    assert [finding.where for finding in findings if finding.is_warning] == ["segment_00007.ts"]


def test_several_places_are_one_finding() -> None:
    seen = variant(6.0, 6.0, 2.0)
    gone = replace(seen, segments=tuple(replace(segment, size=None) for segment in seen.segments))
    finding = finding_of(gone, "segments_present")
    assert finding is not None
    assert finding.message == "segment_00000.ts does not exist (2 more like it)."
    assert finding.where == "segment_00000.ts"


def test_two_rules_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="playlist_ended"):

        @as_rule(ObservationKind.VARIANT, source="nowhere")
        def playlist_ended(seen: VariantObservation) -> None:
            """Never registered."""


# --- Rates ------------------------------------------------------------------------------------------------------------


def test_a_short_last_segment_is_no_peak_by_itself() -> None:
    seen = variant(6.0, 6.0, 0.5, sizes=(6_000, 6_000, 8_000))
    # Alone, the last one would be 128,000 bit/s; with the one before it (6.5 s, allowed up to 9) it is 17,231.
    assert measures.peak_rate(seen) == pytest.approx(8 * 14_000 / 6.5)
    assert measures.average_rate(seen) == pytest.approx(8 * 20_000 / 12.5)
    assert measures.peak_rate(variant(6.0, 6.0, 2.0, sizes=(6_000, 6_000, 8_000))) == pytest.approx(8 * 8_000 / 2.0)


def test_a_run_may_last_one_and_a_half_targets() -> None:
    seen = variant(3.0, 3.0, 3.0, sizes=(1_000, 9_000, 9_000))
    assert measures.peak_rate(seen) == pytest.approx(8 * 9_000 / 3.0)
    assert measures.peak_rate(variant(1.0, sizes=(500,))) == pytest.approx(4_000)


def test_codecs_say_profile_constraints_and_level() -> None:
    assert measures.codecs(replace(variant(6.0), audio=AUDIO)) == "avc1.64001f,mp4a.40.2"
    base = replace(VIDEO, profile="Constrained Baseline", profile_idc=66, constraints=0xC0, level=30)
    assert measures.codecs(replace(variant(6.0), video=base)) == "avc1.42c01e"
    assert measures.codecs(replace(variant(6.0), video=None, audio=AUDIO)) == "mp4a.40.2"
    assert measures.codecs(replace(variant(6.0), video=replace(VIDEO, codec="hevc"))) is None


@pytest.mark.parametrize(
    ("size", "rate", "level"),
    [
        ((1920, 1080), Fraction(30), 40),
        ((1920, 1080), Fraction(60), 42),
        ((1280, 720), Fraction(30), 31),
        ((1280, 720), Fraction(60), 32),
        ((854, 480), Fraction(30), 31),
        ((640, 360), Fraction(30), 30),
        ((320, 180), Fraction(25), 12),
    ],
)
def test_needed_level(size: tuple[int, int], rate: Fraction, level: int) -> None:
    video = replace(VIDEO, coded_width=size[0], coded_height=size[1], frame_rate=rate)
    assert measures.needed_level(replace(variant(6.0), video=video)) == level


def test_bit_rate_raises_the_needed_level() -> None:
    video = replace(VIDEO, coded_width=320, coded_height=180, profile="Main", frame_rate=Fraction(25))
    assert measures.needed_level(replace(variant(6.0, sizes=(6 * 100_000,)), video=video)) == 20


@pytest.mark.parametrize(
    ("declared", "covers", "close"), [(8_000, True, True), (7_999, False, True), (8_801, True, False)]
)
def test_bandwidth_has_no_slack_below_and_ten_percent_above(declared: int, covers: bool, close: bool) -> None:
    seen = variant(6.0, sizes=(6_000,))
    stream = StreamInf("720p/playlist.m3u8", bandwidth=declared)
    master = MasterObservation("hls_master", streams=(stream,), measured=(("720p/playlist.m3u8", seen),))
    assert passed(master, "bandwidth_covers_peak") is covers
    assert passed(master, "bandwidth_close_to_peak") is close


def test_a_master_needs_no_expectation_to_be_compared_with_its_folder() -> None:
    stream = StreamInf("720p/playlist.m3u8", bandwidth=1)
    assert finding_of(MasterObservation("hls_master", streams=(stream,)), "master_lists_what_exists") is None
    beside = MasterObservation("hls_master", streams=(stream,), variant_folders=("480p", "720p"))
    assert not passed(beside, "master_lists_what_exists")
    assert passed(replace(beside, expected=MasterExpected(("720p",))), "master_lists_what_exists")


# --- Segments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("durations", "step", "good"),
    [
        ((6.0, 6.0, 2.0), 0.04, True),
        ((6.006, 6.006, 0.2), 1001 / 30000, True),
        ((6.04, 5.96, 2.0), 0.04, True),
        ((6.0, 6.0, 6.1), 0.04, False),
        ((5.9, 6.1, 2.0), 0.04, False),
        ((8.3, 6.0), 0.04, False),
        ((0.04,), 0.04, True),
        ((5.994667, 6.016, 1.0), observations.AAC_FRAME, True),
    ],
)
def test_segment_length_within_a_frame(durations: tuple[float, ...], step: float, good: bool) -> None:
    assert passed(variant(*durations, step=step), "segment_length") is good


def test_target_duration_counts_rounded_seconds() -> None:
    assert passed(variant(6.006, 6.4, 1.0), "target_duration")
    assert passed(variant(6.5, 1.0), "target_duration")
    assert not passed(variant(6.51, 1.0), "target_duration")


def test_a_missing_segment_is_no_discontinuity() -> None:
    seen = variant(6.0, 6.0, 2.0)
    hole = replace(
        seen, segments=(seen.segments[0], replace(seen.segments[1], size=None, video=None), seen.segments[2])
    )
    assert passed(hole, "picture_continuous")
    assert not passed(hole, "segments_present")


@pytest.mark.parametrize(("shift", "good"), [(0.0, True), (0.02, True), (-0.02, True), (0.04, False), (-0.04, False)])
def test_a_gap_or_an_overlap_of_a_frame_is_told(shift: float, good: bool) -> None:
    seen = variant(6.0, 6.0)
    last = seen.segments[1]
    assert last.video is not None
    moved = replace(last, video=replace(last.video, start=last.video.start + shift, end=last.video.end + shift))
    assert passed(replace(seen, segments=(seen.segments[0], moved)), "picture_continuous") is good


def test_last_end_may_differ_between_siblings_and_no_other() -> None:
    seen = variant(6.0, 6.0, 2.0)
    assert passed(replace(seen, expected=VariantExpected(cuts=(6.0, 12.0, 14.5))), "cuts_like_siblings")
    assert not passed(replace(seen, expected=VariantExpected(cuts=(6.0, 12.04, 14.0))), "cuts_like_siblings")
    assert not passed(replace(seen, expected=VariantExpected(cuts=(6.0, 12.0))), "cuts_like_siblings")


def test_a_preview_is_cut_like_the_start_of_its_variant() -> None:
    seen = replace(
        variant(6.0, 6.0, 6.0), kind=ObservationKind.PREVIEW, expected=VariantExpected(cuts=(6.0, 12.0, 18.0, 24.0))
    )
    assert passed(seen, "cuts_like_siblings")


@pytest.mark.parametrize(
    ("lasts", "source", "good"),
    [((6.0,) * 5, 600.0, True), ((6.006,) * 5, 600.0, True), ((6.0, 6.0), 12.0, True), ((6.0,) * 4, 600.0, False)],
)
def test_preview_lasts_30_seconds_or_the_source(lasts: tuple[float, ...], source: float, good: bool) -> None:
    seen = replace(variant(*lasts), kind=ObservationKind.PREVIEW, expected=VariantExpected(duration=source))
    assert passed(seen, "preview_duration") is good


def test_a_portrait_preview_may_be_720_wide() -> None:
    portrait = replace(VIDEO, coded_width=720, coded_height=1280)
    assert passed(replace(variant(6.0), kind=ObservationKind.PREVIEW, video=portrait), "preview_at_most_720p")


@pytest.mark.parametrize(("rate", "good"), [(30000 / 1001, True), (30.0, False), (29.95, False)])
def test_29_97_is_not_30(rate: float, good: bool) -> None:
    seen = replace(variant(6.0, 6.0, step=1 / rate), expected=VariantExpected(frame_rate=Fraction(30000, 1001)))
    assert passed(seen, "picture_rate") is good


@pytest.mark.parametrize(
    ("lag", "good"),
    [
        (Lag(0.0, 0.99, ((0.0, 0.99),)), True),
        (Lag(0.05, 0.99, ((0.0, 0.99),)), True),
        (Lag(0.5, 0.95, ((0.0, 0.3),)), False),
        (Lag(-0.5, 0.95, ((0.0, 0.3),)), False),
        # Periodic: the shift explains it no better than being in sync.
        (Lag(0.5, 0.95, ((0.0, 0.9),)), True),
    ],
)
def test_a_shift_has_to_be_proved(lag: Lag, good: bool) -> None:
    assert passed(replace(variant(6.0), lag_start=lag), "sound_in_sync_at_start") is good


def test_sounds_that_differ_too_much_prove_no_shift() -> None:
    seen = replace(variant(6.0), lag_end=Lag(0.5, 0.4, ((0.0, 0.1),)))
    assert finding_of(seen, "sound_in_sync_at_end") is None
    assert passed(seen, "same_sound")
    assert not passed(replace(seen, lag_end=Lag(0.5, 0.15, ((0.0, 0.1),))), "same_sound")


def test_one_odd_moment_is_no_other_picture() -> None:
    assert passed(replace(variant(6.0), picture_differences=(1.0, 90.0, 2.0)), "same_picture")
    assert not passed(replace(variant(6.0), picture_differences=(1.0, 90.0, 80.0)), "same_picture")


# --- Single files -----------------------------------------------------------------------------------------------------


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
        # Its peaks are at the ceiling: no gain could have raised it.
        (-21.0, -1.6, True),
        (-21.0, -2.6, False),
    ],
)
def test_loudness_misses_its_target_only_at_the_ceiling(integrated: float, peak: float, good: bool) -> None:
    expected = LoudnessExpected(target=-16.0, silent=False)
    seen = LoudnessObservation(
        "hls_720p", integrated=integrated, true_peak=peak, loudness_range=5.0, duration=60.0, expected=expected
    )
    finding = finding_of(seen, "loudness_on_target")
    assert finding is not None
    assert finding.passed is good
    if good and integrated < -20:
        assert "true-peak ceiling" in finding.message


@pytest.mark.parametrize(("integrated", "good"), [(-21.6, True), (-25.0, True), (-26.0, False), (-15.0, False)])
def test_one_gain_for_everything_reaches_as_far_as_its_peaks(integrated: float, good: bool) -> None:
    expected = LoudnessExpected(target=-16.0, silent=False, limit=-21.6)
    seen = LoudnessObservation("hls_128k", integrated=integrated, true_peak=-5.0, duration=60.0, expected=expected)
    assert passed(seen, "loudness_on_target") is good


def test_silence_has_no_loudness_to_judge() -> None:
    silent = LoudnessObservation("hls_720p", duration=60.0, expected=LoudnessExpected(target=-16.0, silent=True))
    assert {finding.rule for finding in judge(silent)} == {"sound_measurable", "sound_audible"}
    assert all(finding.passed for finding in judge(silent))
    lost = replace(silent, expected=LoudnessExpected(target=-16.0, silent=False))
    assert [finding.rule for finding in failures(judge(lost))] == ["sound_audible"]


def test_sound_that_is_passed_through_may_be_as_loud_as_it_is() -> None:
    seen = LoudnessObservation("hls_720p", integrated=-60.0, true_peak=2.0, duration=9.0)
    assert {finding.rule for finding in judge(seen)} == {"sound_measurable"}
    assert math.isinf(LoudnessObservation("hls_720p").integrated)


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
