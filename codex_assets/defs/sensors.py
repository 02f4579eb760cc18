"""How often an instance looks at the archive, and how long one look may take.

Dagster's own state is a view of the archive's records: the sensor asks which media changed and has them imported. What
is stored of them, and in which form, is in `records_import.py`.
"""

import time
from datetime import datetime, timedelta

import dagster as dg

from codex_assets.config import settings
from codex_assets.config.links import Links
from codex_assets.defs import instance, records_import, removal
from codex_assets.defs.alerts import alert_on_failed_runs

INTERVAL_SECONDS = 30
"""From one look to the next."""
EVALUATION_SECONDS = 30.0
"""How long one look may work before it leaves the rest to the next."""
OVERLAP = timedelta(minutes=5)
"""By how much looks overlap: clocks of stores and workers differ, and a listing may be older than what was written
while it ran."""


@dg.sensor(
    name="import_from_archive",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Imports what changed in the archive into this instance: media, outputs and check results.",
)
def import_from_archive(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Import what changed. A sensor that starts no run ends with a reason, which says how many media were imported."""
    with instance.import_lock(context.instance) as is_held:
        return _import(context) if is_held else dg.SkipReason("an import is under way")


def _import(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    started = time.monotonic()
    configured = settings.load()
    archive = configured.stores().archive
    since = datetime.fromisoformat(context.cursor) - OVERLAP if context.cursor else None
    differences = records_import.differences(context.instance, archive, since)
    changed = differences.changed
    under_way = records_import.under_way(context.instance)
    gone = _forgotten(*removal.forget_missing(context.instance, differences, under_way))
    ready = [change for change in changed if change.media_id not in under_way]
    imported = list(
        records_import.import_media(
            context.instance, archive, ready, links=Links(configured), until=started + EVALUATION_SECONDS
        )
    )
    modified = [media.modified for media in imported if media.modified is not None]
    if modified:
        # In the order of their changes: whatever is left over is newer, but for media that a run is working on.
        waiting = [
            change.modified for change in changed if change.media_id in under_way and change.modified is not None
        ]
        context.update_cursor(min([max(modified), *waiting]).isoformat())
    if not changed:
        return dg.SkipReason(gone or "nothing new in the archive")
    left = len(changed) - len(imported)
    rest = f"; {left} at the next evaluation" if left else ""
    return dg.SkipReason(f"{len(imported)} media imported{rest}" + (f"; {gone}" if gone else ""))


def _forgotten(forgotten: int, missing: int) -> str:
    """A sentence on the media that the archive does not have any more; empty where there are none."""
    if forgotten == missing:
        return f"{forgotten} media forgotten that the archive has no more" if forgotten else ""
    return (
        f"the archive lacks {missing} media that are known here: nothing was forgotten, for it may be another archive "
        "(`codex-assets delete MEDIA --yes` makes this instance forget a media)"
    )


SENSORS = [import_from_archive, alert_on_failed_runs]
