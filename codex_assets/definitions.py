"""What Dagster loads: assets, jobs, and a workshop that is opened from the environment when a run needs it."""

from collections.abc import Iterator

import dagster as dg

from codex_assets import operations, resources
from codex_assets.assets import AUDIO, ORIGINALS, VIDEO
from codex_assets.resources import Workshop


@dg.resource(description="Stores, tools and a scratch directory of one run, from the environment.")
def workshop(context: dg.InitResourceContext) -> Iterator[Workshop]:
    with resources.workshop(resources.load(), run_id=context.run_id) as opened:
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
