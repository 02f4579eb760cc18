"""The demonstration: both samples through the worker as RunPod would run it, with nothing but this machine.

A job of each kind goes into the worker's handler; its objects are files, its webhook goes to a receiver that checks the
signature. What came is compared with the contract, key by key, down to the last segment that a playlist names. Safe to
repeat: everything is built again in place. Ends with what there is now, and where to look at it.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets import resources, terminal
from codex_assets.contract import CompletedBody, parse_webhook_body
from codex_assets.delivery import keys
from codex_assets.delivery.storage import ObjectStore, Stores, file_sha256
from codex_assets.errors import MissingInput
from codex_assets.observe import parse_master, parse_media_playlist
from codex_assets.receiver import Received, Receiver
from codex_assets.workspace import Listener, Status
from runpod_entry.handler import Worker

SAMPLES = Path(__file__).parents[1] / "fixtures"
NAMES = ("sample-video", "sample-audio")
ENVIRONMENT = {
    "WEBHOOK_ALLOW_PRIVATE": "1",
    "WEBHOOK_SIGNATURE": "body",
    # What the worker's processes log is for its operators; here a failure is told by its webhook.
    "RUNPOD_LOG_LEVEL": "ERROR",
}


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
    resources.adopt({**environ, **ENVIRONMENT})
    settings = resources.load()
    store = settings.storage_dir
    assert store is not None
    terminal.say(_beginning(store))
    jobs = asyncio.run(_run(settings.stores(), samples))
    fine = not any(told.problems for told in jobs)
    terminal.say(_objects(settings.stores(), store, [told.media_id for told in jobs]))
    if fine:
        terminal.say(_where_to_look(store, jobs))
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
            with terminal.progress(name) as listener:
                told = await _one(worker, stores, samples, name)
            terminal.say(_job(told))
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


# --- The contract, read a second time ---------------------------------------------------------------------------------


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


# --- What is told ----------------------------------------------------------------------------------------------------


def _beginning(store: Path) -> Text:
    return Text.assemble(
        ("codex-assets: two uploads, everything published, two signed webhooks\n", "bold"),
        (f"store {terminal.short(store)}, no account, no network\n", "dim"),
    )


def _job(told: Told) -> Group:
    """One job: whether it went well, and the webhook that came."""
    fine = not told.problems
    head = Text.assemble(("✓ " if fine else "✗ ", "green" if fine else "red"), (told.name, "bold"))
    if fine:
        head.append(f"  completed in {terminal.lasting(told.seconds)}; {told.objects} objects named and found")
    parts: list[RenderableType] = [head]
    parts += [Text(f"  {problem}", style="red") for problem in told.problems]
    if told.webhook is not None:
        came = told.webhook
        seal = Text("  signature verified", style="green") if came.verified else Text("  NOT verified", style="red")
        parts.append(seal.append(f" over {len(came.raw)} bytes: {came.signature[:16]}...", style="dim"))
        body = json.dumps(came.body, indent=2, ensure_ascii=False)
        parts.append(Text("  " + body.replace("\n", "\n  ")))
    return Group(*parts, "")


def _objects(stores: Stores, store: Path, media_ids: Sequence[str]) -> Tree:
    """What the store holds of these media."""
    sizes = {
        f"{one.bucket}/{held.key}": held.size
        for one in (stores.archive, stores.media, stores.assets)
        for held in one.list("")
        if any(media_id in held.key.split("/") for media_id in media_ids)
    }
    return terminal.objects(f"{terminal.short(store)}/", sizes)


def _where_to_look(store: Path, jobs: Sequence[Told]) -> Group:
    look = Table.grid(padding=(0, 2))
    look.add_column(style="cyan", no_wrap=True)
    look.add_column(overflow="fold")
    verbs = {"hlsMasterPlaylistKey": "play", "thumbnailKey": "look at", "waveformImageKey": "look at"}
    for told in jobs:
        for field, verb in verbs.items():
            key = told.result["output"].get(field)
            place = next(store.glob(f"*/{key}"), None) if key is not None else None
            if place is not None:
                player = "ffplay " if verb == "play" else ""
                look.add_row(f"{verb} {told.media_id}", f"{player}{terminal.short(place)}")
    command = Path(sys.argv[0]) if Path(sys.argv[0]).name == "codex-assets" else Path("codex-assets")
    at = "" if store == resources.LOCAL_STORE.absolute() else f" --store {terminal.short(store)}"
    look.add_row("what is known", f"{terminal.short(command)} show {jobs[0].media_id}{at}")
    look.add_row("check it again", f"{terminal.short(command)} verify --all{at}")
    look.add_row("the graph", "make dev, then http://127.0.0.1:3000")
    total = terminal.lasting(sum(told.seconds for told in jobs))
    return Group(
        "", Text("Where to look", style="bold"), look, "", Text(f"Done and verified in {total}.", style="green")
    )
