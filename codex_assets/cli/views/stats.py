"""The tables of `stats`. The numbers are added up in `library/stats.py`."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.cli import console
from codex_assets.library.stats import Spread, Statistics

GPU_ENCODERS = ("nvenc",)


def tables(found: Statistics) -> Group:
    return Group(*_parts(found))


def _parts(found: Statistics) -> Iterator[RenderableType]:
    jobs = sum(found.outcomes.values())
    since = f"since {found.since:%Y-%m-%d %H:%M} UTC" if found.since is not None else "on record"
    yield Text.assemble(
        (console.plural(jobs, "job"), "bold"),
        f" {since}; {console.plural(found.media.get('registered', 0), 'media', 'media')} registered",
        f", {found.media['withoutJobs']:,} without a job on record" if found.media.get("withoutJobs") else "",
    )
    if jobs:
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(found.outcomes.items()))
        rate = found.success_rate
        yield Text(f"{told}; " + (f"{100 * rate:.1f} % succeeded" if rate is not None else "none has ended"))
    if found.queue_seconds.count:
        yield Text(f"waited {_seconds(found.queue_seconds.p50)}, at p95 {_seconds(found.queue_seconds.p95)}")
    if found.failures:
        yield _failures(found)
    if found.seconds_per_minute:
        yield _times(found)
    if found.outputs:
        yield _outputs(found)
    if found.encoders:
        yield _encoders(found)
    if found.storage:
        yield _storage(found)


def _table(title: str, *columns: str) -> Table:
    """The first column is what it is about, the others are numbers."""
    table = Table(
        title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="bold", show_footer=False
    )
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _failures(found: Statistics) -> Table:
    table = _table("failures by code", "code", "whose", "jobs", "of failures", "latest media")
    failed = sum(one.jobs for one in found.failures)
    for one in found.failures:
        table.add_row(one.code, one.fault or "", f"{one.jobs:,}", f"{100 * one.jobs / failed:.0f} %", one.latest)
    return table


def _times(found: Statistics) -> Table:
    title = "whole jobs: seconds of work per minute of media, and cost"
    table = _table(title, "type", "jobs", "p50", "p95", "cost p50", "cost p95", "cost, all")
    for media_type, spread in found.seconds_per_minute.items():
        cost = found.cost_per_job_usd.get(media_type, Spread())
        numbers = (_seconds(spread.p50), _seconds(spread.p95), _usd(cost.p50), _usd(cost.p95))
        table.add_row(media_type, f"{spread.count:,}", *numbers, _usd(cost.total if cost.count else None))
    return table


def _outputs(found: Statistics) -> Table:
    table = _table("outputs", "output", "built", "p50", "p95", "mean size", "mean cost", "cost, all")
    for one in found.outputs:
        table.add_row(
            one.output,
            f"{one.size.count:,}",
            _seconds(one.seconds.p50),
            _seconds(one.seconds.p95),
            console.size(round(one.size.mean or 0)),
            _usd(one.cost_usd.mean),
            _usd(one.cost_usd.total if one.cost_usd.count else None),
        )
    return table


def _encoders(found: Statistics) -> Table:
    table = _table("encoders", "encoder", "on", "jobs", "of media", "p50 per minute", "share")
    whole = sum(one.media_seconds for one in found.encoders)
    for one in found.encoders:
        on_gpu = any(part in one.encoder for part in GPU_ENCODERS)
        table.add_row(
            one.encoder,
            (one.gpu or "GPU") if on_gpu else "CPU",
            f"{one.jobs:,}",
            console.lasting(one.media_seconds),
            _seconds(one.seconds_per_minute.p50),
            f"{100 * one.media_seconds / whole:.0f} %" if whole else "",
        )
    return table


def _storage(found: Statistics) -> Table:
    table = _table("stored now (current versions)", "store", "kind", "objects", "size", "share")
    table.columns[1].justify = "left"
    whole = sum(one.size for one in found.storage)
    shown = ""
    for one in found.storage:
        share = f"{100 * one.size / whole:.0f} %" if whole else ""
        name = one.role if one.role != shown else ""
        table.add_row(name, one.kind, f"{one.objects:,}", console.size(one.size), share)
        shown = one.role
    table.add_section()
    table.add_row("", "all", f"{sum(one.objects for one in found.storage):,}", console.size(whole), "")
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else console.lasting(value)


def _usd(value: float | None) -> str:
    if value is None:
        return ""
    return f"${value:,.2f}" if value >= 1 else f"${value:.5f}"
