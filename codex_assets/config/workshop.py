"""Everything that one run needs to build and to judge, put together from settings around one scratch directory.

In: which builder a run gets. Out: reading the environment (`settings.py`), and the directories of runs, their leases,
and what killed runs left behind (`system/scratch.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from codex_assets.archive.leases import Leases
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import on_runpod
from codex_assets.build.builder import Builder, LocalBuilder
from codex_assets.build.encoders import Encoders
from codex_assets.build.on_runpod import RunPodBuilder
from codex_assets.config.links import Links
from codex_assets.config.settings import Settings
from codex_assets.storage.objects import Stores
from codex_assets.system import scratch
from codex_assets.system.stopping import StopEvent
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Listener, Workspace
from codex_assets.verification.audit import Auditor


@dataclass(frozen=True)
class Workshop:
    """Everything one run needs to build and to judge, around one workspace."""

    stores: Stores
    records: RecordStore
    tools: Tools
    workspace: Workspace
    builder: Builder
    auditor: Auditor
    leases: Leases
    """Who may write a media: whoever holds its lease."""
    prune_grace: timedelta
    """How long what a switch replaced can still be played."""
    links: Links
    """Where its objects and its media are looked at."""
    media: MediaRecord | None = None
    """What a job says of its media, before that is on record; None where only the records say it."""


@contextmanager
def open_workshop(
    settings: Settings,
    *,
    listener: Listener | None = None,
    cancelled: threading.Event | None = None,
    run_id: str | None = None,
    here: bool = False,
    backfill: bool = False,
) -> Iterator[Workshop]:
    """A workshop with a scratch directory of its own, which is gone afterwards. `run_id` is for the receipts.

    `here`: on this machine, whatever is configured: a worker does not send its job on. `backfill`: work that can wait.
    """
    with scratch.opened_run(settings.scratch) as root:
        workspace = Workspace(root, listener)
        stores = settings.stores()
        stopping = StopEvent(cancelled)
        leases = Leases(
            stores,
            run_id,
            waits=timedelta(seconds=settings.job_time_limit),
            cancelled=cancelled,
            on_lost=stopping.set,
        )
        tools = settings.tools(stopping).within(workspace.root)
        records = RecordStore(stores.archive)
        endpoint = (settings.runpod_backfills if backfill else None) or settings.runpod
        builder: Builder
        if endpoint is None or here:
            builder = LocalBuilder(
                stores,
                tools,
                Encoders(settings.video_encoder, tools),
                workspace,
                run_id=run_id,
                leases=leases,
                price=settings.price_per_second,
                grace=settings.prune_grace,
                has_public_preview=settings.preview_public_copy,
            )
        else:
            buckets = on_runpod.Buckets(settings.archive_bucket, settings.media_bucket, settings.assets_bucket)
            builder = RunPodBuilder(endpoint, records, buckets, listener=listener, cancelled=cancelled)
        auditor = Auditor(stores, tools, workspace, grace=settings.prune_grace)
        yield Workshop(
            stores, records, tools, workspace, builder, auditor, leases, settings.prune_grace, Links(settings)
        )
