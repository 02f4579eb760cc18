"""`codex-assets demo`: both samples through the worker. What the demonstration does is in `cli/demo.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED, LocalStore
from codex_assets.errors import JobCancelled


def demo(
    store: LocalStore = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples", help="Folder of the samples. Default: the checkout's `fixtures`.", show_default=False
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also print the webhooks, and name every record.")
    ] = False,
) -> None:
    """Process two sample uploads as on RunPod, on this machine.

    Both go through the worker, which sends a signed webhook for each; the webhooks are received and verified here.
    Prints what was stored and how to play it, and with `--verbose` the webhooks. Neither an account nor a network is
    used.

    ```
    codex-assets demo
    codex-assets demo --store /tmp/demo
    ```
    """
    from codex_assets.cli import demo as demonstration
    from codex_assets.config.settings import local_environment

    with command_frame.failures_end_with():
        try:
            is_right = demonstration.run(local_environment(store), samples, verbose=verbose)
        except KeyboardInterrupt:
            raise JobCancelled from None
    if not is_right:
        console.complain("The demonstration did not go as the contract says; the problems are listed above.")
        raise typer.Exit(FAILED)
