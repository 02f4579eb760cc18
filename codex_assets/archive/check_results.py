"""The results of verifying a media's published outputs, as they are kept in its archive.

In: the fields of `records/{mediaId}/verification.json`. Out: how a result comes about and when it replaces an older one
(`verification/audit.py`).
"""

from __future__ import annotations

from codex_assets.archive.records import CheckFact, MediaType, Record

VERIFICATION = "verification"
"""Name of the record that keeps what was last found of a media."""


class OutputVerification(Record):
    """One output as it was last judged. `data_version` is that of the contents that were seen."""

    output: str
    data_version: str
    checked_at: str
    passed: tuple[str, ...] = ()
    failed: tuple[CheckFact, ...] = ()
    """What did not pass, warnings too."""


class VerificationRecord(Record):
    """What was last found of everything that a media has published."""

    media_id: str
    creator_id: str
    media_type: MediaType
    outputs: tuple[OutputVerification, ...] = ()
