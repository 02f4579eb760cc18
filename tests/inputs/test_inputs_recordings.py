"""Real recordings of a browser (`recordings/`, made by `record.mjs` there): delivered as they were drawn, at the time
of drawing. Their colours are in full range, and VP8's stream does not say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import measure_picture as measure
import pytest
from measure_picture import Box
from slow_cases import is_first, some_slow
from whole_job import deliver

pytestmark = pytest.mark.ffmpeg

RECORDINGS = Path(__file__).parent / "recordings"
NEAR = 3.0
"""Levels."""
LATE_SECONDS = 0.15
"""A recorder takes a picture some time after it was drawn."""
MIDDLE: Box = (0.45, 0.6, 0.55, 0.9)
LEFT: Box = (0.0, 0.6, 0.1, 0.9)


@dataclass(frozen=True)
class Recording:
    """`greys`: what was drawn, from which second on (0 to 255, over black). `bars`: when there are some at a side."""

    name: str
    size: tuple[int, int]
    seconds: float
    greys: tuple[tuple[float, float], ...]
    bars: tuple[float, ...] = ()
    warns: str | None = None


CASES = [
    Recording(
        "transparent_now_and_then.webm",
        (96, 54),
        6.0,
        ((0, 40), (1.02, 100), (2.01, 220), (3, 120), (4.03, 0), (4.72, 180)),
    ),
    Recording(
        "resized.webm",
        (192, 108),
        7.0,
        ((0.04, 60), (1.52, 180), (4.03, 100), (5.21, 220)),
        bars=(4.3, 5.0),
        warns="changes its size midway",
    ),
    # Two seconds of pause are none of the recording's.
    Recording("paused.mkv", (96, 54), 4.5, ((0.03, 60), (1.02, 180), (2.01, 220), (3.5, 40))),
    # The last picture says that it lasts for a millisecond, and stands until the sound ends.
    Recording("idle_with_sound.webm", (96, 54), 9.1, ((0.03, 60), (1.02, 180), (5.02, 100), (6.02, 220))),
    # The last picture, one of few, begins where the recording says that it ends.
    *(
        Recording(f"last_change{name}", (96, 54), seconds, ((0.04, 60), (2.03, 180), (last, 220)))
        for name, seconds, last in (
            (".mp4", 4.94, 4.9),
            (".mkv", 4.95, 4.91),
            ("_av1.webm", 4.97, 4.93),
            ("_vp8.webm", 4.97, 4.93),
            ("_with_sound.mp4", 5.01, 4.95),
        )
    ),
]


@pytest.mark.parametrize("recording", some_slow(CASES, is_first))
def test_a_recording_is_delivered_as_it_was_drawn(recording: Recording, tmp_path: Path) -> None:
    delivered = deliver(RECORDINGS / recording.name, "video", tmp_path)
    assert (delivered.output["width"], delivered.output["height"]) == recording.size
    assert [bool(re.search(recording.warns or "", warning)) for warning in delivered.warnings] == (
        [True] if recording.warns else []
    )
    facts = measure.seen(delivered.mezzanine)
    assert facts.frames / facts.rate == pytest.approx(recording.seconds, abs=0.12)
    film = measure.decoded(delivered.mezzanine, limit=1000)
    ends = [start for start, _ in recording.greys[1:]] + [recording.seconds]
    problems = []
    for number, at in enumerate(film.times):
        for (start, grey), end in zip(recording.greys, ends, strict=True):
            is_last = end == recording.seconds and number == len(film.times) - 1
            if is_last or start + LATE_SECONDS <= at < end - 0.02:
                level, wanted = film.level(number, MIDDLE), 16 + 219 * grey / 255
                if abs(level - wanted) > NEAR:
                    problems.append((round(at, 2), level, wanted))
    for at in recording.bars:
        level = film.level(round(at * float(facts.rate)), LEFT)
        if abs(level - 16) > 1:
            problems.append((at, level, 16))
    assert problems == []
