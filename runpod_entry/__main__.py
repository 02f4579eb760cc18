"""The worker as RunPod starts it: `python -u -m runpod_entry`, with the SDK's own flags. The only importer of the SDK.

The spare process is started first, so that its imports and the SDK's overlap. Guarded, because that process imports
this module too.
"""

from __future__ import annotations

import faulthandler
import logging
import shutil
import signal
from collections.abc import Mapping
from typing import Any

from codex_assets import resources
from runpod_entry import logs
from runpod_entry.handler import Worker

FREE_BYTES = 1 << 30
"""A worker with less scratch space could not even hold a short upload and what is made of it."""
TOOLS = {"ffmpeg": 5, "ffprobe": 5, "audiowaveform": 1}
"""Oldest major version of each tool."""
ENCODERS = {"libx264", "aac"}
"""Without them there is no fallback. NVENC is no condition: a worker without it is slower, not broken."""

_log = logging.getLogger("runpod_entry")


def main() -> None:
    # What a worker that seems stuck is doing: kill -USR1 writes the stack of every thread to standard error.
    faulthandler.register(signal.SIGUSR1)
    logs.configure(resources.prepare_environment(), resources.log_format())
    worker = Worker(_report)
    worker.start()
    try:
        import runpod

        for check in (environment, tools, scratch_space):
            runpod.serverless.register_fitness_check(check)
        runpod.serverless.start({"handler": worker.handle})
    finally:
        worker.close()


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


# --- Fitness checks: run once, before the first job; a worker that fails one is replaced ------------------------------


def environment() -> None:
    resources.load()


def tools() -> None:
    installed = resources.load().tools()
    versions = {tool: installed.version(tool) for tool in TOOLS}
    for tool, version in versions.items():
        if version is None:
            raise RuntimeError(f"{tool} is not installed")
        major = version.split(".")[0].lstrip("vn")
        # Builds from a development tree have no number; they are newer than any release.
        if major.isdigit() and int(major) < TOOLS[tool]:
            raise RuntimeError(f"{tool} {version} is too old; {TOOLS[tool]} or newer is needed")
    if lacking := ENCODERS - installed.encoders():
        raise RuntimeError(f"ffmpeg was built without {', '.join(sorted(lacking))}")
    _log.info("tools: %s", ", ".join(f"{tool} {version}" for tool, version in versions.items()))


def scratch_space() -> None:
    scratch = resources.load().scratch
    scratch.mkdir(parents=True, exist_ok=True)
    trial = scratch / "trial"
    trial.write_bytes(b"written")
    trial.unlink()
    free = shutil.disk_usage(scratch).free
    if free < FREE_BYTES:
        raise RuntimeError(f"{free >> 20} MiB of scratch space are free; at least {FREE_BYTES >> 20} MiB are needed")


if __name__ == "__main__":
    main()
