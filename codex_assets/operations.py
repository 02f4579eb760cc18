"""Jobs and sensors: what an engineer launches in the UI, and how a fresh instance learns of media.

Dagster's own state is a view of the archive's records: the sensor reads which media there are and what was built of
them, and reports what the instance does not know yet.
"""

import time
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from codex_assets import asset_checks, assets, instance, learning, partitions, resources
from codex_assets.cleanup import CleanUp, Verdict
from codex_assets.media import recipe
from codex_assets.resources import Workshop

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
        tags=assets.RUNTIME,
    )


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
    stores = resources.load().stores()
    since = datetime.fromisoformat(context.cursor) - OVERLAP if context.cursor else None
    found = learning.changes(context.instance, stores.archive, since)
    busy = learning.under_way(context.instance)
    ready = [one for one in found if one.media_id not in busy]
    learnt = list(learning.learn(context.instance, stores.archive, ready, until=started + SENSOR_SECONDS))
    latest = [one.modified for one in learnt if one.modified is not None]
    if latest:
        # In the order of their changes: whatever is left over is newer, but for media that a run is working on.
        waiting = [one.modified for one in found if one.media_id in busy and one.modified is not None]
        context.update_cursor(min([max(latest), *waiting]).isoformat())
    if not found:
        return dg.SkipReason("nothing new in the archive")
    rest = f"; {len(found) - len(learnt)} at the next evaluation" if len(learnt) < len(found) else ""
    return dg.SkipReason(f"{len(learnt)} media learnt{rest}")


@dg.op(description="Deletes originals whose mezzanine was verified a day ago, and still is what it was.")
def delete_originals(context: dg.OpExecutionContext, workshop: dg.ResourceParam[Workshop]) -> None:
    work = CleanUp(workshop.stores, workshop.tools, workshop.workspace.root, workshop.tools.cancelled)
    counts: dict[str, int] = {}
    freed = 0
    for result in work.run():
        counts[result.verdict.value] = counts.get(result.verdict.value, 0) + 1
        freed += result.size if result.verdict is Verdict.DELETED else 0
        tell = context.log.warning if result.verdict is Verdict.UNCHECKED else context.log.info
        tell(f"{result.media_id}: {result.verdict.value}. {result.told}")
    context.add_output_metadata({"bytes_freed": freed, **counts})


@dg.job(name="cleanup_originals", description="The same as `codex-assets cleanup-originals`.", tags=assets.RUNTIME)
def cleanup_originals() -> None:
    delete_originals()


# Stopped until somebody starts it: an instance that is opened to look at production must not begin to delete there.
cleanup_schedule = dg.ScheduleDefinition(
    name="cleanup_originals_daily",
    job=cleanup_originals,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night: originals whose mezzanine was verified a day ago.",
)

JOBS = [
    *(_everything(media_type) for media_type in partitions.PARTITIONS),
    *(asset_checks.checks_job(media_type, assets.RUNTIME) for media_type in partitions.PARTITIONS),
    cleanup_originals,
]
SCHEDULES = [cleanup_schedule]
SENSORS = [media_of_the_archive]
