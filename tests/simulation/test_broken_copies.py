"""The simulation finds what it is there to find: each of these copies of the product is broken in one place, and some
seed of the first thousand shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from interleaving import Simulation, simulated_processes

from codex_assets.archive import leases, replaced, switches
from codex_assets.archive.leases import Lease
from codex_assets.archive.switches import SwitchNote
from codex_assets.build.publication import Publication
from codex_assets.storage import keys
from codex_assets.storage.objects import StoredObject
from codex_assets.storage.s3 import S3Store
from codex_assets.worker.redelivery import Earlier

Broken = Callable[[pytest.MonkeyPatch], None]
SEEDS = 1000
MIXED = "is not there as recorded|was made from another"
"""Of what is on record and in the stores, whatever was noted."""


def without_a_note(patch: pytest.MonkeyPatch) -> None:
    """The switch is known to the process alone."""

    def note(lease: Lease, switch: SwitchNote) -> None:
        lease.confirm()
        lease._record = lease._record.model_copy(update={"switch": switch})

    written = Lease._write

    def write(lease: Lease, **changes: Any) -> None:
        known = lease._record.switch
        lease._record = lease._record.model_copy(update={"switch": None})
        try:
            written(lease, **changes)
        finally:
            if "switch" not in changes:
                lease._record = lease._record.model_copy(update={"switch": known})

    patch.setattr(Lease, "note", note)
    patch.setattr(Lease, "_write", write)


def whoever_has_it(patch: pytest.MonkeyPatch) -> None:
    """A lease that somebody else has taken is written over."""

    def still_mine(lease: Lease) -> StoredObject | None:
        return lease._leases.stores.media.head(keys.lease(lease.media_id))

    patch.setattr(Lease, "_still_mine", still_mine)


def deleted_instead_of_given_back(patch: pytest.MonkeyPatch) -> None:
    """A delete has no condition."""
    patch.setattr(Lease, "give_back", lambda lease: lease._leases.stores.media.delete(keys.lease(lease.media_id)))


def pruned_whatever_is_named(patch: pytest.MonkeyPatch) -> None:
    """What a record names is deleted as well."""
    patch.setattr(replaced, "named_keys", lambda records, media: frozenset())


def without_waiting_for_who_deletes(patch: pytest.MonkeyPatch) -> None:
    """Deleting is no phase of its own: who comes to name it meanwhile does not wait."""

    patch.setattr(leases._Seen, "is_switching", property(lambda seen: seen.switch is not None))


def taken_back_without_the_lease(patch: pytest.MonkeyPatch) -> None:
    """Also by a run that has lost the media."""
    patch.setattr(Publication, "_take_back", lambda this: _take_back(this))


def _take_back(publication: Publication) -> None:
    archive = publication._stores.archive
    for upload in publication._uploads:
        now = archive.head(upload.key) if upload.role == archive.name else None
        if now is not None and now.version is not None:
            archive.delete_version(upload.key, now.version)


def without_fences(patch: pytest.MonkeyPatch) -> None:
    """Playlists and pictures are written over whatever is there, records whoever has the media."""
    conditional = S3Store.write_if

    def write_if(store: S3Store, key: str, data: bytes, current: Any, **headers: Any) -> StoredObject:
        if key.startswith(keys.LEASES_ROOT):
            return conditional(store, key, data, current, **headers)
        return store.write(key, data, **headers)

    patch.setattr(S3Store, "write_if", write_if)
    patch.setattr(Lease, "require_fresh", lambda lease: None)
    patch.setattr(switches, "withdraw", lambda written, archive: None)


def late_records_are_left(patch: pytest.MonkeyPatch) -> None:
    """A run that has lost the media leaves the records that it wrote too late."""
    patch.setattr(switches, "withdraw", lambda written, archive: None)


def renewed_as_it_was(patch: pytest.MonkeyPatch) -> None:
    """The lease is read before whoever has its lock has written it."""
    written = Lease._write

    def confirm(lease: Lease) -> None:
        before = {"switch": lease._record.switch, "ended": lease._record.ended}
        written(lease, **before)

    patch.setattr(Lease, "confirm", confirm)


def not_finished_by_the_next(patch: pytest.MonkeyPatch) -> None:
    """Who takes a lease begins with its own work, and notes its own switch over what was noted."""
    finish = Lease.finish

    def only_own(lease: Lease, **how: Any) -> None:
        if how:
            finish(lease, **how)

    patch.setattr(Lease, "finish", only_own)


def announced_whatever_lies_there(patch: pytest.MonkeyPatch) -> None:
    """A job that took the media from that of a newer upload announces what it built before."""
    patch.setattr(Earlier, "is_of", lambda earlier, uploaded_at: True)


def playlists_last(patch: pytest.MonkeyPatch) -> None:
    """Records say what is not there yet."""
    execute = switches.execute

    def records_first(note: SwitchNote, stores: Any, fence: Any, written: Mapping[str, StoredObject]) -> None:
        for record in note.records:
            if record.text is not None:
                data = json.dumps(json.loads(record.text), indent=2, ensure_ascii=False).encode() + b"\n"
                stores.archive.write(keys.record(note.media_id, record.name), data, content_type="application/json")
        execute(note.model_copy(update={"files": note.files[:-1], "records": ()}), stores, fence, dict(written))

    patch.setattr(switches, "execute", records_first)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("broken", "shows"),
    [
        (without_a_note, MIXED),
        (whoever_has_it, MIXED),
        (deleted_instead_of_given_back, "took a switch away"),
        (pruned_whatever_is_named, "deleted .* which .* names"),
        pytest.param(without_waiting_for_who_deletes, "which .* names|which is not there", marks=pytest.mark.slow),
        (taken_back_without_the_lease, "deleted a version of the mezzanine, and the recorded"),
        pytest.param(without_fences, MIXED, marks=pytest.mark.slow),
        pytest.param(late_records_are_left, MIXED, marks=pytest.mark.slow),
        (renewed_as_it_was, "is completed, and nothing of it was published"),
        (not_finished_by_the_next, MIXED),
        pytest.param(announced_whatever_lies_there, "an older upload is published", marks=pytest.mark.slow),
        (playlists_last, MIXED),
    ],
)
def test_a_broken_copy_is_found(broken: Broken, shows: str, tmp_path: Path) -> None:
    with simulated_processes(), pytest.MonkeyPatch.context() as patch:
        broken(patch)
        simulation = Simulation(tmp_path)
        for seed in range(SEEDS):
            story = simulation.run(seed)
            if any(re.search(shows, what) for what in story.broken):
                return
    pytest.fail(f"no seed of {SEEDS} shows that {broken.__doc__}", pytrace=False)
