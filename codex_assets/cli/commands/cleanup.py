"""`codex-assets cleanup-originals`: options, the call, JSON, the exit code.

Which originals may go is decided in `library/original_removal.py`; the table is in `cli/views/cleanup.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Store
from codex_assets.cli.views.cleanup import bytes_freed, results_table
from codex_assets.config.workshop import open_workshop
from codex_assets.library import published_media
from codex_assets.library.original_removal import KEPT_FOR, CleanUp, Result, Verdict


def cleanup_originals(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, delete and record nothing.")] = False,
    where: Annotated[
        str | None, typer.Option("--where", help="Only media for which this holds; see `verify --help`.")
    ] = None,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Since the mezzanine was verified; `24h` or longer.")
    ] = "24h",
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Media that are looked at once.")] = 2,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Delete originals, with all their versions, whose mezzanine was verified a day ago and still is what it was.

    The mezzanine is fetched, its hash compared, and its ends decoded, right before. Whatever speaks against it keeps
    the original, and is told.

    Exit code: 0 when everything could be decided, 2 when a media could not be looked at; it is tried again next time.
    """
    kept_for = command_frame.span(older_than, "--older-than")
    if kept_for < KEPT_FOR:
        raise typer.BadParameter("Originals are kept for a day at least: say `24h` or more.", param_hint="--older-than")
    condition = command_frame.where(where)
    results: list[Result] = []
    with (
        command_frame.told(UNCHECKED),
        command_frame.cancelling() as cancelled,
        open_workshop(command_frame.settings(store), cancelled=cancelled) as workshop,
    ):
        work = CleanUp(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            dry_run=dry_run,
            kept_for=kept_for,
            workers=workers,
            wanted=lambda media: published_media.holds(condition, media, workshop.records),
        )
        command_frame.aside(lambda: results.extend(work.run()))
    if as_json:
        console.say_json({**_totals(results), "dryRun": dry_run, "media": [_as_json(one) for one in results]})
    elif results:
        console.say(results_table(results, dry_run))
    else:
        console.say("No originals to decide on.")
    if any(one.verdict is Verdict.UNCHECKED for one in results):
        raise typer.Exit(UNCHECKED)


def _totals(results: list[Result]) -> dict[str, Any]:
    counts = Counter(one.verdict for one in results)
    return {
        "deleted": counts[Verdict.DELETED],
        "wouldDelete": counts[Verdict.WOULD_DELETE],
        "gone": counts[Verdict.GONE],
        "kept": counts[Verdict.KEPT],
        "unchecked": counts[Verdict.UNCHECKED],
        "bytesFreed": bytes_freed(results),
    }


def _as_json(one: Result) -> dict[str, Any]:
    told = {
        "mediaId": one.media_id,
        "verdict": one.verdict.value,
        "reason": one.reason.value if one.reason is not None else None,
        "told": one.told,
        "key": one.key,
        "bytes": one.size,
    }
    return {name: value for name, value in told.items() if value}
