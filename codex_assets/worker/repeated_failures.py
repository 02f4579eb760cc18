"""Jobs that fail alike: the same upload, the same recipes and tools, the same failure. A third would too.

A job that fails as an earlier one of its media did is final, and its answer says what to do instead of sending it
again. In: what makes two failures the same. Out: the history of jobs (`archive/history.py`), and attempts within one
job (`defs/repeated_failures.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config.workshop import Workshop
from codex_assets.errors import PUBLIC_LIMIT, JobError, RelayedError, clip
from codex_assets.media import recipe

TOOLS = ("ffmpeg", "audiowaveform")
ADVICE = (
    "An earlier job failed in exactly this way over the same upload, so sending it again does not help: "
    "report it with its mediaId, or have the file exported again and uploaded anew."
)


def signature(error: JobError, media: MediaRecord, outputs: Sequence[str], workshop: Workshop) -> str | None:
    """What is the same for all jobs that fail alike; None for a failure that depends on more than upload and tools, or
    where the upload cannot be asked for."""
    if error.signature is None or not error.retryable:
        return None
    try:
        upload = workshop.stores.by_role(media.input_role).head(media.input_key)
        versions = [workshop.tools.version(tool) for tool in TOOLS]
    except JobError:
        return None
    if upload is None:
        return None
    modified = upload.modified.isoformat() if upload.modified is not None else None
    recipes = [recipe.code_version(media.media_type, output) for output in sorted(outputs)]
    facts = [media.input_key, upload.size, modified, upload.etag, recipes, versions, error.signature]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def final(error: JobError, failed_as: str | None, begun: JobRecord, records: RecordStore) -> JobError:
    """The failure that a job is answered with: final, with `ADVICE`, where an earlier job of its media failed alike.

    `failed_as`: as `signature`. Where the history cannot be read, the failure stays as it is.
    """
    if failed_as is None:
        return error
    try:
        jobs = history.read(records, begun.media_id)
    except JobError:
        return error
    earlier = [job for job in jobs if (job.id, job.started_at) != (begun.id, begun.started_at)]
    if all(job.failed_as != failed_as for job in earlier):
        return error
    said = clip(error.public, PUBLIC_LIMIT - len(ADVICE) - 1)
    return RelayedError(error.code, f"{said} {ADVICE}", retryable=False, signature=error.signature)
