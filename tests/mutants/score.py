"""`make mutants`: breaks published media in every known way, and counts what the judge finds, at build and afterwards.

Results are kept in `.local/mutants/results.jsonl`, by a hash of the code that they depend on: a run that was
interrupted goes on where it was. Exit code 1: a grave or a medium mutant was missed, or something honest was blamed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]

from all_mutants import MUTANTS  # noqa: E402
from contents import published  # noqa: E402
from honest_outputs import CONTROLS  # noqa: E402
from judgement import Judgement, judge_control, judge_mutant  # noqa: E402
from mutant import AREAS, HARMS, STAGES, Mutant, Stage  # noqa: E402
from mutant_table import PAGE, written  # noqa: E402
from published import CACHE  # noqa: E402

RESULTS = CACHE / "results.jsonl"
CONTROL = "control"
PROBLEM = "could not be made"


@dataclass(frozen=True)
class Case:
    """One judgement to come. `name` is a mutant's, or a control's."""

    name: str
    content: str
    stage: Stage
    is_control: bool = False

    @property
    def key(self) -> str:
        return " ".join((CONTROL if self.is_control else "mutant", self.name, self.content, self.stage))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    mutants = [m for m in MUTANTS.values() if options.k is None or re.search(options.k, f"{m.area} {m.name}")]
    mutants = [mutant for mutant in mutants if options.harm in (None, mutant.harm)]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.area:17} {mutant.harm:7} {mutant.name:42} {mutant.description}")
        return 0
    cases = list(_cases(mutants, options))
    known = {} if options.fresh else _known()
    waiting = [case for case in cases if case.key not in known]
    print(f"{len(mutants)} mutants, {len(cases)} judgements, {len(waiting)} of them to be made")
    for content in sorted({case.content for case in waiting}):
        published(content)
    known |= _judged(waiting, options.jobs)
    said = [known[case.key] for case in cases if case.key in known]
    if options.write_docs:
        judged = [judgement for judgement, _ in read_results().values() if judgement.mutant in MUTANTS]
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), score_table(judged), judged), encoding="utf-8")
    return _report(said, Path(options.misses) if options.misses else None)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-k", metavar="PATTERN", help="only mutants whose area and name match")
    parser.add_argument("--harm", choices=HARMS, help="only mutants of this harm")
    parser.add_argument("--stage", choices=STAGES, help="at one time only (default: both)")
    parser.add_argument("--contents", action="store_true", help="each mutant in all its contents, not in its first")
    parser.add_argument("--jobs", type=int, default=max(1, min(2, os.cpu_count() or 1)), help="processes (default: 2)")
    parser.add_argument("--fresh", action="store_true", help="judge again what was judged before")
    parser.add_argument("--no-controls", action="store_true", help="leave the honest outputs out")
    parser.add_argument("--list", action="store_true", help="print the mutants, and judge nothing")
    parser.add_argument("--write-docs", action="store_true", help="write the table in docs/verification.md")
    parser.add_argument("--misses", metavar="FILE", help="write what was missed into this file")
    return parser.parse_args(arguments)


def _cases(mutants: Sequence[Mutant], options: argparse.Namespace) -> Iterator[Case]:
    for mutant in mutants:
        for content in mutant.contents if options.contents else mutant.contents[:1]:
            for stage in mutant.stages:
                if options.stage in (None, stage):
                    yield Case(mutant.name, content, stage)
    if options.no_controls or (options.k and not re.search(options.k, CONTROL)):
        return
    for control in CONTROLS:
        for stage in STAGES:
            # What is published was built: its outputs are built once more as they should be.
            if options.stage in (None, stage) and (stage == "afterwards" or control.seam is None):
                yield Case(control.name, control.content, stage, is_control=True)


# --- Judging ----------------------------------------------------------------------------------------------------------


def _judged(cases: Sequence[Case], jobs: int) -> dict[str, Judgement]:
    """Judge these, several at once, and keep each result as it comes."""
    judged: dict[str, Judgement] = {}
    started = time.monotonic()
    # Before the first: whoever edits a rule meanwhile has not changed what is judged now.
    codes = {case.key: _code_of(case) for case in cases}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool, RESULTS.open("a", encoding="utf-8") as file:
        futures = {pool.submit(_judge, case): case for case in cases}
        for number, future in enumerate(as_completed(futures), start=1):
            case, said = futures[future], future.result()
            judged[case.key] = said
            file.write(json.dumps({"key": case.key, "code": codes[case.key], **said.as_json()}) + "\n")
            file.flush()
            print(f"[{number}/{len(cases)} {time.monotonic() - started:.0f} s] {_line(case, said)}", flush=True)
    return judged


def _judge(case: Case) -> Judgement:
    if not case.is_control:
        return judge_mutant(MUTANTS[case.name], case.content, case.stage)
    (control,) = [control for control in CONTROLS if control.name == case.name]
    return judge_control(case.name, case.content, case.stage, control.apply, control.seam)


def _line(case: Case, said: Judgement) -> str:
    if case.is_control:
        blamed = said.problem or said.refused or ", ".join(said.messages)
        return f"{case.key}: {'BLAMED: ' + blamed if blamed else 'nothing said'}"
    mutant = MUTANTS[case.name]
    verdict = "caught" if said.is_caught(mutant.harm) else PROBLEM if said.problem else "MISSED"
    detail = said.problem or said.refused or ", ".join(said.rules)
    return f"{mutant.area}, {mutant.harm}: {case.name} in {case.content} {case.stage}: {verdict} {detail}"


@cache
def _shared_hash() -> str:
    package = ROOT / "codex_assets"
    shared = (
        "mutant",
        "kept_runs",
        "kept_looks",
        "fault_encodes",
        "published",
        "contents",
        "judgement",
        "spoiled_build",
        "transport_packets",
    )
    files = [
        *(
            path
            for folder in ("verification", "build", "media", "archive")
            for path in (package / folder).rglob("*.py")
        ),
        package / "library" / "sweep.py",
        *(FOLDER / f"{name}.py" for name in shared),
    ]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _code_of(case: Case) -> str:
    """A hash of everything that a result depends on."""
    name = "honest_outputs" if case.is_control else MUTANTS[case.name].home
    return hashlib.sha256(_shared_hash().encode() + (FOLDER / f"{name}.py").read_bytes()).hexdigest()[:16]


def _known() -> dict[str, Judgement]:
    """Results of earlier runs that still hold."""
    return {key: said for key, (said, holds) in read_results().items() if holds}


def read_results() -> dict[str, tuple[Judgement, bool]]:
    """The last result of each case that there still is, and whether the code is the same."""
    results: dict[str, tuple[Judgement, bool]] = {}
    if not RESULTS.exists():
        return results
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        kept = json.loads(line)
        key, code = kept.pop("key"), kept.pop("code")
        case = Case(kept["mutant"], kept["content"], kept["stage"], key.startswith(CONTROL))
        if case.is_control or case.name in MUTANTS:
            for name in ("rules", "errors", "messages"):
                kept[name] = tuple(kept[name])
            results[key] = (Judgement(**kept), code == _code_of(case))
    return results


# --- The score --------------------------------------------------------------------------------------------------------


def _report(said: Sequence[Judgement], misses: Path | None) -> int:
    controls = [judgement for judgement in said if judgement.mutant not in MUTANTS]
    judged = [judgement for judgement in said if judgement.mutant in MUTANTS]
    print("\n".join(["", *score_table(judged)]))
    blamed = [control for control in controls if control.rules or control.refused or control.problem]
    print(f"\n{len(controls)} honest outputs, {len(blamed)} of them blamed")
    missed = [each for each in judged if not each.is_caught(MUTANTS[each.mutant].harm)]
    lines = [f"BLAMED {each.mutant} {each.stage}: {each.problem or each.refused or each.messages}" for each in blamed]
    for each in sorted(missed, key=_order):
        mutant = MUTANTS[each.mutant]
        answer = each.problem or (
            "something was published" if each.published else ", ".join(each.messages) or "nothing"
        )
        lines.append(
            f"{mutant.area} | {mutant.harm} | {each.mutant} | {mutant.description} | {each.content} | {each.stage} | "
            f"said: {answer}"
        )
    if misses is not None:
        misses.write_text("\n".join([*lines, ""]), encoding="utf-8")
    else:
        print("\n".join(lines))
    return 1 if blamed or any(MUTANTS[each.mutant].harm != "light" for each in missed) else 0


def _order(judgement: Judgement) -> tuple[int, int, str, str]:
    mutant = MUTANTS[judgement.mutant]
    return AREAS.index(mutant.area), HARMS.index(mutant.harm), mutant.name, judgement.stage


def score_table(judged: Sequence[Judgement]) -> list[str]:
    """Caught of judged, by area and harm, at each time: a table in Markdown."""
    columns = [(harm, stage) for harm in HARMS for stage in STAGES]
    rows = ["| area | " + " | ".join(f"{harm}, {stage}" for harm, stage in columns) + " |"]
    rows.append("| --- |" + " --- |" * len(columns))
    for area in (*AREAS, "all"):
        cells = []
        for harm, stage in columns:
            those = [
                judgement
                for judgement in judged
                if judgement.stage == stage
                and MUTANTS[judgement.mutant].harm == harm
                and area in (MUTANTS[judgement.mutant].area, "all")
            ]
            caught = sum(judgement.is_caught(harm) for judgement in those)
            cells.append(f"{caught} of {len(those)}" if those else "")
        rows.append(f"| {area} | " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
