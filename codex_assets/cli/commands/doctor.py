"""`codex-assets doctor`: what this machine needs for the work. The checks are in `readiness/doctor.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codex_assets.cli import console
from codex_assets.cli.command_frame import FAILED, AsJson, Store
from codex_assets.cli.commands import gpu_proof


def doctor_(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="With `--gpu`: a video to encode. Default: a generated clip.", show_default=False
        ),
    ] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Prove the GPU: encode with and without it, and print a report.")
    ] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Check the tools only, as when an image is built.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Also write a small object to each store, and delete it again.")
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Check that this machine has what the work needs.

    That is: the tools and their codecs, the GPU, the configuration, scratch space and the stores. What is missing is
    listed with how to get it. With `--gpu` a report in Markdown is printed instead, to paste into an issue.

    Exit codes: `0` nothing is missing; `1` something is or, with `--gpu`, something was not proven.

    ```
    codex-assets doctor
    codex-assets doctor --write --json
    codex-assets doctor --gpu > report.md
    ```
    """
    if gpu:
        raise typer.Exit(gpu_proof.prove_gpu(file, as_json))
    if file is not None:
        raise typer.BadParameter("A file is only used with --gpu.")
    from codex_assets.cli.views.doctor import checks_json, checks_table
    from codex_assets.config.settings import environment, local_environment
    from codex_assets.readiness import doctor
    from codex_assets.readiness.checks import problems

    environ = environment() if store is None else local_environment(store)
    checks = list(doctor.examine(environ, tools_only=tools, write=write))
    if as_json:
        console.say_json(checks_json(checks))
    else:
        console.say(checks_table(checks))
    if problems(checks):
        raise typer.Exit(FAILED)
