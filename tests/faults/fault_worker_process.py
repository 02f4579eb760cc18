"""The process that `fault_worker.py` starts: it imports everything once, and forks for each job.

Reads one job per line of standard input; writes the ids of its processes when it runs, and its exit code when it ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import dagster as dg
from botocore.retries.standard import ExponentialBackoff
from kept_encodes import kept
from pydantic import SecretStr

from codex_assets.archive.leases import LeaseTimes
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.storage import trusted
from codex_assets.storage.deadlines import LeastRate
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Stores
from codex_assets.storage.s3 import S3Store
from codex_assets.storage.s3_client import make_client
from codex_assets.system.tools import Tools
from runpod_entry.handler import Worker


def _retry_soon(*, max_retries: int, delay: float, backoff: dg.Backoff) -> dg.RetryPolicy:
    """A step is tried again once, and at once."""
    return _RetryPolicy(max_retries=min(1, max_retries), delay=0.05)


# Before the steps are defined.
_RetryPolicy, dg.RetryPolicy = dg.RetryPolicy, _retry_soon  # type: ignore[assignment,misc]
from codex_assets.worker import job  # noqa: E402

PART_SIZE = 48 * 1024
"""Bytes: the original and the segments of a film travel in parts."""
ATTEMPTS = 2
PAUSES_SECONDS = (0.05, 0.1)
STORE_SECONDS = 2.0
"""Of one request, with its repetitions."""
PATIENT_SECONDS = 30.0
RECEIVER = {"attempts": 2, "timeout_s": 0.8, "backoff_s": 0.1, "retry_after_limit_s": 0.3}
LEASE_SECONDS = (0.4, 10.0, 10.0, 0.1, 0.05)
"""As `LeaseTimes` has them: a lease is renewed in a job that is as short as ours."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class HastySettings(Settings):
    """A worker that gives stores and receivers up after a moment, and that may take encodes from a folder."""

    encodes: Path | None = None
    waits_for_stores: bool = False
    """As long as anybody would who has no fault to meet, however slow this machine is."""
    waits_for_receiver: bool = False

    def stores(self) -> Stores:
        assert self.locations is not None
        made = (
            S3Store(
                location,
                part_size=PART_SIZE,
                attempts=ATTEMPTS,
                pauses=PAUSES_SECONDS,
                rate=LeastRate(PATIENT_SECONDS if self.waits_for_stores else STORE_SECONDS),
            )
            for location in self.locations
        )
        return Stores(*made)

    def delivery_policy(self) -> DeliveryPolicy:
        hasty = replace(super().delivery_policy(), **RECEIVER)  # type: ignore[arg-type]
        return replace(hasty, timeout_s=PATIENT_SECONDS) if self.waits_for_receiver else hasty

    def tools(self, cancelled: threading.Event | None = None) -> Tools:
        if self.encodes is None:
            return super().tools(cancelled)
        return kept(super().tools(cancelled), self.encodes)


def main() -> None:
    _warm()
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _child(order, writing)
        os.close(writing)
        with os.fdopen(reading) as said:
            doing = said.readline().strip() or str(pid)
        print(pid, doing, flush=True)
        _, status = os.waitpid(pid, 0)
        _import_as(Path(order["result"]).with_suffix(".modules"))
        print(os.waitstatus_to_exitcode(status), flush=True)


def _import_as(names: Path) -> None:
    """Import what a job came to import, or every further one would do it again."""
    if names.is_file():
        for name in names.read_text(encoding="utf-8").splitlines():
            if name not in sys.modules and name != "__main__":
                with suppress(Exception):
                    importlib.import_module(name)
        names.unlink()


def _warm() -> None:
    """What every job would load anew. And the pauses of the SDK before it repeats a request, seconds elsewhere, become
    short like the others."""
    LeaseTimes.__init__.__defaults__ = LEASE_SECONDS
    setattr(ExponentialBackoff, "delay_amount", lambda backoff, context: PAUSES_SECONDS[0])  # noqa: B010 - a method
    nowhere = S3Location(
        "media", "bucket", "http://127.0.0.1:9", "auto", SecretStr("a"), SecretStr("b"), versioned=False
    )
    make_client(nowhere, 1)


def _child(order: dict[str, Any], writing: int) -> None:
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        configuration.adopt(order["environment"])
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True)
        if order["supervised"]:
            result = asyncio.run(_supervised(order, writing))
        else:
            os.write(writing, f"{os.getpid()}\n".encode())
            os.close(writing)
            result = _plain(order)
        path = Path(order["result"])
        path.with_suffix(".modules").write_text("\n".join(sys.modules), encoding="utf-8")
        path.write_text(json.dumps(result), encoding="utf-8")
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the log says it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _plain(order: dict[str, Any]) -> dict[str, Any]:
    loaded = configuration.load()
    values = {each.name: getattr(loaded, each.name) for each in fields(loaded)}
    encodes = Path(order["kept"]) if order["kept"] is not None else None
    patience = {name: order[name] for name in ("waits_for_stores", "waits_for_receiver")}
    settings = HastySettings(**values, **patience, encodes=encodes)
    if not order["tries_conditions"]:
        trusted.trust(map(trusted.place, settings.locations or ()))
    return job.run(order["id"], order["input"], settings)


async def _supervised(order: dict[str, Any], writing: int) -> dict[str, Any]:
    """As RunPod's SDK has it done: in a process of the worker's, which is ended and answered for by the worker."""
    worker = Worker()
    worker.start()
    assert worker._spare is not None
    os.write(writing, f"{worker._spare._process.pid}\n".encode())
    os.close(writing)
    try:
        return await worker.handle({"id": order["id"], "input": order["input"]})
    finally:
        worker.close()


if __name__ == "__main__":
    main()
