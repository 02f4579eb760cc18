"""What a job took: seconds by phase and by kind, bytes, speed, encoder, cost.

In: the record of a job that has ended, from what its run measured (`workspace` times the phases, the receipts know the
cost). Not here: keeping it (`history`), and adding up many of them (`stats`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from codex_assets.archive.history import JobRecord, Outcome, OutputMade
from codex_assets.archive.records import MezzanineRecord, OutputRecord
from codex_assets.build.phases import CHECKS, DOWNLOADS, UPLOADS, Phase
from codex_assets.errors import JobError

RESULT_FIELDS = {
    "queue_seconds": "queueSeconds",
    "seconds": "seconds",
    "download_seconds": "downloadSeconds",
    "encode_seconds": "encodeSeconds",
    "verify_seconds": "verifySeconds",
    "upload_seconds": "uploadSeconds",
    "media_seconds": "mediaSeconds",
    "speed": "speed",
    "encoder": "encoder",
    "gpu": "gpu",
    "bytes_in": "bytesIn",
    "bytes_out": "bytesOut",
    "cost_usd": "costUsd",
    "phases": "phases",
}
"""Of a job's record -> of `metrics` in RunPod's result."""


def ended(
    begun: JobRecord,
    seconds: float,
    phases: Mapping[str, float],
    outcome: Outcome,
    *,
    built: Sequence[OutputRecord] = (),
    mezzanine: MezzanineRecord | None = None,
    error: JobError | None = None,
) -> JobRecord:
    """The record of a job that has ended after so many seconds, with the seconds of each of its phases.

    `mezzanine`: the one that its outputs were made from, or that it made.
    """
    phases = {name: round(spent, 3) for name, spent in phases.items()}
    encoders = [record.build.encoder for record in built if record.build is not None and record.build.encoder]
    gpus = [record.build.gpu for record in built if record.build is not None and record.build.gpu]
    lasting = mezzanine.duration if mezzanine is not None else None
    return begun.model_copy(
        update={
            "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "outcome": outcome,
            "error_code": error.code if error is not None else None,
            "retryable": error.retryable if error is not None else None,
            "seconds": round(seconds, 3),
            "phases": phases,
            "download_seconds": _sum(phases, DOWNLOADS),
            "verify_seconds": _sum(phases, CHECKS),
            "upload_seconds": _sum(phases, UPLOADS),
            "encode_seconds": _sum(phases, set(phases) - (DOWNLOADS | CHECKS | UPLOADS)),
            "media_seconds": lasting,
            "speed": round(lasting / seconds, 2) if lasting and seconds else None,
            "bytes_in": _bytes_in(mezzanine, phases),
            "bytes_out": sum(file.size for record in built for file in record.files) if built else None,
            # A run that fell back made some outputs with each: what the machine can do counts.
            "encoder": next((name for name in encoders if name.endswith("nvenc")), encoders[0] if encoders else None),
            "gpu": gpus[0] if gpus else None,
            "cost_usd": _cost(built),
            "outputs": tuple(_made(record) for record in built if record.applicable),
        }
    )


def for_result(job: JobRecord) -> dict[str, Any]:
    """The `metrics` of RunPod's result: `RESULT_FIELDS` of a job's record, without what is not known."""
    values = {name: getattr(job, field) for field, name in RESULT_FIELDS.items()}
    return {name: value for name, value in values.items() if value is not None}


def queue_seconds(raw: object, started: datetime) -> float | None:
    """Since `submittedAt` of a payload (ISO 8601 with an offset, or Unix seconds); None without it.

    RunPod tells a handler neither when a job was submitted nor how long it waited.
    """
    submitted = raw.get("submittedAt") if isinstance(raw, Mapping) else None
    try:
        if isinstance(submitted, int | float) and not isinstance(submitted, bool):
            at = datetime.fromtimestamp(submitted, UTC)
        elif isinstance(submitted, str):
            at = datetime.fromisoformat(submitted.replace("Z", "+00:00"))
        else:
            return None
        # Clocks differ a little: a job does not start before it was submitted.
        return max(0.0, round((started - at).total_seconds(), 3))
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _sum(phases: Mapping[str, float], names: Collection[str]) -> float:
    return round(math.fsum(seconds for name, seconds in phases.items() if name in names), 3)


def _bytes_in(mezzanine: MezzanineRecord | None, phases: Mapping[str, float]) -> int | None:
    if mezzanine is None:
        return None
    fetched = 0
    if Phase.FETCHING_ORIGINAL in phases:
        fetched += mezzanine.source.size
    if Phase.FETCHING_MEZZANINE in phases:
        fetched += sum(file.size for file in mezzanine.files)
    return fetched


def _cost(built: Sequence[OutputRecord]) -> float | None:
    """What the outputs' shares of the worker's time add up to; None where one has no price."""
    costs = [record.build.cost_usd for record in built if record.build is not None]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 8) if known and len(known) == len(costs) else None


def _made(record: OutputRecord) -> OutputMade:
    build = record.build
    return OutputMade(
        output=record.output,
        seconds=build.wall_seconds if build is not None else None,
        size=sum(file.size for file in record.files),
        encoder=build.encoder if build is not None else None,
        cost_usd=build.cost_usd if build is not None else None,
    )
