"""`codex-assets demo`: both samples through the worker. What the demonstration does is in `cli/demo.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED
from codex_assets.config import settings
from codex_assets.errors import JobCancelled


def demo(
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store; else STORAGE_DIR, else .local/storage.", show_default=False),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option("--samples", help="Folder of the samples; else the checkout's `fixtures`.", show_default=False),
    ] = None,
) -> None:
    """Both samples through the worker as RunPod would run it, on this machine, with a webhook that is verified."""
    # Here, not above: the worker's handler is of no use to any other command.
    from codex_assets.cli import demo as demonstration

    with command_frame.told():
        try:
            fine = demonstration.run(settings.local_environment(store), samples)
        except KeyboardInterrupt:
            raise JobCancelled from None
    if not fine:
        console.complain("The demonstration is not as the contract says; its problems are listed above.")
        raise typer.Exit(FAILED)
