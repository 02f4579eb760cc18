"""What every command has in common: exit codes, which stores it works on, failures as one sentence, Ctrl-C.

0: fine. 1: it failed, or something that was looked at is not right. 2: it could not be looked at, or was asked for
wrongly. 130: stopped with Ctrl-C. How things look is decided in `cli`.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer

from codex_assets.cli import console
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.errors import JobCancelled, JobError, MissingInput
from codex_assets.library.selection import Where

FAILED, UNCHECKED, INTERRUPTED = 1, 2, 130

Result = TypeVar("Result")

Store = Annotated[
    Path | None,
    typer.Option("--store", help="Folder of a local store, instead of what the environment says.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]


def where(text: str | None) -> Where:
    """The condition that `--where` gives; a usage error for one that there is not."""
    try:
        return Where.parse(text or "")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from None


def span(text: str, option: str) -> timedelta:
    """A length of time such as `90m`, `24h` or `30d`; a usage error for anything else."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if found is None:
        raise typer.BadParameter(f"`{text}` is no length of time; say `90m`, `24h` or `30d`.", param_hint=option)
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def settings(store: Path | None) -> Settings:
    """What the environment configures; the local store where it configures nothing."""
    environ = configuration.environment()
    configured = any(environ.get(name, "").strip() for name in ("STORAGE_DIR", *configuration.REQUIRED))
    if store is None and configured:
        return configuration.load(environ)
    local = configuration.local_environment(store)
    if not Path(local["STORAGE_DIR"]).is_dir():
        raise MissingInput(f"There is no store at {local['STORAGE_DIR']}; set STORAGE_DIR or give --store.")
    return configuration.load(local)


@contextmanager
def told(code: int = FAILED) -> Iterator[None]:
    """A failure as one sentence, and `code` as the exit code."""
    try:
        yield
    except JobCancelled:
        console.note("Stopped.")
        raise typer.Exit(INTERRUPTED) from None
    except JobError as error:
        console.complain(error.public, error.code)
        if error.detail:
            logging.getLogger(__name__).info("%s", error.detail)
        raise typer.Exit(code) from None


@contextmanager
def cancelling() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    cancelled = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        # In a thread: the main one may hold the event's lock.
        threading.Thread(target=cancelled.set).start()

    before: Mapping[signal.Signals, Any] = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def aside(work: Callable[[], Result]) -> Result:
    """`work` in a thread of its own: the main one stays free for signals, which Dagster would take over."""
    with ThreadPoolExecutor(1, thread_name_prefix="work") as pool:
        return pool.submit(work).result()
