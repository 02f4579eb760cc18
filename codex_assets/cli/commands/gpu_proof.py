"""`codex-assets doctor --gpu`: prints the report of `readiness.gpu_proof`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED
from codex_assets.config import settings
from codex_assets.errors import MissingInput
from codex_assets.readiness import gpu_proof
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment


def gpu(file: Path | None, as_json: bool) -> int:
    """Prove this machine's GPU, print the report; the exit code."""
    environ = settings.environment()
    with (
        command_frame.told(),
        command_frame.cancelling() as cancelled,
        tempfile.TemporaryDirectory(prefix="codex-assets-") as folder,
    ):
        if file is not None and not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        reach = Reach(reads=(file.absolute(),) if file is not None else (), writes=(Path(folder),))
        tools = Tools(tool_environment(environ), reach=reach, cancelled=cancelled)
        report = command_frame.aside(
            lambda: gpu_proof.prove(tools, environ, Path(folder) / "proof", clip=file, tell=console.note)
        )
    if as_json:
        console.say_json(asdict(report))
    else:
        # As it is: tables of Markdown must not be wrapped.
        console.out.file.write(gpu_proof.markdown(report))
    return FAILED if report.unproven else 0
