"""What a machine needs for the work, looked at one by one, each with how to get what is missing. Plain results.

Nothing is taken for granted because it is listed: tools are started, encoders encode, stores are asked. The only place
with these rules: `fitness` picks those that decide whether a worker may take jobs. Not here: how it is shown
(`cli`), and what the environment means (`config.settings`).
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import queue
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from codex_assets.build.encoders import EncoderMode, try_nvenc
from codex_assets.config.settings import Settings, load
from codex_assets.errors import ConfigurationError, JobError, StorageError, ToolError
from codex_assets.media import profile
from codex_assets.media.encode import ladder
from codex_assets.storage.objects import ObjectStore
from codex_assets.system import sandbox
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment

SETUP = "make setup"
APT = "apt-get install ffmpeg"
FULL_BUILD = f"Use a full build of ffmpeg, such as the distribution's: {APT}"

OLDEST = {"ffmpeg": (5, 1), "ffprobe": (5, 1), "audiowaveform": (1, 0)}
"""The tools, and the oldest version of each: ffmpeg has `-fps_mode` since then, audiowaveform version 2 of its JSON."""
IMAGE_DRIVER = "530.41.03"
"""The oldest NVIDIA driver that the image's ffmpeg encodes with: Debian 13 builds it with the headers of NVENC 12.1.
(Debian 12's asks for 470.57.02.) CUDA's version of the hosts that have it: `provision.OLDEST_CUDA`."""


@dataclass(frozen=True)
class SafeRelease:
    """The oldest release of one line of ffmpeg without a known fault that a file can make use of.

    `since`: when it came out. `mends`: what the one before still had.
    """

    line: tuple[int, int]
    oldest: tuple[int, int, int]
    since: str
    mends: str


SAFE_RELEASES = (
    # The last of Debian 12. Whether it has CVE-2026-8461 is not known; no upload meets that decoder.
    SafeRelease((5, 1), (5, 1, 9), "2026-05", "the decoder faults of spring 2026"),
    SafeRelease((7, 1), (7, 1, 5), "2026-06", "CVE-2026-8461"),
    SafeRelease((8, 0), (8, 0, 3), "2026-06", "CVE-2026-8461"),
    SafeRelease((8, 1), (8, 1, 2), "2026-06", "CVE-2026-8461"),
)
"""By line, oldest first. CVE-2026-8461: code is run while a thumbnail is made of a MagicYUV film. A row is raised when
the next such fault is mended (docs/operations.md)."""
NEWER_FFMPEG = "Update it from the distribution's security archive, and build the image anew: docs/operations.md"
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
PACKAGES = ("dagster", "runpod", "boto3", "requests", "pydantic", "typer", "rich")
LEAST_BYTES = 1 << 30
"""A machine with less scratch space could not even hold a short upload and what is made of it."""
SHARED_MEMORY = Path("/dev/shm")
SHARED_BYTES = 1 << 20
"""What the SDK and Python keep there is less."""
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


def examine(environ: Mapping[str, str], *, tools_only: bool = False, write: bool = False) -> Iterator[Check]:
    """Every check, as it is made. Raises nothing: what fails is a result. `write`: stores are written to as well."""
    found = Tools(tool_environment(environ), reach=Reach())
    settings, told = configuration(environ)
    yield from tools(found)
    yield from safety(found)
    mode = settings.video_encoder if settings is not None and not tools_only else EncoderMode.AUTO
    required = settings is not None and settings.require_nvenc and not tools_only
    yield from codecs(found)
    yield from _trials(found, mode, required)
    yield from _walls()
    if tools_only:
        return
    yield from _python()
    yield told
    if settings is None:
        return
    yield _webhooks(settings)
    yield scratch(settings.scratch)
    yield shared_memory()
    yield from stores(settings)
    if write:
        yield from _written(settings)


def problems(checks: Iterable[Check]) -> list[Check]:
    """What has to be put right before this machine can work."""
    return [check for check in checks if check.status is Status.PROBLEM]


# --- Tools ------------------------------------------------------------------------------------------------------------


def tools(found: Tools) -> Iterator[Check]:
    """Each tool is there, starts, and is not too old."""
    for name, oldest in OLDEST.items():
        advice = f"{SETUP}, or put audiowaveform on PATH" if name == "audiowaveform" else f"{APT} (or {SETUP})"
        path = found.path(name)
        if path is None:
            yield Check("tools", name, Status.PROBLEM, "not on PATH", advice)
            continue
        try:
            version = found.version(name) or "unknown version"
        except (ToolError, OSError) as error:
            reason = error.reason if isinstance(error, ToolError) else error.strerror
            yield Check("tools", name, Status.PROBLEM, f"{path} does not start: {reason}", advice)
            continue
        if _is_old(version, oldest):
            wanted = ".".join(map(str, oldest))
            yield Check("tools", name, Status.PROBLEM, f"{version}, too old", f"{name} {wanted} or newer is needed")
            continue
        yield Check("tools", name, Status.OK, f"{version}  {path}")


def _is_old(version: str, oldest: tuple[int, int]) -> bool:
    numbers = re.match(r"[vn]?(\d+)\.(\d+)", version)
    # Builds from the repository have no number that could be compared; they are new enough.
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < oldest


def safety(found: Tools) -> Iterator[Check]:
    """Whether ffmpeg has the fixes of the faults that `SAFE_RELEASES` names. Nothing without ffmpeg."""
    try:
        version = found.version("ffmpeg") if found.path("ffmpeg") is not None else None
    except (JobError, OSError):
        return
    if version is not None:
        yield judged_safety(version)


def judged_safety(version: str) -> Check:
    """`version` as ffmpeg tells it, with whatever its builders added. Builds without a release's number and lines that
    nobody mends any more, but for distributions, are said to be unknown. Never a problem: an engineer's machine may
    decode what it likes."""
    numbers = re.match(r"(?:\d+:)?[vn]?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])(.*)", version)
    newest = SAFE_RELEASES[-1]
    listed = ", ".join(_dotted(release.oldest) for release in SAFE_RELEASES)
    if numbers is None or numbers[4].startswith(("-dev", "-rc")):
        name = version.removeprefix("ffmpeg version ").split(" ")[0]
        told = f"{name} is no release: whether it has the fixes of {newest.since} ({newest.mends}) is not known"
        return Check("security", "ffmpeg", Status.NOTE, told, f"Releases that have them: {listed}, or newer")
    line, patch = (int(numbers[1]), int(numbers[2])), int(numbers[3] or 0)
    release = next((one for one in SAFE_RELEASES if one.line == line), None)
    if release is None and line > newest.line:
        return Check("security", "ffmpeg", Status.OK, f"{version} is newer than all that is known of")
    if release is None:
        told = f"{version} is of a line without releases: whether its builders mended {newest.mends} is not known"
        return Check("security", "ffmpeg", Status.NOTE, told, f"Releases that have it: {listed}, or newer")
    if (*line, patch) < release.oldest:
        told = f"{version} is older than {_dotted(release.oldest)} ({release.since}), which mends {release.mends}"
        return Check("security", "ffmpeg", Status.NOTE, told, NEWER_FFMPEG)
    return Check("security", "ffmpeg", Status.OK, f"{version}, {_dotted(release.oldest)} ({release.since}) or newer")


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def codecs(found: Tools) -> Iterator[Check]:
    """What ffmpeg was built with. Nothing without ffmpeg: that it is missing is told by `tools`."""
    try:
        encoders, filters = found.encoders(), found.filters()
    except (JobError, OSError):
        return
    for group, wanted, present in (("encoders", ENCODERS, encoders), ("filters", FILTERS, filters)):
        for name, use in wanted.items():
            if name in present:
                yield Check(group, name, Status.OK, use)
            else:
                yield Check(group, name, Status.PROBLEM, f"not in this ffmpeg ({use})", FULL_BUILD)


def _trials(found: Tools, mode: EncoderMode, required: bool) -> Iterator[Check]:
    """Encoders that are there, encoding."""
    try:
        encoders = found.encoders()
    except (JobError, OSError):
        return
    if profile.X264.codec in encoders:
        yield _trial(found, profile.X264)
    yield nvenc(found, mode, required=required)
    yield from _driver(found)


def _trial(found: Tools, row: profile.EncoderRow) -> Check:
    trial = found.try_encode(ladder.trial_arguments(row))
    if trial.works:
        return Check("trial encode", row.codec, Status.OK, "works")
    return Check("trial encode", row.codec, Status.PROBLEM, f"listed, but does not work: {trial.reason}", FULL_BUILD)


def nvenc(found: Tools, mode: EncoderMode, *, required: bool) -> Check:
    """Whether NVENC encodes here. Without it x264 is used: a problem only for who insists."""
    name = profile.NVENC.codec
    lacking = Status.PROBLEM if required or mode is EncoderMode.NVENC else Status.NOTE
    advice = ""
    if required:
        advice = "REQUIRE_NVENC is `1`: use GPUs that have NVENC, or leave it out"
    elif mode is EncoderMode.NVENC:
        advice = "VIDEO_ENCODER is `nvenc`: use a machine with NVENC, or set `auto`"
    if name not in found.encoders():
        return Check("trial encode", name, lacking, "not in this ffmpeg; x264 is used", advice)
    trial = try_nvenc(found)
    if not trial.works:
        reason = "; ".join(part for part in (trial.reason, old_driver(found)) if part)
        unusable = f"listed, but not usable here ({reason}); x264 is used"
        return Check("trial encode", name, lacking, unusable, advice)
    used = "usable, but VIDEO_ENCODER is `x264`" if mode is EncoderMode.X264 else "usable, and used"
    return Check("trial encode", name, Status.OK, f"{used}; {trial.reason}")


def _driver(found: Tools) -> Iterator[Check]:
    """The NVIDIA driver: nothing where there is none."""
    told = ("machine", "NVIDIA driver")
    try:
        versions = found.query_gpus("driver_version")
    except ToolError as error:
        yield Check(
            *told, Status.NOTE, f"nvidia-smi fails: {error.reason}", "Mend the driver of the host, or start anew"
        )
        return
    old = old_driver(found)
    if old is not None:
        yield Check(*told, Status.NOTE, old, f"Install driver {IMAGE_DRIVER} or newer on the host, or use another one")
    elif versions:
        yield Check(*told, Status.OK, versions[0])


def old_driver(found: Tools) -> str | None:
    """That the driver here is too old for the image, if it is; None without a driver, and where it says no version."""
    versions = [version for version in found.nvidia_smi("driver_version") if _numbers(version)]
    oldest = min(versions, key=_numbers, default=None)
    if oldest is None or _numbers(oldest) >= _numbers(IMAGE_DRIVER):
        return None
    return f"the NVIDIA driver {oldest} is too old: the image's ffmpeg asks for {IMAGE_DRIVER} or newer"


def _numbers(version: str) -> tuple[int, ...]:
    """`535.54.03` as numbers; nothing for what is no version, such as `[N/A]`."""
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)+", version) else ()


def _walls() -> Iterator[Check]:
    """What keeps a tool in while it reads an upload (docs/decisions/sandbox.md)."""
    for wall in sandbox.protections():
        if wall.active:
            how = f", {wall.why}" if wall.why else ""
            yield Check("sandbox", wall.name, Status.OK, f"in force for every tool{how}")
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


def configuration(environ: Mapping[str, str]) -> tuple[Settings | None, Check]:
    """The settings, if the environment describes any, and what is to be said of it. No value is repeated."""
    told = ("environment", "settings")
    try:
        settings = load(environ)
    except ConfigurationError as error:
        advice = "Set them as the README's configuration table says; for a local run set STORAGE_DIR alone"
        return None, Check(*told, Status.PROBLEM, error.public, advice)
    return settings, Check(*told, Status.OK, _mode(settings))


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


def shared_memory(folder: Path = SHARED_MEMORY) -> Check:
    """Python's semaphores between processes, and the SDK's list of jobs, which lies in such memory."""
    told = ("machine", "shared memory")
    advice = f"Mount a file system that can be written to at {folder} (docker: --shm-size)"
    try:
        # As large as what the SDK keeps there: where there is less, its first write would kill the worker.
        with tempfile.TemporaryFile(dir=folder) as trial:
            os.posix_fallocate(trial.fileno(), 0, SHARED_BYTES)
        multiprocessing.Lock()
    except (OSError, ImportError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this system has no semaphores"
        return Check(*told, Status.PROBLEM, f"{folder} cannot be used: {reason}", advice)
    return Check(*told, Status.OK, f"{folder} can be written to")


def scratch(scratch: Path) -> Check:
    told = ("machine", "scratch space")
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / ".doctor").touch()
        (scratch / ".doctor").unlink()
        free = shutil.disk_usage(scratch).free
    except OSError as error:
        return Check(*told, Status.PROBLEM, f"{scratch} cannot be written to: {error.strerror}", "Set TMPDIR")
    found = f"{free / 1e9:.1f} GB free at {scratch}"
    if free < LEAST_BYTES:
        return Check(*told, Status.PROBLEM, found, "Free some space, or set TMPDIR to a larger disk")
    if free < ROOMY_BYTES:
        return Check(*told, Status.NOTE, found, "A job needs about four times the size of its original")
    return Check(*told, Status.OK, found)


# --- Stores -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patience:
    """How often a store is asked that does not answer, and how long. A refusal is final at once."""

    tries: int = 1
    pause_s: float = 5.0
    """Before the second try; then twice as long each time."""
    limit_s: float = 60.0
    """One try. The store's client has its own, longer patience with each request."""


def stores(
    settings: Settings,
    patience: Patience | None = None,
    *,
    write: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Check]:
    """Each store answers a listing: its bucket is there, its key accepted. All are asked at once.

    `write`: each takes a small object too, gives it back as it was written, and deletes it. That a listing is answered
    says nothing of a key's rights, nor of what stands before the store.
    """
    patience = patience or Patience()
    three = settings.stores()
    asked = [
        (store, _aside(lambda store=store: _reached(store, patience, sleep, write)))  # type: ignore[misc]
        for store in (three.archive, three.media, three.assets)
    ]
    for _, answer in asked:
        yield answer.get()


def _reached(store: ObjectStore, patience: Patience, sleep: Callable[[float], object], write: bool) -> Check:
    told = ("stores", store.name)
    problem = Check(*told, Status.PROBLEM, f"{store.bucket} was not asked")
    for number in range(patience.tries):
        if number:
            sleep(patience.pause_s * 2 ** (number - 1))
        try:
            outcome = _aside(lambda: _outcome(store, write)).get(timeout=patience.limit_s)
        except queue.Empty:
            found = f"{store.bucket} did not answer within {patience.limit_s:g} seconds"
            problem = Check(*told, Status.PROBLEM, found, "Check its endpoint, and the network from here to it")
            continue
        if outcome is None:
            usable = f"{store.bucket} is reachable" + ("; an object was written, read and deleted" if write else "")
            return Check(*told, Status.OK, usable)
        if not isinstance(outcome, JobError):
            found = f"{store.bucket}: unexpected {type(outcome).__name__}"
            return Check(*told, Status.PROBLEM, found, "Check its endpoint and credentials")
        # The sentence says what to do.
        problem = Check(*told, Status.PROBLEM, outcome.public)
        if not outcome.retryable:
            break
    return problem


def _outcome(store: ObjectStore, write: bool) -> Exception | None:
    try:
        store.check()
        if write:
            _try_object(store)
    except Exception as error:  # noqa: BLE001 - a diagnosis must come to its end
        return error
    return None


Outcome = TypeVar("Outcome")


def _aside(work: Callable[[], Outcome]) -> queue.Queue[Outcome]:
    """Where the outcome of `work` will be. A thread that is waited for no more must not hold the process up."""
    answer: queue.Queue[Outcome] = queue.Queue(1)
    threading.Thread(target=lambda: answer.put(work()), name="asking a store", daemon=True).start()
    return answer


def _written(settings: Settings) -> Iterator[Check]:
    """Each store takes an object, gives it back and lets it be deleted again, as jobs need it."""
    three = settings.stores()
    for store in (three.archive, three.media, three.assets):
        told = ("rights", store.name)
        try:
            _try_object(store)
        except JobError as error:
            yield Check(*told, Status.PROBLEM, error.public)
        else:
            yield Check(*told, Status.OK, f"{store.bucket}: an object was written, read and deleted")


TRIAL = b"Written by codex-assets to try this bucket; may be deleted.\n"
DELETES = 3
"""Tries of deleting the trial: a listing of versions may not show at once what was written a moment ago."""


def _try_object(store: ObjectStore) -> None:
    """Write, read and delete an object of a name that nothing else has. Raises what the store raised.

    It is deleted whatever fails: what a store took and then denied is there all the same, and in a versioned bucket
    every trial is a version that is billed. One that could not be deleted is named.
    """
    key = f"doctor/trial-{uuid.uuid4().hex}.txt"
    failed: Exception | None = None
    try:
        store.write(key, TRIAL, content_type="text/plain")
        if store.read(key) != TRIAL:
            raise StorageError(
                f"The {store.name} store gave other contents for '{key}' in bucket '{store.bucket}' than were written."
            )
    except Exception as error:  # noqa: BLE001 - whatever it was, the object may be there
        failed = error
    left = _removed(store, key)
    if left is None:
        if failed is not None:
            raise failed
        return
    first = failed if isinstance(failed, JobError) else left
    raise StorageError(
        f"{first.public} '{key}' may have been left in bucket '{store.bucket}'; delete it by hand.",
        detail=first.detail,
        retryable=first.retryable,
    )


def _removed(store: ObjectStore, key: str) -> JobError | None:
    """Delete the trial; why it may still be there, or None when it is gone."""
    problem: JobError = StorageError(f"The {store.name} store still holds '{key}' after it was deleted.")
    for _ in range(DELETES):
        try:
            store.delete(key)
            if store.head(key) is None:
                return None
        except JobError as error:
            problem = error
            break
    with suppress(JobError):
        if store.head(key) is None:
            return None
    return problem
