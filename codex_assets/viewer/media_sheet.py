"""Everything that the page of a media shows of its records, as JSON has it.

In: which fields, and where each object can be had. Out: reading them (`library/published_media.py`), what is measured
when the page is open (`measured.py`), and how it looks (`pages/`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from codex_assets.archive import history, undelivered
from codex_assets.archive.findings import Finding
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import ORIGINAL, MediaRecord, OriginalRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.library import published_media
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media import outputs as media_outputs
from codex_assets.media import profile
from codex_assets.media.upload.refusals import REMEDIES
from codex_assets.storage.objects import Role, Stores
from codex_assets.verification.judge import RULES
from codex_assets.viewer.check_categories import CATEGORIES, category_of
from codex_assets.viewer.states import state_of
from codex_assets.viewer.treatment import treatment
from codex_assets.worker import announcement


def object_path(media: MediaRecord, role: Role, key: str) -> str:
    """Where the viewer serves an object of a media."""
    return f"/media/{media.media_id}/objects/{role}/{key}"


def read(media_id: str, stores: Stores, extras: Collection[str] = ()) -> dict[str, Any] | None:
    """The sheet of a media; None where it is not known. `extras`: optional outputs that every media is to have. Raises
    `StorageError`, and `ValueError` for no media id."""
    records = RecordStore(stores.archive)
    media = published_media.read(media_id, records, extras=extras)
    if media is None:
        return None
    jobs = history.read(records, media_id)
    return {
        "id": media_id,
        "creator": media.media.creator_id,
        "type": media.media.media_type,
        "state": state_of(media, jobs, datetime.now(UTC)),
        "refusal": _refusal(media),
        "upload": _upload(media, stores, records),
        "treatment": treatment(media.built),
        "outputs": {name: _output(media, name, record) for name, record in media.outputs.items() if record is not None},
        "order": list(media.outputs),
        "stale": media.stale,
        "verdicts": {
            name: {
                "stale": verdict.is_stale,
                "causes": [str(cause) for cause in verdict.causes],
                "blocked": verdict.blocked,
                "judged": verdict.judged,
            }
            for name, verdict in media.verdicts.items()
        },
        "checks": _checks(media),
        "notes": [
            {"kind": note.kind, "start": note.start, "end": note.end, "sentence": note.sentence}
            for note in media.notes or ()
        ],
        "warnings": list(dict.fromkeys(warning for record in media.built for warning in record.warnings)),
        "jobs": [_job(job) for job in reversed(jobs)],
        "webhook": _webhook(media),
        "undelivered": [{"reason": each.reason, "since": each.since} for each in undelivered.read(records, media_id)],
        "targets": {"loudness": profile.LOUDNESS_TARGET, "peak": profile.TRUE_PEAK_CEILING},
        "play": players(media),
    }


def _refusal(media: PublishedMedia) -> dict[str, Any] | None:
    """Why the last upload was refused, and what to do; None where it was not."""
    if media.refusal is None:
        return None
    return {
        **media.refusal.wire(is_all=media.is_refused),
        "uploadedAt": media.refusal.uploaded_at,
        # A newer release may know other codes.
        "remedy": REMEDIES.get(media.refusal.code),
    }


def _upload(media: PublishedMedia, stores: Stores, records: RecordStore) -> dict[str, Any]:
    who = media.media
    stored = stores.by_role(who.input_role).head(who.input_key)
    gone = records.get(who.media_id, ORIGINAL, OriginalRecord) if stored is None else None
    mezzanine = announcement.mezzanine_of(media.built, {})
    return {
        "key": who.input_key,
        "role": who.input_role,
        "url": object_path(who, who.input_role, who.input_key) if stored is not None else None,
        "size": stored.size if stored is not None else gone.size if gone is not None else None,
        "gone": {"since": gone.gone_since, "deleted": gone.deleted} if gone is not None else None,
        "facts": mezzanine.source.model_dump(mode="json", exclude_none=True) if mezzanine is not None else None,
    }


def _output(media: PublishedMedia, name: str, record: OutputRecord) -> dict[str, Any]:
    dumped = record.model_dump(mode="json", exclude_none=True, exclude={"files", "checks", "media_id", "media_type"})
    last = record.files[-1] if record.files else None
    return {
        **dumped,
        "bytes": sum(file.size for file in record.files),
        "objects": len(record.files),
        "key": f"{last.role}: {last.key}" if last is not None else None,
        "url": object_path(media.media, last.role, last.key) if last is not None else None,
        "isVariant": media_outputs.is_variant(name),
        "failedBefore": [_finding(check) for check in record.checks if not check.passed],
        "passedBefore": sum(check.passed for check in record.checks),
    }


def players(media: PublishedMedia) -> dict[str, str]:
    """What can be played or looked at, by the name of its output."""
    shown = (
        *(media_outputs.MASTER, media_outputs.PREVIEW, media_outputs.THUMBNAIL),
        *(media_outputs.STORYBOARD, media_outputs.WAVEFORM_JSON, media_outputs.WAVEFORM_PNG),
    )
    addresses = {}
    for kind in shown:
        record = media.outputs.get(kind.name)
        if record is not None and record.applicable and record.files:
            addresses[kind.name] = object_path(media.media, record.files[-1].role, record.files[-1].key)
    return addresses


# --- Checks -----------------------------------------------------------------------------------------------------------


def _checks(media: PublishedMedia) -> dict[str, Any]:
    """What the last check of what is published found, else what the build did: by category, with what did not pass."""
    verified = {each.output: each for each in media.verified}
    categories: dict[str, dict[str, Any]] = {name: {"passed": 0, "findings": []} for name in CATEGORIES}
    for record in media.built:
        checked = verified.get(record.output)
        if checked is not None:
            passed: list[str] = list(checked.passed)
            failed: list[Finding] = list(checked.failed)
        else:
            passed = [check.rule for check in record.checks if check.passed]
            failed = [check for check in record.checks if not check.passed]
        for rule in passed:
            categories[category_of(rule)]["passed"] += 1
        for finding in failed:
            categories[category_of(finding.rule)]["findings"].append(_finding(finding))
    return {
        "checkedAt": max((each.checked_at for each in media.verified), default=None),
        "judged": media.judged,
        "categories": [
            {"name": name, **counts} for name, counts in categories.items() if counts["passed"] or counts["findings"]
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = RULES.get(finding.rule)
    return {
        "output": finding.output,
        "rule": finding.rule,
        "about": rule.description if rule is not None else "",
        "severity": finding.severity,
        "message": finding.message,
        "expected": finding.expected,
        "observed": finding.observed,
        "where": finding.where,
        "at": finding.at,
    }


# --- Jobs and the webhook ---------------------------------------------------------------------------------------------


def _job(job: JobRecord) -> dict[str, Any]:
    return job.model_dump(
        mode="json",
        exclude_none=True,
        include={
            *("id", "started_at", "finished_at", "outcome", "error_code", "seconds", "phases", "speed", "encoder"),
            *("gpu", "cost_usd", "queue_seconds", "bytes_in", "bytes_out", "asked", "failure"),
        },
    )


def _webhook(media: PublishedMedia) -> dict[str, Any] | None:
    """The body that would announce what is published now; None where nothing is."""
    built = [record for record in media.outputs.values() if record is not None]
    if not built:
        return None
    run_id = next(_run_ids(built), "job")
    return announcement.completed(run_id, media.media, built, {}).wire()


def _run_ids(built: list[OutputRecord]) -> Iterator[str]:
    """Runs that built something, the last one first."""
    builds = [record.build for record in built if record.build is not None and record.build.run_id]
    for build in sorted(builds, key=lambda build: build.built_at, reverse=True):
        yield build.run_id or ""
