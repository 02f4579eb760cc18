"""`codex-assets delete`: takes a media away, with all that there is of it.

What belongs to a media, and in which order it goes, is decided in `library/deletion.py`; the table is in
`cli/views/deletion.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Store

LEFT = 1


def delete(
    media: Annotated[list[str], typer.Argument(metavar="MEDIA...", help="Media ids.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Delete it. Default: list what would be deleted.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Name every object and every version.")] = False,
    creator: Annotated[
        str | None,
        typer.Option(
            "--creator", metavar="ID", help="Whose media it is, where no record of it is left.", show_default=False
        ),
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Delete a media: everything that is stored of it, for good.

    In all three stores every object, with its former versions: original, mezzanine, playlists, segments, pictures,
    records. Also uploads that were begun, its rows in the index of this machine, and in the Dagster instance of
    `DAGSTER_HOME` its partition with events, check results and runs; other instances forget it when they look at the
    archive next. A media that a job is at work on is left alone. A deletion that was broken off is finished by the same
    command. What went is listed, as a receipt. Copies in a CDN are not touched: purge them.

    Exit codes: `0` it is gone; `1` something is left, as before `--yes`; `2` a job is at work on it, a store did not
    answer, or nothing is known of it.

    ```
    codex-assets delete holiday
    codex-assets delete holiday --yes --json > receipt.json
    codex-assets delete holiday --creator ann --list
    ```
    """
    from codex_assets.cli.views.deletion import deletions_json, deletions_table
    from codex_assets.contract.names import ID
    from codex_assets.library.deletion import Deletion, DeletionVerdict, MediaDeletion

    for name, option in (*((media_id, "MEDIA") for media_id in media), *(((creator, "--creator"),) if creator else ())):
        if not ID.fullmatch(name):
            raise typer.BadParameter(f"`{name}` is no id.", param_hint=option)
    results: list[MediaDeletion] = []
    with command_frame.failures_end_with(UNCHECKED), ExitStack() as stack:
        cancelled = stack.enter_context(command_frame.cancelled_by_signals())
        settings = command_frame.load_settings(store)
        work = Deletion(
            settings.stores(),
            # Whether another media was made from the same original, the index has to know.
            command_frame.open_catalogue(settings, refresh=True if yes else None),
            cancelled,
            really=yes,
            creators=(creator,) if creator else (),
            forget=_dagster(stack, cancelled.is_set) if yes else None,
        )
        command_frame.run_in_thread(lambda: results.extend(work.run(dict.fromkeys(media))))
    if as_json:
        console.say_json(deletions_json(results))
    else:
        console.say(deletions_table(results, list_all=list_all))
        if not yes and any(result.objects for result in results):
            console.note("Nothing was deleted. `--yes` deletes it, for good; `--list` names every object.")
    verdicts = {result.verdict for result in results}
    if verdicts & {DeletionVerdict.BUSY, DeletionVerdict.UNKNOWN, DeletionVerdict.UNCHECKED}:
        raise typer.Exit(UNCHECKED)
    if verdicts != {DeletionVerdict.DELETED}:
        raise typer.Exit(LEFT)


def _dagster(stack: ExitStack, is_cancelled: Callable[[], bool]) -> Callable[[str], bool] | None:
    """What removes a media from the instance of `DAGSTER_HOME`; None where that is not set. The stack closes it."""
    from codex_assets.config.settings import environment

    if not environment().get("DAGSTER_HOME", "").strip():
        return None
    from codex_assets.defs import instance, removal

    waiting = instance.wait_unless(is_cancelled, lambda: console.note("An import is running; waiting for it."))
    opened = stack.enter_context(instance.opened_instance(environment(), waiting))

    def forget(media_id: str) -> bool:
        with instance.import_lock(opened, waiting):
            return removal.forget(opened, media_id)

    return forget
