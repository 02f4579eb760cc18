"""When jobs run by the clock. Every schedule is off until somebody turns it on. The jobs are in `jobs.py`."""

import dagster as dg

from codex_assets.defs.jobs import cleanup_originals

# Stopped until somebody starts it: an instance that is opened to look at production must not begin to delete there.
cleanup_schedule = dg.ScheduleDefinition(
    name="cleanup_originals_daily",
    job=cleanup_originals,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night: originals whose mezzanine was verified a day ago.",
)
SCHEDULES = [cleanup_schedule]
