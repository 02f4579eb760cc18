"""The worker as RunPod starts it: `python -u -m runpod_entry`, with the SDK's own flags. The only importer of the SDK.

The spare process is started first, so that its imports and the SDK's overlap.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing import util
from typing import Any

from codex_assets.system import keyholder
from runpod_entry.process import PACKAGES

CHILD_GRACE_SECONDS = 3.0
"""From SIGTERM to SIGKILL for what the SDK started."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    # No tool runs yet. The SDK's own processes are forked, and so closed as well.
    keyholder.close_memory()
    keyholder.distrust_working_directory(PACKAGES)
    # Here, not above: all that is imported from now on is installed.
    from codex_assets.config import settings
    from codex_assets.readiness import fitness
    from runpod_entry import logs
    from runpod_entry.handler import Worker

    # What a worker that seems stuck is doing: kill -USR1 writes the stack of every thread to standard error.
    faulthandler.register(signal.SIGUSR1)
    logs.configure(settings.prepare_environment(), settings.log_format())
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # A terminal that is closed tells the worker to stop, unless it was started with `nohup`.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    # The SDK's own process (it pings) is a fork of this one. Left behind by a worker that is killed, it would go on
    # telling RunPod that the worker lives.
    # Kept in a name, because that register holds it weakly.
    this = _Parent(os.getpid())
    util.register_after_fork(this, _Parent.die_with)
    worker = Worker(_report)
    worker.start()
    try:
        import runpod

        # Run once, before the first job.
        for check in fitness.CHECKS:
            runpod.serverless.register_fitness_check(check)
        runpod.serverless.start({"handler": worker.handle})
    finally:
        worker.close()
        _end_children()


class _Parent:
    """This process, as seen from its forks."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def die_with(self) -> None:
        """In a fork: let the kernel end it together with the thread that forked it, which is the worker's main one."""
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        except OSError:
            return
        if os.getppid() != self._pid:
            # It was gone before the kernel had been asked.
            os._exit(1)


def _end_children() -> None:
    """End the SDK's own process (it pings), by force if need be: Python waits at its exit for every child, for ever."""
    children = multiprocessing.active_children()
    for process in children:
        process.terminate()
    for process in children:
        process.join(CHILD_GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(CHILD_GRACE_SECONDS)


async def _report(job: Mapping[str, Any], progress: dict[str, Any]) -> None:
    """One progress update, delivered when this returns.

    Not `runpod.serverless.progress_update`: it starts a thread per call and tells nobody when that is done, so updates
    overtake each other, and one that lands after the result leaves the job in progress (runpod-python#250).
    """
    from runpod.http_client import AsyncClientSession
    from runpod.serverless.modules.rp_http import send_result
    from runpod.serverless.modules.worker_state import IS_LOCAL_TEST

    if IS_LOCAL_TEST:
        return
    async with AsyncClientSession() as session:
        await send_result(session, {"status": "IN_PROGRESS", "output": progress}, job)


if __name__ == "__main__":
    main()
