"""What the page of a comparison shows: a media by two recipes, as JSON has it."""

from __future__ import annotations

from typing import Any

from codex_assets.library.what_if import MeasuredRung, WhatIf
from codex_assets.media.vmaf import VmafCurve
from codex_assets.verification.report.media_report import LikenessCurve
from codex_assets.viewer.media_sheet import object_path

OTHER = "/compare/objects"
"""Where what would be published is served."""


def sheet(what_if: WhatIf) -> dict[str, Any]:
    """Both recipes, rung by rung."""
    media = what_if.media
    return {
        "id": media.media_id,
        "creator": media.creator_id,
        "type": media.media_type,
        "recipe": what_if.recipe,
        "masters": {
            "published": object_path(media, "media", what_if.master_key),
            "other": f"{OTHER}/media/{what_if.master_key}",
        },
        "rungs": [
            {"name": rung.published.record.variant, "published": _rung(rung.published), "other": _rung(rung.other)}
            for rung in what_if.rungs
        ],
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
        "seconds": build.encode_seconds or build.wall_seconds if build is not None else None,
        "cost": build.cost_usd if build is not None else None,
        "encoder": build.encoder if build is not None else None,
        "recipe": {name: build.recipe.get(name) for name in sorted(build.recipe)} if build is not None else {},
    }


def _curve(curve: LikenessCurve | VmafCurve | None) -> dict[str, Any] | None:
    return {"at": curve.at, "values": curve.values} if curve is not None else None
