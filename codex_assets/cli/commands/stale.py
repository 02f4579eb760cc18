"""`codex-assets stale`: what is to be rebuilt, and why, of all media.

Answers from the catalogue. Exit code: 0 when nothing is to be rebuilt, 1 when something is, 2 when it could not be
found out. The tables are in `cli/views/stale.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Store
from codex_assets.cli.views.stale import Entry, count_reasons, say_stale
from codex_assets.config.settings import Settings
from codex_assets.library import catalogue, selection
from codex_assets.library.catalogue import Catalogue
from codex_assets.media.outputs import OUTPUTS


def stale(
    asset: Annotated[
        str | None,
        typer.Option("--asset", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help=selection.HELP, show_default=False)] = None,
    listed: Annotated[bool, typer.Option("--list", help="Every media and output, not only how many.")] = False,
    refresh: Annotated[
        bool | None,
        typer.Option(
            "--refresh/--no-refresh",
            help="Look at the archive before answering, or do not. By default it is looked at when the index is older "
            f"than {catalogue.SHARE} times what that takes.",
            show_default=False,
        ),
    ] = None,
    reindex: Annotated[bool, typer.Option("--reindex", help="Make the index anew from all records.")] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Which outputs are stale, and why, by output and reason.

    To be rebuilt is what was `never built`; whose `recipe changed` since, with the numbers; whose `input changed`; of
    which a `check failed` since it was built; and a `mezzanine missing` from the archive. Only told is what `follows`,
    because one of its inputs is to be rebuilt, and may then have to be as well; and what was `never checked`. Without
    its mezzanine nothing can be rebuilt, and without its original no mezzanine.

    Exit code: 0 when nothing is to be rebuilt, 1 when something is, 2 when it could not be found out.
    """
    condition = command_frame.where(where)
    wanted = outputs_named(asset)
    with command_frame.told(UNCHECKED):
        index = open_catalogue(command_frame.settings(store))
        update(index, refresh=refresh, reindex=reindex)
        age, _ = index.age()
        media = index.size()
        found = [
            (media_id, media_type, shown)
            for media_id, media_type, verdicts in index.verdicts(condition)
            if (shown := [one for one in verdicts.values() if one.causes and (not wanted or one.output in wanted)])
        ]
        problems = index.problems()
    work = sum(any(one.stale for one in shown) for _, _, shown in found)
    if as_json:
        console.say_json(_wire(found, media, work, age, problems))
    else:
        say_stale(found, media, work, age, problems, whole=listed)
    if work:
        raise typer.Exit(FAILED)


def open_catalogue(settings: Settings) -> Catalogue:
    return Catalogue(settings.catalogue, settings.stores().archive)


def outputs_named(text: str | None) -> list[str]:
    """The outputs of `--asset`; a usage error for one that there is not."""
    named = [one.rpartition("/")[2] for one in re.split(r"[,\s]+", text or "") if one]
    known = {one for outputs in OUTPUTS.values() for one in outputs}
    unknown = sorted(set(named) - known)
    if unknown:
        raise typer.BadParameter(f"there is no output {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    return named


def update(index: Catalogue, *, refresh: bool | None, reindex: bool = False) -> None:
    """Bring the index up to date as far as it was asked for, with progress when many records are to be read."""
    with progress.reading("reading records") as on_read:
        if reindex:
            index.reindex(on_read=on_read)
        elif refresh:
            index.refresh(on_read=on_read)
        elif refresh is None:
            index.fresh(on_read=on_read)


def _wire(
    found: Sequence[Entry], media: int, work: int, age: float | None, problems: list[tuple[str, str, str]]
) -> dict[str, Any]:
    counts, blocked = count_reasons(found)
    return {
        "media": media,
        "stale": work,
        "ageSeconds": None if age is None else round(age, 1),
        "counts": {
            output: {reason.value: count for reason, count in some.items()}
            | ({"cannot be rebuilt": blocked[output]} if blocked[output] else {})
            for output, some in counts.items()
        },
        "list": [
            {
                "mediaId": media_id,
                "mediaType": media_type,
                "output": one.output,
                "stale": one.stale,
                "reasons": [cause.wire() for cause in one.causes],
            }
            | ({"blocked": one.blocked} if one.blocked else {})
            for media_id, media_type, verdicts in found
            for one in verdicts
        ],
        "unreadable": [{"mediaId": media_id, "record": name} for media_id, name, _ in problems],
    }
