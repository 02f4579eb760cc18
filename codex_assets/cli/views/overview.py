"""Many media, a line each: `codex-assets list`, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.archive.refused import RefusedRecord
from codex_assets.cli.console import count_media, plural
from codex_assets.cli.views.long_table import long_table
from codex_assets.library.judged import Judged
from codex_assets.library.overview import MediaOverview
from codex_assets.quantities import byte_size, duration

NOT_BY_TODAYS_RULES = "not judged by today's rules"
_NAMES = ("media", "type", "creator", "outputs", "stale", "size", "length", "checked")
_NUMBERS = 5
"""The last columns."""


def overview_table(shown: Sequence[MediaOverview]) -> Group:
    """One line per media, and a sentence about each whose last upload was refused."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _NAMES[:-_NUMBERS]:
        table.add_column(name, overflow="fold")
    for name in _NAMES[-_NUMBERS:]:
        table.add_column(name, justify="right", no_wrap=True)
    for media in shown:
        table.add_row(*_row(media))
    sentences: list[RenderableType] = [
        refusal_line(media.refusal, is_all=media.is_refused) for media in shown if media.refusal is not None
    ]
    return Group(table, *sentences, *([""] if sentences else []))


def overview_lines(shown: Sequence[MediaOverview]) -> list[str]:
    """The same as plain text."""
    lines = list(long_table(_NAMES, [[cell.plain for cell in _row(media)] for media in shown], _NUMBERS))
    lines += [
        refusal_line(media.refusal, is_all=media.is_refused).plain for media in shown if media.refusal is not None
    ]
    return [*lines, ""]


def overview_total(listed: Sequence[MediaOverview]) -> str:
    """How many media are listed, and how many of them are stale, not judged by today's rules, or refused."""
    refused = sum(media.is_refused for media in listed)
    unjudged = sum(media.judged in (Judged.OLD, Judged.NEVER) for media in listed)
    total = f"{count_media(len(listed) - refused)}, {sum(bool(media.stale) for media in listed)} with stale outputs"
    total += f", {unjudged} {NOT_BY_TODAYS_RULES}" if unjudged else ""
    return total + (f"; {plural(refused, 'upload')} refused" if refused else "")


def overview_json(media: MediaOverview, now: datetime) -> dict[str, Any]:
    """A media as `list --json` has it, without what is not known of it; `show --json` has its records."""
    job = media.job
    values = {
        "media": media.media.model_dump(mode="json"),
        "state": media.state(now).value,
        "built": media.built,
        "of": len(media.verdicts),
        "stale": media.stale,
        "judged": media.judged,
        "bytes": media.bytes,
        "seconds": media.seconds,
        "builtAt": _moment(media.built_at),
        "encoder": media.encoder,
        "costUsd": media.cost_usd,
        "verifiedAt": media.verified_at,
        "failed": media.failed,
        "warned": media.warned,
        "failing": list(media.failing),
        "errorCode": media.error_code,
        "jobSeconds": job.seconds if job is not None else None,
    }
    known = {name: value for name, value in values.items() if value is not None or name == "judged"}
    refusal = media.refusal
    return known | {"refused": refusal.wire(is_all=media.is_refused) if refusal is not None else None}


def refusal_line(refusal: RefusedRecord, *, is_all: bool) -> Text:
    """Why a media's last upload was refused. `is_all`: there is nothing else of it."""
    what = "refused" if is_all else "its last upload was refused"
    line = Text.assemble((refusal.media.media_id, "bold"), f": {what}: {refusal.sentence}", overflow="fold")
    line.stylize("red" if is_all else "yellow", len(refusal.media.media_id) + 2)
    return line


def _row(media: MediaOverview) -> list[Text]:
    who = [Text(media.media.media_id, style="bold"), Text(media.media.media_type), Text(media.media.creator_id)]
    if media.is_refused:
        # Nothing was or will be built: no number says anything of it.
        return [*who, Text(), Text(), Text(), Text(), Text("refused", style="red")]
    return [
        *who,
        Text(f"{media.built}/{len(media.verdicts)}"),
        Text(str(len(media.stale)), style="yellow" if media.stale else "dim"),
        Text(byte_size(media.bytes)),
        Text(duration(media.seconds) if media.seconds is not None else ""),
        check_result(media.verified_at is not None, media.failed, media.warned, media.judged),
    ]


def check_result(is_verified: bool, failed: int, warned: int, judged: Judged | None) -> Text:
    """What the last verification found, and whether today's rules have judged what is published."""
    if not is_verified:
        return Text(NOT_BY_TODAYS_RULES, style="yellow") if judged is Judged.OLD else Text("never", style="dim")
    if failed:
        return Text(f"{failed} failed", style="red")
    if judged in (Judged.OLD, Judged.NEVER):
        return Text(NOT_BY_TODAYS_RULES, style="yellow")
    return Text(plural(warned, "warning"), style="yellow") if warned else Text("passed", style="green")


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
