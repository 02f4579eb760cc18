"""One writer per media: who takes a lease, who waits, who gives way, and what becomes of it when its holder is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import s3_server
from store_front import front

from codex_assets.archive.leases import Claim, Holder, Leases, LeaseTimes, verdict
from codex_assets.archive.records import MediaRecord, MezzanineRecord, SourceFacts
from codex_assets.archive.store import RecordStore
from codex_assets.archive.switches import SwitchNote
from codex_assets.errors import JobCancelled, LeaseLost, MediaBusy, StorageError, Superseded
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Overtaken, Role, Stores
from codex_assets.storage.s3 import S3Store
from codex_assets.system import process_identity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEDIA = MediaRecord(
    media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="originals/c1/m1/original"
)
BRISK = LeaseTimes(renewed_every=0.2, ends_after=2.0, looked_at_every=0.05, goes_on_after=0.01)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


def s3(endpoint: str, role: Role, bucket: str) -> S3Store:
    return S3Store(s3_server.location(endpoint, bucket, role=role, versioned=role == "archive"))


@pytest.fixture(params=["folder", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "folder":
        return in_folder(tmp_path)
    endpoint = request.getfixturevalue("endpoint")
    roles: tuple[Role, ...] = ("archive", "media", "assets")
    return Stores(*(s3(endpoint, role, s3_server.bucket(endpoint, versioned=role == "archive")) for role in roles))


def in_folder(root: Path) -> Stores:
    roles: tuple[Role, ...] = ("archive", "media", "assets")
    return Stores(*(DirectoryStore(root / "store", role, role) for role in roles))


def upload_of(name: str, hour: int | None, **others: Any) -> Claim:
    """A job for an upload of that hour; None for a run that builds from the mezzanine."""
    return Claim(name, None if hour is None else NOW + timedelta(hours=hour), **others)


def held_by(name: str, hour: int | None) -> Holder:
    at = None if hour is None else (NOW + timedelta(hours=hour)).isoformat()
    return Holder(run_id=name, token="t", process="p", taken_at=NOW.isoformat(), uploaded_at=at)


@pytest.mark.parametrize(
    ("asks", "has", "does"),
    [
        (upload_of("a", 2), held_by("b", 1), "take"),
        (upload_of("a", 1), held_by("b", 2), "yield"),
        # The same upload: the run that came later.
        (upload_of("a", 1), held_by("b", 1), "take"),
        # The same job, delivered again.
        (upload_of("a", 2), held_by("a", 1), "wait"),
        (upload_of("a", 1), held_by("a", 1), "wait"),
        # A rebuild waits for a job and for another rebuild; a job does not wait for a rebuild.
        (upload_of("a", None), held_by("b", 1), "wait"),
        (upload_of("a", None), held_by("b", None), "wait"),
        (upload_of("a", 1), held_by("b", None), "take"),
    ],
)
def test_who_has_a_media_of_two_that_want_it(asks: Claim, has: Holder, does: str) -> None:
    assert verdict(asks, has, is_live=True, is_switching=False) == does
    # What has begun to be shown is shown whole; what nobody holds is free.
    assert verdict(asks, has, is_live=True, is_switching=True) == "wait"
    assert verdict(asks, has, is_live=False, is_switching=True) == "take"
    assert verdict(asks, None, is_live=False, is_switching=False) == "take"


def test_of_many_that_ask_at_once_one_gets_it(stores: Stores) -> None:
    gone = threading.Barrier(6)

    def take(number: int) -> bool:
        leases = Leases(stores, f"run-{number}", times=BRISK)
        gone.wait()
        try:
            with leases.of("m1", upload_of(f"run-{number}", None, waits=timedelta(0))):
                gone.wait(20)
        except MediaBusy:
            gone.wait(20)
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, range(6))) == 1


def test_rebuilds_queue(stores: Stores) -> None:
    inside, most = [0], [0]

    def rebuild(number: int) -> None:
        leases = Leases(stores, f"run-{number}", times=BRISK)
        with leases.of("m1", upload_of(f"run-{number}", None)):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.2)
            inside[0] -= 1

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(rebuild, range(3)))
    assert most == [1]


def test_a_newer_upload_takes_over_and_the_older_one_is_told(stores: Stores) -> None:
    lost = threading.Event()
    older, newer = Leases(stores, "a", times=BRISK, on_lost=lost.set), Leases(stores, "b", times=BRISK)
    with older.of("m1", upload_of("a", 1)) as lease, newer.of("m1", upload_of("b", 2)) as taken:
        assert lost.wait(30)
        with pytest.raises(Superseded):
            lease.require()
        with pytest.raises(Superseded):
            lease.confirm()
        taken.confirm()
        holder, _ = newer.look("m1")
        assert holder is not None
        assert holder.run_id == "b"
    assert newer.look("m1") == (None, None)


def test_an_older_upload_gives_way_to_one_at_work_and_to_what_is_published(stores: Stores) -> None:
    newer, older = Leases(stores, "b", times=BRISK), Leases(stores, "a", times=BRISK)
    with newer.of("m1", upload_of("b", 2)), pytest.raises(Superseded), older.of("m1", upload_of("a", 1)):
        raise AssertionError
    record = MezzanineRecord(
        media_id="m1", media_type="video", output="mezzanine", code_version="x", data_version="x", duration=1.0,
        source=SourceFacts(container="mov", size=4, uploaded_at=(NOW + timedelta(hours=2)).isoformat()),
    )  # fmt: skip
    RecordStore(stores.archive).put("m1", "mezzanine", record)
    with pytest.raises(Superseded), older.of("m1", upload_of("a", 1)):
        raise AssertionError
    for claim in (upload_of("a", 2), upload_of("a", 3), upload_of("a", None)):
        with older.of("m1", claim) as lease:
            lease.confirm()


def test_waiting_ends(stores: Stores) -> None:
    cancelled = threading.Event()
    first, second = Leases(stores, "a", times=BRISK), Leases(stores, "b", times=BRISK, cancelled=cancelled)
    with first.of("m1", upload_of("a", 1)):
        with pytest.raises(MediaBusy), second.of("m1", upload_of("b", None, waits=timedelta(seconds=0.3))):
            raise AssertionError
        threading.Timer(0.2, cancelled.set).start()
        with pytest.raises(JobCancelled), second.of("m1", upload_of("b", None)):
            raise AssertionError


class SlowToNote(DirectoryStore):
    """A store that takes a while to take the note of a switch."""

    def write_if(self, key: str, data: bytes, current: Any, **others: Any) -> Any:
        if b'"switch_id"' in data:
            time.sleep(0.5)
        return super().write_if(key, data, current, **others)


def test_renewing_it_takes_no_switch_away_that_is_being_noted(tmp_path: Path) -> None:
    stores = replace(in_folder(tmp_path), media=SlowToNote(tmp_path / "store", "media", "media"))
    leases = Leases(stores, "a", times=replace(BRISK, renewed_every=0.05))
    with leases.of("m1", upload_of("a", 1)) as lease:
        # Meanwhile it is to be renewed, and has to wait.
        lease.note(SwitchNote(switch_id="s", media_id="m1"))
        time.sleep(0.5)
        assert leases.look("m1")[1] is not None
        lease.finish()
        assert leases.look("m1")[1] is None


def test_a_run_that_deletes_is_let_end(stores: Stores) -> None:
    """Another one might come to name meanwhile what is deleted."""
    sweeper, job = Leases(stores, "a", times=BRISK), Leases(stores, "b", times=BRISK)
    with sweeper.of("m1", upload_of("a", None)) as lease:
        with lease.deleting():
            with pytest.raises(MediaBusy), job.of("m1", upload_of("b", 1, waits=timedelta(seconds=0.5))):
                raise AssertionError
            lease.require_fresh()
        with job.of("m1", upload_of("b", 1)) as taken:
            taken.confirm()
            with pytest.raises(Superseded), lease.deleting():
                pass


def test_a_run_that_hung_while_it_deleted_is_waited_for_longer(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its delete may be on its way, and would take what the next run has put there."""
    hung = replace(BRISK, renewed_every=600.0, ends_after=0.3, ends_after_deleting=6.0)
    with monkeypatch.context() as patch:
        patch.setattr(process_identity, "this_process", lambda: "another machine 1 1 1")
        sweeper = Leases(stores, "a", times=hung)
        with sweeper.of("m1", upload_of("a", None)) as lease, lease.deleting():
            patch.undo()
            job = Leases(stores, "b", times=hung)
            with pytest.raises(MediaBusy), job.of("m1", upload_of("b", 1, waits=timedelta(seconds=1.5))):
                raise AssertionError
            with job.of("m1", upload_of("b", 1)) as taken:
                taken.confirm()
            with pytest.raises(Superseded):
                lease.confirm()


def test_who_hung_and_was_taken_for_dead_may_come_again(stores: Stores) -> None:
    hangs, other = Leases(stores, "a", times=replace(BRISK, renewed_every=600.0)), Leases(stores, "b", times=BRISK)
    with hangs.of("m1", upload_of("a", 1)) as lease:
        stores.media.delete(keys.lease("m1"))
        with other.of("m1", upload_of("b", None)):
            with pytest.raises(LeaseLost) as lost:
                lease.confirm()
            assert (lost.value.code, lost.value.retryable) == ("media_busy", True)
    with hangs.of("m1", upload_of("a", 1)) as lease:
        with other.of("m1", upload_of("b", 2)), pytest.raises(Superseded) as superseded:
            lease.confirm()
        assert (superseded.value.code, superseded.value.retryable) == ("superseded", False)


def test_within_its_block_a_run_has_it_already(stores: Stores) -> None:
    leases = Leases(stores, "a", times=BRISK)
    with leases.of("m1", upload_of("a", 1)) as outer:
        with leases.of("m1", upload_of("a", None)) as inner:
            assert inner is outer
        outer.confirm()
    assert leases.look("m1") == (None, None)


HOLDING = """
import sys
from pathlib import Path
from codex_assets.archive.leases import Claim, Leases, LeaseTimes
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
stores = Stores(*(DirectoryStore(Path(sys.argv[1]) / "store", role, role) for role in ("archive", "media", "assets")))
with Leases(stores, "killed").of("m1", Claim("killed")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lease_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        leases = Leases(in_folder(tmp_path), "a")
        with pytest.raises(MediaBusy), leases.of("m1", upload_of("a", None, waits=timedelta(0))):
            raise AssertionError
        process.send_signal(signal.SIGKILL)
        process.wait()
        with leases.of("m1", upload_of("a", None, waits=timedelta(0))) as lease:
            lease.confirm()


def test_the_lease_of_another_machine_ends_when_it_is_not_renewed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(process_identity, "this_process", lambda: "another machine 1 1 1")
        # As a worker that hangs.
        elsewhere = Leases(stores, "a", times=replace(BRISK, renewed_every=600.0))
        with elsewhere.of("m1", upload_of("a", None)) as lease:
            here = Leases(stores, "b", times=BRISK)
            with pytest.raises(MediaBusy), here.of("m1", upload_of("b", None, waits=timedelta(0))):
                raise AssertionError
            with here.of("m1", upload_of("b", None, waits=timedelta(seconds=60))) as taken:
                taken.confirm()
                with pytest.raises(Superseded):
                    lease.confirm()


def test_a_process_is_known_by_its_start() -> None:
    mine = process_identity.this_process()
    assert not process_identity.has_ended(mine)
    machine, process, start = mine.rsplit(" ", 2)
    assert process_identity.has_ended(f"{machine} {process} {int(start) + 1}")
    assert process_identity.has_ended(f"{machine} {2**22 + 1} {start}")
    # Of other machines, and of what is no identity, nothing is known.
    assert not process_identity.has_ended(f"x{machine} {process} 1")
    assert not process_identity.has_ended("")
    with subprocess.Popen(["true"]) as child:
        started = f"{machine} {child.pid} {process_identity._start_of(child.pid) or 0}"
    assert process_identity.has_ended(started)
    assert os.getpid() == int(process)


def test_what_is_no_lease_is_nobodys(stores: Stores) -> None:
    stores.media.write(keys.lease("m1"), b"<html>", content_type="text/html")
    leases = Leases(stores, "a", times=BRISK)
    assert leases.look("m1") == (None, None)
    with leases.of("m1", upload_of("a", None)) as lease:
        lease.confirm()


def test_a_lease_that_the_store_lost_is_made_again(stores: Stores) -> None:
    leases = Leases(stores, "a", times=replace(BRISK, renewed_every=60.0))
    with leases.of("m1", upload_of("a", None)) as lease:
        stores.media.delete(keys.lease("m1"))
        lease.confirm()
        holder, _ = leases.look("m1")
        assert holder is not None


def test_a_conditional_write_is_done_over_what_was_seen_alone(stores: Stores) -> None:
    def write(data: bytes, current: Any) -> Any:
        return stores.media.write_if("k", data, current, content_type="application/json", cache_control="no-store")

    first = write(b"1", None)
    with pytest.raises(Overtaken):
        write(b"2", None)
    # The same again is what is asked again after an answer that was lost.
    assert write(b"1", None).sha256 == first.sha256
    second = write(b"2", first)
    with pytest.raises(Overtaken):
        write(b"3", first)
    assert stores.media.read("k") == b"2"
    assert second.cache_control == "no-store"
    stores.media.delete("k")
    with pytest.raises(Overtaken):
        write(b"3", second)
    assert stores.media.head("k") is None


@pytest.mark.parametrize("conditions", ["ignored", "looked at first"])
def test_a_store_that_does_not_keep_runs_apart_is_refused(
    endpoint: str, conditions: Literal["ignored", "looked at first"]
) -> None:
    with front(endpoint) as between:
        between.conditions = conditions
        store = s3(between.url, "media", s3_server.bucket(endpoint))
        with pytest.raises(StorageError, match="does not keep two runs from writing") as refused:
            store.require_conditions()
        assert not refused.value.retryable
        assert list(store.list("")) == []
        # And no job begins with it.
        stores = Stores(store, store, store)
        with pytest.raises(StorageError, match="does not keep two runs"), Leases(stores).of("m1", upload_of("a", 1)):
            raise AssertionError
        between.conditions = "kept"
        store.require_conditions()
        assert list(store.list("")) == []
        # It is asked once.
        between.asked.clear()
        store.require_conditions()
        assert between.asked == []


def test_a_server_that_looks_and_writes_in_two_steps_is_refused() -> None:
    with s3_server.s3_server(locked=False) as plain:
        store = s3(plain, "media", s3_server.bucket(plain))
        with pytest.raises(StorageError, match="both succeed"):
            store.require_conditions()
        assert list(store.list("")) == []
