"""The report of `doctor --gpu` as Markdown, to paste into an issue. What is proven is decided in
`readiness/gpu_proof.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from codex_assets.readiness import gpu_proof
from codex_assets.readiness.gpu_proof import EncoderRun, Report


def report_json(report: Report) -> dict[str, Any]:
    """The whole report. `told` is what `GpuTrial.result` is called there."""
    document = asdict(report)
    for trial in document["trials"]:
        trial["told"] = trial.pop("result")
        trial["log"] = trial.pop("log")
    return document


def markdown(report: Report) -> str:
    """The whole report: first what was not proven, then the machine, the trials, the encodes and their quality."""
    lines = [f"## GPU proof, {report.at}", ""]
    if report.unproven:
        lines += ["**Not proven:**", "", *(f"- {sentence}" for sentence in report.unproven), ""]
    else:
        lines += ["**Everything was proven.**", ""]
    lines += ["### Machine", "", "| what | found |", "| --- | --- |"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in report.facts]
    lines += ["", "### Trials", "", "| what | works | result |", "| --- | --- | --- |"]
    lines += [
        f"| {trial.name} | {'yes' if trial.proven else '**no**'} | {_cell(trial.result)} |" for trial in report.trials
    ]
    for trial in report.trials:
        if trial.log:
            lines += ["", f"What ffmpeg said of {trial.name}:", "", "```", *trial.log[:20], "```"]
    lines += ["", "### Encodes", "", f"Clip: {report.clip}. Every output through the real builder.", ""]
    faster = gpu_proof.speed_up(report)
    builds = [report.cpu, *([report.gpu] if report.gpu is not None else [])]
    for build in builds:
        lines += [*_build_lines(build), ""]
    lines += [
        f"The whole build is {faster:.2f} times as fast with NVENC."
        if faster is not None
        else "There is no speed to compare: only x264 was run."
    ]
    lines += ["", f"### Quality, against {report.compared_with}", "", *_quality_lines(builds)]
    return "\n".join(lines) + "\n"


def _build_lines(build: EncoderRun) -> Iterator[str]:
    yield f"**{build.encoder}**: {build.seconds:.1f} s for everything; " + (
        f"{build.checks - len(build.failed) - len(build.warned)} of {build.checks} checks passed"
        if build.checks
        else "nothing was checked"
    )
    if build.problem is not None:
        yield f"\n{build.problem}"
    if build.outputs:
        yield ""
        yield "| output | encode | speed | bytes | kbit/s |"
        yield "| --- | ---: | ---: | ---: | ---: |"
    for output in build.outputs:
        seconds = f"{output.seconds:.2f} s" if output.seconds is not None else ""
        speed = f"{output.speed:.2f}x" if output.speed is not None else ""
        rate = f"{output.bit_rate / 1000:.0f}" if output.bit_rate else ""
        yield f"| {output.name} | {seconds} | {speed} | {output.size} | {rate} |"
    if build.failed or build.warned:
        yield ""
    yield from (f"- failed: {_cell(finding)}" for finding in build.failed)
    yield from (f"- warned: {_cell(finding)}" for finding in build.warned)


def _quality_lines(builds: Sequence[EncoderRun]) -> Iterator[str]:
    with_vmaf = any(likeness.vmaf is not None for build in builds for likeness in build.likeness)
    yield "| output | encoder | SSIM | PSNR, dB |" + (" VMAF |" if with_vmaf else "")
    yield "| --- | --- | ---: | ---: |" + (" ---: |" if with_vmaf else "")
    for output in dict.fromkeys(likeness.output for build in builds for likeness in build.likeness):
        for build in builds:
            for likeness in build.likeness:
                if likeness.output == output:
                    vmaf = f" {likeness.vmaf:.2f} |" if likeness.vmaf is not None else " |" if with_vmaf else ""
                    yield f"| {output} | {build.encoder} | {likeness.ssim:.5f} | {likeness.psnr:.2f} |{vmaf}"
    if not with_vmaf:
        yield ""
        yield "This ffmpeg has no libvmaf, so there is no VMAF."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
