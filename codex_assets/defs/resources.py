"""What is a Dagster resource: the workshop of a run, opened from the environment when the run needs it.

What a workshop consists of is in `config/workshop.py`.
"""

from collections.abc import Iterator

import dagster as dg

from codex_assets.build import on_runpod
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.defs import assets


@dg.resource(description="Stores, tools and a scratch directory of one run, from the environment.")
def workshop(context: dg.InitResourceContext) -> Iterator[Workshop]:
    settings = configuration.load()
    run = context.run
    if run is not None and context.instance is not None:
        # Here, because the runs of *Materialize* and of backfills are of no job that could bring it.
        context.instance.add_run_tags(
            run.run_id, {name: limit for name, limit in assets.RUNTIME.items() if name not in run.tags}
        )
    with open_workshop(
        settings,
        # Here, ops say what they do by their events; of a worker far away nobody would hear for hours.
        listener=on_runpod.progress_lines(context.log.info)
        if settings.runpod is not None and context.log is not None
        else None,
        run_id=context.run_id,
        backfill=run is not None and "dagster/backfill" in run.tags,
    ) as opened:
        yield opened
