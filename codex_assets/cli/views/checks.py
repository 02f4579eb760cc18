"""Tables of findings, rules and the doctor's checks. What they mean is decided in `verification/` and `readiness/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets.archive.findings import Finding, Severity
from codex_assets.cli.console import lasting, plural
from codex_assets.library.sweep import Result
from codex_assets.readiness.doctor import Check
from codex_assets.readiness.doctor import Status as Health

SHOWN_FINDINGS = 20
"""Above this many findings a sweep's summary counts them, and `failing` lists them."""
SEVERITY_COLOURS = {Severity.ERROR: "red", Severity.WARN: "yellow"}
MARKS = {Health.OK: ("✓", "green"), Health.NOTE: ("•", "yellow"), Health.PROBLEM: ("✗", "red")}


def doctor_table(checks: Sequence[Check]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    group = ""
    for check in checks:
        if check.group != group:
            if group:
                table.add_row()
            group = check.group
            shown = group
        else:
            shown = ""
        mark, colour = MARKS[check.status]
        found = Text(check.found, style="" if check.status is Health.OK else colour)
        table.add_row(Text(mark, style=colour), shown, check.name, found)
        if check.advice:
            table.add_row(
                "", "", "", Text(f"→ {check.advice}", style="bold" if check.status is Health.PROBLEM else "dim")
            )
    return table


def findings(found: Sequence[Finding]) -> Table:
    """What did not pass, and how much did, per output of one folder."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("passed", justify="right")
    table.add_column("rule", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for output in dict.fromkeys(one.output for one in found):
        own = [one for one in found if one.output == output]
        bad = [one for one in own if not one.passed]
        first: str | Text = Text(f"{len(own) - len(bad)} of {len(own)}", style="green" if not bad else "")
        for name, one in [(output, one) for one in bad[:1]] + [("", one) for one in bad[1:]]:
            where = f" ({one.where})" if one.where else ""
            table.add_row(name, first, Text(one.rule, style=SEVERITY_COLOURS[one.severity]), f"{one.message}{where}")
            first = ""
        if not bad:
            table.add_row(output, first, "", Text("all passed", style="green"))
    return table


def sweep_summary(results: Sequence[Result], skipped: int, seconds: float, rule: str | None) -> Group:
    """What many media came to."""
    outcomes = Counter(one.outcome for one in results)
    checks = sum(one.checks for one in results)
    parts: list[RenderableType] = []
    problems = [(one.media_id, finding) for one in results for finding in (*one.failed, *one.warned)]
    if problems and len(problems) <= SHOWN_FINDINGS:
        parts += [failure(f"{media_id} {finding.output}", finding) for media_id, finding in problems]
    elif problems:
        parts.append(rules_table(problems))
        parts.append(Text("`codex-assets failing RULE` lists the media of a rule.", style="dim"))
    unchecked = [one for one in results if one.outcome == "unchecked"]
    parts += [Text(f"{one.media_id}: {one.problem}", style="red") for one in unchecked[:SHOWN_FINDINGS]]
    if len(unchecked) > SHOWN_FINDINGS:
        parts.append(Text(f"... and {len(unchecked) - SHOWN_FINDINGS} more", style="red"))
    for one in results:
        if one.unbuilt and one.outcome != "unchecked" and len(results) <= SHOWN_FINDINGS:
            parts.append(Text(f"{one.media_id}: never built: {', '.join(one.unbuilt)}", style="yellow"))
    told = Text.assemble((plural(len(results), "media", "media"), "bold"), ": ")
    told.append(f"{outcomes['passed']:,} passed", style="green" if outcomes["passed"] else "dim")
    told.append(", ").append(f"{outcomes['failed']:,} failed", style="bold red" if outcomes["failed"] else "dim")
    told.append(", ").append(f"{outcomes['unchecked']:,} not checked", style="red" if outcomes["unchecked"] else "dim")
    told.append(f"; {plural(checks, 'check')}{f' of {rule}' if rule else ''} in {lasting(seconds)}")
    if len(results) > 1:
        told.append(f" ({seconds / len(results):.2f} s per media)")
    if skipped:
        told.append(f"; {skipped:,} left out by --where")
    return Group(*parts, told)


def rules_table(failing: Iterable[tuple[str, Finding]]) -> Table:
    """How many media fail each rule, of (media id, finding)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("severity")
    table.add_column("media", justify="right")
    table.add_column("for example", overflow="fold")
    by_rule: dict[tuple[Severity, str], dict[str, None]] = {}
    for media_id, finding in failing:
        by_rule.setdefault((finding.severity, finding.rule), {})[media_id] = None
    for (severity, rule), media in sorted(by_rule.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1])):
        examples = ", ".join(list(media)[:3]) + (", ..." if len(media) > 3 else "")
        table.add_row(Text(rule, style=SEVERITY_COLOURS[severity]), severity.value, f"{len(media):,}", examples)
    return table


def failing_table(failing: Iterable[tuple[str, Finding]]) -> Table:
    """Findings of one rule, of (media id, finding)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("severity")
    table.add_column("finding", overflow="fold")
    for media_id, finding in failing:
        table.add_row(media_id, finding.output, finding.severity.value, finding.message)
    return table


def failure(subject: str, finding: Finding) -> Text:
    """One line for a finding that did not pass. `subject`: what it is about, such as media and output."""
    mark = "✗" if finding.is_failure else "•"
    return Text.assemble(
        (f"{mark} {subject}: ", SEVERITY_COLOURS[finding.severity]), (f"{finding.rule}: ", "bold"), finding.message
    )
