"""`codex-assets stats`: many jobs and the stores' listings, as tables or as JSON.

The numbers are added up in `library/stats.py`; the tables are in `cli/views/stats.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Conditions, Store


def statistics(
    where: Conditions = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Jobs of this time, such as `24h` or `30d`, or `all`.")
    ] = "30d",
    storage: Annotated[
        bool | None,
        typer.Option(
            "--storage/--no-storage",
            help="Add up what the stores list, or nothing that is stored. Default: what the records name.",
            show_default=False,
        ),
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Add up success, speed, cost, failures and storage, and count media that were not judged by today's rules.

    Speed is seconds of work per minute of media. The archive keeps the last twenty jobs of every media. Storage is
    what the records of media name. With `--storage` it is what the stores list, a thousand objects a request, and what
    is billed, but for former versions: B2 keeps and bills these until a lifecycle rule removes them.

    Exit codes: `0`; `2` a store could not be read.

    ```
    codex-assets stats
    codex-assets stats --since 24h --no-storage
    codex-assets stats --since all --where type=video --json
    ```
    """
    now = datetime.now(UTC)
    start = None if since == "all" else now - command_frame.parse_duration(since, "--since")
    condition = command_frame.parse_where(where) if where is not None else None
    from codex_assets.cli.views.stats import statistics_json, statistics_tables
    from codex_assets.library import stats

    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        gathered = stats.gather(
            command_frame.open_catalogue(settings, condition),
            now=now,
            since=start,
            where=condition,
            storage=storage is not False,
            listed=settings.stores() if storage else None,
        )
    if as_json:
        console.say_json(statistics_json(gathered))
    else:
        console.say(statistics_tables(gathered))
