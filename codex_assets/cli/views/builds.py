"""How, when, from what and by whom the outputs of a media were built: the receipts of `show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.archive.records import Build, OutputRecord
from codex_assets.library.published_media import PublishedMedia
from codex_assets.quantities import duration, money

Receipt = tuple[OutputRecord, Build]


def builds(media: PublishedMedia) -> list[RenderableType]:
    """A paragraph for each work that built outputs of this media; nothing if no build is on record."""
    works: dict[tuple[Any, ...], list[Receipt]] = {}
    for record in media.built:
        build = record.build
        if build is not None:
            # Milliseconds apart, as outputs of one work are; the phases are those of all of it.
            key = (build.run_id, *build.phases.items()) if build.phases else (build.built_at,)
            works.setdefault(key, []).append((record, build))
    parts: list[RenderableType] = []
    for receipts in works.values():
        parts += [_headline(receipts), *(Text(f"  {line}", style="dim") for line in _details(receipts))]
        parts.append(_outputs_table(receipts))
    return [*parts, Text()] if parts else []


def _headline(receipts: Sequence[Receipt]) -> Text:
    first = receipts[0][1]
    longest = max(build.wall_seconds for _, build in receipts)
    line = Text.assemble((f"\nbuilt {first.built_at.replace('T', ' ')[:16]} UTC", "bold"), f" in {duration(longest)}")
    if first.run_id:
        line.append(f" by run {first.run_id}")
    costs = [build.cost_usd for _, build in receipts if build.cost_usd is not None]
    if costs:
        line.append(f", {money(sum(costs))}")
    return line


def _details(receipts: Sequence[Receipt]) -> list[str]:
    """What the time went into, which encoders were used and why, and the tools."""
    first = receipts[0][1]
    lines = []
    if first.phases:
        phases = sorted(first.phases.items(), key=lambda item: -item[1])
        lines.append(", ".join(f"{name} {duration(seconds)}" for name, seconds in phases))
    lines += dict.fromkeys(
        f"encoder {build.encoder}{f' on {build.gpu}' if build.gpu else ''}: {build.encoder_reason}"
        for _, build in receipts
        if build.encoder
    )
    versions = {name: version for _, build in receipts for name, version in build.tool_versions.items()}
    if versions:
        lines.append("tools " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return lines


def _outputs_table(receipts: Sequence[Receipt]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for style in ("cyan", "dim", "", "dim"):
        table.add_column(style=style, overflow="fold")
    for record, build in receipts:
        inputs = ", ".join(f"{name} {version[:12]}" for name, version in build.inputs.items())
        table.add_row(
            f"  {record.output}",
            f"{build.speed:g}x" if build.speed else "",
            f"from {inputs}" if inputs else "from inputs that were not recorded",
            f"recipe {record.code_version}",
        )
    return table
