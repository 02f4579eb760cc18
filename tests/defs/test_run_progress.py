"""A run's log says how far it is: every so often, at each phase, and when nothing new is known."""

from __future__ import annotations

import time

from codex_assets.defs import run_progress
from codex_assets.system.workspace import Status


def test_a_message_names_phase_part_speed_and_time_left() -> None:
    status = Status("variants", 0.52, 0.34, 3.14, 130.0)
    assert run_progress.words(status) == "34 %: variants (52 %), 3.1x, 2 min 10 s left"


def test_no_time_is_left_before_a_tenth_is_done_and_none_at_the_end() -> None:
    assert run_progress.words(Status("mezzanine", 0.1, 0.09, None, 900.0)) == "9 %: mezzanine (10 %)"
    assert run_progress.words(Status("publishing", 1.0, 1.0, None, 0.0)) == "100 %: publishing (100 %)"


def test_a_phase_that_says_nothing_new_has_messages_all_the_same() -> None:
    lines: list[str] = []
    with run_progress.logged(lines.append, every_seconds=1.5) as listener:
        listener(Status("variants", 0.5, 0.5, 2.0, 8.0))
        listener(Status("verifying", 0.0, 0.9, None, 1.0))
        time.sleep(4.5)
    # The earlier phase was over before anybody looked.
    assert lines[0] == "90 %: verifying, 1 s left"
    assert lines[1].startswith("90 %: verifying, for ")
    assert 2 <= len(lines) <= 3


def test_nothing_is_written_of_a_run_that_reports_nothing() -> None:
    lines: list[str] = []
    with run_progress.logged(lines.append, every_seconds=0.1):
        time.sleep(1.2)
    assert lines == []
