"""What is a Dagster resource: the workshop of a run, opened from the environment when the run needs it.

What a workshop consists of is in `config/workshop.py`.
"""

from collections.abc import Iterator

import dagster as dg

from codex_assets.build import on_runpod
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.defs.max_runtime import MAX_RUNTIME


@dg.resource(description="The stores, tools and scratch directory of one run, as the environment configures them.")
def workshop(context: dg.InitResourceContext) -> Iterator[Workshop]:
    """Open a workshop for a run, and tag the run with the longest that it may take."""
    settings = configuration.load()
    run = context.run
    if run is not None and context.instance is not None:
        # Here, because the runs of *Materialize* and of backfills have no job that could bring the tag.
        context.instance.add_run_tags(
            run.run_id, {name: limit for name, limit in MAX_RUNTIME.items() if name not in run.tags}
        )
    with open_workshop(
        settings,
        # A build on this machine shows its progress by events; one on RunPod would be silent for hours.
        listener=on_runpod.progress_lines(context.log.info)
        if settings.runpod is not None and context.log is not None
        else None,
        run_id=context.run_id,
        backfill=run is not None and "dagster/backfill" in run.tags,
    ) as opened:
        yield opened
