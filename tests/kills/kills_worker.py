"""A worker as RunPod runs it, without RunPod: jobs come in lines of JSON, and so do their results."""

from __future__ import annotations

import asyncio
import json
import sys

from runpod_entry.handler import Worker


async def main() -> None:
    worker = Worker()
    worker.start()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await worker.handle(json.loads(line))), flush=True)
    worker.close()


if __name__ == "__main__":
    asyncio.run(main())
