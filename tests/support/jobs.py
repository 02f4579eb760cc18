"""Whole jobs as media-api sends them: tiny originals, payloads, worker environments, and what their answers must be."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import s3_server

from codex_assets.storage import keys
from codex_assets.storage.objects import Role, Stores

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_of_the_tests_51c3"
CREATOR = "creator1"
BUCKETS = ("codex-archive", "codex-media-local", "codex-assets-local")
"""Archive, media, assets: the names that a worker with STORAGE_DIR uses when it is told none."""

_LAVFI = ("ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-f", "lavfi", "-i")
_SOURCES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "video": (
        "mp4",
        (
            *(*_LAVFI, "testsrc2=size=64x48:rate=10:duration=1", "-f", "lavfi", "-i", "sine=duration=1"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"),
        ),
    ),
    "audio": ("wav", (*_LAVFI, "sine=frequency=300:duration=2")),
}
_WEBHOOK = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "contract" / "webhook-body.schema.json").read_text(encoding="utf-8"))
)


def _made(arguments: tuple[str, ...], suffix: str) -> bytes:
    # By way of a file: mp4 cannot be written to a pipe.
    path = Path(tempfile.gettempdir()) / f"original-{os.getpid()}.{suffix}"
    try:
        subprocess.run([*arguments, str(path)], check=True)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


@cache
def original(media_type: str) -> bytes:
    """A tiny upload: a video of one second, or a sound of two."""
    suffix, arguments = _SOURCES[media_type]
    return _made(arguments, suffix)


@cache
def blink() -> bytes:
    """A video of a third of a second."""
    picture = (*_LAVFI, "testsrc2=size=64x48:rate=10:duration=0.3", "-f", "lavfi", "-i", "sine=duration=0.3")
    return _made((*picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"), "mp4")


@cache
def another_sound() -> bytes:
    """Another upload of the audio media: another tone, and louder."""
    return _made((*_LAVFI, "sine=frequency=500:duration=2,volume=2"), "wav")


@cache
def third_sound() -> bytes:
    """One more upload of the audio media, of which every output is another one."""
    return _made((*_LAVFI, "anoisesrc=color=pink:duration=2:seed=1:amplitude=0.3"), "wav")


@cache
def film(seconds: int, size: str = "160x90", *moved: str) -> bytes:
    """A small video of some segments. `moved`: more arguments of the muxer."""
    picture = (*_LAVFI, f"testsrc2=size={size}:rate=25:duration={seconds}", "-f", "lavfi", "-i")
    sound = (f"sine=duration={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    return _made((*picture, *sound, "-c:a", "aac", *moved), "mp4")


@cache
def long_original() -> bytes:
    """Ten minutes of video, made in no time by repeating one second: encoding it takes long enough to be stopped."""
    picture = (*_LAVFI, "testsrc2=size=320x180:rate=30:duration=1", "-c:v", "libx264", "-preset", "ultrafast")
    with tempfile.NamedTemporaryFile(suffix=".mp4") as second:
        second.write(_made((*picture, "-pix_fmt", "yuv420p"), "mp4"))
        second.flush()
        return _made((*_LAVFI[:-3], "-stream_loop", "599", "-i", second.name, "-c", "copy"), "mp4")


def input_key(media_type: str, media_id: str) -> str:
    return f"originals/{CREATOR}/{media_id}/original.{_SOURCES[media_type][0]}"


def payload(
    media_type: str,
    media_id: str,
    url: str,
    *,
    secret: str = SECRET,
    buckets: tuple[str, str, str] = BUCKETS,
    **changes: Any,
) -> dict[str, Any]:
    archive, media, assets = buckets
    return {
        "mediaId": media_id,
        "creatorId": CREATOR,
        "mediaType": media_type,
        "inputBucket": archive,
        "inputKey": input_key(media_type, media_id),
        "outputBucket": media,
        "outputPrefix": f"{CREATOR}/",
        "assetsBucket": assets,
        "webhookUrl": url,
        "webhookSecret": secret,
        **changes,
    }


def local_environment(folder: Path, **more: str) -> dict[str, str]:
    """A worker whose stores are folders."""
    return {"STORAGE_DIR": str(folder / "stores"), **_worker(folder), **more}


def s3_environment(folder: Path, endpoint: str, **more: str) -> tuple[dict[str, str], tuple[str, str, str]]:
    """A worker whose stores are three new buckets of the S3 server at `endpoint`, and their names."""
    buckets = (
        s3_server.bucket(endpoint, versioned=True),
        s3_server.bucket(endpoint),
        s3_server.bucket(endpoint),
    )
    return {**s3_variables(endpoint, buckets), **_worker(folder), **more}, buckets


def s3_variables(endpoint: str, buckets: tuple[str, str, str]) -> dict[str, str]:
    """The variables that name three buckets of the S3 server at `endpoint`."""
    archive, media, assets = buckets
    return {
        "R2_ACCOUNT_ID": "account",
        "R2_ACCESS_KEY_ID": s3_server.ACCESS_KEY,
        "R2_SECRET_ACCESS_KEY": s3_server.SECRET_KEY,
        "R2_ENDPOINT": endpoint,
        "R2_MEDIA_BUCKET": media,
        "R2_ASSETS_BUCKET": assets,
        "B2_KEY_ID": s3_server.ACCESS_KEY,
        "B2_APPLICATION_KEY": s3_server.SECRET_KEY,
        "B2_BUCKET_NAME": archive,
        "B2_ENDPOINT": endpoint,
        "B2_REGION": s3_server.REGION,
    }


def _worker(folder: Path) -> dict[str, str]:
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(scratch),
        "WEBHOOK_ALLOW_PRIVATE": "1",
        "VIDEO_ENCODER": "x264",
    }


def put_original(stores: Stores, media_type: str, media_id: str, data: bytes | None = None) -> None:
    content = original(media_type) if data is None else data
    stores.archive.write(input_key(media_type, media_id), content, content_type="application/octet-stream")


def objects(stores: Stores) -> dict[str, set[str]]:
    """Keys that each store holds, by role. Leases, which every job leaves free, are left out."""
    return {
        store.name: {stored.key for stored in store.list("") if not stored.key.startswith(keys.LEASES_ROOT)}
        for store in (stores.archive, stores.media, stores.assets)
    }


def assert_contract(body: object) -> None:
    """The body is one that the contract's JSON Schema allows."""
    _WEBHOOK.validate(body)


def body_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook's body in RunPod's result, which says beside it what the job took."""
    return {name: value for name, value in result.items() if name != "metrics"}


def announced_keys(output: Mapping[str, Any]) -> dict[str, tuple[Role, str]]:
    """Field -> (store role, key) for every key that a completed webhook names."""
    roles: dict[str, Role] = {
        "hlsMasterPlaylistKey": "media",
        "hlsPreviewKey": "media",
        "thumbnailKey": "assets",
        "waveformKey": "assets",
        "waveformImageKey": "assets",
        "mezzanineKey": "archive",
    }
    announced = {name: (roles[name], text) for name, text in output.items() if name.endswith("Key")}
    assert announced
    return announced
