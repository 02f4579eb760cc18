"""The GPU's proof on a machine that has none: the CPU's half is done, and what was not proven is said to be so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jobs
import pytest
from typer.testing import CliRunner

from codex_assets.cli.app import app
from codex_assets.cli.views.gpu_proof import markdown
from codex_assets.media import profile
from codex_assets.readiness import gpu_proof
from codex_assets.readiness.gpu_proof import EncodedOutput, EncoderRun, Report
from codex_assets.readiness.gpu_trials import GpuTrial
from codex_assets.readiness.picture_likeness import Likeness, measure_likeness
from codex_assets.system.tools import Tools, tool_environment


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proof") / "clip.mp4"
    path.write_bytes(jobs.film(2))
    return path


def without_a_gpu() -> bool:
    return not Path("/proc/driver/nvidia/version").exists()


@pytest.mark.ffmpeg
@pytest.mark.skipif(not without_a_gpu(), reason="this machine has an NVIDIA driver: its proof would be another one")
def test_without_a_gpu_everything_of_the_gpu_is_unproven(clip: Path) -> None:
    answer = CliRunner().invoke(app, ["doctor", "--gpu", str(clip), "--json"])
    assert answer.exit_code == 1, answer.output
    document = json.loads(answer.stdout)
    assert document["gpu"] is None
    assert {entry["name"]: entry["proven"] for entry in document["trials"]} == {
        "NVENC": False,
        "NVDEC": False,
        "sessions": False,
    }
    assert len(document["unproven"]) == 4
    cpu = document["cpu"]
    assert (cpu["encoder"], cpu["problem"], cpu["failed"]) == ("libx264", None, [])
    assert cpu["checks"] > 50
    assert {entry["name"] for entry in cpu["outputs"]} >= {"mezzanine", "hls_master", "thumbnail", "preview"}
    # Against its own mezzanine: what is delivered is like it, and not by being it.
    pictures = [entry for entry in cpu["outputs"] if entry["encoder"] and entry["name"].startswith("hls_")]
    assert len(cpu["likeness"]) == len(pictures) > 0
    assert all(0.8 < entry["ssim"] < 1 for entry in cpu["likeness"])


def test_a_driver_that_is_too_old_is_said_first() -> None:
    """What does not work then may be its consequence."""
    cpu = build("libx264", 10.0, 0.97)
    missing = [GpuTrial("NVENC", False, "Cannot load libnvidia-encode.so.1")]
    first, *_ = gpu_proof._unproven(missing, cpu, None, "the NVIDIA driver 470.256.02 is too old")
    assert first == "The NVIDIA driver 470.256.02 is too old."


@pytest.mark.ffmpeg
def test_another_picture_is_less_like(clip: Path, tmp_path: Path) -> None:
    tools = Tools(tool_environment(dict(jobs.local_environment(tmp_path))))
    other = tmp_path / "other.mp4"
    tools.ffmpeg(
        ["-f", "lavfi", "-i", "smptebars=size=160x90:rate=25:duration=2", "-c:v", "libx264", str(other)],
        label="making another clip",
    )
    same = measure_likeness(tools, "mezzanine", clip, clip, with_vmaf=False)
    differs = measure_likeness(tools, "mezzanine", other, clip, with_vmaf=False)
    assert same is not None
    assert same.ssim == 1.0
    assert differs is not None
    assert differs.ssim < 0.7


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["doctor", "--gpu", str(tmp_path / "none.mp4")])
    assert answer.exit_code != 0
    assert "There is no file" in answer.stderr
    assert CliRunner().invoke(app, ["doctor", "a-file.mp4"]).exit_code == 2


# --- The report -------------------------------------------------------------------------------------------------------


def build(encoder: str, seconds: float, ssim: float, **changes: Any) -> EncoderRun:
    outputs = (
        EncodedOutput("hls_720p", encoder, seconds / 2, 4.0, 1000, 3_000_000),
        EncodedOutput("thumbnail", None, None, None, 9),
    )
    whole = EncoderRun(encoder, seconds, outputs, checks=90, likeness=(Likeness("hls_720p", ssim, 41.0, 95.5),))
    return replace(whole, **changes)


def report(gpu: EncoderRun | None, *trials: GpuTrial) -> Report:
    cpu = build(profile.X264.codec, 30.0, 0.98)
    return Report(
        at="2026-01-01T00:00:00+00:00",
        clip="generated: 1920x1080, h264, 12.0 s",
        facts=(("GPU", "NVIDIA L4 | 550"),),
        trials=trials,
        cpu=cpu,
        gpu=gpu,
        compared_with="the source",
        unproven=tuple(gpu_proof._unproven(trials, cpu, gpu)),
    )


WORKS = (GpuTrial("NVENC", True, "works"), GpuTrial("NVDEC", True, "works"), GpuTrial("sessions", True, "8 at once"))


def test_a_machine_that_proves_everything() -> None:
    proof = report(build(profile.NVENC.codec, 10.0, 0.97), *WORKS)
    assert proof.unproven == ()
    text = markdown(proof)
    assert "**Everything was proven.**" in text
    assert "3.00 times as fast" in text
    assert "| hls_720p | h264_nvenc | 0.97000 | 41.00 | 95.50 |" in text
    assert "NVIDIA L4 \\| 550" in text, "a cell stays one cell"


@pytest.mark.parametrize(
    ("gpu", "part"),
    [
        (None, "NVENC does not work"),
        (build("h264_nvenc", 10.0, 0.97, problem="hls_720p was made by libx264: fell back"), "was made by libx264"),
        (build("h264_nvenc", 10.0, 0.97, failed=("hls_720p rule: sentence",)), "failed 1 of 90 checks"),
        (build("h264_nvenc", 10.0, 0.97, checks=0), "nothing was checked"),
        (build("h264_nvenc", 10.0, 0.97, likeness=()), "0 of 1 could be compared"),
    ],
)
def test_what_is_missing_is_said_first(gpu: EncoderRun | None, part: str) -> None:
    proof = report(gpu, *WORKS)
    assert part in " ".join(proof.unproven)
    assert "**Not proven:**" in markdown(proof)
    assert "Everything was proven" not in markdown(proof)


def test_a_trial_that_failed_shows_what_was_said() -> None:
    refused = GpuTrial("NVENC", False, "Cannot load libcuda.so.1", ("Cannot load libcuda.so.1", "No device"))
    text = markdown(report(None, refused))
    assert "| NVENC | **no** | Cannot load libcuda.so.1 |" in text
    assert "What ffmpeg said of NVENC:" in text
