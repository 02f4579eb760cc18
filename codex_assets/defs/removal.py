"""How an instance forgets a media: one that the archive does not have any more, or of which there is nothing to build.

An instance is a view of the archive, so what was deleted there goes here, too: partition, events, check results and
runs with their logs. Of a media whose upload was refused only the partition goes: its failed runs say why. In: what
goes, and when an instance forgets nothing although it seems to have to. Out: which media these are
(`records_import.py`), and Dagster's tables (`event_log.py`).
"""

import dagster as dg

from codex_assets.defs import event_log, partitions
from codex_assets.defs.records_import import CURSOR, Differences

AT_ONCE = 20
"""Media that are forgotten without being asked, however few there are."""
SHARE = 0.1
"""The share of an instance's media that is forgotten without being asked."""


def forget(instance: dg.DagsterInstance, media_id: str) -> bool:
    """Remove everything that an instance has of a media: at last its partition, so that a removal that was broken off
    is finished the next time. Whether there was a partition, or a run."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": media_id}))
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        instance.delete_run(run.run_id)
    event_log.forget_media(instance, media_id, CURSOR + media_id)
    return partitions.remove(instance, media_id) or bool(runs)


def forget_missing(instance: dg.DagsterInstance, differences: Differences, under_way: set[str]) -> tuple[int, int]:
    """Forget what the archive does not have; how many media that were, and how many it would have been.

    Of more than a few at once nothing is forgotten: an instance that looks into another archive by mistake would lose
    its history. `codex-assets delete` asks for it.
    """
    for media_id in differences.unbuildable:
        if media_id not in under_way:
            partitions.remove(instance, media_id)
    gone = [media_id for media_id in differences.gone if media_id not in under_way]
    known = sum(
        len(instance.get_dynamic_partitions(str(definition.name))) for definition in partitions.PARTITIONS.values()
    )
    if len(gone) > max(AT_ONCE, SHARE * known) or (gone and len(gone) == known):
        return 0, len(gone)
    for media_id in gone:
        forget(instance, media_id)
    return len(gone), len(gone)
