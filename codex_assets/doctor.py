"""What a machine needs for the work, looked at one by one, each with how to get what is missing. Plain results.

Nothing is taken for granted because it is listed: tools are started, encoders encode, stores are asked. Not here: how
it is shown (`terminal`), and what the environment means (`resources`).
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from codex_assets import resources, sandbox
from codex_assets.encoders import EncoderMode
from codex_assets.errors import ConfigurationError, JobError, ToolError
from codex_assets.media import ladder, profile
from codex_assets.resources import Settings
from codex_assets.tools import Tools, tool_environment
from codex_assets.workspace import SPARE_BYTES

SETUP = "make setup"
APT = "apt-get install ffmpeg"
FULL_BUILD = f"Use a full build of ffmpeg, such as the distribution's: {APT}"

OLDEST_FFMPEG = (5, 1)
"""The first with `-fps_mode`."""
ENCODERS = {
    "libx264": "all pictures without a GPU",
    "aac": "delivered sound",
    "alac": "lossless sound kept",
    "flac": "lossless sound kept",
}
FILTERS = {
    "loudnorm": "second pass of the loudness",
    "ebur128": "loudness meter",
    "zscale": "HDR to standard range",
    "tonemap": "HDR to standard range",
    "bwdif": "interlaced uploads",
    "premultiply": "uploads with transparency",
}
"""Those that a build of ffmpeg may lack, and what they are for."""
PACKAGES = ("dagster", "runpod", "boto3", "httpx", "pydantic", "typer", "rich")
ROOMY_BYTES = 10 << 30
"""Scratch space for originals of up to about 2 GB."""


class Status(StrEnum):
    """`NOTE`: not as good as it could be, and nothing is wrong."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `advice` says how to get it right; empty when it is."""

    group: str
    name: str
    status: Status
    found: str
    advice: str = ""


def examine(environ: Mapping[str, str], *, tools_only: bool = False) -> Iterator[Check]:
    """Every check, as it is made. Raises nothing: what fails is a result."""
    tools = Tools(tool_environment(environ))
    settings: Settings | ConfigurationError
    try:
        settings = resources.load(environ)
    except ConfigurationError as error:
        settings = error
    yield from _tools(tools)
    mode = settings.video_encoder if isinstance(settings, Settings) and not tools_only else EncoderMode.AUTO
    yield from _ffmpeg(tools, mode)
    yield from _walls()
    if tools_only:
        return
    yield from _python()
    if isinstance(settings, ConfigurationError):
        yield Check(
            "environment",
            "settings",
            Status.PROBLEM,
            settings.public,
            "Set them as the README's configuration table says; for a local run set STORAGE_DIR alone",
        )
        return
    yield Check("environment", "settings", Status.OK, _mode(settings))
    yield _webhooks(settings)
    yield _scratch(settings.scratch)
    yield from _stores(settings)


def problems(checks: Iterable[Check]) -> list[Check]:
    """What has to be put right before this machine can work."""
    return [check for check in checks if check.status is Status.PROBLEM]


# --- Tools ------------------------------------------------------------------------------------------------------------


def _tools(tools: Tools) -> Iterator[Check]:
    for name in ("ffmpeg", "ffprobe", "audiowaveform"):
        advice = f"{SETUP}, or put audiowaveform on PATH" if name == "audiowaveform" else f"{APT} (or {SETUP})"
        path = tools.path(name)
        if path is None:
            yield Check("tools", name, Status.PROBLEM, "not on PATH", advice)
            continue
        try:
            version = tools.version(name) or "unknown version"
        except (ToolError, OSError) as error:
            reason = error.reason if isinstance(error, ToolError) else error.strerror
            yield Check("tools", name, Status.PROBLEM, f"{path} does not start: {reason}", advice)
            continue
        if name == "ffmpeg" and _is_old(version):
            wanted = ".".join(map(str, OLDEST_FFMPEG))
            yield Check("tools", name, Status.PROBLEM, f"{version}, too old", f"ffmpeg {wanted} or newer is needed")
            continue
        yield Check("tools", name, Status.OK, f"{version}  {path}")


def _is_old(version: str) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    # Builds from the repository have no number that could be compared; they are new enough.
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST_FFMPEG


def _ffmpeg(tools: Tools, mode: EncoderMode) -> Iterator[Check]:
    """What ffmpeg was built with, and whether it works here."""
    try:
        encoders, filters = tools.encoders(), tools.filters()
    except (JobError, OSError):
        # Told already: without ffmpeg there is nothing to ask.
        return
    for name, use in ENCODERS.items():
        if name not in encoders:
            yield Check("encoders", name, Status.PROBLEM, f"not in this ffmpeg ({use})", FULL_BUILD)
        elif name == profile.X264.codec:
            yield _trial(tools, profile.X264, use)
        else:
            yield Check("encoders", name, Status.OK, use)
    yield _nvenc(tools, mode, listed=profile.NVENC.codec in encoders)
    for name, use in FILTERS.items():
        if name in filters:
            yield Check("filters", name, Status.OK, use)
        else:
            yield Check("filters", name, Status.PROBLEM, f"not in this ffmpeg ({use})", FULL_BUILD)


def _trial(tools: Tools, row: profile.EncoderRow, use: str) -> Check:
    trial = tools.try_encode(ladder.trial_arguments(row))
    if trial.works:
        return Check("encoders", row.codec, Status.OK, f"{use}; a trial encode works")
    return Check("encoders", row.codec, Status.PROBLEM, f"listed, but does not work: {trial.reason}", FULL_BUILD)


def _nvenc(tools: Tools, mode: EncoderMode, *, listed: bool) -> Check:
    name = profile.NVENC.codec
    wanted = mode is EncoderMode.NVENC
    lacking = Status.PROBLEM if wanted else Status.NOTE
    advice = "VIDEO_ENCODER is `nvenc`: use a machine with NVENC, or set `auto`" if wanted else ""
    if not listed:
        return Check("encoders", name, lacking, "not in this ffmpeg; x264 is used", advice)
    trial = tools.try_encode(ladder.trial_arguments(profile.NVENC))
    if not trial.works:
        return Check("encoders", name, lacking, f"listed, but not usable here ({trial.reason}); x264 is used", advice)
    used = "usable, but VIDEO_ENCODER is `x264`" if mode is EncoderMode.X264 else "usable, and used"
    return Check("encoders", name, Status.OK, f"{used}; {trial.reason}")


def _walls() -> Iterator[Check]:
    """What keeps a tool in while it reads an upload (docs/decisions/sandbox.md)."""
    for wall in sandbox.protections():
        if wall.active:
            yield Check("sandbox", wall.name, Status.OK, "in force for every tool")
        else:
            yield Check("sandbox", wall.name, Status.NOTE, f"not in force: {wall.why}", "See docs/decisions/sandbox.md")


# --- The rest ---------------------------------------------------------------------------------------------------------


def _python() -> Iterator[Check]:
    found, missing = [f"{platform.python_version()}"], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        yield Check("python", "packages", Status.PROBLEM, f"missing: {', '.join(missing)}", SETUP)
    yield Check("python", "versions", Status.OK, ", ".join(found))


def _mode(settings: Settings) -> str:
    if settings.storage_dir is not None:
        return f"local run: objects are files under {settings.storage_dir}"
    return f"R2 buckets {settings.media_bucket}, {settings.assets_bucket}; B2 bucket {settings.archive_bucket}"


def _webhooks(settings: Settings) -> Check:
    over = "the body" if settings.webhook_signature == "body" else "the time and the body"
    key = "the payload's secret" if settings.webhook_secret is None else "the payload's secret, else WEBHOOK_SECRET"
    told = f"signed over {over}, with {key}"
    if settings.webhook_allow_private and settings.storage_dir is None:
        return Check(
            *("environment", "webhooks", Status.NOTE, f"{told}; private hosts are allowed"),
            advice="WEBHOOK_ALLOW_PRIVATE is for local runs: unset it where payloads come from outside",
        )
    return Check("environment", "webhooks", Status.OK, told)


def _scratch(scratch: Path) -> Check:
    told = ("machine", "scratch space")
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / ".doctor").touch()
        (scratch / ".doctor").unlink()
        free = shutil.disk_usage(scratch).free
    except OSError as error:
        return Check(*told, Status.PROBLEM, f"{scratch} cannot be written to: {error.strerror}", "Set TMPDIR")
    found = f"{free / 1e9:.1f} GB free at {scratch}"
    if free < SPARE_BYTES:
        return Check(*told, Status.PROBLEM, found, "Free some space, or set TMPDIR to a larger disk")
    if free < ROOMY_BYTES:
        return Check(*told, Status.NOTE, found, "A job needs about four times the size of its original")
    return Check(*told, Status.OK, found)


def _stores(settings: Settings) -> Iterator[Check]:
    stores = settings.stores()
    for store in (stores.archive, stores.media, stores.assets):
        told = ("stores", store.name)
        try:
            store.check()
        except JobError as error:
            # The sentence says what to do.
            yield Check(*told, Status.PROBLEM, error.public)
        except Exception as error:  # noqa: BLE001 - a diagnosis must come to its end
            found = f"{store.bucket}: unexpected {type(error).__name__}"
            yield Check(*told, Status.PROBLEM, found, "Check its endpoint and credentials")
        else:
            yield Check(*told, Status.OK, f"{store.bucket} is reachable")
