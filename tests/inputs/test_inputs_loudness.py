"""Sounds whose peaks leave no room: as loud as all others, with the true peak kept, or with a warning."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from loudness_inputs import CASES, Case
from slow_cases import some_slow
from whole_job import deliver

pytestmark = [pytest.mark.ffmpeg, pytest.mark.timeout(1800)]

VARIANTS = {"audio": ("128k", "64k"), "video": ("360p",)}
WITHIN_LU = 0.5
PEAK_WITHIN = 20
"""Hundredths of a dB."""
OFF_TARGET = "^The sound could not be made as loud as other media: "
HIGHEST_PEAK = -0.9
"""dBTP: -1 and the last digit of what is measured."""


def measured(path: Path) -> tuple[float, float]:
    """LUFS and dBTP of what a player plays."""
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-i", str(path), "-map", "0:a:0"]
    command += ["-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    summary = log[log.rindex("Summary:") :]
    loudness, peak = (re.search(rf"\b{name}:\s+(\S+)", summary) for name in ("I", "Peak"))
    assert loudness is not None
    assert peak is not None
    return float(loudness[1]), float(peak[1])


@pytest.mark.parametrize("case", some_slow(CASES.values(), lambda _, case: case.quick), ids=lambda case: case.name)
def test_every_sound_is_as_loud_as_it_should_be(case: Case, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    delivered = deliver(case.make(made), case.media_type, tmp_path / "job")
    if not case.may_warn:
        assert len(delivered.warnings) == (case.warns is not None)
    assert all(re.search(case.warns or OFF_TARGET, warning) for warning in delivered.warnings)
    if case.peak is not None:
        assert abs(delivered.output["loudness"]["peak"] - case.peak) <= PEAK_WITHIN
    for variant in VARIANTS[case.media_type]:
        loudness, peak = measured(delivered.playlist(variant))
        assert peak <= HIGHEST_PEAK, variant
        is_on_target = case.lufs is None or abs(loudness - case.lufs) <= WITHIN_LU
        assert is_on_target or (case.may_warn and delivered.warnings), variant
