"""What a worker must have before it takes a job: the doctor's checks that decide it, each as one error that says why.

In: which checks count, and how long a store may be away. Out: the checks themselves (`tool_checks`, `machine_checks`,
`store_checks`), and telling RunPod (`runpod_entry`). A worker that is not fit ends and is replaced; its jobs stay in
the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.readiness import doctor, machine_checks, store_checks, tool_checks
from codex_assets.readiness.checks import Check, problems
from codex_assets.readiness.store_checks import Patience
from codex_assets.system import sandbox

PATIENCE = Patience(tries=3, pause_s=5.0, limit_s=20.0)
"""75 s at most. A store that is away for a moment must not cost the worker; one that is away for longer would fail job
after job, which are better off in the queue."""


_log = logging.getLogger(__name__)


class Unfit(RuntimeError):
    """Why a worker must not take jobs; for the log, and for RunPod, which keeps its first 256 characters."""


def environment(environ: Mapping[str, str] | None = None) -> None:
    """Every variable that is missing, empty, unresolved or contradictory is named; no value is."""
    _, check = doctor.check_settings(configuration.environment() if environ is None else environ)
    _require([check])


def tools() -> None:
    """The tools start and are new enough, and ffmpeg has what every job needs, and the outputs that are configured."""
    settings = _settings()
    own = settings.tools()
    checks = list(tool_checks.check_tools(own))
    _require(checks)
    _log.info("tools: %s", ", ".join(f"{check.name} {check.result.split()[0]}" for check in checks))
    for wall in sandbox.missing():
        # Jobs are done all the same: what is told is how far an upload that takes over a decoder would get.
        _log.warning("sandbox: not in force for the tools of this worker: %s (%s)", wall.name, wall.why)
    _require(tool_checks.check_codecs(own, settings.extra_outputs))


def shared_memory() -> None:
    """The SDK keeps its list of jobs there: it would end with a traceback, after these checks."""
    _require([machine_checks.check_shared_memory()])


def scratch_space() -> None:
    """The directory of runs can be written to, and has room for the smallest jobs."""
    _require([machine_checks.check_scratch(_settings().scratch)])


def stores(patience: Patience = PATIENCE) -> None:
    """Archive, media and assets each take an object with the worker's key, give it back and delete it, and the last two
    refuse one of two conditional writes at once."""
    _require(store_checks.check_stores(_settings(), patience, write=True))
    _require(store_checks.check_conditions(_settings()))


def gpu() -> None:
    """NVENC encodes, where `REQUIRE_NVENC` says that it must: elsewhere a worker without it is slower, not broken."""
    settings = _settings()
    if settings.require_nvenc:
        _require([tool_checks.check_nvenc(settings.tools(), settings.video_encoder, required=True)])


CHECKS = (environment, shared_memory, tools, scratch_space, stores, gpu)
"""In order: what is told first is what the rest depends on."""


def _settings() -> Settings:
    return configuration.load()


def _require(checks: Iterable[Check]) -> None:
    wrong = problems(checks)
    if wrong:
        raise Unfit("; ".join(_sentence(check) for check in wrong))


def _sentence(check: Check) -> str:
    advice = f" ({check.advice})" if check.advice and check.group != "environment" else ""
    return f"{check.group}: {check.name}: {check.result}{advice}".replace("environment: settings: ", "")
