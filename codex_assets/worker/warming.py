"""Everything that a process loads or asks only when its first job needs it, ahead of that job.

A worker keeps a spare process, which waits: of the two seconds of a job that go into loading, none need be the job's.
In: what is loaded. Out: when (`runpod_entry/child.py`).
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable

from codex_assets.config import settings
from codex_assets.defs import warming
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment

_log = logging.getLogger(__name__)

LOADED_LATE = (
    "codex_assets.storage.s3",
    "codex_assets.verification.observe.comparison",
    "codex_assets.verification.observe.pictures",
    "codex_assets.verification.observe.upload_pictures",
)
"""Modules that are imported where they are first needed."""


def warm() -> None:
    """Load and ask everything. Takes about two seconds of CPU. Raises nothing: what fails here, the job will tell."""
    for step in (_load_modules, _open_clients, _ask_tools, _load_dagster):
        _try(step)


def _try(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - nothing depends on it
        _log.debug("warming: %s", type(error).__name__)


def _load_modules() -> None:
    for name in LOADED_LATE:
        importlib.import_module(name)


def _open_clients() -> None:
    # Here, not above: it loads the SDK, which takes long.
    from codex_assets.storage import s3_client

    s3_client.prepare()


def _ask_tools() -> None:
    tools = Tools(tool_environment(settings.environment()), reach=Reach())
    tools.versions()
    tools.decoders()


def _load_dagster() -> None:
    warming.load_dagster(os.devnull)
