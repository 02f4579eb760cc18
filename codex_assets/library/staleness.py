"""Which outputs of a media are stale, and why: one verdict per output. The only definition of "stale" that there is.

An output is stale, and is rebuilt, when it was never built, when another recipe built it, when it was built from other
inputs than there are now, when it broke a rule since it was built, and when it is a mezzanine whose file is gone. An
optional output that was never built is stale only where it is asked for. Two
more causes are reported and do not make it stale: that an input of it is to be rebuilt (it becomes stale only if that
input then has other contents), and that it was never checked. An output that cannot be rebuilt is not stale either:
without the original there is no mezzanine, and without the mezzanine nothing else, unless the two are built together.
That other versions of the tools built it makes an output stale only where that is asked for. That other rules than
today's judged it never does; a verdict says so (`judged.py`).

In: facts of a media (`media_facts.py`), compared with the recipes that the code has now. No I/O, no Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.records import OutputRecord
from codex_assets.library.judged import Judged, judged_by
from codex_assets.library.media_facts import (
    MediaFacts,
    OutputFacts,
    check_summaries,
    media_facts,
    recipe_key,
    record_facts,
)
from codex_assets.media import outputs as media_outputs
from codex_assets.media import recipe, target_format
from codex_assets.media.outputs import MEZZANINE, PREVIEW
from codex_assets.verification.judge import rule_set
from codex_assets.verification.kinds import kinds_of


class StaleReason(StrEnum):
    """Why an output is not, or may not be, what it would be if it were built now."""

    NEVER_BUILT = "never built"
    MISSING = "mezzanine missing"
    RECIPE = "recipe changed"
    INPUT = "input changed"
    CHECK_FAILED = "check failed"
    TOOLS = "tools changed"
    """Only where it is asked for."""
    FOLLOWS = "follows"
    UNCHECKED = "never checked"


REBUILT = frozenset(
    {
        *(StaleReason.NEVER_BUILT, StaleReason.MISSING, StaleReason.RECIPE, StaleReason.INPUT),
        *(StaleReason.CHECK_FAILED, StaleReason.TOOLS),
    }
)
"""Reasons to build an output again, unless it cannot be."""


@dataclass(frozen=True)
class Change:
    """One number, or one input, and what it was and is; None where there was or is none."""

    name: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        before, after = _shown(self.before), _shown(self.after)
        if self.before is None:
            return f"{self.name} {after} is new"
        return f"{self.name} {before} -> {after}" if self.after is not None else f"{self.name} {before} is gone"


@dataclass(frozen=True)
class Cause:
    """One reason, with what is behind it.

    `before` and `after` are code versions; `changes` the numbers or inputs; `names` the rules that failed, or the
    inputs that are stale themselves.
    """

    reason: StaleReason
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    names: tuple[str, ...] = ()
    detail: str | None = None

    def __str__(self) -> str:
        details = ", ".join([*map(str, self.changes), *self.names]) or self.detail
        if self.reason is StaleReason.RECIPE and not details:
            details = "which numbers was not recorded"
        return f"{self.reason}: {details}" if details else str(self.reason)

    def wire(self) -> dict[str, Any]:
        """As JSON has it, without what is empty."""
        names = "rules" if self.reason is StaleReason.CHECK_FAILED else "inputs"
        fields = {
            "reason": self.reason.value,
            "from": self.before,
            "to": self.after,
            "changes": [{"name": change.name, "from": change.before, "to": change.after} for change in self.changes],
            names: list(self.names),
            "detail": self.detail,
        }
        return {name: value for name, value in fields.items() if value not in (None, [])}


@dataclass(frozen=True)
class Verdict:
    """Whether one output is stale, and why.

    `blocked` is the reason why it cannot be rebuilt, whether or not it should be; None where it can be. An output that
    is not `applicable` is a marker: a variant above the source, say.
    """

    output: str
    causes: tuple[Cause, ...] = ()
    blocked: str | None = None
    applicable: bool = True
    judged: Judged | None = None
    """By which rules; None where there is nothing to judge."""
    needs_mezzanine: bool = False
    """It can be built only together with its mezzanine, which is not there and is to be built itself."""

    @property
    def is_stale(self) -> bool:
        """It is to be rebuilt, and can be."""
        return self.blocked is None and any(cause.reason in REBUILT for cause in self.causes)

    @property
    def may_follow(self) -> bool:
        """It may become stale when its inputs are rebuilt."""
        return any(cause.reason is StaleReason.FOLLOWS for cause in self.causes)


class StalenessJudge:
    """Compares facts with the recipes and rules that the code has now. Make one per question: recipes are read once."""

    def __init__(
        self,
        recorded: Callable[[str], Mapping[str, Any]],
        tools: Mapping[str, str] | None = None,
        extras: Collection[str] = (),
    ) -> None:
        """`recorded` gives the recipe that was recorded under a key, as named numbers; empty where there is none.

        `tools`: versions by tool; what others built is then stale. None: versions do not matter. `extras`: optional
        outputs that every media is to have.
        """
        self._extras = frozenset(extras)
        self._recorded, self._tools, self._rule_set = recorded, tools or {}, rule_set()
        self._codes: dict[tuple[str, str], str] = {}
        self._compared: dict[tuple[str, str, str | None, str, str], Cause | None] = {}
        self._rungs: dict[tuple[int, int], frozenset[str]] = {}

    def verdicts(self, media: MediaFacts) -> dict[str, Verdict]:
        """Output -> verdict, of every output that the media has or is to have, in order of building."""
        outputs = dict(media.outputs)
        verdicts: dict[str, Verdict] = {}
        for output in media_outputs.wanted(media.media_type, {*self._extras, *outputs}):
            facts = outputs.get(output)
            verdict = self._verdict(media, output, facts, verdicts)
            verdicts[output] = replace(verdict, judged=self._judged(output, facts))
        return verdicts

    def _judged(self, output: str, facts: OutputFacts | None) -> Judged | None:
        if facts is None or facts.unreadable or not facts.applicable or not kinds_of(output):
            return None
        return judged_by(facts.rule_sets, self._rule_set, was_judged=not facts.unchecked)

    def _verdict(
        self, media: MediaFacts, output: str, facts: OutputFacts | None, before: Mapping[str, Verdict]
    ) -> Verdict:
        """`before`: the verdicts of the outputs that are built before this one."""
        blocked = None
        needs_mezzanine = output != MEZZANINE.name and not media.mezzanine
        if output == MEZZANINE.name:
            blocked = "its original is gone" if media.original is False else None
            if facts is not None and not facts.unreadable and not media.mezzanine:
                return Verdict(output, (Cause(StaleReason.MISSING, detail="its file is not in the archive"),), blocked)
        elif needs_mezzanine and not before[MEZZANINE.name].is_stale:
            return Verdict(output, (Cause(StaleReason.MISSING),), "its mezzanine is missing")
        if facts is None or facts.unreadable:
            detail = "its record cannot be read" if facts is not None else None
            never_built = Cause(StaleReason.NEVER_BUILT, detail=detail)
            return Verdict(output, (never_built,), blocked, needs_mezzanine=needs_mezzanine)
        if not facts.applicable:
            causes = self._marker_causes(media, output, facts)
            return Verdict(output, tuple(causes), applicable=bool(causes))
        causes = self._causes(media, output, facts)
        if not causes:
            parents = [before[name] for name in media_outputs.parents(media.media_type, output) if name in before]
            moving = tuple(parent.output for parent in parents if parent.is_stale or parent.may_follow)
            if moving:
                causes.append(Cause(StaleReason.FOLLOWS, names=moving))
        if facts.unchecked:
            causes.append(Cause(StaleReason.UNCHECKED))
        return Verdict(output, tuple(causes), blocked, needs_mezzanine=needs_mezzanine)

    def _causes(self, media: MediaFacts, output: str, facts: OutputFacts) -> list[Cause]:
        """Why an output that was built is to be built again."""
        causes = []
        changed = self._recipe_cause(media.media_type, output, facts)
        if changed is not None:
            causes.append(changed)
        if facts.inputs:
            causes.append(Cause(StaleReason.INPUT, changes=tuple(Change(*change) for change in facts.inputs)))
        if facts.failed:
            causes.append(Cause(StaleReason.CHECK_FAILED, names=facts.failed))
        if changes := changed_tools(dict(facts.tools), self._tools):
            causes.append(Cause(StaleReason.TOOLS, changes=changes))
        return causes

    def _marker_causes(self, media: MediaFacts, output: str, facts: OutputFacts) -> list[Cause]:
        """A variant that did not apply stays fresh, whatever its numbers, while it still does not."""
        rung = media_outputs.definition(media.media_type, output).rung
        if media.size is None or rung not in self._fitting(media.size):
            return []
        detail = f"it applies now: the picture is {media.size[0]}x{media.size[1]}"
        code = self._code(media.media_type, output)
        reason = StaleReason.RECIPE if code != facts.code_version else StaleReason.INPUT
        return [Cause(reason, facts.code_version, code, detail=detail)]

    def _fitting(self, size: tuple[int, int]) -> frozenset[str]:
        """The rungs for a picture of this size."""
        if size not in self._rungs:
            self._rungs[size] = frozenset(rung.name for rung in target_format.rungs(*size))
        return self._rungs[size]

    def _code(self, media_type: str, output: str) -> str:
        key = (media_type, output)
        if key not in self._codes:
            self._codes[key] = recipe.code_version(*key)
        return self._codes[key]

    def _recipe_cause(self, media_type: str, output: str, facts: OutputFacts) -> Cause | None:
        if facts.code_version == self._code(media_type, output):
            return None
        key = (media_type, output, facts.variant, facts.recipe, facts.code_version)
        if key not in self._compared:
            self._compared[key] = self._compare(media_type, output, facts)
        return self._compared[key]

    def _compare(self, media_type: str, output: str, facts: OutputFacts) -> Cause | None:
        """What another code version means: another recipe, but for a preview. The recipe of a preview has every rung
        that it may be cut from, and this media's preview is cut from one: the other rungs do not touch it."""
        code = self._code(media_type, output)
        then = self._recorded(facts.recipe) if facts.recipe else {}
        if not then:
            return Cause(StaleReason.RECIPE, facts.code_version, code)
        is_preview = output == PREVIEW.name
        now = recipe.numbers(media_type, output, facts.variant if is_preview else None)
        changes = tuple(
            Change(name, then.get(name), now.get(name))
            for name in dict.fromkeys([*now, *then])
            if then.get(name) != now.get(name)
        )
        if changes or not is_preview:
            detail = None if changes else "none of the numbers that were recorded"
            return Cause(StaleReason.RECIPE, facts.code_version, code, changes, detail=detail)
        return None


def verdicts_of(
    media_type: str,
    outputs: Mapping[str, OutputRecord | None],
    verification: VerificationRecord | None,
    *,
    has_mezzanine_file: bool,
    has_original: bool | None,
    extras: Collection[str] = (),
) -> dict[str, Verdict]:
    """Output -> verdict, of one media whose records are at hand. The flags are those of `media_facts`, `extras` as for
    `StalenessJudge`."""
    records = [record for record in outputs.values() if record is not None]
    recipes = {recipe_key(record.build.recipe): record.build.recipe for record in records if record.build is not None}
    facts = media_facts(
        media_type,
        {name: record_facts(record) for name, record in outputs.items() if record is not None},
        check_summaries(verification),
        has_mezzanine_file=has_mezzanine_file,
        has_original=has_original,
    )
    return StalenessJudge(lambda key: recipes[key], extras=extras).verdicts(facts)


def changed_tools(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    """The tools that both know, and have in other versions."""
    return tuple(Change(tool, then[tool], now[tool]) for tool in then if tool in now and then[tool] != now[tool])


def stale_outputs(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The outputs that are to be rebuilt."""
    return [name for name, verdict in verdicts.items() if verdict.is_stale]


def _shown(value: Any) -> str:
    """A number, a text or a list of them as people read it; a hash by its first 12 digits."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(map(_shown, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)[:12] if isinstance(value, str) and len(value) >= 32 else str(value)
