"""Where the limits of the playlist's and the segments' rules are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_observations import finding_of, passed, variant

from codex_assets.verification import observations
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    VariantExpected,
)


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


VERSION, OTHER = "0123456789ab", "ba9876543210"


@pytest.mark.parametrize(
    ("folders", "contents", "good"),
    [
        ((VERSION, VERSION), VERSION, True),
        ((VERSION, VERSION), OTHER, False),
        ((VERSION, OTHER), VERSION, False),
        ((VERSION, None), VERSION, False),
        ((None, VERSION), VERSION, False),
    ],
)
def test_segments_lie_together_in_the_folder_that_their_contents_name(
    folders: tuple[str | None, ...], contents: str, good: bool
) -> None:
    seen = variant(6.0, 2.0)
    named = (replace(segment, version=folder) for segment, folder in zip(seen.segments, folders, strict=True))
    assert passed(replace(seen, segments=tuple(named), contents_version=contents), "segments_in_their_version") is good


def test_what_the_first_releases_published_has_no_version() -> None:
    seen = replace(variant(6.0, 2.0), contents_version=VERSION)
    assert finding_of(seen, "segments_in_their_version") is None
    # And where a segment is missing nobody knows what the folder should be called.
    lost = tuple(replace(segment, version=VERSION) for segment in seen.segments)
    assert finding_of(replace(seen, segments=lost, contents_version=None), "segments_in_their_version") is None
