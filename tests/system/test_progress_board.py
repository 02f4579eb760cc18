"""How far a run is, where phases follow each other and where they are under way beside each other."""

from __future__ import annotations

import pytest

from codex_assets.system.workspace import ProgressBoard, Status


def test_phases_beside_each_other_add_up() -> None:
    seen: list[Status] = []
    board = ProgressBoard(seen.append)
    board.plan({"variants": 60.0, "verifying": 20.0, "publishing": 20.0})
    with board.phase("variants") as encoded:
        encoded(0.5, 2.0)
        with board.phase("verifying") as verified:
            verified(0.5, None)
            encoded(1.0, 2.0)
    with board.phase("publishing"):
        pass
    overall = [round(status.overall, 3) for status in seen]
    assert overall == sorted(overall)
    assert [value for value in (0.3, 0.4, 0.7) if value in overall] == [0.3, 0.4, 0.7]
    assert overall[-1] == 1.0


def test_a_phase_that_is_under_way_twice_counts_once() -> None:
    seen: list[Status] = []
    board = ProgressBoard(seen.append)
    board.plan({"verifying": 50.0, "publishing": 50.0})
    with board.phase("verifying") as first, board.phase("verifying") as second:
        first(1.0, None)
        second(0.5, None)
    assert seen[-1].overall == 0.5
    assert board.spent["verifying"] > 0


def test_a_phase_that_failed_is_still_to_come() -> None:
    seen: list[Status] = []
    board = ProgressBoard(seen.append)
    board.plan({"variants": 50.0, "publishing": 50.0})

    def break_off() -> None:
        with board.phase("variants") as advance:
            advance(0.8, None)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_off()
    with board.phase("variants"):
        pass
    assert [round(status.overall, 2) for status in seen] == [0.0, 0.4, 0.0, 0.5]
