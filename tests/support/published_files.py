"""Where the segments of a published playlist lie: in the folder of their version, which its lines name."""

from __future__ import annotations

from pathlib import Path


def segments(playlist: Path) -> list[Path]:
    """The segments of a media playlist, in order, whether or not they are there."""
    lines = playlist.read_text(encoding="utf-8").splitlines()
    return [playlist.parent / line for line in lines if line and not line.startswith("#")]


def segment(folder: Path, number: int) -> Path:
    """A segment of the playlist in a folder, which holds a variant's or the preview's."""
    (playlist,) = folder.glob("*.m3u8")
    return segments(playlist)[number]
