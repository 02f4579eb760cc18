"""What Dagster loads: assets, jobs, sensors, schedules and resources, put together. Each is made in `defs/`."""

import dagster as dg

from codex_assets.config import settings
from codex_assets.defs import jobs, resources, schedules, sensors
from codex_assets.defs.assets import ORIGINALS, PRODUCERS

_environment = settings.environment()
defs = dg.Definitions(
    assets=[*ORIGINALS, *PRODUCERS.values()],
    jobs=jobs.jobs(settings.extra_outputs(_environment)),
    sensors=sensors.SENSORS,
    schedules=schedules.SCHEDULES,
    # Which variables are set, by their names: what they say is read in a run.
    resources=resources.of_environment(_environment),
    # Steps of a run share one workspace and import everything once.
    executor=dg.in_process_executor,
)
