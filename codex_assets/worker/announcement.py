"""What the webhook of a job that succeeded says, from the records of what it built and of what stays.

In: which record fills which field. Out: the fields themselves (`contract/webhook.py`), who sends it (`job.py`), and its
bytes (`net/webhook.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codex_assets.archive.records import LoudnessRecord, MediaRecord, MezzanineRecord, OutputRecord
from codex_assets.contract.webhook import CompletedBody
from codex_assets.media.outputs import (
    DEFINITIONS,
    MASTER,
    MEZZANINE,
    PREVIEW,
    THUMBNAIL,
    WAVEFORM_JSON,
    WAVEFORM_PNG,
    is_of_ladder,
)
from codex_assets.net import webhook

ANNOUNCED_AS = {
    MEZZANINE.name: "mezzanine_key",
    MASTER.name: "hls_master_playlist_key",
    PREVIEW.name: "hls_preview_key",
    THUMBNAIL.name: "thumbnail_key",
    WAVEFORM_JSON.name: "waveform_key",
    WAVEFORM_PNG.name: "waveform_image_key",
}
"""The field of the webhook that names an output's last file. Variants are found through the master."""


def completed(
    job_id: str, media: MediaRecord, built: Sequence[OutputRecord], stays: Mapping[str, OutputRecord]
) -> CompletedBody:
    """The webhook's body of a job that succeeded. Its keys are those of what this job built.

    What describes the media as a whole (duration, size, the ready variants once any of them was touched) is that of the
    records that this job did not replace (`stays`, by output): a rebuild of one output must not tell less of the media
    than is true.
    """
    applicable = [record for record in built if record.applicable]
    facts: dict[str, Any] = {}
    for record in applicable:
        facts |= _facts(record)
    source = mezzanine_of(built, stays)
    if source is not None:
        facts["duration_s"] = source.duration
        if media.media_type == "video":
            facts |= {"width": source.source.width, "height": source.source.height}
    ready: list[str] = []
    if any(is_of_ladder(record.output) for record in built):
        ready = _ready(media, built, stays)
    # Several variants have the same sound.
    warnings = list(dict.fromkeys(warning for record in applicable for warning in record.warnings))
    return webhook.completed_body(
        job_id=job_id,
        media_id=media.media_id,
        media_type=media.media_type,
        ready_variants=ready,
        warnings=warnings,
        **facts,
    )


def mezzanine_of(built: Sequence[OutputRecord], stays: Mapping[str, OutputRecord]) -> MezzanineRecord | None:
    """The mezzanine's record: this job's, or the one that stays."""
    record = next((record for record in built if record.output == MEZZANINE.name), stays.get(MEZZANINE.name))
    return record if isinstance(record, MezzanineRecord) else None


def _facts(record: OutputRecord) -> dict[str, Any]:
    """What one built output adds to the webhook. Its last file is the one that is announced."""
    if isinstance(record, LoudnessRecord):
        measured = record.measurement
        if measured is None:
            return {}
        return {
            "integrated_lufs": measured.integrated_lufs,
            "true_peak_dbtp": record.peak_dbtp,
            "range_lu": measured.range_lu,
        }
    if not record.files or record.output not in ANNOUNCED_AS:
        return {}
    return {ANNOUNCED_AS[record.output]: record.files[-1].key}


def _ready(media: MediaRecord, built: Sequence[OutputRecord], stays: Mapping[str, OutputRecord]) -> list[str]:
    """Rendered variants from best to worst, then the preview: those of this job and those that stay."""
    known = {**stays, **{record.output: record for record in built}}
    ready = []
    for output in DEFINITIONS[media.media_type]:
        record = known.get(output.name) if output.has_segments else None
        if record is not None and record.applicable:
            ready.append(output.playlist_name)
    return ready
