"""What a stored object is, and whose, by its key alone: `originals`, `segments 720p`, `playlists`, ...

In: the kinds that storage is added up by (`stats.py`). Out: the keys themselves (`storage/keys.py`). No I/O.
"""

from __future__ import annotations

import re

from codex_assets.media.outputs import DEFINITIONS
from codex_assets.storage import keys

_SEGMENT = re.compile(r"[^/]+/hls(?:-audio)?/[^/]+/([^/]+)/(?:[0-9a-f]{12}/)?segment_\d+\.ts")
_PLAYLISTS = [output for outputs in DEFINITIONS.values() for output in outputs if output.has_segments]
_FIRST = ("originals", "mezzanines", "records", *(f"segments {output.playlist_name}" for output in _PLAYLISTS))


def kind(role: str, key: str) -> str:
    """What an object is, by the role of its store and its key: `originals`, `segments 720p`, `other`, ..."""
    if role == "archive":
        roots = {keys.ORIGINALS_ROOT: "originals", "mezzanine/": "mezzanines", keys.RECORDS_ROOT: "records"}
        return next((name for root, name in roots.items() if key.startswith(root)), "other")
    if role == "media":
        segment = _SEGMENT.fullmatch(key)
        if segment is not None:
            return f"segments {segment[1]}"
        return "playlists" if key.endswith(".m3u8") else "other"
    if key.endswith("/waveform.json"):
        return "waveform data"
    if key.endswith("/waveform.png"):
        return "waveform pictures"
    if key.endswith((f"/{keys.STORYBOARD_NAME}", f"/{keys.STORYBOARD_SHEET_NAME}")):
        return "storyboards"
    if key.endswith(".webp"):
        return "small thumbnails"
    if key.endswith("/blurhash.txt"):
        return "BlurHashes"
    return "thumbnails" if key.endswith("/auto-generated.jpg") else "other"


def media_of(role: str, key: str) -> str | None:
    """The media that an object belongs to, by its key; None when its key does not say."""
    parts = key.split("/")
    at = {"archive": 1 if key.startswith(keys.RECORDS_ROOT) else 2, "media": 2}.get(role)
    if at is None:
        at = 3 if "thumbnails" in parts[1:2] else 2
    return parts[at] if len(parts) > at + 1 else None


def kind_order(name: str) -> tuple[int, str]:
    """What kinds are sorted by: as they come about."""
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)
