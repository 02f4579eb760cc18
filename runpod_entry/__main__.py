"""The worker as RunPod starts it: `python -u -m runpod_entry`, with the SDK's own flags. The only importer of the SDK.

The spare process is started first, so that its imports and the SDK's overlap. Guarded, because that process imports
this module too.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import signal
from collections.abc import Mapping
from typing import Any

from codex_assets import fitness, resources
from runpod_entry import logs
from runpod_entry.handler import Worker

CHILD_GRACE_S = 3.0
"""From SIGTERM to SIGKILL for what the SDK started."""


def main() -> None:
    # What a worker that seems stuck is doing: kill -USR1 writes the stack of every thread to standard error.
    faulthandler.register(signal.SIGUSR1)
    logs.configure(resources.prepare_environment(), resources.log_format())
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


def _end_children() -> None:
    """End the SDK's own process (it pings), by force if need be: Python waits at its exit for every child, for ever."""
    children = multiprocessing.active_children()
    for one in children:
        one.terminate()
    for one in children:
        one.join(CHILD_GRACE_S)
        if one.is_alive():
            one.kill()
            one.join(CHILD_GRACE_S)


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
