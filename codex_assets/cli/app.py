"""The command line's root: every command, in the order and the groups of `codex-assets --help`.

In: what holds for the whole program, such as `--verbose`. Out: the commands themselves (`commands/`), exit codes and
what else commands have in common (`command_frame.py`).
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from codex_assets.cli import console
from codex_assets.cli.commands import (
    cleanup,
    compare,
    delete,
    demo,
    doctor,
    endpoint,
    import_,
    jobs,
    media,
    open_,
    rebuild,
    reconcile,
    redeliver,
    reproduce,
    run,
    stale,
    stats,
    verify,
)
from codex_assets.system import keyholder

app = typer.Typer(
    no_args_is_help=True,
    # A traceback with local variables could print a secret.
    pretty_exceptions_enable=False,
    # Paragraphs wrap at the terminal's width, and examples keep their lines.
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        console.say(f"codex-assets {metadata.version('codex-assets')}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the log on standard error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Turn uploads into everything that is needed to play them, and check what is published.

    Commands work on the stores that the environment names, or on a local store (`--store`).
    `codex-assets COMMAND --help` explains one command, with examples.

    ```
    codex-assets demo                           # see it all, without an account
    codex-assets run film.mp4                   # build every output of a file
    codex-assets verify --all                   # check all that is published
    codex-assets rebuild --plan                 # what is stale, and its cost
    ```
    """
    console.accept_every_character()
    keyholder.close_memory()
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    else:
        # Without any handler Python prints warnings by itself.
        logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()])


BUILD = "Build"
app.command(rich_help_panel=BUILD)(run.run)
app.command(rich_help_panel=BUILD)(rebuild.rebuild)

LOOK = "Look up"
app.command(name="open", rich_help_panel=LOOK)(open_.open_)
app.command(rich_help_panel=LOOK)(media.show)
app.command(name="list", rich_help_panel=LOOK)(media.list_)
app.command(rich_help_panel=LOOK)(stale.stale)
app.command(name="stats", rich_help_panel=LOOK)(stats.statistics)
app.command(rich_help_panel=LOOK)(jobs.jobs)
app.command(rich_help_panel=LOOK)(jobs.watch)

CHECK = "Check"
app.command(rich_help_panel=CHECK)(compare.compare)
app.command(name="verify", rich_help_panel=CHECK)(verify.verify_)
app.command(rich_help_panel=CHECK)(verify.failing)
app.command(rich_help_panel=CHECK)(reproduce.reproduce)

MAINTAIN = "Maintain"
app.command(name="cleanup-originals", rich_help_panel=MAINTAIN)(cleanup.cleanup_originals)
app.command(rich_help_panel=MAINTAIN)(reconcile.reconcile)
app.command(rich_help_panel=MAINTAIN)(delete.delete)
app.command(rich_help_panel=MAINTAIN)(redeliver.redeliver)
app.command(name="import", rich_help_panel=MAINTAIN)(import_.import_)

SET_UP = "Set up"
app.command(rich_help_panel=SET_UP)(demo.demo)
app.command(name="doctor", rich_help_panel=SET_UP)(doctor.doctor_)
app.add_typer(endpoint.app, name="endpoint", rich_help_panel=SET_UP)


if __name__ == "__main__":
    app()
