"""The table and the JSON of `redeliver`. What is sent is decided in `library/undelivered_webhooks.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from codex_assets.library.undelivered_webhooks import RedeliveryResult, RedeliveryVerdict

STYLES = {
    RedeliveryVerdict.DELIVERED: "green",
    RedeliveryVerdict.WOULD_SEND: "yellow",
    RedeliveryVerdict.NOT_DELIVERED: "red",
    RedeliveryVerdict.UNCHECKED: "red",
}


def results_table(results: Sequence[RedeliveryResult]) -> Group:
    """What became of every webhook, and why; then how many of each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("job", overflow="fold")
    table.add_column("waits since", no_wrap=True)
    table.add_column("webhook", no_wrap=True)
    table.add_column("remark", overflow="fold")
    for result in results:
        verdict = Text(result.verdict.value, style=STYLES[result.verdict])
        table.add_row(result.media_id, result.job_id, result.since[:16].replace("T", " "), verdict, result.message)
    counts = Counter(result.verdict for result in results)
    totals = ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in RedeliveryVerdict if counts[verdict])
    return Group(table, Text(totals))


def results_json(results: Sequence[RedeliveryResult], dry_run: bool) -> dict[str, Any]:
    counts = Counter(result.verdict for result in results)
    return {
        "delivered": counts[RedeliveryVerdict.DELIVERED],
        "wouldSend": counts[RedeliveryVerdict.WOULD_SEND],
        "notDelivered": counts[RedeliveryVerdict.NOT_DELIVERED],
        "unchecked": counts[RedeliveryVerdict.UNCHECKED],
        "dryRun": dry_run,
        "webhooks": [_result_json(result) for result in results],
    }


def _result_json(result: RedeliveryResult) -> dict[str, Any]:
    values = {
        "mediaId": result.media_id,
        "jobId": result.job_id,
        "since": result.since,
        "verdict": result.verdict.value,
        "message": result.message,
    }
    return {name: value for name, value in values.items() if value}
