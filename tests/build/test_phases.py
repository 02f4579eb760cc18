"""The phases of a run: each is planned where it comes, and counted once among what a worker does."""

from __future__ import annotations

import pytest

from codex_assets.build.phases import CHECKS, DOWNLOADS, UPLOADS, WEIGHTS, Phase, weights_of
from codex_assets.media.outputs import wanted

ALWAYS = {"verifying", "publishing"}
FROM_ORIGINAL = {"fetching the original", "mezzanine"}


@pytest.mark.parametrize(
    ("media_type", "outputs", "phases"),
    [
        ("video", wanted("video"), FROM_ORIGINAL | {"sound", "variants", "thumbnail"}),
        ("audio", wanted("audio"), FROM_ORIGINAL | {"sound", "waveform"}),
        ("video", ["mezzanine", "loudness"], FROM_ORIGINAL),
        ("video", ["loudness"], {"loudness"}),
        ("video", ["preview"], {"fetching the mezzanine", "sound", "variants"}),
        ("video", ["hls_master"], {"fetching the mezzanine", "sound", "variants"}),
        ("audio", ["hls_128k"], {"fetching the mezzanine", "sound"}),
        ("video", ["thumbnail"], {"fetching the mezzanine", "thumbnail"}),
        ("audio", ["waveform_png"], {"fetching the mezzanine", "waveform"}),
    ],
)
def test_a_build_plans_the_phases_that_it_goes_through(media_type: str, outputs: list[str], phases: set[str]) -> None:
    assert set(weights_of(media_type, outputs)) == phases | ALWAYS


def test_progress_and_logs_get_plain_text() -> None:
    """A member of the enum would be recorded, and sent to RunPod, as something else than text."""
    assert {type(name) for name in weights_of("video", wanted("video"))} == {str}


def test_every_phase_of_a_worker_has_a_weight() -> None:
    assert set(Phase) - set(WEIGHTS) == {Phase.WAITING_FOR_OTHER_JOBS, Phase.QUEUED_AT_RUNPOD}


def test_a_phase_is_one_kind_of_work() -> None:
    assert not DOWNLOADS & UPLOADS
    assert not CHECKS & (DOWNLOADS | UPLOADS)
    assert set(WEIGHTS) >= DOWNLOADS | UPLOADS | CHECKS
