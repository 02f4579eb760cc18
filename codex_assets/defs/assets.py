"""The graph: which outputs there are, what they are made from, and what an engineer reads about each in the UI.

The producer of a media type is one subsettable multi_asset, so that one output of one media can be built, or only
checked, by itself, and whatever is built together is published together. It asks the workshop to build what was
selected and turns records into materializations; where and how it is built is none of its business.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from codex_assets import log_lines
from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.config.workshop import Workshop
from codex_assets.defs import asset_checks, materializations, output_metadata, repeated_failures
from codex_assets.defs.partitions import PARTITIONS
from codex_assets.errors import JobCancelled, JobError, MissingInput, StorageError, VerificationError, unforeseen
from codex_assets.media import outputs, recipe
from codex_assets.media.outputs import OutputDefinition
from codex_assets.verification.judge import rule_set

POOL = "encoding"
"""Ops that keep every core or the GPU busy share a pool, whose limit `dagster.yaml` sets."""
RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""For what may go better next time: `_failure` forbids it for everything else."""
OWNERS = ["team:media-platform"]


def _key(media_type: str, output: str) -> dg.AssetKey:
    return dg.AssetKey([media_type, output])


def _tags(media_type: str, kind: str) -> dict[str, str]:
    """By which assets of a kind are selected in the UI, such as `tag:"kind"="variant"`."""
    return {"media_type": media_type, "kind": kind}


def _spec(output: OutputDefinition) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(output.media_type, output.name),
        deps=[_key(output.media_type, parent) for parent in outputs.parents(output.media_type, output.name)],
        description=output.description,
        group_name=output.media_type,
        kinds=set(output.kind.labels),
        owners=OWNERS,
        tags=_tags(output.media_type, output.kind.name),
        code_version=recipe.code_version(output.media_type, output.name),
        partitions_def=PARTITIONS[output.media_type],
    )


def _original(media_type: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(media_type, "original"),
        description="The upload as it came. It is deleted a day after its mezzanine was verified.",
        group_name=media_type,
        kinds={media_type, "b2"},
        owners=OWNERS,
        tags=_tags(media_type, "original"),
        partitions_def=PARTITIONS[media_type],
    )


def _producer(media_type: str) -> dg.AssetsDefinition:
    """The op that makes the outputs of a media, or any of them, or only checks them."""
    names = outputs.OUTPUTS[media_type]

    @dg.multi_asset(
        name=f"{media_type}_outputs",
        specs=[_spec(output) for output in outputs.DEFINITIONS[media_type]],
        check_specs=asset_checks.specs(media_type, names),
        can_subset=True,
        # Without a backfill policy: one run per media, which is its partition. The runs of a policy have a range of one
        # partition, and leave each check's plan behind as a result of no media, open for ever.
        pool=POOL,
        retry_policy=RETRIES,
    )
    def produce(context: dg.AssetExecutionContext, workshop: dg.ResourceParam[Workshop]) -> Iterator[Any]:
        selected = [name for name in names if _key(media_type, name) in context.selected_asset_keys]
        wanted = {(key.asset_key.path[-1], key.name) for key in context.selected_asset_check_keys}
        try:
            media = _media(workshop, context.partition_key)
            _tag(context, media)
            asset = ",".join(selected or names)
            with log_lines.about(media=media.media_id, step=f"{media_type}_outputs", asset=asset):
                if selected:
                    yield from _build(context, workshop, media, selected, wanted)
                else:
                    yield from _check(workshop, media, names, wanted)
        except JobError as error:
            raise _failure(error, context) from None
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            # Unless it is a failure that forbids it, the retry policy would start the op again.
            raise _failure(JobCancelled("The run was cancelled.", retryable=False), context) from None
        except Exception as error:  # noqa: BLE001 - the boundary to Dagster, which would store the text of anything
            context.log.error("unexpected %s", type(error).__name__)
            raise _failure(unforeseen(error), context) from None

    return produce


def _media(workshop: Workshop, media_id: str) -> MediaRecord:
    announced = workshop.media
    is_announced = announced is not None and announced.media_id == media_id
    media = announced if is_announced else workshop.records.media(media_id)
    if media is None:
        raise MissingInput(f"Media {media_id} is not registered: the archive holds no record of it.")
    return media


def _tag(context: dg.AssetExecutionContext, media: MediaRecord) -> None:
    """Let runs be found by what their media is, which only its record says."""
    if context.instance.is_ephemeral:
        return
    context.instance.add_run_tags(context.run.run_id, {"creator": media.creator_id, "media_type": media.media_type})


def _build(
    context: dg.AssetExecutionContext,
    workshop: Workshop,
    media: MediaRecord,
    selected: Sequence[str],
    wanted: set[tuple[str, str]],
) -> Iterator[Any]:
    """Build the selected outputs, and yield their materializations and those of their checks that are `wanted`.

    A master playlist follows its variants: where they were selected without it, it gets an event of its own.
    """
    name = outputs.MASTER.name
    has_companion = name not in selected and any(map(outputs.is_variant, selected))
    before = workshop.records.output(media.media_id, name) if has_companion else None
    for record in workshop.builder.build(media, selected):
        if record.output in selected:
            yield dg.MaterializeResult(
                asset_key=_key(media.media_type, record.output),
                metadata=output_metadata.picture(workshop, record) | output_metadata.metadata(record, workshop.links),
                data_version=dg.DataVersion(record.data_version),
            )
            yield from _evaluations(media.media_type, record, wanted)
        else:
            # Built although it was not asked for, because it would have become untrue.
            context.log.info("%s was written again too, to stay true", record.output)
            context.log_event(_companion(context.instance, workshop, record))
            before = record
    master = workshop.records.output(media.media_id, name) if has_companion else None
    if master is not None and master != before:
        context.log.info("%s stays as it is: it is true of the new variants as well", name)
        context.log_event(_companion(context.instance, workshop, master))


def _picture(context: dg.AssetExecutionContext, workshop: Workshop, record: OutputRecord) -> dict[str, Any]:
    # The instance of a worker's job is gone a second later, and nobody looks at it.
    return {} if context.instance.is_ephemeral else output_metadata.picture(workshop, record)


def _companion(instance: dg.DagsterInstance, workshop: Workshop, record: OutputRecord) -> dg.AssetMaterialization:
    """The event of an output that was written along with its inputs, made from what they are now."""
    versions: dict[str, str] = {}
    pointers: dict[str, int] = {}
    for parent in outputs.parents(record.media_type, record.output):
        its_events = dg.AssetRecordsFilter(
            asset_key=_key(record.media_type, parent), asset_partitions=[record.media_id]
        )
        parent_record = workshop.records.output(record.media_id, parent)
        latest = instance.fetch_materializations(its_events, limit=1).records
        versions |= {parent: parent_record.data_version} if parent_record is not None else {}
        pointers |= {parent: latest[0].storage_id} if latest else {}
    return materializations.pointing(materializations.materialization(record, versions, links=workshop.links), pointers)


def _check(
    workshop: Workshop, media: MediaRecord, names: Sequence[str], wanted: set[tuple[str, str]]
) -> Iterator[dg.AssetCheckResult]:
    """Judge what is published, and yield the evaluations of the `wanted` checks: (output, check)."""
    checked = {output for output, _ in wanted}
    for audit in workshop.auditor.audit(media, [name for name in names if name in checked]):
        for result in asset_checks.results(media.media_type, audit.output, audit.checks, rule_set()):
            if (audit.output, result.check_name) in wanted:
                yield result


def _evaluations(media_type: str, record: OutputRecord, wanted: set[tuple[str, str]]) -> Iterator[dg.AssetCheckResult]:
    for result in asset_checks.results(media_type, record.output, record.checks, record.rule_set):
        if (record.output, result.check_name) in wanted:
            yield result


def _failure(error: JobError, context: dg.AssetExecutionContext) -> dg.Failure:
    step = context.op_execution_context.op_handle.name
    # A job that was cancelled may be sent again, but the run that it belongs to is over. What a store fails to take was
    # tried again where it was sent, and is not encoded again for that.
    is_final = not error.retryable or isinstance(error, (JobCancelled, StorageError))
    is_final = is_final or repeated_failures.is_repetition(context.instance, context.run.run_id, step, error)
    facts: dict[str, Any] = {"code": error.code, "fault": error.fault.value, "retryable": error.retryable}
    if error.signature is not None:
        facts["signature"] = error.signature
    if isinstance(error, VerificationError):
        # Of the run, and of no check: these are about what is published, which stays as it was.
        facts["failed"] = asset_checks.failed_rules([each for each in error.failures if isinstance(each, Finding)])
    return dg.Failure(description=error.public, metadata=facts, allow_retries=not is_final)


PRODUCERS = {media_type: _producer(media_type) for media_type in outputs.OUTPUTS}
ORIGINALS = [_original(media_type) for media_type in outputs.OUTPUTS]
