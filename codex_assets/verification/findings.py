"""What a rule, a finding and a verdict are, and how all rules of a kind are applied to an observation.

In: the decorator that makes a function a rule, with its docstring as the description, and severities. Out: the rules
themselves (`rules/`), and the fields of observations (`observations.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar


class Severity(StrEnum):
    ERROR = "ERROR"
    WARN = "WARN"


class Kind(StrEnum):
    """What an observation is of."""

    MEZZANINE = "mezzanine"
    VARIANT = "variant"
    PREVIEW = "preview"
    MASTER = "master"
    THUMBNAIL = "thumbnail"
    LOUDNESS = "loudness"
    WAVEFORM_JSON = "waveform_json"
    WAVEFORM_PNG = "waveform_png"


@dataclass(frozen=True)
class Finding:
    """One rule on one output. `message` is a public sentence; `where` is the place inside the output, or empty."""

    output: str
    rule: str
    severity: Severity
    passed: bool
    message: str
    expected: str
    found: str
    where: str


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one observation; `judge` adds who said it of what."""

    passed: bool
    message: str
    expected: str
    found: str
    where: str = ""


class Observation(Protocol):
    """What every observation has. An unreadable one is judged by the gate rules alone."""

    @property
    def output(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def readable(self) -> bool: ...


@dataclass(frozen=True)
class Rule:
    """`gate` rules also judge what could not be read."""

    name: str
    kinds: frozenset[Kind]
    severity: Severity
    source: str
    description: str
    verdict: Callable[[Any], Verdict | None]
    gate: bool = False


RULES: dict[str, Rule] = {}
Judge = TypeVar("Judge", bound=Callable[..., Verdict | None])


def rule(
    *kinds: Kind, source: str, severity: Severity = Severity.ERROR, gate: bool = False
) -> Callable[[Judge], Judge]:
    """Register the decorated function as the rule of its own name."""

    def register(function: Judge) -> Judge:
        name = function.__name__
        if name in RULES:
            raise ValueError(f"two rules are called {name}")
        description = (function.__doc__ or "").strip().splitlines()[0]
        RULES[name] = Rule(name, frozenset(kinds), severity, source, description, function, gate)
        return function

    return register


def rules_for(kind: Kind) -> tuple[Rule, ...]:
    return tuple(one for one in RULES.values() if kind in one.kinds)


def judge(observation: Observation, *, only: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """Every applicable rule's finding on `observation` (of the rules named in `only`, or of all)."""
    wanted = None if only is None else frozenset(only)
    findings = []
    for one in rules_for(observation.kind):
        if (wanted is not None and one.name not in wanted) or not (observation.readable or one.gate):
            continue
        verdict = one.verdict(observation)
        if verdict is not None:
            told = (verdict.passed, verdict.message, verdict.expected, verdict.found, verdict.where)
            findings.append(Finding(observation.output, one.name, one.severity, *told))
    return tuple(findings)


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings for which an output must not be published."""
    return tuple(one for one in findings if not one.passed and one.severity is Severity.ERROR)


def warnings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if not one.passed and one.severity is Severity.WARN)


@dataclass(frozen=True)
class Problem:
    """One place where something is wrong, for a verdict over many places."""

    where: str
    found: str
    sentence: str


def over_all(problems: Sequence[Problem], *, expected: str, fine: str, found: str = "all of them") -> Verdict:
    """One verdict over many places: the first problem is told, the others are counted."""
    if not problems:
        return Verdict(True, fine, expected, found)
    first = problems[0]
    more = f" ({len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return Verdict(False, first.sentence.rstrip(".") + more + ".", expected, first.found, first.where)


def equal(what: str, expected: object, found: object, *, where: str = "") -> Verdict:
    """Passed when what was found is what was expected."""
    passed = expected == found
    verb = f"is {found}" if passed else f"is {found}, not {expected}"
    return Verdict(passed, f"{what} {verb}.", str(expected), str(found), where)


def near(what: str, expected: float, found: float, tolerance: float, *, unit: str = "s", digits: int = 3) -> Verdict:
    passed = abs(found - expected) <= tolerance
    told = f"{what} is {found:.{digits}f} {unit}"
    message = f"{told}." if passed else f"{told}, not {expected:.{digits}f} {unit}."
    return Verdict(
        passed, message, f"{expected:.{digits}f} ± {tolerance:.{digits}f} {unit}", f"{found:.{digits}f} {unit}"
    )


def summary(findings: Iterable[Finding]) -> Mapping[str, int]:
    """How many findings passed, warn and fail."""
    told = list(findings)
    failed, warned = len(failures(told)), len(warnings(told))
    return {"passed": len(told) - failed - warned, "warned": warned, "failed": failed}
