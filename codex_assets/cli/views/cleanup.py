"""The table and the JSON of `cleanup-originals`. Why an original stays is decided in `library/original_removal.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

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


def results_table(results: Sequence[Result], dry_run: bool) -> Group:
    """What became of every original, and why; then how many of each, and the bytes that were freed."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("original", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for result in results:
        size = console.byte_size(result.size) if result.size else ""
        why = Text(result.told or result.key, style="" if result.told else "dim")
        if result.reason is not None:
            why.append(f" ({result.reason.value})", style="dim")
        table.add_row(result.media_id, Text(result.verdict.value, style=STYLES[result.verdict]), size, why)
    counts = Counter(result.verdict for result in results)
    totals = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict])
    freed = console.byte_size(_bytes_freed(results))
    return Group(table, Text(f"{totals}; {freed} {'would be freed' if dry_run else 'freed'} (current versions only)"))


def results_json(results: Sequence[Result], dry_run: bool) -> dict[str, Any]:
    counts = Counter(result.verdict for result in results)
    return {
        "deleted": counts[Verdict.DELETED],
        "wouldDelete": counts[Verdict.WOULD_DELETE],
        "gone": counts[Verdict.GONE],
        "kept": counts[Verdict.KEPT],
        "unchecked": counts[Verdict.UNCHECKED],
        "bytesFreed": _bytes_freed(results),
        "dryRun": dry_run,
        "media": [_result_json(result) for result in results],
    }


def _result_json(result: Result) -> dict[str, Any]:
    values = {
        "mediaId": result.media_id,
        "verdict": result.verdict.value,
        "reason": result.reason.value if result.reason is not None else None,
        "told": result.told,
        "key": result.key,
        "bytes": result.size,
    }
    return {name: value for name, value in values.items() if value}


def _bytes_freed(results: Sequence[Result]) -> int:
    return sum(result.size for result in results if result.verdict in (Verdict.DELETED, Verdict.WOULD_DELETE))
