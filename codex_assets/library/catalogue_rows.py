"""How records become rows of the catalogue's index: what is kept of each record, and what of each media.

In: the columns of both. Out: the tables (`catalogue_index.py`), when a record is read (`catalogue_refresh.py`), and
what of a media its staleness depends on (`media_facts.py`). No I/O.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from codex_assets.archive import check_results, history, refused
from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.history import JobHistory, JobRecord
from codex_assets.archive.records import MediaRecord, OutputRecord, record_type
from codex_assets.archive.refused import RefusedRecord
from codex_assets.library import object_kinds
from codex_assets.library.media_facts import (
    CheckSummary,
    RecordFacts,
    check_summaries,
    is_original_listed,
    media_facts,
    record_facts,
)
from codex_assets.library.selection import moment
from codex_assets.media.outputs import MEZZANINE, OUTPUTS
from codex_assets.storage import keys

FINDINGS: Final = TypeAdapter(tuple[Finding, ...])
JOBS: Final = TypeAdapter(tuple[JobRecord, ...])
_LEFT_OUT: Final = frozenset({"phases", "payload", "failure", "failed_as", "bytes_in", "bytes_out", "speed"})
"""What no question about many jobs asks of one."""


class Row(NamedTuple):
    """A record as a row of the table `records`, and last the recipe that it was built by."""

    media_id: str
    name: str
    stamp: str
    known: str | None = None
    problem: str | None = None
    applicable: bool | None = None
    code_version: str | None = None
    built_at: float | None = None
    bytes: int | None = None
    seconds: float | None = None
    wall: float | None = None
    encoder: str | None = None
    gpu: str | None = None
    cost: float | None = None
    objects: str | None = None
    recipe: Mapping[str, Any] = MappingProxyType({})


COLUMNS: Final = Row._fields[:-1]


def record_row(row: Row, data: bytes) -> Row:
    """The row of a record with these bytes. Raises `ValidationError` where the record store would."""
    match row.name:
        case refused.MEDIA:
            return row._replace(known=MediaRecord.model_validate_json(data).model_dump_json())
        case check_results.VERIFICATION:
            return row._replace(known=_checks_text(VerificationRecord.model_validate_json(data)))
        case refused.REFUSED:
            return row._replace(known=RefusedRecord.model_validate_json(data).model_dump_json())
        case history.JOBS:
            return row._replace(known=_jobs_text(JobHistory.model_validate_json(data)))
        case name if any(name in outputs for outputs in OUTPUTS.values()):
            return _output_row(row, record_type(name).model_validate_json(data))
    return row


def _output_row(row: Row, record: OutputRecord) -> Row:
    build = record.build
    objects: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for file in record.files:
        place = (file.role, object_kinds.kind(file.role, file.key))
        objects[place] += 1
        sizes[place] += file.size
    row = row._replace(
        known=as_text({key: value for key, value in vars(record_facts(record)).items() if value or value is False}),
        applicable=record.applicable,
        code_version=record.code_version,
        bytes=sum(sizes.values()),
        seconds=record.media_seconds,
        objects=as_text([[*place, count, sizes[place]] for place, count in objects.items()]),
    )
    if build is None:
        return row
    return row._replace(
        built_at=moment(build.built_at).timestamp(),
        wall=build.wall_seconds,
        encoder=build.encoder,
        gpu=build.gpu,
        cost=build.cost_usd,
        recipe=build.recipe,
    )


def _jobs_text(jobs: JobHistory) -> str:
    return as_text([job.model_dump(mode="json", exclude=set(_LEFT_OUT), exclude_none=True) for job in jobs.jobs])


def _checks_text(record: VerificationRecord) -> str:
    failed = {verified.output: verified.failed for verified in record.outputs}
    return as_text(
        {
            output: [
                *(check.data_version, check.checked_at, check.failed, check.rule_set),
                FINDINGS.dump_python(failed[output], mode="json"),
            ]
            for output, check in check_summaries(record).items()
        }
    )


@dataclass(frozen=True)
class MediaRows:
    """What the index has of one media beside its records. `media`: a row of that table, with the facts as text; None
    for what is no media, such as a refused upload. The others: rows of tables of the same name."""

    media: tuple[Any, ...] | None = None
    findings: tuple[tuple[Any, ...], ...] = ()
    refusal: tuple[Any, ...] | None = None
    stored: tuple[tuple[Any, ...], ...] = ()


def media_rows(media_id: str, records: Mapping[str, Mapping[str, Any]], files: Mapping[str, int]) -> MediaRows:
    """Put the rows of a media together.

    `records`: name -> column -> value, of its rows in the table `records`. `files`: key -> bytes of its originals and
    mezzanines.
    """
    refusal = None
    text = _known(records, refused.REFUSED)
    if text is not None:
        refusal = (media_id, refused.is_built(records.keys()), text)
    stored = _stored(media_id, records, files)
    text = _known(records, refused.MEDIA)
    if text is None or not refused.is_buildable(records.keys()):
        return MediaRows(refusal=refusal, stored=stored)
    media = MediaRecord.model_validate_json(text)
    built = {name: records[name] for name in OUTPUTS[media.media_type] if name in records}
    outputs = {
        name: RecordFacts(unreadable=True) if row["known"] is None else _record_facts(json.loads(row["known"]))
        for name, row in built.items()
    }
    checks = json.loads(_known(records, check_results.VERIFICATION) or "{}")
    facts = media_facts(
        media.media_type,
        outputs,
        {output: CheckSummary(row[0], row[1], tuple(row[2]), row[3]) for output, row in checks.items()},
        has_mezzanine_file=keys.mezzanine(media.creator_id, media_id) in files,
        has_original=is_original_listed(media, files.keys()),
    )
    current = {output: row for output, row in checks.items() if _is_current(row, outputs.get(output))}
    findings = tuple(
        (media_id, number, finding["rule"], finding["severity"] == "ERROR", checked_at, as_text([output, finding]))
        for number, (output, checked_at, finding) in enumerate(
            (output, row[1], finding) for output, row in current.items() for finding in row[4]
        )
    )
    failing = dict.fromkeys(rule for _, _, rule, is_failure, _, _ in findings if is_failure)
    return MediaRows(
        media=(
            *(media_id, media.media_type, media.creator_id, media.input_role, media.input_key, facts.text()),
            records[MEZZANINE.name]["seconds"] if MEZZANINE.name in records else None,
            len(built),
            sum(row["bytes"] or 0 for row in built.values()),
            max((row["built_at"] for row in built.values() if row["built_at"]), default=None),
            next((row["encoder"] for name, row in built.items() if row["encoder"] and name != MEZZANINE.name), None),
            sum(costs) if (costs := [row["cost"] for row in built.values() if row["cost"] is not None]) else None,
            max((row[1] for row in current.values()), default=None),
            sum(is_failure for _, _, _, is_failure, _, _ in findings),
            sum(not is_failure for _, _, _, is_failure, _, _ in findings),
            " ".join(failing),
            _last_job(_known(records, history.JOBS)),
        ),
        findings=findings,
        refusal=refusal,
        stored=stored,
    )


def _known(records: Mapping[str, Mapping[str, Any]], name: str) -> str | None:
    return records[name]["known"] if name in records else None


def _is_current(checked: list[Any], record: RecordFacts | None) -> bool:
    """Whether a check is about what is published now: what `OutputVerification.is_of` says of the records."""
    if record is None or record.unreadable or not record.applicable:
        return False
    return bool(checked[0] == record.data_version and checked[1] >= record.built_at)


def _last_job(text: str | None) -> str | None:
    jobs = json.loads(text) if text else []
    if not jobs:
        return None
    asked = ("outcome", "started_at", "finished_at", "error_code", "seconds")
    return as_text({name: jobs[-1][name] for name in asked if name in jobs[-1]})


def _stored(
    media_id: str, records: Mapping[str, Mapping[str, Any]], files: Mapping[str, int]
) -> tuple[tuple[Any, ...], ...]:
    """Objects and bytes by store and kind: what outputs' records name, the records themselves, and the originals."""
    objects: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for name, row in records.items():
        places = json.loads(row["objects"]) if row["objects"] else []
        for role, kind, count, size in (*places, ("archive", "records", 1, _size_of(row["stamp"]))):
            # The mezzanine as it is listed: its file may be gone, and its record is there.
            if name != MEZZANINE.name or kind == "records":
                objects[role, kind] += count
                sizes[role, kind] += size
    for key, size in files.items():
        place = ("archive", object_kinds.kind("archive", key))
        objects[place] += 1
        sizes[place] += size
    return tuple((media_id, *place, count, sizes[place]) for place, count in objects.items())


def _size_of(stamp: str) -> int:
    return int(stamp.partition(" ")[0])


def _record_facts(fields: dict[str, Any]) -> RecordFacts:
    """The facts that a row keeps, as `_output_row` wrote them."""
    size = fields.pop("size", None)
    return RecordFacts(**fields | {"variants": tuple(fields.get("variants", ()))}, size=tuple(size) if size else None)


def as_text(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))
