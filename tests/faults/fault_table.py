"""The table of faults in docs/reliability.md, between two marks: kinds by stages, and what came of the last run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from fault_bench import Verdict
from fault_cases import ALL_STAGES, cases
from fault_kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: written by `make faults ARGS=--write-docs` -->", "<!-- end of faults -->"
LETTERS: Mapping[str, str] = {"new": "N", "old": "O", "recovered": "R", "not reached": "-", "wrong": "WRONG"}
MEANINGS: Mapping[str, str] = {
    "N": "the job completed all the same, over the whole new set",
    "O": "the job failed and the whole old set stands; the next delivery completed",
    "R": "the job failed or was killed within the switch or after it; the next delivery ended it, whole",
    "?": "not tried yet",
    "-": "no job comes to this request (or not with this fault)",
    "WRONG": "something else",
}


def written(text: str, verdicts: Iterable[Verdict], earlier: Collection[str] = ()) -> str:
    """The page with a new table. `earlier`: names of the cases whose verdict is of earlier code."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n" + "\n".join(_lines(list(verdicts), earlier)) + f"\n\n{END}{rest.split(END)[1]}"


def _lines(verdicts: Sequence[Verdict], earlier: Collection[str]) -> list[str]:
    possible = {(case.kind, case.stage) for case in cases()}
    came = {(verdict.case.kind, verdict.case.stage): verdict for verdict in verdicts}
    came = {case: verdict for case, verdict in came.items() if case in possible}
    counts = Counter(verdict.outcome for verdict in came.values())
    tried = sum(counts.values()) - counts["not reached"]
    untried = len(possible - came.keys())
    of_earlier = sum(verdict.outcome != "not reached" and verdict.case.name in earlier for verdict in came.values())
    lines = [
        f"{len(KINDS)} kinds, {len(ALL_STAGES)} stages, {tried} runs with a fault and as many without one after them"
        + (f" ({untried} more were not tried)" if untried else "")
        + f": {counts['new']} completed all the same, {counts['old']} left the old set, {counts['recovered']} were"
        f" ended by the next delivery. **Wrong: {counts['wrong']}.**"
        + (f" {of_earlier} of these runs were made with earlier code." if of_earlier else ""),
        "",
        "| | stage |",
        "| --- | --- |",
        *(f"| {number} | `{name}`: {what} |" for number, (name, what) in enumerate(ALL_STAGES.items(), start=1)),
        "",
        *(f"{letter}: {meaning}.  " for letter, meaning in MEANINGS.items()),
        "An empty cell: the fault cannot happen there, or comes to the same as at another stage.",
        "",
    ]
    numbers = [str(number) for number in range(1, len(ALL_STAGES) + 1)]
    lines += [
        f"| kind | what happens | {' | '.join(numbers)} |",
        f"| --- | --- |{' --- |' * len(numbers)}",
    ]
    for kind in KINDS.values():
        cells: list[str] = []
        for stage in ALL_STAGES:
            verdict = came.get((kind.name, stage))
            otherwise = "?" if (kind.name, stage) in possible else " "
            cells.append(LETTERS[verdict.outcome] if verdict is not None else otherwise)
        lines.append(f"| `{kind.name}` | {kind.description} | {' | '.join(cells)} |")
    return lines


def listed_kinds(text: str) -> list[tuple[str, str]]:
    """Name and description of every kind of the page."""
    return re.findall(r"^\| `(\w+)` \| ([^|]*) \|(?= )", _table(text), re.MULTILINE)


def listed_stages(text: str) -> list[tuple[str, str]]:
    """Name and description of every stage of the page."""
    return re.findall(r"^\| \d+ \| `(\w+)`: ([^|]*) \|$", _table(text), re.MULTILINE)


def wrong_count(text: str) -> int:
    """How many runs the page says went wrong."""
    (count,) = re.findall(r"\*\*Wrong: (\d+)\.\*\*", _table(text))
    return int(count)


def _table(text: str) -> str:
    return text.split(BEGIN)[1].split(END)[0]
