"""What `demo` prints: a heading, the objects that were published, and where to look next, of jobs that `cli/demo.py`
ran."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets.cli import console
from codex_assets.cli.receiver import Received
from codex_assets.cli.views import objects as views_objects
from codex_assets.config import settings
from codex_assets.storage.objects import Stores


@dataclass(frozen=True)
class Told:
    """What one job came to: RunPod's result, the webhook that came, and every way in which they break the contract."""

    name: str
    media_id: str
    result: dict[str, Any]
    webhook: Received | None
    problems: tuple[str, ...]
    objects: int
    """How many objects the contract's keys and the playlists name, all found."""
    seconds: float


def job_heading(store: Path) -> Text:
    return Text.assemble(
        ("codex-assets: two uploads, everything published, two signed webhooks\n", "bold"),
        (f"store {console.short(store)}, no account, no network\n", "dim"),
    )


def object_tree(stores: Stores, store: Path, media_ids: Sequence[str]) -> Tree:
    """What the store holds of these media."""
    sizes = {
        f"{one.bucket}/{held.key}": held.size
        for one in (stores.archive, stores.media, stores.assets)
        for held in one.list("")
        if any(media_id in held.key.split("/") for media_id in media_ids)
    }
    return views_objects.objects(f"{console.short(store)}/", sizes)


def where_to_look(store: Path, jobs: Sequence[Told]) -> Group:
    look = Table.grid(padding=(0, 2))
    look.add_column(style="cyan", no_wrap=True)
    look.add_column(overflow="fold")
    verbs = {"hlsMasterPlaylistKey": "play", "thumbnailKey": "look at", "waveformImageKey": "look at"}
    for told in jobs:
        for field, verb in verbs.items():
            key = told.result["output"].get(field)
            place = next(store.glob(f"*/{key}"), None) if key is not None else None
            if place is not None:
                player = "ffplay " if verb == "play" else ""
                look.add_row(f"{verb} {told.media_id}", f"{player}{console.short(place)}")
    command = Path(sys.argv[0]) if Path(sys.argv[0]).name == "codex-assets" else Path("codex-assets")
    at = "" if store == settings.LOCAL_STORE.absolute() else f" --store {console.short(store)}"
    look.add_row("what is known", f"{console.short(command)} show {jobs[0].media_id}{at}")
    look.add_row("check it again", f"{console.short(command)} verify --all{at}")
    look.add_row("the graph", "make dev, then http://127.0.0.1:3000")
    total = console.lasting(sum(told.seconds for told in jobs))
    return Group(
        "", Text("Where to look", style="bold"), look, "", Text(f"Done and verified in {total}.", style="green")
    )
