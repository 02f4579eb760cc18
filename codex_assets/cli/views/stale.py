"""What `stale` prints: how many outputs for each reason, and, where there are few or all are asked for, which ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets import quantities
from codex_assets.cli import console
from codex_assets.library.judged import Judged
from codex_assets.library.staleness import REBUILT, StaleReason, Verdict
from codex_assets.media.outputs import OUTPUTS

LISTED_MEDIA = 20
"""Media that are named without `--list`, and records that cannot be read."""


@dataclass(frozen=True)
class StaleMedia:
    """A media with the verdicts on those of its outputs that are not as they would be if they were built now."""

    media_id: str
    media_type: str
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class StaleReport:
    """What the catalogue says. `media_count` counts all media, `media` are those with something to report.

    `age_seconds`: since the catalogue was compared with the archive; None: never. `unreadable` are (media id, record,
    problem). `judged`: outputs by the rules that judged them; `unjudged_media`: media with one that was not judged by
    today's.
    """

    media_count: int
    media: Sequence[StaleMedia]
    age_seconds: float | None
    unreadable: Sequence[tuple[str, str, str]]
    judged: Mapping[Judged, int] = field(default_factory=dict)
    unjudged_media: int = 0
    refused_count: int = 0
    """Media of which there is nothing but a refused upload: they are not among `media_count`."""

    @property
    def stale_count(self) -> int:
        """Media of which something is to be rebuilt."""
        return sum(any(verdict.is_stale for verdict in media.verdicts) for media in self.media)

    @property
    def output_count(self) -> int:
        """Outputs that are to be rebuilt."""
        return sum(verdict.is_stale for media in self.media for verdict in media.verdicts)

    @property
    def is_short(self) -> bool:
        """Whether every media is named without being asked for."""
        return len(self.media) <= LISTED_MEDIA

    @property
    def unreadable_examples(self) -> Sequence[tuple[str, str, str]]:
        return self.unreadable[:LISTED_MEDIA]

    def reasons(self) -> dict[str, Counter[StaleReason]]:
        """Media by output and reason, in the order of outputs."""
        order = list(dict.fromkeys(output for outputs in OUTPUTS.values() for output in outputs))
        counts: dict[str, Counter[StaleReason]] = {output: Counter() for output in order}
        for media in self.media:
            for verdict in media.verdicts:
                counts[verdict.output].update({cause.reason for cause in verdict.causes})
        return {output: reasons for output, reasons in counts.items() if reasons}

    def blocked(self) -> Counter[str]:
        """By output: media of which it should be rebuilt, and cannot be."""
        return Counter(
            verdict.output
            for media in self.media
            for verdict in media.verdicts
            if verdict.blocked is not None and any(cause.reason in REBUILT for cause in verdict.causes)
        )


def report_counts(report: StaleReport) -> Group:
    """Counts by output and reason."""
    reasons = report.reasons()
    return Group(*([_reasons_table(reasons, report.blocked())] if reasons else []))


def report_lines(report: StaleReport, limit: int | None = None) -> list[Text]:
    """The media, at most `limit`, each with its outputs below it."""
    lines = []
    for media in report.media[:limit]:
        lines.append(Text.assemble((media.media_id, "bold"), f"  {media.media_type}"))
        lines += [Text("  ").append_text(verdict_line(verdict)) for verdict in media.verdicts]
    return lines


def report_total(report: StaleReport) -> Group:
    """How much is to be rebuilt, as of when; what was refused, and what was not judged by today's rules."""
    parts: list[RenderableType] = []
    total = f"{console.count_media(report.media_count)}: "
    if report.stale_count:
        total += f"{console.plural(report.output_count, 'output')} of {console.count_media(report.stale_count)}"
        total += " to be rebuilt"
    else:
        total += "nothing to be rebuilt"
    parts.append(f"{total} (as of {_moment(report.age_seconds)})")
    if report.refused_count:
        refused = f"the uploads of {console.count_media(report.refused_count)} more were refused"
        parts.append(f"{refused}: `codex-assets list` says why")
    parts += _unjudged(report)
    return Group(*parts)


def report_json(report: StaleReport, *, limit: int | None = None) -> dict[str, Any]:
    """All counts, and each output of all media, or of `limit`."""
    blocked = report.blocked()
    return {
        "media": report.media_count,
        "stale": report.stale_count,
        "refused": report.refused_count,
        "ageSeconds": None if report.age_seconds is None else round(report.age_seconds, 1),
        "judged": {judged.value: report.judged.get(judged, 0) for judged in Judged},
        "counts": {
            output: {reason.value: count for reason, count in reasons.items()}
            | ({"cannot be rebuilt": blocked[output]} if blocked[output] else {})
            for output, reasons in report.reasons().items()
        },
        "list": [_verdict_json(media, verdict) for media in report.media[:limit] for verdict in media.verdicts],
        "unreadable": [{"mediaId": media_id, "record": record} for media_id, record, _ in report.unreadable],
    }


def verdict_line(verdict: Verdict) -> Text:
    """An output, why it is not as it would be if it were built now, and why it cannot be rebuilt."""
    style = "yellow" if verdict.is_stale else "dim"
    line = Text.assemble((verdict.output, "cyan"), ": ", ("; ".join(map(str, verdict.causes)), style))
    if verdict.blocked and any(cause.reason in REBUILT for cause in verdict.causes):
        line.append(f" (cannot be rebuilt: {verdict.blocked})", style="red")
    return line


def _unjudged(report: StaleReport) -> list[str]:
    """A line on what was not judged by today's rules, if there is any."""
    outputs = report.judged.get(Judged.OLD, 0) + report.judged.get(Judged.NEVER, 0)
    if not outputs:
        return []
    return [
        f"{console.plural(outputs, 'output')} of {console.count_media(report.unjudged_media)} not judged by today's"
        " rules: `codex-assets verify --where judged=old+never` does it"
    ]


def _verdict_json(media: StaleMedia, verdict: Verdict) -> dict[str, Any]:
    return {
        "mediaId": media.media_id,
        "mediaType": media.media_type,
        "output": verdict.output,
        "stale": verdict.is_stale,
        "judged": verdict.judged,
        "reasons": [cause.wire() for cause in verdict.causes],
    } | ({"blocked": verdict.blocked} if verdict.blocked else {})


def _reasons_table(counts: Mapping[str, Mapping[StaleReason, int]], blocked: Mapping[str, int]) -> Table:
    reasons = [reason for reason in StaleReason if any(by_reason.get(reason) for by_reason in counts.values())]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for reason in reasons:
        table.add_column(reason.value, justify="right", no_wrap=True)
    if blocked:
        table.add_column("cannot be rebuilt", justify="right", no_wrap=True)
    for output, by_reason in counts.items():
        row = [
            Text(
                f"{by_reason[reason]:,}" if by_reason.get(reason) else "",
                style="yellow" if reason in REBUILT else "dim",
            )
            for reason in reasons
        ]
        if blocked:
            row.append(Text(f"{blocked[output]:,}" if blocked.get(output) else "", style="red"))
        table.add_row(output, *row)
    return table


def _moment(age_seconds: float | None) -> str:
    if age_seconds is None:
        return "never: the index is empty"
    when = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" + (f", {quantities.duration(age_seconds)} ago" if age_seconds >= 1 else "")
