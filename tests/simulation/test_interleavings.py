"""Jobs, a rebuild and a sweeper of one media, interleaved as a seed has it, over stores that stop, fail and reorder:
what is published is one set and whole, whatever happens.

A seed that fails is in the message, with what was not true; `python tests/simulation/interleaving.py SEED` tells all of
its story. `SIMULATION_SEEDS=5000-6000` runs others.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from faults import Event
from interleaving import Simulation, Story, simulated_processes

PARTS, QUICK, ALL = 3, 750, 100_000
"""Tests, which run side by side, and interleavings: with every run, and with the slow tests."""


def stories(seeds: range, folder: Path) -> list[Story]:
    with simulated_processes():
        simulation = Simulation(folder)
        return [simulation.run(seed) for seed in seeds]


def require_well(played: list[Story]) -> None:
    broken = [story for story in played if story.broken]
    lines = [f"seed {story.seed}: {what}" for story in broken[:5] for what in story.broken[:3]]
    if broken:
        pytest.fail(
            f"{len(broken)} of {len(played)} interleavings end badly; see them whole with `python "
            f"tests/simulation/interleaving.py {broken[0].seed}`:\n" + "\n".join(lines),
            pytrace=False,
        )
    # What the documents except is rare, or it excuses too much.
    assert sum(sum(story.exempt.values()) > 0 for story in played) <= max(2, len(played) // 200)


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_published_is_one_set_and_whole(part: int, tmp_path: Path) -> None:
    played = stories(range(part * QUICK // PARTS, (part + 1) * QUICK // PARTS), tmp_path)
    require_well(played)
    happened: Counter[Event] = sum((story.happened for story in played), Counter())
    # A few kinds are rare, and a part of the seeds may have none of them.
    assert len(set(Event) - set(happened)) <= 2
    outcomes: Counter[str] = sum((story.outcomes for story in played), Counter())
    assert {"completed", "superseded", "media_busy", "storage_failed", "killed"} <= set(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(20))
def test_what_is_published_is_one_set_and_whole_in_many(part: int, tmp_path: Path) -> None:
    size = (ALL - QUICK) // 20
    require_well(stories(range(QUICK + part * size, QUICK + (part + 1) * size), tmp_path))


@pytest.mark.skipif("SIMULATION_SEEDS" not in os.environ, reason="SIMULATION_SEEDS names no seeds")
@pytest.mark.timeout(3600)
def test_what_is_published_is_one_set_and_whole_in_these(tmp_path: Path) -> None:
    first, _, last = os.environ["SIMULATION_SEEDS"].partition("-")
    require_well(stories(range(int(first), int(last or first) + 1), tmp_path))


def test_a_seed_is_always_the_same_story(tmp_path: Path) -> None:
    with simulated_processes():
        first = [Simulation(tmp_path).run(seed, trace=True) for seed in range(6)]
        again = [Simulation(tmp_path).run(seed, trace=True) for seed in range(6)]
    assert [story.trace for story in first] == [story.trace for story in again]
    assert all(len(story.trace) > 100 for story in first)
