"""Findings in records: the files in `old_records/` were written before rules, records and checks had one shape."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.findings import Finding, Severity
from codex_assets.archive.records import Record, VariantRecord

OLD = Path(__file__).parent / "old_records"


def read(name: str, model: type[Record]) -> Record:
    return model.model_validate_json((OLD / name).read_bytes())


def test_findings_of_old_records_are_read() -> None:
    record = read("hls_720p.json", VariantRecord)
    assert isinstance(record, VariantRecord)
    stray = "segment_00007.ts"
    assert record.checks[1] == Finding(
        False,
        f"{stray} is in no playlist.",
        "none",
        stray,
        stray,
        output="hls_720p",
        rule="no_stray_segments",
        severity=Severity.WARN,
    )
    assert [(finding.is_failure, finding.is_warning) for finding in record.checks] == [(False, False), (False, True)]


def test_results_of_old_verifications_are_read() -> None:
    record = read("verification.json", VerificationRecord)
    assert isinstance(record, VerificationRecord)
    (result,) = record.outputs
    assert [(finding.output, finding.rule) for finding in result.failed if finding.is_failure] == [
        ("hls_720p", "target_duration")
    ]
    assert result.failed[0].observed == "7.000 s"


@pytest.mark.parametrize(
    ("name", "model"), [("hls_720p.json", VariantRecord), ("verification.json", VerificationRecord)]
)
def test_records_keep_the_form_of_findings(name: str, model: type[Record]) -> None:
    written = read(name, model).model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
    assert written == (OLD / name).read_bytes()


@pytest.mark.parametrize("change", [("rule", "rules"), ("WARN", "LATER")])
def test_a_finding_without_a_rule_or_of_an_unknown_severity_is_no_record(change: tuple[str, str]) -> None:
    text = (OLD / "hls_720p.json").read_text().replace(f'"{change[0]}"', f'"{change[1]}"')
    with pytest.raises(ValidationError):
        VariantRecord.model_validate_json(text)
