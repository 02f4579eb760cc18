"""The demonstration: both samples through the worker as RunPod would run it, with nothing but this machine.

A job of each kind goes into the worker's handler; its objects are files, its webhook goes to a receiver that checks the
signature. What came is compared with the contract, key by key, here and not by the code that made it. Safe to repeat:
everything is built again in place. Not here: how it is shown (`terminal`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from codex_assets import resources
from codex_assets.contract import CompletedBody, parse_webhook_body
from codex_assets.delivery import keys
from codex_assets.delivery.storage import ObjectStore, Stores, file_sha256
from codex_assets.errors import ConfigurationError
from codex_assets.observe import parse_master, parse_media_playlist
from codex_assets.receiver import Received, Receiver
from codex_assets.workspace import Listener, Status
from runpod_entry.handler import Worker

SAMPLES = Path(__file__).parents[1] / "fixtures"
NAMES = ("sample-video", "sample-audio")


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


def run(environ: Mapping[str, str], *, listen: Callable[[str], Listener], done: Callable[[Told], None]) -> bool:
    """Both samples, one after the other; whether everything is as the contract says.

    `environ` becomes this process's: the worker's own processes read it. `listen` gives the listener of a sample,
    `done` is told of each. Raises `ConfigurationError` when the samples are not here.
    """
    missing = [name for name in NAMES if not (SAMPLES / f"{name}.job.json").is_file()]
    if missing:
        raise ConfigurationError("The samples are not here; run the demonstration from a checkout of the project.")
    # What the worker's processes log is for its operators; here a failure is told by its webhook.
    resources.adopt({**environ, "RUNPOD_LOG_LEVEL": "ERROR"})
    stores = resources.load().stores()
    return asyncio.run(_run(stores, listen, done))


async def _run(stores: Stores, listen: Callable[[str], Listener], done: Callable[[Told], None]) -> bool:
    listener: list[Listener] = []

    async def report(_: Mapping[str, Any], progress: dict[str, Any]) -> None:
        overall = progress["percent"] / 100
        told = Status(progress["phase"], None, overall, progress.get("speed"), progress.get("secondsLeft"))
        for one in listener:
            one(told)

    worker = Worker(report)
    worker.start()
    try:
        fine = True
        for name in NAMES:
            listener[:] = [listen(name)]
            told = await _one(worker, stores, name)
            listener.clear()
            done(told)
            fine = fine and not told.problems
        return fine
    finally:
        worker.close()


async def _one(worker: Worker, stores: Stores, name: str) -> Told:
    started = time.monotonic()
    payload: dict[str, Any] = json.loads((SAMPLES / f"{name}.job.json").read_text())["input"]
    _put_original(stores, payload)
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


def _put_original(stores: Stores, payload: Mapping[str, Any]) -> None:
    """The sample, where an upload would be; one that is there already stays."""
    key: str = payload["inputKey"]
    path = next(SAMPLES.glob(f"{payload['mediaId']}{Path(key).suffix}"))
    held = stores.archive.head(key)
    if held is None or held.sha256 != file_sha256(path):
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        stores.archive.upload(path, key, content_type=kind)


# --- The contract, read a second time ---------------------------------------------------------------------------------


def _webhook_problems(result: Mapping[str, Any], came: list[Received], strays: list[Received]) -> Iterator[str]:
    if strays:
        yield "a webhook came whose signature does not fit its bytes"
    if len(came) != 1:
        yield f"{len(came)} webhooks came, and it should have been one"
    for one in came[:1]:
        if not one.verified:
            yield "the signature of the webhook is not that of its bytes"
        if one.body != result:
            yield "the webhook says something else than the result that RunPod gets"
    if "error" in result:
        yield f"the job failed: {result['error']} ({result.get('errorCode', 'no code')})"
        return
    try:
        body = parse_webhook_body(dict(result))
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
        expected["waveformImageKey"] = (stores.assets, f"{creator}/thumbnails/media/{media}/waveform.png")
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


# Without a handler Python prints warnings by itself; whoever runs this may add one.
logging.getLogger("runpod_entry").addHandler(logging.NullHandler())
