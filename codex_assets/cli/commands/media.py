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
            media = published_media.read(media_id, RecordStore(settings.stores().archive))
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
    was refused are listed with the reason.

    Exit codes: `0`; `2` the archive could not be read.

    ```
    codex-assets list
    codex-assets list --where creator=ann,stale
    ```
    """
    condition = command_frame.parse_where(where)
    from codex_assets.cli.views.media import media_json, media_table
    from codex_assets.library import published_media

    with command_frame.failures_end_with(UNCHECKED):
        stores = command_frame.load_settings(store).stores()
        listed = list(published_media.read_all(stores, condition))
    shown = listed[:limit]
    if as_json:
        console.say_json([media_json(media) for media in shown])
    elif listed:
        console.say(media_table(shown, listed))
        command_frame.note_rest(len(listed) - len(shown))
    else:
        console.say("No media yet." if where is None else "No media meets these conditions.")
