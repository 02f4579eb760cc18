"""The judge: all rules, in the order in which they are listed and applied, and their findings on an observation.

Importing this module loads every rule, so that no judge is without them. In: which rules apply. Out: the rules
(`rules/`), what a rule is (`rule.py`), and what can be observed (`observations.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

import codex_assets.verification.rules  # noqa: F401 - a judge without its rules passes everything
from codex_assets.archive.findings import Finding
from codex_assets.verification.causes import without_repetition
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import VariantObservation
from codex_assets.verification.rule import REGISTERED, Rule

RULES: Mapping[str, Rule] = MappingProxyType(REGISTERED)
"""Every rule by its name, in order."""


EDITION = 5
"""Raised when a rule finds something else under its old name."""


def rule_set() -> str:
    """Which rules judge today: 12 hex digits of their names and their edition."""
    return hashlib.sha256("\n".join([str(EDITION), *sorted(RULES)]).encode()).hexdigest()[:12]


class Observation(Protocol):
    """What every observation has: the name of the output that it is of, its kind, and whether it could be read.

    One that could not be read is judged by the gate rules alone.
    """

    @property
    def output(self) -> str: ...
    @property
    def kind(self) -> ObservationKind: ...
    @property
    def readable(self) -> bool: ...


def rules_for(kind: ObservationKind) -> tuple[Rule, ...]:
    """The rules that judge observations of a kind, in order."""
    return tuple(rule for rule in RULES.values() if kind in rule.kinds)


def judge(observation: Observation, *, only: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """The findings of every rule that applies to `observation`, passed or not.

    `only`: names of the rules that are asked; None asks all of them.
    """
    wanted = None if only is None else frozenset(only)
    # Only playlists may be of others.
    is_ours = getattr(observation, "is_ours", True)
    findings = []
    for rule in rules_for(observation.kind):
        if (wanted is not None and rule.name not in wanted) or not (observation.readable or rule.gate):
            continue
        if rule.is_of_contract and not is_ours:
            continue
        finding = rule.function(observation)
        if finding is not None:
            severity = rule.severity if is_ours else rule.elsewhere or rule.severity
            findings.append(
                replace(
                    finding,
                    output=observation.output,
                    rule=rule.name,
                    severity=severity,
                    at=_time_of(observation, finding),
                )
            )
    return without_repetition(findings)


def _time_of(observation: Observation, finding: Finding) -> float | None:
    """When a finding's fault begins: as its rule says, else where the segment that it names begins."""
    if finding.passed or finding.at is not None or not isinstance(observation, VariantObservation):
        return finding.at
    begins = 0.0
    for segment in observation.segments:
        if segment.name == finding.where:
            return round(begins, 3)
        begins += segment.extinf
    return None


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those findings that forbid publishing."""
    return tuple(finding for finding in findings if finding.is_failure)
