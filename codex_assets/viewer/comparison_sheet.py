"""What the page of a comparison shows: a media in two states, as JSON has it."""

from __future__ import annotations

from typing import Any

from codex_assets.library.comparison import Comparison, MeasuredRung
from codex_assets.media.vmaf import VmafCurve
from codex_assets.verification.report.media_report import LikenessCurve

OBJECTS = "/compare/objects"
"""Where the objects of both sides are served, each below the number of its side."""


def sheet(comparison: Comparison) -> dict[str, Any]:
    """Both sides, rung by rung."""
    media = comparison.media
    return {
        "id": media.media_id,
        "creator": media.creator_id,
        "type": media.media_type,
        "sides": [
            {
                "name": side.name,
                "about": side.about,
                "master": f"{OBJECTS}/{number}/media/{comparison.master_key}",
            }
            for number, side in enumerate(comparison.sides)
        ],
        "rungs": [{"name": rung.name, "sides": [_rung(side) for side in rung.sides]} for rung in comparison.rungs],
    }


def _rung(rung: MeasuredRung) -> dict[str, Any]:
    record = rung.record
    build = record.build
    return {
        "bytes": sum(file.size for file in record.files),
        "bandwidth": record.bandwidth,
        "average": record.average_bandwidth,
        "width": record.width,
        "height": record.height,
        "duration": record.duration,
        "segments": [{"duration": each.duration, "size": each.size} for each in record.segments],
        "likeness": _curve(rung.likeness),
        "vmaf": _curve(rung.vmaf),
        "loudness": record.loudness.integrated_lufs if record.loudness is not None else None,
        "seconds": build.encode_seconds or build.wall_seconds if build is not None else None,
        "shared": build.shared if build is not None else 1,
        "cost": build.cost_usd if build is not None else None,
        "encoder": build.encoder if build is not None else None,
        "recipe": {name: build.recipe.get(name) for name in sorted(build.recipe)} if build is not None else {},
    }


def _curve(curve: LikenessCurve | VmafCurve | None) -> dict[str, Any] | None:
    return {"at": curve.at, "values": curve.values} if curve is not None else None
