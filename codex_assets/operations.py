"""Jobs and sensors: what an engineer launches in the UI, and how a fresh instance learns of media.

Dagster's own state is a view of the archive's records: the sensor reads which media there are and what was built of
them, and reports what the instance does not know yet.
"""

import time
from typing import Any

import dagster as dg

from codex_assets import asset_checks, partitions, resources
from codex_assets.assets import materialization
from codex_assets.cleanup import CleanUp, Verdict
from codex_assets.media import recipe
from codex_assets.records import RecordStore
from codex_assets.resources import Workshop

SENSOR_SECONDS = 30.0
"""How long one evaluation may work before it hands over to the next."""


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
    description="Registers media that the archive knows and this instance does not, with what was built of them.",
)
def media_of_the_archive(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    started = time.monotonic()
    records = RecordStore(resources.load().stores().archive)
    reported = 0
    known: dict[str, set[str]] = {
        media_type: set(context.instance.get_dynamic_partitions(str(definition.name)))
        for media_type, definition in partitions.PARTITIONS.items()
    }
    for media_id in records.media_ids():
        if any(media_id in some for some in known.values()):
            continue
        if time.monotonic() - started > SENSOR_SECONDS:
            return dg.SkipReason(f"{reported} media registered; more at the next evaluation")
        media = records.media(media_id)
        if media is None:
            continue
        partitions.register(context.instance, media.media_type, [media_id])
        built = [records.output(media_id, output) for output in recipe.OUTPUTS[media.media_type]]
        versions = {record.output: record.data_version for record in built if record is not None}
        for record in built:
            if record is not None:
                context.instance.report_runless_asset_event(materialization(record, versions))
        reported += 1
    return dg.SkipReason(f"{reported} media registered" if reported else "nothing new in the archive")


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


@dg.job(name="cleanup_originals", description="The same as `codex-assets cleanup-originals`.")
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
    *(asset_checks.checks_job(media_type) for media_type in partitions.PARTITIONS),
    cleanup_originals,
]
SCHEDULES = [cleanup_schedule]
SENSORS = [media_of_the_archive]
