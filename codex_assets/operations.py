"""Jobs and sensors: what an engineer launches in the UI, and how a fresh instance learns of media.

Dagster's own state is a view of the archive's records: the sensor reads which media there are and what was built of
them, and reports what the instance does not know yet.
"""

import time
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from codex_assets import asset_checks, learning, partitions, resources
from codex_assets.media import recipe

SENSOR_SECONDS = 30.0
"""How long one evaluation may work before it hands over to the next."""
OVERLAP = timedelta(minutes=5)
"""Clocks of stores and workers differ, and a listing may be older than what was written while it ran."""


def _everything(media_type: str) -> Any:
    keys = [dg.AssetKey([media_type, output]) for output in recipe.OUTPUTS[media_type]]
    return dg.define_asset_job(
        f"build_{media_type}",
        selection=dg.AssetSelection.assets(*keys),
        description=f"Build every output of one {media_type} media from its original.",
    )


@dg.sensor(
    name="media_of_the_archive",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Teaches this instance what the archive's records say and it does not know: media, outputs, checks.",
)
def media_of_the_archive(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    started = time.monotonic()
    stores = resources.load().stores()
    since = datetime.fromisoformat(context.cursor) - OVERLAP if context.cursor else None
    found = learning.changes(context.instance, stores.archive, since)
    learnt = list(learning.learn(context.instance, stores.archive, found, until=started + SENSOR_SECONDS))
    latest = [one.modified for one in learnt if one.modified is not None]
    if latest:
        # In the order of their changes: whatever is left over is newer.
        context.update_cursor(max(latest).isoformat())
    if not found:
        return dg.SkipReason("nothing new in the archive")
    rest = f"; {len(found) - len(learnt)} at the next evaluation" if len(learnt) < len(found) else ""
    return dg.SkipReason(f"{len(learnt)} media learnt{rest}")


JOBS = [
    *(_everything(media_type) for media_type in partitions.PARTITIONS),
    *(asset_checks.checks_job(media_type) for media_type in partitions.PARTITIONS),
]
SENSORS = [media_of_the_archive]
