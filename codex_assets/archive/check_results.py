"""The results of verifying a media's published outputs, as they are kept in its archive.

In: the fields of `records/{mediaId}/verification.json`. Out: how a result comes about and when it replaces an older one
(`verification/audit.py`).
"""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator

from codex_assets.archive.findings import Finding, findings_of
from codex_assets.archive.notes import Note
from codex_assets.archive.records import OutputRecord, Record
from codex_assets.contract.names import MediaType

VERIFICATION = "verification"
"""Name of the record that keeps findings of the last verification of a media."""


class OutputVerification(Record):
    """One output as it was last judged. `data_version` is that of the contents that were seen."""

    output: str
    data_version: str
    checked_at: str
    passed: tuple[str, ...] = ()
    """Names of rules."""
    failed: tuple[Finding, ...] = ()
    """What did not pass, warnings too."""
    rule_set: str | None = None
    """Which rules were asked, all of them; None in results of earlier releases, and where only some were asked."""
    notes: tuple[Note, ...] | None = None
    """What a viewer would complain of in the programme; None: nobody looked, or this output does not show all of it."""

    def is_of(self, record: OutputRecord | None) -> bool:
        """Whether it is about what a record says is published: a check that is older than the build was of other
        objects, be they the same bytes."""
        if record is None or not record.applicable:
            return False
        built_at = record.build.built_at if record.build is not None else ""
        return self.data_version == record.data_version and self.checked_at >= built_at

    @field_validator("failed", mode="after")
    @classmethod
    def _name_the_output(cls, failed: tuple[Finding, ...], info: ValidationInfo) -> tuple[Finding, ...]:
        return findings_of(info.data.get("output", ""), failed)


class VerificationRecord(Record):
    """The last findings for everything that a media has published."""

    media_id: str
    creator_id: str
    media_type: MediaType
    outputs: tuple[OutputVerification, ...] = ()
