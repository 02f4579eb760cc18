"""Which objects of a media the viewer shows: its outputs, and its upload while it is there. No others of a bucket."""

from __future__ import annotations

from codex_assets.archive.records import MediaRecord
from codex_assets.storage import keys
from codex_assets.storage.objects import Role


def is_shown(media: MediaRecord, role: Role, key: str) -> bool:
    """Whether a key of a store is one of this media's."""
    if (role, key) == (media.input_role, media.input_key):
        return True
    return key.startswith(keys.media_prefixes(media.creator_id, media.media_id)[role])
