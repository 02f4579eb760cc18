"""What Dagster loads: assets, jobs, sensors, schedules and resources, put together. Each is made in `defs/`."""

import dagster as dg

from codex_assets.defs import jobs, schedules, sensors
from codex_assets.defs.assets import ORIGINALS, PRODUCERS
from codex_assets.defs.resources import workshop

defs = dg.Definitions(
    assets=[*ORIGINALS, *PRODUCERS.values()],
    jobs=jobs.JOBS,
    sensors=sensors.SENSORS,
    schedules=schedules.SCHEDULES,
    resources={"workshop": workshop},
    # Steps of a run share one workspace and import everything once.
    executor=dg.in_process_executor,
)
