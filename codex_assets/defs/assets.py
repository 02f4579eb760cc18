"""The graph: which outputs there are, what they are made from, and what an engineer reads about each in the UI.

Every producer is a subsettable multi_asset, so that one output of one media can be built, or only checked, by itself.
An op asks the workshop to build what was selected and turns records into materializations; where and how it is built
is none of its business. What one op must know of another it reads from records, not from inputs.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any

import dagster as dg

from codex_assets import log_lines
from codex_assets.archive.records import (
    ORIGINAL,
    LoudnessRecord,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OriginalRecord,
    OutputRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.build import on_runpod
from codex_assets.config.workshop import Workshop
from codex_assets.defs import asset_checks
from codex_assets.defs.partitions import PARTITIONS
from codex_assets.errors import InternalError, JobCancelled, JobError, MissingInput, VerificationError
from codex_assets.media import outputs, recipe
from codex_assets.media.encode.hls import Segment
from codex_assets.media.outputs import OutputDefinition

UNVERSIONED = "INITIAL"
"""Dagster's data version of what was never materialized: the originals."""
POOL = "encoding"
"""Ops that keep every core or the GPU busy share a pool, whose limit `dagster.yaml` sets."""
NO_EVENT = "NULL"
"""Dagster's pointer to the event of an input of which there is none. Such an input never counts as changed."""
BEFORE_ANY = -2
"""The pointer of what was made from contents that are not those of the input's latest event: no event is that old, so
whatever the input has now is new. Dagster takes 0 for none, and adds 1."""
RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""For what may go better next time: `_failure` forbids it for everything else."""
OWNERS = ["team:media-platform"]
INLINE_WIDTH = 320


def _key(media_type: str, output: str) -> dg.AssetKey:
    return dg.AssetKey([media_type, output])


def _spec(output: OutputDefinition) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(output.media_type, output.name),
        deps=[_key(output.media_type, parent) for parent in outputs.parents(output.media_type, output.name)],
        description=output.description,
        group_name=output.media_type,
        kinds=set(output.kind.labels),
        owners=OWNERS,
        code_version=recipe.code_version(output.media_type, output.name),
        partitions_def=PARTITIONS[output.media_type],
    )


def _original(media_type: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(media_type, "original"),
        description="The upload as it came. Deleted a day after its mezzanine was verified.",
        group_name=media_type,
        partitions_def=PARTITIONS[media_type],
    )


def _producer(media_type: str, step: str, definitions: Sequence[OutputDefinition]) -> dg.AssetsDefinition:
    """The op that makes these outputs of a media, or any of them, or only checks them."""
    names = [output.name for output in definitions]

    @dg.multi_asset(
        name=f"{media_type}_{step}",
        specs=[_spec(output) for output in definitions],
        check_specs=asset_checks.specs(media_type, names),
        can_subset=True,
        # Without a backfill policy: one run per media, told which by its partition. The runs of a policy are told by a
        # range of one, and leave behind each check's plan as a result of no media, open for ever.
        pool=POOL if any(output.kind.keeps_busy for output in definitions) else None,
        retry_policy=RETRIES,
    )
    def produce(context: dg.AssetExecutionContext, workshop: dg.ResourceParam[Workshop]) -> Iterator[Any]:
        selected = [name for name in names if _key(media_type, name) in context.selected_asset_keys]
        wanted = {(key.asset_key.path[-1], key.name) for key in context.selected_asset_check_keys}
        try:
            media = _media(workshop, context.partition_key)
            asset = ",".join(selected or names)
            with log_lines.about(media=media.media_id, step=f"{media_type}_{step}", asset=asset):
                if selected:
                    yield from _build(context, workshop, media, selected, wanted)
                else:
                    yield from _check(workshop, media, names, wanted)
        except VerificationError as error:
            for record in error.records:
                if isinstance(record, OutputRecord):
                    yield from _evaluations(media_type, record, wanted)
            raise _failure(error) from None
        except JobError as error:
            raise _failure(error) from None
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            # Let through, it would be taken for a reason to try again by the retry policy.
            raise _failure(JobCancelled("The run was cancelled.")) from None
        except Exception as error:  # noqa: BLE001 - the boundary to Dagster, which would store the text of anything
            context.log.error("unexpected %s", type(error).__name__)
            raise _failure(InternalError.of(error)) from None

    return produce


def _media(workshop: Workshop, media_id: str) -> MediaRecord:
    media = workshop.records.media(media_id)
    if media is None:
        raise MissingInput(f"Media {media_id} is not registered: the archive holds no record of it.")
    return media


def _build(
    context: dg.AssetExecutionContext,
    workshop: Workshop,
    media: MediaRecord,
    selected: Sequence[str],
    wanted: set[tuple[str, str]],
) -> Iterator[Any]:
    master_name = outputs.MASTER.name
    follows = master_name not in selected and any(map(outputs.is_variant, selected))
    before = workshop.records.output(media.media_id, master_name) if follows else None
    for record in workshop.builder.build(media, selected):
        if record.output in selected:
            yield dg.MaterializeResult(
                asset_key=_key(media.media_type, record.output),
                metadata=picture(workshop, record) | _metadata(record),
                data_version=dg.DataVersion(record.data_version),
            )
            yield from _evaluations(media.media_type, record, wanted)
        else:
            # Built although it was not asked for, because it would have become untrue.
            context.log.info("%s was written again too, to stay true", record.output)
            context.log_event(_companion(context.instance, workshop, record))
            before = record
    master = workshop.records.output(media.media_id, master_name) if follows else None
    if master is not None and master != before:
        context.log.info("%s stays as it is: it is true of the new variants as well", master_name)
        context.log_event(_companion(context.instance, workshop, master))


def _companion(instance: dg.DagsterInstance, workshop: Workshop, record: OutputRecord) -> dg.AssetMaterialization:
    """The event of an output that was written along with its inputs, made from what they are now."""
    versions: dict[str, str] = {}
    pointers: dict[str, int] = {}
    for parent in outputs.parents(record.media_type, record.output):
        wanted = dg.AssetRecordsFilter(asset_key=_key(record.media_type, parent), asset_partitions=[record.media_id])
        held = workshop.records.output(record.media_id, parent)
        events = instance.fetch_materializations(wanted, limit=1).records
        versions |= {parent: held.data_version} if held is not None else {}
        pointers |= {parent: events[0].storage_id} if events else {}
    return pointing(materialization(record, versions), pointers)


def _check(
    workshop: Workshop, media: MediaRecord, names: Sequence[str], wanted: set[tuple[str, str]]
) -> Iterator[dg.AssetCheckResult]:
    chosen = [output for output in names if any(output == one for one, _ in wanted)]
    for audit in workshop.auditor.audit(media, chosen):
        for result in asset_checks.results(media.media_type, audit.output, audit.checks):
            if (audit.output, result.check_name) in wanted:
                yield result


def _evaluations(media_type: str, record: OutputRecord, wanted: set[tuple[str, str]]) -> Iterator[dg.AssetCheckResult]:
    for result in asset_checks.results(media_type, record.output, record.checks):
        if (record.output, result.check_name) in wanted:
            yield result


def _failure(error: JobError) -> dg.Failure:
    return dg.Failure(
        description=error.public,
        metadata={"code": error.code, "fault": error.fault.value, "retryable": error.retryable},
        allow_retries=error.retryable,
    )


def materialization(
    record: OutputRecord, versions: Mapping[str, str] | None = None, picture: Mapping[str, Any] | None = None
) -> dg.AssetMaterialization:
    """A record as the event that building it would have left, but for the pointers to the events of its inputs.

    `versions` are the data versions of the media's outputs, by name. `picture` is metadata to show first.
    """
    then = record.build.inputs if record.build is not None else {}
    tags = {"dagster/data_version": record.data_version, "dagster/code_version": record.code_version}
    for parent in outputs.parents(record.media_type, record.output):
        # Of an original Dagster knows no version, whatever the record says.
        version = (versions or {}).get(parent, UNVERSIONED)
        tags[f"dagster/input_data_version/{_key(record.media_type, parent).to_user_string()}"] = (
            version if parent == ORIGINAL else then.get(parent, version)
        )
    return pointing(
        dg.AssetMaterialization(
            _key(record.media_type, record.output),
            partition=record.media_id,
            metadata={**(picture or {}), **_metadata(record)},
            tags=tags,
        ),
        {},
    )


def upload(media: MediaRecord, made: MezzanineRecord, gone: OriginalRecord | None) -> dg.AssetMaterialization:
    """The event of an original, which no run materializes: the upload that its mezzanine was made from.

    `gone`: what became of it since.
    """
    source = made.source.model_dump(mode="json", exclude_none=True)
    told: dict[str, Any] = {"key": media.input_key, "bytes": source.pop("size"), **source}
    if gone is not None:
        told = {"deleted_at" if gone.deleted else "missing_since": gone.gone_since, **told}
    version = made.build.inputs.get(ORIGINAL, UNVERSIONED) if made.build is not None else UNVERSIONED
    return dg.AssetMaterialization(
        _key(media.media_type, ORIGINAL),
        description="The upload that the mezzanine was made from.",
        partition=media.media_id,
        metadata=told,
        tags={"dagster/data_version": version},
    )


def pointing(event: dg.AssetMaterialization, pointers: Mapping[str, int]) -> dg.AssetMaterialization:
    """The event with what Dagster tells staleness of a partition by: for each input, the storage id of that input's
    event that it was made from. By output; `BEFORE_ANY` for one whose contents are others now."""
    media_type, output = event.asset_key.path
    told = {
        f"dagster/input_event_pointer/{_key(media_type, parent).to_user_string()}": str(pointers.get(parent, NO_EVENT))
        for parent in outputs.parents(media_type, output)
    }
    return event._replace(tags={**(event.tags or {}), **told})


def pointer(tags: Mapping[str, str], media_type: str, parent: str) -> int | None:
    """Which event of an input an event points at, as in `pointing`; None when at none."""
    told = tags.get(f"dagster/input_event_pointer/{_key(media_type, parent).to_user_string()}", NO_EVENT)
    return None if told == NO_EVENT else int(told)


# --- Metadata ---------------------------------------------------------------------------------------------------------


def _metadata(record: OutputRecord) -> dict[str, Any]:
    """What an engineer wants to read, then the whole record for whoever needs all of it."""
    told: dict[str, Any] = {"applicable": record.applicable}
    if record.reason is not None:
        told["reason"] = record.reason
    if record.files:
        told["key"] = record.files[-1].key
        told["objects"] = len(record.files)
        told["bytes"] = sum(file.size for file in record.files)
    told |= _facts(record)
    if record.warnings:
        told["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in record.warnings))
    if record.build is not None:
        # Inputs and recipe are in the record below, and Dagster shows both in its own way.
        build = record.build.model_dump(exclude_none=True, exclude={"inputs", "recipe", "phases", "shared"})
        versions = build.pop("tool_versions")
        told |= build | {f"{tool}_version": version for tool, version in versions.items()}
        if record.build.phases:
            spent = sorted(record.build.phases.items(), key=lambda item: -item[1])
            told["phases"] = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent)
    told["record"] = dg.MetadataValue.json(record.model_dump(mode="json", exclude_none=True, exclude={"checks"}))
    return told


@singledispatch
def _facts(record: OutputRecord) -> dict[str, Any]:
    """What is shown of a record beside what every record has: by the record's type, nothing by default."""
    return {}


@_facts.register
def _(record: MezzanineRecord) -> dict[str, Any]:
    source = record.source
    return {
        "duration_seconds": record.duration,
        "size": f"{record.width}x{record.height}" if record.width else "no picture",
        "frame_rate": record.frame_rate or "no picture",
        "sound": record.audio_treatment or "no sound",
        "source": dg.MetadataValue.json(source.model_dump(mode="json", exclude_none=True)),
    }


@_facts.register
def _(record: LoudnessRecord) -> dict[str, Any]:
    measured = record.measurement
    if measured is None:
        return {"integrated_lufs": "silence or no sound"}
    return {
        "integrated_lufs": measured.integrated_lufs,
        "true_peak_dbtp": measured.true_peak_dbtp,
        "loudness_range_lu": measured.range_lu,
        "measured_of": record.measured_of,
    }


@_facts.register
def _(record: MasterRecord) -> dict[str, Any]:
    return {"variants": ", ".join(record.variants)}


@_facts.register
def _(record: ThumbnailRecord) -> dict[str, Any]:
    return {"at_seconds": record.at, "size": f"{record.width}x{record.height}"}


@_facts.register
def _(record: WaveformRecord) -> dict[str, Any]:
    return {"points": record.points} if record.points is not None else {"size": f"{record.width}x{record.height}"}


@_facts.register
def _(record: VariantRecord) -> dict[str, Any]:
    if not record.applicable:
        return {}
    rows = [Segment(one.name, one.duration, one.size) for one in record.segments]
    table = "\n".join(
        f"| {one.name} | {one.duration:.3f} | {one.size} | {8 * one.size / one.duration / 1000:.0f} |" for one in rows
    )
    facts: dict[str, Any] = {
        "bandwidth": record.bandwidth,
        "average_bandwidth": record.average_bandwidth,
        "codecs": record.codecs,
        "duration_seconds": record.duration,
        "segments": dg.MetadataValue.md(f"| segment | seconds | bytes | kbit/s |\n|---|---|---|---|\n{table}"),
    }
    if record.width is not None:
        facts |= {"size": f"{record.width}x{record.height}", "frame_rate": record.frame_rate}
    if record.loudness is not None:
        facts |= {
            "delivered_lufs": record.loudness.integrated_lufs,
            "delivered_true_peak_dbtp": record.loudness.true_peak_dbtp,
            "gain": record.gain_mode,
        }
    return facts


def picture(workshop: Workshop, record: OutputRecord) -> dict[str, Any]:
    """A small copy of a published picture, to look at in the UI."""
    kind = outputs.kind_of(record.output)
    if kind is None or not kind.is_still or not record.files:
        return {}
    (file,) = record.files
    folder = workshop.workspace.folder("inline")
    whole, small = folder / "whole", folder / "small.jpg"
    workshop.stores.by_role(file.role).download(file.key, whole)
    workshop.tools.ffmpeg(
        ["-i", str(whole), "-vf", f"scale={INLINE_WIDTH}:-2", "-q:v", "5", "-f", "image2", "-update", "1", str(small)],
        label="making a small picture",
    )
    data = base64.b64encode(small.read_bytes()).decode()
    return {"picture": dg.MetadataValue.md(f"![{record.output}](data:image/jpeg;base64,{data})")}


PRODUCERS = {
    media_type: [_producer(media_type, step, definitions) for step, definitions in outputs.steps(media_type).items()]
    for media_type in outputs.OUTPUTS
}
ORIGINALS = [_original(media_type) for media_type in outputs.OUTPUTS]
RUNTIME = {
    "dagster/max_runtime": str(
        round(max(map(len, PRODUCERS.values())) * (RETRIES.max_retries + 1) * on_runpod.Pace().longest_seconds)
    )
}
"""The tag by which Dagster's monitor ends a run, in seconds: its ops one after the other, each tried again as often as
it may be, each try as long as the builder lets it wait and work. The builder's own limits come first: what a run waits
for must not end it, and the paid job of another of its ops with it. Dagster takes it before `max_runtime_seconds` of a
`dagster.yaml`."""
