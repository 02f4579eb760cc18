"""`codex-assets stale`: which outputs of which media are not what they would be if they were built now, and why.

Answers from the catalogue. Exit code: 0 when nothing is to be rebuilt, 1 when something is, 2 when it could not be
found out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from codex_assets import catalogue, conditions, terminal
from codex_assets.catalogue import Catalogue
from codex_assets.commands import frame
from codex_assets.commands.frame import FAILED, UNCHECKED, AsJson, Store
from codex_assets.media import recipe
from codex_assets.resources import Settings
from codex_assets.staleness import REBUILT, Reason, Verdict

SHOWN = 20
"""Media that are listed without being asked for."""

Entry = tuple[str, str, list[Verdict]]


def stale(
    asset: Annotated[
        str | None,
        typer.Option("--asset", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help=conditions.HELP, show_default=False)] = None,
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
    condition = frame.where(where)
    wanted = outputs_named(asset)
    with frame.told(UNCHECKED):
        index = open_catalogue(frame.settings(store))
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
        terminal.say_json(_wire(found, media, work, age, problems))
    else:
        _say(found, media, work, age, problems, whole=listed)
    if work:
        raise typer.Exit(FAILED)


def open_catalogue(settings: Settings) -> Catalogue:
    return Catalogue(settings.catalogue, settings.stores().archive)


def outputs_named(text: str | None) -> list[str]:
    """The outputs of `--asset`; a usage error for one that there is not."""
    named = [one.rpartition("/")[2] for one in re.split(r"[,\s]+", text or "") if one]
    known = {one for outputs in recipe.OUTPUTS.values() for one in outputs}
    unknown = sorted(set(named) - known)
    if unknown:
        raise typer.BadParameter(f"there is no output {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    return named


def update(index: Catalogue, *, refresh: bool | None, reindex: bool = False) -> None:
    """Bring the index up to date as far as it was asked for, with progress when many records are to be read."""
    with terminal.reading("reading records") as on_read:
        if reindex:
            index.reindex(on_read=on_read)
        elif refresh:
            index.refresh(on_read=on_read)
        elif refresh is None:
            index.fresh(on_read=on_read)


def _counts(found: Sequence[Entry]) -> tuple[dict[str, Counter[Reason]], Counter[str]]:
    order = list(dict.fromkeys(output for outputs in recipe.OUTPUTS.values() for output in outputs))
    counts: dict[str, Counter[Reason]] = {output: Counter() for output in order}
    blocked: Counter[str] = Counter()
    for _, _, verdicts in found:
        for one in verdicts:
            counts[one.output].update({cause.reason for cause in one.causes})
            blocked[one.output] += one.blocked is not None and any(cause.reason in REBUILT for cause in one.causes)
    return {output: some for output, some in counts.items() if some}, blocked


def _say(
    found: Sequence[Entry],
    media: int,
    work: int,
    age: float | None,
    problems: list[tuple[str, str, str]],
    *,
    whole: bool,
) -> None:
    counts, blocked = _counts(found)
    if counts:
        terminal.say(terminal.stale_table(counts, blocked))
    if whole or 0 < len(found) <= SHOWN:
        for media_id, media_type, verdicts in found:
            terminal.say(Text.assemble((media_id, "bold"), f"  {media_type}"))
            for one in verdicts:
                terminal.say(Text("  ").append_text(terminal.verdict(one)))
    elif found:
        terminal.note("`--list` names every media and output.")
    for media_id, name, problem in problems[:SHOWN]:
        terminal.complain(f"{media_id}, {name}: {problem}.")
    outputs = sum(one.stale for _, _, verdicts in found for one in verdicts)
    told = f"{terminal.plural(media, 'media', 'media')}: "
    if work:
        told += f"{terminal.plural(outputs, 'output')} of {work:,} to be rebuilt"
    else:
        told += "nothing to be rebuilt"
    terminal.say(f"{told} (as of {_moment(age)})")


def _moment(age: float | None) -> str:
    if age is None:
        return "never: the index is empty"
    when = datetime.now(UTC) - timedelta(seconds=age)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" + (f", {terminal.lasting(age)} ago" if age >= 1 else "")


def _wire(
    found: Sequence[Entry], media: int, work: int, age: float | None, problems: list[tuple[str, str, str]]
) -> dict[str, Any]:
    counts, blocked = _counts(found)
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
