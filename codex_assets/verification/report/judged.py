"""The report of one judgement: observations with the findings on them, and nothing that was not judged so.

In: which rule said what, which rules apply to nothing, and putting a report together. Out: what was measured
(`measurements.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from codex_assets.archive.findings import Finding
from codex_assets.archive.notes import Note
from codex_assets.verification.judge import RULES, Observation
from codex_assets.verification.observations import LoudnessObservation
from codex_assets.verification.report import measurements
from codex_assets.verification.report.clauses import clauses_of
from codex_assets.verification.report.media_report import MediaReport, RuleResult


def report_of(
    title: str,
    kind: str,
    observations: Sequence[Observation],
    findings: Sequence[Finding],
    *,
    only: Collection[str] | None = None,
    unjudged: Iterable[LoudnessObservation] = (),
    notes: Iterable[Note] = (),
    problem: str | None = None,
) -> MediaReport:
    """The report of `findings`, all that the rules in `only` (None: every rule) gave on `observations`.

    `unjudged`: sounds that were measured, and no rule was asked about. `kind`: what it is of, in words.
    """
    results = tuple(_results(findings))
    asked = RULES.keys() if only is None else only
    applied = {result.name for result in results}
    return MediaReport(
        title,
        kind,
        problem,
        checks=len(findings),
        rules=results,
        not_applicable=tuple(name for name in asked if name not in applied),
        playlists=measurements.playlists(observations),
        loudness=measurements.loudness([*observations, *unjudged]),
        notes=tuple(notes),
        source=measurements.source(observations),
    )


def _results(findings: Iterable[Finding]) -> list[RuleResult]:
    """What each rule said, in the order of the rules."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return [
        RuleResult(
            name,
            rule.severity,
            rule.description,
            clauses_of(rule.source),
            passed=tuple(finding.output for finding in by_rule[name] if finding.passed),
            findings=tuple(finding for finding in by_rule[name] if not finding.passed),
        )
        for name, rule in RULES.items()
        if name in by_rule
    ]
