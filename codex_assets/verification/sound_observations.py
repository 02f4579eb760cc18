"""What was seen of a sound by itself and beside its waveform: fields of the observations.

In: frozen fields. Out: how they come about (`observe/sound.py`, `observe/sound_peaks.py`), and what they should be
(`rules/loudness.py`, `rules/waveform.py`).
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


@dataclass(frozen=True)
class LoudnessSecond:
    """How loud a second of sound is, in LUFS (EBU Tech 3341); None for what is too quiet to be measured.

    `momentary`: of the loudest window of 0.4 s that ends in it; `short_term`: of the 3 s up to its end.
    """

    momentary: float | None
    short_term: float | None
