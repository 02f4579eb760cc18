"""How often an instance looks at the archive, and how long one look may take.

Dagster's own state is a view of the archive's records: the sensor asks which media changed and has them imported. It
asks the catalogue's listing, which is taken anew when it is old for what that takes, as for every other question; and
it compares everything with everything by the same measure. In between it looks at what was written lately. What is
stored of a media, and in which form, is in `records_import.py`.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import dagster as dg

from codex_assets.config import settings
from codex_assets.config.links import Links
from codex_assets.defs import instance, records_import, removal
from codex_assets.defs.alerts import alert_on_failed_runs
from codex_assets.library.catalogue import Catalogue, is_due

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
    catalogue = Catalogue(configured.catalogue, archive, configured.extra_outputs)
    catalogue.list_if_old()
    progress = ImportProgress.parse(context.cursor)
    since = progress.imported_until - OVERLAP if progress.imported_until is not None else None
    under_way = records_import.under_way(context.instance)
    gone = ""
    if since is None or is_due(time.time() - progress.compared_at, progress.comparing_took):
        differences = records_import.differences(context.instance, catalogue, since)
        changed = differences.changed
        gone = _forgotten(*removal.forget_missing(context.instance, differences, under_way))
        progress = replace(progress, compared_at=time.time(), comparing_took=time.monotonic() - started)
    else:
        changed = records_import.recent_changes(context.instance, catalogue, since)
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
        progress = replace(progress, imported_until=min([max(modified), *waiting]))
    context.update_cursor(progress.text())
    if not changed:
        return dg.SkipReason(gone or "nothing new in the archive")
    left = len(changed) - len(imported)
    rest = f"; {left} at the next evaluation" if left else ""
    return dg.SkipReason(f"{len(imported)} media imported{rest}" + (f"; {gone}" if gone else ""))


@dataclass(frozen=True)
class ImportProgress:
    """What the sensor remembers from one look to the next.

    `imported_until`: when the newest record was written that was imported; None before anything was. `compared_at` and
    `comparing_took`: when everything in the archive was last compared with everything in the instance, and the seconds
    that it took.
    """

    imported_until: datetime | None = None
    compared_at: float = 0.0
    comparing_took: float = 0.0

    @classmethod
    def parse(cls, cursor: str | None) -> "ImportProgress":
        """What `text` wrote; earlier releases wrote the time alone."""
        if not cursor:
            return cls()
        if not cursor.startswith("{"):
            return cls(datetime.fromisoformat(cursor))
        values = json.loads(cursor)
        until = values.pop("imported_until")
        return cls(datetime.fromisoformat(until) if until else None, **values)

    def text(self) -> str:
        """As the sensor's cursor."""
        until = self.imported_until.isoformat() if self.imported_until is not None else None
        return json.dumps({**asdict(self), "imported_until": until})


def _forgotten(forgotten: int, missing: int) -> str:
    """A sentence on the media that the archive does not have any more; empty where there are none."""
    if forgotten == missing:
        return f"{forgotten} media forgotten that the archive has no more" if forgotten else ""
    return (
        f"the archive lacks {missing} media that are known here: nothing was forgotten, for it may be another archive "
        "(`codex-assets delete MEDIA --yes` makes this instance forget a media)"
    )


SENSORS = [import_from_archive, alert_on_failed_runs]
