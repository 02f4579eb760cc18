"""Ways in which a server delivers good outputs wrongly. What it does is written into the folder that it delivers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from break_outputs import VARIANT, breaks, media_list
from hls_site import Delivery

START = "start/playlist"
"""The playlist that is asked for instead of the master, where a break makes one."""
NOTE = "delivery.json"


def deliver(root: Path, **changes: Any) -> None:
    (root / NOTE).write_text(json.dumps(changes))


def _changes(root: Path) -> dict[str, Any]:
    note = root / NOTE
    changes: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {}
    return changes


def read_delivery(root: Path) -> Delivery:
    """How `root` is delivered."""
    return Delivery(**{name: value for name, value in _changes(root).items() if name != "has_tls"})


def has_tls(root: Path) -> bool:
    """Whether `root` is delivered over TLS."""
    return bool(_changes(root).get("has_tls", True))


@breaks("delivery", "playlists_recognisable", "content_types")
def playlist_of_no_name_and_no_type(root: Path) -> None:
    (root / START).parent.mkdir()
    (root / START).write_bytes(media_list(root).read_bytes())
    for segment in (root / VARIANT).glob("*.ts"):
        (root / START).with_name(segment.name).write_bytes(segment.read_bytes())
    deliver(root, compresses=[""], caching={"": "no-cache", ".ts": "max-age=3600"})


@breaks("delivery", "content_types")
def segments_delivered_as_text(root: Path) -> None:
    deliver(root, types={".m3u8": "application/vnd.apple.mpegurl", ".ts": "text/plain"})


@breaks("delivery", "content_types")
def playlists_without_a_type(root: Path) -> None:
    deliver(root, types={".ts": "video/mp2t"})


@breaks("delivery", "no_redirects")
def segments_redirected(root: Path) -> None:
    deliver(root, moved=r"segment_00001\.ts$")


@breaks("delivery", "lengths_announced")
def no_lengths(root: Path) -> None:
    deliver(root, has_lengths=False)


@breaks("delivery", "parts_delivered")
def no_parts(root: Path) -> None:
    deliver(root, has_parts=False)


@breaks("delivery", "playlists_compressed")
def playlists_as_they_are(root: Path) -> None:
    deliver(root, compresses=[])


@breaks("delivery", "segments_not_compressed")
def segments_compressed(root: Path) -> None:
    deliver(root, compresses=[".m3u8", ".ts"])


@breaks("delivery", "playlists_asked_for_anew")
def playlists_kept_for_an_hour(root: Path) -> None:
    deliver(root, caching={".m3u8": "max-age=3600", ".ts": "max-age=3600"})


@breaks("delivery", "segments_kept")
def segments_never_kept(root: Path) -> None:
    deliver(root, caching={".m3u8": "no-cache", ".ts": "no-store"})


@breaks("delivery", "segments_kept")
def caching_not_said(root: Path) -> None:
    deliver(root, caching={".m3u8": "no-cache"})


@breaks("delivery", "pages_may_read")
def pages_of_one_site_only(root: Path) -> None:
    deliver(root, origins="https://other.example")


@breaks("delivery", "delivered_over_tls")
def delivered_in_the_clear(root: Path) -> None:
    deliver(root, has_tls=False)
