"""What the UI shows of each output: its numbers, its objects, how it was built, a small picture of it.

In: a record as metadata of Dagster: text for eyes in the units of people, and numbers, which Dagster plots from one
build to the next. Not here: the tags that Dagster itself reads (`materializations.py`), and drawing
(`inline_pictures.py`).
"""

import json
import logging
from fractions import Fraction
from functools import singledispatch
from pathlib import Path
from typing import Any

import dagster as dg

from codex_assets import quantities
from codex_assets.archive.records import (
    BlurHashRecord,
    Build,
    LoudnessRecord,
    MasterRecord,
    MezzanineRecord,
    OutputRecord,
    SmallThumbnailsRecord,
    StoredFile,
    StoryboardRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.config.links import Links
from codex_assets.config.workshop import Workshop
from codex_assets.defs import inline_pictures
from codex_assets.errors import JobCancelled, JobError
from codex_assets.media import outputs
from codex_assets.media.outputs import WAVEFORM_JSON

SMALL_PICTURES = ((240, 50), (192, 50), (192, 30), (160, 30), (128, 30), (128, 10), (96, 10), (64, 10), (64, 1))
"""Width in pixels and WebP quality of the copies of a picture, of which the first that fits is shown."""
FULL_SCALE = 128
"""Of the 8 bits of audiowaveform's data."""

_log = logging.getLogger(__name__)


def metadata(record: OutputRecord, links: Links | None = None) -> dict[str, Any]:
    """A record as metadata of its materialization: what an engineer wants to read, then the whole record."""
    shown: dict[str, Any] = {"applicable": record.applicable}
    if record.reason is not None:
        shown["reason"] = record.reason
    shown |= page(record.media_id, links) | measures(record) | _places(record, links)
    if record.rule_set is not None:
        shown["rule_set"] = record.rule_set
    if record.warnings:
        shown["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in record.warnings))
    if record.build is not None:
        shown |= _build(record.build)
    shown["record"] = dg.MetadataValue.json(record.model_dump(mode="json", exclude_none=True, exclude={"checks"}))
    return shown


def page(media_id: str, links: Links | None) -> dict[str, Any]:
    """A link to the page on which a media is seen and heard."""
    address = links.page(media_id) if links is not None else None
    return {"play": dg.MetadataValue.url(address)} if address is not None else {}


def place(file: StoredFile, links: Links | None) -> dict[str, Any]:
    """Links to an object."""
    if links is None:
        return {}
    address = dg.MetadataValue.url(links.address(file.role, file.key))
    return {"dagster/uri": links.uri(file.role, file.key), "object": address}


def _places(record: OutputRecord, links: Links | None) -> dict[str, Any]:
    """Where an output is, and how much of it there is. Its last file is the one that names the others."""
    if not record.files:
        return {}
    named, size = record.files[-1], sum(file.size for file in record.files)
    shown = {"stored": quantities.byte_size(size), "megabytes": round(size / 1e6, 3), "objects": len(record.files)}
    return {"key": named.key, **place(named, links), **shown}


def _duration(seconds: float) -> dict[str, Any]:
    return {"duration": quantities.duration(seconds), "duration_seconds": seconds}


def _build(build: Build) -> dict[str, Any]:
    """How an output was built. Its inputs and recipe are in the record, and Dagster shows both in its own way."""
    fields = build.model_dump(exclude_none=True, exclude={"inputs", "recipe", "phases", "shared"})
    versions = fields.pop("tool_versions")
    shown = fields | {f"{tool}_version": version for tool, version in versions.items()}
    if build.phases:
        longest_first = sorted(build.phases.items(), key=lambda phase: -phase[1])
        shown["phases"] = ", ".join(f"{name} {quantities.duration(seconds)}" for name, seconds in longest_first)
    if build.cost_usd is not None:
        shown["cost"] = quantities.money(build.cost_usd)
    return shown


@singledispatch
def measures(record: OutputRecord) -> dict[str, Any]:
    """What was measured of an output, by the type of its record; nothing for a type without a function here."""
    return {}


@measures.register
def _(record: MezzanineRecord) -> dict[str, Any]:
    return {
        **_duration(record.duration),
        "picture_size": f"{record.width}x{record.height}" if record.width else "no picture",
        "frame_rate": _frame_rate(record.rate) or "no picture",
        "sound": record.audio_treatment or "no sound",
        "source": dg.MetadataValue.json(record.source.model_dump(mode="json", exclude_none=True)),
    }


def _frame_rate(rate: Fraction | float | None) -> float | None:
    """Frames a second, to three decimals as the master playlist has them."""
    return round(float(rate), 3) if rate is not None else None


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
    rates = [8 * segment.size / segment.duration / 1000 for segment in record.segments if segment.duration]
    shown: dict[str, Any] = {}
    if rates:
        said = f"{min(rates):,.0f} to {max(rates):,.0f} kbit/s in {len(rates)} segments, from left to right"
        shown["segment_rates"] = inline_pictures.markdown(
            inline_pictures.bars(rates), "image/svg+xml", "kbit/s of each segment", said
        )
    shown |= {"codecs": record.codecs, "segments": len(record.segments)}
    if record.duration is not None:
        shown |= _duration(record.duration)
    if record.bandwidth is not None and record.average_bandwidth is not None:
        shown |= {
            "declared": f"{quantities.bit_rate(record.bandwidth)} at most, "
            f"{quantities.bit_rate(record.average_bandwidth)} on average",
            "peak_kbps": round(record.bandwidth / 1000),
            "average_kbps": round(record.average_bandwidth / 1000),
        }
    if record.width is not None:
        shown |= {"picture_size": f"{record.width}x{record.height}", "frame_rate": _frame_rate(record.frame_rate)}
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
    return {"at_seconds": record.at, "picture_size": f"{record.width}x{record.height}"}


@measures.register
def _(record: StoryboardRecord) -> dict[str, Any]:
    size = f"{record.tile_width}x{record.tile_height}"
    return {"pictures": record.tiles, "picture_size": size, **_duration(record.duration)}


@measures.register
def _(record: SmallThumbnailsRecord) -> dict[str, Any]:
    return {"at_seconds": record.at, "picture_sizes": ", ".join(f"{width}x{height}" for width, height in record.sizes)}


@measures.register
def _(record: BlurHashRecord) -> dict[str, Any]:
    return {"at_seconds": record.at, "blurhash": record.blurhash}


@measures.register
def _(record: WaveformRecord) -> dict[str, Any]:
    if record.points is not None:
        return {"points": record.points, **_duration(record.duration)}
    return {"picture_size": f"{record.width}x{record.height}", **_duration(record.duration)}


def picture(workshop: Workshop, record: OutputRecord) -> dict[str, Any]:
    """A small picture of a published output, as metadata; nothing for an output that cannot be looked at.

    The output is published already, so what fails here is only not shown. Raises `JobCancelled`.
    """
    kind = outputs.kind_of(record.output)
    if kind is None or not record.files or not (kind.is_still or kind is WAVEFORM_JSON):
        return {}
    (file,) = record.files
    try:
        folder = workshop.workspace.folder("inline")
        whole = folder / "whole"
        workshop.stores.by_role(file.role).download(file.key, whole)
        if kind.is_still:
            data = _smaller(workshop, whole, record.output)
            return {"picture": inline_pictures.markdown(data, "image/webp", record.output)} if data else {}
        return {"picture": inline_pictures.markdown(_drawn(whole), "image/svg+xml", record.output)}
    except JobCancelled:
        raise
    except (JobError, OSError, ValueError, KeyError) as error:
        _log.warning("no small picture of %s could be made: %s", record.output, type(error).__name__)
        return {}


def _smaller(workshop: Workshop, whole: Path, name: str) -> bytes | None:
    """The best small copy of a picture that is shown inline, as WebP; None where none is small enough."""
    copies = [whole.with_name(f"{width}-{quality}.webp") for width, quality in SMALL_PICTURES]
    encodes: list[str] = []
    for copy, (width, quality) in zip(copies, SMALL_PICTURES, strict=True):
        encodes += ["-map", "0:v", "-vf", f"scale={width}:-2:flags=area", "-c:v", "libwebp", "-quality", str(quality)]
        encodes += ["-compression_level", "6", "-f", "webp", str(copy)]
    workshop.tools.ffmpeg(["-i", str(whole), *encodes], label="making a small picture")
    data = (copy.read_bytes() for copy in copies)
    return next((each for each in data if inline_pictures.fits(each, "image/webp", name)), None)


def _drawn(whole: Path) -> bytes:
    """The drawing of audiowaveform's data: a minimum and a maximum of each point."""
    numbers = json.loads(whole.read_text(encoding="utf-8"))["data"]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return inline_pictures.wave([max(-low, high) / FULL_SCALE for low, high in pairs])
