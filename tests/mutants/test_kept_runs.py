"""Encodes that are kept are given again as they were, also those that ran beside each other in one folder."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from kept_runs import KeepingTools

from codex_assets.build import chunked_encode
from codex_assets.build.chunked_encode import WantedRung
from codex_assets.media import profile
from codex_assets.media.target_format import Rung
from codex_assets.system import machine
from codex_assets.system.tools import tool_environment


@pytest.mark.ffmpeg
def test_chunks_beside_each_other_are_kept_each_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processors", lambda: 4)
    film = tmp_path / "film.mp4"
    picture = "testsrc2=size=128x72:rate=10:duration=20"
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", picture, *coding, str(film)], check=True
    )
    tools = KeepingTools(tool_environment(os.environ), tmp_path / "kept")

    def encoded(number: int) -> dict[str, bytes]:
        folder = tmp_path / str(number)
        folder.mkdir()
        rung = WantedRung(Rung(profile.LADDER[3], 128, 72), folder, None)
        chunked_encode.encode(tools, film, 200, Fraction(10), [rung], profile.X264)
        return {path.name: path.read_bytes() for path in folder.glob("segment_*.ts")}

    first = encoded(1)
    assert len(first) == 4
    assert [encoded(number) for number in (2, 3)] == [first, first]


@pytest.mark.ffmpeg
def test_an_encode_over_another_is_kept(tmp_path: Path) -> None:
    """A sound that is not as loud as it should be is encoded once more, to the same place."""
    tools = KeepingTools(tool_environment(os.environ), tmp_path / "kept")

    def encoded(number: int) -> bytes:
        path = tmp_path / str(number) / "sound.m4a"
        path.parent.mkdir()
        for pitch in (300, 500):
            source = ["-f", "lavfi", "-i", f"sine=f={pitch}:d=1"]
            tools.ffmpeg([*source, "-c:a", "aac", str(path)], label="encoding the sound", duration=1)
        return path.read_bytes()

    first = encoded(1)
    assert [encoded(number) for number in (2, 3)] == [first, first]
