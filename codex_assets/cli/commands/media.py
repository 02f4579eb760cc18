"""`codex-assets show` and `list`: what is recorded of one media, and which media there are.

The tables are in `cli/views/media.py`; what is recorded, in `archive/`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codex_assets.archive.store import RecordStore
from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import AsJson, Store
from codex_assets.cli.views.media import media_sheet, media_table
from codex_assets.errors import MissingInput
from codex_assets.library import published_media
from codex_assets.library.published_media import Media


def show(
    media: Annotated[str, typer.Argument(help="A media id.", show_default=False)],
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """What is known of a media: its outputs, how and when each was built, and what its checks found."""
    with command_frame.told():
        try:
            known = published_media.read(media, RecordStore(command_frame.settings(store).stores().archive))
        except ValueError:
            known = None
        if known is None:
            raise MissingInput(f"No media `{media}` is registered here; `codex-assets list` names those that are.")
    if as_json:
        console.say_json(_known(known))
    else:
        console.say(media_sheet(known))


def list_(
    where: Annotated[
        str | None, typer.Option("--where", help="Only these; see `verify --help`.", show_default=False)
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Every registered media: what is built, what is stale, and what the last check found."""
    condition = command_frame.where(where)
    with command_frame.told():
        stores = command_frame.settings(store).stores()
        found = [one for one in published_media.read_all(stores) if one.meets(condition)]
    if as_json:
        console.say_json([_known(one) for one in found])
    elif found:
        console.say(media_table(found))
        stale = sum(1 for one in found if one.stale)
        console.say(f"{console.plural(len(found), 'media', 'media')}, {stale} with stale outputs")
    else:
        console.say("No media yet." if where is None else "No media for which this holds.")


def _known(known: Media) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, record in known.outputs.items():
        if record is not None:
            outputs[name] = {**record.model_dump(mode="json", exclude_none=True), "stale": name in known.stale}
    verification = known.verification
    return {
        "media": known.media.model_dump(mode="json"),
        "outputs": outputs,
        "stale": known.stale,
        "reasons": {
            name: [cause.wire() for cause in verdict.causes]
            for name, verdict in known.verdicts.items()
            if verdict.causes
        },
        "verification": verification.model_dump(mode="json") if verification is not None else None,
    }
