"""`codex-assets stats`: many jobs and the stores' listings, as tables or as JSON.

The numbers are added up in `library/stats.py`; the tables are in `cli/views/stats.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from codex_assets.archive.store import RecordStore
from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import AsJson, Store
from codex_assets.cli.views.stats import tables
from codex_assets.library import published_media, stats
from codex_assets.library.stats import Statistics


def statistics(
    where: Annotated[
        str | None, typer.Option("--where", help="Only media for which this holds; see `verify --help`.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="Jobs that began within this time, such as `24h`, `30d`; or `all`.")
    ] = "30d",
    storage: Annotated[bool, typer.Option("--storage/--no-storage", help="List the stores, too.")] = True,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Success, time per minute of media, cost, encoders, failures by code, and what is stored, by kind.

    Of every media the last twenty jobs are on record. Former versions of objects, which B2 keeps and bills unless a
    lifecycle rule removes them, are not seen by a listing.
    """
    now = datetime.now(UTC)
    start = None if since == "all" else now - command_frame.span(since, "--since")
    condition = command_frame.where(where) if where is not None else None
    with command_frame.told():
        stores = command_frame.settings(store).stores()
        records = RecordStore(stores.archive)
        wanted = (lambda media: published_media.holds(condition, media, records)) if condition is not None else None
        found = stats.gather(stores, now=now, since=start, wanted=wanted, storage=storage)
    if as_json:
        console.say_json(as_object(found))
    else:
        console.say(tables(found))


def as_object(found: Statistics) -> dict[str, Any]:
    """For programs: names of the wire, no None."""
    told: dict[str, Any] = _wire(
        {
            **asdict(found),
            "since": found.since.isoformat(timespec="seconds") if found.since is not None else None,
            "success_rate": found.success_rate,
        }
    )
    return told


def _wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _wire(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_wire(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    # Names of outputs are values, whatever they look like: only fields are renamed, and none of those begins so.
    return name if head == "hls" else head + "".join(part.capitalize() for part in rest)
