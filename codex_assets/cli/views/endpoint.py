"""The tables and the JSON of `endpoint`. What differs is found by `readiness/runpod_endpoint.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from codex_assets.cli import console
from codex_assets.readiness import endpoint_file, runpod_endpoint
from codex_assets.readiness.runpod_endpoint import Difference, Plan, SecretOutcome


def headline(plan: Plan, dry_run: bool) -> Text:
    """The endpoint, and whether it is (or would be) created, changed or left as it is."""
    name = plan.desired.name if plan.endpoint_id is None else f"{plan.desired.name} ({plan.endpoint_id})"
    if not plan.is_needed:
        return Text(f"{name}: nothing to do")
    verb = "would be" if dry_run else "is"
    if plan.endpoint_id is None:
        return Text(f"{name}: not there yet, {verb} created")
    return Text(f"{name}: {console.plural(len(plan.differences), 'difference')}, {verb} changed")


def differences_table(plan: Plan) -> Table:
    """Every field that differs, with its old and new value; of an endpoint that is not there, every field."""
    table = _two_columns()
    is_new = plan.endpoint_id is None
    for difference in runpod_endpoint.differences(plan.desired, {}) if is_new else plan.differences:
        table.add_row(difference.field, _change(difference))
    return table


def secrets_table(kept: Iterable[SecretOutcome]) -> Table:
    """What was done with every secret: its variable here, its name at RunPod, and created, replaced or left."""
    table = _two_columns()
    for secret in kept:
        table.add_row(secret.variable, secret.name, secret.done)
    return table


def plan_json(plan: Plan, endpoint_id: str | None, dry_run: bool) -> dict[str, Any]:
    """`endpoint_id` is that of the endpoint now; None while there is none."""
    return {
        "name": plan.desired.name,
        "id": endpoint_id,
        "created": plan.endpoint_id is None and endpoint_id is not None,
        "dryRun": dry_run,
        "differences": [
            {"field": difference.field, "was": difference.was, "wished": difference.wished}
            for difference in plan.differences
        ],
        "warnings": endpoint_file.doubts(plan.desired),
    }


def _two_columns() -> Table:
    """Two columns, or more when a row has more."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _change(difference: Difference) -> Text:
    if difference.was is None:
        return Text(f"+ {difference.wished}", style="green")
    if difference.wished is None:
        return Text(f"- {difference.was}", style="red")
    return Text(f"{difference.was} -> {difference.wished}", style="yellow")
