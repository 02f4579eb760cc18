"""The rules of the judge as asset checks: which check belongs to which asset, and a finding as an evaluation.

They run where an output is built, on the files before they are published, and on their own over what is published
(`assets.py` does both). A rule that does not apply to a media passes and says so.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from codex_assets.archive.findings import Finding, Severity
from codex_assets.archive.records import OutputRecord
from codex_assets.defs.partitions import PARTITIONS
from codex_assets.media.outputs import OUTPUTS
from codex_assets.verification.judge import RULES
from codex_assets.verification.kinds import kinds_of
from codex_assets.verification.rule import Rule

SEVERITY = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}


def rules(output: str) -> tuple[Rule, ...]:
    """The rules that an output is judged by."""
    wanted = frozenset(kinds_of(output))
    return tuple(rule for rule in RULES.values() if rule.kinds & wanted)


def specs(media_type: str, outputs: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """One check per output and rule, each with the partition of its media."""
    return [_spec(media_type, output, rule) for output in outputs for rule in rules(output)]


def _spec(media_type: str, output: str, rule: Rule) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        # `partitions_def` is a preview parameter of this release; without it one status would serve all media.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name=rule.name,
            asset=dg.AssetKey([media_type, output]),
            description=f"{rule.description} ({rule.source})",
            metadata={"severity": rule.severity.value, "source": rule.source},
            partitions_def=PARTITIONS[media_type],
        )


def results(
    media_type: str, output: str, findings: Iterable[Finding], rule_set: str | None
) -> Iterator[dg.AssetCheckResult]:
    """One result per rule of an output, in the rules' order: its finding, or that the rule does not apply.

    `findings`: those of the rules that do apply, about this output. `rule_set`: the rules that were asked, if known.
    """
    asked: dict[str, Any] = {"rule_set": rule_set} if rule_set is not None else {}
    by_rule = {finding.rule: finding for finding in findings}
    for rule in rules(output):
        finding = by_rule.get(rule.name)
        shown = asked | (_metadata(finding) if finding is not None else {"applies": False})
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey([media_type, output]),
            check_name=rule.name,
            passed=finding.passed if finding is not None else True,
            severity=SEVERITY[rule.severity],
            description=finding.message if finding is not None else "Does not apply to this media.",
            # In the order in which Dagster stores it.
            metadata=dict(sorted(shown.items())),
        )


def evaluations(
    record: OutputRecord, findings: Iterable[Finding], rule_set: str | None
) -> Iterator[dg.AssetCheckEvaluation]:
    """The same as `results`, as the events that a run would have left; they name no materialization yet."""
    for result in results(record.media_type, record.output, findings, rule_set):
        assert result.asset_key is not None
        assert result.check_name is not None
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
            description=result.description,
            partition=record.media_id,
        )


def _metadata(finding: Finding) -> dict[str, str]:
    fields = {"expected": finding.expected, "found": finding.observed, "where": finding.where}
    return {name: value for name, value in fields.items() if value}


def checks_job(media_type: str, tags: Mapping[str, str]) -> Any:
    """The job `verify_video` or `verify_audio`: all checks of one media, over what is published.

    It is launched with the media's partition; `tags` are those of its runs.
    """
    keys = [dg.AssetKey([media_type, output]) for output in OUTPUTS[media_type] if kinds_of(output)]
    return dg.define_asset_job(
        f"verify_{media_type}",
        selection=dg.AssetSelection.checks_for_assets(*keys),
        description=f"Run every check of one {media_type} media over what is published. Nothing is encoded.",
        tags=tags,
    )
