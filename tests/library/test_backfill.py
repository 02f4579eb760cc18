"""A backfill on several real workers, some of them killed: every output right, each built by one job, nothing left."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import control_plane
import jobs
import pytest
import runpod_api
from runpod_api import Fleet

from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.rebuild import Rebuild
from codex_assets.library.rebuild_journal import Journal
from codex_assets.library.rebuild_limits import RebuildLimits
from codex_assets.library.rebuild_order import RebuildOrder
from codex_assets.media import outputs
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores

pytestmark = pytest.mark.ffmpeg

TEMPLATE = "templatemedia"
OUTPUTS = ("hls_360p", "thumbnail")


def template(folder: Path) -> Stores:
    """One real media of a third of a second, whose original is gone."""
    settings = configuration.load(jobs.local_environment(folder))
    stores = settings.stores()
    key = jobs.input_key("video", TEMPLATE)
    media = MediaRecord(
        media_id=TEMPLATE, creator_id=jobs.CREATOR, media_type="video", input_role="archive", input_key=key
    )
    jobs.put_original(stores, "video", TEMPLATE, jobs.blink())
    RecordStore(stores.archive).put(TEMPLATE, "media", media)
    with open_workshop(settings) as workshop:
        for _ in workshop.builder.build(media, outputs.wanted("video")):
            pass
    stores.archive.delete(key)
    return stores


def copy(stores: Stores, into: Stores, media_id: str) -> None:
    """The template under another id, without the outputs that are to be built."""
    lost = {keys.record(TEMPLATE, output) for output in OUTPUTS}
    for source, target in zip(
        (stores.archive, stores.media, stores.assets), (into.archive, into.media, into.assets), strict=True
    ):
        for stored in source.list(""):
            if (
                stored.key.startswith("leases/")
                or stored.key in lost
                or "/360p/" in stored.key
                or "/thumbnails/" in stored.key
            ):
                continue
            data = source.read(stored.key)
            if stored.key.startswith("records/"):
                data = data.replace(TEMPLATE.encode(), media_id.encode())
            target.write(stored.key.replace(TEMPLATE, media_id), data, content_type="application/octet-stream")


def contents(stores: Stores, media_id: str) -> dict[str, bytes]:
    """Everything published of a media, by key as the template has it; the archive's records aside."""
    return {
        stored.key.replace(media_id, TEMPLATE): store.read(stored.key)
        for store in (stores.archive, stores.media, stores.assets)
        for stored in store.list("")
        if f"/{media_id}/" in stored.key and not stored.key.startswith("records/")
    }


def backfill(folder: Path, *, media: int, workers: int, kills: int, in_flight: int) -> None:
    stores = template(folder / "template")
    local = jobs.local_environment(folder)
    ids = [f"media{number:03d}" for number in range(media)]
    with runpod_api.serving() as api, ExitStack() as stack:
        settings: Settings = configuration.load({**local, **api.client_environment(RUNPOD_IN_FLIGHT=str(in_flight))})
        for media_id in ids:
            copy(stores, settings.stores(), media_id)
        catalogue = Catalogue(settings.catalogue, settings.stores().archive)
        catalogue.refresh()
        order = RebuildOrder(outputs=OUTPUTS)
        targets = order.targets(catalogue)
        assert [target.media_id for target in targets] == ids
        assert {target.outputs for target in targets} == {OUTPUTS}
        fleet = stack.enter_context(closing(Fleet(api, local)))
        homes = {f"w{number}": folder / f"w{number}" for number in range(workers)}
        killed: list[str] = []
        over = threading.Event()

        def reap() -> None:
            """Kill workers in the middle of a job, evenly over the backfill; each is followed by another."""
            while len(killed) < kills and not over.wait(0.2):
                if api.count("COMPLETED") < 1 + len(killed) * media // (kills + 1):
                    continue
                busy = [job.pods[-1] for job in api.jobs.values() if job.status == "IN_PROGRESS"]
                busy = [pod for pod in busy if pod in homes]
                if not busy or over.wait(0.37 * (len(killed) % 4)):
                    continue
                pod = busy[len(killed) % len(busy)]
                fleet.kill(pod)
                home = homes.pop(pod)
                killed.append(pod)
                successor = f"{pod}x"
                homes[successor] = home
                fleet.start(successor, home)

        for pod, home in homes.items():
            fleet.start(pod, home)
        reaper = threading.Thread(target=reap)
        reaper.start()
        journal = Journal.begin(configuration.journals(settings), order, targets)
        began = time.monotonic()
        try:
            summary = Rebuild(
                settings, catalogue, journal, RebuildLimits(workers=in_flight, canary=lambda count: 1)
            ).run()
        finally:
            over.set()
            reaper.join()
            journal.close()
        took = time.monotonic() - began
        jobs_of = {job.job_id: job for job in api.jobs.values()}
        print(f"{media} media, {workers} workers, {len(killed)} killed: {took:.1f} s, {len(jobs_of)} jobs")
        logs = {home: (home / "worker.log").read_text(errors="replace")[-3000:] for home in homes.values()}
        assert (summary.done, summary.failed, summary.left) == (media, [], 0), logs
        assert len(killed) == kills

        # Every output is right, and what was there before is as it was.
        expected = contents(stores, TEMPLATE)
        for media_id in ids:
            assert contents(settings.stores(), media_id) == expected, media_id
        # Each was built by one job, which gave one result.
        records = RecordStore(settings.stores().archive)
        for media_id in ids:
            for output in OUTPUTS:
                record = records.output(media_id, output)
                assert record is not None
                assert record.build is not None
                job = jobs_of[record.build.run_id or ""]
                assert job.input["mediaId"] == media_id
        ended = [job for job in jobs_of.values() if job.done]
        assert all(job.done == 1 for job in ended)
        assert len([job for job in ended if job.status == "COMPLETED"]) == media
        assert {job.status for job in jobs_of.values()} <= {"COMPLETED", "FAILED"}
        assert any(len(job.pods) > 1 for job in jobs_of.values()), "a job of a killed worker was given to another"
        assert api.most_at_once <= workers + len(killed)
        # Nothing is left to do, nor left behind.
        catalogue.refresh()
        assert order.targets(catalogue) == []
        for home in homes.values():
            assert not list((home / "tmp" / "codex-assets").glob("run-*"))
        fleet.close()
        for home in homes.values():
            assert not control_plane.processes_with(str(home / "tmp"))


@pytest.mark.slow
def test_a_small_backfill_survives_a_kill(tmp_path: Path) -> None:
    backfill(tmp_path, media=6, workers=2, kills=1, in_flight=3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_backfill_of_200_media_on_four_workers_that_are_killed(tmp_path: Path) -> None:
    backfill(tmp_path, media=200, workers=4, kills=10, in_flight=6)
