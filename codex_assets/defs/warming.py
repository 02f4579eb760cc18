"""What Dagster loads when it first runs something, loaded ahead: a process that waits for its job has time for that.

In: one run of nothing, on an instance as a job has one. Out: when that is done (`worker/warming.py`).
"""

import dagster as dg

_NOTHING = "nothing"
_PARTITIONS = dg.DynamicPartitionsDefinition(name="of_nothing")


@dg.multi_asset(
    specs=[dg.AssetSpec(_NOTHING, partitions_def=_PARTITIONS, skippable=True)],
    partitions_def=_PARTITIONS,
    can_subset=True,
)
def _nothing() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(asset_key=_NOTHING, metadata={"nothing": dg.MetadataValue.json({})})


def load_dagster(folder: str) -> None:
    """`folder`: Dagster's own, in which nothing is written."""
    with dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        instance.add_dynamic_partitions(str(_PARTITIONS.name), [_NOTHING])
        dg.materialize(
            [_nothing],
            instance=instance,
            tags={"dagster/partition": _NOTHING},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
