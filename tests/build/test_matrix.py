"""Everything of every odd clip: built, and nothing to complain about."""

from __future__ import annotations

from pathlib import Path

import clips
import pytest
from workbench import Bench, complaints, variants

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]

USABLE = [name for name, clip in clips.CLIPS.items() if clip.refused is None]


@pytest.mark.parametrize("name", USABLE)
def test_an_odd_clip_gets_everything_and_no_complaint(name: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store", clips.CLIPS[name].media_type, tmp_path)
    bench.upload(name)
    records = bench.build()
    assert complaints(records) == []
    assert variants(records)
