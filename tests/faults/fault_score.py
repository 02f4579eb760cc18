"""`make faults`: causes every fault at every stage of a job, and counts what was published and said afterwards.

Results are kept in `.local/faults/results.jsonl`, by a hash of the code: a run that was interrupted goes on where it
was. Exit code 1: something went wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]

import fault_bench  # noqa: E402
from fault_bench import Base, Case, Verdict  # noqa: E402
from fault_cases import cases  # noqa: E402
from fault_table import PAGE, written  # noqa: E402

RESULTS = ROOT / ".local" / "faults" / "results.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    chosen = [case for case in cases() if options.k is None or re.search(options.k, case.name)]
    if options.list:
        for case in chosen:
            print(f"{case.kind:28} {case.stage:18} {case.media_type}")
        return 0
    verdicts = {} if options.fresh else known(any_code=options.any_code)
    waiting = [case for case in chosen if case.name not in verdicts]
    if options.wrong:
        waiting = [case for case in chosen if case.name in verdicts and verdicts[case.name].outcome == "wrong"]
    print(f"{len(chosen)} cases, {len(waiting)} of them to be tried", flush=True)
    verdicts |= tried(waiting, options.jobs)
    if options.write_docs:
        page = written(PAGE.read_text(encoding="utf-8"), verdicts.values(), verdicts.keys() - known().keys())
        PAGE.write_text(page, encoding="utf-8")
    return _report([verdicts[case.name] for case in chosen if case.name in verdicts])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-k", metavar="PATTERN", help="only cases whose kind and stage match")
    parser.add_argument("--jobs", type=int, default=max(1, min(2, os.cpu_count() or 1)), help="processes (default: 2)")
    parser.add_argument("--fresh", action="store_true", help="try again what was tried before")
    parser.add_argument("--any-code", action="store_true", help="take results of other code for those of today's")
    parser.add_argument("--wrong", action="store_true", help="try again what went wrong")
    parser.add_argument("--list", action="store_true", help="print the cases, and try nothing")
    parser.add_argument("--write-docs", action="store_true", help="write the table in docs/reliability.md")
    return parser.parse_args(arguments)


def tried(waiting: Sequence[Case], processes: int) -> dict[str, Verdict]:
    """Try these in several processes, each of which keeps its verdicts as it comes to them."""
    if not waiting:
        return {}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    # Not in order: a run that is interrupted has seen something of everything.
    order = sorted(waiting, key=lambda case: hashlib.sha256(case.name.encode()).digest())
    context = get_context("fork")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, fault_bench.prepared(Path(folder) / "base") as base:
        course = _Course(base, Path(folder), order, context.Value("i", 0), time.monotonic(), _code())
        working = [context.Process(target=_work, args=(course, number)) for number in range(processes)]
        for process in working:
            process.start()
        for process in working:
            process.join()
    names = {case.name for case in waiting}
    return {name: verdict for name, verdict in known().items() if name in names}


@dataclass(frozen=True)
class _Course:
    """What the processes of one run share: the cases, and how many were taken."""

    base: Base
    folder: Path
    order: Sequence[Case]
    taken: Any
    began: float
    code: str


def _work(course: _Course, number: int) -> None:
    """Try one case after the other, until there is none."""
    with fault_bench.opened(course.base, course.folder / str(number)) as bench, RESULTS.open("ab", 0) as file:
        while (at := _next(course)) is not None:
            case = course.order[at]
            try:
                verdict = bench.try_case(case)
            except Exception as error:  # noqa: BLE001 - the others are tried all the same
                traceback.print_exc()
                verdict = Verdict(case, "wrong", wrong=(f"the case could not be tried: {error!r}",))
            file.write((json.dumps({"code": course.code, **verdict.as_json()}) + "\n").encode())
            print(f"[{at + 1}/{len(course.order)} {time.monotonic() - course.began:.0f} s] {line(verdict)}", flush=True)


def _next(course: _Course) -> int | None:
    with course.taken.get_lock():
        at: int = course.taken.value
        course.taken.value += 1
    return at if at < len(course.order) else None


def line(verdict: Verdict) -> str:
    """A verdict for people."""
    said = f"{verdict.outcome.upper() if verdict.wrong else verdict.outcome}: said {verdict.said or 'nothing'},"
    more = "; ".join((*verdict.wrong, *verdict.notes))
    return (
        f"{verdict.case.name} ({verdict.case.media_type}): {said} {verdict.state or '?'}, {verdict.hits} times,"
        f" {verdict.seconds:.1f} s{f': {more}' if more else ''}"
    )


def _report(verdicts: Sequence[Verdict]) -> int:
    wrong = [verdict for verdict in verdicts if verdict.outcome == "wrong"]
    for verdict in wrong:
        print(line(verdict))
    print(", ".join(f"{outcome}: {count}" for outcome, count in sorted(Counter(v.outcome for v in verdicts).items())))
    print(f"Wrong: {len(wrong)}")
    return 1 if wrong else 0


def known(*, any_code: bool = False) -> dict[str, Verdict]:
    """What was tried with the same code, or with any."""
    return {verdict.case.name: verdict for verdict in _read(any_code)}


def _read(any_code: bool) -> Iterator[Verdict]:
    if RESULTS.is_file():
        code = _code()
        for text in RESULTS.read_text(encoding="utf-8").splitlines():
            said = json.loads(text)
            if said.pop("code") == code or any_code:
                yield Verdict.of_json(said)


@cache
def _code() -> str:
    """A hash of all that is tried, and of what tries it."""
    files = [path for name in ("codex_assets", "runpod_entry") for path in sorted((ROOT / name).rglob("*.py"))]
    others = ("fault_table.py", "fault_score.py", "test_faults.py")
    files += [path for path in sorted(FOLDER.glob("*.py")) if path.name not in others]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
