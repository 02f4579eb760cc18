"""What `demo` prints: a heading, each job with its webhook, the objects that were published, and where to look next.

The jobs are run, and their problems found, by `cli/demo.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets import quantities
from codex_assets.cli import console
from codex_assets.cli.receiver import ReceivedWebhook
from codex_assets.cli.views.objects import objects_tree
from codex_assets.config import settings
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores


@dataclass(frozen=True)
class DemoJob:
    """A finished job: RunPod's result, the webhook that came (None: none did), and what breaks the contract in them.

    `objects` counts the objects that the contract's keys and the playlists name, all of which are there.
    """

    name: str
    media_id: str
    result: dict[str, Any]
    webhook: ReceivedWebhook | None
    problems: tuple[str, ...]
    objects: int
    seconds: float


def heading(store: Path) -> Text:
    return Text.assemble(
        ("codex-assets: two uploads, everything published, two signed webhooks\n", "bold"),
        (f"store {console.short_path(store)}, no account, no network\n", "dim"),
    )


def job_sheet(job: DemoJob, *, with_webhook: bool) -> Group:
    """Whether a job went well, its problems, and whether its webhook is signed right; `with_webhook`: what it says, as
    it does where something is wrong."""
    mark = ("✗ ", "red") if job.problems else ("✓ ", "green")
    headline = Text.assemble(mark, (job.name, "bold"))
    if not job.problems:
        headline.append(f"  completed in {quantities.duration(job.seconds)}; {job.objects} objects named and found")
    parts: list[RenderableType] = [headline, *(Text(f"  {problem}", style="red") for problem in job.problems)]
    webhook = job.webhook
    if webhook is not None:
        is_verified = webhook.is_verified
        seal = Text(
            "  signature verified" if is_verified else "  NOT verified", style="green" if is_verified else "red"
        )
        parts.append(seal.append(f" over {len(webhook.raw)} bytes: {webhook.signature[:16]}...", style="dim"))
        if with_webhook or job.problems:
            body = json.dumps(webhook.body, indent=2, ensure_ascii=False)
            parts.append(Text("  " + body.replace("\n", "\n  ")))
    return Group(*parts, "")


def published_objects(stores: Stores, store: Path, media_ids: Sequence[str], *, with_records: bool) -> Tree:
    """The objects of these media in the local store at `store`; of their records the sum, unless `with_records`."""
    sizes: dict[str, int] = {}
    listed = {
        f"{bucket.bucket}/{stored_object.key}": stored_object.size
        for bucket in (stores.archive, stores.media, stores.assets)
        for stored_object in bucket.list("")
        if any(media_id in stored_object.key.split("/") for media_id in media_ids)
    }
    for key, size in listed.items():
        bucket, slash, inside = key.partition("/")
        is_folded = inside.startswith(keys.RECORDS_ROOT) and not with_records
        name = f"{bucket}{slash}{keys.RECORDS_ROOT}{inside.split('/')[1]}/*.json" if is_folded else key
        sizes[name] = sizes.get(name, 0) + size
    return objects_tree(f"{console.short_path(store)}/", sizes)


def where_to_look(store: Path, jobs: Sequence[DemoJob]) -> Group:
    """Commands to play what was made and to look further, and how long all jobs took."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    verbs = {"hlsMasterPlaylistKey": "play", "thumbnailKey": "look at", "waveformImageKey": "look at"}
    for job in jobs:
        for field, verb in verbs.items():
            key = job.result["output"].get(field)
            path = next(store.glob(f"*/{key}"), None) if key is not None else None
            if path is not None:
                player = "ffplay " if verb == "play" else ""
                table.add_row(f"{verb} {job.media_id}", f"{player}{console.short_path(path)}")
    program = Path(sys.argv[0]) if Path(sys.argv[0]).name == "codex-assets" else Path("codex-assets")
    command = console.short_path(program)
    option = "" if store == settings.LOCAL_STORE.absolute() else f" --store {console.short_path(store)}"
    table.add_row("see and hear it", f"{command} open {jobs[0].media_id}{option}")
    table.add_row("the webhooks", f"{command} demo --verbose{option}")
    table.add_row("what is known", f"{command} show {jobs[0].media_id}{option}")
    table.add_row("check it again", f"{command} verify --all{option}")
    table.add_row("the graph", "make dev, then http://127.0.0.1:3000")
    total = quantities.duration(sum(job.seconds for job in jobs))
    return Group(
        "", Text("Where to look", style="bold"), table, "", Text(f"Done and verified in {total}.", style="green")
    )
