"""The table and the JSON of `reconcile`. What is not as it should be is decided in `library/reconcile.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets.library.reconcile import REPAIRABLE, Discrepancy, Matter


def discrepancies_table(discrepancies: Sequence[Discrepancy], limit: int | None) -> Group:
    """A line for each of the first `limit` (None: all), with what becomes of it; then how many of each kind."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("what", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("details", overflow="fold")
    for each in discrepancies[:limit]:
        table.add_row(each.media_id, _words(each.matter), _state(each), each.message)
    counts = Counter(each.matter for each in discrepancies)
    totals = ", ".join(f"{counts[matter]:,} {_words(matter)}" for matter in Matter if counts[matter])
    return Group(table, Text(f"{totals}."))


def discrepancies_json(discrepancies: Sequence[Discrepancy], limit: int | None) -> dict[str, Any]:
    """How many there are and how many were repaired, and each of the first `limit` (None: all) by itself."""
    return {
        "discrepancies": len(discrepancies),
        "repaired": sum(each.repaired for each in discrepancies),
        "details": [
            {
                **({"mediaId": each.media_id} if each.media_id else {}),
                "matter": each.matter.value,
                "message": each.message,
                "repaired": each.repaired,
            }
            for each in discrepancies[:limit]
        ],
    }


def _words(matter: Matter) -> str:
    return matter.value.replace("_", " ")


def _state(each: Discrepancy) -> Text:
    if each.repaired:
        return Text("repaired", style="green")
    return Text("--fix repairs it" if each.matter in REPAIRABLE else "", style="yellow")
