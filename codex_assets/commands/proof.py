"""`codex-assets doctor --gpu`: prints the report of `proof`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from codex_assets import proof, resources, terminal
from codex_assets.commands import frame
from codex_assets.commands.frame import FAILED
from codex_assets.errors import MissingInput
from codex_assets.sandbox import Reach
from codex_assets.tools import Tools, tool_environment


def gpu(file: Path | None, as_json: bool) -> int:
    """Prove this machine's GPU, print the report; the exit code."""
    environ = resources.environment()
    with frame.told(), frame.cancelling() as cancelled, tempfile.TemporaryDirectory(prefix="codex-assets-") as folder:
        if file is not None and not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        reach = Reach(reads=(file.absolute(),) if file is not None else (), writes=(Path(folder),))
        tools = Tools(tool_environment(environ), reach=reach, cancelled=cancelled)
        report = frame.aside(lambda: proof.prove(tools, environ, Path(folder) / "proof", clip=file, tell=terminal.note))
    if as_json:
        terminal.say_json(asdict(report))
    else:
        # As it is: tables of Markdown must not be wrapped.
        terminal.out.file.write(proof.markdown(report))
    return FAILED if report.unproven else 0
