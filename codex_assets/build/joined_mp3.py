"""Makes a copy of an MP3 that was joined of several, without the tags between its parts.

In: reading and writing the files. Out: which bytes are tags (`media/upload/mp3_tags.py`).
"""

from __future__ import annotations

import mmap
from pathlib import Path

from codex_assets.media.upload import mp3_tags


def without_inner_tags(source: Path) -> Path | None:
    """A copy of `source` beside it without tags in its middle; None where it has none there."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tags = mp3_tags.tags_within(data)
        if not tags:
            return None
        path = source.with_name(f"{source.name}.joined")
        with path.open("wb") as copy:
            start = 0
            for first, behind in [*tags, (len(data), len(data))]:
                copy.write(data[start:first])
                start = behind
        return path


def is_longer_than_counted(source: Path) -> bool:
    """Whether an MP3 holds clearly more bytes than its header counts, so that its length is an estimate."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return mp3_tags.is_longer_than_counted(data)
