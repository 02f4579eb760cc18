"""How often an instance looks at the archive, and how long one look may take.

Dagster's own state is a view of the archive's records: the sensor finds which media changed and reports what the
instance does not know yet. What is reported, and in which form, is in `records_import.py`.
"""

import time
from datetime import datetime, timedelta

import dagster as dg

from codex_assets.config import settings
from codex_assets.defs import instance, records_import

SENSOR_SECONDS = 30.0
"""How long one evaluation may work before it hands over to the next."""
OVERLAP = timedelta(minutes=5)
"""Clocks of stores and workers differ, and a listing may be older than what was written while it ran."""


@dg.sensor(
    name="media_of_the_archive",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Teaches this instance what the archive's records say and it does not know: media, outputs, checks.",
)
def media_of_the_archive(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    with instance.learning_lock(context.instance) as alone:
        return _learn(context) if alone else dg.SkipReason("an import is under way")


def _learn(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    started = time.monotonic()
    stores = settings.load().stores()
    since = datetime.fromisoformat(context.cursor) - OVERLAP if context.cursor else None
    found = records_import.changes(context.instance, stores.archive, since)
    busy = records_import.under_way(context.instance)
    ready = [one for one in found if one.media_id not in busy]
    learnt = list(records_import.learn(context.instance, stores.archive, ready, until=started + SENSOR_SECONDS))
    latest = [one.modified for one in learnt if one.modified is not None]
    if latest:
        # In the order of their changes: whatever is left over is newer, but for media that a run is working on.
        waiting = [one.modified for one in found if one.media_id in busy and one.modified is not None]
        context.update_cursor(min([max(latest), *waiting]).isoformat())
    if not found:
        return dg.SkipReason("nothing new in the archive")
    rest = f"; {len(found) - len(learnt)} at the next evaluation" if len(learnt) < len(found) else ""
    return dg.SkipReason(f"{len(learnt)} media learnt{rest}")


SENSORS = [media_of_the_archive]
