"""What a machine needs for the work, looked at one by one, each with how to get what is missing. Plain results.

In: which checks there are and their order, and what is said of the settings. Out: the checks themselves
(`tool_checks.py`, `ffmpeg_releases.py`, `machine_checks.py`, `store_checks.py`), how they are shown (`cli/`), and what
the environment means (`config/settings.py`). `fitness` picks those that decide whether a worker may take jobs.

Nothing is taken for granted because it is listed: tools are started, encoders encode, stores are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codex_assets.build.encoders import EncoderMode
from codex_assets.config.settings import LOCAL_STORE, Settings, load, names_stores
from codex_assets.errors import ConfigurationError
from codex_assets.readiness import ffmpeg_releases, machine_checks, store_checks, tool_checks
from codex_assets.readiness.checks import Check, Health, problems
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment

WORKER = "RUNPOD_POD_ID"
"""Is set on RunPod's workers, which have no local store."""


def examine(environ: Mapping[str, str], *, tools_only: bool = False, write: bool = False) -> Iterator[Check]:
    """Every check, as it is made. Raises nothing: what fails is a result. `write`: stores are written to as well."""
    tools = Tools(tool_environment(environ), reach=Reach())
    settings, settings_check = check_settings(environ)
    if settings is None and not names_stores(environ) and WORKER not in environ:
        settings, settings_check = _local_settings(environ)
    yield from tool_checks.check_tools(tools)
    yield from ffmpeg_releases.check_ffmpeg(tools)
    mode = settings.video_encoder if settings is not None and not tools_only else EncoderMode.AUTO
    required = settings is not None and settings.require_nvenc and not tools_only
    extras = settings.extra_outputs if settings is not None and not tools_only else ()
    yield from tool_checks.check_codecs(tools, extras)
    yield from tool_checks.check_encoders(tools, mode, required)
    yield from tool_checks.check_walls()
    if tools_only:
        return
    yield from machine_checks.check_python()
    yield settings_check
    if settings is None:
        return
    yield _check_webhooks(settings)
    yield machine_checks.check_scratch(settings.scratch)
    yield machine_checks.check_shared_memory()
    reached = list(store_checks.check_stores(settings))
    yield from reached
    if not problems(reached):
        yield from store_checks.check_conditions(settings)
    yield store_checks.check_undelivered(settings)
    if not problems(reached):
        yield store_checks.check_mezzanines(settings)
    if write:
        yield from store_checks.check_rights(settings)


def check_settings(environ: Mapping[str, str]) -> tuple[Settings | None, Check]:
    """The settings, if the environment describes any, and what is to be said of it. No value is repeated."""
    subject = ("environment", "settings")
    try:
        settings = load(environ)
    except ConfigurationError as error:
        advice = "Set them as the README's configuration table says; for a local run set STORAGE_DIR alone"
        return None, Check(*subject, Health.PROBLEM, error.public, advice)
    return settings, Check(*subject, Health.OK, _mode(settings))


def _local_settings(environ: Mapping[str, str]) -> tuple[Settings | None, Check]:
    """What every command uses where the environment names no store: the local one, if there is one by now."""
    subject = ("environment", "settings", Health.NOTE)
    local = {**environ, "STORAGE_DIR": str(LOCAL_STORE.absolute())}
    advice = "For real stores set what the README's configuration table lists"
    if not LOCAL_STORE.is_dir():
        result = "no cloud configured, and there is no local store yet: `codex-assets demo` makes one"
        return None, Check(*subject, result, advice)
    settings, check = check_settings(local)
    if settings is None:
        return None, check
    return settings, Check(*subject, f"no cloud configured: the local store is used ({LOCAL_STORE})", advice)


def _mode(settings: Settings) -> str:
    if settings.storage_dir is not None:
        return f"local run: objects are files under {settings.storage_dir}"
    return f"R2 buckets {settings.media_bucket}, {settings.assets_bucket}; B2 bucket {settings.archive_bucket}"


def _check_webhooks(settings: Settings) -> Check:
    over = "the body" if settings.webhook_signature == "body" else "the time and the body"
    key = "the payload's secret" if settings.webhook_secret is None else "the payload's secret, else WEBHOOK_SECRET"
    signing = f"signed over {over}, with {key}"
    if settings.webhook_allow_private and settings.storage_dir is None:
        return Check(
            *("environment", "webhooks", Health.NOTE, f"{signing}; private hosts are allowed"),
            advice="WEBHOOK_ALLOW_PRIVATE is for local runs: unset it where payloads come from outside",
        )
    return Check("environment", "webhooks", Health.OK, signing)
