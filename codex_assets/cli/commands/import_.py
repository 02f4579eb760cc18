"""`codex-assets import`: a Dagster instance learns everything that the archive's records say."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated

import typer

from codex_assets.archive.store import RecordStore
from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import AsJson, Store
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import open_workshop
from codex_assets.errors import JobCancelled
from codex_assets.library import published_media


def _note_another() -> None:
    console.note("Another process teaches this instance; waiting for its end.")


def import_(
    where: Annotated[
        str | None, typer.Option("--where", help="Only these; see `verify --help`.", show_default=False)
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="With small pictures, which takes an ffmpeg for each.")
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Teach the Dagster instance of DAGSTER_HOME the media of the archive: outputs, versions, what checks found.

    Again: only what changed. Stopped: the next one goes on.
    """
    # Here, not above: they import Dagster, and every other command starts without.
    from codex_assets.defs import assets, instance, records_import

    condition = command_frame.where(where)
    with command_frame.told():
        settings = command_frame.settings(store)
        archive = settings.stores().archive
        records = RecordStore(archive)
        started = time.monotonic()
        media = outputs = checks = 0
        with ExitStack() as stack:
            cancelled = stack.enter_context(command_frame.cancelling())
            waiting = instance.stopping(cancelled.is_set, lambda: console.note("Another import is under way; waiting."))
            opened = stack.enter_context(instance.opened(configuration.environment(), waiting))
            stack.enter_context(instance.learning_lock(opened, waiting))
            # Behind the lock: what another process has just learnt is no change any more.
            found = records_import.changes(opened, archive)
            with (
                open_workshop(settings, cancelled=cancelled) as workshop,
                progress.counting("importing", len(found)) as counted,
            ):
                for learnt in records_import.learn(
                    opened,
                    archive,
                    found,
                    accept=lambda one: published_media.holds(condition, one, records),
                    picture=(lambda record: assets.picture(workshop, record)) if pictures else None,
                ):
                    media, outputs, checks = media + 1, outputs + learnt.outputs, checks + learnt.checks
                    counted.advance(f"{outputs} outputs, {checks} checks")
                    if cancelled.is_set():
                        raise JobCancelled
    seconds = time.monotonic() - started
    told = {"media": media, "outputs": outputs, "checks": checks, "seconds": round(seconds, 3)}
    if as_json:
        console.say_json(told)
    elif media:
        console.say(
            f"{console.plural(media, 'media', 'media')}, {outputs} outputs and {checks} check results imported "
            f"in {console.lasting(seconds)}"
        )
    else:
        console.say("Nothing new in the archive.")
