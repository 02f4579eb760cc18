"""What of a media its staleness depends on, apart from the recipes that the code has now: the facts of a media.

Facts are small and alike: thousands of media share a few hundred sets of them, so a set is judged once
(`staleness.py`), and the catalogue keeps facts instead of verdicts (`catalogue_index.py`). In: how records, check
results and the archive's listing become facts, and facts become text. No I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from codex_assets.archive.check_results import OutputVerification, VerificationRecord
from codex_assets.archive.records import ORIGINAL, MediaRecord, OutputRecord
from codex_assets.media import outputs as media_outputs
from codex_assets.media.outputs import MASTER, MEZZANINE, OUTPUTS
from codex_assets.storage import keys
from codex_assets.verification.kinds import kinds_of


@dataclass(frozen=True)
class RecordFacts:
    """What of an output's record its staleness can depend on. `unreadable`: there is a record, and it says nothing."""

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
    tools: Mapping[str, str] = field(default_factory=dict)
    """Versions of the tools that its bytes may depend on, as far as they were recorded."""
    rule_set: str | None = None
    """Which rules judged it when it was built, if that was recorded."""


@dataclass(frozen=True)
class CheckSummary:
    """What the last verification of an output said of it: which contents it saw, when, the rules of severity ERROR that
    they broke, and which rules were asked, if that was recorded."""

    data_version: str
    checked_at: str
    failed: tuple[str, ...] = ()
    rule_set: str | None = None


ChangedInput = tuple[str, str | None, str | None]
"""Name of an input, its data version when the output was built, and its data version now; None where there was or is
none."""


@dataclass(frozen=True)
class OutputFacts:
    """What of one output that has a record its staleness depends on."""

    code_version: str
    applicable: bool = True
    variant: str | None = None
    recipe: str = ""
    """Key of the recipe that was recorded."""
    inputs: tuple[ChangedInput, ...] = ()
    """Only those that have changed."""
    failed: tuple[str, ...] = ()
    """Rules of severity ERROR that the contents broke since they were built."""
    unchecked: bool = False
    unreadable: bool = False
    tools: tuple[tuple[str, str], ...] = ()
    """The tools that its bytes may depend on, and the versions that built it."""
    rule_sets: tuple[str, ...] = ()
    """Which rules judged its contents, as far as that was recorded."""


@dataclass(frozen=True)
class MediaFacts:
    """All that the staleness of a media's outputs depends on, beside the recipes that the code has now."""

    media_type: str
    size: tuple[int, int] | None
    """Of the mezzanine's picture, in pixels."""
    mezzanine: bool
    """Its record can be read, and its file is there."""
    original: bool | None
    """Whether the original is there; None when it lies where nobody looked."""
    outputs: tuple[tuple[str, OutputFacts], ...]
    """Of the outputs that have a record, in order of building."""

    def text(self) -> str:
        """The facts as JSON: the same text for the same facts."""
        outputs = [
            [
                *(name, output.code_version, output.applicable, output.variant, output.recipe, output.inputs),
                *(output.failed, output.unchecked, output.unreadable, output.tools, output.rule_sets),
            ]
            for name, output in self.outputs
        ]
        return json.dumps([self.media_type, self.size, self.mezzanine, self.original, outputs], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> MediaFacts:
        """The facts that `text` made this text of."""
        media_type, size, mezzanine, original, rows = json.loads(text)
        outputs = []
        for name, code_version, applicable, variant, recipe, inputs, failed, *rest in rows:
            unchecked, unreadable, tools, rule_sets = rest
            changed = tuple((changed_input[0], changed_input[1], changed_input[2]) for changed_input in inputs)
            versions = tuple((tool, version) for tool, version in tools)
            facts = OutputFacts(
                *(code_version, applicable, variant, recipe, changed, tuple(failed)),
                *(unchecked, unreadable, versions, tuple(rule_sets)),
            )
            outputs.append((name, facts))
        return cls(media_type, tuple(size) if size else None, mezzanine, original, tuple(outputs))


def media_facts(
    media_type: str,
    outputs: Mapping[str, RecordFacts],
    checks: Mapping[str, CheckSummary],
    *,
    has_mezzanine_file: bool,
    has_original: bool | None,
) -> MediaFacts:
    """Put the facts of a media together.

    `outputs` has an entry for each output that has a record, `checks` one for each that was ever verified.
    `has_mezzanine_file` and `has_original` say whether the archive lists these files; `has_original` is None when the
    original lies outside the folders that are listed.
    """
    facts = [
        (output, _output_facts(media_type, output, outputs, checks.get(output)))
        for output in OUTPUTS[media_type]
        if output in outputs
    ]
    mezzanine = outputs.get(MEZZANINE.name)
    return MediaFacts(
        media_type,
        mezzanine.size if mezzanine is not None else None,
        mezzanine is not None and not mezzanine.unreadable and has_mezzanine_file,
        has_original,
        tuple(facts),
    )


def _output_facts(
    media_type: str, output: str, outputs: Mapping[str, RecordFacts], check: CheckSummary | None
) -> OutputFacts:
    record = outputs[output]
    if record.unreadable:
        return OutputFacts("", unreadable=True)
    if not record.applicable:
        return OutputFacts(record.code_version, False, record.variant, record.recipe)
    # A check that is older than the build was of other objects, be they the same bytes.
    if check is not None and (check.data_version != record.data_version or check.checked_at < record.built_at):
        check = None
    return OutputFacts(
        record.code_version,
        True,
        record.variant,
        record.recipe,
        _changed_inputs(media_type, output, outputs),
        check.failed if check is not None else (),
        unchecked=not record.checked and check is None,
        tools=tuple(sorted(record.tools.items())),
        rule_sets=tuple(sorted({*filter(None, (record.rule_set, check.rule_set if check is not None else None))})),
    )


def record_facts(record: OutputRecord) -> RecordFacts:
    """The facts of an output's record."""
    build = record.build
    return RecordFacts(
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
        tools=recorded_tools(record),
        rule_set=record.rule_set,
    )


def recorded_tools(record: OutputRecord) -> dict[str, str]:
    """The tools that an output's bytes may depend on, with the versions that built it; none where none was recorded."""
    kind, build = media_outputs.kind_of(record.output), record.build
    if kind is None or build is None:
        return {}
    return {tool: build.tool_versions[tool] for tool in kind.tools if tool in build.tool_versions}


def recipe_key(numbers: Mapping[str, Any]) -> str:
    """A short name of a recorded recipe, by its numbers; empty for a record without one."""
    if not numbers:
        return ""
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]


def check_summaries(record: VerificationRecord | None) -> dict[str, CheckSummary]:
    """Output -> what its last verification said, of every output that was ever verified."""
    return {} if record is None else {verified.output: _summary(verified) for verified in record.outputs}


def _summary(verified: OutputVerification) -> CheckSummary:
    failed = dict.fromkeys(finding.rule for finding in verified.failed if finding.is_failure)
    return CheckSummary(verified.data_version, verified.checked_at, tuple(failed), verified.rule_set)


def changed_inputs(media_type: str, records: Mapping[str, OutputRecord]) -> dict[str, frozenset[str]]:
    """Output -> those of its inputs that have other contents now than it was made from, for each of `records`."""
    outputs = {name: record_facts(record) for name, record in records.items()}
    return {
        output: frozenset(name for name, _, _ in _changed_inputs(media_type, output, outputs))
        if record.applicable
        else frozenset()
        for output, record in outputs.items()
    }


def is_original_listed(media: MediaRecord, listed: Collection[str]) -> bool | None:
    """Whether the original's key is in `listed`; None when it was uploaded outside the folders that are listed."""
    if media.input_role != "archive" or not media.input_key.startswith(
        keys.original_prefix(media.creator_id, media.media_id)
    ):
        return None
    return media.input_key in listed


def _changed_inputs(media_type: str, output: str, outputs: Mapping[str, RecordFacts]) -> tuple[ChangedInput, ...]:
    """The inputs of an output that have changed. Records of earlier releases name no inputs: none of theirs has."""
    record = outputs[output]
    now = {name: other.data_version for name, other in outputs.items() if other.applicable and not other.unreadable}
    mezzanine = outputs.get(MEZZANINE.name)
    if mezzanine is not None and ORIGINAL in mezzanine.inputs and output != MEZZANINE.name:
        now[ORIGINAL] = mezzanine.inputs[ORIGINAL]
    if output != MASTER.name:
        inputs = record.inputs.items()
        return tuple((name, then, now[name]) for name, then in inputs if name in now and now[name] != then)
    variants = [name for name in media_outputs.parents(media_type, output) if name in now]
    then = dict(record.inputs) or {
        name: now.get(name, "") for name in map(media_outputs.variant_output, record.variants)
    }
    # A variant whose record is lost or cannot be read is built again, and the master follows.
    names = [name for name in dict.fromkeys([*then, *variants]) if name in outputs and not outputs[name].unreadable]
    return tuple((name, then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name))
