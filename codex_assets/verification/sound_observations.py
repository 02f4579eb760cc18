"""What was seen of a waveform beside the sound that it shows: fields of the observations.

In: frozen fields. Out: how they come about (`observe/sound_peaks.py`), and what they should be (`rules/waveform.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PeakDifference:
    """The pairs of a waveform, or the columns of its drawing, against the peaks of the delivered sound.

    `worst`: the largest difference, in steps of which full scale has 128; `share`: of the points that are beside the
    sound, which lie from `begins` to `ends` (seconds).
    """

    points: int
    wanted_points: int
    worst: int
    share: float
    begins: float | None = None
    ends: float | None = None
    mistake: str | None = None
    """What explains it, as the rest of a sentence ("runs backwards")."""
