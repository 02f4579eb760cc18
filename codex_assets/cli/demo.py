"""Both samples through the worker as RunPod would run it, with a webhook that is received and verified.

In: the samples, the worker, the receiver, and what must be true of the answer. Out: how the result looks
(`views/demo.py`), and the receiver itself (`receiver.py`).
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Group, RenderableType
from rich.text import Text

from codex_assets.cli import console
from codex_assets.cli import progress as cli_progress
from codex_assets.cli.receiver import Received, Receiver
from codex_assets.cli.views.demo import Told, job_heading, object_tree, where_to_look
from codex_assets.config import settings as configuration
from codex_assets.contract.webhook import CompletedBody, parse_webhook_body
from codex_assets.errors import MissingInput
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, Stores, file_sha256
from codex_assets.system.workspace import Listener, Status
from codex_assets.verification.observe.playlists import parse_master, parse_media_playlist
from runpod_entry.handler import Worker

SAMPLES = Path(__file__).parents[2] / "fixtures"
NAMES = ("sample-video", "sample-audio")
ENVIRONMENT = {
    "WEBHOOK_ALLOW_PRIVATE": "1",
    "WEBHOOK_SIGNATURE": "body",
    # What the worker's processes log is for its operators; here a failure is told by its webhook.
    "RUNPOD_LOG_LEVEL": "ERROR",
}


def run(environ: Mapping[str, str], samples: Path | None = None) -> bool:
    """Both samples, one after the other, told on the terminal; whether everything is as the contract says.

    `environ` is that of a local run. It becomes this process's: the worker's own processes read it. Raises
    `MissingInput` when the samples are not in `samples` (the checkout's).
    """
    samples = samples or SAMPLES
    if not all((samples / f"{name}.job.json").is_file() for name in NAMES):
        raise MissingInput(
            "The samples are not here: run the demonstration from a checkout of the project, or give --samples its "
            "folder `fixtures`."
        )
    configuration.adopt({**environ, **ENVIRONMENT})
    settings = configuration.load()
    store = settings.storage_dir
    assert store is not None
    console.say(job_heading(store))
    jobs = asyncio.run(_run(settings.stores(), samples))
    fine = not any(told.problems for told in jobs)
    console.say(object_tree(settings.stores(), store, [told.media_id for told in jobs]))
    if fine:
        console.say(where_to_look(store, jobs))
    return fine


async def _run(stores: Stores, samples: Path) -> list[Told]:
    listener: Listener | None = None

    async def report(_: Mapping[str, Any], progress: dict[str, Any]) -> None:
        if listener is not None:
            speed, left = progress.get("speed"), progress.get("secondsLeft")
            listener(Status(progress["phase"], None, progress["percent"] / 100, speed, left))

    worker = Worker(report)
    worker.start()
    try:
        jobs = []
        for name in NAMES:
            with cli_progress.progress(name) as listener:
                told = await _one(worker, stores, samples, name)
            console.say(_job(told))
            jobs.append(told)
        return jobs
    finally:
        worker.close()


async def _one(worker: Worker, stores: Stores, samples: Path, name: str) -> Told:
    started = time.monotonic()
    payload: dict[str, Any] = json.loads((samples / f"{name}.job.json").read_text(encoding="utf-8"))["input"]
    _put_original(stores, samples, payload)
    job_id = f"demo-{uuid.uuid4().hex[:12]}"
    with Receiver(SecretStr(payload["webhookSecret"])) as receiver:
        job = {"id": job_id, "input": {**payload, "webhookUrl": receiver.url}}
        result = await worker.handle(job)
        seconds = time.monotonic() - started
        came = receiver.received(job_id)
        strays = receiver.strays()
    problems = list(_webhook_problems(result, came, strays))
    objects = 0
    if "error" not in result:
        found = list(_missing(payload, result, stores))
        problems += [problem for problem in found if problem]
        objects = len(found)
    return Told(name, payload["mediaId"], result, came[0] if came else None, tuple(problems), objects, seconds)


def _put_original(stores: Stores, samples: Path, payload: Mapping[str, Any]) -> None:
    """The sample, where an upload would be; one that is there already stays."""
    key: str = payload["inputKey"]
    path = next(samples.glob(f"{payload['mediaId']}{Path(key).suffix}"))
    held = stores.archive.head(key)
    if held is None or held.sha256 != file_sha256(path):
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        stores.archive.upload(path, key, content_type=kind)


def _webhook_problems(result: Mapping[str, Any], came: list[Received], strays: list[Received]) -> Iterator[str]:
    # Beside the webhook's body RunPod is told what the job took.
    said = {name: value for name, value in result.items() if name != "metrics"}
    if strays:
        yield "a webhook came whose signature does not fit its bytes"
    if len(came) != 1:
        yield f"{len(came)} webhooks came, and it should have been one"
    for one in came[:1]:
        if not one.verified:
            yield "the signature of the webhook is not that of its bytes"
        if one.body != said:
            yield "the webhook says something else than the result that RunPod gets"
    if "error" in result:
        yield f"the job failed: {result['error']} ({result.get('errorCode', 'no code')})"
        return
    try:
        body = parse_webhook_body(said)
    except ValueError:
        yield "the webhook does not fit its schema"
        return
    if not isinstance(body, CompletedBody):
        yield f"the webhook says `{body.status}`"


def _missing(payload: Mapping[str, Any], result: Mapping[str, Any], stores: Stores) -> Iterator[str | None]:
    """One entry per key that has to be there: None when its object is, else what is wrong."""
    output: Mapping[str, Any] = result.get("output") or {}
    creator, media = payload["creatorId"], payload["mediaId"]
    expected: dict[str, tuple[ObjectStore, str]] = {
        "hlsMasterPlaylistKey": (stores.media, keys.master_playlist(creator, media, payload["mediaType"])),
        "mezzanineKey": (stores.archive, keys.mezzanine(creator, media)),
    }
    if payload["mediaType"] == "video":
        expected["hlsPreviewKey"] = (stores.media, keys.preview_playlist(creator, media))
        expected["thumbnailKey"] = (stores.assets, keys.thumbnail(creator, media))
    else:
        expected["waveformKey"] = (stores.assets, keys.waveform_json(creator, media))
        expected["waveformImageKey"] = (stores.assets, keys.waveform_png(creator, media))
    for field, (store, key) in expected.items():
        if output.get(field) != key:
            yield f"`{field}` should be {key}, and is {output.get(field, 'not there')}"
        else:
            yield _absent(store, key)
    for field in ("durationSeconds", "readyVariants", "loudness"):
        if not output.get(field):
            yield f"`{field}` is not there"
    yield from _unplayable(stores.media, expected["hlsMasterPlaylistKey"][1])
    if "hlsPreviewKey" in expected:
        yield from _segments(stores.media, expected["hlsPreviewKey"][1])


def _unplayable(store: ObjectStore, master: str) -> Iterator[str | None]:
    """What the master names, and what that names in turn."""
    if store.head(master) is None:
        return
    folder = master.rpartition("/")[0]
    streams = parse_master(store.read(master).decode()).streams
    if not streams:
        yield f"{master} names no variant"
    for stream in streams:
        playlist = f"{folder}/{stream.uri}"
        yield _absent(store, playlist)
        yield from _segments(store, playlist)


def _segments(store: ObjectStore, playlist: str) -> Iterator[str | None]:
    if store.head(playlist) is None:
        return
    folder = playlist.rpartition("/")[0]
    for name, _ in parse_media_playlist(playlist, store.read(playlist).decode())[1]:
        yield _absent(store, f"{folder}/{name}")


def _absent(store: ObjectStore, key: str) -> str | None:
    held = store.head(key)
    if held is None:
        return f"{key} is not in bucket {store.bucket}"
    return None if held.size else f"{key} in bucket {store.bucket} is empty"


def _job(told: Told) -> Group:
    """One job: whether it went well, and the webhook that came."""
    fine = not told.problems
    head = Text.assemble(("✓ " if fine else "✗ ", "green" if fine else "red"), (told.name, "bold"))
    if fine:
        head.append(f"  completed in {console.lasting(told.seconds)}; {told.objects} objects named and found")
    parts: list[RenderableType] = [head]
    parts += [Text(f"  {problem}", style="red") for problem in told.problems]
    if told.webhook is not None:
        came = told.webhook
        seal = Text("  signature verified", style="green") if came.verified else Text("  NOT verified", style="red")
        parts.append(seal.append(f" over {len(came.raw)} bytes: {came.signature[:16]}...", style="dim"))
        body = json.dumps(came.body, indent=2, ensure_ascii=False)
        parts.append(Text("  " + body.replace("\n", "\n  ")))
    return Group(*parts, "")
