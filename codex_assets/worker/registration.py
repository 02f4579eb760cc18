"""Who a media is: a job that says otherwise than what is published is refused.

In: a job that names another creator or type than the media is published as. Out: when a media is registered
(`archive/refused.py`), and a new upload of the same media, whose place goes on record with what is built of it
(`build/publication.py`).
"""

from __future__ import annotations

from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.errors import PayloadError
from codex_assets.media.outputs import OUTPUTS


def require_same(media: MediaRecord, records: RecordStore) -> None:
    """Raises `PayloadError` when the media is published as another creator's, or as another type; `StorageError`."""
    try:
        known = records.media(media.media_id)
    except UnreadableRecord:
        return
    if known is None or (known.creator_id, known.media_type) == (media.creator_id, media.media_type):
        return
    if _is_published(known, records):
        raise PayloadError(list(_contradictions(media, known)))


def _is_published(media: MediaRecord, records: RecordStore) -> bool:
    """Whether there is a record of any output. One that cannot be read is one too."""
    try:
        return any(records.output(media.media_id, output) is not None for output in OUTPUTS[media.media_type])
    except UnreadableRecord:
        return True


def _contradictions(media: MediaRecord, known: MediaRecord) -> list[str]:
    """A sentence for each field. Whose it is, is nobody else's business."""
    sentences = []
    if known.creator_id != media.creator_id:
        sentences.append(f"creatorId is not that of the creator as whose media {media.media_id} is published")
    if known.media_type != media.media_type:
        article = "an" if known.media_type == "audio" else "a"
        sentences.append(f"mediaType: media {media.media_id} is published as {article} {known.media_type}")
    return sentences
