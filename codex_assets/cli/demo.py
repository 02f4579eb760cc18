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

from codex_assets.cli import console, progress
from codex_assets.cli.receiver import ReceivedWebhook, Receiver
from codex_assets.cli.views.demo import DemoJob, heading, job_sheet, published_objects, where_to_look
from codex_assets.config.settings import adopt, load
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
    # One webhook a job is what is looked at here.
    "WEBHOOK_PROGRESS_SECONDS": "",
    # What the worker's processes log is for its operators; here a failure is in its webhook.
    "RUNPOD_LOG_LEVEL": "ERROR",
}


def run(environ: Mapping[str, str], samples: Path | None = None, *, verbose: bool = False) -> bool:
    """Run a job for each sample and print what came of it; whether everything is as the contract says. `verbose`: with
    the webhooks and every record.

    `environ` is that of a local run. It becomes this process's: the worker's own processes read it. Raises
    `MissingInput` when the samples are not in `samples` (None: in the checkout's folder).
    """
    samples = samples or SAMPLES
    if not all((samples / f"{name}.job.json").is_file() for name in NAMES):
        raise MissingInput(
            "The samples are not here: run the demonstration from a checkout of the project, or give --samples its "
            "folder `fixtures`."
        )
    adopt({**environ, **ENVIRONMENT})
    settings = load()
    store = settings.storage_dir
    assert store is not None
    console.say(heading(store))
    jobs = asyncio.run(_run_jobs(settings.stores(), samples, verbose=verbose))
    media_ids = [job.media_id for job in jobs]
    console.say(published_objects(settings.stores(), store, media_ids, with_records=verbose))
    is_right = not any(job.problems for job in jobs)
    if is_right:
        console.say(where_to_look(store, jobs))
    return is_right


async def _run_jobs(stores: Stores, samples: Path, *, verbose: bool) -> list[DemoJob]:
    listener: Listener | None = None

    async def report(_: Mapping[str, Any], reported: dict[str, Any]) -> None:
        if listener is not None:
            speed, seconds_left = reported.get("speed"), reported.get("secondsLeft")
            listener(Status(reported["phase"], None, reported["percent"] / 100, speed, seconds_left))

    worker = Worker(report)
    worker.start()
    try:
        jobs = []
        for name in NAMES:
            with progress.run_progress(name) as listener:
                job = await _run_job(worker, stores, samples, name)
            console.say(job_sheet(job, with_webhook=verbose))
            jobs.append(job)
        return jobs
    finally:
        worker.close()


async def _run_job(worker: Worker, stores: Stores, samples: Path, name: str) -> DemoJob:
    started = time.monotonic()
    payload: dict[str, Any] = json.loads((samples / f"{name}.job.json").read_text(encoding="utf-8"))["input"]
    _put_original(stores, samples, payload)
    job_id = f"demo-{uuid.uuid4().hex[:12]}"
    with Receiver(SecretStr(payload["webhookSecret"])) as receiver:
        result = await worker.handle({"id": job_id, "input": {**payload, "webhookUrl": receiver.url}})
        seconds = time.monotonic() - started
        webhooks = receiver.received(job_id)
        strays = receiver.strays()
    problems = list(_webhook_problems(result, webhooks, strays))
    objects = 0
    if "error" not in result:
        entries = list(_missing(payload, result, stores))
        problems += [problem for problem in entries if problem]
        objects = len(entries)
    first = webhooks[0] if webhooks else None
    return DemoJob(name, payload["mediaId"], result, first, tuple(problems), objects, seconds)


def _put_original(stores: Stores, samples: Path, payload: Mapping[str, Any]) -> None:
    """Store the sample where an upload would be, unless it is there already."""
    key: str = payload["inputKey"]
    path = next(samples.glob(f"{payload['mediaId']}{Path(key).suffix}"))
    stored_object = stores.archive.head(key)
    if (
        stored_object is None
        or stored_object.sha256 != file_sha256(path)
        or stores.archive.etag_denies(stored_object, path)
    ):
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        stores.archive.upload(path, key, content_type=content_type)


def _webhook_problems(
    result: Mapping[str, Any], webhooks: list[ReceivedWebhook], strays: list[ReceivedWebhook]
) -> Iterator[str]:
    """What is wrong with a job's result and its webhooks. `strays`: requests that were not verified, or no JSON."""
    # Beside the webhook's body RunPod gets what the job took.
    expected_body = {name: value for name, value in result.items() if name != "metrics"}
    if strays:
        yield "a webhook came whose signature does not fit its bytes"
    if len(webhooks) != 1:
        yield f"{len(webhooks)} webhooks came, and it should have been one"
    for webhook in webhooks[:1]:
        if not webhook.is_verified:
            yield "the signature of the webhook is not that of its bytes"
        if webhook.body != expected_body:
            yield "the webhook says something else than the result that RunPod gets"
    if "error" in result:
        yield f"the job failed: {result['error']} ({result.get('errorCode', 'no code')})"
        return
    try:
        body = parse_webhook_body(expected_body)
    except ValueError:
        yield "the webhook does not fit its schema"
        return
    if not isinstance(body, CompletedBody):
        yield f"the webhook says `{body.status}`"


def _missing(payload: Mapping[str, Any], result: Mapping[str, Any], stores: Stores) -> Iterator[str | None]:
    """An entry for each object that has to be there: None when it is, else what is wrong."""
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
            yield _absence(store, key)
    for field in ("durationSeconds", "readyVariants", "loudness"):
        if not output.get(field):
            yield f"`{field}` is not there"
    yield from _variants(stores.media, expected["hlsMasterPlaylistKey"][1])
    if "hlsPreviewKey" in expected:
        yield from _segments(stores.media, expected["hlsPreviewKey"][1])


def _variants(store: ObjectStore, master: str) -> Iterator[str | None]:
    """An entry, as above, for every playlist that the master names, and for each of their segments."""
    if store.head(master) is None:
        return
    folder = master.rpartition("/")[0]
    streams = parse_master(store.read(master).decode()).streams
    if not streams:
        yield f"{master} names no variant"
    for stream in streams:
        playlist = f"{folder}/{stream.uri}"
        yield _absence(store, playlist)
        yield from _segments(store, playlist)


def _segments(store: ObjectStore, playlist: str) -> Iterator[str | None]:
    """An entry, as above, for every segment that the playlist names."""
    if store.head(playlist) is None:
        return
    folder = playlist.rpartition("/")[0]
    for name, _ in parse_media_playlist(playlist, store.read(playlist).decode())[1]:
        yield _absence(store, f"{folder}/{name}")


def _absence(store: ObjectStore, key: str) -> str | None:
    """None when the object is there and has bytes, else what is wrong."""
    stored_object = store.head(key)
    if stored_object is None:
        return f"{key} is not in bucket {store.bucket}"
    return None if stored_object.size else f"{key} in bucket {store.bucket} is empty"
