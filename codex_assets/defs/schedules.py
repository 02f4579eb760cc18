"""When jobs run by the clock. Every schedule is off until somebody turns it on. The jobs are in `jobs.py`."""

import dagster as dg

from codex_assets.defs.jobs import cleanup_originals, reconcile

# Off until somebody turns it on: an instance that is opened to look at production must not begin to delete there.
cleanup_schedule = dg.ScheduleDefinition(
    name="cleanup_originals_daily",
    job=cleanup_originals,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Deletes, every night at 03:17 UTC, originals whose mezzanine was verified a day ago or more.",
)
reconcile_schedule = dg.ScheduleDefinition(
    name="reconcile_daily",
    job=reconcile,
    cron_schedule="47 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Repairs, every night at 04:47 UTC, what killed jobs left behind, and deletes replaced segments.",
)
SCHEDULES = [cleanup_schedule, reconcile_schedule]
