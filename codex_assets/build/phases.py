"""The phases of a run, by the names under which progress, logs and records know them.

In: each phase once, which ones a build of some outputs goes through, and their share of the work. Out: timing them
(`system/workspace.py`), and what a job took in each kind of them (`worker/metrics.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from codex_assets.media.outputs import (
    BLURHASH,
    LOUDNESS,
    MEZZANINE,
    STORYBOARD,
    THUMBNAIL,
    THUMBNAILS,
    WAVEFORM_JSON,
    WAVEFORM_PNG,
    is_of_ladder,
)


class Phase(StrEnum):
    """The values are recorded in receipts and in the history of jobs: they stay as they are."""

    FETCHING_ORIGINAL = "fetching the original"
    MEZZANINE = "mezzanine"
    LOUDNESS = "loudness"
    FETCHING_MEZZANINE = "fetching the mezzanine"
    SOUND = "sound"
    VARIANTS = "variants"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    THUMBNAIL = "thumbnail"
    STORYBOARD = "storyboard"
    WAVEFORM = "waveform"
    # Of a job on RunPod, before a worker has it.
    WAITING_FOR_OTHER_JOBS = "waiting for other jobs"
    QUEUED_AT_RUNPOD = "queued at RunPod"


WEIGHTS = {
    Phase.FETCHING_ORIGINAL: 4.0,
    Phase.MEZZANINE: 40.0,
    Phase.LOUDNESS: 2.0,
    Phase.FETCHING_MEZZANINE: 2.0,
    Phase.SOUND: 4.0,
    Phase.VARIANTS: 50.0,
    Phase.VERIFYING: 6.0,
    Phase.PUBLISHING: 4.0,
    Phase.THUMBNAIL: 1.0,
    Phase.STORYBOARD: 3.0,
    Phase.WAVEFORM: 2.0,
}
"""Share of the work of each phase, for progress."""
DOWNLOADS = frozenset({Phase.FETCHING_ORIGINAL, Phase.FETCHING_MEZZANINE})
UPLOADS = frozenset({Phase.PUBLISHING})
CHECKS = frozenset({Phase.VERIFYING})
"""Phases by what a worker does in them; in all others it encodes."""


def weights_of(media_type: str, outputs: Collection[str]) -> dict[str, float]:
    """The phases that a build of these outputs goes through, by name, with their shares of the work."""
    phases = {Phase.PUBLISHING, Phase.VERIFYING}
    if MEZZANINE.name in outputs:
        phases |= {Phase.FETCHING_ORIGINAL, Phase.MEZZANINE}
    elif LOUDNESS.name in outputs:
        phases |= {Phase.LOUDNESS}
    else:
        phases |= {Phase.FETCHING_MEZZANINE}
    if any(is_of_ladder(output) for output in outputs):
        phases |= {Phase.SOUND}
        if media_type == "video":
            phases |= {Phase.VARIANTS}
    if any(kind.name in outputs for kind in (THUMBNAIL, THUMBNAILS, BLURHASH)):
        phases |= {Phase.THUMBNAIL}
    if STORYBOARD.name in outputs:
        phases |= {Phase.STORYBOARD}
    if WAVEFORM_JSON.name in outputs or WAVEFORM_PNG.name in outputs:
        phases |= {Phase.WAVEFORM}
    return {phase.value: weight for phase, weight in WEIGHTS.items() if phase in phases}
