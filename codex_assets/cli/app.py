"""The command line's root: every command and its name, in the order of `codex-assets --help`.

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
    demo,
    doctor,
    endpoint,
    import_,
    media,
    rebuild,
    run,
    stale,
    stats,
    verify,
)
from codex_assets.system import keyholder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could print a secret.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the log on standard error.")] = False,
) -> None:
    """Everything that a media needs to be played, from one upload, and the means to see that it is right."""
    console.accept_every_character()
    keyholder.close_memory()
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    else:
        # Without any handler Python prints warnings by itself.
        logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()])


app.command()(run.run)
app.command()(media.show)
app.command(name="list")(media.list_)
app.command(name="verify")(verify.verify_)
app.command()(verify.failing)


app.command(name="stale")(stale.stale)
app.command(name="rebuild")(rebuild.rebuild)
app.command(name="doctor")(doctor.doctor_)
app.command()(demo.demo)


app.command(name="cleanup-originals")(cleanup.cleanup_originals)
app.command(name="import")(import_.import_)
app.command(name="stats")(stats.statistics)
app.add_typer(endpoint.app, name="endpoint")


if __name__ == "__main__":
    app()
