"""What a rebuild would cost, what it did, and what cannot be rebuilt. The facts come from `library/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.cli.console import count_media, plural
from codex_assets.library.costs import Estimate
from codex_assets.library.rebuild_order import Unbuildable
from codex_assets.library.rebuild_summary import EXAMPLES, RebuildSummary
from codex_assets.quantities import byte_size, duration, money

LISTED_REFUSALS = 20


def estimate_sheet(estimate: Estimate) -> RenderableType:
    """What a rebuild would take and cost, by output and in all."""
    if not estimate.outputs:
        return NOTHING
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for name in ("media", "minutes", "worker time", "speed", "bytes now", "bytes then"):
        table.add_column(name, justify="right", no_wrap=True)
    has_several_types = len({line.media_type for line in estimate.lines}) > 1
    for line in estimate.lines:
        speed = f"{line.speed:.{0 if line.speed >= 10 else 2}f}x" + ("" if line.builds else " assumed")
        table.add_row(
            f"{line.media_type}/{line.output}" if has_several_types else line.output,
            f"{line.count:,}",
            f"{line.media_seconds / 60:,.1f}",
            duration(line.seconds),
            Text(speed, style="dim" if line.builds else "yellow"),
            byte_size(line.bytes_before),
            byte_size(line.bytes_after),
        )
    total = Text.assemble(
        (f"{plural(estimate.outputs, 'output')} of {count_media(estimate.media)}", "bold"),
        f", {estimate.media_seconds / 60:,.1f} minutes of media: about {duration(estimate.worker_seconds)} of a worker",
        f"{' with ' + ', '.join(estimate.encoders) if estimate.encoders else ''}, ",
        (f"about {money(estimate.usd)}", "bold"),
        f"; {byte_size(estimate.bytes_before)} now, about {byte_size(estimate.bytes_after)} then",
    )
    return Group(table, total, *(Text(line, style="dim") for line in _estimate_notes(estimate)))


def _estimate_notes(estimate: Estimate) -> list[str]:
    notes = [f"{estimate.price:g} USD a second: {estimate.price_of}"]
    if estimate.follows:
        notes.append(
            f"{plural(estimate.follows, 'output')} may follow, if what is rebuilt comes out different; not counted"
        )
    if estimate.unknown_lengths:
        notes.append(f"{count_media(estimate.unknown_lengths)} of unknown length, counted with the median length")
    return notes


def estimate_json(estimate: Estimate, refused: Sequence[Unbuildable]) -> dict[str, Any]:
    return estimate.wire() | {"refused": _refusals_json(refused)}


def summary_sheet(summary: RebuildSummary) -> Group:
    """What a rebuild built, what failed and was skipped, and how to continue it."""
    parts: list[RenderableType] = []
    for code, outcomes in summary.codes():
        parts.append(Text.assemble(("✗ ", "red"), (code, "bold"), f": {count_media(len(outcomes))}"))
        parts += [Text(f"    {outcome.media_id}: {outcome.message}") for outcome in outcomes[:EXAMPLES]]
    for reason, count in Counter(outcome.skipped for outcome in summary.skipped).most_common():
        media_ids = [outcome.media_id for outcome in summary.skipped if outcome.skipped == reason]
        examples = ", ".join(media_ids[:EXAMPLES]) + (", ..." if count > EXAMPLES else "")
        parts.append(Text(f"• skipped {count_media(count)} ({examples}): {reason}", style="yellow"))
    total = Text.assemble(
        (f"{plural(summary.outputs, 'output')} of {count_media(summary.done)} built", "bold"),
        f" in {duration(summary.seconds)}",
        f", {money(summary.usd)}" if summary.usd else "",
    )
    if summary.earlier:
        total.append(f"; {count_media(summary.earlier)} were done before")
    if summary.left:
        total.append(f"; {count_media(summary.left)} not done", style="yellow")
    parts.append(total)
    if summary.paused and summary.left:
        parts.append(Text(f"Paused: {summary.paused}. No further media was started.", style="bold red"))
    if summary.left:
        parts.append(Text(f"Continue with `codex-assets rebuild --resume {summary.rebuild_id}`.", style="dim"))
    return Group(*parts)


def summary_json(summary: RebuildSummary, refused: Sequence[Unbuildable]) -> dict[str, Any]:
    return summary.wire() | {"refused": _refusals_json(refused)}


NOTHING = "Nothing to be rebuilt."


def nothing_line(refused: Sequence[Unbuildable]) -> str:
    """Said instead of a summary when no output is built."""
    return "Nothing that can be rebuilt." if refused else NOTHING


def nothing_json(refused: Sequence[Unbuildable]) -> dict[str, Any]:
    return {"media": 0, "done": 0, "outputs": 0, "refused": _refusals_json(refused)}


def refusal_lines(refused: Sequence[Unbuildable]) -> list[str]:
    """A sentence for everything that was asked for and cannot be built, up to `LISTED_REFUSALS`."""
    lines = []
    for refusal in refused[:LISTED_REFUSALS]:
        subject = f"{refusal.media_id} {refusal.output}" if refusal.output else refusal.media_id
        lines.append(f"{subject} cannot be rebuilt: {refusal.reason}.")
    if len(refused) > LISTED_REFUSALS:
        lines.append(f"... and {len(refused) - LISTED_REFUSALS:,} more; `codex-assets stale --list` names them.")
    return lines


def _refusals_json(refused: Sequence[Unbuildable]) -> list[dict[str, Any]]:
    return [
        {"mediaId": refusal.media_id, "reason": refusal.reason} | ({"output": refusal.output} if refusal.output else {})
        for refusal in refused
    ]
