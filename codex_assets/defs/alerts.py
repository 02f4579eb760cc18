"""What people are told of a run that failed: a message to `ALERT_WEBHOOK_URL`.

In: which runs, and the words. Out: how a message is posted (`net/alert.py`), and uploads that fail, which are jobs of
RunPod and no runs: media-api is told of these.
"""

import dagster as dg

from codex_assets.config import settings as configuration
from codex_assets.config.links import Links
from codex_assets.net import alert

INTERVAL_SECONDS = 30
MESSAGE_CHARACTERS = 1500


@dg.run_failure_sensor(
    name="alert_on_failed_runs",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Posts every run that failed to ALERT_WEBHOOK_URL. Does nothing while that is not set.",
)
def alert_on_failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post one run that failed."""
    settings = configuration.load()
    if settings.alert_url is None:
        return dg.SkipReason("ALERT_WEBHOOK_URL is not set: nobody is told.")
    alert.post(settings.alert_url, message(context, Links(settings)), configuration.outward())
    return None


def message(context: dg.RunFailureSensorContext, links: Links) -> str:
    """What failed, for which media, why, and where to look."""
    run = context.dagster_run
    media_id = run.tags.get("dagster/partition")
    selected = sorted(key.to_user_string() for key in run.asset_selection or ())
    work = ", ".join(selected) if selected else run.job_name
    lines = [f"{work} of {media_id} failed." if media_id is not None else f"{work} failed."]
    lines += [f"Creator: {run.tags['creator']}."] if "creator" in run.tags else []
    reasons = [
        f"{data.user_failure_data.description} ({data.user_failure_data.metadata['code'].value})"
        for data in (event.step_failure_data for event in context.get_step_failure_events())
        if data.user_failure_data is not None and "code" in data.user_failure_data.metadata
    ]
    lines += reasons or [context.failure_event.message or "No reason is known."]
    page = links.page(media_id) if media_id is not None else None
    lines += [page] if page is not None else []
    lines.append(f"Run {run.run_id}")
    return "\n".join(lines)[:MESSAGE_CHARACTERS]
