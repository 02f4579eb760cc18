"""The table of mutants in docs/verification.md, between two marks: the registry, and what came of the last run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from judgement import Judgement
from mutant import AREAS, MUTANTS, STAGES, Mutant

PAGE = Path(__file__).parents[2] / "docs" / "verification.md"
BEGIN, END = "<!-- mutants: written by `make mutants ARGS=--write-docs` -->", "<!-- end of mutants -->"


def written(text: str, score: Sequence[str], judged: Iterable[Judgement]) -> str:
    """The page with a new table."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n" + "\n".join([*score, "", *_tables(judged)]) + f"\n{END}{after}"


def listed(text: str) -> list[tuple[str, str, str, str]]:
    """Area, kind, harm and description of every mutant of the page."""
    rows, area = [], ""
    for line in text.split(BEGIN)[1].split(END)[0].splitlines():
        heading = re.fullmatch(r"### Mutants: (.+)", line)
        if heading:
            area = heading[1]
        row = re.fullmatch(r"\| `(\w+)` \| (\w+) \| ([^|]*) \| [^|]* \| [^|]* \|", line)
        if row:
            rows.append((area, row[1], row[2], row[3]))
    return rows


def registered() -> list[tuple[str, str, str, str]]:
    return [(m.area, m.name, m.harm, m.description) for area in AREAS for m in MUTANTS.values() if m.area == area]


def _tables(judged: Iterable[Judgement]) -> list[str]:
    by_mutant: dict[str, dict[str, Judgement]] = {}
    for judgement in judged:
        by_mutant.setdefault(judgement.mutant, {})[judgement.stage] = judgement
    lines = []
    for area in AREAS:
        lines += [
            f"### Mutants: {area}",
            "",
            "| kind | harm | what is wrong | rule | when |",
            "| --- | --- | --- | --- | --- |",
        ]
        for mutant in MUTANTS.values():
            if mutant.area == area:
                said = by_mutant.get(mutant.name, {})
                cells = (f"`{mutant.name}`", mutant.harm, mutant.description, _rules(said), _when(mutant, said))
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


def _rules(said: Mapping[str, Judgement]) -> str:
    rules = dict.fromkeys(rule for stage in STAGES if stage in said for rule in said[stage].rules)
    if not rules and any(judgement.refused for judgement in said.values()):
        return "the work ends with an error"
    shown = list(rules)[:3]
    return ", ".join(f"`{rule}`" for rule in shown) + (" and others" if len(rules) > len(shown) else "") or "none"


def _when(mutant: Mutant, said: Mapping[str, Judgement]) -> str:
    caught = [stage for stage in STAGES if stage in said and said[stage].is_caught(mutant.harm)]
    missed = [stage for stage in STAGES if stage in said and stage not in caught]
    parts = [", ".join(caught)] if caught else []
    if missed:
        parts.append(f"missed {' and '.join(missed)}")
    if mutant.stages == ("afterwards",) and said:
        parts.append("cannot be built")
    return "; ".join(parts) or "not judged yet"
