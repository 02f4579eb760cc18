"""The table and the JSON of `cleanup-originals`. Why an original stays is decided in `library/original_removal.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets import quantities
from codex_assets.library.original_removal import RemovalResult, RemovalVerdict

STYLES = {
    RemovalVerdict.DELETED: "green",
    RemovalVerdict.WOULD_DELETE: "green",
    RemovalVerdict.GONE: "dim",
    RemovalVerdict.KEPT: "yellow",
    RemovalVerdict.UNCHECKED: "red",
}


def results_table(results: Sequence[RemovalResult], dry_run: bool) -> Group:
    """What became of every original, and why; then how many of each, and the bytes that were freed."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("original", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for result in results:
        size = quantities.byte_size(result.size) if result.size else ""
        why = Text(result.message or result.key, style="" if result.message else "dim")
        if result.reason is not None:
            why.append(f" ({result.reason.value})", style="dim")
        table.add_row(result.media_id, Text(result.verdict.value, style=STYLES[result.verdict]), size, why)
    counts = Counter(result.verdict for result in results)
    totals = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in RemovalVerdict if counts[verdict])
    freed = quantities.byte_size(_bytes_freed(results))
    return Group(table, Text(f"{totals}; {freed} {'would be freed' if dry_run else 'freed'} (current versions only)"))


def results_json(results: Sequence[RemovalResult], dry_run: bool) -> dict[str, Any]:
    counts = Counter(result.verdict for result in results)
    return {
        "deleted": counts[RemovalVerdict.DELETED],
        "wouldDelete": counts[RemovalVerdict.WOULD_DELETE],
        "gone": counts[RemovalVerdict.GONE],
        "kept": counts[RemovalVerdict.KEPT],
        "unchecked": counts[RemovalVerdict.UNCHECKED],
        "bytesFreed": _bytes_freed(results),
        "dryRun": dry_run,
        "media": [_result_json(result) for result in results],
    }


def _result_json(result: RemovalResult) -> dict[str, Any]:
    values = {
        "mediaId": result.media_id,
        "verdict": result.verdict.value,
        "reason": result.reason.value if result.reason is not None else None,
        "told": result.message,
        "key": result.key,
        "bytes": result.size,
    }
    return {name: value for name, value in values.items() if value}


def _bytes_freed(results: Sequence[RemovalResult]) -> int:
    return sum(
        result.size for result in results if result.verdict in (RemovalVerdict.DELETED, RemovalVerdict.WOULD_DELETE)
    )
