"""What Dagster loads: assets, jobs, and a workshop that is opened from the environment when a run needs it."""

from collections.abc import Iterator

import dagster as dg

from codex_assets import assets, dispatch, operations, resources
from codex_assets.assets import AUDIO, ORIGINALS, VIDEO
from codex_assets.resources import Workshop


@dg.resource(description="Stores, tools and a scratch directory of one run, from the environment.")
def workshop(context: dg.InitResourceContext) -> Iterator[Workshop]:
    settings = resources.load()
    run = context.run
    if run is not None and context.instance is not None:
        # Here, because the runs of *Materialize* and of backfills are of no job that could bring it.
        context.instance.add_run_tags(
            run.run_id, {name: limit for name, limit in assets.RUNTIME.items() if name not in run.tags}
        )
    with resources.workshop(
        settings,
        # Here, ops say what they do by their events; of a worker far away nobody would hear for hours.
        listener=dispatch.lines(context.log.info) if settings.runpod is not None and context.log is not None else None,
        run_id=context.run_id,
        backfill=run is not None and "dagster/backfill" in run.tags,
    ) as opened:
        yield opened


defs = dg.Definitions(
    assets=[*ORIGINALS, *VIDEO, *AUDIO],
    jobs=operations.JOBS,
    sensors=operations.SENSORS,
    schedules=operations.SCHEDULES,
    resources={"workshop": workshop},
    # Steps of a run share one workspace and import everything once.
    executor=dg.in_process_executor,
)
