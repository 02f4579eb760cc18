"""What is shown of the progress of a run: no time left before there is anything to go by."""

from __future__ import annotations

import pytest

from codex_assets.cli import progress
from codex_assets.system.workspace import Status


@pytest.mark.parametrize(("overall", "is_shown"), [(0.02, False), (0.09, False), (0.1, True), (0.5, True)])
def test_no_time_left_is_shown_before_a_tenth_is_done(
    overall: float, is_shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.Lines("film")(Status("variants", None, overall, 1.0, 3600.0))
    assert ("left" in capsys.readouterr().err) is is_shown


@pytest.mark.parametrize(("total", "is_shown"), [(100, False), (5, True)])
def test_nor_of_many_media(
    total: int, is_shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    progress.MediaProgress(None, "verifying", total).advance("1 failed")
    line = capsys.readouterr().err
    assert line.startswith(f"verifying: 1 of {total}  1 failed")
    assert ("left" in line) is is_shown
