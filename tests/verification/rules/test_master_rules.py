"""Where the limits of the master's rules are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_observations import finding_of, passed, variant

from codex_assets.verification.observations import (
    MasterExpected,
    MasterObservation,
    StreamInf,
)


@pytest.mark.parametrize(
    ("declared", "covers", "close"), [(8_000, True, True), (7_999, False, True), (8_801, True, False)]
)
def test_bandwidth_has_no_slack_below_and_ten_percent_above(declared: int, covers: bool, close: bool) -> None:
    seen = variant(6.0, sizes=(6_000,))
    stream = StreamInf("720p/playlist.m3u8", bandwidth=declared)
    master = MasterObservation(
        "hls_master", streams=(stream,), measured=(("720p/playlist.m3u8", seen),), expected=MasterExpected(("720p",))
    )
    assert passed(master, "bandwidth_covers_peak") is covers
    assert passed(master, "bandwidth_close_to_peak") is close


def test_a_master_needs_no_expectation_to_be_compared_with_its_folder() -> None:
    stream = StreamInf("720p/playlist.m3u8", bandwidth=1)
    ours = MasterExpected(is_of_contract=True)
    alone = MasterObservation("hls_master", streams=(stream,), expected=ours)
    assert finding_of(alone, "master_lists_what_exists") is None
    beside = replace(alone, variant_folders=("480p", "720p"))
    assert not passed(beside, "master_lists_what_exists")
    assert passed(replace(beside, expected=MasterExpected(("720p",))), "master_lists_what_exists")
