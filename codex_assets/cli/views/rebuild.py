"""Tables of what is stale, what a rebuild would cost, and what it did. The facts come from `library/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.cli.console import lasting, money, plural, size
from codex_assets.library.costs import Estimate
from codex_assets.library.rebuild import EXAMPLES, Summary
from codex_assets.library.staleness import REBUILT, Reason, Verdict


def stale_table(counts: Mapping[str, Mapping[Reason, int]], blocked: Mapping[str, int]) -> Table:
    """Media by output and reason, and of how many an output cannot be rebuilt."""
    reasons = [reason for reason in Reason if any(one.get(reason) for one in counts.values())]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for reason in reasons:
        table.add_column(reason.value, justify="right", no_wrap=True)
    if any(blocked.values()):
        table.add_column("cannot be rebuilt", justify="right", no_wrap=True)
    for output, found in counts.items():
        row = [
            Text(f"{found[reason]:,}" if found.get(reason) else "", style="yellow" if reason in REBUILT else "dim")
            for reason in reasons
        ]
        if any(blocked.values()):
            row.append(Text(f"{blocked[output]:,}" if blocked.get(output) else "", style="red"))
        table.add_row(output, *row)
    return table


def verdict(one: Verdict) -> Text:
    """One output, and why it is not as it would be."""
    style = "yellow" if one.stale else "dim"
    told = Text.assemble((one.output, "cyan"), ": ", ("; ".join(map(str, one.causes)), style))
    rebuilt = any(cause.reason in REBUILT for cause in one.causes)
    return told.append(f" (cannot be rebuilt: {one.blocked})", style="red") if one.blocked and rebuilt else told


def estimate(one: Estimate) -> Group:
    """What a rebuild would take, before it is begun."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for name in ("media", "minutes", "worker time", "speed", "bytes now", "bytes then"):
        table.add_column(name, justify="right", no_wrap=True)
    several = len({line.media_type for line in one.lines}) > 1
    for line in one.lines:
        speed = f"{line.speed:.{0 if line.speed >= 10 else 2}f}x" + ("" if line.builds else " assumed")
        table.add_row(
            f"{line.media_type}/{line.output}" if several else line.output,
            f"{line.count:,}",
            f"{line.media_seconds / 60:,.1f}",
            lasting(line.seconds),
            Text(speed, style="dim" if line.builds else "yellow"),
            size(line.bytes_before),
            size(line.bytes_after),
        )
    told = Text.assemble(
        (f"{plural(one.outputs, 'output')} of {plural(one.media, 'media', 'media')}", "bold"),
        f", {one.media_seconds / 60:,.1f} minutes of media: about {lasting(one.worker_seconds)} of a worker",
        f"{' with ' + ', '.join(one.encoders) if one.encoders else ''}, ",
        (f"about {money(one.usd)}", "bold"),
        f"; {size(one.bytes_before)} now, about {size(one.bytes_after)} then",
    )
    notes = [f"{one.price:g} USD a second: {one.price_of}"]
    if one.follows:
        notes.append(f"{plural(one.follows, 'output')} may follow, if what is rebuilt comes out different; not counted")
    if one.unknown_lengths:
        notes.append(f"{plural(one.unknown_lengths, 'media', 'media')} of unknown length, taken for the median")
    return Group(table, told, *(Text(line, style="dim") for line in notes))


def rebuilt(one: Summary) -> Group:
    """What a rebuild came to, and how to go on with it."""
    parts: list[RenderableType] = []
    for code, some in one.codes():
        parts.append(Text.assemble(("✗ ", "red"), (code, "bold"), f": {plural(len(some), 'media', 'media')}"))
        parts += [Text(f"    {each.media_id}: {each.message}") for each in some[:EXAMPLES]]
    for reason, count in Counter(each.skipped for each in one.skipped).most_common():
        ids = [each.media_id for each in one.skipped if each.skipped == reason]
        examples = ", ".join(ids[:EXAMPLES]) + (", ..." if count > EXAMPLES else "")
        parts.append(Text(f"• skipped {plural(count, 'media', 'media')} ({examples}): {reason}", style="yellow"))
    told = Text.assemble(
        (f"{plural(one.outputs, 'output')} of {plural(one.done, 'media', 'media')} built", "bold"),
        f" in {lasting(one.seconds)}",
        f", {money(one.usd)}" if one.usd else "",
    )
    if one.earlier:
        told.append(f"; {plural(one.earlier, 'media', 'media')} were done before")
    if one.left:
        told.append(f"; {plural(one.left, 'media', 'media')} not done", style="yellow")
    parts.append(told)
    if one.paused and one.left:
        parts.append(Text(f"Paused: {one.paused}. Nothing more was begun.", style="bold red"))
    if one.left:
        parts.append(Text(f"Go on with `codex-assets rebuild --resume {one.rebuild_id}`.", style="dim"))
    return Group(*parts)
