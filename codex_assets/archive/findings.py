"""What one rule says of one output: the only shape that a finding has, from the rule to the record, check and table.

In: `Finding` and its severities. Out: the rules and how they are applied (`verification/`), and the records that keep
findings (`records.py`, `check_results.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field


class Severity(StrEnum):
    """What it means that a rule is broken."""

    ERROR = "ERROR"
    """Playback or the contract breaks: the output must not be published."""
    WARN = "WARN"
    """The output is worse than it should be."""


@dataclass(frozen=True)
class Finding:
    """One rule's judgement of one output.

    A rule gives `passed`, `message`, `expected`, `observed` and `where`; `judge` adds `output`, `rule` and `severity`.
    Records leave `output` out, for they name it themselves, and put it back when they are read.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="ignore", validate_default=True, serialize_by_alias=True)
    """Validated defaults: a finding that is read from a record has to name its rule."""

    output: Annotated[str, Field(exclude=True)] = field(default="", kw_only=True)
    """Name of the output, such as `hls_720p`."""
    rule: Annotated[str, Field(min_length=1)] = field(default="", kw_only=True)
    """Name of the rule: a key of `verification.findings.RULES` when it was found, maybe of an older release."""
    severity: Severity = field(default=Severity.ERROR, kw_only=True)
    passed: bool
    message: str
    """One public sentence, without local paths."""
    expected: str = ""
    observed: Annotated[str, Field(alias="found")] = ""
    """What there is instead of `expected`; `found` in records."""
    where: str = ""
    """The place inside the output: a segment, a variant, a tag; or empty."""
    at: float | None = None
    """Seconds from the output's start to where the fault begins; None for one of the whole, or of no time."""

    @property
    def is_failure(self) -> bool:
        """Whether it forbids publishing the output."""
        return not self.passed and self.severity is Severity.ERROR

    @property
    def is_warning(self) -> bool:
        return not self.passed and self.severity is Severity.WARN


def findings_of(output: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same findings, each naming `output`: what a record of that output leaves out of them."""
    return tuple(finding if finding.output == output else replace(finding, output=output) for finding in findings)
