"""What of a media is stale, and why: one verdict per output, from what its records and the archive's listing say.

No I/O, no Dagster. Two steps, so that thousands are judged quickly: `facts` keeps of a media what a verdict can depend
on, whatever the code's recipes are, and media of the same facts get the same verdicts; `judge` compares facts with
today's recipes. The only definition of "stale" that there is.

To be rebuilt, and counted as stale, is what was never built, what another recipe built, what was built from other
inputs than there are now, what failed a check since it was built, and a mezzanine whose file is gone. Only told, and
not rebuilt for that, is what may follow when one of its inputs is rebuilt (early cut-off: it does if that input then
has other contents), and what nobody has checked. What cannot be rebuilt is no work either: without a mezzanine nothing
downstream can be, and without the original no mezzanine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from codex_assets.archive.check_results import OutputVerification, VerificationRecord
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.media import outputs as media_outputs
from codex_assets.media import recipe, target_format
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.verification.kinds import kinds_of


class Reason(StrEnum):
    """Why an output is not as it would be if it were built now."""

    NEVER_BUILT = "never built"
    MISSING = "mezzanine missing"
    RECIPE = "recipe changed"
    INPUT = "input changed"
    CHECK_FAILED = "check failed"
    FOLLOWS = "follows"
    UNCHECKED = "never checked"


REBUILT = frozenset({Reason.NEVER_BUILT, Reason.MISSING, Reason.RECIPE, Reason.INPUT, Reason.CHECK_FAILED})
"""Reasons to build an output again, unless it cannot be."""


@dataclass(frozen=True)
class Change:
    """One number, or one input, and what it was and is; None where there was or is none."""

    name: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        before, after = (_told(one) for one in (self.before, self.after))
        if self.before is None:
            return f"{self.name} {after} is new"
        return f"{self.name} {before} -> {after}" if self.after is not None else f"{self.name} {before} is gone"


@dataclass(frozen=True)
class Cause:
    """One reason, with what is behind it.

    `before` and `after` are code versions; `changes` the numbers or inputs; `names` the rules that failed, or the
    inputs that are stale themselves.
    """

    reason: Reason
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    names: tuple[str, ...] = ()
    detail: str | None = None

    def __str__(self) -> str:
        told = ", ".join([*map(str, self.changes), *self.names])
        if self.reason is Reason.RECIPE and not told:
            told = self.detail or "which numbers was not recorded"
        return f"{self.reason}: {told or self.detail}" if told or self.detail else str(self.reason)

    def wire(self) -> dict[str, Any]:
        """For machines."""
        told: dict[str, Any] = {"reason": self.reason.value, "from": self.before, "to": self.after}
        told["changes"] = [{"name": one.name, "from": one.before, "to": one.after} for one in self.changes]
        key = "rules" if self.reason is Reason.CHECK_FAILED else "inputs"
        told |= {key: list(self.names), "detail": self.detail}
        return {name: value for name, value in told.items() if value not in (None, [])}


@dataclass(frozen=True)
class Verdict:
    """What is true of one output. `blocked` says why it cannot be rebuilt, whether or not it should be; one that is not
    `applicable` is a marker."""

    output: str
    causes: tuple[Cause, ...] = ()
    blocked: str | None = None
    applicable: bool = True

    @property
    def stale(self) -> bool:
        """It is to be rebuilt, and can be."""
        return self.blocked is None and any(cause.reason in REBUILT for cause in self.causes)

    @property
    def follows(self) -> bool:
        return any(cause.reason is Reason.FOLLOWS for cause in self.causes)


# --- Facts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What of an output's record a verdict can depend on. `unreadable`: there is a record, and it says nothing."""

    code_version: str = ""
    data_version: str = ""
    applicable: bool = True
    built_at: str = ""
    checked: bool = False
    """Rules were asked when it was built."""
    variant: str | None = None
    variants: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    recipe: str = ""
    """Key of the recipe that was recorded, if one was."""
    unreadable: bool = False


def known(record: OutputRecord) -> Known:
    """A record, as far as it matters here."""
    build = record.build
    return Known(
        code_version=record.code_version,
        data_version=record.data_version,
        applicable=record.applicable,
        built_at=build.built_at if build is not None else "",
        checked=bool(record.checks) or not kinds_of(record.output),
        variant=record.rung,
        variants=record.named_rungs,
        size=record.picture_size,
        inputs=build.inputs if build is not None else {},
        recipe=recipe_key(build.recipe) if build is not None else "",
    )


def recipe_key(numbers: Mapping[str, Any]) -> str:
    """A short name of a recorded recipe; empty for none."""
    if not numbers:
        return ""
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]


Checked = Mapping[str, tuple[str, str, tuple[str, ...]]]
"""By output: the data version that was last verified, when, and the rules of severity ERROR that failed."""


def checked(record: VerificationRecord | None) -> Checked:
    return {} if record is None else {one.output: _checked(one) for one in record.outputs}


def _checked(one: OutputVerification) -> tuple[str, str, tuple[str, ...]]:
    failed = dict.fromkeys(check.rule for check in one.failed if check.is_failure)
    return one.data_version, one.checked_at, tuple(failed)


@dataclass(frozen=True)
class OutputFacts:
    code_version: str
    applicable: bool = True
    variant: str | None = None
    recipe: str = ""
    """Key of the recipe that was recorded."""
    inputs: tuple[tuple[str, str | None, str | None], ...] = ()
    """Those that are not what they were: name, data version then, data version now."""
    failed: tuple[str, ...] = ()
    unchecked: bool = False
    unreadable: bool = False


@dataclass(frozen=True)
class Facts:
    """All that the verdicts of a media depend on, beside today's recipes."""

    media_type: str
    size: tuple[int, int] | None
    """Of the mezzanine's picture."""
    mezzanine: bool
    """Its record can be read, and its file is there."""
    original: bool | None
    """None when it lies where nobody looked."""
    outputs: tuple[tuple[str, OutputFacts], ...]

    def text(self) -> str:
        """The same text for the same facts."""
        told = [
            [name, one.code_version, one.applicable, one.variant, one.recipe, one.inputs, one.failed, one.unchecked]
            + ([True] if one.unreadable else [])
            for name, one in self.outputs
        ]
        return json.dumps([self.media_type, self.size, self.mezzanine, self.original, told], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Facts:
        media_type, size, mezzanine, original, outputs = json.loads(text)
        told = tuple(
            (
                name,
                OutputFacts(
                    code,
                    applicable,
                    variant,
                    key,
                    tuple((one[0], one[1], one[2]) for one in inputs),
                    tuple(failed),
                    unchecked,
                    bool(rest),
                ),
            )
            for name, code, applicable, variant, key, inputs, failed, unchecked, *rest in outputs
        )
        return cls(media_type, tuple(size) if size else None, mezzanine, original, told)


def facts(
    media_type: str,
    outputs: Mapping[str, Known],
    verified: Checked,
    *,
    mezzanine_file: bool,
    original: bool | None,
) -> Facts:
    """`outputs` are those that have a record. `mezzanine_file` and `original`: whether the archive lists them."""
    source = outputs.get("mezzanine")
    found = []
    for output in OUTPUTS[media_type]:
        one = outputs.get(output)
        if one is None:
            continue
        if one.unreadable:
            found.append((output, OutputFacts("", unreadable=True)))
            continue
        seen = verified.get(output)
        # A check that is older than the build was of other objects, be they the same bytes.
        current = seen is not None and seen[0] == one.data_version and seen[1] >= one.built_at
        failed = seen[2] if current and seen is not None else ()
        found.append(
            (
                output,
                OutputFacts(
                    one.code_version,
                    one.applicable,
                    one.variant,
                    one.recipe,
                    _changed_inputs(media_type, output, one, outputs) if one.applicable else (),
                    failed if one.applicable else (),
                    one.applicable and not one.checked and not current,
                ),
            )
        )
    readable = source is not None and not source.unreadable
    return Facts(
        media_type, source.size if source is not None else None, readable and mezzanine_file, original, tuple(found)
    )


def changed_inputs(media_type: str, records: Mapping[str, OutputRecord]) -> dict[str, frozenset[str]]:
    """Per output that has a record: those of its inputs that have other contents now than it was made from."""
    outputs = {name: known(record) for name, record in records.items()}
    return {
        name: frozenset(one for one, _, _ in _changed_inputs(media_type, name, held, outputs))
        if held.applicable
        else frozenset()
        for name, held in outputs.items()
    }


def original_there(media: MediaRecord, there: Collection[str]) -> bool | None:
    """Whether the original is among the listed keys; None when it was uploaded to where nobody lists."""
    if media.input_role != "archive" or not media.input_key.startswith(
        keys.original_prefix(media.creator_id, media.media_id)
    ):
        return None
    return media.input_key in there


def _changed_inputs(
    media_type: str, output: str, one: Known, outputs: Mapping[str, Known]
) -> tuple[tuple[str, str | None, str | None], ...]:
    """Inputs of which the record does not know what is there now. A record of before inputs were kept knows none."""
    source = outputs.get("mezzanine")
    now = {name: other.data_version for name, other in outputs.items() if other.applicable and not other.unreadable}
    if source is not None and "original" in source.inputs and output != "mezzanine":
        now["original"] = source.inputs["original"]
    if output != media_outputs.MASTER.name:
        return tuple((name, then, now[name]) for name, then in one.inputs.items() if name in now and now[name] != then)
    variants = [name for name in media_outputs.parents(media_type, output) if name in now]
    then = dict(one.inputs) or {name: now.get(name, "") for name in map(media_outputs.variant_output, one.variants)}
    # One whose record is lost or cannot be read is built again, and the master follows.
    names = [name for name in dict.fromkeys([*then, *variants]) if name in outputs and not outputs[name].unreadable]
    return tuple((name, then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name))


# --- Verdicts ---------------------------------------------------------------------------------------------------------


class Judge:
    """Compares facts with the recipes that the code has now. Make one per question: recipes are read once."""

    def __init__(self, recorded: Callable[[str], Mapping[str, Any]]) -> None:
        """`recorded` gives the recipe that was recorded under a key."""
        self._recorded = recorded
        self._codes: dict[tuple[str, str], str] = {}
        self._compared: dict[tuple[str, str, str | None, str, str], Cause | None] = {}
        self._rungs: dict[tuple[int, int], frozenset[str]] = {}

    def verdicts(self, found: Facts) -> dict[str, Verdict]:
        """One per output of the media type, in order of building."""
        outputs = dict(found.outputs)
        verdicts: dict[str, Verdict] = {}
        for output in OUTPUTS[found.media_type]:
            verdicts[output] = self._verdict(found, output, outputs.get(output), outputs, verdicts)
        return verdicts

    def _verdict(
        self,
        found: Facts,
        output: str,
        one: OutputFacts | None,
        outputs: Mapping[str, OutputFacts],
        before: Mapping[str, Verdict],
    ) -> Verdict:
        if output == "mezzanine":
            blocked = "its original is gone" if found.original is False else None
            if one is not None and not one.unreadable and not found.mezzanine:
                return Verdict(output, (Cause(Reason.MISSING, detail="its file is not in the archive"),), blocked)
        elif not found.mezzanine:
            return Verdict(output, (Cause(Reason.MISSING),), "its mezzanine is missing")
        else:
            blocked = None
        if one is None or one.unreadable:
            detail = "its record cannot be read" if one is not None else None
            return Verdict(output, (Cause(Reason.NEVER_BUILT, detail=detail),), blocked)
        if not one.applicable:
            marked = self._marker(found, output, one)
            return Verdict(output, tuple(marked), applicable=bool(marked))
        causes = []
        changed = self._recipe(found.media_type, output, one)
        if changed is not None:
            causes.append(changed)
        if one.inputs:
            causes.append(Cause(Reason.INPUT, changes=tuple(Change(*change) for change in one.inputs)))
        if one.failed:
            causes.append(Cause(Reason.CHECK_FAILED, names=one.failed))
        if not causes:
            parents = [before[name] for name in media_outputs.parents(found.media_type, output) if name in before]
            moving = tuple(parent.output for parent in parents if parent.stale or parent.follows)
            if moving:
                causes.append(Cause(Reason.FOLLOWS, names=moving))
        if one.unchecked:
            causes.append(Cause(Reason.UNCHECKED))
        return Verdict(output, tuple(causes), blocked)

    def _marker(self, found: Facts, output: str, one: OutputFacts) -> list[Cause]:
        """A variant that did not apply stays fresh, whatever its numbers, while it still does not."""
        rung = media_outputs.definition(found.media_type, output).rung
        if found.size is None or rung not in self._fitting(found.size):
            return []
        detail = f"it applies now: the picture is {found.size[0]}x{found.size[1]}"
        code = self._code(found.media_type, output)
        reason = Reason.RECIPE if code != one.code_version else Reason.INPUT
        return [Cause(reason, one.code_version, code, detail=detail)]

    def _fitting(self, size: tuple[int, int]) -> frozenset[str]:
        if size not in self._rungs:
            self._rungs[size] = frozenset(rung.name for rung in target_format.rungs(*size))
        return self._rungs[size]

    def _code(self, media_type: str, output: str) -> str:
        key = (media_type, output)
        if key not in self._codes:
            self._codes[key] = recipe.code_version(*key)
        return self._codes[key]

    def _recipe(self, media_type: str, output: str, one: OutputFacts) -> Cause | None:
        if one.code_version == self._code(media_type, output):
            return None
        key = (media_type, output, one.variant, one.recipe, one.code_version)
        if key not in self._compared:
            self._compared[key] = self._compare(media_type, output, one)
        return self._compared[key]

    def _compare(self, media_type: str, output: str, one: OutputFacts) -> Cause | None:
        """Another code version is another recipe; but a preview's has every rung that a preview may be cut from, and
        this media's is cut from one: the numbers of the others do not touch it."""
        code = self._code(media_type, output)
        then = self._recorded(one.recipe) if one.recipe else {}
        if not then:
            return Cause(Reason.RECIPE, one.code_version, code)
        is_preview = output == media_outputs.PREVIEW.name
        now = recipe.numbers(media_type, output, one.variant if is_preview else None)
        changes = tuple(
            Change(name, then.get(name), now.get(name))
            for name in dict.fromkeys([*now, *then])
            if then.get(name) != now.get(name)
        )
        if changes or not is_preview:
            detail = None if changes else "none of the numbers that were recorded"
            return Cause(Reason.RECIPE, one.code_version, code, changes, detail=detail)
        return None


def judged(
    media_type: str,
    outputs: Mapping[str, OutputRecord | None],
    verification: VerificationRecord | None,
    *,
    mezzanine_file: bool,
    original: bool | None,
) -> dict[str, Verdict]:
    """The verdicts of one media whose records are at hand."""
    found = {name: known(record) for name, record in outputs.items() if record is not None}
    builds = [record.build for record in outputs.values() if record is not None and record.build is not None]
    recipes = {recipe_key(build.recipe): build.recipe for build in builds}
    seen = facts(media_type, found, checked(verification), mezzanine_file=mezzanine_file, original=original)
    return Judge(lambda key: recipes[key]).verdicts(seen)


def stale(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The outputs that are to be rebuilt."""
    return [name for name, verdict in verdicts.items() if verdict.stale]


def _told(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(map(_told, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)[:12] if isinstance(value, str) and len(value) >= 32 else str(value)
