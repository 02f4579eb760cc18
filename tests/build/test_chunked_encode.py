"""Variants that are encoded chunk by chunk: the same bytes however many are at work at once, and one film."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from codex_assets.build import chunked_encode
from codex_assets.build.chunked_encode import WantedRung
from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.target_format import Rung
from codex_assets.readiness.picture_likeness import Likeness, measure_likeness
from codex_assets.system import machine, vmaf_ffmpeg
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg

RATE = Fraction(24000, 1001)
PICTURE_PID = 0x100
PICTURES = 461
"""Three whole segments, and one of 29 pictures."""


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(tool_environment(os.environ))


@pytest.fixture(scope="module")
def mezzanine(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "mezzanine.mp4"
    picture = f"testsrc2=size=192x108:rate={RATE},noise=alls=8:allf=t,format=yuv420p,trim=end_frame={PICTURES}"
    tools.ffmpeg(["-f", "lavfi", "-i", picture, "-c:v", "libx264", "-g", "48", str(path)], label="making a film")
    return path


def encoded(tools: Tools, mezzanine: Path, folder: Path, **options: object) -> dict[str, bytes]:
    """The segments of two rungs, by their place."""
    rungs = [WantedRung(Rung(profile.LADDER[number], *size), folder / name, None) for number, name, size in SIZES]
    for rung in rungs:
        rung.folder.mkdir(parents=True)
    encoder = options.pop("encoder", profile.X264)
    chunked_encode.encode(tools, mezzanine, PICTURES, RATE, rungs, encoder, **options)  # type: ignore[arg-type]
    assert {path.suffix for path in folder.rglob("*.*")} == {".ts", ".m3u8"}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("segment_*.ts")}


SIZES = ((2, "480p", (192, 108)), (3, "360p", (128, 72)))


def test_the_same_bytes_however_many_are_at_work_at_once(
    tools: Tools, mezzanine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = []
    for number in (1, 4):
        monkeypatch.setattr(machine, "processors", lambda number=number: number)
        films.append(encoded(tools, mezzanine, tmp_path / str(number)))
    assert films[0] == films[1]
    assert sorted(films[0]) == [f"{name}/segment_{at:05d}.ts" for name in ("360p", "480p") for at in range(4)]


def test_it_is_one_film(tools: Tools, mezzanine: Path, tmp_path: Path) -> None:
    """Every picture once, in one clock, with counters that go on, and the encoder's words once."""
    said: list[Progress] = []
    encoded(tools, mezzanine, tmp_path, on_progress=said.append)
    playlist = tmp_path / "480p" / "playlist.m3u8"
    shown = ["-show_entries", "packet=pts,dts,flags", "-of", "csv=p=0", str(playlist)]
    packets = [line.split(",") for line in tools.ffprobe_lines(shown, label="listing packets") if line[:1].isdigit()]
    start = 90_000 * (1 + 1.4)
    times = sorted(int(pts) for pts, *_ in packets)
    assert all(abs(time - start - 90_000 * number / RATE) <= 1 for number, time in enumerate(times))
    assert len(times) == PICTURES
    coded = [int(dts) for _, dts, *_ in packets]
    assert coded == sorted(set(coded))
    keys = [round(Fraction(int(pts) - int(start), 90_000) * RATE) for pts, _, flags, *_ in packets if "K" in flags]
    assert keys == [number for number in range(PICTURES) if any(0 <= number - 2 * at * RATE < 1 for at in range(10))]
    whole = b"".join(path.read_bytes() for path in sorted((tmp_path / "480p").glob("segment_*.ts")))
    headers = [whole[at : at + 4] for at in range(0, len(whole), 188)]
    counters = [header[3] & 15 for header in headers if int.from_bytes(header[1:3], "big") & 0x1FFF == PICTURE_PID]
    assert all((after - before) % 16 == 1 for before, after in itertools.pairwise(counters))
    assert len(re.findall(rb"x264 - core", whole)) == 1
    assert said[-1].fraction is not None
    assert 0.9 < said[-1].fraction <= 1.0
    assert [each.seconds for each in said] == sorted(each.seconds for each in said)


def likeness(tools: Tools, mezzanine: Path, folder: Path, encoder: profile.EncoderRow) -> dict[str, Likeness]:
    encoded(tools, mezzanine, folder, encoder=encoder)
    measuring = vmaf_ffmpeg.measuring_tools(tools)
    seen = {}
    for _, name, _ in SIZES:
        playlist, with_vmaf = folder / name / "playlist.m3u8", measuring is not None
        alike = measure_likeness(measuring or tools, name, playlist, mezzanine, with_vmaf=with_vmaf)
        assert alike is not None
        seen[name] = alike
    return seen


def test_chunks_are_as_good_as_an_encode_in_one_go(tools: Tools, mezzanine: Path, tmp_path: Path) -> None:
    """Beside the same encoder in one go: SSIM, PSNR, and VMAF (within 0.2) where an ffmpeg of this machine has it."""
    in_one_go = likeness(tools, mezzanine, tmp_path / "whole", replace(profile.X264, chunk_segments=PICTURES))
    chunks = likeness(tools, mezzanine, tmp_path / "chunks", profile.X264)
    for name, whole in in_one_go.items():
        assert chunks[name].ssim >= whole.ssim - 0.002
        assert chunks[name].psnr >= whole.psnr - 0.1
        assert (chunks[name].vmaf or 0.0) >= (whole.vmaf or 0.0) - 0.2


def test_a_chunk_that_cannot_be_decoded_fails_the_encode(tools: Tools, mezzanine: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(mezzanine.read_bytes()[:100_000])
    with pytest.raises(ToolError):
        encoded(tools, broken, tmp_path / "out")


def test_as_many_as_the_memory_carries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rungs = [WantedRung(Rung(profile.LADDER[0], 1920, 1080), tmp_path, None)]
    monkeypatch.setattr(machine, "processors", lambda: 16)
    for free, number in ((64 << 30, 16), (3 << 30, 2), (2 << 30, 1), (100 << 20, 1), (None, 16)):
        monkeypatch.setattr(machine, "free_memory", lambda free=free: free)
        assert chunked_encode.at_once(rungs) == number
