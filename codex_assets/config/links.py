"""Where a person looks: the address of an object, and the page of a media that `codex-assets open` serves.

In: addresses that settings decide. Out: keys (`storage/keys.py`), and what is shown beside an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from codex_assets.config.settings import Settings
from codex_assets.storage.objects import Role


@dataclass(frozen=True)
class Links:
    """The addresses of one deployment."""

    settings: Settings

    def uri(self, role: Role, key: str) -> str:
        """What a tool opens: `s3://bucket/key`, or the `file:` of a local store."""
        if self.settings.storage_dir is not None:
            return self.settings.address(role, key)
        buckets = {
            "archive": self.settings.archive_bucket,
            "media": self.settings.media_bucket,
            "assets": self.settings.assets_bucket,
        }
        return f"s3://{buckets[role]}/{key}"

    def address(self, role: Role, key: str) -> str:
        """What a browser opens: the store's own address, which asks for a key unless the bucket is public."""
        return self.settings.address(role, key)

    def page(self, media_id: str) -> str | None:
        """The page on which a media is seen and heard; None where nobody has said where that is served."""
        base = self.settings.open_url
        return f"{base.rstrip('/')}/media/{quote(media_id)}" if base is not None else None
