"""`codex-assets reconcile`: what the stores hold beside what the records say, and repairing it.

What is compared and repaired is decided in `library/reconcile.py`; the table is in `cli/views/reconcile.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Limit, Store

LEFT = 1


def reconcile(
    media: Annotated[list[str] | None, typer.Argument(metavar="[MEDIA]...", help="Media ids. Default: all.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired without a build.")] = False,
    limit: Limit = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Compare what the stores hold with what the records say.

    Finds what killed jobs left behind: replaced segments whose time is up, segments that no playlist names, a mezzanine
    that no record names, parts of unfinished uploads. `--fix` removes these. What only a build can repair is listed:
    missing objects, outputs without a record, media that were never built, jobs that never ended. A media with a job
    under way is left alone.

    Exit codes: `0` nothing is left to repair; `1` something is; `2` something could not be checked.

    ```
    codex-assets reconcile
    codex-assets reconcile --fix
    codex-assets reconcile holiday --json
    ```
    """
    from codex_assets.cli.views.reconcile import discrepancies_json, discrepancies_table
    from codex_assets.library.reconcile import Discrepancy, Matter, Reconciliation

    differences: list[Discrepancy] = []
    settings = command_frame.load_settings(store)
    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        work = Reconciliation(settings.stores(), cancelled, fix=fix, grace=settings.prune_grace)
        command_frame.run_in_thread(lambda: differences.extend(work.run(media or ())))
    if as_json:
        console.say_json(discrepancies_json(differences, limit))
    else:
        console.say(discrepancies_table(differences, limit) if differences else "The stores hold what the records say.")
        command_frame.note_rest(len(differences) - len(differences[:limit]))
    if any(each.matter is Matter.UNCHECKED for each in differences):
        raise typer.Exit(UNCHECKED)
    if not all(each.repaired for each in differences):
        raise typer.Exit(LEFT)
