"""`codex-assets cleanup-originals`: what is deleted, what stays and why, and how much that frees."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets import resources, sweep, terminal
from codex_assets.cleanup import KEPT_FOR, CleanUp, Result, Verdict
from codex_assets.commands import frame
from codex_assets.commands.frame import UNCHECKED, AsJson, Store

STYLES = {
    Verdict.DELETED: "green",
    Verdict.WOULD_DELETE: "green",
    Verdict.GONE: "dim",
    Verdict.KEPT: "yellow",
    Verdict.UNCHECKED: "red",
}


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
    kept_for = frame.span(older_than, "--older-than")
    if kept_for < KEPT_FOR:
        raise typer.BadParameter("Originals are kept for a day at least: say `24h` or more.", param_hint="--older-than")
    condition = frame.where(where)
    results: list[Result] = []
    with (
        frame.told(UNCHECKED),
        frame.cancelling() as cancelled,
        resources.workshop(frame.settings(store), cancelled=cancelled) as workshop,
    ):
        work = CleanUp(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            dry_run=dry_run,
            kept_for=kept_for,
            workers=workers,
            wanted=lambda media: sweep.holds(condition, media, workshop.records),
        )
        frame.aside(lambda: results.extend(work.run()))
    if as_json:
        terminal.say_json({**_totals(results), "dryRun": dry_run, "media": [_as_json(one) for one in results]})
    elif results:
        terminal.say(_table(results, dry_run))
    else:
        terminal.say("No originals to decide on.")
    if any(one.verdict is Verdict.UNCHECKED for one in results):
        raise typer.Exit(UNCHECKED)


def _freed(results: list[Result]) -> int:
    return sum(one.size for one in results if one.verdict in (Verdict.DELETED, Verdict.WOULD_DELETE))


def _totals(results: list[Result]) -> dict[str, Any]:
    counts = Counter(one.verdict for one in results)
    return {
        "deleted": counts[Verdict.DELETED],
        "wouldDelete": counts[Verdict.WOULD_DELETE],
        "gone": counts[Verdict.GONE],
        "kept": counts[Verdict.KEPT],
        "unchecked": counts[Verdict.UNCHECKED],
        "bytesFreed": _freed(results),
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


def _table(results: list[Result], dry_run: bool) -> Group:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("original", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in results:
        size = terminal.size(one.size) if one.size else ""
        why = Text(one.told or one.key, style="" if one.told else "dim")
        if one.reason is not None:
            why.append(f" ({one.reason.value})", style="dim")
        table.add_row(one.media_id, Text(one.verdict.value, style=STYLES[one.verdict]), size, why)
    counts = Counter(one.verdict for one in results)
    told = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict])
    freed = terminal.size(_freed(results))
    return Group(table, Text(f"{told}; {freed} {'would be freed' if dry_run else 'freed'} (last versions alone)"))
