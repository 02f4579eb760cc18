"""`codex-assets import`: a Dagster instance learns everything that the archive's records say."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated

import typer

from codex_assets import resources, sweep, terminal
from codex_assets.commands import frame
from codex_assets.commands.frame import AsJson, Store
from codex_assets.errors import JobCancelled
from codex_assets.records import RecordStore


def _note_another() -> None:
    terminal.note("Another process teaches this instance; waiting for its end.")


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
    from codex_assets import assets, instance, learning

    condition = frame.where(where)
    with frame.told():
        settings = frame.settings(store)
        archive = settings.stores().archive
        records = RecordStore(archive)
        started = time.monotonic()
        media = outputs = checks = 0
        with ExitStack() as stack:
            cancelled = stack.enter_context(frame.cancelling())
            waiting = instance.stopping(
                cancelled.is_set, lambda: terminal.note("Another import is under way; waiting.")
            )
            opened = stack.enter_context(instance.opened(resources.environment(), waiting))
            stack.enter_context(instance.learning_lock(opened, waiting))
            # Behind the lock: what another process has just learnt is no change any more.
            found = learning.changes(opened, archive)
            with (
                resources.workshop(settings, cancelled=cancelled) as workshop,
                terminal.counting("importing", len(found)) as counted,
            ):
                for learnt in learning.learn(
                    opened,
                    archive,
                    found,
                    accept=lambda one: sweep.holds(condition, one, records),
                    picture=(lambda record: assets.picture(workshop, record)) if pictures else None,
                ):
                    media, outputs, checks = media + 1, outputs + learnt.outputs, checks + learnt.checks
                    counted.advance(f"{outputs} outputs, {checks} checks")
                    if cancelled.is_set():
                        raise JobCancelled
    seconds = time.monotonic() - started
    told = {"media": media, "outputs": outputs, "checks": checks, "seconds": round(seconds, 3)}
    if as_json:
        terminal.say_json(told)
    elif media:
        terminal.say(
            f"{terminal.plural(media, 'media', 'media')}, {outputs} outputs and {checks} check results imported "
            f"in {terminal.lasting(seconds)}"
        )
    else:
        terminal.say("Nothing new in the archive.")
