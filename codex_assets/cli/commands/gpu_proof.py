"""`codex-assets doctor --gpu`: prints the report of `readiness/gpu_proof.py`."""

from __future__ import annotations

from pathlib import Path

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED
from codex_assets.errors import MissingInput


def prove_gpu(file: Path | None, as_json: bool) -> int:
    """Prove this machine's GPU with a video file, or with a generated clip (None), and print the report.

    Returns the exit code: 0 when everything was proven, else 1.
    """
    from codex_assets.cli.views.gpu_proof import markdown, report_json
    from codex_assets.config.settings import environment, scratch_place
    from codex_assets.readiness import gpu_proof
    from codex_assets.system import scratch
    from codex_assets.system.sandbox import Reach
    from codex_assets.system.tools import Tools, tool_environment

    environ = environment()
    with (
        command_frame.failures_end_with(),
        command_frame.cancelled_by_signals() as cancelled,
        scratch.opened_run(scratch_place(environ)) as folder,
    ):
        if file is not None and not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        tools = Tools(tool_environment(environ), reach=Reach(), cancelled=cancelled)
        tools = tools.within(folder, reads=(file.absolute(),) if file is not None else ())
        report = command_frame.run_in_thread(
            lambda: gpu_proof.prove(tools, environ, folder / "proof", clip=file, tell=console.note)
        )
    if as_json:
        console.say_json(report_json(report))
    else:
        console.say_verbatim(markdown(report))
    return FAILED if report.unproven else 0
