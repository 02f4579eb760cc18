"""Streams and packets as ffprobe prints them, and what is read from them: for the tests of what an upload is."""

from __future__ import annotations

from typing import Any

from codex_assets.media import ffprobe
from codex_assets.media.facts import MediaInfo


def picture(**fields: Any) -> dict[str, Any]:
    plain = {
        "index": 0,
        "codec_type": "video",
        "codec_name": "h264",
        "width": 640,
        "height": 360,
        "pix_fmt": "yuv420p",
        "avg_frame_rate": "30/1",
        "r_frame_rate": "30/1",
    }
    return {**plain, **fields}


def sound(**fields: Any) -> dict[str, Any]:
    plain = {"index": 1, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000", "channels": 2}
    return {**plain, **fields}


def parsed(*streams: dict[str, Any], container: str = "mov,mp4,m4a,3gp,3g2,mj2", **fields: Any) -> MediaInfo:
    return ffprobe.parse({"streams": list(streams), "format": {"format_name": container, **fields}})


def turned(degrees: float) -> dict[str, Any]:
    return {"side_data_list": [{"side_data_type": "Display Matrix", "rotation": degrees}]}


def shown(a: float, b: float, c: float, d: float) -> dict[str, Any]:
    rows = [[round(part * 65536) for part in row] for row in ((a, b, 0), (c, d, 0), (0, 0, 1 << 14))]
    lines = "".join(f"\n{at:08d}: {row[0]:11d} {row[1]:11d} {row[2]:11d}" for at, row in enumerate(rows))
    return {"side_data_list": [{"side_data_type": "Display Matrix", "displaymatrix": lines + "\n", "rotation": 0}]}


def packets(index: int, times: list[float], lasts: float | None, flags: str = "K__") -> list[str]:
    lasting = "N/A" if lasts is None else f"{lasts:.6f}"
    return [f"{index},{time:.6f},{time:.6f},{lasting},100,{flags}" for time in times]


def frames(rate: float, count: int, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(count)]
