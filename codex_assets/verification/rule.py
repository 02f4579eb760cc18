"""What a rule is, and the decorator that makes a function one.

In: name, description, severity and kinds of a rule, and the registry of all that were loaded. Out: the rules themselves
(`rules/`), and applying them (`judge.py`, which loads them all).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.kinds import ObservationKind


@dataclass(frozen=True)
class Rule:
    """A function that judges observations of some kinds, and what is to be known of it.

    `function` returns a finding without output, rule and severity, or None where the rule does not apply.
    `source` says who asks for the rule. A `gate` rule also judges what could not be read. One that `is_of_contract`
    judges our own outputs alone. `elsewhere` is its severity for HLS that others made; None is the same one.
    """

    name: str
    kinds: frozenset[ObservationKind]
    severity: Severity
    source: str
    description: str
    function: Callable[[Any], Finding | None]
    gate: bool = False
    is_of_contract: bool = False
    elsewhere: Severity | None = None


REGISTERED: dict[str, Rule] = {}
"""Rules by name, in the order in which their files were imported. Complete only once `judge.py` has been imported."""

RuleFunction = TypeVar("RuleFunction", bound=Callable[..., Finding | None])


def rule(
    *kinds: ObservationKind,
    source: str,
    severity: Severity = Severity.ERROR,
    gate: bool = False,
    is_of_contract: bool = False,
    elsewhere: Severity | None = None,
) -> Callable[[RuleFunction], RuleFunction]:
    """Register the decorated function as the rule of its own name; the first line of its docstring describes it.

    Raises `ValueError` when there is a rule of that name.
    """

    def register(function: RuleFunction) -> RuleFunction:
        name = function.__name__
        if name in REGISTERED:
            raise ValueError(f"two rules are called {name}")
        description = (function.__doc__ or "").strip().splitlines()[0]
        REGISTERED[name] = Rule(
            name, frozenset(kinds), severity, source, description, function, gate, is_of_contract, elsewhere
        )
        return function

    return register
