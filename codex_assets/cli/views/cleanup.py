"""The table of `cleanup-originals`. Why an original is kept is decided in `library/original_removal.py`."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets.cli import console
from codex_assets.library.original_removal import Result, Verdict

STYLES = {
    Verdict.DELETED: "green",
    Verdict.WOULD_DELETE: "green",
    Verdict.GONE: "dim",
    Verdict.KEPT: "yellow",
    Verdict.UNCHECKED: "red",
}


def bytes_freed(results: list[Result]) -> int:
    return sum(one.size for one in results if one.verdict in (Verdict.DELETED, Verdict.WOULD_DELETE))


def results_table(results: list[Result], dry_run: bool) -> Group:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("original", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in results:
        size = console.size(one.size) if one.size else ""
        why = Text(one.told or one.key, style="" if one.told else "dim")
        if one.reason is not None:
            why.append(f" ({one.reason.value})", style="dim")
        table.add_row(one.media_id, Text(one.verdict.value, style=STYLES[one.verdict]), size, why)
    counts = Counter(one.verdict for one in results)
    told = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict])
    freed = console.size(bytes_freed(results))
    return Group(table, Text(f"{told}; {freed} {'would be freed' if dry_run else 'freed'} (last versions alone)"))
