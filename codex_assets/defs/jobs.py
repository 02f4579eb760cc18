"""Jobs that an engineer launches in the UI: all outputs of one media, its checks, the removal of originals, the
comparison of the stores with the records.

When jobs run by themselves is in `schedules.py`; what an output is and how it is built is in `assets.py`.
"""

from collections.abc import Collection
from typing import Any

import dagster as dg

from codex_assets.config.workshop import Workshop
from codex_assets.defs import asset_checks, partitions
from codex_assets.defs.max_runtime import MAX_RUNTIME
from codex_assets.library.original_removal import CleanUp, RemovalVerdict
from codex_assets.library.reconcile import Reconciliation
from codex_assets.media import outputs


def _everything(media_type: str, extras: Collection[str]) -> Any:
    keys = [dg.AssetKey([media_type, output]) for output in outputs.wanted(media_type, extras)]
    return dg.define_asset_job(
        f"build_{media_type}",
        selection=dg.AssetSelection.assets(*keys),
        description=f"Build every output of one {media_type} media from its original.",
        tags=MAX_RUNTIME,
    )


@dg.op(description="Deletes originals whose mezzanine was verified a day ago or more and is intact.")
def delete_originals(context: dg.OpExecutionContext, workshop: dg.ResourceParam[Workshop]) -> None:
    """Delete what may be deleted, and log one line per original."""
    work = CleanUp(workshop.stores, workshop.tools, workshop.workspace.root, workshop.tools.cancelled)
    counts: dict[str, int] = {}
    freed = 0
    for result in work.run():
        counts[result.verdict.value] = counts.get(result.verdict.value, 0) + 1
        freed += result.size if result.verdict is RemovalVerdict.DELETED else 0
        log = context.log.warning if result.verdict is RemovalVerdict.UNCHECKED else context.log.info
        log(f"{result.media_id}: {result.verdict.value}. {result.message}")
    context.add_output_metadata({"bytes_freed": freed, **counts})


@dg.job(name="cleanup_originals", description="The same as `codex-assets cleanup-originals`.", tags=MAX_RUNTIME)
def cleanup_originals() -> None:
    """The graph of the job: one op."""
    delete_originals()


@dg.op(description="Compares what the stores hold with what the records say, and repairs what jobs left behind.")
def reconcile_stores(context: dg.OpExecutionContext, workshop: dg.ResourceParam[Workshop]) -> None:
    """Repair what can be repaired, and log one line for each thing that was not as the records say."""
    work = Reconciliation(workshop.stores, workshop.tools.cancelled, fix=True, grace=workshop.prune_grace)
    counts: dict[str, int] = {}
    for each in work.run():
        counts[each.matter.value] = counts.get(each.matter.value, 0) + 1
        log = context.log.info if each.repaired else context.log.warning
        log(f"{each.media_id or 'the stores'}: {each.message}")
    context.add_output_metadata(dict(counts))


@dg.job(name="reconcile", description="The same as `codex-assets reconcile --fix`.", tags=MAX_RUNTIME)
def reconcile() -> None:
    """The graph of the job: one op."""
    reconcile_stores()


def jobs(extras: Collection[str]) -> list[Any]:
    """Every job. `extras`: optional outputs that are built with all others."""
    return [
        *(_everything(media_type, extras) for media_type in partitions.PARTITIONS),
        *(asset_checks.checks_job(media_type, MAX_RUNTIME) for media_type in partitions.PARTITIONS),
        cleanup_originals,
        reconcile,
    ]
