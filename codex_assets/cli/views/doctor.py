"""The table and the JSON of `doctor`. What is checked is decided in `readiness/doctor.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets.cli import console
from codex_assets.readiness.checks import Check, Health, problems

MARKS = {Health.OK: ("✓", "green"), Health.NOTE: ("•", "yellow"), Health.PROBLEM: ("✗", "red")}


def checks_table(checks: Sequence[Check]) -> Group:
    """Every check with its advice, group by group, and how many problems there are."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    group = ""
    for check in checks:
        begins_group = check.group != group
        if begins_group and group:
            table.add_row()
        group = check.group
        mark, colour = MARKS[check.status]
        result = Text(check.result, style="" if check.status is Health.OK else colour)
        table.add_row(Text(mark, style=colour), group if begins_group else "", check.name, result)
        if check.advice:
            style = "bold" if check.status is Health.PROBLEM else "dim"
            table.add_row("", "", "", Text(f"→ {check.advice}", style=style))
    count = len(problems(checks))
    summary = f"{console.plural(count, 'problem')} to put right." if count else "Everything needed is here."
    return Group(table, "", summary)


def checks_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    return [
        {"group": check.group, "name": check.name, "status": check.status.value, "found": check.result}
        | ({"advice": check.advice} if check.advice else {})
        for check in checks
    ]
