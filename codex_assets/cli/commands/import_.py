"""`codex-assets import`: a Dagster instance gets everything that the archive's records say.

What is imported, and when it has changed, is decided in `defs/records_import.py`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Conditions, Store
from codex_assets.errors import JobCancelled

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings
    from codex_assets.library.catalogue import Catalogue


def import_(
    where: Conditions = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Add small pictures; each takes a run of ffmpeg.")
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Import what the archive says into the Dagster instance of `DAGSTER_HOME`.

    That is: media, their outputs with their versions, and the results of checks. A second import reports only what has
    changed since; one that was stopped continues where it was.

    Exit codes: `0` all is imported; `2` the archive could not be read, or the instance not be used.

    ```
    codex-assets import
    codex-assets import --where creator=ann --pictures
    ```
    """
    condition = command_frame.parse_where(where)
    from codex_assets.archive.store import RecordStore
    from codex_assets.cli.views.records_import import ImportTotals, totals_json, totals_line
    from codex_assets.config.links import Links
    from codex_assets.config.settings import environment
    from codex_assets.config.workshop import open_workshop
    from codex_assets.defs import instance, output_metadata, records_import, removal
    from codex_assets.library import published_media

    started = time.monotonic()
    totals = ImportTotals()
    with command_frame.failures_end_with(UNCHECKED), ExitStack() as stack:
        settings = command_frame.load_settings(store)
        archive = settings.stores().archive
        records = RecordStore(archive)
        cancelled = stack.enter_context(command_frame.cancelled_by_signals())
        waiting = instance.wait_unless(
            cancelled.is_set, lambda: console.note("Another import is running; waiting for it.")
        )
        opened = stack.enter_context(instance.opened_instance(environment(), waiting))
        stack.enter_context(instance.import_lock(opened, waiting))
        # Behind the lock: what another process has just imported is no change any more.
        differences = records_import.differences(opened, _listed(settings))
        changes = differences.changed
        if where is None:
            removal.forget_missing(opened, differences, records_import.under_way(opened))
        workshop = stack.enter_context(open_workshop(settings, cancelled=cancelled))
        media_progress = stack.enter_context(progress.media_progress("importing", len(changes)))
        for imported in records_import.import_media(
            opened,
            archive,
            changes,
            accept=lambda media: published_media.condition_holds(condition, media, records, settings.extra_outputs),
            links=Links(settings),
            picture=(lambda record: output_metadata.picture(workshop, record)) if pictures else None,
        ):
            totals = totals.plus(imported.outputs, imported.checks)
            media_progress.advance(f"{totals.outputs} outputs, {totals.checks} checks")
            if cancelled.is_set():
                raise JobCancelled
    seconds = time.monotonic() - started
    if as_json:
        console.say_json(totals_json(totals, seconds))
    else:
        console.say(totals_line(totals, seconds))


def _listed(settings: Settings) -> Catalogue:
    """The catalogue of the archive, which is listed for it. No record is read into it: an import reads them itself."""
    from codex_assets.library.catalogue import Catalogue

    catalogue = Catalogue(settings.catalogue, settings.stores().archive, settings.extra_outputs)
    catalogue.list_now()
    return catalogue
