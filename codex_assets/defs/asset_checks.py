"""The rules of the judge as asset checks: two of each output, what must be true of it and what should be.

A check's result lists the rules that failed; the rules themselves are those of records, jobs and the terminal. Results
come from the record when an output was built, and from an audit when checks run on their own over what is published
(`assets.py` does both). More checks than two make Dagster's pages unusable for thousands of media.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import dagster as dg

from codex_assets.archive.findings import Finding, Severity
from codex_assets.archive.records import OutputRecord
from codex_assets.defs.partitions import PARTITIONS
from codex_assets.media.outputs import OUTPUTS
from codex_assets.verification.judge import RULES
from codex_assets.verification.kinds import kinds_of
from codex_assets.verification.rule import Rule

MUST: Final = "must"
SHOULD: Final = "should"
CHECKS: Final = {MUST: Severity.ERROR, SHOULD: Severity.WARN}
"""The checks of an output, and the severity of the rules that each stands for."""
SEVERITY = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}
PAGE: Final = "docs/verification.md"
"""Where each rule has an anchor of its name."""
_NUMBER: Final = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")
_CONSEQUENCE: Final = {
    MUST: "Nothing that fails one of them is published.",
    SHOULD: "What fails one of them is published all the same.",
}
_WHICH: Final = (
    "Dagster shows this check as failed while the media that was judged last fails it. Which media fail: choose the "
    "failed ones on the page of the asset's partitions, or run `codex-assets failing`."
)


@cache
def rules(output: str) -> tuple[Rule, ...]:
    """The rules that an output is judged by."""
    wanted = frozenset(kinds_of(output))
    return tuple(rule for rule in RULES.values() if rule.kinds & wanted)


def specs(media_type: str, outputs: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """The checks of these outputs, each with the partition of its media."""
    return [_spec(media_type, output, check) for output in outputs for check in CHECKS if _of(check, output)]


def results(
    media_type: str, output: str, findings: Iterable[Finding], rule_set: str | None
) -> Iterator[dg.AssetCheckResult]:
    """One result per check of an output. A rule without a finding does not apply to the media.

    `findings`: those of the rules that do apply, about this output. `rule_set`: the rules that were asked, if known.
    """
    by_rule = {finding.rule: finding for finding in findings}
    for check, severity in CHECKS.items():
        asked = _of(check, output)
        if not asked:
            continue
        known = [by_rule[rule.name] for rule in asked if rule.name in by_rule]
        failed = [finding for finding in known if not finding.passed]
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey([media_type, output]),
            check_name=check,
            passed=not failed,
            severity=SEVERITY[severity],
            description=_said(failed, len(known), len(asked)),
            metadata=_metadata(failed, len(known), len(asked), rule_set),
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


def failed_rules(failed: Sequence[Finding]) -> dg.TableMetadataValue:
    """What failed, as a table: the rule, what it found where, and where it is described."""
    columns = ("output", "rule", "message", "expected", "found", "where", "page")
    rows = [
        dg.TableRecord(
            {
                "output": finding.output,
                "rule": finding.rule,
                "message": finding.message,
                "expected": finding.expected,
                "found": finding.observed,
                "where": finding.where,
                "page": f"{PAGE}#{finding.rule}",
            }
        )
        for finding in failed
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(rows, schema)


@cache
def _of(check: str, output: str) -> tuple[Rule, ...]:
    # An import asks it for every output of every media.
    return tuple(rule for rule in rules(output) if rule.severity is CHECKS[check])


def _spec(media_type: str, output: str, check: str) -> dg.AssetCheckSpec:
    count = len(_of(check, output))
    are = f"The {count} rules that {check} hold" if count > 1 else f"The rule that {check} hold"
    with warnings.catch_warnings():
        # `partitions_def` is a preview parameter of this release; without it one status would serve all media.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name=check,
            asset=dg.AssetKey([media_type, output]),
            description=f"{are} for this output ({PAGE}). {_CONSEQUENCE[check]} {_WHICH}",
            metadata={"rules": count, "page": PAGE},
            partitions_def=PARTITIONS[media_type],
        )


def _said(failed: Sequence[Finding], known: int, asked: int) -> str:
    if failed:
        return " ".join(f"{finding.rule}: {finding.message}" for finding in failed)
    if not known:
        return "None of its rules applies to this media."
    others = f"; {asked - known} do not apply to this media" if known < asked else ""
    return f"All of {known} rules hold{others}."


def _metadata(failed: Sequence[Finding], known: int, asked: int, rule_set: str | None) -> dict[str, Any]:
    """Numbers that Dagster plots from one result to the next, and what failed."""
    numbers: dict[str, Any] = {"rules_failed": len(failed), "rules_passed": known - len(failed)}
    numbers["rules_not_applicable"] = asked - known
    for finding in failed:
        number = _NUMBER.match(finding.observed)
        if number is not None:
            numbers[finding.rule] = float(number[0])
    table = {"failed": failed_rules(failed)} if failed else {}
    return {**table, **numbers, **({"rule_set": rule_set} if rule_set is not None else {})}


def checks_job(media_type: str, tags: Mapping[str, str]) -> Any:
    """The job `verify_video` or `verify_audio`: all checks of one media, over what is published.

    It is launched with the media's partition; `tags` are those of its runs.
    """
    keys = [dg.AssetKey([media_type, output]) for output in OUTPUTS[media_type] if kinds_of(output)]
    return dg.define_asset_job(
        f"verify_{media_type}",
        selection=dg.AssetSelection.checks_for_assets(*keys),
        description=f"Judge all of one {media_type} media that is published, by every rule. Nothing is encoded.",
        tags=tags,
    )
