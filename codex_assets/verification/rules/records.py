"""Rules for records: that there is one, that its files are the recorded ones, and that what it says is so."""

from __future__ import annotations

from codex_assets.archive.findings import Finding
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.record_observations import RecordObservation, Statement
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_no_problem

RECORDS = "contract: storage keys (records)"


@rule(ObservationKind.RECORD, source=RECORDS, gate=True)
def record_kept(seen: RecordObservation) -> Finding:
    """There is a record of every output of a published media: without one nobody can say what was published."""
    if seen.problem is not None:
        return Finding(False, f"The record of this output cannot be used: {seen.problem}.", "a record", "none")
    return Finding(True, "There is a record of this output.", "a record", "a record")


@rule(ObservationKind.RECORD, source=RECORDS)
def files_as_recorded(seen: RecordObservation) -> Finding | None:
    """Every published file is the one that was recorded, by its size and its SHA-256."""
    if not seen.files:
        return None
    problems = [
        Problem(
            file.name,
            f"{file.size} bytes, {file.sha256[:12]}",
            f"{file.name} is not the file that was recorded: it has {file.size} bytes instead of {file.recorded_size}"
            if file.size != file.recorded_size
            else f"{file.name} is not the file that was recorded: its contents are others",
        )
        for file in seen.files
        if (file.size, file.sha256) != (file.recorded_size, file.recorded_sha256)
    ]
    return expect_no_problem(
        problems, expected="as recorded", message="Every file is as it was recorded.", observed="as recorded"
    )


@rule(ObservationKind.RECORD, source=RECORDS)
def record_true(seen: RecordObservation) -> Finding | None:
    """What the record says of the output is so: sizes, times, rates, codecs, loudness, segments."""
    if not seen.statements:
        return None
    problems = [
        Problem(
            statement.subject,
            _shown(statement, statement.observed),
            f"The record says of {statement.subject} {_shown(statement, statement.recorded)}, "
            f"and it is {_shown(statement, statement.observed)}",
        )
        for statement in seen.statements
        if not statement.is_true
    ]
    expected = "as recorded"
    if problems:
        first = next(statement for statement in seen.statements if not statement.is_true)
        expected = _shown(first, first.recorded)
    return expect_no_problem(problems, expected=expected, message="What the record says is so.", observed="as recorded")


def _shown(statement: Statement, value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)
