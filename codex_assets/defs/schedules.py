"""When jobs run by the clock. Every schedule is off until somebody turns it on. The jobs are in `jobs.py`."""

import dagster as dg

from codex_assets.defs.jobs import cleanup_originals

# Off until somebody turns it on: an instance that is opened to look at production must not begin to delete there.
cleanup_schedule = dg.ScheduleDefinition(
    name="cleanup_originals_daily",
    job=cleanup_originals,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Deletes, every night at 03:17 UTC, originals whose mezzanine was verified a day ago or more.",
)
SCHEDULES = [cleanup_schedule]
