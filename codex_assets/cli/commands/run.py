"""`codex-assets run`: a file of this machine becomes an upload, and all outputs are built of it.

In: the options, the payload that is made of them, and where the original is put. Out: the job itself (`worker/job.py`).
"""

from __future__ import annotations

import mimetypes
import re
import secrets
import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from codex_assets.archive.store import RecordStore
from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, AsJson
from codex_assets.cli.views.media import outputs
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.errors import MissingInput
from codex_assets.library import published_media
from codex_assets.storage import keys


class Kind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


def run(
    file: Annotated[Path, typer.Argument(help="The upload: any video or audio file.", show_default=False)],
    kind: Annotated[Kind, typer.Option("--type", help="What it is uploaded as.", show_default=False)],
    media_id: Annotated[
        str | None, typer.Option("--media-id", help="Its id; by default made from the file's name.", show_default=False)
    ] = None,
    creator_id: Annotated[str, typer.Option("--creator-id", help="Whose it is.")] = "local",
    assets: Annotated[
        str | None,
        typer.Option("--assets", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store; else STORAGE_DIR, else .local/storage.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the outputs of a file on this machine, and print them with the body that a webhook would carry.

    Objects are files in a local store. No account is used and nobody is told.
    """
    # Here, not above: it imports Dagster, and every other command starts without.
    from codex_assets.worker import job

    with command_frame.told():
        if not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        settings = configuration.load(configuration.local_environment(store))
        media = media_id or _id_of(file)
        key = _put_original(settings, file, creator_id, media)
        payload = _payload(settings, media, creator_id, kind, key)
        if assets is not None:
            payload["assets"] = [name for name in re.split(r"[,\s]+", assets) if name]
        with command_frame.cancelling() as cancelled, progress.progress(media) as listener:
            started = time.monotonic()
            answer = command_frame.aside(
                lambda: job.work(
                    f"local-{uuid.uuid4().hex[:12]}", payload, settings, listener=listener, cancelled=cancelled
                )
            )
            seconds = time.monotonic() - started
        body = answer.body.wire()
        known = (
            published_media.read(media, RecordStore(settings.stores().archive))
            if body["status"] == "completed"
            else None
        )
    if as_json:
        console.say_json(body)
    else:
        if known is not None:
            console.say(outputs(known, payload.get("assets")))
            console.say()
        console.say_json(body)
        if known is not None:
            console.say(f"\nBuilt in {console.lasting(seconds)}, in {settings.storage_dir}")
    if body["status"] != "completed":
        console.complain(body["error"], body.get("errorCode"))
        raise typer.Exit(FAILED)


def _id_of(file: Path) -> str:
    """A media id that says which file it is."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:128] or "media"


def _put_original(settings: Settings, file: Path, creator_id: str, media_id: str) -> str:
    """Copy the file to where an upload would be; its key there."""
    suffix = file.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", file.suffix) else ".bin"
    try:
        key = f"{keys.original_prefix(creator_id, media_id)}original{suffix}"
    except ValueError:
        raise typer.BadParameter(
            "--media-id and --creator-id are 1 to 128 letters, digits, `-` and `_`, and begin with a letter or digit."
        ) from None
    content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    settings.stores().archive.upload(file, key, content_type=content_type)
    return key


def _payload(settings: Settings, media_id: str, creator_id: str, kind: Kind, key: str) -> dict[str, Any]:
    return {
        "mediaId": media_id,
        "creatorId": creator_id,
        "mediaType": kind.value,
        "inputBucket": settings.archive_bucket,
        "inputKey": key,
        "outputBucket": settings.media_bucket,
        "outputPrefix": f"{creator_id}/",
        "assetsBucket": settings.assets_bucket,
        # The contract asks for both. Nothing is sent.
        "webhookUrl": "https://webhook.invalid/",
        "webhookSecret": secrets.token_hex(16),
    }
