"""Which media there are in the archive, and what is recorded of each: listed and read by many threads.

In: a media with its records and its last check results, and whether a condition holds for it. Out: judging
(`sweep.py`), and the conditions themselves (`selection.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from codex_assets.archive import check_results
from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.library import staleness
from codex_assets.library.selection import Where
from codex_assets.library.staleness import Verdict
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores

READERS = 16
"""Records are small and far away: most of the time of reading one is waiting."""


@dataclass(frozen=True)
class Media:
    """One media as its records tell it: an output is None when it was never built."""

    media: MediaRecord
    outputs: dict[str, OutputRecord | None] = field(default_factory=dict)
    verification: VerificationRecord | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def built(self) -> list[OutputRecord]:
        return [record for record in self.outputs.values() if record is not None and record.applicable]

    def meets(self, where: Where) -> bool:
        return where.holds(self.media, lambda: self.outputs, lambda: self.stale)

    @cached_property
    def stale(self) -> list[str]:
        """The outputs that are to be rebuilt."""
        return staleness.stale(self.verdicts)


def outputs_of(media: MediaRecord, records: RecordStore) -> dict[str, OutputRecord | None]:
    return {output: records.output(media.media_id, output) for output in OUTPUTS[media.media_type]}


def judged(
    media: MediaRecord,
    outputs: Mapping[str, OutputRecord | None],
    verification: VerificationRecord | None,
    records: RecordStore,
) -> dict[str, Verdict]:
    """What is stale of a media, and why: as the catalogue would say, without it."""
    there = {
        key
        for key in (keys.mezzanine(media.creator_id, media.media_id), media.input_key)
        if (media.input_role == "archive" or key != media.input_key) and records.holds(key)
    }
    return staleness.judged(
        media.media_type,
        outputs,
        verification,
        mezzanine_file=keys.mezzanine(media.creator_id, media.media_id) in there,
        original=staleness.original_there(media, there),
    )


def holds(where: Where, media: MediaRecord, records: RecordStore) -> bool:
    """Whether a condition holds for a media. Reads of its records no more than that takes."""
    held: dict[str, OutputRecord | None] = {}

    def outputs() -> dict[str, OutputRecord | None]:
        if not held:
            held.update(outputs_of(media, records))
        return held

    def stale() -> list[str]:
        verification = records.get(media.media_id, check_results.VERIFICATION, VerificationRecord)
        return staleness.stale(judged(media, outputs(), verification, records))

    return where.holds(media, outputs, stale)


def read(media_id: str, records: RecordStore) -> Media | None:
    """Everything that is known of a media; None when it was never registered."""
    media = records.media(media_id)
    if media is None:
        return None
    verification = records.get(media_id, check_results.VERIFICATION, VerificationRecord)
    outputs = outputs_of(media, records)
    return Media(media, outputs, verification, judged(media, outputs, verification, records))


def read_all(stores: Stores) -> Iterator[Media]:
    """Every registered media, in order of their ids."""
    records = RecordStore(stores.archive)
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for one in pool.map(lambda media_id: read(media_id, records), records.media_ids()):
            if one is not None:
                yield one


def kept(stores: Stores) -> Iterator[VerificationRecord]:
    """What was last found of every media that was ever verified, in order of their ids."""
    records = RecordStore(stores.archive)
    named = (keys.parse_record(stored.key) for stored in stores.archive.list(keys.RECORDS_ROOT))
    verified = [key[0] for key in named if key is not None and key[1] == check_results.VERIFICATION]
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for record in pool.map(lambda one: records.get(one, check_results.VERIFICATION, VerificationRecord), verified):
            if record is not None:
                yield record
