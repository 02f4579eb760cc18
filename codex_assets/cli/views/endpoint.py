"""The table of `endpoint apply`. What differs is found by `readiness/runpod_endpoint.py`."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from codex_assets.cli import console
from codex_assets.readiness import runpod_endpoint
from codex_assets.readiness.runpod_endpoint import Difference, Plan


def headline(what: Plan, dry_run: bool) -> Text:
    name = what.wish.name if what.endpoint_id is None else f"{what.wish.name} ({what.endpoint_id})"
    if not what.needed:
        return Text(f"{name}: nothing to do")
    would = "would be " if dry_run else ""
    if what.endpoint_id is None:
        return Text(f"{name}: not there yet, {would or 'is '}created")
    return Text(f"{name}: {console.plural(len(what.differences), 'difference')}, {would or 'is '}changed")


def two_columns() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def differences_table(what: Plan) -> Table:
    table = two_columns()
    for one in what.differences if what.endpoint_id is not None else runpod_endpoint.differences(what.wish, {}):
        table.add_row(one.field, _change(one))
    return table


def _change(one: Difference) -> Text:
    if one.was is None:
        return Text(f"+ {one.wished}", style="green")
    if one.wished is None:
        return Text(f"- {one.was}", style="red")
    return Text(f"{one.was} -> {one.wished}", style="yellow")
