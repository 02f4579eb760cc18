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
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, AsJson, LocalStore, OutputNames
from codex_assets.errors import MissingInput

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings


class UploadType(StrEnum):
    """What a file is uploaded as."""

    VIDEO = "video"
    AUDIO = "audio"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any video or audio file.", show_default=False)],
    upload_type: Annotated[UploadType, typer.Option("--type", help="What it is uploaded as.", show_default=False)],
    media_id: Annotated[
        str | None, typer.Option("--media-id", help="Its id. Default: made from the file's name.", show_default=False)
    ] = None,
    creator_id: Annotated[str, typer.Option("--creator-id", help="Whose upload it is.")] = "local",
    assets: OutputNames = None,
    store: LocalStore = None,
    as_json: AsJson = False,
) -> None:
    """Build the outputs of a file on this machine.

    Prints the outputs and the body that a webhook would carry. Everything is stored in a local folder: no account is
    used, and no webhook is sent.

    Exit codes: `0` the outputs are built; `1` they are not, and the reason is printed.

    ```
    codex-assets run holiday.mp4 --type video
    codex-assets run talk.wav --type audio --creator-id ann --media-id talk-1
    codex-assets run holiday.mp4 --type video --assets thumbnail,preview
    ```
    """
    from codex_assets.archive.store import RecordStore
    from codex_assets.cli.views.media import outputs_tree
    from codex_assets.config.settings import load, local_environment
    from codex_assets.library import published_media
    from codex_assets.worker import job

    with command_frame.failures_end_with(FAILED):
        if not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        settings = load(local_environment(store))
        media = media_id or _media_id_for(file)
        payload = _payload(settings, media, creator_id, upload_type, _put_original(settings, file, creator_id, media))
        if assets is not None:
            payload["assets"] = [name for name in re.split(r"[,\s]+", assets) if name]
        job_id = f"local-{uuid.uuid4().hex[:12]}"
        with command_frame.cancelled_by_signals() as cancelled, progress.run_progress(media) as listener:
            started = time.monotonic()
            answer = command_frame.run_in_thread(
                lambda: job.work(job_id, payload, settings, listener=listener, cancelled=cancelled)
            )
            seconds = time.monotonic() - started
        body = answer.body.wire()
        is_completed = body["status"] == "completed"
        published = published_media.read(media, RecordStore(settings.stores().archive)) if is_completed else None
    if published is not None and not as_json:
        console.say(outputs_tree(published, payload.get("assets")))
        console.say()
    console.say_json(body)
    if published is not None and not as_json:
        console.say(f"\nBuilt in {console.duration(seconds)}, in {settings.storage_dir}")
    if not is_completed:
        console.complain(body["error"], body.get("errorCode"))
        raise typer.Exit(FAILED)


def _media_id_for(file: Path) -> str:
    """A media id that resembles the file's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:128] or "media"


def _put_original(settings: Settings, file: Path, creator_id: str, media_id: str) -> str:
    """Copy the file to where an upload would be, and return its key there. Raises a usage error for an unusable id."""
    from codex_assets.storage import keys

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


def _payload(settings: Settings, media_id: str, creator_id: str, upload_type: UploadType, key: str) -> dict[str, Any]:
    """The payload that media-api would send for the original at `key`."""
    return {
        "mediaId": media_id,
        "creatorId": creator_id,
        "mediaType": upload_type.value,
        "inputBucket": settings.archive_bucket,
        "inputKey": key,
        "outputBucket": settings.media_bucket,
        "outputPrefix": f"{creator_id}/",
        "assetsBucket": settings.assets_bucket,
        # The contract asks for both. Nothing is sent.
        "webhookUrl": "https://webhook.invalid/",
        "webhookSecret": secrets.token_hex(16),
    }
