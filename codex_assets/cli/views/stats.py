"""The tables and the JSON of `stats`. The numbers are added up in `library/stats.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets import quantities
from codex_assets.cli import console
from codex_assets.library.judged import Judged
from codex_assets.library.stats import Spread, Statistics

GPU_ENCODERS = ("nvenc",)


def statistics_tables(statistics: Statistics) -> Group:
    """How many jobs there were and how they ended, and a table for each subject on which there is anything to say."""
    return Group(*_parts(statistics))


def statistics_json(statistics: Statistics) -> dict[str, Any]:
    """Every number under its name in camel case, without those that are None; numbers with six decimals."""
    values: dict[str, Any] = _wire(
        {
            **asdict(statistics),
            "since": statistics.since.isoformat(timespec="seconds") if statistics.since is not None else None,
            "success_rate": statistics.success_rate,
            "success_rate_of_good_uploads": statistics.success_rate_of_good_uploads,
        }
    )
    return values


def _wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _wire(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_wire(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    # Names of outputs are values, whatever they look like: only fields are renamed, and none of those begins so.
    return name if head == "hls" else head + "".join(part.capitalize() for part in rest)


def _parts(statistics: Statistics) -> Iterator[RenderableType]:
    jobs = sum(statistics.outcomes.values())
    since = f"since {statistics.since:%Y-%m-%d %H:%M} UTC" if statistics.since is not None else "on record"
    yield Text.assemble(
        (console.plural(jobs, "job"), "bold"),
        f" {since}; {console.count_media(statistics.media.get('registered', 0))} registered",
        f", {statistics.media['withoutJobs']:,} without a job on record" if statistics.media.get("withoutJobs") else "",
        f"; the uploads of {statistics.media['refused']:,} more were refused"
        if statistics.media.get("refused")
        else "",
    )
    unjudged = statistics.judged.get(Judged.OLD, 0) + statistics.judged.get(Judged.NEVER, 0)
    if unjudged:
        yield Text(f"{console.count_media(unjudged)} not judged by today's rules", style="yellow")
    if statistics.undelivered:
        waiting = f"webhooks of {console.count_media(statistics.undelivered)} were not delivered"
        yield Text(f"{waiting}: `codex-assets redeliver` sends them again", style="yellow")
    if jobs:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(statistics.outcomes.items()))
        yield Text(f"{outcomes}; {_success(statistics)}")
    if statistics.queue_seconds.count:
        yield Text(f"waited {_seconds(statistics.queue_seconds.p50)}, at p95 {_seconds(statistics.queue_seconds.p95)}")
    if statistics.failures:
        yield _failures(statistics)
    if statistics.seconds_per_minute:
        yield _times(statistics)
    if statistics.outputs:
        yield _outputs(statistics)
    if statistics.encoders:
        yield _encoders(statistics)
    if statistics.storage:
        yield _storage(statistics)


def _success(statistics: Statistics) -> str:
    rate, of_good_uploads = statistics.success_rate, statistics.success_rate_of_good_uploads
    if rate is None:
        return "none has ended"
    succeeded = f"{100 * rate:.1f} % succeeded"
    if of_good_uploads in (rate, None):
        return succeeded
    return f"{succeeded}, {100 * of_good_uploads:.1f} % of those whose upload could be used"


def _table(title: str, *columns: str) -> Table:
    """The first column is what it is about, the others are numbers."""
    table = Table(
        title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="bold", show_footer=False
    )
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _failures(statistics: Statistics) -> Table:
    table = _table("failures by code", "code", "whose", "jobs", "of failures", "latest media")
    failed = sum(failure.jobs for failure in statistics.failures)
    for failure in statistics.failures:
        table.add_row(
            failure.code,
            failure.fault or "",
            f"{failure.jobs:,}",
            f"{100 * failure.jobs / failed:.0f} %",
            failure.latest,
        )
    return table


def _times(statistics: Statistics) -> Table:
    title = "whole jobs: seconds of work per minute of media, and cost"
    table = _table(title, "type", "jobs", "p50", "p95", "cost p50", "cost p95", "cost, all")
    for media_type, spread in statistics.seconds_per_minute.items():
        cost = statistics.cost_per_job_usd.get(media_type, Spread())
        numbers = (_seconds(spread.p50), _seconds(spread.p95), _usd(cost.p50), _usd(cost.p95))
        table.add_row(media_type, f"{spread.count:,}", *numbers, _usd(cost.total if cost.count else None))
    return table


def _outputs(statistics: Statistics) -> Table:
    table = _table("outputs", "output", "built", "p50", "p95", "mean size", "mean cost", "cost, all")
    for output in statistics.outputs:
        table.add_row(
            output.output,
            f"{output.size.count:,}",
            _seconds(output.seconds.p50),
            _seconds(output.seconds.p95),
            quantities.byte_size(round(output.size.mean or 0)),
            _usd(output.cost_usd.mean),
            _usd(output.cost_usd.total if output.cost_usd.count else None),
        )
    return table


def _encoders(statistics: Statistics) -> Table:
    table = _table("encoders", "encoder", "on", "jobs", "of media", "p50 per minute", "share")
    whole = sum(encoder.media_seconds for encoder in statistics.encoders)
    for encoder in statistics.encoders:
        on_gpu = any(part in encoder.encoder for part in GPU_ENCODERS)
        table.add_row(
            encoder.encoder,
            (encoder.gpu or "GPU") if on_gpu else "CPU",
            f"{encoder.jobs:,}",
            quantities.duration(encoder.media_seconds),
            _seconds(encoder.seconds_per_minute.p50),
            f"{100 * encoder.media_seconds / whole:.0f} %" if whole else "",
        )
    return table


def _storage(statistics: Statistics) -> Table:
    table = _table("stored now (current versions)", "store", "kind", "objects", "size", "share")
    table.columns[1].justify = "left"
    whole = sum(stored.size for stored in statistics.storage)
    shown = ""
    for stored in statistics.storage:
        share = f"{100 * stored.size / whole:.0f} %" if whole else ""
        name = stored.role if stored.role != shown else ""
        table.add_row(name, stored.kind, f"{stored.objects:,}", quantities.byte_size(stored.size), share)
        shown = stored.role
    table.add_section()
    table.add_row(
        "", "all", f"{sum(stored.objects for stored in statistics.storage):,}", quantities.byte_size(whole), ""
    )
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else quantities.duration(value)


def _usd(value: float | None) -> str:
    if value is None:
        return ""
    return f"${value:,.2f}" if value >= 1 else f"${value:.5f}"
