"""`codex-assets doctor`: what this machine needs for the work. The checks are in `readiness/doctor.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codex_assets.cli import console
from codex_assets.cli.command_frame import FAILED, AsJson, Store
from codex_assets.cli.commands import gpu_proof
from codex_assets.cli.views.checks import doctor_table
from codex_assets.config import settings
from codex_assets.readiness import doctor


def doctor_(
    file: Annotated[
        Path | None, typer.Argument(help="With --gpu: a video to encode; by default one is made.", show_default=False)
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Prove the GPU instead, by encoding with it and without it; prints a report."),
    ] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Only the tools: for building an image.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Also write an object to each store, and delete it again.")
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Look at what this machine needs for the work, and say how to get what is missing.

    With --gpu: a report in Markdown, to paste into an issue. Exit code 1 when anything was not proven.
    """
    if gpu:
        raise typer.Exit(gpu_proof.gpu(file, as_json))
    if file is not None:
        raise typer.BadParameter("A file is of use with --gpu alone.")
    environ = settings.environment() if store is None else settings.local_environment(store)
    checks = list(doctor.examine(environ, tools_only=tools, write=write))
    wrong = doctor.problems(checks)
    if as_json:
        console.say_json(
            [
                {"group": one.group, "name": one.name, "status": one.status.value, "found": one.found}
                | ({"advice": one.advice} if one.advice else {})
                for one in checks
            ]
        )
    else:
        console.say(doctor_table(checks))
        console.say()
        console.say(f"{console.plural(len(wrong), 'problem')} to put right." if wrong else "Everything needed is here.")
    if wrong:
        raise typer.Exit(FAILED)
