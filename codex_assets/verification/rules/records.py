"""Rules for records: that there is one, that its files are the recorded ones, and that what it says is so."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.record_observations import PublishedFile, RecordObservation, Statement
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_no_problem

RECORDS = "contract: storage keys (records)"
TYPES = {
    ".m3u8": ("application/vnd.apple.mpegurl", "audio/mpegurl"),
    ".ts": ("video/mp2t",),
    ".jpg": ("image/jpeg",),
    ".png": ("image/png",),
    ".webp": ("image/webp",),
    ".json": ("application/json",),
    ".vtt": ("text/vtt",),
    ".txt": ("text/plain",),
}
"""By the ending of a name."""
CHARSET = re.compile(r"\s*;\s*charset=\"?(utf-8|us-ascii)\"?\s*$")
"""The one that all texts of ours have; others would be read as something else."""
DIRECTIVES = frozenset(("public", "max-age", "immutable", "must-revalidate", "no-cache", "no-store"))
"""What may be said of caching: of networks and browsers alike, and of each once."""
LEAST_AGE_OF_VERSION = 30 * 24 * 3600
"""Seconds for which a segment of a version may be cached, at least: the contract says a year."""
MOST_AGE = 3600
"""Seconds for which anything else may be, at most: the first releases said an hour of pictures."""


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


@rule(ObservationKind.RECORD, source="contract: storage keys")
def files_at_their_places(seen: RecordObservation) -> Finding | None:
    """Every object of the output is named once, and lies where the contract puts it.

    Players and the platform look there, whatever the record says.
    """
    if not seen.recorded:
        return None
    twice = [key for key, count in Counter(seen.recorded).items() if count > 1]
    problems = [
        *(
            Problem(_name(key), key, f"{_name(key)} is recorded at {key}, which is not its place")
            for key in seen.misplaced
        ),
        *(Problem(_name(key), "not recorded", f"No object is recorded at {key}") for key in seen.unnamed),
        *(Problem(_name(key), "twice", f"{_name(key)} is recorded twice") for key in twice),
    ]
    expected = "at their places"
    return expect_no_problem(problems, expected=expected, message="Every file is in its place.", observed=expected)


@rule(ObservationKind.RECORD, source="contract: storage keys")
def nothing_else_is_public(seen: RecordObservation) -> Finding | None:
    """Everybody may read, of a media, what its records name for that, and pictures: no upload and no film."""
    if seen.exposed is None:
        return None
    problems = [
        Problem(_name(key), key, f"{key} can be read by everybody, and no record names it") for key in seen.exposed
    ]
    return expect_no_problem(problems, expected="nothing else", message="Nothing else is public.")


@rule(ObservationKind.RECORD, source="contract: storage keys", severity=Severity.WARN)
def nothing_beside_outputs(seen: RecordObservation) -> Finding | None:
    """The media's other folders hold nothing that no record names."""
    if seen.beside is None:
        return None
    problems = [Problem(_name(key), key, f"No record names {key}") for key in seen.beside]
    return expect_no_problem(problems, expected="nothing else", message="Records name everything.")


@rule(ObservationKind.RECORD, source="contract: storage keys")
def public_copy_plays(seen: RecordObservation) -> Finding | None:
    """The public copy of a preview, where there is one, has all that its playlist names."""
    if seen.public_copy is None:
        return None
    problems = [
        Problem(_name(key), key, f"The public copy lacks {_name(key)}, which its playlist names")
        for key in seen.public_copy.missing
    ]
    return expect_no_problem(problems, expected="all of it", message="The public copy is whole.")


@rule(ObservationKind.RECORD, source="contract: storage keys", severity=Severity.WARN)
def public_copy_current(seen: RecordObservation) -> Finding | None:
    """The public copy of a preview, where there is one, is that of the preview of today."""
    if seen.public_copy is None:
        return None
    problems = [
        Problem(_name(key), key, f"The public copy has other contents than the preview in {_name(key)}")
        for key in seen.public_copy.others
    ]
    return expect_no_problem(problems, expected="the preview's", message="The public copy is the preview's.")


@rule(ObservationKind.RECORD, source="RFC 8216 s4")
def stored_as_their_types(seen: RecordObservation) -> Finding | None:
    """The stores deliver every file as what it is: of another type, players and browsers refuse it."""
    delivered = [file for file in seen.files if file.is_delivered and PurePosixPath(file.name).suffix in TYPES]
    if not delivered:
        return None
    problems = [
        Problem(
            file.name,
            file.content_type or "no type",
            f"{file.name} is stored as {file.content_type or 'nothing in particular'}, not as {wanted[0]}",
        )
        for file in delivered
        if CHARSET.sub("", (file.content_type or "").lower()) not in (wanted := TYPES[PurePosixPath(file.name).suffix])
    ]
    expected = "their types"
    return expect_no_problem(problems, expected=expected, message="Every file has its type.", observed=expected)


@rule(ObservationKind.RECORD, source="contract: caching")
def stored_to_be_cached(seen: RecordObservation) -> Finding | None:
    """Caches may keep segments that never change for long, and must not keep what changes under its name."""
    delivered = [file for file in seen.files if file.is_delivered]
    if not delivered:
        return None
    problems = [
        Problem(
            file.name, file.cache_control or "nothing", f"{file.name} {wrong} ({file.cache_control or 'no header'})"
        )
        for file in delivered
        if (wrong := _wrong_caching(file)) is not None
    ]
    expected = "as agreed"
    return expect_no_problem(problems, expected=expected, message="Caches keep what they may.", observed=expected)


def _wrong_caching(file: PublishedFile) -> str | None:
    said = (file.cache_control or "").lower()
    directives = [part.strip() for part in said.split(",") if part.strip()]
    names = [part.partition("=")[0] for part in directives]
    if not DIRECTIVES.issuperset(names) or len(set(names)) < len(names):
        return "says something else of caching than it should"
    age = re.search(r"max-age=(\d+)", said)
    seconds = int(age[1]) if age else 0
    is_kept = not re.search(r"no-cache|no-store", said) and (seconds > 0 or not said)
    if file.is_of_version:
        return (
            None
            if is_kept and seconds >= LEAST_AGE_OF_VERSION
            else "may not be cached for long, though it never changes"
        )
    if file.name.endswith(".m3u8"):
        return "may be cached, and names what will be gone" if is_kept else None
    return (
        "may be cached for too long: it changes under its name" if "immutable" in said or seconds > MOST_AGE else None
    )


def _name(key: str) -> str:
    return PurePosixPath(key).name


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
