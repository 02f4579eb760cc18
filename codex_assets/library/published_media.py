"""All that is recorded of one media, read from the archive.

In: a media with its records and its last check results, and whether a condition holds for it. Out: a line about each of
thousands (`overview.py`), judging (`sweep.py`), and the conditions themselves (`selection.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from codex_assets.archive import check_results, refused
from codex_assets.archive.check_results import OutputVerification, VerificationRecord
from codex_assets.archive.notes import Note
from codex_assets.archive.records import MediaRecord, OutputRecord, VariantRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import InternalError, JobError
from codex_assets.library import staleness
from codex_assets.library.judged import Judged, judged_least
from codex_assets.library.media_facts import is_original_listed
from codex_assets.library.selection import Where
from codex_assets.library.staleness import Verdict
from codex_assets.media.outputs import OPTIONAL, wanted
from codex_assets.storage import keys


@dataclass(frozen=True)
class PublishedMedia:
    """One media as its records have it: an output is None when it was never built. Optional outputs are there when they
    were built, or are to be."""

    media: MediaRecord
    outputs: dict[str, OutputRecord | None] = field(default_factory=dict)
    verification: VerificationRecord | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    refusal: RefusedRecord | None = None
    """Its last upload was refused; an earlier one may be published."""

    @property
    def is_refused(self) -> bool:
        """Whether a refused upload is all that there is of it: there is nothing to build, nor to check."""
        return self.refusal is not None and not any(self.outputs.values())

    @property
    def built(self) -> list[OutputRecord]:
        """The records of what was built and applies."""
        return [record for record in self.outputs.values() if record is not None and record.applicable]

    @property
    def verified(self) -> tuple[OutputVerification, ...]:
        """What the last checks found of what is published now."""
        checked = self.verification.outputs if self.verification is not None else ()
        return tuple(each for each in checked if each.is_of(self.outputs.get(each.output)))

    @property
    def notes(self) -> tuple[Note, ...] | None:
        """What a viewer would complain of: by the last check of what is published, else by the build; None where nobody
        looked."""
        seen = [each.notes for each in self.verified]
        seen += [record.notes for record in self.built if isinstance(record, VariantRecord)]
        return next((notes for notes in seen if notes is not None), None)

    def meets(self, where: Where) -> bool:
        """Whether a condition holds for it."""
        return where.holds(self.media, lambda: self.outputs, lambda: self.verdicts)

    @cached_property
    def stale(self) -> list[str]:
        """The outputs that are to be rebuilt."""
        return staleness.stale_outputs(self.verdicts)

    @cached_property
    def judged(self) -> Judged | None:
        """By which rules its least judged output was judged; None where nothing is to be judged."""
        return judged_least(verdict.judged for verdict in self.verdicts.values())


def outputs_of(
    media: MediaRecord, records: RecordStore, extras: Collection[str] = (), names: Collection[str] = OPTIONAL
) -> dict[str, OutputRecord | None]:
    """Output -> its record, or None; of every output that the media has or is to have.

    `extras`: optional outputs that every media is to have; `names`: those of its records, if they are known.
    """
    asked = wanted(media.media_type, {*extras, *names})
    read = {output: records.output(media.media_id, output) for output in asked}
    necessary = wanted(media.media_type, extras)
    return {output: record for output, record in read.items() if record is not None or output in necessary}


def read_verdicts(
    media: MediaRecord,
    outputs: Mapping[str, OutputRecord | None],
    verification: VerificationRecord | None,
    records: RecordStore,
    extras: Collection[str] = (),
) -> dict[str, Verdict]:
    """Output -> whether it is stale and why: what the catalogue would answer, without a catalogue."""
    mezzanine = keys.mezzanine(media.creator_id, media.media_id)
    listed = {
        key
        for key in (mezzanine, media.input_key)
        if (media.input_role == "archive" or key != media.input_key) and records.holds(key)
    }
    return staleness.verdicts_of(
        media.media_type,
        outputs,
        verification,
        has_mezzanine_file=mezzanine in listed,
        has_original=is_original_listed(media, listed),
        extras=extras,
    )


def condition_holds(where: Where, media: MediaRecord, records: RecordStore, extras: Collection[str] = ()) -> bool:
    """Whether a condition holds for a registered media. Reads no more of its records than the answer takes. `extras`:
    optional outputs that every media is to have."""
    by_output: dict[str, OutputRecord | None] = {}

    def outputs() -> dict[str, OutputRecord | None]:
        if not by_output:
            by_output.update(outputs_of(media, records, extras))
        return by_output

    def verdicts() -> dict[str, Verdict]:
        if not any(outputs().values()) and refused.read(media.media_id, records) is not None:
            return {}
        verification = records.get(media.media_id, check_results.VERIFICATION, VerificationRecord)
        return read_verdicts(media, outputs(), verification, records, extras)

    return where.holds(media, outputs, verdicts)


def why_not(error: Exception) -> str:
    """For a person: why the work on one media ended, of the work on many."""
    if isinstance(error, JobError):
        return error.public
    if isinstance(error, ValueError):
        return "It is no media id, or its records cannot be read."
    return InternalError.of(error).public


def read(
    media_id: str, records: RecordStore, names: Collection[str] | None = None, *, extras: Collection[str] = ()
) -> PublishedMedia | None:
    """Everything that is known of a media; None when it was never registered, and no upload of it was refused.

    `names`: those of its records, if they are known. A store that is asked for a record which is not there is asked
    twice. `extras`: optional outputs that every media is to have.
    """
    names = records.names(media_id) if names is None else names
    media = records.media(media_id) if refused.MEDIA in names else None
    refusal = refused.read(media_id, records) if refused.REFUSED in names else None
    if media is None and refusal is None:
        return None
    media = media or (refusal.media if refusal is not None else None)
    assert media is not None
    verification = records.get(media_id, check_results.VERIFICATION, VerificationRecord)
    outputs = outputs_of(media, records, extras, names)
    if refusal is not None and not any(outputs.values()):
        return PublishedMedia(refusal.media, outputs, refusal=refusal)
    verdicts = read_verdicts(media, outputs, verification, records, extras)
    return PublishedMedia(media, outputs, verification, verdicts, refusal)
