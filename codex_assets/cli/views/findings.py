"""Findings of rules: of many media, of one folder, and of one rule across media. The rules are in `verification/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.archive.findings import Finding, Severity
from codex_assets.archive.notes import Note
from codex_assets.cli.console import count_media, plural
from codex_assets.cli.views.long_table import long_table
from codex_assets.library.catalogue import KeptFinding
from codex_assets.library.sweep import SweepResult
from codex_assets.quantities import duration
from codex_assets.verification.report.media_report import MediaReport, PlaylistReport, Rate

LISTED_FINDINGS = 20
"""A sweep with more findings than this counts them by rule; `failing` lists them."""

SEVERITY_COLOURS = {Severity.ERROR: "red", Severity.WARN: "yellow"}


def findings_table(findings: Sequence[Finding]) -> Table:
    """Of every output of one folder: how many checks passed, and the findings that did not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("passed", justify="right")
    table.add_column("rule", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for output in dict.fromkeys(finding.output for finding in findings):
        of_output = [finding for finding in findings if finding.output == output]
        bad = [finding for finding in of_output if not finding.passed]
        passed = Text(f"{len(of_output) - len(bad)} of {len(of_output)}", style="" if bad else "green")
        if not bad:
            table.add_row(output, passed, "", Text("all passed", style="green"))
        for number, finding in enumerate(bad):
            where = f" ({finding.where})" if finding.where else ""
            table.add_row(
                output if number == 0 else "",
                passed if number == 0 else "",
                Text(finding.rule, style=SEVERITY_COLOURS[finding.severity]),
                f"{finding.message}{where}",
            )
    return table


def hls_json(report: MediaReport, findings: Sequence[Finding]) -> dict[str, Any]:
    """Of one folder or URL: every output with its rates in bit/s, declared beside measured, every rule that was asked
    and of which outputs it holds, and the findings that did not pass."""
    playlists = {playlist.output: playlist for playlist in report.playlists}
    outputs = dict.fromkeys([*playlists, *(finding.output for finding in findings)])
    return {
        "checks": len(findings),
        "outputs": [
            _output_json(output, playlists.get(output), [each for each in findings if each.output == output])
            for output in outputs
        ],
        "rules": [
            {
                "rule": rule.name,
                "severity": rule.severity.value,
                "passed": list(rule.passed),
                "failed": [finding.output for finding in rule.findings],
            }
            for rule in report.rules
        ],
        "notApplicable": list(report.not_applicable),
        "findings": [_finding_json(finding) for finding in findings if not finding.passed],
    }


def _output_json(output: str, playlist: PlaylistReport | None, findings: Sequence[Finding]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "output": output,
        "checks": len(findings),
        "passed": sum(finding.passed for finding in findings),
    }
    if playlist is None:
        return values
    width, height = playlist.size or (None, None)
    values |= {
        "problem": playlist.problem,
        "seconds": round(playlist.duration, 3),
        "segments": len(playlist.segments),
        "width": width,
        "height": height,
        "frameRate": _rounded(playlist.frame_rate),
        "codecs": playlist.codecs,
        "declaredCodecs": playlist.declared_codecs,
        "bandwidth": _rate_json(playlist.peak),
        "averageBandwidth": _rate_json(playlist.average),
    }
    return {name: value for name, value in values.items() if value not in (None, {})}


def _rate_json(rate: Rate) -> dict[str, Any]:
    values = {"declared": rate.declared, "measured": None if rate.measured is None else round(rate.measured)}
    return {name: value for name, value in values.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def sweep_summary(results: Sequence[SweepResult], skipped: int, seconds: float, rule: str | None) -> Group:
    """What the check of many media found. `skipped` media were left out; `rule` is the only one applied, or None."""
    parts: list[RenderableType] = [*_problems(results), *_unchecked(results)]
    if len(results) <= LISTED_FINDINGS:
        parts += [note_line(note, result.media_id) for result in results for note in result.notes]
    if len(results) <= LISTED_FINDINGS:
        for result in results:
            if result.unbuilt and result.outcome != "unchecked":
                parts.append(Text(f"{result.media_id}: never built: {', '.join(result.unbuilt)}", style="yellow"))
    outcomes = Counter(result.outcome for result in results)
    checks = sum(result.checks for result in results)
    line = Text.assemble((count_media(len(results)), "bold"), ": ")
    line.append(f"{outcomes['passed']:,} passed", style="green" if outcomes["passed"] else "dim")
    line.append(", ").append(f"{outcomes['failed']:,} failed", style="bold red" if outcomes["failed"] else "dim")
    line.append(", ").append(f"{outcomes['unchecked']:,} not checked", style="red" if outcomes["unchecked"] else "dim")
    line.append(f"; {plural(checks, 'check')}{f' of {rule}' if rule else ''} in {duration(seconds)}")
    if len(results) > 1:
        line.append(f" ({seconds / len(results):.2f} s per media)")
    if skipped:
        line.append(f"; {skipped:,} left out by --where")
    return Group(*parts, line)


def _problems(results: Sequence[SweepResult]) -> list[RenderableType]:
    problems = [(result.media_id, finding) for result in results for finding in (*result.failed, *result.warned)]
    if len(problems) <= LISTED_FINDINGS:
        return [finding_line(f"{media_id} {finding.output}", finding) for media_id, finding in problems]
    return [
        rules_table(problems),
        Text("`codex-assets failing RULE` lists the media of a rule.", style="dim"),
    ]


def _unchecked(results: Sequence[SweepResult]) -> list[RenderableType]:
    unchecked = [result for result in results if result.outcome == "unchecked"]
    lines = [f"{result.media_id}: {result.problem}" for result in unchecked[:LISTED_FINDINGS]]
    if len(unchecked) > LISTED_FINDINGS:
        lines.append(f"... and {len(unchecked) - LISTED_FINDINGS} more")
    return [Text(line, style="red") for line in lines]


def sweep_json(results: Sequence[SweepResult], seconds: float) -> dict[str, Any]:
    """Totals, and every media with the findings that did not pass."""
    outcomes = Counter(result.outcome for result in results)
    return {
        "passed": outcomes["passed"],
        "failed": outcomes["failed"],
        "unchecked": outcomes["unchecked"],
        "checks": sum(result.checks for result in results),
        "seconds": round(seconds, 3),
        "media": [_result_json(result) for result in results],
    }


def _result_json(result: SweepResult) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mediaId": result.media_id,
        "mediaType": result.media.media_type if result.media is not None else None,
        "outcome": result.outcome,
        "problem": result.problem,
        "checks": result.checks,
        "findings": [_finding_json(finding) for finding in (*result.failed, *result.warned)],
        "notes": [note_json(note) for note in result.notes],
        "neverBuilt": list(result.unbuilt),
        "seconds": round(result.seconds, 3),
    }
    return {name: value for name, value in values.items() if value not in (None, [])}


def rules_table(problems: Iterable[tuple[str, Finding]]) -> Table:
    """How many media fail each rule, with examples. `problems` are (media id, finding)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("severity")
    table.add_column("media", justify="right")
    table.add_column("for example", overflow="fold")
    by_rule: dict[tuple[Severity, str], dict[str, None]] = {}
    for media_id, finding in problems:
        by_rule.setdefault((finding.severity, finding.rule), {})[media_id] = None
    for (severity, rule), media in sorted(by_rule.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1])):
        examples = ", ".join(list(media)[:3]) + (", ..." if len(media) > 3 else "")
        table.add_row(Text(rule, style=SEVERITY_COLOURS[severity]), severity.value, f"{len(media):,}", examples)
    return table


def failing_table(failed: Sequence[KeptFinding]) -> Table:
    """The findings of one rule, media by media."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("severity")
    table.add_column("finding", overflow="fold")
    for failure in failed:
        table.add_row(*_failing_row(failure))
    return table


def failing_lines(failed: Sequence[KeptFinding]) -> Iterator[str]:
    """The same as plain text."""
    return long_table(("media", "output", "severity", "finding"), list(map(_failing_row, failed)), 0)


def _failing_row(failure: KeptFinding) -> tuple[str, ...]:
    finding = failure.finding
    return (failure.media_id, finding.output, finding.severity.value, finding.message)


def failing_json(failed: Sequence[KeptFinding]) -> list[dict[str, Any]]:
    return [
        {"mediaId": failure.media_id, **_finding_json(failure.finding), "checkedAt": failure.checked_at}
        for failure in failed
    ]


def finding_line(subject: str, finding: Finding) -> Text:
    """A finding that did not pass. `subject`: the output, with its media where there are several."""
    mark = "✗" if finding.is_failure else "•"
    return Text.assemble(
        (f"{mark} {subject}: ", SEVERITY_COLOURS[finding.severity]), (f"{finding.rule}: ", "bold"), finding.message
    )


def note_line(note: Note, subject: str = "") -> Text:
    """What a viewer would complain of. `subject`: the media, where there are several."""
    return Text.assemble((f"note: {subject}: " if subject else "note: ", "cyan"), note.sentence)


def note_json(note: Note) -> dict[str, Any]:
    return {"kind": note.kind, "from": note.start, "to": note.end, "sentence": note.sentence}


def _finding_json(finding: Finding) -> dict[str, Any]:
    """A finding without its empty fields."""
    values = {"output": finding.output, "rule": finding.rule, "severity": finding.severity.value}
    values |= {"message": finding.message, "expected": finding.expected, "found": finding.observed}
    values |= {"where": finding.where}
    given: dict[str, Any] = {name: value for name, value in values.items() if value}
    return given if finding.at is None else given | {"at": round(finding.at, 3)}
