"""`PREVIEW_PUBLIC_COPY`: the preview is in the assets bucket, too, whole and under the same keys, and goes with it."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jobs
import pytest

from codex_assets.archive.records import VariantRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.library.reconcile import Reconciliation
from codex_assets.storage.objects import ObjectStore
from codex_assets.system.stopping import StopEvent
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Workspace
from codex_assets.verification.audit import Auditor
from codex_assets.worker import job

MEDIA = "clip"
FOLDER = f"{jobs.CREATOR}/hls/{MEDIA}/preview/"


def settings(folder: Path, **variables: str) -> Settings:
    return configuration.load(jobs.local_environment(folder) | variables)


def build(configured: Settings, job_id: str, *assets: str) -> None:
    chosen = {"assets": list(assets)} if assets else {}
    payload = jobs.payload("video", MEDIA, "https://receiver.invalid/") | chosen
    answer = job.work(job_id, payload, configured)
    assert answer.body.status == "completed", answer.body


def contents(store: ObjectStore) -> dict[str, bytes]:
    return {stored.key: store.read(stored.key) for stored in store.list(FOLDER)}


def failing(configured: Settings, rules: list[str], folder: Path) -> list[str]:
    """Which of these rules find something in what is published."""
    stores = configured.stores()
    media = RecordStore(stores.archive).media(MEDIA)
    assert media is not None
    with closing(Workspace(folder / "audit")) as workspace:
        auditor = Auditor(stores, Tools(tool_environment(os.environ)), workspace, deep=False)
        audits = list(auditor.audit(media, ["preview", "hls_master"], only=rules))
    return sorted(finding.rule for audit in audits for finding in audit.checks if not finding.passed)


@pytest.mark.ffmpeg
def test_the_copy_is_the_preview_and_old_segments_go_with_it(tmp_path: Path) -> None:
    plain, copying = settings(tmp_path), settings(tmp_path, PREVIEW_PUBLIC_COPY="1")
    stores = plain.stores()
    jobs.put_original(stores, "video", MEDIA)
    build(plain, "job-1")
    assert contents(stores.assets) == {}, "off by default"

    build(copying, "job-2", "preview")
    first = contents(stores.media)
    assert contents(stores.assets) == first
    record = RecordStore(stores.archive).output(MEDIA, "preview")
    assert isinstance(record, VariantRecord)
    assert {file.role for file in record.files} == {"media"}

    jobs.put_original(stores, "video", MEDIA, jobs.film(2))
    build(copying, "job-3")
    second = contents(stores.media)
    assert contents(stores.assets) == second
    assert set(first) < set(second), "what was replaced can still be played"

    rules = ["public_copy_plays", "public_copy_current", "nothing_else_is_public"]
    assert failing(copying, rules, tmp_path) == []
    segment = next(key for key in sorted(set(second) - set(first)) if key.endswith(".ts"))
    stores.assets.delete(segment)
    film = FOLDER.replace("preview/", "360p/playlist.m3u8")
    stores.assets.write(film, b"#EXTM3U\n", content_type="application/vnd.apple.mpegurl")
    assert failing(copying, rules, tmp_path) == ["nothing_else_is_public", "public_copy_plays"]
    stores.assets.delete(film)
    stores.assets.write(segment, second[segment], content_type="video/mp2t")

    later = Reconciliation(stores, StopEvent(None), fix=True, now=lambda: datetime.now(UTC) + timedelta(hours=25))
    assert [each.matter for each in later.run([MEDIA]) if not each.repaired] == []
    assert contents(stores.assets) == contents(stores.media)
    former = set(first) - {f"{FOLDER}preview.m3u8"}
    assert former.isdisjoint(contents(stores.assets))


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_copy_that_a_killed_job_left_is_found(tmp_path: Path) -> None:
    copying = settings(tmp_path, PREVIEW_PUBLIC_COPY="1")
    stores = copying.stores()
    jobs.put_original(stores, "video", MEDIA)
    build(copying, "job-1")
    left = f"{FOLDER}0123456789ab/segment_00000.ts"
    stores.assets.write(left, b"left", content_type="video/mp2t")
    for hours in (1, 26):
        later = datetime.now(UTC) + timedelta(hours=hours)
        list(Reconciliation(stores, StopEvent(None), fix=True, now=lambda: later).run([MEDIA]))  # noqa: B023
    assert stores.assets.head(left) is None
    assert contents(stores.assets) == contents(stores.media)
