"""Everything that one run needs to build and to judge, put together from settings around one scratch directory.

In: which builder a run gets, and how long its scratch directory is held. Out: reading the environment (`settings.py`),
and removing what killed runs left behind (`system/scratch.py`).
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from codex_assets.archive.store import RecordStore
from codex_assets.build import on_runpod
from codex_assets.build.builder import Builder, LocalBuilder
from codex_assets.build.encoders import Encoders
from codex_assets.build.on_runpod import RunPodBuilder
from codex_assets.config.settings import Settings
from codex_assets.storage.objects import Stores
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
    workspace = Workspace(settings.scratch / f"run-{uuid.uuid4().hex[:12]}", listener)
    held = os.open(workspace.root, os.O_RDONLY)
    try:
        # Held for as long as this process lives, however it ends: `wipe_scratch` can tell leftovers from runs.
        fcntl.flock(held, fcntl.LOCK_SH)
        stores = settings.stores()
        tools = settings.tools(cancelled).within(workspace.root)
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
                price=settings.price_per_second,
            )
        else:
            buckets = on_runpod.Buckets(settings.archive_bucket, settings.media_bucket, settings.assets_bucket)
            builder = RunPodBuilder(endpoint, records, buckets, listener=listener, cancelled=cancelled)
        yield Workshop(stores, records, tools, workspace, builder, Auditor(stores, tools, workspace))
    finally:
        workspace.close()
        os.close(held)
