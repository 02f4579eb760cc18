"""What a job builds is published together: a store that fails at any moment before the switch leaves all as it was."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from small_film import MASTER, MEDIA, MEZZANINE, PLAYLIST, THUMBNAIL, Fault, Job, stores_at

from codex_assets.archive.leases import Leases
from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import InternalError, StorageError, VerificationError
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.verification.observations import MezzanineObservation


def shown(stores: Stores) -> dict[str, bytes]:
    """What a viewer and a later build see: playlists, pictures, records, and the mezzanine that its record names."""
    seen = {}
    for store in (stores.archive, stores.media, stores.assets):
        for listed in store.list(""):
            if not listed.key.endswith((".ts", ".mp4")) and not listed.key.startswith("leases/"):
                seen[listed.key] = store.read(listed.key)
    record = RecordStore(stores.archive).get("m1", "mezzanine", MezzanineRecord)
    if record is not None:
        (file,) = record.files
        current = stores.archive.head(file.key)
        assert current is not None
        assert (current.version, current.sha256) == (file.version, file.sha256)
        seen[file.key] = stores.archive.read(file.key)
    return seen


def test_content_first_then_what_names_it_and_records_last(tmp_path: Path) -> None:
    fault = Fault()
    Job(tmp_path, stores_at(tmp_path / "store", fault), "one").switch()
    content = {key for key in fault.writes if key.endswith((".ts", ".mp4"))}
    assert set(fault.writes[:4]) == content
    assert fault.writes[4:7] == [PLAYLIST, MASTER, THUMBNAIL]
    records = ["mezzanine", "hls_720p", "hls_master", "thumbnail", "hls_1080p", "media"]
    assert sorted(fault.writes[7:]) == sorted(keys.record("m1", name) for name in records)


def test_all_records_are_given_in_the_order_of_outputs(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "store")
    records = Job(tmp_path, stores, "one").switch()
    assert [record.output for record in records] == ["mezzanine", "hls_1080p", "hls_720p", "hls_master", "thumbnail"]
    archive = RecordStore(stores.archive)
    assert all(archive.output("m1", record.output) == record for record in records)
    for record in records:
        for file in record.files:
            stored = stores.by_role(file.role).head(file.key)
            assert stored is not None
            assert (stored.size, stored.sha256, stored.version) == (file.size, file.sha256, file.version)
    built = [record.build for record in records if record.build is not None]
    # A dollar a second: what the outputs cost is what the job took, once.
    assert sum(each.cost_usd or 0.0 for each in built) == pytest.approx(
        sum(each.wall_seconds / each.shared for each in built), abs=0.01
    )


def test_nothing_is_published_of_what_was_to_be_judged_and_was_not(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "store")
    job = Job(tmp_path, stores, "one", judged_later=["mezzanine"])
    with pytest.raises(InternalError, match="nobody judged mezzanine"):
        job.switch()
    assert shown(stores) == {}


def test_what_is_judged_later_is_published_with_its_checks_or_not_at_all(tmp_path: Path) -> None:
    stores = stores_at(tmp_path / "store")
    job = Job(tmp_path, stores, "one", judged_later=["mezzanine"])
    with pytest.raises(VerificationError):
        job.publication.judge("mezzanine", [MezzanineObservation("mezzanine", problem="it does not exist")])
    with pytest.raises(InternalError):
        job.switch()
    job = Job(tmp_path, stores, "two", judged_later=["mezzanine"])
    job.publication.judge("mezzanine", [])
    assert "mezzanine" in [record.output for record in job.switch()]


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_store_that_fails_before_the_switch_leaves_all_as_it_was(moment: int, tmp_path: Path) -> None:
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one").switch()
    before = shown(stores_at(root))
    with pytest.raises(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=moment)), "two").switch()
    assert shown(stores_at(root)) == before
    # And the next job is not in its way.
    records = Job(tmp_path, stores_at(root), "two").switch()
    after = shown(stores_at(root))
    assert {record.data_version for record in records if record.applicable} == {"two"}
    assert after[PLAYLIST].startswith(b"two")
    assert after[MEZZANINE].startswith(b"two")


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_first_job_that_fails_leaves_nothing_that_is_named(moment: int, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with pytest.raises(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=moment)), "one").switch()
    assert shown(stores_at(root)) == {}
    assert stores_at(root).archive.head(MEZZANINE) is None


@pytest.mark.parametrize("moment", range(5, 12))
def test_a_switch_that_began_is_finished_by_whoever_comes_next(moment: int, tmp_path: Path) -> None:
    """Whoever that is: it need not build anything. Meanwhile nothing that the switch needs is deleted."""
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one").switch()
    segments = [listed.key for listed in stores_at(root).media.list("") if listed.key.endswith(".ts")]
    with pytest.raises(StorageError):
        Job(tmp_path, stores_at(root, Fault(at=moment)), "two").switch()
    stores = stores_at(root)
    leases = Leases(stores, "somebody")
    assert leases.look("m1")[0] is None
    with leases.of("m1", leases.claim(MEDIA, from_original=False)):
        after = shown(stores)
        assert {text.split()[0] for key, text in after.items() if key.startswith(("c1", "mezz"))} == {b"two"}
        assert len(after) == 4 + 7
        records = RecordStore(stores.archive)
        known = [records.output("m1", output) for output in OUTPUTS["video"]]
        assert [record.data_version for record in known if record and record.applicable] == ["two"] * 4
        # Also what it replaced is on record, with nobody looking for it.
        noted = records.get("m1", REPLACED, ReplacedRecord)
        assert noted is not None
        assert [each.prefix for each in noted.objects] == [keys.folder(old) for old in sorted(segments)[:1]]
    assert leases.look("m1") == (None, None)


def test_a_failure_to_tidy_up_fails_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    Job(tmp_path, stores_at(root), "one", timedelta(0)).switch()
    records = Job(tmp_path, stores_at(root, Fault(of_deletes=True)), "two", timedelta(0)).switch()
    assert {record.data_version for record in records if record.applicable} == {"two"}
    old = [listed.key for listed in stores_at(root).media.list("") if b"one" in stores_at(root).media.read(listed.key)]
    assert len(old) == 3
    Job(tmp_path, stores_at(root), "three", timedelta(0)).switch()
    assert not [key for key in old if stores_at(root).media.head(key) is not None]
