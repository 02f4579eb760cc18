"""What commands have in common: exit codes, shared options and their values, failures as one sentence, Ctrl-C.

0: fine. 1: something is to be done, or it failed. 2: it could not be found out, or the command line is wrong. 130:
stopped with Ctrl-C. Every command and each of its codes is listed in docs/operations.md, "Exit codes". How results look
is decided in `views/`.
"""

# Nothing of the package beyond `errors` is imported above: every command loads this file, for `--help` too.

from __future__ import annotations

import logging
import re
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from codex_assets.cli import console, progress
from codex_assets.errors import JobCancelled, JobError, MissingInput

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.selection import Where

FAILED, UNCHECKED, INTERRUPTED = 1, 2, 130

Value = TypeVar("Value")

# --- Options that several commands have -------------------------------------------------------------------------------

Store = Annotated[
    Path | None,
    typer.Option(
        "--store", help="Folder of a local store. Default: the stores that the environment names.", show_default=False
    ),
]
LocalStore = Annotated[
    Path | None,
    typer.Option(
        "--store", help="Folder of the local store. Default: `STORAGE_DIR`, else `.local/storage`.", show_default=False
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, help="Port of 127.0.0.1. Default: 8338, or a free one.", show_default=False
    ),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address alone.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Conditions = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="CONDITIONS",
        help="Only media that meet these conditions, such as `type=video,stale`. All are listed in `verify --help`.",
        show_default=False,
    ),
]
OutputNames = Annotated[
    str | None,
    typer.Option(
        "--assets", metavar="OUTPUTS", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False
    ),
]

Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Name at most so many; all are counted.", show_default=False),
]
ByTools = Annotated[
    bool,
    typer.Option("--tools", help="Count what other versions of ffmpeg, x264 or audiowaveform built as stale, too."),
]

# --- Their values -----------------------------------------------------------------------------------------------------


def parse_where(text: str | None) -> Where:
    """The conditions of `--where`, none of them for None. Raises a usage error for an unknown condition."""
    from codex_assets.library.selection import Where

    try:
        return Where.parse(text or "")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from None


def parse_duration(text: str, option: str) -> timedelta:
    """The value of `option`, such as `90m`, `24h` or `30d`. Raises a usage error for anything else."""
    match = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if match is None:
        raise typer.BadParameter(f"`{text}` is not a length of time, such as `90m`, `24h` or `30d`.", param_hint=option)
    unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def parse_share(text: str, option: str) -> float:
    """`5%` as 0.05. Raises a usage error for what is no share."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text.strip())
    if match is None or float(match[1]) > 100:
        raise typer.BadParameter(f"`{text}` is not a share, such as `5%`.", param_hint=option)
    return float(match[1]) / 100


def parse_size(text: str, option: str) -> Callable[[int], int]:
    """How many of so many media: a share such as `1%` (of several media at least one), or a number."""
    if text.strip().isdigit():
        count = int(text)
        return lambda media: min(count, media)
    share = parse_share(text, option)
    return lambda media: max(1, round(media * share)) if share and media > 1 else 0


def parse_outputs(text: str | None, option: str) -> list[str]:
    """The outputs that `option` names, with or without their media type before a `/`; [] for None.

    Raises a usage error for an output that no media has.
    """
    if text is None:
        return []
    from codex_assets.media.outputs import OUTPUTS

    names = [name.rpartition("/")[2] for name in re.split(r"[,\s]+", text) if name]
    known = {name for outputs in OUTPUTS.values() for name in outputs}
    unknown = sorted(set(names) - known)
    if unknown:
        raise typer.BadParameter(
            f"There is no output {', '.join(unknown)}. The outputs are {', '.join(sorted(known))}.", param_hint=option
        )
    return names


def check_rule(rule: str | None, option: str) -> None:
    """Raise a usage error for `option` when there is no rule of this name; None is every rule."""
    from codex_assets.verification.judge import RULES

    if rule is not None and rule not in RULES:
        raise typer.BadParameter(f"There is no rule `{rule}`. docs/verification.md lists the rules.", param_hint=option)


def note_rest(count: int) -> None:
    """Say how many `--limit` left out, if any."""
    if count > 0:
        console.note(f"... and {count:,} more.")


def load_settings(store: Path | None) -> Settings:
    """The settings of the environment; those of a local store for `--store`, or if the environment names no store.

    Raises `MissingInput` when the local store does not exist, and `ConfigurationError`.
    """
    from codex_assets.config import settings

    environ = settings.environment()
    if store is None and settings.names_stores(environ):
        return settings.load(environ)
    local = settings.local_environment(store)
    if not Path(local["STORAGE_DIR"]).is_dir():
        raise MissingInput(f"There is no store at {local['STORAGE_DIR']}; set STORAGE_DIR or give --store.")
    return settings.load(local)


def store_option(store: Path | None) -> str:
    """What another command needs to work on the same store, with a space before it; empty for the default."""
    return f" --store {shlex.quote(str(store))}" if store is not None else ""


def open_catalogue(
    settings: Settings, where: Where | None = None, *, refresh: bool | None = None, reindex: bool = False
) -> Catalogue:
    """The catalogue of the archive, brought up to date for a question about the media that meet `where`, with progress
    when many records have to be read.

    `refresh`: compare it with the archive first; None: with the few media that `where` names, else with all if it is
    old. `reindex`: build it from scratch.
    """
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.selection import Where

    catalogue = Catalogue(settings.catalogue, settings.stores().archive, settings.extra_outputs)
    with progress.reading_progress("reading records") as on_read:
        if reindex:
            catalogue.reindex(on_read=on_read)
        elif refresh:
            catalogue.refresh(on_read=on_read)
        elif refresh is None:
            catalogue.refresh_for(where or Where(), on_read=on_read)
    return catalogue


def matching_ids(settings: Settings, where: Where) -> list[str]:
    """The ids of all media that can be built and for which a condition holds, in order; and of those for which nobody
    can say, because their own record cannot be read. The archive is listed for it, unless the condition names media."""
    from codex_assets.archive.refused import MEDIA

    catalogue = open_catalogue(settings, where, refresh=None if where.media_ids is not None else True)
    unreadable = (media_id for media_id, record, _ in catalogue.problems(where) if record == MEDIA)
    return sorted({*(media_id for media_id, _, _ in catalogue.verdicts(where)), *unreadable})


# --- Failures and signals ---------------------------------------------------------------------------------------------


@contextmanager
def failures_end_with(exit_code: int = FAILED) -> Iterator[None]:
    """End the command with `exit_code` when the block raises a `JobError`, whose sentence is printed.

    `JobCancelled` ends it with 130. Other exceptions pass.
    """
    try:
        yield
    except JobCancelled:
        console.note("Stopped.")
        raise typer.Exit(INTERRUPTED) from None
    except JobError as error:
        console.complain(error.public, error.code)
        if error.detail:
            logging.getLogger(__name__).info("%s", error.detail)
        raise typer.Exit(exit_code) from None


@contextmanager
def cancelled_by_signals() -> Iterator[threading.Event]:
    """Give the block an event that Ctrl-C, SIGTERM and SIGHUP (a terminal that is closed) set, instead of what they do
    otherwise. What is ignored stays so: `nohup` ignores SIGHUP."""
    cancelled = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        # In a thread: the main one may hold the event's lock.
        threading.Thread(target=cancelled.set).start()

    before: Mapping[signal.Signals, Any] = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_in_thread(work: Callable[[], Value]) -> Value:
    """The result of `work`, which runs in another thread: the main one stays free for signals.

    Dagster, too, would take over the signals of the main thread. Exceptions of `work` are raised here.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="work") as pool:
        return pool.submit(work).result()
