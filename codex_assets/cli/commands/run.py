"""`codex-assets run`: files of this machine become uploads, and all outputs are built of each.

In: the options, which files are meant, the payload that is made of each, and where the original is put. Out: what a
file is (`build/upload_check.py`), and the job itself (`worker/job.py`).
"""

from __future__ import annotations

import itertools
import mimetypes
import re
import secrets
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from codex_assets import quantities
from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, AsJson, LocalStore, OutputNames
from codex_assets.errors import MissingInput, SourceError

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings
    from codex_assets.contract.names import MediaType


class UploadType(StrEnum):
    """What a file is uploaded as."""

    VIDEO = "video"
    AUDIO = "audio"


def run(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Video or audio files, or folders of them.", show_default=False),
    ],
    upload_type: Annotated[
        UploadType | None,
        typer.Option("--type", help="What it is uploaded as. Default: by what the file holds.", show_default=False),
    ] = None,
    media_id: Annotated[
        str | None, typer.Option("--media-id", help="Its id. Default: made from the file's name.", show_default=False)
    ] = None,
    creator_id: Annotated[str, typer.Option("--creator-id", help="Whose upload it is.")] = "local",
    assets: OutputNames = None,
    store: LocalStore = None,
    as_json: AsJson = False,
) -> None:
    """Build the outputs of files on this machine.

    Prints the outputs and the body that a webhook would carry. Everything is stored in a local folder: no account is
    used, and no webhook is sent. Of a folder everything in it that is video or audio is built. A file that cannot be
    used is named before anything of it is stored.

    Exit codes: `0` the outputs are built; `1` some are not, and the reason is printed; `2` the command line is wrong.

    ```
    codex-assets run holiday.mp4
    codex-assets run talk.wav --creator-id ann --media-id talk-1
    codex-assets run uploads/ --assets thumbnail,preview
    codex-assets run concert.mp4 --type audio
    ```
    """
    outputs = command_frame.parse_outputs(assets, "--assets")
    if media_id is not None and (len(files) > 1 or files[0].is_dir()):
        raise typer.BadParameter("Several files cannot have one id.", param_hint="--media-id")
    with command_frame.failures_end_with(FAILED):
        for file in files:
            if not file.exists():
                raise MissingInput(f"There is no file {file}.")
    from codex_assets.config.settings import load, local_environment

    with command_frame.failures_end_with(FAILED):
        settings = load(local_environment(store))
        bodies: list[dict[str, Any]] = []
        taken: set[str] = set()
        for file, is_named in _files(files):
            upload = LocalUpload(file, media_id or _unused(_media_id_for(file), taken), creator_id, upload_type)
            try:
                upload = _looked_at(settings, upload)
            except SourceError as error:
                if is_named:
                    bodies.append(_refused(upload, error))
                else:
                    console.note(f"{file} is left out: {error.public}")
                continue
            taken.add(upload.media_id)
            bodies.append(_build(settings, upload, outputs, store, as_json=as_json))
        if not bodies:
            raise MissingInput("There is no video or audio in these folders.")
    if as_json:
        console.say_json(bodies[0] if len(files) == 1 and files[0].is_file() else bodies)
    failed = [body for body in bodies if body["status"] != "completed"]
    for body in failed:
        console.complain(body["error"], body.get("errorCode"))
    if failed:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class LocalUpload:
    """A file of this machine, and whose upload it is to be."""

    path: Path
    media_id: str
    creator_id: str
    upload_type: UploadType | None
    """None before anybody has looked at it."""


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Every file, and whether it was named itself; hidden ones in folders are left out."""
    for path in paths:
        if not path.is_dir():
            yield path, True
            continue
        for file in sorted(path.rglob("*")):
            is_hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not is_hidden:
                yield file, False


def _looked_at(settings: Settings, upload: LocalUpload) -> LocalUpload:
    """The upload with its type. Raises `SourceError` for a file that is no video or audio."""
    from codex_assets.build import upload_check
    from codex_assets.system import scratch

    with scratch.opened_run(settings.scratch) as folder:
        tools = settings.tools().within(folder, reads=(upload.path.absolute(),))
        likely = upload_check.likely_type(tools, upload.path.absolute(), folder)
    return upload if upload.upload_type is not None else replace(upload, upload_type=UploadType(likely))


def _refused(upload: LocalUpload, error: SourceError) -> dict[str, Any]:
    """The body of a webhook that says why a file cannot be used."""
    from codex_assets.net import webhook

    media_type = upload.upload_type.value if upload.upload_type is not None else None
    body = webhook.failed_body(
        job_id=_job_id(), media_id=upload.media_id, media_type=cast("MediaType | None", media_type), error=error
    )
    return body.wire()


def _build(
    settings: Settings, upload: LocalUpload, outputs: Sequence[str], store: Path | None, *, as_json: bool
) -> dict[str, Any]:
    """Build one upload, print what came out of it, and return the body that a webhook would carry. Raises `JobError`
    for what cannot be asked for, before anything is stored. `store`: the option of that name."""
    from codex_assets.archive.store import RecordStore
    from codex_assets.cli.views.media import outputs_tree
    from codex_assets.contract.payload import PayloadProblems, parse_payload
    from codex_assets.errors import PayloadError
    from codex_assets.library import published_media
    from codex_assets.worker import job

    payload = _payload(settings, upload)
    if outputs:
        payload["assets"] = list(outputs)
    try:
        parse_payload(payload, settings.payload_policy())
    except PayloadProblems as problems:
        raise PayloadError(problems.problems) from None
    _put_original(settings, upload, payload["inputKey"])
    with command_frame.cancelled_by_signals() as cancelled, progress.run_progress(upload.media_id) as listener:
        started = time.monotonic()
        answer = command_frame.run_in_thread(
            lambda: job.work(_job_id(), payload, settings, listener=listener, cancelled=cancelled)
        )
        seconds = time.monotonic() - started
    body = answer.body.wire()
    if as_json:
        return body
    if body["status"] == "completed":
        published = published_media.read(upload.media_id, RecordStore(settings.stores().archive))
        if published is not None:
            console.say(outputs_tree(published, outputs or None))
            console.say()
    console.say_json(body)
    if body["status"] == "completed":
        console.say(f"\nBuilt in {quantities.duration(seconds)}, in {settings.storage_dir}")
        console.say(f"See and hear it: codex-assets open {upload.media_id}{command_frame.store_option(store)}")
    return body


def _job_id() -> str:
    return f"local-{uuid.uuid4().hex[:12]}"


def _media_id_for(file: Path) -> str:
    """A media id that resembles the file's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:128] or "media"


def _unused(media_id: str, taken: Collection[str]) -> str:
    """The id, with a number where another file of this run has it."""
    numbered = (f"{media_id[:120]}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([media_id], numbered) if name not in taken)


def _input_key(upload: LocalUpload) -> str:
    """Where an upload would be put. Raises a usage error for an unusable id."""
    from codex_assets.storage import keys

    suffix = upload.path.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", upload.path.suffix) else ".bin"
    try:
        return f"{keys.original_prefix(upload.creator_id, upload.media_id)}original{suffix}"
    except ValueError:
        raise typer.BadParameter(
            "--media-id and --creator-id are 1 to 128 letters, digits, `-` and `_`, and begin with a letter or digit."
        ) from None


def _put_original(settings: Settings, upload: LocalUpload, key: str) -> None:
    """Copy the file to where an upload would be."""
    content_type = mimetypes.guess_type(upload.path.name)[0] or "application/octet-stream"
    settings.stores().archive.upload(upload.path, key, content_type=content_type)


def _payload(settings: Settings, upload: LocalUpload) -> dict[str, Any]:
    """The payload that media-api would send for the file."""
    assert upload.upload_type is not None
    return {
        "mediaId": upload.media_id,
        "creatorId": upload.creator_id,
        "mediaType": upload.upload_type.value,
        "inputBucket": settings.archive_bucket,
        "inputKey": _input_key(upload),
        "outputBucket": settings.media_bucket,
        "outputPrefix": f"{upload.creator_id}/",
        "assetsBucket": settings.assets_bucket,
        # The contract asks for both. Nothing is sent.
        "webhookUrl": "https://webhook.invalid/",
        "webhookSecret": secrets.token_hex(16),
    }
