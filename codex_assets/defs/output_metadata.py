"""What the UI shows of each output: its numbers, its objects, how it was built, a small picture of it.

In: a record as metadata of Dagster. Not here: the tags that Dagster itself reads (`materializations.py`).
"""

import base64
import logging
from functools import singledispatch
from typing import Any

import dagster as dg

from codex_assets.archive.records import (
    Build,
    LoudnessRecord,
    MasterRecord,
    MezzanineRecord,
    OutputRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.config.workshop import Workshop
from codex_assets.errors import JobCancelled, JobError
from codex_assets.media import outputs

INLINE_WIDTH = 320
"""Pixels, of a picture that is shown beside the numbers."""

_log = logging.getLogger(__name__)


def metadata(record: OutputRecord) -> dict[str, Any]:
    """A record as metadata of its materialization: what an engineer wants to read, then the whole record."""
    shown: dict[str, Any] = {"applicable": record.applicable}
    if record.reason is not None:
        shown["reason"] = record.reason
    if record.files:
        shown["key"] = record.files[-1].key
        shown["objects"] = len(record.files)
        shown["bytes"] = sum(file.size for file in record.files)
    shown |= measures(record)
    if record.rule_set is not None:
        shown["rule_set"] = record.rule_set
    if record.warnings:
        shown["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in record.warnings))
    if record.build is not None:
        shown |= _build(record.build)
    shown["record"] = dg.MetadataValue.json(record.model_dump(mode="json", exclude_none=True, exclude={"checks"}))
    return shown


def _build(build: Build) -> dict[str, Any]:
    """How an output was built. Its inputs and recipe are in the record, and Dagster shows both in its own way."""
    fields = build.model_dump(exclude_none=True, exclude={"inputs", "recipe", "phases", "shared"})
    versions = fields.pop("tool_versions")
    shown = fields | {f"{tool}_version": version for tool, version in versions.items()}
    if build.phases:
        longest_first = sorted(build.phases.items(), key=lambda phase: -phase[1])
        shown["phases"] = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in longest_first)
    return shown


@singledispatch
def measures(record: OutputRecord) -> dict[str, Any]:
    """What was measured of an output, by the type of its record; nothing for a type without a function here."""
    return {}


@measures.register
def _(record: MezzanineRecord) -> dict[str, Any]:
    return {
        "duration_seconds": record.duration,
        "size": f"{record.width}x{record.height}" if record.width else "no picture",
        "frame_rate": record.frame_rate or "no picture",
        "sound": record.audio_treatment or "no sound",
        "source": dg.MetadataValue.json(record.source.model_dump(mode="json", exclude_none=True)),
    }


@measures.register
def _(record: LoudnessRecord) -> dict[str, Any]:
    measured = record.measurement
    if measured is None:
        return {"integrated_lufs": "silence or no sound"}
    return {
        "integrated_lufs": measured.integrated_lufs,
        "true_peak_dbtp": record.peak_dbtp,
        "loudness_range_lu": measured.range_lu,
        "measured_of": record.measured_of,
    }


@measures.register
def _(record: VariantRecord) -> dict[str, Any]:
    if not record.applicable:
        return {}
    rows = "\n".join(
        f"| {segment.name} | {segment.duration:.3f} | {segment.size} "
        f"| {8 * segment.size / segment.duration / 1000:.0f} |"
        for segment in record.segments
    )
    shown: dict[str, Any] = {
        "bandwidth": record.bandwidth,
        "average_bandwidth": record.average_bandwidth,
        "codecs": record.codecs,
        "duration_seconds": record.duration,
        "segments": dg.MetadataValue.md(f"| segment | seconds | bytes | kbit/s |\n|---|---|---|---|\n{rows}"),
    }
    if record.width is not None:
        shown |= {"size": f"{record.width}x{record.height}", "frame_rate": record.frame_rate}
    if record.notes:
        noted = "\n".join(f"| {note.start:.1f} | {note.end:.1f} | {note.sentence} |" for note in record.notes)
        shown["notes"] = dg.MetadataValue.md(f"| from (s) | to (s) | note |\n|---|---|---|\n{noted}")
    if record.loudness is not None:
        shown |= {
            "delivered_lufs": record.loudness.integrated_lufs,
            "delivered_true_peak_dbtp": record.loudness.true_peak_dbtp,
            "gain": record.gain_mode,
        }
    return shown


@measures.register
def _(record: MasterRecord) -> dict[str, Any]:
    return {"variants": ", ".join(record.variants)}


@measures.register
def _(record: ThumbnailRecord) -> dict[str, Any]:
    return {"at_seconds": record.at, "size": f"{record.width}x{record.height}"}


@measures.register
def _(record: WaveformRecord) -> dict[str, Any]:
    return {"points": record.points} if record.points is not None else {"size": f"{record.width}x{record.height}"}


def picture(workshop: Workshop, record: OutputRecord) -> dict[str, Any]:
    """A small copy of a published picture as metadata to show in the UI; nothing for an output that is no picture.

    The output is published already, so what fails here is only not shown. Raises `JobCancelled`.
    """
    kind = outputs.kind_of(record.output)
    if kind is None or not kind.is_still or not record.files:
        return {}
    try:
        data = base64.b64encode(_small(workshop, record)).decode()
    except JobCancelled:
        raise
    except (JobError, OSError) as error:
        _log.warning("no small copy of %s could be made: %s", record.output, type(error).__name__)
        return {}
    return {"picture": dg.MetadataValue.md(f"![{record.output}](data:image/jpeg;base64,{data})")}


def _small(workshop: Workshop, record: OutputRecord) -> bytes:
    """The JPEG of a small copy of an output's picture."""
    (file,) = record.files
    folder = workshop.workspace.folder("inline")
    whole, small = folder / "whole", folder / "small.jpg"
    workshop.stores.by_role(file.role).download(file.key, whole)
    workshop.tools.ffmpeg(
        ["-i", str(whole), "-vf", f"scale={INLINE_WIDTH}:-2", "-q:v", "5", "-f", "image2", "-update", "1", str(small)],
        label="making a small picture",
    )
    return small.read_bytes()
