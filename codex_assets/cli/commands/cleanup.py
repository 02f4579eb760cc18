"""`codex-assets cleanup-originals`: deletes originals that their verified mezzanine stands for.

Which originals may go is decided in `library/original_removal.py`; the table is in `cli/views/cleanup.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Conditions, Store

LEFT = 1


def cleanup_originals(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; delete and record nothing.")] = False,
    where: Conditions = None,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="TIME", help="Least time since the mezzanine was verified; `24h` or more."
        ),
    ] = "24h",
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Media that are checked at once.")] = 2,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Delete originals a day after their mezzanine was verified.

    Right before an original is deleted, with all its versions, its mezzanine is checked again: it is downloaded, its
    hash is compared, and both its ends are decoded. If anything is wrong the original stays, and the reason is listed;
    docs/operations.md explains each reason.

    Exit codes: `0` every original was decided on; `1` with `--dry-run`, some would be deleted; `2` a media could not be
    checked. It is tried again next time.

    ```
    codex-assets cleanup-originals --dry-run
    codex-assets cleanup-originals --older-than 7d --where creator=ann
    ```
    """
    kept_for = command_frame.parse_duration(older_than, "--older-than")
    condition = command_frame.parse_where(where)
    from codex_assets.cli.views.cleanup import results_json, results_table
    from codex_assets.config.workshop import open_workshop
    from codex_assets.library import published_media
    from codex_assets.library.original_removal import KEPT_FOR, CleanUp, RemovalResult, RemovalVerdict

    if kept_for < KEPT_FOR:
        raise typer.BadParameter("Originals are kept for a day at least: `24h` or more.", param_hint="--older-than")
    results: list[RemovalResult] = []
    with (
        command_frame.failures_end_with(UNCHECKED),
        command_frame.cancelled_by_signals() as cancelled,
        open_workshop(settings := command_frame.load_settings(store), cancelled=cancelled) as workshop,
    ):
        work = CleanUp(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            dry_run=dry_run,
            kept_for=kept_for,
            workers=workers,
            wanted=lambda media: published_media.condition_holds(
                condition, media, workshop.records, settings.extra_outputs
            ),
        )
        command_frame.run_in_thread(lambda: results.extend(work.run()))
    if as_json:
        console.say_json(results_json(results, dry_run))
    else:
        console.say(results_table(results, dry_run) if results else "No originals to decide on.")
    verdicts = {result.verdict for result in results}
    if RemovalVerdict.UNCHECKED in verdicts:
        raise typer.Exit(UNCHECKED)
    if RemovalVerdict.WOULD_DELETE in verdicts:
        raise typer.Exit(LEFT)
