"""`codex-assets show` and `list`: what is recorded of one media, and which media there are.

The tables are in `cli/views/media.py`; what is recorded, in `archive/`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Conditions, Limit, Store
from codex_assets.errors import MissingInput


def show(
    media_id: Annotated[str, typer.Argument(metavar="MEDIA", help="A media id.", show_default=False)],
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that is known of one media.

    That is: its upload, its outputs and where they lie, how, when and from what each of them was built, which are stale
    and why, and what the last checks found.

    Exit codes: `0`; `2` there is no such media, or the archive could not be read.

    ```
    codex-assets show holiday
    codex-assets show holiday --json | jq .stale
    ```
    """
    from codex_assets.archive.store import RecordStore
    from codex_assets.cli.views.media import media_json, media_sheet
    from codex_assets.library import published_media

    with command_frame.failures_end_with(UNCHECKED):
        try:
            settings = command_frame.load_settings(store)
            records = RecordStore(settings.stores().archive)
            media = published_media.read(media_id, records, extras=settings.extra_outputs)
        except ValueError:
            media = None
        if media is None:
            raise MissingInput(f"No media `{media_id}` is registered here; `codex-assets list` names those that are.")
    if as_json:
        console.say_json(media_json(media, settings.address))
    else:
        console.say(media_sheet(media, settings.address))
        console.say(f"\nSee and hear it: codex-assets open {media_id}{command_frame.store_option(store)}")


def list_(where: Conditions = None, limit: Limit = None, store: Store = None, as_json: AsJson = False) -> None:
    """List media: what is built, what is stale, and what the last check found.

    `codex-assets show MEDIA` has the details of one of them, and `codex-assets stale` the reasons. Media whose upload
    was refused are listed with the reason. The list comes from an index of the archive on this machine.

    Exit codes: `0`; `2` the archive, or a record in it, could not be read.

    ```
    codex-assets list
    codex-assets list --where creator=ann,stale
    ```
    """
    condition = command_frame.parse_where(where)
    from datetime import UTC, datetime

    from codex_assets.cli.views.long_table import LONG
    from codex_assets.cli.views.overview import overview_json, overview_lines, overview_table, overview_total

    with command_frame.failures_end_with(UNCHECKED):
        catalogue = command_frame.open_catalogue(command_frame.load_settings(store), condition)
        listed = list(catalogue.overview(condition))
        problems = catalogue.problems(condition)
    shown = listed[:limit]
    for media_id, record, problem in problems[:limit]:
        console.complain(f"{media_id}, `{record}`: {problem}.")
    if as_json:
        now = datetime.now(UTC)
        console.say_json([overview_json(media, now) for media in shown])
    elif not listed:
        console.say("No media yet." if where is None else "No media meets these conditions.")
    else:
        if len(shown) > LONG:
            console.say_lines(overview_lines(shown))
        else:
            console.say(overview_table(shown))
        console.say(overview_total(listed))
        command_frame.note_rest(len(listed) - len(shown))
    if problems:
        raise typer.Exit(UNCHECKED)
