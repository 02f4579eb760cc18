"""Which long steps of a track's clock are gaps, and which are jumps of the clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from codex_assets.media.upload.gaps import LONGEST_STEP_SECONDS, Clocks, longest_step

Spans = Sequence[tuple[float, float]]


def moments(spans: Spans) -> list[float]:
    return [start + number / 5 for start, end in spans for number in range(int(5 * (end - start)) + 1)]


def clocks_of(*tracks: Spans, order: str = "by time") -> Clocks:
    """`order`: packets of all tracks by their time, or one span after the other of each."""
    packets = [(moment, index) for index, spans in enumerate(tracks) for moment in moments(spans)]
    if order == "by time":
        packets.sort()
    else:
        rounds = max(len(spans) for spans in tracks)
        packets = [
            (moment, index)
            for number in range(rounds)
            for moment, index in sorted(
                (moment, index)
                for index, spans in enumerate(tracks)
                if number < len(spans)
                for moment in moments([spans[number]])
            )
        ]
    clocks = Clocks()
    for moment, index in packets:
        clocks.add(index, moment)
    return clocks


GAPS: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]], float]] = {
    "the sound pauses": ([(0, 22)], [(0, 4), (17, 22)], 13.0),
    "the picture pauses": ([(0, 4), (19, 22)], [(0, 22)], 15.0),
    "each pauses once": ([(0, 4), (19, 40)], [(0, 22), (34, 40)], 15.0),
    "both pause, not together": ([(0, 4), (24, 30)], [(0, 10), (22, 30)], 20.0),
    "nobody pauses": ([(0, 22)], [(0, 22)], 0.0),
    "both clocks leap": ([(0, 4), (60, 64)], [(0, 4.4), (60.2, 64)], 0.0),
    "one leaps a second before the other": ([(0, 4), (60, 64)], [(0, 2.8), (59, 64)], 0.0),
    "alone": ([(0, 4), (60, 64)], [], 0.0),
    "a last packet that is a day off": ([(0, 4), (86_400, 86_400)], [(0, 9)], 0.0),
}


@pytest.mark.parametrize("name", GAPS)
def test_a_gap_is_where_another_track_runs_on(name: str) -> None:
    picture, sound, expected = GAPS[name]
    tracks = [spans for spans in (picture, sound) if spans]
    assert clocks_of(*tracks).longest_gap(range(len(tracks))) == pytest.approx(expected)


def test_a_gap_after_the_clock_restarts_is_one_too() -> None:
    clocks = clocks_of([(0, 4), (0, 22)], [(0, 4), (0, 4)], order="one after the other")
    for moment in moments([(17, 22)]):
        clocks.add(1, moment)
    assert clocks.longest_gap([0, 1]) == pytest.approx(13.0)
    assert clocks.joined_seconds(0, 14.0) == pytest.approx(26.0)


def test_a_step_back_of_one_track_alone_leaves_all_open() -> None:
    clocks = clocks_of([(0, 22)], [(0, 4), (17, 22), (2, 3)], order="one after the other")
    assert clocks.longest_gap([0, 1]) == 0.0


def test_a_track_that_is_stored_far_behind_its_time_is_no_jump() -> None:
    clocks = clocks_of([(0, 22)])
    clocks.add(1, 0.1)
    assert clocks.longest_gap([0, 1]) == pytest.approx(21.9)


def test_a_step_that_ffmpeg_joins_by_itself_stays_one() -> None:
    assert longest_step(0.0) == LONGEST_STEP_SECONDS
    assert longest_step(12.97) == 14.0
